"""Shapes: axes and pieces of tensors, taken apart and put together.

What only looks at a tensor in another way shares its memory, as in PyTorch; what puts tensors together is new.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tinytorch.core.autograd import Function, unbroadcast
from tinytorch.core.tensor import Array, FloatArray, Scalar, Tensor, from_numpy
from tinytorch.ops._registry import NUMPY, composed, operation

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_tensors",
    "broadcast_to",
    "cat",
    "chunk",
    "clone",
    "column_stack",
    "concat",
    "concatenate",
    "diag",
    "diag_embed",
    "diagonal",
    "dstack",
    "flatten",
    "flip",
    "fliplr",
    "flipud",
    "hstack",
    "meshgrid",
    "moveaxis",
    "movedim",
    "narrow",
    "numel",
    "permute",
    "ravel",
    "repeat_interleave",
    "reshape",
    "roll",
    "rot90",
    "select",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "swapdims",
    "t",
    "tensor_split",
    "tile",
    "transpose",
    "tril",
    "triu",
    "unbind",
    "unflatten",
    "unsqueeze",
    "vstack",
]

Grads = tuple[FloatArray | None, ...]
Dims = int | Sequence[int]


# What is asked of arguments, here and in the other families.


def axis_of(dim: int, ndim: int, name: str) -> int:
    """Return `dim` counted from the front; a negative one counts from the back.

    A tensor without axes has, as in PyTorch, one that `dim` may name: 0 or -1.

    Raises
    ------
    TypeError
        If `dim` is not an integer.
    IndexError
        If there is no such axis.

    Examples
    --------
    >>> axis_of(-1, 3, "sum")
    2
    """
    try:
        dim = operator.index(dim)
    except TypeError:
        raise TypeError(f"{name}() takes an axis as an integer, but got {type(dim).__name__}.") from None
    count = max(ndim, 1)
    if not -count <= dim < count:
        raise IndexError(
            f"{name}() was given axis {dim}, but this tensor has {ndim} axes: use {-count} to {count - 1}."
        )
    return dim % count


def axes_of(dims: Dims, ndim: int, name: str) -> tuple[int, ...]:
    """Return one axis or several, counted from the front.

    Raises
    ------
    ValueError
        If an axis is named twice.
    """
    several = tuple(dims) if isinstance(dims, Sequence) else (dims,)
    axes = tuple(axis_of(dim, ndim, name) for dim in several)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}() was given the axes {several}, which name one twice. Name each once.")
    return axes


def integers(values: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """Return the integers of ``f(2, 3)``, ``f((2, 3))`` and ``f([2, 3])`` alike."""
    if len(values) == 1 and isinstance(values[0], Sequence | np.ndarray):
        values = tuple(values[0])
    try:
        return tuple(operator.index(value) for value in values)
    except TypeError:
        raise TypeError(f"{name}() takes integers, but got {values}.") from None


def list_of_tensors(tensors: Any, name: str) -> list[Tensor]:
    """Return a list or tuple of tensors as a list.

    Raises
    ------
    TypeError
        If it is something else, or holds something else.
    ValueError
        If it is empty.
    """
    if not isinstance(tensors, list | tuple):
        raise TypeError(f"{name}() takes a list or tuple of tensors, but got {type(tensors).__name__}.")
    for i, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}() takes tensors, but number {i} of its list is of type {type(tensor).__name__}.")
    if not tensors:
        raise ValueError(f"{name}() takes one tensor at least, but its list is empty.")
    return list(tensors)


def promoted(arrays: Sequence[Array]) -> np.dtype[Any]:
    """Return the dtype that PyTorch gives to the join of `arrays`: with floats, the largest of these."""
    dtypes = {array.dtype for array in arrays}
    return np.result_type(*({dtype for dtype in dtypes if dtype.kind == "f"} or dtypes))


def number_for(value: Any, dtype: np.dtype[Any], name: str) -> Scalar:
    """Return a number as `dtype` has it: for integers without its fraction, for bools as a truth value.

    Raises
    ------
    TypeError
        If it is not a number.
    ValueError
        If `dtype` does not reach so far.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, bool | int | float):
        raise TypeError(f"{name}() takes a number here, but got {type(value).__name__}.")
    if dtype.kind == "b":
        return bool(value)
    whole = dtype.kind != "f"
    limits: Any = np.iinfo(dtype) if whole else np.finfo(dtype)
    low, high = limits.min if whole else float(limits.min), limits.max if whole else float(limits.max)
    if not low <= value <= high and (whole or math.isfinite(value)):
        raise ValueError(f"{name}() cannot make {dtype} of {value}, which takes {low} to {high}.")
    return int(value) if whole else float(value)


def filled(data: Array, mask: Array, number: Any) -> Array:
    """Return ``np.where(mask, number, data)``, of the dtype of `data`, several times faster.

    It works on the bits, so that no branch depends on the mask, whose outcome a processor cannot guess.
    """
    bits = np.dtype(f"i{data.itemsize}")
    old, new = data.view(bits), np.asarray(number, data.dtype).view(bits)
    if new.any():
        chosen: Array = ((old ^ new) & -mask.astype(bits)) ^ old  # -1 is all bits, 0 none
    else:
        chosen = old & (mask.astype(bits) - 1)
    return chosen.view(data.dtype)


def in_kind(on_tensors: Callable[..., Tensor], values: Any, *args: Any) -> Any:
    """Call an operation from within a rule, with an array or, when gradients are recorded, with a tensor.

    Returns
    -------
    Array or Tensor
        Whichever `values` is.
    """
    if isinstance(values, Tensor):
        return on_tensors(values, *args)
    return on_tensors(from_numpy(values), *args).data


# The same elements in another shape.


def reshape(input: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ``input.reshape(shape)``.

    Examples
    --------
    >>> reshape(Tensor([1, 2, 3, 4]), (2, -1)).shape
    (2, 2)
    """
    return input.reshape(integers((shape,), "reshape"))


@composed()
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """Return the elements in the shape of `other`."""
    return input.reshape(other.shape)


@composed()
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """Return the elements in the shape of `other`."""
    return input.reshape(other.shape)


@composed()
def squeeze(input: Tensor, dim: Dims | None = None) -> Tensor:
    """Return a view without the axes `dim` where they have length 1; without all such axes if it is None.

    Examples
    --------
    >>> squeeze(Tensor([[[1, 2]]])).shape
    (2,)
    >>> squeeze(Tensor([[[1, 2]]]), -1).shape
    (1, 1, 2)
    """
    axes = range(input.ndim) if dim is None else axes_of(dim, input.ndim, "squeeze")
    return input.reshape(tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in axes))


@composed()
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Return a view with an axis of length 1 in front of axis `dim`; -1 puts it last.

    Examples
    --------
    >>> unsqueeze(Tensor([1, 2, 3]), -1).shape
    (3, 1)
    """
    place = axis_of(dim, input.ndim + 1, "unsqueeze")
    return input.reshape((*input.shape[:place], 1, *input.shape[place:]))


@composed()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return the tensor with the axes from `start_dim` up to and with `end_dim` as one.

    Raises
    ------
    ValueError
        If `end_dim` stands in front of `start_dim`.

    Examples
    --------
    >>> flatten(Tensor([[[1, 2], [3, 4]]]), start_dim=1).shape
    (1, 4)
    """
    first, last = axis_of(start_dim, input.ndim, "flatten"), axis_of(end_dim, input.ndim, "flatten")
    if first > last:
        raise ValueError(f"flatten() was told to start at axis {first}, behind axis {last}, where it ends.")
    shape = input.shape
    return input.reshape((*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


@composed(np.ravel)
def ravel(input: Tensor) -> Tensor:
    """Return the elements in one row."""
    return input.reshape(input.size)


@composed()
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Return a view with axis `dim` as several, of lengths `sizes`; one of them may be -1 and is then worked out.

    Raises
    ------
    ValueError
        If the lengths do not multiply to that of the axis.

    Examples
    --------
    >>> unflatten(Tensor([[1, 2, 3, 4]]), 1, (2, -1)).shape
    (1, 2, 2)
    """
    place, lengths = _axis_of_pieces(input, dim, "unflatten"), integers((sizes,), "unflatten")
    count, known = input.shape[place], math.prod(n for n in lengths if n != -1)
    unknown = lengths.count(-1)
    fits = known == count if not unknown else unknown == 1 and known > 0 and count % known == 0
    if not (lengths and fits):
        raise ValueError(
            f"unflatten() cannot make {lengths} of axis {place}, which has {count} elements. The lengths must "
            "multiply to that number; at most one of them may be -1."
        )
    lengths = tuple(count // known if n == -1 else n for n in lengths)
    return input.reshape((*input.shape[:place], *lengths, *input.shape[place + 1 :]))


@composed()
def contiguous(input: Tensor) -> Tensor:
    """Return the tensor if its elements stand in memory in their order; a copy of it otherwise."""
    return input if input.data.flags.c_contiguous else clone(input)


class CloneBackward(Function):
    """Gradient of ``out = a.clone()``: `grad_output`."""

    saves = ()

    def apply(self, grad_output: FloatArray) -> Grads:
        return (grad_output,)


@operation(CloneBackward)
def clone(input: Tensor) -> Tensor:
    """Return a copy with memory of its own; gradients pass through it."""
    return from_numpy(input.data.copy())


def numel(input: Tensor) -> int:
    """Return the number of elements."""
    return input.numel()


def _rows(tensors: tuple[Any, ...], name: str, grow: Callable[[Tensor], Tensor]) -> Any:
    """Return `grow` of one tensor, or a tuple of it for several or for a list."""
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return grow(tensors[0])
    several = tensors[0] if len(tensors) == 1 else tensors
    return tuple(grow(tensor) for tensor in list_of_tensors(several, name))


def atleast_1d(*tensors: Any) -> Any:
    """Return each tensor with one axis at least."""
    return _rows(tensors, "atleast_1d", lambda x: x if x.ndim else x.reshape(1))


def atleast_2d(*tensors: Any) -> Any:
    """Return each tensor with two axes at least; a vector becomes one row."""
    return _rows(tensors, "atleast_2d", lambda x: x if x.ndim > 1 else x.reshape(1, x.size))


def atleast_3d(*tensors: Any) -> Any:
    """Return each tensor with three axes at least: ``(n,) -> (1, n, 1)`` and ``(n, m) -> (n, m, 1)``."""

    def grow(x: Tensor) -> Tensor:
        if x.ndim > 2:
            return x
        return unsqueeze(x, -1) if x.ndim == 2 else x.reshape(1, x.size, 1)

    return _rows(tensors, "atleast_3d", grow)


# Axes in another order.


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return a view with axes `dim0` and `dim1` swapped.

    Examples
    --------
    >>> transpose(Tensor([[1, 2, 3]]), 0, 1).shape
    (3, 1)
    """
    return _swapped(input, dim0, dim1, "transpose")


@composed()
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Return ``transpose(axis0, axis1)``; NumPy's name for it."""
    return _swapped(input, axis0, axis1, "swapaxes")


@composed()
def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return ``transpose(dim0, dim1)``."""
    return _swapped(input, dim0, dim1, "swapdims")


def _swapped(input: Tensor, dim0: int, dim1: int, name: str) -> Tensor:
    axis0, axis1 = axis_of(dim0, input.ndim, name), axis_of(dim1, input.ndim, name)
    return input.transpose(axis0, axis1) if input.ndim else input.reshape(())


def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """Return a view whose axis i is axis ``dims[i]`` of this tensor."""
    return input.permute(integers((dims,), "permute"))


@composed()
def t(input: Tensor) -> Tensor:
    """Return the transpose of a matrix; vectors and numbers stay as they are.

    Raises
    ------
    ValueError
        If there are more than two axes.
    """
    if input.ndim > 2:
        raise ValueError(f"t() is for two axes at most, but this tensor has shape {input.shape}. Use mT or permute().")
    return input.transpose(0, 1) if input.ndim == 2 else input.reshape(input.shape)


def _matrix_transpose(input: Tensor) -> Tensor:
    """The last two axes swapped."""
    if input.ndim < 2:
        raise ValueError(f"mT takes matrices, but this tensor has shape {input.shape}. It needs two axes at least.")
    return input.transpose(-2, -1)


Tensor.mT = property(_matrix_transpose)  # type: ignore[attr-defined]


@composed()
def movedim(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """Return a view where the axes `source` stand at `destination`; the others keep their order.

    Raises
    ------
    ValueError
        If there are not as many destinations as sources.

    Examples
    --------
    >>> movedim(Tensor([[[1, 2, 3]]]), 2, 0).shape
    (3, 1, 1)
    """
    sources = axes_of(source, input.ndim, "movedim")
    places = axes_of(destination, input.ndim, "movedim")
    if len(sources) != len(places):
        raise ValueError(f"movedim() moves {len(sources)} axes to {len(places)} places. Name as many of each.")
    if not input.ndim:
        return input.reshape(())
    order = [axis for axis in range(input.ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return input.permute(order)


@composed()
def moveaxis(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """Return ``movedim(source, destination)``; NumPy's name for it."""
    return movedim(input, source, destination)


# The same elements several times.


class ExpandBackward(Function):
    """Gradient of ``out = a.expand(sizes)``: `grad_output`, summed over the axes that were stretched or added."""

    saves = ()

    def __init__(self, a: Tensor, *sizes: Any, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)

    def apply(self, grad_output: FloatArray) -> Grads:
        return (unbroadcast(grad_output, self.input_shapes[0]),)


@operation(ExpandBackward)
def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Return a view with axes of length 1 stretched to `sizes`; -1 keeps a length. It cannot be written to.

    Raises
    ------
    ValueError
        If the shape does not broadcast to `sizes`.

    Examples
    --------
    >>> expand(Tensor([[1], [2]]), -1, 3)
    tensor([[1., 1., 1.],
            [2., 2., 2.]])
    """
    return from_numpy(_stretched(input.data, integers(sizes, "expand"), "expand"))


def _stretched(data: Array, sizes: tuple[int, ...], name: str) -> Array:
    added = len(sizes) - data.ndim
    old = (-1,) * added + data.shape
    shape = tuple(have if want == -1 else want for have, want in zip(old, sizes, strict=False))
    fits = added >= 0 and all(
        have in (want, 1) or i < added for i, (have, want) in enumerate(zip(old, shape, strict=False))
    )
    if not fits or any(n < 0 for n in shape):
        raise ValueError(
            f"{name}() cannot stretch a tensor of shape {data.shape} to {sizes}. Axes are compared from the right: "
            "lengths must be equal, or 1 in the tensor, or -1 in what is asked for."
        )
    return np.broadcast_to(data, shape)


@composed()
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Return a view with axes of length 1 stretched to the shape of `other`."""
    return expand(input, other.shape)


@composed()
def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """Return ``input.expand(size)``."""
    return expand(input, size)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return views of the tensors in the shape that they broadcast to.

    Raises
    ------
    ValueError
        If the shapes do not broadcast.
    """
    shape = common_shape([x.shape for x in list_of_tensors(tensors, "broadcast_tensors")], "broadcast_tensors")
    return tuple(expand(x, shape) for x in tensors)


def common_shape(shapes: Sequence[tuple[int, ...]], name: str) -> tuple[int, ...]:
    """Return the shape that `shapes` broadcast to, or raise an error in the name of an operation."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        found = " and ".join(map(str, shapes))
        raise ValueError(f"shapes {found} do not broadcast in {name}(). Lengths must be equal, or 1.") from None


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Return the coordinates of a grid, one tensor for each axis, as views.

    Parameters
    ----------
    *tensors
        The coordinates along each axis: tensors of one axis or none.
    indexing
        "ij": the first tensor runs along the first axis. "xy": along the second, as on a plot.

    Examples
    --------
    >>> x, y = meshgrid(Tensor([1, 2]), Tensor([3, 4, 5]), indexing="ij")
    >>> x
    tensor([[1., 1., 1.],
            [2., 2., 2.]])
    """
    several = list_of_tensors(
        tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors, "meshgrid"
    )
    if indexing not in ("ij", "xy"):
        raise ValueError(f'meshgrid() takes indexing="ij" or "xy", but got {indexing!r}.')
    if any(x.ndim > 1 for x in several):
        found = " and ".join(str(x.shape) for x in several)
        raise ValueError(f"meshgrid() takes tensors of one axis, but got shapes {found}. Flatten them first.")
    order = list(range(len(several)))
    if indexing == "xy":
        order[:2] = reversed(order[:2])
    shape = [several[i].size for i in order]
    return tuple(
        expand(x.reshape([x.size if i == place else 1 for place in order]), shape) for i, x in enumerate(several)
    )


class RepeatBackward(Function):
    """Gradient of ``out = a.repeat(repeats)``: the sum over the copies."""

    saves = ()

    def __init__(self, a: Tensor, *repeats: Any, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.repeats = integers(repeats, "repeat")

    def apply(self, grad_output: FloatArray) -> Grads:
        (shape,) = self.input_shapes
        padded = (1,) * (len(self.repeats) - len(shape)) + shape
        by_copy = grad_output.reshape([n for pair in zip(self.repeats, padded, strict=True) for n in pair])
        return (by_copy.sum(axis=tuple(range(0, by_copy.ndim, 2))).reshape(shape),)


@operation(RepeatBackward)
def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """Return the tensor laid side by side with itself, `repeats` times along each axis.

    Raises
    ------
    ValueError
        If there are fewer numbers than axes, or a negative one.

    Examples
    --------
    >>> repeat(Tensor([1, 2]), 2, 2)
    tensor([[1., 2., 1., 2.],
            [1., 2., 1., 2.]])
    """
    times = integers(repeats, "repeat")
    if len(times) < input.ndim or any(n < 0 for n in times):
        raise ValueError(
            f"repeat() takes a number from 0 on for each axis of the tensor, of shape {input.shape}, but got {times}. "
            "Numbers for new axes stand in front."
        )
    return from_numpy(np.tile(input.data, times))


@composed()
def tile(input: Tensor, *dims: Any) -> Tensor:
    """Return ``input.repeat(dims)``, where axes without a number are not repeated."""
    times = integers(dims, "tile")
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


class RepeatInterleaveBackward(Function):
    """Gradient of ``out = a.repeat_interleave(repeats, dim)``: the sum over the copies, which stand side by side."""

    saves = ()

    def __init__(self, a: Tensor, repeats: int, axis: int, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.repeats, self.axis = repeats, axis

    def apply(self, grad_output: FloatArray) -> Grads:
        (shape,) = self.input_shapes
        after = self.axis + 1
        return (grad_output.reshape((*shape[:after], self.repeats, *shape[after:])).sum(axis=after),)


@operation(RepeatInterleaveBackward, method="_repeat_each")
def _repeat_each(input: Tensor, repeats: int, axis: int) -> Tensor:
    """Return the tensor with each element along `axis` repeated in place."""
    return from_numpy(np.repeat(input.data, repeats, axis))


@composed()
def repeat_interleave(input: Tensor, repeats: int | Tensor, dim: int | None = None) -> Tensor:
    """Return the tensor with each element repeated, along `dim`; of the flattened tensor if it is None.

    Parameters
    ----------
    input
        A tensor.
    repeats
        How often: one number, or a tensor of one for each element along `dim`.
    dim
        The axis.

    Raises
    ------
    ValueError
        If a number is negative, or there is not one for each element.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> repeat_interleave(Tensor([1, 2]), 2)
    tensor([1., 1., 2., 2.])
    >>> repeat_interleave(Tensor([1, 2]), tensor([1, 3]))
    tensor([1., 2., 2., 2.])
    """
    flat = ravel(input) if dim is None else input
    axis = _axis_of_pieces(flat, 0 if dim is None else dim, "repeat_interleave")
    times = np.asarray(repeats.data if isinstance(repeats, Tensor) else repeats)
    if times.dtype.kind not in "iu" or times.ndim > 1 or times.size not in (1, flat.shape[axis]) or (times < 0).any():
        raise ValueError(
            f"repeat_interleave() takes integers from 0 on, one or as many as the {flat.shape[axis]} elements along "
            f"axis {axis}, but got {times.tolist()}."
        )
    if times.size == 1:
        return _repeat_each(flat, times.item(), axis)
    return flat[(slice(None),) * axis + (np.repeat(np.arange(times.size), times),)]


# Pieces.


@composed()
def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """Return a view of `length` elements along `dim`, from `start` on; a negative `start` counts from the end.

    Raises
    ------
    IndexError
        If there are not so many.

    Examples
    --------
    >>> narrow(Tensor([1, 2, 3, 4]), 0, 1, 2)
    tensor([2., 3.])
    """
    axis = _axis_of_pieces(input, dim, "narrow")
    count, first = input.shape[axis], operator.index(start)
    first += count if first < 0 else 0
    if not (0 <= first <= first + length <= count):
        raise IndexError(f"narrow() from {start} on cannot take {length} of the {count} elements along axis {axis}.")
    return _slice(input, axis, first, first + length)


def _axis_of_pieces(input: Tensor, dim: int, name: str) -> int:
    if not input.ndim:
        raise IndexError(f"{name}() works along an axis, and a 0-d tensor has none. Use unsqueeze(0) first.")
    return axis_of(dim, input.ndim, name)


def _slice(input: Tensor, axis: int, start: int, stop: int) -> Tensor:
    return input[(slice(None),) * axis + (slice(start, stop),)]


@composed()
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Return a view of what stands at `index` along `dim`, without that axis.

    Raises
    ------
    IndexError
        If nothing stands there.

    Examples
    --------
    >>> select(Tensor([[1, 2], [3, 4]]), 1, -1)
    tensor([2., 4.])
    """
    axis = _axis_of_pieces(input, dim, "select")
    count, place = input.shape[axis], operator.index(index)
    if not -count <= place < count:
        raise IndexError(f"select() was given index {place}, but axis {axis} has {count} elements.")
    return _selected(input, axis, place)


def _selected(input: Tensor, axis: int, place: int) -> Tensor:
    return input[(slice(None),) * axis + (place, ...)]  # the dots make a number a view too


@composed()
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of all that stands along `dim`, one after the other.

    Examples
    --------
    >>> unbind(Tensor([[1, 2], [3, 4]]))
    (tensor([1., 2.]), tensor([3., 4.]))
    """
    axis = _axis_of_pieces(input, dim, "unbind")
    return tuple(_selected(input, axis, i) for i in range(input.shape[axis]))


def _cut(input: Tensor, axis: int, places: Sequence[int]) -> tuple[Tensor, ...]:
    """Return views of what stands between `places` along `axis`, from the front to the end."""
    starts, stops = (0, *places), (*places, input.shape[axis])
    return tuple(_slice(input, axis, start, stop) for start, stop in zip(starts, stops, strict=True))


@composed()
def split(tensor: Tensor, split_size_or_sections: Dims, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of the tensor in pieces along `dim`.

    Parameters
    ----------
    tensor
        What to split.
    split_size_or_sections
        The length of each piece, where the last may be shorter; or the lengths of all.
    dim
        The axis.

    Raises
    ------
    ValueError
        If the lengths do not add up to that of the axis, or one is negative.

    Examples
    --------
    >>> split(Tensor([1, 2, 3, 4, 5]), 2)
    (tensor([1., 2.]), tensor([3., 4.]), tensor([5.]))
    >>> split(Tensor([1, 2, 3]), [1, 2])
    (tensor([1.]), tensor([2., 3.]))
    """
    axis = _axis_of_pieces(tensor, dim, "split")
    count = tensor.shape[axis]
    if isinstance(split_size_or_sections, Sequence):
        lengths = integers((split_size_or_sections,), "split")
        if sum(lengths) != count or any(n < 0 for n in lengths):
            raise ValueError(f"split() into lengths {lengths} does not use up the {count} elements along axis {axis}.")
        return _cut(tensor, axis, np.cumsum(lengths[:-1], dtype=int).tolist()) if lengths else ()
    (size,) = integers((split_size_or_sections,), "split")
    if size < 0 or (size == 0 < count):
        raise ValueError(f"split() takes a length above 0, but got {size} for the {count} elements along axis {axis}.")
    return _cut(tensor, axis, range(size, count, size) if size else ())


@composed()
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of the tensor in at most `chunks` pieces along `dim`, all of one length but the last.

    Examples
    --------
    >>> [len(piece) for piece in chunk(Tensor([1, 2, 3, 4, 5]), 3)]
    [2, 2, 1]
    """
    axis = _axis_of_pieces(input, dim, "chunk")
    count, (pieces,) = input.shape[axis], integers((chunks,), "chunk")
    if pieces < 1:
        raise ValueError(f"chunk() makes one piece at least, but was asked for {pieces}.")
    size = -(-count // pieces)
    return _cut(input, axis, range(size, count, size) if size else (0,) * (pieces - 1))


@composed()
def tensor_split(input: Tensor, indices_or_sections: Dims | Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of the tensor in pieces along `dim`.

    Parameters
    ----------
    input
        What to split.
    indices_or_sections
        The number of pieces, whose lengths then differ by 1 at most; or the places where to cut.
    dim
        The axis.

    Examples
    --------
    >>> [len(piece) for piece in tensor_split(Tensor([1, 2, 3, 4, 5]), 3)]
    [2, 2, 1]
    >>> tensor_split(Tensor([1, 2, 3]), (1,))
    (tensor([1.]), tensor([2., 3.]))
    """
    axis = _axis_of_pieces(input, dim, "tensor_split")
    asked = indices_or_sections.tolist() if isinstance(indices_or_sections, Tensor) else indices_or_sections
    if isinstance(asked, Sequence):
        return _cut(input, axis, integers((asked,), "tensor_split"))
    (pieces,) = integers((asked,), "tensor_split")
    if pieces < 1:
        raise ValueError(f"tensor_split() makes one piece at least, but was asked for {pieces}.")
    size, longer = divmod(input.shape[axis], pieces)
    return _cut(input, axis, [i * size + min(i, longer) for i in range(1, pieces)])


# Tensors put together.


class CatBackward(Function):
    """Gradient of ``out = cat(tensors, dim)``: each tensor receives its piece of `grad_output`."""

    saves = ()

    def __init__(self, *tensors: Tensor, dim: int = 0, output: Tensor | None = None) -> None:
        super().__init__(*tensors, output=output)
        self.axis = dim % len(self.shape)

    def apply(self, grad_output: FloatArray) -> Grads:
        return tuple(self._pieces(grad_output))

    def _pieces(self, grad_output: FloatArray) -> Iterator[FloatArray | None]:
        start, front = 0, (slice(None),) * self.axis
        for shape, needed in zip(self.input_shapes, self.needs_input_grad, strict=True):
            left_out = shape == (0,) and len(self.shape) > 1
            stop = start if left_out else start + shape[self.axis]
            piece = grad_output[(*front, slice(start, stop))] if needed else None
            yield piece.reshape(shape) if left_out and piece is not None else piece
            start = stop


@operation(CatBackward, method="_cat")
def _cat(*tensors: Tensor, dim: int = 0) -> Tensor:
    """Return the tensors one behind the other along `dim`."""
    arrays = [x.data for x in tensors]
    kept = [a for a in arrays if a.shape != (0,)] or arrays  # an empty row goes with any shape, as in PyTorch
    first = kept[0]
    if not all(a.ndim for a in kept):
        raise ValueError(
            "cat() puts tensors together along an axis, but one of these is 0-d and has none. Use stack()."
        )
    axis = axis_of(dim, first.ndim, "cat")
    for a in kept[1:]:
        if a.ndim != first.ndim or any(
            m != n for i, (m, n) in enumerate(zip(a.shape, first.shape, strict=True)) if i != axis
        ):
            raise ValueError(
                f"cat() along axis {axis} takes tensors of equal lengths on the other axes, but got shapes "
                f"{first.shape} and {a.shape}."
            )
    return from_numpy(np.concatenate(kept, axis, dtype=promoted(arrays)))


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors one behind the other along `dim`.

    An empty tensor of shape (0,) goes with any others, and adds nothing.

    Raises
    ------
    ValueError
        If the list is empty, or lengths differ on another axis than `dim`.

    Examples
    --------
    >>> cat([Tensor([[1, 2]]), Tensor([[3, 4]])], dim=1)
    tensor([[1., 2., 3., 4.]])
    """
    return _cat(*list_of_tensors(tensors, "cat"), dim=dim)


concat = concatenate = cat


class StackBackward(Function):
    """Gradient of ``out = stack(tensors, dim)``: each tensor receives its layer of `grad_output`."""

    saves = ()

    def __init__(self, *tensors: Tensor, dim: int = 0, output: Tensor | None = None) -> None:
        super().__init__(*tensors, output=output)
        self.axis = dim % len(self.shape)

    def apply(self, grad_output: FloatArray) -> Grads:
        front: tuple[Any, ...] = (slice(None),) * self.axis
        return tuple(
            grad_output[(*front, i, ...)] if needed else None for i, needed in enumerate(self.needs_input_grad)
        )


@operation(StackBackward, method="_stack")
def _stack(*tensors: Tensor, dim: int = 0) -> Tensor:
    """Return the tensors as the layers of a new axis `dim`."""
    arrays = [x.data for x in tensors]
    first = arrays[0].shape
    for i, a in enumerate(arrays):
        if a.shape != first:
            raise ValueError(
                f"stack() takes tensors of equal shape, but number 0 has {first} and number {i} {a.shape}."
            )
    return from_numpy(np.stack(arrays, axis_of(dim, len(first) + 1, "stack"), dtype=promoted(arrays)))


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors, all of one shape, as the layers of a new axis `dim`.

    Raises
    ------
    ValueError
        If the list is empty, or shapes differ.

    Examples
    --------
    >>> stack([Tensor([1, 2]), Tensor([3, 4])], dim=1)
    tensor([[1., 3.],
            [2., 4.]])
    """
    return _stack(*list_of_tensors(tensors, "stack"), dim=dim)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors side by side: along the second axis, vectors along their only one."""
    rows = [atleast_1d(x) for x in list_of_tensors(tensors, "hstack")]
    return cat(rows, 0 if rows[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors one below the other: along the first axis, vectors as rows."""
    return cat([atleast_2d(x) for x in list_of_tensors(tensors, "vstack")], 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors one behind the other: along the third axis, matrices as layers."""
    return cat([atleast_3d(x) for x in list_of_tensors(tensors, "dstack")], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors side by side, vectors and numbers as columns."""
    several = list_of_tensors(tensors, "column_stack")
    return hstack([x if x.ndim > 1 else x.reshape(x.size, 1) for x in several])


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
        input = _slice(input, axis, cut_before, count - cut_behind)
        count -= cut_before + cut_behind
        cut_before = cut_behind = 0
    most = {"reflect": count - 1, "circular": count}.get(mode, math.inf if count else 0)
    if max(ends) > most:
        raise ValueError(f'pad() with mode="{mode}" can add {most} elements to an axis of {count}, but got {ends}.')
    border = {"reflect": _mirrored, "replicate": _repeated, "circular": _wrapped}[mode]
    front, back = border(input, axis, before, behind)
    wide = cat([front, input, back], axis)
    return _slice(wide, axis, cut_before, wide.shape[axis] - cut_behind) if cut_before or cut_behind else wide


def _mirrored(input: Tensor, axis: int, before: int, behind: int) -> tuple[Tensor, Tensor]:
    last = input.shape[axis] - 1
    return flip(_slice(input, axis, 1, before + 1), axis), flip(_slice(input, axis, last - behind, last), axis)


def _repeated(input: Tensor, axis: int, before: int, behind: int) -> tuple[Tensor, Tensor]:
    count = input.shape[axis]
    first, last = _slice(input, axis, 0, 1), _slice(input, axis, count - 1, count)
    return _repeat_each(first, before, axis), _repeat_each(last, behind, axis)


def _wrapped(input: Tensor, axis: int, before: int, behind: int) -> tuple[Tensor, Tensor]:
    count = input.shape[axis]
    return _slice(input, axis, count - before, count), _slice(input, axis, 0, behind)


# NumPy's functions, whose arguments have other names or meanings.


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else from_numpy(np.asarray(value))


def _several(values: Any) -> list[Tensor]:
    return [_tensor(value) for value in values]


def _np_transpose(a: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    return permute(a, tuple(reversed(range(a.ndim))) if axes is None else axes)


def _np_squeeze(a: Tensor, axis: Dims | None = None) -> Tensor:
    for i in () if axis is None else axes_of(axis, a.ndim, "squeeze"):
        if a.shape[i] != 1:
            raise ValueError(f"np.squeeze() takes axes of length 1 away, but axis {i} of shape {a.shape} is longer.")
    return squeeze(a, axis)


def _np_expand_dims(a: Tensor, axis: Dims) -> Tensor:
    ndim = a.ndim + (len(axis) if isinstance(axis, Sequence) else 1)
    lengths = iter(a.shape)
    new = axes_of(axis, ndim, "expand_dims")
    return a.reshape(tuple(1 if i in new else next(lengths) for i in range(ndim)))


def _np_split(ary: Tensor, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    sections = indices_or_sections
    if isinstance(sections, int) and ary.shape[axis] % sections:
        raise ValueError(f"np.split() cannot cut {ary.shape[axis]} elements into {sections} equal pieces.")
    return list(tensor_split(ary, sections, axis))


def _np_array_split(ary: Tensor, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    return list(tensor_split(ary, indices_or_sections, axis))


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


def _np_meshgrid(*xi: Any, indexing: str = "xy") -> tuple[Tensor, ...]:
    return meshgrid(*_several(xi), indexing=indexing)


def _np_tile(A: Tensor, reps: Any) -> Tensor:  # noqa: N803
    return tile(A, *np.atleast_1d(reps).tolist())


NUMPY.update(
    {
        np.transpose: _np_transpose,
        np.matrix_transpose: _matrix_transpose,
        np.reshape: lambda a, shape: a.reshape(shape),
        np.expand_dims: _np_expand_dims,
        np.squeeze: _np_squeeze,
        np.swapaxes: lambda a, axis1, axis2: swapaxes(a, axis1, axis2),
        np.moveaxis: lambda a, source, destination: moveaxis(a, source, destination),
        np.broadcast_to: lambda array, shape: expand(array, shape),
        np.broadcast_arrays: lambda *args: broadcast_tensors(*_several(args)),
        np.meshgrid: _np_meshgrid,
        np.copy: lambda a: clone(a),
        np.ndim: lambda a: a.ndim,
        np.shape: lambda a: a.shape,
        np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
        np.atleast_1d: lambda *arys: atleast_1d(*_several(arys)),
        np.atleast_2d: lambda *arys: atleast_2d(*_several(arys)),
        np.atleast_3d: lambda *arys: atleast_3d(*_several(arys)),
        np.concatenate: lambda arrays, axis=0: cat(
            [ravel(x) for x in _several(arrays)] if axis is None else _several(arrays), axis or 0
        ),
        np.stack: lambda arrays, axis=0: stack(_several(arrays), axis),
        np.hstack: lambda tup: hstack(_several(tup)),
        np.vstack: lambda tup: vstack(_several(tup)),
        np.dstack: lambda tup: dstack(_several(tup)),
        np.column_stack: lambda tup: column_stack(_several(tup)),
        np.unstack: lambda x, axis=0: unbind(x, axis),
        np.split: _np_split,
        np.array_split: _np_array_split,
        np.flip: _np_flip,
        np.rot90: lambda m, k=1, axes=(0, 1): rot90(m, k, axes),
        np.roll: _np_roll,
        np.tril: lambda m, k=0: tril(m, k),
        np.triu: lambda m, k=0: triu(m, k),
        np.diag: lambda v, k=0: diag(v, k),
        np.diagonal: lambda a, offset=0, axis1=0, axis2=1: diagonal(a, offset, axis1, axis2),
        np.tile: _np_tile,
        np.repeat: lambda a, repeats, axis=None: repeat_interleave(a, repeats, axis),
        np.pad: _np_pad,
    }
)
