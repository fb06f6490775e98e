"""`tito init`: make a learner's workspace."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path

import click

from tito.carried import course_root, make_wheel
from tito.course import Module, read_course
from tito.environment import active_environment, install_workspace, make_environment
from tito.errors import TitoError
from tito.handout import carried_handout
from tito.workspace import Workspace


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--from", "first", metavar="NN", help="Begin with module NN; those before it are put on loan.")
@click.option("--no-venv", is_flag=True, help="Use the active environment instead of making DIR/.venv.")
def command(folder: Path, first: str | None, no_venv: bool) -> None:
    """Make a workspace in DIR: the lessons, and a package that starts empty."""
    course = read_course(course_root() / "modules" / "course.toml")
    begin = course.find(first) if first else course.written[0]
    environment = active_environment() if no_venv else None
    root = Path(os.path.abspath(folder))
    check_free(root)
    create(root, tuple(module for module in course.written if module.number < begin.number))
    if environment is None:
        make_environment(root)
    else:
        replaced = install_workspace(root, environment)
        was = ", in place of another one" if replaced else ""
        click.echo(f"In the environment {environment}, `import tinytorch` is now this workspace{was}.")
    click.echo(f"Your workspace is ready: {root}")
    click.echo("\n".join(["", "Next:", *(f"  {step}" for step in next_steps(folder, begin, no_venv))]))


def next_steps(folder: Path, begin: Module, no_venv: bool) -> tuple[str, str, str]:
    """Return the first three commands in a new workspace."""
    launcher = "python tito" if os.name == "nt" else "./tito"
    tito = "tito" if no_venv else launcher
    place = str(folder) if os.name == "nt" else shlex.quote(str(folder))
    return f"cd {place}", f"{tito} module start {begin.number:02}", f"{tito} module test {begin.number:02}"


def check_free(root: Path) -> None:
    """Make sure that a workspace may be made at `root`.

    Raises
    ------
    TitoError
        If something is there already, or if it lies in another workspace.
    """
    instead = f"Choose another folder, for example `tito init {shlex.quote(f'{root.name}-2')}`."
    if root.exists() and not root.is_dir():
        raise TitoError(f"{root} is a file, not a folder.", instead, exit_code=2)
    if root.is_dir() and any(root.iterdir()):
        raise TitoError(f"{root} is not empty, and nothing in it is overwritten.", instead, exit_code=2)
    for above in root.resolve().parents:
        if (above / "modules" / "course.toml").is_file():
            raise TitoError(
                f"{root} would lie inside the workspace {above}.",
                f"Make it beside that one: `tito init {shlex.quote(str(above.parent / root.name))}`.",
                exit_code=2,
            )


def create(root: Path, on_loan: tuple[Module, ...] = ()) -> Workspace:
    """Make a workspace without environment at `root`: built beside it, then put in place in one step.

    Raises
    ------
    TitoError
        If the place cannot be written to.
    """
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as temporary:
            built = Path(temporary) / root.name
            lay_out(built, on_loan)
            if not root.exists():
                built.rename(root)
            else:  # the folder itself stays, since a shell may stand in it
                for path in sorted(built.iterdir()):
                    path.rename(root / path.name)
    except OSError as error:
        raise TitoError(
            f"the workspace could not be written: {error.strerror}: {error.filename}.",
            "Choose a folder where you may write.",
        ) from None
    return Workspace(root)


def lay_out(root: Path, on_loan: tuple[Module, ...] = ()) -> None:
    """Write every file of a workspace into the new folder `root`, borrowing the modules `on_loan`."""
    handout = carried_handout()
    for path, data in handout.files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    (root / "tito").chmod(0o755)
    for module in on_loan:
        (root / module.exported).write_bytes(handout.loan(module))
    make_wheel(root / ".tito")  # it carries the course as well: `tito update` reads what was handed out from it
