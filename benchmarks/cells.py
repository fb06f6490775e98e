"""What a run finds out: rows of cells, one for each engine."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass, field


@dataclass
class Cell:
    """What one engine achieved in one row: the numbers of its runs, or why there are none."""

    runs: list[float] = field(default_factory=list)
    reason: str | None = None

    @property
    def median(self) -> float:
        """The middle one of the runs."""
        return statistics.median(self.runs)

    @property
    def noisy(self) -> bool:
        """Whether the middle half of the runs spreads over more than a quarter of the median."""
        if len(self.runs) < 4:
            return False
        low, _, high = statistics.quantiles(self.runs, n=4)
        return high - low > self.median / 4


@dataclass
class Row:
    """A row of the table."""

    name: str
    unit: str
    cells: dict[str, Cell]
    bytes_moved: int | None = None


def say(text: str) -> None:
    """Tell on the error stream what is being measured."""
    print(text, file=sys.stderr, flush=True)
