"""What does a graph of 10,000 operations, one after the other, cost to build and to walk back?"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.cases import Arrays, Case
from benchmarks.workloads.question import Question

LENGTH = 10_000
FACTOR = 1 + 2.0**-13  # float32 holds it exactly


def chain(F: Any, parameters: Any, data: Any) -> Any:  # noqa: N803
    """Return x, multiplied `LENGTH` times."""
    y = parameters[0]
    for _ in range(LENGTH):
        y = y * FACTOR
    return y


def one_number(rng: np.random.Generator) -> Arrays:
    """Return the number 1."""
    return Arrays((np.ones(()),))


QUESTION = Question(
    "A chain of 10,000 operations: building it, and backward through it",
    (
        Case("chain, build", "build", "chain", chain, one_number),
        Case("chain, backward", "backward", "chain", chain, one_number),
    ),
)
