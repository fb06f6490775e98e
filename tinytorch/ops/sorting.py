"""Elements chosen by their order: sorted, the largest, the middle ones, the most frequent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.autograd import ExtremumBackward, NotDifferentiableError
from tinytorch.core.tensor import Array, Extremum, FloatArray, Tensor, from_numpy
from tinytorch.ops._registry import composed, floats, operation
from tinytorch.ops.indexing import gather
from tinytorch.ops.reductions import Grads, answers_for, check_floats, check_not_empty, check_tensor
from tinytorch.ops.shape import as_tensor, axis_of

__all__ = [
    "argsort",
    "kthvalue",
    "median",
    "mode",
    "msort",
    "nanmedian",
    "nanquantile",
    "quantile",
    "sort",
    "topk",
]


# Elements chosen by their order


def _picked(input: Tensor, indices: Array, axis: int) -> Tensor:
    """Return the elements at `indices` along `axis`."""
    values: Tensor = gather(input, axis, from_numpy(indices))
    return values


def chosen(name: str, input: Tensor, dim: int, choose: Callable[[Array], Array], drop: bool = False) -> Extremum:
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
    return chosen("sort", input, dim, lambda rows: _order(rows, descending))


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

    return chosen("topk", input, dim, choose)


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
    return chosen("kthvalue", input, dim, lambda rows: _order(rows)[..., k - 1 : k], not keepdim)


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
    return chosen("median", input, dim, lambda rows: _median_indices(rows, ignore_nan=False), not keepdim)


@composed()
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median of the elements that are not nan; along `dim`, ``(values, indices)``."""
    check_tensor(input, "nanmedian")
    if dim is None:
        numbers = input.data == input.data
        return _median(input if numbers.all() or not numbers.any() else input[numbers])
    check_not_empty(input, [axis_of(dim, input.ndim, "nanmedian")], "nanmedian", dim)
    return chosen("nanmedian", input, dim, lambda rows: _median_indices(rows, ignore_nan=True), not keepdim)


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
    return chosen("mode", input, dim, _mode_indices, not keepdim)


def _mode_indices(rows: Array) -> Array:
    """Return where the mode of each row stands, ``(..., n) -> (..., 1)``."""
    order = _order(rows)
    ordered = np.take_along_axis(rows, order, -1)
    place = np.arange(rows.shape[-1])
    starts = np.ones(rows.shape, bool)
    starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    length = place - np.maximum.accumulate(np.where(starts, place, 0), axis=-1)  # how many equal ones came before
    return np.take_along_axis(order, length.argmax(axis=-1, keepdims=True), -1)


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
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


@composed()
def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """Return ``quantile(...)`` of the elements that are not nan; nan where there are none.

    Examples
    --------
    >>> nanquantile(Tensor([1, float("nan"), 3]), 0.5)
    tensor(2.)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)


def _quantile(name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Tensor:
    shares = _shares(name, input, q, interpolation)
    if input.size == 0:
        raise ValueError(f"{name}() of a tensor of shape {input.shape} has no element to choose.")
    axis = 0 if dim is None else axis_of(dim, input.ndim, name)
    line = input.reshape(-1) if dim is None or input.ndim == 0 else input
    others = [i for i in range(line.ndim) if i != axis]
    rows = line.permute(*others, axis)
    values = _between(rows, shares.reshape(-1), interpolation, ignore_nan=name == "nanquantile")
    picked = values.permute(line.ndim - 1, *range(line.ndim - 1))
    lengths = [1] * input.ndim if dim is None else [1 if i == axis else n for i, n in enumerate(input.shape)]
    if not keepdim:
        lengths = [line.shape[i] for i in others]
    return picked.reshape((*shares.shape, *lengths))


def _shares(name: str, input: Tensor, q: Any, interpolation: str) -> FloatArray:
    """Return `q` as an array, after a look at all arguments of a quantile."""
    check_floats(input, name)
    if input.dtype == np.float16:
        raise TypeError(f"{name}() works on float32 and float64, but this tensor holds float16. Use t.float().")
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(f"{name}() knows interpolation={', '.join(_INTERPOLATIONS)}, but got {interpolation!r}.")
    if isinstance(q, Tensor) and q.dtype != input.dtype:
        raise TypeError(f"{name}() was given q of {q.dtype} for a tensor of {input.dtype}. Use q.to(t.dtype).")
    if isinstance(q, Tensor) and q.requires_grad:
        raise NotDifferentiableError(f"{name}() has no gradient for q, which requires one. Pass q.detach().")
    shares = np.asarray(q.data if isinstance(q, Tensor) else q, input.dtype)
    if shares.ndim > 1 or not np.all((shares >= 0) & (shares <= 1)):
        raise ValueError(f"{name}() takes as q numbers between 0 and 1, one or a 1-D tensor, but got {q}.")
    return shares


def _between(rows: Tensor, shares: FloatArray, interpolation: str, ignore_nan: bool) -> Tensor:
    """Return the quantiles of the last axis, ``(..., n) -> (..., len(shares))``."""
    data = rows.data
    n = data.shape[-1]
    numbers = np.sum(data == data, axis=-1, keepdims=True)  # in order they come first, and nan last
    rank = shares * np.maximum(numbers - 1, 0) if ignore_nan else np.where(numbers < n, n - 1, shares * (n - 1))
    rank = rank.astype(data.dtype)
    if interpolation == "nearest":
        rank = rank.round()
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
