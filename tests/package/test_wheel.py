"""The wheel of `tito` carries the course: built, installed into an empty environment, and used there."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tito.carried import course_root, make_wheel
from tito.course import Course
from tito.environment import find_uv
from tito.milestones import read_milestones


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that has to succeed, outside of every environment."""
    hidden = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def contents(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel by name, but for the list of them."""
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("RECORD")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as the repository builds it."""
    return make_wheel(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def installed(wheel: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of a new environment that holds the wheel and what it needs."""
    environment = tmp_path_factory.mktemp("installed") / "environment"
    here = environment.parent
    run(find_uv(), "venv", "--quiet", "--python", sys.executable, environment, cwd=here)
    install = [find_uv(), "pip", "install", "--quiet", "--python", environment, "--no-deps"]
    run(*install, "--require-hashes", "-r", repository / "requirements.txt", cwd=here)
    run(*install, wheel, cwd=here)
    return environment / "bin"


@pytest.fixture(scope="module")
def workspace(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with an environment of its own, made by the installed tool."""
    root = tmp_path_factory.mktemp("workspaces") / "mine"
    said = run(installed / "tito", "init", root, cwd=root.parent).stdout
    assert f"Your workspace is ready: {root}" in said
    assert said.endswith(f"\nNext:\n  cd {root}\n  ./tito module start 01\n  ./tito module test 01\n")
    return root


def test_in_the_repository_nothing_is_carried_twice(repository: Path) -> None:
    assert course_root() == repository


def test_the_wheel_carries_the_course(wheel: Path, repository: Path, course: Course) -> None:
    carried = {name for name in contents(wheel) if name.startswith("tito/_carried/")}
    wanted = ["tito", "requirements.txt", "LICENSE", "modules/course.toml", "tinytorch/datasets/digits.npz"]
    wanted += ["milestones/milestones.toml", *(milestone.program for milestone in read_milestones(repository))]
    for module in course.written:
        folder = f"modules/{module.folder}"
        wanted += [module.lesson, module.suite, module.exported, f"{folder}/README.md", f"{folder}/exercises.toml"]
    assert {f"tito/_carried/{path}" for path in wanted} <= carried
    for name in carried:
        assert (repository / name.removeprefix("tito/_carried/")).is_file()
        assert not name.endswith((".pyc", ".ipynb"))


def test_a_new_workspace_answers_import_tinytorch_from_every_folder(workspace: Path, tmp_path: Path) -> None:
    program = "import tinytorch; print(tinytorch.__file__)"
    said = run(workspace / ".venv/bin/python", "-c", program, cwd=tmp_path).stdout
    assert Path(said.strip()) == workspace / "tinytorch" / "__init__.py"


def test_a_new_workspace_is_ready_to_run(workspace: Path, course: Course) -> None:
    done = run(workspace / "tito", "module", "list", cwd=workspace)
    assert done.stderr == ""
    for module in course.written:
        assert module.title in done.stdout


def test_an_installed_tool_packs_itself_into_the_wheel_it_came_from(workspace: Path, wheel: Path) -> None:
    (packed,) = (workspace / ".tito").glob("*.whl")
    assert packed.name == wheel.name
    assert contents(packed) == contents(wheel)


def test_an_active_environment_takes_one_workspace_after_the_other(installed: Path, tmp_path: Path) -> None:
    program = "import tinytorch; print(tinytorch.__file__)"
    for name, place in (("first", ""), ("second", ", in place of another one")):
        root = tmp_path / name
        said = run(installed / "tito", "init", root, "--no-venv", "--from", "05", cwd=tmp_path).stdout
        assert f"In the environment {installed.parent}, `import tinytorch` is now this workspace{place}.\n" in said
        assert said.endswith(f"\nNext:\n  cd {root}\n  tito module start 05\n  tito module test 05\n")
        assert not (root / ".venv").exists()
        found = run(installed / "python", "-c", program, cwd=tmp_path).stdout
        assert Path(found.strip()) == root / "tinytorch" / "__init__.py"
