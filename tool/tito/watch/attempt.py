"""One run of a module's suite, in the background, which a later save may end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tito.course import Module
from tito.errors import TitoError
from tito.lesson import Lesson
from tito.runner import Order, Process, run_suite
from tito.watch import order as ordering
from tito.watch.inbox import Broken, Ended, Put, Told
from tito.watch.worker import Worker
from tito.workspace import Workspace

_WAITING, _SKIPPED = 10_000, 20_000


@dataclass(frozen=True)
class Wanted:
    """What a run is to find out.

    Attributes
    ----------
    module
        Whose suite.
    ranks
        The order of the tests, by exercise.
    everything
        Go on after the first failure; of what is not written yet, one test each is enough.
    """

    module: Module
    ranks: dict[str, int]
    everything: bool = False


def ranks(lesson: Lesson, first: Sequence[str], skipped: Sequence[str] | frozenset[str] = ()) -> dict[str, int]:
    """Return the order of the exercises: `first`, the written ones, those to write, and those skipped."""
    places = {}
    for i, name in enumerate(lesson.names, 1):
        behind = _SKIPPED if name in skipped else _WAITING if name in lesson.open else 0
        places[name] = 0 if name in first else behind + i
    return places


class _Dropped(Exception):  # noqa: N818
    """The run is not wanted any more."""


class Attempt:
    """A run that has begun; it begins in earnest when `after` has ended.

    Parameters
    ----------
    number
        Told with each event.
    workspace, wanted, limit
        What to run, and for how many seconds at most.
    worker
        The warm process.
    put
        Takes the events.
    """

    def __init__(
        self,
        number: int,
        workspace: Workspace,
        wanted: Wanted,
        limit: float,
        worker: Worker,
        put: Put,
        after: Attempt | None = None,
    ) -> None:
        self.number = number
        self.wanted = wanted
        self._workspace = workspace
        self._limit = limit
        self._worker = worker
        self._put = put
        self._lock = threading.Lock()
        self._dropped = False
        self._process: Process | None = None
        self._last = (0, 0, 0)
        self._since = time.monotonic()
        self._thread = threading.Thread(target=self._work, args=(after,), daemon=True)
        self._thread.start()

    def drop(self) -> None:
        """End the run; nothing is heard of it any more. Nothing of it is at work afterwards."""
        with self._lock:
            self._dropped = True
            if self._process:
                self._process.kill()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def _work(self, after: Attempt | None) -> None:
        try:
            if after:
                after.join()
            self._worker.ready()
            run = run_suite(
                self._workspace,
                self.wanted.module,
                self._limit,
                self.wanted.everything,
                self._progress,
                self._start,
            )
            self._tell(Ended(self.number, run))
        except _Dropped:
            return
        except TitoError as error:
            self._tell(Ended(self.number, error))
        except BaseException as error:
            self._tell(Broken(error))

    def _start(self, order: Order) -> Process:
        told = json.dumps({"ranks": self.wanted.ranks, "waiting": _WAITING, "brief": self.wanted.everything})
        sorted_order = replace(
            order,
            arguments=("-p", ordering.__name__, *order.arguments),
            environment={**order.environment, ordering.VARIABLE: told},
        )
        with self._lock:
            if self._dropped:
                raise _Dropped
            self._process = self._worker.start(sorted_order)
            return self._process

    def _progress(self, done: list[dict[str, Any]], of: int) -> None:
        step = len(done), of, int(time.monotonic() - self._since)
        if step != self._last:
            self._last = step
            self._tell(Told(self.number, done, of))

    def _tell(self, event: Ended | Told | Broken) -> None:
        if not self._dropped:
            self._put(event)
