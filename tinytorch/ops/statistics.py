"""Statistics: spread, how variables go together, counts."""

from __future__ import annotations

import builtins
import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.autograd import Function, NotDifferentiableError, restore_axes
from tinytorch.core.tensor import Dim, FloatArray, Scalar, Tensor, from_numpy
from tinytorch.ops._registry import composed, operation
from tinytorch.ops.reductions import (
    Grads,
    answers_for,
    axes_of,
    check_floats,
    check_tensor,
    in_dtype,
    mean,
    narrow,
    numpy_axes,
    sum,
    wide,
)
from tinytorch.ops.shape import as_tensor

__all__ = [
    "bincount",
    "corrcoef",
    "cov",
    "histc",
    "std",
    "std_mean",
    "var",
    "var_mean",
]


# Spread


class VarBackward(Function):
    """Gradient of ``out = var(a, axes)``: ``grad_output * 2 * (a - mean(a)) / (n - correction)``."""

    def __init__(
        self, a: Tensor, axes: tuple[int, ...], correction: Scalar, keepdim: bool, *, output: Tensor | None = None
    ) -> None:
        super().__init__(a, output=output)
        self.axes = axes
        self.freedom = builtins.max(0, math.prod(a.shape[axis] for axis in axes) - correction)

    def apply(self, grad_output: FloatArray) -> Grads:
        a = self.saved_tensors[0]
        return (self.slope(a, restore_axes(grad_output, a.ndim, self.axes)),)

    def slope(self, a: FloatArray, grad_var: FloatArray) -> FloatArray:
        """Return the gradient at `a` from the one at the variance, whose axes are restored."""
        if a.size == 0:
            return a * grad_var
        with np.errstate(invalid="ignore"):  # of one element there is no variance, and no gradient: nan
            scale = grad_var * (2 / self.freedom if self.freedom else math.inf)
            slope: FloatArray = (a - a.mean(axis=self.axes, keepdims=True)) * scale
            return slope


class StdBackward(VarBackward):
    """Gradient of ``out = std(a, axes)``: that of the variance, over ``2 * out``; 0 where `out` is 0, as in PyTorch."""

    saves = ("inputs", "output")

    def apply(self, grad_output: FloatArray) -> Grads:
        a, out = (restore_axes(x, len(self.input_shapes[0]), self.axes) for x in self.saved_tensors)
        grad_output = restore_axes(grad_output, a.ndim, self.axes)
        flat = out == 0
        return (self.slope(a, grad_output * (0.5 * (1 - flat)) / (out + flat)),)


def _variance(input: Tensor, axes: tuple[int, ...], correction: Scalar, keepdim: bool) -> FloatArray:
    data = wide(input)
    variance = _spread_of(data, axes, correction, keepdim)
    if data.dtype == np.float32 and np.isinf(variance).any():  # the squares may not fit where their root does
        variance = _spread_of(data.astype(np.float64), axes, correction, keepdim)
    return variance


def _spread_of(data: FloatArray, axes: tuple[int, ...], correction: Scalar, keepdim: bool) -> FloatArray:
    count = math.prod(data.shape[axis] for axis in axes)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # no elements: nan
        centered = data - data.sum(axis=axes, keepdims=True) / data.dtype.type(count)
        centered *= centered
        squares = np.asarray(centered.sum(axis=axes, keepdims=keepdim))
        variance: FloatArray = squares / squares.dtype.type(builtins.max(0, count - correction))
    return variance


@operation(VarBackward)
def _var(input: Tensor, axes: tuple[int, ...], correction: Scalar, keepdim: bool) -> Tensor:
    return narrow(_variance(input, axes, correction, keepdim), input)


@operation(StdBackward)
def _std(input: Tensor, axes: tuple[int, ...], correction: Scalar, keepdim: bool) -> Tensor:
    return narrow(np.sqrt(_variance(input, axes, correction, keepdim)), input)


class _Spread(NamedTuple):
    axes: tuple[int, ...]
    correction: Scalar
    keepdim: bool


def _spread(
    name: str, input: Tensor, dim: Any, unbiased: bool | None, keepdim: bool, correction: Scalar | None
) -> _Spread:
    """Return the arguments of a variance from PyTorch's several ways to write them."""
    check_floats(input, name)
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"{name}() takes correction or unbiased, but got both. unbiased=True is correction=1.")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    axes = axes_of(input, dim, name)
    count = math.prod(input.shape[axis] for axis in axes)
    if count <= correction:
        warnings.warn(
            f"{name}() divides by {count} elements less the correction of {correction}, so that the result is nan or "
            "inf. Take more elements, or correction=0.",
            UserWarning,
            stacklevel=3,
        )
    return _Spread(axes, correction, keepdim)


@composed()
def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Scalar | None = None,
) -> Tensor:
    """Return the variance over `dim`, an axis or several; of all elements if it is None.

    Parameters
    ----------
    input
        A tensor of floats.
    dim
        The axes. ``var(input, False)`` is ``var(input, unbiased=False)``.
    unbiased
        ``True`` is ``correction=1``, ``False`` is ``correction=0``.
    keepdim
        Whether the axes stay, with length 1.
    correction
        What is subtracted from the number of elements before dividing by it; 1 unless told otherwise.

    Notes
    -----
    Source: ``torch.var``; Bessel's correction.

    Examples
    --------
    >>> var(Tensor([1, 2, 3, 4]))
    tensor(1.6667)
    >>> var(Tensor([1, 2, 3, 4]), correction=0)
    tensor(1.25)
    """
    return _var(input, *_spread("var", input, dim, unbiased, keepdim, correction))


@composed()
def std(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Scalar | None = None,
) -> Tensor:
    """Return the standard deviation, ``sqrt(var(...))``, with the arguments of `var`.

    Its gradient is 0 where it is 0, as in PyTorch.
    """
    return _std(input, *_spread("std", input, dim, unbiased, keepdim, correction))


def var_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Scalar | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the variance and the mean, with the arguments of `var`."""
    spread = _spread("var_mean", input, dim, unbiased, keepdim, correction)
    return _var(input, *spread), mean(input, spread.axes, keepdim)


def std_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Scalar | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the standard deviation and the mean, with the arguments of `var`."""
    spread = _spread("std_mean", input, dim, unbiased, keepdim, correction)
    return _std(input, *spread), mean(input, spread.axes, keepdim)


@answers_for(np.var)
def _np_var(
    a: Any, axis: Dim = None, dtype: Any = None, ddof: Scalar = 0, keepdims: bool = False, *, correction: Any = None
) -> Tensor:
    a = in_dtype(as_tensor(a), dtype)
    return var(a, numpy_axes(a, axis), keepdim=keepdims, correction=ddof if correction is None else correction)


@answers_for(np.std)
def _np_std(
    a: Any, axis: Dim = None, dtype: Any = None, ddof: Scalar = 0, keepdims: bool = False, *, correction: Any = None
) -> Tensor:
    a = in_dtype(as_tensor(a), dtype)
    return std(a, numpy_axes(a, axis), keepdim=keepdims, correction=ddof if correction is None else correction)


@composed()
def cov(
    input: Tensor, *, correction: Scalar = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """Return the covariances of the rows of `input`.

    Parameters
    ----------
    input
        One row a variable, one column an observation; one variable may be 1-D.
    correction
        What is subtracted from the number of observations.
    fweights
        How often each observation counts, integers.
    aweights
        How much each observation counts, no negative numbers.

    Notes
    -----
    Shapes: ``(n, observations) -> (n, n)``; ``(observations,) -> ()``. Source: ``torch.cov``.

    Examples
    --------
    >>> cov(Tensor([[0, 1, 2], [2, 1, 0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    check_tensor(input, "cov")
    if input.ndim > 2:
        raise ValueError(f"cov() takes one row a variable, at most 2 axes, but got a tensor of shape {input.shape}.")
    rows = input if input.dtype.kind == "f" else input.float()
    rows = rows.reshape((1, -1)) if input.ndim < 2 else rows
    weights = _weights(rows, fweights, aweights)
    total = sum(weights)
    lost = correction if aweights is None else sum(weights * aweights) / total * correction
    centered = rows - sum(rows * weights, 1, True) / total
    weighted = centered * weights
    freedom = _freedom(total - lost)
    result: Tensor = weighted.matmul(centered.transpose(0, 1)) / freedom
    return result.reshape(()) if input.ndim < 2 else result


def _freedom(value: Tensor) -> Any:
    """Return the degrees of freedom, none below 0, and a warning if there are none."""
    if value > 0:
        return value
    warnings.warn("cov() has no degree of freedom left: the result is nan or inf.", UserWarning, stacklevel=3)
    return 0.0


def _weights(rows: Tensor, fweights: Tensor | None, aweights: Tensor | None) -> Tensor:
    """Return the weights of the observations, checked and multiplied; ones if there are none."""
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is not None and weights.shape != rows.shape[1:]:
            raise ValueError(
                f"cov() was given {name} of shape {weights.shape} for {rows.shape[1]} observations. Give one for each."
            )
        if weights is not None and (weights.data < 0).any():
            raise ValueError(f"cov() counts no observation less than 0 times, but {name} has a negative element.")
    if fweights is not None and fweights.dtype.kind == "f":
        raise TypeError(f"cov() takes integers as fweights, but got {fweights.dtype}. Use aweights for others.")
    weights = from_numpy(np.ones(rows.shape[1], rows.dtype))
    for given in (fweights, aweights):
        if given is not None:
            weights = weights * given.to(rows.dtype)
    return weights


@composed()
def corrcoef(input: Tensor) -> Tensor:
    """Return the correlations of the rows of `input`, between -1 and 1.

    Shapes: ``(n, observations) -> (n, n)``; ``(observations,) -> ()``. Source: ``torch.corrcoef``.
    """
    covariance = cov(input)
    if covariance.ndim == 0:
        return covariance / covariance
    n = covariance.shape[0]
    deviation = covariance[np.arange(n), np.arange(n)].sqrt()
    return (covariance / deviation.reshape((n, 1)) / deviation).clip(-1, 1)


# Counts


def _refuse_gradient(name: str, *tensors: Tensor | None) -> None:
    for tensor in tensors:
        if tensor is not None and tensor.requires_grad:
            raise NotDifferentiableError(
                f"{name}() counts, and has no gradient, but a tensor that it was given requires one. If the gradient "
                "may end there, pass t.detach()."
            )


@composed()
def histc(input: Tensor, bins: int = 100, min: Scalar = 0, max: Scalar = 0) -> Tensor:
    """Return how many elements lie in each of `bins` equal parts of the range from `min` to `max`.

    Elements outside are not counted. If `min` equals `max` the range is that of the elements.

    Examples
    --------
    >>> histc(Tensor([1, 2, 1]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    check_floats(input, "histc")
    _refuse_gradient("histc", input)
    if bins < 1:
        raise ValueError(f"histc() needs at least one bin, but got bins={bins}.")
    if max < min:
        raise ValueError(f"histc() counts from min to max, but got min={min} and max={max}.")
    data = wide(input).reshape(-1)
    if min == max and data.size:
        min, max = data.min().item(), data.max().item()
    if min == max:
        min, max = min - 1, max + 1
    if not (math.isfinite(min) and math.isfinite(max)):
        raise ValueError(f"histc() needs a finite range, but got {min} to {max}. Give min and max.")
    data = data[(data >= min) & (data <= max)]
    places = ((data - min) / (max - min) * bins).astype(np.int64)
    return narrow(np.bincount(np.minimum(places, bins - 1), minlength=bins), input)


@composed()
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Return how often each of 0, 1, 2, ... stands in a 1-D tensor of integers; with `weights`, their sums.

    Examples
    --------
    >>> bincount(Tensor([1, 1, 3]).long())
    tensor([0, 2, 0, 1])
    """
    check_tensor(input, "bincount")
    _refuse_gradient("bincount", weights)
    if input.ndim != 1 or input.dtype.kind == "f" or (input.data < 0).any():
        raise ValueError(
            f"bincount() counts the integers from 0 up in a 1-D tensor, but got one of shape {input.shape} that holds "
            f"{input.dtype}{'' if input.dtype.kind == 'f' else ', and perhaps negative ones'}."
        )
    if minlength < 0:
        raise ValueError(f"bincount() was given minlength={minlength}. It cannot be negative.")
    if weights is None:
        return from_numpy(np.bincount(input.data, minlength=minlength))
    if weights.shape != input.shape:
        raise ValueError(
            f"bincount() was given weights of shape {weights.shape} for {input.size} integers. Give one for each."
        )
    sums = np.bincount(input.data, weights.data, minlength)
    return from_numpy(sums.astype(np.float32 if weights.dtype == np.float32 else np.float64))
