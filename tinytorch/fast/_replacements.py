"""The table: which methods the kernels stand in for, and when.

A faster method looks at its arguments first. Unless they are arrays of float32, large, and of a form that a kernel
knows, it calls the method that was there before: for tensors in a gradient that is recorded, for other dtypes, and for
wrong arguments, so that those raise the errors that they always did.
"""

from __future__ import annotations

import functools
import importlib
import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.activations import GELU, LogSoftmax, ReLU, Sigmoid, Softmax
from tinytorch.core.autograd import (
    CrossEntropyBackward,
    Function,
    GELUBackward,
    LogSoftmaxBackward,
    ReLUBackward,
    SigmoidBackward,
    SoftmaxBackward,
)
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.tensor import Array, FloatArray, Tensor, from_numpy
from tinytorch.fast._threads import share, split
from tinytorch.ops._replace import Method, Replacement
from tinytorch.ops.activations import SiLUBackward
from tinytorch.ops.attention import Attention, AttentionBackward
from tinytorch.ops.losses import SoftmaxCrossEntropyBackward
from tinytorch.ops.normalization import Norm, NormBackward

LARGE = 1 << 15  # elements: with fewer, NumPy is done before a kernel is found


@functools.cache
def _kernels() -> Any:
    """Import the kernels, and Numba with them; None after a warning if that fails."""
    try:
        kernels = importlib.import_module("tinytorch.fast._kernels")
    except Exception as error:  # a broken installation breaks in many ways
        warnings.warn(
            f"tinytorch.fast: Numba is installed, but cannot be used ({type(error).__name__}: {error}). NumPy goes on "
            "in its place. Install it again, or set TINYTORCH_FAST=0.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    _keep_freed_memory()
    return kernels


def _keep_freed_memory() -> None:
    """Let the C library hold on to freed memory: to be given new pages costs a large array more than its kernel.

    GNU's library gives back what is larger than the largest block that was ever freed, up to 32 MB (mallopt(3),
    M_MMAP_THRESHOLD), so one such block is freed here. Elsewhere this does nothing.
    """
    np.empty((1 << 25) - (1 << 16), np.uint8)


def _answers(*values: Any, size: int | None = None) -> bool:
    """Return whether the kernels work on these: arrays of float32, or None, and `size` elements or the first's many."""
    if (values[0].size if size is None else size) < LARGE:  # asked first: small arrays feel every question
        return False
    return (
        all(x is None or (isinstance(x, np.ndarray) and x.dtype == np.float32) for x in values)
        and _kernels() is not None
    )


def _is_plain(rule: Any, grad_output: Any) -> bool:
    """Return whether a rule was given an array of the output's shape; its own `apply` knows what else it can be."""
    return isinstance(grad_output, np.ndarray) and grad_output.shape == rule.shape


def _each(kernel: Callable[..., None], columns: int, arrays: list[FloatArray], *settings: Any) -> None:
    """Call a kernel with the same rows of all arrays, a part at a time."""
    share(lambda rows: kernel(*(a[rows] for a in arrays), *settings), split(len(arrays[0]), columns))


# Activations.


Seen = tuple[str, tuple[int, ...]]


class Activation(NamedTuple):
    """A layer or an operation of one tensor, its rule, and the kernel of both.

    Attributes
    ----------
    owner, method, rule
        The row in the table of module 05.
    kernel
        Takes the layer or its rule, and the shape of the input; returns the kernel's name, and the shape in which it
        sees the input; or None. The kernel of the gradient has the same name with ``_gradient`` after it.
    """

    owner: type
    method: str
    rule: type[Function]
    kernel: Callable[[Any, tuple[int, ...]], Seen | None]

    def rows(self) -> tuple[Replacement, Replacement]:
        """Return the rows of the forward pass and of the gradient."""
        return Replacement(self.owner, self.method, self._forward), Replacement(self.rule, "apply", self._apply)

    def _forward(self, original: Method) -> Method:
        operands = 1 if self.owner is Tensor else 2

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            if len(args) == operands and not kwargs and isinstance(args[-1], Tensor):
                x = args[-1].data
                if _answers(x) and (found := self.kernel(args[0], x.shape)):
                    return from_numpy(_computed(*found, x))
            return original(*args, **kwargs)

        return forward

    def _apply(self, original: Method) -> Method:
        @functools.wraps(original)
        def apply(rule: Any, grad_output: Any) -> Any:
            found = self.kernel(rule, rule.shape) if _is_plain(rule, grad_output) else None
            if found is None or not _answers(grad_output, *rule.saved_tensors):
                return original(rule, grad_output)
            name, shape = found
            return (_computed(f"{name}_gradient", shape, *rule.saved_tensors, grad_output),)

        return apply


def _computed(name: str, shape: tuple[int, ...], *arrays: FloatArray) -> FloatArray:
    """Return what a kernel makes of arrays, all of one shape, seen in another."""
    out = np.empty(arrays[0].shape, np.float32)
    seen = [np.ascontiguousarray(a).reshape(shape) for a in (*arrays, out)]
    _each(getattr(_kernels(), name), math.prod(shape[1:]), seen)
    return out


def _element_by_element(name: str) -> Callable[[Any, tuple[int, ...]], Seen]:
    return lambda layer, shape: (name, (math.prod(shape),))


def _gelu(layer: Any, shape: tuple[int, ...]) -> Seen:
    return _element_by_element("gelu_tanh" if layer.approximate == "tanh" else "gelu")(layer, shape)


def _along_last_axis(name: str) -> Callable[[Any, tuple[int, ...]], Seen | None]:
    def kernel(layer: Any, shape: tuple[int, ...]) -> Seen | None:
        last = bool(shape) and layer.dim in (-1, len(shape) - 1)
        return (name, (math.prod(shape[:-1]), shape[-1])) if last else None

    return kernel


ACTIVATIONS = [
    Activation(ReLU, "forward", ReLUBackward, _element_by_element("relu")),
    Activation(Sigmoid, "forward", SigmoidBackward, _element_by_element("sigmoid")),
    Activation(Tensor, "_silu", SiLUBackward, _element_by_element("silu")),
    Activation(GELU, "forward", GELUBackward, _gelu),
    Activation(Softmax, "forward", SoftmaxBackward, _along_last_axis("softmax")),
    Activation(LogSoftmax, "forward", LogSoftmaxBackward, _along_last_axis("log_softmax")),
]


# Cross-entropy of rows of logits and a class for each.


class Rows(NamedTuple):
    """What the kernels of cross-entropy work on.

    Attributes
    ----------
    logits
        Of shape ``(N, C)``.
    classes
        The class of each row; 0 where it is ignored.
    counts
        What each row counts: the weight of its class; 0 where it is ignored.
    """

    logits: FloatArray
    classes: Array
    counts: FloatArray

    def losses(self, smoothing: float = 0.0) -> FloatArray:
        """Return the loss of each row."""
        losses = np.empty(len(self.logits), np.float32)
        _each(_kernels().cross_entropy, self.logits.shape[1], [*self, losses], smoothing)
        return losses

    def gradient(self, smoothing: float = 0.0) -> FloatArray:
        """Return the gradient of the losses at the logits."""
        grad = np.empty(self.logits.shape, np.float32)
        _each(_kernels().cross_entropy_gradient, self.logits.shape[1], [*self, grad], smoothing)
        return grad

    def mean_scale(self) -> float:
        """Return what the mean multiplies the sum by; the mean over nothing is nan."""
        total = float(self.counts.sum(dtype=np.float64))
        return 1 / total if total else math.nan

    def reduced(self, losses: FloatArray, reduction: str) -> Tensor:
        """Return the losses, their sum or their mean."""
        if reduction == "none":
            return from_numpy(losses)
        scale = self.mean_scale() if reduction == "mean" else 1.0
        return from_numpy(np.asarray(losses.sum() * scale, np.float32))


def _rows_of(logits: Any, target: Any, ignore_index: int, weight: Tensor | None = None) -> Rows | None:
    """Return what the kernels work on; None for what they do not know, and for what is wrong."""
    if not _answers(logits) or logits.ndim != 2 or target.dtype.kind not in "iu" or target.shape != logits.shape[:1]:
        return None
    columns = logits.shape[1]
    counts = target != ignore_index
    fits = (((target >= 0) & (target < columns)) | ~counts).all()
    if not fits or (weight is not None and weight.shape != (columns,)):
        return None
    classes = np.where(counts, target, 0).astype(np.int64)
    weights = counts if weight is None else counts * weight.data[classes]
    return Rows(np.ascontiguousarray(logits), classes, weights.astype(np.float32))


def _rows_of_loss(loss: CrossEntropyLoss, logits: Any, target: Any) -> Rows | None:
    """Return what the kernels work on; they do not know weights together with smoothing."""
    if loss.weight is not None and loss.label_smoothing:
        return None
    return _rows_of(logits, target, loss.ignore_index, loss.weight)


def _layer_cross_entropy(original: Method) -> Method:
    @functools.wraps(original)
    def forward(loss: CrossEntropyLoss, input: Any, target: Any) -> Any:
        tensors = isinstance(input, Tensor) and isinstance(target, Tensor)
        rows = _rows_of_loss(loss, input.data, target.data) if tensors else None
        if rows is None:
            return original(loss, input, target)
        return rows.reduced(rows.losses(loss.label_smoothing), loss.reduction)

    return forward


def _layer_cross_entropy_gradient(original: Method) -> Method:
    @functools.wraps(original)
    def apply(rule: Any, grad_output: Any) -> Any:
        loss = rule.loss
        rows = _rows_of_loss(loss, *rule.saved_tensors) if _is_plain(rule, grad_output) else None
        if rows is None:
            return original(rule, grad_output)
        scale = rows.mean_scale() if loss.reduction == "mean" else 1.0
        counts = rows.counts * (grad_output * np.float32(0 if math.isnan(scale) else scale))
        return rows._replace(counts=counts).gradient(loss.label_smoothing), None

    return apply


def _cross_entropy(original: Method) -> Method:
    @functools.wraps(original)
    def cross_entropy(input: Tensor, target: Array, ignore_index: int, reduction: str) -> Any:
        rows = _rows_of(input.data, target, ignore_index)
        if rows is None:
            return original(input, target, ignore_index, reduction)
        return rows.reduced(rows.losses(), reduction)

    return cross_entropy


def _cross_entropy_gradient(original: Method) -> Method:
    @functools.wraps(original)
    def apply(rule: Any, grad_output: Any) -> Any:
        (logits,) = rule.saved_tensors
        if not (_is_plain(rule, grad_output) and _answers(logits)):
            return original(rule, grad_output)
        counts = (rule.counts * grad_output).astype(np.float32, copy=False)
        return (Rows(np.ascontiguousarray(logits), rule.index.astype(np.int64, copy=False), counts).gradient(),)

    return apply


# Normalization over the last axes.


SUMMED_ROWS = 64  # at least so many make one row of sums, which are then small beside the rows


def _each_row(norm: Norm) -> bool:
    """Return whether each row is normalized by itself, and scaled column by column."""
    return len(norm.shape) == 2 and norm.axes == (1,) and norm.affine == (1, norm.shape[1])


def _or(row: FloatArray | None, number: float, columns: int) -> FloatArray:
    """Return a weight or a bias as a row; one that is not there as a row of one number."""
    return np.full(columns, number, np.float32) if row is None else np.ascontiguousarray(row).reshape(columns)


def _normalize(original: Method) -> Method:
    @functools.wraps(original)
    def normalize(input: Tensor, weight: Tensor | None, bias: Tensor | None, norm: Norm) -> Any:
        x, w, b = (None if t is None else t.data for t in (input, weight, bias))
        if not (_each_row(norm) and _answers(x, w, b)):
            return original(input, weight, bias, norm)
        out, columns = np.empty(input.shape, np.float32), norm.shape[1]
        rows = [np.ascontiguousarray(a).reshape(norm.shape) for a in (x, out)]
        settings = _or(w, 1, columns), _or(b, 0, columns), norm.eps, norm.centered
        _each(_kernels().normalize, columns, rows, *settings)
        return from_numpy(out)

    return normalize


def _normalize_gradient(original: Method) -> Method:
    @functools.wraps(original)
    def apply(rule: Any, grad_output: Any) -> Any:
        norm: Norm = rule.norm
        plain = _is_plain(rule, grad_output) and _each_row(norm)
        if not (plain and _answers(grad_output, *rule.saved_tensors)):
            return original(rule, grad_output)
        x, weight, _ = rule.saved_tensors
        out, (count, columns) = np.empty(x.shape, np.float32), norm.shape
        parts = split(count, columns, least=SUMMED_ROWS)
        rows = [np.ascontiguousarray(a).reshape(norm.shape) for a in (x, grad_output, out)]
        sums = np.zeros((2, len(parts), columns), np.float32)  # of each part, so that they do not depend on the threads
        settings, kernel = (_or(weight, 1, columns), norm.eps, norm.centered), _kernels().normalize_gradient
        share(lambda i: kernel(*(a[parts[i]] for a in rows), *sums[:, i], *settings), range(len(parts)))
        to_weight, to_bias = sums.sum(axis=1)
        need_x, need_weight, need_bias = rule.needs_input_grad
        _, shape_weight, shape_bias = rule.input_shapes
        return (
            out if need_x else None,
            to_weight.reshape(shape_weight) if need_weight else None,
            to_bias.reshape(shape_bias) if need_bias else None,
        )

    return apply


# Attention.


class Heads(NamedTuple):
    """Attention over several examples, worked through some of them at a time.

    Attributes
    ----------
    query, key, value
        Of shapes ``(B, ..., L, E)``, ``(B, ..., S, E)`` and ``(B, ..., S, Ev)``; the query is scaled.
    parts
        Which examples are worked on together: as many as have scores that stay in the cache.
    seen
        For each row of the scores of such a part, how many keys its query looks at.
    """

    query: FloatArray
    key: FloatArray
    value: FloatArray
    parts: list[slice]
    seen: Array

    def weights(self, part: slice) -> FloatArray:
        """Return ``softmax(query @ key.T)`` of some examples."""
        scores: FloatArray = self.query[part] @ self.key[part].swapaxes(-1, -2)
        rows = _rows(scores)
        _each(_kernels().seen_softmax, rows.shape[1], [rows, self.seen[: len(rows)]])
        return scores


def _rows(x: FloatArray) -> FloatArray:
    return x.reshape(-1, x.shape[-1])


def _heads(attention: Attention, query: Any, key: Any, value: Any, mask: Any) -> Heads | None:
    """Return what the kernels work on; None unless there are whole batches of one size and no mask but the causal."""
    plain = mask is None and attention.kept is None and query.ndim > 2
    if not plain or not query.shape[:-2] == key.shape[:-2] == value.shape[:-2]:
        return None
    (batch, *inner, length), keys = query.shape[:-1], key.shape[-2]
    rows = math.prod(inner) * length
    if not _answers(query, key, value, size=batch * rows * keys):
        return None
    parts = split(batch, rows * keys)
    each = np.minimum(np.arange(1, length + 1), keys) if attention.is_causal else np.full(length, keys)
    return Heads(query * np.float32(attention.scale), key, value, parts, np.resize(each, parts[0].stop * rows))


def _attention(original: Method) -> Method:
    @functools.wraps(original)
    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, attention: Attention) -> Any:
        heads = _heads(attention, query.data, key.data, value.data, mask)
        if heads is None:
            return original(query, key, value, mask, attention)
        out = np.empty((*query.shape[:-1], value.shape[-1]), np.float32)
        for part in heads.parts:
            np.matmul(heads.weights(part), heads.value[part], out=out[part])
        return from_numpy(out)

    return attend


def _attention_gradient(original: Method) -> Method:
    @functools.wraps(original)
    def apply(rule: Any, grad_output: Any) -> Any:
        heads = _heads(rule.attention, *rule.saved_tensors) if _is_plain(rule, grad_output) else None
        if heads is None:
            return original(rule, grad_output)
        grads = [np.empty(shape, np.float32) for shape in rule.input_shapes[:3]]
        for part in heads.parts:
            to_query, to_key, to_value = (grad[part] for grad in grads)
            weights, grad = heads.weights(part), grad_output[part]
            np.matmul(weights.swapaxes(-1, -2), grad, out=to_value)
            at_weights, at_scores = grad @ heads.value[part].swapaxes(-1, -2), np.empty_like(weights)
            rows = [_rows(x) for x in (weights, at_weights, at_scores)]
            _each(_kernels().softmax_gradient, weights.shape[-1], rows)
            np.matmul(at_scores, heads.key[part], out=to_query)
            to_query *= np.float32(rule.attention.scale)
            np.matmul(at_scores.swapaxes(-1, -2), heads.query[part], out=to_key)
        return *(grad if needed else None for grad, needed in zip(grads, rule.needs_input_grad, strict=False)), None

    return apply


REPLACEMENTS = [
    *(row for activation in ACTIVATIONS for row in activation.rows()),
    Replacement(CrossEntropyLoss, "forward", _layer_cross_entropy),
    Replacement(CrossEntropyBackward, "apply", _layer_cross_entropy_gradient),
    Replacement(Tensor, "_cross_entropy", _cross_entropy),
    Replacement(SoftmaxCrossEntropyBackward, "apply", _cross_entropy_gradient),
    Replacement(Tensor, "_normalize", _normalize),
    Replacement(NormBackward, "apply", _normalize_gradient),
    Replacement(Tensor, "_attention", _attention),
    Replacement(AttentionBackward, "apply", _attention_gradient),
]
