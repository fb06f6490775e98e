# Exported from modules/02_activations/activations_dev.py by tito export; edit it there.
"""Activations: the bends between the straight layers of a network, stable at any input."""

from __future__ import annotations

import math

import numpy as np

from tinytorch.core.tensor import FloatArray, Tensor, from_numpy

__all__ = [
    "GELU",
    "Activation",
    "LogSoftmax",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "erf",
    "stable_log_softmax",
    "stable_sigmoid",
    "stable_softmax",
]


class Activation:
    """A function of a tensor that holds no parameters: ``layer(x)`` is ``layer.forward(x)``."""

    def __call__(self, x: Tensor) -> Tensor:
        return self.forward(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of `x`; every subclass says how."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(). Write `def forward(self, x)` in it.")

    def extra_repr(self) -> str:
        """Return what stands between the parentheses of the repr."""
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


def _floats(x: Tensor, layer: Activation) -> FloatArray:
    """Return the array of `x`, which has to be a tensor of floats."""
    name = type(layer).__name__
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} takes a Tensor, but got {type(x).__name__}. Wrap it first: Tensor(x).")
    if x.dtype.kind != "f":
        raise TypeError(f"{name} needs floats, but this tensor holds {x.dtype}. Use x.float().")
    return x.data


class ReLU(Activation):
    """``max(x, 0)``, element by element; the one activation that also takes integers.

    Examples
    --------
    >>> ReLU()(Tensor([-2.0, 0.0, 3.0])).tolist()
    [0.0, 0.0, 3.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with its negative elements replaced by 0."""
        array = x.data if isinstance(x, Tensor) and x.dtype.kind in "iu" else _floats(x, self)
        return from_numpy(np.maximum(array, 0))


def stable_sigmoid(x: FloatArray) -> FloatArray:
    """Return ``1 / (1 + exp(-x))``, from ``exp(-|x|)``, which cannot overflow."""
    power = np.exp(-np.abs(x))
    result: FloatArray = np.where(x >= 0, 1, power) / (1 + power)
    return result


class Sigmoid(Activation):
    """``1 / (1 + exp(-x))``, element by element: any number to one between 0 and 1.

    Examples
    --------
    >>> Sigmoid()(Tensor([-10000.0, 0.0, 10000.0])).tolist()
    [0.0, 0.5, 1.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the sigmoid of each element."""
        return from_numpy(stable_sigmoid(_floats(x, self)))


class Tanh(Activation):
    """``tanh(x)``, element by element: any number to one between -1 and 1.

    Examples
    --------
    >>> Tanh()(Tensor([-10000.0, 0.0, 10000.0])).tolist()
    [-1.0, 0.0, 1.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the hyperbolic tangent of each element."""
        array = _floats(x, self)
        return from_numpy(np.tanh(array))


def _erf_polynomial(limit: float, terms: int) -> FloatArray:
    """Return P, highest power first: ``erf(a) = 1 - exp(a * P(u))``, ``u = 2 * a / limit - 1``, for a <= `limit`."""
    u = np.cos(np.pi * (np.arange(terms) + 0.5) / terms)
    points = (u + 1) * limit / 2
    # Near 0, erfc is close to 1 and its logarithm loses digits; log1p keeps them.
    logs = [math.log1p(-math.erf(a)) if a < 0.5 else math.log(math.erfc(a)) for a in points]
    return np.linalg.solve(np.vander(u), np.array(logs) / points)


# From its limit on, erf rounds to 1 in that type.
_ERF_FLOAT64 = (6.0, _erf_polynomial(6.0, 32))
_ERF_FLOAT32 = (4.0, _erf_polynomial(4.0, 12).astype(np.float32))


def erf(x: FloatArray, block: int = 1 << 14) -> FloatArray:
    """Return the error function of each element, off by at most 1e-15 in float64 and 2e-7 in float32.

    Works through `block` elements at a time, so that what it calculates with stays in the processor's cache.

    Examples
    --------
    >>> erf(np.array([-1.0, 0.0, 1.0])).round(4).tolist()
    [-0.8427, 0.0, 0.8427]
    """
    limit, polynomial = _ERF_FLOAT64 if x.dtype.itemsize > 4 else _ERF_FLOAT32
    flat = x.reshape(-1)
    result = np.empty_like(flat)
    for start in range(0, flat.size, block):
        part = flat[start : start + block].astype(polynomial.dtype, copy=False)
        a = np.minimum(np.abs(part), limit)
        u = a * (2 / limit) - 1
        value = polynomial[0] * u + polynomial[1]
        for coefficient in polynomial[2:]:
            value *= u
            value += coefficient
        result[start : start + block] = np.copysign(1 - np.exp(a * value), part)
    return result.reshape(x.shape)


class GELU(Activation):
    """``x * Phi(x)``, element by element, where Phi(x) is the share of the normal distribution below x.

    Parameters
    ----------
    approximate
        ``"none"`` computes Phi by `erf`; ``"tanh"`` by the paper's approximation, which GPT-2 was trained with.

    Raises
    ------
    ValueError
        If `approximate` is neither.

    Notes
    -----
    Source: D. Hendrycks and K. Gimpel, Gaussian Error Linear Units, arXiv:1606.08415.

    Examples
    --------
    >>> GELU()(Tensor([-10000.0, 0.0, 10000.0])).tolist()
    [-0.0, 0.0, 10000.0]
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU's approximate is 'none' or 'tanh', but got {approximate!r}.")
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """Return the GELU of each element."""
        array = _floats(x, self)
        if self.approximate == "none":
            return from_numpy(0.5 * array * (1 + erf(array * math.sqrt(0.5))))
        near = np.clip(array, -10, 10)  # beyond, tanh is -1 or 1
        inner = math.sqrt(2 / math.pi) * (near + 0.044715 * near * near * near)
        return from_numpy(0.5 * array * (1 + np.tanh(inner)))

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


def stable_softmax(x: FloatArray, dim: int) -> FloatArray:
    """Return ``exp(x) / sum(exp(x))`` along axis `dim`, with the largest element subtracted first."""
    if x.size == 0:
        return x.copy()
    result: FloatArray = np.exp(x - x.max(axis=dim, keepdims=True))
    result /= result.sum(axis=dim, keepdims=True)
    return result


class Softmax(Activation):
    """``exp(x) / sum(exp(x))`` along one axis: scores to probabilities.

    Parameters
    ----------
    dim
        The axis whose elements shall sum to 1.

    Examples
    --------
    >>> Softmax()(Tensor([[-10000.0, 10000.0], [5.0, 5.0]])).tolist()
    [[0.0, 1.0], [0.5, 0.5]]
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """Return the softmax of `x` along `dim`.

        Raises
        ------
        IndexError
            If `x` has no axis `dim`.
        """
        array = _floats(x, self)
        _check_dim(array, self.dim, self)
        return from_numpy(stable_softmax(array, self.dim))

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


def _check_dim(x: FloatArray, dim: int, layer: Activation) -> None:
    """Raise an error that lists the axes of `x` if `dim` is none of them; a 0-d array counts as one element."""
    if not isinstance(dim, int):
        raise TypeError(f"{layer} needs one axis, an integer. Use dim=-1 for the last.")
    axes = max(x.ndim, 1)
    if not -axes <= dim < axes:
        raise IndexError(
            f"{layer} got an input of shape {x.shape}, which has no such axis. Its dim can be {-axes} to {axes - 1}."
        )


def stable_log_softmax(x: FloatArray, dim: int) -> FloatArray:
    """Return ``x - log(sum(exp(x)))`` along axis `dim`, with the largest element subtracted first."""
    if x.size == 0:
        return x.copy()
    shifted: FloatArray = x - x.max(axis=dim, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=dim, keepdims=True))
    return shifted


class LogSoftmax(Activation):
    """``log(softmax(x))`` along one axis: scores to logarithms of probabilities.

    Parameters
    ----------
    dim
        The axis along which the probabilities sum to 1.

    Examples
    --------
    >>> LogSoftmax()(Tensor([0.0, -10000.0])).tolist()
    [0.0, -10000.0]
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """Return the logarithm of the softmax of `x` along `dim`.

        Raises
        ------
        IndexError
            If `x` has no axis `dim`.
        """
        array = _floats(x, self)
        _check_dim(array, self.dim, self)
        return from_numpy(stable_log_softmax(array, self.dim))

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
