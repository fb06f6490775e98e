"""Arithmetic: functions of two elements or three, each beside the rule of its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.autograd import ENHANCED, Function, NegBackward, NotDifferentiableError, unbroadcast
from tinytorch.core.tensor import Array, FloatArray, Scalar, Tensor, from_numpy, operands
from tinytorch.ops._registry import NUMPY, as_function, composed, operation
from tinytorch.ops.elementwise import (
    Grads,
    Method,
    alias_of,
    arrays_of,
    between,
    check_tensors,
    choose,
    float_arrays_of,
    left_of,
    of_numbers_too,
    refuse_bools,
    tensor_beside,
)
from tinytorch.ops.shape import common_shape, explained

__all__ = [
    "abs",
    "absolute",
    "add",
    "addcdiv",
    "addcmul",
    "arctan2",
    "atan2",
    "copysign",
    "div",
    "divide",
    "float_power",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "gcd",
    "heaviside",
    "hypot",
    "lcm",
    "ldexp",
    "lerp",
    "logaddexp",
    "logaddexp2",
    "maximum",
    "minimum",
    "mul",
    "multiply",
    "neg",
    "negative",
    "positive",
    "remainder",
    "sub",
    "subtract",
    "true_divide",
    "xlogy",
]


# Arithmetic


def _check_factor(name: str, factor: str, value: Any, *operands: Any) -> None:
    """Raise an error if a fraction would multiply integers."""
    if not isinstance(value, bool | int | float | np.generic):
        raise TypeError(f"{name}() takes a number as {factor}, but got {type(value).__name__}.")
    whole = all(x.dtype.kind != "f" if isinstance(x, Tensor | np.ndarray) else isinstance(x, int) for x in operands)
    if whole and isinstance(value, float | np.floating):
        raise TypeError(f"{name}() of integers takes an integer as {factor}, but got {value}. Use t.float().")


def _times(other: Any, alpha: Any, input: Tensor, name: str) -> Any:
    """Return ``other * alpha``, in the dtype that adding it to `input` gives."""
    _check_factor(name, "alpha", alpha, input, other)
    dtype = np.result_type(*operands(input, other, f"{name}()"))
    if dtype.kind == "b":
        return other & bool(alpha)
    if isinstance(other, Tensor) and other.dtype.kind != dtype.kind:
        other = other.to(dtype)
    return other * alpha


@of_numbers_too()
def add(input: Tensor | Scalar, other: Tensor | Scalar, *, alpha: Scalar = 1) -> Tensor:
    """Return ``input + alpha * other``.

    Raises
    ------
    TypeError
        If `alpha` is a fraction and both operands are integers.

    Examples
    --------
    >>> add(Tensor([1, 2]), Tensor([10, 20]), alpha=0.5)
    tensor([ 6., 12.])
    """
    input = left_of(input, other, "add")
    return input + (other if alpha == 1 else _times(other, alpha, input, "add"))


@of_numbers_too()
def sub(input: Tensor | Scalar, other: Tensor | Scalar, *, alpha: Scalar = 1) -> Tensor:
    """Return ``input - alpha * other``.

    Raises
    ------
    TypeError
        If `alpha` is a fraction and both operands are integers, or if one of the operands is a bool.
    """
    for operand in (input, other):
        refuse_bools("sub", operand.data if isinstance(operand, Tensor) else operand)
    input = left_of(input, other, "sub")
    return input - (other if alpha == 1 else _times(other, alpha, input, "sub"))


@of_numbers_too()
def mul(input: Tensor | Scalar, other: Tensor | Scalar) -> Tensor:
    """Return ``input * other``."""
    return left_of(input, other, "mul") * other


class RoundedDivBackward(Function):
    """Gradient of a division that is rounded to whole numbers: 0."""

    saves = ()

    def __init__(self, a: Any, b: Any, rounding_mode: str, *, output: Tensor | None = None) -> None:
        super().__init__(a, b, output=output)

    def apply(self, grad_output: FloatArray) -> Grads:
        zeros = np.zeros_like(grad_output)
        pairs = zip(self.input_shapes, self.needs_input_grad, strict=True)
        return tuple(unbroadcast(zeros, shape) if needed else None for shape, needed in pairs)


@operation(RoundedDivBackward, method="_rounded_div")
def _rounded_div(input: Tensor, other: Any, rounding_mode: str) -> Tensor:
    return from_numpy(_quotient(input, other, rounding_mode, "div"))


def _quotient(input: Tensor, other: Any, rounding_mode: str, name: str) -> Array:
    a, b = operands(input, other, f"{name}()")
    refuse_bools(name, a, b)
    _check_divisor(a, b, name)
    if rounding_mode == "floor":
        result: Array = np.floor_divide(a, b)
        return result
    rounded: Array = np.trunc(a / b) if np.result_type(a, b).kind == "f" else (a - np.fmod(a, b)) // b
    return rounded


def _check_divisor(a: Array, b: Any, name: str) -> None:
    """Raise an error if integers are divided by 0, for which they have no infinity."""
    if np.result_type(a, b).kind in "iu" and a.size and not np.all(b):
        raise ZeroDivisionError(f"{name}() of integers by 0. Use floats, for which it is infinite or nan.")


@of_numbers_too()
def div(input: Tensor | Scalar, other: Tensor | Scalar, *, rounding_mode: str | None = None) -> Tensor:
    """Return ``input / other``, whole or rounded.

    Parameters
    ----------
    input, other
        Tensors, or one a tensor and one a number.
    rounding_mode
        None for the quotient itself, of floats; "trunc" to round it towards 0, "floor" to round it down: integers stay
        integers then, and the gradient is 0.

    Raises
    ------
    ValueError
        If `rounding_mode` is something else.
    ZeroDivisionError
        If integers are divided by 0, and rounded.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> div(tensor([-7, 7]), 2), div(tensor([-7, 7]), 2, rounding_mode="floor")
    (tensor([-3.5,  3.5]), tensor([-4,  3]))
    """
    if rounding_mode not in (None, "trunc", "floor"):
        raise ValueError(f'div() takes rounding_mode=None, "trunc" or "floor", but got {rounding_mode!r}.')
    input = left_of(input, other, "div")
    return input / other if rounding_mode is None else _rounded_div(input, other, rounding_mode)


class FloorDivideBackward(Function):
    """``out = a // b`` goes in steps and refuses a gradient, as in PyTorch."""

    saves = ()

    def apply(self, grad_output: FloatArray) -> Grads:
        raise NotDifferentiableError(
            "floor_divide(), also written //, has no gradient: its result goes in steps. If 0 is what you want, use "
            'div(a, b, rounding_mode="floor"); otherwise detach() what is divided.'
        )


@operation(FloorDivideBackward, method="_floor_divide")
def _floor_divide(input: Tensor, other: Any) -> Tensor:
    return from_numpy(_quotient(input, other, "floor", "floor_divide"))


@of_numbers_too(np.floor_divide)
def floor_divide(input: Tensor | Scalar, other: Tensor | Scalar) -> Tensor:
    """Return ``input // other``, the quotient rounded down.

    It refuses to take part in ``backward()``; ``div(input, other, rounding_mode="floor")`` has the gradient 0.

    Raises
    ------
    ZeroDivisionError
        If integers are divided by 0.
    """
    return _floor_divide(left_of(input, other, "floor_divide"), other)


class PairFunction(Function):
    """The rule of two inputs that broadcast: it says what each gets of `grad_output`, from what is saved."""

    def apply(self, grad_output: FloatArray) -> Grads:
        saved = self.saved_tensors
        shape_a, shape_b = self.input_shapes
        need_a, need_b = self.needs_input_grad
        grad_a = unbroadcast(self.grad_a(grad_output, *saved), shape_a) if need_a else None
        grad_b = unbroadcast(self.grad_b(grad_output, *saved), shape_b) if need_b else None
        return grad_a, grad_b

    def grad_a(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        """Return what the first input gets, before its broadcast is undone."""
        raise NotImplementedError

    def grad_b(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        """Return what the second input gets, before its broadcast is undone."""
        raise NotImplementedError


def _rounded_quotient(a: Any, b: Any, rounding_mode: str) -> Any:
    """Return ``a / b``, rounded, of tensors or arrays."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return div(a, b, rounding_mode=rounding_mode)
    return np.floor_divide(a, b) if rounding_mode == "floor" else np.trunc(a / b)


class RemainderBackward(PairFunction):
    """Gradient of ``out = a - b * floor(a / b)``: `grad_output` for a, ``-grad_output * floor(a / b)`` for b."""

    rounding_mode = "floor"

    def grad_a(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        return grad_output

    def grad_b(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        a, b = saved
        result: FloatArray = -grad_output * _rounded_quotient(a, b, self.rounding_mode)
        return result


@operation(RemainderBackward, method="_remainder")
def _remainder(input: Tensor, other: Any) -> Tensor:
    a, b = operands(input, other, "remainder()")
    refuse_bools("remainder", a, b)
    _check_divisor(a, b, "remainder")
    return from_numpy(np.remainder(a, b))


@of_numbers_too(np.remainder)
def remainder(input: Tensor | Scalar, other: Tensor | Scalar) -> Tensor:
    """Return ``input % other``, what division leaves when it is rounded down; it has the sign of `other`.

    Raises
    ------
    ZeroDivisionError
        If integers are divided by 0.

    Examples
    --------
    >>> remainder(Tensor([-3, 3]), 2), fmod(Tensor([-3, 3]), 2)
    (tensor([1., 1.]), tensor([-1.,  1.]))
    """
    return _remainder(left_of(input, other, "remainder"), other)


class FmodBackward(RemainderBackward):
    """Gradient of ``out = a - b * trunc(a / b)``: `grad_output` for a, ``-grad_output * trunc(a / b)`` for b."""

    rounding_mode = "trunc"


@operation(FmodBackward)
def fmod(input: Tensor, other: Tensor | Scalar) -> Tensor:
    """Return what division leaves when it is rounded towards 0; it has the sign of `input`.

    Raises
    ------
    ZeroDivisionError
        If integers are divided by 0.
    """
    a, b = operands(input, other, "fmod()")
    refuse_bools("fmod", a, b)
    _check_divisor(a, b, "fmod")
    return from_numpy(np.fmod(a, b))


ENHANCED.append((Tensor, "__neg__", explained(NegBackward, lambda self: refuse_bools("-", self.data), TypeError)))


@composed(np.negative)
def neg(input: Tensor) -> Tensor:
    """Return ``-input``."""
    refuse_bools("neg", input.data)
    return -input


@composed(np.positive)
def positive(input: Tensor) -> Tensor:
    """Return `input` itself, unless it holds bools."""
    refuse_bools("positive", input.data)
    return input


abs = as_function("abs", Tensor.abs)
NUMPY.update({np.abs: abs, np.fmod: between(fmod)})

subtract = alias_of("subtract", sub)
multiply = alias_of("multiply", mul)
divide = alias_of("divide", div)
true_divide = alias_of("true_divide", div)
negative = alias_of("negative", neg)
absolute = alias_of("absolute", abs)


def on_the_right(function: Method) -> Method:
    """Return the method of a reflected operator: the tensor is its right operand."""
    return lambda self, other: function(tensor_beside(other, self), self)


def add_operators(operators: dict[str, Method]) -> None:
    """Give `Tensor` methods for operators that the lessons leave out."""
    for name, method in operators.items():
        setattr(Tensor, name, method)


add_operators(
    {
        "__floordiv__": lambda self, other: floor_divide(self, other),
        "__rfloordiv__": on_the_right(floor_divide),
        "__mod__": lambda self, other: remainder(self, other),
        "__rmod__": on_the_right(remainder),
        "__pos__": lambda self: positive(self),
    }
)


# Of two numbers the larger, the smaller, the angle, the distance


class MaximumBackward(PairFunction):
    """Gradient of ``out = maximum(a, b)``: `grad_output` for the larger; equal ones get half each."""

    def grad_a(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        a, b = saved
        grad: FloatArray = choose(a == b, grad_output / 2, choose(~(a < b), grad_output))
        return grad

    def grad_b(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        a, b = saved
        grad: FloatArray = choose(a == b, grad_output / 2, choose(~(a > b), grad_output))
        return grad


@operation(MaximumBackward)
def maximum(input: Tensor, other: Tensor) -> Tensor:
    """Return the larger of two elements; nan where one of them is nan.

    Equal elements share the gradient. For a number as the bound use ``clamp(min=...)``.

    Examples
    --------
    >>> maximum(Tensor([1, 5]), Tensor([4, 4]))
    tensor([4., 5.])
    """
    return from_numpy(np.maximum(*arrays_of(input, other, "maximum")))


class MinimumBackward(MaximumBackward):
    """Gradient of ``out = minimum(a, b)``: `grad_output` for the smaller; equal ones get half each."""

    def grad_a(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        return super().grad_b(grad_output, *saved)

    def grad_b(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        return super().grad_a(grad_output, *saved)


@operation(MinimumBackward)
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of two elements; nan where one of them is nan. Equal elements share the gradient."""
    return from_numpy(np.minimum(*arrays_of(input, other, "minimum")))


class FmaxBackward(PairFunction):
    """Gradient of ``out = fmax(a, b)``: `grad_output` for what is the result; for a, where they are equal."""

    def grad_a(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        grad: FloatArray = choose(self.is_first(*saved), grad_output)
        return grad

    def grad_b(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        grad: FloatArray = choose(~self.is_first(*saved), grad_output)
        return grad

    def is_first(self, a: Any, b: Any) -> Any:
        """Return where `a` is the result."""
        return (a >= b) | (b != b)


@operation(FmaxBackward)
def fmax(input: Tensor, other: Tensor) -> Tensor:
    """Return the larger of two elements; the other one where one of them is nan."""
    return from_numpy(np.fmax(*arrays_of(input, other, "fmax")))


class FminBackward(FmaxBackward):
    """Gradient of ``out = fmin(a, b)``: `grad_output` for what is the result; for a, where they are equal."""

    def is_first(self, a: Any, b: Any) -> Any:
        return (a <= b) | (b != b)


@operation(FminBackward)
def fmin(input: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of two elements; the other one where one of them is nan."""
    return from_numpy(np.fmin(*arrays_of(input, other, "fmin")))


class Atan2Backward(PairFunction):
    """Gradient of ``out = atan2(a, b)``: ``b / (a**2 + b**2)`` for a, ``-a / (a**2 + b**2)`` for b; 0 at the origin."""

    def grad_a(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        a, b = saved
        return self._over_square(grad_output, b, np.hypot(a, b))

    def grad_b(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        a, b = saved
        return self._over_square(-grad_output, a, np.hypot(a, b))

    @staticmethod
    def _over_square(grad_output: FloatArray, x: Any, radius: Any) -> FloatArray:
        radius = np.where(radius == 0, 1, radius)
        slope: FloatArray = grad_output * (x / radius / radius)  # the square may leave the float's range
        return slope


@operation(Atan2Backward)
def atan2(input: Tensor, other: Tensor) -> Tensor:
    """Return the angle, from -pi to pi, of the points whose height is `input` and whose width is `other`.

    Examples
    --------
    >>> atan2(Tensor([1, -1]), Tensor([-1, 1])) / math.pi
    tensor([ 0.75, -0.25])
    """
    return from_numpy(np.arctan2(*float_arrays_of(input, other, "atan2")))


arctan2 = alias_of("arctan2", atan2)


class HypotBackward(PairFunction):
    """Gradient of ``out = sqrt(a**2 + b**2)``: ``a / out`` for a, ``b / out`` for b; nan at the origin."""

    saves = ("inputs", "output")

    def grad_a(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        a, _, out = saved
        slope: FloatArray = grad_output * (a / out)
        return slope

    def grad_b(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        _, b, out = saved
        slope: FloatArray = grad_output * (b / out)
        return slope


@operation(HypotBackward)
def hypot(input: Tensor, other: Tensor) -> Tensor:
    """Return ``sqrt(input**2 + other**2)``, which no square on the way makes overflow.

    Raises
    ------
    TypeError
        If neither tensor holds floats.
    """
    a, b = arrays_of(input, other, "hypot")
    if a.dtype.kind != "f":
        raise TypeError(f"hypot() needs floats, but got tensors of {input.dtype} and {other.dtype}. Use t.float().")
    return from_numpy(np.hypot(a, b))


NUMPY.update(
    {
        np.maximum: between(maximum),
        np.minimum: between(minimum),
        np.fmax: between(fmax),
        np.fmin: between(fmin),
        np.arctan2: between(atan2),
        np.hypot: between(hypot),
    }
)


# Logarithms, signs and steps of two elements


class LogaddexpBackward(PairFunction):
    """Gradient of ``out = log(exp(a) + exp(b))``: ``1 / (1 + exp(b - a))`` for a, ``1 / (1 + exp(a - b))`` for b."""

    base = math.e

    def grad_a(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        a, b = saved
        with np.errstate(invalid="ignore", over="ignore"):  # what overflows makes the 0 that belongs there
            share: FloatArray = grad_output / (1 + np.exp((b - a) * math.log(self.base)))
        return share

    def grad_b(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        a, b = saved
        return self.grad_a(grad_output, b, a)


def _check_both_floats(name: str, *arrays: Array) -> None:
    if arrays[0].dtype.kind != "f":
        raise TypeError(f"{name}() needs floats, but got {' and '.join(str(x.dtype) for x in arrays)}. Use t.float().")


@operation(LogaddexpBackward)
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """Return ``log(exp(input) + exp(other))``, without overflow.

    Examples
    --------
    >>> logaddexp(Tensor([1000.0]), Tensor([1000.0]))
    tensor([1000.6932])
    """
    a, b = arrays_of(input, other, "logaddexp")
    _check_both_floats("logaddexp", a, b)
    return from_numpy(np.logaddexp(a, b))


class Logaddexp2Backward(LogaddexpBackward):
    """Gradient of ``out = log2(2**a + 2**b)``: ``1 / (1 + 2**(b - a))`` for a, ``1 / (1 + 2**(a - b))`` for b."""

    base = 2.0


@operation(Logaddexp2Backward)
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """Return ``log2(2**input + 2**other)``, without overflow."""
    a, b = arrays_of(input, other, "logaddexp2")
    _check_both_floats("logaddexp2", a, b)
    return from_numpy(np.logaddexp2(a, b))


class XlogyBackward(PairFunction):
    """Gradient of ``out = a * log(b)``: ``log(b)`` for a, 0 where a is 0 and b not positive; ``a / b`` for b."""

    def grad_a(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        a, b = saved
        none = (a == 0) & (b <= 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope: FloatArray = grad_output * np.where(none, 0, np.log(np.where(none, 1, b)))
        return slope

    def grad_b(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        a, b = saved
        with np.errstate(divide="ignore", invalid="ignore"):
            slope: FloatArray = grad_output * (a / b)
        return slope


@operation(XlogyBackward, method="_xlogy")
def _xlogy(input: Tensor, other: Tensor) -> Tensor:
    a, b = float_arrays_of(input, other, "xlogy")
    b = b.astype(np.result_type(a, b), copy=False)  # the logarithm in the wider type
    with np.errstate(divide="ignore", invalid="ignore"):
        return from_numpy(choose((a != 0) | np.isnan(b), a * np.log(b)))


@of_numbers_too()
def xlogy(input: Tensor | Scalar, other: Tensor | Scalar) -> Tensor:
    """Return ``input * log(other)``, and 0 where `input` is 0 and `other` not nan.

    Examples
    --------
    >>> xlogy(Tensor([0.0, 2.0]), Tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    left = left_of(input, other, "xlogy")
    return _xlogy(left, tensor_beside(other, left))


class CopysignBackward(PairFunction):
    """Gradient of ``out = |a| * sign(b)``: ``grad_output * out / a`` for a, 0 where a is 0; 0 for b."""

    saves = ("inputs", "output")

    def grad_a(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        a, _, out = saved
        slope: FloatArray = grad_output * (np.sign(a) * np.sign(out))
        return slope

    def grad_b(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        return np.zeros_like(grad_output)


@operation(CopysignBackward, method="_copysign")
def _copysign(input: Tensor, other: Tensor) -> Tensor:
    return from_numpy(np.copysign(*float_arrays_of(input, other, "copysign")))


@composed()
def copysign(input: Tensor, other: Tensor | Scalar) -> Tensor:
    """Return the size of each element with the sign of `other`; -0.0 counts as negative.

    Examples
    --------
    >>> copysign(Tensor([1.0, -2.0]), Tensor([-0.0, 3.0]))
    tensor([-1.,  2.])
    """
    return _copysign(input, tensor_beside(other, input))


class HeavisideBackward(PairFunction):
    """``out = heaviside(a, b)`` refuses a gradient, as in PyTorch."""

    saves = ()

    def apply(self, grad_output: FloatArray) -> Grads:
        raise NotDifferentiableError(
            "heaviside() has no gradient: it goes in one step. detach() what it is given, or use sigmoid() instead."
        )


@operation(HeavisideBackward)
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """Return 0 where an element is negative, 1 where it is positive, and `values` where it is 0.

    Raises
    ------
    TypeError
        If the two dtypes differ.

    Examples
    --------
    >>> heaviside(Tensor([-2.0, 0.0, 3.0]), Tensor([0.5]))
    tensor([0.0, 0.5, 1.0])
    """
    check_tensors("heaviside", values)
    if input.dtype != values.dtype:
        raise TypeError(f"heaviside() takes two tensors of one dtype, but got {input.dtype} and {values.dtype}.")
    common_shape([input.shape, values.shape], "heaviside")
    a = input.data
    step = np.where(a == 0, values.data, (a > 0).astype(a.dtype))
    return from_numpy(np.where(a == a, step, a))


@of_numbers_too()
def float_power(input: Tensor | Scalar, exponent: Tensor | Scalar) -> Tensor:
    """Return ``input ** exponent``, computed in float64 whatever the dtypes are.

    Examples
    --------
    >>> float_power(Tensor([2.0]), 3)
    tensor([8.], dtype=float64)
    """
    base, power = (x.to(np.float64) if isinstance(x, Tensor) else float(x) for x in (input, exponent))
    return left_of(base, power, "float_power") ** power


@composed()
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """Return ``input * 2**other``."""
    check_tensors("ldexp", other)
    floating = other if other.dtype.kind == "f" else other.to(input.dtype if input.dtype.kind == "f" else np.float32)
    return input * 2.0**floating


def _of_integers(name: str, compute: Callable[..., Array], input: Tensor, other: Tensor) -> Tensor:
    a, b = arrays_of(input, other, name)
    dtype = np.result_type(a, b)
    if dtype.kind not in "iu":
        raise TypeError(f"{name}() takes integers, but got {input.dtype} and {other.dtype}. Use t.long().")
    return from_numpy(np.asarray(compute(a.astype(dtype), b.astype(dtype))))


@composed()
def gcd(input: Tensor, other: Tensor) -> Tensor:
    """Return the greatest common divisor of two integers."""
    return _of_integers("gcd", np.gcd, input, other)


@composed()
def lcm(input: Tensor, other: Tensor) -> Tensor:
    """Return the least common multiple of two integers."""
    return _of_integers("lcm", np.lcm, input, other)


NUMPY.update(
    {
        np.logaddexp: between(logaddexp),
        np.logaddexp2: between(logaddexp2),
        np.copysign: between(copysign),
        np.heaviside: between(heaviside),
        np.float_power: between(float_power),
        np.ldexp: between(ldexp),
        np.gcd: between(gcd),
        np.lcm: between(lcm),
    }
)


# Three at a time


class LerpBackward(Function):
    """Gradient of ``out = a + w * (b - a)``: ``1 - w`` for a, ``w`` for b, ``b - a`` for w, times `grad_output`."""

    def apply(self, grad_output: FloatArray) -> Grads:
        a, b, w = self.saved_tensors
        shape_a, shape_b, shape_w = self.input_shapes
        need_a, need_b, need_w = self.needs_input_grad
        grad_a = unbroadcast(grad_output * (1 - w), shape_a) if need_a else None
        grad_b = unbroadcast(grad_output * w, shape_b) if need_b else None
        grad_w = unbroadcast(grad_output * (b - a), shape_w) if need_w else None
        return grad_a, grad_b, grad_w


@operation(LerpBackward)
def lerp(input: Tensor, end: Tensor, weight: Tensor | float) -> Tensor:
    """Return ``input + weight * (end - input)``: `input` for weight 0, `end` for weight 1.

    Raises
    ------
    TypeError
        If the tensors are not floats of one dtype.

    Examples
    --------
    >>> lerp(Tensor([0, 0]), Tensor([10, 20]), 0.25)
    tensor([2.5, 5.0])
    """
    check_tensors("lerp", end)
    arrays = [x.data for x in (input, end, weight) if isinstance(x, Tensor)]
    if input.dtype.kind != "f" or any(x.dtype != input.dtype for x in arrays):
        found = ", ".join(str(x.dtype) for x in arrays)
        raise TypeError(f"lerp() takes tensors of one type of floats, but got {found}. Use t.to(dtype).")
    common_shape([x.shape for x in arrays], "lerp")
    a, b, w = input.data, end.data, weight.data if isinstance(weight, Tensor) else weight
    if not isinstance(w, np.ndarray | bool | int | float):
        raise TypeError(f"lerp() takes a number or a tensor as weight, but got {type(weight).__name__}.")
    step = b - a
    if isinstance(w, np.ndarray):
        return from_numpy(choose(np.abs(w) < 0.5, a + w * step, b - step * (1 - w)))
    return from_numpy(a + w * step if -0.5 < w < 0.5 else b - step * (1 - w))  # exact at both ends


@composed()
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Scalar = 1) -> Tensor:
    """Return ``input + value * tensor1 * tensor2``.

    Raises
    ------
    TypeError
        If `value` is a fraction and all tensors hold integers.
    """
    check_tensors("addcmul", tensor1, tensor2)
    _check_factor("addcmul", "value", value, input, tensor1, tensor2)
    return add(input, tensor1 * tensor2, alpha=value)


@composed()
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Scalar = 1) -> Tensor:
    """Return ``input + value * tensor1 / tensor2``.

    Raises
    ------
    TypeError
        If neither `tensor1` nor `tensor2` holds floats.
    """
    check_tensors("addcdiv", tensor1, tensor2)
    if tensor1.dtype.kind != "f" and tensor2.dtype.kind != "f":
        raise TypeError(f"addcdiv() divides floats, but got {tensor1.dtype} and {tensor2.dtype}. Use t.float().")
    return add(input, tensor1 / tensor2, alpha=value)
