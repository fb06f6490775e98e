"""What happens, in the order in which it happens: keys, saves, the ends of runs."""

from __future__ import annotations

import queue
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tito.errors import TitoError
from tito.runner import Run
from tito.verdict import Verdict
from tito.watch.keyboard import Keyboard


@dataclass(frozen=True)
class Key:
    """A key was pressed: a character, or a name such as `keyboard.ENTER`."""

    name: str


@dataclass(frozen=True)
class Saved:
    """Files of the course were written, moved or deleted."""

    paths: frozenset[Path]


@dataclass(frozen=True)
class Told:
    """The tests of a run that are done, and the number of all."""

    number: int
    done: list[dict[str, Any]]
    of: int


@dataclass(frozen=True)
class Ended:
    """A run came to its end, or could not begin."""

    number: int
    result: Run | TitoError


@dataclass(frozen=True)
class Recognized:
    """The search for a known mistake behind a failure has ended."""

    verdict: Verdict


@dataclass(frozen=True)
class Noted:
    """Something that the learner should know."""

    text: str


@dataclass(frozen=True)
class Broken:
    """A part of the loop cannot go on."""

    error: BaseException


@dataclass(frozen=True)
class Resized:
    """The window has another size, or shows something else."""


Event = Key | Saved | Told | Ended | Recognized | Noted | Broken | Resized


class Inbox:
    """Takes events from every thread, and from the keyboard while somebody waits for the next one."""

    def __init__(self, keyboard: Keyboard) -> None:
        self.keyboard = keyboard
        self._waiting: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def put(self, event: Event) -> None:
        """Take an event."""
        self._waiting.put(event)
        self.keyboard.wake()

    def get(self) -> Event:
        """Return the next event; wait for it."""
        while True:
            with suppress(queue.Empty):
                return self._waiting.get_nowait()
            for key in self.keyboard.wait():
                self._waiting.put(Key(key))


Put = Callable[[Event], None]
