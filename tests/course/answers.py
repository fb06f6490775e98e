"""The versions of each lesson that its suite has to judge: the reference, every stub, every listed answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tito.course import Course, Module
from tito.diagnosis.trials import CAN_FORK, Job, Verdict
from tito.diagnosis.versions import TABLE, Edit, Exported, Table, read_table
from tito.errors import TitoError
from tito.export import header, read_lesson
from tito.runner import SETTINGS as SETTINGS
from tito.runner import steady_environment

from . import judging

MORE_TESTS = 3  # after the first that fails for a wrong answer, to tell it from others
TEST_LIMIT = 8  # seconds for one test of a version
LIMIT = 90  # seconds for one version


@dataclass(frozen=True)
class Version:
    """One version of a lesson: a stub has no `edit`, the reference no `exercise` either."""

    module: Module
    exercise: str = ""
    edit: Edit | None = None

    @property
    def name(self) -> str:
        """What a test report shows."""
        return ": ".join(filter(None, (self.module.folder, self.exercise, self.edit and self.edit.name)))

    @property
    def wrong(self) -> bool:
        """Whether it is a wrong answer that is listed."""
        return self.edit is not None and self.edit.wrong

    def __hash__(self) -> int:
        return hash(self.name)


def table_of(root: Path, module: Module) -> Table:
    """Read what is listed beside a lesson."""
    return read_table(root / "modules" / module.folder / TABLE)


def stubs(root: Path, module: Module) -> list[Version]:
    """Return one version for each exercise, with its answer taken out."""
    return [Version(module, exercise.name) for exercise in read_lesson(root, module).exercises]


def wrong_answers(root: Path, module: Module) -> list[Version]:
    """Return one version for each wrong answer that is listed beside the lesson."""
    wrong = table_of(root, module).wrong
    return [Version(module, name, edit) for name, edits in wrong.items() for edit in edits]


def right_answers(root: Path, module: Module) -> list[Version]:
    """Return one version for each right answer, written differently, that is listed beside the lesson."""
    right = table_of(root, module).right
    return [Version(module, name, edit) for name, edits in right.items() for edit in edits]


def text_of(file: Exported, version: Version) -> str:
    """Return the reference lesson's package file with this version's answers in it.

    Raises
    ------
    ValueError
        If what a listed answer replaces does not stand exactly once in the reference answer.
    SyntaxError
        If the answer is no Python.
    """
    lesson = file.lesson
    if not version.exercise:
        return lesson.export(header(version.module.lesson))
    if version.edit is None:
        return file.replaced(version.exercise, lesson.stubs()[version.exercise])
    text = file.replaced(version.exercise, version.edit.answers(lesson.exercise(version.exercise)))
    compile(text, version.module.exported, "exec", dont_inherit=True)
    return text


def told_from(root: Path, version: Version) -> list[Version]:
    """Return the wrong answers to the version's exercise, from which it has to be told."""
    return [other for other in wrong_answers(root, version.module) if other.exercise == version.exercise]


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
        fork: bool = CAN_FORK,
        test_limit: float = TEST_LIMIT,
        limit: float = LIMIT,
    ) -> None:
        self.root = root
        self.course = course
        self.folder = folder
        self.limits = {"test_limit": test_limit, "limit": limit}
        self.verdicts: dict[str, Verdict] = {}
        self.files: dict[str, Exported] = {}
        shutil.copytree(root / "modules", folder / "modules", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
        jobs = [asdict(job) for version in versions if (job := self._job(version))]
        order = folder / "order.json"
        order.write_text(json.dumps({"jobs": jobs, "at_once": at_once, "fork": fork}), encoding="utf-8")
        hidden = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "COV_")
        environment = {name: v for name, v in steady_environment(folder).items() if not name.startswith(hidden)}
        # One BLAS thread a process: two processes share the machine, and a fork is safe only beside no thread.
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        with (folder / "errors").open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-P", judging.__file__, order],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def _job(self, version: Version) -> Job | None:
        """Return the job for a version; a version that cannot be made has its verdict at once."""
        module = version.module
        try:
            if module.folder not in self.files:
                self.files[module.folder] = Exported(read_lesson(self.root, module), header(module.lesson))
            text = text_of(self.files[module.folder], version)
        except (ValueError, SyntaxError, TitoError) as error:
            self.verdicts[version.name] = Verdict(version.name, message=str(error))
            return None
        return Job(
            id=version.name,
            package=str(self._package(module)),
            exported=module.exported,
            text=text,
            folder=str(self.folder),
            config=str(self.folder / "pytest.ini"),
            suite=str(self.folder / module.suite),
            exercise=version.exercise,
            only=version.exercise != "" and not version.wrong,
            more=MORE_TESTS if version.wrong else 0,
            **self.limits,
        )

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

    def verdict(self, version: Version) -> Verdict:
        """Wait for the verdict on `version`."""
        assert self.process.stdout is not None
        while version.name not in self.verdicts:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"the trials ended early: {(self.folder / 'errors').read_text()[-2000:]}")
            verdict = Verdict(**json.loads(line))
            self.verdicts[verdict.id] = verdict
        return self.verdicts[version.name]

    def close(self) -> None:
        """Stop what still runs."""
        self.process.terminate()
        self.process.communicate()
