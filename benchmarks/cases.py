"""A case: one piece of mathematics, the arrays it starts from, and what of it is timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

Kind = Literal["train", "forward", "gradient", "build", "backward", "program"]


class UnsupportedError(Exception):
    """An engine cannot do a case; the message says why."""


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent without momentum."""

    lr: float


@dataclass(frozen=True)
class Adam:
    """Adam without weight decay."""

    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8


@dataclass(frozen=True)
class Arrays:
    """What a case starts from.

    Attributes
    ----------
    parameters
        Arrays whose gradients are wanted.
    data
        Arrays that stay as they are.
    grad_output
        The gradient at the output; None where the output is one number and the gradient 1.
    """

    parameters: tuple[Array, ...]
    data: tuple[Array, ...] = ()
    grad_output: Array | None = None

    def as_type(self, dtype: npt.DTypeLike) -> Arrays:
        """Return copies with the floats turned into `dtype`."""

        def convert(array: Array) -> Array:
            return array.astype(dtype) if array.dtype.kind == "f" else array

        grad_output = None if self.grad_output is None else convert(self.grad_output)
        return Arrays(tuple(map(convert, self.parameters)), tuple(map(convert, self.data)), grad_output)


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes
    ----------
    name
        The question, and what sets this case apart in it: ``"tiny_mlp, batch 1"``.
    kind
        What is timed: a ``train`` step (forward, backward, update), ``forward`` with recording, ``gradient``
        (forward and backward), ``build`` of a graph alone, ``backward`` through a graph that is there, or a whole
        ``program`` in PyTorch's spelling.
    mathematics
        The name of `function`, by which engines without arrays find their own way of writing it.
    function
        ``function(F, parameters, data)``, written once in the functions `F` of an engine; of a program, `F` is the
        library itself, and what is returned is what is timed.
    make
        Draws the arrays.
    optimizer
        The update at the end of a training step.
    bytes_moved
        How many bytes have to be moved even if everything else is free.
    """

    name: str
    kind: Kind
    mathematics: str
    function: Callable[[Any, Any, Any], Any]
    make: Callable[[np.random.Generator], Arrays]
    optimizer: Sgd | Adam | None = None
    bytes_moved: int | None = None

    def arrays(self, dtype: npt.DTypeLike = np.float32) -> Arrays:
        """Return the same arrays at every call: drawn from one seed in float32, then turned into `dtype`."""
        drawn = self.make(np.random.default_rng(0)).as_type(np.float32)
        return drawn if dtype == np.float32 else drawn.as_type(dtype)
