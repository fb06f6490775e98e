"""Where elements are: those that are not 0, those that are wanted, the place of a value in order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.core.autograd import NotDifferentiableError, is_grad_enabled
from tinytorch.core.tensor import Array, Scalar, Tensor, from_numpy
from tinytorch.ops._registry import NUMPY, composed
from tinytorch.ops.indexing import as_row, index_of, take_along_dim
from tinytorch.ops.shape import as_tensor, axis_of, ravel

__all__ = [
    "argwhere",
    "bucketize",
    "isin",
    "nonzero",
    "searchsorted",
    "unique",
    "unique_consecutive",
]


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


def _refuse_lost_gradient(name: str, input: Tensor) -> None:
    if input.requires_grad and is_grad_enabled():
        raise NotDifferentiableError(
            f"{name}() has no gradient, and this tensor requires one, which would be lost there. If you mean to: "
            f"t.detach().{name}()."
        )


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
    _refuse_lost_gradient("unique", input)
    axis = None if dim is None else axis_of(dim, input.ndim, "unique")
    data = as_row(input.data)
    values, inverse, counts = np.unique(data, return_inverse=True, return_counts=True, axis=axis, equal_nan=False)
    found = [values]
    if return_inverse:
        found.append(inverse.reshape(input.shape if axis is None else -1))
    if return_counts:
        found.append(counts)
    tensors = tuple(from_numpy(array) for array in found)
    return tensors if len(tensors) > 1 else tensors[0]


@composed()
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Return the first of each run of equal elements, or of equal slices along `dim`.

    Parameters
    ----------
    input
        A tensor.
    return_inverse
        Return also in which run each element stands.
    return_counts
        Return also how long each run is.
    dim
        The axis whose slices are compared; the elements of the flattened tensor if it is None.

    Raises
    ------
    NotDifferentiableError
        If the tensor requires a gradient.

    Examples
    --------
    >>> from tinytorch import tensor
    >>> unique_consecutive(tensor([1, 1, 3, 1]), return_counts=True)
    (tensor([1, 3, 1]), tensor([2, 1, 1]))
    """
    _refuse_lost_gradient("unique_consecutive", input)
    axis = 0 if dim is None else axis_of(dim, input.ndim, "unique_consecutive")
    data = input.data.reshape(-1) if dim is None else as_row(input.data)
    across = np.moveaxis(data, axis, 0)
    lines = across.reshape(len(across), math.prod(across.shape[1:]))
    first = np.ones(len(lines), bool)
    first[1:] = (lines[1:] != lines[:-1]).any(axis=1)
    starts = np.flatnonzero(first)
    found = [np.take(data, starts, axis)]
    if return_inverse:
        run = np.cumsum(first) - 1
        found.append(run.reshape(input.shape) if dim is None else run)
    if return_counts:
        found.append(np.diff(starts, append=len(lines)))
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


def _np_searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Tensor:
    order = None if sorter is None else as_tensor(sorter)
    return searchsorted(as_tensor(a), as_tensor(v), side=side, sorter=order)


NUMPY.update(
    {
        np.nonzero: lambda a: nonzero(a, as_tuple=True),
        np.flatnonzero: lambda a: nonzero(ravel(a), as_tuple=True)[0],
        np.argwhere: lambda a: argwhere(a),
        np.searchsorted: _np_searchsorted,
        np.isin: lambda element, test_elements, assume_unique=False, invert=False: isin(
            element, test_elements, assume_unique=assume_unique, invert=invert
        ),
    }
)
