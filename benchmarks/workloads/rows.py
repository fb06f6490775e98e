"""How close to the speed of memory are functions that look at every element a few times?

GELU, softmax, layer norm and cross-entropy on (4096, 1024), forward and backward.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.cases import Arrays, Case
from benchmarks.workloads.question import Question

SHAPE = (4096, 1024)
ARRAY_BYTES = 4 * SHAPE[0] * SHAPE[1]


def gelu(F: Any, parameters: Any, data: Any) -> Any:  # noqa: N803
    """Return the GELU of x, by its tanh form."""
    return F.gelu(parameters[0])


def softmax(F: Any, parameters: Any, data: Any) -> Any:  # noqa: N803
    """Return the softmax of each row."""
    return F.softmax(parameters[0])


def layer_norm(F: Any, parameters: Any, data: Any) -> Any:  # noqa: N803
    """Return the layer norm of each row, scaled and shifted."""
    return F.layer_norm(*parameters)


def cross_entropy(F: Any, parameters: Any, data: Any) -> Any:  # noqa: N803
    """Return the mean cross-entropy of the rows."""
    return F.cross_entropy(parameters[0], data[0])


def one_array(rng: np.random.Generator) -> Arrays:
    """Return x and the gradient at the output."""
    return Arrays((rng.standard_normal(SHAPE),), grad_output=rng.standard_normal(SHAPE))


def scaled_and_shifted(rng: np.random.Generator) -> Arrays:
    """Return x, scale and shift, and the gradient at the output."""
    scale, shift = 1 + 0.1 * rng.standard_normal((2, SHAPE[1]))
    return Arrays((rng.standard_normal(SHAPE), scale, shift), grad_output=rng.standard_normal(SHAPE))


def logits(rng: np.random.Generator) -> Arrays:
    """Return logits and a class for each row."""
    return Arrays((rng.standard_normal(SHAPE),), (rng.integers(0, SHAPE[1], SHAPE[0]),))


# Forward reads x and writes the result; backward reads one of them and grad_output, and writes the gradient.
FIVE_ARRAYS = 5 * ARRAY_BYTES
# Forward reads x; backward reads it again and writes the gradient.
THREE_ARRAYS = 3 * ARRAY_BYTES

QUESTION = Question(
    "GELU, softmax, layer norm and cross-entropy on (4096, 1024): forward and backward",
    (
        Case("rows, gelu", "gradient", "gelu", gelu, one_array, bytes_moved=FIVE_ARRAYS),
        Case("rows, softmax", "gradient", "softmax", softmax, one_array, bytes_moved=FIVE_ARRAYS),
        Case("rows, layer_norm", "gradient", "layer_norm", layer_norm, scaled_and_shifted, bytes_moved=FIVE_ARRAYS),
        Case("rows, cross_entropy", "gradient", "cross_entropy", cross_entropy, logits, bytes_moved=THREE_ARRAYS),
    ),
)
