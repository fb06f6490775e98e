"""Why an index picks nothing: the errors of ``t[...]``, in place of NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.tensor import Tensor, array_index


def refuse_index(input: Tensor, index: Any) -> None:
    """Raise the error that says why ``input[index]`` picks nothing.

    Raises
    ------
    IndexError
        Always.
    """
    parts = [array_index(part) for part in (index if isinstance(index, tuple) else (index,))]
    parts = [np.asarray(part) if isinstance(part, list | tuple | range) else part for part in parts]
    for part in parts:
        _check_kind(part)
    axes = sum(_axes_taken(part) for part in parts)
    if axes > input.ndim:
        raise IndexError(
            f"an index for {axes} {'axis' if axes == 1 else 'axes'} was given to a tensor of shape {input.shape}, "
            f"which has {input.ndim}."
        )
    if sum(part is ... for part in parts) > 1:
        raise IndexError("an index takes '...' once, for all axes that it does not name.")
    axis = 0
    for i, part in enumerate(parts):
        if part is ...:
            axis = input.ndim - sum(_axes_taken(rest) for rest in parts[i + 1 :])
            continue
        _check_place(input, part, axis)
        axis += _axes_taken(part)
    shapes = [np.shape(part) for part in parts if isinstance(part, np.ndarray) and part.dtype.kind != "b"]
    found = " and ".join(map(str, shapes))
    raise IndexError(
        f"t[...] of a tensor of shape {input.shape} was given indices of shapes {found}, which do not broadcast."
    )


def _check_kind(part: Any) -> None:
    if part is None or part is ... or isinstance(part, slice | int | np.integer | np.bool_):
        return
    if isinstance(part, np.ndarray) and (part.dtype.kind in "biu" or not part.size):
        return
    found = f"an array of {part.dtype}" if isinstance(part, np.ndarray) else type(part).__name__
    raise IndexError(
        f"an index is made of integers, slices, '...', None, and tensors of integers or bools, but got {found}."
    )


def _axes_taken(part: Any) -> int:
    if part is None or part is ... or isinstance(part, bool | np.bool_):
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype.kind == "b" else 1


def _check_place(input: Tensor, part: Any, axis: int) -> None:
    """Raise an error if a part of an index has no place on the axes from `axis` on."""
    if isinstance(part, slice) or part is None or isinstance(part, bool | np.bool_):
        return
    places = np.asarray(part)
    if places.dtype.kind == "b":
        room = input.shape[axis : axis + places.ndim]
        if places.shape != room:
            raise IndexError(
                f"a mask of shape {places.shape} was given for axes of lengths {room}, of a tensor of shape "
                f"{input.shape}. The two must be equal."
            )
        return
    count = input.shape[axis]
    wrong = places[(places < -count) | (places >= count)] if places.size else places
    if wrong.size:
        limits = f": use {-count} to {count - 1}" if count else ""
        raise IndexError(
            f"index {wrong.flat[0]} is out of bounds for axis {axis} of a tensor of shape {input.shape}, which has "
            f"{count} elements{limits}."
        )
