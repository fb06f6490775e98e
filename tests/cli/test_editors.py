"""What an editor finds in a workspace: its settings, the learner's own package behind a name, and the suites."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jedi
import pytest
from hatchling.builders.wheel import WheelBuilder

from tito.carried import course_root
from tito.commands import init
from tito.course import read_course
from tito.handout import TEMPLATES

from .learner import Learner

USE = """\
from tinytorch.core.tensor import Tensor
import tinytorch

tinytorch.Tensor([1]).reshape(1)
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A learner's workspace in which module 01 is there, without environment."""
    root = tmp_path_factory.mktemp("made") / "mine"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(init, "make_wheel", lambda folder: folder.mkdir())
        init.lay_out(root, on_loan=(read_course(course_root() / "modules/course.toml").written[0],))
    return root


def test_vs_code_is_told_where_things_are(workspace: Path) -> None:
    settings = json.loads((workspace / ".vscode/settings.json").read_text(encoding="utf-8"))
    assert settings == {
        "python.defaultInterpreterPath": "${workspaceFolder}/.venv",
        "python.testing.pytestEnabled": True,
        "python.testing.pytestArgs": ["modules"],
        "jupyter.notebookFileRoot": "${workspaceFolder}",
    }
    extensions = json.loads((workspace / ".vscode/extensions.json").read_text(encoding="utf-8"))
    assert extensions == {"recommendations": ["ms-python.python", "ms-toolsai.jupyter"]}


@pytest.mark.parametrize(
    ("line", "column", "text"), [(1, 36, "class Tensor:"), (4, 12, "class Tensor:"), (4, 24, "def reshape(")]
)
def test_a_name_leads_to_the_learners_own_package(workspace: Path, line: int, column: int, text: str) -> None:
    script = jedi.Script(USE, path=workspace / "use.py", project=jedi.Project(workspace))
    (found,) = script.goto(line, column, follow_imports=True)
    assert found.module_path == workspace / "tinytorch/core/tensor.py"
    assert text in found.get_line_code()


def test_the_package_is_installed_by_its_path_which_editors_can_read(workspace: Path, tmp_path: Path) -> None:
    """An import hook would answer Python, but no program that only reads files."""
    (wheel,) = WheelBuilder(str(workspace)).build(directory=str(tmp_path), versions=["editable"])
    with zipfile.ZipFile(wheel) as archive:
        paths = [name for name in archive.namelist() if name.endswith(".pth")]
        assert [archive.read(name).decode().strip() for name in paths] == [str(workspace)]


@pytest.fixture
def ready(learner: Learner) -> Learner:
    """The learner's workspace with the settings of a real one."""
    shutil.copyfile(TEMPLATES / "pyproject.toml", learner.root / "pyproject.toml")
    return learner


def run_pytest(learner: Learner, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run plain pytest in the workspace, as an editor does; no tool of ours is asked."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=learner.root, capture_output=True, text=True, timeout=60)


def test_pytest_tests_the_lesson_as_it_is_now(ready: Learner) -> None:
    learner = ready
    learner.answer("double")
    learner.answer("half")
    assert "3 passed" in run_pytest(learner, "modules/01_numbers/test_numbers.py").stdout
    learner.answer("double", "    return x + x + 1")
    done = run_pytest(learner, "modules")
    assert "1 failed, 2 passed" in done.stdout
    assert "assert 7 == 6" in done.stdout
    assert "return x + x + 1" in learner.read("exported")


def test_what_is_not_begun_is_left_out_unless_named(ready: Learner) -> None:
    learner = ready
    done = run_pytest(learner)
    assert "no tests ran" in done.stdout
    assert "Not begun, so left out: 01 and 02. `tito module test 01` begins one." in done.stdout
    assert not learner.path("exported").exists()
    named = run_pytest(learner, "modules/01_numbers/test_numbers.py::test_half_of_two")
    assert "exercise half: write it in modules/01_numbers/numbers_dev.py" in named.stdout


def test_a_list_of_tests_is_made_without_a_change_in_the_package(ready: Learner) -> None:
    learner = ready
    learner.answer("double")
    assert "3 tests collected" in run_pytest(learner, "--collect-only").stdout
    learner.answer("double", "    return 8")
    before = learner.snapshot()
    assert "3 tests collected" in run_pytest(learner, "--collect-only").stdout
    assert learner.snapshot() == before


@pytest.mark.parametrize(
    ("module", "answer", "message"),
    [
        ("numbers", "    return x +", "invalid syntax: `return x +`"),
        ("sums", None, "02_sums stands on 01_numbers, which is still open."),
    ],
)
def test_what_is_in_the_way_of_a_suite_is_said_in_its_place(
    ready: Learner, module: str, answer: str | None, message: str
) -> None:
    exercise = "double" if module == "numbers" else "total"
    ready.answer(exercise, answer, lesson=module)
    done = run_pytest(ready, "modules")
    assert message in done.stdout
    assert "hint: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_the_answer_of_a_notebook_is_not_forgotten(ready: Learner) -> None:
    learner = ready
    learner.answer("double")
    learner.tito("notebook", "01", "--no-open")
    notebook: Any = json.loads(learner.read("notebook"))
    notebook["cells"][4]["source"] += "\n# mine"
    learner.write("notebook", json.dumps(notebook))
    assert "holds changes that the lesson does not have yet" in run_pytest(learner, "modules").stdout


def test_borrowed_modules_are_tested_too(ready: Learner) -> None:
    ready.tito("module", "borrow", "01")
    assert "3 passed" in run_pytest(ready, "modules").stdout
