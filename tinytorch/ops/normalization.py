"""Normalization by mean and variance: one rule for all its forms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.autograd import Function, note_change
from tinytorch.core.tensor import FloatArray, Tensor, from_numpy
from tinytorch.ops._arguments import check_float_tensors, check_shape, wide
from tinytorch.ops._blocks import dot_rows, in_blocks, shaped
from tinytorch.ops._registry import operation

__all__: list[str] = []

Grads = tuple[FloatArray | None, ...]


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
            total: FloatArray = dot_rows(x, np.ones(count, x.dtype) if y is None else y)
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
            grad = wide(grad)
            _, difference, square = norm.spread(wide(x))
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
        _, difference, square = norm.spread(wide(x))
        out = difference * (square + norm.eps) ** -0.5
        if weight is not None:
            out *= weight
        if bias is not None:
            out += bias
        return (out,)

    arrays = (None if t is None else t.data for t in (input, weight, bias))
    (out,) = in_blocks(normalized, norm.see(*arrays), norm.split)
    return from_numpy(shaped(out, input.shape).astype(input.dtype, copy=False))


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
    check_float_tensors("rms_norm", input=input)
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    norm = _norm_of_last_axes("rms_norm", input, normalized_shape, weight, None, eps)
    return _normalize(input, weight, None, norm._replace(centered=False))


def _norm_of_last_axes(
    name: str, input: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Norm:
    check_float_tensors(name, input=input, weight=weight, bias=bias)
    if not isinstance(shape, Sequence) or not shape:
        raise TypeError(f"{name}() takes normalized_shape as one or more lengths, such as (768,), but got {shape!r}.")
    shape = tuple(shape)
    if input.shape[-len(shape) :] != shape:
        raise ValueError(f"{name}() over axes of lengths {shape} takes (..., *{shape}), but got shape {input.shape}.")
    check_shape(name, "weight", weight, shape, "one number for each that is normalized")
    check_shape(name, "bias", bias, shape, "one number for each that is normalized")
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
    check_float_tensors("batch_norm", input=input, weight=weight, bias=bias)
    channels = _channels("batch_norm", input)
    settings = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for role, value in settings.items():
        check_shape("batch_norm", role, value, (channels,), "one number a channel")
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
        mean, _, variance = norm.spread(wide(x))
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
    check_float_tensors("group_norm", input=input, weight=weight, bias=bias)
    channels = _channels("group_norm", input)
    if num_groups < 1 or channels % num_groups:
        raise ValueError(f"group_norm() cannot divide {channels} channels into num_groups={num_groups} equal groups.")
    length = math.prod(input.shape[2:])
    if input.shape[0] * (channels // num_groups) * length == 1:
        raise ValueError(f"group_norm() needs more than one value a group, but got shape {input.shape}.")
    for role, value in (("weight", weight), ("bias", bias)):
        check_shape("group_norm", role, value, (channels,), "one number a channel")
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
    check_float_tensors("instance_norm", input=input, weight=weight, bias=bias)
    channels = _channels("instance_norm", input)
    settings = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for role, value in settings.items():
        check_shape("instance_norm", role, value, (channels,), "one number a channel")
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
    mean, _, var = norm.spread(wide(input.data.reshape(norm.shape)))
    length = norm.shape[2]
    _move("instance_norm()", running_mean, mean.mean(axis=(0, 2)), momentum)
    _move("instance_norm()", running_var, var.mean(axis=(0, 2)) * (length / (length - 1)), momentum)
