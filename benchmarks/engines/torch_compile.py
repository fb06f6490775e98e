"""PyTorch with torch.compile around the forward, which compiles the backward too; the optimizer stays eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.cases import Case, UnsupportedError
from benchmarks.engines.engine import Step
from benchmarks.engines.torch import Torch


class TorchCompile(Torch):
    """PyTorch, compiled."""

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, compiled at its first call for the shapes it meets."""
        torch.compiler.reset()
        return torch.compile(function, dynamic=False)

    def build(self, case: Case) -> Step:
        """Refuse: a compiled function builds its graph once."""
        raise UnsupportedError("a compiled function builds no graph at run time")

    def backward(self, case: Case) -> Step:
        """Refuse, as `build` does."""
        return self.build(case)


ENGINE = TorchCompile()
