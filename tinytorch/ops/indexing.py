"""Elements picked by index or by mask, and put back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.core.autograd import ENHANCED, Function, IndexBackward, NotDifferentiableError, unbroadcast
from tinytorch.core.tensor import Array, FloatArray, Scalar, Tensor, from_numpy
from tinytorch.ops._index_errors import refuse_index
from tinytorch.ops._registry import NUMPY, composed, operation
from tinytorch.ops.shape import as_tensor, axis_of, clone, common_shape, expand, explained, filled, in_kind, number_for

__all__ = [
    "gather",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_reduce",
    "index_select",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "put",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "take",
    "take_along_dim",
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
        return added_at(from_numpy(zeros), places, values)
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
def added_at(input: Tensor, places: Array, values: Tensor) -> Tensor:
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
        grad_a = in_kind(put_at, grad_output, self.places, 0) if need_a else None
        return grad_a, in_kind(_at_places, grad_output, self.places) if need_b else None


@operation(PutAtBackward, method="_put_at")
def put_at(input: Tensor, places: Array, values: Any) -> Tensor:
    """Return a copy with a number, or a tensor of as many elements, written at `places`."""
    out = input.data.copy()
    out.reshape(-1)[places] = values.data if isinstance(values, Tensor) else values
    return from_numpy(out)


# The lesson's own index, t[...].

ENHANCED.append((Tensor, "__getitem__", explained(IndexBackward, refuse_index, IndexError)))


# Along an axis, an index for each element.


def as_row(x: Any) -> Any:
    """Return a 0-d array or tensor as one of one element; others as they are."""
    return x if x.ndim else x.reshape(1)


def _shaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return x if x.shape == shape else x.reshape(shape)


def _places(input: Tensor, dim: int, index: Any, name: str) -> Array:
    """Return the places that an index, which has to fit `input`, means; numbers count as rows of one element."""
    row: Array = as_row(index_of(index, name))
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
    row: Tensor = as_row(src)
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
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | Scalar | None = None,
    value: Scalar | None = None,
    *,
    reduce: str | None = None,
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
    reduce
        "add" or "multiply", to combine the values with what is there; None writes over it.

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
    if reduce is None:
        return put_at(input, places, what)
    if reduce not in ("add", "multiply"):
        raise ValueError(f'scatter() takes reduce="add", "multiply" or None, but got {reduce!r}.')
    values = what if isinstance(what, Tensor) else from_numpy(np.full(places.shape, what, input.dtype))
    return added_at(input, places, values) if reduce == "add" else _multiplied_at(input, places, values)


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
    return added_at(input, places, _source(input, src, places, "scatter_add"))


# Values that meet at a place, reduced to one.


class MultipliedAtBackward(Function):
    """Gradient of ``a`` multiplied with ``b`` at places: for each factor, the product of the others it meets.

    That product is ``out / factor`` where no factor is 0.
    """

    saves = ("inputs", "output")

    def __init__(self, a: Tensor, places: Array, b: Tensor, *, output: Tensor | None = None) -> None:
        super().__init__(a, b, output=output)
        self.places = places

    def apply(self, grad_output: FloatArray) -> Grads:
        a, b, out = self.saved_tensors
        need_a, need_b = self.needs_input_grad
        if (a == 0).any() or (b == 0).any():
            if isinstance(grad_output, Tensor):
                raise NotDifferentiableError(
                    "a product that meets a 0 at scattered places has no gradient of higher order here. Leave "
                    "create_graph out."
                )
            others_a, others_b = self._others(a, b)
            return grad_output * others_a if need_a else None, _picked(grad_output, self.places) * others_b
        flow = grad_output * out
        return flow / a if need_a else None, _picked(flow, self.places) / b if need_b else None

    def _others(self, a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return for each factor the product of the others at its place, of which any may be 0."""
        product, zeros = np.where(a == 0, 1, a), (a == 0).astype(np.int64)
        np.multiply.at(product.reshape(-1), self.places, np.where(b == 0, 1, b))
        np.add.at(zeros.reshape(-1), self.places, b == 0)

        def others(x: FloatArray, product: FloatArray, zeros: Array) -> FloatArray:
            without = zeros - (x == 0)
            left: FloatArray = np.where(without > 0, 0, product / np.where(x == 0, 1, x))
            return left

        return others(a, product, zeros), others(b, _picked(product, self.places), _picked(zeros, self.places))


def _picked(values: Any, places: Array) -> Any:
    """Return the elements at places, of an array or of a tensor."""
    return _at_places(values, places) if isinstance(values, Tensor) else np.take(values.reshape(-1), places)


@operation(MultipliedAtBackward, method="_multiplied_at")
def _multiplied_at(input: Tensor, places: Array, values: Tensor) -> Tensor:
    """Return a copy with `values` multiplied in at `places`."""
    out = input.data.copy()
    np.multiply.at(out.reshape(-1), places.reshape(-1), values.data.reshape(-1))
    return from_numpy(out)


class ExtremeAtBackward(Function):
    """Gradient of the largest, or smallest, of ``a`` and the ``b`` that meet at a place: the equal ones share it."""

    saves = ("inputs", "output")

    def __init__(self, a: Tensor, places: Array, b: Tensor, extreme: np.ufunc, *, output: Tensor | None = None) -> None:
        super().__init__(a, b, output=output)
        self.places = places

    def apply(self, grad_output: FloatArray) -> Grads:
        a, b, out = (x.data if isinstance(x, Tensor) else x for x in self.saved_tensors)  # only which are equal counts
        need_a, need_b = self.needs_input_grad
        chosen_a, chosen_b = (x.astype(out.dtype) for x in (a == out, b == np.take(out.reshape(-1), self.places)))
        count = chosen_a.copy()
        add_at(count, self.places, chosen_b)
        share = grad_output / np.maximum(count, 1)
        return share * chosen_a if need_a else None, _picked(share, self.places) * chosen_b if need_b else None


@operation(ExtremeAtBackward, method="_extreme_at")
def _extreme_at(input: Tensor, places: Array, values: Tensor, extreme: np.ufunc) -> Tensor:
    """Return a copy with the larger, or smaller, of itself and `values` at `places`."""
    out = input.data.copy()
    extreme.at(out.reshape(-1), places.reshape(-1), values.data.reshape(-1))
    return from_numpy(out)


_REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def _reduced_at(name: str, input: Tensor, places: Array, values: Tensor, reduce: str, include_self: bool) -> Tensor:
    """Return a copy where `values`, and with `include_self` what was there, are reduced to one at their places."""
    if not include_self:
        input = put_at(input, places, _neutral(reduce, input.dtype))
    if reduce in ("sum", "mean"):
        total = added_at(input, places, values)
        return total if reduce == "sum" else _over_counts(total, places, include_self)
    if reduce == "prod":
        return _multiplied_at(input, places, values)
    return _extreme_at(input, places, values, np.maximum if reduce == "amax" else np.minimum)


def _neutral(reduce: str, dtype: np.dtype[Any]) -> Scalar:
    """Return the number that changes nothing in a reduction."""
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if dtype.kind == "f":
        return -math.inf if reduce == "amax" else math.inf
    if dtype.kind == "b":
        return reduce == "amin"
    limits = np.iinfo(dtype)
    return int(limits.min if reduce == "amax" else limits.max)


def _over_counts(total: Tensor, places: Array, include_self: bool) -> Tensor:
    counts = np.bincount(places.reshape(-1), minlength=total.size).reshape(total.shape) + include_self
    counts = np.maximum(counts, 1).astype(total.dtype)
    return total / from_numpy(counts) if total.dtype.kind == "f" else from_numpy(total.data // counts)


def _check_reduction(name: str, reduce: str, known: tuple[str, ...]) -> None:
    if reduce not in known:
        raise ValueError(f"{name}() takes as reduce {', '.join(map(repr, known))}, but got {reduce!r}.")


@composed()
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return a copy where the values of `src` that `index` sends to one place along `dim` are reduced to one.

    Parameters
    ----------
    input
        Where to write. What no index names stays as it is.
    dim, index, src
        As `scatter` takes them.
    reduce
        "sum", "prod", "mean", "amax" or "amin".
    include_self
        Whether what stands at the place takes part.

    Notes
    -----
    Of equal largest or smallest ones each gets its share of the gradient. Source: ``torch.scatter_reduce``.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> scatter_reduce(Tensor([0, 0]), 0, tensor([0, 0, 1]), Tensor([2, 6, 5]), "mean", include_self=False)
    tensor([4., 5.])
    """
    _check_reduction("scatter_reduce", reduce, _REDUCTIONS)
    places = _places(input, dim, index, "scatter_reduce")
    values = _source(input, src, places, "scatter_reduce")
    return _reduced_at("scatter_reduce", input, places, values, reduce, include_self)


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
    places = _counted_from_front(as_row(places), shape[axis], axis, "take_along_dim")
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
    places = as_row(index_of(index, name))
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
    places = _slices("index_add", input, dim, index, source)
    factor = number_for(alpha, input.dtype, "index_add")
    values = source if factor == 1 else source * factor
    return added_at(input, places, values)


def _slices(name: str, input: Tensor, dim: int, index: Any, source: Tensor) -> Array:
    """Return the places along `dim` that an index of one axis means, for which `source` has the values."""
    axis, places = _row_of_places(input, dim, index, name)
    if not isinstance(source, Tensor) or source.dtype != input.dtype:
        found = f"one of {source.dtype}" if isinstance(source, Tensor) else type(source).__name__
        raise TypeError(f"{name}() into a tensor of {input.dtype} takes a source of the same dtype, but got {found}.")
    shape = input.shape[:axis] + ((places.size,) if input.ndim else ()) + input.shape[axis + 1 :]
    if source.shape != shape:
        raise ValueError(
            f"{name}() at {places.size} places along axis {axis} of shape {input.shape} takes a source of shape "
            f"{shape}, but got {source.shape}."
        )
    return _places_of_slices(input.shape or (1,), axis, places)


@composed()
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Return a copy with the slices of `source` written along `dim` at the places in `index`.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> index_copy(Tensor([0, 0, 0]), 0, tensor([2, 0]), Tensor([1, 3]))
    tensor([3., 0., 1.])
    """
    return put_at(input, _slices("index_copy", input, dim, index, source), source)


@composed()
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return a copy where the slices of `source` that `index` sends to one place along `dim` are reduced to one.

    `reduce` is "prod", "mean", "amax" or "amin", as in `scatter_reduce`; `index_add` is the sum.
    """
    _check_reduction("index_reduce", reduce, _REDUCTIONS[1:])
    places = _slices("index_reduce", input, dim, index, source)
    return _reduced_at("index_reduce", input, places, source.reshape(places.shape), reduce, include_self)


@composed()
def index_fill(input: Tensor, dim: int, index: Tensor, value: Scalar | Tensor) -> Tensor:
    """Return a copy with `value`, a number or a 0-d tensor, at the places in `index` along `dim`.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> index_fill(Tensor([[1, 2, 3]]), 1, tensor([0, 2]), -1)
    tensor([[-1.,  2., -1.]])
    """
    axis, row = _row_of_places(input, dim, index, "index_fill")
    places = _places_of_slices(input.shape or (1,), axis, row)
    if not isinstance(value, Tensor):
        return put_at(input, places, number_for(value, input.dtype, "index_fill"))
    if value.ndim:
        raise ValueError(f"index_fill() takes a number or a 0-d tensor, but got a tensor of shape {value.shape}.")
    return put_at(input, places, expand(value.to(input.dtype), places.shape))


@composed()
def index_put(input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """Return a copy with `values` at ``input[indices]``.

    Parameters
    ----------
    input
        A tensor.
    indices
        For each of the first axes a tensor of integers or bools, or None for all of it.
    values
        What to write; it broadcasts to the shape of ``input[indices]``.
    accumulate
        Add it to what is there, where a place is named twice both, instead of writing over it.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> index_put(Tensor([0, 0]), (tensor([1, 1]),), Tensor([2, 3]), accumulate=True)
    tensor([0., 5.])
    """
    if not isinstance(indices, list | tuple):
        raise TypeError(f"index_put() takes a tuple of tensors as indices, but got {type(indices).__name__}.")
    if not isinstance(values, Tensor) or values.dtype != input.dtype:
        found = f"one of {values.dtype}" if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"index_put() into a tensor of {input.dtype} takes a tensor of that dtype, but got {found}.")
    whole = tuple(slice(None) if index is None else index for index in indices)
    places = from_numpy(np.arange(input.size).reshape(input.shape))[whole].data
    if common_shape([places.shape, values.shape], "index_put") != places.shape:
        raise ValueError(f"index_put() has room for shape {places.shape}, but got values of shape {values.shape}.")
    spread = values if values.shape == places.shape else expand(values, places.shape)
    return (added_at if accumulate else put_at)(input, places, spread)


@composed()
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Return a copy with `source` at the places in `index`, counted as if the tensor were one row.

    With `accumulate` it is added to what is there.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> put(Tensor([[1, 2], [3, 4]]), tensor([0, -1]), Tensor([8, 9]))
    tensor([[8., 2.],
            [3., 9.]])
    """
    places = _counted_from_front(index_of(index, "put"), input.size, 0, "put")
    if not isinstance(source, Tensor) or source.dtype != input.dtype or source.size != places.size:
        found = f"{source.size} of {source.dtype}" if isinstance(source, Tensor) else type(source).__name__
        raise TypeError(f"put() at {places.size} places takes as many values of {input.dtype}, but got {found}.")
    values = source if source.shape == places.shape else source.reshape(places.shape)
    return (added_at if accumulate else put_at)(input, places, values)


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


@composed()
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Return a copy with the elements of `source`, one after the other, where `mask` is true.

    Raises
    ------
    ValueError
        If `source` has fewer elements than are wanted.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> masked_scatter(Tensor([1, 2, 3]), tensor([True, False, True]), Tensor([8, 9]))
    tensor([8., 2., 9.])
    """
    where = mask_of(mask, "masked_scatter")
    shape = common_shape([input.shape, where.shape], "masked_scatter")
    if not isinstance(source, Tensor) or source.dtype != input.dtype:
        found = f"one of {source.dtype}" if isinstance(source, Tensor) else type(source).__name__
        raise TypeError(
            f"masked_scatter() into a tensor of {input.dtype} takes one of the same dtype, but got {found}."
        )
    places = np.flatnonzero(np.broadcast_to(where, shape))
    if source.size < places.size:
        raise ValueError(f"masked_scatter() needs {places.size} values, but its source has {source.size}.")
    return put_at(input if input.shape == shape else expand(input, shape), places, source.reshape(-1)[: places.size])


# NumPy's functions, whose arguments have other names or meanings.


def _np_take(a: Any, indices: Any, axis: int | None = None) -> Tensor:
    a, places = as_tensor(a), index_of(as_tensor(indices), "take")
    if axis is None:
        return take(a, from_numpy(places))
    axis = axis_of(axis, a.ndim, "take")
    places = _counted_from_front(places, a.shape[axis], axis, "take")
    shape = (*a.shape[:axis], *places.shape, *a.shape[axis + 1 :])
    return _index_select(a, axis, places.reshape(-1)).reshape(shape)


def _np_take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Tensor:
    return take_along_dim(as_tensor(arr), as_tensor(indices), axis)


NUMPY[np.take] = _np_take
NUMPY[np.take_along_axis] = _np_take_along_axis
NUMPY[np.extract] = lambda condition, arr: masked_select(as_tensor(arr), as_tensor(condition))
