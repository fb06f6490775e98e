"""Elements moved to other places: rolled, turned, onto diagonals, within a border."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytorch.core.autograd import Function
from tinytorch.core.tensor import Array, FloatArray, Scalar, Tensor, from_numpy
from tinytorch.ops._registry import NUMPY, composed, operation
from tinytorch.ops.indexing import put_at
from tinytorch.ops.joining import cat, select, slice_along
from tinytorch.ops.shape import (
    Dims,
    Grads,
    axes_of,
    axis_along,
    axis_of,
    clone,
    filled,
    in_kind,
    integers,
    number_for,
    repeat_each,
)

__all__ = [
    "diag",
    "diag_embed",
    "diagflat",
    "diagonal",
    "diagonal_scatter",
    "flip",
    "fliplr",
    "flipud",
    "roll",
    "rot90",
    "select_scatter",
    "slice_scatter",
    "tril",
    "triu",
]


# Elements moved.


class RollBackward(Function):
    """Gradient of ``out = a.roll(shifts, dims)``: `grad_output`, rolled back."""

    saves = ()

    def __init__(self, a: Tensor, shifts: Dims, dims: Dims | None = None, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.shifts, self.dims = _shifts(shifts, dims, a.ndim)

    def apply(self, grad_output: FloatArray) -> Grads:
        return (np.roll(grad_output, tuple(-n for n in self.shifts), self.dims),)


def _shifts(shifts: Dims, dims: Any, ndim: int) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Return how far to roll, and along which axes; None for the flattened tensor."""
    by = integers((shifts,), "roll")
    if dims is None or (isinstance(dims, Sequence) and not dims):
        return by, None
    axes = tuple(axis_of(dim, ndim, "roll") for dim in (dims if isinstance(dims, Sequence) else (dims,)))
    return by, axes


@operation(RollBackward)
def roll(input: Tensor, shifts: Dims, dims: Dims | None = None) -> Tensor:
    """Return the tensor with its elements moved by `shifts` along `dims`; what leaves at the end enters in front.

    Without `dims` the elements move as if they stood in one row.

    Raises
    ------
    ValueError
        If there are not as many shifts as axes.

    Examples
    --------
    >>> roll(Tensor([1, 2, 3]), 1)
    tensor([3., 1., 2.])
    """
    by, axes = _shifts(shifts, dims, input.ndim)
    if len(by) != (1 if axes is None else len(axes)):
        raise ValueError(f"roll() was given the shifts {by} for the axes {axes}. Give one for each.")
    return from_numpy(np.roll(input.data, by, axes) if input.ndim else input.data.copy())


class FlipBackward(Function):
    """Gradient of ``out = a.flip(dims)``: `grad_output`, turned round in the same way."""

    saves = ()

    def __init__(self, a: Tensor, dims: Dims, *others: int, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.axes = _axes_to_flip(dims, others, a.ndim)

    def apply(self, grad_output: FloatArray) -> Grads:
        return (np.flip(grad_output, self.axes),)


def _axes_to_flip(dims: Dims, others: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    axes = axes_of((dims, *others) if others else dims, ndim, "flip")  # type: ignore[arg-type]
    return axes if ndim else ()


@operation(FlipBackward)
def flip(input: Tensor, dims: Dims, *others: int) -> Tensor:
    """Return a copy with the elements along each axis of `dims` in reverse order.

    Examples
    --------
    >>> flip(Tensor([[1, 2], [3, 4]]), (0, 1))
    tensor([[4., 3.],
            [2., 1.]])
    """
    return from_numpy(np.flip(input.data, _axes_to_flip(dims, others, input.ndim)).copy())


@composed(np.fliplr)
def fliplr(input: Tensor) -> Tensor:
    """Return a copy with the order of the columns reversed; there must be two axes at least."""
    if input.ndim < 2:
        raise ValueError(f"fliplr() reverses columns, but this tensor has shape {input.shape}. Use flip(0).")
    return flip(input, 1)


@composed(np.flipud)
def flipud(input: Tensor) -> Tensor:
    """Return a copy with the order of the rows reversed; there must be one axis at least."""
    if not input.ndim:
        raise ValueError("flipud() reverses rows, but this tensor is 0-d and has none.")
    return flip(input, 0)


@composed()
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Return a copy turned by `k` times 90 degrees, from the first axis of `dims` towards the second.

    Raises
    ------
    ValueError
        If `dims` does not name two axes.

    Examples
    --------
    >>> rot90(Tensor([[1, 2], [3, 4]]))
    tensor([[2., 4.],
            [1., 3.]])
    """
    axes = axes_of(dims, input.ndim, "rot90")
    if len(axes) != 2:
        raise ValueError(f"rot90() turns in the plane of two different axes, but got {dims}.")
    first, second = axes
    quarters = k % 4
    if quarters == 0:
        return clone(input)
    if quarters == 2:
        return flip(input, axes)
    return flip(input, second if quarters == 1 else first).transpose(first, second)


# Triangles and diagonals.


class TrilBackward(Function):
    """Gradient of ``out = a.tril(diagonal)``: `grad_output` where elements were kept, 0 elsewhere."""

    saves = ()

    def __init__(self, a: Tensor, diagonal: int = 0, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.diagonal = diagonal

    def apply(self, grad_output: FloatArray) -> Grads:
        return (in_kind(tril, grad_output, self.diagonal),)


@operation(TrilBackward)
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the matrices with 0 above a diagonal: the main one, or that `diagonal` places further up.

    Examples
    --------
    >>> tril(Tensor([[1, 2], [3, 4]]))
    tensor([[1., 0.],
            [3., 4.]])
    """
    below = _triangle(input, diagonal, "tril")
    return from_numpy(filled(input.data, ~below, 0))


class TriuBackward(TrilBackward):
    """Gradient of ``out = a.triu(diagonal)``: `grad_output` where elements were kept, 0 elsewhere."""

    def apply(self, grad_output: FloatArray) -> Grads:
        return (in_kind(triu, grad_output, self.diagonal),)


@operation(TriuBackward)
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the matrices with 0 below a diagonal: the main one, or that `diagonal` places further up.

    Examples
    --------
    >>> triu(Tensor([[1, 2], [3, 4]]), 1)
    tensor([[0., 2.],
            [0., 0.]])
    """
    below = _triangle(input, diagonal - 1, "triu")
    return from_numpy(filled(input.data, below, 0))


def _triangle(input: Tensor, diagonal: int, name: str) -> Array:
    """Return a mask of the last two axes, true on and below a diagonal."""
    if input.ndim < 2:
        raise ValueError(f"{name}() takes matrices, but this tensor has shape {input.shape}. It needs two axes.")
    rows, columns = input.shape[-2:]
    return np.tri(rows, columns, diagonal, dtype=np.bool_)


class DiagonalBackward(Function):
    """Gradient of ``out = a.diagonal(offset, dim1, dim2)``: `grad_output` on that diagonal, 0 elsewhere."""

    saves = ()

    def __init__(
        self, a: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1, *, output: Tensor | None = None
    ) -> None:
        super().__init__(a, output=output)
        self.place = offset, dim1, dim2

    def apply(self, grad_output: FloatArray) -> Grads:
        return (in_kind(_on_diagonal, grad_output, self.input_shapes[0], *self.place),)


@operation(DiagonalBackward)
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return a view of the diagonals in the planes of two axes, along a new last axis. It cannot be written to.

    Parameters
    ----------
    input
        A tensor.
    offset
        How far above the main diagonal; a negative number is below.
    dim1, dim2
        The axes of rows and columns.

    Raises
    ------
    ValueError
        If the two axes are one.

    Examples
    --------
    >>> diagonal(Tensor([[1, 2], [3, 4]]))
    tensor([1., 4.])
    """
    rows, columns = _plane(input.ndim, dim1, dim2, "diagonal")
    return from_numpy(np.diagonal(input.data, offset, rows, columns))


def _plane(ndim: int, dim1: int, dim2: int, name: str) -> tuple[int, int]:
    rows, columns = axis_of(dim1, ndim, name), axis_of(dim2, ndim, name)
    if rows == columns:
        raise ValueError(f"{name}() takes two different axes, but {dim1} and {dim2} are one.")
    return rows, columns


class OnDiagonalBackward(Function):
    """Gradient of zeros with `a` on a diagonal: what arrives on that diagonal."""

    saves = ()

    def __init__(
        self, a: Tensor, shape: tuple[int, ...], offset: int, dim1: int, dim2: int, *, output: Tensor | None = None
    ) -> None:
        super().__init__(a, output=output)
        self.place = offset, dim1, dim2

    def apply(self, grad_output: FloatArray) -> Grads:
        return (np.diagonal(grad_output, *self.place),)


@operation(OnDiagonalBackward, method="_on_diagonal")
def _on_diagonal(input: Tensor, shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> Tensor:
    """Return zeros of `shape` whose diagonals in the planes of two axes are the last axis of the tensor."""
    out = np.zeros(shape, input.dtype)
    line = np.diagonal(out, offset, dim1, dim2)
    line.flags.writeable = True
    line[...] = input.data
    return from_numpy(out)


@composed()
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return square matrices of 0 in two new axes, with the last axis of the tensor as their diagonal.

    Parameters
    ----------
    input
        The diagonals, of one axis at least.
    offset
        How far above the main diagonal they stand; a negative number is below.
    dim1, dim2
        Where the new axes stand in the result.

    Examples
    --------
    >>> diag_embed(Tensor([1, 2]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    if not input.ndim:
        raise ValueError("diag_embed() makes a diagonal of the last axis, but this tensor is 0-d and has none.")
    rows, columns = _plane(input.ndim + 1, dim1, dim2, "diag_embed")
    shape = list(input.shape[:-1])
    for place in sorted((rows, columns)):
        shape.insert(place, input.shape[-1] + abs(offset))
    return _on_diagonal(input, tuple(shape), offset, rows, columns)


@composed()
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the matrix whose diagonal is a vector, or a copy of the diagonal of a matrix.

    Examples
    --------
    >>> diag(Tensor([[1, 2], [3, 4]]))
    tensor([1., 4.])
    >>> diag(Tensor([5]), 1)
    tensor([[0., 5.],
            [0., 0.]])
    """
    if input.ndim not in (1, 2):
        raise ValueError(f"diag() takes a vector or a matrix, but this tensor has shape {input.shape}.")
    return diag_embed(input, diagonal) if input.ndim == 1 else clone(_diagonal(input, diagonal))


@composed()
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """Return the square matrix whose diagonal is the elements of a tensor, of any shape."""
    return diag_embed(input.reshape(-1), offset)


# Parts replaced. The places of a part are those that the part of a tensor full of places holds.


def _with_part(name: str, input: Tensor, src: Any, part: Callable[[Tensor], Tensor]) -> Tensor:
    if not isinstance(src, Tensor):
        raise TypeError(f"{name}() takes a tensor to write, but got {type(src).__name__}. Use tinytorch.tensor(...).")
    places = part(from_numpy(np.arange(input.size).reshape(input.shape))).data
    if places.shape != src.shape:
        raise ValueError(
            f"{name}() writes where there is room for shape {places.shape}, but got a tensor of shape {src.shape}."
        )
    return put_at(input, places, src.to(input.dtype))


@composed()
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return a copy with `src` in the place of ``input.diagonal(offset, dim1, dim2)``.

    Examples
    --------
    >>> diagonal_scatter(Tensor([[1, 2], [3, 4]]), Tensor([8, 9]))
    tensor([[8., 2.],
            [3., 9.]])
    """
    return _with_part("diagonal_scatter", input, src, lambda x: _diagonal(x, offset, dim1, dim2))


@composed()
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """Return a copy with `src` in the place of ``input.select(dim, index)``."""
    return _with_part("select_scatter", input, src, lambda x: select(x, dim, index))


@composed()
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """Return a copy with `src` in the place of the elements from `start` to `end`, in steps, along `dim`."""
    axis = axis_along(input, dim, "slice_scatter")
    index = (slice(None),) * axis + (slice(start, end, step),)
    return _with_part("slice_scatter", input, src, lambda x: x[index])


_diagonal = diagonal  # `diag` has an argument of that name


# A border.

Widths = tuple[tuple[int, int], ...]  # for each axis, how much is added in front and behind; negative is cut off


class PadBackward(Function):
    """Gradient of a constant border: `grad_output` with the border cut off, and 0 for what had been cut off."""

    saves = ()

    def __init__(self, a: Tensor, widths: Widths, value: Scalar = 0, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.widths = widths

    def apply(self, grad_output: FloatArray) -> Grads:
        if all(n >= 0 for pair in self.widths for n in pair):
            inner = tuple(slice(w[0], w[0] + n) for w, n in zip(self.widths, self.input_shapes[0], strict=True))
            return (grad_output[inner],)
        return (in_kind(_pad, grad_output, tuple((-before, -behind) for before, behind in self.widths)),)


@operation(PadBackward, method="_pad")
def _pad(input: Tensor, widths: Widths, value: Scalar = 0) -> Tensor:
    """Return the tensor within a border of `value`."""
    data = input.data
    shape = tuple(n + before + behind for n, (before, behind) in zip(data.shape, widths, strict=True))
    out = np.full(shape, value, data.dtype) if value else np.zeros(shape, data.dtype)
    inner = tuple(slice(max(before, 0), n - max(behind, 0)) for n, (before, behind) in zip(shape, widths, strict=True))
    kept = tuple(slice(max(-w[0], 0), n - max(-w[1], 0)) for n, w in zip(data.shape, widths, strict=True))
    out[inner] = data[kept]
    return from_numpy(out)


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Return the tensor within a border.

    Parameters
    ----------
    input
        A tensor.
    pad
        How much to add: in front of and behind the last axis, then the last but one, and so on. Negative numbers cut
        off.
    mode
        What stands in the border: "constant": `value`; "reflect": the elements mirrored at the edge, which is not
        repeated; "replicate": the element at the edge; "circular": the elements from the other end.
    value
        For "constant"; 0 if None.

    Raises
    ------
    ValueError
        If the numbers do not come in pairs, are too many, cut off too much, or the mode cannot fill so much.

    Examples
    --------
    >>> pad(Tensor([1, 2, 3]), (1, 2))
    tensor([0., 1., 2., 3., 0., 0.])
    >>> pad(Tensor([[1, 2, 3]]), (1, 2), mode="reflect")
    tensor([[2., 1., 2., 3., 2., 1.]])
    """
    widths = _widths(input, pad)
    if mode == "constant":
        return _pad(input, widths, number_for(0 if value is None else value, input.dtype, "pad"))
    if mode not in ("reflect", "replicate", "circular"):
        raise ValueError(f"pad() knows the modes constant, reflect, replicate and circular, but got {mode!r}.")
    if value:
        raise ValueError(f'pad() takes a value with mode="constant" only, but got value={value} with mode="{mode}".')
    for axis, ends in enumerate(widths):
        if ends != (0, 0):
            input = _with_border(input, axis, ends, mode)
    return input if any(ends != (0, 0) for ends in widths) else clone(input)


def _widths(input: Tensor, pad: Sequence[int]) -> Widths:
    """Return what to add for each axis, from the pairs that start with the last axis."""
    flat = integers((pad,), "pad")
    if len(flat) % 2 or len(flat) > 2 * input.ndim:
        raise ValueError(
            f"pad() takes two numbers for each axis, from the last one on, but got {flat} for a tensor of shape "
            f"{input.shape}."
        )
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    widths = ((0, 0),) * (input.ndim - len(pairs)) + tuple(reversed(pairs))
    if any(n + before + behind < 0 for n, (before, behind) in zip(input.shape, widths, strict=True)):
        raise ValueError(f"pad() by {flat} cuts off more than a tensor of shape {input.shape} has.")
    return widths


def _with_border(input: Tensor, axis: int, ends: tuple[int, int], mode: str) -> Tensor:
    """Return the tensor, wider along `axis` by copies of its own elements."""
    count, (before, behind) = input.shape[axis], (max(n, 0) for n in ends)
    cut_before, cut_behind = (max(-n, 0) for n in ends)
    if mode != "reflect":  # cut first, and take the border from what is left; a mirror shows what was there
        input = slice_along(input, axis, cut_before, count - cut_behind)
        count -= cut_before + cut_behind
        cut_before = cut_behind = 0
    most = {"reflect": count - 1, "circular": count}.get(mode, math.inf if count else 0)
    if max(ends) > most:
        raise ValueError(f'pad() with mode="{mode}" can add {most} elements to an axis of {count}, but got {ends}.')
    border = {"reflect": _mirrored, "replicate": _repeated, "circular": _wrapped}[mode]
    front, back = border(input, axis, before, behind)
    wide = cat([front, input, back], axis)
    return slice_along(wide, axis, cut_before, wide.shape[axis] - cut_behind) if cut_before or cut_behind else wide


def _mirrored(input: Tensor, axis: int, before: int, behind: int) -> tuple[Tensor, Tensor]:
    last = input.shape[axis] - 1
    return flip(slice_along(input, axis, 1, before + 1), axis), flip(
        slice_along(input, axis, last - behind, last), axis
    )


def _repeated(input: Tensor, axis: int, before: int, behind: int) -> tuple[Tensor, Tensor]:
    count = input.shape[axis]
    first, last = slice_along(input, axis, 0, 1), slice_along(input, axis, count - 1, count)
    return repeat_each(first, before, axis), repeat_each(last, behind, axis)


def _wrapped(input: Tensor, axis: int, before: int, behind: int) -> tuple[Tensor, Tensor]:
    count = input.shape[axis]
    return slice_along(input, axis, count - before, count), slice_along(input, axis, 0, behind)


# NumPy's functions, whose arguments have other names or meanings.


def _np_flip(m: Tensor, axis: Dims | None = None) -> Tensor:
    return flip(m, tuple(range(m.ndim)) if axis is None else axis)


def _np_roll(a: Tensor, shift: Dims, axis: Dims | None = None) -> Tensor:
    if axis is not None:  # one number for several axes, or several for one
        pairs = np.broadcast(np.atleast_1d(shift), np.atleast_1d(axis))
        shift, axis = zip(*((int(by), int(along)) for by, along in pairs), strict=True)
    return roll(a, shift, axis)


def _np_pad(array: Tensor, pad_width: Any, mode: str = "constant", constant_values: float = 0) -> Tensor:
    pairs = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    mode = {"edge": "replicate", "wrap": "circular"}.get(mode, mode)
    return pad(array, [n for pair in reversed(pairs) for n in pair], mode, constant_values or None)


NUMPY.update(
    {
        np.flip: _np_flip,
        np.rot90: lambda m, k=1, axes=(0, 1): rot90(m, k, axes),
        np.roll: _np_roll,
        np.tril: lambda m, k=0: tril(m, k),
        np.triu: lambda m, k=0: triu(m, k),
        np.diag: lambda v, k=0: diag(v, k),
        np.diagonal: lambda a, offset=0, axis1=0, axis2=1: diagonal(a, offset, axis1, axis2),
        np.pad: _np_pad,
    }
)
