"""`tito module list`: the modules of the course, and how far each is."""

from __future__ import annotations

from typing import Any

import click

from tito.commands.options import dump, json_option
from tito.course import Module
from tito.screen import table
from tito.workspace import Workspace


@click.command("list")
@json_option
def command(as_json: bool) -> None:
    """List the modules of the course and how far each is."""
    workspace = Workspace.find()
    states = [workspace.state(module) for module in workspace.course]
    if as_json:
        dump([row(module, state) for module, state in zip(workspace.course, states, strict=True)])
        return
    rows = [
        (f"{module.number:02}", module.title, f"{module.hours:g} h" if module.written else "", module.pace, state)
        for module, state in zip(workspace.course, states, strict=True)
    ]
    table(("", "module", "time", "difficulty", "state"), rows, states)


def row(module: Module, state: str) -> dict[str, Any]:
    """Return what a listing tells other programs about a module."""
    return {
        "number": module.number,
        "folder": module.folder,
        "name": module.name,
        "title": module.title,
        "hours": module.hours,
        "difficulty": module.difficulty,
        "state": state,
    }
