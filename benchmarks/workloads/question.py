"""A question: rows of the table that belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.cases import Case

if TYPE_CHECKING:
    from benchmarks.cells import Row
    from benchmarks.session import Session


@dataclass(frozen=True)
class Question:
    """What one name on the command line asks for: cases that are timed, or a measurement of its own kind."""

    asks: str
    cases: tuple[Case, ...] = field(default=())
    measurement: Callable[[Session], list[Row]] | None = None

    def answer(self, session: Session) -> list[Row]:
        """Return the rows of the table."""
        if self.measurement is not None:
            return self.measurement(session)
        return [session.time_case(case) for case in self.cases]
