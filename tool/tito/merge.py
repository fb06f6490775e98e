"""Merging three ways: what two sides made of the same lines, with both versions kept where they disagree."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

# A line that opens a conflict in a merged file begins so, in code behind the sign of a comment.
OPENS = "<<<<<<< yours"
_MIDDLE, _CLOSES = "=======", ">>>>>>> the course's"

Lines = Sequence[str]


@dataclass(frozen=True)
class Conflict:
    """Lines that both sides changed, each in its own way."""

    mine: tuple[str, ...]
    new: tuple[str, ...]


Show = Callable[[Conflict], list[str]]


def merge(base: Lines, mine: Lines, new: Lines) -> list[str | Conflict]:
    """Merge the changes from `base` to `mine` and from `base` to `new`."""
    to_mine, to_new = _matches(base, mine), _matches(base, new)
    merged: list[str | Conflict] = []
    b = m = n = 0
    for i in [i for i in range(len(base)) if i in to_mine and i in to_new] + [len(base)]:
        at_mine, at_new = to_mine.get(i, len(mine)), to_new.get(i, len(new))
        merged += _between(base[b:i], mine[m:at_mine], new[n:at_new])
        if i < len(base):
            merged.append(base[i])
        b, m, n = i + 1, at_mine + 1, at_new + 1
    return merged


def common(mine: Lines, new: Lines) -> list[str]:
    """Return the lines that two texts share: what stands in for a base that is not known."""
    matched = _matches(mine, new)
    return [line for i, line in enumerate(mine) if i in matched]


def flat(merged: Sequence[str | Conflict], show: Show) -> list[str]:
    """Return the lines of a merge, conflicts written by `show`."""
    lines = ([part] if isinstance(part, str) else show(part) for part in merged)
    return [*itertools.chain.from_iterable(lines)]


def marked(conflict: Conflict) -> list[str]:
    """Write a conflict for prose: both versions between the markers that editors know from git."""
    return [OPENS, *conflict.mine, _MIDDLE, *conflict.new, _CLOSES]


def commented(conflict: Conflict) -> list[str]:
    """Write a conflict for code: the own lines stand, the course's follow as comments."""
    filled = [line for line in (*conflict.mine, *conflict.new) if line.strip()]
    indent = min((line[: len(line) - len(line.lstrip())] for line in filled), key=len, default="")
    return [
        f"{indent}# {OPENS}; the course changed these lines too",
        *conflict.mine,
        f"{indent}# {_MIDDLE}",
        *(f"{indent}# {line.removeprefix(indent)}".rstrip() for line in conflict.new),
        f"{indent}# {_CLOSES}, as comments: keep what you need, then delete the rest",
    ]


def _matches(base: Lines, other: Lines) -> dict[int, int]:
    blocks = SequenceMatcher(None, base, other, autojunk=False).get_matching_blocks()
    return {a + k: b + k for a, b, size in blocks for k in range(size)}


def _between(base: Lines, mine: Lines, new: Lines) -> list[str | Conflict]:
    """Merge what stands between two lines that all three have."""
    if list(mine) in (list(new), list(base)):
        return [*new]
    if list(new) == list(base):
        return [*mine]
    head = _same_from_start(mine, new)
    tail = _same_from_start(mine[head:][::-1], new[head:][::-1])
    ends = len(mine) - tail, len(new) - tail
    return [*mine[:head], Conflict(tuple(mine[head : ends[0]]), tuple(new[head : ends[1]])), *mine[ends[0] :]]


def _same_from_start(a: Lines, b: Lines) -> int:
    """Return how many lines two texts begin with alike."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
