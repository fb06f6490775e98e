"""NumPy's functions on tensors: they answer with tensors that keep their gradients, or refuse.

NumPy asks `__array_ufunc__` and `__array_function__` before it calculates with an object that has them (NumPy
Enhancement Proposals 13 and 18).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tinytorch.core.autograd import NotDifferentiableError
from tinytorch.core.tensor import Tensor, from_numpy
from tinytorch.ops._registry import NUMPY

# Operators, by the method of the left operand and that of the right one.
_OPERATORS = {
    np.add: ("__add__", "__radd__"),
    np.subtract: ("__sub__", "__rsub__"),
    np.multiply: ("__mul__", "__rmul__"),
    np.true_divide: ("__truediv__", "__rtruediv__"),
    np.power: ("__pow__", "__rpow__"),
    np.matmul: ("__matmul__", "__rmatmul__"),
    np.equal: ("__eq__", "__eq__"),
    np.not_equal: ("__ne__", "__ne__"),
    np.less: ("__lt__", "__gt__"),
    np.less_equal: ("__le__", "__ge__"),
    np.greater: ("__gt__", "__lt__"),
    np.greater_equal: ("__ge__", "__le__"),
}


def answer_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Answer for a NumPy function of single elements, such as ``np.exp(t)`` or ``array + t``."""
    if method == "__call__" and not kwargs:
        if ufunc in _OPERATORS and len(inputs) == 2:
            left, right = inputs
            ours, theirs = _OPERATORS[ufunc]
            return getattr(left, ours)(right) if isinstance(left, Tensor) else getattr(right, theirs)(left)
        if ufunc in NUMPY:
            return NUMPY[ufunc](*inputs)
    name = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    return _on_arrays(getattr(ufunc, method), name, inputs, kwargs)


def answer_function(
    self: Tensor, function: Callable[..., Any], types: Iterable[type], args: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    """Answer for any other NumPy function, such as ``np.where(mask, t, 0)``."""
    if function in NUMPY:
        return NUMPY[function](*args, **kwargs)
    return _on_arrays(function, f"np.{function.__name__}", args, kwargs)


def _on_arrays(function: Callable[..., Any], name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Calculate with the arrays, if no gradient is lost by it; arrays become tensors again."""
    if any(x.requires_grad for x in _tensors([*args, *kwargs.values()])):
        raise NotDifferentiableError(
            f"{name}() has no gradient here, and a tensor that it was given requires one. Use an operation of "
            "tinytorch, or, if the gradient may end there, t.detach()."
        )
    result = function(*(_array(x) for x in args), **{key: _array(x) for key, x in kwargs.items()})
    return _wrapped(result)


def _tensors(values: Iterable[Any]) -> Iterable[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _array(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.data
    if isinstance(value, list | tuple):
        return type(value)([_array(x) for x in value])
    return value


def _wrapped(result: Any) -> Any:
    if isinstance(result, np.ndarray) and result.dtype.kind in "biuf":
        return from_numpy(result)
    if isinstance(result, tuple) and type(result) is tuple:
        return tuple(_wrapped(x) for x in result)
    return result


_SYNONYMS = {"axis": "dim", "keepdims": "keepdim", "a_min": "min", "a_max": "max"}


def with_numpy_names(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that also understands NumPy's names of its arguments, as PyTorch's methods do."""

    @functools.wraps(method)
    def operation(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            kwargs = {_SYNONYMS.get(name, name): value for name, value in kwargs.items()}
        return method(self, *args, **kwargs)

    return operation


def speak_numpy() -> None:
    """Let tensors understand NumPy's names and be understood by NumPy's functions."""
    Tensor.__array_ufunc__ = answer_ufunc  # type: ignore[assignment]
    Tensor.__array_function__ = answer_function  # type: ignore[attr-defined]
    Tensor.astype = _astype  # type: ignore[attr-defined]
    for name in ("max", "min", "argmax", "argmin"):
        setattr(Tensor, name, with_numpy_names(getattr(Tensor, name)))


def _astype(self: Tensor, dtype: Any, copy: bool = True) -> Tensor:
    """Return ``self.to(dtype)``; NumPy's name for it."""
    return self.to(dtype)
