"""`tito notebook`: there and back, byte for byte, with nothing lost when both sides have changed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from .learner import ANSWERS, Learner


def edit(learner: Learner, change: Callable[[list[Any]], None]) -> None:
    """Change the cells of the notebook as Jupyter would: the file is written anew, lines in lists."""
    notebook = json.loads(learner.read("notebook"))
    change(notebook["cells"])
    for cell in notebook["cells"]:
        if isinstance(cell["source"], str):
            cell["source"] = cell["source"].splitlines(keepends=True)
    learner.write("notebook", json.dumps(notebook, indent=1))


def answer(cells: list[Any], exercise: str = "double") -> None:
    """Write the answer of an exercise in the notebook."""
    cell = next(cell for cell in cells if cell["metadata"].get("tags") == [exercise])
    text = "".join(cell["source"])
    start = text.index("    raise NotImplementedError")
    cell["source"] = text[:start] + ANSWERS[exercise] + text[text.index("\n", start) :]


def answer_half(cells: list[Any]) -> None:
    answer(cells, "half")


def test_there_and_back_without_edits_changes_no_byte(learner: Learner) -> None:
    before = learner.path("numbers").read_bytes()
    assert learner.tito("notebook", "01", "--no-open").stdout.startswith(
        "Wrote modules/01_numbers/numbers_dev.ipynb.\n"
    )
    edit(learner, lambda cells: None)
    result = learner.tito("notebook", "01", "--no-open")
    assert "say the same" in result.stdout
    assert learner.path("numbers").read_bytes() == before
    assert learner.backups() == []


def test_the_notebook_has_the_lessons_cells(learner: Learner) -> None:
    learner.tito("notebook", "01", "--no-open")
    cells = json.loads(learner.read("notebook"))["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code", "code", "code", "code", "code"]
    assert cells[3]["metadata"] == {"tags": ["double"]}
    assert "".join(cells[0]["source"]).startswith("# 01 Numbers\n")


def test_an_answer_written_in_the_notebook_comes_back(learner: Learner) -> None:
    learner.tito("notebook", "01", "--no-open")
    before = learner.read("numbers")
    edit(learner, answer)
    result = learner.tito("notebook", "01", "--no-open")
    assert "Took the notebook's changes back into modules/01_numbers/numbers_dev.py" in result.stdout
    stub = '    raise NotImplementedError("exercise double: write it in modules/01_numbers/numbers_dev.py")'
    assert learner.read("numbers") == before.replace(stub, "    return x + x")
    assert [path.read_text() for path in learner.backups()] == [before]
    assert "say the same" in learner.tito("notebook", "01", "--no-open").stdout


def test_cells_that_are_added_moved_and_deleted(learner: Learner) -> None:
    learner.tito("notebook", "01", "--no-open")

    def change(cells: list[Any]) -> None:
        del cells[5]
        code: Any = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        cells.insert(1, {"cell_type": "markdown", "metadata": {}, "source": "A note of *mine*."})
        cells.append({**code, "source": "double(21)", "metadata": {"tags": ["mine"], "collapsed": True}})

    edit(learner, change)
    learner.tito("notebook", "01", "--no-open")
    text = learner.read("numbers")
    assert '# %% [markdown]\n"""\nA note of *mine*.\n"""\n\n# %%\n#| default_exp core.numbers\n' in text
    assert text.endswith('# %% tags=["mine"]\ndouble(21)\n')
    assert "__main__" not in text
    assert learner.tito("export", "01").exit_code == 0


def test_a_magic_command_stays_a_comment_in_the_lesson(learner: Learner) -> None:
    learner.tito("notebook", "01", "--no-open")
    edit(learner, lambda cells: cells[5].update(source="%timeit double(2)"))
    learner.tito("notebook", "01", "--no-open")
    assert "# %timeit double(2)\n" in learner.read("numbers")
    assert "say the same" in learner.tito("notebook", "01", "--no-open").stdout


def test_a_changed_lesson_is_written_to_the_notebook_and_outputs_stay(learner: Learner) -> None:
    learner.tito("notebook", "01", "--no-open")
    output = {"output_type": "stream", "name": "stdout", "text": "4\n"}
    edit(learner, lambda cells: cells[5].update(outputs=[output], execution_count=3))
    learner.answer("double")
    assert "the lesson had changed" in learner.tito("notebook", "01", "--no-open").stdout
    cells = json.loads(learner.read("notebook"))["cells"]
    assert "return x + x" in "".join(cells[3]["source"])
    assert cells[5]["outputs"] == [output]


def test_the_old_notebook_is_kept_and_pictures_stay(learner: Learner) -> None:
    learner.tito("notebook", "01", "--no-open")
    picture = {"graph.png": {"image/png": "iVBORw0KGgo="}}
    edit(learner, lambda cells: cells[0].update(attachments=picture))
    before = learner.read("notebook")
    learner.answer("double")
    result = learner.tito("notebook", "01", "--no-open")
    (kept,) = learner.backups()
    assert kept.read_text() == before
    assert kept.parent.relative_to(learner.root).as_posix() in result.stdout
    assert json.loads(learner.read("notebook"))["cells"][0]["attachments"] == picture


@pytest.mark.parametrize("source", ['text = """\n# %%\n"""', "x = 1\n# %% a title\ny = 2", "# %% [markdown]\nx = 1"])
def test_a_cell_that_the_lesson_would_cut_is_not_taken_back(learner: Learner, source: str) -> None:
    learner.tito("notebook", "01", "--no-open")
    edit(learner, lambda cells: cells[5].update(source=source))
    before = learner.snapshot()
    result = learner.tito("notebook", "01", "--no-open")
    assert result.exit_code == 1
    assert "cell 6 of numbers_dev.ipynb would read otherwise in the lesson" in " ".join(result.stderr.split())
    assert learner.snapshot() == before


def test_a_comment_with_two_percent_signs_is_taken_back(learner: Learner) -> None:
    learner.tito("notebook", "01", "--no-open")
    edit(learner, lambda cells: cells[5].update(source="%%time\ndouble(2)"))
    assert "Took the notebook's changes back" in learner.tito("notebook", "01", "--no-open").stdout
    assert "say the same" in learner.tito("notebook", "01", "--no-open").stdout


def test_when_both_have_changed_neither_is_written(learner: Learner) -> None:
    learner.tito("notebook", "01", "--no-open")
    edit(learner, answer)
    learner.answer("half")
    before = learner.snapshot()
    result = learner.tito("notebook", "01", "--no-open")
    assert result.exit_code == 1
    assert "have both changed since they were the same" in " ".join(result.stderr.split())
    assert "rename numbers_dev.ipynb" in result.stderr
    assert learner.snapshot() == before


def test_the_same_change_on_both_sides_is_no_conflict(learner: Learner) -> None:
    learner.tito("notebook", "01", "--no-open")
    edit(learner, answer)
    learner.answer("double")
    assert learner.tito("notebook", "01", "--no-open").exit_code == 0


def test_a_notebook_that_tito_does_not_remember_is_not_overwritten(learner: Learner) -> None:
    learner.tito("notebook", "01", "--no-open")
    edit(learner, answer)
    learner.path(".tito/memory.json").unlink()
    before = learner.snapshot()
    assert learner.tito("notebook", "01", "--no-open").exit_code == 1
    assert learner.snapshot() == before


def test_a_test_does_not_pass_over_an_answer_that_is_still_in_the_notebook(learner: Learner) -> None:
    learner.tito("notebook", "01", "--no-open")
    edit(learner, answer)
    result = learner.tito("module", "test", "01")
    assert result.exit_code == 1
    assert "holds changes that the lesson does not have yet" in " ".join(result.stderr.split())
    assert "`tito notebook 01 --no-open`" in result.stderr
    learner.tito("notebook", "01", "--no-open")
    assert "half is not written yet" in learner.tito("module", "test", "01").stdout


@pytest.mark.parametrize("content", [b"", b"{}", b'{"cells": [1]}', b"\xff"])
def test_a_file_that_is_no_notebook(learner: Learner, content: bytes) -> None:
    learner.path("notebook").write_bytes(content)
    result = learner.tito("notebook", "01", "--no-open")
    assert result.exit_code == 1
    assert "not a notebook" in result.stderr
    assert learner.path("notebook").read_bytes() == content


def test_an_interrupted_take_back_leaves_the_lesson_whole(
    learner: Learner, failing_replace: Callable[[str], None]
) -> None:
    learner.tito("notebook", "01", "--no-open")
    edit(learner, answer)
    before = learner.snapshot()
    failing_replace("numbers_dev.py")
    assert learner.tito("notebook", "01", "--no-open").exit_code == 1
    assert learner.snapshot() == before


def test_jupyter_is_opened_and_what_was_saved_there_is_taken_back(
    learner: Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "jupyter-lab"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, pathlib, re, sys\n"
        "pathlib.Path(sys.argv[0]).with_name('paths').write_text(os.environ['JUPYTER_PATH'])\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "text = re.sub(r'raise NotImplementedError.[^)]*double[^)]*.', 'return x + x', path.read_text())\n"
        "path.write_text(text)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    result = learner.tito("notebook", "01")
    assert "Jupyter opens." in result.stdout
    assert "Took the notebook's changes back" in result.stdout
    assert "    return x + x\n" in learner.read("numbers")
    monkeypatch.setenv("JUPYTER_PATH", (program.parent / "paths").read_text())
    assert KernelSpecManager().get_kernel_spec("python3").argv[:2] == [str(tmp_path / "python"), "-m"]


def test_a_jupyter_of_another_environment_is_not_taken_without_a_kernel_here(
    learner: Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "jupyter-lab"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "Jupyter is not installed here." in learner.tito("notebook", "01").stdout


def test_without_jupyter_the_path_is_said(learner: Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    result = learner.tito("notebook", "01")
    assert result.exit_code == 0
    assert "Jupyter is not installed here. Open modules/01_numbers/numbers_dev.ipynb" in result.stdout
    assert f"`{tmp_path}/python -m pip install jupyterlab`" in result.stdout


def test_without_jupytext_the_command_to_install_it_is_said(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jupytext", None)
    result = learner.tito("notebook", "01")
    assert result.exit_code == 1
    assert "-m pip install jupytext" in result.stderr


def test_what_an_editor_adds_to_a_notebook_stays_when_the_lesson_changes(learner: Learner) -> None:
    learner.tito("notebook", "01", "--no-open")
    notebook = json.loads(learner.read("notebook"))
    notebook["metadata"]["kernelspec"]["display_name"] = ".venv (3.11)"
    notebook["cells"][0]["metadata"]["slideshow"] = {"slide_type": "slide"}
    notebook["cells"][1]["id"] = "cell-3"
    learner.write("notebook", json.dumps(notebook))
    learner.answer("double")
    learner.tito("notebook", "01", "--no-open")
    after = json.loads(learner.read("notebook"))
    assert after["metadata"]["kernelspec"]["display_name"] == ".venv (3.11)"
    assert after["cells"][0]["metadata"] == {"slideshow": {"slide_type": "slide"}}
    names = [cell["id"] for cell in after["cells"]]
    assert names[1] == "cell-3"
    assert len(set(names)) == len(names)


def test_a_lesson_with_windows_line_ends_keeps_them(learner: Learner) -> None:
    text = learner.path("numbers").read_bytes().replace(b"\n", b"\r\n")
    learner.path("numbers").write_bytes(text)
    learner.tito("notebook", "01", "--no-open")
    edit(learner, answer)
    assert "Took the notebook's changes back" in learner.tito("notebook", "01", "--no-open").stdout
    stub = b'    raise NotImplementedError("exercise double: write it in modules/01_numbers/numbers_dev.py")'
    assert learner.path("numbers").read_bytes() == text.replace(stub, b"    return x + x")
    assert "say the same" in learner.tito("notebook", "01", "--no-open").stdout


def test_a_file_that_another_program_holds_is_said_calmly(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    learner.tito("notebook", "01", "--no-open")
    edit(learner, answer)
    before = learner.snapshot()
    replace = os.replace

    def refuse(source: str, target: str) -> None:
        if str(target).endswith("numbers_dev.py"):
            raise PermissionError(13, "The process cannot access the file", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    result = learner.tito("notebook", "01", "--no-open")
    assert result.exit_code == 1
    assert "error: numbers_dev.py could not be written, so it is as it was." in result.stderr
    assert "close it there" in " ".join(result.stderr.split())
    assert learner.snapshot() == before


def test_text_before_the_first_cell_and_uneven_gaps_survive(learner: Learner) -> None:
    text = "# a word before\n\n" + learner.read("numbers").replace("\n\n\n# %%", "\n# %%") + "\n\n"
    learner.write("numbers", text)
    learner.tito("notebook", "01", "--no-open")
    edit(learner, answer_half)
    assert "Took the notebook's changes back" in learner.tito("notebook", "01", "--no-open").stdout
    stub = '    raise NotImplementedError("exercise half: write it in modules/01_numbers/numbers_dev.py")'
    assert learner.read("numbers") == text.replace(stub, "    return x / 2")
