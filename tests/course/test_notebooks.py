"""Every lesson opens as a notebook and runs to its end, cell by cell."""

from __future__ import annotations

import os
from pathlib import Path

import jupytext
import nbclient
import nbformat
import pytest

from tito.course import Module, read_course

ROOT = Path(__file__).parents[2]
WRITTEN = read_course(ROOT / "modules/course.toml").written
CELL_LIMIT = 60  # seconds


def run_notebook(root: Path, lesson: str) -> nbformat.NotebookNode:
    """Run a lesson as a notebook in its own folder, with the package of `root` first on the path."""
    notebook = jupytext.read(root / lesson, fmt="py:percent")
    client = nbclient.NotebookClient(
        notebook,
        timeout=CELL_LIMIT,
        kernel_name="python3",
        resources={"metadata": {"path": str((root / lesson).parent)}},
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


def test_a_cell_that_fails_is_named(small: Path) -> None:
    lesson = small / "modules/01_number/number_dev.py"
    assert "Module 01 works." in printed(run_notebook(small, "modules/01_number/number_dev.py"))
    lesson.write_text(lesson.read_text(encoding="utf-8").replace("== 4\n", "== 5\n"), encoding="utf-8")
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="assert double"):
        run_notebook(small, "modules/01_number/number_dev.py")
