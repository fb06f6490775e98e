"""Losses, in PyTorch's spelling: those that are one operation, and those that are written in others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.activations import Softmax
from tinytorch.core.autograd import Function, mean_scale
from tinytorch.core.losses import CrossEntropyLoss, check_reduction, class_axis, reduce
from tinytorch.core.tensor import Array, FloatArray, Tensor, from_numpy
from tinytorch.ops._arguments import check_float_tensors, check_pair, check_shape, wide
from tinytorch.ops._blocks import dot_rows, in_blocks, shaped
from tinytorch.ops._registry import operation
from tinytorch.ops.activations import logsigmoid, softplus
from tinytorch.ops.arithmetic import minimum
from tinytorch.ops.choices import where
from tinytorch.ops.indexing import gather, masked_fill
from tinytorch.ops.norms import pairwise_distance
from tinytorch.ops.shape import in_kind

__all__: list[str] = []

Grads = tuple[FloatArray | None, ...]


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
    powers, _, total = _powers(wide(x))
    powers *= each[:, None] / total
    powers[np.arange(len(x)), index] -= each
    return (powers,)


def _powers(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return of each row ``exp(x - largest)``, `largest`, and the sum of the powers; the last two as columns."""
    largest = x.max(axis=1, keepdims=True)
    powers = x - largest
    np.exp(powers, out=powers)
    return powers, largest, dot_rows(powers, np.ones(x.shape[1], x.dtype))


@operation(SoftmaxCrossEntropyBackward, method="_cross_entropy")
def _cross_entropy(input: Tensor, target: Array, ignore_index: int, reduction: str) -> Tensor:
    index, counts, total = _counted(input.data, target, None, ignore_index)

    def surprise(index: Array, x: FloatArray) -> tuple[FloatArray]:
        x = wide(x)
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
        check_float_tensors("nll_loss", input=input, weight=weight)
        check_shape("nll_loss", "weight", weight, (input.shape[class_axis(input.data)],), "one number a class")
        if weight.requires_grad:
            raise ValueError("nll_loss(): weight is a setting and receives no gradient. Pass weight.detach().")
    return _nll_loss(input, target.data, None if weight is None else weight.data, ignore_index, reduction)


def _check_classes(input: Tensor, target: Tensor, ignore_index: int) -> None:
    check_float_tensors("nll_loss", input=input)
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
    return _l1_loss(*check_pair("l1_loss", input, target), reduction)


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
    input, target = check_pair("huber_loss", input, target)
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
    input, target = check_pair("smooth_l1_loss", input, target)
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
    input, target = check_pair("kl_div", input, target)
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
    input, target = check_pair("gaussian_nll_loss", input, target)
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
    input, target = check_pair("hinge_embedding_loss", input, target)
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
    check_pair("margin_ranking_loss", input1, input2)
    input1, target = check_pair("margin_ranking_loss", input1, target)
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
    check_pair("cosine_embedding_loss", input1, input2)
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
    check_pair("triplet_margin_loss", anchor, positive)
    check_pair("triplet_margin_loss", anchor, negative)
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return _reduced((margin + near - far).clip(min=0), reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Return how unlikely counts are under Poisson distributions: ``exp(input) - target * input``.

    Parameters
    ----------
    input
        The logarithms of the expected counts; the counts themselves if `log_input` is false.
    target
        The counts, of the same shape.
    log_input
        Whether `input` holds logarithms.
    full
        Whether Stirling's approximation of ``log(target!)`` is added, where the target is above 1.
    eps
        What is added to `input` before its logarithm is taken.
    reduction
        "mean", "sum" or "none".

    Examples
    --------
    >>> poisson_nll_loss(Tensor([0.0]), Tensor([2.0]))
    tensor(1.)
    """
    input, target = check_pair("poisson_nll_loss", input, target)
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        large = target > 1
        counts = where(large, target, 1.0)
        stirling = counts * counts.log() - counts + (counts * (2 * math.pi)).log() * 0.5
        losses = losses + where(large, stirling, 0.0)
    return _reduced(losses, reduction)


def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return ``log(1 + exp(-target * input))``, of targets -1 and 1.

    Examples
    --------
    >>> soft_margin_loss(Tensor([0.0]), Tensor([1.0]))
    tensor(0.6931)
    """
    input, target = check_pair("soft_margin_loss", input, target)
    return _reduced(softplus(-(target * input), threshold=math.inf), reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Return the binary cross-entropy of logits and targets of 0 and 1, averaged over the classes, the last axis."""
    input, target = check_pair("multilabel_soft_margin_loss", input, target)
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    return _reduced(losses.mean(-1), reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Return by how much the scores of wrong classes come within `margin` of the right one's: a hinge for each.

    Parameters
    ----------
    input
        Scores ``(N, C)`` or ``(C,)``.
    target
        The right classes, ``(N,)`` or ``()``.
    p
        The power of each hinge, 1 or 2.
    margin
        How far they should stay away.
    weight
        A factor for each class, that of the right one counts.
    reduction
        "mean", "sum" or "none".

    Notes
    -----
    Source: ``torch.nn.functional.multi_margin_loss``, which divides by the number of classes.

    Examples
    --------
    >>> multi_margin_loss(Tensor([[2.0, 1.5]]), Tensor([0]).long())
    tensor(0.25)
    """
    rows, classes = _rows_and_classes("multi_margin_loss", input, target)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss() takes p=1 or p=2, but got {p}.")
    right = from_numpy(classes.reshape(-1, 1))
    gaps = (rows - gather(rows, 1, right) + margin).clip(min=0.0)
    hinges = gaps if p == 1 else gaps * gaps
    if weight is not None:
        hinges = hinges * weight[right]
    wrong = np.arange(rows.shape[1]) != right.data
    losses = (hinges * from_numpy(wrong.astype(rows.dtype))).sum(1) / rows.shape[1]
    return _reduced(losses.reshape(target.shape), reduction)


def _rows_and_classes(name: str, input: Any, target: Any) -> tuple[Tensor, Array]:
    """Return scores as rows, and the class of each row."""
    if not isinstance(input, Tensor) or not isinstance(target, Tensor) or target.dtype.kind not in "iu":
        raise TypeError(f"{name}() takes a tensor of scores and one of classes, integers. Use target.long().")
    if input.ndim not in (1, 2) or target.shape != input.shape[:-1]:
        raise ValueError(
            f"{name}() takes scores (N, C) and classes (N,), or (C,) and one class, but got shapes {input.shape} and "
            f"{target.shape}."
        )
    count, classes = input.shape[-1], target.data.reshape(-1)
    if classes.size and not 0 <= classes.min() <= classes.max() < count:
        raise IndexError(f"{name}() of {count} classes takes 0 to {count - 1}, but got {classes.tolist()}.")
    return input.reshape(-1, count), classes
