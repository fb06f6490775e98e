"""Every lesson opens as a notebook and runs to its end, cell by cell."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbclient
import nbformat
import pytest

from tito.course import Module, read_course
from tito.export import read_lesson
from tito.notebooks import as_notebook, taken_back

ROOT = Path(__file__).parents[2]
WRITTEN = read_course(ROOT / "modules/course.toml").written
CELL_LIMIT = 60  # seconds


def run_notebook(root: Path, lesson: str, text: str = "", allow_errors: bool = False) -> nbformat.NotebookNode:
    """Run a lesson as a notebook in its own folder, with the package of `root` first on the path.

    `text` stands in the place of the lesson's own.
    """
    made = as_notebook(text or (root / lesson).read_text(encoding="utf-8"))
    notebook = nbformat.from_dict(made | {"nbformat": 4, "nbformat_minor": 5})
    client = nbclient.NotebookClient(
        notebook,
        timeout=CELL_LIMIT,
        kernel_name="python3",
        allow_errors=allow_errors,
        resources={"metadata": {"path": str((root / lesson).parent)}},
        extra_arguments=["--ext=tito.in_notebook"],
    )
    client.execute(env=os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"})
    return notebook


def printed(notebook: nbformat.NotebookNode) -> str:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


@pytest.mark.parametrize("module", WRITTEN, ids=lambda module: module.folder)
def test_the_lesson_runs_as_a_notebook(module: Module) -> None:
    notebook = run_notebook(ROOT, module.lesson)
    nbformat.validate(notebook)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip())
    assert printed(notebook), "the module test prints its line at the end"
    text = (ROOT / module.lesson).read_bytes().decode("utf-8")
    assert taken_back(text, json.loads(nbformat.writes(notebook))) == text


@pytest.mark.parametrize("module", WRITTEN, ids=lambda module: module.folder)
def test_a_learners_notebook_says_calmly_what_is_not_written(module: Module) -> None:
    """The first thing that goes wrong is an exercise that is still open, and it is no traceback."""
    starter = read_lesson(ROOT, module).starter()
    notebook = run_notebook(ROOT, module.lesson, starter, allow_errors=True)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    first = next(output for output in outputs if output.output_type in ("error", "display_data"))
    lines = first.data["text/plain"].split("\n")
    name = lines[0].split(" ")[0]
    assert lines[0] == f"{name} is not written yet."
    assert name in read_lesson(ROOT, module).names
    assert f"`%tito module hint {module.number:02} {name}`" in " ".join(" ".join(lines).split())
    assert first.data["text/html"].startswith("<section")


def test_the_mistake_behind_a_check_is_named_as_the_terminal_names_it() -> None:
    """The answer stands in a cell and in no file; what the suite would say of it comes after what the check says."""
    module = WRITTEN[1]
    lesson = read_lesson(ROOT, module)
    right = lesson.exercise("relu").answer()[0]
    stubs = {name: stub for name, stub in lesson.stubs().items() if name not in ("activation", "relu")}
    text = lesson.replaced({**stubs, "relu": (right.replace("np.maximum(array, 0)", "np.max(array, initial=0)"),)})
    text = text.replace("if __name__", "if False and __name__") + "\n# %%\ntest_unit_relu()\n"
    notebook = run_notebook(ROOT, module.lesson, text, allow_errors=True)
    (output,) = notebook.cells[-1].outputs
    lines = " ".join(output.data["text/plain"].split())
    assert lines.startswith("relu is not right yet.")
    assert "Looks like it reduces with np.max, where each element should be compared with 0." in lines
    assert "keep the shape of the input" in output.data["text/html"]
    assert (ROOT / module.lesson).read_text(encoding="utf-8") == lesson.text


def test_a_cell_that_fails_is_named(small: Path) -> None:
    lesson = small / "modules/01_number/number_dev.py"
    assert "Module 01 works." in printed(run_notebook(small, "modules/01_number/number_dev.py"))
    lesson.write_text(lesson.read_text(encoding="utf-8").replace("== 4\n", "== 5\n"), encoding="utf-8")
    with pytest.raises(nbclient.exceptions.CellExecutionError, match=r"Called    double\(2\)"):
        run_notebook(small, "modules/01_number/number_dev.py")
