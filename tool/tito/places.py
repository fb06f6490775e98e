"""Where code stands: the line of the lesson behind a line of the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tito.course import Module
from tito.errors import TitoError
from tito.export import header
from tito.lesson import Lesson
from tito.workspace import LOAN, Workspace


@dataclass(frozen=True)
class Place:
    """A line of a lesson, or of a file that no lesson of the learner's stands behind."""

    path: str
    line: int
    text: str = ""
    function: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" + (f", in {self.function}" if self.function else "")

    def shown(self) -> str:
        """Return the place, and the line itself below it."""
        return f"{self}\n    {self.text}" if self.text else str(self)


def lesson_line(workspace: Workspace, module: Module, lesson: Lesson, line: int) -> int:
    """Return the lesson's line behind a line of the exported file; 0 if there is none."""
    if workspace.state(module) == LOAN:
        return 0
    try:
        lines = lesson.exported_lines(header(module.lesson))
    except TitoError:  # the lesson was broken since; the line of the package still says something
        return 0
    return lines[line - 1].source if line <= len(lines) else 0


def place_of(workspace: Workspace, module: Module, lesson: Lesson, frame: dict[str, Any]) -> Place:
    """Return where a frame in a module's exported file stands: in the lesson, if it is the learner's."""
    line = lesson_line(workspace, module, lesson, frame["line"])
    if line:
        return Place(module.lesson, line, lesson.text.split("\n")[line - 1].strip(), frame["function"])
    return Place(frame["path"], frame["line"], frame.get("text", ""), frame["function"])
