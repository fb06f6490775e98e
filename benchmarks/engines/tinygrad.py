"""tinygrad on the CPU: steps are captured by TinyJit, as its users do; a graph is walked without it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import numpy as np
from tinygrad import Context, Device, Tensor, TinyJit
from tinygrad.nn import optim

from benchmarks.cases import Array, Case, Sgd, UnsupportedError
from benchmarks.engines.engine import KindEngine, Step, read_loss


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return ``x @ weight.T + bias``."""
    return x.linear(weight.T, bias)


def mse_loss(x: Tensor, targets: Tensor) -> Tensor:
    """Return the mean squared error."""
    return (x - targets).square().mean()


def layer_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return the layer norm over the last axis."""
    return x.layernorm(eps=1e-5) * scale + shift


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Split the channels. Shapes: ``(B, T, C) -> (B, heads, T, C / heads)``."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Join the channels. Shapes: ``(B, heads, T, C / heads) -> (B, T, C)``."""
    return x.transpose(1, 2).flatten(2)


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return attention in which no position sees a later one."""
    return q.scaled_dot_product_attention(k, v, is_causal=True)


FUNCTIONS = SimpleNamespace(
    linear=linear,
    relu=Tensor.relu,
    cross_entropy=Tensor.sparse_categorical_crossentropy,
    mse_loss=mse_loss,
    gelu=Tensor.gelu,
    softmax=Tensor.softmax,
    layer_norm=layer_norm,
    split_heads=split_heads,
    merge_heads=merge_heads,
    causal_attention=causal_attention,
)


def stored(array: Array) -> Tensor:
    """Return a tensor with a buffer of its own; a single number would be a constant, which has no gradient."""
    return Tensor(array).clone().realize()


def load(case: Case) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the parameters, the data, and the arguments of ``backward()``."""
    arrays = case.arrays()
    start = () if arrays.grad_output is None else (stored(arrays.grad_output),)
    return tuple(map(stored, arrays.parameters)), tuple(map(stored, arrays.data)), start


def optimizer(leaves: tuple[Tensor, ...], case: Case) -> Any:
    """Return tinygrad's own optimizer."""
    if isinstance(case.optimizer, Sgd):
        return optim.SGD(list(leaves), lr=case.optimizer.lr)
    assert case.optimizer is not None
    (b1, b2), eps = case.optimizer.betas, case.optimizer.eps
    return optim.Adam(list(leaves), lr=case.optimizer.lr, b1=b1, b2=b2, eps=eps)


def finished(tensors: Any) -> Any:
    """Wait for the device and return `tensors`."""
    Device[Device.DEFAULT].synchronize()
    return tensors


def forget(leaves: tuple[Tensor, ...]) -> None:
    """Let go of the gradients."""
    for leaf in leaves:
        leaf.grad = None


def realized_gradients(leaves: tuple[Tensor, ...], *others: Tensor) -> tuple[Tensor, ...]:
    """Compute `others` and the gradients of `leaves` in one go, and return them."""
    wanted = (*others, *(leaf.grad for leaf in leaves if leaf.grad is not None))
    Tensor.realize(*wanted)
    return wanted


def read_all(tensors: tuple[Tensor, ...]) -> list[Array]:
    """Return NumPy arrays."""
    return [np.array(tensor.numpy()) for tensor in tensors]


class Tinygrad(KindEngine):
    """tinygrad."""

    def start(self, threads: int) -> None:
        """Look for the compiler that tinygrad makes its kernels with."""
        compiler = os.environ.get("CC", "clang")
        if shutil.which(compiler) is None:
            raise UnsupportedError(f"needs the compiler {compiler} on the PATH")

    def versions(self) -> dict[str, str]:
        """Return tinygrad's version."""
        return {"tinygrad": version("tinygrad")}

    def train(self, case: Case) -> Step:
        """Return forward, backward and update, captured."""
        leaves, data, _ = load(case)
        update = optimizer(leaves, case)

        @TinyJit
        @Context(TRAINING=1)
        def captured() -> Tensor:
            update.zero_grad()
            loss = case.function(FUNCTIONS, leaves, data)
            loss.backward()
            loss.realize(*update.schedule_step())
            return loss

        return Step(lambda _: float(finished(captured()).item()), read_loss)

    def forward(self, case: Case) -> Step:
        """Return the captured forward; there is no tape to record on."""
        leaves, data, _ = load(case)

        @TinyJit
        def captured() -> Tensor:
            output: Tensor = case.function(FUNCTIONS, leaves, data).realize()
            return output

        return Step(lambda _: finished((captured(),)), read_all)

    def gradient(self, case: Case) -> Step:
        """Return forward and backward, captured."""
        leaves, data, start = load(case)

        @TinyJit
        def captured() -> tuple[Tensor, ...]:
            forget(leaves)
            output = case.function(FUNCTIONS, leaves, data)
            output.backward(*start)
            return realized_gradients(leaves, output)

        return Step(lambda _: finished(captured()), read_all)

    def graph(self, case: Case) -> tuple[tuple[Tensor, ...], Callable[[], Tensor]]:
        """Return the leaves, and the function that builds a graph of them."""
        leaves, data, _ = load(case)

        def build() -> Tensor:
            forget(leaves)
            output: Tensor = case.function(FUNCTIONS, leaves, data)
            return output

        return leaves, build

    def build(self, case: Case) -> Step:
        """Return the building of a lazy graph."""
        _, build = self.graph(case)
        return Step(lambda _: build(), lambda output: read_all((output,)))

    def backward(self, case: Case) -> Step:
        """Return the walk back through a lazy graph, with its values."""
        leaves, build = self.graph(case)

        def run(output: Tensor) -> tuple[Tensor, ...]:
            output.backward()
            made: tuple[Tensor, ...] = finished(realized_gradients(leaves))
            return made

        return Step(run, read_all, build)


ENGINE = Tinygrad()
