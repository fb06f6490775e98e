"""What the plugin tells of a failure: each kind of test that a suite has, run once in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tito.course import read_course
from tito.runner import run_suite
from tito.workspace import Workspace

from .learner import make_course, write

SUITE = '''
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinytorch.core.numbers import double


class Odd:
    def __repr__(self):
        raise RuntimeError("broken")


def agree(a, b):
    assert a == b


def test_equal():
    assert double(1) == 3


def test_steps_that_lead_there():
    unused = 5
    x = [1, 2]
    y = double(x)
    z = y + [3]
    assert z == [0], "lists add up"


def test_alike():
    assert [1, np.float32(2)] == (1, np.float32(2))


def test_order():
    assert double(4) < 7


def test_approx():
    assert double(1.5) == pytest.approx(4.0)


def test_truth():
    assert not double(1)


def test_truth_of_a_call():
    assert np.allclose(double(1.0), 3.0)


def test_close():
    np.testing.assert_allclose(double(np.array([[1.0, 2.0], [3.0, 4.0]])), [[2.0, 4.0], [6.0, 9.0]])


def test_array_equal():
    np.testing.assert_array_equal(double(np.arange(3)), [0, 2, 5])


def test_no_error():
    with pytest.raises(ValueError, match="too large"):
        double(10)


def test_other_message():
    with pytest.raises(TypeError, match="numbers only"):
        double(None)


def test_other_error():
    with pytest.raises(ValueError):
        double(None)


def test_error():
    assert double(None) == 4


def test_helper():
    agree(double(2), 5)


def test_broken_repr():
    assert double(1) == Odd()


@settings(max_examples=50, database=None, derandomize=True)
@given(x=st.integers(0, 100), name=st.text())
def test_example(x, name):
    assert double(x) < 50


@pytest.mark.parametrize("mode", ["fast"])
@settings(max_examples=50, database=None, derandomize=True)
@given(data=st.data(), f=st.just(agree))
def test_draws(data, mode, f):
    n = data.draw(st.integers(0, 9), label="n")
    assert double(n) == 0


@pytest.mark.parametrize(("n", "f"), [(2, lambda x: x)])
def test_parameters(n, f):
    assert double(n) == 5


def test_long():
    assert double(list(range(2000))) == []


def test_prints():
    print("\\n".join(map(str, range(40))))
    raise SystemExit(3)


def test_warning():
    import warnings

    warnings.warn("old", DeprecationWarning)


@pytest.fixture
def broken():
    raise OSError("no such disk")


def test_fixture(broken):
    pass


def test_passes():
    """It is twice."""
    assert double(2) == 4
'''


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what was told of each test."""
    root: Path = tmp_path_factory.mktemp("report")
    make_course(root, starter=False)
    write(root / "tinytorch/core/numbers.py", "def double(x):\n    return x + x\n")
    write(root / "modules/01_numbers/test_numbers.py", SUITE)
    workspace = Workspace(root)
    run = run_suite(workspace, read_course(root / "modules/course.toml").find("01"), all_tests=True)
    assert run.ended
    return {test["name"].split("[")[0]: test for test in run.tests}


@pytest.mark.parametrize(
    ("test", "called", "came", "expected"),
    [
        ("test_equal", ["double(1)"], "2", "3"),
        ("test_steps_that_lead_there", ["x = [1, 2]", "y = double(x)", "z = y + [3]"], "[1, 2, 1, 2, 3]", "[0]"),
        ("test_order", ["double(4)"], "8", "< 7"),
        ("test_approx", ["double(1.5)"], "3.0", "4.0 ± 4.0e-06"),
        ("test_truth", ["double(1)"], "2", "False"),
        ("test_truth_of_a_call", ["np.allclose(double(1.0), 3.0)"], "False", "True"),
        (
            "test_close",
            ["double(np.array([[1.0, 2.0], [3.0, 4.0]]))"],
            "array([[2., 4.],\n       [6., 8.]])",
            "array([[2., 4.],\n       [6., 9.]])",
        ),
        ("test_array_equal", ["double(np.arange(3))"], "array([0, 2, 4])", "array([0, 2, 5])"),
        ("test_no_error", ["double(10)"], "no error", "ValueError with a message that matches\ntoo large"),
        (
            "test_other_message",
            ["double(None)"],
            "unsupported operand type(s) for +: 'NoneType' and 'NoneType'",
            "TypeError with a message that matches\nnumbers only",
        ),
        (
            "test_other_error",
            ["double(None)"],
            "TypeError: unsupported operand type(s) for +: 'NoneType' and 'NoneType'",
            "ValueError",
        ),
        (
            "test_error",
            ["double(None)"],
            "TypeError: unsupported operand type(s) for +: 'NoneType' and 'NoneType'",
            "4",
        ),
        ("test_helper", ["agree(double(2), 5)"], "4", "5"),
        ("test_broken_repr", ["double(1)"], "2", "<Odd; its __repr__ raises RuntimeError: broken>"),
        ("test_parameters", ["double(n)"], "4", "5"),
        ("test_prints", ["raise SystemExit(3)"], "SystemExit: 3", "no error"),
        ("test_fixture", ["raise OSError('no such disk')"], "OSError: no such disk", "no error"),
    ],
)
def test_what_was_called_what_came_and_what_was_expected(
    told: dict[str, Any], test: str, called: list[str], came: str, expected: str
) -> None:
    failure = told[test]["failure"]
    assert (failure["called"], failure["came"], failure["expected"]) == (called, came, expected)


def test_the_message_of_an_assert_is_a_note(told: dict[str, Any]) -> None:
    assert told["test_steps_that_lead_there"]["failure"]["note"] == "lists add up"


def test_arrays_say_how_far_they_are_apart(told: dict[str, Any]) -> None:
    assert told["test_close"]["failure"]["note"] == "The largest difference is 1."


def test_hypothesis_shows_its_smallest_example_in_one_line(told: dict[str, Any]) -> None:
    failure = told["test_example"]["failure"]
    assert failure["example"] == "x=25, name=''"
    assert (failure["came"], failure["expected"]) == ("50", "< 50")
    assert told["test_draws"]["failure"]["example"] == "f=agree\n1"
    assert told["test_draws"]["failure"]["given"] == {"mode": "'fast'"}


def test_parameters_that_can_be_read_are_shown(told: dict[str, Any]) -> None:
    assert told["test_parameters"]["failure"]["given"] == {"n": "2"}


def test_long_values_and_outputs_are_cut(told: dict[str, Any]) -> None:
    assert len(told["test_long"]["failure"]["came"]) < 900
    assert told["test_long"]["failure"]["came"].endswith(" ...")
    assert told["test_prints"]["failure"]["printed"] == "...\n" + "\n".join(map(str, range(30, 40)))


def test_a_warning_is_a_failure(told: dict[str, Any]) -> None:
    assert told["test_warning"]["failure"]["came"] == "DeprecationWarning: old"


def test_what_passes_is_told_with_its_purpose(told: dict[str, Any]) -> None:
    assert told["test_passes"]["outcome"] == "passed"
    assert told["test_passes"]["doc"] == "It is twice."
    assert told["test_passes"]["failure"] is None


def test_the_frames_are_those_of_the_package(told: dict[str, Any]) -> None:
    assert told["test_error"]["failure"]["frames"] == [
        {"path": "tinytorch/core/numbers.py", "line": 2, "function": "double"}
    ]
    assert told["test_equal"]["failure"]["frames"] == []
