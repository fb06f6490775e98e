"""The exporter on the lessons of the course, with Jupytext as the judge of what a cell is."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tito.course import Module, read_course
from tito.export import header, read_lesson
from tito.lesson import BEGIN, END, Cell, Lesson

ROOT = Path(__file__).parents[2]
WRITTEN = read_course(ROOT / "modules/course.toml").written


@pytest.fixture(params=WRITTEN, ids=lambda module: module.folder)
def lesson(request: pytest.FixtureRequest) -> Lesson:
    """Each lesson of the course in turn."""
    module: Module = request.param
    return read_lesson(ROOT, module)


def as_jupytext_has_it(cell: Cell) -> tuple[str, list[str], str]:
    """Return the kind, the tags and the text of a cell, without the quotes or signs that make prose a comment."""
    if not cell.markdown:
        return "code", list(cell.tags), "\n".join(cell.lines)
    text = "\n".join(cell.lines)
    text = text.removeprefix("r") if text.startswith('r"""') else text
    if text.startswith('"""'):
        return "markdown", list(cell.tags), text[3:-3].strip("\n")
    return "markdown", list(cell.tags), re.sub(r"^# ?", "", text, flags=re.MULTILINE)


def read_by_jupytext(text: str) -> list[tuple[str, list[str], str]]:
    notebook = jupytext.reads(text, fmt="py:percent")
    return [(cell.cell_type, cell.metadata.get("tags", []), cell.source) for cell in notebook.cells]


def test_the_cells_of_a_lesson_are_what_jupytext_reads(lesson: Lesson) -> None:
    expected = read_by_jupytext(lesson.text)
    assert len(lesson.cells) == len(expected)
    for ours, theirs in zip(lesson.cells, expected, strict=True):
        assert as_jupytext_has_it(ours) == theirs, f"{lesson.path}, line {ours.start}"


def test_the_cells_of_a_starter_are_what_jupytext_reads(lesson: Lesson) -> None:
    starter = Lesson(lesson.starter(), lesson.path)
    assert [as_jupytext_has_it(cell) for cell in starter.cells] == read_by_jupytext(starter.text)


CELLS = st.sampled_from(
    [
        '# %% [markdown]\n"""\n# Title\n\nWhy `#| export`.\n"""\n',
        "# %% [markdown]\n# One line.\n",
        '# %% tags=["one", "two"]\n#| export\nx = 1\n',
        "# %%\n#| default_exp core.demo\n#| doc Numbers.\n",
        '# %%\n#| export\n@decorated\ndef f():\n    """Do."""\n\n    # why\n    return "café"\n',
        '# %% tags=["answer"]\n#| export\ndef g():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n',
        '# %%\nif __name__ == "__main__":\n    f()\n',
    ]
)


@given(st.lists(CELLS, max_size=8), st.sampled_from(["", "\n", "\n\n"]))
def test_drawn_lessons_have_the_cells_that_jupytext_reads(cells: list[str], between: str) -> None:
    text = between.join(cells)
    expected = read_by_jupytext(text) if cells else []
    assert [as_jupytext_has_it(cell) for cell in Lesson(text, "demo_dev.py").cells] == expected


def test_the_starter_with_the_answers_put_back_is_the_lesson(lesson: Lesson) -> None:
    starter = Lesson(lesson.starter(), lesson.path)
    assert starter.text != lesson.text
    assert starter.replaced({exercise.name: exercise.answer() for exercise in lesson.exercises}) == lesson.text


def test_no_line_of_an_answer_is_left_in_the_starter(lesson: Lesson) -> None:
    starter = Lesson(lesson.starter(), lesson.path)
    for exercise in starter.exercises:
        for answer in exercise.answer():
            assert answer.strip() == f'raise NotImplementedError("exercise {exercise.name}: write it in {lesson.path}")'


def test_every_exported_line_points_at_its_text_in_the_lesson(lesson: Lesson) -> None:
    lines = lesson.text.split("\n")
    exported = [line for line in lesson.exported_lines(header(lesson.path)) if line.source]
    assert exported
    for line in exported:
        assert line.text.strip() == lines[line.source - 1].strip()


def test_every_line_of_an_exported_cell_is_exported_once(lesson: Lesson) -> None:
    sources = [line.source for line in lesson.exported_lines(header(lesson.path)) if line.source]
    assert len(sources) == len(set(sources))
    for cell in (cell for cell in lesson.cells if cell.exported):
        for number, text in enumerate(cell.lines, cell.start):
            left_out = (
                not text.strip()
                or text in cell.directives
                or text.strip() in (BEGIN, END)
                or re.match(r"class (\w+)\(\1\):", text)
            )
            assert left_out or number in sources, f"{lesson.path}, line {number}: {text}"


def test_a_prose_edit_changes_no_exported_line(lesson: Lesson) -> None:
    edit = '# %% [markdown]\n"""\nOne more thought.\n"""\n\n# %%\nprint("one more look")\n\n# %%'
    edited = Lesson(re.sub(r"^# %%", edit, lesson.text, flags=re.MULTILINE), lesson.path)
    assert len(edited.cells) == 3 * len(lesson.cells)
    assert edited.export("# header") == lesson.export("# header")
