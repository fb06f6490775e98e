"""Fixtures: the milestones whose modules are written, and their programs' functions."""

from __future__ import annotations

import importlib
import runpy
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tito.course import read_course
from tito.milestones import Milestone, read_milestones

ROOT = Path(__file__).parents[2]
ALL = read_milestones(ROOT)
COURSE = read_course(ROOT / "modules" / "course.toml")


def runnable() -> list[Milestone]:
    """Return the milestones all of whose modules are written."""
    return [milestone for milestone in ALL if all(module.written for module in milestone.modules(COURSE))]


@pytest.fixture
def beside_programs(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Return a function that imports a file that lies beside the programs, as they do."""
    monkeypatch.syspath_prepend(ROOT / "milestones")
    return importlib.import_module


@pytest.fixture
def functions(beside_programs: Callable[[str], ModuleType]) -> Callable[[str], dict[str, Any]]:
    """Return a function that reads a program without running it, and returns what it defines."""
    return lambda name: runpy.run_path(str(ROOT / "milestones" / f"{name}.py"), run_name="milestone")
