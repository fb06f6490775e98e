"""The checks themselves, on a small course: silent when all is right, and not when one thing is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tito.course import Course, Module, read_course

from . import checks
from .conftest import export_all

LESSON, SUITE, EXERCISES, PAGE = (
    f"modules/01_number/{name}" for name in ("number_dev.py", "test_number.py", "exercises.toml", "README.md")
)
TABLE = "modules/course.toml"


def course_of(root: Path) -> Course:
    return read_course(root / TABLE)


def complaints(check: checks.Check, root: Path, name: str = "1") -> list[str]:
    return list(check(root, course_of(root).find(name)))


def imports(root: Path, module: Module) -> list[str]:
    return list(checks.imports(root, course_of(root), module))


def table(root: Path, module: Module) -> list[str]:
    return list(checks.table(root, course_of(root)))


def package(root: Path, module: Module) -> list[str]:
    return list(checks.package(root, course_of(root)))


ALL = [
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
    imports,
    table,
    package,
]


@pytest.mark.parametrize("name", ["1", "2"])
def test_a_course_in_which_all_is_right_has_no_complaint(small: Path, name: str) -> None:
    assert {check.__name__: complaints(check, small, name) for check in ALL} == {check.__name__: [] for check in ALL}


@pytest.mark.parametrize(
    ("check", "file", "old", "new", "complaint"),
    [
        (table, TABLE, "number = 2", "number = 4", "row 2 is number 4 in 02_square"),
        (
            table,
            TABLE,
            'needs = ["01_number"]',
            'needs = ["03_later"]',
            "02_square needs 03_later, which does not stand",
        ),
        (table, TABLE, 'can = "count"', 'can = ""', "01_number lacks its difficulty, what it can, or what it adds"),
        (table, TABLE, '"tinytorch.nn" = ["square"]', 'tinytorch = ["double"]', "tinytorch.double is promised 2 times"),
        (table, TABLE, 'hours = 1\ndifficulty = 1\nneeds = ["01', 'needs = ["01', "modules/02_square is not a written"),
        (package, TABLE, '"double"]', '"double", "half"]', '+        "half": "01_number",'),
        (checks.page, PAGE, "# 01 Number", "# 01 Figures", "the first heading is not `# 01 Number`"),
        (checks.page, PAGE, "## Key concepts", "## Concepts", "no section is called 'key concepts'"),
        (checks.page, PAGE, "Zero.\n", "", "section 'common pitfalls' is empty"),
        (checks.page, PAGE, "## Overview", "## View", "no section is called 'overview'"),
        (checks.page, PAGE, "## Prerequisites\nNone.", "| Prerequisites | |", "section 'prerequisites' is empty"),
        (checks.page, PAGE, "1 hour", "11 hours", "the page does not say `1 hours` and the difficulty"),
        (checks.page, PAGE, "difficulty", "effort", "the page does not say `1 hours` and the difficulty"),
        (
            checks.title,
            LESSON,
            "# 01 Number",
            "# 01 Figures",
            "the first cell is not prose that opens with '# 01 Number'",
        ),
        (checks.exported, LESSON, "return x + x", "return 2 * x", "+    return 2 * x"),
        (checks.exported, LESSON, "return x + x", "return 2 * x", "Run `tito export 01`."),
        (checks.hints, EXERCISES, '"x + x"]', '"The plus sign adds."]', "double: 3 hints, not three that differ"),
        (checks.hints, EXERCISES, ', "x + x"]', "]", "double: 2 hints, not three that differ"),
        (checks.hints, EXERCISES, '"x + x"]', '" "]', "double: 3 hints, not three that differ"),
        (checks.hints, EXERCISES, "double", "duoble", "no exercise of the lesson is called 'duoble'"),
        (checks.hints, EXERCISES, "double", "duoble", "double: not in exercises.toml"),
        (
            checks.listed_answers,
            EXERCISES,
            'mistake = "squares"',
            'mistake = "adds nothing"',
            "'adds nothing' is listed 2 times",
        ),
        (checks.listed_answers, EXERCISES, 'with = "x * x"', 'with = "x + x"', "double: 'squares' changes nothing"),
        (
            checks.listed_answers,
            EXERCISES,
            '"self.value - 1"\nwith',
            '"self.value"\nwith',
            "'steps up to go down': `replace` stands 2 times",
        ),
        (
            checks.listed_answers,
            EXERCISES,
            '"self.value - 1"\nwith',
            '"self.valeu"\nwith',
            "'steps up to go down': `replace` stands 0 times",
        ),
        (
            checks.listed_answers,
            EXERCISES,
            'replace = "x + x"\nwith = "2 * x"',
            'replace = "x - x"\nwith = "2 * x"',
            "double: 'two times': `replace` stands 0 times",
        ),
        (
            checks.listed_answers,
            EXERCISES,
            "[[steps.right]]",
            "[[steps.left]]",
            "fewer than two right answers are written differently",
        ),
        (checks.listed_answers, EXERCISES, "takes two steps up", "two steps up", "does not go on from `it`"),
        (
            checks.listed_answers,
            EXERCISES,
            "Read the name of the function once more, and say what it has to do.",
            "Look.",
            "the diagnosis is not a sentence or two",
        ),
        (checks.listed_answers, EXERCISES, "[[double.wrong]]", "[[double.wong]]", "double: 0 wrong answers, not at"),
        (checks.answers, LESSON, "    return x + x\n", "\n", "double: line 19: an answer is empty"),
        (
            checks.answers,
            LESSON,
            'tags=["double"]\n#| export',
            'tags=["double"]',
            "double: line 18: the cell is not exported",
        ),
        (
            checks.answers,
            LESSON,
            '    """Return twice `x`."""\n    ### BEGIN SOLUTION\n',
            '    ### BEGIN SOLUTION\n    """Return twice `x`."""\n',
            "`double` or its docstring is inside an answer",
        ),
        (
            checks.answers,
            LESSON,
            "        ### END SOLUTION\n\n    def down(self) -> Number:\n        ### BEGIN SOLUTION\n",
            "\n    def down(self) -> Number:\n",
            "`Number.down` or its docstring is inside an answer",
        ),
        (
            checks.classes,
            LESSON,
            "class Number(Number):\n",
            "class Number(Number, object):\n",
            "Number is defined 2 times",
        ),
        (
            checks.classes,
            LESSON,
            "(Number):\n",
            '(Number):\n    """More."""\n\n',
            "class Number: a string that is no doc",
        ),
        (checks.script, LESSON, "== 4\n", "== 5\n", "AssertionError"),
        (checks.script, LESSON, "== 4\n", "== 5\n", "python modules/01_number/number_dev.py ends with 1"),
        (checks.script, LESSON, 'print("Module 01 works.")', "pass", "number_dev.py prints nothing"),
        (checks.inline_tests, LESSON, "test_unit_", "check_", "no function is called test_unit_..."),
        (
            checks.inline_tests,
            LESSON,
            "def test_unit_double",
            "def test_double",
            "test_double is neither test_unit_... nor",
        ),
        (checks.inline_tests, LESSON, "    test_unit_steps()\n", "", "test_unit_steps is not called under the guard"),
        (checks.inline_tests, LESSON, "    test_module()\n", "", "test_module is not called under the guard"),
        (checks.inline_tests, LESSON, "def test_module", "def check", "no function is called test_module"),
        (checks.inline_tests, LESSON, "🧪 ", "", "the docstring of test_module does not open with '🧪 Module 01'"),
        (checks.inline_tests, LESSON, "🧪 Module 01", "🧪 Module 02", "does not open with '🧪 Module 01'"),
        (
            checks.inline_tests,
            LESSON,
            "    test_unit_steps()\n    test_module()\n",
            "    test_module()\n    test_unit_steps()\n",
            "test_module is not the last test under the guard",
        ),
        (
            checks.inline_tests,
            LESSON,
            "== 4\n\n\n# %% tags",
            "== 4\n\n\ntest_unit_double()\n# %% tags",
            "outside the guard",
        ),
        (
            checks.inline_tests,
            LESSON,
            "# %%\ndef test_unit_d",
            "# %%\n#| export\ndef test_unit_d",
            "double is exported",
        ),
        (checks.inline_tests, LESSON, "test_unit_steps", "test_unit_double", "test_unit_double is defined 2 times"),
        (
            imports,
            LESSON,
            "annotations\n",
            "annotations\n\nimport hypothesis\n",
            "number_dev.py, line 14: imports hypothesis",
        ),
        (
            imports,
            LESSON,
            "annotations\n",
            "annotations\n\nimport tinytorch.core.square\n",
            "imports tinytorch.core.square",
        ),
        (imports, LESSON, "annotations\n", "annotations\n\nfrom tinytorch.core import square\n", "core.square"),
        (imports, LESSON, "annotations\n", "annotations\n\nfrom tinytorch.core.square import f\n", "core.square"),
        (imports, LESSON, "annotations\n", "annotations\n\nfrom tinytorch.core.number import f\n", "core.number"),
        (imports, LESSON, "annotations\n", "annotations\n\nfrom tinytorch.core.later import f\n", "core.later"),
        (imports, LESSON, "annotations\n", "annotations\n\nfrom tinytorch import nn\n", "imports tinytorch.nn"),
        (imports, LESSON, "annotations\n", "annotations\n\nimport tinytorch\n", "imports tinytorch"),
        (imports, LESSON, "annotations\n", "annotations\n\nfrom . import other\n", "imports ."),
        (imports, LESSON, "    return x + x\n", "    import torch\n    return x + x\n", "line 20: imports torch"),
        (imports, SUITE, "import pytest\n", "import pytest\nimport torch\n", "test_number.py, line 2: imports torch"),
        (
            imports,
            SUITE,
            "import pytest\n",
            "import pytest\nimport tinytorch.core.square\n",
            "imports tinytorch.core.square",
        ),
        (
            checks.names,
            TABLE,
            '"double"]',
            '"double", "half"]',
            "tinytorch.half is promised in course.toml, but is not there",
        ),
        (
            checks.names,
            "tinytorch/__init__.py",
            "import Number",
            "import Nmuber",
            "importing what the module adds fails",
        ),
    ],
)
def test_one_thing_wrong_is_named(
    small: Path, check: checks.Check, file: str, old: str, new: str, complaint: str
) -> None:
    text = (small / file).read_text(encoding="utf-8")
    assert old in text
    (small / file).write_text(text.replace(old, new), encoding="utf-8")
    assert complaint in "\n".join(complaints(check, small))


def test_parts_of_a_page_may_be_rows_and_the_overview_may_follow_the_title(small: Path) -> None:
    text = (small / PAGE).read_text(encoding="utf-8")
    for old, new in (("## Overview\n", ""), ("## Prerequisites\nNone.", "| **Prerequisites** | None. |")):
        assert old in text
        text = text.replace(old, new)
    (small / PAGE).write_text(text, encoding="utf-8")
    assert complaints(checks.page, small) == []


@pytest.mark.parametrize("name", [LESSON, SUITE, EXERCISES, PAGE, "tinytorch/core/number.py"])
def test_a_missing_file_is_named(small: Path, name: str) -> None:
    (small / name).unlink()
    assert complaints(checks.files, small) == [f"{name} is missing"]


def test_a_stray_file_is_named(small: Path) -> None:
    (small / "tinytorch/core/old.py").touch()
    assert complaints(package, small) == ["tinytorch/core/old.py is exported by no lesson"]


def test_a_line_too_many_in_the_package_is_shown(small: Path) -> None:
    with (small / "tinytorch/core/number.py").open("a") as file:
        file.write("x = 1\n")
    (complaint,) = complaints(checks.exported, small)
    assert "\n-x = 1\n" in complaint
    export_all(small)
    assert complaints(checks.exported, small) == []


def test_a_script_that_does_not_end_is_named(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "SCRIPT_LIMIT", 0.5)
    text = (small / LESSON).read_text(encoding="utf-8")
    (small / LESSON).write_text(text.replace("== 4\n", "== 4\n    while True:\n        pass\n"), encoding="utf-8")
    (complaint,) = complaints(checks.script, small)
    assert re.search(r"does not end in 0\.5 s", complaint)


def test_a_suite_may_use_what_the_package_gives(small: Path) -> None:
    text = (small / SUITE).read_text(encoding="utf-8")
    (small / SUITE).write_text("import tinytorch\nfrom tinytorch.nn import functional\n" + text, encoding="utf-8")
    assert complaints(imports, small) == []
