"""`tito module start`: begin a module, or take it up again."""

from __future__ import annotations

import click

from tito.course import Module
from tito.errors import TitoError
from tito.export import export_of
from tito.lesson import Lesson
from tito.practice import Here, missing_hint, missing_message, tell_backup
from tito.screen import fields, prose, say
from tito.workspace import LOAN, Workspace


@click.command("start")
@click.argument("name", metavar="NN")
def command(name: str) -> None:
    """Begin module NN, or take it up again; ends a loan."""
    here = Here.find(name)
    workspace, module = here.workspace, here.module
    missing = workspace.missing(module)
    if missing:
        raise TitoError(missing_message(module, missing), missing_hint(missing))
    lesson = here.lesson()
    left = lesson.open
    if workspace.state(module) == LOAN:
        _end_loan(workspace, module)
    _introduce(module, lesson)
    say()
    if left:
        first, line = next(iter(left.items()))
        say(f"Begin with {first}, {module.lesson}:{line}")
        prose(
            f"Next: write it in your editor, or with `tito notebook {here.number}`; "
            f"then `tito module test {here.number}`",
            indent=6,
        )
    else:
        say("Every exercise is written.")
        say(f"Next: `tito module complete {here.number}`")


def _end_loan(workspace: Workspace, module: Module) -> None:
    """Put the learner's own lesson in the place of the borrowed file."""
    written = workspace.put(module, export_of(workspace.root, module))
    tell_backup(workspace, written)
    prose(f"The loan is over: {module.exported} is your lesson now, with what you have written so far.")
    say()


def _introduce(module: Module, lesson: Lesson) -> None:
    say(f"{module.number:02} {module.title}", "bold")
    for line in opening(lesson):
        prose(line)
    say()
    fields(
        [
            ("Lesson", module.lesson),
            ("Page", module.page),
            ("Time", f"{module.hours:g} {'hour' if module.hours == 1 else 'hours'}, {module.pace}"),
            ("Exercises", _progress(lesson)),
        ]
    )


def _progress(lesson: Lesson) -> str:
    done, total = len(lesson.names) - len(lesson.open), len(lesson.names)
    return f"{total}, of which {done} written" if done else str(total)


def opening(lesson: Lesson) -> list[str]:
    """Return the first paragraph under a lesson's title, and what it says that the learner has and builds."""
    first = next((cell for cell in lesson.cells if cell.markdown), None)
    lines = [line.strip() for line in first.lines if line.strip() not in ('"""', 'r"""')] if first else []
    text = "\n".join(line for line in lines if not line.startswith("# ")).strip()
    opening, *others = text.split("\n\n")
    shown = [opening, *(paragraph for paragraph in others if paragraph.startswith("**You "))]
    return [" ".join(paragraph.replace("**", "").split()) for paragraph in shown if paragraph]
