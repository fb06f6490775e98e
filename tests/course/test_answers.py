"""For every exercise the reference passes, and so do other right answers; the stub and each wrong answer fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tito.course import Module, read_course
from tito.diagnosis.outcomes import fitting
from tito.diagnosis.trials import Verdict
from tito.errors import TitoError

from .answers import Trials, Version, right_answers, stubs, told_from, wrong_answers

ROOT = Path(__file__).parents[2]
WRITTEN = read_course(ROOT / "modules/course.toml").written


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    makers = {
        "test_the_reference_passes": lambda root, module: [Version(module)],
        "test_a_right_answer_written_differently_passes": right_answers,
        "test_a_stub_fails_in_a_test_of_its_exercise": stubs,
        "test_a_wrong_answer_fails_and_is_told_from_the_others": wrong_answers,
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


def diagnoses(version: Version, verdict: Verdict, trials: Trials) -> list[str]:
    """Return the listed mistakes of the version's exercise after which its tests end as they do in `verdict`."""
    others = {other.name: trials.verdict(other).outcomes for other in told_from(ROOT, version)}
    return fitting(verdict.outcomes, others)


def test_the_reference_passes(version: Version, trials: Trials) -> None:
    verdict = trials.verdict(version)
    assert verdict.code == 0, verdict.message
    assert verdict.foreign == []
    names = [stub.exercise for stub in stubs(ROOT, version.module)]
    assert sorted(verdict.marked) == sorted(names), "the suite's marks name other exercises than the lesson has"


def test_a_right_answer_written_differently_passes(version: Version, trials: Trials) -> None:
    verdict = trials.verdict(version)
    assert verdict.code == 0, verdict.message
    assert diagnoses(version, verdict, trials) == []


def test_a_stub_fails_in_a_test_of_its_exercise(version: Version, trials: Trials) -> None:
    verdict = trials.verdict(version)
    assert verdict.code == 1, f"no test of this exercise failed: {verdict}"
    assert verdict.foreign == []
    assert version.exercise in verdict.proves
    assert diagnoses(version, verdict, trials) == []


def test_a_wrong_answer_fails_and_is_told_from_the_others(version: Version, trials: Trials) -> None:
    verdict = trials.verdict(version)
    assert verdict.code == 1, f"no test failed: {verdict}"
    assert verdict.foreign == []
    assert version.exercise in verdict.proves, "a test of another exercise failed first"
    assert diagnoses(version, verdict, trials) == [version.name]
