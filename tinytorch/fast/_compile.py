"""How the kernels are compiled: by Numba, at their first call, for one thread, without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

Number = Any  # float32, or what becomes float32
Array = Any  # of float32
Function = Callable[..., Any]

# A product and a sum may become one instruction. Nothing is assumed about nan and infinity.
_AS_WRITTEN: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}
# In functions that add up a row, all may be done in any order: only so can a sum be vectorised.
_ANY_ORDER: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}


def kernel(function: Function) -> Any:
    """Compile a function at its first call, and keep the machine code if there is a folder that can be written."""
    try:
        return numba.njit(nogil=True, cache=True, **_AS_WRITTEN)(function)
    except RuntimeError:  # no such folder
        return numba.njit(nogil=True, **_AS_WRITTEN)(function)


def part(function: Function) -> Any:
    """Compile a function into the kernels that call it."""
    return numba.njit(forceinline=True, **_AS_WRITTEN)(function)


def sums(function: Function) -> Any:
    """Compile a function that adds up a row into the kernels that call it."""
    return numba.njit(forceinline=True, **_ANY_ORDER)(function)
