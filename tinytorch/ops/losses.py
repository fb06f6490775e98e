"""Losses beyond those of lesson 04, in PyTorch's spelling, written in other operations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.core.losses import check_reduction
from tinytorch.core.tensor import Array, Tensor, from_numpy
from tinytorch.ops.activations import logsigmoid, softplus
from tinytorch.ops.choices import where
from tinytorch.ops.indexing import gather

__all__: list[str] = []


def _check_same(name: str, input: Any, target: Any) -> None:
    for role, value in (("input", input), ("target", target)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}() takes a tensor as {role}, but got {type(value).__name__}.")
    if input.shape != target.shape:
        raise ValueError(f"{name}() takes a target of the input's shape, {input.shape}, but got {target.shape}.")


def _reduced(name: str, losses: Tensor, reduction: str) -> Tensor:
    check_reduction(reduction)
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


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
    _check_same("poisson_nll_loss", input, target)
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        large = target > 1
        counts = where(large, target, 1.0)
        stirling = counts * counts.log() - counts + (counts * (2 * math.pi)).log() * 0.5
        losses = losses + where(large, stirling, 0.0)
    return _reduced("poisson_nll_loss", losses, reduction)


def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return ``log(1 + exp(-target * input))``, of targets -1 and 1.

    Examples
    --------
    >>> soft_margin_loss(Tensor([0.0]), Tensor([1.0]))
    tensor(0.6931)
    """
    _check_same("soft_margin_loss", input, target)
    return _reduced("soft_margin_loss", softplus(-(target * input), threshold=math.inf), reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Return the binary cross-entropy of logits and targets of 0 and 1, averaged over the classes, the last axis."""
    _check_same("multilabel_soft_margin_loss", input, target)
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    return _reduced("multilabel_soft_margin_loss", losses.mean(-1), reduction)


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
    return _reduced("multi_margin_loss", losses.reshape(target.shape), reduction)


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
