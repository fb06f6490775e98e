"""The versions of a lesson that its table of exercises lists: answers with a known mistake, and right ones written
differently.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from tito.errors import TitoError
from tito.lesson import Exercise, Lesson, Line

TABLE = "exercises.toml"
_BETWEEN = "\0"  # between the answers of an exercise that has several


@dataclass(frozen=True)
class Edit:
    """A change to the reference answer of an exercise.

    Attributes
    ----------
    exercise
        The exercise.
    name
        What a wrong answer does, in words that go on from "it"; or how a right one is written.
    replace, put
        What stands in the reference answer, exactly once, and what stands there instead.
    advice
        Of a wrong answer: what that means, and where to look.
    wrong
        Whether the answer is wrong with this change.
    """

    exercise: str
    name: str
    replace: str
    put: str
    advice: str = ""
    wrong: bool = True

    def answers(self, reference: Exercise) -> tuple[str, ...]:
        """Return the answers of the exercise with this change.

        Raises
        ------
        ValueError
            If what is replaced does not stand exactly once in the reference answer.
        """
        text = _BETWEEN.join(reference.answer())
        if text.count(self.replace) != 1:
            raise ValueError(f"`replace` stands {text.count(self.replace)} times in the answer, not once")
        return tuple(text.replace(self.replace, self.put).split(_BETWEEN))


@dataclass(frozen=True)
class Table:
    """What is listed beside a lesson, by exercise: wrong answers, and right ones written differently."""

    wrong: dict[str, tuple[Edit, ...]]
    right: dict[str, tuple[Edit, ...]]


def read_table(path: Path) -> Table:
    """Read the table of a module's exercises."""
    rows = tomllib.loads(path.read_text(encoding="utf-8")).items()
    return Table(
        wrong={
            name: tuple(
                Edit(name, row["mistake"], row["replace"], row["with"], row.get("diagnosis", ""))
                for row in exercise.get("wrong", ())
            )
            for name, exercise in rows
        },
        right={
            name: tuple(
                Edit(name, row["way"], row["replace"], row["with"], wrong=False) for row in exercise.get("right", ())
            )
            for name, exercise in rows
        },
    )


class Exported:
    """The package file of a lesson, in which answers are exchanged without reading the lesson again.

    Parameters
    ----------
    lesson
        The lesson.
    header
        The first line of the file.
    """

    def __init__(self, lesson: Lesson, header: str) -> None:
        self.lesson = lesson
        self.lines = lesson.exported_lines(header)

    def replaced(self, exercise: str, answers: tuple[str, ...]) -> str:
        """Return the file with other answers to one exercise.

        Raises
        ------
        TitoError
            If the lesson has no such exercise, or not as many places to write in.
        """
        cell = self.lesson.exercise(exercise).cell
        regions = cell.regions()
        if len(regions) != len(answers):
            raise TitoError(f"{self.lesson.path}: {exercise} has {len(regions)} answers, not {len(answers)}.")
        lines = list(self.lines)
        for (begin, end), answer in reversed(list(zip(regions, answers, strict=True))):
            first, last = self._place(lines, cell.start, cell.start + begin, cell.start + end)
            lines[first:last] = [Line(text) for text in answer.split("\n")]
        return "\n".join(line.text for line in lines) + "\n"

    @staticmethod
    def _place(lines: list[Line], top: int, begin: int, end: int) -> tuple[int, int]:
        """Return where the lesson's lines between two markers stand in the file."""
        inside = [i for i, line in enumerate(lines) if begin < line.source < end]
        if inside:
            return inside[0], inside[-1] + 1
        above = max(i for i, line in enumerate(lines) if top <= line.source < begin)
        return above + 1, above + 1
