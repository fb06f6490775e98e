# Exported from modules/04_losses/losses_dev.py by tito export; edit it there.
"""Losses: one number that says how wrong a prediction is, stable at any input."""

from __future__ import annotations

import numpy as np

from tinytorch.core.activations import stable_log_softmax
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Array, FloatArray, Tensor, from_numpy

__all__ = [
    "REDUCTIONS",
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "Loss",
    "MSELoss",
    "check_reduction",
    "class_axis",
    "expectation",
    "one_hot",
    "reduce",
    "smoothed",
    "softplus",
]


REDUCTIONS = ("mean", "sum", "none")


def check_reduction(reduction: str) -> None:
    """Raise an error that lists the reductions if `reduction` is none of them."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"a loss is reduced by 'mean', 'sum' or 'none', but got reduction={reduction!r}.")


def reduce(values: FloatArray, reduction: str) -> FloatArray:
    """Return the mean or the sum of `values`, or for "none" the values themselves.

    The mean of no values is nan, as in PyTorch.
    """
    check_reduction(reduction)
    if reduction == "mean" and values.size == 0:
        return np.asarray(np.nan, values.dtype)
    if reduction == "mean":
        values = values.mean()
    elif reduction == "sum":
        values = values.sum()
    return np.asarray(values)


class Loss(Module):
    """A module that compares an input with a target; `reduction` is "mean", "sum" or "none"."""

    def __init__(self, reduction: str = "mean") -> None:
        check_reduction(reduction)
        self.reduction = reduction

    def _check_tensors(self, input: Tensor, target: Tensor) -> None:
        """Raise an error unless both are tensors, the input one of floats."""
        name = type(self).__name__
        for role, value in (("input", input), ("target", target)):
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"{name}: {role} must be a Tensor, but got {type(value).__name__}. tensor(x) makes one."
                )
        if input.dtype.kind != "f":
            raise TypeError(f"{name}: input must hold floats, but it holds {input.dtype}. Use input.float().")

    def _arrays(self, input: Tensor, target: Tensor) -> tuple[FloatArray, FloatArray]:
        """Return the arrays of two tensors of one shape, as floats; never broadcast them."""
        self._check_tensors(input, target)
        if input.shape != target.shape:
            raise ValueError(
                f"{type(self).__name__}: input has shape {input.shape} but target {target.shape}. "
                f"They must be equal; {_way_to_equal_shapes(input.shape, target.shape)}."
            )
        return input.data, target.data if target.dtype.kind == "f" else target.data.astype(input.dtype)


def _way_to_equal_shapes(input: tuple[int, ...], target: tuple[int, ...]) -> str:
    """Say what gives the target the shape of the input."""
    if len(input) > 1 and 1 not in input and target == input[::-1]:
        return "try target.T"
    if np.prod(input) == np.prod(target):
        return f"try target.reshape({', '.join(map(str, input)) or '()'})"
    return "give one target for each element of the input"


class MSELoss(Loss):
    """Squared error: ``(input - target)**2``.

    Examples
    --------
    >>> MSELoss()(Tensor([3.0, 5.0]), Tensor([1.0, 5.0])).item()
    2.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the squared error of two tensors of one shape.

        Raises
        ------
        ValueError
            If the shapes differ.
        TypeError
            If the input does not hold floats.
        """
        x, t = self._arrays(input, target)
        squares = (x - t) ** 2
        return from_numpy(reduce(squares, self.reduction))


class BCELoss(Loss):
    """Binary cross-entropy of probabilities: ``-(t * log(p) + (1 - t) * log(1 - p))``.

    Notes
    -----
    The logarithms are kept above -100, so that a certain and wrong answer costs 100, not infinity.
    `BCEWithLogitsLoss` needs no such limit; prefer it.

    Examples
    --------
    >>> round(BCELoss()(Tensor([0.9]), Tensor([1.0])).item(), 4)
    0.1054
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the surprise at the targets, for an input of probabilities of the same shape.

        Raises
        ------
        ValueError
            If the shapes differ, or an element of either is not between 0 and 1.
        TypeError
            If the input does not hold floats.
        """
        p, t = self._arrays(input, target)
        self._check_between_0_and_1("input", p, " BCEWithLogitsLoss takes logits, which can be any number.")
        self._check_between_0_and_1("target", t, "")
        with np.errstate(divide="ignore"):  # log(0) is -inf here, and then -100
            if_true = np.maximum(np.log(p), -100)
            if_false = np.maximum(np.log1p(-p), -100)
        surprise = -(t * if_true + (1 - t) * if_false)
        return from_numpy(reduce(surprise, self.reduction))

    def _check_between_0_and_1(self, role: str, values: FloatArray, advice: str) -> None:
        wrong = ~((values >= 0) & (values <= 1))  # so nan is wrong too
        if wrong.any():
            raise ValueError(
                f"BCELoss: {role} must hold probabilities, 0 to 1, but {_first(role, values, wrong)}.{advice}"
            )


def _first(name: str, values: Array, wrong: Array) -> str:
    """Describe the first element of `values` where `wrong` is true, for example ``target[3] is 7``."""
    position = tuple(np.argwhere(wrong)[0].tolist())
    index = f"[{', '.join(map(str, position))}]" if position else ""
    return f"{name}{index} is {values[position]}"


def softplus(x: FloatArray) -> FloatArray:
    """Return ``log(1 + exp(x))``, from ``exp(-|x|)``, which cannot overflow."""
    result: FloatArray = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return result


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of logits: `Sigmoid` and `BCELoss` in one, right at any logit.

    Parameters
    ----------
    reduction
        "mean", "sum" or "none".
    pos_weight
        How often to count the positive examples, one number or one a class; it broadcasts over the input.

    Raises
    ------
    ValueError
        If `reduction` is none of the three.

    Examples
    --------
    >>> BCEWithLogitsLoss()(Tensor([10000.0, -10000.0]), Tensor([0.0, 0.0])).item()
    5000.0
    """

    def __init__(self, reduction: str = "mean", pos_weight: Tensor | None = None) -> None:
        super().__init__(reduction)
        _check_setting(self, "pos_weight", pos_weight)
        self.pos_weight = pos_weight

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the surprise at the targets, for an input of logits of the same shape.

        Raises
        ------
        ValueError
            If the shapes differ, or `pos_weight` does not broadcast over them.
        TypeError
            If the input does not hold floats.
        """
        x, t = self._arrays(input, target)
        weight = self._positive_weight(x)
        surprise = weight * t * softplus(-x) + (1 - t) * softplus(x)
        return from_numpy(reduce(surprise, self.reduction))

    def _positive_weight(self, x: FloatArray) -> FloatArray:
        """Return what the positive examples count, in the type of `x`; 1 unless told otherwise."""
        if self.pos_weight is None:
            return np.ones((), x.dtype)
        weight = self.pos_weight.data.astype(x.dtype)
        fits = weight.ndim <= x.ndim and all(
            n in (1, m) for n, m in zip(weight.shape[::-1], x.shape[::-1], strict=False)
        )
        if not fits:
            raise ValueError(
                f"BCEWithLogitsLoss: pos_weight of shape {weight.shape} does not broadcast over an input of shape "
                f"{x.shape}. Give one number, or one for each class on the last axis."
            )
        return weight


def _check_setting(loss: Loss, name: str, value: Tensor | None) -> None:
    """Raise an error unless `value` is None or a tensor that is not trained."""
    where = f"{type(loss).__name__}: {name}"
    if value is not None and not isinstance(value, Tensor):
        raise TypeError(f"{where} must be a Tensor or None, but got {type(value).__name__}. Tensor(x) makes one.")
    if value is not None and value.requires_grad:
        raise ValueError(f"{where} is a setting and receives no gradient. Pass {name}.detach().")


class CrossEntropyLoss(Loss):
    """Cross-entropy of logits: the surprise at the true class, after a softmax over the classes.

    Parameters
    ----------
    weight
        How much each class counts, shape ``(C,)``; all the same if None.
    ignore_index
        Positions whose class index is this one do not count.
    reduction
        "mean", "sum" or "none". The mean over class indices is weighted: divided by the sum of the weights.
    label_smoothing
        The share of the true distribution that is spread evenly over all classes, 0 to 1.

    Raises
    ------
    ValueError
        If `reduction` or `label_smoothing` is not one of the values above.
    TypeError
        If `weight` is not a tensor.

    Notes
    -----
    Shapes: logits ``(C,)``, ``(N, C)`` or ``(N, C, d1, ...)``. Targets: integers, class indices, of the same shape
    without C; or floats, probabilities, of the same shape.
    The mean over no position is nan, as in PyTorch.

    Examples
    --------
    >>> logits, classes = Tensor([[10000.0, 0.0], [0.0, 0.0]]), Tensor([1, 0]).long()
    >>> [round(loss, 4) for loss in CrossEntropyLoss(reduction="none")(logits, classes).tolist()]
    [10000.0, 0.6931]
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        _check_setting(self, "weight", weight)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"CrossEntropyLoss: label_smoothing is a share, 0 to 1, but got {label_smoothing}.")
        self.weight = weight
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def target_distribution(self, logits: FloatArray, target: Array) -> tuple[FloatArray, FloatArray]:
        """Return what is true, as weights of the log-probabilities, and what the mean multiplies the sum by.

        Returns
        -------
        q
            Of the shape of `logits`, smoothed and weighted, 0 at ignored positions. The loss of a position is
            ``-sum(q * log_softmax(logits))`` over its classes.
        scale
            0-d: the mean is the sum of all losses times this. 1 for the other reductions; 0 if no position counts.
        """
        axis = class_axis(logits)
        weight = self._class_weights(logits)
        if target.dtype.kind == "f":
            q = smoothed(target.astype(logits.dtype, copy=False), self.label_smoothing)
            total = logits.size / logits.shape[axis]
        else:
            ignored = target == self.ignore_index
            q = smoothed(one_hot(np.where(ignored, 0, target), logits), self.label_smoothing)
            np.moveaxis(q, axis, -1)[ignored] = 0
            total = weight[target[~ignored]].sum()
        if self.weight is not None:
            q = q * weight.reshape([-1 if i == axis else 1 for i in range(q.ndim)])
        if self.reduction != "mean":
            total = 1
        return q, np.asarray(1 / total if total else 0, logits.dtype)

    def _class_weights(self, logits: FloatArray) -> FloatArray:
        """Return one weight a class, in the type of `logits`."""
        classes = logits.shape[class_axis(logits)]
        if self.weight is None:
            return np.ones(classes, logits.dtype)
        if self.weight.shape != (classes,):
            raise ValueError(
                f"CrossEntropyLoss: weight has shape {self.weight.shape}, but the logits have {classes} classes. "
                f"Give one weight a class, shape ({classes},)."
            )
        return self.weight.data.astype(logits.dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the cross-entropy of logits and class indices or probabilities.

        Raises
        ------
        ValueError
            If the shapes do not fit together.
        IndexError
            If a class index is not one of the classes.
        TypeError
            If the logits do not hold floats, or the target holds floats where class indices are expected.
        """
        self._check(input, target)
        logits = input.data
        q, scale = self.target_distribution(logits, target.data)
        losses = -expectation(q, stable_log_softmax(logits, class_axis(logits)))
        if self.reduction == "none":
            return from_numpy(losses)
        total = losses.sum() * scale
        return from_numpy(np.asarray(total if scale else np.nan, logits.dtype))

    def _check(self, input: Tensor, target: Tensor) -> None:
        """Raise an error unless the target fits the logits."""
        self._check_tensors(input, target)
        if input.ndim == 0 or input.shape[class_axis(input.data)] == 0:
            raise ValueError(
                f"CrossEntropyLoss: input has shape {input.shape}, but needs an axis of one or more classes: "
                "(C,), (N, C) or (N, C, d1, ...)."
            )
        if target.dtype.kind == "b":
            raise TypeError("CrossEntropyLoss: target holds bool. Class indices are integers: use target.long().")
        axis = class_axis(input.data)
        positions = input.shape[:axis] + input.shape[axis + 1 :]
        if target.dtype.kind == "f":
            self._check_probabilities(input, target, positions)
        else:
            self._check_indices(input, target, positions)

    def _check_probabilities(self, input: Tensor, target: Tensor, positions: tuple[int, ...]) -> None:
        if target.shape == input.shape:
            if self.ignore_index >= 0:
                raise ValueError(
                    f"CrossEntropyLoss: ignore_index={self.ignore_index} picks class indices, but target holds "
                    "probabilities. Leave ignore_index out."
                )
            return
        if target.size == np.prod(positions):
            raise TypeError(
                f"CrossEntropyLoss: target has shape {target.shape} and holds {target.dtype}. Class indices are "
                "integers: use target.long()."
            )
        raise ValueError(
            f"CrossEntropyLoss: input has shape {input.shape} but a target of probabilities {target.shape}. "
            "They must be equal."
        )

    def _check_indices(self, input: Tensor, target: Tensor, positions: tuple[int, ...]) -> None:
        if target.shape != positions:
            raise ValueError(
                f"CrossEntropyLoss: input of shape {input.shape} takes class indices of shape {positions}, but target "
                f"has shape {target.shape}. {self._advice(input, target, positions)}"
            )
        classes = input.shape[class_axis(input.data)]
        indices = target.data
        wrong = ((indices < 0) | (indices >= classes)) & (indices != self.ignore_index)
        if wrong.any():
            raise IndexError(
                f"CrossEntropyLoss: {_first('target', indices, wrong)}, but the classes are 0 to {classes - 1}. "
                f"A position that shall not count is marked by {self.ignore_index}, the ignore_index."
            )

    def _advice(self, input: Tensor, target: Tensor, positions: tuple[int, ...]) -> str:
        if target.shape == input.shape:
            return "If it holds probabilities, use target.float()."
        if input.ndim > 2 and target.shape == input.shape[:-1]:
            return (
                "The classes belong on axis 1. If they are on the last one, use "
                f"input.reshape(-1, {input.shape[-1]}) and target.reshape(-1)."
            )
        if target.size == np.prod(positions):
            return f"Try target.reshape({', '.join(map(str, positions)) or '()'})."
        return "Give one class index for each position."


def class_axis(logits: Array) -> int:
    """Return the axis of the classes: the only one of ``(C,)``, the second of ``(N, C, ...)``."""
    return 0 if logits.ndim == 1 else 1


def one_hot(classes: Array, logits: FloatArray) -> FloatArray:
    """Return an array like `logits` with 1 at the true class of each position and 0 elsewhere."""
    axis = class_axis(logits)
    result = np.zeros_like(logits)
    np.put_along_axis(result, np.expand_dims(classes, axis), 1, axis)
    return result


def smoothed(p: FloatArray, smoothing: float) -> FloatArray:
    """Return distributions `p` with the share `smoothing` of each spread evenly over the classes."""
    if smoothing == 0:
        return p
    mixed: FloatArray = (1 - smoothing) * p + smoothing / p.shape[class_axis(p)]
    return mixed


def expectation(q: FloatArray, values: FloatArray) -> FloatArray:
    """Return the sum of ``q * values`` over the classes; where q is 0, a value of -inf does not count."""
    products = np.multiply(q, values, out=np.zeros_like(q), where=q != 0)
    result: FloatArray = products.sum(axis=class_axis(q))
    return result
