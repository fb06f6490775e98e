"""Fixtures of the course's tests: the trials of all answers, and a small course to prove the tests on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tito.course import Course, read_course
from tito.export import export_of, names_of

from .answers import Trials, Version, told_from

TABLE = """
[[module]]
number = 1
folder = "01_number"
title = "Number"
hours = 1
difficulty = 1
needs = []
can = "count"
adds = { tinytorch = ["Number", "double"] }

[[module]]
number = 2
folder = "02_square"
title = "Square"
hours = 1
difficulty = 1
needs = ["01_number"]
can = "square"
adds = { "tinytorch.nn" = ["square"] }

[[module]]
number = 3
folder = "03_later"
title = "Later"
needs = ["02_square"]
"""

NUMBER = '''\
# %% [markdown]
"""
# 01 Number
"""

# %%
#| default_exp core.number
#| doc Numbers that count.

# %% tags=["imports"]
#| export
from __future__ import annotations


# %% tags=["double"]
#| export
def double(x: int) -> int:
    """Return twice `x`."""
    ### BEGIN SOLUTION
    return x + x
    ### END SOLUTION


# %%
def test_unit_double() -> None:
    assert double(2) == 4


# %% tags=["number"]
#| export
class Number:
    """A number that steps up and down."""

    def __init__(self, value: int) -> None:
        self.value = value


# %% tags=["steps"]
#| export
class Number(Number):
    def up(self) -> Number:
        ### BEGIN SOLUTION
        return Number(self.value + 1)
        ### END SOLUTION

    def down(self) -> Number:
        ### BEGIN SOLUTION
        return Number(self.value - 1)
        ### END SOLUTION


# %%
def test_unit_steps() -> None:
    assert Number(3).up().value == 4


# %%
def test_module() -> None:
    """🧪 Module 01: numbers."""
    assert double(Number(3).up().value) == 8
    print("Module 01 works.")


if __name__ == "__main__":
    test_unit_double()
    test_unit_steps()
    test_module()
'''

NUMBER_SUITE = """\
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tinytorch.core.number import Number, double


@pytest.mark.exercise("double")
@given(st.integers())
def test_double_is_two_times(x):
    assert double(x) == 2 * x


@pytest.mark.exercise("steps")
def test_a_step_up_and_down():
    assert Number(3).up().value == 4
    assert Number(3).down().value == 2


def test_value():
    assert Number(3).value == 3
"""

SQUARE = '''\
# %% [markdown]
"""
# 02 Square
"""

# %%
#| default_exp core.square
#| doc Squares.

# %% tags=["imports"]
#| export
from __future__ import annotations

import math

from tinytorch.core.number import double


# %% tags=["square"]
#| export
def square(x: int) -> int:
    """Return `x` times `x`."""
    ### BEGIN SOLUTION
    return x * x + double(0)
    ### END SOLUTION


# %%
def test_unit_square() -> None:
    assert square(3) == 9


# %%
def test_module() -> None:
    """🧪 Module 02: squares."""
    assert math.isclose(square(4), 16)
    print("Module 02 works.")


if __name__ == "__main__":
    test_unit_square()
    test_module()
'''

SQUARE_SUITE = """\
import pytest
from tinytorch.core.square import square


@pytest.mark.exercise("square")
def test_square():
    assert square(-3) == 9
"""

EXERCISES = """\
[double]
hints = ["Twice is once and once more.", "The plus sign adds.", "x + x"]
[[double.wrong]]
mistake = "squares"
diagnosis = "Read the name of the function once more, and say what it has to do."
replace = "x + x"
with = "x * x"
[[double.wrong]]
mistake = "adds nothing"
diagnosis = "Read the name of the function once more, and say what it has to do."
replace = "x + x"
with = "x"
[[double.wrong]]
mistake = "loses the sign"
diagnosis = "Read the name of the function once more, and say what it has to do."
replace = "x + x"
with = "abs(x + x)"
[[double.right]]
way = "two times"
replace = "x + x"
with = "2 * x"

[steps]
hints = ["One more, one less.", "Look at __init__.", "Number(self.value + 1)"]
[[steps.wrong]]
mistake = "steps down to go up"
diagnosis = "Read the name of the function once more, and say what it has to do."
replace = "self.value + 1"
with = "self.value - 1"
[[steps.wrong]]
mistake = "steps up to go down"
diagnosis = "Read the name of the function once more, and say what it has to do."
replace = "self.value - 1"
with = "self.value + 1"
[[steps.wrong]]
mistake = "takes two steps up"
diagnosis = "Read the name of the function once more, and say what it has to do."
replace = "self.value + 1"
with = "self.value + 2"
[[steps.right]]
way = "the step first"
replace = "self.value + 1"
with = "1 + self.value"
"""

SQUARE_EXERCISES = """\
[square]
hints = ["A square has equal sides.", "The star multiplies.", "x * x"]
[[square.wrong]]
mistake = "doubles"
diagnosis = "Read the name of the function once more, and say what it has to do."
replace = "x * x"
with = "x + x"
[[square.wrong]]
mistake = "leaves the sign"
diagnosis = "Read the name of the function once more, and say what it has to do."
replace = "x * x"
with = "x * abs(x)"
[[square.wrong]]
mistake = "adds one"
diagnosis = "Read the name of the function once more, and say what it has to do."
replace = "x * x"
with = "x * x + 1"
[[square.right]]
way = "a power"
replace = "x * x"
with = "x**2"
[[square.right]]
way = "the sign left out"
replace = "x * x"
with = "abs(x) * abs(x)"
"""

PAGE = """\
# {title}

## Overview
Time 1 hour, difficulty 1 of 4.
## Prerequisites
None.
## Learning outcomes
Counting.
## Module structure
Two parts.
## Key concepts
Numbers.
## Common pitfalls
Zero.
## Testing strategy
All of it.
## Files
One.
## Export
`tito export`
## Next steps
More.
"""


@pytest.fixture
def small(tmp_path: Path, repository: Path) -> Path:
    """A course of two small modules in which everything is right."""
    root = tmp_path / "small"
    files = {
        "modules/course.toml": TABLE,
        "modules/01_number/number_dev.py": NUMBER,
        "modules/01_number/test_number.py": NUMBER_SUITE,
        "modules/01_number/exercises.toml": EXERCISES,
        "modules/01_number/README.md": PAGE.format(title="01 Number"),
        "modules/02_square/square_dev.py": SQUARE,
        "modules/02_square/test_square.py": SQUARE_SUITE,
        "modules/02_square/exercises.toml": SQUARE_EXERCISES,
        "modules/02_square/README.md": PAGE.format(title="02 Square"),
        "tinytorch/__init__.py": "from tinytorch.core.number import Number, double\n",
        "tinytorch/nn/__init__.py": "from tinytorch.core.square import square\n",
        "tinytorch/core/__init__.py": "",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    shutil.copy(repository / "pyproject.toml", root)
    export_all(root)
    return root


def export_all(root: Path) -> None:
    """Export every lesson of the course at `root`."""
    course = read_course(root / "modules/course.toml")
    for module in course.written:
        export_of(root, module).write()
    names_of(root, course).write()


@pytest.fixture(scope="session")
def trials(
    request: pytest.FixtureRequest, repository: Path, course: Course, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trials]:
    """The trials of all versions that the tests of this run ask for, in their order."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = [values["version"] for values in parameters if isinstance(values.get("version"), Version)]
    for_each = [[version, *told_from(repository, version)] for version in wanted]  # what is asked for together
    versions = dict.fromkeys(version for group in for_each for version in group)
    trials = Trials(repository, course, versions, tmp_path_factory.mktemp("trials"))
    yield trials
    trials.close()
