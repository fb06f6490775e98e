"""`grad`, and ``Tensor.backward()`` with all of PyTorch's arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytorch.autograd._hooks import any_hooks, register_hook
from tinytorch.autograd._trace import checks_nan
from tinytorch.autograd._walk import place_of, walk
from tinytorch.core.autograd import ENHANCED, start_gradient
from tinytorch.core.autograd import backward as lesson_backward
from tinytorch.core.tensor import Tensor, from_numpy


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return the gradients of `outputs` with respect to `inputs`; no ``.grad`` is touched.

    Parameters
    ----------
    outputs
        Where to start.
    inputs
        What the gradients are taken with respect to: leaves, or tensors in between.
    grad_outputs
        d(loss)/d(output) for each output, of its shape; may be left out, or None, for one number.
    retain_graph
        Keep the graph for another pass; as `create_graph` if None.
    create_graph
        Make the gradients part of a graph, so that they have gradients in turn.
    allow_unused
        Return None for an input that the outputs do not depend on, instead of raising an error; as
        `materialize_grads` if None.
    materialize_grads
        Return zeros for such an input.

    Returns
    -------
    tuple of Tensor
        One gradient for each input, of its shape.

    Raises
    ------
    RuntimeError
        If an input requires no gradient, or, without `allow_unused`, if the outputs do not depend on one.
    GradientShapeError
        If a gradient of `grad_outputs` does not have its output's shape.
    ValueError
        If there is not one gradient for each output, or `materialize_grads` meets ``allow_unused=False``.

    Notes
    -----
    Source: ``torch.autograd.grad``.

    Examples
    --------
    >>> x = Tensor(3.0, requires_grad=True)
    >>> (slope,) = grad(x**3, x, create_graph=True)
    >>> slope.item()
    27.0
    >>> (curvature,) = grad(slope, x)
    >>> curvature.item()
    18.0
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "grad() was given materialize_grads=True, which returns zeros for inputs that are not used, and "
            "allow_unused=False, which refuses them. Pass one of the two."
        )
    outputs, inputs = _several(outputs), _several(inputs)
    for i, tensor in enumerate(inputs):
        if not tensor.requires_grad:
            raise RuntimeError(
                f"grad() was asked for the gradient of input {i}, a tensor of shape {tensor.shape} that requires none. "
                "Pass requires_grad=True where it is made."
            )
    found = walk(
        _starts(outputs, grad_outputs, create_graph),
        [place_of(tensor) for tensor in inputs],
        create_graph if retain_graph is None else retain_graph,
        create_graph,
        show=False,
    )
    grads = [found.get(place_of(tensor)) for tensor in inputs]
    if materialize_grads:
        grads = [np.zeros_like(x.data) if grad is None else grad for grad, x in zip(grads, inputs, strict=True)]
    return tuple(_found(grads[i], i, tensor, bool(allow_unused)) for i, tensor in enumerate(inputs))


def _several(tensors: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _starts(outputs: Sequence[Tensor], gradients: Any, create_graph: bool) -> list[tuple[Any, Any]]:
    """Return where the walk starts, with the gradient that arrives there."""
    given = [None] * len(outputs) if gradients is None else _several(gradients)
    if len(given) != len(outputs):
        raise ValueError(f"there are {len(outputs)} outputs and {len(given)} gradients for them; give one for each.")
    return [
        (place_of(tensor), _start(tensor, gradient, create_graph))
        for tensor, gradient in zip(outputs, given, strict=True)
    ]


def _start(tensor: Tensor, gradient: Any, create_graph: bool) -> Any:
    seed = start_gradient(tensor, gradient)
    if not create_graph:
        return seed
    return gradient if isinstance(gradient, Tensor) and gradient.dtype == seed.dtype else from_numpy(seed)


def _found(gradient: Any, i: int, tensor: Tensor, allow_unused: bool) -> Tensor | None:
    if gradient is None and not allow_unused:
        raise RuntimeError(
            f"input {i}, a tensor of shape {tensor.shape}, was not used to compute the outputs. Was a copy of it used, "
            "or detach()? If that is meant, pass allow_unused=True and get None."
        )
    return gradient if gradient is None or isinstance(gradient, Tensor) else from_numpy(np.array(gradient))


def backward_from(
    tensor: Tensor,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Compute the gradients of everything `tensor` was made from.

    Parameters
    ----------
    tensor
        Where to start, normally the loss.
    gradient
        d(loss)/d(tensor), of its shape. Not needed for one number, where it is 1.
    retain_graph
        Keep the saved arrays, so that a second pass is possible; as `create_graph` if None.
    create_graph
        Make the gradients part of a graph, so that they have gradients in turn.
    inputs
        The only tensors whose ``.grad`` is added to; all leaves if None.

    Raises
    ------
    RuntimeError
        If nothing here requires a gradient, or `tensor` is not one number and `gradient` is missing.
    GradientShapeError
        If a gradient does not have the shape of what it belongs to.
    GraphReleasedError
        If an earlier pass has released the graph.

    Notes
    -----
    Source: ``torch.Tensor.backward``. Without `create_graph` and `inputs` this is the walk of module 05.
    """
    keep = create_graph if retain_graph is None else retain_graph
    if not create_graph and inputs is None and not any_hooks() and not checks_nan():
        lesson_backward(tensor, gradient, keep)
        return
    starts = _starts([tensor], gradient if gradient is None else [gradient], create_graph)
    _carry_back(starts, keep, create_graph, inputs)


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Compute the gradients of everything that several tensors were made from, in one pass.

    Parameters
    ----------
    tensors
        Where to start.
    grad_tensors
        d(loss)/d(tensor) for each, of its shape; may be left out, or None, for one number.
    retain_graph, create_graph, inputs
        As for ``Tensor.backward()``.

    Notes
    -----
    Source: ``torch.autograd.backward``.

    Examples
    --------
    >>> x = Tensor(3.0, requires_grad=True)
    >>> backward([x * 2, x * x])
    >>> x.grad
    tensor(8.)
    """
    keep = create_graph if retain_graph is None else retain_graph
    _carry_back(_starts(_several(tensors), grad_tensors, create_graph), keep, create_graph, inputs)


def _carry_back(starts: list[tuple[Any, Any]], keep: bool, create_graph: bool, inputs: Any) -> None:
    """Walk back from `starts`, and add what arrives to the ``.grad`` of all leaves, or of `inputs`."""
    ends = None if inputs is None else {place_of(each): each for each in _several(inputs)}
    for place, arrived in walk(starts, ends, keep, create_graph, show=ends is None).items():
        _add(ends[place] if ends is not None else place, arrived)


def _add(tensor: Any, gradient: Any) -> None:
    """Add a gradient to ``tensor.grad``."""
    gradient = gradient if isinstance(gradient, Tensor) else from_numpy(np.array(gradient))
    tensor.grad = gradient if tensor.grad is None else tensor.grad + gradient


def retain_grad(self: Tensor) -> None:
    """Do nothing: a tensor that is still held shows its gradient without being asked to.

    Raises
    ------
    RuntimeError
        If this tensor requires no gradient.
    """
    if not self.requires_grad:
        raise RuntimeError("retain_grad() waits for a gradient, and this tensor requires none.")


def _with_all_arguments(sleeping: Callable[..., Any]) -> Callable[..., Any]:
    return backward_from


ENHANCED.append((Tensor, "backward", _with_all_arguments))
Tensor.register_hook = register_hook  # type: ignore[attr-defined]
Tensor.retain_grad = retain_grad  # type: ignore[attr-defined]
