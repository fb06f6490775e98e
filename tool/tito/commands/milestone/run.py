"""`tito milestone run`: one milestone on the learner's package, in a process of its own."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from tito.commands.milestone.list import numbers
from tito.course import Module
from tito.errors import TitoError
from tito.export import read_lesson
from tito.memory import remember
from tito.milestones import TOPIC, Milestone, find_milestone, read_milestones, standing
from tito.places import Place, place_of
from tito.playing import INTERRUPTED
from tito.practice import missing_hint, stands_on
from tito.screen import fields, prose, say
from tito.workspace import LOAN, OPEN, PLANNED, YOURS, Workspace

PROVES_NOTHING = {"--dry-run", "--help", "-h"}  # options with which nothing is reached
_FRAMES = 3  # lines of the learner's code that are shown, the deepest last
_GRACE = 5.0  # seconds that a program gets to end after Ctrl-C


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name", metavar="NAME")
@click.argument("options", metavar="[OPTIONS OF THE PROGRAM]", nargs=-1, type=click.UNPROCESSED)
def command(name: str, options: tuple[str, ...]) -> None:
    """Run milestone NAME on your own package.

    What stands after NAME goes to the program: --seed N, --dry-run, --out FOLDER; --help shows all.
    """
    workspace = Workspace.find()
    milestone = find_milestone(read_milestones(workspace.root), name)
    check_modules(workspace, milestone)
    say()
    run(workspace, milestone, options)
    if not PROVES_NOTHING & {*options} and not workspace.solved:
        remember(workspace.root, TOPIC, milestone.folder, datetime.date.today().isoformat())


def check_modules(workspace: Workspace, milestone: Milestone) -> None:
    """Say which modules a milestone stands on, and whose they are.

    Raises
    ------
    TitoError
        If one is still to be built.
    """
    found = standing(workspace, milestone)
    labels = (("Yours", YOURS), ("On loan", LOAN), ("Open", OPEN), ("Planned", PLANNED))
    takes = ("Takes", f"about {milestone.seconds:g} seconds")
    modules = ((label, titles(found.get(state, []))) for label, state in labels)
    fields([("Milestone", milestone.folder), takes, *modules])
    if planned := found.get(PLANNED):
        raise TitoError(
            f"{milestone.folder} stands on {numbers(planned)}, whose lessons are not written yet.",
            "`tito milestone list` shows the milestones that are there.",
        )
    if missing := found.get(OPEN):
        raise TitoError(stands_on(milestone.folder, missing), missing_hint(missing))
    if not (workspace.root / milestone.program).is_file():
        raise TitoError(
            f"{milestone.program} is missing.", "It is handed out with the course: `tito update` brings it back."
        )


def titles(modules: list[Module]) -> str:
    """Return the modules in words."""
    return ", ".join(f"{module.number:02} {module.title}" for module in modules)


def run(workspace: Workspace, milestone: Milestone, options: tuple[str, ...]) -> None:
    """Let a process of its own run the program in this terminal; end as it ends.

    Raises
    ------
    KeyboardInterrupt
        If it was interrupted.
    TitoError
        If its process was ended from outside, or by a fault.
    SystemExit
        If it failed; why has been said then.
    """
    with tempfile.TemporaryDirectory(prefix="tito-") as temporary:
        order, trouble = Path(temporary) / "order.json", Path(temporary) / "trouble.json"
        program = str(workspace.root / milestone.program)
        said = {"root": str(workspace.root), "program": program, "options": options, "trouble": str(trouble)}
        order.write_text(json.dumps(said), encoding="utf-8")
        status = play(order)
        if trouble.exists():
            tell_trouble(workspace, json.loads(trouble.read_text(encoding="utf-8")))
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    if status < 0:
        raise TitoError(
            f"{milestone.folder} was ended by signal {-status}.", "`tito test` tests every module that is yours."
        )
    if status:
        raise SystemExit(status)


def play(order: Path) -> int:
    """Run an order to its end; return how it ended."""
    environment = {
        "TINYTORCH_FAST": "0",  # the learner's own code answers, unless they say otherwise
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": ":replace",  # a sign that the terminal cannot show is no reason to stop
    }
    sys.stdout.flush()
    process = subprocess.Popen([sys.executable, "-P", "-m", "tito.playing", str(order)], env=environment)
    try:
        return process.wait()
    except KeyboardInterrupt:  # the program has got it as well
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        raise
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def tell_trouble(workspace: Workspace, trouble: dict[str, Any]) -> None:
    """Say what stopped a program, and where in the learner's own code."""
    calls = [frame for frame in trouble["frames"] if frame["path"].startswith("milestones/")]
    places, modules = learners_own(workspace, trouble["frames"])
    say()
    inside = "" if not places else " in your code" if modules else " in the package"
    say(f"The program stopped{inside}.", "bold red")
    called = Place(calls[-1]["path"], calls[-1]["line"], calls[-1]["text"], calls[-1]["function"]) if calls else None
    where = "\n".join(place.shown() for place in places[-_FRAMES:])
    fields([("Called", called.shown() if called else ""), ("Came", trouble["came"]), ("Where", where)])
    say()
    if modules:
        prose(f"Next: `tito module test {modules[-1].number:02}` says which exercise to look at.", indent=6)
    else:
        prose("Next: `tito test` tests every module that is yours.", indent=6)


def learners_own(workspace: Workspace, frames: list[dict[str, Any]]) -> tuple[list[Place], list[Module]]:
    """Return the places in files that lessons export, and the modules they belong to, the deepest last."""
    exported = {module.exported: module for module in workspace.course.written}
    own = [(frame, exported[frame["path"]]) for frame in frames if frame["path"] in exported]
    places = [place_of(workspace, module, read_lesson(workspace.root, module), frame) for frame, module in own]
    return places, [module for _, module in own if workspace.state(module) != LOAN]
