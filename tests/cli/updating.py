"""A course in two versions, a workspace made by the older one, and ways to update it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tito.lesson import Lesson

from .learner import ANSWERS, make_course

REPOSITORY = Path(__file__).parents[2]
MADE = shutil.ignore_patterns("__pycache__", "_carried")
NUMBERS, SUMS = "modules/01_numbers/numbers_dev.py", "modules/02_sums/sums_dev.py"


@dataclass(frozen=True)
class Clone:
    """A clone of the course with its tool, as contributors have it."""

    root: Path

    def edit(self, path: str, *changes: tuple[str, str]) -> Clone:
        """Replace text in a file of the course; what is replaced must be there once."""
        text = (self.root / path).read_text(encoding="utf-8")
        for old, new in changes:
            assert text.count(old) == 1, (path, old, text.count(old))
            text = text.replace(old, new)
        return self.write(path, text)

    def write(self, path: str, text: str) -> Clone:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")
        return self

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def version(self, version: str) -> Clone:
        return self.write("tool/tito/__init__.py", f'"""The tool."""\n\n__version__ = "{version}"\n')

    def copy(self, root: Path) -> Clone:
        shutil.copytree(self.root, root)
        return Clone(root)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tito", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """What makes Python take the tool of this clone, in which nothing but the course differs from the real one."""
        return {
            **{name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "FORCE_COLOR")},
            "PYTHONPATH": str(self.root / "tool"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, root: Path, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=root, env=self.environment, capture_output=True, encoding="utf-8", timeout=100
        )

    def make_workspace(self, root: Path) -> None:
        code = "import pathlib, sys; from tito.commands import init; init.create(pathlib.Path(sys.argv[1]))"
        done = self.run(self.root, sys.executable, "-c", code, str(root))
        assert done.returncode == 0, done.stderr


def make_clone(root: Path) -> Clone:
    """Write the tiny course to `root`, with a tool that carries it."""
    make_course(root, starter=False)
    shutil.copytree(REPOSITORY / "tool", root / "tool", ignore=MADE)
    for path in ("tito", "LICENSE"):
        shutil.copyfile(REPOSITORY / path, root / path)
    clone = Clone(root)
    clone.write("requirements.txt", "# none\n").write("examples/one.py", "").write("tinytorch/given.py", "A = 1\n")
    return clone.version("0.1.0")


@dataclass(frozen=True)
class Student:
    """A learner's workspace, made by one clone and updated by another."""

    root: Path

    def path(self, path: str) -> Path:
        return self.root / path

    def read(self, path: str) -> str:
        return self.path(path).read_bytes().decode("utf-8")

    def write(self, path: str, text: str) -> None:
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_bytes(text.encode("utf-8"))

    def edit(self, path: str, *changes: tuple[str, str]) -> None:
        text = self.read(path)
        for old, new in changes:
            assert text.count(old) == 1, (path, old, text.count(old))
            text = text.replace(old, new)
        self.write(path, text)

    def lesson(self, path: str = NUMBERS) -> Lesson:
        return Lesson(self.read(path), path)

    def answer(self, path: str = NUMBERS, **answers: str) -> None:
        """Write answers into a lesson: those given, or the right one to each exercise."""
        lesson = self.lesson(path)
        right = {exercise.name: ANSWERS[exercise.name] for exercise in lesson.exercises}
        self.write(path, lesson.replaced({name: (text,) for name, text in (answers or right).items()}))

    def update(self, clone: Clone, *options: str) -> str:
        """Update, and return what was said, every run of spaces as one."""
        done = clone.run(self.root, *clone.command("update", *options))
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        return " ".join(done.stdout.split())

    def refused(self, clone: Clone, *options: str) -> str:
        """Update in vain, and return the error; nothing may have been written."""
        before = tree(self.root, whole=True)
        done = clone.run(self.root, *clone.command("update", *options))
        assert done.returncode in (1, 2), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert tree(self.root, whole=True) == before
        return " ".join(done.stderr.split())

    def backup(self) -> dict[str, bytes]:
        """Return what the one backup keeps."""
        (folder,) = (self.root / ".tito/backups/update").iterdir()
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def tree(root: Path, whole: bool = False) -> dict[str, bytes]:
    """Return every file below `root`; without `whole` those that `tito` keeps for itself are left out."""
    files = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
    return {path: data for path, data in found.items() if whole or not path.startswith(".tito/")}
