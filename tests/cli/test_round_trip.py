"""Lesson to notebook and back: nothing is lost, and a change touches its own lines only."""

from __future__ import annotations

import copy
import difflib
import itertools
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tito.course import Module, read_course
from tito.notebooks import as_notebook, taken_back

ROOT = Path(__file__).parents[2]
WRITTEN = read_course(ROOT / "modules/course.toml").written
Key = tuple[str, str, tuple[str, ...]]

quick = settings(max_examples=30)
line = st.sampled_from(
    [
        "",
        "    ",
        "x = 1",
        "y = 2   ",
        "\tindented",
        "  x = 1",
        "\xa0x = 1",
        "#| export",
        "    ### BEGIN SOLUTION",
        "# a comment",
        "# # two signs",
        "%timeit f(2)",
        "# %timeit f(2)",
        "%%time",
        "!ls -l",
        "listed = !ls",
        "f?",
        "await f()",
        "size = 'Größe → 🧪'",
        "page = 'a\fb\u2028c\x85d'",
        r"a \LaTeX $\nabla$ \\",
        "```python",
        "---",
        "- a point",
        'he said "no"',
        "print('%d' % 3)",
    ]
)
word = st.text(st.characters(exclude_categories=["Cs", "Co"], exclude_characters="\n\r\"'#"), max_size=12)
source = st.lists(st.one_of(line, line, word), max_size=5).map("\n".join)
tags = st.sampled_from([(), (), ("double",), ("a", "größer als")])
cells = st.lists(st.tuples(st.sampled_from(["code", "code", "markdown", "raw"]), source, tags), max_size=5)
# What opens a cell in a file, and how a cell goes on: as `tito` writes it, and as others do.
written = st.sampled_from(
    [
        '# %% [markdown]\n"""\n{}\n"""',
        '# %% [markdown] A title tags=["a"]\n"""\n{}\n"""',
        '# %% [markdown]\nr"""\n{}\n"""',
        "# %% [markdown]\n# {}\n# more",
        "# %%\n{}",
        "# %%   \n{}",
        '# %% tags=["double"]\n{}',
        '# %% A title tags=["half"] points=3\n{}',
        '# %% [raw]\n"""\n{}\n"""',
        "# %%\n# %%bash\n# {}",
    ]
)
prose = st.lists(word, min_size=1, max_size=3).map(lambda words: "\n".join(f"a {word.strip()}" for word in words))


@st.composite
def lessons(draw: st.DrawFn) -> str:
    """Draw a lesson as it may stand in a file, with uneven gaps, either line end, and perhaps a mark in front."""
    parts = draw(st.lists(st.tuples(written, prose, st.sampled_from(["\n", "\n\n", "\n\n\n"])), min_size=1, max_size=5))
    text = "".join(
        form.format(words.replace("\n", "\n# ") if "# {}" in form else words) + gap for form, words, gap in parts
    )
    text = draw(st.sampled_from(["", "# a word before\n\n", "# ---\n# title: x\n# ---\n\n"])) + text
    return draw(st.sampled_from(["", "\ufeff"])) + text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def made(key: Key) -> dict[str, Any]:
    """Return a cell that a notebook's user has written."""
    kind, text, labels = key
    cell: dict[str, Any] = {"cell_type": kind, "source": text, "metadata": {"tags": list(labels)} if labels else {}}
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def keys(notebook: Any) -> list[Key]:
    """Return what the cells of a notebook say; Jupytext leaves out what is empty at a cell's end."""
    return [
        (cell["cell_type"], cell["source"].rstrip(), tuple(cell["metadata"].get("tags", ())))
        for cell in notebook["cells"]
    ]


def executed(notebook: Any) -> Any:
    """Return a notebook as it is after all cells have run and the notebook was saved, with lines in lists."""
    done = copy.deepcopy(notebook)
    for number, cell in enumerate(done["cells"], 1):
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["4\n", "# %%\n"]}]
            cell["execution_count"] = number
        cell["metadata"]["collapsed"] = True
        cell["source"] = cell["source"].splitlines(keepends=True)
    return done


def openings(text: str) -> list[str]:
    """Return the lines that open a cell."""
    return [
        line
        for line in text.removeprefix("\ufeff").split("\n")
        if line.startswith(("# %% ", "# %%\r")) or line == "# %%"
    ]


def changed_lines(before: str, after: str) -> list[str]:
    """Return the lines that were taken out of a text or put into it."""
    lines = difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), n=0)
    return [found for found in itertools.islice(lines, 2, None) if not found.startswith("@@")]


@quick
@given(lessons())
def test_a_notebook_that_only_ran_changes_no_byte(text: str) -> None:
    assert taken_back(text, executed(as_notebook(text))) == text


@pytest.mark.parametrize("text", ["# %%\n# %%\n", "# %%\r\n# %%\r\n", "# %% [markdown]\n# %%\n# %%\nx = 1\n"])
def test_empty_cells_are_cells(text: str) -> None:
    assert taken_back(text, executed(as_notebook(text))) == text


@pytest.mark.parametrize("source", ["x = 1", "  x = 1\ny = 2", "\tx = 1", "\xa0x = 1", "  ", ""])
def test_the_line_that_opens_a_cell_is_not_indented_with_its_code(source: str) -> None:
    notebook = as_notebook("# %%\nx = 2\n")
    notebook["cells"] = [made(("code", source, ("double",)))]
    assert taken_back("# %%\nx = 2\n", notebook).rstrip() == f'# %% tags=["double"]\n{source}'.rstrip()


@quick
@given(lessons(), cells)
def test_whatever_a_notebook_says_its_lesson_says(text: str, new: list[Key]) -> None:
    notebook = as_notebook(text)
    notebook["cells"] = [made(key) for key in new]
    back = taken_back(text, notebook)
    assert keys(as_notebook(back)) == keys(notebook)
    assert back.startswith("\ufeff") == text.startswith("\ufeff")
    assert back.count("\r") == (back.count("\n") if "\r\n" in text else 0) or "\r" in "".join(key[1] for key in new)
    assert taken_back(back, executed(as_notebook(back))) == back


@quick
@given(lessons(), st.data())
def test_cells_are_edited_added_deleted_and_moved(text: str, data: st.DataObject) -> None:
    notebook = as_notebook(text)
    kept = data.draw(st.permutations(notebook["cells"])) if notebook["cells"] else []
    kept = kept[: data.draw(st.integers(0, len(kept)))]
    for key in data.draw(cells):
        kept.insert(data.draw(st.integers(0, len(kept))), made(key))
    for cell in kept[: data.draw(st.integers(0, 2))]:
        cell["source"] = data.draw(source)
    notebook["cells"] = kept
    back = taken_back(text, notebook)
    assert keys(as_notebook(back)) == keys(notebook)


@quick
@given(lessons(), st.data())
def test_an_edited_cell_keeps_its_first_line_and_the_lines_of_all_others(text: str, data: st.DataObject) -> None:
    notebook = as_notebook(text)
    at = data.draw(st.integers(0, max(len(notebook["cells"]) - 1, 0)))
    for cell in notebook["cells"][at : at + 1]:
        old = cell["source"]
        cell["source"] = f"{old}\na line more" if cell["cell_type"] == "markdown" else "a_line = 'more'"
        back = taken_back(text, notebook)
        without_a_line = at == 0 and len(notebook["cells"]) > len(openings(text))
        assert openings(back)[without_a_line:] == openings(text)
        untouched = [other["source"] for i, other in enumerate(as_notebook(text)["cells"]) if i != at]
        assert [other["source"] for i, other in enumerate(as_notebook(back)["cells"]) if i != at] == untouched


@pytest.mark.parametrize("module", WRITTEN, ids=lambda module: module.folder)
def test_a_real_lesson_is_written_from_its_notebook_alone(module: Module) -> None:
    """Every cell anew, from nothing but the notebook: the text is the lesson's, gaps between cells aside."""
    text = (ROOT / module.lesson).read_text(encoding="utf-8")
    back = taken_back("", as_notebook(text))
    assert back.replace("\n\n\n# %%", "\n\n# %%") == text.replace("\n\n\n# %%", "\n\n# %%")
    assert not any("lesson" in cell["metadata"] for cell in as_notebook(text)["cells"])


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("module", WRITTEN, ids=lambda module: module.folder)
def test_in_a_real_lesson_an_edit_is_a_small_diff(module: Module, line_end: str) -> None:
    text = (ROOT / module.lesson).read_bytes().decode("utf-8").replace("\n", line_end)
    notebook = executed(as_notebook(text))
    assert taken_back(text, notebook) == text
    rng = random.Random(module.number)
    for cell in rng.sample([cell for cell in notebook["cells"] if cell["source"]], 5):
        edited = copy.deepcopy(notebook)
        twin = edited["cells"][notebook["cells"].index(cell)]
        twin["source"] = [*twin["source"][:-1], twin["source"][-1] + "  # mine"]
        last = cell["source"][-1]
        assert changed_lines(text, taken_back(text, edited)) == [
            f"-{last}{line_end}",
            f"+{last}  # mine{line_end}",
        ]
    moved = copy.deepcopy(notebook)
    moved["cells"].insert(3, moved["cells"].pop(40))
    assert sorted(taken_back(text, moved).split()) == sorted(text.split())
    del moved["cells"][3]
    assert all(found.startswith("-") for found in changed_lines(text, taken_back(text, moved)))
