"""Reading a lesson: its cells, their tags, and the exercises between solution markers."""

from __future__ import annotations

import re

import pytest

from tito.errors import TitoError
from tito.lesson import BEGIN, END, Cell, Lesson

PATH = "modules/01_demo/demo_dev.py"

LESSON = '''\
# %% [markdown]
"""
# 01 Demo
Two numbers.
"""

# %%
#| default_exp core.demo
#| doc Two functions on numbers.

# %% tags=["imports"]
#| export
from __future__ import annotations

import math


# %% tags=["double", "warm-up"]
#| export
def double(x: float) -> float:
    """Return twice `x`."""
    ### BEGIN SOLUTION
    result = x + x  # one addition

    return result
    ### END SOLUTION


# %% tags=["pair"]
#| export
def half(x: float) -> float:
    ### BEGIN SOLUTION
    return x / 2
    ### END SOLUTION


def root(x: float) -> float:
    if x >= 0:
        ### BEGIN SOLUTION
        return math.sqrt(x)
        ### END SOLUTION
    return math.nan


# %%
def test_unit_double() -> None:
    assert double(2.0) == 4.0


if __name__ == "__main__":
    test_unit_double()
'''


def lesson(text: str) -> Lesson:
    return Lesson(text, PATH)


def test_cells_are_split_at_percent_lines_and_know_where_they_start() -> None:
    cells = lesson(LESSON).cells
    assert [cell.markdown for cell in cells] == [True, False, False, False, False, False]
    assert [cell.tags for cell in cells] == [(), (), ("imports",), ("double", "warm-up"), ("pair",), ()]
    assert [cell.exported for cell in cells] == [False, False, True, True, True, False]
    assert cells[2].lines == ("#| export", "from __future__ import annotations", "", "import math")
    lines = LESSON.split("\n")
    for cell in cells:
        assert tuple(lines[cell.start - 1 : cell.start - 1 + len(cell.lines)]) == cell.lines


def test_text_before_the_first_cell_belongs_to_none() -> None:
    cells = lesson("# a comment\nx = 1\n# %%\ny = 2\n").cells
    assert cells == (Cell(False, (), ("y = 2",), 4),)


def test_an_empty_lesson_has_no_cells() -> None:
    assert lesson("").cells == ()


@pytest.mark.parametrize("separator", ["\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_a_newline_ends_a_line(separator: str) -> None:
    """str.splitlines() breaks lines where neither Python nor an editor does."""
    text = f'# %%\n#| export\nx = "a{separator}b"\n# %%\ny = 2\n'
    assert [cell.start for cell in lesson(text).cells] == [2, 5]
    assert f'x = "a{separator}b"' in lesson(text).export("# header")


def test_tags_that_do_not_parse_name_the_line() -> None:
    with pytest.raises(TitoError, match=re.escape(f"{PATH}, line 3: the cell's tags do not parse")):
        _ = lesson("# %%\nx = 1\n# %% tags=[unbroadcast]\ny = 2\n").cells


def test_a_title_beside_the_tags_is_no_tag() -> None:
    assert lesson('# %% The sum tags=["sum"]\nx = 1\n').cells[0].tags == ("sum",)


@pytest.mark.parametrize(
    "first", ["", "\n#| export", "import math", "# first a comment", "    #| export", "#| exported"]
)
def test_a_cell_is_exported_only_if_it_opens_with_the_directive(first: str) -> None:
    text = f'# %%\n{first}\nx = """\n#| export\n"""\n'
    assert not lesson(text).cells[0].exported


def test_prose_may_show_directives_and_markers() -> None:
    prose = f'# %% [markdown]\n"""\n#| default_exp core.other\n#| doc Not this.\n#| export\n{BEGIN}\n"""\n'
    given = lesson(prose + LESSON)
    assert given.target == "demo"
    assert [exercise.name for exercise in given.exercises] == ["double", "pair"]
    assert given.export("# header") == lesson(LESSON).export("# header")


def test_target_is_read_from_its_directive() -> None:
    assert lesson(LESSON).target == "demo"


@pytest.mark.parametrize("text", ["", "# %%\n#| export\nx = 1\n", "# %%\n#| default_exp data.demo\n"])
def test_a_lesson_without_a_target_says_what_is_missing(text: str) -> None:
    with pytest.raises(TitoError, match=re.escape(f"{PATH} does not say where it is exported to")) as caught:
        _ = lesson(text).target
    assert "#| default_exp core.NAME" in caught.value.hint


def test_exercises_have_names_lines_and_answers() -> None:
    double, pair = lesson(LESSON).exercises
    assert (double.name, pair.name) == ("double", "pair")
    assert double.answer() == ("    result = x + x  # one addition\n\n    return result",)
    assert pair.answer() == ("    return x / 2", "        return math.sqrt(x)")
    assert LESSON.split("\n")[double.line - 1] == f"    {BEGIN}"
    assert lesson(LESSON).exercise("pair") == pair


def test_an_unknown_exercise_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(TitoError, match=re.escape(f"{PATH} has no exercise 'duoble'")) as caught:
        lesson(LESSON).exercise("duoble")
    assert caught.value.hint == "Did you mean double? It has double, pair."
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("body", "line", "what"),
    [
        ([BEGIN, "x = 1"], 3, f"`{BEGIN}` without `{END}` in its cell"),
        (["x = 1", END], 4, f"`{END}` without `{BEGIN}`"),
        ([BEGIN, "x = 1", BEGIN, "y = 1", END, END], 5, f"`{BEGIN}` again before `{END}`"),
        ([BEGIN, "x = 1", END, END], 6, f"`{END}` without `{BEGIN}`"),
        ([BEGIN, "x = 1", END, "y = 1", BEGIN], 7, f"`{BEGIN}` without `{END}` in its cell"),
        ([BEGIN, "x = 1", "", "# %%", "y = 1", END], 3, f"`{BEGIN}` without `{END}` in its cell"),
    ],
)
def test_markers_that_do_not_pair_up_name_the_line(body: list[str], line: int, what: str) -> None:
    text = "\n".join(['# %% tags=["one"]', "#| export", *body, ""])
    with pytest.raises(TitoError, match=re.escape(f"{PATH}, line {line}: {what}.")):
        _ = lesson(text).cells


def test_an_exercise_needs_a_tag() -> None:
    with pytest.raises(TitoError, match=re.escape(f"{PATH}, line 4: an exercise without a tag has no name")):
        _ = lesson(f"# %%\nx = 1\n# %%\n{BEGIN}\ny = 1\n{END}\n").exercises


def test_two_exercises_cannot_share_a_name() -> None:
    cell = f'# %% tags=["one"]\n{BEGIN}\ny = 1\n{END}\n'
    with pytest.raises(TitoError, match=re.escape(f"{PATH}, line 6: a second exercise is called 'one'")):
        _ = lesson(cell + cell).exercises


def test_a_comment_with_two_percent_signs_opens_no_cell() -> None:
    text = "# %%\n#| export\nx = 1\n# %%time\ny = 2\n"
    assert len(lesson(text).cells) == 1
    assert "y = 2" in lesson(text).export("# header")


def test_a_stub_is_open_wherever_it_stands() -> None:
    text = Lesson(LESSON, PATH).starter()
    assert list(lesson(text).open) == ["double", "pair"]
    bare = text.replace(f"    {BEGIN}\n", "").replace(f"    {END}\n", "")
    assert bare != text
    assert lesson(bare).names == lesson(text).names == ("double", "pair")
    assert bare.split("\n")[lesson(bare).open["pair"] - 1].strip().startswith("raise NotImplementedError")
    assert lesson(LESSON).open == {}
