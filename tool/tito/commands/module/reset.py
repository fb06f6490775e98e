"""`tito module reset`: what was handed out once comes back, and what it replaces is kept."""

from __future__ import annotations

from pathlib import Path

import click

from tito import references
from tito.backups import keep, shown
from tito.course import Module
from tito.errors import TitoError
from tito.files import write_atomically
from tito.lesson import CELL, Lesson
from tito.practice import Here, refuse_in_solved
from tito.screen import prose, say
from tito.workspace import Workspace


@click.command("reset")
@click.argument("name", metavar="NN")
@click.option("--exercise", metavar="NAME", help="Bring back this exercise only.")
def command(name: str, exercise: str | None) -> None:
    """Start the lesson NN anew; your old file is kept.

    Where the suite or the page beside the lesson is missing or changed, that comes back first, and nothing else.
    """
    here = Here.find(name)
    workspace, module = here.workspace, here.module
    refuse_in_solved(workspace, "its lessons are the reference answers", "`git restore` brings a file back.")
    path = workspace.root / module.lesson
    if exercise:
        _hand_out(workspace, module, path, _reset_exercise(here, exercise), exercise)
    elif _bring_back(workspace, module) and path.exists():
        prose(f"{module.lesson} is untouched: to start it anew as well, give the command again.")
        say(f"Next: `tito module test {here.number}`")
        return
    else:
        _hand_out(workspace, module, path, references.starter(module), module.lesson)
    say(f"Next: `tito module start {here.number}`")


def _hand_out(workspace: Workspace, module: Module, path: Path, text: str, what: str) -> None:
    """Write the lesson anew and keep the old one, unless it says the same already."""
    if path.exists() and path.read_bytes() == text.encode():
        say(f"{what} is as it was handed out; nothing to do.")
        return
    _replace(workspace, module, path, text)
    say(f"{what} is as it was handed out.", "green")


def _replace(workspace: Workspace, module: Module, path: Path, text: str) -> None:
    if path.exists():
        say(f"Your old file is in {shown(workspace.root, keep(workspace.root, module, path))}{path.name}")
    write_atomically(path, text)


def _bring_back(workspace: Workspace, module: Module) -> list[str]:
    """Bring back the files beside the lesson that are missing or changed; return their paths."""
    back = references.not_as_handed_out(workspace.root, module)
    for path in back:
        _replace(workspace, module, workspace.root / path, references.reference_file(path).read_text(encoding="utf-8"))
        say(f"{path} is as it was handed out.", "green")
    return back


def _reset_exercise(here: Here, name: str) -> str:
    """Return the learner's lesson with one exercise's cell as it was handed out.

    The cell is found by its tag, so that it also comes back if its markers are damaged.
    """
    cell = Lesson(references.starter(here.module), here.module.lesson).exercise(name).cell
    lines = here.lesson().text.split("\n")
    opens = [i for i, line in enumerate(lines) if CELL.match(line)]
    at = next((i for i in opens if f'tags=["{name}"' in lines[i]), None)
    if at is None:
        raise TitoError(
            f"{here.module.lesson} has no cell tagged {name!r} any more.",
            f"`tito module reset {here.number}` brings the whole lesson back and keeps your file.",
        )
    end = next((i for i in opens if i > at), len(lines))
    while end > at + 1 and not lines[end - 1].strip():
        end -= 1
    return "\n".join([*lines[: at + 1], *cell.lines, *lines[end:]])
