"""`tito notebook`: the lesson as a notebook, and its changes back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click

from tito.notebooks import notebook_path, synchronize
from tito.practice import Here
from tito.screen import prose


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
        _wait([*jupyter, str(path)], path.parent)
        prose(synchronize(root, here.module))
    elif open_it:
        shown = path.relative_to(root).as_posix()
        prose(
            f"Jupyter is not installed here. Open {shown} in an editor that shows notebooks, "
            "or run `pip install jupyterlab`."
        )
    prose(
        f"Next: save the notebook, take it back with `tito notebook {here.number}`, "
        f"then `tito module test {here.number}`",
        indent=6,
    )


def _jupyter() -> list[str] | None:
    """Return the command that opens a notebook, of this environment before any other."""
    beside = str(Path(sys.executable).parent)
    for program in ("jupyter-lab", "jupyter-notebook"):
        found = shutil.which(program, path=beside) or shutil.which(program)
        if found:
            return [found]
    return None


def _wait(arguments: list[str], folder: Path) -> None:
    """Run Jupyter until it ends; Ctrl-C is its own way to be ended."""
    process = subprocess.Popen(arguments, cwd=folder)
    while process.poll() is None:
        try:
            process.wait()
        except KeyboardInterrupt:  # Jupyter got it too and asks whether it shall end
            continue
