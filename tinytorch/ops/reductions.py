"""Many numbers into fewer: sums, extremes, statistics, and running totals."""

from __future__ import annotations

import builtins
import functools
import inspect
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tinytorch.core.autograd import ExtremumBackward, Function, NotDifferentiableError, restore_axes
from tinytorch.core.tensor import Array, Dim, Extremum, FloatArray, Scalar, Tensor, check_broadcast, from_numpy
from tinytorch.ops import shape
from tinytorch.ops._registry import NUMPY, composed, floats, operation
from tinytorch.ops.shape import axis_of

__all__ = [
    "all",
    "amax",
    "amin",
    "aminmax",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "bincount",
    "corrcoef",
    "count_nonzero",
    "cov",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "dist",
    "histc",
    "kthvalue",
    "logcumsumexp",
    "logsumexp",
    "max",
    "mean",
    "median",
    "min",
    "mode",
    "msort",
    "nanmean",
    "nanmedian",
    "nansum",
    "prod",
    "quantile",
    "sort",
    "std",
    "std_mean",
    "sum",
    "topk",
    "var",
    "var_mean",
]

Grads = tuple[FloatArray | None, ...]
Dims = int | Sequence[int] | None
F = TypeVar("F", bound=Callable[..., Any])


# Arguments


def axes_of(input: Tensor, dim: Dims, name: str) -> tuple[int, ...]:
    """Return the axes that `dim` names, counted from the front; all of them if it is None or names none.

    A 0-d tensor has one that may be named, 0 or -1, and nothing to be reduced there.
    """
    if dim is None or (isinstance(dim, Sequence) and not dim):
        return tuple(range(input.ndim))
    axes = shape.axes_of(dim, input.ndim, name)
    return axes if input.ndim else ()


def check_tensor(value: Any, name: str) -> None:
    """Raise an error unless `value`, an argument of operation `name`, is a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name}() works on a tensor, but got {type(value).__name__}. Make one with tinytorch.tensor(...)."
        )


def check_floats(input: Tensor, name: str) -> None:
    """Raise an error unless `input`, an argument of operation `name`, is a tensor of floats."""
    check_tensor(input, name)
    if input.dtype.kind != "f":
        raise TypeError(f"{name}() needs floats, but this tensor holds {input.dtype}. Use {name}(t.float()).")


def check_not_empty(input: Tensor, axes: Iterable[int], name: str, dim: Any = None) -> None:
    """Raise an error if one of the axes has no element to choose; `dim` is what the user called them."""
    if input.ndim and builtins.any(input.shape[axis] == 0 for axis in axes):
        raise ValueError(
            f"{name}(): a tensor of shape {input.shape} has no largest or smallest element along dim={dim}: there is "
            "nothing to choose from."
        )


def as_tensor(value: Any) -> Tensor:
    """Return a tensor as it is, and anything else that holds numbers as a tensor of the same dtype."""
    return value if isinstance(value, Tensor) else from_numpy(np.asarray(value))


def answers_for(*numpy: Callable[..., Any]) -> Callable[[F], F]:
    """Let a function answer for NumPy functions when they meet a tensor; its arguments have NumPy's names."""

    def register(function: F) -> F:
        known = inspect.signature(function).parameters

        @functools.wraps(function)
        def answer(*args: Any, **kwargs: Any) -> Any:
            unknown = [name for name, value in kwargs.items() if name not in known and value is not np._NoValue]
            if unknown:
                raise TypeError(
                    f"np.{numpy[0].__name__}() of a tensor does not take {', '.join(unknown)}; it takes "
                    f"{', '.join(known)}. For the values alone, call it with t.detach().numpy()."
                )
            return function(*args, **{name: value for name, value in kwargs.items() if name in known})

        NUMPY.update(dict.fromkeys(numpy, answer))
        return function

    return register


def _in_dtype(input: Tensor, dtype: npt.DTypeLike | None) -> Tensor:
    """Return `input` as elements of `dtype`, in which the sum is then made; None leaves it as it is."""
    return input if dtype is None else input.to(dtype)


def _wide(input: Tensor) -> FloatArray:
    """Return the array of a tensor of floats in the type that sums are made in: float16 as float32."""
    data = floats(input)
    return data.astype(np.float32) if data.dtype == np.float16 else data


def _narrow(values: Any, input: Tensor) -> Tensor:
    """Return values computed from ``_wide(input)`` as a tensor of the type they belong to."""
    return from_numpy(np.asarray(values).astype(floats(input).dtype, copy=False))


def _reversed(x: FloatArray, axis: int) -> FloatArray:
    """Return `x`, an array or a tensor, with one axis back to front."""
    return x[(slice(None),) * axis + (slice(None, None, -1),)]


# Sums and means


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the sum over `dim`, an axis or several; over all elements if it is None.

    Integers and bools add up to int64, unless `dtype` says otherwise. The sum of no elements is 0.

    Examples
    --------
    >>> sum(Tensor([[1, 2], [3, 4]]), dim=0)
    tensor([4., 6.])
    """
    check_tensor(input, "sum")
    axes = None if dim is None else axes_of(input, dim, "sum")
    total = _in_dtype(input, dtype).sum(axes, keepdim)
    return total if dtype is None else total.to(dtype)


@answers_for(np.sum)
def _np_sum(a: Any, axis: Dim = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    return sum(as_tensor(a), _numpy_axes(a, axis), keepdims, dtype=dtype)


def _numpy_axes(a: Any, axis: Any) -> Any:
    """Return NumPy's `axis` as PyTorch's `dim`: an empty tuple reduces nothing in NumPy, everything in PyTorch."""
    if isinstance(axis, tuple | list) and not axis:
        raise ValueError(f"axis=() reduces nothing. Name an axis of shape {np.shape(a)}, or None for all of them.")
    return axis


def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the mean over `dim`, an axis or several; over all elements if it is None.

    The mean of no elements is nan. Integers have none, unless `dtype` makes floats of them.

    Raises
    ------
    TypeError
        If the elements are not floats.
    """
    check_tensor(input, "mean")
    floating = _in_dtype(input, dtype)
    check_floats(floating, "mean")
    axes = axes_of(input, dim, "mean")
    if 0 in [input.shape[axis] for axis in axes]:
        return floating.sum(axes, keepdim) * math.nan
    return floating.mean(axes, keepdim)


@answers_for(np.mean)
def _np_mean(a: Any, axis: Dim = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    return mean(as_tensor(a), _numpy_axes(a, axis), keepdims, dtype=dtype)


class NansumBackward(Function):
    """Gradient of ``out = a.nansum(dim, keepdim)``: that of the sum, and 0 for each nan."""

    def __init__(
        self, a: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None, output: Tensor | None = None
    ) -> None:
        super().__init__(a, output=output)
        self.axes = axes_of(a, dim, "nansum")

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (restore_axes(grad_output, a.ndim, self.axes) * (a == a),)


@operation(NansumBackward)
def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the sum over `dim` of the elements that are not nan.

    Examples
    --------
    >>> nansum(Tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    data = input.data if dtype is None else input.to(dtype).data
    total = np.asarray(np.nansum(data, axis=axes_of(input, dim, "nansum"), keepdims=keepdim))
    return from_numpy(total if dtype is None else total.astype(dtype, copy=False))


@composed()
def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the mean over `dim` of the elements that are not nan; nan where there are none.

    Raises
    ------
    TypeError
        If the elements are not floats.
    """
    floating = _in_dtype(input, dtype)
    check_floats(floating, "nanmean")
    axes = axes_of(input, dim, "nanmean")
    counts = np.sum(floating.data == floating.data, axis=axes, keepdims=keepdim)
    total = nansum(floating, axes, keepdim) / from_numpy(np.maximum(counts, 1).astype(floating.dtype))
    return total if np.all(counts) else total * from_numpy(np.where(counts, 1, np.nan).astype(floating.dtype))


@answers_for(np.nansum)
def _np_nansum(a: Any, axis: Dim = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    return nansum(as_tensor(a), _numpy_axes(a, axis), keepdims, dtype=dtype)


@answers_for(np.nanmean)
def _np_nanmean(a: Any, axis: Dim = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    return nanmean(as_tensor(a), _numpy_axes(a, axis), keepdims, dtype=dtype)


# Products


class ProdBackward(Function):
    """Gradient of ``out = a.prod(dim, keepdim)``: for each element, the product of the others it was multiplied with.

    That product is ``out / a`` where no element is 0.
    """

    saves = ("inputs", "output")

    def __init__(
        self,
        a: Tensor,
        dim: int | None = None,
        keepdim: bool = False,
        *,
        dtype: Any = None,
        output: Tensor | None = None,
    ) -> None:
        super().__init__(a, output=output)
        self.dim = None if dim is None or a.ndim == 0 else axis_of(dim, a.ndim, "prod")

    def apply(self, grad_output: FloatArray) -> Grads:
        a, out = self.saved_tensors
        grad_output = restore_axes(grad_output, a.ndim, self.dim)
        if (a != 0).all():
            return (grad_output * restore_axes(out, a.ndim, self.dim) / a,)
        if self.dim is None:
            return (grad_output * _product_of_others(a.reshape(-1), 0).reshape(a.shape),)
        return (grad_output * _product_of_others(a, self.dim),)


def _product_of_others(a: FloatArray, axis: int) -> FloatArray:
    """Return for each element of `a` the product of the others along `axis`, of which any may be 0.

    Memory: for a tensor, whose product has to keep its gradient, n times that of `a`, n being the axis' length.
    """
    if isinstance(a, Tensor):
        without_own = _ones_on_diagonal(a.swapaxes(axis, -1))
        return without_own.prod(-1).swapaxes(axis, -1)
    zero = a == 0
    zeros = zero.sum(axis=axis, keepdims=True)
    others = np.where(zero, 1, a)
    product = others.prod(axis=axis, keepdims=True)
    # One 0 makes the product 0 for all but itself; two make it 0 for all.
    result: FloatArray = np.where(zeros == 0, product / others, np.where(zero & (zeros == 1), product, 0))
    return result


def _ones_on_diagonal(a: Any) -> Any:
    """Return the rows of `a`, ``(..., n)``, n times, with 1 in the place of element i in the i-th: ``(..., n, n)``."""
    n = a.shape[-1]
    return np.where(np.eye(n, dtype=bool), 1.0, a.reshape((*a.shape[:-1], 1, n)))


@operation(ProdBackward)
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the product over the axis `dim`; of all elements if it is None.

    Integers and bools multiply to int64, unless `dtype` says otherwise. The product of no elements is 1.

    Examples
    --------
    >>> prod(Tensor([[1, 2], [3, 4]]), dim=1)
    tensor([ 2., 12.])
    """
    axis = None if dim is None else axis_of(dim, input.ndim, "prod")
    if dtype is None:
        dtype = input.dtype if input.dtype.kind == "f" else np.int64
    return from_numpy(np.asarray(input.to(dtype).data.prod(axis=axis, keepdims=keepdim)))


@answers_for(np.prod)
def _np_prod(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    a = as_tensor(a)
    if not isinstance(axis, tuple):
        return prod(a, axis, keepdims, dtype=dtype)
    result: Tensor = a
    for each in sorted(axes_of(a, _numpy_axes(a, axis), "np.prod"), reverse=True):
        result = prod(result, each, keepdims, dtype=dtype)
    return result


# Extremes


def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Return the largest element over `dim`, an axis or several; of all elements if it is empty or None.

    Equal largest elements share the gradient.

    Raises
    ------
    ValueError
        If there is nothing to choose from.
    """
    return _extreme("amax", input, dim, keepdim)


def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Return the smallest element over `dim`, an axis or several; of all elements if it is empty or None.

    Equal smallest elements share the gradient.

    Raises
    ------
    ValueError
        If there is nothing to choose from.
    """
    return _extreme("amin", input, dim, keepdim)


def _extreme(name: str, input: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    check_tensor(input, name)
    axes = axes_of(input, dim, name)
    check_not_empty(input, axes, name, dim)
    result: Tensor = getattr(Tensor, name)(input, axes, keepdim)
    return result


@answers_for(np.max, np.amax)
def _np_max(a: Any, axis: Dim = None, keepdims: bool = False) -> Tensor:
    return amax(as_tensor(a), _numpy_axes(a, axis), keepdims)


@answers_for(np.min, np.amin)
def _np_min(a: Any, axis: Dim = None, keepdims: bool = False) -> Tensor:
    return amin(as_tensor(a), _numpy_axes(a, axis), keepdims)


_lesson_max, _lesson_min = Tensor.max, Tensor.min
_lesson_argmax, _lesson_argmin = Tensor.argmax, Tensor.argmin


@composed()
def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """Return the largest element; along `dim`, ``(values, indices)``; of two tensors, the larger element of each pair.

    Along `dim` one of several largest elements gets the gradient; without, they share it.

    Examples
    --------
    >>> max(Tensor([1, 5, 3]))
    tensor(5.)
    >>> max(Tensor([1, 5, 3]), dim=0).indices
    tensor(1)
    >>> max(Tensor([1, 5, 3]), Tensor([4, 4, 4]))
    tensor([4., 5., 4.])
    """
    return _largest("max", _lesson_max, input, other if dim is None else dim, keepdim)


@composed()
def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """Return the smallest element; along `dim`, ``(values, indices)``; of two tensors, the smaller of each pair.

    Along `dim` one of several smallest elements gets the gradient; without, they share it.
    """
    return _largest("min", _lesson_min, input, other if dim is None else dim, keepdim)


def _largest(name: str, along: Callable[..., Any], input: Tensor, dim: Any, keepdim: bool) -> Any:
    check_tensor(input, name)
    if isinstance(dim, Tensor):
        from tinytorch.ops import elementwise

        return getattr(elementwise, f"{name}imum")(input, dim)
    if dim is None:
        return _extreme(f"a{name}", input, None, keepdim)
    axis = axis_of(dim, input.ndim, name)
    check_not_empty(input, [axis], name, dim)
    return along(input, axis, keepdim)


@composed()
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return where the largest element stands along `dim`, the first of several; in the flattened tensor if None."""
    return _where_largest("argmax", _lesson_argmax, input, dim, keepdim)


@composed()
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return where the smallest element stands along `dim`, the first of several; in the flattened tensor if None."""
    return _where_largest("argmin", _lesson_argmin, input, dim, keepdim)


def _where_largest(name: str, where: Callable[..., Tensor], input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    check_tensor(input, name)
    axis = None if dim is None else axis_of(dim, input.ndim, name)
    check_not_empty(input, range(input.ndim) if axis is None else [axis], name, dim)
    return where(input, axis, keepdim)


@answers_for(np.argmax)
def _np_argmax(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
    return argmax(as_tensor(a), axis, keepdims)


@answers_for(np.argmin)
def _np_argmin(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
    return argmin(as_tensor(a), axis, keepdims)


class MinMax(NamedTuple):
    """What ``aminmax()`` returns."""

    min: Tensor
    max: Tensor


@composed()
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """Return the smallest and the largest element, over the axis `dim` or of all elements."""
    return MinMax(amin(input, dim, keepdim), amax(input, dim, keepdim))


# Truth


@composed()
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return whether some element over `dim` is not 0; nan is not 0.

    Examples
    --------
    >>> any(Tensor([[0, 1], [0, 0]]), dim=1)
    tensor([ True, False])
    """
    check_tensor(input, "any")
    return _truth(np.any(input.data, axis=axes_of(input, dim, "any"), keepdims=keepdim), input)


@composed()
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return whether every element over `dim` is not 0; so it is if there are no elements."""
    check_tensor(input, "all")
    return _truth(np.all(input.data, axis=axes_of(input, dim, "all"), keepdims=keepdim), input)


def _truth(values: Any, input: Tensor) -> Tensor:
    """Return truth values as PyTorch has them: of uint8 for a tensor of uint8, of bool for any other."""
    return from_numpy(np.asarray(values, np.uint8 if input.dtype == np.uint8 else np.bool_))


@answers_for(np.any)
def _np_any(a: Any, axis: Dim = None, keepdims: bool = False) -> Tensor:
    return any(as_tensor(a), _numpy_axes(a, axis), keepdims)


@answers_for(np.all)
def _np_all(a: Any, axis: Dim = None, keepdims: bool = False) -> Tensor:
    return all(as_tensor(a), _numpy_axes(a, axis), keepdims)


@composed()
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """Return how many elements over `dim` are not 0.

    Examples
    --------
    >>> count_nonzero(Tensor([[0, 1, 2], [0, 0, 3]]), dim=0)
    tensor([0, 1, 2])
    """
    check_tensor(input, "count_nonzero")
    return from_numpy(np.asarray(np.count_nonzero(input.data, axis=axes_of(input, dim, "count_nonzero"))))


@answers_for(np.count_nonzero)
def _np_count_nonzero(a: Any, axis: Dim = None) -> Tensor:
    return count_nonzero(as_tensor(a), _numpy_axes(a, axis))


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
    data = _wide(input)
    count = math.prod(data.shape[axis] for axis in axes)
    with np.errstate(invalid="ignore", divide="ignore"):  # no elements: nan
        centered = data - data.sum(axis=axes, keepdims=True) / data.dtype.type(count)
        centered *= centered
        squares = np.asarray(centered.sum(axis=axes, keepdims=keepdim))
        variance: FloatArray = squares / squares.dtype.type(builtins.max(0, count - correction))
    return variance


@operation(VarBackward)
def _var(input: Tensor, axes: tuple[int, ...], correction: Scalar, keepdim: bool) -> Tensor:
    return _narrow(_variance(input, axes, correction, keepdim), input)


@operation(StdBackward)
def _std(input: Tensor, axes: tuple[int, ...], correction: Scalar, keepdim: bool) -> Tensor:
    return _narrow(np.sqrt(_variance(input, axes, correction, keepdim)), input)


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
    a = _in_dtype(as_tensor(a), dtype)
    return var(a, _numpy_axes(a, axis), keepdim=keepdims, correction=ddof if correction is None else correction)


@answers_for(np.std)
def _np_std(
    a: Any, axis: Dim = None, dtype: Any = None, ddof: Scalar = 0, keepdims: bool = False, *, correction: Any = None
) -> Tensor:
    a = _in_dtype(as_tensor(a), dtype)
    return std(a, _numpy_axes(a, axis), keepdim=keepdims, correction=ddof if correction is None else correction)


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


# Logarithms of sums


class LogsumexpBackward(Function):
    """Gradient of ``out = logsumexp(a, dim)``: ``grad_output * exp(a - out)``, which is a softmax.

    Where all that was summed is 0, and `out` therefore -inf, it is nan, as in PyTorch.
    """

    saves = ("inputs", "output")

    def __init__(self, a: Tensor, dim: Dims, keepdim: bool = False, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.axes = axes_of(a, dim, "logsumexp")

    def apply(self, grad_output: FloatArray) -> Grads:
        a, out = (restore_axes(x, len(self.input_shapes[0]), self.axes) for x in self.saved_tensors)
        with np.errstate(invalid="ignore"):
            return (restore_axes(grad_output, a.ndim, self.axes) * np.exp(a - out),)


@operation(LogsumexpBackward)
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """Return ``log(sum(exp(input)))`` over `dim`, an axis or several, without overflow.

    The largest element is taken out first: ``m + log(sum(exp(input - m)))``.

    Examples
    --------
    >>> logsumexp(Tensor([1000.0, 1000.0]), dim=0)
    tensor(1000.6932)
    """
    axes = axes_of(input, dim, "logsumexp")
    data = _wide(input)
    largest = data.max(axis=axes, keepdims=True, initial=-np.inf)
    largest = np.where(np.isinf(largest), 0, largest)  # inf - inf would be nan
    with np.errstate(divide="ignore", over="ignore"):  # log(0) is -inf here, and exp(inf) inf
        result = np.log(np.exp(data - largest).sum(axis=axes, keepdims=True)) + largest
    return _narrow(result if keepdim else result.squeeze(axes), input)


# Running totals


class CumsumBackward(Function):
    """Gradient of ``out = a.cumsum(dim)``: for each element, the sum of `grad_output` from there to the end."""

    saves = ()

    def __init__(self, a: Tensor, dim: int, *, dtype: Any = None, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.axis = axis_of(dim, a.ndim, "cumsum")

    def apply(self, grad_output: FloatArray) -> Grads:
        return (_sum_to_end(grad_output, self.axis),)


def _sum_to_end(x: FloatArray, axis: int) -> FloatArray:
    """Return the running sum of an array or a tensor from the end to the front."""
    return _reversed(np.cumsum(_reversed(x, axis), axis), axis) if x.ndim else x


@operation(CumsumBackward)
def cumsum(input: Tensor, dim: int, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the running sum along `dim`: element i is the sum of the elements 0 to i.

    Integers and bools add up to int64, unless `dtype` says otherwise.

    Examples
    --------
    >>> cumsum(Tensor([1, 2, 3]), dim=0)
    tensor([1., 3., 6.])
    """
    data = _running(input, dtype)
    return from_numpy(np.cumsum(data, axis=axis_of(dim, input.ndim, "cumsum"), dtype=data.dtype).reshape(input.shape))


def _running(input: Tensor, dtype: npt.DTypeLike | None) -> Array:
    """Return the array whose elements are added or multiplied up: integers as int64."""
    if dtype is None:
        dtype = input.dtype if input.dtype.kind == "f" else np.int64
    return input.to(dtype).data


class CumprodBackward(Function):
    """Gradient of ``out = a.cumprod(dim)``: the sum over all later products of what the others in them multiply to.

    Without a 0 that is ``sum_to_end(grad_output * out) / a``.
    """

    saves = ("inputs", "output")

    def __init__(self, a: Tensor, dim: int, *, dtype: Any = None, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.axis = axis_of(dim, a.ndim, "cumprod")

    def apply(self, grad_output: FloatArray) -> Grads:
        a, out = self.saved_tensors
        if a.ndim == 0:
            return (grad_output,)
        if (a != 0).all():
            return (_sum_to_end(grad_output * out, self.axis) / a,)
        if isinstance(a, Tensor):
            return (_cumprod_slope_of_tensor(a, grad_output, self.axis),)
        return (_cumprod_slope_with_zeros(a, out, grad_output, self.axis),)


def _cumprod_slope_with_zeros(a: FloatArray, out: FloatArray, grad_output: FloatArray, axis: int) -> FloatArray:
    """Return the gradient at `a`. After the first 0 all products are 0, so only up to there is there a gradient."""
    zero = a == 0
    first = zero & (np.cumsum(zero, axis=axis) == 1)
    before = _sum_to_end(grad_output * out, axis) / np.where(zero, 1, a)  # the products from the first 0 on add 0
    without_first = np.cumprod(np.where(first, 1, a), axis=axis)
    at_first = _sum_to_end(grad_output * without_first, axis)
    result: FloatArray = np.where(first, at_first, before)
    return result


def _cumprod_slope_of_tensor(a: Any, grad_output: Any, axis: int) -> Any:
    """Return the gradient at `a` in operations that have gradients at a 0 too; n times the memory of `a`."""
    a, grad_output = a.swapaxes(axis, -1), grad_output.swapaxes(axis, -1)
    n = a.shape[-1]
    products = _ones_on_diagonal(a).cumprod(-1)  # [i, k] is the product of the elements 0 to k without i
    later = np.triu(np.ones((n, n), a.dtype))
    slope = (products * later * grad_output.reshape((*a.shape[:-1], 1, n))).sum(-1)
    return slope.swapaxes(axis, -1)


@operation(CumprodBackward)
def cumprod(input: Tensor, dim: int, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the running product along `dim`: element i is the product of the elements 0 to i.

    Integers and bools multiply to int64, unless `dtype` says otherwise.

    Examples
    --------
    >>> cumprod(Tensor([1, 2, 3, 4]), dim=0)
    tensor([ 1.,  2.,  6., 24.])
    """
    data = _running(input, dtype)
    return from_numpy(np.cumprod(data, axis=axis_of(dim, input.ndim, "cumprod"), dtype=data.dtype).reshape(input.shape))


@answers_for(np.cumsum)
def _np_cumsum(a: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    a = as_tensor(a)
    return cumsum(a.reshape(-1), 0, dtype=dtype) if axis is None else cumsum(a, axis, dtype=dtype)


@answers_for(np.cumprod)
def _np_cumprod(a: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    a = as_tensor(a)
    return cumprod(a.reshape(-1), 0, dtype=dtype) if axis is None else cumprod(a, axis, dtype=dtype)


class LogcumsumexpBackward(Function):
    """Gradient of ``out = logcumsumexp(a, dim)``: for element j, the sum over k >= j of ``grad_k * exp(a_j - out_k)``.

    Summed as logarithms, of the positive and of the negative gradients apart, so that nothing overflows.
    """

    saves = ("inputs", "output")

    def __init__(self, a: Tensor, dim: int, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.axis = axis_of(dim, a.ndim, "logcumsumexp")

    def apply(self, grad_output: FloatArray) -> Grads:
        a, out = self.saved_tensors
        if a.ndim == 0:
            return (grad_output,)
        if isinstance(a, Tensor):
            return (self._slope_of_tensor(a, out, grad_output),)
        with np.errstate(divide="ignore", invalid="ignore"):  # log(0) is -inf here; inf - inf is nan, as in PyTorch
            rising = np.log(np.maximum(grad_output, 0)) - out
            falling = np.log(np.maximum(-grad_output, 0)) - out
            return (self._sum_of_powers(rising, a) - self._sum_of_powers(falling, a),)

    def _sum_of_powers(self, x: FloatArray, a: FloatArray) -> FloatArray:
        total = np.logaddexp.accumulate(_reversed(x, self.axis), axis=self.axis)
        power: FloatArray = np.exp(_reversed(total, self.axis) + a)
        return power

    def _slope_of_tensor(self, a: Any, out: Any, grad_output: Any) -> Any:
        """Return the same sum in operations that have gradients; n times the memory of `a`, n being its length."""
        a, out, grad_output = (x.swapaxes(self.axis, -1) for x in (a, out, grad_output))
        n, front = a.shape[-1], a.shape[:-1]
        gaps = a.reshape((*front, n, 1)) - out.reshape((*front, 1, n))
        later = np.triu(np.ones((n, n), bool))
        weights = np.exp(np.where(later, gaps, -np.inf))
        return (weights * grad_output.reshape((*front, 1, n))).sum(-1).swapaxes(self.axis, -1)


@operation(LogcumsumexpBackward)
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """Return ``log(cumsum(exp(input)))`` along `dim`, without overflow.

    Examples
    --------
    >>> logcumsumexp(Tensor([1000.0, 1000.0]), dim=0)
    tensor([1000.0000, 1000.6932])
    """
    check_floats(input, "logcumsumexp")
    axis = axis_of(dim, input.ndim, "logcumsumexp")
    if input.ndim == 0:
        return from_numpy(input.data.copy())
    return _narrow(np.logaddexp.accumulate(_wide(input), axis=axis), input)


# Elements chosen by their order


def _picked(input: Tensor, indices: Array, axis: int) -> Tensor:
    """Return the elements at `indices` along `axis`."""
    from tinytorch.ops.indexing import gather

    values: Tensor = gather(input, axis, from_numpy(indices))
    return values


def _chosen(name: str, input: Tensor, dim: int, choose: Callable[[Array], Array], drop: bool = False) -> Extremum:
    """Return elements of `input` along `dim`, and where they stand.

    Parameters
    ----------
    name
        The operation, for its errors.
    input
        A tensor; a 0-d one is treated as one element along one axis.
    dim
        The axis.
    choose
        Makes indices along the last axis of an array.
    drop
        Whether the axis, then of length 1, disappears.
    """
    check_tensor(input, name)
    axis = axis_of(dim, input.ndim, name)
    line = input if input.ndim else input.reshape(1)
    indices = choose(line.data.swapaxes(axis, -1)).swapaxes(axis, -1)
    values = _picked(line, indices, axis)
    if drop or input.ndim == 0:
        left = values.shape[:axis] + values.shape[axis + 1 :]
        values, indices = values.reshape(left), indices.reshape(left)
    return Extremum(values, from_numpy(indices))


def _order(rows: Array, descending: bool = False) -> Array:
    """Return the indices that sort `rows` along the last axis; equal elements keep their order, nan is the largest."""
    if not descending:
        return np.argsort(rows, axis=-1, kind="stable")
    backwards = np.argsort(rows[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    order: Array = (rows.shape[-1] - 1) - backwards
    return order


@composed()
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Extremum:
    """Return the elements in order along `dim`, and where each stood, as ``(values, indices)``.

    Equal elements keep their order, whatever `stable` says. nan counts as the largest.

    Examples
    --------
    >>> values, indices = sort(Tensor([3, 1, 2]))
    >>> values
    tensor([1., 2., 3.])
    >>> indices
    tensor([1, 2, 0])
    """
    return _chosen("sort", input, dim, lambda rows: _order(rows, descending))


@composed()
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Return the indices that put the elements in order along `dim`."""
    check_tensor(input, "argsort")
    axis = axis_of(dim, input.ndim, "argsort")
    if input.ndim == 0:
        return from_numpy(np.zeros((), np.int64))
    return from_numpy(_order(input.data.swapaxes(axis, -1), descending).swapaxes(axis, -1))


@composed()
def msort(input: Tensor) -> Tensor:
    """Return the elements in order along the first axis."""
    return sort(input, 0).values


@answers_for(np.sort)
def _np_sort(a: Any, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Tensor:
    a = as_tensor(a)
    return sort(a.reshape(-1)).values if axis is None else sort(a, axis).values


@answers_for(np.argsort)
def _np_argsort(a: Any, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Tensor:
    a = as_tensor(a)
    return argsort(a.reshape(-1)) if axis is None else argsort(a, axis)


def _check_count(name: str, k: int, input: Tensor, dim: int, least: int) -> None:
    """Raise an error unless an axis has `k` elements to choose."""
    check_tensor(input, name)
    length = input.shape[axis_of(dim, input.ndim, name)] if input.ndim else 1
    if not least <= k <= length:
        raise IndexError(
            f"{name}() was given k={k}, but axis {dim} of a tensor of shape {input.shape} has {length} elements. "
            f"k can be {least} to {length}."
        )


@composed()
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Extremum:
    """Return the `k` largest elements along `dim`, and where they stand, as ``(values, indices)``.

    Parameters
    ----------
    input
        A tensor.
    k
        How many.
    dim
        The axis.
    largest
        Whether the largest or the smallest are wanted. nan counts as the largest.
    sorted
        Accepted for PyTorch's sake; they always come in order.

    Raises
    ------
    IndexError
        If there are no `k` elements along `dim`.

    Examples
    --------
    >>> topk(Tensor([1, 5, 3, 4]), 2).values
    tensor([5., 4.])
    """
    _check_count("topk", k, input, dim, 0)

    def choose(rows: Array) -> Array:
        n = rows.shape[-1]
        if not 0 < k < n // 4:
            return _order(rows, largest)[..., :k]
        place, part = (n - k, slice(n - k, None)) if largest else (k - 1, slice(k))
        some = np.argpartition(rows, place, axis=-1)[..., part]
        some.sort(axis=-1)  # so that equal ones come in the order in which they stand
        return np.take_along_axis(some, _order(np.take_along_axis(rows, some, -1), largest), -1)

    return _chosen("topk", input, dim, choose)


@composed()
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Extremum:
    """Return the `k`-th smallest element along `dim`, counted from 1, and where it stands.

    Raises
    ------
    IndexError
        If there are no `k` elements along `dim`.

    Examples
    --------
    >>> kthvalue(Tensor([5, 1, 3]), 2)
    Extremum(values=tensor(3.), indices=tensor(2))
    """
    _check_count("kthvalue", k, input, dim, 1)
    return _chosen("kthvalue", input, dim, lambda rows: _order(rows)[..., k - 1 : k], not keepdim)


class MedianBackward(ExtremumBackward):
    """Gradient of the median of all elements: those equal to it share `grad_output`."""

    def apply(self, grad_output: FloatArray) -> Grads:
        a, _ = self.saved_tensors
        return super().apply(grad_output) if a.size else (a * grad_output,)


@operation(MedianBackward)
def _median(input: Tensor) -> Tensor:
    """Return the median of all elements, the lower one of two; nan if one of them is nan."""
    data = input.data.reshape(-1)
    if data.size == 0:
        return from_numpy(np.asarray(np.nan, floats(input).dtype))
    if data.dtype.kind == "f" and np.isnan(data).any():
        return from_numpy(np.asarray(np.nan, data.dtype))
    middle = (data.size - 1) // 2
    return from_numpy(np.asarray(np.partition(data, middle)[middle]))


@composed()
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median, the lower one of two; along `dim`, ``(values, indices)``. nan if there is a nan.

    Without `dim`, elements equal to the median share its gradient; with it, one of them gets it.

    Notes
    -----
    Source: ``torch.median``. NumPy's median is the mean of the two, which is ``quantile(input, 0.5)``.

    Examples
    --------
    >>> median(Tensor([4, 1, 3, 2]))
    tensor(2.)
    """
    check_tensor(input, "median")
    if dim is None:
        return _median(input)
    check_not_empty(input, [axis_of(dim, input.ndim, "median")], "median", dim)
    return _chosen("median", input, dim, lambda rows: _median_indices(rows, ignore_nan=False), not keepdim)


@composed()
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median of the elements that are not nan; along `dim`, ``(values, indices)``."""
    check_tensor(input, "nanmedian")
    if dim is None:
        numbers = input.data == input.data
        return _median(input if numbers.all() or not numbers.any() else input[numbers])
    check_not_empty(input, [axis_of(dim, input.ndim, "nanmedian")], "nanmedian", dim)
    return _chosen("nanmedian", input, dim, lambda rows: _median_indices(rows, ignore_nan=True), not keepdim)


def _median_indices(rows: Array, ignore_nan: bool) -> Array:
    """Return where the median of each row stands, ``(..., n) -> (..., 1)``."""
    n = rows.shape[-1]
    numbers = np.sum(rows == rows, axis=-1, keepdims=True)  # in order they come first, and nan last
    if ignore_nan:
        middle = np.maximum(0, (numbers - 1) // 2)
    else:
        middle = np.where(numbers < n, np.minimum(numbers, n - 1), (n - 1) // 2)
    return np.take_along_axis(_order(rows), middle, -1)


@composed()
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Extremum:
    """Return the most frequent element along `dim`, the smallest of several, and where it stands last.

    Examples
    --------
    >>> mode(Tensor([3, 1, 1, 3, 2]))
    Extremum(values=tensor(1.), indices=tensor(2))
    """
    check_tensor(input, "mode")
    check_not_empty(input, [axis_of(dim, input.ndim, "mode")], "mode", dim)
    return _chosen("mode", input, dim, _mode_indices, not keepdim)


def _mode_indices(rows: Array) -> Array:
    """Return where the mode of each row stands, ``(..., n) -> (..., 1)``."""
    order = _order(rows)
    ordered = np.take_along_axis(rows, order, -1)
    place = np.arange(rows.shape[-1])
    starts = np.ones(rows.shape, bool)
    starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    length = place - np.maximum.accumulate(np.where(starts, place, 0), axis=-1)  # how many equal ones came before
    return np.take_along_axis(order, length.argmax(axis=-1, keepdims=True), -1)


@composed()
def cummax(input: Tensor, dim: int) -> Extremum:
    """Return the largest element so far along `dim`, and where it stands, the last of several.

    Examples
    --------
    >>> cummax(Tensor([1, 3, 2, 3]), dim=0)
    Extremum(values=tensor([1., 3., 3., 3.]), indices=tensor([0, 1, 1, 3]))
    """
    return _chosen("cummax", input, dim, lambda rows: _record_indices(rows, np.maximum))


@composed()
def cummin(input: Tensor, dim: int) -> Extremum:
    """Return the smallest element so far along `dim`, and where it stands, the last of several."""
    return _chosen("cummin", input, dim, lambda rows: _record_indices(rows, np.minimum))


def _record_indices(rows: Array, extreme: np.ufunc) -> Array:
    """Return where the extreme so far of each row stands; once there is a nan, the last nan."""
    records = (rows == extreme.accumulate(rows, axis=-1)) | (rows != rows)
    indices: Array = np.maximum.accumulate(np.where(records, np.arange(rows.shape[-1]), 0), axis=-1)
    return indices


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


@composed()
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """Return the value below which the share `q` of the elements along `dim` lies.

    Parameters
    ----------
    input
        A tensor of float32 or float64.
    q
        A number between 0 and 1, or a 1-D tensor of them, of the type of `input`. It is not differentiated.
    dim
        The axis; the flattened tensor if None.
    keepdim
        Whether the axis stays, with length 1.
    interpolation
        What is taken between two elements: "linear", "lower", "higher", "midpoint" or "nearest".

    Notes
    -----
    Shapes: a 1-D `q` adds an axis in front. nan where there is a nan. Source: ``torch.quantile``.

    Examples
    --------
    >>> quantile(Tensor([1, 2, 3, 4]), 0.5)
    tensor(2.5)
    """
    shares = _shares(input, q, interpolation)
    if input.size == 0:
        raise ValueError(f"quantile() of a tensor of shape {input.shape} has no element to choose.")
    axis = 0 if dim is None else axis_of(dim, input.ndim, "quantile")
    line = input.reshape(-1) if dim is None or input.ndim == 0 else input
    others = [i for i in range(line.ndim) if i != axis]
    rows = line.permute(*others, axis)
    picked = _between(rows, shares.reshape(-1), interpolation).permute(line.ndim - 1, *range(line.ndim - 1))
    lengths = [1] * input.ndim if dim is None else [1 if i == axis else n for i, n in enumerate(input.shape)]
    if not keepdim:
        lengths = [line.shape[i] for i in others]
    return picked.reshape((*shares.shape, *lengths))


def _shares(input: Tensor, q: Any, interpolation: str) -> FloatArray:
    """Return `q` as an array, after a look at all arguments of `quantile`."""
    check_floats(input, "quantile")
    if input.dtype == np.float16:
        raise TypeError("quantile() works on float32 and float64, but this tensor holds float16. Use t.float().")
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(f"quantile() knows interpolation={', '.join(_INTERPOLATIONS)}, but got {interpolation!r}.")
    if isinstance(q, Tensor) and q.dtype != input.dtype:
        raise TypeError(f"quantile() was given q of {q.dtype} for a tensor of {input.dtype}. Use q.to(t.dtype).")
    if isinstance(q, Tensor) and q.requires_grad:
        raise NotDifferentiableError("quantile() has no gradient for q, which requires one. Pass q.detach().")
    shares = np.asarray(q.data if isinstance(q, Tensor) else q, input.dtype)
    if shares.ndim > 1 or not np.all((shares >= 0) & (shares <= 1)):
        raise ValueError(f"quantile() takes as q numbers between 0 and 1, one or a 1-D tensor, but got {q}.")
    return shares


def _between(rows: Tensor, shares: FloatArray, interpolation: str) -> Tensor:
    """Return the quantiles of the last axis, ``(..., n) -> (..., len(shares))``."""
    data = rows.data
    n = data.shape[-1]
    rank = shares * (n - 1)
    if interpolation == "nearest":
        rank = rank.round()
    rank = np.where(np.isnan(data).any(axis=-1, keepdims=True), n - 1, rank)  # in order, nan stands last
    order = _order(data)
    low, high = (np.take_along_axis(order, place.astype(np.int64), -1) for place in (np.floor(rank), np.ceil(rank)))
    if interpolation in ("lower", "nearest"):
        return _picked(rows, low, rows.ndim - 1)
    above = _picked(rows, high, rows.ndim - 1)
    if interpolation == "higher":
        return above
    weight = 0.5 if interpolation == "midpoint" else from_numpy((rank - np.floor(rank)).astype(data.dtype))
    below = _picked(rows, low, rows.ndim - 1)
    return below + (above - below) * weight


@answers_for(np.quantile)
def _np_quantile(a: Any, q: Any, axis: int | None = None, *, method: str = "linear", keepdims: bool = False) -> Tensor:
    a = as_tensor(a)
    a = a if a.dtype.kind == "f" else a.to(np.float64)
    return quantile(a, q, axis, keepdims, interpolation=method)


@answers_for(np.median)
def _np_median(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
    return _np_quantile(a, 0.5, axis, keepdims=keepdims)


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
    data = _wide(input).reshape(-1)
    if min == max and data.size:
        min, max = data.min().item(), data.max().item()
    if min == max:
        min, max = min - 1, max + 1
    if not (math.isfinite(min) and math.isfinite(max)):
        raise ValueError(f"histc() needs a finite range, but got {min} to {max}. Give min and max.")
    data = data[(data >= min) & (data <= max)]
    places = ((data - min) / (max - min) * bins).astype(np.int64)
    return _narrow(np.bincount(np.minimum(places, bins - 1), minlength=bins), input)


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


# Distances


class VectorNormBackward(Function):
    """Gradient of ``out = sum(|a|**p)**(1/p)``: ``grad_output * sign(a) * (|a| / out)**(p - 1)``.

    It is 0 where `out` is 0. For infinite p the elements whose size is `out` share `grad_output`.

    Notes
    -----
    Source: ``torch.linalg.vector_norm``, whose choices at 0 these are.
    """

    saves = ("inputs", "output")

    def __init__(
        self, a: Tensor, p: float, axes: tuple[int, ...], keepdim: bool, *, output: Tensor | None = None
    ) -> None:
        super().__init__(a, output=output)
        self.p, self.axes = p, axes

    def apply(self, grad_output: FloatArray) -> Grads:
        a, out = (restore_axes(x, len(self.input_shapes[0]), self.axes) for x in self.saved_tensors)
        grad_output = restore_axes(grad_output, a.ndim, self.axes)
        if self.p == 0:
            return (a * 0 * grad_output,)
        if self.p == 1:
            return (np.sign(a) * grad_output,)
        if math.isinf(self.p):
            largest = (np.abs(a) == out) + (a != a)  # "or"
            share = grad_output / largest.sum(axis=self.axes, keepdims=True)
            return (np.sign(a) * (largest * share),)
        flat = out == 0
        scale = grad_output * (1 - flat) / (out + flat)  # a 0 stays 0, and no second derivative is divided by it
        if self.p == 2:
            return (a * scale,)
        still = a == 0
        ratio = (np.abs(a) + still) / (out + flat)
        return (np.sign(a) * ratio ** (self.p - 1) * (grad_output * (1 - flat)),)


@operation(VectorNormBackward)
def _vector_norm(input: Tensor, p: float, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    data = _wide(input)
    if p == 2 and len(axes) == data.ndim:
        flat = data.reshape(-1)
        return _narrow(np.sqrt(np.dot(flat, flat)).reshape((1,) * data.ndim if keepdim else ()), input)
    if p == 2:
        with np.errstate(over="ignore"):
            return _narrow(np.sqrt((data * data).sum(axis=axes, keepdims=keepdim)), input)
    sizes = np.abs(data)
    if p == 1:
        return _narrow(sizes.sum(axis=axes, keepdims=keepdim), input)
    if p == 0:
        return _narrow(np.sum(sizes != 0, axis=axes, keepdims=keepdim), input)
    if p == math.inf:
        return _narrow(sizes.max(axis=axes, keepdims=keepdim), input)
    if p == -math.inf:
        return _narrow(sizes.min(axis=axes, keepdims=keepdim), input)
    with np.errstate(divide="ignore", over="ignore"):  # 0 to a negative power is inf here, and inf to it 0
        return _narrow((sizes**p).sum(axis=axes, keepdims=keepdim) ** (1 / p), input)


def vector_norm(
    x: Tensor, ord: Scalar = 2, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None
) -> Tensor:
    """Return ``sum(|x|**ord)**(1/ord)`` over `dim`, an axis or several; of all elements if it is None.

    Parameters
    ----------
    x
        A tensor of floats.
    ord
        Any number; infinity is the largest size, -infinity the smallest, 0 counts the elements that are not 0.
    dim
        The axes.
    keepdim
        Whether the axes stay, with length 1.
    dtype
        The type in which to calculate, and of the result.

    Raises
    ------
    ValueError
        If there are no elements, and the norm of none is not 0.

    Notes
    -----
    Source: ``torch.linalg.vector_norm``.

    Examples
    --------
    >>> vector_norm(Tensor([3, -4]))
    tensor(5.)
    >>> vector_norm(Tensor([3, -4]), float("inf"))
    tensor(4.)
    """
    check_tensor(x, "vector_norm")
    floating = _in_dtype(x, dtype)
    check_floats(floating, "vector_norm")
    if not isinstance(ord, int | float):
        raise TypeError(f"vector_norm() takes a number as ord, but got {ord!r}. matrix_norm() takes names.")
    axes = axes_of(x, dim, "vector_norm")
    if (ord < 0 or ord == math.inf) and 0 in [x.shape[axis] for axis in axes]:
        raise ValueError(f"the norm of no elements is not defined for ord={ord}: a tensor of shape {x.shape} has none.")
    return _vector_norm(floating, float(ord), axes, keepdim)


@composed()
def dist(input: Tensor, other: Tensor, p: Scalar = 2) -> Tensor:
    """Return the `p`-norm of ``input - other``.

    Examples
    --------
    >>> dist(Tensor([1, 1]), Tensor([4, 5]))
    tensor(5.)
    """
    check_tensor(input, "dist")
    check_tensor(other, "dist")
    check_broadcast(input.shape, other.shape, "dist()")
    return vector_norm(input - other, p)
