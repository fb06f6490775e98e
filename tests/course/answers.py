"""The versions of each lesson that its suite has to judge: the reference, every stub, every listed wrong answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tito.course import Course, Module
from tito.errors import TitoError
from tito.export import header, read_lesson
from tito.lesson import Lesson

from . import trial

TEST_LIMIT = 20  # seconds for one test of a version
LIMIT = 90  # seconds for one version


@dataclass(frozen=True)
class Version:
    """One version of a lesson: `mistake` is empty for a stub, `exercise` also for the reference."""

    module: Module
    exercise: str = ""
    mistake: str = ""

    @property
    def name(self) -> str:
        """What a test report shows."""
        return ": ".join(filter(None, (self.module.folder, self.exercise, self.mistake)))

    def __hash__(self) -> int:
        return hash(self.name)


def read_exercises(root: Path, module: Module) -> dict[str, Any]:
    """Read a module's hints and wrong answers."""
    return tomllib.loads((root / "modules" / module.folder / "exercises.toml").read_text(encoding="utf-8"))


def stubs(root: Path, module: Module) -> list[Version]:
    """Return one version for each exercise, with its answer taken out."""
    return [Version(module, exercise.name) for exercise in read_lesson(root, module).exercises]


def wrong_answers(root: Path, module: Module) -> list[Version]:
    """Return one version for each wrong answer that is listed beside the lesson."""
    return [
        Version(module, name, wrong["mistake"])
        for name, exercise in read_exercises(root, module).items()
        for wrong in exercise["wrong"]
    ]


def lesson_of(root: Path, version: Version) -> Lesson:
    """Return the lesson with this version's answers in it.

    Raises
    ------
    ValueError
        If what a wrong answer replaces does not stand exactly once in the reference answer.
    """
    lesson = read_lesson(root, version.module)
    if not version.exercise:
        return lesson
    answers = lesson.stubs()[version.exercise]
    if version.mistake:
        wrongs = read_exercises(root, version.module)[version.exercise]["wrong"]
        wrong = next(wrong for wrong in wrongs if wrong["mistake"] == version.mistake)
        text = "\0".join(lesson.exercise(version.exercise).answer())
        if text.count(wrong["replace"]) != 1:
            raise ValueError(f"`replace` stands {text.count(wrong['replace'])} times in the answer, not once")
        answers = tuple(text.replace(wrong["replace"], wrong["with"]).split("\0"))
    return Lesson(lesson.replaced({version.exercise: answers}), lesson.path)


class Trials:
    """The versions on trial: started together, judged `at_once` at a time, asked for one by one.

    Parameters
    ----------
    root
        The repository.
    course
        Its course table.
    versions
        What shall be judged, in the order in which the verdicts will be asked for.
    folder
        A folder for private copies.
    fork
        Whether each version runs in a fork of one warm process, instead of in an interpreter of its own.
    """

    def __init__(
        self,
        root: Path,
        course: Course,
        versions: Iterable[Version],
        folder: Path,
        *,
        at_once: int = max(2, os.cpu_count() or 2),
        fork: bool = trial.CAN_FORK,
        test_limit: float = TEST_LIMIT,
        limit: float = LIMIT,
    ) -> None:
        self.root = root
        self.course = course
        self.folder = folder
        self.limits = {"test_limit": test_limit, "limit": limit}
        self.verdicts: dict[str, dict[str, Any]] = {}
        shutil.copytree(root / "modules", folder / "modules", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(root / "pyproject.toml", folder)
        jobs = [job for version in versions if (job := self._job(version))]
        order = folder / "order.json"
        order.write_text(json.dumps({"jobs": jobs, "at_once": at_once, "fork": fork}), encoding="utf-8")
        hidden = ("PYTEST_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "COV_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        # One BLAS thread a process: two processes share the machine, and a fork is safe only beside no thread.
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        environment["HYPOTHESIS_STORAGE_DIRECTORY"] = str(folder / "hypothesis")
        with (folder / "errors").open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-P", trial.__file__, "all", order],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def _job(self, version: Version) -> dict[str, Any] | None:
        """Return the job for a version; a version that cannot be made has its verdict at once."""
        module = version.module
        try:
            text = lesson_of(self.root, version).export(header(module.lesson))
        except (ValueError, TitoError) as error:
            self.verdicts[version.name] = {"id": version.name, "code": None, "message": str(error)}
            return None
        return {
            "id": version.name,
            "package": str(self._package(module)),
            "exported": module.exported,
            "text": text,
            "folder": str(self.folder),
            "config": str(self.folder / "pyproject.toml"),
            "suite": str(self.folder / module.suite),
            "exercise": version.exercise,
            "only": bool(version.exercise and not version.mistake),
            **self.limits,
        }

    def _package(self, module: Module) -> Path:
        """Return a copy of the package as a learner has it who works on `module`: nothing above is there."""
        package = self.folder / "packages" / module.folder / "tinytorch"
        if not package.exists():
            shutil.copytree(self.root / "tinytorch", package, ignore=shutil.ignore_patterns("__pycache__"))
            below = (*self.course.closure(module), module)
            for other in self.course.written:
                if other not in below:
                    (package.parent / other.exported).unlink(missing_ok=True)
        return package

    def verdict(self, version: Version) -> dict[str, Any]:
        """Wait for the verdict on `version`."""
        assert self.process.stdout is not None
        while version.name not in self.verdicts:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"the trials ended early: {(self.folder / 'errors').read_text()[-2000:]}")
            verdict = json.loads(line)
            self.verdicts[verdict["id"]] = verdict
        return self.verdicts[version.name]

    def close(self) -> None:
        """Stop what still runs."""
        self.process.terminate()
        self.process.communicate()
