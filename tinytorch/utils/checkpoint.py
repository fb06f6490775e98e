"""Trading time for memory: run a part of the network again on the way back, instead of keeping what it saved."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.autograd._modes import enable_grad
from tinytorch.autograd._walk import place_of, walk
from tinytorch.core import autograd as core
from tinytorch.core.autograd import is_grad_enabled
from tinytorch.core.tensor import Tensor, default_generator, from_numpy


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, preserve_rng_state: bool = True
) -> Any:
    """Run ``function(*args)`` and keep only `args`; the way back runs it once more.

    Parameters
    ----------
    function
        A part of the network; it has to make the same again from the same arguments. It returns one tensor.
    *args
        Its arguments.
    use_reentrant
        Taken for PyTorch's sake; both give the same gradients here.
    preserve_rng_state
        Draw the same random numbers again, so that dropout drops the same.

    Returns
    -------
    Tensor
        What `function` returned.

    Notes
    -----
    Memory: the arguments, instead of all that the operations inside save. Time: one more forward pass of the part.
    Source: T. Chen et al., Training deep nets with sublinear memory cost, arXiv:1604.06174.

    Examples
    --------
    >>> x = Tensor(2.0, requires_grad=True)
    >>> checkpoint(lambda t: t * t * t, x).backward()
    >>> x.grad
    tensor(12.)
    """
    if not is_grad_enabled():
        return function(*args)
    state = copy.deepcopy(default_generator().bit_generator.state) if preserve_rng_state else None
    given = [_apart(x) for x in args if isinstance(x, Tensor)]
    out = _run(function, args, given)
    result = from_numpy(out.data)
    if out.requires_grad:
        tensors = [x for x in args if isinstance(x, Tensor)]
        node = CheckpointBackward(*tensors, *_other_leaves(out, given), output=result)
        node.again = lambda point: _run(function, args, point, state)
        node.count = len(tensors)
        result.requires_grad, result._grad_fn = True, node
    return result


def _apart(x: Tensor) -> Tensor:
    """Return a leaf with the values of `x`, so that a walk ends there."""
    leaf = from_numpy(x.data)
    leaf.requires_grad = x.requires_grad
    return leaf


def _run(function: Callable[..., Any], args: tuple[Any, ...], given: list[Tensor], state: Any = None) -> Tensor:
    """Run the function, with the tensors `given` in the place of its own, and random numbers drawn from `state` on."""
    remaining = iter(given)
    generator = default_generator().bit_generator
    now = generator.state
    if state is not None:
        generator.state = state
    try:
        with enable_grad():
            out = function(*(next(remaining) if isinstance(x, Tensor) else x for x in args))
    finally:
        if state is not None:
            generator.state = now
    if not isinstance(out, Tensor):
        raise TypeError(f"checkpoint() runs a function that returns one tensor, but it returned {type(out).__name__}.")
    return out


def _other_leaves(out: Tensor, given: list[Tensor]) -> list[Tensor]:
    """Return the leaves that the function uses without being given them, such as a layer's weights."""
    known = {id(x) for x in given}
    found: dict[int, Tensor] = {}
    for node in core.topological_order(out._grad_fn):
        for edge in node.next_functions:
            if isinstance(edge, Tensor) and id(edge) not in known:
                found[id(edge)] = edge
    return list(found.values())


class CheckpointBackward(core.Function):
    """The node of a part that is run again: its rule records the part, and walks back through it."""

    again: Callable[[list[Tensor]], Tensor]
    count: int  # of the inputs that are arguments; the others are leaves that the function knows by itself

    def apply(self, grad_output: Any) -> tuple[Any, ...]:
        if isinstance(grad_output, Tensor):
            raise core.NotDifferentiableError(
                "checkpoint() has no gradients of gradients: where create_graph=True is used, call the function itself."
            )
        leaves = [edge for edge in self.next_functions[self.count :] if edge is not None]
        point = [from_numpy(array) for array in self.saved_tensors[: self.count]]
        for tensor, needed in zip(point, self.needs_input_grad, strict=False):
            tensor.requires_grad = needed
        out = self.again(point)
        found = walk([(place_of(out), grad_output)], None, False, False, show=False) if out.requires_grad else {}
        places = zip([*point, *leaves], self.needs_input_grad, strict=True)
        return tuple(found.get(t, np.zeros(t.shape, t.dtype)) if needed else None for t, needed in places)
