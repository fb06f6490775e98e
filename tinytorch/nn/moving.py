"""A module as a whole: of another dtype, on a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch._devices import check_device, destination
from tinytorch.core.layers import Module
from tinytorch.core.tensor import from_numpy


def to(self: Module, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False) -> Module:
    """Make all parameters and buffers that hold floats elements of a dtype, in place, and return this module.

    Parameters
    ----------
    *args
        A dtype, a device, both, or a tensor that has both.
    dtype, device
        The same by name.
    non_blocking
        Changes nothing: the processor's memory needs no transfer.

    Raises
    ------
    RuntimeError
        If the device is not the processor.
    TypeError
        If the dtype is not one of floats.

    Notes
    -----
    Source: ``torch.nn.Module.to``.

    Examples
    --------
    >>> from tinytorch import nn
    >>> nn.Linear(2, 1).to("cpu").to(np.float64).weight.dtype
    dtype('float64')
    """
    dtype = destination(args, dtype, device, f"{type(self).__name__}.to()")
    if dtype is not None:
        _convert(self, np.dtype(dtype))
    return self


def _convert(module: Module, dtype: np.dtype[Any]) -> None:
    if dtype.kind != "f":
        raise TypeError(f"{type(module).__name__}.to() takes a dtype of floats, which can be trained, but got {dtype}.")
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dtype.kind == "f":
            tensor.data = tensor.data.astype(dtype, copy=False)
            if tensor.grad is not None:
                tensor.grad = from_numpy(tensor.grad.data.astype(dtype, copy=False))


def _converting(name: str, dtype: type[np.generic]) -> Callable[[Any], Any]:
    def convert(self: Module) -> Module:
        return to(self, dtype)

    convert.__name__ = name
    convert.__doc__ = f"Make all parameters and buffers that hold floats {dtype.__name__}, and return this module."
    return convert


def cpu(self: Module) -> Module:
    """Return this module, which is on the processor."""
    return self


def cuda(self: Module, device: Any = None) -> Module:
    """Raise a RuntimeError: there is no such device."""
    check_device("cuda", f"{type(self).__name__}.cuda()")
    return self


def apply(self: Module, fn: Callable[[Module], object]) -> Module:
    """Call a function with every module below this one and with this one last, and return this module."""
    for child in self.children():
        apply(child, fn)
    fn(self)
    return self


def add_moving() -> None:
    """Give `Module` these methods."""
    for method in (to, cpu, cuda, apply):
        setattr(Module, method.__name__, method)
    floats: dict[str, type[np.generic]] = {"half": np.float16, "float": np.float32, "double": np.float64}
    for name, dtype in floats.items():
        setattr(Module, name, _converting(name, dtype))
