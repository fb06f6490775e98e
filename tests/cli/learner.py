"""A tiny course of two modules, a learner's workspace of it, and ways to run `tito` there."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from tito.cli import cli
from tito.course import read_course
from tito.export import names_of
from tito.lesson import Lesson

COURSE = """
[[module]]
number = 1
folder = "01_numbers"
title = "Numbers"
hours = 1
difficulty = 1
can = "double and halve any number"
adds = { tinytorch = ["double", "half"] }

[[module]]
number = 2
folder = "02_sums"
title = "Sums"
hours = 2.5
difficulty = 4
needs = ["01_numbers"]
can = "add what was doubled"

[[module]]
number = 3
folder = "03_later"
title = "Later"
needs = ["02_sums"]
"""

NUMBERS = '''# %% [markdown]
"""
# 01 Numbers
A number can be made twice as large. **You build** `double` and `half`.

Later paragraphs are not shown.
"""

# %%
#| default_exp core.numbers
#| doc Numbers, doubled and halved.

# %% tags=["imports"]
#| export
from __future__ import annotations


# %% tags=["double"]
#| export
def double(x: float) -> float:
    """Return `x` twice."""
    ### BEGIN SOLUTION
    return x + x
    ### END SOLUTION


# %% tags=["half"]
#| export
def half(x: float) -> float:
    """Return half of `x`."""
    ### BEGIN SOLUTION
    return x / 2
    ### END SOLUTION


# %%
if __name__ == "__main__":
    print(double(2))
'''

SUMS = '''# %% [markdown]
"""
# 02 Sums
Two doubles make a sum.
"""

# %%
#| default_exp core.sums

# %% tags=["imports"]
#| export
from tinytorch.core.numbers import double

# %% tags=["total"]
#| export
def total(a: float, b: float) -> float:
    """Return the sum of both doubles."""
    ### BEGIN SOLUTION
    return double(a) + double(b)
    ### END SOLUTION
'''

TEST_NUMBERS = '''import pytest

from tinytorch.core.numbers import double, half


@pytest.mark.exercise("double")
@pytest.mark.parametrize("x", [3])
def test_double_is_twice(x):
    """Twice three is six."""
    result = double(x)
    assert result == 6


@pytest.mark.exercise("double")
def test_double_of_a_word_is_an_error():
    with pytest.raises(TypeError):
        double(None)


@pytest.mark.exercise("half")
def test_half_of_two():
    assert half(2) == 1
'''

TEST_SUMS = """import pytest

from tinytorch.core.sums import total


@pytest.mark.exercise("total")
def test_total():
    assert total(1, 2) == 6
"""

HINTS = """
[double]
hints = ["Add it to itself.", "Look at the plus sign.", "return x + x"]

[half]
hints = ["Divide.", "By two.", "return x / 2"]
"""

ANSWERS = {"double": "    return x + x", "half": "    return x / 2", "total": "    return double(a) + double(b)"}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def make_course(root: Path, starter: bool) -> None:
    """Write the course to `root`: with the reference answers, or as a learner gets it."""
    write(root / "modules/course.toml", COURSE)
    for folder, name, lesson, suite in (
        ("01_numbers", "numbers", NUMBERS, TEST_NUMBERS),
        ("02_sums", "sums", SUMS, TEST_SUMS),
    ):
        path = f"modules/{folder}/{name}_dev.py"
        write(root / path, Lesson(lesson, path).starter() if starter else lesson)
        write(root / f"modules/{folder}/test_{name}.py", suite)
        write(root / f"modules/{folder}/README.md", f"# {name}\n")
        if not starter:
            write(root / f"modules/{folder}/exercises.toml", HINTS if name == "numbers" else "")
    write(root / "tinytorch/__init__.py", "")
    write(root / "tinytorch/core/__init__.py", "")
    write(root / "tinytorch/_names.py", names_of(root, read_course(root / "modules/course.toml")).text)


@dataclass
class Learner:
    """A learner in a workspace: runs commands, writes answers."""

    root: Path

    def tito(self, *arguments: str, env: dict[str, str] | None = None) -> Result:
        """Run a command in this process; its output is no terminal."""
        return CliRunner().invoke(cli, list(arguments), prog_name="tito", catch_exceptions=False, env=env)

    def spawn(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in a process of its own."""
        command = [sys.executable, "-m", "tito", *arguments]
        return subprocess.run(
            command, cwd=options.pop("cwd", self.root), capture_output=True, text=True, timeout=60, **options
        )

    def path(self, name: str) -> Path:
        """Return a lesson's path by its short name, or any other path in the workspace."""
        known = {
            "numbers": "modules/01_numbers/numbers_dev.py",
            "sums": "modules/02_sums/sums_dev.py",
            "exported": "tinytorch/core/numbers.py",
            "notebook": "modules/01_numbers/numbers_dev.ipynb",
        }
        return self.root / known.get(name, name)

    def read(self, name: str) -> str:
        return self.path(name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        write(self.path(name), text)

    def answer(self, exercise: str, text: str | None = None, lesson: str = "numbers") -> None:
        """Write an answer into a lesson: the right one, or `text`."""
        old = Lesson(self.read(lesson), self.path(lesson).relative_to(self.root).as_posix())
        self.write(lesson, old.replaced({exercise: (ANSWERS[exercise] if text is None else text,)}))

    def finish(self, *names: str) -> None:
        """Complete modules with the right answers."""
        for name in names:
            for exercise in ("double", "half") if name == "numbers" else ("total",):
                self.answer(exercise, lesson=name)
            assert self.tito("export", name).exit_code == 0

    def backups(self) -> list[Path]:
        return sorted(path for path in (self.root / ".tito/backups").rglob("*") if path.is_file())

    def json(self, *arguments: str) -> Any:
        return json.loads(self.tito(*arguments, "--json").stdout)

    def snapshot(self) -> dict[str, bytes]:
        """Return every file of the workspace but what `tito` keeps for itself."""
        files = (path for path in self.root.rglob("*") if path.is_file() and ".tito" not in path.parts)
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in files
            if "__pycache__" not in path.parts
        }
