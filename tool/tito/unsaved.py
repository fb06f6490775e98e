"""Looks for the known mistake behind answers that a notebook's kernel holds, and that are in no file yet."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from tito.course import Module
from tito.errors import TitoError
from tito.export import export_of
from tito.files import write_atomically
from tito.lesson import Lesson
from tito.runner import run_suite
from tito.verdict import Verdict
from tito.workspace import Workspace

LIMIT = 10.0  # seconds for the suite; the search for the mistake has its own


def with_answers(lesson: Lesson, ran: dict[str, str]) -> str:
    """Return a lesson's text with the answers that stand in cells, by exercise.

    Raises
    ------
    TitoError
        If a cell has lost a marker.
    """
    answers = {}
    for name, text in ran.items():
        cell = Lesson(f"# %% tags={json.dumps([name])}\n{text}", lesson.path)
        answers[name] = cell.exercise(name).answer()
        if len(answers[name]) != len(lesson.exercise(name).answer()):
            raise TitoError(f"{name} has lost a marker.")
    return lesson.replaced(answers)


def known_mistake(workspace: Workspace, module: Module, lesson: Lesson, ran: dict[str, str], exercise: str) -> str:
    """Return the listed mistake that `tito module test` would name, were the cells in `ran` the lesson; or nothing.

    All of it happens in a copy of the workspace, which stays as it is.
    """
    with tempfile.TemporaryDirectory(prefix="tito-", ignore_cleanup_errors=True) as folder:
        copy = Workspace(Path(folder).resolve() / "workspace")
        for part in ("tinytorch", f"modules/{module.folder}"):
            shutil.copytree(workspace.root / part, copy.root / part)
        shutil.copyfile(workspace.root / "modules/course.toml", copy.root / "modules/course.toml")
        try:
            write_atomically(copy.root / module.lesson, with_answers(lesson, ran))
            copy.put(module, export_of(copy.root, module))
            verdict = Verdict(copy, module, run_suite(copy, module, LIMIT))
            verdict.look_for_mistake()
        except TitoError:  # what runs in cells may not yet make a whole lesson: then there is nothing to compare
            return ""
        first = next(iter(verdict.failures), None)
        known = first is not None and verdict.diagnosis is not None and first.exercise == exercise
        return verdict.looks_like(first) if first and known else ""
