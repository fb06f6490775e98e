"""How long does a training step of a transformer block take?"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.cases import Adam, Array, Arrays, Case
from benchmarks.workloads.mlp import layer
from benchmarks.workloads.question import Question

BATCH, CONTEXT, WIDTH, HEADS = 8, 128, 128, 4


def attention(F: Any, x: Any, wq: Any, bq: Any, wk: Any, bk: Any, wv: Any, bv: Any, wo: Any, bo: Any) -> Any:  # noqa: N803
    """Return causal self-attention of x. Shapes: ``(B, T, C) -> (B, T, C)``, inside ``(B, heads, T, C / heads)``."""
    q, k, v = (F.split_heads(F.linear(x, w, b), HEADS) for w, b in ((wq, bq), (wk, bk), (wv, bv)))
    return F.linear(F.merge_heads(F.causal_attention(q, k, v)), wo, bo)


def transformer_block(F: Any, parameters: Any, data: Any) -> Any:  # noqa: N803
    """Return the mean squared error of a pre-norm block: attention and a GELU MLP, each beside a residual."""
    x, targets = data
    scale1, shift1, *attending, scale2, shift2, w1, b1, w2, b2 = parameters
    x = x + attention(F, F.layer_norm(x, scale1, shift1), *attending)
    hidden = F.gelu(F.linear(F.layer_norm(x, scale2, shift2), w1, b1))
    return F.mse_loss(x + F.linear(hidden, w2, b2), targets)


def norm() -> tuple[Array, Array]:
    """Return the scale and the shift that a layer norm starts from."""
    return np.ones(WIDTH), np.zeros(WIDTH)


def block(rng: np.random.Generator) -> Arrays:
    """Return the parameters of a block, an input and a target."""
    attending = [array for _ in range(4) for array in layer(rng, WIDTH, WIDTH)]
    mlp = (*layer(rng, WIDTH, 4 * WIDTH), *layer(rng, 4 * WIDTH, WIDTH))
    x, targets = rng.standard_normal((2, BATCH, CONTEXT, WIDTH))
    return Arrays((*norm(), *attending, *norm(), *mlp), (x, targets))


QUESTION = Question(
    "A training step of a transformer block: width 128, 4 heads, context 128, batch 8, pre-norm, causal, GELU, Adam",
    (Case("transformer", "train", "transformer_block", transformer_block, block, Adam(1e-3)),),
)
