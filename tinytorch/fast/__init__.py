"""Compiled kernels in the place of what NumPy does in many passes: the optional extra ``tinytorch-framework[fast]``.

Where Numba is installed, they are on: large arrays of float32 in activations, softmax, cross-entropy, layer norm,
attention, convolution and Adam are worked on by loops that Numba has compiled, where it pays on as many
threads as the process has cores. All else is as it was, and so are results, gradients and errors, up to rounding. A
kernel is compiled when it is first needed, which takes a fraction of a second, once for each machine.

Set ``TINYTORCH_FAST=0`` in the environment to leave them off; ``OMP_NUM_THREADS`` limits the threads.
"""

from __future__ import annotations

import os
import threading
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tinytorch._growing import built

__all__ = ["disable", "enable", "is_enabled"]

_lock = threading.Lock()
_before: list[Any] | None = None  # the methods that were there; None while the kernels are off


def enable() -> None:
    """Put the faster methods in their places; nothing happens if they are there.

    Raises
    ------
    ModuleNotFoundError
        If Numba is not installed.
    """
    global _before
    if not _installed():
        raise ModuleNotFoundError(
            "tinytorch.fast needs Numba, which is not installed. Install the extra, "
            '`python -m pip install "tinytorch-framework[fast]"`, or Numba alone, `python -m pip install numba`.',
            name="numba",
        )
    from tinytorch.ops._replace import replace

    with _lock:
        if _before is None:
            _before = replace(_rows())


def disable() -> None:
    """Put back what was there before `enable`; nothing happens if the kernels are off."""
    global _before
    with _lock:
        if _before is not None:
            from tinytorch.ops._replace import put

            for owner, name, method in _before:
                put(owner, name, method)
            _before = None


def is_enabled() -> bool:
    """Return whether the faster methods are in their places."""
    return _before is not None


def enable_if_wanted() -> None:
    """Enable the kernels if Numba is installed, unless the environment says ``TINYTORCH_FAST=0``."""
    if os.environ.get("TINYTORCH_FAST") != "0" and _installed():
        enable()


def _rows() -> list[Any]:
    """Return the rows of all tables whose lessons are there."""
    from tinytorch.fast._replacements import REPLACEMENTS

    rows = list(REPLACEMENTS)
    for lesson in ("optimizers", "spatial"):
        if built(lesson):
            rows += import_module(f"tinytorch.fast._{lesson}").REPLACEMENTS
    return rows


def _installed() -> bool:
    return find_spec("numba") is not None
