"""The walk back through the graph with all that the lesson's leaves out: several starts, chosen ends, hooks, and
gradients that have gradients.

It stands on the lesson's nodes, order and rules; ``Tensor.backward()`` goes this way only where it must.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinytorch.autograd._hooks import hooked
from tinytorch.autograd._trace import check_gradient, checks_nan
from tinytorch.core.autograd import Function, input_gradients, topological_order
from tinytorch.core.tensor import Tensor, from_numpy

Place = Function | Tensor  # where a gradient arrives: at a node, or at a leaf


class _Join(Function):
    """A node behind several starting points, so that the walk has one beginning."""

    saves = ()

    def __init__(self, places: Iterable[Place]) -> None:
        self.next_functions = tuple(places)  # all that an order is made from


def place_of(tensor: Tensor) -> Place:
    """Return where the gradient of `tensor` arrives."""
    return tensor if tensor._grad_fn is None else tensor._grad_fn


def walk(
    starts: Sequence[tuple[Place, Any]],
    ends: Iterable[Place] | None,
    retain_graph: bool,
    create_graph: bool,
    show: bool,
) -> dict[Place, Any]:
    """Carry gradients from `starts` to `ends`.

    Parameters
    ----------
    starts
        Places and the gradients that arrive there first: arrays, or, with `create_graph`, tensors.
    ends
        Where gradients are wanted; None for all leaves.
    retain_graph
        Keep what the nodes have saved.
    create_graph
        Run the rules on tensors, so that they are recorded in turn.
    show
        Show the gradients at tensors in between that are still held.

    Returns
    -------
    dict
        The gradients that arrived, by place.
    """
    order = topological_order(_Join(place for place, _ in starts))[1:]
    wanted = None if ends is None else set(ends)
    if wanted is not None:
        order = _leading_to(wanted, order)
    for node in order:
        _ = node.saved_tensors  # a released node is an error now, before anything has changed
    grads: dict[Place, Any] = {}
    found: dict[Place, Any] = {}
    for place, grad in starts:
        grads[place] = grads[place] + grad if place in grads else grad
    anomalies = checks_nan()
    for node in order:
        grad = hooked(node, grads.pop(node))
        if show:
            node.show(grad)
        if wanted is not None and node in wanted:
            found[node] = grad
        for edge, part in _parts(node, grad, create_graph):
            if anomalies:
                check_gradient(node, grad, part)
            grads[edge] = grads[edge] + part if edge in grads else part
        if not retain_graph:
            node.release()
    found.update((place, hooked(place, grad)) for place, grad in grads.items() if isinstance(place, Tensor))
    return found if wanted is None else {place: grad for place, grad in found.items() if place in wanted}


def _leading_to(ends: set[Place], order: list[Function]) -> list[Function]:
    """Return the nodes of `order` that are one of `ends` or have one before them."""
    leading: set[Place] = set(ends)
    for node in reversed(order):
        if any(edge in leading for edge in node.next_functions if edge is not None):
            leading.add(node)
    return [node for node in order if node in leading]


def _parts(node: Function, grad: Any, create_graph: bool) -> Iterable[tuple[Place, Any]]:
    """Apply a node's rule; with `create_graph` it sees tensors of the graph in place of the arrays that it saved."""
    if not create_graph:
        return input_gradients(node, grad)
    arrays, node.saved = node.saved, linked(node)
    try:
        return list(input_gradients(node, grad))
    finally:
        node.saved = arrays


def linked(node: Function) -> tuple[Any, ...]:
    """Return what a node has saved, as tensors that are part of the graph."""
    saved = node.saved_tensors
    if not node.saves:
        return saved
    count = len(saved) - ("output" in node.saves)
    inputs = zip(saved[:count], node.next_functions, strict=False)
    return (*(linked_to(value, edge) for value, edge in inputs), *(linked_to(value, node) for value in saved[count:]))


def linked_to(value: Any, edge: Place | None) -> Any:
    """Return an array as a tensor whose gradient goes to `edge`; what needs no gradient stays as it is."""
    if edge is None or not isinstance(value, np.ndarray):
        return value
    if isinstance(edge, Tensor):
        return edge
    tensor = from_numpy(value)
    tensor.requires_grad, tensor._grad_fn = True, edge
    return tensor
