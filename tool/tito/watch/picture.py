"""The picture of the loop, made of lines that fit the window: from the state to text, and nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from tito.errors import TitoError
from tito.screen import count, launcher
from tito.watch.loop import Loop
from tito.watch.place import Place

_WIDE = 70  # columns from which two parts share a line
_BAR = 24
_LEAST = 6  # lines of what came of the run that notes and the head leave room for
_LINE = re.compile(r"(\S+\.(?:py|toml|ipynb)), line (\d+)")
_COMMAND = re.compile(r"`[^`\n]+`")
_JOINT = "\xa0"  # stands for the spaces of a command, which is copied and so stays whole


@dataclass
class Picture:
    """The parts of the picture, from above to below; each line may be longer than the window is wide.

    Attributes
    ----------
    head
        Where the learner is; always there.
    body
        What came of the last run, cut at its end where the window is low; `more` says how to see the rest.
    notes
        What is to be said beside it: as many of the last ones as there is room for.
    foot
        What was asked for, the state of the run, and the keys; always there.
    """

    head: list[Text] = field(default_factory=list)
    body: list[Text] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)
    foot: list[Text] = field(default_factory=list)
    more: str = "`a` shows them"


def printed(text: str) -> list[Text]:
    """Return what a command has printed, without the empty lines around it."""
    return [Text.from_ansi(line) for line in text.strip("\n").split("\n")] if text.strip() else []


def head(loop: Loop, width: int) -> list[Text]:
    """Say where the learner is, and how much of the framework is theirs."""
    place = loop.place
    title = f"{loop.module.number:02} {loop.module.title}"
    where = words(place)
    first = [Text.assemble((title, "bold"), " " * (width - len(title) - len(where)), where)]
    if width < _WIDE:
        first = [Text(title, "bold"), Text(where)]
    bar = f"[{'#' * (filled := _BAR * place.yours // max(place.all, 1))}{'-' * (_BAR - filled)}]  "
    return [*first, Text.assemble((bar if width >= _WIDE else "", "green"), yours(place))]


def words(place: Place) -> str:
    """Return where the learner is."""
    exercise = f"exercise {place.exercise} of {place.exercises}, " if place.exercise else ""
    return f"{exercise}module {place.module} of {place.modules}"


def yours(place: Place) -> str:
    """Return how much of the framework is the learner's."""
    return f"{place.yours} of {place.all} exercises are yours, {count(place.lines, 'line')}"


def refusal(error: TitoError) -> str:
    """Return in one line why nothing was tested, with the place as editors and terminals know it."""
    message = " ".join(_LINE.sub(r"\1:\2", error.message).split())
    return f"Not tested: {message}"


def state(loop: Loop) -> str:
    """Return what the run is doing, or how the last one ended."""
    if loop.attempt:
        return _doing(loop)
    if loop.problem or loop.verdict is None:
        return ""
    run = loop.verdict.run
    done, of = len(run.with_outcome("passed")), run.collected
    how = f"all {of} passed" if loop.verdict.passed else f"{done} passed before it"
    if loop.all_failures and not loop.verdict.passed:
        how = f"{done} of {of} passed"
    return f"Run {loop.run_count}, {loop.seconds:.1f} s: {how}."


def _doing(loop: Loop) -> str:
    told = loop.told
    seconds = time.monotonic() - loop.since
    long = f", {seconds:.0f} s (ended after {loop.limit:g} s)" if seconds > 3 else ""
    if told is None or not told.of:
        return f"Testing ...{long}"
    passed = [name for name in loop.first if _all_passed(told.done, name)]
    so_far = f"{passed[0]} passes; " if passed else ""
    return f"Testing ... {so_far}{len(told.done)} of {told.of}{long}"


def _all_passed(done: Sequence[dict[str, object]], exercise: str) -> bool:
    """Whether the tests of an exercise have passed, and others have begun."""
    own = [test for test in done if exercise in test["exercises"]]  # type: ignore[operator]
    return bool(own) and len(own) < len(done) and all(test["outcome"] == "passed" for test in own)


def keys(pairs: Sequence[tuple[str, str]], width: int) -> list[Text]:
    """Lay the keys and what they do out in as few lines as they need."""
    lines = [Text()]
    for key, word in pairs:
        entry = Text.assemble((key, "bold cyan"), " ", word)
        if lines[-1] and len(lines[-1]) + 2 + len(entry) > width:
            lines.append(Text())
        lines[-1] = Text("  ").join([lines[-1], entry]) if lines[-1] else entry
    return lines


def marked(text: str, style: str = "") -> Text:
    """Return text in which commands are marked, and written as they are typed here."""
    typed = text.replace("`tito ", f"`{launcher()} ")
    shown = Text(_COMMAND.sub(lambda match: match[0].replace(" ", _JOINT), typed), style)
    shown.highlight_regex(_COMMAND, "bold cyan")
    return shown


def fit(picture: Picture, width: int, height: int) -> list[Text]:
    """Wrap the parts and cut them to the window; what is cut is said to be."""
    top, body, foot = (_wrapped(part, width) for part in (picture.head, picture.body, picture.foot))
    top = [*top, Text()] if len(top) + len(foot) + _LEAST <= height else []  # what came of the run counts most
    room = height - len(top) - len(foot) - 1
    notes: list[Text] = []
    for note in reversed(picture.notes):
        lines = [*_wrapped([note], width), *notes]
        if len(lines) + min(len(body), _LEAST) <= room:
            notes = lines
    room -= len(notes)
    if len(body) > room:
        kept = max(room - 1, 0)
        rest = marked(f"... {count(len(body) - kept, 'more line')}: {picture.more}", "dim")
        body = [*body[:kept], _wrapped([rest], width)[0]]
    space = [Text()] * (height - len(top) - len(body) - len(notes) - len(foot))
    return [*top, *body, *space, *notes, *foot][:height]


def _wrapped(lines: Sequence[Text], width: int) -> list[Text]:
    console = Console(width=width)
    parts = [part for line in lines for part in (line.wrap(console, width) or [Text()])]
    for part in parts:
        part.plain = part.plain.replace(_JOINT, " ")
    return parts
