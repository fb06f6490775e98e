"""A pytest plugin that brings the tests of the exercise in hand to the front, and those of unwritten ones to the back.

What is wanted is read from the environment, a JSON object: `ranks`, a place for each exercise; `waiting`, the first
of the places that mean "not written yet"; and `brief`, whether one test is enough to say so of each of these.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable
from typing import Any

import pytest

VARIABLE = "TITO_ORDER"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests; those that search for a counterexample come after the worked cases of the same place."""
    if VARIABLE not in os.environ:
        return
    told: dict[str, Any] = json.loads(os.environ[VARIABLE])
    ranks, waiting = told["ranks"], told["waiting"]
    places = {item: place(_exercises(item), ranks, waiting) for item in items}
    items.sort(key=lambda item: (places[item], _searches(item)))
    if told["brief"]:
        kept = brief([places[item] for item in items], waiting, max(ranks.values(), default=0))
        config.hook.pytest_deselected(items=[item for item, keep in zip(items, kept, strict=True) if not keep])
        items[:] = itertools.compress(items, kept)


def place(exercises: Iterable[str], ranks: dict[str, int], waiting: int) -> int:
    """Return a test's place: with the first of its exercises, but no sooner than all of them are written.

    A test that no exercise is named for comes when all others have passed.
    """
    found = [ranks[name] for name in exercises if name in ranks]
    if not found:
        return max(ranks.values(), default=0) + 1
    return max(found) if max(found) >= waiting else min(found)


def brief(places: list[int], waiting: int, last: int) -> list[bool]:
    """Say which tests to keep: of those that wait for the same exercise the first, of those that wait for all none.

    Parameters
    ----------
    places
        Those of the tests, sorted.
    waiting, last
        The first place that means "not written yet", and the last that belongs to an exercise.
    """
    return [here < waiting or (here != before and here <= last) for before, here in itertools.pairwise([-1, *places])]


def _exercises(item: pytest.Item) -> list[str]:
    return [name for mark in item.iter_markers("exercise") for name in mark.args]


def _searches(item: pytest.Item) -> bool:
    return bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))
