"""The cells of a lesson with every line of the file, and which cell of one lesson is which of another."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

from tito.lesson import STUB_MESSAGE, Cell, Exercise, Lesson

_STUB = re.compile(r'raise NotImplementedError\("' + STUB_MESSAGE.pattern + r'"\)')
_DEFINED = re.compile(r"^(?:def|class) (\w+)", re.MULTILINE)
_DEFINES = re.compile(r"\s*(?:async )?(def|class) (\w+)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ALIKE = 0.6  # how much of its words two cells share, if one was made from the other

Lines = tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """A cell, the line that opens it, and the empty lines after it."""

    opener: str
    cell: Cell
    gap: Lines

    @cached_property
    def parts(self) -> tuple[tuple[Lines, ...], tuple[Lines, ...]]:
        """The given lines before, between and after the answers, with the markers; and the answers."""
        lines, regions = self.cell.lines, [] if self.cell.markdown else self.cell.regions()
        begins = [0, *(end for _, end in regions)]
        ends = [*(begin + 1 for begin, _ in regions), len(lines)]
        given = tuple(lines[a:b] for a, b in zip(begins, ends, strict=True))
        return given, tuple(lines[a + 1 : b] for a, b in regions)

    @property
    def given(self) -> tuple[Lines, ...]:
        """What the course says in the cell."""
        return self.parts[0]

    @property
    def answers(self) -> tuple[Lines, ...]:
        """What stands between the markers."""
        return self.parts[1]

    @cached_property
    def keys(self) -> tuple[tuple[str, str, int], ...]:
        """What each answer belongs to: the class and the function above it, and which of theirs it is."""
        keys: list[tuple[str, str, int]] = []
        inside = {"class": "", "def": ""}
        for part in self.given[:-1]:
            for line in part:
                if match := _DEFINES.match(line):
                    inside |= {"def": ""} if match[1] == "class" else {}
                    inside[match[1]] = match[2]
            here = inside["class"], inside["def"]
            keys.append((*here, sum(key[:2] == here for key in keys)))
        return tuple(keys)

    @cached_property
    def answered(self) -> bool:
        """Whether something other than the stub stands between the markers."""
        return not all(is_stub(lines) for lines in self.answers)

    @cached_property
    def name(self) -> str:
        """What the cell is called: its tag, its heading, or what it defines first; nothing where it has no name."""
        if self.cell.tags:
            return f"tag {self.cell.tags[0]}"
        match = (_HEADING if self.cell.markdown else _DEFINED).search("\n".join(self.cell.lines))
        return match[0] if match else ""

    @cached_property
    def said(self) -> tuple[str, tuple[Lines, ...]]:
        """What two pieces share that say the same; their answers may differ."""
        return self.opener, self.given

    @cached_property
    def words(self) -> list[str]:
        """The words of what is given."""
        return re.findall(r"\w+|[^\w\s]", "\n".join(itertools.chain.from_iterable(self.given)))


def is_stub(answer: Sequence[str]) -> bool:
    """Whether an answer is what was handed out in its place."""
    return _STUB.fullmatch("\n".join(answer).strip()) is not None


def answered(lesson: Lesson) -> dict[str, Exercise]:
    """Return the exercises in which the learner has written something, by name."""
    return {
        exercise.name: exercise
        for exercise in lesson.exercises
        if not all(is_stub(answer.split("\n")) for answer in exercise.answer())
    }


def pieces(lesson: Lesson) -> tuple[Lines, list[Piece]]:
    """Return the lines before the first cell, and every cell with the lines around it."""
    lines = lesson.text.split("\n")
    starts = [cell.start - 2 for cell in lesson.cells]  # of the lines that open them
    ends = [*starts[1:], len(lines)]
    found = [
        Piece(lines[start], cell, tuple(lines[start + 1 + len(cell.lines) : end]))
        for cell, start, end in zip(lesson.cells, starts, ends, strict=True)
    ]
    return tuple(lines[: starts[0]] if starts else lines), found


def pair(left: Sequence[Piece], right: Sequence[Piece], alike: bool = True) -> dict[int, int]:
    """Return which piece on the right is which on the left: same tag, else same text, same name, or alike."""
    pairs: dict[int, int] = {}
    taken: set[int] = set()

    def join(candidates: Iterator[tuple[int, int]]) -> None:
        for i, j in candidates:
            if i not in pairs and j not in taken:
                pairs[i] = j
                taken.add(j)

    every = [*itertools.product(range(len(left)), range(len(right)))]
    join((i, j) for i, j in every if left[i].cell.tags and left[i].cell.tags[:1] == right[j].cell.tags[:1])
    join((i, j) for i, j in every if left[i].said == right[j].said)
    if not alike:
        return pairs
    join((i, j) for i, j in every if left[i].name and left[i].name == right[j].name)
    rest = [(i, j) for i, j in every if i not in pairs and j not in taken and _comparable(left[i], right[j])]
    likeness = {(i, j): _likeness(left[i], right[j]) for i, j in rest}
    join(iter(sorted((at for at in rest if likeness[at] >= _ALIKE), key=lambda at: -likeness[at])))
    return pairs


def _comparable(a: Piece, b: Piece) -> bool:
    """Whether one could have been made from the other; of two exercises with different names neither was."""
    return a.cell.markdown == b.cell.markdown and not (a.cell.is_exercise and b.cell.is_exercise)


def _likeness(a: Piece, b: Piece) -> float:
    matcher = SequenceMatcher(None, a.words, b.words, autojunk=False)
    if matcher.real_quick_ratio() < _ALIKE or matcher.quick_ratio() < _ALIKE:
        return 0
    return matcher.ratio()
