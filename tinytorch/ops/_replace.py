"""Faster methods in the place of those that are there: keep, enhance, replace, by one loop over one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tinytorch.core.autograd import RULES, original_method, tracked

Method = Callable[..., Any]


class Replacement(NamedTuple):
    """A row of such a table: the method of a class, and what makes the faster one from it."""

    owner: type
    method: str
    enhance: Callable[[Method], Method]


def replace(rows: Sequence[Replacement]) -> list[tuple[type, str, Method]]:
    """Put the faster methods in their places, underneath what records them; return the methods that were there."""
    before = [(row.owner, row.method, original_method(row.owner, row.method)) for row in rows]
    for row, (owner, name, method) in zip(rows, before, strict=True):
        put(owner, name, row.enhance(method))
    return before


def put(owner: type, name: str, method: Method) -> None:
    """Make `method` the original of a class: what is called where nothing is recorded, and recorded where it is."""
    originals: dict[str, Method] = vars(owner).get("_originals", {})
    awake = name in originals and vars(owner)[name] is not originals[name]
    if name in originals:
        originals[name] = method
    rules = [row.backward for row in RULES if (row.owner, row.method) == (owner, name)]
    setattr(owner, name, tracked(method, rules[-1]) if awake and rules else method)
