"""Hooks: functions that see a gradient as it arrives, and may put another in its place.

One rule for all: a hook gets the gradient and returns None to leave it, or a tensor of the same shape to go on with.
While there are no hooks, they cost nothing: ``backward()`` looks for them only when at least one is registered.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.autograd import Function, GradientShapeError
from tinytorch.core.tensor import Tensor, from_numpy

Hook = Callable[[Tensor], Tensor | None]

_of_nodes: weakref.WeakKeyDictionary[Function, list[Hook]] = weakref.WeakKeyDictionary()
_of_leaves: dict[int, list[Hook]] = {}  # by the leaf's id; an entry goes with its leaf


class RemovableHandle:
    """Takes its hook away again: ``handle.remove()``, or at the end of ``with handle:``."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """Take the hook away; once more does nothing."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def register_hook(self: Tensor, hook: Hook) -> RemovableHandle:
    """Call `hook` with the gradient of this tensor whenever one is computed.

    Parameters
    ----------
    hook
        ``hook(grad)`` returns None, or a tensor that goes on in the place of `grad`.

    Returns
    -------
    RemovableHandle
        Its ``remove()`` takes the hook away.

    Raises
    ------
    RuntimeError
        If this tensor requires no gradient.

    Notes
    -----
    Source: ``torch.Tensor.register_hook``.

    Examples
    --------
    >>> x = Tensor(1.0, requires_grad=True)
    >>> handle = x.register_hook(lambda grad: grad * 10)
    >>> (x * 2).backward()
    >>> x.grad
    tensor(20.)
    """
    if not self.requires_grad:
        raise RuntimeError("register_hook() waits for a gradient, and this tensor requires none.")
    hooks = _of_node(self._grad_fn) if self._grad_fn is not None else _of_leaf(self)
    hooks.append(hook)
    return RemovableHandle(hooks, hook)


def _of_node(node: Function) -> list[Hook]:
    return _of_nodes.setdefault(node, [])


def _of_leaf(leaf: Tensor) -> list[Hook]:
    if id(leaf) not in _of_leaves:
        weakref.finalize(leaf, _of_leaves.pop, id(leaf), None)
    return _of_leaves.setdefault(id(leaf), [])


def any_hooks() -> bool:
    """Return whether a hook may be waiting somewhere; asked at every ``backward()``, so it only counts places."""
    return bool(_of_leaves) or len(_of_nodes) > 0


def hooked(place: Function | Tensor, grad: Any) -> Any:
    """Return the gradient that goes on from `place`, after its hooks."""
    hooks = _of_leaves.get(id(place), ()) if isinstance(place, Tensor) else _of_nodes.get(place, ())
    for hook in list(hooks):
        recorded = isinstance(grad, Tensor)
        answer = hook(grad if recorded else from_numpy(np.array(grad)))
        if answer is None:
            continue
        if not isinstance(answer, Tensor) or answer.shape != grad.shape:
            came = f"shape {answer.shape}" if isinstance(answer, Tensor) else type(answer).__name__
            raise GradientShapeError(
                f"a hook returned {came} for a gradient of shape {grad.shape}. Return None, or a tensor of its shape."
            )
        grad = answer if recorded else answer.data
    return grad
