"""Functions of one element at a time, each beside the rule of its gradient."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core import activations
from tinytorch.core.autograd import ENHANCED, Function, PowBackward, tracked
from tinytorch.core.tensor import Array, FloatArray, Scalar, Tensor, from_numpy, operands
from tinytorch.ops._registry import NUMPY, P, R, as_function, composed, floats, operation

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "deg2rad",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expm1",
    "fix",
    "floor",
    "frac",
    "log",
    "log1p",
    "log2",
    "log10",
    "logit",
    "pow",
    "rad2deg",
    "reciprocal",
    "relu",
    "round",
    "rsqrt",
    "sgn",
    "sigmoid",
    "sign",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
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
    return tensor_of(number)


def tensor_of(number: Scalar) -> Tensor:
    """Return a number as a 0-d tensor of the dtype that PyTorch gives it."""
    return from_numpy(np.asarray(number, np.float32 if isinstance(number, float) else None))


def check_tensors(name: str, *values: Any) -> None:
    """Raise an error unless all operands of an operation are tensors."""
    for value in values:
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name}() works on tensors, but got {type(value).__name__}. Make one with tinytorch.tensor(...)."
            )


def left_of(input: Any, other: Any, name: str) -> Tensor:
    """Return the left of two operands, of which one may be a number, as a tensor."""
    if isinstance(input, Tensor):
        return input
    check_tensors(name, other)
    return tensor_beside(input, other)


def arrays_of(input: Tensor, other: Any, name: str) -> tuple[Array, Array]:
    """Return the arrays of two tensors as one dtype, in shapes that broadcast."""
    check_tensors(name, other)
    return operands(input, other, f"{name}()")


def float_arrays_of(input: Tensor, other: Any, name: str) -> tuple[FloatArray, FloatArray]:
    """Return the arrays of two tensors as floats; integers as float32."""
    a, b = arrays_of(input, other, name)
    return (a, b) if a.dtype.kind == "f" else (a.astype(np.float32), b.astype(np.float32))


def refuse_bools(name: str, *arrays: Any) -> None:
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


def of_numbers_too(*numpy: Callable[..., Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function of two operands, of which the first may be the number, a method of `Tensor`, as `composed`."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        setattr(Tensor, function.__name__, function)
        NUMPY.update(dict.fromkeys(numpy, function))
        return function

    return register


def between(function: Method) -> Method:
    """Return a function of two tensors that takes arrays and numbers beside a tensor, as NumPy's do."""

    @functools.wraps(function)
    def answer(a: Any, b: Any) -> Any:
        return function(tensor_beside(a, b), tensor_beside(b, a))

    return answer


def alias_of(name: str, function: Method) -> Method:
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


arcsin = alias_of("arcsin", asin)
arccos = alias_of("arccos", acos)
arctan = alias_of("arctan", atan)
arcsinh = alias_of("arcsinh", asinh)
arccosh = alias_of("arccosh", acosh)
arctanh = alias_of("arctanh", atanh)


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


def _of_bools_too(original: Method) -> Method:
    """Return the lesson's ``**`` as one that makes integers of bools: NumPy makes them of 8 bits."""
    recorded = tracked(original, PowBackward)

    @functools.wraps(original)
    def method(self: Tensor, other: Any) -> Tensor:
        return (pow if self.data.dtype.kind == "b" else recorded)(self, other)

    return method


ENHANCED.append((Tensor, "__pow__", _of_bools_too))


@of_numbers_too()
def pow(input: Tensor | Scalar, exponent: Tensor | Scalar) -> Tensor:
    """Return ``input ** exponent``, of which one may be a number.

    Examples
    --------
    >>> pow(2, Tensor([1, 2, 3]))
    tensor([2., 4., 8.])
    """
    input = left_of(input, exponent, "pow")
    if input.dtype.kind == "b":
        refuse_bools("pow", input.data, exponent.data if isinstance(exponent, Tensor) else exponent)
        input = input.to(exponent.dtype if isinstance(exponent, Tensor) else np.int64)
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


class ErfinvBackward(Function):
    """Gradient of ``out = erfinv(a)``: ``grad_output * sqrt(pi) / 2 * exp(out**2)``."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> Grads:
        (out,) = self.saved_tensors
        with np.errstate(over="ignore"):
            return (grad_output * (math.sqrt(math.pi) / 2 * np.exp(out * out)),)


_ERF_SERIES = [(-1) ** n * 2 / math.sqrt(math.pi) / (math.factorial(n) * (2 * n + 1)) for n in range(14)]


def _erf_near_0(x: FloatArray) -> FloatArray:
    """Return ``erf(x)`` for sizes below 1/2, with all digits however small it is: the first terms of its series."""
    result: FloatArray = x * np.polyval(_ERF_SERIES[::-1], x * x)
    return result


def _erfinv(y: FloatArray) -> FloatArray:
    """Return the inverse of `erf`: an estimate, and Newton's steps from there on what is left to 1.

    Source: S. Winitzki, A handy approximation for the error function and its inverse, 2008, for the estimate.
    """
    size = np.abs(y.astype(np.float64, copy=False))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # erfinv(1) is inf, and of more nan
        left = 1 - size
        log = np.log(left * (1 + size))
        half = 2 / (math.pi * 0.147) + log / 2
        x = np.sqrt(np.sqrt(half * half - log / 0.147) - half)
        for _ in range(3):
            missing = np.where(size < 0.5, size - _erf_near_0(x), _erfc(x) - left)  # without cancellation
            step = missing * (math.sqrt(math.pi) / 2 * np.exp(x * x))
            x = np.where(left > 0, x + step / (1 - x * step), x)  # Halley's: it bends with the curve
    result: FloatArray = np.copysign(x, y).astype(y.dtype)
    return result


@operation(ErfinvBackward)
def erfinv(input: Tensor) -> Tensor:
    """Return the number whose error function each element is; nan beyond -1 and 1.

    Examples
    --------
    >>> erfinv(Tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.4769,    inf])
    """
    return from_numpy(_erfinv(floats(input)))


class LogitBackward(Function):
    """Gradient of ``out = logit(a)``: ``grad_output / (a * (1 - a))`` within the bounds.

    Beyond them it is 0 if they were given, and nan otherwise.
    """

    def __init__(self, a: Tensor, eps: float | None = None, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.eps = eps

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        low, beyond = (0.0, math.nan) if self.eps is None else (self.eps, 0.0)
        outside = (a < low) | (a > 1 - low)
        with np.errstate(divide="ignore"):
            slope = grad_output / np.abs(np.where(outside, 1, a * (1 - a)))  # not minus infinity at -0.0
        return (np.where(outside, beyond, slope),)


@operation(LogitBackward)
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """Return ``log(a / (1 - a))`` of each element, the inverse of the sigmoid; nan beyond 0 and 1.

    Parameters
    ----------
    input
        A tensor; integers count as floats.
    eps
        Elements are first brought within ``eps`` and ``1 - eps``, if it is given.

    Examples
    --------
    >>> logit(Tensor([0.0, 0.5, 1.0]), eps=0.1)
    tensor([-2.1972,  0.0000,  2.1972])
    """
    data = floats(input)
    if eps is not None:
        data = np.clip(data, eps, 1 - eps)
    with np.errstate(divide="ignore", invalid="ignore"):
        return from_numpy(np.log(data / (1 - data)))


class SincBackward(Function):
    """Gradient of ``out = sin(pi * a) / (pi * a)``: ``grad_output * (cos(pi * a) - out) / a``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        angle = a * math.pi
        near = np.abs(angle) < 0.3
        far = np.where(near, 1, angle)
        with np.errstate(invalid="ignore"):
            slope = (np.cos(far) - np.sin(far) / far) / far
        # Near 0 that difference cancels out; the first terms of its series are exact there, and so are their slopes.
        square = np.where(near, angle * angle, 0)
        series = -angle * (
            1 / 3 - square * (1 / 30 - square * (1 / 840 - square * (1 / 45360 - square * (1 / 3991680))))
        )
        return (grad_output * (np.where(near, series, slope) * math.pi),)


@operation(SincBackward, np.sinc)
def sinc(input: Tensor) -> Tensor:
    """Return ``sin(pi * a) / (pi * a)`` of each element, and 1 for 0.

    Examples
    --------
    >>> sinc(Tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """
    data = floats(input)
    with np.errstate(invalid="ignore"):
        return from_numpy(np.sinc(data).astype(data.dtype, copy=False))


@composed(np.deg2rad, np.radians)
def deg2rad(input: Tensor) -> Tensor:
    """Return each angle, which is in degrees, in radians."""
    return input * (math.pi / 180)


@composed(np.rad2deg, np.degrees)
def rad2deg(input: Tensor) -> Tensor:
    """Return each angle, which is in radians, in degrees."""
    return input * (180 / math.pi)


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


sgn = alias_of("sgn", sign)


def _whole(compute: Callable[[Array], Array], input: Tensor, name: str) -> Tensor:
    """Return floats as `compute` rounds them, and integers as they are."""
    refuse_bools(name, input.data)
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


fix = alias_of("fix", trunc)


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


NUMPY[np.round] = NUMPY[np.around] = lambda a, decimals=0: round(a, decimals=decimals)


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
