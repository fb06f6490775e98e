"""`tito module hint`: the next hint for an exercise."""

from __future__ import annotations

import click

from tito import references
from tito.errors import TitoError
from tito.memory import recall, remember
from tito.practice import Here, chosen_exercise
from tito.screen import prose, say


@click.command("hint")
@click.argument("name", metavar="NN")
@click.argument("exercise", required=False)
def command(name: str, exercise: str | None) -> None:
    """Give the next hint for EXERCISE, or where you are."""
    here = Here.find(name)
    chosen = chosen_exercise(here, exercise)
    if chosen is None:
        say(f"Every exercise of {here.module.folder} is written.")
        say(f"Next: `tito module test {here.number}`, which says if one is not right yet.")
        return
    hints = references.hints(here.module).get(chosen, ())
    if not hints:
        raise TitoError(f"there is no hint for {chosen}.", f"`tito module solution {here.number} {chosen} --i-give-up`")
    key = f"{here.module.folder}/{chosen}"
    given = min(max(recall(here.workspace.root, "hints", int).get(key, 0), 0), len(hints))
    fresh = hints[given : given + 1] or hints
    for number, text in enumerate(fresh, 1 if given == len(hints) else given + 1):
        prose(text, first=f"{chosen}, hint {number} of {len(hints)}: ", indent=4)
    remember(here.workspace.root, "hints", key, min(given + 1, len(hints)))
    say()
    test, again = f"`tito module test {here.number}`", f"`tito module hint {here.number} {chosen}`"
    more = f"Still stuck? {again}"
    if given + 1 >= len(hints):
        more = f"To see the answer: `tito module solution {here.number} {chosen} --i-give-up`"
    prose(f"Next: {test}. {more}", indent=6)
