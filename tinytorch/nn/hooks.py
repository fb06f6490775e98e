"""Hooks of modules: functions that see what goes in and out, forward and back, and may change it.

The rule is that of tensor hooks: a hook returns None to leave things as they are, or what goes on in their place. The
first hook enhances ``Module.__call__``; before that, hooks cost nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tinytorch.autograd._hooks import RemovableHandle
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor

_BEFORE, _AFTER, _BACKWARD = "_forward_pre_hooks", "_forward_hooks", "_backward_hooks"


def register_forward_pre_hook(self: Module, hook: Callable[[Module, tuple[Any, ...]], Any]) -> RemovableHandle:
    """Call ``hook(module, args)`` before each forward pass; a tuple, or one value, that it returns goes in instead."""
    return _register(self, _BEFORE, hook)


def register_forward_hook(self: Module, hook: Callable[[Module, tuple[Any, ...], Any], Any]) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after each forward pass; what it returns comes out instead.

    Examples
    --------
    >>> from tinytorch.nn import Linear
    >>> shapes = []
    >>> handle = Linear(3, 2).register_forward_hook(lambda module, args, output: shapes.append(output.shape))
    """
    return _register(self, _AFTER, hook)


def register_full_backward_hook(self: Module, hook: Callable[[Module, Any, Any], Any]) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` when the gradient of the input is there.

    Both are tuples with a tensor, or None, for each positional input and for each output. A tuple that the hook returns
    goes on in the place of `grad_input`.

    Notes
    -----
    Source: ``torch.nn.Module.register_full_backward_hook``.
    """
    return _register(self, _BACKWARD, hook)


def _register(module: Module, kind: str, hook: Any) -> RemovableHandle:
    _enhance_call()
    hooks: list[Any] = vars(module).setdefault(kind, [])
    hooks.append(hook)
    return RemovableHandle(hooks, hook)


@functools.cache
def _enhance_call() -> None:
    """Put a call that runs hooks in the place of ``Module.__call__``: keep, enhance, replace."""
    original = Module.__call__

    @functools.wraps(original)
    def __call__(self: Module, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        attributes = vars(self)
        for hook in list(attributes.get(_BEFORE, ())):
            answer = hook(self, args)
            if answer is not None:
                args = answer if isinstance(answer, tuple) else (answer,)
        watch = _Watch(self, attributes[_BACKWARD]) if attributes.get(_BACKWARD) else None
        output = original(self, *(watch.inputs(args) if watch else args), **kwargs)
        if watch:
            output = watch.outputs(output)
        for hook in list(attributes.get(_AFTER, ())):
            answer = hook(self, args, output)
            output = output if answer is None else answer
        return output

    Module.__call__ = __call__  # type: ignore[method-assign]


class _Watch:
    """One pass through a module with backward hooks: waits for the gradients of its outputs, then of its inputs."""

    def __init__(self, module: Module, hooks: list[Any]) -> None:
        self.module, self.hooks = module, hooks
        self.grad_inputs: list[Any] = []
        self.grad_outputs: list[Any] = []
        self.waiting = 0

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the inputs, each as a tensor of its own whose gradient is seen."""
        self.grad_inputs = [None] * len(args)
        seen = []
        for i, x in enumerate(args):
            if isinstance(x, Tensor) and x.requires_grad:
                x = x[...]
                x.register_hook(functools.partial(self._input, i))  # type: ignore[attr-defined]
                self.waiting += 1
            seen.append(x)
        return tuple(seen)

    def outputs(self, output: Any) -> Any:
        """Return the outputs, each as a tensor of its own whose gradient is seen."""
        several = isinstance(output, tuple | list)
        outputs = list(output) if several else [output]
        self.grad_outputs = [None] * len(outputs)
        for i, out in enumerate(outputs):
            if isinstance(out, Tensor) and out.requires_grad:
                outputs[i] = out[...]
                outputs[i].register_hook(functools.partial(self._output, i))
        return type(output)(outputs) if several else outputs[0]

    def _output(self, i: int, grad: Tensor) -> None:
        self.grad_outputs[i] = grad
        if not self.waiting:  # no input requires a gradient, so no other moment will come
            self._call()

    def _input(self, i: int, grad: Tensor) -> Tensor | None:
        self.grad_inputs[i] = grad
        return self._call()[i]  # type: ignore[no-any-return]

    def _call(self) -> tuple[Any, ...]:
        grads = tuple(self.grad_inputs)
        for hook in list(self.hooks):
            answer = hook(self.module, grads, tuple(self.grad_outputs))
            grads = grads if answer is None else answer if isinstance(answer, tuple) else (answer,)
        return grads


def add_hooks() -> None:
    """Give `Module` its methods for hooks."""
    for register in (register_forward_pre_hook, register_forward_hook, register_full_backward_hook):
        setattr(Module, register.__name__, register)
