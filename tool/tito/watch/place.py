"""Where the learner is, and how much of the framework is theirs already."""

from __future__ import annotations

from dataclasses import dataclass

from tito.course import Module
from tito.errors import TitoError
from tito.export import first_line, loan_header, read_lesson
from tito.lesson import Lesson
from tito.memory import recall
from tito.verdict import answer_fingerprint
from tito.workspace import OPEN, YOURS, Workspace


@dataclass(frozen=True)
class Place:
    """Where the learner is.

    Attributes
    ----------
    exercise, exercises
        The number of the exercise in its module, 0 if none is meant, and how many the module has.
    module, modules
        The number of the module, and how many the course has.
    yours, all
        How many exercises of the lessons that there are the learner has written, and how many there are.
    lines
        How many lines of code the learner has written in them.
    """

    exercise: int
    exercises: int
    module: int
    modules: int
    yours: int
    all: int
    lines: int


def current_module(workspace: Workspace) -> Module | None:
    """Return the first module that is open, or whose last test failed at an answer that still stands."""
    for module in workspace.course.written:
        state = workspace.state(module)
        if state == OPEN or (state == YOURS and _failing(workspace, module)):
            return module
    return None


def _failing(workspace: Workspace, module: Module) -> bool:
    failing = recall(workspace.root, "failing", dict).get(module.folder, {})
    lesson = read_lesson(workspace.root, module)
    exercise = str(failing.get("exercise") or "")
    return bool(exercise) and failing.get("answer") == answer_fingerprint(lesson, exercise)


def find_place(workspace: Workspace, module: Module, exercise: str | None, wrong: frozenset[str]) -> Place:
    """Return where the learner is; answers known to be `wrong` do not count yet."""
    here, yours, everything, lines = (0, 0), 0, 0, 0
    for other in workspace.course.written:
        try:
            lesson = read_lesson(workspace.root, other)
            names = lesson.names
        except (TitoError, OSError):  # it cannot be read now; its own run says why
            continue
        own = _own(workspace, other, lesson)
        if other == module:
            here = names.index(exercise) + 1 if exercise in names else 0, len(names)
            own = {name: text for name, text in own.items() if name not in wrong}
        yours, everything, lines = yours + len(own), everything + len(names), lines + sum(map(_lines, own.values()))
    return Place(*here, module.number, len(workspace.course.modules), yours, everything, lines)


def _own(workspace: Workspace, module: Module, lesson: Lesson) -> dict[str, str]:
    """Return what the learner has written in a lesson, by exercise."""
    if first_line(workspace.root / module.exported) == loan_header(module):
        return {}
    return {e.name: "\n".join(e.answer()) for e in lesson.exercises if e.name not in lesson.open}


def _lines(answer: str) -> int:
    """Count the lines that hold code."""
    stripped = (line.strip() for line in answer.split("\n"))
    return sum(bool(line) and not line.startswith("#") for line in stripped)
