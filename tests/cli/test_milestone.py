"""`tito milestone` in a learner's workspace: their own package answers, with its gaps and mistakes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest
from click.testing import CliRunner, Result

from tito.cli import cli
from tito.commands import init
from tito.commands.milestone.list import numbers
from tito.course import Course
from tito.errors import TitoError
from tito.export import read_lesson
from tito.memory import remember
from tito.milestones import TOPIC, Milestone, find_milestone, made_possible, reached, read_milestones
from tito.workspace import Workspace

from .learner import Learner

ROOT = Path(__file__).parents[2]
MILESTONES = read_milestones(ROOT)
AUTOGRAD = "modules/05_autograd/autograd_dev.py"
DAY = r"\d{4}-\d\d-\d\d"


def tito(*arguments: str) -> Result:
    """Run a command in this process, where nothing is run on the package."""
    return CliRunner().invoke(cli, list(arguments), prog_name="tito", catch_exceptions=False)


def play(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `tito milestone run` in a process of its own."""
    command = [sys.executable, "-P", "-m", "tito", "milestone", "run", *arguments]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", env=environment, timeout=100)


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that stands in a file once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (path, old, text.count(old))
    path.write_text(text.replace(old, new), encoding="utf-8")


def days(root: Path) -> dict[str, str]:
    """Return when each milestone was reached."""
    return reached(Workspace(root))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, course: Course) -> Path:
    """Return a workspace with 01 to 05 borrowed, to copy; the wheel is left out."""
    root = tmp_path_factory.mktemp("milestones") / "fresh"
    autograd = course.find("05")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(init, "make_wheel", lambda folder: folder)
        init.lay_out(root, (*course.closure(autograd), autograd))
    return root


@pytest.fixture
def root(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a workspace of one's own, and stand in it."""
    shutil.copytree(fresh, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TINYTORCH_FAST"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "work"


@pytest.fixture
def own_autograd(root: Path, course: Course) -> Callable[[str, str], Path]:
    """Return a function that makes 05 the learner's own, with reference answers in which one text is another."""

    def write(old: str, new: str) -> Path:
        module = course.find("05")
        reference = {exercise.name: exercise.answer() for exercise in read_lesson(ROOT, module).exercises}
        (root / AUTOGRAD).write_text(read_lesson(root, module).replaced(reference), encoding="utf-8")
        edit(root / AUTOGRAD, old, new)
        assert tito("module", "start", "05").exit_code == 0
        assert tito("export", "05").exit_code == 0
        return root

    return write


def test_the_list_says_what_each_shows_and_whose_its_modules_are(root: Path) -> None:
    remember(root, TOPIC, "1969_xor", "2026-01-31")
    lines = tito("milestone", "list").stdout.splitlines()
    rows = [re.split(r" {2,}", line) for line in lines]
    assert rows[:4] == [
        ["year", "name", "what it shows", "modules", "done"],
        ["1957", "perceptron", "a line learned from mistakes", "01-05 on loan"],
        ["1969", "xor", "one layer cannot, two can", "01-05 on loan", "yes"],
        ["1986", "mlp", "hidden units find features", "06 open"],
    ]
    assert len({line.index(cell) for line, row in zip(lines[:4], rows, strict=False) for cell in row[3:4]}) == 1
    assert lines[-1] == "Next: `tito milestone run 1957`"
    assert max(map(len, lines)) <= 80


def test_the_list_for_other_programs(root: Path) -> None:
    remember(root, TOPIC, "1969_xor", "2026-01-31")
    rows = {row["folder"]: row for row in json.loads(tito("milestone", "list", "--json").stdout)}
    assert list(rows) == [milestone.folder for milestone in MILESTONES]
    assert rows["1969_xor"]["reached"] == "2026-01-31"
    assert rows["1957_perceptron"]["reached"] is None
    assert rows["1986_mlp"]["modules"]["05_autograd"] == "on loan"
    assert rows["1986_mlp"]["modules"]["06_optimizers"] == "open"


def test_when_all_are_reached_nothing_is_next(root: Path) -> None:
    for name in ("1957_perceptron", "1969_xor"):
        remember(root, TOPIC, name, "2026-01-31")
    assert tito("milestone", "list").stdout.endswith("All that can be run were reached.\n")


def test_in_an_empty_workspace_each_waits_for_its_modules(root: Path) -> None:
    for path in (root / "tinytorch/core").glob("[a-z]*.py"):
        path.unlink()
    said = tito("milestone", "list").stdout
    assert "1957  perceptron  a line learned from mistakes  01-05 open" in said
    assert said.endswith("Each can be run when its modules are yours or on loan.\n")


@pytest.mark.parametrize("name", ["1969", "xor", "1969_xor", "XOR", "1969_xor.py"])
def test_a_milestone_has_several_names(name: str) -> None:
    assert find_milestone(MILESTONES, name).folder == "1969_xor"


@pytest.mark.parametrize(
    ("name", "guess"), [("1968", "1969"), ("perzeptron", "perceptron"), ("1998_lnet", "1998_lenet")]
)
def test_an_unknown_name_gets_a_suggestion(name: str, guess: str) -> None:
    with pytest.raises(TitoError, match=f"no milestone is called '{name}'") as error:
        find_milestone(MILESTONES, name)
    assert error.value.hint == f"Did you mean {guess}? `tito milestone list` shows them all."
    assert error.value.exit_code == 2


def test_whose_the_modules_are_comes_first_then_the_program_and_its_picture(root: Path) -> None:
    done = play(root, "1957", "--seed", "2")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    assert lines[:6] == [
        "Milestone  1957_perceptron",
        "Takes      about 3 seconds",
        "On loan    01 Tensor, 02 Activations, 03 Layers, 04 Losses, 05 Autograd",
        "",
        "1957  Perceptron: a line learned from mistakes",
        "",
    ]
    assert lines[-2] == "Picture: pictures/1957_perceptron.png"
    assert lines[-1] == "Reached 100.0%; at least 100% was expected."
    assert max(map(len, lines)) <= 80
    assert [path.name for path in (root / "pictures").iterdir()] == ["1957_perceptron.png"]
    assert re.fullmatch(DAY, days(root)["1957_perceptron"])


@pytest.mark.parametrize(
    "milestone",
    [m for m in MILESTONES if all(module.written for module in m.modules(Workspace(ROOT).course))],
    ids=lambda milestone: milestone.folder,
)
def test_the_modules_that_it_names_are_enough(root: Path, milestone: Milestone, course: Course) -> None:
    """With these on loan and all others open, a dry run comes to its end; options are passed on; nothing is reached."""
    kept = {module.name for module in milestone.modules(course)}
    for module in milestone.modules(course):
        assert tito("module", "borrow", f"{module.number}").exit_code == 0
    assert {path.stem for path in (root / "tinytorch/core").glob("[a-z]*.py")} == kept
    done = play(root, milestone.name, "--dry-run", "--seed", "3", "--out", "elsewhere")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[-1].startswith("A dry run: ")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert (root / "elsewhere" / f"{milestone.folder}.png").is_file()
    assert not (root / "pictures").exists()
    assert days(root) == {}


def test_a_module_that_is_open_stops_it_before_any_work(root: Path) -> None:
    done = play(root, "1986")
    assert done.returncode == 1
    assert done.stdout.splitlines()[3] == "Open       06 Optimizers"
    assert done.stderr == (
        "error: 1986_mlp stands on 06_optimizers, which is still open.\n"
        "hint: Build: `tito module start 06`. Or borrow: `tito module borrow 06`.\n"
    )
    assert not (root / "pictures").exists()


def test_a_module_that_is_only_planned_is_no_matter_of_building(root: Path) -> None:
    edit(root / "milestones/milestones.toml", 'needs = ["06_optimizers"]', 'needs = ["05_autograd", "21_later"]')
    with (root / "modules/course.toml").open("a", encoding="utf-8") as table:
        table.write('\n[[module]]\nnumber = 21\nfolder = "21_later"\ntitle = "Later"\n')
    result = tito("milestone", "run", "mlp")
    assert result.exit_code == 1
    assert "error: 1986_mlp stands on 21, whose lessons are not written yet." in result.stderr
    assert "borrow" not in result.stderr


def test_a_wrong_gradient_is_noticed(own_autograd: Callable[[str, str], Path]) -> None:
    """With a tanh whose slope is turned around XOR is not learned: the program says so, and it does not count."""
    root = own_autograd("return (grad_output * (1 - out * out),)", "return (-grad_output * (1 - out * out),)")
    done = play(root, "1969")
    assert done.returncode == 1
    assert "Yours      05 Autograd\n" in done.stdout
    assert "On loan    01 Tensor, 02 Activations, 03 Layers, 04 Losses\n" in done.stdout
    assert re.fullmatch(
        r"error: 1969_xor reached \d+\.\d%, and at least 100% was expected\.\n"
        r"hint: A gradient or a step may be wrong: `tito test` tests every module that is yours\.\n",
        done.stderr,
    )
    assert days(root) == {}


def test_an_error_in_the_learners_code_is_told_where_it_stands_in_the_lesson(
    own_autograd: Callable[[str, str], Path],
) -> None:
    spoiled = "grad_b = unbroadcast(a @ grad_output, b.shape)"
    root = own_autograd("grad_b = unbroadcast(a.swapaxes(-1, -2) @ grad_output, b.shape)", spoiled)
    done = play(root, "1957")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    told = done.stdout[done.stdout.index("The program stopped in your code.\n") :]
    called = re.search(r"^Called +milestones/1957_perceptron\.py:(\d+), in descend\n +loss\.backward\(\)$", told, re.M)
    assert called is not None
    assert "Came    ValueError: matmul: Input operand 1 has a mismatch" in told
    lesson = (root / AUTOGRAD).read_text(encoding="utf-8").split("\n")
    line = next(number for number, text in enumerate(lesson, 1) if spoiled in text)
    assert f"{AUTOGRAD}:{line}, in apply\n            {spoiled}\n" in told
    assert told.endswith("Next: `tito module test 05` says which exercise to look at.\n")
    assert days(root) == {}


def test_an_error_of_the_program_itself_is_told_without_the_tools_frames(root: Path) -> None:
    edit(root / "milestones/1957_perceptron.py", "stage = open_stage(", "stage = open_stag(")
    done = play(root, "1957")
    assert done.returncode == 1
    told = done.stdout[done.stdout.index("The program stopped.\n") :]
    assert "Came    NameError: name 'open_stag' is not defined" in told
    assert "tito/" not in told
    assert "Traceback" not in done.stdout + done.stderr


def test_options_of_the_program_are_its_own(root: Path) -> None:
    done = play(root, "1957", "--help")
    assert done.returncode == 0
    assert "usage: 1957_perceptron.py" in done.stdout
    assert "--seed SEED" in done.stdout
    refused = play(root, "1957", "--sed", "1")
    assert refused.returncode == 2
    assert "unrecognized arguments: --sed 1" in refused.stderr
    assert days(root) == {}


@pytest.mark.parametrize(("chosen", "said"), [({}, "0"), ({"TINYTORCH_FAST": "1"}, "1")])
def test_the_learners_own_code_answers_without_kernels_unless_they_are_wanted(
    root: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], said: str
) -> None:
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    told = "import os; print('kernels', os.environ['TINYTORCH_FAST']); raise SystemExit(0)"
    edit(root / "milestones/1957_perceptron.py", "stage = open_stage(", f"{told}; open_stage(")
    assert f"\nkernels {said}\n" in play(root, "1957").stdout


def test_ctrl_c_ends_it_calmly(root: Path) -> None:
    edit(root / "milestones/1957_perceptron.py", "STEPS = 2000", "STEPS = 10**9")
    command = ["-P", "-m", "tito", "milestone", "run", "1957"]
    child = pexpect.spawn(sys.executable, command, cwd=str(root), dimensions=(40, 80), encoding="utf-8", timeout=60)
    child.expect("Gradient descent")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 1
    assert "interrupted; every file is whole" in " ".join((child.before or "").split())
    assert "Traceback" not in (child.before or "")
    assert list((root / "pictures").iterdir()) == []
    assert days(root) == {}


def test_a_process_that_is_ended_from_outside_is_told(root: Path) -> None:
    edit(
        root / "milestones/1957_perceptron.py", "stage = open_stage(", "import os; os.kill(os.getpid(), 9); open_stage("
    )
    done = play(root, "1957")
    assert done.returncode == 1
    assert done.stderr.startswith("error: 1957_perceptron was ended by signal 9.\n")
    assert days(root) == {}


def test_a_program_that_is_gone_is_named(root: Path) -> None:
    (root / "milestones/1957_perceptron.py").unlink()
    result = tito("milestone", "run", "1957")
    assert result.exit_code == 1
    assert "milestones/1957_perceptron.py is missing." in result.stderr


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("[[milestone]", "is not valid TOML"),
        ("[[milestone]]\nyear = 1957", "'needs' is missing"),
        ("milestone = 3", "holds"),
    ],
)
def test_a_damaged_table_is_an_error_that_names_it(root: Path, table: str, problem: str) -> None:
    (root / "milestones/milestones.toml").write_text(table, encoding="utf-8")
    result = tito("milestone", "list")
    assert result.exit_code == 1
    assert "milestones/milestones.toml" in result.stderr
    assert problem in " ".join(result.stderr.split())


def test_a_workspace_of_before_has_none_and_says_how_they_come(root: Path) -> None:
    shutil.rmtree(root / "milestones")
    assert tito("milestone", "list").stdout == "There are no milestones in this workspace. `tito update` brings them.\n"
    result = tito("milestone", "run", "1957")
    assert result.exit_code == 1
    assert result.stderr == "error: there are no milestones in this workspace.\nhint: `tito update` brings them.\n"


def test_in_the_courses_own_repository_all_modules_are_ours_and_nothing_is_remembered(tmp_path: Path) -> None:
    before = days(ROOT)
    done = play(ROOT, "1957", "--out", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "Yours      01 Tensor, 02 Activations, 03 Layers, 04 Losses, 05 Autograd\n" in done.stdout
    assert days(ROOT) == before


def test_completing_a_module_says_which_milestones_it_makes_possible(learner: Learner) -> None:
    rows = [
        (1957, "first", "01_numbers"),
        (1969, "second", "02_sums"),
        (1986, "third", "02_sums"),
        (1998, "far", "03_later"),
    ]
    table = "".join(
        f'[[milestone]]\nyear = {year}\nname = "{name}"\ntitle = "T"\nshows = "s"\nneeds = ["{needs}"]\n'
        "accuracy = 1.0\nseconds = 1\n"
        for year, name, needs in rows
    )
    learner.write("milestones/milestones.toml", table)
    for exercise in ("double", "half"):
        learner.answer(exercise)
    assert learner.tito("module", "complete", "01").stdout.endswith(
        "Your framework can now double and halve any number.\n\n"
        "You can now run `tito milestone run 1957`.\n\n"
        "Next: 02 Sums, `tito module start 02`\n"
    )
    learner.answer("total", lesson="sums")
    said = learner.tito("module", "complete", "02").stdout
    assert "You can now run `tito milestone run 1969` and `tito milestone run 1986`.\n" in said


def test_a_module_that_is_not_the_last_one_missing_makes_nothing_possible(root: Path, course: Course) -> None:
    workspace = Workspace(root)
    assert [m.year for m in made_possible(workspace, course.find("01"))] == [1957, 1969]
    (root / "tinytorch/core/tensor.py").unlink()
    assert made_possible(workspace, course.find("05")) == []


@pytest.mark.parametrize(("chosen", "shown"), [((1, 2, 3), "01-03"), ((2,), "02"), ((1, 3, 4, 9), "01, 03-04, 09")])
def test_numbers_of_neighbours_are_a_range(course: Course, chosen: tuple[int, ...], shown: str) -> None:
    assert numbers([module for module in course if module.number in chosen]) == shown
