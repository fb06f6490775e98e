"""What is handed out: every file of a fresh workspace, made from a course with its answers."""

from __future__ import annotations

import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tito.course import Course, Module, read_course
from tito.errors import TitoError
from tito.export import loan_header
from tito.lesson import Lesson

TEMPLATES = Path(__file__).parent / "templates"
EXACT = ("modules/course.toml", "requirements.txt", "tito")  # copied from the course as they are


@dataclass(frozen=True)
class Handout:
    """A course as learners get it.

    Attributes
    ----------
    version
        The version of the tool that carries the course.
    course
        Its table.
    files
        What a fresh workspace holds, by path; the tool's wheel and loans come on top.
    references
        Each module's lesson with its answers, by the module's short name.
    """

    version: str
    course: Course
    files: dict[str, bytes]
    references: dict[str, Lesson]

    def module(self, name: str) -> Module | None:
        """Return the module with the short name `name`, if the course has its lesson."""
        return next((module for module in self.course.written if module.name == name), None)

    def loan(self, module: Module) -> bytes:
        """Return a module's exported file as it is when borrowed."""
        return self.references[module.name].export(loan_header(module)).encode()


def read_handout(source: Path, templates: Path, version: str) -> Handout:
    """Read the course at `source`, and what a workspace gets from `templates`.

    Raises
    ------
    TitoError
        If the course has no table.
    OSError
        If one of its files is missing.
    """
    course = read_course(source / "modules" / "course.toml")
    files = {path.relative_to(source).as_posix(): path.read_bytes() for path in _given(source / "tinytorch")}
    references = {}
    for module in course.written:
        lesson = Lesson((source / module.lesson).read_text(encoding="utf-8"), module.lesson)
        references[module.name] = lesson
        files[module.lesson] = lesson.starter().encode()
        files |= {path: (source / path).read_bytes() for path in (module.suite, module.page)}
    files |= {path: (source / path).read_bytes() for path in EXACT}
    # a course of before the milestones has none
    files |= {path.relative_to(source).as_posix(): path.read_bytes() for path in _files(source / "milestones")}
    for template in templates.rglob("*"):
        if template.is_file():
            files[template.relative_to(templates).as_posix().replace("dot-", ".")] = template.read_bytes()
    return Handout(version, course, files, references)


def read_wheel(wheel: Path) -> Handout:
    """Read the course that a wheel of the tool carries.

    Raises
    ------
    TitoError
        If it is damaged, or carries none.
    """
    with tempfile.TemporaryDirectory(prefix="tito-") as folder:
        package = Path(folder) / "tito"
        try:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
            return read_handout(package / "_carried", package / "templates", wheel.name.split("-")[1])
        except (zipfile.BadZipFile, OSError, ValueError, IndexError) as error:
            raise TitoError(f"{wheel} carries no course: {error}.") from None


def carried_handout() -> Handout:
    """Return what this tool hands out."""
    from tito import __version__
    from tito.carried import course_root  # asked for by name, at the time it is needed

    return read_handout(course_root(), TEMPLATES, __version__)


def _given(package: Path) -> list[Path]:
    """Return the files of the package that are not exported from lessons."""
    core = package / "core"
    return [path for path in _files(package) if path.parent != core or path.name == "__init__.py"]


def _files(folder: Path) -> list[Path]:
    """Return the files below a folder, but for what Python makes of them."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    ]
