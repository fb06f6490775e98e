"""The course that the tool carries: reference answers, hints, and the files a learner may want back."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tito.course import Module
from tito.errors import TitoError
from tito.export import loan_header
from tito.lesson import Lesson


def reference_file(path: str) -> Path:
    """Return where the reference course holds `path`.

    Raises
    ------
    TitoError
        If it does not hold it.
    """
    from tito.carried import course_root  # it is heavy, and most commands need no reference

    found = course_root() / path
    if not found.is_file():
        raise TitoError(f"this copy of tito carries no {path}.", "Install tito again, from the course's own clone.")
    return found


def not_as_handed_out(root: Path, module: Module) -> list[str]:
    """Return the paths of a module's suite and page that are missing, or differ from those that this tool carries."""
    from tito.carried import course_root

    pairs = {path: (root / path, course_root() / path) for path in (module.suite, module.page)}
    return [
        path
        for path, (here, reference) in pairs.items()
        if reference.is_file() and (not here.is_file() or here.read_bytes() != reference.read_bytes())
    ]


def reference_lesson(module: Module) -> Lesson:
    """Return a module's lesson with the reference answers."""
    return Lesson(reference_file(module.lesson).read_text(encoding="utf-8"), module.lesson)


def starter(module: Module) -> str:
    """Return a module's lesson as a learner gets it."""
    return reference_lesson(module).starter()


def loan(module: Module) -> str:
    """Return a module's exported file as it is when borrowed."""
    return reference_lesson(module).export(loan_header(module))


def hints(module: Module) -> dict[str, tuple[str, ...]]:
    """Return the hints of each exercise, from the gentlest to the plainest."""
    path = reference_file(f"modules/{module.folder}/exercises.toml")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: tuple(exercise.get("hints", ())) for name, exercise in table.items()}
