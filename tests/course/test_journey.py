"""The way of a learner, from an empty folder to the whole package, by the commands that a learner types."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tito.course import Course, Module
from tito.export import read_lesson

Done = subprocess.CompletedProcess[str]


def run(folder: Path, *command: str | Path) -> Done:
    """Run `command` in `folder` as from a new terminal: nothing of this process's environments is set."""
    ours = ("PYTHON", "PYTEST", "VIRTUAL_ENV", "COV_", "HYPOTHESIS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False
    )


def shown(done: Done) -> str:
    return f"exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def write_answers(root: Path, repository: Path, module: Module) -> None:
    """Put the reference answers into the learner's own lesson, as the learner would by typing them."""
    answers = {exercise.name: exercise.answer() for exercise in read_lesson(repository, module).exercises}
    lesson = root / module.lesson
    lesson.write_text(read_lesson(root, module).replaced(answers), encoding="utf-8")


def core_files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "tinytorch/core").glob("*.py")}


@pytest.mark.timeout(600)
def test_from_an_empty_folder_to_the_whole_package(tmp_path: Path, repository: Path, course: Course) -> None:
    root = tmp_path / "mine"
    made = run(repository, sys.executable, "-P", "-m", "tito", "init", root)
    assert made.returncode == 0, shown(made)
    assert set(core_files(root)) == {"__init__.py"}
    python = root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    launcher = (sys.executable, root / "tito")  # which goes on in the workspace's own environment

    finished: set[str] = set()
    for module in course.written:
        number = f"{module.number:02}"
        assert set(core_files(root)) == {"__init__.py"} | finished
        begun = run(root, *launcher, "module", "start", number)
        assert begun.returncode == 0, shown(begun)

        stubbed = run(root, *launcher, "module", "test", number)
        assert stubbed.returncode == 1, f"{module.folder} passes before anything is written: {shown(stubbed)}"
        first = read_lesson(repository, module).exercises[0].name
        assert first in stubbed.stdout, f"the first failure does not name {first}: {shown(stubbed)}"
        refused = run(root, *launcher, "module", "complete", number)
        assert refused.returncode == 1, f"{module.folder} is complete before anything is written: {shown(refused)}"

        write_answers(root, repository, module)
        completed = run(root, *launcher, "module", "complete", number)
        assert completed.returncode == 0, shown(completed)
        assert module.can in " ".join(completed.stdout.split()), shown(completed)
        finished.add(Path(module.exported).name)
        assert set(core_files(root)) == {"__init__.py"} | finished

        names = [f"{package}.{name}" for package, members in module.adds.items() for name in members]
        imports = "".join(f"import {package}\n" for package in module.adds)
        used = run(tmp_path, python, "-c", f"{imports}print(tinytorch.__file__)\n{', '.join(names)}")
        assert used.returncode == 0, shown(used)
        assert Path(used.stdout.strip()) == root / "tinytorch" / "__init__.py"

    assert core_files(root) == core_files(repository)
