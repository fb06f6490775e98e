"""Each milestone, whole: it reaches what it promises, and its pictures are pictures."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tito.course import Course
from tito.milestones import Milestone

from .conftest import ALL, COURSE, ROOT, runnable

HELPERS = {"stage", "characters", "pictures"}
each = pytest.mark.parametrize("milestone", runnable(), ids=lambda milestone: milestone.folder)


def run(milestone: Milestone, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program as its reader would, on the package of the repository."""
    command = [sys.executable, str(ROOT / milestone.program), "--out", str(out), *options]
    chosen = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "TINYTORCH_FAST": "0", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=out, capture_output=True, encoding="utf-8", env={**os.environ, **chosen}, timeout=110
    )


@each
def test_it_reaches_what_the_table_promises_and_draws_it(milestone: Milestone, tmp_path: Path) -> None:
    done = run(milestone, tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{milestone.year}  {milestone.title}: {milestone.shows}"
    assert lines[-2] == f"Picture: {milestone.folder}.png"
    reached = re.fullmatch(r"Reached (\d+\.\d)%; at least (\d+)% was expected\.", lines[-1])
    assert reached is not None
    assert float(reached[1]) >= float(reached[2]) == 100 * milestone.accuracy
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if re.search(r"[│#@▁]", line)]) > 5, "little was drawn"
    check_picture(tmp_path / f"{milestone.folder}.png")
    assert [path.name for path in tmp_path.iterdir()] == [f"{milestone.folder}.png"]


def check_picture(path: Path) -> None:
    """Make sure that a file is a PNG of a fair size, and that each quarter has colours: axes alone have none."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"), dtype=np.int64)
    height, width, _ = pixels.shape
    assert 900 <= width <= 1800
    assert 400 <= height <= 1400
    for rows in (slice(0, height // 2), slice(height // 2, None)):
        for columns in (slice(0, width // 2), slice(width // 2, None)):
            coloured = np.ptp(pixels[rows, columns], axis=2) > 40
            assert coloured.mean() > 0.0005


def test_a_folder_that_cannot_be_made_is_refused_before_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = [sys.executable, str(ROOT / ALL[0].program), "--out", str(tmp_path / "file" / "pictures")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "name another with --out" in done.stderr


def test_the_table_names_every_program_in_order() -> None:
    assert [milestone.program for milestone in ALL] == sorted(
        f"milestones/{path.name}" for path in (ROOT / "milestones").glob("*.py") if path.stem not in HELPERS
    )
    for milestone in ALL:
        tree = ast.parse((ROOT / milestone.program).read_text(encoding="utf-8"))
        story = ast.get_docstring(tree) or ""
        assert story.startswith(f"{milestone.year}: ")
        assert "What it shows: " in story
        assert "What to expect: " in story
        assert len(milestone.shows) <= 28, "the listing has 80 columns"
        assert 0 < milestone.accuracy <= 1
        assert 0 < milestone.seconds <= 120


@each
def test_it_needs_the_modules_that_build_what_it_uses(milestone: Milestone, course: Course) -> None:
    """What the program and the files beside it take from the package is there, and no module is asked for in vain."""
    files = [ROOT / milestone.program, *(ROOT / "milestones" / f"{name}.py" for name in HELPERS)]
    used = set().union(*(names_used(path.read_text(encoding="utf-8")) for path in files))
    builders = {
        (package, name): module.folder for module in course for package, names in module.adds.items() for name in names
    }
    built = {builders[name] for name in used if name in builders} | {"05_autograd"}  # for `backward()`
    available = {module.folder for module in milestone.modules(COURSE)}
    assert built <= available
    assert set(milestone.needs) <= built


def names_used(source: str) -> set[tuple[str, str]]:
    """Return the names that a program takes from the package, each with the package that it is found in."""
    short = {"tinytorch": "tinytorch", "nn": "tinytorch.nn", "optim": "tinytorch.optim"}
    used: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in short:
            used.add((short[node.value.id], node.attr))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tinytorch"):
            used |= {(node.module or "", alias.name) for alias in node.names}
    return used
