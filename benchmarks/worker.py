"""A worker: a process in which one engine computes, and nothing else."""

from __future__ import annotations

import math
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Array, UnsupportedError
from benchmarks.engines import ENGINES, load_engine
from benchmarks.engines.engine import Step, first_answers, nothing

PATIENCE = 400.0
"""Seconds after which a worker that has not answered is given up."""

COPIED = 1 << 26
"""Bytes of the array whose copying shows the bandwidth of memory: more than a cache holds."""


def environment(threads: int) -> dict[str, str]:
    """Return the variables that hold every engine to so many threads of the CPU."""
    counted = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
    return {
        **{f"{library}_NUM_THREADS": str(threads) for library in counted},
        "VECLIB_MAXIMUM_THREADS": str(threads),
        "NPROC": str(threads),  # XLA's
        "CPU_COUNT": str(threads),  # tinygrad's
        "DEV": "CPU",
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
    }


@contextmanager
def changed_environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables for processes that are started inside."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Worker:
    """The parent's end of a process that holds one engine.

    Raises
    ------
    UnsupportedError
        If the engine is not installed, or does not start.
    """

    def __init__(self, name: str, threads: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.connection, there = spawn.Pipe()
        self.process = spawn.Process(target=serve, args=(there, name, threads))
        with changed_environment(environment(threads)):
            self.process.start()
        there.close()
        self.versions: dict[str, str] = self.answer()

    def ask(self, command: str, *args: Any) -> Any:
        """Return the answer to a command; `UnsupportedError` says why there is none."""
        if not self.process.is_alive():
            raise UnsupportedError("its process has ended")
        self.connection.send((command, *args))
        return self.answer()

    def answer(self) -> Any:
        """Wait for an answer."""
        try:
            if not self.connection.poll(PATIENCE):
                self.process.terminate()
                raise UnsupportedError(f"no answer within {PATIENCE:.0f} s")
            answered, value = self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.join(5)
            raise UnsupportedError(f"its process ended with code {self.process.exitcode}") from None
        if not answered:
            raise UnsupportedError(value)
        return value

    def close(self) -> None:
        """End the process: it leaves by itself when nobody is there to ask it."""
        self.connection.close()
        self.process.join(5)
        self.process.terminate()


def serve(connection: Connection, name: str, threads: int) -> None:
    """Answer the parent's commands until it goes away."""
    use_cores(threads)
    try:
        bench = Bench(name, threads)
        connection.send((True, bench.engine.versions()))
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == ENGINES[name].imports.partition(".")[0]
        connection.send((False, "not installed" if missing else brief(error)))
        return
    while True:
        try:
            command, *args = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        connection.send(attempt(getattr(bench, command), *args))


def attempt(function: Callable[..., Any], *args: Any) -> tuple[bool, Any]:
    """Return whether a call succeeded, and its value or what went wrong."""
    try:
        return True, function(*args)
    except Exception as error:
        return False, brief(error)


def brief(error: Exception) -> str:
    """Return one line about an error."""
    if isinstance(error, UnsupportedError):
        return str(error)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:100]}" if lines else type(error).__name__


def use_cores(threads: int) -> None:
    """Keep this process to as many cores as it has threads, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


class Bench:
    """What a worker can be asked: each method is a command."""

    def __init__(self, name: str, threads: int) -> None:
        self.engine = load_engine(name)
        self.engine.start(threads)
        self.threads = threads
        self.held_after_import = resident()["VmRSS"]
        self.current: Step | None = None

    def prepare(self, case: str) -> list[Array]:
        """Make the step of a case ready, run it a few times, and return its answers."""
        from benchmarks.workloads import CASES

        self.current = None
        self.current = self.engine.step(CASES[case])
        return first_answers(self.current, CASES[case])

    def release(self) -> None:
        """Let go of the case."""
        self.current = None

    def count(self, seconds: float) -> int:
        """Return how many runs take about so many seconds."""
        assert self.current is not None
        runs = 1
        while (taken := runs * mean_seconds(self.current, runs)) < seconds / 4:
            runs *= 4
        return max(1, math.ceil(seconds * runs / taken))

    def time(self, runs: int) -> float:
        """Return the mean seconds of so many runs."""
        assert self.current is not None
        return mean_seconds(self.current, runs)

    def memory(self, case: str) -> float:
        """Return the peak of resident megabytes in three steps after three others, above what the import holds."""
        self.prepare(case)
        assert self.current is not None
        forget_peak()
        for _ in range(3):
            self.current.run(self.current.prepare())
        return (resident()["VmHWM"] - self.held_after_import) / 1e6

    def copy(self) -> float:
        """Return the bytes a second that all threads together read and write when they copy."""
        source = np.ones(COPIED, np.uint8)
        target = np.zeros_like(source)
        copy(source, target, self.threads)
        start = time.perf_counter()
        copy(source, target, self.threads)
        return 2 * COPIED / (time.perf_counter() - start)


def mean_seconds(step: Step, runs: int) -> float:
    """Return the mean seconds of a run, without what prepares it."""
    run, prepare, clock = step.run, step.prepare, time.perf_counter
    if prepare is nothing:
        start = clock()
        for _ in range(runs):
            run(None)
        return (clock() - start) / runs
    total = 0.0
    for _ in range(runs):
        prepared = prepare()
        start = clock()
        run(prepared)
        total += clock() - start
    return total / runs


def copy(source: Array, target: Array, threads: int) -> None:
    """Copy an array on several threads."""
    parts = zip(np.array_split(target, threads), np.array_split(source, threads), strict=True)
    workers = [threading.Thread(target=np.copyto, args=pair) for pair in parts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def resident() -> dict[str, int]:
    """Return the bytes of this process in memory, now (``VmRSS``) and at their peak (``VmHWM``); nan if unknown."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return {"VmRSS": 0, "VmHWM": 0}
    fields = (line.split() for line in lines if line.startswith(("VmRSS", "VmHWM")))
    return {name.rstrip(":"): 1024 * int(kilobytes) for name, kilobytes, _ in fields}


def forget_peak() -> None:
    """Let the peak of resident memory start anew."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        raise UnsupportedError("peak memory is read from Linux's /proc, which is not here") from None
