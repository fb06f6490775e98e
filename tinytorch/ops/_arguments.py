"""What is asked of the arguments of layers and losses, and the floats that they are calculated in."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.tensor import FloatArray, Tensor


def check_float_tensors(name: str, /, **tensors: Any) -> None:
    """Raise an error unless the arguments are tensors of one type of floats; None is left out."""
    given = {role: value for role, value in tensors.items() if value is not None}
    first = next(iter(given))
    for role, value in given.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}(): {role} must be a tensor, but got {type(value).__name__}. tensor(x) makes one.")
        if value.dtype.kind != "f":
            raise TypeError(f"{name}(): {role} must hold floats, but it holds {value.dtype}. Use {role}.float().")
        if value.dtype != given[first].dtype:
            raise TypeError(
                f"{name}(): {first} holds {given[first].dtype}, but {role} holds {value.dtype}. They must be the same: "
                f"use {role}.to({first}.dtype)."
            )


def check_shape(name: str, role: str, value: Tensor | None, shape: tuple[int, ...], what: str) -> None:
    if value is not None and value.shape != shape:
        raise ValueError(f"{name}(): {role} has shape {value.shape}, but needs {what}, shape {shape}.")


def check_pair(name: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Return an input of floats and a target of the same shape, which is never broadcast; as floats."""
    check_float_tensors(name, input=input)
    if not isinstance(target, Tensor):
        raise TypeError(f"{name}(): target must be a tensor, but got {type(target).__name__}. tensor(x) makes one.")
    if input.shape != target.shape:
        raise ValueError(
            f"{name}(): input has shape {input.shape}, but target {target.shape}. They must be equal; reshape() or "
            "expand() one of them."
        )
    return input, target if target.dtype.kind == "f" else target.to(input.dtype)


def check_chance(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}() takes the chance to drop an element, 0 to 1, but got {p}.")


def wide(x: FloatArray) -> FloatArray:
    """Return float16 as float32, in which it is calculated, and other floats as they are."""
    return x.astype(np.float32) if x.dtype.itemsize < 4 else x
