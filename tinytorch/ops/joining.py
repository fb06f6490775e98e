"""Pieces of tensors, and tensors put together."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinytorch.core.autograd import Function
from tinytorch.core.tensor import FloatArray, Tensor, from_numpy
from tinytorch.ops._registry import NUMPY, composed, operation
from tinytorch.ops.shape import (
    Dims,
    Grads,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    axis_along,
    axis_of,
    integers,
    list_of_tensors,
    meshgrid,
    promoted,
    ravel,
    tensors_from,
)

__all__ = [
    "block_diag",
    "cartesian_prod",
    "cat",
    "chunk",
    "column_stack",
    "combinations",
    "concat",
    "concatenate",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "narrow",
    "row_stack",
    "select",
    "split",
    "stack",
    "tensor_split",
    "unbind",
    "vsplit",
    "vstack",
]


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
    axis = axis_along(input, dim, "narrow")
    count, first = input.shape[axis], operator.index(start)
    first += count if first < 0 else 0
    if not (0 <= first <= first + length <= count):
        raise IndexError(f"narrow() from {start} on cannot take {length} of the {count} elements along axis {axis}.")
    return slice_along(input, axis, first, first + length)


def slice_along(input: Tensor, axis: int, start: int, stop: int) -> Tensor:
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
    axis = axis_along(input, dim, "select")
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
    axis = axis_along(input, dim, "unbind")
    return tuple(_selected(input, axis, i) for i in range(input.shape[axis]))


def _cut(input: Tensor, axis: int, places: Sequence[int]) -> tuple[Tensor, ...]:
    """Return views of what stands between `places` along `axis`, from the front to the end."""
    starts, stops = (0, *places), (*places, input.shape[axis])
    return tuple(slice_along(input, axis, start, stop) for start, stop in zip(starts, stops, strict=True))


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
    axis = axis_along(tensor, dim, "split")
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
    axis = axis_along(input, dim, "chunk")
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
    axis = axis_along(input, dim, "tensor_split")
    asked = indices_or_sections.tolist() if isinstance(indices_or_sections, Tensor) else indices_or_sections
    if isinstance(asked, Sequence):
        return _cut(input, axis, integers((asked,), "tensor_split"))
    (pieces,) = integers((asked,), "tensor_split")
    if pieces < 1:
        raise ValueError(f"tensor_split() makes one piece at least, but was asked for {pieces}.")
    size, longer = divmod(input.shape[axis], pieces)
    return _cut(input, axis, [i * size + min(i, longer) for i in range(1, pieces)])


@composed()
def hsplit(input: Tensor, indices_or_sections: Dims) -> tuple[Tensor, ...]:
    """Return views of the tensor in equal pieces, or cut at places, along its second axis; a vector's only one."""
    return _equal_split("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


@composed()
def vsplit(input: Tensor, indices_or_sections: Dims) -> tuple[Tensor, ...]:
    """Return views of the tensor in equal pieces, or cut at places, along its first axis."""
    return _equal_split("vsplit", input, indices_or_sections, 0, 2)


@composed()
def dsplit(input: Tensor, indices_or_sections: Dims) -> tuple[Tensor, ...]:
    """Return views of the tensor in equal pieces, or cut at places, along its third axis.

    Examples
    --------
    >>> [piece.shape for piece in dsplit(Tensor([[[1, 2, 3, 4]]]), 2)]
    [(1, 1, 2), (1, 1, 2)]
    """
    return _equal_split("dsplit", input, indices_or_sections, 2, 3)


def _equal_split(name: str, input: Tensor, sections: Dims, axis: int, least: int) -> tuple[Tensor, ...]:
    if input.ndim < least:
        raise ValueError(f"{name}() takes tensors of {least} axes or more, but got shape {input.shape}.")
    if not isinstance(sections, Sequence):
        (pieces,) = integers((sections,), name)
        if pieces < 1 or input.shape[axis] % pieces:
            raise ValueError(
                f"{name}() cannot cut the {input.shape[axis]} elements along axis {axis} into {pieces} equal pieces. "
                "tensor_split() takes pieces of unequal lengths."
            )
    return tensor_split(input, sections, axis)


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


def row_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Return ``vstack(tensors)``; NumPy's name for it."""
    return vstack(tensors)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors one behind the other: along the third axis, matrices as layers."""
    return cat([atleast_3d(x) for x in list_of_tensors(tensors, "dstack")], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors side by side, vectors and numbers as columns."""
    several = list_of_tensors(tensors, "column_stack")
    return hstack([x if x.ndim > 1 else x.reshape(x.size, 1) for x in several])


def block_diag(*tensors: Tensor) -> Tensor:
    """Return a matrix with the tensors, matrices or less, one after the other on its diagonal, and 0 elsewhere.

    Examples
    --------
    >>> block_diag(Tensor([[1, 2]]), Tensor([3]))
    tensor([[1., 2., 0.],
            [0., 0., 3.]])
    """
    blocks = [atleast_2d(x) for x in list_of_tensors(tensors, "block_diag")]
    wide = sum(block.shape[1] for block in blocks)
    rows, before = [], 0
    for block in blocks:
        if block.ndim > 2:
            raise ValueError(f"block_diag() takes matrices, but got a tensor of shape {block.shape}.")
        height, width = block.shape
        sides = [from_numpy(np.zeros((height, n), block.dtype)) for n in (before, wide - before - width)]
        rows.append(cat([sides[0], block, sides[1]], 1))
        before += width
    return cat(rows)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Return every combination of one element from each vector, one a row; of one vector, the vector.

    Examples
    --------
    >>> cartesian_prod(Tensor([1, 2]), Tensor([3, 4]))
    tensor([[1., 3.],
            [1., 4.],
            [2., 3.],
            [2., 4.]])
    """
    several = list_of_tensors(tensors, "cartesian_prod")
    if any(x.ndim != 1 for x in several):
        found = " and ".join(str(x.shape) for x in several)
        raise ValueError(f"cartesian_prod() combines vectors, but got shapes {found}. Flatten them first.")
    if len(several) == 1:
        return several[0]
    return stack([ravel(grid) for grid in meshgrid(*several, indexing="ij")], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Return every choice of `r` elements of a vector, in their order, one a row.

    Examples
    --------
    >>> combinations(Tensor([1, 2, 3]))
    tensor([[1., 2.],
            [1., 3.],
            [2., 3.]])
    """
    if input.ndim != 1:
        raise ValueError(f"combinations() chooses from a vector, but got shape {input.shape}. Flatten it first.")
    if r < 0:
        raise ValueError(f"combinations() chooses r elements, 0 or more, but got r={r}.")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(input.size), r)), np.int64)
    return input[rows.reshape(-1, r)] if r else input[:0]


# NumPy's functions, whose arguments have other names or meanings.


def _np_split(ary: Tensor, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    sections = indices_or_sections
    if isinstance(sections, int) and ary.shape[axis] % sections:
        raise ValueError(f"np.split() cannot cut {ary.shape[axis]} elements into {sections} equal pieces.")
    return list(tensor_split(ary, sections, axis))


def _np_array_split(ary: Tensor, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    return list(tensor_split(ary, indices_or_sections, axis))


NUMPY.update(
    {
        np.concatenate: lambda arrays, axis=0: cat(
            [ravel(x) for x in tensors_from(arrays)] if axis is None else tensors_from(arrays), axis or 0
        ),
        np.stack: lambda arrays, axis=0: stack(tensors_from(arrays), axis),
        np.hstack: lambda tup: hstack(tensors_from(tup)),
        np.vstack: lambda tup: vstack(tensors_from(tup)),
        np.dstack: lambda tup: dstack(tensors_from(tup)),
        np.column_stack: lambda tup: column_stack(tensors_from(tup)),
        np.unstack: lambda x, axis=0: unbind(x, axis),
        np.split: _np_split,
        np.array_split: _np_array_split,
    }
)
