# Exported from modules/05_autograd/autograd_dev.py by tito export; edit it there.
"""Reverse-mode automatic differentiation: gradient rules, the graph, and the walk back through it."""

from __future__ import annotations

import copy
import functools
import inspect
import math
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from contextlib import ContextDecorator
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from tinytorch.core.activations import (
    GELU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
    erf,
    stable_log_softmax,
    stable_sigmoid,
    stable_softmax,
)
from tinytorch.core.losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, MSELoss, class_axis, softplus
from tinytorch.core.tensor import Array, Dim, FloatArray, Scalar, Tensor, array_index, from_numpy

__all__ = [
    "ENHANCED",
    "RULES",
    "AbsBackward",
    "AddBackward",
    "BCEBackward",
    "BCEWithLogitsBackward",
    "ChangedInPlaceError",
    "ClipBackward",
    "CrossEntropyBackward",
    "DivBackward",
    "Edge",
    "ExpBackward",
    "ExtremumBackward",
    "ForgottenZeroGradWarning",
    "Function",
    "GELUBackward",
    "GradientShapeError",
    "GraphReleasedError",
    "IndexBackward",
    "LayerFunction",
    "LogBackward",
    "LogSoftmaxBackward",
    "MSEBackward",
    "MatmulBackward",
    "MeanBackward",
    "MulBackward",
    "NegBackward",
    "NotDifferentiableError",
    "PermuteBackward",
    "PowBackward",
    "ReLUBackward",
    "ReshapeBackward",
    "Rule",
    "SigmoidBackward",
    "SoftmaxBackward",
    "SqrtBackward",
    "SubBackward",
    "SumBackward",
    "TanhBackward",
    "ToBackward",
    "TransposeBackward",
    "accumulate",
    "backward",
    "disable_autograd",
    "enable_autograd",
    "grad_mode",
    "input_gradients",
    "is_grad_enabled",
    "mean_scale",
    "memory_of",
    "no_grad",
    "note_change",
    "numerical_gradient",
    "original_method",
    "positional",
    "propagate",
    "refused",
    "restore_axes",
    "scatter",
    "start_gradient",
    "topological_order",
    "tracked",
    "unbroadcast",
    "wants_grad",
]


def unbroadcast(grad: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Sum `grad` over the axes that broadcasting added to `shape` or stretched in it.

    Parameters
    ----------
    grad
        A gradient, of a shape that `shape` broadcasts to.
    shape
        The shape of what was broadcast.

    Returns
    -------
    ndarray
        The gradient of what was broadcast, of its shape; `grad` itself if nothing was.
    """
    if grad.shape == shape:
        return grad
    added = grad.ndim - len(shape)
    stretched = [added + i for i, n in enumerate(shape) if n == 1]
    total: FloatArray = grad.sum(axis=(*range(added), *stretched), keepdims=True)
    return total.reshape(shape)


class GradientShapeError(ValueError):
    """A gradient does not have the shape of what it is the gradient of."""


class GraphReleasedError(RuntimeError):
    """A second pass over a graph whose saved arrays are gone."""


class NotDifferentiableError(RuntimeError):
    """An operation would lose a gradient, or has none to give."""


class ChangedInPlaceError(RuntimeError):
    """An array that a rule needs no longer holds the values that it was saved with."""


class ForgottenZeroGradWarning(UserWarning):
    """Gradients of a parameter's old and new values are being added up."""


_time = 0  # counts the changes
_changes: dict[int, tuple[int, str]] = {}  # by the id of the array that owns the memory: when, and by what


def memory_of(array: Array) -> Array:
    """Return the array that owns the memory of `array`, which may be a view into it."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def note_change(array: Array, operation: str) -> int:
    """Note that `operation` changes the values of `array` in place; return the time of the note."""
    global _time
    _time += 1
    owner = memory_of(array)
    if id(owner) not in _changes:
        weakref.finalize(owner, _changes.pop, id(owner), None)
    _changes[id(owner)] = _time, operation
    return _time


class Function:
    """One operation in the graph: what it saved, and where its gradients go.

    Parameters
    ----------
    *inputs
        The operands in the order of the operation: tensors, arrays or numbers.
    output
        The tensor that the operation made. Without it the operation is taken to be elementwise, which tells the
        output's shape but not its values.

    Attributes
    ----------
    next_functions
        For each input the node that made it, the tensor itself if it is a leaf, or None if it needs no gradient.
    needs_input_grad
        For each input, whether a gradient is needed.
    input_shapes
        The shape of each input.
    shape, dtype
        Those of the output.
    saved
        The arrays that were saved, inputs first, then the output; None once they are released.

    Notes
    -----
    Memory: holds the arrays named by `saves`, uncopied, until `release()`. Holds its output weakly.
    """

    saves: ClassVar[tuple[str, ...]] = ("inputs",)  # or "output", both, "factors", or nothing

    def __init__(self, *inputs: Any, output: Tensor | None = None) -> None:
        # This runs at every operation of every forward pass: one loop, and nothing that can wait for the way back.
        values: list[Any] = []
        shapes: list[tuple[int, ...]] = []
        edges: list[Edge] = []
        needed: list[bool] = []
        for x in inputs:
            if isinstance(x, Tensor):
                values.append(x.data)
                shapes.append(x.data.shape)
                edges.append((x._grad_fn or x) if x.requires_grad else None)
                needed.append(x.requires_grad)
            else:
                values.append(x.item() if isinstance(x, np.generic) else x)  # a plain number, which takes any type
                shapes.append(getattr(x, "shape", ()))
                edges.append(None)
                needed.append(False)
        self.made = _time
        self.input_shapes = tuple(shapes)
        self.next_functions = tuple(edges)
        self.needs_input_grad = tuple(needed)
        self.saved = self._saved_of(values, output) if self.saves else ()
        if output is None:
            self._without_output(values)
            return
        self.shape, self.dtype = output.data.shape, output.data.dtype
        self._output: weakref.ref[Tensor] | None = weakref.ref(output)

    def _saved_of(self, values: list[Any], output: Tensor | None) -> tuple[Any, ...] | None:
        """Return what `saves` names."""
        if "factors" in self.saves:  # what an input is multiplied by is needed only if that input's gradient is
            (a, b), (edge_a, edge_b) = values, self.next_functions
            return (None if edge_b is None else a, None if edge_a is None else b)
        saved = tuple(values) if "inputs" in self.saves else ()
        return saved if output is None or "output" not in self.saves else (*saved, output.data)

    def _without_output(self, values: list[Any]) -> None:
        """Say what the output is like from the inputs of an elementwise operation."""
        if "output" in self.saves:
            raise TypeError(f"{self.name} saves what its operation computed: pass output=, the resulting tensor.")
        self.shape, self.dtype = np.broadcast_shapes(*self.input_shapes), np.result_type(*values)
        self._output = None

    @property
    def name(self) -> str:
        """What the operation is called, for example ``AddBackward``."""
        return type(self).__name__

    @property
    def released(self) -> bool:
        """Whether the saved arrays are gone."""
        return self.saved is None

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """`saved`, or the error of a graph that is gone or whose arrays were changed."""
        if self.saved is None:
            raise GraphReleasedError(
                f"{self.name} has let go of its saved arrays: an earlier backward() passed here. Compute the loss "
                "again before each backward(), or pass retain_graph=True to all but the last."
            )
        if _changes:
            self._check_unchanged(self.saved)
        return self.saved

    def _check_unchanged(self, arrays: tuple[Any, ...]) -> None:
        """Raise `ChangedInPlaceError` if one of the saved arrays was changed since."""
        for array in arrays:
            changed, operation = (
                _changes.get(id(memory_of(array)), (0, "")) if isinstance(array, np.ndarray) else (0, "")
            )
            if changed > self.made:
                raise ChangedInPlaceError(
                    f"{self.name} saved an array of shape {array.shape} for its gradient, and {operation} has changed "
                    f"it in place since. Use the form that makes a new tensor, or let {operation} work on a clone()."
                )

    def release(self) -> None:
        """Let go of the saved arrays and of the nodes before this one."""
        self.saved = None
        self.next_functions = ()

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        """Return the gradient at each input from the one at the output; None where none is needed.

        Parameters
        ----------
        grad_output
            d(loss)/d(output), of the output's shape.
        """
        raise NotImplementedError(f"{self.name} has no apply().")

    def check_shape(self, grad_output: FloatArray) -> None:
        """Raise `GradientShapeError` unless `grad_output` has the output's shape."""
        if grad_output.shape != self.shape:
            shapes = " and ".join(map(str, self.input_shapes))
            raise GradientShapeError(
                f"{self.name} was given a gradient of shape {grad_output.shape}, but inputs of shape {shapes} make an "
                f"output of shape {self.shape}. Pass a gradient of the output's shape, or call backward() on a scalar."
            )

    def show(self, grad_output: FloatArray) -> None:
        """Set ``.grad`` of the output, if somebody still holds it."""
        output = None if self._output is None else self._output()
        if output is not None:
            # a copy, since other tensors may be shown the same array
            output.grad = grad_output if isinstance(grad_output, Tensor) else from_numpy(np.array(grad_output))

    def __repr__(self) -> str:
        return f"<{self.name} of shape {self.shape}>"


Edge = Function | Tensor | None


class AddBackward(Function):
    """Gradient of ``out = a + b``: each input receives `grad_output`, summed back to its own shape."""

    saves = ()

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        shape_a, shape_b = self.input_shapes
        need_a, need_b = self.needs_input_grad
        grad_a = unbroadcast(grad_output, shape_a) if need_a else None
        grad_b = unbroadcast(grad_output, shape_b) if need_b else None
        return grad_a, grad_b


def topological_order(start: Edge) -> list[Function]:
    """Return all nodes from `start` back to the leaves, each once, outputs before what made them.

    Parameters
    ----------
    start
        The node to begin with; from a leaf, or from None, there are no nodes.

    Notes
    -----
    Time and memory: in proportion to the nodes and edges; no recursion, so any depth.
    Source: T. Cormen et al., Introduction to Algorithms, 4th ed., MIT Press, 2022, sec. 20.4.
    """
    if not isinstance(start, Function):
        return []
    order: list[Function] = []
    seen: set[Function] = set()
    stack = [(start, False)]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            for edge in node.next_functions:
                if isinstance(edge, Function):
                    stack.append((edge, False))
    order.reverse()
    return order


def start_gradient(tensor: Tensor, gradient: Any) -> FloatArray:
    """Return what the walk begins with: 1 for a scalar, `gradient` for anything else.

    Raises
    ------
    RuntimeError
        If `tensor` requires no gradient, or is not one number and `gradient` is None.
    GradientShapeError
        If `gradient` does not have the shape of `tensor`.
    TypeError
        If `gradient` does not hold real numbers.
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            "backward() has nothing to do: this tensor was made from nothing that requires a gradient. Was "
            "requires_grad=True forgotten, or was it computed inside no_grad(), from a detach(), or by something that "
            "has no slope, such as a comparison, argmax or long()?"
        )
    data = tensor.data
    if gradient is None:
        if data.size != 1:
            raise RuntimeError(
                f"backward() starts from one number, but this tensor has shape {tensor.shape}. Reduce it first, for "
                f"example with .mean() or .sum(), or pass gradient=, a tensor of shape {tensor.shape}."
            )
        return np.ones(data.shape, data.dtype)
    seed = gradient.data if isinstance(gradient, Tensor) else np.asarray(gradient)
    if seed.dtype.kind not in "biuf":
        raise TypeError(f"backward() needs a gradient of real numbers, but got {seed.dtype}.")
    if seed.shape != data.shape:
        raise GradientShapeError(
            f"backward() was given a gradient of shape {seed.shape} for a tensor of shape {tensor.shape}. "
            "The two must be equal."
        )
    return seed if seed.dtype == data.dtype else seed.astype(data.dtype)


def input_gradients(node: Function, grad_output: FloatArray) -> list[tuple[Function | Tensor, FloatArray]]:
    """Apply the rule of `node`; return each gradient that is needed, checked, with where it goes.

    Raises
    ------
    NotDifferentiableError
        If the rule does not return a tuple with a gradient for each input that needs one.
    GradientShapeError
        If a gradient does not have the shape of its input.
    """
    grads, edges = node.apply(grad_output), node.next_functions
    if not isinstance(grads, tuple):
        raise NotDifferentiableError(
            f"{node.name}.apply() returned {type(grads).__name__}. Return a tuple with one gradient for each input; "
            "of a single one: `return (grad,)`, with the comma."
        )
    if len(grads) != len(edges):
        raise NotDifferentiableError(
            f"{node.name} has {len(edges)} inputs, but apply() returned {len(grads)} gradients. "
            "Return one for each input, None where none is needed."
        )
    found: list[tuple[Function | Tensor, FloatArray]] = []
    for i, edge in enumerate(edges):
        if edge is None:
            continue
        grad = grads[i]
        if not isinstance(grad, _ARRAYS) or grad.shape != node.input_shapes[i]:
            raise _wrong_gradient(node, grads)
        dtype = edge.dtype
        found.append((edge, grad if grad.dtype is dtype else grad.astype(dtype)))
    return found


_ARRAYS = (np.ndarray, np.generic, Tensor)


def _wrong_gradient(node: Function, grads: tuple[Any, ...]) -> Exception:
    """Return the error of the first gradient that is none, or of another shape than its input."""
    for i, (edge, grad, shape) in enumerate(zip(node.next_functions, grads, node.input_shapes, strict=True)):
        if edge is not None and not isinstance(grad, _ARRAYS):
            return NotDifferentiableError(
                f"{node.name} returned {'no gradient' if grad is None else type(grad).__name__} for input {i}, which "
                "needs one. Return an array of its shape."
            )
        if edge is not None and grad.shape != shape:
            return GradientShapeError(
                f"{node.name} returned a gradient of shape {grad.shape} for input {i}, whose shape is {shape}. "
                "The two must be equal: is there a broadcast that was not undone, or a transpose too many?"
            )
    raise AssertionError(f"all gradients of {node.name} are right.")


def accumulate(grads: dict[Any, FloatArray]) -> None:
    """Add gradients to the ``.grad`` of their leaves, and warn if they belong to other values than what is there.

    Raises
    ------
    TypeError
        If a leaf does not hold floats.
    """
    for leaf in grads:
        if leaf.data.dtype.kind != "f":
            raise TypeError(f"a leaf of shape {leaf.shape} holds {leaf.dtype}, and only floats can have a gradient.")
    moved = None
    while grads:  # one at a time, so that no gradient is held twice
        leaf, grad = grads.popitem()
        if not leaf.requires_grad:  # not any more
            continue
        # Eight of its values tell whether a parameter has moved, and cost nothing beside the gradient itself.
        data = leaf.data
        values = (data if data.size < 16 else data.flat[:: data.size // 8]).tobytes()
        if leaf.grad is None:
            # A copy, unless nobody else holds the array: rules may hand one to several inputs, or keep it.
            alone = sys.getrefcount(grad) == _ALONE and grad.base is None
            leaf.grad = from_numpy(grad if alone else np.array(grad))
        else:
            if getattr(leaf, "_grad_at", values) != values and leaf.grad.data.any():
                moved = leaf
            leaf.grad = from_numpy(leaf.grad.data + grad)
        leaf._grad_at = values
    if moved is not None:
        warnings.warn(
            f"backward() adds to the gradient of a tensor of shape {moved.shape} whose values have changed since that "
            "gradient was made. Was zero_grad() forgotten? Call it before each backward(). (If the next use of this "
            "gradient comes after a zero_grad(), all is well.)",
            ForgottenZeroGradWarning,
            stacklevel=_users_frame(),
        )


def _references() -> int:
    """Return what is counted for an array that nothing but one local variable holds."""
    array = np.empty(0)
    return sys.getrefcount(array)


_ALONE = _references()


def _users_frame() -> int:
    """Return how many frames above the caller's the first one outside of this package is, the walk itself aside."""
    level, frame = 3, sys._getframe(3)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("tinytorch."):
        level, frame = level + 1, frame.f_back
    return level


def propagate(order: list[Function], grads: dict[Any, FloatArray], retain_graph: bool) -> None:
    """Carry the gradients in `grads` through the nodes of `order`, until only those of the leaves are left."""
    for node in order:
        grad_output = grads.pop(node)
        node.show(grad_output)
        for edge, grad in input_gradients(node, grad_output):
            grads[edge] = grads[edge] + grad if edge in grads else grad
        if not retain_graph:
            node.release()


def backward(tensor: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    """Compute the gradients of everything `tensor` was made from.

    Leaves keep theirs, added to what is there, until ``zero_grad()``. A tensor in between that is still held shows
    the gradient of this pass.

    Parameters
    ----------
    tensor
        Where to start, normally the loss. After ``enable_autograd()`` this is the method ``tensor.backward()``.
    gradient
        d(loss)/d(tensor), of its shape. Not needed for one number, where it is 1.
    retain_graph
        Keep the saved arrays, so that a second pass is possible.

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
    Time: each node once, without recursion. Memory: a node's arrays go as soon as its rule has run.
    Source: A. Griewank and A. Walther, Evaluating Derivatives, 2nd ed., SIAM, 2008, ch. 3.

    Examples
    --------
    >>> x = Tensor(3.0, requires_grad=True)
    >>> y = x * 2
    >>> z = y + 1
    >>> z.backward()
    >>> x.grad, y.grad, z.grad
    (tensor(2.), tensor(1.), tensor(1.))
    """
    seed = start_gradient(tensor, gradient)
    start = tensor if tensor._grad_fn is None else tensor._grad_fn
    order = topological_order(start)
    for node in order:
        _ = node.saved_tensors  # a released node is an error now, before any gradient has changed
    grads: dict[Any, FloatArray] = {start: seed}
    propagate(order, grads, retain_graph)
    accumulate(grads)


class MulBackward(Function):
    """Gradient of ``out = a * b``, element by element.

    An input moves the output in proportion to the *other* input::

        grad_a = unbroadcast(grad_output * b, a.shape)
        grad_b = unbroadcast(grad_output * a, b.shape)

    Notes
    -----
    Shapes: `grad_output` has ``broadcast(a.shape, b.shape)``; each result has its own input's shape, or is
    ``None`` where the input requires no gradient.
    Units: with `a` in [A], `b` in [B] and the loss in [L], `grad_output` is in [L/AB], so `grad_output * b`
    is in [L/A], as a gradient of `a` has to be.
    Memory: keeps each input that the other's gradient needs alive, uncopied, until the graph is released.
    Errors: `GradientShapeError` if `grad_output` does not have the output's shape.
    Source: A. Griewank and A. Walther, Evaluating Derivatives, 2nd ed., SIAM, 2008, ch. 3.
    """

    saves = ("factors",)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        a, b = self.saved_tensors
        shape_a, shape_b = self.input_shapes
        need_a, need_b = self.needs_input_grad
        # A stretched input took part in many products, so its gradient is the sum over them.
        grad_a = unbroadcast(grad_output * b, shape_a) if need_a else None
        grad_b = unbroadcast(grad_output * a, shape_b) if need_b else None
        return grad_a, grad_b


class SubBackward(Function):
    """Gradient of ``out = a - b``: `grad_output` for a, its negative for b, each summed back to its shape."""

    saves = ()

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        shape_a, shape_b = self.input_shapes
        need_a, need_b = self.needs_input_grad
        grad_a = unbroadcast(grad_output, shape_a) if need_a else None
        grad_b = unbroadcast(-grad_output, shape_b) if need_b else None
        return grad_a, grad_b


class NegBackward(Function):
    """Gradient of ``out = -a``: ``-grad_output``."""

    saves = ()

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (-grad_output,)


class DivBackward(Function):
    """Gradient of ``out = a / b``: ``grad_output / b`` for a, ``-grad_output * a / b**2`` for b."""

    def __init__(self, a: Any, b: Any, *, output: Tensor | None = None) -> None:
        super().__init__(a, b, output=output)
        if self.saved and self.next_functions[1] is None:
            self.saved = (None, self.saved[1])  # only b's gradient needs a

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        a, b = self.saved_tensors
        shape_a, shape_b = self.input_shapes
        need_a, need_b = self.needs_input_grad
        grad_a = unbroadcast(grad_output / b, shape_a) if need_a else None
        grad_b = (
            unbroadcast(-grad_output * (a / b / b), shape_b) if need_b else None
        )  # b * b may leave the float's range
        return grad_a, grad_b


class PowBackward(Function):
    """Gradient of ``out = a ** b``: ``b * a**(b - 1)`` for a, ``out * log(a)`` for b, times `grad_output`.

    Where ``b`` is 0 the gradient of `a` is 0; where ``a`` is 0 and ``b`` is not negative the gradient of `b` is 0, as
    in PyTorch. For a negative `a` the gradient of `b` is nan: the real logarithm ends there.
    """

    saves = ("inputs", "output")

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        a, b, out = self.saved_tensors
        shape_a, shape_b = self.input_shapes
        need_a, need_b = self.needs_input_grad
        grad_a = grad_b = None
        if need_a:
            # Where b is 0 the factor b makes the product 0, as long as the power beside it is a number: a**0 is 1.
            one_less: Any = 0
            if not isinstance(b, int | float):
                # The power is a number unless a is 0, nan, or so small that 1 / a is infinite.
                safe = np.abs(a) >= np.finfo(self.dtype).tiny
                one_less = np.where((b == 0) & ~safe, 0, b - 1)
            elif b:
                one_less = b - 1
            grad_a = unbroadcast(grad_output * (b * a**one_less), shape_a)
        if need_b:
            with np.errstate(invalid="ignore", divide="ignore"):
                grad_b = unbroadcast(grad_output * out * np.log(np.where((a == 0) & (b >= 0), 1, a)), shape_b)
        return grad_a, grad_b


class MatmulBackward(Function):
    """Gradient of ``out = a @ b``: ``grad_output @ b.T`` for a, ``a.T @ grad_output`` for b.

    Notes
    -----
    Shapes: ``(..., n, k) @ (..., k, m) -> (..., n, m)``; the axes in front broadcast; vectors as in ``numpy.matmul``.
    Units: with `a` in [A], `b` in [B] and the loss in [L], the gradients are in [L/A] and [L/B].
    Memory: keeps both inputs alive, uncopied, until the graph is released.
    Errors: `GradientShapeError` if `grad_output` does not have the output's shape.
    Source: M. Giles, An extended collection of matrix derivative results, Oxford, 2008, sec. 2.2.
    """

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        a, b, grad_output = self._as_matrices(grad_output)
        shape_a, shape_b = self.input_shapes
        need_a, need_b = self.needs_input_grad
        grad_a = grad_b = None
        if need_a:
            grad_a = unbroadcast(grad_output @ b.swapaxes(-1, -2), a.shape)
            grad_a = grad_a.reshape(shape_a)
        if need_b:
            grad_b = unbroadcast(a.swapaxes(-1, -2) @ grad_output, b.shape)
            grad_b = grad_b.reshape(shape_b)
        return grad_a, grad_b

    def _as_matrices(self, grad_output: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return a, b and `grad_output` with at least two axes each."""
        a, b = self.saved_tensors
        if b.ndim == 1:  # a vector on the right is a matrix of one column
            b, grad_output = b[:, None], grad_output[..., None]
        if a.ndim == 1:  # on the left, of one row
            a, grad_output = a[None, :], grad_output[..., None, :]
        if a.ndim > b.ndim == 2:  # a stack that meets one matrix is one long matrix: one product, and no sum over many
            rows = math.prod(a.shape[:-1])
            a, grad_output = a.reshape(rows, a.shape[-1]), grad_output.reshape(rows, b.shape[-1])
        return a, b, grad_output


def restore_axes(reduced: FloatArray, ndim: int, dim: Dim) -> FloatArray:
    """Give the axes `dim` that a reduction removed from `ndim` axes back, with length 1; None means all of them."""
    if reduced.ndim == ndim:
        return reduced
    return np.expand_dims(reduced, tuple(range(ndim)) if dim is None else dim)


class SumBackward(Function):
    """Gradient of ``out = a.sum(dim, keepdim)``: each element receives the gradient of its sum."""

    saves = ()

    def __init__(self, a: Tensor, dim: Dim = None, keepdim: bool = False, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.dim = dim

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (shape,) = self.input_shapes
        return (np.broadcast_to(restore_axes(grad_output, len(shape), self.dim), shape),)


class MeanBackward(SumBackward):
    """Gradient of ``out = a.mean(dim, keepdim)``: that of the sum, divided by how many elements went into each mean."""

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        count = math.prod(self.input_shapes[0]) // max(1, math.prod(self.shape))
        return super().apply(grad_output / max(1, count))


class ExtremumBackward(Function):
    """Gradient of ``out = a.amax(dim, keepdim)``, and of ``amin``: elements equal to the result share its gradient."""

    saves = ("inputs", "output")

    def __init__(self, a: Tensor, dim: Dim = None, keepdim: bool = False, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.dim = dim

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        a, out = self.saved_tensors
        chosen = (a == restore_axes(out, a.ndim, self.dim)) | (a != a)  # a nan is the maximum wherever there is one
        share = restore_axes(grad_output, a.ndim, self.dim) / chosen.sum(axis=self.dim, keepdims=True)
        return (np.where(chosen, share, 0),)


class ExpBackward(Function):
    """Gradient of ``out = exp(a)``: ``grad_output * out``."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        return (grad_output * out,)


class LogBackward(Function):
    """Gradient of ``out = log(a)``: ``grad_output / a``."""

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (a,) = self.saved_tensors
        return (grad_output / a,)


class SqrtBackward(Function):
    """Gradient of ``out = sqrt(a)``: ``grad_output / (2 * out)``; infinite at 0, where the curve is vertical."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        return (grad_output / (2 * out),)


class AbsBackward(Function):
    """Gradient of ``out = abs(a)``: ``grad_output * sign(a)``; 0 at 0, as in PyTorch."""

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (a,) = self.saved_tensors
        return (grad_output * np.sign(a),)


class ClipBackward(Function):
    """Gradient of ``out = a.clip(min, max)``: `grad_output` between the bounds and on them, 0 elsewhere."""

    def __init__(
        self, a: Tensor, min: Scalar | None = None, max: Scalar | None = None, *, output: Tensor | None = None
    ) -> None:
        super().__init__(a, output=output)
        self.min, self.max = min, max

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (a,) = self.saved_tensors
        kept = True if self.min is None else a >= self.min
        if self.max is not None:
            kept = (a <= self.max) & kept
        return (np.where(kept, grad_output, 0),)  # a product would make nan of an infinite gradient outside


class ToBackward(Function):
    """Gradient of ``out = a.to(dtype)``: `grad_output`, which the walk makes elements of a's type."""

    saves = ()

    def __init__(self, a: Tensor, dtype: Any, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (grad_output,)


class ReshapeBackward(Function):
    """Gradient of ``out = a.reshape(shape)``: `grad_output` in a's shape."""

    saves = ()

    def __init__(self, a: Tensor, *shape: Any, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (grad_output.reshape(self.input_shapes[0]),)


class TransposeBackward(Function):
    """Gradient of ``out = a.transpose(dim0, dim1)``: the same swap once more."""

    saves = ()

    def __init__(self, a: Tensor, dim0: int, dim1: int, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.dims = dim0, dim1

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (grad_output.swapaxes(*self.dims),)


class PermuteBackward(Function):
    """Gradient of ``out = a.permute(dims)``: the permutation that undoes `dims`."""

    saves = ()

    def __init__(self, a: Tensor, *dims: Any, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        flat = dims if all(isinstance(d, int | np.integer) for d in dims) else tuple(dims[0])
        self.inverse = np.argsort([d % a.ndim for d in flat])

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (np.transpose(grad_output, self.inverse),)


def scatter(values: FloatArray, index: Any, shape: tuple[int, ...]) -> FloatArray:
    """Return zeros of `shape` with `values` added at `index`; an element that was picked twice gets both."""
    out: FloatArray = np.zeros(shape, values.dtype)
    parts = index if isinstance(index, tuple) else (index,)
    if all(part is None or part is Ellipsis or isinstance(part, int | np.integer | slice) for part in parts):
        out[index] = values  # a plain slice picks no element twice
    else:
        np.add.at(out, index, values)
    return out


class IndexBackward(Function):
    """Gradient of ``out = a[index]``: zeros, with `grad_output` added where the elements came from."""

    saves = ()

    def __init__(self, a: Tensor, index: Any, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.index = copy.deepcopy(array_index(index))  # somebody may change the array before the walk comes by

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (scatter(grad_output, self.index, self.input_shapes[0]),)


class LayerFunction(Function):
    """The rule of a layer's forward pass: it is made with the layer first, and copies the layer's `settings`."""

    settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, layer: Any, *inputs: Tensor, output: Tensor | None = None) -> None:
        super().__init__(*inputs, output=output)
        for name in self.settings:
            setattr(self, name, getattr(layer, name))


class ReLUBackward(LayerFunction):
    """Gradient of ``out = max(x, 0)``: `grad_output` where x is positive, 0 elsewhere; nan lets it through."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        return (np.where(out <= 0, 0, grad_output),)


class SigmoidBackward(LayerFunction):
    """Gradient of ``out = 1 / (1 + exp(-x))``: ``grad_output * out * (1 - out)``."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        return (grad_output * out * (1 - out),)


class TanhBackward(LayerFunction):
    """Gradient of ``out = tanh(x)``: ``grad_output * (1 - out**2)``."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        return (grad_output * (1 - out * out),)


class SoftmaxBackward(LayerFunction):
    """Gradient of ``out = softmax(x, dim)``: ``out * (grad_output - sum(grad_output * out, dim))``."""

    saves = ("output",)
    settings = ("dim",)
    dim: int

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        average = (grad_output * out).sum(axis=self.dim, keepdims=True)
        return (out * (grad_output - average),)


class LogSoftmaxBackward(LayerFunction):
    """Gradient of ``out = log_softmax(x, dim)``: ``grad_output - exp(out) * sum(grad_output, dim)``."""

    saves = ("output",)
    settings = ("dim",)
    dim: int

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        return (grad_output - np.exp(out) * grad_output.sum(axis=self.dim, keepdims=True),)


class GELUBackward(LayerFunction):
    """Gradient of GELU, in the form that the layer computes.

    Exact, ``x * Phi(x)``: ``Phi(x) + x * phi(x)``, with the normal distribution's integral and density. Tanh form: the
    product rule on ``0.5 * x * (1 + tanh(u))`` with ``u = sqrt(2 / pi) * (x + 0.044715 * x**3)``.
    Source: D. Hendrycks and K. Gimpel, Gaussian Error Linear Units, arXiv:1606.08415.
    """

    settings = ("approximate",)
    approximate: str

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (x,) = self.saved_tensors
        return (grad_output * (self._tanh_slope(x) if self.approximate == "tanh" else self._exact_slope(x)),)

    @staticmethod
    def _exact_slope(x: FloatArray) -> FloatArray:
        near = np.clip(x, -30, 30)  # beyond, the density is 0 in every float, and x * x would overflow on the way
        density = np.exp(-0.5 * near * near) * (1 / math.sqrt(2 * math.pi))
        slope: FloatArray = 0.5 * (1 + erf(x * math.sqrt(0.5))) + near * density
        return slope

    @staticmethod
    def _tanh_slope(x: FloatArray) -> FloatArray:
        near = np.clip(x, -30, 30)
        c = math.sqrt(2 / math.pi)
        t = np.tanh(c * (near + 0.044715 * near * near * near))
        slope: FloatArray = 0.5 * (1 + t) + 0.5 * near * (1 - t * t) * c * (1 + 3 * 0.044715 * near * near)
        return slope


def mean_scale(reduction: str, size: int) -> float:
    """Return what "mean" multiplies a sum of `size` values by; 1 for the other reductions."""
    return 1 / max(1, size) if reduction == "mean" else 1.0


class MSEBackward(LayerFunction):
    """Gradient of the squared error: ``2 * (input - target) * grad_output``, over the count if reduced by "mean"."""

    settings = ("reduction",)
    reduction: str

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        input, target = self.saved_tensors
        scale = mean_scale(self.reduction, input.size)
        grad_input = 2 * (input - target) * (scale * grad_output)
        need_input, need_target = self.needs_input_grad
        return grad_input if need_input else None, -grad_input if need_target else None


class CrossEntropyBackward(LayerFunction):
    """Gradient of cross-entropy: ``(sum(q) * softmax - q) * scale * grad_output``, q being the true distribution.

    A target of probabilities receives ``-log_softmax``, weighted as the loss weights it.
    """

    def __init__(self, loss: CrossEntropyLoss, input: Tensor, target: Tensor, *, output: Tensor | None = None) -> None:
        super().__init__(loss, input, target, output=output)
        self.loss = copy.copy(loss)  # with the settings of this moment

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        logits, target = self.saved_tensors
        need_logits, need_target = self.needs_input_grad
        axis = class_axis(logits)
        q, scale = self.loss.target_distribution(logits, target)
        if self.loss.reduction == "none":
            grad_output = np.expand_dims(grad_output, axis)
        grad_logits = grad_target = None
        if need_logits:
            softmax = stable_softmax(logits, axis)
            grad_logits = (q.sum(axis=axis, keepdims=True) * softmax - q) * (scale * grad_output)
        if need_target:
            grad_target = self._slope_of_probabilities(logits, axis) * (scale * grad_output)
        return grad_logits, grad_target

    def _slope_of_probabilities(self, logits: FloatArray, axis: int) -> FloatArray:
        slope: FloatArray = -(1 - self.loss.label_smoothing) * stable_log_softmax(logits, axis)
        if self.loss.weight is not None:
            slope = slope * np.asarray(self.loss.weight).reshape([-1 if i == axis else 1 for i in range(logits.ndim)])
        return slope


class BCEBackward(LayerFunction):
    """Gradient of binary cross-entropy on probabilities: ``(p - t) / (p * (1 - p))``; ``log((1 - p) / p)`` for t.

    The denominator is kept above 1e-12, as in PyTorch, and the logarithms above -100, as in the loss.
    """

    settings = ("reduction",)
    reduction: str

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        p, t = self.saved_tensors
        need_p, need_t = self.needs_input_grad
        grad_output = mean_scale(self.reduction, p.size) * grad_output
        grad_p = (p - t) / np.maximum(p * (1 - p), 1e-12) * grad_output if need_p else None
        grad_t = None
        if need_t:
            with np.errstate(divide="ignore"):
                grad_t = (np.maximum(np.log1p(-p), -100) - np.maximum(np.log(p), -100)) * grad_output
        return grad_p, grad_t


class BCEWithLogitsBackward(LayerFunction):
    """Gradient of binary cross-entropy on logits: ``sigmoid(x) - t``; ``-x`` for t.

    With `pos_weight` w the loss is ``(1 - t) * x + (1 + (w - 1) * t) * softplus(-x)``, and the slopes follow from that.
    """

    settings = ("reduction", "pos_weight")
    reduction: str
    pos_weight: Any

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        x, t = self.saved_tensors
        need_x, need_t = self.needs_input_grad
        grad_output = mean_scale(self.reduction, x.size) * grad_output
        more = 0.0 if self.pos_weight is None else np.asarray(self.pos_weight) - 1
        grad_x = ((1 - t) - (1 + more * t) * stable_sigmoid(-x)) * grad_output if need_x else None
        grad_t = (more * softplus(-x) - x) * grad_output if need_t else None
        return grad_x, grad_t


_F = TypeVar("_F", bound=Callable[..., Any])


class _Mode(threading.local):
    """What a thread has switched: each thread has its own."""

    enabled = True


_mode = _Mode()


def is_grad_enabled() -> bool:
    """Return whether operations of this thread are recorded."""
    return _mode.enabled


class grad_mode(ContextDecorator):  # noqa: N801
    """Record operations inside, or do not: ``with grad_mode(False):``, or as a decorator of a function."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __enter__(self) -> grad_mode:
        # Kept by thread, not here: a decorated function may run in several threads at once.
        vars(_mode).setdefault("before", []).append(is_grad_enabled())
        _mode.enabled = self.enabled
        return self

    def __exit__(self, *exception: object) -> None:
        _mode.enabled = _mode.before.pop()

    def __call__(self, function: _F) -> _F:
        if inspect.isgeneratorfunction(function):
            raise TypeError(
                f"{function.__name__}() is a generator: it goes on between its values, where this would not hold. "
                f"Write `with {type(self).__name__}():` inside it."
            )
        return super().__call__(function)


class no_grad(grad_mode):  # noqa: N801
    """Record nothing inside: ``with no_grad():``, or ``@no_grad()`` on a function.

    Examples
    --------
    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    def __init__(self) -> None:
        super().__init__(False)


def wants_grad(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether a tensor among the arguments requires a gradient."""
    for x in args:  # a loop, since this is asked at every operation, and any() is slower
        if isinstance(x, Tensor) and x.requires_grad:
            return True
    return bool(kwargs) and any(isinstance(x, Tensor) and x.requires_grad for x in kwargs.values())


def tracked(original: Callable[..., Tensor], rule: Callable[..., Function]) -> Callable[..., Tensor]:
    """Return `original`, enhanced: its result carries a node of `rule` if an argument requires a gradient.

    Parameters
    ----------
    original
        An operation on tensors.
    rule
        Makes the node, from the arguments of the operation and ``output=``, its result.
    """

    @functools.wraps(original)
    def operation(*args: Any, **kwargs: Any) -> Tensor:
        result = original(*args, **kwargs)
        if wants_grad(args, kwargs) and is_grad_enabled() and result.data.dtype.kind == "f":
            if kwargs:
                args, kwargs = positional(original, args, kwargs)
            result.requires_grad = True
            result._grad_fn = rule(*args, output=result, **kwargs)
        return result

    return operation


def positional(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Turn operands that were passed by name into positional arguments; rules take their inputs in order."""
    if not any(isinstance(x, Tensor | np.ndarray) for x in kwargs.values()):
        return args, kwargs
    bound = inspect.signature(function).bind(*args, **kwargs)
    return bound.args, bound.kwargs


class Rule(NamedTuple):
    """A row of the table: the method of a class, and the rule of its gradient."""

    owner: type
    method: str
    backward: type[Function]


RULES: list[Rule] = [
    Rule(Tensor, "__add__", AddBackward),
    Rule(Tensor, "__sub__", SubBackward),
    Rule(Tensor, "__mul__", MulBackward),
    Rule(Tensor, "__truediv__", DivBackward),
    Rule(Tensor, "__neg__", NegBackward),
    Rule(Tensor, "__pow__", PowBackward),
    Rule(Tensor, "matmul", MatmulBackward),
    Rule(Tensor, "sum", SumBackward),
    Rule(Tensor, "mean", MeanBackward),
    Rule(Tensor, "amax", ExtremumBackward),
    Rule(Tensor, "amin", ExtremumBackward),
    Rule(Tensor, "exp", ExpBackward),
    Rule(Tensor, "log", LogBackward),
    Rule(Tensor, "sqrt", SqrtBackward),
    Rule(Tensor, "abs", AbsBackward),
    Rule(Tensor, "clip", ClipBackward),
    Rule(Tensor, "to", ToBackward),
    Rule(Tensor, "reshape", ReshapeBackward),
    Rule(Tensor, "transpose", TransposeBackward),
    Rule(Tensor, "permute", PermuteBackward),
    Rule(Tensor, "__getitem__", IndexBackward),
    Rule(ReLU, "forward", ReLUBackward),
    Rule(Sigmoid, "forward", SigmoidBackward),
    Rule(Tanh, "forward", TanhBackward),
    Rule(GELU, "forward", GELUBackward),
    Rule(Softmax, "forward", SoftmaxBackward),
    Rule(LogSoftmax, "forward", LogSoftmaxBackward),
    Rule(MSELoss, "forward", MSEBackward),
    Rule(BCELoss, "forward", BCEBackward),
    Rule(BCEWithLogitsLoss, "forward", BCEWithLogitsBackward),
    Rule(CrossEntropyLoss, "forward", CrossEntropyBackward),
]


def refused(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `original`, enhanced: an error where it would lose a gradient."""

    @functools.wraps(original)
    def operation(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if self.requires_grad:
            raise NotDifferentiableError(
                f"{original.__name__}() hands out a plain array, and this tensor requires a gradient, which would be "
                "lost there. If you mean to: t.detach().numpy(), or Tensor(t.detach())."
            )
        return original(self, *args, **kwargs)

    return operation


# What else wakes: a class, a method, and the function that enhances it.
ENHANCED: list[tuple[type, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = [
    (Tensor, "numpy", refused),
    (Tensor, "backward", lambda sleeping: backward),
]


def original_method(owner: type, name: str) -> Callable[..., Any]:
    """Return a method of `owner` as its lesson wrote it, whether or not it has been replaced."""
    kept: dict[str, Callable[..., Any]] = vars(owner).get("_originals", {})
    method: Callable[..., Any] = kept.get(name, vars(owner)[name])
    return method


def enable_autograd() -> None:
    """Wake the gradient features of `Tensor`: keep, enhance and replace every method in the table.

    May be called again: it always enhances the originals, never what an earlier call has put in their place.
    ``import tinytorch`` calls it once module 05 is there.

    Examples
    --------
    >>> enable_autograd()
    >>> (Tensor(3.0, requires_grad=True) * 2).grad_fn
    <MulBackward of shape ()>
    """
    enhanced: list[tuple[type, str, Callable[..., Any]]] = [
        *((owner, name, tracked(original_method(owner, name), rule)) for owner, name, rule in RULES),
        *((owner, name, enhance(original_method(owner, name))) for owner, name, enhance in ENHANCED),
    ]
    for owner, name, method in enhanced:
        if "_originals" not in vars(owner):
            owner._originals = {}  # type: ignore[attr-defined]
        owner._originals.setdefault(name, vars(owner)[name])  # type: ignore[attr-defined]
        setattr(owner, name, method)


def disable_autograd() -> None:
    """Put the originals back: gradients sleep again."""
    for owner in {rule.owner for rule in RULES}:
        for name, method in vars(owner).get("_originals", {}).items():
            setattr(owner, name, method)


def numerical_gradient(f: Callable[[Tensor], Tensor], x: Tensor, h: float = 6e-6) -> FloatArray:
    """Return d(f(x))/dx by central differences, two runs of `f` for each element.

    Parameters
    ----------
    f
        Makes one number from a tensor of x's shape.
    x
        Where to take the gradient; float64, or the difference drowns in rounding.
    h
        The step; the cube root of float64's precision by default.

    Returns
    -------
    ndarray
        The gradient, of x's shape.

    Raises
    ------
    TypeError
        If `x` is not a tensor of float64.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], dtype=np.float64)
    >>> numerical_gradient(lambda t: (t * t).sum(), x).round(6)
    array([2., 4.])
    """
    if not isinstance(x, Tensor):
        raise TypeError(
            f"a gradient check needs a tensor, but got {type(x).__name__}. Use Tensor(x, dtype=np.float64)."
        )
    if x.dtype != np.float64:
        raise TypeError(f"a gradient check needs float64, but got {x.dtype}. Make the tensor with dtype=np.float64.")
    gradient = np.zeros(x.shape)
    with no_grad():
        for i in np.ndindex(x.shape):
            ahead, behind = x.data.copy(), x.data.copy()
            ahead[i] += h
            behind[i] -= h
            gradient[i] = (float(f(from_numpy(ahead))) - float(f(from_numpy(behind)))) / (2 * h)
    return gradient
