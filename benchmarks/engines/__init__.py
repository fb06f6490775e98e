"""The engines that are compared, one file each, imported only where they run."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.engines.engine import Engine


@dataclass(frozen=True)
class Listing:
    """What is known of an engine without importing it.

    Attributes
    ----------
    about
        What the engine is.
    imports
        The module that its users import.
    distribution
        The package that brings it.
    same_package_as
        The engine that comes in the same package, which is measured in its stead.
    """

    about: str
    imports: str
    distribution: str
    same_package_as: str | None = None


ENGINES = {
    "floor": Listing("the same step written by hand in NumPy, without any engine", "numpy", "numpy"),
    "tinytorch": Listing("TinyTorch, on NumPy alone", "tinytorch", "tinytorch-framework"),
    "tinytorch_fast": Listing("TinyTorch with its kernels, compiled by Numba", "numba", "numba"),
    "torch": Listing("PyTorch, eager", "torch", "torch"),
    "torch_compile": Listing("PyTorch with torch.compile", "torch", "torch", same_package_as="torch"),
    "jax": Listing("JAX on the CPU, jit", "jax.numpy", "jax"),
    "autograd": Listing("HIPS autograd", "autograd.numpy", "autograd"),
    "mygrad": Listing("MyGrad, memory guard off", "mygrad", "mygrad"),
    "tinygrad": Listing("tinygrad on the CPU, TinyJit", "tinygrad", "tinygrad"),
    "micrograd": Listing("micrograd, scalars", "micrograd.engine", "micrograd"),
}


def load_engine(name: str) -> Engine:
    """Import an engine and return it."""
    engine: Engine = importlib.import_module(f"benchmarks.engines.{name}").ENGINE
    return engine
