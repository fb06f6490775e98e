"""Every written module of the course keeps to what a module is (checks.py says what)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tito.commands.module.start import opening
from tito.course import Course, Module, read_course
from tito.export import read_lesson

from . import checks

ROOT = Path(__file__).parents[2]
WRITTEN = read_course(ROOT / "modules/course.toml").written

each_module = pytest.mark.parametrize("module", WRITTEN, ids=lambda module: module.folder)


def test_the_table_is_in_order(repository: Path, course: Course) -> None:
    assert list(checks.table(repository, course)) == []


def test_everything_in_the_core_has_a_source(repository: Path, course: Course) -> None:
    complaints = list(checks.package(repository, course))
    assert not complaints, "\n".join(complaints)


@each_module
@pytest.mark.parametrize(
    "check",
    [
        checks.files,
        checks.page,
        checks.title,
        checks.exported,
        checks.hints,
        checks.listed_answers,
        checks.answers,
        checks.classes,
        checks.inline_tests,
        checks.script,
        checks.names,
    ],
    ids=lambda check: check.__name__,
)
def test_module_keeps_to(check: checks.Check, module: Module, repository: Path) -> None:
    complaints = list(check(repository, module))
    assert not complaints, "\n".join(complaints)


@each_module
def test_module_imports_only_what_stands_before_it(module: Module, repository: Path, course: Course) -> None:
    assert list(checks.imports(repository, course, module)) == []


@each_module
def test_what_a_learner_reads_first_is_prose(module: Module, repository: Path) -> None:
    about, *rest = opening(read_lesson(repository, module))
    assert about.endswith((".", "?"))
    assert not any('"""' in paragraph for paragraph in (about, *rest))
