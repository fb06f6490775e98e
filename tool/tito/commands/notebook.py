"""`tito notebook`: the lesson as a notebook, and its changes back."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click

from tito.files import write_atomically
from tito.notebooks import notebook_path, synchronize
from tito.practice import Here
from tito.screen import prose

_PROGRAMS = ("jupyter-lab", "jupyter-notebook")


@click.command("notebook")
@click.argument("name", metavar="NN")
@click.option("--open/--no-open", "open_it", default=True, help="Open it in Jupyter, if that is installed.")
def command(name: str, open_it: bool) -> None:
    """Write the notebook of module NN beside its lesson, or take its changes back into the lesson."""
    here = Here.find(name)
    root, path = here.workspace.root, notebook_path(here.workspace.root, here.module)
    prose(synchronize(root, here.module))
    jupyter = _jupyter() if open_it else None
    if jupyter:
        prose("Jupyter opens. Save there and end it here with Ctrl-C; then the changes go into the lesson.")
        _wait([jupyter, str(path)], path.parent, _with_own_kernel(root))
        prose(synchronize(root, here.module))
    elif open_it:
        shown = path.relative_to(root).as_posix()
        prose(f"Jupyter is not installed here. Open {shown} in an editor that shows notebooks, such as VS Code.")
        prose(f"Or install it: `{_install(root)}`")
    prose(
        f"Next: save the notebook, take it back with `tito notebook {here.number}`, "
        f"then `tito module test {here.number}`",
        indent=6,
    )


def _jupyter() -> str | None:
    """Return the program that opens notebooks: of this environment, or of another if this one has a kernel."""
    beside = str(Path(sys.executable).parent)
    here = [shutil.which(program, path=beside) for program in _PROGRAMS]
    elsewhere = [shutil.which(program) for program in _PROGRAMS] if importlib.util.find_spec("ipykernel") else []
    return next(filter(None, [*here, *elsewhere]), None)


def _install(root: Path) -> str:
    """Return the command that installs Jupyter into this environment."""
    python = Path(sys.executable)
    shown = python.relative_to(root).as_posix() if python.is_relative_to(root) else shlex.quote(str(python))
    return f"{shown} -m pip install jupyterlab"


def _with_own_kernel(root: Path) -> dict[str, str]:
    """Return the variables with which any Jupyter runs notebooks in this environment, where the learner's code answers.

    Without them a Jupyter of another environment would take a kernel of its own, and another `tinytorch`, or none.
    """
    folder = root / ".tito" / "jupyter"
    kernel = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (this workspace)",
        "language": "python",
        "metadata": {"debugger": True},
    }
    write_atomically(folder / "kernels" / "python3" / "kernel.json", json.dumps(kernel, indent=1) + "\n")
    paths = [str(folder), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    return {**os.environ, "JUPYTER_PATH": os.pathsep.join(paths)}


def _wait(arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Run Jupyter until it ends; Ctrl-C is its own way to be ended."""
    process = subprocess.Popen(arguments, cwd=folder, env=environment)
    while process.poll() is None:
        try:
            process.wait()
        except KeyboardInterrupt:  # Jupyter got it too and asks whether it shall end
            continue
