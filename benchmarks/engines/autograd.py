"""HIPS autograd: NumPy's functions, traced.

Its own gradient of ``mean`` turns float32 into float64, so means are sums times a number here.
"""

from __future__ import annotations

from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import autograd
import numpy as np
from autograd import numpy as anp

from benchmarks.cases import Array, Case
from benchmarks.engines.engine import KindEngine, Step, read_loss
from benchmarks.engines.updates import array_optimizer


def mean(x: Any, **where: Any) -> Any:
    """Return the mean over the last axis, or over everything."""
    count = x.shape[-1] if where else x.size
    return anp.sum(x, **where) * (1 / count)


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """Return ``x @ weight.T + bias``."""
    return anp.dot(x, weight.T) + bias


def relu(x: Any) -> Any:
    """Return ``max(x, 0)``."""
    return anp.maximum(x, 0)


def mse_loss(x: Any, targets: Any) -> Any:
    """Return the mean squared error."""
    error = x - targets
    return mean(error * error)


def gelu(x: Any) -> Any:
    """Return GELU by its tanh form."""
    return 0.5 * x * (1 + anp.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * (x * x * x))))


def softmax(x: Any) -> Any:
    """Return the softmax of the last axis."""
    power = anp.exp(x - anp.max(x, axis=-1, keepdims=True))
    return power / anp.sum(power, axis=-1, keepdims=True)


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Return the mean cross-entropy of logits and classes."""
    shifted = logits - anp.max(logits, axis=1, keepdims=True)
    logarithms = shifted - anp.log(anp.sum(anp.exp(shifted), axis=1, keepdims=True))
    return -mean(logarithms[anp.arange(len(labels)), labels])


def layer_norm(x: Any, scale: Any, shift: Any) -> Any:
    """Return the layer norm over the last axis."""
    centered = x - mean(x, axis=-1, keepdims=True)
    variance = mean(centered * centered, axis=-1, keepdims=True)
    return centered / anp.sqrt(variance + 1e-5) * scale + shift


def split_heads(x: Any, heads: int) -> Any:
    """Split the channels. Shapes: ``(B, T, C) -> (B, heads, T, C / heads)``."""
    batch, time, _ = x.shape
    return anp.transpose(anp.reshape(x, (batch, time, heads, -1)), (0, 2, 1, 3))


def merge_heads(x: Any) -> Any:
    """Join the channels. Shapes: ``(B, heads, T, C / heads) -> (B, T, C)``."""
    batch, _, time, _ = x.shape
    return anp.reshape(anp.transpose(x, (0, 2, 1, 3)), (batch, time, -1))


def causal_attention(q: Any, k: Any, v: Any) -> Any:
    """Return attention in which no position sees a later one."""
    scores = anp.matmul(q, anp.swapaxes(k, -1, -2)) * q.shape[-1] ** -0.5
    mask = np.triu(np.full(scores.shape[-2:], -np.inf, np.float32), k=1)
    return anp.matmul(softmax(scores + mask), v)


FUNCTIONS = SimpleNamespace(
    linear=linear,
    relu=relu,
    cross_entropy=cross_entropy,
    mse_loss=mse_loss,
    gelu=gelu,
    softmax=softmax,
    layer_norm=layer_norm,
    split_heads=split_heads,
    merge_heads=merge_heads,
    causal_attention=causal_attention,
)


class Autograd(KindEngine):
    """HIPS autograd."""

    def versions(self) -> dict[str, str]:
        """Return autograd's version, and NumPy's."""
        return {"autograd": version("autograd"), "numpy": np.__version__}

    def train(self, case: Case) -> Step:
        """Return forward, backward and update of the arrays."""
        arrays = case.arrays()
        assert case.optimizer is not None
        update = array_optimizer(arrays.parameters, case.optimizer)
        loss_and_grads = autograd.value_and_grad(lambda p: case.function(FUNCTIONS, p, arrays.data))

        def run(_: None) -> float:
            loss, grads = loss_and_grads(arrays.parameters)
            update(grads)
            return float(loss)

        return Step(run, read_loss)

    def forward(self, case: Case) -> Step:
        """Return forward with recording."""
        arrays = case.arrays()
        recorded = autograd.make_vjp(lambda p: case.function(FUNCTIONS, p, arrays.data))
        return Step(lambda _: recorded(arrays.parameters), lambda made: [np.asarray(made[1])])

    build = forward

    def gradient(self, case: Case) -> Step:
        """Return forward and backward."""
        arrays = case.arrays()
        recorded = autograd.make_vjp(lambda p: case.function(FUNCTIONS, p, arrays.data))
        start = np.ones((), np.float32) if arrays.grad_output is None else arrays.grad_output

        def run(_: None) -> list[Array]:
            pullback, output = recorded(arrays.parameters)
            return [output, *pullback(start)]

        return Step(run, lambda made: [np.asarray(array) for array in made])

    def backward(self, case: Case) -> Step:
        """Return the walk back through a new graph."""
        arrays = case.arrays()
        recorded = autograd.make_vjp(lambda p: case.function(FUNCTIONS, p, arrays.data))
        start = np.ones((), np.float32)
        return Step(
            lambda pullback: pullback(start),
            lambda grads: [np.asarray(grad) for grad in grads],
            lambda: recorded(arrays.parameters)[0],
        )


ENGINE = Autograd()
