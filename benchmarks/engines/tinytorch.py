"""TinyTorch, as its users write it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

import tinytorch
from benchmarks.cases import Adam, Array, Case, Sgd
from benchmarks.engines.engine import Step, TapeEngine, program_step
from benchmarks.engines.updates import array_optimizer
from tinytorch import Tensor, fast
from tinytorch.nn import functional


def gelu(x: Tensor) -> Tensor:
    """Return GELU by its tanh form."""
    return functional.gelu(x, approximate="tanh")


def softmax(x: Tensor) -> Tensor:
    """Return the softmax of the last axis."""
    return functional.softmax(x, dim=-1)


def composed_layer_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return the layer norm over the last axis, made of means."""
    centered = x - x.mean(dim=-1, keepdim=True)
    variance = (centered * centered).mean(dim=-1, keepdim=True)
    return centered / (variance + 1e-5).sqrt() * scale + shift


def whole_layer_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return the layer norm over the last axis, in one operation."""
    return functional.layer_norm(x, scale.shape, scale, shift)


def composed_causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return attention in which no position sees a later one, made of products and a softmax."""
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    mask = np.triu(np.full(scores.shape[-2:], -np.inf, np.float32), k=1)
    return softmax(scores + mask) @ v


def whole_causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return attention in which no position sees a later one, in one operation."""
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Split the channels. Shapes: ``(B, T, C) -> (B, heads, T, C / heads)``."""
    batch, time, _ = x.shape
    return x.reshape(batch, time, heads, -1).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Join the channels. Shapes: ``(B, heads, T, C / heads) -> (B, T, C)``."""
    batch, _, time, _ = x.shape
    return x.transpose(1, 2).reshape(batch, time, -1)


def functions() -> SimpleNamespace:
    """Return the functions of the framework; what it does not have as one operation is composed."""
    has_norm = hasattr(functional, "layer_norm")
    has_attention = hasattr(functional, "scaled_dot_product_attention")
    return SimpleNamespace(
        linear=functional.linear,
        relu=functional.relu,
        cross_entropy=functional.cross_entropy,
        mse_loss=functional.mse_loss,
        gelu=gelu,
        softmax=softmax,
        layer_norm=whole_layer_norm if has_norm else composed_layer_norm,
        split_heads=split_heads,
        merge_heads=merge_heads,
        causal_attention=whole_causal_attention if has_attention else composed_causal_attention,
        conv2d=functional.conv2d,
        max_pool2d=functional.max_pool2d,
        flatten=tinytorch.flatten,
    )


class TinyTorch(TapeEngine):
    """TinyTorch on NumPy alone, without its compiled kernels."""

    def __init__(self) -> None:
        self.functions = functions()

    def start(self, threads: int) -> None:
        """Switch the compiled kernels off."""
        fast.disable()

    def versions(self) -> dict[str, str]:
        """Return TinyTorch's version, and NumPy's."""
        return {"tinytorch": tinytorch.__version__, "numpy": np.__version__}

    def leaf(self, array: Array) -> Tensor:
        """Return a tensor whose gradient is wanted."""
        return Tensor(array, requires_grad=True)

    def constant(self, array: Array) -> Tensor:
        """Return a tensor without a gradient."""
        return tinytorch.tensor(array)

    def program(self, case: Case) -> Step:
        """Return a program, run by TinyTorch."""
        return program_step(tinytorch, case)

    def optimizer(self, leaves: Sequence[Any], settings: Sgd | Adam) -> Callable[[], None]:
        """Return the step of the framework's optimizer, or the same on arrays until it has one."""
        own = getattr(getattr(tinytorch, "optim", None), "SGD" if isinstance(settings, Sgd) else "Adam", None)
        if own is None:
            update = array_optimizer([leaf.data for leaf in leaves], settings)
            return lambda: update([leaf.grad.data for leaf in leaves])
        if isinstance(settings, Sgd):
            step: Callable[[], None] = own(leaves, lr=settings.lr).step
        else:
            step = own(leaves, lr=settings.lr, betas=settings.betas, eps=settings.eps).step
        return step


ENGINE = TinyTorch()
