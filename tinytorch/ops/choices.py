"""Bounds and choices: elements kept within limits, or taken from one of two tensors."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tinytorch.core.autograd import ENHANCED, ClipBackward, Function, tracked, unbroadcast
from tinytorch.core.tensor import FloatArray, Scalar, Tensor, common_type, from_numpy, operands
from tinytorch.ops._registry import NUMPY, composed, operation
from tinytorch.ops.elementwise import Grads, Method, check_tensors, choose, refuse_bools, tensor_beside, tensor_of
from tinytorch.ops.searching import nonzero
from tinytorch.ops.shape import common_shape

__all__ = [
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "nan_to_num",
    "where",
]


# Bounds and choices


class ClampBackward(Function):
    """Gradient of ``out = clamp(a, low, high)``: `grad_output` goes to whichever of the three the result is.

    The tensor itself gets it on the bounds too; where the bounds have changed places, the upper one does.
    """

    def apply(self, grad_output: FloatArray) -> Grads:
        a, low, high = self.saved_tensors
        kept, below, above = True, False, False
        if low is not None:
            kept, below = a >= low, a < low
        if high is not None:
            kept, above = kept & (a <= high), a > high
        if low is not None and high is not None:
            below, above = below & (low < high), above | (high < low)
        pairs = zip((kept, below, above), self.input_shapes, self.needs_input_grad, strict=True)
        return tuple(unbroadcast(choose(mask, grad_output), shape) if needed else None for mask, shape, needed in pairs)


@operation(ClampBackward, method="_clamp")
def _clamp(input: Tensor, low: Tensor | None, high: Tensor | None) -> Tensor:
    common_shape([x.shape for x in (input, low, high) if x is not None], "clamp")
    if low is not None and high is not None:
        refuse_bools("clamp", input.data, low.data, high.data)
    result = input.data
    if low is not None:
        result = np.maximum(*common_type(result, low.data))
    if high is not None:
        result = np.minimum(*common_type(result, high.data))
    return from_numpy(result)


def _with_tensor_bounds(original: Method) -> Method:
    """Return the lesson's ``clip()``, which takes numbers, as a method that takes tensors as well."""
    between_numbers = tracked(original, ClipBackward)

    @functools.wraps(original)
    def method(self: Tensor, min: Any = None, max: Any = None) -> Tensor:
        bounds = [bound for bound in (min, max) if bound is not None]
        if all(isinstance(bound, bool | int | float | np.generic) for bound in bounds):
            return between_numbers(self, min, max)
        if not all(isinstance(bound, Tensor | np.ndarray) for bound in bounds):
            found = " and ".join(type(bound).__name__ for bound in bounds)
            raise TypeError(f"clamp() takes numbers as bounds, or tensors, but got {found}. Use two of a kind.")
        low, high = (None if bound is None else tensor_beside(bound, self) for bound in (min, max))
        return _clamp(self, low, high)

    return method


ENHANCED.append((Tensor, "clip", _with_tensor_bounds))


def clamp(input: Tensor, min: Tensor | Scalar | None = None, max: Tensor | Scalar | None = None) -> Tensor:
    """Return each element, raised to `min` where it is below and lowered to `max` where it is above.

    Parameters
    ----------
    input
        A tensor.
    min, max
        Numbers, or tensors that broadcast with it; one may be None.

    Raises
    ------
    ValueError
        If both bounds are missing.
    TypeError
        If one bound is a number and the other a tensor.

    Examples
    --------
    >>> clamp(Tensor([-2, 0.5, 7]), 0, 1)
    tensor([0.0, 0.5, 1.0])
    >>> clamp(Tensor([-2, 0.5, 7]), max=Tensor([-3, 3, 3]))
    tensor([-3.0,  0.5,  3.0])
    """
    check_tensors("clamp", input)
    return input.clip(min, max)  # type: ignore[arg-type]


def clip(input: Tensor, min: Tensor | Scalar | None = None, max: Tensor | Scalar | None = None) -> Tensor:
    """Do what `clamp` does; another name for it."""
    return clamp(input, min, max)


@composed()
def clamp_min(input: Tensor, min: Tensor | Scalar) -> Tensor:
    """Return each element, raised to `min` where it is below."""
    return clamp(input, min=min)


@composed()
def clamp_max(input: Tensor, max: Tensor | Scalar) -> Tensor:
    """Return each element, lowered to `max` where it is above."""
    return clamp(input, max=max)


def _np_clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Tensor:
    bounds = [min if a_min is None else a_min, max if a_max is None else a_max]
    input = tensor_beside(a, next(x for x in (a, *bounds) if isinstance(x, Tensor)))
    if any(isinstance(bound, Tensor | np.ndarray) for bound in bounds):
        bounds = [None if bound is None else tensor_beside(bound, input) for bound in bounds]
    return clamp(input, *bounds)


NUMPY[np.clip] = _np_clip


class WhereBackward(Function):
    """Gradient of ``out = where(condition, a, b)``: `grad_output` for a where the condition is true, else for b."""

    def __init__(self, condition: Tensor, a: Tensor, b: Tensor, *, output: Tensor | None = None) -> None:
        super().__init__(condition, a, b, output=output)
        self.saved = (condition.data,)

    def apply(self, grad_output: FloatArray) -> Grads:
        (condition,) = self.saved_tensors
        _, shape_a, shape_b = self.input_shapes
        _, need_a, need_b = self.needs_input_grad
        grad_a = unbroadcast(choose(condition, grad_output), shape_a) if need_a else None
        grad_b = unbroadcast(choose(~condition, grad_output), shape_b) if need_b else None
        return None, grad_a, grad_b


@operation(WhereBackward, method="_where")
def _where(condition: Tensor, input: Tensor, other: Any) -> Tensor:
    a, b = operands(input, other, "where()")
    common_shape([condition.shape, np.shape(a), np.shape(b)], "where")
    return from_numpy(choose(condition.data, a, b))


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """Return elements of `input` where `condition` is true, and of `other` elsewhere.

    Parameters
    ----------
    condition
        A tensor of bools.
    input, other
        Tensors or numbers; the three broadcast. Without both, what is returned is ``nonzero(condition,
        as_tuple=True)``.

    Raises
    ------
    TypeError
        If `condition` does not hold bools, or one of the two is missing.

    Examples
    --------
    >>> x = Tensor([-1, 2])
    >>> where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    check_tensors("where", condition)
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise TypeError("where() takes two values to choose from, or none, but got one.")
    if condition.dtype.kind != "b":
        raise TypeError(
            f"where() takes a condition of bools, but this tensor holds {condition.dtype}. Compare, as in t != 0."
        )
    if not isinstance(input, Tensor):
        input = tensor_beside(input, other if isinstance(other, Tensor) else tensor_of(input))
    return _where(condition, input, other)


def _where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """Return the elements where `condition` is true, and of `other`, a tensor or a number, elsewhere."""
    check_tensors("where", condition)
    return where(condition, self, other)  # type: ignore[no-any-return]


Tensor.where = _where_method  # type: ignore[attr-defined]


def _np_where(condition: Any, /, x: Any = None, y: Any = None) -> Any:
    chosen = condition if isinstance(condition, Tensor) else from_numpy(np.asarray(condition))
    if x is None or y is None:
        return where(chosen, x, y)
    x, y = (from_numpy(np.asarray(v)) if isinstance(v, np.generic) else v for v in (x, y))  # these have a dtype
    return where(chosen if chosen.dtype.kind == "b" else chosen != 0, x, y)


NUMPY[np.where] = _np_where


class NanToNumBackward(Function):
    """Gradient of `nan_to_num`: `grad_output` where the element is finite, 0 elsewhere."""

    def __init__(self, a: Tensor, *numbers: Any, output: Tensor | None = None, **named: Any) -> None:
        super().__init__(a, output=output)

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (choose(np.isfinite(a), grad_output),)


@operation(NanToNumBackward)
def nan_to_num(
    input: Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """Return finite elements as they are, and numbers in the place of the others.

    Parameters
    ----------
    input
        A tensor; integers are finite.
    nan, posinf, neginf
        What stands for nan (0 if it is None), for infinity and for minus infinity (the largest and the smallest number
        of the dtype).

    Examples
    --------
    >>> nan_to_num(Tensor([np.nan, np.inf, 1.0]), posinf=9.0)
    tensor([0., 9., 1.])
    """
    return from_numpy(np.nan_to_num(input.data, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf))


NUMPY[np.nan_to_num] = lambda x, copy=True, nan=0.0, posinf=None, neginf=None: nan_to_num(x, nan, posinf, neginf)
