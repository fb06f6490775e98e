"""micrograd: a graph of single numbers, here in NumPy's arrays of objects."""

from __future__ import annotations

from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import numpy as np
from micrograd.engine import Value

from benchmarks.cases import Array, Case, Sgd, UnsupportedError
from benchmarks.engines.engine import KindEngine, Step, read_loss

SENSIBLE = ("regressor", "product_and_sum", "chain", "ladder")


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """Return ``x @ weight.T + bias``."""
    return x @ weight.T + bias


def mse_loss(x: Any, targets: Any) -> Any:
    """Return the mean squared error."""
    return np.sum((x - targets) ** 2) * (1 / x.size)


FUNCTIONS = SimpleNamespace(linear=linear, relu=np.frompyfunc(Value.relu, 1, 1), mse_loss=mse_loss)


def leaf(array: Array) -> Any:
    """Return an array of values, or one value."""
    return Value(array.item()) if array.ndim == 0 else np.frompyfunc(Value, 1, 1)(array.astype(object))


def values(array: Any) -> list[Value]:
    """Return the values in an array, or the one value."""
    return [array] if isinstance(array, Value) else list(array.flat)


def load(case: Case) -> tuple[tuple[Any, ...], tuple[Any, ...], list[Value]]:
    """Return the parameters, the data, and all values of the parameters."""
    if case.mathematics not in SENSIBLE:
        raise UnsupportedError("one object a number: far too many numbers here")
    arrays = case.arrays()
    leaves = tuple(map(leaf, arrays.parameters))
    return leaves, tuple(array.astype(object) for array in arrays.data), [v for each in leaves for v in values(each)]


def forget(leaf_values: list[Value]) -> None:
    """Let go of the gradients."""
    for value in leaf_values:
        value.grad = 0.0


def read_data(array: Any) -> Array:
    """Return the numbers in an array of values."""
    return np.array([value.data for value in values(array)])


def read_gradients(leaves: tuple[Any, ...]) -> list[Array]:
    """Return the gradients of arrays of values."""
    return [np.array([value.grad for value in values(each)]) for each in leaves]


class Micrograd(KindEngine):
    """micrograd."""

    def versions(self) -> dict[str, str]:
        """Return micrograd's version."""
        return {"micrograd": version("micrograd")}

    def train(self, case: Case) -> Step:
        """Return forward, backward and update, value by value."""
        leaves, data, parameters = load(case)
        assert isinstance(case.optimizer, Sgd)
        lr = case.optimizer.lr

        def run(_: None) -> float:
            forget(parameters)
            loss = case.function(FUNCTIONS, leaves, data)
            loss.backward()
            for value in parameters:
                value.data -= lr * value.grad
            return float(loss.data)

        return Step(run, read_loss)

    def forward(self, case: Case) -> Step:
        """Return forward with recording."""
        leaves, data, _ = load(case)
        return Step(lambda _: case.function(FUNCTIONS, leaves, data), lambda output: [read_data(output)])

    build = forward

    def gradient(self, case: Case) -> Step:
        """Return forward, and backward from each value of the output, whose gradient is 1."""
        leaves, data, parameters = load(case)

        def run(_: None) -> Any:
            forget(parameters)
            output = case.function(FUNCTIONS, leaves, data)
            for value in values(output):
                value.backward()
            return output

        return Step(run, lambda output: [read_data(output), *read_gradients(leaves)])

    def backward(self, case: Case) -> Step:
        """Return the walk back through a new graph."""
        leaves, data, parameters = load(case)

        def prepare() -> Any:
            forget(parameters)
            return case.function(FUNCTIONS, leaves, data)

        return Step(lambda output: output.backward(), lambda _: read_gradients(leaves), prepare)


ENGINE = Micrograd()
