"""Shapes: axes added, taken away, merged, moved and stretched.

What only looks at a tensor in another way shares its memory, as in PyTorch.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytorch.core.autograd import (
    ENHANCED,
    Function,
    PermuteBackward,
    ReshapeBackward,
    TransposeBackward,
    is_grad_enabled,
    unbroadcast,
)
from tinytorch.core.tensor import Array, FloatArray, Scalar, Tensor, from_numpy
from tinytorch.ops._registry import NUMPY, composed, operation

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "clone",
    "flatten",
    "meshgrid",
    "moveaxis",
    "movedim",
    "numel",
    "permute",
    "ravel",
    "repeat_interleave",
    "reshape",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "tile",
    "transpose",
    "unflatten",
    "unsqueeze",
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
            f"{name}() was given dim={dim}, but axis {dim} is out of bounds of a tensor with {ndim} axes: use {-count} "
            f"to {count - 1}."
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


def axis_along(input: Tensor, dim: int, name: str) -> int:
    if not input.ndim:
        raise IndexError(f"{name}() works along an axis, and a 0-d tensor has none. Use unsqueeze(0) first.")
    return axis_of(dim, input.ndim, name)


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


def as_tensor(value: Any) -> Tensor:
    """Return a tensor as it is, and anything else that holds numbers as a tensor of the same dtype."""
    return value if isinstance(value, Tensor) else from_numpy(np.asarray(value))


def tensors_from(values: Any) -> list[Tensor]:
    """Return a sequence of tensors, arrays or numbers as a list of tensors."""
    return [as_tensor(value) for value in values]


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


Method = Callable[..., Any]


def explained(rule: type[Function], careful: Method, *errors: type[Exception]) -> Callable[[Method], Method]:
    """Return what enhances a method of the lessons: recorded by `rule`, and `careful` answers where NumPy refuses.

    `careful` takes the same arguments, and is asked after one of `errors`, those of NumPy. It raises an error in words
    of ours, or does what PyTorch does there and NumPy does not.

    A call without a mistake costs no more than with ``tracked()``, which looks through all arguments for one that
    requires a gradient; here there is only the tensor itself.
    """

    def enhance(original: Method) -> Method:
        @functools.wraps(original)
        def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
            try:
                result = original(self, *args, **kwargs)
            except errors:
                result = None  # what follows is outside of the handler, so that NumPy's error is not shown beside ours
            if result is None:
                return careful(self, *args, **kwargs)
            if self.requires_grad and is_grad_enabled():
                result.requires_grad = True
                result._grad_fn = rule(self, *args, output=result, **kwargs)
            return result

        return method

    return enhance


# The same elements in another shape.


def reshape(input: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ``input.reshape(shape)``.

    Examples
    --------
    >>> reshape(Tensor([1, 2, 3, 4]), (2, -1)).shape
    (2, 2)
    """
    return input.reshape(integers((shape,), "reshape"))


def _reshape_with_checked_lengths(original: Method) -> Method:
    """Return the lesson's ``reshape()`` as a method that takes no negative length but -1, which NumPy does."""

    @functools.wraps(original)
    def method(self: Tensor, *args: Any, shape: Any = None) -> Tensor:
        if shape is not None:
            args = (shape,)
        try:
            result: Tensor = original(self, *args)
        except TypeError:
            result = original(self, *integers(args, "reshape"))
        found = result.data.shape
        if found != args and -1 not in args and found not in args:
            _check_lengths(self, integers(args, "reshape"))
        if self.requires_grad and is_grad_enabled():
            result.requires_grad = True
            result._grad_fn = ReshapeBackward(self, output=result)
        return result

    return method


def _check_lengths(input: Tensor, lengths: tuple[int, ...]) -> None:
    if min(lengths, default=0) < -1:
        raise RuntimeError(
            f"reshape() of a tensor of shape {input.shape} was given {lengths}. A length is 0 or more, or, once, -1, "
            "which is worked out."
        )


ENHANCED.append((Tensor, "reshape", _reshape_with_checked_lengths))


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
    place, lengths = axis_along(input, dim, "unflatten"), integers((sizes,), "unflatten")
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


def _transpose_method(self: Tensor, dim0: int, dim1: int) -> Tensor:
    for i, dim in enumerate((dim0, dim1), 1):
        if isinstance(dim, int) and not -self.ndim <= dim < self.ndim and self.ndim:
            raise IndexError(
                f"transpose(): axis{i}: axis {dim} is out of bounds for array of dimension {self.ndim}. Of a tensor of "
                f"shape {self.shape} the axes are {-self.ndim} to {self.ndim - 1}."
            )
    return _swapped(self, dim0, dim1, "transpose")


ENHANCED.append((Tensor, "transpose", explained(TransposeBackward, _transpose_method, IndexError, TypeError)))


def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """Return a view whose axis i is axis ``dims[i]`` of this tensor."""
    return input.permute(integers((dims,), "permute"))


def _permute_method(self: Tensor, *order: Any, dims: Any = None) -> Tensor:
    return self.permute(*integers(order if dims is None else (dims,), "permute"))


ENHANCED.append((Tensor, "permute", explained(PermuteBackward, _permute_method, TypeError)))


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


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """Return the shape that shapes, or lengths, broadcast to.

    Examples
    --------
    >>> broadcast_shapes((2, 1), (3,), 1)
    (2, 3)
    """
    return common_shape([integers((shape,), "broadcast_shapes") for shape in shapes], "broadcast_shapes")


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
def repeat_each(input: Tensor, repeats: int, axis: int) -> Tensor:
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
    axis = axis_along(flat, 0 if dim is None else dim, "repeat_interleave")
    times = np.asarray(repeats.data if isinstance(repeats, Tensor) else repeats)
    if times.dtype.kind not in "iu" or times.ndim > 1 or times.size not in (1, flat.shape[axis]) or (times < 0).any():
        raise ValueError(
            f"repeat_interleave() takes integers from 0 on, one or as many as the {flat.shape[axis]} elements along "
            f"axis {axis}, but got {times.tolist()}."
        )
    if times.size == 1:
        return repeat_each(flat, times.item(), axis)
    return flat[(slice(None),) * axis + (np.repeat(np.arange(times.size), times),)]


# NumPy's functions, whose arguments have other names or meanings.


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


def _np_meshgrid(*xi: Any, indexing: str = "xy") -> tuple[Tensor, ...]:
    return meshgrid(*tensors_from(xi), indexing=indexing)


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
        np.broadcast_arrays: lambda *args: broadcast_tensors(*tensors_from(args)),
        np.meshgrid: _np_meshgrid,
        np.copy: lambda a: clone(a),
        np.ndim: lambda a: a.ndim,
        np.shape: lambda a: a.shape,
        np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
        np.atleast_1d: lambda *arys: atleast_1d(*tensors_from(arys)),
        np.atleast_2d: lambda *arys: atleast_2d(*tensors_from(arys)),
        np.atleast_3d: lambda *arys: atleast_3d(*tensors_from(arys)),
        np.tile: _np_tile,
        np.repeat: lambda a, repeats, axis=None: repeat_interleave(a, repeats, axis),
    }
)
