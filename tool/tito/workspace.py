"""A workspace: a folder with `modules/` and `tinytorch/`, and how far its learner is, read from the files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tito.backups import keep
from tito.course import Course, Module, read_course
from tito.errors import TitoError
from tito.export import Export, export_of, first_line, header, loan_header, read_lesson
from tito.memory import fingerprint, recall, remember
from tito.references import loan

YOURS, LOAN, OPEN, PLANNED = "yours", "on loan", "open", "planned"


@dataclass(frozen=True)
class Written:
    """What putting a file into the package did: whether it changed, and where the old text is kept."""

    changed: bool
    backup: Path | None = None


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
        if found := cls.around(start):
            return found
        here = (start or Path.cwd()).resolve()
        raise TitoError(
            f"{here} is not in a workspace: no folder from here up holds `modules/course.toml` and `tinytorch/`.",
            "Go to your workspace, or make one with `tito init DIR`.",
            exit_code=2,
        )

    @classmethod
    def around(cls, start: Path | None = None) -> Workspace | None:
        """Return the workspace that `start` (the current folder) lies in, or None."""
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / "modules" / "course.toml").is_file() and (folder / "tinytorch").is_dir():
                return cls(folder)
        return None

    @cached_property
    def course(self) -> Course:
        """The course table."""
        return read_course(self.root / "modules" / "course.toml")

    @property
    def solved(self) -> bool:
        """Whether this is the course's own repository, which holds the reference answers."""
        return (self.root / "tool" / "tito").is_dir()

    def state(self, module: Module) -> str:
        """Return `YOURS`, `LOAN`, `OPEN` or `PLANNED`.

        Yours is an exported file that matches its lesson, in which no answer is left to write.
        """
        if not module.written:
            return PLANNED
        first = first_line(self.root / module.exported)
        if first == loan_header(module):
            return LOAN
        if first == header(module.lesson) and self._finished(module):
            return YOURS
        return OPEN

    def _finished(self, module: Module) -> bool:
        try:
            return not export_of(self.root, module).changed and not read_lesson(self.root, module).open
        except TitoError:  # a lesson that cannot be exported matches nothing; exporting it says why
            return False

    def missing(self, module: Module) -> list[Module]:
        """Return the modules that `module` stands on and that are neither yours nor on loan."""
        return [other for other in self.course.closure(module) if self.state(other) not in (YOURS, LOAN)]

    def begun(self, module: Module) -> bool:
        """Whether the learner has exported the module, or has written an answer in it.

        Raises
        ------
        TitoError
            If the lesson does not parse.
        """
        if (self.root / module.exported).exists():
            return True
        lesson = read_lesson(self.root, module)
        return len(lesson.open) < len(lesson.names)

    def current(self) -> Module | None:
        """Return the first module that is still open, or None if all that are written are done."""
        return next((module for module in self.course.written if self.state(module) == OPEN), None)

    def put(self, module: Module | None, export: Export) -> Written:
        """Write a file of the package; keep what stands there now unless `tito` wrote it or the lesson still has it.

        Raises
        ------
        TitoError
            If a file that `tito` did not write stands in the way.
        """
        if not export.changed:
            return Written(False)
        export.check_overwrite()
        current = export.current
        backup = None
        if current and not self.solved and not self._known(module, export.shown, current):
            backup = keep(self.root, module, export.path)
        export.write()
        # Two exports in one second may have equal sizes, and Python would take the bytecode of the first.
        for stale in (export.path.parent / "__pycache__").glob(f"{export.path.stem}.*.pyc"):
            stale.unlink(missing_ok=True)
        if not self.solved:
            remember(self.root, "exports", export.shown, fingerprint(export.text))
        return Written(True, backup)

    def _known(self, module: Module | None, shown: str, text: str) -> bool:
        """Whether a file of the package holds what `tito` wrote there, so that nothing is lost with it."""
        if recall(self.root, "exports", str).get(shown) == fingerprint(text):
            return True
        return module is not None and text.startswith(loan_header(module) + "\n") and text == loan(module)
