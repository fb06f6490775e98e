"""`tito init`: what a workspace holds, where it may be made, and that it is made whole or not at all."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tito import environment
from tito.commands import init
from tito.course import Course
from tito.environment import active_environment
from tito.errors import TitoError
from tito.export import loan_header
from tito.milestones import read_milestones
from tito.workspace import LOAN, OPEN, Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A new workspace in which nobody has written anything; tests only look at it."""
    return init.create(tmp_path_factory.mktemp("made") / "mine")


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the wheel out, where a test is about something else: building it takes a second."""
    monkeypatch.setattr(init, "make_wheel", lambda folder: folder.mkdir())


def run(*arguments: str, cwd: Path) -> tuple[int, str]:
    """Run `tito init` in `cwd`; return the exit code and what it said on stderr, as one line."""
    done = subprocess.run([sys.executable, "-m", "tito", "init", *arguments], cwd=cwd, capture_output=True, text=True)
    return done.returncode, " ".join(done.stderr.split())


def files(root: Path) -> set[str]:
    """Return the paths of all files below `root`."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_a_workspace_holds_the_lessons_the_given_parts_and_the_tool(workspace: Workspace, course: Course) -> None:
    found = files(workspace.root)
    expected = {"modules/course.toml"} | {
        path
        for module in course.written
        for path in (module.lesson, module.suite, f"modules/{module.folder}/README.md")
    }
    assert {path for path in found if path.startswith("modules/")} == expected
    assert {path for path in found if path.startswith("tinytorch/core/")} == {"tinytorch/core/__init__.py"}
    assert {"tinytorch/__init__.py", "tinytorch/nn/__init__.py", "tinytorch/datasets/digits.npz"} <= found
    outside = {path for path in found if not path.startswith(("modules/", "milestones/", "tinytorch/", ".tito/"))}
    assert outside == {
        ".gitignore",
        ".vscode/extensions.json",
        ".vscode/settings.json",
        "README.md",
        "pyproject.toml",
        "requirements.txt",
        "tito",
    }
    assert len([path for path in found if path.startswith(".tito/") and path.endswith(".whl")]) == 1


def test_the_given_parts_are_the_repositorys(workspace: Workspace, repository: Path) -> None:
    for folder in ("tinytorch", "milestones"):
        for path in files(workspace.root / folder):
            assert (workspace.root / folder / path).read_bytes() == (repository / folder / path).read_bytes()
    assert (workspace.root / "tito").read_bytes() == (repository / "tito").read_bytes()
    assert (workspace.root / "tito").stat().st_mode & 0o111 == 0o111


def test_the_milestones_come_along(workspace: Workspace, repository: Path) -> None:
    handed_out = {path for path in files(repository / "milestones") if "__pycache__" not in path}
    assert files(workspace.root / "milestones") == handed_out
    assert {"milestones.toml", "1957_perceptron.py", "stage.py"} <= handed_out
    assert len(read_milestones(workspace.root)) >= 4


def test_lessons_come_without_answers(workspace: Workspace, repository: Path, course: Course) -> None:
    for module in course.written:
        lesson = (workspace.root / module.lesson).read_text(encoding="utf-8")
        reference = (repository / module.lesson).read_text(encoding="utf-8")
        begins = reference.count("### BEGIN SOLUTION")
        assert begins > 0
        assert lesson.count("raise NotImplementedError(") - reference.count("raise NotImplementedError(") == begins
        assert workspace.state(module) == OPEN


def test_a_learners_settings_for_pytest_are_the_repositorys(workspace: Workspace, repository: Path) -> None:
    mine, theirs = (
        tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")) for root in (workspace.root, repository)
    )
    settings = {**theirs["tool"]["pytest"]["ini_options"], "testpaths": ["modules"]}
    settings["addopts"] += " -p tito.in_pytest"  # exports the lesson before its tests run
    assert mine["tool"]["pytest"]["ini_options"] == settings
    for name in ("name", "dependencies", "requires-python"):
        assert mine["project"][name] == theirs["project"][name]
    assert mine["build-system"] == theirs["build-system"]


@pytest.mark.usefixtures("no_wheel")
def test_what_comes_before_the_first_module_is_on_loan(tmp_path: Path, course: Course, repository: Path) -> None:
    before = tuple(module for module in course.written if module.number < 3)
    workspace = init.create(tmp_path / "mine", before)
    for module in course.written:
        assert workspace.state(module) == (LOAN if module in before else OPEN)
    first, rest = (workspace.root / before[0].exported).read_text(encoding="utf-8").split("\n", 1)
    assert first == loan_header(before[0])
    assert rest == (repository / before[0].exported).read_text(encoding="utf-8").split("\n", 1)[1]


@pytest.mark.usefixtures("no_wheel")
def test_an_empty_folder_that_is_there_is_used_and_stays_the_same_folder(tmp_path: Path) -> None:
    inode = tmp_path.stat().st_ino
    init.check_free(tmp_path)
    init.create(tmp_path)
    assert tmp_path.stat().st_ino == inode
    assert (tmp_path / "modules" / "course.toml").is_file()


@pytest.mark.usefixtures("no_wheel")
def test_folders_above_are_made(tmp_path: Path) -> None:
    assert init.create(tmp_path / "a" / "b").root.is_dir()


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(folder: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(init, "make_wheel", interrupted)
    with pytest.raises(KeyboardInterrupt):
        init.create(tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TitoError, match=r"the workspace could not be written: .*file"):
        init.create(tmp_path / "file" / "mine")


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    code, err = run("mine", cwd=tmp_path)
    assert code == 2
    assert err == (
        f"error: {tmp_path / 'mine'} is not empty, and nothing in it is overwritten. "
        "hint: Choose another folder, for example `tito init mine-2`."
    )
    assert files(tmp_path) == {"mine/thesis.txt"}


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    code, err = run("mine", cwd=tmp_path)
    assert code == 2
    assert f"{tmp_path / 'mine'} is a file, not a folder." in err


def test_no_workspace_inside_another(workspace: Workspace) -> None:
    code, err = run("modules/mine", cwd=workspace.root)
    assert code == 2
    assert err == (
        f"error: {workspace.root / 'modules' / 'mine'} would lie inside the workspace {workspace.root}. "
        f"hint: Make it beside that one: `tito init {workspace.root.parent / 'mine'}`."
    )


def test_an_unknown_first_module_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    code, err = run("mine", "--from", "autogrda", cwd=tmp_path)
    assert code == 2
    assert "Did you mean autograd?" in err
    assert list(tmp_path.iterdir()) == []


def test_an_environment_that_could_not_be_made_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "tito").write_text("raise SystemExit(1)")
    with pytest.raises(TitoError, match="is there, but its environment could not be made") as error:
        environment.make_environment(tmp_path)
    assert "./tito module list" in error.value.hint


def test_the_environment_of_a_workspace_is_never_taken_for_another(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(workspace.root / ".venv"))
    monkeypatch.setenv("VIRTUAL_ENV", str(workspace.root / ".venv"))
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    with pytest.raises(TitoError, match="no environment is active but") as error:
        active_environment()
    assert error.value.exit_code == 2
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "other"))
    assert active_environment() == tmp_path / "other"
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "third"))
    assert active_environment() == tmp_path / "third"


def test_a_folder_with_a_space_is_quoted_where_it_is_to_be_typed(course: Course) -> None:
    steps = init.next_steps(Path("../my framework"), course.find("01"), no_venv=True)
    assert shlex.split(steps[0]) == ["cd", "../my framework"]
