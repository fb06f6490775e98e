"""The local derivative of a rule, where it can be shown beside the gradient that comes in and the one that goes out.

A rule is asked for it by gradients made up for the purpose: what it makes of ones is the local derivative, if it
multiplies each element of the incoming gradient by a number of its own. Whether it does, a second question tells.
"""

from __future__ import annotations

import copy
import inspect
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytorch.core.autograd import Function
from tinytorch.core.tensor import Array, Tensor

LARGEST = 64  # elements; what is larger is not shown number by number, and so not asked for
_SHADOWS = ("apply", "show", "release")


@dataclass(frozen=True)
class Slope:
    """How one rule makes an outgoing gradient.

    Attributes
    ----------
    local
        What each element of the incoming gradient is multiplied by; None where the rule does something else.
    product
        Incoming times local, where a broadcast had to be undone to make the outgoing gradient of it.
    proportional
        Whether twice the incoming gradient gives twice the outgoing one, as a derivative does.
    """

    local: Array | None = None
    product: Array | None = None
    proportional: bool = True


def formula(node: Function) -> str:
    """Return what a rule says of itself: the first line of its docstring."""
    owner = getattr(node, "owner", type(node))  # of an operation of the user's own, the class that they wrote
    first = (inspect.getdoc(owner) or "").split("\n")[0]
    return first.replace("``", "`")


def slope_of(node: Function, i: int, incoming: Array, outgoing: Array) -> Slope:
    """Return how the rule of `node` made the gradient of its input `i`.

    Parameters
    ----------
    node
        Not released yet.
    i
        Which input.
    incoming, outgoing
        What the rule was given, and what it answered.
    """
    if max(incoming.size, outgoing.size, math.prod(node.input_shapes[i])) > LARGEST or incoming.dtype.kind != "f":
        return Slope()
    with np.errstate(all="ignore"):
        proportional = _is_proportional(node, i, incoming, outgoing)
        slope = _of_one_number(node, i, incoming, outgoing) if incoming.size == 1 else _by_element(node, i, incoming)
    return Slope(slope.local, slope.product, proportional)


def _of_one_number(node: Function, i: int, incoming: Array, outgoing: Array) -> Slope:
    """Of an output that is one number: the outgoing gradient is that number times the local derivative."""
    local = _answer(node, i, np.ones_like(incoming))
    if local is None or local.shape != outgoing.shape or not same_numbers(incoming.reshape(()) * local, outgoing):
        return Slope()
    return Slope(local)


def _by_element(node: Function, i: int, incoming: Array) -> Slope:
    """Of an operation that goes element by element, its inputs stretched to the shape of its output."""
    shape = node.input_shapes[i]
    if not _stretches(shape, incoming.shape):
        return Slope()
    stretched = _twin(node)
    stretched.input_shapes = tuple(node.shape for _ in node.input_shapes)  # no broadcast is undone
    weights = (1.5 + np.cos(np.arange(incoming.size, dtype=incoming.dtype))).reshape(incoming.shape)
    local, weighted, product = (
        _answer(stretched, i, grad) for grad in (np.ones_like(incoming), weights, incoming.copy())
    )
    if local is None or weighted is None or product is None:
        return Slope()
    if local.shape != incoming.shape or not (
        same_numbers(weights * local, weighted) and same_numbers(incoming * local, product)
    ):
        return Slope()
    return Slope(local, product if shape != incoming.shape else None)


def _stretches(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether broadcasting, and nothing else, makes `to` of `shape`."""
    if shape == to:
        return True
    if math.prod(shape) == math.prod(to):  # moved, not stretched
        return False
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def _is_proportional(node: Function, i: int, incoming: Array, outgoing: Array) -> bool:
    doubled = _answer(node, i, 2 * incoming)
    if doubled is None or not (np.isfinite(doubled).all() and np.isfinite(outgoing).all()):
        return True  # nothing can be said
    return same_numbers(doubled, 2 * outgoing)


def _answer(node: Function, i: int, grad: Array) -> Array | None:
    """Return what the rule makes of a made-up gradient for input `i`; None if it makes nothing of it."""
    try:
        answer = _twin(node).apply(grad)[i]
    except Exception:  # a rule may refuse what was made up: then its local derivative is not shown
        return None
    return None if answer is None else np.array(answer.data if isinstance(answer, Tensor) else answer)


def _twin(node: Function) -> Any:
    """Return a node with the same arrays that answers as its class does."""
    twin = copy.copy(node)
    for name in _SHADOWS:
        vars(twin).pop(name, None)
    return twin


def same_numbers(a: Array, b: Array) -> bool:
    """Whether two arrays are equal but for rounding."""
    if a.shape != b.shape:
        return False
    tolerance = math.sqrt(np.finfo(b.dtype).eps) if b.dtype.kind == "f" else 1e-6
    largest = np.max(np.abs(b[np.isfinite(b)]), initial=0)
    return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance * float(largest), equal_nan=True))
