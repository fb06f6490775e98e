"""What does backward cost where paths multiply? 1,000 rungs, 2**1000 paths, 3,000 operations."""

from __future__ import annotations

from typing import Any

from benchmarks.cases import Case
from benchmarks.workloads.chain import one_number
from benchmarks.workloads.question import Question

RUNGS = 1000


def ladder(F: Any, parameters: Any, data: Any) -> Any:  # noqa: N803
    """Return x, split in halves and added again `RUNGS` times."""
    y = parameters[0]
    for _ in range(RUNGS):
        left, right = y * 0.5, y * 0.5
        y = left + right
    return y


QUESTION = Question(
    "A ladder of 1,000 diamonds: backward through it",
    (Case("ladder, backward", "backward", "ladder", ladder, one_number),),
)
