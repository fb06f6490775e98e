"""What the operations of a graph computed, as far as it can still be known.

A graph keeps what its rules need and nothing more. Where a result is gone, the learner's own operation is run once
more on its inputs, if these are known and small; it is not recorded.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.core.autograd import RULES, Function, no_grad, original_method
from tinytorch.core.tensor import Array, Tensor, from_numpy

LARGEST = 4096  # elements; nothing larger is computed again
# Operations that are made of their inputs alone, and those whose node knows the rest.
_PLAIN = {"__add__", "__sub__", "__mul__", "__truediv__", "__neg__", "__pow__", "matmul", "exp", "log", "sqrt", "abs"}
_LAYERS = {"ReLU", "Sigmoid", "Tanh"}
_REDUCTIONS = {"sum", "mean"}


def order_of(start: Any) -> list[Function]:
    """Return the nodes behind `start` in the order in which Python runs them: inputs first, the left one first.

    This is the picture's own order: it holds whatever the learner's `topological_order` says.
    """
    order: list[Function] = []
    seen: set[Function] = set()
    stack = [(start, False)]
    while stack:
        node, inputs_done = stack.pop()
        if not isinstance(node, Function):
            continue
        if inputs_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((edge, False) for edge in reversed(node.next_functions))
    return order


def values_of(tensor: Tensor, order: list[Function]) -> dict[Function, Array]:
    """Return the results of the nodes in `order`, those that are known.

    Parameters
    ----------
    tensor
        The last result.
    order
        Inputs first, as `order_of` returns them.
    """
    known: dict[Function, Array] = {}
    for node in order:
        value = tensor.data if tensor._grad_fn is node else _kept(node)
        if value is None:
            value = _again(node, known)
        if value is not None:
            known[node] = value
    for node in order:  # what a rule has saved of its inputs
        for edge, value in zip(node.next_functions, inputs_of(node, known), strict=True):
            if isinstance(edge, Function) and edge not in known and value is not None:
                known[edge] = value
    return known


def inputs_of(node: Function, known: dict[Function, Array]) -> list[Any]:
    """Return the value of each input of a node: an array, a number, or None where it is not known."""
    values: list[Any] = []
    for i, edge in enumerate(node.next_functions):
        if isinstance(edge, Tensor):
            values.append(edge.data)
        elif isinstance(edge, Function) and edge in known:
            values.append(known[edge])
        else:
            values.append(_saved_input(node, i))
    return values


def _kept(node: Function) -> Array | None:
    """Return a result that somebody holds, or that its own rule has saved."""
    output = None if node._output is None else node._output()
    if output is not None:
        return output.data
    if node.saved and "output" in node.saves and isinstance(node.saved[-1], np.ndarray):
        return node.saved[-1]
    return None


def _saved_input(node: Function, i: int) -> Any:
    if not node.saved or not {"inputs", "factors"} & set(node.saves) or i >= len(node.saved):
        return None
    return node.saved[i]


def _again(node: Function, known: dict[Function, Array]) -> Array | None:
    """Run an operation of the lessons once more, if all of its inputs are known."""
    operation = _operation(node)
    values = inputs_of(node, known)
    sizes = [math.prod(node.shape), *(math.prod(shape) for shape in node.input_shapes)]
    if operation is None or any(value is None for value in values) or max(sizes) > LARGEST:
        return None
    tensors = [from_numpy(value) if isinstance(value, np.ndarray) else value for value in values]
    with no_grad(), np.errstate(all="ignore"):
        try:
            result = operation(*tensors)
        except Exception:  # the operation is a learner's, and may be of another kind than it was recorded with
            return None
    fits = isinstance(result, Tensor) and result.shape == node.shape and result.dtype == node.dtype
    return result.data if fits else None


def _operation(node: Function) -> Any:
    """Return a function of the inputs that does what was recorded; None where more than the inputs is needed."""
    rule = next((rule for rule in RULES if rule.backward is type(node)), None)
    if rule is None:
        return None
    method = original_method(rule.owner, rule.method)
    if rule.owner is Tensor and rule.method in _PLAIN:
        return method
    if rule.owner is Tensor and rule.method in _REDUCTIONS:
        keepdim = len(node.shape) == len(node.input_shapes[0])
        return lambda a: method(a, node.dim, keepdim)  # type: ignore[attr-defined]
    if rule.owner is Tensor and rule.method == "reshape":
        return lambda a: method(a, node.shape)
    if rule.owner.__name__ in _LAYERS:
        return lambda x: method(rule.owner(), x)
    return None
