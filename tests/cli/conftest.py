"""Fixtures: a learner in a fresh workspace of the tiny course, and a contributor in its repository."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .learner import Learner, make_course


@pytest.fixture
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Learner:
    """Return a learner who stands in a fresh workspace; the tool carries the tiny course."""
    reference, root = tmp_path / "reference", tmp_path / "work"
    make_course(reference, starter=False)
    make_course(root, starter=True)
    monkeypatch.setattr("tito.carried.course_root", lambda: reference)
    monkeypatch.chdir(root)
    for name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Learner(root)


@pytest.fixture
def solved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Learner:
    """Return a contributor who stands in the course's own repository."""
    root = tmp_path / "repository"
    make_course(root, starter=False)
    (root / "tool/tito").mkdir(parents=True)
    monkeypatch.setattr("tito.carried.course_root", lambda: root)
    monkeypatch.chdir(root)
    return Learner(root)


@pytest.fixture
def failing_replace(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that makes every later rename to a path that ends in `name` fail, as a kill would."""

    def arm(name: str) -> None:
        replace = os.replace

        def fail(source: str, target: str) -> None:
            if str(target).endswith(name):
                raise KeyboardInterrupt
            replace(source, target)

        monkeypatch.setattr(os, "replace", fail)

    return arm
