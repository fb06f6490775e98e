"""The compiled kernels: loops over float32 that do in one or two passes what NumPy does in ten.

Numba compiles each at its first call. A kernel works on C-contiguous arrays, writes into arrays that it is given, runs
on one thread, and lets go of the interpreter's lock, so that several can work on different rows at once. Numbers come
first, then rows, then the kernels, which are loops over those.

All of it stays in float32: a bare literal such as ``0.5`` would make an expression float64, at half the speed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy import float32, int32

from tinytorch.fast._compile import Array, Number, kernel, part, sums
from tinytorch.fast._correlation import correlate as correlate
from tinytorch.fast._correlation import correlate_gradients as correlate_gradients

# Numbers.

_ZERO, _HALF, _ONE, _THREE = map(float32, (0.0, 0.5, 1.0, 3.0))

_EXP_LOWEST, _EXP_HIGHEST = float32(-88.0), float32(89.0)  # there the bits of the exponent say 0 and infinity
_LOG2_E = float32(1 / math.log(2))
_LN2_HIGH, _LN2_LOW = float32(0.693359375), float32(math.log(2) - 0.693359375)
_E2, _E3, _E4 = map(float32, (5.0000001201e-1, 1.6666665459e-1, 4.1665795894e-2))
_E5, _E6, _E7 = map(float32, (8.3334519073e-3, 1.3981999507e-3, 1.9875691500e-4))
_ROUNDER = float32(1.5 * 2**23)  # added to a number, it leaves the nearest integer in the lowest bits
_ROUNDER_BITS = _ROUNDER.view(np.int32)
_BIAS, _MANTISSA = int32(127), int32(23)  # of the exponent; its distance from the lowest bit


@part
def _exp(x: Number) -> Number:
    """Return ``2**n * exp(r)`` with n an integer and ``r = x - n * log(2)`` small: e to the power of x.

    Off by at most 1e-7 of itself between -87 and 88, 0 below and infinite above; nan stays nan.
    Source: the polynomial and the halves of log(2) are those of S. Moshier's Cephes library, ``expf``.
    """
    x = _EXP_LOWEST if x < _EXP_LOWEST else x
    x = _EXP_HIGHEST if x > _EXP_HIGHEST else x
    n = int32(float32(x * _LOG2_E + _ROUNDER).view(np.int32) - _ROUNDER_BITS)
    r = x - float32(n) * _LN2_HIGH
    r = r - float32(n) * _LN2_LOW
    bend = ((((_E7 * r + _E6) * r + _E5) * r + _E4) * r + _E3) * r + _E2
    return (bend * (r * r) + r + _ONE) * int32((n + _BIAS) << _MANTISSA).view(np.float32)


@part
def _sigmoid(x: Number) -> Number:
    """Return ``1 / (1 + exp(-x))``."""
    return _ONE / (_ONE + _exp(-x))


_DENSITY_AT_0 = float32(1 / math.sqrt(2 * math.pi))
_P = float32(0.2316419)
_B1, _B2, _B3, _B4, _B5 = map(float32, (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429))


@part
def _normal(x: Number) -> tuple[Number, Number]:
    """Return which share of the standard normal distribution lies below x, off by 2e-7, and the density at x.

    Source: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 26.2.17.
    """
    density = _exp(-_HALF * x * x) * _DENSITY_AT_0
    t = _ONE / (_ONE + _P * abs(x))
    tail = density * t * (_B1 + t * (_B2 + t * (_B3 + t * (_B4 + t * _B5))))
    return tail if x < _ZERO else _ONE - tail, density


_GELU_SLOPE, _GELU_BEND = float32(2 * math.sqrt(2 / math.pi)), float32(0.044715)
_FAR = float32(30.0)  # GELU is straight from there on


@part
def _gelu_score(x: Number) -> Number:
    """Return what the tanh form of GELU takes the sigmoid of: ``0.5 * (1 + tanh(u)) == sigmoid(2 * u)``."""
    return _GELU_SLOPE * (x + _GELU_BEND * x * x * x)


@part
def _near_0(x: Number) -> Number:
    """Return x, or -30 or 30 if it is beyond."""
    x = -_FAR if x < -_FAR else x
    return _FAR if x > _FAR else x


# Rows.


@part
def _rank(x: Number) -> int32:
    """Return an integer that orders floats as their values do, nan above all: compared without branches."""
    bits = float32(x).view(np.int32)
    return int32(bits ^ ((bits >> int32(31)) & int32(0x7FFFFFFF)))


@part
def _largest(row: Array) -> Number:
    """Return the largest element; minus infinity of an empty row."""
    top = _rank(-np.inf)
    for j in range(row.size):
        top = max(top, _rank(row[j]))
    return int32(top ^ ((top >> int32(31)) & int32(0x7FFFFFFF))).view(np.float32)


@sums
def _powers(row: Array, out: Array) -> tuple[Number, Number]:
    """Set ``out = exp(row - top)``; return `top`, the largest element, and the sum of `out`."""
    top, total = _largest(row), _ZERO
    for j in range(row.size):
        power = _exp(row[j] - top)
        out[j] = power
        total += power
    return top, total


@part
def _scale(row: Array, factor: Number) -> None:
    """Multiply a row by a number, in place."""
    for j in range(row.size):
        row[j] *= factor


@sums
def _dot(a: Array, b: Array) -> Number:
    """Return ``sum(a * b)``."""
    total = _ZERO
    for j in range(a.size):
        total += a[j] * b[j]
    return total


@sums
def _total_above(row: Array, floor: Number) -> Number:
    """Return ``sum(row - floor)``."""
    total = _ZERO
    for j in range(row.size):
        total += row[j] - floor
    return total


@sums
def _moments(row: Array, eps: float, centered: bool) -> tuple[Number, Number]:
    """Return the mean, or 0, and ``(mean((row - mean)**2) + eps)**-0.5``. Two passes, exact beside a large mean."""
    mean, square = _ZERO, _ZERO
    if centered:
        for j in range(row.size):
            mean += row[j]
        mean /= float32(row.size)
    for j in range(row.size):
        difference = row[j] - mean
        square += difference * difference
    return mean, _ONE / float32(math.sqrt(square / float32(row.size) + float32(eps)))


@sums
def _along(row: Array, grad: Array, weight: Array, mean: Number, rate: Number) -> tuple[Number, Number]:
    """Return the sums of ``g`` and of ``g * n``, with ``g = grad * weight`` and ``n = (row - mean) * rate``."""
    along_1, along_n = _ZERO, _ZERO
    for j in range(row.size):
        g = grad[j] * weight[j]
        along_1 += g
        along_n += g * ((row[j] - mean) * rate)
    return along_1, along_n


# Kernels, element by element: of a function, then of its gradient.


@kernel
def relu(x: Array, out: Array) -> None:
    """Set ``out = max(x, 0)``."""
    for i in range(x.size):
        out[i] = _ZERO if x[i] < _ZERO else x[i]


@kernel
def relu_gradient(y: Array, grad: Array, out: Array) -> None:
    """Set ``out = grad``, or 0 where ``y <= 0``."""
    for i in range(y.size):
        out[i] = _ZERO if y[i] <= _ZERO else grad[i]


@kernel
def sigmoid(x: Array, out: Array) -> None:
    """Set ``out = sigmoid(x)``."""
    for i in range(x.size):
        out[i] = _sigmoid(x[i])


@kernel
def sigmoid_gradient(y: Array, grad: Array, out: Array) -> None:
    """Set ``out = grad * y * (1 - y)``."""
    for i in range(y.size):
        out[i] = grad[i] * y[i] * (_ONE - y[i])


@kernel
def silu(x: Array, out: Array) -> None:
    """Set ``out = x * sigmoid(x)``."""
    for i in range(x.size):
        out[i] = x[i] * _sigmoid(x[i])


@kernel
def silu_gradient(x: Array, grad: Array, out: Array) -> None:
    """Set ``out = grad * s * (1 + x * (1 - s))`` with ``s = sigmoid(x)``."""
    for i in range(x.size):
        s = _sigmoid(x[i])
        out[i] = grad[i] * s * (_ONE + x[i] * (_ONE - s))


@kernel
def gelu(x: Array, out: Array) -> None:
    """Set ``out = x * Phi(x)``, Phi being the integral of the normal distribution."""
    for i in range(x.size):
        share, _ = _normal(x[i])
        out[i] = x[i] * share


@kernel
def gelu_gradient(x: Array, grad: Array, out: Array) -> None:
    """Set ``out = grad * (Phi(x) + x * phi(x))``."""
    for i in range(x.size):
        near = _near_0(x[i])
        share, density = _normal(near)
        out[i] = grad[i] * (share + near * density)


@kernel
def gelu_tanh(x: Array, out: Array) -> None:
    """Set ``out = x * sigmoid(2 * u)`` with ``u = sqrt(2 / pi) * (x + 0.044715 * x**3)``."""
    for i in range(x.size):
        out[i] = x[i] * _sigmoid(_gelu_score(x[i]))


@kernel
def gelu_tanh_gradient(x: Array, grad: Array, out: Array) -> None:
    """Set ``out = grad * (s + x * s * (1 - s) * du)``, s being that sigmoid and du the slope of ``2 * u``."""
    for i in range(x.size):
        near = _near_0(x[i])
        s = _sigmoid(_gelu_score(near))
        slope = _GELU_SLOPE * (_ONE + _THREE * _GELU_BEND * near * near)
        out[i] = grad[i] * (s + near * s * (_ONE - s) * slope)


# Kernels, row by row.


@kernel
def softmax(x: Array, out: Array) -> None:
    """Set ``out = exp(x - max(x)) / sum(exp(x - max(x)))``: the largest, the powers, their scale."""
    for i in range(len(x)):
        _, total = _powers(x[i], out[i])
        _scale(out[i], _ONE / total)


@kernel
def softmax_gradient(y: Array, grad: Array, out: Array) -> None:
    """Set ``out = y * (grad - sum(y * grad))``."""
    for i in range(len(y)):
        average = _dot(y[i], grad[i])
        for j in range(y.shape[1]):
            out[i, j] = y[i, j] * (grad[i, j] - average)


@kernel
def log_softmax(x: Array, out: Array) -> None:
    """Set ``out = x - max(x) - log(sum(exp(x - max(x))))``."""
    for i in range(len(x)):
        top, total = _powers(x[i], out[i])
        log_total = float32(math.log(total))
        for j in range(x.shape[1]):
            out[i, j] = (x[i, j] - top) - log_total


@kernel
def log_softmax_gradient(y: Array, grad: Array, out: Array) -> None:
    """Set ``out = grad - exp(y) * sum(grad)``."""
    for i in range(len(y)):
        total = _total_above(grad[i], _ZERO)
        for j in range(y.shape[1]):
            out[i, j] = grad[i, j] - _exp(y[i, j]) * total


@kernel
def seen_softmax(scores: Array, seen: Array) -> None:
    """Make the first ``seen[i]`` elements of row i their softmax, in place, and those behind 0."""
    scratch = np.empty(scores.shape[1], float32)
    for i in range(len(scores)):
        n = seen[i]
        _, total = _powers(scores[i, :n], scratch)
        share = _ONE / total
        for j in range(n):
            scores[i, j] = scratch[j] * share
        scores[i, n:] = _ZERO


@kernel
def cross_entropy(logits: Array, classes: Array, counts: Array, out: Array, smoothing: float) -> None:
    """Set ``out = counts * -sum(q * log_softmax(logits))`` for each row; 0 where it does not count.

    q is 1 at the row's class, of which the share `smoothing` is spread evenly.
    """
    spread = float32(smoothing)
    scratch = np.empty(logits.shape[1], float32)
    for i in range(len(logits)):
        out[i] = _ZERO
        if counts[i] != _ZERO:
            top, total = _powers(logits[i], scratch)
            right = logits[i, classes[i]] - top
            if spread != _ZERO:
                mean = _total_above(logits[i], top) / float32(logits.shape[1])
                right = (_ONE - spread) * right + spread * mean
            out[i] = counts[i] * (float32(math.log(total)) - right)


@kernel
def cross_entropy_gradient(logits: Array, classes: Array, counts: Array, out: Array, smoothing: float) -> None:
    """Set ``out = counts * (softmax(logits) - q)`` for each row, with the q of `cross_entropy`."""
    spread = float32(smoothing)
    for i in range(len(logits)):
        _, total = _powers(logits[i], out[i])
        factor = counts[i] / total
        floor = counts[i] * spread / float32(logits.shape[1])
        for j in range(logits.shape[1]):
            out[i, j] = out[i, j] * factor - floor
        out[i, classes[i]] -= counts[i] * (_ONE - spread)


@kernel
def normalize(x: Array, out: Array, weight: Array, bias: Array, eps: float, centered: bool) -> None:
    """Set ``out = (x - mean) * rate * weight + bias``, mean and rate being those of the row."""
    for i in range(len(x)):
        mean, rate = _moments(x[i], eps, centered)
        for j in range(x.shape[1]):
            out[i, j] = (x[i, j] - mean) * rate * weight[j] + bias[j]


@kernel
def normalize_gradient(
    x: Array, grad: Array, out: Array, to_weight: Array, to_bias: Array, weight: Array, eps: float, centered: bool
) -> None:
    """Set ``out = rate * (g - mean(g) - n * mean(g * n))`` with ``n = (x - mean) * rate`` and ``g = grad * weight``.

    Add the sums of ``grad * n`` and of `grad` over the rows to `to_weight` and `to_bias`.
    """
    share = _ONE / float32(x.shape[1])
    for i in range(len(x)):
        mean, rate = _moments(x[i], eps, centered)
        along_1, along_n = _along(x[i], grad[i], weight, mean, rate)
        along_1 = along_1 * share if centered else _ZERO
        along_n *= share
        for j in range(x.shape[1]):
            n = (x[i, j] - mean) * rate
            out[i, j] = rate * (grad[i, j] * weight[j] - along_1 - n * along_n)
            to_weight[j] += grad[i, j] * n
            to_bias[j] += grad[i, j]


# A kernel for images; those of convolution stand in a file of their own.


@kernel
def spread(grad: Array, number: Array, offsets: Array, down: int, across: int, out: Array) -> None:
    """Add each gradient to its plane at the place that its window has chosen; windows are `down` and `across` apart."""
    for plane in range(len(grad)):
        for y in range(grad.shape[1]):
            for x in range(grad.shape[2]):
                out[plane, y * down + x * across + offsets[number[plane, y, x]]] += grad[plane, y, x]


# A kernel of optimizers.


@kernel
def adam(
    w: Array, grad: Array, mean: Array, square: Array, new1: Number, old2: Number, new2: Number, rate: Number,
    root: Number, eps: Number,
) -> None:  # fmt: skip
    """Change `w` by ``rate * mean / (sqrt(square) * root + eps)``, with both means brought up to date.

    Of a mean stays `old`, and `new` is taken of what comes; the difference of 1 and 0.999 loses digits in float32.
    """
    for i in range(w.size):
        g = grad[i]
        m = mean[i] + new1 * (g - mean[i])
        s = square[i] * old2 + new2 * g * g
        mean[i], square[i] = m, s
        w[i] -= rate * m / (math.sqrt(s) * root + eps)
