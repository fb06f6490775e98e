"""Elements picked by index or by mask, and put back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.core.autograd import Function, NotDifferentiableError, is_grad_enabled, unbroadcast
from tinytorch.core.tensor import Array, FloatArray, Scalar, Tensor, from_numpy
from tinytorch.ops._registry import NUMPY, composed, operation
from tinytorch.ops.shape import axis_of, clone, common_shape, expand, filled, in_kind, number_for, ravel

__all__ = [
    "argwhere",
    "bucketize",
    "gather",
    "index_add",
    "index_select",
    "isin",
    "masked_fill",
    "masked_select",
    "nonzero",
    "scatter",
    "scatter_add",
    "searchsorted",
    "take",
    "take_along_dim",
    "unique",
]

Grads = tuple[FloatArray | None, ...]


# What is asked of indices and masks.


def index_of(index: Any, name: str) -> Array:
    """Return the array of a tensor of integers.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if not isinstance(index, Tensor) or index.dtype.kind not in "iu":
        found = f"one of {index.dtype}" if isinstance(index, Tensor) else type(index).__name__
        raise TypeError(f"{name}() takes a tensor of integers as its index, but got {found}. Use index.long().")
    return index.data.astype(np.int64, copy=False)


def mask_of(mask: Any, name: str) -> Array:
    """Return the array of a tensor of bools.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if not isinstance(mask, Tensor) or mask.dtype.kind != "b":
        found = f"one of {mask.dtype}" if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"{name}() takes a tensor of bools as its mask, but got {found}. Compare, as in mask != 0.")
    return mask.data


def _check_bounds(index: Array, count: int, axis: int, name: str) -> None:
    if index.size and index.view(np.uint64).max() >= count:  # a negative number looks huge
        wrong = index[(index < 0) | (index >= count)].flat[0]
        raise IndexError(f"{name}() was given index {wrong}, but axis {axis} takes 0 to {count - 1}.")


def _counted_from_front(index: Array, count: int, axis: int, name: str) -> Array:
    """Return an index without negative numbers, which count from the end."""
    if index.size and (index.min() < -count or index.max() >= count):
        wrong = index[(index < -count) | (index >= count)].flat[0]
        raise IndexError(f"{name}() was given index {wrong}, but axis {axis} takes {-count} to {count - 1}.")
    return np.where(index < 0, index + count, index)


# Places: indices into a tensor as if it were one row. NumPy picks and adds several times faster by one index than by
# one for each axis, and one pair of rules does for all operations of this kind.


def places_along(shape: tuple[int, ...], axis: int, index: Array, extent: tuple[int, ...]) -> Array:
    """Return where elements stand in a row of all elements of an array.

    Parameters
    ----------
    shape
        The shape of that array.
    axis
        Along which axis `index` counts, from 0 on.
    index
        With as many axes as the array; it broadcasts to `extent`.
    extent
        How many elements are meant along each axis, from the first one on; along `axis`, those of `index`.

    Returns
    -------
    Array
        A new array of shape `extent`.

    Examples
    --------
    >>> places_along((2, 3), 1, np.array([[2], [0]]), (2, 1))
    array([[2],
           [3]])
    """
    steps = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    rows = [
        (np.arange(n) * step).reshape([n if i == j else 1 for j in range(len(shape))])
        for i, (n, step) in enumerate(zip(extent, steps, strict=True))
        if i != axis
    ]
    return index * steps[axis] + sum(rows)


def add_at(out: Array, places: Array, values: Array) -> None:
    """Add `values` to a contiguous array at `places`, in place; a place that is named twice gets both."""
    np.add.at(out.reshape(-1), places.reshape(-1), values.reshape(-1))


def _zeros_with(values: Any, places: Array, shape: tuple[int, ...]) -> Any:
    """Return zeros of `shape` with an array or a tensor added at `places`."""
    zeros: FloatArray = np.zeros(shape, values.dtype)
    if isinstance(values, Tensor):
        return _add_at(from_numpy(zeros), places, values)
    add_at(zeros, places, values)
    return zeros


class PickBackward(Function):
    """Gradient of elements picked by their places: `grad_output`, added where they came from."""

    saves = ()

    def __init__(self, a: Tensor, places: Array, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.places = places

    def apply(self, grad_output: FloatArray) -> Grads:
        return (_zeros_with(grad_output, self.places, self.input_shapes[0]),)


@operation(PickBackward, method="_at_places")
def _at_places(input: Tensor, places: Array) -> Tensor:
    """Return the elements at `places`, which nobody else may change."""
    return from_numpy(np.take(input.data.reshape(-1), places))


class AddAtBackward(Function):
    """Gradient of ``a`` with ``b`` added at places: `grad_output` for a, what arrives at the places for b."""

    saves = ()

    def __init__(self, a: Tensor, places: Array, b: Tensor, *, output: Tensor | None = None) -> None:
        super().__init__(a, b, output=output)
        self.places = places

    def apply(self, grad_output: FloatArray) -> Grads:
        need_a, need_b = self.needs_input_grad
        return grad_output if need_a else None, in_kind(_at_places, grad_output, self.places) if need_b else None


@operation(AddAtBackward, method="_add_at")
def _add_at(input: Tensor, places: Array, values: Tensor) -> Tensor:
    """Return a copy with `values` added at `places`."""
    out = input.data.copy()
    add_at(out, places, values.data)
    return from_numpy(out)


class PutAtBackward(Function):
    """Gradient of ``a`` with ``b`` written at places: for a, 0 at the places; for b, what arrives there.

    Where a place is named twice, which value wins is not said, and each receives the gradient, as in PyTorch.
    """

    saves = ()

    def __init__(self, a: Tensor, places: Array, b: Any, *, output: Tensor | None = None) -> None:
        super().__init__(a, b, output=output)
        self.places = places

    def apply(self, grad_output: FloatArray) -> Grads:
        need_a, need_b = self.needs_input_grad
        grad_a = in_kind(_put_at, grad_output, self.places, 0) if need_a else None
        return grad_a, in_kind(_at_places, grad_output, self.places) if need_b else None


@operation(PutAtBackward, method="_put_at")
def _put_at(input: Tensor, places: Array, values: Any) -> Tensor:
    """Return a copy with a number, or a tensor of as many elements, written at `places`."""
    out = input.data.copy()
    out.reshape(-1)[places] = values.data if isinstance(values, Tensor) else values
    return from_numpy(out)


# Along an axis, an index for each element.


def _row(x: Any) -> Any:
    """Return a 0-d array or tensor as one of one element; others as they are."""
    return x if x.ndim else x.reshape(1)


def _shaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return x if x.shape == shape else x.reshape(shape)


def _places(input: Tensor, dim: int, index: Any, name: str) -> Array:
    """Return the places that an index, which has to fit `input`, means; numbers count as rows of one element."""
    row: Array = _row(index_of(index, name))
    axis, shape = axis_of(dim, input.ndim, name), input.shape or (1,)
    if not row.size:  # an index that picks nothing may have any shape
        return row.reshape((0,) * len(shape))
    if row.ndim != len(shape):
        raise ValueError(
            f"{name}() takes an index with as many axes as the tensor, but got shapes {index.shape} and {input.shape}."
        )
    if any(n > m for i, (n, m) in enumerate(zip(row.shape, shape, strict=True)) if i != axis):
        raise ValueError(
            f"{name}() along axis {axis} takes an index that is nowhere else longer than the tensor, but got shapes "
            f"{index.shape} and {input.shape}."
        )
    _check_bounds(row, shape[axis], axis, name)
    return places_along(shape, axis, row, row.shape)


@composed()
def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the elements that stand along `dim` at the places in `index`, and on the other axes where these do.

    Shapes: the result has the shape of `index`, which has as many axes as the tensor and is nowhere longer, except
    along `dim`. For a matrix and ``dim=1``: ``out[i, j] = input[i, index[i, j]]``. Source: ``torch.gather``.

    Raises
    ------
    TypeError
        If `index` does not hold integers.
    ValueError
        If its shape does not fit.
    IndexError
        If it names a place that is not there; negative ones are not.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> gather(Tensor([[1, 2], [3, 4]]), 1, tensor([[1], [0]]))
    tensor([[2.],
            [3.]])
    """
    return _shaped(_at_places(input, _places(input, dim, index, "gather")), index.shape)


def _source(input: Tensor, src: Any, places: Array, name: str) -> Tensor:
    """Return the part of `src` that belongs to an index."""
    if not isinstance(src, Tensor) or src.dtype != input.dtype:
        found = f"one of {src.dtype}" if isinstance(src, Tensor) else type(src).__name__
        raise TypeError(f"{name}() into a tensor of {input.dtype} takes a tensor of the same dtype, but got {found}.")
    row: Tensor = _row(src)
    if not places.size:
        return row.reshape(-1)[:0].reshape(places.shape)
    if row.ndim != places.ndim or any(n > m for n, m in zip(places.shape, row.shape, strict=True)):
        raise ValueError(
            f"{name}() takes a source that has a value for each place of the index, but got shapes {src.shape} and "
            f"{places.shape}."
        )
    return row if row.shape == places.shape else row[tuple(slice(n) for n in places.shape)]


@composed()
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Tensor | Scalar | None = None, value: Scalar | None = None
) -> Tensor:
    """Return a copy with values written along `dim` at the places in `index`.

    Parameters
    ----------
    input
        Where to write.
    dim
        The axis along which `index` counts.
    index
        The places, as `gather` takes them. For a matrix and ``dim=1``: ``out[i, index[i, j]] = src[i, j]``.
    src
        What to write: a number, or a tensor with a value for each place.
    value
        A number; another way to say it.

    Raises
    ------
    TypeError
        If `index` does not hold integers, or `src` has another dtype than the tensor.
    ValueError
        If a shape does not fit.
    IndexError
        If the index names a place that is not there.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> scatter(Tensor([[1, 2], [3, 4]]), 1, tensor([[1], [0]]), 9)
    tensor([[1., 9.],
            [9., 4.]])
    """
    places = _places(input, dim, index, "scatter")
    if (src is None) == (value is None):
        raise TypeError("scatter() writes a tensor, src, or a number, value: pass one of the two.")
    number = src if value is None else value
    what: Any = (
        _source(input, number, places, "scatter")
        if isinstance(number, Tensor)
        else number_for(number, input.dtype, "scatter")
    )
    return _put_at(input, places, what)


@composed()
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return a copy with `src` added along `dim` at the places in `index`; a place named twice gets both.

    Shapes and errors: as `scatter`.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> scatter_add(Tensor([0, 0, 0]), 0, tensor([2, 0, 2]), Tensor([1, 2, 3]))
    tensor([2., 0., 4.])
    """
    places = _places(input, dim, index, "scatter_add")
    return _add_at(input, places, _source(input, src, places, "scatter_add"))


@composed()
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Return the elements that stand along `dim` at the places in `indices`; in the flattened tensor without `dim`.

    Shapes: the two broadcast on the other axes. Negative places count from the end. Source: ``torch.take_along_dim``.

    Examples
    --------
    >>> x = Tensor([[3, 1, 2], [4, 6, 5]])
    >>> take_along_dim(x, x.argmax(dim=1, keepdim=True), dim=1)
    tensor([[3.],
            [6.]])
    """
    places = index_of(indices, "take_along_dim")
    if dim is None:
        places = _counted_from_front(places.reshape(-1), input.size, 0, "take_along_dim")
        return _at_places(input, places)
    if places.ndim != input.ndim:
        raise ValueError(
            f"take_along_dim() takes indices with as many axes as the tensor, but got shapes {indices.shape} and "
            f"{input.shape}."
        )
    axis, shape = axis_of(dim, input.ndim, "take_along_dim"), input.shape or (1,)
    places = _counted_from_front(_row(places), shape[axis], axis, "take_along_dim")
    wanted = common_shape([_cut_to_1(shape, axis), _cut_to_1(places.shape, axis)], "take_along_dim")
    extent = (*wanted[:axis], places.shape[axis], *wanted[axis + 1 :])
    if wanted != _cut_to_1(shape, axis):
        input = expand(input, (*wanted[:axis], shape[axis], *wanted[axis + 1 :]))
    places = places_along(input.shape or (1,), axis, places, extent)
    return _shaped(_at_places(input, places), extent if input.ndim else ())


def _cut_to_1(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], 1, *shape[axis + 1 :])


# Along an axis, one index for all.


class IndexSelectBackward(Function):
    """Gradient of ``out = a.index_select(dim, index)``: `grad_output`, added where the elements came from."""

    saves = ()

    def __init__(self, a: Tensor, axis: int, index: Array, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.axis, self.index = axis, index.copy()  # somebody may change the array before the walk comes by

    def apply(self, grad_output: FloatArray) -> Grads:
        shape = self.input_shapes[0]
        places = _places_of_slices(shape, self.axis, self.index)
        return (_zeros_with(grad_output, places, shape),)


def _places_of_slices(shape: tuple[int, ...], axis: int, index: Array) -> Array:
    """Return the places of all that stands at `index`, a row, along `axis`."""
    upright = index.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return places_along(shape, axis, upright, (*shape[:axis], index.size, *shape[axis + 1 :]))


@operation(IndexSelectBackward, method="_index_select")
def _index_select(input: Tensor, axis: int, index: Array) -> Tensor:
    """Return what stands at the places `index`, which count from 0, along `axis`."""
    return from_numpy(np.take(input.data, index, axis))


def _row_of_places(input: Tensor, dim: int, index: Any, name: str) -> tuple[int, Array]:
    """Return the axis and the array of an index of one axis."""
    places = _row(index_of(index, name))
    axis = axis_of(dim, input.ndim, name)
    if places.ndim != 1:
        raise ValueError(f"{name}() takes an index of one axis, but got shape {places.shape}. Use t[index] for more.")
    _check_bounds(places, (input.shape or (1,))[axis], axis, name)
    return axis, places


@composed()
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return what stands along `dim` at the places in `index`, in that order.

    Raises
    ------
    TypeError
        If `index` does not hold integers.
    ValueError
        If it has more than one axis.
    IndexError
        If it names a place that is not there; negative ones are not.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> index_select(Tensor([[1, 2, 3], [4, 5, 6]]), 1, tensor([2, 0]))
    tensor([[3., 1.],
            [6., 4.]])
    """
    axis, places = _row_of_places(input, dim, index, "index_select")
    if not input.ndim:
        if places.size != 1:
            raise ValueError(f"index_select() from a 0-d tensor takes one place, but got {places.size}.")
        return clone(input)
    return _index_select(input, axis, places)


@composed()
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Scalar = 1) -> Tensor:
    """Return a copy with ``alpha * source`` added along `dim` at the places in `index`; one named twice gets both.

    Raises
    ------
    TypeError
        If `index` does not hold integers, or `source` has another dtype than the tensor.
    ValueError
        If a shape does not fit.
    IndexError
        If the index names a place that is not there.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> index_add(Tensor([0, 0, 0]), 0, tensor([2, 2]), Tensor([1, 3]))
    tensor([0., 0., 4.])
    """
    axis, places = _row_of_places(input, dim, index, "index_add")
    if source.dtype != input.dtype:
        raise TypeError(
            f"index_add() into a tensor of {input.dtype} takes a source of the same dtype, but got {source.dtype}."
        )
    shape = input.shape[:axis] + ((places.size,) if input.ndim else ()) + input.shape[axis + 1 :]
    if source.shape != shape:
        raise ValueError(
            f"index_add() at {places.size} places along axis {axis} of shape {input.shape} takes a source of shape "
            f"{shape}, but got {source.shape}."
        )
    factor = number_for(alpha, input.dtype, "index_add")
    values = source if factor == 1 else source * factor
    return _add_at(input, _places_of_slices(input.shape or (1,), axis, places), values)


@composed()
def take(input: Tensor, index: Tensor) -> Tensor:
    """Return the elements at the places in `index`, counted as if the tensor were one row; negative from the end.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> take(Tensor([[1, 2], [3, 4]]), tensor([0, -1]))
    tensor([1., 4.])
    """
    places = _counted_from_front(index_of(index, "take"), input.size, 0, "take")
    return _at_places(input, places)


# By mask.


class MaskedFillBackward(Function):
    """Gradient of ``out = a.masked_fill(mask, b)``: what arrives where the mask is false for a, the rest for b."""

    saves = ()

    def __init__(self, a: Tensor, mask: Array, b: Any, *, output: Tensor | None = None) -> None:
        super().__init__(a, b, output=output)
        self.mask = mask.copy()

    def apply(self, grad_output: FloatArray) -> Grads:
        need_a, need_b = self.needs_input_grad
        grad_a = grad_b = None
        if need_a:
            grad_a = unbroadcast(in_kind(_masked_fill, grad_output, self.mask, 0), self.input_shapes[0])
        if need_b:
            grad_b = in_kind(_masked_fill, grad_output, ~self.mask, 0).sum()
        return grad_a, grad_b


@operation(MaskedFillBackward, method="_masked_fill")
def _masked_fill(input: Tensor, mask: Array, value: Any) -> Tensor:
    return from_numpy(filled(input.data, mask, value.data if isinstance(value, Tensor) else value))


@composed()
def masked_fill(input: Tensor, mask: Tensor, value: Scalar | Tensor) -> Tensor:
    """Return the tensor with `value` where `mask` is true.

    Parameters
    ----------
    input
        A tensor.
    mask
        Bools, of a shape that broadcasts with the tensor's.
    value
        A number or a 0-d tensor; it takes the tensor's dtype.

    Raises
    ------
    TypeError
        If the mask does not hold bools.
    ValueError
        If the shapes do not broadcast, or the dtype cannot hold the value.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> masked_fill(Tensor([1, 2, 3]), tensor([False, True, False]), -1)
    tensor([ 1., -1.,  3.])
    """
    where = mask_of(mask, "masked_fill")
    common_shape([input.shape, where.shape], "masked_fill")
    if isinstance(value, Tensor):
        if value.ndim:
            raise ValueError(f"masked_fill() takes a number or a 0-d tensor, but got a tensor of shape {value.shape}.")
        return _masked_fill(input, where, value)
    return _masked_fill(input, where, number_for(value, input.dtype, "masked_fill"))


@composed()
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Return the elements where `mask`, which broadcasts with the tensor, is true, in one row.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> masked_select(Tensor([[1, 2], [3, 4]]), tensor([[True, False], [True, True]]))
    tensor([1., 3., 4.])
    """
    where = mask_of(mask, "masked_select")
    shape = common_shape([input.shape, where.shape], "masked_select")
    stretched = input if input.shape == shape else expand(input, shape)
    return _at_places(stretched, np.flatnonzero(np.broadcast_to(where, shape)))


# Indices of elements. They have no gradient.


@composed()
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Return where the elements are that are not 0.

    Returns
    -------
    Tensor or tuple of Tensor
        A row of indices for each such element, or, with `as_tuple`, one tensor of indices for each axis, such that
        ``t[t.nonzero(as_tuple=True)]`` is those elements.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> nonzero(tensor([[0, 1], [1, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    if as_tuple:
        return tuple(from_numpy(places) for places in np.nonzero(np.atleast_1d(input.data)))
    return argwhere(input)


@composed()
def argwhere(input: Tensor) -> Tensor:
    """Return a row of indices for each element that is not 0."""
    return from_numpy(np.argwhere(input.data))


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Return a row for each class in `tensor`, with 1 at its place and 0 elsewhere.

    Parameters
    ----------
    tensor
        Classes, from 0 on.
    num_classes
        The length of the rows; one more than the largest class if it is -1.

    Raises
    ------
    TypeError
        If the classes are not integers.
    ValueError
        If a class is negative or has no place, or there is none to tell the length from.

    Examples
    --------
    >>> one_hot(Tensor([0, 2]).long())
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    classes = index_of(tensor, "one_hot")
    if num_classes == -1:
        if not classes.size:
            raise ValueError("one_hot() cannot tell the number of classes from an empty tensor. Pass num_classes=.")
        num_classes = int(classes.max()) + 1
    if num_classes < 1 or (classes.size and not 0 <= classes.min() <= classes.max() < num_classes):
        found = f"{classes.min()} to {classes.max()}" if classes.size else "none"
        raise ValueError(f"one_hot() of {num_classes} classes takes 0 to {num_classes - 1}, but got {found}.")
    out = np.zeros((*classes.shape, num_classes), np.int64)
    np.put_along_axis(out, classes[..., None], 1, -1)
    return from_numpy(out)


def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | Scalar,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Return where each value would have to stand in a sorted sequence to keep it sorted.

    Parameters
    ----------
    sorted_sequence
        Rising values along the last axis: one sequence, or one for each row of `input`.
    input
        The values, or one number.
    out_int32
        Return int32 instead of int64.
    right
        Put a value behind its equals instead of in front of them.
    side
        "left" or "right"; another way to say it.
    sorter
        The indices that sort the sequence, if it is not sorted.

    Raises
    ------
    ValueError
        If the rows of the two do not match, or `side` is unknown or contradicts `right`.

    Examples
    --------
    >>> searchsorted(Tensor([1, 3, 5]), Tensor([3, 4]))
    tensor([1, 2])
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ValueError(f'searchsorted() takes side="left" or side="right", but got side={side!r}, right={right}.')
    data = sorted_sequence.data
    if sorter is not None:
        data = take_along_dim(sorted_sequence.detach(), sorter, -1).data
    values = np.asarray(input.data if isinstance(input, Tensor) else input)
    if data.ndim != 1 and (data.ndim != values.ndim or data.shape[:-1] != values.shape[:-1] or not data.ndim):
        raise ValueError(
            f"searchsorted() takes one sequence, or one for each row of the values, but got shapes {data.shape} and "
            f"{values.shape}, whose axes in front of the last differ."
        )
    behind = right or side == "right"
    if data.ndim == 1:
        found = np.asarray(np.searchsorted(data, values, "right" if behind else "left"))
    else:
        found = _searched_by_rows(data, values, behind)
    return from_numpy(found.astype(np.int32 if out_int32 else np.int64, copy=False))


def _searched_by_rows(data: Array, values: Array, behind: bool) -> Array:
    """Return the place of each value in the sequence of its row, by halving all intervals at once."""
    count = data.shape[-1]
    low, high = np.zeros(values.shape, np.int64), np.full(values.shape, count)
    for _ in range(count.bit_length()):
        middle = (low + high) // 2
        pivot = np.take_along_axis(data, np.minimum(middle, count - 1), -1)
        above = (low < high) & ~(pivot > values if behind else pivot >= values)  # a nan stands last
        low, high = np.where(above, middle + 1, low), np.where(above, high, np.minimum(middle, high))
    return low


def bucketize(input: Tensor | Scalar, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """Return the number of the bucket that each value falls into; boundaries rise.

    Bucket i ends with ``boundaries[i]``, which belongs to it; with `right`, to the next.

    Examples
    --------
    >>> bucketize(Tensor([1, 4, 9]), Tensor([3, 6]))
    tensor([0, 1, 2])
    """
    if boundaries.ndim != 1:
        raise ValueError(f"bucketize() takes boundaries in one row, but got shape {boundaries.shape}.")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@composed()
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Return the different elements, or the different slices along `dim`, from small to large.

    Parameters
    ----------
    input
        A tensor.
    sorted
        There for PyTorch's sake: the result is sorted in either case.
    return_inverse
        Return also where each element stands in the result.
    return_counts
        Return also how often each occurs.
    dim
        The axis whose slices are compared; single elements if it is None.

    Raises
    ------
    NotDifferentiableError
        If the tensor requires a gradient.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> unique(tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    if input.requires_grad and is_grad_enabled():
        raise NotDifferentiableError(
            "unique() has no gradient, and this tensor requires one, which would be lost there. If you mean to: "
            "t.detach().unique()."
        )
    axis = None if dim is None else axis_of(dim, input.ndim, "unique")
    data = _row(input.data)
    values, inverse, counts = np.unique(data, return_inverse=True, return_counts=True, axis=axis, equal_nan=False)
    found = [values]
    if return_inverse:
        found.append(inverse.reshape(input.shape if axis is None else -1))
    if return_counts:
        found.append(counts)
    tensors = tuple(from_numpy(array) for array in found)
    return tensors if len(tensors) > 1 else tensors[0]


def isin(
    elements: Tensor | Scalar, test_elements: Tensor | Scalar, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Return for each element whether it is one of `test_elements`; with `invert`, whether it is not.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> isin(tensor([1, 2, 3]), tensor([2, 5]))
    tensor([False,  True, False])
    """
    data, wanted = (np.asarray(x.data if isinstance(x, Tensor) else x) for x in (elements, test_elements))
    return from_numpy(np.asarray(np.isin(data, wanted, assume_unique=assume_unique, invert=invert)))


# NumPy's functions, whose arguments have other names or meanings.


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else from_numpy(np.asarray(value))


def _np_take(a: Any, indices: Any, axis: int | None = None) -> Tensor:
    a, places = _tensor(a), index_of(_tensor(indices), "take")
    if axis is None:
        return take(a, from_numpy(places))
    axis = axis_of(axis, a.ndim, "take")
    places = _counted_from_front(places, a.shape[axis], axis, "take")
    shape = (*a.shape[:axis], *places.shape, *a.shape[axis + 1 :])
    return _index_select(a, axis, places.reshape(-1)).reshape(shape)


def _np_take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Tensor:
    return take_along_dim(_tensor(arr), _tensor(indices), axis)


def _np_searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Tensor:
    order = None if sorter is None else _tensor(sorter)
    return searchsorted(_tensor(a), _tensor(v), side=side, sorter=order)


NUMPY.update(
    {
        np.take: _np_take,
        np.take_along_axis: _np_take_along_axis,
        np.extract: lambda condition, arr: masked_select(_tensor(arr), _tensor(condition)),
        np.nonzero: lambda a: nonzero(a, as_tuple=True),
        np.flatnonzero: lambda a: nonzero(ravel(a), as_tuple=True)[0],
        np.argwhere: lambda a: argwhere(a),
        np.searchsorted: _np_searchsorted,
        np.isin: lambda element, test_elements, assume_unique=False, invert=False: isin(
            element, test_elements, assume_unique=assume_unique, invert=invert
        ),
    }
)
