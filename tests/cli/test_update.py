"""`tito update`: a newer course comes into a workspace, and nothing that its learner wrote is lost."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tito.errors import TitoError
from tito.handout import TEMPLATES, Handout, read_handout
from tito.lesson import Lesson
from tito.merge import OPENS
from tito.update.plan import make_plan
from tito.update.work import Update, carry_out

from .updating import NUMBERS, SUMS, Clone, Student, make_clone, tree

STUB = 'raise NotImplementedError("exercise'
UP_TO_DATE = "Your workspace is up to date"


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The course as it was when the workspace was made; nobody changes it."""
    return make_clone(tmp_path_factory.mktemp("first") / "clone")


@pytest.fixture(scope="session")
def made(first: Clone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh workspace of it; nobody changes it."""
    root = tmp_path_factory.mktemp("made") / "work"
    first.make_workspace(root)
    return root


@pytest.fixture
def student(made: Path, tmp_path: Path) -> Student:
    return Student(Path(shutil.copytree(made, tmp_path / "work")))


@pytest.fixture
def second(first: Clone, tmp_path: Path) -> Clone:
    """A newer course, which so far is the first one."""
    return first.copy(tmp_path / "second").version("0.2.0")


def handout(clone: Clone, version: str = "0.2.0") -> Handout:
    return read_handout(clone.root, TEMPLATES, version)


def moved_cell(text: str, tag: str, before: str) -> str:
    """Return a lesson in which one cell stands before another."""
    cells = re.split(r"(?m)^(?=# %%)", text)
    moving = next(cell for cell in cells if f'tags=["{tag}"]' in cell)
    cells.remove(moving)
    cells.insert(next(i for i, cell in enumerate(cells) if f'tags=["{before}"]' in cell), moving)
    return "".join(cells)


def test_a_workspace_of_this_course_is_up_to_date(student: Student, first: Clone) -> None:
    student.answer()
    before = tree(student.root, whole=True)
    assert UP_TO_DATE in student.update(first)
    assert UP_TO_DATE in student.update(first, "--dry-run")
    assert tree(student.root, whole=True) == before


def test_what_nobody_has_touched_becomes_what_init_would_make(student: Student, second: Clone, tmp_path: Path) -> None:
    second.edit(NUMBERS, ("twice as large", "two times as large"))
    second.edit("modules/course.toml", ('title = "Later"', 'title = "Later"\nhours = 1\ndifficulty = 1'))
    second.write("modules/03_later/later_dev.py", second.read(SUMS).replace("sums", "later").replace("total", "later"))
    second.write("modules/03_later/test_later.py", "").write("modules/03_later/README.md", "# Later\n")
    second.write("modules/01_numbers/README.md", "# Numbers, a new page\n")
    second.write("tinytorch/parts/more.py", "B = 2\n")
    (second.root / "tinytorch/given.py").unlink()
    said = student.update(second)
    assert "Here is the course of tito 0.2.0, in the place of that of 0.1.0." in said
    assert "New 03 Later and tinytorch/parts/more.py" in said
    assert "Refreshed 3 files that you had not changed Removed tinytorch/given.py" in said
    second.make_workspace(tmp_path / "fresh")
    assert tree(student.root) == tree(tmp_path / "fresh")
    assert [path.name for path in (student.root / ".tito").glob("*.whl")] == ["tinytorch_tito-0.2.0-py3-none-any.whl"]
    assert UP_TO_DATE in student.update(second)


def test_prose_and_given_code_come_in_around_answers_and_own_cells(student: Student, second: Clone) -> None:
    student.answer(double="    # my way\n    return 2 * x", half="    return x * 0.5")
    student.edit(
        NUMBERS,
        ('# %% tags=["half"]', "# %%\nprint('my own cell')\n\n\n# %% tags=[\"half\"]"),
        ("Later paragraphs are not shown.", "Later paragraphs are not shown.\n\nA note of mine."),
    )
    second.edit(
        NUMBERS,
        ("A number can be made twice as large.", "A number can be doubled."),
        ("from __future__ import annotations", "from __future__ import annotations\n\nimport math"),
        ('"""Return half of `x`."""', '"""Return the half of `x`."""'),
    )
    said = student.update(second)
    assert "Merged 01 Numbers" in said
    assert "Look at" not in said
    text = student.read(NUMBERS)
    for words in ("A number can be doubled.", "A note of mine.", "import math", "Return the half of `x`."):
        assert text.count(words) == 1
    assert text.index("# my way") < text.index("my own cell") < text.index("def half")
    assert [e.answer() for e in student.lesson().exercises] == [
        ("    # my way\n    return 2 * x",),
        ("    return x * 0.5",),
    ]
    assert OPENS not in text


def test_without_a_change_by_the_course_a_lesson_keeps_every_byte(student: Student, second: Clone) -> None:
    student.answer()
    mine = student.read(NUMBERS).replace("\n", "\r\n") + "\r\n\r\n# %%\r\nx = 1"
    student.write(NUMBERS, mine)
    second.edit(SUMS, ("make a sum", "make one sum"))
    student.update(second)
    assert student.read(NUMBERS) == mine


def test_the_ends_of_lines_stay_those_of_windows(student: Student, second: Clone) -> None:
    student.answer()
    student.write(NUMBERS, "\ufeff" + student.read(NUMBERS).replace("\n", "\r\n"))
    second.edit(NUMBERS, ("twice as large", "doubled"))
    student.update(second)
    text = student.read(NUMBERS)
    assert text.startswith("\ufeff# %%")
    assert "doubled" in text
    assert "\n" not in text.replace("\r\n", "")
    assert "return x + x\r\n" in text


def test_a_new_signature_comes_in_and_is_pointed_at(student: Student, second: Clone) -> None:
    student.answer(double="    return mine(x)")
    second.edit(NUMBERS, ("def double(x: float) -> float:", "def double(x: float, times: int = 1) -> float:"))
    second.edit(NUMBERS, ("def half(x: float)", "def half(x: float, places: int = 2)"))
    said = student.update(second)
    line = student.lesson().exercise("double").line
    assert f"{NUMBERS}:{line} double: the signature of `double` is new; your answer stayed" in said
    assert "signature of `half`" not in said  # it has no answer that could be wrong now
    assert "def double(x: float, times: int = 1) -> float:" in student.read(NUMBERS)
    assert student.lesson().exercise("double").answer() == ("    return mine(x)",)


def test_exercises_in_another_order_keep_their_answers(student: Student, second: Clone) -> None:
    student.answer(double="    return 'first'", half="    return 'second'")
    student.edit(NUMBERS, ("# %%\nif __name__", "# %%\nmine = 1\n\n# %%\nif __name__"))
    second.write(NUMBERS, moved_cell(second.read(NUMBERS), "half", before="double"))
    student.update(second)
    lesson = student.lesson()
    assert [(e.name, e.answer()) for e in lesson.exercises] == [
        ("half", ("    return 'second'",)),
        ("double", ("    return 'first'",)),
    ]
    assert lesson.text.count("mine = 1") == 1
    assert lesson.text.count("def half") == 1


def test_an_own_order_is_kept_if_the_course_has_not_changed_it(student: Student, second: Clone) -> None:
    student.answer()
    student.write(NUMBERS, moved_cell(student.read(NUMBERS), "half", before="double"))
    second.edit(NUMBERS, ("twice as large", "doubled"))
    student.update(second)
    assert [exercise.name for exercise in student.lesson().exercises] == ["half", "double"]
    assert "doubled" in student.read(NUMBERS)


def test_cells_of_ones_own_stay_and_those_taken_out_stay_away(student: Student, second: Clone) -> None:
    own = '# %% tags=["own"]\n### BEGIN SOLUTION\nmine = 1\n### END SOLUTION\n\n'
    guard = '# %%\nif __name__ == "__main__":\n    print(double(2))\n'
    student.answer()
    student.edit(NUMBERS, (guard, own))
    second.edit(NUMBERS, ("twice as large", "doubled"))
    student.update(second)
    text = student.read(NUMBERS)
    assert "doubled" in text
    assert text.endswith(f"\n\n\n{own[:-1]}")
    assert "__main__" not in text


def test_a_renamed_exercise_takes_its_answer_along(student: Student, second: Clone) -> None:
    student.answer(half="    return x * 0.5  # mine")
    second.write(NUMBERS, re.sub(r"\bhalf\b(?! of)", "halve", second.read(NUMBERS)))
    second.write("modules/01_numbers/exercises.toml", "")
    said = student.update(second)
    lesson = student.lesson()
    assert [exercise.name for exercise in lesson.exercises] == ["double", "halve"]
    assert lesson.exercise("halve").answer() == ("    return x * 0.5  # mine",)
    assert f"{NUMBERS}:{lesson.exercise('halve').line} halve: it was called `half` before" in said


@pytest.mark.parametrize(
    "replacement",
    [
        "",
        '# %% tags=["third"]\n#| export\ndef third(x: float) -> float:\n'
        "    ### BEGIN SOLUTION\n    return x / 3\n    ### END SOLUTION\n\n\n",
    ],
)
def test_the_answer_to_an_exercise_that_is_gone_is_kept_as_comments(
    student: Student, second: Clone, replacement: str
) -> None:
    student.answer(half="    # clever:\n    return x * 0.5")
    text = second.read(NUMBERS)
    begin, end = text.index('# %% tags=["half"]'), text.index("# %%\nif __name__")
    second.write(NUMBERS, text[:begin] + replacement + text[end:])
    said = student.update(second)
    text = student.read(NUMBERS)
    line = text[: text.index("# Kept by")].count("\n") + 1
    assert f"{NUMBERS}:{line} kept: your `half`, which this lesson does not ask for any more." in said
    assert "#     # clever:\n#     return x * 0.5\n" in text
    assert "half" not in student.lesson().names
    assert student.lesson().open.keys() == {"double"} | ({"third"} if replacement else set())
    ast.parse(text)
    assert UP_TO_DATE in student.update(second)


def test_an_exercise_without_answer_goes_without_a_word(student: Student, second: Clone) -> None:
    student.answer(double="    return 1")
    text = second.read(NUMBERS)
    second.write(NUMBERS, text[: text.index('# %% tags=["half"]')] + text[text.index("# %%\nif __name__") :])
    said = student.update(second)
    assert "def half" not in student.read(NUMBERS)
    assert "kept:" not in said


def test_an_answer_goes_with_its_exercise_to_another_lesson(student: Student, second: Clone) -> None:
    student.answer(half="    return 'mine'")
    text = second.read(NUMBERS)
    begin, end = text.index('# %% tags=["half"]'), text.index("# %%\nif __name__")
    second.write(NUMBERS, text[:begin] + text[end:]).write(SUMS, second.read(SUMS) + "\n\n" + text[begin:end])
    said = student.update(second)
    lesson = student.lesson(SUMS)
    assert lesson.exercise("half").answer() == ("    return 'mine'",)
    line = lesson.exercise("half").line
    assert f"{SUMS}:{line} half: it stood in another lesson before; your answer came along" in said
    assert "half" not in student.lesson().names
    assert "mine" not in student.read(NUMBERS)


def test_a_module_with_another_number_takes_everything_along(student: Student, second: Clone) -> None:
    student.answer(half="    return 'mine'")
    student.write("modules/01_numbers/README.md", "# numbers\n\nmy notes\n")
    student.write("modules/01_numbers/own.txt", "mine")
    (second.root / "modules/01_numbers").rename(second.root / "modules/04_numbers")
    second.edit(
        "modules/course.toml",
        ('number = 1\nfolder = "01_numbers"', 'number = 4\nfolder = "04_numbers"'),
        ('needs = ["01_numbers"]', 'needs = ["04_numbers"]'),
    )
    student.update(second)
    lesson = student.lesson("modules/04_numbers/numbers_dev.py")
    assert lesson.exercise("half").answer() == ("    return 'mine'",)
    assert f'{STUB} double: write it in modules/04_numbers/numbers_dev.py")' in lesson.text
    assert student.read("modules/04_numbers/README.md") == "# numbers\n\nmy notes\n"
    assert [path.name for path in student.path("modules/01_numbers").iterdir()] == ["own.txt"]
    assert student.backup().keys() >= {NUMBERS, "modules/01_numbers/test_numbers.py"}


def test_changes_of_both_to_the_same_lines_are_shown_with_both_versions(student: Student, second: Clone) -> None:
    student.answer()
    student.edit(NUMBERS, ("A number can be made twice as large.", "MY PROSE"), ("print(double(2))", "print('MINE')"))
    second.edit(NUMBERS, ("A number can be made twice as large.", "THEIRS"), ("print(double(2))", "print(double(3))"))
    said = student.update(second)
    text = student.read(NUMBERS)
    lines = text.split("\n")
    places = [number for number, line in enumerate(lines, 1) if OPENS in line]
    assert len(places) == 2
    for place in places:
        assert f"{NUMBERS}:{place} you and the course changed the same lines; both are there" in said
    assert lines[places[0] - 1] == OPENS
    assert "MY PROSE" in text
    assert "THEIRS" in text
    assert "    print('MINE')\n    # =======\n    # print(double(3))\n" in text
    ast.parse(text)
    assert student.lesson().export("") == handout(second).references["numbers"].export("")
    assert student.backup()[NUMBERS].decode().count("MY PROSE") == 1


def test_a_merge_that_is_no_python_gives_way_to_the_courses_cell_and_yours_is_kept(
    first: Clone, tmp_path: Path
) -> None:
    old, new = first.copy(tmp_path / "old"), first.copy(tmp_path / "new").version("0.2.0")
    table, longer = "values = [\n    1,\n    2,\n    3,\n]", "values = [\n    1,\n]\nmore = [\n    2,\n    3,\n]"
    old.edit(SUMS, ("import double\n", f"import double\n\n{table}\n"))
    new.edit(SUMS, ("import double\n", f"import double\n\n{longer}\n"))
    old.make_workspace(tmp_path / "work")
    student = Student(tmp_path / "work")
    student.edit(SUMS, ("values = [", "values = ("), ("    3,\n]", "    3,\n)"))
    said = student.update(new)
    text = student.read(SUMS)
    ast.parse(text)
    assert longer in text
    assert "# values = (\n#     1,\n#     2,\n#     3,\n# )\n" in text
    assert "kept: your version of the cell above, which could not be merged with the course's." in said


def test_a_docstring_that_both_have_changed_is_still_one(student: Student, second: Clone) -> None:
    student.answer()
    student.edit(NUMBERS, ('    """Return half of `x`."""\n', '    """Return half of `x`.\n    MINE"""\n'))
    second.edit(NUMBERS, ('    """Return half of `x`."""\n', '    """Return half of `x`.\n\n    THEIRS\n    """\n'))
    student.update(second)
    text = student.read(NUMBERS)
    ast.parse(text)
    assert "MINE" in text
    assert "THEIRS" in text
    assert student.lesson().exercise("half").answer() == ("    return x / 2",)


def test_an_exercise_with_more_to_write_keeps_what_was_written(student: Student, first: Clone, second: Clone) -> None:
    more = """

def third(x: float) -> float:
    ### BEGIN SOLUTION
    return x / 3
    ### END SOLUTION
"""
    text = second.read(NUMBERS)
    end = text.index("# %%\nif __name__")
    second.write(NUMBERS, text[:end].rstrip() + "\n" + more + "\n\n" + text[end:])
    student.answer(half="    return 'mine'")
    said = student.update(second)
    exercise = student.lesson().exercise("half")
    assert exercise.answer()[0] == "    return 'mine'"
    assert exercise.answer()[1].strip().startswith(STUB)
    assert "half: there is more to write in it now; your answers stayed" in said
    assert "Kept by" not in student.read(NUMBERS)


def test_what_an_answer_belonged_to_is_gone_but_not_the_answer(student: Student, first: Clone, tmp_path: Path) -> None:
    pair = """
def upper(x):
    ### BEGIN SOLUTION
    return x + 1
    ### END SOLUTION


def lower(x):
    ### BEGIN SOLUTION
    return x - 1
    ### END SOLUTION
"""
    old = first.copy(tmp_path / "old")
    old.write(SUMS, old.read(SUMS) + f'\n\n# %% tags=["both"]\n#| export{pair}')
    new = old.copy(tmp_path / "new").version("0.2.0")
    new.write(SUMS, new.read(SUMS).replace(pair[: pair.index("\n\ndef lower")], ""))
    old.make_workspace(tmp_path / "two")
    student = Student(tmp_path / "two")
    lesson = student.lesson(SUMS)
    lines = lesson.replaced({"both": ("    return 'up'", "    return 'down'")})
    student.write(SUMS, lines)
    said = student.update(new)
    assert student.lesson(SUMS).exercise("both").answer() == ("    return 'down'",)
    assert "#     return 'up'" in student.read(SUMS)
    assert "kept: your version of the cell above, which has other answers to write now" in said


def test_exported_modules_stay_and_those_to_test_again_are_named(student: Student, second: Clone) -> None:
    student.answer()
    assert second.run(student.root, *second.command("export", "01")).returncode == 0
    exported = student.read("tinytorch/core/numbers.py")
    second.edit(NUMBERS, ("twice as large", "doubled"))  # prose, which changes nothing that is exported
    assert "Test again" not in student.update(second)
    second.version("0.3.0").edit(NUMBERS, ('"""Return half of `x`."""', '"""Return the half of `x`."""'))
    said = student.update(second)
    assert "Test again 01 Numbers" in said
    assert said.endswith("Next: `tito module test 01`")
    assert student.read("tinytorch/core/numbers.py") == exported


def test_what_comes_next_is_called_by_the_launcher_of_the_workspace(student: Student, second: Clone) -> None:
    second.edit(NUMBERS, ("twice as large", "doubled"))
    student.path(".venv").mkdir()
    assert student.update(second).endswith("Next: `./tito module status`")


def test_loans_are_renewed_unless_somebody_wrote_in_them(student: Student, second: Clone, first: Clone) -> None:
    assert first.run(student.root, *first.command("module", "borrow", "01")).returncode == 0
    assert first.run(student.root, *first.command("module", "borrow", "02")).returncode == 0
    student.edit("tinytorch/core/sums.py", ("Return the sum", "Return MY sum"))
    second.edit(NUMBERS, ("return x + x", "return 2 * x")).edit(SUMS, ("both doubles", "two doubles"))
    said = student.update(second)
    assert "return 2 * x" in student.read("tinytorch/core/numbers.py")
    assert "MY sum" in student.read("tinytorch/core/sums.py")
    assert "tinytorch/core/sums.py on loan, but changed by hand, so it stays; `tito module borrow 02`" in said


def test_a_notebook_with_changes_stops_the_update_before_it_begins(
    student: Student, first: Clone, second: Clone
) -> None:
    done = first.run(student.root, *first.command("notebook", "01", "--no-open"))
    assert done.returncode == 0, done.stderr
    notebook = student.path("modules/01_numbers/numbers_dev.ipynb")
    cells = json.loads(notebook.read_text())
    cells["cells"][0]["source"] = ["changed"]
    second.edit(NUMBERS, ("twice as large", "doubled")).edit(SUMS, ("make a sum", "make one sum"))
    unchanged = notebook.read_text()
    notebook.write_text(json.dumps(cells))
    for options in ((), ("--dry-run",)):
        said = student.refused(second, *options)
        assert said.startswith("error: numbers_dev.ipynb holds changes that the lesson does not have yet.")
    notebook.write_text(unchanged)
    assert "Refreshed 2 files" in student.update(second)


def test_files_that_are_yours_to_edit_are_merged_by_lines(student: Student, second: Clone) -> None:
    student.edit("pyproject.toml", ("of my own", "of MINE"))
    student.edit(".gitignore", (".venv/\n", ".venv/\nsecrets/\n"))
    student.path("README.md").unlink()
    second.edit("tool/tito/templates/pyproject.toml", ("timeout = 120", "timeout = 240"), ("of my own", "of one's own"))
    second.edit("tool/tito/templates/dot-gitignore", (".tito/*\n", ".tito/*\nnew/\n"))
    said = student.update(second)
    assert "Merged .gitignore and pyproject.toml" in said
    text = student.read("pyproject.toml")
    assert "timeout = 240" in text
    assert 'description = "A deep-learning framework of MINE."\n# =======\n# description = "A deep' in text
    assert "pyproject.toml:" in said
    assert "secrets/\n" in student.read(".gitignore")
    assert "new/\n" in student.read(".gitignore")
    assert not student.path("README.md").exists()  # whoever takes it out does not want it


def test_files_of_the_course_that_were_changed_are_merged_or_replaced_and_kept(student: Student, second: Clone) -> None:
    suite, given_part = "modules/01_numbers/test_numbers.py", "tinytorch/given.py"
    student.edit(suite, ("assert half(2) == 1", "assert half(2) == 1\n    assert half(4) == 2"))
    student.write(given_part, "A = 'mine'\n")
    student.path("modules/02_sums/test_sums.py").unlink()
    second.edit(suite, ("Twice three is six.", "Two times three is six.")).write(given_part, "A = 'theirs'\n")
    said = student.update(second)
    assert f"Merged {suite}" in said
    assert f"Replaced {given_part}, with your changes to it kept aside" in said
    assert "New modules/02_sums/test_sums.py" in said
    assert "Two times three" in student.read(suite)
    assert "half(4)" in student.read(suite)
    assert student.read(given_part) == "A = 'theirs'\n"
    assert student.backup()[given_part] == b"A = 'mine'\n"


def test_milestones_come_into_a_workspace_of_before_and_own_changes_to_them_stay(
    student: Student, first: Clone, second: Clone, tmp_path: Path
) -> None:
    assert not (student.root / "milestones").exists()
    table = "[[milestone]]\nyear = 1957\n"
    second.write("milestones/milestones.toml", table).write("milestones/one.py", "STEPS = 1\n\nSEED = 0\n")
    student.update(second)
    assert student.read("milestones/milestones.toml") == table
    student.edit("milestones/one.py", ("STEPS = 1", "STEPS = 9  # mine"))
    third = second.copy(tmp_path / "third").version("0.3.0")
    student.update(third.edit("milestones/one.py", ("SEED = 0", "SEED = 1")).write("milestones/two.py", "TWO = 2\n"))
    assert student.read("milestones/one.py") == "STEPS = 9  # mine\n\nSEED = 1\n"
    assert student.read("milestones/two.py") == "TWO = 2\n"


def test_settings_of_an_editor_stay(student: Student, second: Clone) -> None:
    student.write(".vscode/settings.json", '{"mine": 1}\n')
    second.write("tool/tito/templates/dot-vscode/settings.json", '{"theirs": 1}\n')
    said = student.update(second)
    assert student.read(".vscode/settings.json") == '{"mine": 1}\n'
    assert ".vscode/settings.json yours stays as it is" in said


def test_what_the_course_does_not_have_any_more_stays_if_it_was_changed(student: Student, second: Clone) -> None:
    student.write("tinytorch/given.py", "A = 'mine'\n")
    (second.root / "tinytorch/given.py").unlink()
    said = student.update(second)
    assert student.read("tinytorch/given.py") == "A = 'mine'\n"
    assert "tinytorch/given.py the course has no such file any more; yours stays" in said


@pytest.mark.parametrize("wheel", [None, b"not a wheel"])
def test_without_a_base_all_that_differs_is_taken_for_yours(
    student: Student, second: Clone, wheel: bytes | None
) -> None:
    student.answer(double="    return 'mine'")
    student.edit(NUMBERS, ("# %%\nif __name__", "# %%\nmine = 1\n\n# %%\nif __name__"))
    (there,) = student.path(".tito").glob("*.whl")
    there.unlink()
    if wheel:
        there.write_bytes(wheel)
    second.edit(NUMBERS, ("twice as large", "BIGGER"), ('"""Return `x` twice."""', '"""Return twice `x`."""'))
    second.write("modules/01_numbers/README.md", "# a new page\n")
    said = student.update(second)
    assert "What was handed out here before is not known" in said
    text = student.read(NUMBERS)
    assert student.lesson().exercise("double").answer() == ("    return 'mine'",)
    for words in ("twice as large", "BIGGER", "mine = 1", "Return `x` twice", "Return twice `x`"):
        assert text.count(words) == 1
    assert text.count(OPENS) == 2
    ast.parse(text)
    assert student.read("modules/01_numbers/README.md") == "# a new page\n"
    assert student.backup()["modules/01_numbers/README.md"] == b"# numbers\n"
    assert UP_TO_DATE in student.update(second)


def test_a_dry_run_says_the_same_and_writes_nothing(student: Student, second: Clone) -> None:
    student.answer()
    student.edit(NUMBERS, ("twice as large", "MINE"))
    second.edit(NUMBERS, ("twice as large", "THEIRS"))
    before = tree(student.root, whole=True)
    dry = student.update(second, "--dry-run")
    assert tree(student.root, whole=True) == before
    assert dry.startswith("This would bring the course of tito 0.2.0")
    assert dry.endswith("Nothing was written. `tito update` does it.")
    real = student.update(second)
    assert dry.split("Merged")[1].split("Nothing")[0] == real.split("Merged")[1].split("What was")[0]


def test_an_older_course_is_refused_unless_it_is_wanted(student: Student, first: Clone, second: Clone) -> None:
    second.edit(NUMBERS, ("twice as large", "doubled"))
    student.update(second)
    said = student.refused(first)
    assert said.startswith("error: this workspace has the course of tito 0.2.0, and this is tito 0.1.0.")
    assert "`tito update --older`" in said
    student.update(first, "--older")
    assert student.read(NUMBERS) == handout(first).files[NUMBERS].decode()


def test_the_courses_own_repository_is_left_alone(second: Clone) -> None:
    done = second.run(second.root, *second.command("update"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: this is the course's own repository;")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('    ### END SOLUTION\n\n\n# %% tags=["half"]', '# %% tags=["half"]'), "without `### END SOLUTION`"),
        (('tags=["half"]', 'tags=["double"]'), "a second exercise is called 'double'"),
    ],
)
def test_a_lesson_that_does_not_parse_is_said_before_anything_is_written(
    student: Student, second: Clone, change: tuple[str, str], message: str
) -> None:
    student.edit(NUMBERS, change)
    second.edit(NUMBERS, ("twice as large", "doubled")).edit(SUMS, ("make a sum", "make one sum"))
    assert message in student.refused(second)


def test_a_lesson_that_is_no_text_is_said_before_anything_is_written(student: Student, second: Clone) -> None:
    student.path(NUMBERS).write_bytes(student.path(NUMBERS).read_bytes() + b"# caf\xe9\n")
    second.edit(NUMBERS, ("twice as large", "doubled")).edit(SUMS, ("make a sum", "make one sum"))
    assert f"{NUMBERS} is not UTF-8 text." in student.refused(second)


def test_a_new_tool_with_the_same_course_comes_in_alone(student: Student, second: Clone) -> None:
    before = tree(student.root)
    assert "Tool tito itself is new; the course is the one that you have" in student.update(second)
    assert tree(student.root) == before
    assert [path.name for path in student.path(".tito").glob("*.whl")] == ["tinytorch_tito-0.2.0-py3-none-any.whl"]


def test_a_file_that_is_saved_while_the_update_runs_is_not_overwritten(
    student: Student, first: Clone, second: Clone, tmp_path: Path
) -> None:
    second.edit(NUMBERS, ("twice as large", "doubled")).edit(SUMS, ("make a sum", "make one sum"))
    code = "import pathlib, sys; from tito.carried import make_wheel; print(make_wheel(pathlib.Path(sys.argv[1])))"
    wheel = Path(second.run(tmp_path, sys.executable, "-c", code, str(tmp_path / "wheel")).stdout.strip())
    base, new, mine = handout(first, "0.1.0"), handout(second), tree(student.root)
    (old,) = student.path(".tito").glob("*.whl")
    update = Update(student.root, base, new, mine, make_plan(base, mine, new), wheel, old)
    student.answer(SUMS, total="    return 'just now'")
    with pytest.raises(TitoError, match=f"{SUMS} was changed just now"):
        carry_out(update)
    assert "doubled" in student.read(NUMBERS)
    assert "make one sum" not in student.read(SUMS)
    said = student.update(second)
    assert said.startswith("An update was interrupted here; this finishes it.")
    assert "make one sum" in student.read(SUMS)
    assert student.lesson(SUMS).exercise("total").answer() == ("    return 'just now'",)
    assert sorted(path.name for path in student.path(".tito").iterdir()) == ["backups", wheel.name]


def test_a_file_where_a_folder_belongs_is_said_before_anything_is_written(student: Student, second: Clone) -> None:
    student.write("tinytorch/parts", "mine")
    second.write("tinytorch/parts/more.py", "B = 2\n")
    assert "tinytorch/parts is a file, and a folder belongs there." in student.refused(second)


def test_permissions_stay_and_the_launcher_can_be_run(student: Student, second: Clone) -> None:
    student.path(NUMBERS).chmod(0o600)
    second.edit(NUMBERS, ("twice as large", "doubled")).write("tito", "#!/usr/bin/env python3\n")
    student.path("tito").unlink()
    student.update(second)
    assert student.path(NUMBERS).stat().st_mode & 0o777 == 0o600
    assert student.path("tito").stat().st_mode & 0o111 == 0o111


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cell", ["", "\n# %%\nprint('written after the kill')\n"], ids=["as it was", "edited since"])
def test_a_kill_at_any_moment_leaves_whole_files_and_the_next_update_ends_it(
    student: Student, second: Clone, tmp_path: Path, cell: str
) -> None:
    student.answer(half="    return 'mine'")
    student.edit(NUMBERS, ("twice as large", "MINE"))
    text = second.read(NUMBERS).replace("twice as large", "THEIRS")
    begin, end = text.index('# %% tags=["half"]'), text.index("# %%\nif __name__")
    second.write(NUMBERS, text[:begin] + text[end:]).write(SUMS, second.read(SUMS) + "\n\n" + text[begin:end])
    second.write("tinytorch/parts/more.py", "B = 2\n")
    (second.root / "tinytorch/given.py").unlink()
    script = Path(__file__).with_name("interruptions.py")
    (tmp_path / "copies").mkdir()
    done = second.run(student.root, sys.executable, str(script), str(student.root), str(tmp_path / "copies"), cell)
    assert done.returncode == 0, done.stderr
    *kills, undisturbed = json.loads(done.stdout)
    assert len(kills) > 20
    assert not undisturbed["killed"]
    before = {path: data.hex() for path, data in tree(student.root, whole=True).items()}
    wanted = undisturbed["after"]
    for kill in kills:
        for path in before.keys() | wanted.keys() | kill["between"].keys():
            assert kill["between"].get(path) in (before.get(path), wanted.get(path)), path
        assert any(path.endswith(".whl") for path in kill["between"])  # the launcher needs it
        assert kill["ended"] == 0
        assert kill["left"] == undisturbed["left"]
        after = dict(kill["after"])
        lesson = bytes.fromhex(after[NUMBERS]).decode()
        assert lesson.count(OPENS) == 1
        if cell:
            assert lesson.count(cell.strip()) == 1
            after[NUMBERS] = lesson.replace(cell, "").encode().hex()
        assert after == wanted


def test_the_screen_fits_a_terminal(student: Student, second: Clone) -> None:
    student.answer()
    student.edit(NUMBERS, ("twice as large", "MINE"))
    second.edit(NUMBERS, ("twice as large", "THEIRS"), ("def half(x: float)", "def half(x: float, places: int = 2)"))
    second.write("tinytorch/more.py", "B = 2\n")
    command = second.command("update")
    child = pexpect.spawn(
        command[0],
        command[1:],
        cwd=str(student.root),
        env={**second.environment, "TERM": "xterm-256color"},
        dimensions=(30, 80),
        encoding="utf-8",
        timeout=60,
    )
    child.expect(pexpect.EOF)
    screen: Any = pyte.Screen(80, 30)
    pyte.Stream(screen).feed(child.before)
    shown = [line.rstrip() for line in "\n".join(screen.display).rstrip().split("\n")]
    (kept,) = (path.name for path in student.path(".tito/backups/update").iterdir())
    assert [line.rstrip() for line in shown] == [
        "Here is the course of tito 0.2.0, in the place of that of 0.1.0.",
        "",
        "New     tinytorch/more.py",
        "Merged  01 Numbers",
        "",
        "Look at",
        "  modules/01_numbers/numbers_dev.py:4",
        "      you and the course changed the same lines; both are there",
        f"  modules/01_numbers/numbers_dev.py:{student.lesson().exercise('half').line}",
        "      half: the signature of `half` is new; your answer stayed",
        "",
        f"What was replaced is kept in .tito/backups/update/{kept}/",
        "Next: `tito module status`",
    ]


# What learners write between the markers: any lines that are no marker themselves and open no cell.
lines = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=20)
bodies = st.lists(
    st.one_of(lines, st.sampled_from(["    return x", "", "    '''", '    """', "#| export", "    x = '", "\t"])),
    min_size=1,
    max_size=5,
).filter(
    lambda found: (
        not any(line.strip() in ("### BEGIN SOLUTION", "### END SOLUTION") or re.match(r"# %%", line) for line in found)
        and any(line.strip() for line in found)
    )
)


@pytest.fixture(scope="module")
def courses(first: Clone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Handout, Handout]:
    """The first course, and one in which everything around the answers is different."""
    new = first.copy(tmp_path_factory.mktemp("second") / "clone")
    new.edit(
        NUMBERS,
        ("twice as large", "doubled"),
        ("def double(x: float) -> float:", "def double(x: float, times: int = 1) -> float:"),
        ('"""Return half of `x`."""', '"""Return the half of `x`."""'),
    )
    new.write(NUMBERS, moved_cell(new.read(NUMBERS), "half", before="double"))
    return handout(first, "0.1.0"), handout(new)


@pytest.mark.parametrize("known", [True, False], ids=["with base", "without base"])
@given(double=bodies, half=bodies)
def test_whatever_an_answer_is_it_is_there_afterwards_byte_for_byte(
    courses: tuple[Handout, Handout], known: bool, double: list[str], half: list[str]
) -> None:
    base, new = courses
    answers = {"double": ("\n".join(double),), "half": ("\n".join(half),)}
    mine = Lesson(base.files[NUMBERS].decode(), NUMBERS).replaced(answers)
    plan = make_plan(base if known else None, {**base.files, NUMBERS: mine.encode()}, new)
    (text,) = (change.data.decode() for change in plan.changes if change.path == NUMBERS and change.data)
    assert {exercise.name: exercise.answer() for exercise in Lesson(text, NUMBERS).exercises} == answers
    if known:
        assert text == Lesson(new.files[NUMBERS].decode(), NUMBERS).replaced(answers)


def test_the_real_lessons_take_a_change_in_every_cell_around_every_answer(repository: Path) -> None:
    """The reference answers as a learner's; the new course has a note below each line of prose that is a heading."""
    base = read_handout(repository, TEMPLATES, "1")
    references = {
        name: Lesson(re.sub(r"(?m)^(##+ .*)$", r"\1\nA new sentence.", lesson.text), lesson.path)
        for name, lesson in base.references.items()
    }
    new_files = {lesson.path: lesson.starter().encode() for lesson in references.values()}
    new = Handout("2", base.course, {**base.files, **new_files}, references)
    answered = {lesson.path: (lesson.text + "\n\n# %%\nmine = 1\n").encode() for lesson in base.references.values()}
    plan = make_plan(base, {**base.files, **answered}, new)
    assert plan.notes == []
    assert {change.path: change.data for change in plan.changes} == {
        lesson.path: (lesson.text + "\n\n# %%\nmine = 1\n").encode() for lesson in references.values()
    }
