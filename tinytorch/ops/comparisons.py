"""Comparisons, truth values and bits. They have no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.tensor import Scalar, Tensor, check_broadcast, from_numpy, operands
from tinytorch.ops._registry import NUMPY, composed
from tinytorch.ops.arithmetic import add_operators, on_the_right
from tinytorch.ops.elementwise import (
    Method,
    alias_of,
    arrays_of,
    between,
    check_tensors,
    left_of,
    of_numbers_too,
    tensor_beside,
)
from tinytorch.ops.shape import promoted

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "eq",
    "equal",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "le",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "ne",
    "not_equal",
    "signbit",
]


# Comparisons. They have no gradient.


def _check_comparable(name: str, other: Any) -> None:
    if not isinstance(other, Tensor | np.ndarray | np.generic | bool | int | float):
        raise TypeError(f"{name}() compares with tensors, numbers and NumPy arrays, but got {type(other).__name__}.")


@composed()
def eq(input: Tensor, other: Tensor | Scalar) -> Tensor:
    """Return where ``input == other``."""
    _check_comparable("eq", other)
    return input == other


@composed()
def ne(input: Tensor, other: Tensor | Scalar) -> Tensor:
    """Return where ``input != other``."""
    _check_comparable("ne", other)
    return input != other


@composed()
def lt(input: Tensor, other: Tensor | Scalar) -> Tensor:
    """Return where ``input < other``."""
    _check_comparable("lt", other)
    return input < other


@composed()
def le(input: Tensor, other: Tensor | Scalar) -> Tensor:
    """Return where ``input <= other``."""
    _check_comparable("le", other)
    return input <= other


@composed()
def gt(input: Tensor, other: Tensor | Scalar) -> Tensor:
    """Return where ``input > other``."""
    _check_comparable("gt", other)
    return input > other


@composed()
def ge(input: Tensor, other: Tensor | Scalar) -> Tensor:
    """Return where ``input >= other``."""
    _check_comparable("ge", other)
    return input >= other


not_equal = alias_of("not_equal", ne)
less = alias_of("less", lt)
less_equal = alias_of("less_equal", le)
greater = alias_of("greater", gt)
greater_equal = alias_of("greater_equal", ge)


@composed(np.isnan)
def isnan(input: Tensor) -> Tensor:
    """Return where the elements are nan."""
    return from_numpy(np.isnan(input.data))


@composed(np.isinf)
def isinf(input: Tensor) -> Tensor:
    """Return where the elements are infinite, of either sign."""
    return from_numpy(np.isinf(input.data))


@composed(np.isposinf)
def isposinf(input: Tensor) -> Tensor:
    """Return where the elements are plus infinity."""
    return input == np.inf


@composed(np.isneginf)
def isneginf(input: Tensor) -> Tensor:
    """Return where the elements are minus infinity."""
    return input == -np.inf


@composed(np.signbit)
def signbit(input: Tensor) -> Tensor:
    """Return where the elements have a minus sign; -0.0 has one."""
    return from_numpy(np.signbit(input.data) if input.dtype.kind == "f" else input.data < 0)


@composed(np.isfinite)
def isfinite(input: Tensor) -> Tensor:
    """Return where the elements are neither infinite nor nan."""
    return from_numpy(np.isfinite(input.data))


@composed()
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Return where ``abs(input - other) <= atol + rtol * abs(other)``.

    Parameters
    ----------
    input, other
        Tensors of one dtype.
    rtol, atol
        How far they may be apart: relative to `other`, and in numbers.
    equal_nan
        Whether nan is close to nan.

    Raises
    ------
    TypeError
        If the dtypes differ.
    ValueError
        If a tolerance is negative.
    """
    a, b = arrays_of(input, other, "isclose")
    if input.dtype != other.dtype:
        raise TypeError(f"isclose() compares one dtype, but got {input.dtype} and {other.dtype}. Use t.to(dtype).")
    if rtol < 0 or atol < 0:
        raise ValueError(f"isclose() takes tolerances of 0 or more, but got rtol={rtol} and atol={atol}.")
    return from_numpy(np.isclose(a, b, rtol, atol, equal_nan))


@composed()
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Return whether all elements are close, as `isclose` has it."""
    return bool(isclose(input, other, rtol, atol, equal_nan).data.all())


@composed()
def equal(input: Tensor, other: Tensor) -> bool:
    """Return whether two tensors have the same shape and equal elements.

    Examples
    --------
    >>> equal(Tensor([1, 2]), Tensor([1, 2])), equal(Tensor([1, 2]), Tensor([1]))
    (True, False)
    """
    check_tensors("equal", other)
    return np.array_equal(input.data, other.data)


def _np_isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    return isclose(*_alike(a, b), rtol, atol, equal_nan)


def _alike(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Return two operands as tensors of one dtype, as NumPy compares them."""
    a, b = tensor_beside(a, b), tensor_beside(b, a)
    dtype = promoted([a.data, b.data])
    return a.to(dtype), b.to(dtype)


NUMPY.update(
    {
        np.isclose: _np_isclose,
        np.allclose: lambda *args, **kwargs: bool(_np_isclose(*args, **kwargs).data.all()),
        np.array_equal: lambda a1, a2: equal(*_alike(a1, a2)),
    }
)


# Truth values and bits. They have no gradient.


def _logical(name: str, compute: Method, input: Any, other: Any) -> Tensor:
    check_tensors(name, other)
    check_broadcast(input.shape, other.shape, f"{name}()")
    return from_numpy(compute(input.data, other.data))


@composed()
def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Return where both elements are true, that is, not 0."""
    return _logical("logical_and", np.logical_and, input, other)


@composed()
def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Return where one element or both are true, that is, not 0."""
    return _logical("logical_or", np.logical_or, input, other)


@composed()
def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """Return where one element is true, that is, not 0, and the other is not."""
    return _logical("logical_xor", np.logical_xor, input, other)


@composed(np.logical_not)
def logical_not(input: Tensor) -> Tensor:
    """Return where the elements are 0."""
    return from_numpy(np.logical_not(input.data))


def _bitwise(name: str, compute: Method, input: Any, other: Any) -> Tensor:
    a, b = operands(left_of(input, other, name), other, f"{name}()")
    if np.result_type(a, b).kind not in "biu":
        raise TypeError(f"{name}() works on integers and bools, but got floats. Compare them first, or use t.long().")
    return from_numpy(compute(a, b))


@of_numbers_too(np.bitwise_and)
def bitwise_and(input: Tensor | int, other: Tensor | int) -> Tensor:
    """Return ``input & other``, bit by bit; of bools, where both are true.

    Examples
    --------
    >>> x = Tensor([-1, 1, 3])
    >>> (x > 0) & (x < 2)
    tensor([False,  True, False])
    """
    return _bitwise("bitwise_and", np.bitwise_and, input, other)


@of_numbers_too(np.bitwise_or)
def bitwise_or(input: Tensor | int, other: Tensor | int) -> Tensor:
    """Return ``input | other``, bit by bit; of bools, where one or both are true."""
    return _bitwise("bitwise_or", np.bitwise_or, input, other)


@of_numbers_too(np.bitwise_xor)
def bitwise_xor(input: Tensor | int, other: Tensor | int) -> Tensor:
    """Return ``input ^ other``, bit by bit; of bools, where they differ."""
    return _bitwise("bitwise_xor", np.bitwise_xor, input, other)


def _shift(name: str, compute: Method, input: Any, other: Any) -> Tensor:
    a, b = operands(left_of(input, other, name), other, f"{name}()")
    dtype = np.result_type(a, b)
    if dtype.kind not in "iu":
        raise TypeError(f"{name}() moves the bits of integers, but got {dtype}. Use t.long().")
    # By a negative number, or by all bits, PyTorch moves every bit out; what that is in C is not said.
    bits = dtype.itemsize * 8
    inside = (np.asarray(b) >= 0) & (np.asarray(b) < bits)
    rest = np.where(np.asarray(a) < 0, -1, 0) if compute is np.right_shift else 0
    return from_numpy(np.where(inside, compute(a, np.where(inside, b, 0)), rest).astype(dtype))


@of_numbers_too(np.left_shift)
def bitwise_left_shift(input: Tensor | int, other: Tensor | int) -> Tensor:
    """Return ``input << other``: the bits of integers moved up, which doubles them each time."""
    return _shift("bitwise_left_shift", np.left_shift, input, other)


@of_numbers_too(np.right_shift)
def bitwise_right_shift(input: Tensor | int, other: Tensor | int) -> Tensor:
    """Return ``input >> other``: the bits of integers moved down, which halves them each time."""
    return _shift("bitwise_right_shift", np.right_shift, input, other)


@composed(np.invert)
def bitwise_not(input: Tensor) -> Tensor:
    """Return ``~input``, each bit turned; of bools, where they are false."""
    if input.dtype.kind == "f":
        raise TypeError(f"bitwise_not() works on integers and bools, but got {input.dtype}. Compare first.")
    return from_numpy(np.invert(input.data))


add_operators(
    {
        "__and__": lambda self, other: bitwise_and(self, other),
        "__rand__": on_the_right(bitwise_and),
        "__or__": lambda self, other: bitwise_or(self, other),
        "__ror__": on_the_right(bitwise_or),
        "__xor__": lambda self, other: bitwise_xor(self, other),
        "__rxor__": on_the_right(bitwise_xor),
        "__lshift__": lambda self, other: bitwise_left_shift(self, other),
        "__rlshift__": on_the_right(bitwise_left_shift),
        "__rshift__": lambda self, other: bitwise_right_shift(self, other),
        "__rrshift__": on_the_right(bitwise_right_shift),
        "__invert__": lambda self: bitwise_not(self),
    }
)
NUMPY.update(
    {
        np.logical_and: between(logical_and),
        np.logical_or: between(logical_or),
        np.logical_xor: between(logical_xor),
    }
)
