"""How an operation joins the lessons' own: as a method of `Tensor`, with its rule in the one table of module 05."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from tinytorch.core.autograd import RULES, Function, Rule
from tinytorch.core.tensor import FloatArray, Tensor

P = ParamSpec("P")
R = TypeVar("R")

# What answers when a NumPy function is called with a tensor, by that function.
NUMPY: dict[Callable[..., Any], Callable[..., Any]] = {}


def operation(
    backward: type[Function], *numpy: Callable[..., Any], method: str = ""
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function on tensors an operation, whose gradient `backward` computes.

    The function becomes a method of `Tensor`, and a row of `RULES`, so that ``enable_autograd()`` enhances it like
    those of the lessons. What is returned calls that method.

    Parameters
    ----------
    backward
        The rule of the gradient. It is made with the arguments of the operation.
    *numpy
        NumPy functions that it answers for when they meet a tensor.
    method
        The name of the method, if it is not the function's.
    """

    def register(forward: Callable[P, R]) -> Callable[P, R]:
        name = method or forward.__name__
        if name in vars(Tensor):
            raise TypeError(f"Tensor has a method {name!r} already, and a second one would take its place.")
        setattr(Tensor, name, forward)
        RULES.append(Rule(Tensor, name, backward))
        function = as_function(name, forward)
        NUMPY.update(dict.fromkeys(numpy, function))
        return function

    return register


def composed(*numpy: Callable[..., Any], method: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function that is written in other operations a method of `Tensor`; those have the rules."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        name = method or function.__name__
        setattr(Tensor, name, function)
        checked = as_function(name, function)
        NUMPY.update(dict.fromkeys(numpy, checked))
        return checked

    return register


def as_function(name: str, forward: Callable[P, R]) -> Callable[P, R]:
    """Return a function that calls the method `name`, as it is at that moment, of its first argument."""

    @functools.wraps(forward)
    def function(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}() works on a tensor, but got {type(input).__name__}. Make one with tinytorch.tensor(...)."
            )
        return getattr(Tensor, name)(input, *args, **kwargs)

    return function  # type: ignore[return-value]


def floats(input: Tensor) -> FloatArray:
    """Return the array of a tensor; integers and bools as float32, as PyTorch computes with them."""
    data = input.data
    return data if data.dtype.kind == "f" else data.astype(np.float32)
