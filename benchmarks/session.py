"""A session: the workers of one run, and the rounds in which they take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any

import numpy as np

from benchmarks.cases import Array, Case, UnsupportedError
from benchmarks.cells import Cell, Row, say
from benchmarks.engines.floor import reference
from benchmarks.worker import Worker

TOLERANCE = 1e-4
"""How far an engine's numbers may be from those in float64, relative to their norm."""

QUIET = 0.03
"""Seconds between two workers' turns: the threads of the one before spin for a while after their work."""


class Session:
    """The workers of one run.

    Parameters
    ----------
    engines
        Their names, in the order of the table.
    threads
        How many each of them may use.
    rounds
        How many times each of them is measured.
    seconds
        How long one measurement takes at least.
    budget
        Seconds after which an engine takes part in no further round of a row, but for the first three.
    """

    def __init__(self, engines: Iterable[str], threads: int, rounds: int, seconds: float, budget: float) -> None:
        self.engines = list(engines)
        self.threads, self.rounds, self.seconds, self.budget = threads, rounds, seconds, budget
        self.copies: list[float] = []
        self.workers: dict[str, Worker] = {}
        self.absent: dict[str, str] = {}

    def __enter__(self) -> Session:
        for name in self.engines:
            try:
                self.workers[name] = self.start(name)
            except UnsupportedError as error:
                self.absent[name] = str(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for worker in self.workers.values():
            worker.close()

    def start(self, name: str) -> Worker:
        """Start a process with one engine in it."""
        return Worker(name, self.threads)

    def revive(self, name: str) -> None:
        """Start an engine anew if an earlier case has ended its process."""
        if name in self.workers and not self.workers[name].process.is_alive():
            self.workers[name] = self.start(name)

    @property
    def versions(self) -> dict[str, str]:
        """The versions of everything that computes."""
        return {package: v for worker in self.workers.values() for package, v in worker.versions.items()}

    @property
    def bandwidth(self) -> float | None:
        """Bytes a second read and written in a copy; the median, and None if it was not measured."""
        return statistics.median(self.copies) if self.copies else None

    def ask(self, name: str, command: str, *args: Any) -> Any:
        """Return a worker's answer."""
        if name in self.absent:
            raise UnsupportedError(self.absent[name])
        return self.workers[name].ask(command, *args)

    def time_case(self, case: Case) -> Row:
        """Check every engine's numbers, then time those that are right, in turns."""
        say(case.name)
        expected = reference(case)
        counts: dict[str, int] = {}
        cells: dict[str, Cell] = {}
        for name in self.engines:
            try:
                self.revive(name)
                check(self.ask(name, "prepare", case.name), expected)
                counts[name] = self.ask(name, "count", self.seconds)
            except UnsupportedError as error:
                cells[name] = Cell(reason=str(error))
        if case.bytes_moved:
            self.measure_copies()
        cells |= self.in_turns(counts, lambda name: self.ask(name, "time", counts[name]), self.rounds)
        for name in counts:
            with suppress(UnsupportedError):
                self.ask(name, "release")
        return Row(case.name, "s", {name: cells[name] for name in self.engines}, case.bytes_moved)

    def in_turns(self, names: Iterable[str], measure: Callable[[str], float], rounds: int) -> dict[str, Cell]:
        """Measure every engine once in each round, starting with another one each time."""
        cells = {name: Cell() for name in names}
        spent = dict.fromkeys(cells, 0.0)
        for turn in range(rounds if cells else 0):
            order = list(cells)
            for name in order[turn % len(order) :] + order[: turn % len(order)]:
                if cells[name].reason or (turn >= 3 and spent[name] > self.budget):
                    continue
                time.sleep(QUIET)
                start = time.perf_counter()
                try:
                    cells[name].runs.append(measure(name))
                except UnsupportedError as error:
                    cells[name] = Cell(reason=str(error))
                spent[name] += time.perf_counter() - start
        return cells

    def measure_copies(self) -> None:
        """Measure the bandwidth of memory, in a process without an engine."""
        worker = self.start("floor")
        self.copies += [worker.ask("copy") for _ in range(self.rounds)]
        worker.close()


def check(answers: list[Array], expected: list[Array]) -> None:
    """Raise `UnsupportedError` unless the answers are those of the reference."""
    if len(answers) != len(expected):
        raise UnsupportedError(f"wrong: {len(answers)} answers, where there should be {len(expected)}")
    worst = max(map(distance, answers, expected))
    if not worst <= TOLERANCE:
        raise UnsupportedError(f"wrong: off by {worst:.1e} from the same mathematics in float64")


def distance(answer: Array, expected: Array) -> float:
    """Return the norm of the difference, relative to the norm of what is expected."""
    if answer.size != expected.size:
        return float("inf")
    difference = answer.reshape(expected.shape).astype(np.float64) - expected
    return float(np.linalg.norm(difference.ravel()) / np.linalg.norm(expected.ravel()))
