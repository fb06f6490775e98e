"""`tito module status`: where the learner is, and what comes next."""

from __future__ import annotations

from typing import Any

import click

from tito.commands.module.list import row
from tito.commands.options import dump, json_option
from tito.course import Module
from tito.errors import TitoError
from tito.export import read_lesson
from tito.screen import prose, say, table
from tito.workspace import LOAN, Workspace


@click.command("status")
@json_option
def command(as_json: bool) -> None:
    """Show where you are, and the next command."""
    workspace = Workspace.find()
    modules = workspace.course.written
    exercises = {module.folder: _exercises(workspace, module) for module in modules}
    states = [workspace.state(module) for module in modules]
    step, reason = _next_step(workspace)
    if as_json:
        rows = [
            {**row(module, state), "exercises": exercises[module.folder]}
            for module, state in zip(modules, states, strict=True)
        ]
        dump({"workspace": str(workspace.root), "modules": rows, "next": step})
        return
    table(
        ("", "module", "state", "exercises written"),
        [
            (f"{module.number:02}", module.title, state, _written(exercises[module.folder], state))
            for module, state in zip(modules, states, strict=True)
        ],
        states,
    )
    say()
    prose(reason)
    say(f"Next: `{step}`")


def _exercises(workspace: Workspace, module: Module) -> dict[str, Any]:
    """Return what is written of a module: its exercises, and which are open; or what is wrong with its lesson."""
    try:
        lesson = read_lesson(workspace.root, module)
        return {"total": len(lesson.names), "open": list(lesson.open), "problem": None}
    except TitoError as error:
        return {"total": None, "open": [], "problem": error.message}


def _written(exercises: dict[str, Any], state: str) -> str:
    if state == LOAN:
        return "the reference's"
    if exercises["problem"]:
        return "the lesson cannot be read"
    return f"{exercises['total'] - len(exercises['open'])} of {exercises['total']}"


def _next_step(workspace: Workspace) -> tuple[str, str]:
    """Return the next command, and why it is next."""
    module = workspace.current()
    if module is None:
        return "tito test", "Every module that is written is there."
    number, title = f"{module.number:02}", f"{module.number:02} {module.title}"
    exercises = _exercises(workspace, module)
    if exercises["problem"]:
        path = workspace.root / module.lesson
        lost = not path.exists() or not path.read_bytes().strip()
        return f"tito module {'reset' if lost else 'test'} {number}", exercises["problem"]
    left = exercises["open"]
    if not left:
        return f"tito module complete {number}", f"Every exercise of {title} is written."
    if workspace.begun(module):
        return f"tito module test {number}", f"You are in {title}; the next exercise is {left[0]}."
    return f"tito module start {number}", f"The next module is {title}."
