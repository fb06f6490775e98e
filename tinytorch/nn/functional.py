"""Activations, layers and losses as functions, in PyTorch's spelling."""

from __future__ import annotations

from numpy.typing import DTypeLike as _DTypeLike

from tinytorch._growing import built as _built
from tinytorch._growing import missing_from as _missing_from
from tinytorch._names import BUILT_BY as _BUILT_BY

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

    def softmax(input: Tensor, dim: int, dtype: _DTypeLike | None = None) -> Tensor:
        """Return probabilities along `dim`; with `dtype`, of the input converted to it."""
        return _activations.Softmax(dim).forward(input if dtype is None else input.to(dtype))

    def log_softmax(input: Tensor, dim: int, dtype: _DTypeLike | None = None) -> Tensor:
        """Return the logarithms of probabilities along `dim`; with `dtype`, of the input converted to it."""
        return _activations.LogSoftmax(dim).forward(input if dtype is None else input.to(dtype))


if _built("autograd"):
    from tinytorch.ops.activations import celu as celu
    from tinytorch.ops.activations import elu as elu
    from tinytorch.ops.activations import gumbel_softmax as gumbel_softmax
    from tinytorch.ops.activations import hardshrink as hardshrink
    from tinytorch.ops.activations import hardsigmoid as hardsigmoid
    from tinytorch.ops.activations import hardswish as hardswish
    from tinytorch.ops.activations import hardtanh as hardtanh
    from tinytorch.ops.activations import leaky_relu as leaky_relu
    from tinytorch.ops.activations import logsigmoid as logsigmoid
    from tinytorch.ops.activations import mish as mish
    from tinytorch.ops.activations import prelu as prelu
    from tinytorch.ops.activations import relu6 as relu6
    from tinytorch.ops.activations import rrelu as rrelu
    from tinytorch.ops.activations import selu as selu
    from tinytorch.ops.activations import silu as silu
    from tinytorch.ops.activations import softmin as softmin
    from tinytorch.ops.activations import softplus as softplus
    from tinytorch.ops.activations import softshrink as softshrink
    from tinytorch.ops.activations import softsign as softsign
    from tinytorch.ops.activations import tanhshrink as tanhshrink
    from tinytorch.ops.activations import threshold as threshold
    from tinytorch.ops.attention import scaled_dot_product_attention as scaled_dot_product_attention
    from tinytorch.ops.layers import dropout as dropout
    from tinytorch.ops.layers import embedding as embedding
    from tinytorch.ops.layers import glu as glu
    from tinytorch.ops.layers import linear as linear
    from tinytorch.ops.losses import cosine_embedding_loss as cosine_embedding_loss
    from tinytorch.ops.losses import cross_entropy as cross_entropy
    from tinytorch.ops.losses import gaussian_nll_loss as gaussian_nll_loss
    from tinytorch.ops.losses import hinge_embedding_loss as hinge_embedding_loss
    from tinytorch.ops.losses import huber_loss as huber_loss
    from tinytorch.ops.losses import kl_div as kl_div
    from tinytorch.ops.losses import l1_loss as l1_loss
    from tinytorch.ops.losses import margin_ranking_loss as margin_ranking_loss
    from tinytorch.ops.losses import multi_margin_loss as multi_margin_loss
    from tinytorch.ops.losses import multilabel_soft_margin_loss as multilabel_soft_margin_loss
    from tinytorch.ops.losses import nll_loss as nll_loss
    from tinytorch.ops.losses import poisson_nll_loss as poisson_nll_loss
    from tinytorch.ops.losses import smooth_l1_loss as smooth_l1_loss
    from tinytorch.ops.losses import soft_margin_loss as soft_margin_loss
    from tinytorch.ops.losses import triplet_margin_loss as triplet_margin_loss
    from tinytorch.ops.moving import pad as pad
    from tinytorch.ops.normalization import batch_norm as batch_norm
    from tinytorch.ops.normalization import group_norm as group_norm
    from tinytorch.ops.normalization import instance_norm as instance_norm
    from tinytorch.ops.normalization import layer_norm as layer_norm
    from tinytorch.ops.normalization import rms_norm as rms_norm
    from tinytorch.ops.norms import cosine_similarity as cosine_similarity
    from tinytorch.ops.norms import normalize as normalize
    from tinytorch.ops.norms import pairwise_distance as pairwise_distance
    from tinytorch.ops.searching import one_hot as one_hot
    from tinytorch.ops.windows import fold as fold
    from tinytorch.ops.windows import unfold as unfold
elif _built("layers"):
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

    if not _built("autograd"):

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


if _built("spatial"):
    from tinytorch.core.spatial import adaptive_avg_pool1d as adaptive_avg_pool1d
    from tinytorch.core.spatial import adaptive_avg_pool2d as adaptive_avg_pool2d
    from tinytorch.core.spatial import adaptive_max_pool1d as adaptive_max_pool1d
    from tinytorch.core.spatial import adaptive_max_pool2d as adaptive_max_pool2d
    from tinytorch.core.spatial import avg_pool1d as avg_pool1d
    from tinytorch.core.spatial import avg_pool2d as avg_pool2d
    from tinytorch.core.spatial import conv1d as conv1d
    from tinytorch.core.spatial import conv2d as conv2d
    from tinytorch.core.spatial import max_pool1d as max_pool1d
    from tinytorch.core.spatial import max_pool2d as max_pool2d

# What `tinytorch.ops` adds joins the table of module 05.
_FROM_OPS = (
    *("batch_norm", "celu", "cosine_embedding_loss", "cosine_similarity", "elu", "embedding", "fold"),
    *("gaussian_nll_loss", "glu", "group_norm", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish"),
    *("hardtanh", "hinge_embedding_loss", "huber_loss", "instance_norm", "kl_div", "l1_loss", "layer_norm"),
    *("leaky_relu", "logsigmoid", "margin_ranking_loss", "mish", "multi_margin_loss"),
    *("multilabel_soft_margin_loss", "nll_loss", "normalize", "one_hot", "pad", "pairwise_distance"),
    *("poisson_nll_loss", "prelu", "relu6", "rms_norm", "rrelu", "scaled_dot_product_attention", "selu"),
    *("silu", "smooth_l1_loss", "soft_margin_loss", "softmin", "softplus", "softshrink", "softsign"),
    *("tanhshrink", "threshold", "triplet_margin_loss", "unfold"),
)
_BUILT_BY[__name__].update(dict.fromkeys(_FROM_OPS, "05_autograd"))
__getattr__ = _missing_from(__name__)
