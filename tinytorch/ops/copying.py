"""Copies of tensors: ``copy.deepcopy``, and pickles."""

from __future__ import annotations

from typing import Any

from tinytorch.core.tensor import Array, Tensor, from_numpy


def _check_leaf(tensor: Tensor, how: str) -> None:
    if tensor._grad_fn is not None:
        made = tensor._grad_fn.name.removesuffix("Backward")
        raise RuntimeError(
            f"{how} copies leaves only: this tensor is a result of {made}, and a copy would have a graph of its own, "
            "with leaves that nobody sees. Use t.detach(), or t.clone() to keep the gradient."
        )


def _deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """Return a leaf with values of its own, and a copy of the gradient."""
    _check_leaf(self, "deepcopy()")
    copy = _restored(type(self), self.data.copy(), self.requires_grad, _own(self))
    memo[id(self)] = copy
    if self.grad is not None:
        copy.grad = from_numpy(self.grad.data.copy())
    return copy


def _reduce(self: Tensor, protocol: Any) -> Any:
    """Say how to make this tensor again: from its values and `requires_grad`; the gradient stays behind."""
    _check_leaf(self, "pickle")
    return _restored, (type(self), self.data, self.requires_grad, _own(self))


def _own(tensor: Tensor) -> dict[str, Any]:
    """Return what a subclass remembers beside what every tensor has."""
    kind = type(tensor)
    return {} if kind is Tensor else {name: getattr(tensor, name) for name in vars(kind).get("__slots__", ())}


def _restored(kind: type[Tensor], data: Array, requires_grad: bool, own: dict[str, Any]) -> Tensor:
    tensor: Tensor = kind.__new__(kind)
    tensor.data, tensor.requires_grad, tensor.grad, tensor._grad_fn = data, requires_grad, None, None
    for name, value in own.items():
        setattr(tensor, name, value)
    return tensor


def add_copying() -> None:
    """Give `Tensor` its methods for copies."""
    Tensor.__deepcopy__ = _deepcopy  # type: ignore[attr-defined]
    Tensor.__reduce_ex__ = _reduce  # type: ignore[assignment,method-assign]
