"""MyGrad, with its memory guard off, as its manual advises for speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import mygrad
import numpy as np
from mygrad.nnet.activations import relu
from mygrad.nnet.activations import softmax as mygrad_softmax
from mygrad.nnet.losses import softmax_crossentropy

from benchmarks.cases import Adam, Array, Sgd
from benchmarks.engines.engine import TapeEngine
from benchmarks.engines.updates import array_optimizer


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """Return ``x @ weight.T + bias``."""
    return mygrad.matmul(x, weight.T) + bias


def mse_loss(x: Any, targets: Any) -> Any:
    """Return the mean squared error."""
    return mygrad.mean((x - targets) ** 2)


def gelu(x: Any) -> Any:
    """Return GELU by its tanh form."""
    return 0.5 * x * (1 + mygrad.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * (x * x * x))))


def softmax(x: Any) -> Any:
    """Return the softmax of the last axis."""
    return mygrad_softmax(x, axis=-1)


def layer_norm(x: Any, scale: Any, shift: Any) -> Any:
    """Return the layer norm over the last axis."""
    centered = x - mygrad.mean(x, axis=-1, keepdims=True)
    variance = mygrad.mean(centered * centered, axis=-1, keepdims=True)
    return centered / mygrad.sqrt(variance + 1e-5) * scale + shift


def split_heads(x: Any, heads: int) -> Any:
    """Split the channels. Shapes: ``(B, T, C) -> (B, heads, T, C / heads)``."""
    batch, time, _ = x.shape
    return x.reshape(batch, time, heads, -1).transpose(0, 2, 1, 3)


def merge_heads(x: Any) -> Any:
    """Join the channels. Shapes: ``(B, heads, T, C / heads) -> (B, T, C)``."""
    batch, _, time, _ = x.shape
    return x.transpose(0, 2, 1, 3).reshape(batch, time, -1)


def causal_attention(q: Any, k: Any, v: Any) -> Any:
    """Return attention in which no position sees a later one."""
    scores = mygrad.matmul(q, k.transpose(0, 1, 3, 2)) * q.shape[-1] ** -0.5
    mask = np.triu(np.full(scores.shape[-2:], -np.inf, np.float32), k=1)
    return mygrad.matmul(softmax(scores + mask), v)


class MyGrad(TapeEngine):
    """MyGrad."""

    functions = SimpleNamespace(
        linear=linear,
        relu=relu,
        cross_entropy=softmax_crossentropy,
        mse_loss=mse_loss,
        gelu=gelu,
        softmax=softmax,
        layer_norm=layer_norm,
        split_heads=split_heads,
        merge_heads=merge_heads,
        causal_attention=causal_attention,
    )

    def start(self, threads: int) -> None:
        """Turn the memory guard off."""
        mygrad.turn_memory_guarding_off()

    def versions(self) -> dict[str, str]:
        """Return MyGrad's version, and NumPy's."""
        return {"mygrad": mygrad.__version__, "numpy": np.__version__}

    def leaf(self, array: Array) -> Any:
        """Return a tensor whose gradient is wanted."""
        return mygrad.tensor(array)

    def constant(self, array: Array) -> Array:
        """Return the array: beside tensors it is a constant."""
        return array

    def forget(self, leaves: Sequence[Any]) -> None:
        """Let go of the gradients."""
        for leaf in leaves:
            leaf.null_grad()

    def optimizer(self, leaves: Sequence[Any], settings: Sgd | Adam) -> Callable[[], None]:
        """Return an update of the arrays."""
        update = array_optimizer([leaf.data for leaf in leaves], settings)
        return lambda: update([leaf.grad for leaf in leaves])

    def read(self, tensor: Any) -> Array:
        """Return the values of a tensor."""
        return np.asarray(tensor.data)

    def gradients(self, leaves: Sequence[Any]) -> list[Array]:
        """Return the gradients, which are arrays already."""
        return [np.asarray(leaf.grad) for leaf in leaves]


ENGINE = MyGrad()
