"""Layers as single operations: each would be several, with an array in between."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tinytorch.core.activations import LogSoftmax, Sigmoid, Softmax, stable_sigmoid
from tinytorch.core.autograd import Function, mean_scale, note_change, unbroadcast
from tinytorch.core.losses import CrossEntropyLoss, check_reduction, class_axis, reduce
from tinytorch.core.tensor import Array, FloatArray, Tensor, check_broadcast, default_generator, from_numpy
from tinytorch.ops._blocks import in_blocks, shaped
from tinytorch.ops._registry import composed, operation
from tinytorch.ops.arithmetic import minimum
from tinytorch.ops.indexing import masked_fill
from tinytorch.ops.norms import vector_norm
from tinytorch.ops.shape import axis_of, broadcast_tensors, in_kind

__all__ = ["cosine_similarity", "log_softmax", "pairwise_distance", "softmax"]

Grads = tuple[FloatArray | None, ...]


# What is asked of arguments.


def _check_floats(name: str, /, **tensors: Any) -> None:
    """Raise an error unless the arguments are tensors of one type of floats; None is left out."""
    given = {role: value for role, value in tensors.items() if value is not None}
    first = next(iter(given))
    for role, value in given.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}(): {role} must be a tensor, but got {type(value).__name__}. tensor(x) makes one.")
        if value.dtype.kind != "f":
            raise TypeError(f"{name}(): {role} must hold floats, but it holds {value.dtype}. Use {role}.float().")
        if value.dtype != given[first].dtype:
            raise TypeError(
                f"{name}(): {first} holds {given[first].dtype}, but {role} holds {value.dtype}. They must be the same: "
                f"use {role}.to({first}.dtype)."
            )


def _check_shape(name: str, role: str, value: Tensor | None, shape: tuple[int, ...], what: str) -> None:
    if value is not None and value.shape != shape:
        raise ValueError(f"{name}(): {role} has shape {value.shape}, but needs {what}, shape {shape}.")


def _check_pair(name: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Return an input of floats and a target of the same shape, which is never broadcast; as floats."""
    _check_floats(name, input=input)
    if not isinstance(target, Tensor):
        raise TypeError(f"{name}(): target must be a tensor, but got {type(target).__name__}. tensor(x) makes one.")
    if input.shape != target.shape:
        raise ValueError(
            f"{name}(): input has shape {input.shape}, but target {target.shape}. They must be equal; reshape() or "
            "expand() one of them."
        )
    return input, target if target.dtype.kind == "f" else target.to(input.dtype)


def _check_chance(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}() takes the chance to drop an element, 0 to 1, but got {p}.")


def _wide(x: FloatArray) -> FloatArray:
    """Return float16 as float32, in which it is calculated, and other floats as they are."""
    return x.astype(np.float32) if x.dtype.itemsize < 4 else x


# Linear.


class LinearBackward(Function):
    """Gradient of ``out = input @ weight.T + bias``.

    One matrix product for each of the first two, on all leading axes at once::

        grad_input = grad_output @ weight
        grad_weight = grad_output.T @ input
        grad_bias = grad_output, summed over the leading axes

    Memory: keeps the input only if the weight needs a gradient, and the weight only if the input does.
    """

    def __init__(self, input: Tensor, weight: Tensor, bias: Tensor | None = None, *, output: Tensor | None = None):
        super().__init__(input, weight, bias, output=output)
        need_input, need_weight, _ = self.needs_input_grad
        self.saved = (input.data if need_weight else None, weight.data if need_input else None, None)

    def apply(self, grad_output: FloatArray) -> Grads:
        x, weight, _ = self.saved_tensors
        shape_x, shape_weight, shape_bias = self.input_shapes
        need_x, need_weight, need_bias = self.needs_input_grad
        rows, outputs = math.prod(shape_x[:-1]), math.prod(shape_weight[:-1])
        flat = _wide(shaped(grad_output, (rows, outputs)))
        grad_x = grad_weight = None
        if need_x:
            grad_x = shaped(flat @ _wide(shaped(weight, (outputs, shape_weight[-1]))), shape_x)
        if need_weight:
            grad_weight = shaped(flat.swapaxes(0, 1) @ _wide(shaped(x, (rows, shape_x[-1]))), shape_weight)
        return grad_x, grad_weight, unbroadcast(grad_output, shape_bias) if need_bias else None


@operation(LinearBackward, method="_linear")
def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    x, w = _wide(input.data), _wide(weight.data)
    rows = math.prod(x.shape[:-1])
    flat = shaped(x, (rows, x.shape[-1]))  # one product: NumPy would make one for each matrix
    if rows <= _SHORT and 2 * rows <= len(w) and (bias is None or bias.ndim == 1):
        out = shaped(np.add((w @ flat.T).T, 0 if bias is None else bias.data, order="C"), x.shape[:-1] + w.shape[:-1])
    else:
        out = shaped(flat @ w.T, x.shape[:-1] + w.shape[:-1])
        if bias is not None:
            out += bias.data
    return from_numpy(out if out.dtype == input.data.dtype else out.astype(input.dtype))


# So many rows at most are multiplied as the columns of their transpose: OpenBLAS is up to a third faster at that, and
# adding the bias puts the result in order.
_SHORT = 64


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``input @ weight.T + bias``.

    Shapes: ``(..., in), (out, in), (out,) -> (..., out)``; a weight of shape ``(in,)`` makes a result ``(...)``.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If the dtypes differ.

    Examples
    --------
    >>> linear(Tensor([1.0, 2.0]), Tensor([[1.0, 0.0], [1.0, 1.0]]), Tensor([0.0, 10.0]))
    tensor([ 1., 13.])
    """
    if not _fit_plainly(input, weight, bias):
        _check_linear(input, weight, bias)
    return _linear(input, weight, bias)


def _fit_plainly(input: Any, weight: Any, bias: Any) -> bool:
    """Return whether the operands are those of every day, which need no closer look."""
    tensors = (input, weight) if bias is None else (input, weight, bias)
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            return False
    x, w = input.data, weight.data
    fit: bool = (
        x.dtype.kind == "f"
        and x.dtype == w.dtype
        and x.ndim > 0
        and w.ndim == 2
        and x.shape[-1] == w.shape[1]
        and (bias is None or (bias.data.shape == w.shape[:1] and bias.data.dtype == x.dtype))
    )
    return fit


def _check_linear(input: Any, weight: Any, bias: Any) -> None:
    _check_floats("linear", input=input, weight=weight, bias=bias)
    if weight.ndim not in (1, 2) or input.ndim == 0 or input.shape[-1] != weight.shape[-1]:
        raise ValueError(
            f"linear() takes an input of shape (..., in) and a weight of shape (out, in), but got {input.shape} and "
            f"{weight.shape}. Their last axes must be equal."
        )
    out = (*input.shape[:-1], *weight.shape[:-1])
    if bias is not None and (bias.ndim > len(out) or np.broadcast_shapes(bias.shape, out) != out):
        raise ValueError(f"linear(): bias has shape {bias.shape}, but needs {weight.shape[:-1]}, one for each output.")


# Normalization.


class Norm(NamedTuple):
    """How an input is normalized: seen in which shape, over which axes, and scaled along which.

    Attributes
    ----------
    shape
        What the input is reshaped to.
    axes
        The axes of that shape over which the mean and the variance are taken.
    affine
        The shape of weight and bias, which broadcasts to `shape`.
    eps
        What is added to the variance.
    centered
        Whether the mean is subtracted; if not, the mean square stands for the variance.
    split
        The axis along which the work can be divided.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    affine: tuple[int, ...]
    eps: float
    centered: bool = True
    split: int = 0

    def mean(self, x: FloatArray, y: FloatArray | None = None) -> FloatArray:
        """Return the mean over `axes` of `x`, or of ``x * y``; the axes stay with length 1."""
        count = math.prod(self.shape[axis] for axis in self.axes)
        if len(self.shape) == 2 and self.axes == (1,):
            total: FloatArray = _dot_rows(x, np.ones(count, x.dtype) if y is None else y)
        else:
            total = (x if y is None else x * y).sum(axis=self.axes, keepdims=True)
        return total * (1 / max(1, count))

    def total(self, x: FloatArray, scale: Any = None) -> FloatArray:
        """Return the sum of `x`, or of ``x * scale``, over the axes along which weight and bias are stretched."""
        if isinstance(scale, np.ndarray) and isinstance(x, np.ndarray) and scale.shape == (len(x), 1):
            product: FloatArray = scale.T @ x
            return product
        stretched = tuple(axis for axis, n in enumerate(self.affine) if n == 1)
        result: FloatArray = (x if scale is None else x * scale).sum(axis=stretched, keepdims=True)
        return result

    def spread(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the mean, the differences from it, and their mean square: small beside a large mean, and exact."""
        mean = self.mean(x) if self.centered else np.zeros((1,) * len(self.shape), x.dtype)
        difference = x - mean if self.centered else x
        return mean, difference, self.mean(difference, difference)

    def see(self, input: Any, weight: Any, bias: Any) -> tuple[Any, ...]:
        """Return the three in the shapes in which they are calculated with."""
        return (
            input.reshape(self.shape),
            None if weight is None else weight.reshape(self.affine),
            None if bias is None else bias.reshape(self.affine),
        )


class NormBackward(Function):
    """Gradient of ``out = difference * scale * weight + bias``.

    With ``difference = a - mean(a)``, ``scale = (mean(difference**2) + eps)**-0.5`` and ``g = grad_output * weight``::

        grad_a = (g - mean(g) - difference * mean(g * difference) * scale**2) * scale
        grad_weight = sum(grad_output * difference * scale)
        grad_bias = sum(grad_output)

    Without centering the difference is `a`, and the term ``mean(g)`` is absent.

    Notes
    -----
    Memory: keeps the input, and computes `difference` again from it.
    Source: J. L. Ba, J. R. Kiros and G. E. Hinton, Layer normalization, arXiv:1607.06450; S. Ioffe and C. Szegedy,
    Batch normalization, arXiv:1502.03167.
    """

    def __init__(
        self,
        input: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        norm: Norm,
        *,
        output: Tensor | None = None,
    ) -> None:
        super().__init__(input, weight, bias, output=output)
        self.norm = norm

    def apply(self, grad_output: FloatArray) -> Grads:
        norm = self.norm
        need_x, need_weight, need_bias = self.needs_input_grad

        def gradients(x: Any, weight: Any, bias: Any, grad: Any) -> Grads:
            grad = _wide(grad)
            _, difference, square = norm.spread(_wide(x))
            scale = (square + norm.eps) ** -0.5
            grad_x = grad_weight = None
            if need_weight:
                grad_weight = norm.total(grad * difference, scale)
            if need_x:
                g = grad if weight is None else grad * weight
                grad_x = g - difference * (norm.mean(g, difference) * scale * scale)
                grad_x = (grad_x - norm.mean(g) if norm.centered else grad_x) * scale
            return grad_x, grad_weight, norm.total(grad) if need_bias else None

        operands = (*norm.see(*self.saved_tensors), grad_output.reshape(norm.shape))
        grads = in_blocks(gradients, operands, norm.split)
        pairs = zip(grads, self.input_shapes, strict=True)
        return tuple(None if grad is None else shaped(grad, shape) for grad, shape in pairs)


@operation(NormBackward, method="_normalize")
def _normalize(input: Tensor, weight: Tensor | None, bias: Tensor | None, norm: Norm) -> Tensor:
    def normalized(x: FloatArray, weight: FloatArray | None, bias: FloatArray | None) -> tuple[FloatArray]:
        _, difference, square = norm.spread(_wide(x))
        out = difference * (square + norm.eps) ** -0.5
        if weight is not None:
            out *= weight
        if bias is not None:
            out += bias
        return (out,)

    arrays = (None if t is None else t.data for t in (input, weight, bias))
    (out,) = in_blocks(normalized, norm.see(*arrays), norm.split)
    return from_numpy(shaped(out, input.shape).astype(input.dtype, copy=False))


def _dot_rows(a: Any, b: Any) -> Any:
    """Return the sum of ``a * b`` over the last axis, which stays with length 1; of arrays without the products."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return (a * b).sum(axis=-1, keepdims=True)
    return np.vecdot(a, b)[..., None]


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return the input with mean 0 and variance 1 over its last axes, times `weight`, plus `bias`.

    Parameters
    ----------
    input
        Of shape ``(..., *normalized_shape)``.
    normalized_shape
        The lengths of the axes to normalize over.
    weight, bias
        Of shape `normalized_shape`.
    eps
        What is added to the variance.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If the dtypes differ or are not floats.

    Notes
    -----
    Source: J. L. Ba, J. R. Kiros and G. E. Hinton, Layer normalization, arXiv:1607.06450.

    Examples
    --------
    >>> layer_norm(Tensor([[1.0, 3.0], [10.0, 30.0]]), (2,))
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    norm = _norm_of_last_axes("layer_norm", input, normalized_shape, weight, bias, eps)
    return _normalize(input, weight, bias, norm)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Return the input divided by the root of its mean square over the last axes, times `weight`.

    Parameters
    ----------
    input
        Of shape ``(..., *normalized_shape)``.
    normalized_shape
        The lengths of the axes to normalize over.
    weight
        Of shape `normalized_shape`.
    eps
        What is added to the mean square; None for the precision of the input's dtype.

    Notes
    -----
    Source: B. Zhang and R. Sennrich, Root mean square layer normalization, arXiv:1910.07467.
    """
    _check_floats("rms_norm", input=input)
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    norm = _norm_of_last_axes("rms_norm", input, normalized_shape, weight, None, eps)
    return _normalize(input, weight, None, norm._replace(centered=False))


def _norm_of_last_axes(
    name: str, input: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Norm:
    _check_floats(name, input=input, weight=weight, bias=bias)
    if not isinstance(shape, Sequence) or not shape:
        raise TypeError(f"{name}() takes normalized_shape as one or more lengths, such as (768,), but got {shape!r}.")
    shape = tuple(shape)
    if input.shape[-len(shape) :] != shape:
        raise ValueError(f"{name}() over axes of lengths {shape} takes (..., *{shape}), but got shape {input.shape}.")
    _check_shape(name, "weight", weight, shape, "one number for each that is normalized")
    _check_shape(name, "bias", bias, shape, "one number for each that is normalized")
    rows, columns = math.prod(input.shape[: -len(shape)]), math.prod(shape)
    return Norm((rows, columns), (1,), (1, columns), eps)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return the input with mean 0 and variance 1 in each channel, times `weight`, plus `bias`.

    Parameters
    ----------
    input
        Of shape ``(N, C)`` or ``(N, C, ...)``.
    running_mean, running_var
        Of shape ``(C,)``. In training they move towards those of the batch, in place; else they are used.
    weight, bias
        Of shape ``(C,)``.
    training
        Whether to take mean and variance from the batch.
    momentum
        How far the running ones move, 0 to 1. The running variance is the unbiased one.
    eps
        What is added to the variance.

    Raises
    ------
    ValueError
        If the shapes do not fit, a channel has one value in training, or the running ones are missing where they are
        used.
    TypeError
        If the dtypes differ or are not floats.

    Notes
    -----
    Source: S. Ioffe and C. Szegedy, Batch normalization, arXiv:1502.03167.
    """
    _check_floats("batch_norm", input=input, weight=weight, bias=bias)
    channels = _channels("batch_norm", input)
    settings = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for role, value in settings.items():
        _check_shape("batch_norm", role, value, (channels,), "one number a channel")
    if not training:
        return _with_running_statistics(input, running_mean, running_var, weight, bias, eps)
    if input.size == channels:
        raise ValueError(
            f"batch_norm() in training needs more than one value a channel, but got shape {input.shape}. Use a larger "
            "batch, or training=False."
        )
    shape = input.shape[:2] if input.ndim == 2 else (*input.shape[:2], math.prod(input.shape[2:]))
    norm = Norm(shape, (0, 2)[: len(shape) - 1], (1, channels, 1)[: len(shape)], eps, split=1)
    if input.size:
        _move_running_statistics(input, running_mean, running_var, norm, momentum)
    return _normalize(input, weight, bias, norm)


def _channels(name: str, input: Tensor) -> int:
    if input.ndim < 2:
        raise ValueError(f"{name}() takes an input of shape (N, C) or (N, C, ...), but got shape {input.shape}.")
    return input.shape[1]


def _with_running_statistics(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    """Return ``input * scale + shift``, one of each a channel."""
    if running_mean is None or running_var is None:
        raise ValueError("batch_norm() outside of training uses running_mean and running_var, but one is missing.")
    scale = (running_var + eps) ** -0.5
    scale = scale if weight is None else scale * weight
    shift = -running_mean * scale
    shift = shift if bias is None else shift + bias
    each = (-1, *(1 for _ in input.shape[2:]))
    return (input * scale.reshape(each) + shift.reshape(each)).to(input.dtype)


def _move_running_statistics(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, norm: Norm, momentum: float
) -> None:
    """Move the running statistics towards those of the batch."""
    if running_mean is None and running_var is None:
        return

    def statistics(x: FloatArray, *each: FloatArray) -> tuple[None, FloatArray, FloatArray]:
        mean, _, variance = norm.spread(_wide(x))
        return None, mean, variance

    each = np.empty(norm.affine)  # has the shape of the results
    _, means, variances = in_blocks(statistics, (input.data.reshape(norm.shape), each, each), norm.split)
    count = input.size // each.size
    _move("batch_norm()", running_mean, means.reshape(-1), momentum)
    _move("batch_norm()", running_var, variances.reshape(-1) * (count / (count - 1)), momentum)


def _move(operation: str, running: Tensor | None, batch: FloatArray, momentum: float) -> None:
    """Move a running statistic in place, if there is one, and note which operation did."""
    if running is not None:
        note_change(running.data, operation)
        running.data *= 1 - momentum
        running.data += momentum * batch


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Return the input with mean 0 and variance 1 in each group of channels, times `weight`, plus `bias`.

    Parameters
    ----------
    input
        Of shape ``(N, C)`` or ``(N, C, ...)``.
    num_groups
        How many groups the channels are divided into.
    weight, bias
        One number a channel, ``(C,)``.
    eps
        What is added to the variance.

    Raises
    ------
    ValueError
        If the channels cannot be divided into the groups, a group has one value, or the shapes do not fit.

    Notes
    -----
    Source: Y. Wu and K. He, Group normalization, arXiv:1803.08494.
    """
    _check_floats("group_norm", input=input, weight=weight, bias=bias)
    channels = _channels("group_norm", input)
    if num_groups < 1 or channels % num_groups:
        raise ValueError(f"group_norm() cannot divide {channels} channels into num_groups={num_groups} equal groups.")
    length = math.prod(input.shape[2:])
    if input.shape[0] * (channels // num_groups) * length == 1:
        raise ValueError(f"group_norm() needs more than one value a group, but got shape {input.shape}.")
    for role, value in (("weight", weight), ("bias", bias)):
        _check_shape("group_norm", role, value, (channels,), "one number a channel")
    shape = (input.shape[0], num_groups, channels // num_groups, length)
    return _normalize(input, weight, bias, Norm(shape, (2, 3), (1, *shape[1:3], 1), eps))


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return the input with mean 0 and variance 1 in each channel of each example, times `weight`, plus `bias`.

    Parameters
    ----------
    input
        Of shape ``(N, C, ...)``.
    running_mean, running_var
        As in `batch_norm`; they move towards the mean of those of the examples.
    weight, bias
        One number a channel, ``(C,)``.
    use_input_stats
        Whether to take mean and variance from the input; else the running ones are used.
    momentum, eps
        As in `batch_norm`.

    Raises
    ------
    ValueError
        If there is one value a channel, or the shapes do not fit.

    Notes
    -----
    Source: D. Ulyanov, A. Vedaldi and V. Lempitsky, Instance normalization, arXiv:1607.08022.
    """
    _check_floats("instance_norm", input=input, weight=weight, bias=bias)
    channels = _channels("instance_norm", input)
    settings = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for role, value in settings.items():
        _check_shape("instance_norm", role, value, (channels,), "one number a channel")
    if not use_input_stats:
        return _with_running_statistics(input, running_mean, running_var, weight, bias, eps)
    length = math.prod(input.shape[2:])
    if length == 1:
        raise ValueError(f"instance_norm() needs more than one value a channel, but got shape {input.shape}.")
    shape = (input.shape[0], channels, length)
    norm = Norm(shape, (2,), (1, channels, 1), eps)
    if input.size:
        _move_to_mean_of_examples(input, running_mean, running_var, norm, momentum)
    return _normalize(input, weight, bias, norm)


def _move_to_mean_of_examples(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, norm: Norm, momentum: float
) -> None:
    """Move the running statistics towards the means of those of the examples."""
    mean, _, var = norm.spread(_wide(input.data.reshape(norm.shape)))
    length = norm.shape[2]
    _move("instance_norm()", running_mean, mean.mean(axis=(0, 2)), momentum)
    _move("instance_norm()", running_var, var.mean(axis=(0, 2)) * (length / (length - 1)), momentum)


# Softmax.


@composed()
def softmax(input: Tensor, dim: int, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return ``exp(x) / sum(exp(x))`` along `dim`: scores to probabilities.

    Parameters
    ----------
    input
        A tensor of floats.
    dim
        The axis whose elements shall sum to 1.
    dtype
        What to convert the input to first.

    Examples
    --------
    >>> softmax(Tensor([0.0, 0.0]), dim=0)
    tensor([0.5, 0.5])
    """
    return Softmax(dim).forward(input if dtype is None else input.to(dtype))


@composed()
def log_softmax(input: Tensor, dim: int, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the logarithm of ``softmax(input, dim)``, computed in a way that never overflows.

    Parameters
    ----------
    input
        A tensor of floats.
    dim
        The axis along which the probabilities sum to 1.
    dtype
        What to convert the input to first.
    """
    return LogSoftmax(dim).forward(input if dtype is None else input.to(dtype))


# Losses.


class SoftmaxCrossEntropyBackward(Function):
    """Gradient of ``-log(softmax(input)[target])``, row by row: ``softmax(input)``, less 1 at the target.

    Memory: keeps the logits, as they are, and one index for each row.
    """

    def __init__(
        self, input: Tensor, target: Array, ignore_index: int, reduction: str, *, output: Tensor | None = None
    ) -> None:
        super().__init__(input, output=output)
        self.index, self.counts, total = _counted(input.data, target, None, ignore_index)
        if reduction == "mean":
            self.counts *= 1 / total if total else 0

    def apply(self, grad_output: FloatArray) -> Grads:
        (x,) = self.saved_tensors
        each = grad_output * self.counts
        if isinstance(grad_output, Tensor):
            true = np.zeros(x.shape, x.dtype)
            true[np.arange(len(true)), self.index] = 1
            return ((in_kind(Softmax(1).forward, x) - true) * each.reshape(-1, 1),)
        (grad,) = in_blocks(_softmax_less_1, (x, self.index, each))
        return (grad,)


def _softmax_less_1(x: FloatArray, index: Array, each: FloatArray) -> tuple[FloatArray]:
    """Return the softmax of each row, less 1 at `index`, times `each`."""
    powers, _, total = _powers(_wide(x))
    powers *= each[:, None] / total
    powers[np.arange(len(x)), index] -= each
    return (powers,)


def _powers(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return of each row ``exp(x - largest)``, `largest`, and the sum of the powers; the last two as columns."""
    largest = x.max(axis=1, keepdims=True)
    powers = x - largest
    np.exp(powers, out=powers)
    return powers, largest, _dot_rows(powers, np.ones(x.shape[1], x.dtype))


@operation(SoftmaxCrossEntropyBackward, method="_cross_entropy")
def _cross_entropy(input: Tensor, target: Array, ignore_index: int, reduction: str) -> Tensor:
    index, counts, total = _counted(input.data, target, None, ignore_index)

    def surprise(index: Array, x: FloatArray) -> tuple[FloatArray]:
        x = _wide(x)
        _, largest, total = _powers(x)
        below = largest[:, 0] - x[np.arange(len(x)), index]  # first, or the logarithm drowns in large logits
        return (np.log(total)[:, 0] + below,)

    (losses,) = in_blocks(surprise, (index, input.data), width=input.data.shape[1])
    if total < len(index):
        losses = np.where(counts > 0, losses, 0)
    if reduction != "mean":
        return from_numpy(reduce(losses, reduction).astype(input.data.dtype, copy=False))
    return from_numpy(np.asarray(losses.sum() / total if total else np.nan, input.data.dtype))


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the cross-entropy of logits ``(N, C, ...)`` and class indices ``(N, ...)`` or probabilities.

    Parameters
    ----------
    input
        Logits of shape ``(C,)``, ``(N, C)`` or ``(N, C, d1, ...)``.
    target
        Integers, class indices, of the same shape without C; or floats, probabilities, of the same shape.
    weight
        How much each class counts, shape ``(C,)``.
    ignore_index
        Positions whose class index is this one do not count.
    reduction
        "mean", divided by the sum of the weights; "sum" or "none".
    label_smoothing
        The share of the true distribution that is spread evenly over all classes, 0 to 1.

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    IndexError
        If a class index is not one of the classes.
    TypeError
        If the input does not hold floats, or the target holds floats where class indices are expected.

    Notes
    -----
    Rows of logits with a class for each are one operation; anything else is the layer `CrossEntropyLoss`.

    Examples
    --------
    >>> cross_entropy(Tensor([[0.0, 0.0], [10000.0, 0.0]]), Tensor([1, 0]).long(), reduction="none")
    tensor([0.6931, 0.0000])
    """
    plain = weight is None and label_smoothing == 0 and reduction in ("mean", "sum", "none")
    if plain and _are_classes_of_rows(input, target, ignore_index):
        return _cross_entropy(input, target.data, ignore_index, reduction)
    return CrossEntropyLoss(weight, ignore_index, reduction, label_smoothing).forward(input, target)


def _are_classes_of_rows(input: Any, target: Any, ignore_index: int) -> bool:
    """Return whether these are rows of logits, with a class index for each."""
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        return False
    logits, classes = input.data, target.data
    fit = logits.dtype.kind == "f" and logits.ndim == 2 and logits.size > 0
    fit = fit and classes.dtype.kind in "iu" and classes.shape == logits.shape[:1]
    return fit and bool(((classes >= 0) & (classes < logits.shape[1]) | (classes == ignore_index)).all())


class NLLBackward(Function):
    """Gradient of ``-input[target]``, weighted: minus the weight at the target's place, 0 elsewhere.

    Memory: keeps one index and one weight for each position.
    """

    saves = ()

    def __init__(
        self,
        input: Tensor,
        target: Array,
        weight: Array | None,
        ignore_index: int,
        reduction: str,
        *,
        output: Tensor | None = None,
    ) -> None:
        super().__init__(input, output=output)
        self.axis = class_axis(input.data)
        self.reduction = reduction
        self.index, self.weight, total = _counted(input.data, target, weight, ignore_index)
        if reduction == "mean":
            self.weight = self.weight * (1 / total if total else 0)

    def apply(self, grad_output: FloatArray) -> Grads:
        slopes = np.zeros(self.input_shapes[0], self.dtype)
        np.put_along_axis(
            slopes, np.expand_dims(self.index, self.axis), -np.expand_dims(self.weight, self.axis), self.axis
        )
        return (slopes * (np.expand_dims(grad_output, self.axis) if self.reduction == "none" else grad_output),)


def _counted(x: FloatArray, target: Array, weight: Array | None, ignore_index: int) -> tuple[Array, FloatArray, float]:
    """Return for each position the class, and what it counts: 0 where it is ignored; and the sum of that."""
    counts = target != ignore_index
    index = np.where(counts, target, 0)
    weights = (counts if weight is None else np.where(counts, weight[index], 0)).astype(x.dtype)
    return index, weights, float(weights.sum(dtype=np.float64))


@operation(NLLBackward, method="_nll_loss")
def _nll_loss(input: Tensor, target: Array, weight: Array | None, ignore_index: int, reduction: str) -> Tensor:
    x, axis = input.data, class_axis(input.data)
    index, weights, total = _counted(x, target, weight, ignore_index)
    picked = np.take_along_axis(x, np.expand_dims(index, axis), axis).squeeze(axis)
    losses = np.multiply(-picked, weights, out=np.zeros_like(weights), where=target != ignore_index)
    if reduction != "mean":
        return from_numpy(reduce(losses, reduction))
    return from_numpy(np.asarray(losses.sum() * (1 / total) if total else np.nan, x.dtype))


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return minus the log-probability of the true class: cross-entropy after `log_softmax`.

    Parameters
    ----------
    input
        Log-probabilities of shape ``(C,)``, ``(N, C)`` or ``(N, C, d1, ...)``.
    target
        Class indices, of the same shape without C.
    weight
        How much each class counts, shape ``(C,)``.
    ignore_index
        Positions whose class index is this one do not count.
    reduction
        "mean", divided by the sum of the weights; "sum" or "none".

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    IndexError
        If a class index is not one of the classes.
    TypeError
        If the input does not hold floats or the target does not hold integers.

    Examples
    --------
    >>> nll_loss(Tensor([[-0.5, -1.0], [-2.0, -0.25]]), Tensor([0, 1]).long(), reduction="none")
    tensor([0.50, 0.25])
    """
    _check_classes(input, target, ignore_index)
    check_reduction(reduction)
    if weight is not None:
        _check_floats("nll_loss", input=input, weight=weight)
        _check_shape("nll_loss", "weight", weight, (input.shape[class_axis(input.data)],), "one number a class")
        if weight.requires_grad:
            raise ValueError("nll_loss(): weight is a setting and receives no gradient. Pass weight.detach().")
    return _nll_loss(input, target.data, None if weight is None else weight.data, ignore_index, reduction)


def _check_classes(input: Tensor, target: Tensor, ignore_index: int) -> None:
    _check_floats("nll_loss", input=input)
    if not isinstance(target, Tensor) or target.dtype.kind not in "iu":
        found = target.dtype if isinstance(target, Tensor) else type(target).__name__
        raise TypeError(f"nll_loss() takes class indices, a tensor of integers, but got {found}. Use target.long().")
    if input.ndim == 0:
        raise ValueError("nll_loss() takes log-probabilities (C,), (N, C) or (N, C, ...), but got a 0-d tensor.")
    axis = class_axis(input.data)
    positions = input.shape[:axis] + input.shape[axis + 1 :]
    if target.shape != positions:
        raise ValueError(
            f"nll_loss(): input of shape {input.shape} takes class indices of shape {positions}, but target has shape "
            f"{target.shape}."
        )
    indices, classes = target.data, input.shape[axis]
    wrong = ((indices < 0) | (indices >= classes)) & (indices != ignore_index)
    if wrong.any():
        raise IndexError(f"nll_loss(): target holds {indices[wrong][0]}, but the classes are 0 to {classes - 1}.")


def _loss_gradients(node: Any, grad_output: FloatArray, slopes: Callable[[Any, Any], tuple[Any, Any]]) -> Grads:
    """Return the gradients of an elementwise loss of input and target, whose slopes at both `slopes` computes."""
    x, target = (values.reshape(-1) for values in node.saved_tensors)
    scale = mean_scale(node.reduction, math.prod(node.input_shapes[0]))
    need_x, need_target = node.needs_input_grad

    def gradients(x: Any, target: Any, grad: Any) -> Grads:
        slope_x, slope_target = slopes(x, target)
        return slope_x * grad if need_x else None, slope_target * grad if need_target else None

    grads = in_blocks(gradients, (x, target, grad_output.reshape(-1) * scale))
    return tuple(None if grad is None else shaped(grad, node.input_shapes[0]) for grad in grads)


class L1Backward(Function):
    """Gradient of ``abs(input - target)``: the sign of the difference; minus that for the target; 0 where equal."""

    def __init__(self, input: Tensor, target: Tensor, reduction: str, *, output: Tensor | None = None) -> None:
        super().__init__(input, target, output=output)
        self.reduction = reduction

    def apply(self, grad_output: FloatArray) -> Grads:
        def slopes(x: Any, target: Any) -> tuple[Any, Any]:
            slope = np.sign(x - target)
            return slope, -slope

        return _loss_gradients(self, grad_output, slopes)


@operation(L1Backward, method="_l1_loss")
def _l1_loss(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    difference = input.data - target.data
    return from_numpy(reduce(np.abs(difference, out=np.asarray(difference)), reduction))


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return the absolute error, ``abs(input - target)``.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> l1_loss(Tensor([1.0, 5.0]), Tensor([2.0, 2.0]), reduction="none")
    tensor([1., 3.])
    """
    check_reduction(reduction)
    return _l1_loss(*_check_pair("l1_loss", input, target), reduction)


class HuberBackward(Function):
    """Gradient of the Huber loss: the difference, kept between ``-delta`` and ``delta``; minus that for the target."""

    def __init__(
        self,
        input: Tensor,
        target: Tensor,
        delta: float,
        divisor: float,
        reduction: str,
        *,
        output: Tensor | None = None,
    ) -> None:
        super().__init__(input, target, output=output)
        self.delta, self.divisor, self.reduction = delta, divisor, reduction

    def apply(self, grad_output: FloatArray) -> Grads:
        def slopes(x: Any, target: Any) -> tuple[Any, Any]:
            slope = (x - target).clip(-self.delta, self.delta)
            return slope, -slope

        return _loss_gradients(self, grad_output * (1 / self.divisor), slopes)


@operation(HuberBackward, method="_huber_loss")
def _huber_loss(input: Tensor, target: Tensor, delta: float, divisor: float, reduction: str) -> Tensor:
    def values(x: FloatArray, target: FloatArray) -> tuple[FloatArray]:
        distance = np.abs(x - target)
        near = np.minimum(distance, delta)
        return (near * (distance - 0.5 * near) * (1 / divisor),)

    (losses,) = in_blocks(values, (input.data.reshape(-1), target.data.reshape(-1)))
    return from_numpy(reduce(losses.reshape(input.shape), reduction))


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Return half the squared error up to a distance `delta`, and from there on a line of slope `delta`.

    Raises
    ------
    ValueError
        If the shapes differ, or `delta` is not above 0.

    Notes
    -----
    Source: P. J. Huber, Robust estimation of a location parameter, Ann. Math. Statist. 35, 1964.

    Examples
    --------
    >>> huber_loss(Tensor([1.0, 5.0]), Tensor([0.0, 0.0]), reduction="none")
    tensor([0.5, 4.5])
    """
    check_reduction(reduction)
    input, target = _check_pair("huber_loss", input, target)
    if not delta > 0:
        raise ValueError(f"huber_loss() takes a delta above 0, but got {delta}. l1_loss() is the limit at 0.")
    return _huber_loss(input, target, delta, 1.0, reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Return the absolute error less ``beta / 2``, and below a distance `beta` a parabola that meets it: Huber / beta.

    Raises
    ------
    ValueError
        If the shapes differ, or `beta` is negative.

    Notes
    -----
    Source: R. Girshick, Fast R-CNN, arXiv:1504.08083.
    """
    check_reduction(reduction)
    input, target = _check_pair("smooth_l1_loss", input, target)
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss() takes a beta of 0 or more, but got {beta}.")
    return _huber_loss(input, target, beta, beta, reduction) if beta else _l1_loss(input, target, reduction)


class KLDivBackward(Function):
    """Gradient of ``target * (log(target) - input)``: ``-target``; and ``log(target) + 1 - input`` for the target.

    With the target as its logarithm: ``-exp(target)``; and ``exp(target) * (target + 1 - input)``.
    """

    def __init__(
        self, input: Tensor, target: Tensor, reduction: str, log_target: bool, *, output: Tensor | None = None
    ) -> None:
        super().__init__(input, target, output=output)
        self.reduction, self.log_target = reduction, log_target

    def apply(self, grad_output: FloatArray) -> Grads:
        def slopes(x: Any, target: Any) -> tuple[Any, Any]:
            if self.log_target:
                p = np.exp(target)
                return -p, p * (target + 1 - x)
            return -target, np.log(target + (target == 0)) + 1 - x

        return _loss_gradients(self, grad_output, slopes)


@operation(KLDivBackward, method="_kl_div")
def _kl_div(input: Tensor, target: Tensor, reduction: str, log_target: bool) -> Tensor:
    def values(x: FloatArray, target: FloatArray) -> tuple[FloatArray]:
        if log_target:
            return (np.exp(target) * (target - x),)
        return (target * (np.log(target + (target == 0)) - x),)  # 0 * log(0) is 0

    (losses,) = in_blocks(values, (input.data.reshape(-1), target.data.reshape(-1)))
    return from_numpy(reduce(losses.reshape(input.shape), reduction))


def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Return ``target * (log(target) - input)``, of which the sum is the Kullback-Leibler divergence.

    Parameters
    ----------
    input
        Log-probabilities.
    target
        Probabilities of the same shape; or their logarithms, with `log_target`.
    reduction
        "mean" over all elements, "batchmean" for the sum divided by the length of the first axis, which is the
        divergence; "sum" or "none".
    log_target
        Whether `target` holds logarithms.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> p = Tensor([[0.5, 0.5]])
    >>> kl_div(p.log(), p, reduction="batchmean").item()
    0.0
    """
    if reduction != "batchmean":
        check_reduction(reduction)
    input, target = _check_pair("kl_div", input, target)
    if reduction == "batchmean":
        examples = input.shape[0] if input.ndim else 1
        return _kl_div(input, target, "sum", log_target) / examples
    return _kl_div(input, target, reduction, log_target)


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    """Return the mean or the sum of `losses`, or for "none" the losses themselves."""
    check_reduction(reduction)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.mean()


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Return minus the log-density of `target` in normal distributions around `input` of variance `var`.

    Parameters
    ----------
    input, target
        Of one shape.
    var
        A number, or a tensor of that shape, of that shape without its last axis, or with length 1 there.
    full
        Whether to add the constant ``log(2 * pi) / 2``.
    eps
        The least variance that is calculated with; gradients take no notice of it.
    reduction
        "mean", "sum" or "none".

    Raises
    ------
    ValueError
        If the shapes do not fit, or a variance is negative.

    Notes
    -----
    Source: D. Nix and A. Weigend, Estimating the mean and variance of the target probability distribution, ICNN 1994.
    """
    input, target = _check_pair("gaussian_nll_loss", input, target)
    if not isinstance(var, Tensor):
        var = from_numpy(np.full(input.shape, var, input.dtype))
    if var.shape == input.shape[:-1] and input.ndim:
        var = var.reshape(*var.shape, 1)
    if var.shape not in (input.shape, (*input.shape[:-1], 1)):
        raise ValueError(
            f"gaussian_nll_loss(): var has shape {var.shape}, which does not fit an input of {input.shape}."
        )
    if (var.data < 0).any():
        raise ValueError("gaussian_nll_loss() takes variances of 0 or more, but one is negative. exp() makes them.")
    var = var + from_numpy(np.maximum(eps - var.data, 0))
    difference = input - target
    losses = 0.5 * (var.log() + difference * difference / var)
    return _reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean") -> Tensor:
    """Return the input, a distance, where the target is 1, and ``max(0, margin - input)`` where it is -1.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    input, target = _check_pair("hinge_embedding_loss", input, target)
    apart = masked_fill((margin - input).clip(min=0), target == 1, 0)
    return _reduced(apart + masked_fill(input, target == -1, 0), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """Return ``max(0, margin - target * (input1 - input2))``: a target of 1 wants `input1` larger, -1 `input2`.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    _check_pair("margin_ranking_loss", input1, input2)
    input1, target = _check_pair("margin_ranking_loss", input1, target)
    return _reduced((margin - target * (input1 - input2)).clip(min=0), reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """Return ``1 - cosine`` of pairs whose target is 1, and ``max(0, cosine - margin)`` where it is -1.

    Shapes: ``(N, D), (N, D), (N,) -> (N,)``, or ``(D,), (D,), () -> ()``.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    _check_pair("cosine_embedding_loss", input1, input2)
    if input1.ndim not in (1, 2) or target.shape != input1.shape[:-1]:
        raise ValueError(
            "cosine_embedding_loss() takes two inputs (N, D) and a target (N,), or (D,) and (), but got "
            f"{input1.shape}, {input2.shape} and {target.shape}."
        )
    square1, square2 = ((x * x).sum(-1) + 1e-12 for x in (input1, input2))
    cosine = (input1 * input2).sum(-1) / (square1 * square2).sqrt()
    together = masked_fill(1 - cosine, target != 1, 0)
    return _reduced(together + masked_fill((cosine - margin).clip(min=0), target != -1, 0), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Return ``max(0, margin + distance(anchor, positive) - distance(anchor, negative))``.

    Parameters
    ----------
    anchor, positive, negative
        Of shape ``(D,)`` or ``(N, D)``.
    margin
        By how much the negative shall be farther.
    p, eps
        As in `pairwise_distance`.
    swap
        Whether the positive stands for the anchor where the negative is closer to it.
    reduction
        "mean", "sum" or "none".

    Notes
    -----
    Source: V. Balntas et al., Learning local feature descriptors with triplets and shallow convolutional neural
    networks, BMVC 2016.
    """
    _check_pair("triplet_margin_loss", anchor, positive)
    _check_pair("triplet_margin_loss", anchor, negative)
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return _reduced((margin + near - far).clip(min=0), reduction)


# Distances.


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle between vectors along `dim`; lengths below `eps` count as `eps`.

    Raises
    ------
    ValueError
        If the shapes do not broadcast.

    Examples
    --------
    >>> cosine_similarity(Tensor([[1.0, 0.0]]), Tensor([[3.0, 4.0]]))
    tensor([0.6])
    """
    _check_floats("cosine_similarity", x1=x1, x2=x2)
    check_broadcast(x1.shape, x2.shape, "cosine_similarity()")
    axis = axis_of(dim, max(x1.ndim, x2.ndim), "cosine_similarity")
    a, b = (x / vector_norm(x, 2, axis, True).clip(min=eps) for x in broadcast_tensors(x1, x2))
    return (a * b).sum(axis)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """Return the p-norm of ``x1 - x2 + eps`` along the last axis.

    Raises
    ------
    ValueError
        If the shapes do not broadcast.

    Examples
    --------
    >>> pairwise_distance(Tensor([0.0, 0.0]), Tensor([3.0, 4.0]))
    tensor(5.)
    """
    _check_floats("pairwise_distance", x1=x1, x2=x2)
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Return the input divided by its p-norm along `dim`; norms below `eps` count as `eps`.

    Examples
    --------
    >>> normalize(Tensor([[3.0, 4.0]]))
    tensor([[0.6, 0.8]])
    """
    _check_floats("normalize", input=input)
    return input / vector_norm(input, p, axis_of(dim, input.ndim, "normalize"), True).clip(min=eps)


# Gates, masks and look-ups.


class GLUBackward(Function):
    """Gradient of ``out = a * sigmoid(b)``, a and b being the halves of the input, as one array."""

    def __init__(self, input: Tensor, dim: int, *, output: Tensor | None = None) -> None:
        super().__init__(input, output=output)
        self.dim = dim

    def apply(self, grad_output: FloatArray) -> Grads:
        (x,) = self.saved_tensors
        a, b = _halves(x, self.dim)
        gate = in_kind(Sigmoid().forward, b)
        grad_a = grad_output * gate
        return (np.concatenate([grad_a, grad_a * a * (1 - gate)], axis=self.dim),)


def _halves(x: Any, dim: int) -> tuple[Any, Any]:
    half = x.shape[dim] // 2
    before = (slice(None),) * dim
    return x[(*before, slice(half))], x[(*before, slice(half, None))]


@operation(GLUBackward, method="_glu")
def _glu(input: Tensor, dim: int) -> Tensor:
    a, b = _halves(input.data, dim)
    return from_numpy(a * stable_sigmoid(b))


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Return the first half of the input along `dim`, times the sigmoid of the second half.

    Raises
    ------
    ValueError
        If there is an odd number of elements along `dim`.

    Notes
    -----
    Source: Y. Dauphin et al., Language modeling with gated convolutional networks, arXiv:1612.08083.
    """
    _check_floats("glu", input=input)
    axis = axis_of(dim, input.ndim, "glu")
    if input.ndim == 0 or input.shape[axis] % 2:
        raise ValueError(f"glu() halves axis {dim}, but the input has shape {input.shape}. Give it an even length.")
    return _glu(input, axis)


class DropoutBackward(Function):
    """Gradient of ``out = input * kept * scale``: the same product with `grad_output`.

    Memory: keeps one byte an element.
    """

    saves = ()

    def __init__(self, input: Tensor, kept: Array, scale: float, *, output: Tensor | None = None) -> None:
        super().__init__(input, output=output)
        self.kept, self.scale = kept, scale

    def apply(self, grad_output: FloatArray) -> Grads:
        return (grad_output * (self.kept * self.dtype.type(self.scale)),)


@operation(DropoutBackward, method="_dropout")
def _dropout(input: Tensor, kept: Array, scale: float) -> Tensor:
    return from_numpy(input.data * (kept * input.dtype.type(scale)))


def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Set elements to 0 with probability `p` and scale the rest by ``1 / (1 - p)``, while training.

    Draws the same elements as the layer `Dropout` after the same seed.

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1.

    Notes
    -----
    Source: N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15, 2014.
    """
    _check_chance("dropout", p)
    if not training or p == 0:
        return input
    _check_floats("dropout", input=input)
    kept = default_generator().random(input.shape, dtype=np.float32) >= p
    return _dropout(input, kept, 1 / (1 - p) if p < 1 else 0.0)


class EmbeddingBackward(Function):
    """Gradient of ``out = weight[indices]``: each row receives the sum over its uses; the row `padding_idx` nothing."""

    saves = ()

    def __init__(
        self, weight: Tensor, indices: Array, padding_idx: int | None, *, output: Tensor | None = None
    ) -> None:
        super().__init__(weight, output=output)
        self.indices, self.padding_idx = indices.copy(), padding_idx

    def apply(self, grad_output: FloatArray) -> Grads:
        shape: Any = self.input_shapes[0]
        rows, columns = shape
        indices, grad = self.indices.reshape(-1), grad_output.reshape(self.indices.size, columns)
        if self.padding_idx is not None:
            used = indices != self.padding_idx
            indices, grad = indices[used], grad[used]
        return (in_kind(_sum_rows, grad, indices, rows),)


@operation(EmbeddingBackward, method="_embedding")
def _embedding(weight: Tensor, indices: Array, padding_idx: int | None) -> Tensor:
    return from_numpy(np.take(weight.data, indices, axis=0))


class SumRowsBackward(Function):
    """Gradient of ``out[indices] += a``, row by row: the rows that arrive at `indices`."""

    saves = ()

    def __init__(self, a: Tensor, indices: Array, rows: int, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.indices = indices

    def apply(self, grad_output: FloatArray) -> Grads:
        return (in_kind(_embedding, grad_output, self.indices, None),)


@operation(SumRowsBackward, method="_sum_rows")
def _sum_rows(input: Tensor, indices: Array, rows: int) -> Tensor:
    """Return `rows` rows, number i of them the sum of all rows of `input` whose index is i.

    Sorted by index, equal ones are neighbours, and one sum over each group costs a fifth of ``np.add.at``.
    """
    out = np.zeros((rows, input.shape[1]), input.dtype)
    if indices.size:
        order = np.argsort(indices, kind="stable")
        found = indices[order]
        starts = np.flatnonzero(np.append(True, found[1:] != found[:-1]))
        out[found[starts]] = np.add.reduceat(_wide(input.data[order]), starts, axis=0)
    return from_numpy(out)


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Return the rows of `weight` at the indices in `input`.

    Parameters
    ----------
    input
        Integers from 0 to below `V`, of any shape.
    weight
        The table, ``(V, D)``.
    padding_idx
        The row that receives no gradient; a negative one counts from the end.

    Returns
    -------
    Tensor
        Of shape ``(*input.shape, D)``.

    Raises
    ------
    IndexError
        If an index is not one of the rows.
    TypeError
        If `input` does not hold integers.
    ValueError
        If `weight` has not two axes, or there is no row `padding_idx`.

    Examples
    --------
    >>> embedding(Tensor([1, 0, 1]).long(), Tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.],
            [3., 4.]])
    """
    _check_floats("embedding", weight=weight)
    if not isinstance(input, Tensor) or input.dtype.kind not in "iu":
        found = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise TypeError(f"embedding() takes indices, a tensor of integers, but got {found}. Use input.long().")
    if weight.ndim != 2:
        raise ValueError(f"embedding() takes a weight of shape (V, D), but got shape {weight.shape}.")
    rows = weight.shape[0]
    wrong = (input.data < 0) | (input.data >= rows)
    if wrong.any():
        raise IndexError(f"embedding(): the input holds {input.data[wrong][0]}, but the rows are 0 to {rows - 1}.")
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise ValueError(f"embedding(): padding_idx={padding_idx}, but the rows are 0 to {rows - 1}.")
        padding_idx %= rows
    return _embedding(weight, input.data, padding_idx)


# Attention.


class Attention(NamedTuple):
    """How queries attend to keys.

    Attributes
    ----------
    is_causal
        Whether query i looks at keys 0 to i alone.
    scale
        What the scores are multiplied by.
    kept
        Which weights are not dropped, ``(..., L, S)``; None for all.
    kept_scale
        What those are multiplied by.
    """

    is_causal: bool
    scale: float
    kept: Array | None = None
    kept_scale: float = 1.0

    def weights(self, query: Any, key: Any, mask: Any) -> Any:
        """Return ``softmax(query @ key.T * scale + mask)``; 0 where nothing is attended to."""
        scores = (query * self.scale) @ key.swapaxes(-1, -2)
        if mask is not None:
            scores = scores + (_as_bias(mask, scores.dtype) if mask.dtype == bool else mask)
        if self.is_causal:
            scores = scores + _as_bias(np.tri(*scores.shape[-2:], dtype=np.bool_), scores.dtype)
        # The same number off each score of a row changes nothing, so it needs no gradient.
        top = (scores.data if isinstance(scores, Tensor) else scores).max(axis=-1, keepdims=True, initial=-np.inf)
        powers = np.exp(scores - np.where(top == -np.inf, top.dtype.type(0), top))
        total = powers.sum(axis=-1, keepdims=True)
        return powers / (total + (total == 0))

    def dropped(self, weights: Any, kept: Any) -> Any:
        """Return the weights, or a gradient at them, with the ones that are not kept made 0."""
        return weights if kept is None else weights * (kept * weights.dtype.type(self.kept_scale))


def _as_bias(mask: Any, dtype: Any) -> FloatArray:
    """Return 0 where a mask of booleans is true and -inf elsewhere."""
    return np.where(mask.data if isinstance(mask, Tensor) else mask, 0, -np.inf).astype(dtype)


class AttentionBackward(Function):
    """Gradient of ``out = weights @ value`` with ``weights = softmax(query @ key.T * scale + mask)``.

    With the gradient ``g = grad_output @ value.T`` at the weights, and ``h = weights * (g - sum(g * weights))`` at the
    scores::

        grad_query = h @ key * scale
        grad_key = h.T @ query * scale
        grad_value = weights.T @ grad_output
        grad_mask = h, summed back to the mask's shape

    Notes
    -----
    Memory: keeps the inputs, and computes the weights again, some examples at a time: none of the arrays of shape
    ``(..., L, S)`` is ever whole. With dropout, which weights are kept takes one byte each.
    Source: T. Dao et al., FlashAttention, arXiv:2205.14135, appendix B.
    """

    def __init__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        attention: Attention,
        *,
        output: Tensor | None = None,
    ) -> None:
        super().__init__(query, key, value, mask, output=output)
        self.attention = attention

    def apply(self, grad_output: FloatArray) -> Grads:
        attention = self.attention
        need_query, need_key, need_value, need_mask = self.needs_input_grad

        def gradients(query: Any, key: Any, value: Any, mask: Any, kept: Any, grad: Any) -> Grads:
            query, key, value, grad = _wide(query), _wide(key), _wide(value), _wide(grad)
            weights = attention.weights(query, key, mask)
            grad_query = grad_key = grad_value = None
            if need_value:
                grad_value = attention.dropped(weights, kept).swapaxes(-1, -2) @ grad
            at_weights = attention.dropped(grad @ value.swapaxes(-1, -2), kept)
            at_scores = weights * (at_weights - _dot_rows(at_weights, weights))
            if need_query:
                grad_query = at_scores @ key * attention.scale
            if need_key:
                grad_key = at_scores.swapaxes(-1, -2) @ query * attention.scale
            grads = (grad_query, grad_key, grad_value, at_scores if need_mask else None)
            pairs = zip(grads, (query, key, value, mask), strict=True)
            return tuple(None if g is None else unbroadcast(g, x.shape) for g, x in pairs)

        stacks = self.shape[:-2]
        operands = [_as_stack(x, stacks) for x in (*self.saved_tensors, attention.kept, grad_output)]
        grads = in_blocks(gradients, operands, width=operands[0].shape[-2] * operands[1].shape[-2])
        pairs = zip(grads, self.input_shapes, strict=True)
        return tuple(None if grad is None else _from_stack(grad, stacks, shape) for grad, shape in pairs)


def _as_stack(x: Any, stacks: tuple[int, ...]) -> Any:
    """Return an operand that broadcasts to ``(*stacks, L, S)`` as one stack of matrices, or of one that serves all."""
    if x is None:
        return None
    matrix = (1, *x.shape)[-2:]
    if math.prod(x.shape[:-2]) == 1:
        return x.reshape((1, *matrix))
    if x.shape[:-2] != stacks:
        x = x + np.zeros((*stacks, 1, 1), x.dtype)
    return x.reshape((math.prod(stacks), *matrix))


def _from_stack(grad: Any, stacks: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Return the gradient at an operand from that at what `_as_stack` made of it."""
    if math.prod(shape[:-2]) == 1:
        return shaped(grad, shape)
    return unbroadcast(grad.reshape((*stacks, *grad.shape[1:])), shape)


@operation(AttentionBackward, method="_attention")
def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, attention: Attention) -> Tensor:
    def attended(_: Any, query: Any, key: Any, value: Any, mask: Any, kept: Any) -> tuple[FloatArray]:
        weights = attention.weights(_wide(query), _wide(key), mask)
        return (attention.dropped(weights, kept) @ _wide(value),)

    stacks = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    length, width = query.shape[-2], value.shape[-1]
    arrays = (query.data, key.data, value.data, None if mask is None else mask.data, attention.kept)
    operands = [_as_stack(x, stacks) for x in arrays]
    place = np.broadcast_to(query.dtype.type(0), (math.prod(stacks), length, width))  # has the shape of the result
    (out,) = in_blocks(attended, (place, *operands), width=length * key.shape[-2])
    return from_numpy(out.reshape((*stacks, length, width)).astype(query.dtype, copy=False))


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Return ``softmax(query @ key.T * scale + mask) @ value``.

    Parameters
    ----------
    query
        Of shape ``(..., L, E)``.
    key
        Of shape ``(..., S, E)``.
    value
        Of shape ``(..., S, Ev)``.
    attn_mask
        Broadcasts to ``(..., L, S)``: booleans, True where a position takes part, or floats, added to the scores.
        A query for which nothing takes part gives 0.
    dropout_p
        The chance that a weight is dropped; in evaluation pass 0.
    is_causal
        Whether query i looks at keys 0 to i alone.
    scale
        What the scores are multiplied by; ``1 / sqrt(E)`` if None.

    Returns
    -------
    Tensor
        Of shape ``(..., L, Ev)``.

    Raises
    ------
    ValueError
        If the shapes do not fit, `attn_mask` and `is_causal` are both given, or `dropout_p` is not between 0 and 1.
    TypeError
        If the dtypes differ, or `attn_mask` holds integers.

    Notes
    -----
    Source: A. Vaswani et al., Attention is all you need, arXiv:1706.03762, sec. 3.2.1.
    """
    _check_attention(query, key, value, attn_mask, is_causal)
    _check_chance("scaled_dot_product_attention", dropout_p)
    scale = 1 / math.sqrt(max(1, query.shape[-1])) if scale is None else scale
    attention = Attention(is_causal, scale)
    if dropout_p:
        stacks = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
        kept = default_generator().random((*stacks, query.shape[-2], key.shape[-2]), dtype=np.float32) >= dropout_p
        attention = Attention(is_causal, scale, kept, 1 / (1 - dropout_p) if dropout_p < 1 else 0.0)
    return _attention(query, key, value, attn_mask, attention)


def _check_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool) -> None:
    name = "scaled_dot_product_attention"
    _check_floats(name, query=query, key=key, value=value)
    fits = (
        min(query.ndim, key.ndim, value.ndim) >= 2
        and query.shape[-1] == key.shape[-1]
        and key.shape[-2] == value.shape[-2]
    )
    if not fits:
        raise ValueError(
            f"{name}() takes a query (..., L, E), a key (..., S, E) and a value (..., S, Ev), but got {query.shape}, "
            f"{key.shape} and {value.shape}."
        )
    check_broadcast(query.shape[:-2], key.shape[:-2], name)
    stacks = np.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    check_broadcast(stacks, value.shape[:-2], name)
    if mask is None:
        return
    if is_causal:
        raise ValueError(f"{name}() takes attn_mask or is_causal=True, not both. Write the one into the other.")
    if mask.dtype.kind != "b":
        _check_floats(name, query=query, attn_mask=mask)
    scores = (*np.broadcast_shapes(stacks, value.shape[:-2]), query.shape[-2], key.shape[-2])
    check_broadcast(mask.shape, scores, name)
    if np.broadcast_shapes(mask.shape, scores) != scores:
        raise ValueError(f"{name}(): attn_mask of shape {mask.shape} does not fit scores of shape {scores}.")
