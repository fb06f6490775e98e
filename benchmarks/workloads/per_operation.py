"""What does an operation cost beside its arithmetic? ``x * y + z`` on four elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.cases import Arrays, Case
from benchmarks.workloads.question import Question


def product_and_sum(F: Any, parameters: Any, data: Any) -> Any:  # noqa: N803
    """Return ``x * y + z``."""
    x, y, z = parameters
    return x * y + z


def four_elements(rng: np.random.Generator) -> Arrays:
    """Return x, y, z, and ones for the gradient at the output."""
    return Arrays(tuple(rng.standard_normal((3, 4))), grad_output=np.ones(4))


QUESTION = Question(
    "x * y + z on 4 elements: forward with recording, and forward with backward",
    (
        Case("per_operation, forward", "forward", "product_and_sum", product_and_sum, four_elements),
        Case("per_operation, with backward", "gradient", "product_and_sum", product_and_sum, four_elements),
    ),
)
