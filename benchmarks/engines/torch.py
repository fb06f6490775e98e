"""PyTorch, eager."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn import functional

from benchmarks.cases import Adam, Array, Case, Sgd
from benchmarks.engines.engine import Step, TapeEngine, program_step


def gelu(x: torch.Tensor) -> torch.Tensor:
    """Return GELU by its tanh form."""
    return functional.gelu(x, approximate="tanh")


def softmax(x: torch.Tensor) -> torch.Tensor:
    """Return the softmax of the last axis."""
    return functional.softmax(x, dim=-1)


def layer_norm(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Return the layer norm over the last axis."""
    return functional.layer_norm(x, scale.shape, scale, shift)


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """Split the channels. Shapes: ``(B, T, C) -> (B, heads, T, C / heads)``."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def merge_heads(x: torch.Tensor) -> torch.Tensor:
    """Join the channels. Shapes: ``(B, heads, T, C / heads) -> (B, T, C)``."""
    return x.transpose(1, 2).flatten(2)


def causal_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Return attention in which no position sees a later one."""
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


class Torch(TapeEngine):
    """PyTorch, one operation after the other."""

    functions: Any = SimpleNamespace(
        linear=functional.linear,
        relu=functional.relu,
        cross_entropy=functional.cross_entropy,
        mse_loss=functional.mse_loss,
        gelu=gelu,
        softmax=softmax,
        layer_norm=layer_norm,
        split_heads=split_heads,
        merge_heads=merge_heads,
        causal_attention=causal_attention,
        conv2d=functional.conv2d,
        max_pool2d=functional.max_pool2d,
        flatten=torch.flatten,
    )

    def start(self, threads: int) -> None:
        """Set the number of threads."""
        torch.set_num_threads(threads)

    def versions(self) -> dict[str, str]:
        """Return PyTorch's version."""
        return {"torch": torch.__version__}

    def leaf(self, array: Array) -> torch.Tensor:
        """Return a tensor whose gradient is wanted."""
        return torch.tensor(array, requires_grad=True)

    def constant(self, array: Array) -> torch.Tensor:
        """Return a tensor without a gradient."""
        return torch.tensor(array)

    def program(self, case: Case) -> Step:
        """Return a program, run by PyTorch."""
        return program_step(torch, case)

    def optimizer(self, leaves: Sequence[Any], settings: Sgd | Adam) -> Callable[[], None]:
        """Return the step of PyTorch's own optimizer."""
        if isinstance(settings, Sgd):
            sgd = torch.optim.SGD(leaves, lr=settings.lr)
            return lambda: sgd.step()
        adam = torch.optim.Adam(leaves, lr=settings.lr, betas=settings.betas, eps=settings.eps)
        return lambda: adam.step()


ENGINE = Torch()
