"""For every exercise of the course: the reference passes, the stub fails, and so does each listed wrong answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tito.course import Module, read_course
from tito.errors import TitoError

from .answers import Trials, Version, stubs, wrong_answers

ROOT = Path(__file__).parents[2]
WRITTEN = read_course(ROOT / "modules/course.toml").written


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    makers = {
        "test_the_reference_passes": lambda root, module: [Version(module)],
        "test_a_stub_fails_in_a_test_of_its_exercise": stubs,
        "test_a_wrong_answer_fails": wrong_answers,
    }
    if "version" in metafunc.fixturenames:
        maker = makers[metafunc.function.__name__]
        versions = [version for module in WRITTEN for version in versions_or_none(maker, module)]
        metafunc.parametrize("version", versions, ids=lambda version: version.name)


def versions_or_none(maker: Callable[[Path, Module], list[Version]], module: Module) -> list[Version]:
    """Return a module's versions; none of one that cannot be read, since test_readable says so by name."""
    try:
        return maker(ROOT, module)
    except (TitoError, OSError, ValueError, KeyError):
        return []


@pytest.mark.parametrize("module", WRITTEN, ids=lambda module: module.folder)
def test_readable(module: Module) -> None:
    assert stubs(ROOT, module)
    assert wrong_answers(ROOT, module)


def test_the_reference_passes(version: Version, trials: Trials) -> None:
    verdict = trials.verdict(version)
    assert verdict["code"] == 0, verdict["message"]
    assert verdict["foreign"] == []
    names = [stub.exercise for stub in stubs(ROOT, version.module)]
    assert sorted(verdict["marked"]) == sorted(names), "the suite's marks name other exercises than the lesson has"


def test_a_stub_fails_in_a_test_of_its_exercise(version: Version, trials: Trials) -> None:
    verdict = trials.verdict(version)
    assert verdict["code"] == 1, f"no test of this exercise failed: {verdict}"
    assert verdict["foreign"] == []
    assert version.exercise in verdict["proves"]


def test_a_wrong_answer_fails(version: Version, trials: Trials) -> None:
    verdict = trials.verdict(version)
    assert verdict["code"] == 1, f"no test failed: {verdict}"
    assert verdict["foreign"] == []
    assert version.exercise in verdict["proves"], "a test of another exercise failed first"
