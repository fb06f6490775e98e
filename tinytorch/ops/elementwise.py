"""Functions of one element at a time, each beside the rule of its gradient."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core import activations
from tinytorch.core.autograd import ENHANCED, ClipBackward, Function, NotDifferentiableError, tracked, unbroadcast
from tinytorch.core.tensor import Array, FloatArray, Scalar, Tensor, check_broadcast, common_type, from_numpy, operands
from tinytorch.ops._registry import NUMPY, P, R, as_function, composed, floats, operation
from tinytorch.ops.indexing import nonzero
from tinytorch.ops.shape import common_shape, promoted

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "addcdiv",
    "addcmul",
    "allclose",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "cos",
    "cosh",
    "div",
    "divide",
    "eq",
    "equal",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fix",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frac",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "hypot",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "lerp",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "maximum",
    "minimum",
    "mul",
    "multiply",
    "nan_to_num",
    "ne",
    "neg",
    "negative",
    "not_equal",
    "positive",
    "pow",
    "reciprocal",
    "relu",
    "remainder",
    "round",
    "rsqrt",
    "sgn",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "sub",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
    "where",
]

Grads = tuple[FloatArray | None, ...]
Method = Callable[..., Any]


# Arguments


def tensor_beside(value: Any, like: Tensor) -> Tensor:
    """Return an operand as a tensor; a number takes the dtype of `like`, if that can hold its kind."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray):
        return from_numpy(value)
    number = value.item() if isinstance(value, np.generic) else value
    if not isinstance(number, bool | int | float):
        raise TypeError(f"a tensor calculates with tensors, numbers and NumPy arrays, but got {type(value).__name__}.")
    kind = like.dtype.kind
    if kind == "f" or (kind in "iu" and not isinstance(number, float)):
        return from_numpy(np.asarray(number, like.dtype))
    return _tensor_of(number)


def _tensor_of(number: Scalar) -> Tensor:
    """Return a number as a 0-d tensor of the dtype that PyTorch gives it."""
    return from_numpy(np.asarray(number, np.float32 if isinstance(number, float) else None))


def _check_tensor(name: str, *values: Any) -> None:
    """Raise an error unless all operands of an operation are tensors."""
    for value in values:
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name}() works on tensors, but got {type(value).__name__}. Make one with tinytorch.tensor(...)."
            )


def _left(input: Any, other: Any, name: str) -> Tensor:
    """Return the left of two operands, of which one may be a number, as a tensor."""
    if isinstance(input, Tensor):
        return input
    _check_tensor(name, other)
    return tensor_beside(input, other)


def _arrays(input: Tensor, other: Any, name: str) -> tuple[Array, Array]:
    """Return the arrays of two tensors as one dtype, in shapes that broadcast."""
    _check_tensor(name, other)
    return operands(input, other, f"{name}()")


def _float_arrays(input: Tensor, other: Any, name: str) -> tuple[FloatArray, FloatArray]:
    """Return the arrays of two tensors as floats; integers as float32."""
    a, b = _arrays(input, other, name)
    return (a, b) if a.dtype.kind == "f" else (a.astype(np.float32), b.astype(np.float32))


def _refuse_bools(name: str, *arrays: Any) -> None:
    """Raise an error if all operands are truth values."""
    if all(isinstance(x, bool) or (isinstance(x, np.ndarray) and x.dtype.kind == "b") for x in arrays):
        raise TypeError(f"{name}() takes integers or floats, but got bools. Use t.long(), or a logical operation.")


def choose(mask: Any, a: Any, b: Any = 0) -> Any:
    """Return ``np.where(mask, a, b)``, of tensors or of arrays.

    For arrays of one shape and dtype it works on the bits, several times faster: no branch depends on the mask then,
    whose outcome a processor cannot guess.
    """
    alike = isinstance(mask, np.ndarray) and isinstance(a, np.ndarray) and mask.shape == a.shape and a.itemsize <= 8
    zeros = alike and isinstance(b, int) and b == 0 and a.dtype.kind != "b"  # a bool and the number 0 make an integer
    if not alike or not (zeros or (isinstance(b, np.ndarray) and b.shape == a.shape and b.dtype == a.dtype)):
        return np.where(mask, a, b)
    bits = mask.astype(f"i{a.itemsize}")
    np.negative(bits, out=bits)  # -1 is all bits, 0 none
    if zeros:
        bits &= a.view(bits.dtype)
    else:
        other = b.view(bits.dtype)
        bits &= a.view(bits.dtype) ^ other
        bits ^= other
    return bits.view(a.dtype)


def _of_numbers_too(*numpy: Callable[..., Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function of two operands, of which the first may be the number, a method of `Tensor`, as `composed`."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        setattr(Tensor, function.__name__, function)
        NUMPY.update(dict.fromkeys(numpy, function))
        return function

    return register


def _between(function: Method) -> Method:
    """Return a function of two tensors that takes arrays and numbers beside a tensor, as NumPy's do."""

    @functools.wraps(function)
    def answer(a: Any, b: Any) -> Any:
        return function(tensor_beside(a, b), tensor_beside(b, a))

    return answer


def _alias(name: str, function: Method) -> Method:
    """Return a second name of a function, which is made a method too."""

    @functools.wraps(function)
    def alias(input: Any, *args: Any, **kwargs: Any) -> Any:
        return function(input, *args, **kwargs)

    alias.__name__ = alias.__qualname__ = name
    alias.__doc__ = f"Do what `{function.__name__}` does; another name for it."
    setattr(Tensor, name, alias)
    return alias


# Circular and hyperbolic functions


class SinBackward(Function):
    """Gradient of ``out = sin(a)``: ``grad_output * cos(a)``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (grad_output * np.cos(a),)


@operation(SinBackward, np.sin)
def sin(input: Tensor) -> Tensor:
    """Return the sine of each element, which is in radians.

    Examples
    --------
    >>> sin(Tensor([0.0, 1.0]))
    tensor([0.0000, 0.8415])
    """
    return from_numpy(np.sin(floats(input)))


class CosBackward(Function):
    """Gradient of ``out = cos(a)``: ``-grad_output * sin(a)``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (-grad_output * np.sin(a),)


@operation(CosBackward, np.cos)
def cos(input: Tensor) -> Tensor:
    """Return the cosine of each element, which is in radians."""
    return from_numpy(np.cos(floats(input)))


class TanBackward(Function):
    """Gradient of ``out = tan(a)``: ``grad_output * (1 + out**2)``."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> Grads:
        (out,) = self.saved_tensors
        return (grad_output * (1 + out * out),)


@operation(TanBackward, np.tan)
def tan(input: Tensor) -> Tensor:
    """Return the tangent of each element, which is in radians."""
    return from_numpy(np.tan(floats(input)))


class AsinBackward(Function):
    """Gradient of ``out = asin(a)``: ``grad_output / sqrt(1 - a**2)``; infinite at -1 and 1."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (grad_output / np.sqrt((1 - a) * (1 + a)),)


@operation(AsinBackward, np.arcsin)
def asin(input: Tensor) -> Tensor:
    """Return the angle, from -pi/2 to pi/2, whose sine each element is; nan beyond -1 and 1."""
    return from_numpy(np.arcsin(floats(input)))


class AcosBackward(Function):
    """Gradient of ``out = acos(a)``: ``-grad_output / sqrt(1 - a**2)``; infinite at -1 and 1."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (-grad_output / np.sqrt((1 - a) * (1 + a)),)


@operation(AcosBackward, np.arccos)
def acos(input: Tensor) -> Tensor:
    """Return the angle, from 0 to pi, whose cosine each element is; nan beyond -1 and 1."""
    return from_numpy(np.arccos(floats(input)))


class AtanBackward(Function):
    """Gradient of ``out = atan(a)``: ``grad_output / (1 + a**2)``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        with np.errstate(over="ignore"):  # an infinite square makes 0, which is right
            return (grad_output / (1 + a * a),)


@operation(AtanBackward, np.arctan)
def atan(input: Tensor) -> Tensor:
    """Return the angle, from -pi/2 to pi/2, whose tangent each element is."""
    return from_numpy(np.arctan(floats(input)))


class SinhBackward(Function):
    """Gradient of ``out = sinh(a)``: ``grad_output * cosh(a)``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (grad_output * np.cosh(a),)


@operation(SinhBackward, np.sinh)
def sinh(input: Tensor) -> Tensor:
    """Return the hyperbolic sine of each element, ``(exp(a) - exp(-a)) / 2``."""
    return from_numpy(np.sinh(floats(input)))


class CoshBackward(Function):
    """Gradient of ``out = cosh(a)``: ``grad_output * sinh(a)``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (grad_output * np.sinh(a),)


@operation(CoshBackward, np.cosh)
def cosh(input: Tensor) -> Tensor:
    """Return the hyperbolic cosine of each element, ``(exp(a) + exp(-a)) / 2``."""
    return from_numpy(np.cosh(floats(input)))


class AsinhBackward(Function):
    """Gradient of ``out = asinh(a)``: ``grad_output / sqrt(a**2 + 1)``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (grad_output / np.hypot(a, 1),)


@operation(AsinhBackward, np.arcsinh)
def asinh(input: Tensor) -> Tensor:
    """Return the number whose hyperbolic sine each element is."""
    return from_numpy(np.arcsinh(floats(input)))


class AcoshBackward(Function):
    """Gradient of ``out = acosh(a)``: ``grad_output / sqrt(a**2 - 1)``; infinite at 1."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        with np.errstate(over="ignore"):  # an infinite square makes 0, which is right
            return (grad_output / np.sqrt((a - 1) * (a + 1)),)


@operation(AcoshBackward, np.arccosh)
def acosh(input: Tensor) -> Tensor:
    """Return the positive number whose hyperbolic cosine each element is; nan below 1."""
    return from_numpy(np.arccosh(floats(input)))


class AtanhBackward(Function):
    """Gradient of ``out = atanh(a)``: ``grad_output / (1 - a**2)``; infinite at -1 and 1."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (grad_output / ((1 - a) * (1 + a)),)


@operation(AtanhBackward, np.arctanh)
def atanh(input: Tensor) -> Tensor:
    """Return the number whose hyperbolic tangent each element is; nan beyond -1 and 1."""
    return from_numpy(np.arctanh(floats(input)))


arcsin = _alias("arcsin", asin)
arccos = _alias("arccos", acos)
arctan = _alias("arctan", atan)
arcsinh = _alias("arcsinh", asinh)
arccosh = _alias("arccosh", acosh)
arctanh = _alias("arctanh", atanh)


# Powers, roots and logarithms

exp = as_function("exp", Tensor.exp)
log = as_function("log", Tensor.log)
sqrt = as_function("sqrt", Tensor.sqrt)
NUMPY.update({np.exp: exp, np.log: log, np.sqrt: sqrt})


class Exp2Backward(Function):
    """Gradient of ``out = 2**a``: ``grad_output * out * log(2)``."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> Grads:
        (out,) = self.saved_tensors
        return (grad_output * (out * math.log(2)),)


@operation(Exp2Backward, np.exp2)
def exp2(input: Tensor) -> Tensor:
    """Return 2 to the power of each element."""
    return from_numpy(np.exp2(floats(input)))


class Expm1Backward(Function):
    """Gradient of ``out = exp(a) - 1``: ``grad_output * (out + 1)``."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> Grads:
        (out,) = self.saved_tensors
        return (grad_output * (out + 1),)


@operation(Expm1Backward, np.expm1)
def expm1(input: Tensor) -> Tensor:
    """Return ``exp(a) - 1`` of each element, exact also near 0.

    Examples
    --------
    >>> expm1(Tensor(1e-10)).item() == Tensor(1e-10).item()
    True
    """
    return from_numpy(np.expm1(floats(input)))


class Log1pBackward(Function):
    """Gradient of ``out = log(1 + a)``: ``grad_output / (1 + a)``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (grad_output / (1 + a),)


@operation(Log1pBackward, np.log1p)
def log1p(input: Tensor) -> Tensor:
    """Return ``log(1 + a)`` of each element, exact also near 0."""
    return from_numpy(np.log1p(floats(input)))


class Log2Backward(Function):
    """Gradient of ``out = log2(a)``: ``grad_output / (a * log(2))``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (grad_output / (a * math.log(2)),)


@operation(Log2Backward, np.log2)
def log2(input: Tensor) -> Tensor:
    """Return the logarithm to base 2 of each element."""
    return from_numpy(np.log2(floats(input)))


class Log10Backward(Function):
    """Gradient of ``out = log10(a)``: ``grad_output / (a * log(10))``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (grad_output / (a * math.log(10)),)


@operation(Log10Backward, np.log10)
def log10(input: Tensor) -> Tensor:
    """Return the logarithm to base 10 of each element."""
    return from_numpy(np.log10(floats(input)))


class RsqrtBackward(Function):
    """Gradient of ``out = 1 / sqrt(a)``: ``-grad_output * out**3 / 2``."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> Grads:
        (out,) = self.saved_tensors
        return (-0.5 * grad_output * (out * out * out),)


@operation(RsqrtBackward)
def rsqrt(input: Tensor) -> Tensor:
    """Return 1 over the square root of each element."""
    return from_numpy(1 / np.sqrt(floats(input)))


class ReciprocalBackward(Function):
    """Gradient of ``out = 1 / a``: ``-grad_output * out**2``."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> Grads:
        (out,) = self.saved_tensors
        return (-grad_output * (out * out),)


@operation(ReciprocalBackward, np.reciprocal)
def reciprocal(input: Tensor) -> Tensor:
    """Return 1 over each element."""
    return from_numpy(1 / floats(input))


class SquareBackward(Function):
    """Gradient of ``out = a**2``: ``grad_output * 2 * a``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (grad_output * (2 * a),)


@operation(SquareBackward, np.square)
def square(input: Tensor) -> Tensor:
    """Return the square of each element."""
    data = input.data
    return from_numpy(np.square(data.astype(np.int64) if data.dtype.kind == "b" else data))


@_of_numbers_too()
def pow(input: Tensor | Scalar, exponent: Tensor | Scalar) -> Tensor:
    """Return ``input ** exponent``, of which one may be a number.

    Examples
    --------
    >>> pow(2, Tensor([1, 2, 3]))
    tensor([2., 4., 8.])
    """
    input = _left(input, exponent, "pow")
    if input.dtype.kind == "b":
        _refuse_bools("pow", exponent.data if isinstance(exponent, Tensor) else exponent)
        input = input if isinstance(exponent, Tensor) else input.to(np.int64)
    return input**exponent


# The normal distribution's integral


class ErfBackward(Function):
    """Gradient of ``out = erf(a)``: ``grad_output * 2 / sqrt(pi) * exp(-a**2)``."""

    factor = 2 / math.sqrt(math.pi)

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        near = np.clip(a, -30, 30)  # beyond, the exponential is 0 in every float, and a * a would overflow on the way
        return (grad_output * (self.factor * np.exp(-near * near)),)


@operation(ErfBackward)
def erf(input: Tensor) -> Tensor:
    """Return the error function of each element, ``2 / sqrt(pi) * integral(exp(-t**2), 0, a)``.

    Examples
    --------
    >>> erf(Tensor([-1.0, 0.0, 1.0]))
    tensor([-0.8427,  0.0000,  0.8427])
    """
    return from_numpy(activations.erf(floats(input)))


class ErfcBackward(ErfBackward):
    """Gradient of ``out = erfc(a)``: ``-grad_output * 2 / sqrt(pi) * exp(-a**2)``."""

    factor = -2 / math.sqrt(math.pi)


_ERFC_ENDS = 2 / (2 + 26.0), 1.0  # beyond 26, float64 can hold erfc with fewer digits only


def _erfc_polynomial(terms: int) -> FloatArray:
    """Return P, highest power first: ``erfc(z) = t * exp(P(u) - z**2)``, ``t = 2 / (2 + z)``, u being t from -1 to 1.

    Source: W. Press et al., Numerical Recipes, 3rd ed., Cambridge, 2007, sec. 6.2.2.
    """
    u = np.cos(np.pi * (np.arange(terms) + 0.5) / terms)
    low, high = _ERFC_ENDS
    t = low + (u + 1) * ((high - low) / 2)
    z = 2 / t - 2
    logs = [math.log(math.erfc(a)) + a * a for a in z]
    return np.linalg.solve(np.vander(u), np.array(logs) - np.log(t))


_ERFC = _erfc_polynomial(28)


def _erfc(x: FloatArray) -> FloatArray:
    """Return ``1 - erf(x)``, with its digits also where it is small."""
    wide = x.astype(np.float64, copy=False)  # far out, float32 would keep four digits of the exponential
    z = np.minimum(np.abs(wide), 28)
    t = 2 / (2 + z)
    low, high = _ERFC_ENDS
    small = t * np.exp(np.polyval(_ERFC, (2 * t - low - high) / (high - low)) - z * z)
    result: FloatArray = np.where(wide < 0, 2 - small, small).astype(x.dtype)
    return result


@operation(ErfcBackward)
def erfc(input: Tensor) -> Tensor:
    """Return ``1 - erf(a)`` of each element, with its digits also where it is small.

    Examples
    --------
    >>> erfc(Tensor([0.0, 5.0]))
    tensor([1.0000e+00, 1.5375e-12])
    """
    return from_numpy(_erfc(floats(input)))


# Signs and whole numbers


class StepBackward(Function):
    """Gradient of a function that goes in steps: 0."""

    saves = ()

    def __init__(self, a: Tensor, *, decimals: int = 0, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)

    def apply(self, grad_output: FloatArray) -> Grads:
        return (np.zeros_like(grad_output),)


@operation(StepBackward, np.sign)
def sign(input: Tensor) -> Tensor:
    """Return -1, 0 or 1 for each element; 0 for nan, as PyTorch has it."""
    data = input.data
    if data.dtype.kind == "b":
        return from_numpy(data.copy())
    return from_numpy(np.subtract(data > 0, data < 0, dtype=data.dtype))


sgn = _alias("sgn", sign)


def _whole(compute: Callable[[Array], Array], input: Tensor, name: str) -> Tensor:
    """Return floats as `compute` rounds them, and integers as they are."""
    _refuse_bools(name, input.data)
    return from_numpy(compute(input.data) if input.dtype.kind == "f" else input.data.copy())


@operation(StepBackward, np.floor)
def floor(input: Tensor) -> Tensor:
    """Return the largest whole number that is not above each element."""
    return _whole(np.floor, input, "floor")


@operation(StepBackward, np.ceil)
def ceil(input: Tensor) -> Tensor:
    """Return the smallest whole number that is not below each element."""
    return _whole(np.ceil, input, "ceil")


@operation(StepBackward, np.trunc, np.fix)
def trunc(input: Tensor) -> Tensor:
    """Return each element without its fraction."""
    return _whole(np.trunc, input, "trunc")


fix = _alias("fix", trunc)


@operation(StepBackward, np.rint)
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Return each element rounded to `decimals` digits behind the point; half-way goes to the even digit.

    Raises
    ------
    TypeError
        If `decimals` is not 0 and the elements are not floats.

    Examples
    --------
    >>> round(Tensor([0.5, 1.5, 2.5]))
    tensor([0., 2., 2.])
    >>> round(Tensor([1234.5]), decimals=-2)
    tensor([1200.])
    """
    if decimals and input.dtype.kind != "f":
        raise TypeError(f"round() with decimals={decimals} needs floats, but this tensor holds {input.dtype}.")
    return _whole(lambda data: np.round(data, decimals), input, "round")


class FracBackward(Function):
    """Gradient of ``out = a - trunc(a)``: `grad_output`."""

    saves = ()

    def apply(self, grad_output: FloatArray) -> Grads:
        return (grad_output,)


@operation(FracBackward)
def frac(input: Tensor) -> Tensor:
    """Return the fraction of each element, with its sign.

    Raises
    ------
    TypeError
        If the elements are not floats.
    """
    data = input.data
    if data.dtype.kind != "f":
        raise TypeError(f"frac() needs floats, but this tensor holds {data.dtype}. Use t.float().")
    return from_numpy(data - np.trunc(data))


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


@_of_numbers_too()
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
    input = _left(input, other, "add")
    return input + (other if alpha == 1 else _times(other, alpha, input, "add"))


@_of_numbers_too()
def sub(input: Tensor | Scalar, other: Tensor | Scalar, *, alpha: Scalar = 1) -> Tensor:
    """Return ``input - alpha * other``.

    Raises
    ------
    TypeError
        If `alpha` is a fraction and both operands are integers, or if one of the operands is a bool.
    """
    for operand in (input, other):
        _refuse_bools("sub", operand.data if isinstance(operand, Tensor) else operand)
    input = _left(input, other, "sub")
    return input - (other if alpha == 1 else _times(other, alpha, input, "sub"))


@_of_numbers_too()
def mul(input: Tensor | Scalar, other: Tensor | Scalar) -> Tensor:
    """Return ``input * other``."""
    return _left(input, other, "mul") * other


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
    _refuse_bools(name, a, b)
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


@_of_numbers_too()
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
    input = _left(input, other, "div")
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


@_of_numbers_too(np.floor_divide)
def floor_divide(input: Tensor | Scalar, other: Tensor | Scalar) -> Tensor:
    """Return ``input // other``, the quotient rounded down.

    It refuses to take part in ``backward()``; ``div(input, other, rounding_mode="floor")`` has the gradient 0.

    Raises
    ------
    ZeroDivisionError
        If integers are divided by 0.
    """
    return _floor_divide(_left(input, other, "floor_divide"), other)


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
    _refuse_bools("remainder", a, b)
    _check_divisor(a, b, "remainder")
    return from_numpy(np.remainder(a, b))


@_of_numbers_too(np.remainder)
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
    return _remainder(_left(input, other, "remainder"), other)


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
    _refuse_bools("fmod", a, b)
    _check_divisor(a, b, "fmod")
    return from_numpy(np.fmod(a, b))


@composed(np.negative)
def neg(input: Tensor) -> Tensor:
    """Return ``-input``."""
    _refuse_bools("neg", input.data)
    return -input


@composed(np.positive)
def positive(input: Tensor) -> Tensor:
    """Return `input` itself, unless it holds bools."""
    _refuse_bools("positive", input.data)
    return input


abs = as_function("abs", Tensor.abs)
NUMPY.update({np.abs: abs, np.fmod: _between(fmod)})

subtract = _alias("subtract", sub)
multiply = _alias("multiply", mul)
divide = _alias("divide", div)
true_divide = _alias("true_divide", div)
negative = _alias("negative", neg)
absolute = _alias("absolute", abs)


def _on_the_right(function: Method) -> Method:
    """Return the method of a reflected operator: the tensor is its right operand."""
    return lambda self, other: function(tensor_beside(other, self), self)


_OPERATORS: dict[str, Method] = {
    "__floordiv__": lambda self, other: floor_divide(self, other),
    "__rfloordiv__": _on_the_right(floor_divide),
    "__mod__": lambda self, other: remainder(self, other),
    "__rmod__": _on_the_right(remainder),
    "__pos__": lambda self: positive(self),
}


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
    return from_numpy(np.maximum(*_arrays(input, other, "maximum")))


class MinimumBackward(MaximumBackward):
    """Gradient of ``out = minimum(a, b)``: `grad_output` for the smaller; equal ones get half each."""

    def grad_a(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        return super().grad_b(grad_output, *saved)

    def grad_b(self, grad_output: FloatArray, *saved: Any) -> FloatArray:
        return super().grad_a(grad_output, *saved)


@operation(MinimumBackward)
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of two elements; nan where one of them is nan. Equal elements share the gradient."""
    return from_numpy(np.minimum(*_arrays(input, other, "minimum")))


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
    return from_numpy(np.fmax(*_arrays(input, other, "fmax")))


class FminBackward(FmaxBackward):
    """Gradient of ``out = fmin(a, b)``: `grad_output` for what is the result; for a, where they are equal."""

    def is_first(self, a: Any, b: Any) -> Any:
        return (a <= b) | (b != b)


@operation(FminBackward)
def fmin(input: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of two elements; the other one where one of them is nan."""
    return from_numpy(np.fmin(*_arrays(input, other, "fmin")))


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
    return from_numpy(np.arctan2(*_float_arrays(input, other, "atan2")))


arctan2 = _alias("arctan2", atan2)


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
    a, b = _arrays(input, other, "hypot")
    if a.dtype.kind != "f":
        raise TypeError(f"hypot() needs floats, but got tensors of {input.dtype} and {other.dtype}. Use t.float().")
    return from_numpy(np.hypot(a, b))


NUMPY.update(
    {
        np.maximum: _between(maximum),
        np.minimum: _between(minimum),
        np.fmax: _between(fmax),
        np.fmin: _between(fmin),
        np.arctan2: _between(atan2),
        np.hypot: _between(hypot),
    }
)


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
        _refuse_bools("clamp", input.data, low.data, high.data)
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
    _check_tensor("clamp", input)
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
    _check_tensor("where", condition)
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise TypeError("where() takes two values to choose from, or none, but got one.")
    if condition.dtype.kind != "b":
        raise TypeError(
            f"where() takes a condition of bools, but this tensor holds {condition.dtype}. Compare, as in t != 0."
        )
    if not isinstance(input, Tensor):
        input = tensor_beside(input, other if isinstance(other, Tensor) else _tensor_of(input))
    return _where(condition, input, other)


def _where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """Return the elements where `condition` is true, and of `other`, a tensor or a number, elsewhere."""
    _check_tensor("where", condition)
    return where(condition, self, other)  # type: ignore[no-any-return]


Tensor.where = _where_method  # type: ignore[attr-defined]


def _np_where(condition: Any, /, x: Any = None, y: Any = None) -> Any:
    chosen = condition if isinstance(condition, Tensor) else from_numpy(np.asarray(condition))
    if x is None or y is None:
        return where(chosen, x, y)
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
    >>> nan_to_num(Tensor([math.nan, math.inf, 1.0]), posinf=9.0)
    tensor([0., 9., 1.])
    """
    return from_numpy(np.nan_to_num(input.data, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf))


NUMPY[np.nan_to_num] = lambda x, copy=True, nan=0.0, posinf=None, neginf=None: nan_to_num(x, nan, posinf, neginf)
NUMPY[np.round] = NUMPY[np.around] = lambda a, decimals=0: round(a, decimals=decimals)


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
    _check_tensor("lerp", end)
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
        return from_numpy(np.where(np.abs(w) < 0.5, a + w * step, b - step * (1 - w)))
    return from_numpy(a + w * step if -0.5 < w < 0.5 else b - step * (1 - w))  # exact at both ends


@composed()
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Scalar = 1) -> Tensor:
    """Return ``input + value * tensor1 * tensor2``.

    Raises
    ------
    TypeError
        If `value` is a fraction and all tensors hold integers.
    """
    _check_tensor("addcmul", tensor1, tensor2)
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
    _check_tensor("addcdiv", tensor1, tensor2)
    if tensor1.dtype.kind != "f" and tensor2.dtype.kind != "f":
        raise TypeError(f"addcdiv() divides floats, but got {tensor1.dtype} and {tensor2.dtype}. Use t.float().")
    return add(input, tensor1 / tensor2, alpha=value)


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


not_equal = _alias("not_equal", ne)
less = _alias("less", lt)
less_equal = _alias("less_equal", le)
greater = _alias("greater", gt)
greater_equal = _alias("greater_equal", ge)


@composed(np.isnan)
def isnan(input: Tensor) -> Tensor:
    """Return where the elements are nan."""
    return from_numpy(np.isnan(input.data))


@composed(np.isinf)
def isinf(input: Tensor) -> Tensor:
    """Return where the elements are infinite, of either sign."""
    return from_numpy(np.isinf(input.data))


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
    a, b = _arrays(input, other, "isclose")
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
    _check_tensor("equal", other)
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
    _check_tensor(name, other)
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
    a, b = operands(_left(input, other, name), other, f"{name}()")
    if np.result_type(a, b).kind not in "biu":
        raise TypeError(f"{name}() works on integers and bools, but got floats. Compare them first, or use t.long().")
    return from_numpy(compute(a, b))


@_of_numbers_too(np.bitwise_and)
def bitwise_and(input: Tensor | int, other: Tensor | int) -> Tensor:
    """Return ``input & other``, bit by bit; of bools, where both are true.

    Examples
    --------
    >>> x = Tensor([-1, 1, 3])
    >>> (x > 0) & (x < 2)
    tensor([False,  True, False])
    """
    return _bitwise("bitwise_and", np.bitwise_and, input, other)


@_of_numbers_too(np.bitwise_or)
def bitwise_or(input: Tensor | int, other: Tensor | int) -> Tensor:
    """Return ``input | other``, bit by bit; of bools, where one or both are true."""
    return _bitwise("bitwise_or", np.bitwise_or, input, other)


@_of_numbers_too(np.bitwise_xor)
def bitwise_xor(input: Tensor | int, other: Tensor | int) -> Tensor:
    """Return ``input ^ other``, bit by bit; of bools, where they differ."""
    return _bitwise("bitwise_xor", np.bitwise_xor, input, other)


@composed(np.invert)
def bitwise_not(input: Tensor) -> Tensor:
    """Return ``~input``, each bit turned; of bools, where they are false."""
    if input.dtype.kind == "f":
        raise TypeError(f"bitwise_not() works on integers and bools, but got {input.dtype}. Compare first.")
    return from_numpy(np.invert(input.data))


_OPERATORS |= {
    "__and__": lambda self, other: bitwise_and(self, other),
    "__rand__": _on_the_right(bitwise_and),
    "__or__": lambda self, other: bitwise_or(self, other),
    "__ror__": _on_the_right(bitwise_or),
    "__xor__": lambda self, other: bitwise_xor(self, other),
    "__rxor__": _on_the_right(bitwise_xor),
    "__invert__": lambda self: bitwise_not(self),
}
for _name, _method in _OPERATORS.items():
    setattr(Tensor, _name, _method)
NUMPY.update(
    {
        np.logical_and: _between(logical_and),
        np.logical_or: _between(logical_or),
        np.logical_xor: _between(logical_xor),
    }
)


# The activations of lesson 02


def _as_floats(input: Tensor) -> Tensor:
    return input if input.dtype.kind == "f" else input.to(np.float32)


@composed()
def sigmoid(input: Tensor) -> Tensor:
    """Return ``1 / (1 + exp(-a))`` of each element."""
    return activations.Sigmoid().forward(_as_floats(input))


@composed(np.tanh)
def tanh(input: Tensor) -> Tensor:
    """Return the hyperbolic tangent of each element."""
    return activations.Tanh().forward(_as_floats(input))


@composed()
def relu(input: Tensor) -> Tensor:
    """Return each element, or 0 where it is negative."""
    return activations.ReLU().forward(input)
