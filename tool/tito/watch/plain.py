"""The loop as lines that are added one after the other: for pipes, logs and screen readers."""

from __future__ import annotations

from collections.abc import Callable

import click

from tito.screen import fields, prose, say
from tito.watch.inbox import Event
from tito.watch.loop import Loop
from tito.watch.pane import captured
from tito.watch.picture import refusal, state, words, yours


class Plain:
    """Says each thing once, without colours."""

    styled = False

    def begun(self, loop: Loop) -> None:
        """Say what is watched."""
        _add(lambda: say(f"Watching {loop.module.lesson}: save it, and its tests run. Ctrl-C ends."))

    def testing(self, loop: Loop) -> None:
        """Say nothing: the answer comes soon."""

    def answered(self, loop: Loop) -> None:
        """Show the first failure, or what comes next."""
        _add(lambda: _answer(loop))

    def recognized(self, loop: Loop) -> None:
        """Say which known mistake is behind the failure."""
        verdict, failure = loop.verdict, loop.failure
        assert verdict is not None
        assert failure is not None
        _add(lambda: fields([("Looks like", verdict.looks_like(failure))]))

    def refused(self, loop: Loop) -> None:
        """Say why nothing was tested."""
        _add(lambda: _refuse(loop))

    def noted(self, loop: Loop) -> None:
        """Say what is to be said."""
        _add(lambda: _notes(loop))

    def take(self, loop: Loop, event: Event) -> None:
        """Leave it: there is no keyboard and no window here."""


def _add(show: Callable[[], None]) -> None:
    """Print what `show` prints as a file would get it, a line free before it."""
    text, _ = captured(show, styled=False)
    click.echo(f"\n{text}", nl=False)


def _answer(loop: Loop) -> None:
    assert loop.verdict is not None
    _notes(loop)
    place = loop.place
    where = words(place)
    prose(f"{where[0].upper()}{where[1:]}; {yours(place)}.")
    say(state(loop))
    failure = loop.failure
    if failure is None:
        loop.verdict.show()
        left = ", ".join(loop.left)
        say(f"Still to write: {left}." if left else f"Next: `tito module complete {loop.here.number}`")
        return
    loop.verdict.show_failure(failure)
    verb = "write" if failure.kind == "stub" else "mend"
    prose(f"Next: {verb} it and save. Stuck? `tito module hint {failure.module.number:02}`", indent=6)


def _refuse(loop: Loop) -> None:
    assert loop.problem is not None
    say(refusal(loop.problem))
    if "`" in loop.problem.hint:
        prose(loop.problem.hint)


def _notes(loop: Loop) -> None:
    for note in loop.notes:
        say(note)
    loop.notes = []
