"""`tito module complete`: test and export a module, and say what the framework can do now."""

from __future__ import annotations

import click

from tito.commands.options import limit_option
from tito.errors import TitoError
from tito.milestones import made_possible
from tito.practice import Here, try_lesson
from tito.screen import listed, prose, say
from tito.verdict import Verdict
from tito.workspace import OPEN


@click.command("complete")
@click.argument("name", metavar="NN")
@limit_option
def command(name: str, limit: float) -> None:
    """Test and export module NN: what can your framework do now?"""
    here = Here.find(name)
    verdict = try_lesson(here.workspace, here.module, limit)
    if not verdict.passed:
        verdict.show()
        raise SystemExit(1)
    tell_complete(here, verdict)


def tell_complete(here: Here, verdict: Verdict) -> None:
    """Say what the framework can do now that all tests of a module have passed, and what comes next.

    Raises
    ------
    TitoError
        If there is still something to write.
    """
    left = list(here.lesson().open)
    if left:
        raise TitoError(
            f"{here.module.folder} passes its tests, but there is still a stub in {listed(left)}.",
            f"Write it, then `tito module complete {here.number}`.",
        )
    verdict.show()
    say(f"Exported to {here.module.exported}: {here.module.folder} is yours.", "bold green")
    if here.module.can:
        say()
        prose(f"Your framework can now {here.module.can}.")
    if milestones := made_possible(here.workspace, here.module):
        say()
        prose(f"You can now run {listed([f'`tito milestone run {milestone.year}`' for milestone in milestones])}.")
    say()
    prose(_onward(here))


def _onward(here: Here) -> str:
    after = [module for module in here.workspace.course.written if module.number > here.module.number]
    waiting = next((module for module in after if here.workspace.state(module) == OPEN), here.workspace.current())
    if waiting:
        return f"Next: {waiting.number:02} {waiting.title}, `tito module start {waiting.number:02}`"
    return "That was the last module that is written so far. `tito module list` shows what is planned."
