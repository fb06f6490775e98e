"""Compares how tests ended: for the learner's answer, and for answers with a known mistake."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from tito.lesson import STUB_MESSAGE


class TooLongError(Exception):
    """Raised in a test for which time is up."""


Outcome = Mapping[str, Any] | None  # what was told of a failure; None where the test passed
Outcomes = Mapping[str, Outcome]  # by test

_TOKEN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|\w+|[^\w\s]", re.IGNORECASE)
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_RTOL, _ATOL = 1e-5, 1e-12


def fitting(learner: Outcomes, mistakes: Mapping[str, Outcomes]) -> list[str]:
    """Return the mistakes after which all tests that ran end as they do for the learner.

    What can tell nothing is left aside: tests of what is not written yet, and those for which time was up in one of
    the two runs alone.
    """
    return [name for name, outcomes in mistakes.items() if _fits(learner, outcomes)]


def _fits(learner: Outcomes, mistake: Outcomes) -> bool:
    pairs = [(outcome, mistake[test]) for test, outcome in learner.items() if test in mistake and not is_stub(outcome)]
    telling = [(a, b) for a, b in pairs if is_cut_short(a) == is_cut_short(b)]
    return any(a for a, _ in telling) and all(alike(a, b) for a, b in telling)


def is_cut_short(outcome: Outcome) -> bool:
    """Whether time was up for a test."""
    return bool(outcome and outcome.get("type") == TooLongError.__name__)


def is_stub(outcome: Outcome) -> bool:
    """Whether a test failed because an answer is not written yet."""
    return bool(
        outcome and outcome.get("type") == "NotImplementedError" and STUB_MESSAGE.search(outcome.get("message", ""))
    )


def alike(a: Outcome, b: Outcome) -> bool:
    """Whether a test ended in the same way: passed, or failed at the same line with the same error and values.

    An error tells of its operands in the order in which they were written, so there the order does not count.
    """
    if not a or not b:
        return not a and not b
    if is_cut_short(a) or is_cut_short(b):
        return is_cut_short(a) and is_cut_short(b)
    if (a["type"], a["line"]) != (b["type"], b["line"]):
        return False
    ordered = a["type"] == "AssertionError"
    return all(same_text(a[key], b[key], ordered) for key in ("came", "expected"))


def same_text(a: str, b: str, ordered: bool = True) -> bool:
    """Whether two texts agree, the numbers in them but for rounding; or, if not `ordered`, hold the same words."""
    if a == b:
        return True
    one, other = (_TOKEN.findall(_ADDRESS.sub("", text)) for text in (a, b))
    if not ordered:
        one, other = sorted(one), sorted(other)
    return len(one) == len(other) and all(map(_same_token, one, other))


def _same_token(a: str, b: str) -> bool:
    if a == b:
        return True
    try:
        return math.isclose(float(a), float(b), rel_tol=_RTOL, abs_tol=_ATOL)
    except ValueError:
        return False
