"""Many numbers into fewer: sums, products, extremes."""

from __future__ import annotations

import builtins
import functools
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tinytorch.core.autograd import (
    ENHANCED,
    ExtremumBackward,
    Function,
    MeanBackward,
    SumBackward,
    is_grad_enabled,
    restore_axes,
)
from tinytorch.core.tensor import Dim, FloatArray, Tensor, from_numpy
from tinytorch.ops import shape
from tinytorch.ops._numpy import with_numpy_names
from tinytorch.ops._registry import NUMPY, composed, floats, operation
from tinytorch.ops.arithmetic import maximum, minimum
from tinytorch.ops.shape import Method, as_tensor, axis_of

__all__ = [
    "all",
    "amax",
    "amin",
    "aminmax",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "logsumexp",
    "max",
    "mean",
    "min",
    "nanmean",
    "nansum",
    "prod",
    "sum",
]

Grads = tuple[FloatArray | None, ...]
Dims = int | Sequence[int] | None
F = TypeVar("F", bound=Callable[..., Any])


# Arguments


def axes_of(input: Tensor, dim: Dims, name: str) -> tuple[int, ...]:
    """Return the axes that `dim` names, counted from the front; all of them if it is None or names none.

    A 0-d tensor has one that may be named, 0 or -1, and nothing to be reduced there.
    """
    if dim is None or (isinstance(dim, Sequence) and not dim):
        return tuple(range(input.ndim))
    axes = shape.axes_of(dim, input.ndim, name)
    return axes if input.ndim else ()


def check_tensor(value: Any, name: str) -> None:
    """Raise an error unless `value`, an argument of operation `name`, is a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name}() works on a tensor, but got {type(value).__name__}. Make one with tinytorch.tensor(...)."
        )


def check_floats(input: Tensor, name: str) -> None:
    """Raise an error unless `input`, an argument of operation `name`, is a tensor of floats."""
    check_tensor(input, name)
    if input.dtype.kind != "f":
        raise TypeError(f"{name}() needs floats, but this tensor holds {input.dtype}. Use {name}(t.float()).")


def check_not_empty(input: Tensor, axes: Iterable[int], name: str, dim: Any = None) -> None:
    """Raise an error if one of the axes has no element to choose; `dim` is what the user called them."""
    if input.ndim and builtins.any(input.shape[axis] == 0 for axis in axes):
        raise ValueError(
            f"{name}(): a tensor of shape {input.shape} has no largest or smallest element along dim={dim}: there is "
            "nothing to choose from."
        )


def answers_for(*numpy: Callable[..., Any]) -> Callable[[F], F]:
    """Let a function answer for NumPy functions when they meet a tensor; its arguments have NumPy's names."""

    def register(function: F) -> F:
        known = inspect.signature(function).parameters

        @functools.wraps(function)
        def answer(*args: Any, **kwargs: Any) -> Any:
            unknown = [name for name, value in kwargs.items() if name not in known and value is not np._NoValue]
            if unknown:
                raise TypeError(
                    f"np.{numpy[0].__name__}() of a tensor does not take {', '.join(unknown)}; it takes "
                    f"{', '.join(known)}. For the values alone, call it with t.detach().numpy()."
                )
            return function(*args, **{name: value for name, value in kwargs.items() if name in known})

        NUMPY.update(dict.fromkeys(numpy, answer))
        return function

    return register


def in_dtype(input: Tensor, dtype: npt.DTypeLike | None) -> Tensor:
    """Return `input` as elements of `dtype`, in which the sum is then made; None leaves it as it is."""
    return input if dtype is None else input.to(dtype)


def wide(input: Tensor) -> FloatArray:
    """Return the array of a tensor of floats in the type that sums are made in: float16 as float32."""
    data = floats(input)
    return data.astype(np.float32) if data.dtype == np.float16 else data


def narrow(values: Any, input: Tensor) -> Tensor:
    """Return values computed from ``wide(input)`` as a tensor of the type they belong to."""
    return from_numpy(np.asarray(values).astype(floats(input).dtype, copy=False))


# Sums and means


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the sum over `dim`, an axis or several; over all elements if it is None.

    Integers and bools add up to int64, unless `dtype` says otherwise. The sum of no elements is 0.

    Examples
    --------
    >>> sum(Tensor([[1, 2], [3, 4]]), dim=0)
    tensor([4., 6.])
    """
    check_tensor(input, "sum")
    axes = None if dim is None else axes_of(input, dim, "sum") or None
    total = in_dtype(input, dtype).sum(axes, _truth_of(keepdim, "sum"))
    return total if dtype is None else total.to(dtype)


def _truth_of(keepdim: Any, name: str) -> bool:
    if not isinstance(keepdim, bool | np.bool_):
        raise TypeError(f"{name}() takes keepdim=True or False, but got {keepdim!r}. Several axes go in a tuple, dim=.")
    return bool(keepdim)


@answers_for(np.sum)
def _np_sum(a: Any, axis: Dim = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    return sum(as_tensor(a), numpy_axes(a, axis), keepdims, dtype=dtype)


def numpy_axes(a: Any, axis: Any) -> Any:
    """Return NumPy's `axis` as PyTorch's `dim`: an empty tuple reduces nothing in NumPy, everything in PyTorch."""
    if isinstance(axis, tuple | list) and not axis:
        raise ValueError(f"axis=() reduces nothing. Name an axis of shape {np.shape(a)}, or None for all of them.")
    return axis


def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the mean over `dim`, an axis or several; over all elements if it is None.

    The mean of no elements is nan. Integers have none, unless `dtype` makes floats of them.

    Raises
    ------
    TypeError
        If the elements are not floats.
    """
    check_tensor(input, "mean")
    floating = in_dtype(input, dtype)
    if floating.dtype.kind != "f":
        raise TypeError(f"mean() needs floats, but this tensor holds {input.dtype}. Use t.float().mean(), or dtype=.")
    axes, keepdim = axes_of(input, dim, "mean") or None, _truth_of(keepdim, "mean")
    if not input.size:
        return floating.sum(axes, keepdim) * math.nan
    return floating.mean(axes, keepdim)


@answers_for(np.mean)
def _np_mean(a: Any, axis: Dim = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    return mean(as_tensor(a), numpy_axes(a, axis), keepdims, dtype=dtype)


class NansumBackward(Function):
    """Gradient of ``out = a.nansum(dim, keepdim)``: that of the sum, and 0 for each nan."""

    def __init__(
        self, a: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None, output: Tensor | None = None
    ) -> None:
        super().__init__(a, output=output)
        self.axes = axes_of(a, dim, "nansum")

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (restore_axes(grad_output, a.ndim, self.axes) * (a == a),)


@operation(NansumBackward)
def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the sum over `dim` of the elements that are not nan.

    Examples
    --------
    >>> nansum(Tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    data = input.data if dtype is None else input.to(dtype).data
    total = np.asarray(np.nansum(data, axis=axes_of(input, dim, "nansum"), keepdims=keepdim))
    return from_numpy(total if dtype is None else total.astype(dtype, copy=False))


@composed()
def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the mean over `dim` of the elements that are not nan; nan where there are none.

    Raises
    ------
    TypeError
        If the elements are not floats.
    """
    floating = in_dtype(input, dtype)
    check_floats(floating, "nanmean")
    axes = axes_of(input, dim, "nanmean")
    counts = np.sum(floating.data == floating.data, axis=axes, keepdims=keepdim)
    total = nansum(floating, axes, keepdim) / from_numpy(np.maximum(counts, 1).astype(floating.dtype))
    return total if np.all(counts) else total * from_numpy(np.where(counts, 1, np.nan).astype(floating.dtype))


@answers_for(np.nansum)
def _np_nansum(a: Any, axis: Dim = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    return nansum(as_tensor(a), numpy_axes(a, axis), keepdims, dtype=dtype)


@answers_for(np.nanmean)
def _np_nanmean(a: Any, axis: Dim = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    return nanmean(as_tensor(a), numpy_axes(a, axis), keepdims, dtype=dtype)


# Products


class ProdBackward(Function):
    """Gradient of ``out = a.prod(dim, keepdim)``: for each element, the product of the others it was multiplied with.

    That product is ``out / a`` where no element is 0.
    """

    saves = ("inputs", "output")

    def __init__(
        self,
        a: Tensor,
        dim: int | None = None,
        keepdim: bool = False,
        *,
        dtype: Any = None,
        output: Tensor | None = None,
    ) -> None:
        super().__init__(a, output=output)
        self.dim = None if dim is None or a.ndim == 0 else axis_of(dim, a.ndim, "prod")

    def apply(self, grad_output: FloatArray) -> Grads:
        a, out = self.saved_tensors
        grad_output = restore_axes(grad_output, a.ndim, self.dim)
        if (a != 0).all():
            return (grad_output * restore_axes(out, a.ndim, self.dim) / a,)
        if self.dim is None:
            return (grad_output * _product_of_others(a.reshape(-1), 0).reshape(a.shape),)
        return (grad_output * _product_of_others(a, self.dim),)


def _product_of_others(a: FloatArray, axis: int) -> FloatArray:
    """Return for each element of `a` the product of the others along `axis`, of which any may be 0.

    Memory: for a tensor, whose product has to keep its gradient, n times that of `a`, n being the axis' length.
    """
    if isinstance(a, Tensor):
        without_own = ones_on_diagonal(a.swapaxes(axis, -1))
        return without_own.prod(-1).swapaxes(axis, -1)
    zero = a == 0
    zeros = zero.sum(axis=axis, keepdims=True)
    others = np.where(zero, 1, a)
    product = others.prod(axis=axis, keepdims=True)
    # One 0 makes the product 0 for all but itself; two make it 0 for all. Beside an infinity it is nan.
    result: FloatArray = np.where(zeros == 0, product / others, np.where(zero & (zeros == 1), product, product * 0))
    return result


def ones_on_diagonal(a: Any) -> Any:
    """Return the rows of `a`, ``(..., n)``, n times, with 1 in the place of element i in the i-th: ``(..., n, n)``."""
    n = a.shape[-1]
    return np.where(np.eye(n, dtype=bool), 1.0, a.reshape((*a.shape[:-1], 1, n)))


@operation(ProdBackward)
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the product over the axis `dim`; of all elements if it is None.

    Integers and bools multiply to int64, unless `dtype` says otherwise. The product of no elements is 1.

    Examples
    --------
    >>> prod(Tensor([[1, 2], [3, 4]]), dim=1)
    tensor([ 2., 12.])
    """
    axis = None if dim is None else axis_of(dim, input.ndim, "prod")
    if dtype is None:
        dtype = input.dtype if input.dtype.kind == "f" else np.int64
    return from_numpy(np.asarray(input.to(dtype).data.prod(axis=axis, keepdims=keepdim)))


@answers_for(np.prod)
def _np_prod(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    a = as_tensor(a)
    if not isinstance(axis, tuple):
        return prod(a, axis, keepdims, dtype=dtype)
    result: Tensor = a
    for each in sorted(axes_of(a, numpy_axes(a, axis), "np.prod"), reverse=True):
        result = prod(result, each, keepdims, dtype=dtype)
    return result


# Extremes


def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Return the largest element over `dim`, an axis or several; of all elements if it is empty or None.

    Equal largest elements share the gradient.

    Raises
    ------
    ValueError
        If there is nothing to choose from.
    """
    return _extreme("amax", input, dim, keepdim)


def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Return the smallest element over `dim`, an axis or several; of all elements if it is empty or None.

    Equal smallest elements share the gradient.

    Raises
    ------
    ValueError
        If there is nothing to choose from.
    """
    return _extreme("amin", input, dim, keepdim)


def _extreme(name: str, input: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    check_tensor(input, name)
    axes = axes_of(input, dim, name)
    check_not_empty(input, axes, name, dim)
    result: Tensor = getattr(Tensor, name)(input, axes or None, _truth_of(keepdim, name))
    return result


def _like_the_function(rule: type[Function], function: Callable[..., Tensor]) -> Callable[[Method], Method]:
    """Return what enhances a reduction of the lessons: recorded by `rule`, and with all that `function` can beyond it.

    `function` answers where NumPy refuses, and for no axes, which mean all of them here and none in NumPy.
    """
    careful = with_numpy_names(function)

    def enhance(original: Method) -> Method:
        @functools.wraps(original)
        def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
            if () in args or (kwargs and kwargs.get("dim") == ()):
                return careful(self, *args, **kwargs)
            try:
                result = original(self, *args, **kwargs)
            except (TypeError, ValueError):
                result = None  # what follows is outside of the handler, so that NumPy's error is not shown beside ours
            if result is None:
                return careful(self, *args, **kwargs)
            if self.requires_grad and is_grad_enabled():
                result.requires_grad = True
                result._grad_fn = rule(self, *args, output=result, **kwargs)
            return result

        return method

    return enhance


ENHANCED += [
    (Tensor, "sum", _like_the_function(SumBackward, sum)),
    (Tensor, "mean", _like_the_function(MeanBackward, mean)),
    (Tensor, "amax", _like_the_function(ExtremumBackward, amax)),
    (Tensor, "amin", _like_the_function(ExtremumBackward, amin)),
]


@answers_for(np.max, np.amax)
def _np_max(a: Any, axis: Dim = None, keepdims: bool = False) -> Tensor:
    return amax(as_tensor(a), numpy_axes(a, axis), keepdims)


@answers_for(np.min, np.amin)
def _np_min(a: Any, axis: Dim = None, keepdims: bool = False) -> Tensor:
    return amin(as_tensor(a), numpy_axes(a, axis), keepdims)


_lesson_max, _lesson_min = Tensor.max, Tensor.min
_lesson_argmax, _lesson_argmin = Tensor.argmax, Tensor.argmin


@composed()
def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """Return the largest element; along `dim`, ``(values, indices)``; of two tensors, the larger element of each pair.

    Along `dim` one of several largest elements gets the gradient; without, they share it.

    Examples
    --------
    >>> max(Tensor([1, 5, 3]))
    tensor(5.)
    >>> max(Tensor([1, 5, 3]), dim=0).indices
    tensor(1)
    >>> max(Tensor([1, 5, 3]), Tensor([4, 4, 4]))
    tensor([4., 5., 4.])
    """
    return _largest("max", _lesson_max, input, other if dim is None else dim, keepdim)


@composed()
def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """Return the smallest element; along `dim`, ``(values, indices)``; of two tensors, the smaller of each pair.

    Along `dim` one of several smallest elements gets the gradient; without, they share it.
    """
    return _largest("min", _lesson_min, input, other if dim is None else dim, keepdim)


def _largest(name: str, along: Callable[..., Any], input: Tensor, dim: Any, keepdim: bool) -> Any:
    check_tensor(input, name)
    if isinstance(dim, Tensor):
        return (maximum if name == "max" else minimum)(input, dim)
    if dim is None:
        return _extreme(f"a{name}", input, None, keepdim)
    axis = axis_of(dim, input.ndim, name)
    check_not_empty(input, [axis], name, dim)
    return along(input, axis, keepdim)


@composed()
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return where the largest element stands along `dim`, the first of several; in the flattened tensor if None."""
    return _where_largest("argmax", _lesson_argmax, input, dim, keepdim)


@composed()
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return where the smallest element stands along `dim`, the first of several; in the flattened tensor if None."""
    return _where_largest("argmin", _lesson_argmin, input, dim, keepdim)


def _where_largest(name: str, where: Callable[..., Tensor], input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    check_tensor(input, name)
    axis = None if dim is None else axis_of(dim, input.ndim, name)
    check_not_empty(input, range(input.ndim) if axis is None else [axis], name, dim)
    return where(input, axis, keepdim)


@answers_for(np.argmax)
def _np_argmax(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
    return argmax(as_tensor(a), axis, keepdims)


@answers_for(np.argmin)
def _np_argmin(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
    return argmin(as_tensor(a), axis, keepdims)


class MinMax(NamedTuple):
    """What ``aminmax()`` returns."""

    min: Tensor
    max: Tensor


@composed()
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """Return the smallest and the largest element, over the axis `dim` or of all elements."""
    return MinMax(amin(input, dim, keepdim), amax(input, dim, keepdim))


# Truth


@composed()
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return whether some element over `dim` is not 0; nan is not 0.

    Examples
    --------
    >>> any(Tensor([[0, 1], [0, 0]]), dim=1)
    tensor([ True, False])
    """
    check_tensor(input, "any")
    return _truth(np.any(input.data, axis=axes_of(input, dim, "any"), keepdims=keepdim), input)


@composed()
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return whether every element over `dim` is not 0; so it is if there are no elements."""
    check_tensor(input, "all")
    return _truth(np.all(input.data, axis=axes_of(input, dim, "all"), keepdims=keepdim), input)


def _truth(values: Any, input: Tensor) -> Tensor:
    """Return truth values as PyTorch has them: of uint8 for a tensor of uint8, of bool for any other."""
    return from_numpy(np.asarray(values, np.uint8 if input.dtype == np.uint8 else np.bool_))


@answers_for(np.any)
def _np_any(a: Any, axis: Dim = None, keepdims: bool = False) -> Tensor:
    return any(as_tensor(a), numpy_axes(a, axis), keepdims)


@answers_for(np.all)
def _np_all(a: Any, axis: Dim = None, keepdims: bool = False) -> Tensor:
    return all(as_tensor(a), numpy_axes(a, axis), keepdims)


@composed()
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """Return how many elements over `dim` are not 0.

    Examples
    --------
    >>> count_nonzero(Tensor([[0, 1, 2], [0, 0, 3]]), dim=0)
    tensor([0, 1, 2])
    """
    check_tensor(input, "count_nonzero")
    return from_numpy(np.asarray(np.count_nonzero(input.data, axis=axes_of(input, dim, "count_nonzero"))))


@answers_for(np.count_nonzero)
def _np_count_nonzero(a: Any, axis: Dim = None) -> Tensor:
    return count_nonzero(as_tensor(a), numpy_axes(a, axis))


# Logarithms of sums


class LogsumexpBackward(Function):
    """Gradient of ``out = logsumexp(a, dim)``: ``grad_output * exp(a - out)``, which is a softmax.

    Where all that was summed is 0, and `out` therefore -inf, it is nan, as in PyTorch.
    """

    saves = ("inputs", "output")

    def __init__(self, a: Tensor, dim: Dims, keepdim: bool = False, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.axes = axes_of(a, dim, "logsumexp")

    def apply(self, grad_output: FloatArray) -> Grads:
        a, out = (restore_axes(x, len(self.input_shapes[0]), self.axes) for x in self.saved_tensors)
        with np.errstate(invalid="ignore"):
            return (restore_axes(grad_output, a.ndim, self.axes) * np.exp(a - out),)


@operation(LogsumexpBackward)
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """Return ``log(sum(exp(input)))`` over `dim`, an axis or several, without overflow.

    The largest element is taken out first: ``m + log(sum(exp(input - m)))``.

    Examples
    --------
    >>> logsumexp(Tensor([1000.0, 1000.0]), dim=0)
    tensor(1000.6932)
    """
    axes = axes_of(input, dim, "logsumexp")
    data = wide(input)
    largest = data.max(axis=axes, keepdims=True, initial=-np.inf)
    largest = np.where(np.isinf(largest), 0, largest)  # inf - inf would be nan
    with np.errstate(divide="ignore", over="ignore"):  # log(0) is -inf here, and exp(inf) inf
        result = np.log(np.exp(data - largest).sum(axis=axes, keepdims=True)) + largest
    return narrow(result if keepdim else result.squeeze(axes), input)
