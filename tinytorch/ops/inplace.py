"""Methods that change a tensor in place: ``t.add_(1)``, ``t += 1``, ``t[0] = 2``.

Recorded like any other operation. Where another tensor would lose sight of the change, it is an error: on a leaf that
requires a gradient, on a view, and, later, for a rule that had saved the old values (`ChangedInPlaceError`).
Source: PyTorch's notes on autograd mechanics, in-place operations.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.autograd import (
    ENHANCED,
    ChangedInPlaceError,
    Function,
    NotDifferentiableError,
    is_grad_enabled,
    memory_of,
    note_change,
    unbroadcast,
    wants_grad,
)
from tinytorch.core.tensor import FloatArray, Tensor, array_index, default_generator, from_numpy
from tinytorch.ops._registry import operation

__all__: list[str] = []

# Methods of which there is a second one, with an underscore, that writes its result into the tensor itself.
TWINS = (
    *("add", "sub", "mul", "div", "pow", "neg", "abs", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt"),
    *("rsqrt", "reciprocal", "square", "sign", "floor", "ceil", "round", "trunc", "frac", "fmod", "remainder"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "erf", "sigmoid", "relu", "lerp"),
    *("clamp", "clip", "masked_fill", "scatter", "scatter_add", "index_add", "addcmul", "addcdiv", "nan_to_num"),
    *("cumsum", "cumprod", "tril", "triu", "erfc", "erfinv", "logit", "sinc", "deg2rad", "rad2deg"),
    *("xlogy", "copysign", "hypot", "atan2", "index_fill", "index_copy", "index_put", "put", "masked_scatter"),
    *("scatter_reduce", "index_reduce", "renorm"),
)
# Methods whose second one gives the tensor another shape, and leaves its values where they are.
RESHAPING = ("squeeze", "unsqueeze", "transpose", "swapaxes", "swapdims", "t")
_OPERATORS = {"+": "add", "-": "sub", "*": "mul", "/": "truediv", "**": "pow", "//": "floordiv", "%": "mod"}


def in_place(name: str, compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a method that writes what `compute` makes of a tensor into that tensor.

    Parameters
    ----------
    name
        What messages call it, for example ``add_()``.
    compute
        Makes a new tensor of the same shape from the tensor and the other arguments.
    """

    @functools.wraps(compute)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        recorded = is_grad_enabled() and wants_grad((self, *args), kwargs)
        if recorded:
            _check_may_change(self, name)
        # What the rule saves is a copy: the values themselves are about to be overwritten.
        result = compute(_copy(self) if recorded else self, *args, **kwargs)
        _check_fits(self, result, name)
        now = note_change(self.data, name)
        self.data[...] = result.data
        if recorded:
            _take_history(self, result, now)
        return self

    method.__doc__ = f"Write the result of ``{name.rstrip('_()')}`` into this tensor, and return it."
    return method


def _check_may_change(tensor: Tensor, name: str) -> None:
    if tensor.requires_grad and tensor._grad_fn is None:
        raise RuntimeError(
            f"{name} would change a leaf that requires a gradient, of shape {tensor.shape}, while operations are "
            "recorded. Update parameters inside no_grad(), or make a new tensor."
        )
    owner = memory_of(tensor.data)
    if owner is not tensor.data and sys.getrefcount(owner) > _ALONE:
        raise NotDifferentiableError(
            f"{name} would change a view, of shape {tensor.shape}, and the tensor it looks into would not know of the "
            "gradient. Change that tensor itself, for example with t[index] = value, or work on a clone()."
        )


def _references() -> int:
    """Return what is counted for an array that nothing but one view and one local variable holds."""
    view = np.empty(2)[:]
    owner = view.base
    return sys.getrefcount(owner)


_ALONE = _references()


def _check_fits(tensor: Tensor, result: Tensor, name: str) -> None:
    if result.shape != tensor.shape:
        raise ValueError(
            f"{name} makes a result of shape {result.shape}, which has no room in a tensor of shape {tensor.shape}. "
            "Use the form that makes a new tensor."
        )
    if not np.can_cast(result.dtype, tensor.dtype, "same_kind"):
        raise TypeError(
            f"{name} makes {result.dtype}, which a tensor of {tensor.dtype} cannot hold. "
            "Use the form that makes a new tensor, or convert the tensor first."
        )


def _copy(tensor: Tensor) -> Tensor:
    """Return a tensor with values of its own and the history of `tensor`."""
    copy = from_numpy(tensor.data.copy())
    copy.requires_grad, copy._grad_fn = tensor.requires_grad, tensor._grad_fn
    return copy


def _take_node(tensor: Tensor, result: Tensor) -> Any:
    """Let `tensor` be what the node of `result` made, and not what an earlier one did; return that node."""
    if tensor._grad_fn is not None:
        tensor._grad_fn._output = None
    node = result._grad_fn
    tensor.requires_grad, tensor._grad_fn = result.requires_grad, node
    if node is not None:
        node._output = weakref.ref(tensor)
    return node


def _take_history(tensor: Tensor, result: Tensor, now: int) -> None:
    """Make the node that made `result` the one that made `tensor`, `now`."""
    node = _take_node(tensor, result)
    if node is not None:
        node.made = now
        if node.saved and any(saved is result.data for saved in node.saved):
            node.saved = tuple(tensor.data if saved is result.data else saved for saved in node.saved)
        _watch(tensor)


def reshaping(name: str) -> Callable[..., Tensor]:
    """Return a method that gives the tensor itself the shape that the method `name` makes.

    Its values stay where they are, so views of them, and what rules have saved, stay right.
    """

    @functools.wraps(getattr(Tensor, name))
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        recorded = is_grad_enabled() and self.requires_grad
        if recorded and self._grad_fn is None:
            raise RuntimeError(
                f"{name}_() would change the shape of a leaf that requires a gradient, {self.shape}, while operations "
                f"are recorded. Use {name}(), which makes a new tensor."
            )
        result = getattr(Tensor, name)(self, *args, **kwargs)
        self.data = result.data
        if recorded:
            _take_node(self, result)
        return self

    method.__doc__ = f"Give this tensor the shape of ``{name}(...)``, and return it."
    return method


# A view made before the change still says how it came from the old values, so it may not be used any more.
_rewritten: dict[int, int] = {}  # by the id of the array: when it was changed by a recorded operation


def _watch(tensor: Tensor) -> None:
    if not _rewritten:
        _watch_inputs()
    key = id(memory_of(tensor.data))
    if key not in _rewritten:
        weakref.finalize(tensor.data, _rewritten.pop, key, None)
    _rewritten[key] = tensor._grad_fn.made


@functools.cache
def _watch_inputs() -> None:
    """From now on look at the inputs of every node: keep, enhance, replace."""
    original = Function.__init__

    def __init__(self: Function, *inputs: Any, output: Tensor | None = None) -> None:  # noqa: N807
        for x in inputs:
            if isinstance(x, Tensor) and x._grad_fn is not None:
                changed = _rewritten.get(id(memory_of(x.data)), 0)
                if changed > x._grad_fn.made:
                    raise ChangedInPlaceError(
                        f"a tensor of shape {x.shape} shares its memory with one that was changed in place after it "
                        "was made, so its gradient would be that of the old values. Make it again from the changed one."
                    )
        original(self, *inputs, output=output)

    Function.__init__ = __init__  # type: ignore[method-assign]


class SetItemBackward(Function):
    """Gradient of ``a[index] = value``: 0 where it was overwritten; for the value, what arrives there."""

    saves = ()

    def __init__(self, a: Tensor, value: Any, index: Any, *, output: Tensor | None = None) -> None:
        super().__init__(a, value, output=output)
        self.index = index

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        need_a, need_value = self.needs_input_grad
        grad_a = None
        if need_a:
            kept = np.ones(self.shape, grad_output.dtype)
            kept[self.index] = 0
            grad_a = grad_output * kept
        return grad_a, unbroadcast(grad_output[self.index], self.input_shapes[1]) if need_value else None


@operation(SetItemBackward, method="_with_item")
def _with_item(input: Tensor, value: Any, index: Any) -> Tensor:
    """Return a copy of the tensor with `value` at `index`."""
    data = input.data.copy()
    data[index] = value.data if isinstance(value, Tensor) else value
    return from_numpy(data)


def _set_item(self: Tensor, index: Any, value: Any) -> None:
    """Write `value` at `index`, as NumPy has it.

    Raises
    ------
    RuntimeError
        If this is a leaf that requires a gradient and operations are recorded.
    ValueError
        If `value` does not fit there.
    """
    room, shape = self.detach()[index].shape, np.shape(value)
    index = array_index(index)
    more = len(shape) - len(room)
    if more > 0 and set(shape[:more]) == {1}:  # axes of 1 in front mean nothing
        value, shape = value.reshape(shape[more:]), shape[more:]
    try:
        np.broadcast_to(np.empty(shape, bool), room)
    except ValueError:
        raise ValueError(f"a value of shape {shape} does not fit into t[index], which has shape {room}.") from None
    _set_item_in_place(self, value, index)


_set_item_in_place = in_place("t[index] = value", lambda self, value, index: self._with_item(value, index))


def _filled(self: Tensor, value: Any) -> Tensor:
    return self._with_item(value, ...)  # type: ignore[attr-defined,no-any-return]


def _zeros(self: Tensor) -> Tensor:
    return _filled(self, 0)


def _copied(self: Tensor, other: Tensor) -> Tensor:
    return _filled(self, other.to(self.dtype))


def _drawn(kind: str) -> Callable[..., Tensor]:
    def draw(self: Tensor, first: float = 0.0, second: float = 1.0) -> Tensor:
        values = getattr(default_generator(), kind)(first, second, self.shape)
        return from_numpy(np.asarray(values, self.dtype))

    return draw


def add_in_place_methods() -> None:
    """Give `Tensor` its methods with an underscore, after all others are there."""
    for name in TWINS:
        setattr(Tensor, f"{name}_", in_place(f"{name}_()", _calling(name)))
    for name in RESHAPING:
        setattr(Tensor, f"{name}_", reshaping(name))
    for sign, name in _OPERATORS.items():
        setattr(Tensor, f"__i{name}__", in_place(f"{sign}=", _calling(f"__{name}__")))
    others: dict[str, Callable[..., Tensor]] = {
        "fill": _filled,
        "zero": _zeros,
        "copy": _copied,
        "uniform": _drawn("uniform"),
        "normal": _drawn("normal"),
    }
    for name, compute in others.items():
        setattr(Tensor, f"{name}_", in_place(f"{name}_()", compute))
    ENHANCED.append((Tensor, "__setitem__", lambda refusing: _set_item))


def _calling(name: str) -> Callable[..., Tensor]:
    """Return a function that calls the method `name` as it is at that moment."""

    def compute(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return getattr(Tensor, name)(self, *args, **kwargs)  # type: ignore[no-any-return]

    compute.__name__ = name
    return compute
