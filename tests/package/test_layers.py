"""The contract that no module imports a later one names every module, in the order of the course."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tito.course import Course


def test_the_layers_are_the_course(repository: Path, course: Course) -> None:
    settings = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    assert layers == [module.name for module in reversed(course.written)]
