"""Answers to two questions: why is this gradient None, zero or nan, and what holds all that memory?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytorch.autograd._trace import line_of, reason_of
from tinytorch.autograd._walk import place_of
from tinytorch.core.autograd import Function, input_gradients, memory_of, topological_order
from tinytorch.core.tensor import Tensor


def explain_grad(tensor: Tensor, loss: Tensor | None = None) -> str:
    """Say why ``tensor.grad`` is as it is: missing, zero, nan, or fine.

    Parameters
    ----------
    tensor
        The tensor whose gradient is in question.
    loss
        What ``backward()`` is called on. With it, and before that call, the walk is tried and the operation is named at
        which the gradient ends, becomes zero, or becomes nan. No ``.grad`` is touched.

    Returns
    -------
    str
        The explanation. Inside ``with record_lines():`` around the forward pass, it names lines of your program.

    Examples
    --------
    >>> explain_grad(Tensor(1.0))
    'This tensor requires no gradient: it was made without requires_grad=True.'
    """
    if not tensor.requires_grad:
        return f"This tensor requires no gradient: {_why_none_required(tensor)}"
    if loss is not None:
        return _along(tensor, loss)
    if tensor.grad is None:
        kind = "leaf" if tensor.is_leaf else f"result of {tensor.grad_fn.name.removesuffix('Backward')}"
        return (
            f"This tensor, a {kind}, requires a gradient and has none yet: no backward() has come by. Either none was "
            "called since the last zero_grad(), or the loss does not depend on it: explain_grad(tensor, loss) looks."
        )
    return "".join(_state(tensor.grad.data))


def _why_none_required(tensor: Tensor) -> str:
    if reason := reason_of(tensor):
        return f"{reason}."
    if tensor.dtype.kind != "f":
        return f"it holds {tensor.dtype}, and only floats have gradients."
    return "it was made without requires_grad=True."


def _state(gradient: Any) -> tuple[str, str]:
    """Say what a gradient is like, and how to learn more where something is wrong."""
    more = " explain_grad(tensor, loss) finds the operation that made it so."
    if np.isnan(gradient).any():
        return f"The gradient has nan in {np.isnan(gradient).mean():.0%} of its elements.", more
    if np.isinf(gradient).any():
        return "The gradient is infinite somewhere: a division by zero, or a slope at an edge, as of sqrt at 0.", ""
    if gradient.size and not gradient.any():
        return "The gradient is zero everywhere.", more
    return "The gradient is there: finite, and not zero everywhere.", ""


def _along(tensor: Tensor, loss: Tensor) -> str:
    """Try the walk from `loss` and say what becomes of the gradient on the way to `tensor`."""
    if not loss.requires_grad:
        return f"The loss itself requires no gradient: {_why_none_required(loss)}"
    goal = place_of(tensor)
    order = topological_order(place_of(loss))
    if any(node.released for node in order):
        return "The graph of this loss is gone: an earlier backward() has used it. Compute the loss again, then ask."
    if goal is not place_of(loss) and not _reaches(order, goal):
        return "The loss does not depend on this tensor: no operation leads from one to the other. " + (
            "Was it replaced by a copy or a detached tensor on the way?"
        )
    grads: dict[Any, Any] = {place_of(loss): np.ones(loss.shape, loss.dtype)}
    culprits: dict[str, str] = {}
    for node in order:
        grad = grads.pop(node, None)
        if grad is None:
            continue
        for edge, part in input_gradients(node, grad):
            if what := _spoiled(grad, part):
                line = line_of(node)
                culprits.setdefault(what, f"{node.name} makes it {what}" + (f", at {line}" if line else "") + ".")
            grads[edge] = grads[edge] + part if edge in grads else part
        if node is goal:
            grads[goal] = grad
    state, hint = _state(grads[goal])
    culprit = culprits.get("nan" if np.isnan(grads[goal]).any() else "zero", "") if hint else ""
    return f"{state} {culprit}".strip()


def _reaches(order: list[Function], goal: Any) -> bool:
    return any(goal is node or any(edge is goal for edge in node.next_functions) for node in order)


def _spoiled(before: Any, after: Any) -> str:
    if np.isnan(after).any() and not np.isnan(before).any():
        return "nan"
    if before.any() and after.size and not after.any():
        return "zero"
    return ""


@dataclass(frozen=True)
class Kept:
    """What one operation of a graph keeps alive: how many bytes, and the line it was recorded at, if known."""

    operation: str
    bytes: int
    line: str


@dataclass(frozen=True)
class Memory:
    """What a graph keeps alive. ``print()`` shows it as a table, the largest first."""

    rows: tuple[Kept, ...]

    @property
    def total(self) -> int:
        """All bytes; memory that several operations keep is counted once, at the first."""
        return sum(row.bytes for row in self.rows)

    def by_line(self) -> dict[str, int]:
        """Return the bytes of each line of the program, the most first; empty keys are lines not recorded."""
        sums: dict[str, int] = {}
        for row in self.rows:
            sums[row.line] = sums.get(row.line, 0) + row.bytes
        return dict(sorted(sums.items(), key=lambda item: -item[1]))

    def __str__(self) -> str:
        rows = sorted((row for row in self.rows if row.bytes), key=lambda row: -row.bytes)
        lines = [f"{row.bytes:>13,}  {row.operation:24}  {row.line}".rstrip() for row in rows]
        return "\n".join([*lines, f"{self.total:>13,}  bytes in all"])


def memory(loss: Tensor) -> Memory:
    """Return what the graph behind `loss` keeps alive, operation by operation.

    Parameters
    ----------
    loss
        Any tensor of the graph; what it was made from is counted.

    Returns
    -------
    Memory
        A row for each operation, in the order of the walk back; inside ``with record_lines():`` around the forward
        pass, with the line of your program.

    Examples
    --------
    >>> x = Tensor(np.ones((1000,)), requires_grad=True)
    >>> memory((x * x).exp()).total
    8000
    """
    counted: set[int] = set()
    rows = []
    for node in topological_order(place_of(loss)):
        size = 0
        for array in _arrays(node):
            owner = memory_of(array)
            if id(owner) not in counted:
                counted.add(id(owner))
                size += owner.nbytes
        rows.append(Kept(node.name, size, str(line_of(node) or "")))
    return Memory(tuple(rows))


def _arrays(node: Function) -> Iterator[Any]:
    for value in (*(node.saved or ()), *vars(node).values()):
        if isinstance(value, np.ndarray):
            yield value
