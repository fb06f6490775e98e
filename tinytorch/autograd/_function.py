"""Operations of one's own, in PyTorch's form: ``forward(ctx, ...)`` and ``backward(ctx, ...)``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.autograd._walk import linked_to
from tinytorch.core import autograd as core
from tinytorch.core.autograd import NotDifferentiableError, grad_mode, is_grad_enabled, no_grad, wants_grad
from tinytorch.core.tensor import Tensor, from_numpy


class Context:
    """What `forward` leaves for `backward`: saved tensors, and any attribute that is set on it.

    Attributes
    ----------
    needs_input_grad
        For each argument of `forward`, whether its gradient is wanted.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._to_save: tuple[Tensor | None, ...] = ()
        self._without_gradient: tuple[Tensor, ...] = ()
        self._node: _CustomBackward | None = None

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs or outputs of `forward`, or tensors made in between, for `backward`."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(
                    f"save_for_backward() keeps tensors, but got {type(tensor).__name__}. Set other things as "
                    "attributes: ctx.name = value."
                )
        self._to_save = tensors

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Say that these outputs have no gradient, such as indices."""
        self._without_gradient = outputs

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept."""
        if self._node is None:
            return self._to_save
        return self._node.kept()


class Function:
    """An operation with a rule of its own. Derive from it, write both methods, and call ``apply``.

    Notes
    -----
    `forward` runs without recording; what it saves is checked for changes in place before `backward` sees it.
    `backward` gets one gradient for each output, as tensors, and returns one for each argument of `forward`, None where
    there is none. With ``create_graph=True`` it is recorded itself.
    Source: ``torch.autograd.Function``.

    Examples
    --------
    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...
    ...     @staticmethod
    ...     def backward(ctx, grad_output):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x * x * grad_output
    >>> x = Tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute the output, or a tuple of outputs; leave on `ctx` what `backward` needs."""
        raise NotImplementedError("a Function needs a static method forward(ctx, ...).")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Return the gradient of each argument of `forward`."""
        raise NotImplementedError("a Function needs a static method backward(ctx, ...).")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` on `args`; its outputs carry `backward`."""
        recorded = is_grad_enabled() and wants_grad(args, {})
        ctx = Context(tuple(isinstance(x, Tensor) and x.requires_grad for x in args))
        with no_grad():
            outputs = cls.forward(ctx, *args, **kwargs)
        if not recorded:
            return outputs
        several = isinstance(outputs, tuple)
        given = [_fresh(out, args) for out in outputs] if several else [_fresh(outputs, args)]
        wanted = [out for out in given if out.dtype.kind == "f" and not _among(out, ctx._without_gradient)]
        if wanted:
            _CustomBackward.hang(cls, ctx, args, wanted)
        return tuple(given) if several else given[0]


def _fresh(out: Any, args: Sequence[Any]) -> Tensor:
    """Return an output that is no argument: one that was passed on as it is gets a tensor of its own."""
    if not isinstance(out, Tensor):
        raise TypeError(f"forward() has to return tensors, but returned {type(out).__name__}.")
    return from_numpy(out.data) if _among(out, args) else out


def _among(tensor: Tensor, others: Sequence[Any]) -> bool:
    return any(other is tensor for other in others)


class _CustomBackward(core.Function):
    """The node of an operation of one's own. Several outputs hang on one node, as pieces of a flat array."""

    saves = ()

    @classmethod
    def hang(cls, owner: type[Function], ctx: Context, args: Sequence[Any], outputs: list[Tensor]) -> None:
        """Make the node and hang the outputs on it."""
        tensors = [x for x in args if isinstance(x, Tensor)]
        whole = outputs[0]
        if len(outputs) > 1:
            whole = from_numpy(np.concatenate([out.data.ravel() for out in outputs]))
        node = cls(*tensors, output=whole)
        node.owner, node.ctx, node.args = owner, ctx, tuple(isinstance(x, Tensor) for x in args)
        node.shapes = [out.shape for out in outputs] if len(outputs) > 1 else []
        node._keep(args, outputs)
        ctx._node, ctx._to_save = node, ()
        whole.requires_grad, whole._grad_fn = True, node
        start = 0
        for out in outputs if len(outputs) > 1 else ():
            piece = whole[start : start + out.size].reshape(out.shape)
            out.requires_grad, out._grad_fn = True, piece._grad_fn
            start += out.size

    owner: type[Function]
    ctx: Context
    args: tuple[bool, ...]
    shapes: list[tuple[int, ...]]

    @property
    def name(self) -> str:
        """What the operation is called."""
        return f"{self.owner.__name__}Backward"

    def _keep(self, args: Sequence[Any], outputs: list[Tensor]) -> None:
        """Save the arrays; remember of each whether it is an input, an output, or neither."""
        kept = self.ctx._to_save
        self.saved = tuple(None if t is None else t.data for t in kept)
        self._inputs = [t if t is not None and _among(t, args) else None for t in kept]
        self._is_output = [t is not None and len(outputs) == 1 and t is outputs[0] for t in kept]

    def kept(self) -> tuple[Any, ...]:
        """Return what was saved, as tensors of the graph."""
        kept = zip(self.saved_tensors, self._inputs, self._is_output, strict=True)
        return tuple(self._as_tensor(array, given, is_output) for array, given, is_output in kept)

    def _as_tensor(self, array: Any, given: Tensor | None, is_output: bool) -> Any:
        if given is not None or array is None:
            return given
        return linked_to(array, self) if is_output else from_numpy(array)

    def release(self) -> None:
        """Let go of the saved tensors too."""
        super().release()
        self._inputs = []

    def apply(self, grad_output: Any) -> tuple[Any, ...]:
        recorded = isinstance(grad_output, Tensor)
        grad = grad_output if recorded else from_numpy(np.asarray(grad_output))
        with grad_mode(recorded):
            answers = self.owner.backward(self.ctx, *(self._pieces(grad) if self.shapes else [grad]))
        answers = answers if isinstance(answers, tuple) else (answers,)
        if len(answers) != len(self.args):
            raise NotDifferentiableError(
                f"{self.owner.__name__}.backward() returned {len(answers)} gradients, but forward() takes "
                f"{len(self.args)} arguments. Return one for each, None where there is none."
            )
        grads = [answer for answer, is_tensor in zip(answers, self.args, strict=True) if is_tensor]
        needed = zip(grads, self.needs_input_grad, strict=True)
        return tuple(g if not need or recorded or g is None else _array(g) for g, need in needed)

    def _pieces(self, grad: Tensor) -> list[Tensor]:
        """Cut the flat gradient into those of the outputs."""
        pieces, start = [], 0
        for shape in self.shapes:
            size = int(np.prod(shape))
            pieces.append(grad[start : start + size].reshape(shape))
            start += size
        return pieces


def _array(gradient: Any) -> Any:
    return gradient.data if isinstance(gradient, Tensor) else gradient
