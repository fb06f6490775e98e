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
    last = give_hint(here, chosen)
    say()
    test, again = f"`tito module test {here.number}`", f"`tito module hint {here.number} {chosen}`"
    more = f"To see the answer: {solution(here, chosen)}" if last else f"Still stuck? {again}"
    prose(f"Next: {test}. {more}", indent=6)


def solution(here: Here, chosen: str) -> str:
    """Return the command that shows the answer."""
    return f"`tito module solution {here.number} {chosen} --i-give-up`"


def give_hint(here: Here, chosen: str) -> bool:
    """Print the next hint for an exercise and count it; all of them once all were given.

    Returns
    -------
    bool
        Whether there is no further one.

    Raises
    ------
    TitoError
        If the exercise has none.
    """
    hints = references.hints(here.module).get(chosen, ())
    if not hints:
        raise TitoError(f"there is no hint for {chosen}.", solution(here, chosen))
    key = f"{here.module.folder}/{chosen}"
    given = min(max(recall(here.workspace.root, "hints", int).get(key, 0), 0), len(hints))
    fresh = hints[given : given + 1] or hints
    for number, text in enumerate(fresh, 1 if given == len(hints) else given + 1):
        prose(text, first=f"{chosen}, hint {number} of {len(hints)}: ", indent=4)
    remember(here.workspace.root, "hints", key, min(given + 1, len(hints)))
    return given + 1 >= len(hints)
