"""`tito milestone list`: the milestones, what each stands on, and which were reached."""

from __future__ import annotations

from typing import Any

import click

from tito.commands.options import dump, json_option
from tito.course import Module
from tito.milestones import Milestone, reached, read_milestones, standing
from tito.screen import say, table
from tito.workspace import LOAN, OPEN, PLANNED, YOURS, Workspace

WORST_FIRST = (PLANNED, OPEN, LOAN, YOURS)


@click.command("list")
@json_option
def command(as_json: bool) -> None:
    """List the milestones, whose modules they need, and which you have reached."""
    workspace = Workspace.find()
    milestones, days = read_milestones(workspace.root), reached(workspace)
    found = [standing(workspace, milestone) for milestone in milestones]
    if as_json:
        dump([row(m, modules, days.get(m.folder)) for m, modules in zip(milestones, found, strict=True)])
        return
    if not milestones:
        say("There are no milestones in this workspace. `tito update` brings them.")
        return
    table(
        ("year", "name", "what it shows", "modules", "done"),
        [
            (str(m.year), m.name, m.shows, summary(modules), "yes" if m.folder in days else "")
            for m, modules in zip(milestones, found, strict=True)
        ],
        [next(state for state in WORST_FIRST if state in modules) for modules in found],
    )
    say()
    ready = [m for m, modules in zip(milestones, found, strict=True) if not {OPEN, PLANNED} & modules.keys()]
    if waiting := [m for m in ready if m.folder not in days]:
        say(f"Next: `tito milestone run {waiting[0].year}`")
    elif not ready:
        say("Each can be run when its modules are yours or on loan.")
    else:
        say("All that can be run were reached.")


def summary(modules: dict[str, list[Module]]) -> str:
    """Return in a few words what a milestone stands on: what is not there yet; else what is not yours; else all."""
    absent = [f"{numbers(modules[state])} {state}" for state in (OPEN, PLANNED) if state in modules]
    state = LOAN if LOAN in modules else YOURS
    return ", ".join(absent) or f"{numbers(modules[state])} {state}"


def numbers(modules: list[Module]) -> str:
    """Return the numbers of modules, neighbours as a range: ``01-05, 08``."""
    runs: list[list[int]] = []
    for number in sorted(module.number for module in modules):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]:02}" + (f"-{run[-1]:02}" if len(run) > 1 else "") for run in runs)


def row(milestone: Milestone, modules: dict[str, list[Module]], day: str | None) -> dict[str, Any]:
    """Return what a listing tells other programs about a milestone."""
    return {
        "year": milestone.year,
        "name": milestone.name,
        "folder": milestone.folder,
        "title": milestone.title,
        "shows": milestone.shows,
        "accuracy": milestone.accuracy,
        "seconds": milestone.seconds,
        "modules": {module.folder: state for state, group in modules.items() for module in group},
        "reached": day,
    }
