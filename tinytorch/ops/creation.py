"""New tensors: filled, counted, drawn at random, and like others.

All random numbers come from `tinytorch.core.tensor.default_generator`, so ``manual_seed()`` repeats them.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinytorch.core.autograd import Function, NotDifferentiableError, unbroadcast
from tinytorch.core.tensor import Array, FloatArray, Scalar, Tensor, default_generator, from_numpy, tensor
from tinytorch.ops._registry import NUMPY, composed, operation
from tinytorch.ops.shape import clone

__all__ = [
    "as_tensor",
    "asarray",
    "bernoulli",
    "empty",
    "empty_like",
    "full_like",
    "linspace",
    "logspace",
    "multinomial",
    "normal",
    "ones_like",
    "rand_like",
    "randint",
    "randint_like",
    "randn_like",
    "randperm",
    "scalar_tensor",
    "tril_indices",
    "triu_indices",
    "zeros_like",
]

Size = int | Sequence[int]
DType = npt.DTypeLike | None
Grads = tuple[FloatArray | None, ...]


def _lengths(size: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """Return the integers of ``f(2, 3)`` and ``f((2, 3))`` alike.

    Raises
    ------
    TypeError
        If one of them is not an integer.
    ValueError
        If one of them is negative.
    """
    if len(size) == 1 and isinstance(size[0], Sequence):
        size = tuple(size[0])
    try:
        lengths = tuple(operator.index(n) for n in size)
    except TypeError:
        raise TypeError(f"{name}() takes the length of each axis, integers, but got size={size!r}.") from None
    if any(n < 0 for n in lengths):
        raise ValueError(f"{name}() makes axes of 0 or more elements, but got size={lengths}.")
    return lengths


def _number_type(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return NumPy's object for `dtype`, or the lesson's error if a tensor cannot hold it."""
    return from_numpy(np.empty(0, np.float32)).to(dtype).dtype


def _made(values: Array, requires_grad: bool) -> Tensor:
    return from_numpy(values).requires_grad_(requires_grad)


def _number(value: Any, name: str) -> Any:
    """Return a Python number; a tensor of one element gives its value, unless a gradient would be lost."""
    if isinstance(value, Tensor):
        if value.requires_grad:
            raise NotDifferentiableError(
                f"{name}() takes numbers, and this tensor requires a gradient, which would be lost. If you mean to: "
                "t.detach()."
            )
        return value.item()
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, bool | int | float):
        raise TypeError(f"{name}() takes numbers, but got {type(value).__name__}.")
    return value


def _check_tensor(input: Any, name: str) -> None:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}() works on a tensor, but got {type(input).__name__}. Use tinytorch.tensor(...).")


def _like(input: Tensor, dtype: DType, name: str) -> np.dtype[Any]:
    """Return the dtype of something like `input`."""
    _check_tensor(input, name)
    return input.dtype if dtype is None else _number_type(dtype)


def _float_type(dtype: np.dtype[Any], name: str) -> np.dtype[Any]:
    if dtype.kind != "f":
        raise TypeError(f"{name}() draws floats, but should make elements of {dtype}. Pass dtype=np.float32.")
    return dtype


# Filled.


def zeros_like(input: Tensor, *, dtype: DType = None, requires_grad: bool = False) -> Tensor:
    """Return 0 for each element of `input`, in its dtype.

    Examples
    --------
    >>> zeros_like(tensor([1, 2]))
    tensor([0, 0])
    """
    return full_like(input, 0, dtype=dtype, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype: DType = None, requires_grad: bool = False) -> Tensor:
    """Return 1 for each element of `input`, in its dtype."""
    return full_like(input, 1, dtype=dtype, requires_grad=requires_grad)


def full_like(input: Tensor, fill_value: Scalar, *, dtype: DType = None, requires_grad: bool = False) -> Tensor:
    """Return `fill_value` for each element of `input`, in its dtype: an integer tensor cuts 1.5 to 1."""
    found = _like(input, dtype, "full_like")
    return _made(np.full(input.shape, _number(fill_value, "full_like"), found), requires_grad)


def empty(*size: Any, dtype: npt.DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Return a tensor of shape `size` whose elements are whatever was in memory."""
    return _made(np.empty(_lengths(size, "empty"), _number_type(dtype)), requires_grad)


def empty_like(input: Tensor, *, dtype: DType = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of the shape and dtype of `input` whose elements are whatever was in memory."""
    found = _like(input, dtype, "empty_like")
    return empty(input.shape, dtype=found, requires_grad=requires_grad)


@composed()
def new_zeros(input: Tensor, *size: Any, dtype: DType = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of shape `size` filled with 0, in the dtype of this one unless told otherwise."""
    return _made(np.zeros(_lengths(size, "new_zeros"), _like(input, dtype, "new_zeros")), requires_grad)


@composed()
def new_ones(input: Tensor, *size: Any, dtype: DType = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of shape `size` filled with 1, in the dtype of this one unless told otherwise."""
    return _made(np.ones(_lengths(size, "new_ones"), _like(input, dtype, "new_ones")), requires_grad)


@composed()
def new_empty(input: Tensor, *size: Any, dtype: DType = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of shape `size`, not filled, in the dtype of this one unless told otherwise."""
    return empty(*size, dtype=_like(input, dtype, "new_empty"), requires_grad=requires_grad)


@composed()
def new_full(
    input: Tensor, size: Size, fill_value: Scalar, *, dtype: DType = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of shape `size` filled with `fill_value`, in the dtype of this one unless told otherwise."""
    values = np.full(_lengths((size,), "new_full"), _number(fill_value, "new_full"), _like(input, dtype, "new_full"))
    return _made(values, requires_grad)


@composed()
def new_tensor(input: Tensor, data: Any, *, dtype: DType = None, requires_grad: bool = False) -> Tensor:
    """Return a new tensor of `data`, in the dtype of this one unless told otherwise."""
    return tensor(data, _like(input, dtype, "new_tensor"), requires_grad)


# From what is there already.


def as_tensor(data: Any, dtype: DType = None) -> Tensor:
    """Return `data` as a tensor, without a copy where its dtype is the wanted one.

    A tensor keeps its history; an array shares its memory; anything else becomes a ``tensor(data)``.

    Examples
    --------
    >>> array = np.zeros(2)
    >>> shared = as_tensor(array)
    >>> array[0] = 5
    >>> shared
    tensor([5., 0.], dtype=float64)
    """
    if isinstance(data, Tensor):
        return data if dtype is None or data.dtype == _number_type(dtype) else data.to(dtype)
    if isinstance(data, np.ndarray) and data.dtype.kind in "biuf":
        return from_numpy(data if dtype is None else data.astype(_number_type(dtype), copy=False))
    return tensor(data, dtype)


def asarray(obj: Any, *, dtype: DType = None, copy: bool | None = None, requires_grad: bool | None = None) -> Tensor:
    """Return `obj` as a tensor.

    Parameters
    ----------
    obj
        A tensor, an array, or numbers.
    dtype
        The type of the elements, if not that of `obj`.
    copy
        True always copies, False never does, None does where it must.
    requires_grad
        Whether the gradient of the result is wanted; None keeps a tensor's history, False detaches from it.

    Raises
    ------
    ValueError
        If `copy` is False and there is no way without.
    """
    result = as_tensor(obj, dtype)
    original = obj.data if isinstance(obj, Tensor) else obj
    if copy is False and result.data is not original:
        raise ValueError(
            f"asarray() with copy=False shares the memory of an array or tensor of the wanted dtype, but got "
            f"{type(obj).__name__} for dtype={dtype}. Leave copy out."
        )
    if copy and result.data is original:
        result = clone(result)
    if requires_grad is False and result.requires_grad:
        return result.detach()
    if requires_grad and not result.requires_grad:
        return result.detach().requires_grad_()
    return result


def scalar_tensor(s: Scalar, *, dtype: DType = None, requires_grad: bool = False) -> Tensor:
    """Return a 0-d tensor of the number `s`, float32 unless told otherwise."""
    values = np.asarray(_number(s, "scalar_tensor"), _number_type(np.float32 if dtype is None else dtype))
    return _made(values, requires_grad)


# Counted.


def linspace(start: Scalar, end: Scalar, steps: int, *, dtype: DType = None, requires_grad: bool = False) -> Tensor:
    """Return `steps` numbers from `start` to `end`, both included, at equal distances.

    Raises
    ------
    ValueError
        If `steps` is negative.

    Examples
    --------
    >>> linspace(0, 1, 5)
    tensor([0.00, 0.25, 0.50, 0.75, 1.00])
    """
    return _made(_spaced(start, end, steps, "linspace").astype(_counting_type(dtype, "linspace")), requires_grad)


def logspace(
    start: Scalar, end: Scalar, steps: int, base: float = 10.0, *, dtype: DType = None, requires_grad: bool = False
) -> Tensor:
    """Return `steps` numbers from ``base**start`` to ``base**end``, both included, at equal ratios.

    Examples
    --------
    >>> logspace(0, 3, 4, base=2)
    tensor([1., 2., 4., 8.])
    """
    powers = _number(base, "logspace") ** _spaced(start, end, steps, "logspace")
    return _made(powers.astype(_counting_type(dtype, "logspace")), requires_grad)


def _spaced(start: Scalar, end: Scalar, steps: int, name: str) -> FloatArray:
    first, last = float(_number(start, name)), float(_number(end, name))
    (count,) = _lengths((steps,), name)
    return np.linspace(first, last, count)


def _counting_type(dtype: DType, name: str) -> np.dtype[Any]:
    found = _number_type(np.float32 if dtype is None else dtype)
    if found.kind == "b":
        raise TypeError(f"{name}() makes numbers, not truth values. Pass dtype=np.float32 or np.int64.")
    return found


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: npt.DTypeLike = np.int64) -> Tensor:
    """Return the places on and below the diagonal of a ``(row, col)`` matrix: rows first, then columns.

    Examples
    --------
    >>> tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    rows, columns = _lengths((row, col), "tril_indices")
    return from_numpy(np.stack(np.tril_indices(rows, offset, columns)).astype(_number_type(dtype), copy=False))


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: npt.DTypeLike = np.int64) -> Tensor:
    """Return the places on and above the diagonal of a ``(row, col)`` matrix: rows first, then columns."""
    rows, columns = _lengths((row, col), "triu_indices")
    return from_numpy(np.stack(np.triu_indices(rows, offset, columns)).astype(_number_type(dtype), copy=False))


# Drawn at random.


def rand_like(input: Tensor, *, dtype: DType = None, requires_grad: bool = False) -> Tensor:
    """Return a number drawn evenly from [0, 1) for each element of `input`, in its dtype.

    Raises
    ------
    TypeError
        If the dtype is not one of floats.
    """
    found = _float_type(_like(input, dtype, "rand_like"), "rand_like")
    return _made(_even(input.shape, found), requires_grad)


def _even(shape: tuple[int, ...], dtype: np.dtype[Any]) -> FloatArray:
    """Return numbers drawn evenly from [0, 1) that no rounding makes 1."""
    if dtype in (np.float32, np.float64):
        return default_generator().random(shape, dtype.type)
    steps = 2 ** (np.finfo(dtype).nmant + 1)
    values: FloatArray = (default_generator().integers(steps, size=shape) / steps).astype(dtype)
    return values


def randn_like(input: Tensor, *, dtype: DType = None, requires_grad: bool = False) -> Tensor:
    """Return a number drawn from the standard normal distribution for each element of `input`, in its dtype.

    Raises
    ------
    TypeError
        If the dtype is not one of floats.
    """
    found = _float_type(_like(input, dtype, "randn_like"), "randn_like")
    return _made(_bell(input.shape, found), requires_grad)


def _bell(shape: tuple[int, ...], dtype: np.dtype[Any]) -> FloatArray:
    """Return numbers drawn from the standard normal distribution."""
    drawn = np.dtype(np.float32) if dtype == np.float32 else np.dtype(np.float64)
    return default_generator().standard_normal(shape, drawn.type).astype(dtype, copy=False)


def randint(
    low: Any = 0, high: Any = None, size: Any = None, *, dtype: npt.DTypeLike = np.int64, requires_grad: bool = False
) -> Tensor:
    """Return integers drawn evenly from `low` up to and without `high`: ``randint(low=0, high, size)``.

    Raises
    ------
    ValueError
        If there is no integer from `low` to below `high`, or `dtype` cannot hold them.

    Examples
    --------
    >>> _ = randint(10, (2, 3)), randint(5, 10, (2, 3)), randint(low=5, high=10, size=(2, 3))
    """
    if size is None:  # the first one may be left out
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    return _made(_integers(low, high, _lengths((size,), "randint"), dtype, "randint"), requires_grad)


def randint_like(
    input: Tensor, low: Any = 0, high: Any = None, *, dtype: DType = None, requires_grad: bool = False
) -> Tensor:
    """Return an integer drawn evenly for each element of `input`, in its dtype: ``randint_like(t, low=0, high)``."""
    found = _like(input, dtype, "randint_like")
    if high is None:
        low, high = 0, low
    return _made(_integers(low, high, input.shape, found, "randint_like"), requires_grad)


def _integers(low: Any, high: Any, shape: tuple[int, ...], dtype: npt.DTypeLike, name: str) -> Array:
    first, end = int(_number(low, name)), int(_number(high, name))
    if first >= end:
        raise ValueError(f"{name}() draws from low up to and without high, but got low={first} and high={end}.")
    found = _number_type(dtype)
    limits = (0, 1) if found.kind == "b" else _range(found)
    if not limits[0] <= first <= end - 1 <= limits[1]:
        raise ValueError(f"{name}() would draw {first} to {end - 1}, but {found} holds {limits[0]} to {limits[1]}.")
    return default_generator().integers(first, end, shape).astype(found, copy=False)


def _range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the lowest and the highest number that elements of `dtype` hold."""
    info = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return info.min, info.max


def randperm(n: int, *, dtype: npt.DTypeLike = np.int64, requires_grad: bool = False) -> Tensor:
    """Return the integers from 0 to ``n - 1`` in random order."""
    (count,) = _lengths((n,), "randperm")
    return _made(default_generator().permutation(count).astype(_number_type(dtype), copy=False), requires_grad)


class DrawBackward(Function):
    """Gradient of numbers drawn at random: 0, as in PyTorch; a draw does not move with what it was drawn from.

    ``mean + std * randn_like(std)`` has the same distribution and a gradient.
    """

    saves = ()

    def apply(self, grad_output: FloatArray) -> Grads:
        none = np.zeros_like(grad_output)
        pairs = zip(self.input_shapes, self.needs_input_grad, strict=True)
        return tuple(unbroadcast(none, shape) if needed else None for shape, needed in pairs)


@operation(DrawBackward, method="_drawn_bits")
def _drawn_bits(input: Tensor) -> Tensor:
    return from_numpy((_even(input.shape, np.dtype(np.float64)) < input.data).astype(input.dtype))


@composed()
def bernoulli(input: Tensor, p: float | None = None) -> Tensor:
    """Return 1 with the probability that each element of `input` is, or with probability `p`, and 0 otherwise.

    Raises
    ------
    ValueError
        If a probability is not between 0 and 1.
    TypeError
        If `input` does not hold floats and `p` is missing.

    Examples
    --------
    >>> bernoulli(Tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    _check_tensor(input, "bernoulli")
    if p is not None:
        _check_probabilities(np.asarray(_number(p, "bernoulli"), np.float64))
        return from_numpy((_even(input.shape, np.dtype(np.float64)) < p).astype(input.dtype))
    if input.dtype.kind != "f":
        raise TypeError(f"bernoulli() takes probabilities, floats, but this tensor holds {input.dtype}.")
    _check_probabilities(input.data)
    return _drawn_bits(input)


def _check_probabilities(p: FloatArray) -> None:
    wrong = ~((p >= 0) & (p <= 1))  # so nan is wrong too
    if wrong.any():
        raise ValueError(f"bernoulli() takes probabilities, 0 to 1, but got {p[wrong][0]}. sigmoid() makes them.")


@composed()
def multinomial(input: Tensor, num_samples: int, replacement: bool = False) -> Tensor:
    """Return the indices of categories, drawn with the weights in each row of `input`.

    Parameters
    ----------
    input
        Weights, at least 0, which need not sum to 1: ``(C,)`` or ``(N, C)``.
    num_samples
        How many to draw from each row.
    replacement
        Whether one category can be drawn twice from a row.

    Returns
    -------
    Tensor
        int64, ``(num_samples,)`` or ``(N, num_samples)``.

    Raises
    ------
    TypeError
        If `input` does not hold floats.
    ValueError
        If a weight is negative, infinite or nan, a row has too few weights above 0, or the shape is another.

    Notes
    -----
    Without replacement each category waits for a time ``exponential / weight``, and the first ones are taken.
    Source: P. Efraimidis and P. Spirakis, Weighted random sampling with a reservoir, Inf. Proc. Letters 97, 2006.

    Examples
    --------
    >>> multinomial(Tensor([0.0, 3.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    _check_weights(input, num_samples, replacement)
    weights = input.data.reshape(-1, input.shape[-1]).astype(np.float64)
    draw = _draw_with_replacement if replacement else _draw_without_replacement
    return from_numpy(draw(weights, num_samples).reshape(*input.shape[:-1], num_samples))


def _check_weights(input: Tensor, num_samples: int, replacement: bool) -> None:
    _check_tensor(input, "multinomial")
    if input.dtype.kind != "f":
        raise TypeError(f"multinomial() takes weights, floats, but this tensor holds {input.dtype}. Use t.float().")
    if input.ndim not in (1, 2):
        raise ValueError(f"multinomial() takes weights of shape (C,) or (N, C), but got shape {input.shape}.")
    if num_samples <= 0:
        raise ValueError(f"multinomial() draws one or more samples, but got num_samples={num_samples}.")
    weights = input.data
    wrong = ~((weights >= 0) & (weights < np.inf))
    if wrong.any():
        raise ValueError(f"multinomial() takes weights from 0 to below infinity, but got {weights[wrong][0]}.")
    enough = 1 if replacement else num_samples
    found = np.count_nonzero(weights, axis=-1)
    if np.any(found < enough):
        raise ValueError(
            f"multinomial() needs {enough} categories of a weight above 0, but a row has {found.min()}. "
            "Draw fewer, or with replacement=True."
        )


def _draw_with_replacement(weights: FloatArray, count: int) -> Array:
    """Return for each row of `weights` the indices of `count` draws."""
    reached = weights.cumsum(axis=1)
    draws: FloatArray = default_generator().random((len(weights), count)) * reached[:, -1:]
    found = [np.searchsorted(row, draw, side="right") for row, draw in zip(reached, draws, strict=True)]
    last = weights.shape[1] - 1 - np.argmax(weights[:, ::-1] > 0, axis=1)  # a product may round up to the whole sum
    indices: Array = np.minimum(np.asarray(found, np.int64).reshape(draws.shape), last[:, None])
    return indices


def _draw_without_replacement(weights: FloatArray, count: int) -> Array:
    """Return for each row of `weights` the indices of `count` draws, all of them different."""
    waiting = default_generator().standard_exponential(weights.shape)
    waiting = np.divide(waiting, weights, out=np.full_like(weights, np.inf), where=weights > 0)
    first: Array = np.argsort(waiting, axis=1)[:, :count]
    return first.astype(np.int64, copy=False)


@operation(DrawBackward, method="_drawn_bell")
def _drawn_bell(mean: Tensor, std: Tensor) -> Tensor:
    dtype = np.result_type(mean.data, std.data)
    values = _bell(np.broadcast_shapes(mean.shape, std.shape), dtype)
    return from_numpy(np.asarray(values * std.data + mean.data, dtype))


def normal(
    mean: Tensor | float = 0.0,
    std: Tensor | float = 1.0,
    size: Size | None = None,
    *,
    dtype: DType = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return numbers drawn from normal distributions.

    Parameters
    ----------
    mean, std
        Numbers, or tensors of floats that broadcast: one distribution for each element.
    size
        The shape of the result, if both are numbers.
    dtype, requires_grad
        As for ``zeros``, if both are numbers.

    Raises
    ------
    ValueError
        If a standard deviation is negative.
    TypeError
        If `size` is missing where it is needed, or given where the tensors tell the shape.
    """
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if bool(tensors) != (size is None):
        raise TypeError("normal() takes size= if mean and std are both numbers, and not if one of them is a tensor.")
    if tensors and (dtype is not None or requires_grad):
        raise TypeError("normal() takes dtype= and requires_grad= only with size=; a tensor brings its own dtype.")
    if any(x.dtype.kind != "f" for x in tensors):
        raise TypeError("normal() takes a mean and a std of floats, but got a tensor of integers. Use t.float().")
    found = tensors[0].dtype if tensors else _float_type(_number_type(np.float32 if dtype is None else dtype), "normal")
    mean, std = (
        x if isinstance(x, Tensor) else from_numpy(np.asarray(_number(x, "normal"), found)) for x in (mean, std)
    )
    if not np.all(std.data >= 0):
        raise ValueError("normal() takes standard deviations of 0 or more, but one is negative or nan.")
    if size is None:
        return _drawn_bell(mean, std)
    shape = _lengths((size,), "normal")
    return _made(np.asarray(_bell(shape, found) * std.data + mean.data, found), requires_grad)


NUMPY[np.zeros_like] = zeros_like
NUMPY[np.ones_like] = ones_like
NUMPY[np.full_like] = full_like
NUMPY[np.empty_like] = empty_like
