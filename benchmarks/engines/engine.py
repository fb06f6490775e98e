"""What every engine offers, and the parts that engines of one make share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.cases import Adam, Array, Case, Sgd, UnsupportedError


def nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Step:
    """What is timed.

    Attributes
    ----------
    run
        Takes what `prepare` returned; the clock runs. When it returns, everything it names has been computed.
    read
        Turns what `run` returned into NumPy arrays, to be compared.
    prepare
        Makes what one `run` uses up, such as a graph; the clock stands still.
    """

    run: Callable[[Any], Any]
    read: Callable[[Any], list[Array]]
    prepare: Callable[[], Any] = nothing


def read_loss(loss: float) -> list[Array]:
    """Return a loss as an array."""
    return [np.array(loss)]


def program_step(library: Any, case: Case) -> Step:
    """Return the step of a program in PyTorch's spelling, run by a library."""
    arrays = case.arrays()
    run = case.function(library, arrays.parameters, arrays.data)
    return Step(lambda _: run(), lambda answers: [np.array(answer) for answer in answers])


def first_answers(step: Step, case: Case) -> list[Array]:
    """Return what is compared: the losses of five training steps, a program's answers, or what a third run computes.

    Engines that compile do so in the first runs, and the third is compiled.
    """
    if case.kind == "program":
        return step.read(step.run(step.prepare()))
    if case.kind == "train":
        return [array for _ in range(5) for array in step.read(step.run(step.prepare()))]
    runs = [step.run(step.prepare()) for _ in range(3)]
    return step.read(runs[-1])


class Engine(ABC):
    """An engine, which makes a `Step` of a case."""

    def start(self, threads: int) -> None:  # noqa: B027
        """Set what can only be set from inside: the number of threads, where an engine has its own."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Return the versions of what computes here."""

    @abstractmethod
    def step(self, case: Case) -> Step:
        """Return the step of a case, or raise `UnsupportedError`."""


class KindEngine(Engine):
    """An engine that has a method for each kind of case."""

    def step(self, case: Case) -> Step:
        """Return the step of a case."""
        kinds = {
            "train": self.train,
            "forward": self.forward,
            "gradient": self.gradient,
            "build": self.build,
            "backward": self.backward,
            "program": self.program,
        }
        return kinds[case.kind](case)

    @abstractmethod
    def train(self, case: Case) -> Step:
        """Return forward, backward and update; the step answers with the loss."""

    @abstractmethod
    def forward(self, case: Case) -> Step:
        """Return forward with recording; the step answers with the output."""

    @abstractmethod
    def gradient(self, case: Case) -> Step:
        """Return forward and backward; the step answers with the output and the gradients."""

    @abstractmethod
    def build(self, case: Case) -> Step:
        """Return the making of a graph; the step answers with the output."""

    @abstractmethod
    def backward(self, case: Case) -> Step:
        """Return the walk back through a graph; the step answers with the gradients."""

    def program(self, case: Case) -> Step:
        """Return a program in PyTorch's spelling, which few speak."""
        raise UnsupportedError("no optimizer or loader in PyTorch's spelling")


class TapeEngine(KindEngine):
    """An engine whose tensors record what is done to them, as PyTorch's do."""

    functions: Any

    @abstractmethod
    def leaf(self, array: Array) -> Any:
        """Return a tensor whose gradient is wanted."""

    @abstractmethod
    def constant(self, array: Array) -> Any:
        """Return a tensor without a gradient."""

    @abstractmethod
    def optimizer(self, leaves: Sequence[Any], settings: Sgd | Adam) -> Callable[[], None]:
        """Return the function that updates `leaves` from their gradients."""

    def numpy(self, tensor: Any) -> Array:
        """Return the values of a tensor."""
        array: Array = tensor.numpy()
        return array

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, compiled where the engine compiles."""
        return function

    def forget(self, leaves: Sequence[Any]) -> None:
        """Let go of the gradients."""
        for leaf in leaves:
            leaf.grad = None

    def load(self, case: Case) -> tuple[tuple[Any, ...], tuple[Any, ...], Any]:
        """Return the parameters, the data, and the arguments of ``backward()``."""
        arrays = case.arrays()
        leaves = tuple(self.leaf(array) for array in arrays.parameters)
        data = tuple(self.constant(array) for array in arrays.data)
        start = () if arrays.grad_output is None else (self.constant(arrays.grad_output),)
        return leaves, data, start

    def train(self, case: Case) -> Step:
        """Return forward, backward and update, as a training loop has them."""
        leaves, data, _ = self.load(case)
        assert case.optimizer is not None
        update = self.optimizer(leaves, case.optimizer)
        functions, function = self.functions, self.compiled(case.function)

        def run(_: None) -> float:
            self.forget(leaves)
            loss = function(functions, leaves, data)
            loss.backward()
            update()
            return float(loss.item())

        return Step(run, read_loss)

    def forward(self, case: Case) -> Step:
        """Return forward with recording."""
        leaves, data, _ = self.load(case)
        functions, function = self.functions, self.compiled(case.function)
        return Step(lambda _: function(functions, leaves, data), lambda output: [self.read(output)])

    build = forward

    def gradient(self, case: Case) -> Step:
        """Return forward and backward."""
        leaves, data, start = self.load(case)
        functions, function = self.functions, self.compiled(case.function)

        def run(_: None) -> Any:
            self.forget(leaves)
            output = function(functions, leaves, data)
            output.backward(*start)
            return output

        return Step(run, lambda output: [self.read(output), *self.gradients(leaves)])

    def backward(self, case: Case) -> Step:
        """Return the walk back through a new graph."""
        leaves, data, start = self.load(case)

        def prepare() -> Any:
            self.forget(leaves)
            return case.function(self.functions, leaves, data)

        def run(output: Any) -> None:
            output.backward(*start)

        return Step(run, lambda _: self.gradients(leaves), prepare)

    def read(self, tensor: Any) -> Array:
        """Return the values of a tensor that has a history."""
        return self.numpy(tensor.detach())

    def gradients(self, leaves: Sequence[Any]) -> list[Array]:
        """Return the gradients of `leaves`."""
        return [self.numpy(leaf.grad) for leaf in leaves]
