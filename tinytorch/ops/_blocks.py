"""Work on large arrays, a part that fits the processor's cache at a time."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytorch.core.activations import GELU, LogSoftmax, Softmax
from tinytorch.core.autograd import CrossEntropyBackward, GELUBackward, LogSoftmaxBackward, SoftmaxBackward
from tinytorch.core.losses import CrossEntropyLoss, reduce
from tinytorch.core.tensor import Array, FloatArray, Tensor, from_numpy
from tinytorch.ops._replace import Replacement

Grads = tuple[FloatArray | None, ...]
Forward = Callable[..., Tensor]
Apply = Callable[..., Grads]

BLOCK = 1 << 16  # elements
LINES = 64  # elements that stand side by side are not divided further


def in_blocks(
    compute: Callable[..., Sequence[Any]], arrays: Sequence[Any], axis: int = 0, width: int | None = None
) -> list[Any]:
    """Return ``compute(*arrays)``, computed for some rows at a time, so that what is in between stays in the cache.

    Parameters
    ----------
    compute
        Takes the operands, or the same rows of all of them, and returns results of which number i has the shape of
        operand i; or None in place of a result.
    arrays
        The operands. One of length 1 on `axis` takes part in all rows, so that its result is a sum over the blocks;
        None is passed on. Tensors are not divided.
    axis
        Where an index is a row.
    width
        How many elements a row is calculated with; as many as it has in the first operand if None.
    """
    shape = arrays[0].shape
    rows = max(a.shape[axis] for a in arrays if a is not None)
    width = math.prod(shape) // max(1, shape[axis]) if width is None else width
    step = max(1 if axis < len(shape) - 1 else LINES, BLOCK // max(1, width))
    if rows <= step or any(isinstance(a, Tensor) for a in arrays):
        return list(compute(*arrays))
    results: list[Any] = []
    for start in range(0, rows, step):
        block = (slice(None),) * axis + (slice(start, start + step),)
        parts = compute(*(a if a is None or a.shape[axis] == 1 else a[block] for a in arrays))
        if not results:
            pairs = zip(arrays, parts, strict=False)
            results = [None if part is None else _room(a.shape, part.dtype, axis) for a, part in pairs]
        for result, part in zip(results, parts, strict=True):
            if part is not None and result.shape[axis] == 1:
                result += part
            elif part is not None:
                result[block] = part
    return results


def shaped(x: Any, shape: tuple[int, ...]) -> Any:
    """Return `x` in another shape; the same object if it has that shape, which costs less than a view."""
    return x if x.shape == shape else x.reshape(shape)


def dot_rows(a: Any, b: Any) -> Any:
    """Return the sum of ``a * b`` over the last axis, which stays with length 1; of arrays without the products."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return (a * b).sum(axis=-1, keepdims=True)
    return np.vecdot(a, b)[..., None]


def _room(shape: tuple[int, ...], dtype: Any, axis: int) -> Array:
    """Return an array to write the blocks into, or of zeros if they are summed up there."""
    return np.zeros(shape, dtype) if shape[axis] == 1 else np.empty(shape, dtype)


# The lessons' own methods, called for a block at a time.


def _elements(array: Array, layer: Any) -> Array | None:
    """Return the array as one row of elements, which a function of one element may divide anywhere."""
    return shaped(array, (array.size,)) if array.flags.c_contiguous else None


def _rows(array: Array, layer: Any) -> Array | None:
    """Return the array if its first axis may be divided, because `layer` works along another one."""
    return array if array.ndim > 1 and layer.dim % array.ndim else None


Divide = Callable[[Array, Any], Array | None]


def _forward_in_blocks(divide: Divide) -> Callable[[Forward], Forward]:
    def enhance(original: Forward) -> Forward:
        @functools.wraps(original)
        def forward(self: Any, x: Tensor) -> Tensor:
            large = isinstance(x, Tensor) and x.data.size > BLOCK and x.data.dtype.kind == "f"
            pieces = divide(x.data, self) if large else None
            if pieces is None:
                return original(self, x)
            (out,) = in_blocks(lambda part: (original(self, from_numpy(part)).data,), (pieces,))
            return from_numpy(shaped(out, x.data.shape))

        return forward

    return enhance


def _apply_in_blocks(divide: Divide) -> Callable[[Apply], Apply]:
    def enhance(original: Apply) -> Apply:
        @functools.wraps(original)
        def apply(self: Any, grad_output: FloatArray) -> Grads:
            if grad_output.size <= BLOCK or isinstance(grad_output, Tensor) or grad_output.shape != self.shape:
                return original(self, grad_output)
            (saved,) = self.saved_tensors
            pieces = [divide(array, self) for array in (grad_output, saved)]
            if isinstance(saved, Tensor) or any(piece is None for piece in pieces):
                return original(self, grad_output)
            (grad,) = in_blocks(lambda grad, saved: original(_part_of(self, grad, saved), grad), pieces)
            return (shaped(grad, self.shape),)

        return apply

    return enhance


def _part_of(node: Any, grad_output: FloatArray, *saved: Array) -> Any:
    """Return the node of the same operation on a part of what it worked on."""
    part: Any = object.__new__(type(node))
    vars(part).update(vars(node))
    part.saved, part.shape = saved, grad_output.shape
    return part


# Cross-entropy: the losses of the rows are those of reduction="none", and do not know of each other.


def _by_row(loss: CrossEntropyLoss) -> CrossEntropyLoss:
    """Return the same loss without a reduction."""
    by_row = copy.copy(loss)
    by_row.reduction = "none"
    return by_row


def _mean_counts(loss: CrossEntropyLoss, target: Array) -> float:
    """Return how much all rows together count in the mean."""
    counted = target[target != loss.ignore_index]
    return float(counted.size if loss.weight is None else loss.weight.data[counted].sum())


def _are_rows(logits: Any, target: Any) -> bool:
    """Return whether these are many rows of logits with a class index for each."""
    arrays = isinstance(logits, np.ndarray) and isinstance(target, np.ndarray)
    return arrays and logits.ndim == 2 and logits.size > BLOCK and target.shape == logits.shape[:1]


def _cross_entropy_in_blocks(original: Forward) -> Forward:
    @functools.wraps(original)
    def forward(self: CrossEntropyLoss, input: Tensor, target: Tensor) -> Tensor:
        are_tensors = isinstance(input, Tensor) and isinstance(target, Tensor)
        if not (are_tensors and target.data.dtype.kind in "iu" and _are_rows(input.data, target.data)):
            return original(self, input, target)
        loss = _by_row(self)
        try:
            (losses,) = in_blocks(
                lambda target, logits: (original(loss, from_numpy(logits), from_numpy(target)).data,),
                (target.data, input.data),
                width=input.shape[1],
            )
        except (IndexError, TypeError, ValueError):
            return original(self, input, target)  # its error names the place in the whole
        if self.reduction != "mean":
            return from_numpy(reduce(losses, self.reduction))
        counts = _mean_counts(self, target.data)
        return from_numpy(np.asarray(losses.sum() / counts if counts else np.nan, input.dtype))

    return forward


def _cross_entropy_back_in_blocks(original: Apply) -> Apply:
    @functools.wraps(original)
    def apply(self: CrossEntropyBackward, grad_output: FloatArray) -> Grads:
        logits, target = self.saved_tensors
        if isinstance(grad_output, Tensor) or grad_output.shape != self.shape or not _are_rows(logits, target):
            return original(self, grad_output)
        scale = 1 / (_mean_counts(self.loss, target) or 1) if self.loss.reduction == "mean" else 1
        each = np.broadcast_to(grad_output * logits.dtype.type(scale), target.shape)
        loss = _by_row(self.loss)

        def gradient(logits: FloatArray, target: Array, grad: FloatArray) -> tuple[FloatArray | None]:
            part = _part_of(self, grad, logits, target)
            part.loss = loss
            return (original(part, grad)[0],)

        (grad_logits,) = in_blocks(gradient, (logits, target, each))
        return grad_logits, None

    return apply


ROWS = (
    *(
        Replacement(owner, "forward", _forward_in_blocks(divide))
        for owner, divide in ((GELU, _elements), (Softmax, _rows), (LogSoftmax, _rows))
    ),
    *(
        Replacement(owner, "apply", _apply_in_blocks(divide))
        for owner, divide in ((GELUBackward, _elements), (SoftmaxBackward, _rows), (LogSoftmaxBackward, _rows))
    ),
    Replacement(CrossEntropyLoss, "forward", _cross_entropy_in_blocks),
    Replacement(CrossEntropyBackward, "apply", _cross_entropy_back_in_blocks),
)
