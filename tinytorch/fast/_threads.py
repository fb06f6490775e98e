"""Threads of our own, which work on parts of an array beside the thread that asks.

Numba's own would spin between two calls, and would not survive a fork.
"""

from __future__ import annotations

import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")

PART = 1 << 18  # elements: about 100 microseconds of work, several times what it costs to wake a thread
LIMITS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")

_executor: ThreadPoolExecutor | None = None
_lock = threading.Lock()


@functools.cache
def thread_count() -> int:
    """Return how many threads work: as many as this process has cores, or fewer if the environment says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = (os.environ.get(name, "").partition(",")[0].strip() for name in LIMITS)
    return max(1, min([cores, *(int(text) for text in asked if text.isdecimal())]))


def split(rows: int, columns: int = 1, least: int = 1) -> list[slice]:
    """Return the rows in parts of `least` or more. They depend on the shape alone, and sums not on the threads."""
    step = max(least, PART // max(1, columns))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def share(work: Callable[[T], Any], parts: Sequence[T]) -> None:
    """Call `work` with each part, on this thread and on others; raise what it raises."""
    queue = deque(parts)
    helping = _ask_for_help(min(thread_count(), len(parts)) - 1, work, queue)
    try:
        _work_off(work, queue)
    finally:
        queue.clear()
        for helper in helping:
            if not helper.cancel():  # it has begun
                helper.result()


def _work_off(work: Callable[[T], Any], queue: deque[T]) -> None:
    while True:
        try:
            part = queue.popleft()
        except IndexError:  # others may have taken the last
            return
        work(part)


def _ask_for_help(helpers: int, work: Callable[[T], Any], queue: deque[T]) -> list[Future[None]]:
    """Let as many threads as there are, up to `helpers`, take parts from the queue."""
    helping: list[Future[None]] = []
    with suppress(RuntimeError):  # an interpreter that is ending starts no threads any more
        for _ in range(helpers):
            helping.append(_threads().submit(_work_off, work, queue))
    return helping


def _threads() -> ThreadPoolExecutor:
    """Return the threads, made when they are first asked for."""
    global _executor
    from concurrent.futures import ThreadPoolExecutor  # here, since it takes longer than the rest of this package

    with _lock:
        if _executor is None:
            _executor = ThreadPoolExecutor(max(1, thread_count() - 1), thread_name_prefix="tinytorch-fast")
        return _executor


def _forget() -> None:
    """Let a forked process make threads of its own: it has none of its parent's."""
    global _executor, _lock
    _executor, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
