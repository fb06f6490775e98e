"""Puts listed mistakes in the place of a learner's answer, to see after which one the tests fail in the same way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tito.course import Module
from tito.diagnosis.versions import TABLE, Edit, Exported, read_table
from tito.errors import TitoError
from tito.export import header
from tito.lesson import Lesson
from tito.references import reference_file, reference_lesson
from tito.runner import SETTINGS, kill_group, steady_environment
from tito.workspace import Workspace

LIMIT = 30.0  # seconds for the search; it takes one or two, unless the machine has much else to do
_TEST_LIMIT = 2.0
_GRACE = 1.0
_HIDDEN = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")  # what runs many times shall be compiled once


@dataclass(frozen=True)
class Diagnosis:
    """A known mistake behind a failing test."""

    exercise: str
    mistake: str
    advice: str


def diagnose(
    workspace: Workspace,
    module: Module,
    lesson: Lesson,
    test: str,
    named: tuple[str, ...],
    stop: threading.Event | None = None,
) -> Diagnosis | None:
    """Return the one listed mistake after which the tests fail as they do now; None if there is no such one.

    Parameters
    ----------
    workspace, module, lesson
        The learner's; they are only read, and what runs, runs in copies.
    test
        The test that failed, by its name for pytest.
    named
        The exercises that the test is about.
    stop
        Ends the search when another thread sets it.
    """
    if workspace.solved:
        return None  # its answers are the reference
    table = read_table(reference_file(f"modules/{module.folder}/{TABLE}"))
    written = [name for name in lesson.names if name not in lesson.open]
    about = [name for name in named if name in written]
    answered = [*about, *(name for name in written if name not in about)]
    if not any(table.wrong.get(name) for name in answered):
        return None
    with tempfile.TemporaryDirectory(prefix="tito-", ignore_cleanup_errors=True) as folder:
        order = _order(workspace, module, lesson, table.wrong, answered, Path(folder))
        if order is None:
            return None
        order |= {"test": test, "named": len(about)}
        found = _search(order, workspace.root, Path(folder), stop or threading.Event())
    edits = [edit for name, mistake in found for edit in table.wrong[name] if edit.name == mistake]
    if not edits or any((edit.exercise, edit.advice) != (edits[0].exercise, edits[0].advice) for edit in edits):
        return None
    return Diagnosis(edits[0].exercise, edits[0].name, edits[0].advice)


def _order(
    workspace: Workspace,
    module: Module,
    lesson: Lesson,
    wrong: dict[str, tuple[Edit, ...]],
    answered: list[str],
    folder: Path,
) -> dict[str, Any] | None:
    """Return what to look for; None where the learner's lesson is not made as the course's is."""
    reference = reference_lesson(module)
    try:
        exported = Exported(lesson, header(module.lesson))
        references = {name: exported.replaced(name, reference.exercise(name).answer()) for name in answered}
        mistakes = {
            name: {edit.name: exported.replaced(name, edit.answers(reference.exercise(name))) for edit in wrong[name]}
            for name in answered
            if wrong.get(name)
        }
    except TitoError:  # an exercise or a marker of the lesson is gone, so that answers cannot change places
        return None
    job = {
        "id": "",
        "package": str(_copied(workspace, module, folder)),
        "exported": module.exported,
        "text": (workspace.root / module.exported).read_text(encoding="utf-8"),
        "folder": str(folder),
        "config": str(folder / "pytest.ini"),
        "suite": str(folder / module.suite),
        "test_limit": _TEST_LIMIT,
        "limit": LIMIT,
    }
    return {
        "learner": job,
        "answered": answered,
        "references": references,
        "mistakes": mistakes,
        "at_once": max(2, os.cpu_count() or 2),
    }


def _copied(workspace: Workspace, module: Module, folder: Path) -> Path:
    """Copy the package, the lesson and its suite into `folder`, compiled files too; return the copied package."""
    package = folder / "package" / "tinytorch"
    shutil.copytree(workspace.root / "tinytorch", package)
    here = f"modules/{module.folder}"
    shutil.copytree(workspace.root / here, folder / here)
    (folder / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
    return package


def _search(order: dict[str, Any], root: Path, folder: Path, stop: threading.Event) -> list[tuple[str, str]]:
    """Search in a process of its own; return nothing if it is stopped, does not end in time, or not well."""
    file = folder / "order.json"
    file.write_text(json.dumps(order), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tito.diagnosis.search", str(file)],
        cwd=folder,
        env=_environment(root, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    output = b""
    with process:
        try:
            end = time.monotonic() + LIMIT
            while not stop.is_set() and process.returncode is None and time.monotonic() < end:
                with suppress(subprocess.TimeoutExpired):
                    output = process.communicate(timeout=0.05)[0]
        finally:
            _end(process)
    if process.returncode != 0:
        return []
    return [(exercise, mistake) for exercise, mistake in json.loads(output)]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the search: first let it end the processes that it has started, each of which leads a group of its own."""
    if process.poll() is None and os.name == "posix":
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    kill_group(process)


def _environment(root: Path, folder: Path) -> dict[str, str]:
    """Return the variables of a test run, but that nothing is kept in the workspace."""
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    steady = {name: value for name, value in steady_environment(root).items() if name not in _HIDDEN}
    return {**steady, **threads, "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis")}
