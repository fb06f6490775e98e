"""Activations, layers and losses as functions, in PyTorch's spelling."""

from __future__ import annotations

from tinytorch._growing import built as _built
from tinytorch._growing import missing_from as _missing_from

if _built("tensor"):
    from tinytorch.core.tensor import Tensor

if _built("activations"):
    from tinytorch.core import activations as _activations

    def relu(input: Tensor) -> Tensor:
        """Return ``max(input, 0)``."""
        return _activations.ReLU().forward(input)

    def sigmoid(input: Tensor) -> Tensor:
        """Return ``1 / (1 + exp(-input))``."""
        return _activations.Sigmoid().forward(input)

    def tanh(input: Tensor) -> Tensor:
        """Return the hyperbolic tangent."""
        return _activations.Tanh().forward(input)

    def gelu(input: Tensor, approximate: str = "none") -> Tensor:
        """Return ``input * Phi(input)``, exactly or by its tanh form."""
        return _activations.GELU(approximate).forward(input)

    def softmax(input: Tensor, dim: int) -> Tensor:
        """Return probabilities along `dim`."""
        return _activations.Softmax(dim).forward(input)

    def log_softmax(input: Tensor, dim: int) -> Tensor:
        """Return the logarithms of probabilities along `dim`."""
        return _activations.LogSoftmax(dim).forward(input)


if _built("layers"):
    from tinytorch.core import layers as _layers

    def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return ``input @ weight.T + bias``. Shapes: ``(..., in), (out, in), (out,) -> (..., out)``."""
        product = input @ weight.T
        return product if bias is None else product + bias

    def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
        """Set elements to 0 with probability `p` and scale the rest by ``1 / (1 - p)``, while training."""
        return _layers.Dropout(p).train(training).forward(input)


if _built("losses"):
    from tinytorch.core import losses as _losses

    def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
        """Return the squared error."""
        return _losses.MSELoss(reduction=reduction).forward(input, target)

    def binary_cross_entropy(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
        """Return the cross-entropy of probabilities and targets between 0 and 1."""
        return _losses.BCELoss(reduction=reduction).forward(input, target)

    def binary_cross_entropy_with_logits(
        input: Tensor, target: Tensor, *, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> Tensor:
        """Return the cross-entropy of logits and targets between 0 and 1."""
        return _losses.BCEWithLogitsLoss(reduction=reduction, pos_weight=pos_weight).forward(input, target)

    def cross_entropy(
        input: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """Return the cross-entropy of logits ``(N, C, ...)`` and class indices ``(N, ...)`` or probabilities."""
        loss = _losses.CrossEntropyLoss(
            weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
        return loss.forward(input, target)


__getattr__ = _missing_from(__name__)
