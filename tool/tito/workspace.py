"""A workspace: a folder with `modules/` and `tinytorch/`, and how far its learner is, read from the files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tito.course import Course, Module, read_course
from tito.errors import TitoError
from tito.export import export_of, first_line, header, loan_header

YOURS, LOAN, OPEN = "yours", "on loan", "open"


@dataclass(frozen=True)
class Workspace:
    """The folder at `root`."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Workspace:
        """Return the workspace that `start` (the current folder) lies in.

        Raises
        ------
        TitoError
            If neither it nor a folder above it is a workspace.
        """
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / "modules" / "course.toml").is_file() and (folder / "tinytorch").is_dir():
                return cls(folder)
        raise TitoError(
            f"{here} is not in a workspace: no folder from here up holds `modules/course.toml` and `tinytorch/`.",
            "Go to your workspace, or make one with `tito init DIR`.",
            exit_code=2,
        )

    @cached_property
    def course(self) -> Course:
        """The course table."""
        return read_course(self.root / "modules" / "course.toml")

    @property
    def solved(self) -> bool:
        """Whether this is the course's own repository, which holds the reference answers."""
        return (self.root / "tool" / "tito").is_dir()

    def state(self, module: Module) -> str:
        """Return `YOURS`, `LOAN` or `OPEN`: yours is an exported file that matches its lesson."""
        first = first_line(self.root / module.exported)
        if first == loan_header(module):
            return LOAN
        if first == header(module.lesson) and self._matches(module):
            return YOURS
        return OPEN

    def _matches(self, module: Module) -> bool:
        try:
            return not export_of(self.root, module).changed
        except TitoError:  # a lesson that cannot be exported matches nothing; exporting it says why
            return False

    def missing(self, module: Module) -> list[Module]:
        """Return the modules that `module` stands on and that are neither yours nor on loan."""
        return [other for other in self.course.closure(module) if self.state(other) == OPEN]
