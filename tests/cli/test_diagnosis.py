"""What a mistake looks like: by the listed mistakes of an exercise, and by the values alone."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tito.diagnosis.outcomes import alike, fitting, same_text
from tito.diagnosis.values import SLIPS, looks_like
from tito.diagnosis.versions import Exported
from tito.export import header
from tito.lesson import Lesson

from .learner import NUMBERS, Learner

MISTAKES = """
[double]
hints = ["Add it to itself.", "Look at the plus sign.", "return x + x"]

[[double.wrong]]
mistake = "squares"
diagnosis = "Two of them are added, not multiplied."
replace = "x + x"
with = "x * x"

[[double.wrong]]
mistake = "leaves it as it is"
diagnosis = "Nothing is added yet."
replace = "x + x"
with = "x"

[half]
hints = ["Divide.", "By two.", "return x / 2"]

[[half.wrong]]
mistake = "divides by four"
diagnosis = "Four is two times two."
replace = "x / 2"
with = "x / 4"
"""


@pytest.fixture
def learner(learner: Learner) -> Learner:
    """A learner whose tool knows some mistakes."""
    (learner.root.parent / "reference/modules/01_numbers/exercises.toml").write_text(MISTAKES)
    return learner


# By behaviour


def test_a_mistake_that_behaves_as_a_listed_one_is_named(learner: Learner) -> None:
    learner.answer("double", "    squared = x**2\n    return squared")
    out = learner.tito("module", "test", "01").stdout
    assert out == (
        "01 Numbers: 0 of 3 tests passed before the first failure.\n\n"
        "double is not right yet.\n"
        "Test        test_double_is_twice\n"
        "            Twice three is six.\n"
        "Called      result = double(x)\n"
        "With        x=3\n"
        "Came        9\n"
        "Expected    6\n"
        "Looks like  it squares.\n"
        "            Two of them are added, not multiplied.\n"
        "Where       modules/01_numbers/numbers_dev.py:22\n\n"
        "Next: mend it, then `tito module test 01`. Stuck? `tito module hint 01`\n"
    )


def test_other_programs_get_it_too(learner: Learner) -> None:
    learner.answer("double", "    return x")
    failures = learner.json("module", "test", "01")["failures"]
    assert [failure["diagnosis"] for failure in failures] == ["it leaves it as it is.\nNothing is added yet.", "", ""]


@pytest.mark.parametrize("answer", ["    return x * 4", "    return -x", "    return None", "    return x.nothing"])
def test_a_mistake_that_is_not_listed_is_not_named(learner: Learner, answer: str) -> None:
    learner.answer("double", answer)
    assert "it " not in learner.json("module", "test", "01")["failures"][0]["diagnosis"]


def test_a_mistake_that_another_test_tells_from_the_listed_one_is_not_named(learner: Learner) -> None:
    """9 comes for 3, as from a square; but a word is no error here, as it is of a square."""
    learner.answer("double", "    return x + 6 if x else 0")
    assert "Looks like" not in learner.tito("module", "test", "01").stdout


def test_the_exercise_that_is_to_blame_is_found_among_several(learner: Learner) -> None:
    suite = learner.read("modules/01_numbers/test_numbers.py")
    suite = suite.replace('@pytest.mark.exercise("half")', '@pytest.mark.exercise("double", "half")')
    learner.write("modules/01_numbers/test_numbers.py", suite)
    learner.answer("double")
    learner.answer("half", "    return x * 0.25")
    out = learner.tito("module", "test", "01").stdout
    assert "one of half and double is not right yet.\n" in out, "the tests of `double` have passed"
    assert "Looks like  in half, it divides by four.\n            Four is two times two.\n" in out


def test_a_stub_is_no_mistake(learner: Learner) -> None:
    result = learner.json("module", "test", "01")
    assert [failure["diagnosis"] for failure in result["failures"]] == ["", "", ""]


def test_two_listed_mistakes_that_behave_alike_are_not_told_apart(learner: Learner) -> None:
    table = learner.root.parent / "reference/modules/01_numbers/exercises.toml"
    twin = '[[half.wrong]]\nmistake = "takes a quarter"\ndiagnosis = "{}"\nreplace = "x / 2"\nwith = "0.25 * x"\n'
    learner.answer("double")
    learner.answer("half", "    return x / 2 / 2")
    table.write_text(MISTAKES + twin.format("Something else."))
    assert "Looks like" not in learner.tito("module", "test", "01").stdout
    table.write_text(MISTAKES + twin.format("Four is two times two."))
    assert "Looks like  it divides by four.\n" in learner.tito("module", "test", "01").stdout


def test_an_endless_mistake_is_named_and_nothing_is_left_running(learner: Learner) -> None:
    table = learner.root.parent / "reference/modules/01_numbers/exercises.toml"
    endless = (
        '[[half.wrong]]\nmistake = "goes round for ever"\ndiagnosis = "When is it done?"\nreplace = "return x / 2"\n'
    )
    table.write_text(MISTAKES + endless + 'with = "while x: pass"\n')
    learner.answer("double")
    learner.answer("half", "    while True:\n        x += 1")
    out = learner.tito("module", "test", "01", "--limit", "1.5").stdout
    assert "half did not end.\n" in out
    assert "Looks like  it goes round for ever.\n            When is it done?\n" in out
    assert not [line for line in processes() if "tito.diagnosis" in line]


def test_the_workspace_is_left_as_it_is(learner: Learner) -> None:
    """An answer that writes where it runs writes into a copy."""
    learner.answer("double", "    import pathlib; pathlib.Path(__file__).with_name('here').touch(); return x * x")
    learner.tito("export", "01")
    before = learner.snapshot()
    assert "it squares" in learner.tito("module", "test", "01").stdout
    after = learner.snapshot()
    assert set(after) - set(before) == {"tinytorch/core/here"}  # by the test run itself
    learner.path("tinytorch/core/here").unlink()
    verdict_alone = (
        "import sys; from pathlib import Path; from tito import carried; "
        "carried.course_root = lambda: Path(sys.argv[1]); "
        "from tito.workspace import Workspace; from tito.diagnosis.behaviour import diagnose; "
        "from tito.export import read_lesson; w = Workspace(Path('.').resolve()); m = w.course.find('01'); "
        "print(diagnose(w, m, read_lesson(w.root, m), m.suite + '::test_double_is_twice[3]', ('double',)))"
    )
    reference = str(learner.root.parent / "reference")
    command = [sys.executable, "-c", verdict_alone, reference]
    done = subprocess.run(command, cwd=learner.root, capture_output=True, text=True, timeout=60)
    assert "mistake='squares'" in done.stdout, done.stderr
    assert learner.snapshot() == before


@pytest.mark.parametrize("broken", ["import time; time.sleep(60)", "import os; os._exit(0)", "raise SystemExit(0)"])
def test_a_search_that_does_not_end_well_is_given_up(
    learner: Learner, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tito.diagnosis.behaviour.LIMIT", 3.0)
    learner.answer("double", f"    {broken}\n    return x * x")
    started = time.monotonic()
    out = learner.tito("module", "test", "01", "--limit", "2").stdout
    assert time.monotonic() - started < 20
    assert "Next: " in out
    assert "it squares" not in out
    assert not [line for line in processes() if "tito.diagnosis" in line]


def test_a_lesson_whose_answers_cannot_change_places_gets_none(learner: Learner) -> None:
    learner.answer("double", "    return x * x")
    text = learner.read("numbers").replace(
        "    ### BEGIN SOLUTION\n    return x * x\n    ### END SOLUTION\n", "    return x * x\n"
    )
    learner.write("numbers", text)
    result = learner.tito("module", "test", "01")
    assert result.exit_code == 1
    assert "Came      9\nExpected  6\n" in result.stdout


@pytest.mark.parametrize("broken", ["table", "disk"])
def test_a_search_that_cannot_begin_leaves_the_verdict_as_it_is(
    learner: Learner, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    learner.answer("double", "    return x * x")
    if broken == "table":
        (learner.root.parent / "reference/modules/01_numbers/exercises.toml").unlink()
    else:
        monkeypatch.setattr("shutil.copytree", fail)
    result = learner.tito("module", "test", "01")
    assert result.exit_code == 1
    assert "Came      9\nExpected  6\nWhere " in result.stdout
    assert result.stderr == ""


def test_answers_change_places_in_the_package_as_in_the_lesson(learner: Learner) -> None:
    lesson = Lesson(NUMBERS, "numbers_dev.py")
    file = Exported(lesson, header(lesson.path))
    for exercise in ("double", "half"):
        for answer in ("    return 0", "    y = x\n\n    return y", ""):
            changed = Lesson(lesson.replaced({exercise: (answer or "    pass",)}), lesson.path)
            assert file.replaced(exercise, (answer or "    pass",)) == changed.export(header(lesson.path))


def processes() -> list[str]:
    return subprocess.run(["ps", "-o", "args=", "-A"], capture_output=True, text=True, check=True).stdout.split("\n")


# Outcomes


def outcome(came: str, expected: str = "1", line: int = 3, error: str = "AssertionError") -> dict[str, Any]:
    return {"type": error, "line": line, "came": came, "expected": expected, "message": ""}


STUB = outcome("x", error="NotImplementedError") | {"message": "exercise half: write it in modules/01/n_dev.py"}


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("[1.0, 2.0]", "[1.00000001, 2.]", True),
        ("array([[1., 2.],\n       [3., 4.]])", "array([[1., 2.], [3., 4.]])", True),
        ("[1.0, 2.0]", "[1.0, 2.1]", False),
        ("[1.0, 2.0]", "[1.0]", False),
        ("-1.0", "1.0", False),
        ("1e-30", "2e-30", True),
        ("nan", "inf", False),
        ("KeyError: 'a'", "KeyError: 'b'", False),
        ("<f at 0x7f0>", "<f at 0x8f1>", True),
    ],
)
def test_texts_agree_but_for_rounding(a: str, b: str, same: bool) -> None:
    assert same_text(a, b) is same
    assert same_text(b, a) is same


def test_an_error_may_name_its_operands_in_another_order() -> None:
    one, other = "TypeError: 'NoneType' and 'float' in *", "TypeError: 'float' and 'NoneType' in *"
    assert alike(outcome(one, error="TypeError"), outcome(other, error="TypeError"))
    assert not alike(outcome(one, error="TypeError"), outcome("TypeError: 'str' and 'float' in *", error="TypeError"))
    assert not alike(outcome("[1, 2]"), outcome("[2, 1]"))


def test_tests_end_alike_where_line_error_and_values_agree() -> None:
    assert alike(None, None)
    assert not alike(None, outcome("1"))
    assert alike(outcome("1.0"), outcome("1.000000001"))
    assert not alike(outcome("1"), outcome("2"))
    assert not alike(outcome("1"), outcome("1", line=4))
    assert not alike(outcome("1"), outcome("1", error="TypeError"))
    assert not alike(outcome("1"), outcome("1", expected="2"))


def test_a_mistake_fits_if_all_tests_that_ran_end_alike() -> None:
    learner = {"a": outcome("1"), "b": None, "c": STUB}
    assert fitting(learner, {"same": {"a": outcome("1"), "b": None, "c": None}}) == ["same"]
    assert fitting(learner, {"shorter": {"a": outcome("1")}}) == ["shorter"]
    assert fitting(learner, {"other": {"a": outcome("2"), "b": None}}) == []
    assert fitting(learner, {"fails more": {"a": outcome("1"), "b": outcome("1")}}) == []
    assert fitting(learner, {"fails nothing in common": {"b": None}}) == []
    late = outcome("TooLongError: it did not end", error="TooLongError")
    assert fitting(learner, {"late": {"a": outcome("1"), "b": late}}) == ["late"]
    assert fitting(learner, {"only late": {"a": late}}) == []
    assert fitting({"a": late}, {"endless too": {"a": late}}) == ["endless too"]
    assert fitting({"c": STUB}, {"stub": {"c": STUB}}) == []
    assert fitting({"a": None}, {"right": {"a": None}}) == []


# By values

A = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -7.0]])
SQUARE = np.array([[1.0, 2.0], [3.0, 5.0]])
P = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
G = np.array([[1.0, -2.0, 0.5], [2.0, 0.0, 3.0]])
SOFTMAX_GRAD = P * (G - (P * G).sum(axis=1, keepdims=True))


class Tensor:
    def __init__(self, data: object) -> None:
        self.data = np.asarray(data)


@pytest.mark.parametrize(
    ("came", "expected", "words"),
    [
        (-A, A, "the opposite sign"),
        (-3.0, 3.0, "the opposite sign"),
        (np.abs(A), A, "without their signs"),
        ((2.0, 5.0), (5.0, 2.0), "in each other's place"),
        ([A, SQUARE], [SQUARE, A], "in each other's place"),
        (A.T, A, "the transpose"),
        (SQUARE.T, SQUARE, "the transpose"),
        (A.reshape(3, 2), A.T, "in their old order in a new shape"),
        (2 * A, A, "twice what was expected"),
        (A / 2, A, "half of what was expected"),
        (6 * A, A, "each number 6 times too large, and 6 is the number of elements"),
        (A / 6, A, "each number 6 times too small, and 6 is the number of elements"),
        (3 * A, A, "3 is the length of axis 1"),
        (A, A.sum(axis=0), "the right numbers before a sum: shape (2, 3) instead of (3,)"),
        (A, A.sum(axis=1, keepdims=True), "shape (2, 3) instead of (2, 1). Look for the sum over axis 1"),
        (A.sum(axis=0), A, "the sum over axis 0 of what was expected"),
        (A.sum(axis=1, keepdims=True), A, "the sum over axis 1 of what was expected"),
        (A.sum(axis=0), A.sum(axis=1), "the same total in the shape (3,) instead of (2,)"),
        (A.mean(axis=0), A.mean(axis=1), "the same mean in the shape (3,) instead of (2,)"),
        (A[:, :1], A[:, 0], "the shape (2, 1) instead of (2,). Look at an axis of length 1 that was kept"),
        (A[:, 0], A[:, :1], "that was dropped"),
        ([1.0, 2.0, 4.0], [4.0, 2.0, 1.0], "in reverse order"),
        (P * G, SOFTMAX_GRAD, "sum to 0 along axis 1"),
        ([np.nan, 1.0], [0.0, 1.0], "nan where a finite number was expected"),
        ([np.inf, 1.0], [700.0, 1.0], "infinity where a finite number was expected"),
        (A.astype(np.float64), A.astype(np.float32), "float64 where float32 was expected"),
        (np.dtype(np.float64), np.dtype(np.float32), "float64 where float32 was expected"),
        (Tensor(-A), Tensor(A), "the opposite sign"),
        (Tensor(-A), (A).tolist(), "the opposite sign"),
    ],
)
def test_a_slip_is_named(came: object, expected: object, words: str) -> None:
    assert words in looks_like(came, expected)


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        (A, A),
        (0.0, 0.0),
        (np.zeros(3), np.zeros(3)),
        (np.zeros((2, 3)), np.zeros(3)),
        (np.zeros((2, 3)), A),
        (3.0, 6.0),
        (2, 1),
        ([2.0, 2.0], [1.0, 1.0]),
        ("a", "b"),
        (None, 1.0),
        (True, False),
        ([1.0, [2.0]], [1.0, [3.0]]),
        ([], []),
        ([1.0], []),
        (object(), object()),
        ({"a": 1}, {"a": -1}),
        ([10**400], [1]),
        (np.array(["a"]), np.array(["b"])),
        ([np.nan, 1.0], [np.nan, 2.0]),
        ([1.0, 2.0], [np.inf, 2.0]),
        (SQUARE + 1, SQUARE),
        (SOFTMAX_GRAD + np.array([1.0, 0.0, 0.0]), SOFTMAX_GRAD),
        (SOFTMAX_GRAD + np.array([1.0, -2.0, 3.0]), SOFTMAX_GRAD),
        ([A, A], [A + 1, A + 1]),
        (A[:2, :2] * 0, SQUARE * 0),
        (A, A[:, :2]),
    ],
)
def test_where_everything_fits_or_nothing_does_nothing_is_said(came: object, expected: object) -> None:
    assert looks_like(came, expected) == ""


SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=4)
SEEDS = st.integers(0, 2**32 - 1)


@settings(derandomize=True)
@given(shape=SHAPES, other=SHAPES, seed=SEEDS)
def test_unrelated_numbers_look_like_nothing(shape: tuple[int, ...], other: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    came, expected = rng.standard_normal(shape), rng.standard_normal(other)
    assert looks_like(came, expected) == ""
    assert looks_like(rng.standard_normal(shape), rng.standard_normal(shape)) == ""


@settings(derandomize=True)
@given(shape=SHAPES, seed=SEEDS, exponent=st.integers(-20, 20))
def test_slips_are_seen_at_every_scale(shape: tuple[int, ...], seed: int, exponent: int) -> None:
    expected = np.random.default_rng(seed).standard_normal(shape) * 10.0**exponent
    assert "opposite sign" in looks_like(-expected, expected)
    assert "twice" in looks_like(2 * expected, expected) or "too large" in looks_like(2 * expected, expected)
    assert "before a sum" in looks_like(expected, expected.sum(axis=0))
    assert looks_like(expected * (1 + 1e-9), expected) == ""


@settings(derandomize=True)
@given(came=hnp.arrays(np.float64, SHAPES), expected=hnp.arrays(np.float64, SHAPES))
def test_no_two_arrays_break_it(came: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    """Whatever they hold: nan, infinities, the largest and the smallest numbers."""
    assert isinstance(looks_like(came, expected), str)


def test_every_slip_has_a_case_above() -> None:
    assert {slip.__name__ for slip in SLIPS} == {
        "sign",
        "sign_lost",
        "extra_axis",
        "transposed",
        "reshaped",
        "unsummed",
        "oversummed",
        "other_axis",
        "factor",
        "backwards",
        "without_sum_term",
    }


def test_values_need_neither_pytest_nor_the_framework() -> None:
    code = (
        "import sys; from tito.diagnosis.values import looks_like; print(looks_like([-1.0, 2.0], [1.0, -2.0])[:17]); "
        "print(sorted({'pytest', 'hypothesis', 'tinytorch', 'rich', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.stdout == "the right numbers\n[]\n", done.stderr


def test_a_value_that_only_looks_like_a_slip_is_said_in_the_verdict(learner: Learner) -> None:
    suite = learner.read("modules/01_numbers/test_numbers.py")
    learner.write(
        "modules/01_numbers/test_numbers.py",
        suite.replace("half(2) == 1", "[half(2.0), half(4.0), half(6.0)] == [1.0, 2.0, 3.0]"),
    )
    learner.answer("double")
    learner.answer("half", "    return -x / 2")
    out = learner.tito("module", "test", "01").stdout
    assert (
        "Expected    [1.0, 2.0, 3.0]\n"
        "Looks like  the right numbers with the opposite sign. Look for a minus that is\n"
        "            missing, or a difference the wrong way round.\n"
    ) in out
