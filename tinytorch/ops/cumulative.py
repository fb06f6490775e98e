"""Elements and those in front of them: running totals, differences, areas."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinytorch.core.autograd import Function
from tinytorch.core.tensor import Array, Extremum, FloatArray, Tensor, from_numpy
from tinytorch.ops._registry import composed, operation
from tinytorch.ops.joining import cat, slice_along
from tinytorch.ops.reductions import Grads, answers_for, check_floats, narrow, ones_on_diagonal, sum, wide
from tinytorch.ops.shape import as_tensor, axis_along, axis_of
from tinytorch.ops.sorting import chosen

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_trapezoid",
    "diff",
    "logcumsumexp",
    "trapezoid",
    "trapz",
]


# Running totals


def backwards(x: FloatArray, axis: int) -> FloatArray:
    """Return `x`, an array or a tensor, with one axis back to front."""
    return x[(slice(None),) * axis + (slice(None, None, -1),)]


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
    return backwards(np.cumsum(backwards(x, axis), axis), axis) if x.ndim else x


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
    products = ones_on_diagonal(a).cumprod(-1)  # [i, k] is the product of the elements 0 to k without i
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
        total = np.logaddexp.accumulate(backwards(x, self.axis), axis=self.axis)
        power: FloatArray = np.exp(backwards(total, self.axis) + a)
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
    return narrow(np.logaddexp.accumulate(wide(input), axis=axis), input)


@composed()
def cummax(input: Tensor, dim: int) -> Extremum:
    """Return the largest element so far along `dim`, and where it stands, the last of several.

    Examples
    --------
    >>> cummax(Tensor([1, 3, 2, 3]), dim=0)
    Extremum(values=tensor([1., 3., 3., 3.]), indices=tensor([0, 1, 1, 3]))
    """
    return chosen("cummax", input, dim, lambda rows: _record_indices(rows, np.maximum))


@composed()
def cummin(input: Tensor, dim: int) -> Extremum:
    """Return the smallest element so far along `dim`, and where it stands, the last of several."""
    return chosen("cummin", input, dim, lambda rows: _record_indices(rows, np.minimum))


def _record_indices(rows: Array, extreme: np.ufunc) -> Array:
    """Return where the extreme so far of each row stands; once there is a nan, the last nan."""
    records = (rows == extreme.accumulate(rows, axis=-1)) | (rows != rows)
    indices: Array = np.maximum.accumulate(np.where(records, np.arange(rows.shape[-1]), 0), axis=-1)
    return indices


# From one element to the next


@composed()
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Return what each element along `dim` has more than the one in front of it; `n` times over.

    Parameters
    ----------
    input
        A tensor with an axis.
    n
        How often.
    dim
        The axis.
    prepend, append
        Tensors that stand in front of the first element and behind the last.

    Notes
    -----
    Of bools it is where they differ. Source: ``torch.diff``.

    Examples
    --------
    >>> diff(Tensor([1, 4, 9, 16]))
    tensor([3., 5., 7.])
    >>> diff(Tensor([1, 4, 9, 16]), n=2)
    tensor([2., 2.])
    """
    axis = axis_along(input, dim, "diff")
    if n < 0:
        raise ValueError(f"diff() takes n of 0 or more, but got {n}.")
    parts = [part for part in (prepend, input, append) if part is not None]
    line = cat(parts, axis) if len(parts) > 1 else input
    for _ in range(n):
        count = line.shape[axis]
        after, before = slice_along(line, axis, 1, count), slice_along(line, axis, 0, max(count - 1, 0))
        line = after ^ before if line.dtype.kind == "b" else after - before  # type: ignore[operator]
    return line


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """Return the area below a line through the points `y` along `dim`, which stand at `x`, or `dx` apart.

    Examples
    --------
    >>> trapezoid(Tensor([1, 2, 3]), dx=2)
    tensor(8.)
    """
    return sum(_areas("trapezoid", y, x, dx, dim), dim)


trapz = trapezoid


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """Return the area below a line through the points `y`, up to each point but the first.

    Examples
    --------
    >>> cumulative_trapezoid(Tensor([1, 2, 3]))
    tensor([1.5, 4.0])
    """
    return cumsum(_areas("cumulative_trapezoid", y, x, dx, dim), dim)


def _areas(name: str, y: Tensor, x: Tensor | None, dx: float, dim: int) -> Tensor:
    """Return the area between each two points."""
    axis = axis_along(y, dim, name)
    count = y.shape[axis]
    both = slice_along(y, axis, 1, count) + slice_along(y, axis, 0, max(count - 1, 0))
    if x is None:
        return both * (dx / 2)
    if x.ndim == 1 and y.ndim > 1 and x.size == count:
        x = x.reshape([count if i == axis else 1 for i in range(y.ndim)])
    if x.ndim != y.ndim or x.shape[axis] != count:
        raise ValueError(
            f"{name}() takes x of one axis with {count} points, or of the shape of y, {y.shape}, but got {x.shape}."
        )
    return both * diff(x, dim=axis) / 2


@answers_for(np.diff)
def _np_diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Tensor:
    ends = [None if part is None else as_tensor(part) for part in (prepend, append)]
    return diff(as_tensor(a), n, axis, *ends)


@answers_for(np.trapezoid)
def _np_trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Tensor:
    return trapezoid(as_tensor(y), None if x is None else as_tensor(x), dx=dx, dim=axis)
