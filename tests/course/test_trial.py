"""The trials themselves, on a small course: what passes, what fails, and what does neither."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tito.course import read_course
from tito.diagnosis.trials import CAN_FORK, Verdict

from .answers import Trials, Version, stubs, table_of, wrong_answers

Judge = Callable[..., list[Verdict]]


@pytest.fixture
def judge(small: Path, tmp_path: Path) -> Iterator[Judge]:
    """Return the verdicts on versions of the small course."""
    started: list[Trials] = []

    def run(*versions: Version, **options: Any) -> list[Verdict]:
        folder = tmp_path / f"trials-{len(started)}"
        folder.mkdir()
        trials = Trials(small, read_course(small / "modules/course.toml"), versions, folder, **options)
        started.append(trials)
        return [trials.verdict(version) for version in versions]

    yield run
    for trials in started:
        trials.close()


def number(small: Path, exercise: str = "", mistake: str = "") -> Version:
    module = read_course(small / "modules/course.toml").find("1")
    listed = table_of(small, module).wrong.get(exercise, ())
    return Version(module, exercise, next((edit for edit in listed if edit.name == mistake), None))


def change(small: Path, name: str, old: str, new: str) -> None:
    path = small / "modules/01_number" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("fork", [True, False] if CAN_FORK else [False])
def test_reference_passes_stub_fails_and_wrong_answers_fail(small: Path, judge: Judge, fork: bool) -> None:
    module = read_course(small / "modules/course.toml").find("1")
    versions = [Version(module), *stubs(small, module), *wrong_answers(small, module)]
    assert [version.name for version in versions] == [
        "01_number",
        "01_number: double",
        "01_number: steps",
        "01_number: double: squares",
        "01_number: double: adds nothing",
        "01_number: double: loses the sign",
        "01_number: steps: steps down to go up",
        "01_number: steps: steps up to go down",
        "01_number: steps: takes two steps up",
    ]
    verdicts = judge(*versions, fork=fork)
    assert [verdict.code for verdict in verdicts] == [0, 1, 1, 1, 1, 1, 1, 1, 1]
    double, steps = ["double"], ["steps"]
    assert [verdict.proves for verdict in verdicts] == [[], double, steps, double, double, double, steps, steps, steps]
    assert [verdict.foreign for verdict in verdicts] == [[]] * 9
    assert verdicts[0].marked == ["double", "steps"]
    assert "NotImplementedError: exercise double" in verdicts[1].message
    assert verdicts[7].failed.endswith("test_a_step_up_and_down")
    assert "4 == 2" in verdicts[7].message


def test_a_surviving_answer_is_seen(small: Path, judge: Judge) -> None:
    change(small, "exercises.toml", 'with = "x"', 'with = "2 * x"')
    (verdict,) = judge(number(small, "double", "adds nothing"))
    assert verdict.code == 0


def test_a_wrong_answer_may_fail_in_any_test_but_those_of_its_exercise_come_first(small: Path, judge: Judge) -> None:
    change(small, "test_number.py", '@pytest.mark.exercise("steps")\n', "")
    both = judge(number(small, "steps", "steps down to go up"), number(small, "steps"))
    assert [verdict.code for verdict in both] == [1, 5]  # 5: no test is marked with the exercise, so none ran
    change(small, "test_number.py", "def test_value", '@pytest.mark.exercise("steps")\ndef test_value')
    change(small, "test_number.py", "Number(3).value", "Number(3).up().down().value")
    (verdict,) = judge(number(small, "steps", "steps down to go up"))
    assert verdict.failed.endswith("test_value")


def test_a_stub_that_keeps_the_suite_from_being_read_is_no_failed_test(small: Path, judge: Judge) -> None:
    change(
        small,
        "number_dev.py",
        '# %% tags=["number"]\n#| export\n',
        '# %% tags=["number"]\n#| export\nFOUR = double(2)\n\n\n',
    )
    (verdict,) = judge(number(small, "double"))
    assert verdict.code == 2
    assert "NotImplementedError" in verdict.message


def test_a_replacement_has_to_fit_once(small: Path, judge: Judge) -> None:
    change(
        small,
        "exercises.toml",
        'replace = "self.value + 1"\nwith = "self.value - 1"',
        'replace = "self.value"\nwith = "self.value - 1"',
    )
    change(small, "exercises.toml", 'replace = "x + x"', 'replace = "x - x"')
    twice, never = judge(number(small, "steps", "steps down to go up"), number(small, "double", "squares"))
    assert (twice.code, twice.message) == (None, "`replace` stands 2 times in the answer, not once")
    assert (never.code, never.message) == (None, "`replace` stands 0 times in the answer, not once")


def test_a_wrong_answer_that_is_not_python_has_a_verdict(small: Path, judge: Judge) -> None:
    change(small, "exercises.toml", 'with = "x * x"', 'with = "x *"')
    (verdict,) = judge(number(small, "double", "squares"))
    assert verdict.code is None
    assert "number.py, line 14" in verdict.message


def test_an_endless_test_fails_by_its_limit(small: Path, judge: Judge) -> None:
    change(small, "exercises.toml", 'with = "x * x"', 'with = "any(0 for _ in iter(int, 1))"')
    endless, fine = judge(number(small, "double", "squares"), number(small), test_limit=0.5)
    assert endless.code == 1
    assert "the test did not end in 0.5 s" in endless.message
    assert fine.code == 0


@pytest.mark.parametrize(("fork", "limit"), [(True, 3), (False, 5)] if CAN_FORK else [(False, 5)])
def test_a_process_that_does_not_end_is_killed(small: Path, judge: Judge, fork: bool, limit: int) -> None:
    change(small, "exercises.toml", 'with = "x * x"', "with = \"__import__('time').sleep(60)\"")
    change(
        small,
        "test_number.py",
        "import pytest\n",
        "import pytest, signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN); signal.signal = print\n",
    )
    begin = time.monotonic()
    stuck, fine = judge(number(small, "double", "squares"), number(small), limit=limit, fork=fork)
    assert stuck.code is None
    assert f"did not end in {limit} s" in stuck.message
    assert fine.code == 0
    assert time.monotonic() - begin < 30


def test_a_process_that_dies_has_a_verdict(small: Path, judge: Judge) -> None:
    change(small, "exercises.toml", 'with = "x * x"', "with = \"__import__('os')._exit(0)\"")
    died, fine = judge(number(small, "double", "squares"), number(small))
    assert died.code is None
    assert "the process died" in died.message
    assert fine.code == 0


def test_code_from_elsewhere_is_seen(small: Path, judge: Judge, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.py"
    elsewhere.write_text("x = 1\n")
    change(
        small,
        "test_number.py",
        "import pytest\n",
        "import pytest, sys, importlib.util\n"
        f"spec = importlib.util.spec_from_file_location('tinytorch.other', {str(elsewhere)!r})\n"
        "sys.modules['tinytorch.other'] = importlib.util.module_from_spec(spec)\n",
    )
    (verdict,) = judge(number(small))
    assert verdict.foreign == ["tinytorch.other"]


def test_nothing_above_the_module_is_there(small: Path, judge: Judge) -> None:
    change(small, "test_number.py", "import pytest\n", "import pytest\nimport tinytorch.core.square\n")
    (verdict,) = judge(number(small))
    assert verdict.code == 2
    assert "No module named 'tinytorch.core.square'" in verdict.message


def test_processes_that_a_suite_starts_see_the_same_version(small: Path, judge: Judge) -> None:
    change(
        small,
        "test_number.py",
        "def test_value():\n",
        "def test_value():\n"
        "    import subprocess, sys\n"
        "    code = 'from tinytorch.core.number import double; print(double(3))'\n"
        "    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)\n"
        "    assert done.stdout == '6\\n', done.stdout\n",
    )
    change(small, "test_number.py", '@pytest.mark.exercise("double")\n@given(st.integers())\n', "@given(st.just(0))\n")
    reference, wrong = judge(number(small), number(small, "double", "squares"))
    assert reference.code == 0
    assert wrong.code == 1
    assert wrong.failed.endswith("test_value")


def test_nothing_in_the_course_is_touched(small: Path, judge: Judge) -> None:
    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in small.rglob("*")}

    before = files()
    judge(number(small), number(small, "double"))
    assert files() == before
    assert not (Path(os.getcwd()) / "place-0").exists()
