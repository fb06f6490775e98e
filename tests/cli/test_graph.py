"""`tito graph` in a learner's workspace: their own engine answers, with its gaps and its mistakes."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tito.cli import cli
from tito.commands import init
from tito.course import Course, Module
from tito.export import read_lesson
from tito.graphs import Examples
from tito.memory import remember

ROOT = Path(__file__).parents[2]


class Workspace:
    """A learner's workspace of the real course, 01 to 04 borrowed."""

    def __init__(self, root: Path, module: Module) -> None:
        self.root, self.module = root, module

    def tito(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, list(arguments), prog_name="tito", catch_exceptions=False)

    def answer(self, *names: str, replace: tuple[str, str] = ("", "")) -> None:
        """Write reference answers into the lesson, all of them if none are named; `replace` spoils them."""
        reference = {exercise.name: exercise.answer() for exercise in read_lesson(ROOT, self.module).exercises}
        chosen = {name: reference[name] for name in names or reference}
        spoiled = {
            name: tuple(text.replace(*replace) if replace[0] else text for text in answer)
            for name, answer in chosen.items()
        }
        assert not replace[0] or spoiled != chosen
        path = self.root / self.module.lesson
        path.write_text(read_lesson(self.root, self.module).replaced(spoiled), encoding="utf-8")

    def page(self, name: str) -> str:
        return (self.root / f".tito/graphs/05-{name}.html").read_text(encoding="utf-8")

    def says(self, name: str) -> list[str]:
        """Return the sentences of a page's steps."""
        data = re.search(r'id="steps-data">(.*?)</script>', self.page(name), re.DOTALL)
        assert data is not None
        return [step["says"] for step in json.loads(data[1])["steps"]]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, course: Course) -> Path:
    """Return a workspace to copy; the wheel, which no graph needs, is left out."""
    root = tmp_path_factory.mktemp("graphs") / "fresh"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(init, "make_wheel", lambda folder: folder)
        init.lay_out(root, course.closure(course.find("05")))
    return root


@pytest.fixture
def workspace(fresh: Path, tmp_path: Path, course: Course, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    root = tmp_path / "work"
    shutil.copytree(fresh, root)
    monkeypatch.chdir(root)
    for name in ("COLUMNS", "LINES", "BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return Workspace(root, course.find("05"))


@pytest.fixture(scope="module")
def module(course: Course) -> Module:
    return course.find("05")


def test_every_exercise_has_a_graph_and_every_graph_says_what_to_look_at(module):
    examples = Examples.of(module)
    assert examples is not None
    names = [example.name for example in examples.examples]
    assert set(examples.exercises) == {exercise.name for exercise in read_lesson(ROOT, module).exercises}
    assert set(examples.exercises.values()) <= set(names)
    assert all(example.says.endswith(".") for example in examples.examples)


def test_the_page_is_written_with_the_learners_own_rules(workspace):
    workspace.answer()
    done = workspace.tito("graph", "05")
    assert done.exit_code == 0, done.output
    assert f"The graph is in {workspace.root}/.tito/graphs/05-diamond.html" in done.stdout
    assert "tito graph 05 chain" in done.stdout
    assert "x.grad = 4 and y.grad = 2" in workspace.says("diamond")[-1]
    assert "return x * y + x" in workspace.page("diamond")


@pytest.mark.parametrize(
    "name", [example.name for example in Examples.of(Module(5, "05_autograd", "Autograd")).examples]
)  # type: ignore[union-attr]
def test_every_graph_is_stepped_through_to_its_end(workspace, name):
    workspace.answer()
    done = workspace.tito("graph", "05", name)
    assert done.exit_code == 0, done.output
    assert "backward() writes what has arrived" in workspace.says(name)[-1]
    assert not re.search(r"(?<!\w)leaf", workspace.says(name)[-1])  # all have their names


def test_before_anything_is_written_the_graph_is_there_and_says_what_comes_first(workspace):
    done = workspace.tito("graph", "05", "diamond")
    assert done.exit_code == 0, done.output
    text = " ".join(done.stdout.split())
    assert "`tracked` is not written yet, so the operations were recorded for you" in text
    assert "stops on the way: exercise topological_order: write it in modules/05_autograd/autograd_dev.py" in text
    assert "Mul takes x = 2 and y = 3 and makes 6." in workspace.says("diamond")[0]


def test_an_open_rule_is_named_where_the_walk_meets_it(workspace):
    workspace.answer("unbroadcast", "add_backward", "topological_order", "backward")
    done = workspace.tito("graph", "05", "diamond")
    assert "exercise mul_backward: write it" in " ".join(done.stdout.split())
    assert "Here it stopped: exercise mul_backward" in workspace.says("diamond")[-1]


def test_a_wrong_rule_is_seen_as_it_is(workspace):
    workspace.answer()
    workspace.answer("mul_backward", replace=("grad_output * b", "grad_output * a"))
    assert workspace.tito("graph", "05", "diamond").exit_code == 0
    assert "x.grad = 3 and y.grad = 2" in workspace.says("diamond")[-1]


def test_a_rule_that_raises_is_a_step(workspace):
    workspace.answer()
    workspace.answer("mul_backward", replace=("grad_output * b", "grad_output * bb"))
    done = workspace.tito("graph", "05", "diamond")
    assert done.exit_code == 0
    assert "NameError: name 'bb' is not defined" in " ".join(done.stdout.split())
    assert "NameError: name &#x27;bb&#x27; is not defined" in workspace.page("diamond")
    assert "tinytorch/core/autograd.py:" in workspace.page("diamond")


def test_code_that_does_not_end_is_stopped(workspace):
    workspace.answer()
    workspace.answer(
        "topological_order", replace=("while stack:\n", "while True:\n        stack = stack or [(start, True)]\n")
    )
    done = workspace.tito("graph", "05", "diamond", "--limit", "4")
    assert done.exit_code == 1
    text = " ".join(done.stderr.split())
    assert "the code did not end in 4 seconds. It stood at tinytorch/core/autograd.py:" in text
    assert "in topological_order" in text


def test_a_package_that_cannot_be_imported_is_said_calmly(workspace):
    workspace.answer()
    workspace.answer("tracked", replace=("return operation", "return no_such_name"))
    done = workspace.tito("graph", "05", "diamond")
    assert done.exit_code == 1
    assert "no_such_name" in done.stderr
    assert "Traceback" not in done.stderr


def test_operations_that_record_nothing_are_named(workspace):
    workspace.answer()
    workspace.answer("tracked", replace=("result._grad_fn = ", "_ = "))
    done = workspace.tito("graph", "05", "diamond")
    assert done.exit_code == 1
    assert "nothing was recorded" in done.stderr


def test_an_exercise_has_its_graph(workspace):
    workspace.answer()
    done = workspace.tito("graph", "05", "--exercise", "unbroadcast")
    assert done.exit_code == 0, done.output
    assert "05-unbroadcast.html" in done.stdout
    assert "summed back to [5 7 9]" in " ".join(workspace.says("unbroadcast"))


@pytest.mark.parametrize(
    ("called", "found"),
    [
        (["x = leaf(5.0)", "(x * x).backward()", "x.grad"], "x.grad = 10"),
        (["x = leaf(5.0)", "y = x * 3", "backward(y)"], "x.grad = 3"),
        (["x = leaf([1.0, 2.0])", "(x * x).backward(Tensor([1.0, 10.0]))"], "x.grad = [2 40]"),
        (["x = leaf(5.0)", "loss = x + x"], "x.grad = 2"),
    ],
)
def test_the_expression_of_the_failing_test_is_shown_where_it_can_be(workspace, called, found):
    workspace.answer()
    remember(workspace.root, "failing", "05_autograd", {"exercise": "backward", "called": called})
    done = workspace.tito("graph", "05", "--exercise", "backward")
    assert "This is the expression of the test that failed." in done.stdout
    assert found in workspace.says("backward")[-1]
    assert called[0] in workspace.page("backward")


@pytest.mark.parametrize("called", [["x = data.draw(floats)", "x.backward()"], ["1 +"], ["3"], "no list", [7]])
def test_lines_that_lead_nowhere_leave_the_exercises_graph(workspace, called):
    workspace.answer()
    remember(workspace.root, "failing", "05_autograd", {"exercise": "backward", "called": called})
    done = workspace.tito("graph", "05", "--exercise", "backward")
    assert done.exit_code == 0, done.output
    assert "test that failed" not in done.stdout
    assert "x.grad = 4" in workspace.says("backward")[-1]


def test_lessons_without_graphs_say_where_they_begin(workspace):
    done = workspace.tito("graph", "03", "--exercise", "linear")
    assert done.exit_code == 0
    assert "Graphs begin in 05_autograd: `tito graph 05`" in done.stdout


def test_list_names_them_all(workspace):
    done = workspace.tito("graph", "05", "--list")
    assert "diamond" in done.stdout
    assert "its gradient is the sum over both paths" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["diamnd"], "Did you mean diamond?"),
        (["--exercise", "backwards"], "Did you mean backward?"),
        (["diamond", "--exercise", "backward"], "both name a graph"),
        (["zzz"], "There are diamond, chain"),
    ],
)
def test_a_name_that_does_not_fit_is_an_error(workspace, arguments, expected):
    done = workspace.tito("graph", "05", *arguments)
    assert done.exit_code == 2
    assert expected in " ".join(done.stderr.split())


def test_modules_that_are_missing_are_named(workspace):
    (workspace.root / "tinytorch/core/losses.py").unlink()
    done = workspace.tito("graph", "05")
    assert done.exit_code == 1
    assert "stands on 04_losses, which is still open" in done.stderr


def test_a_lesson_that_does_not_parse_is_said_calmly(workspace):
    path = workspace.root / workspace.module.lesson
    path.write_text(path.read_text(encoding="utf-8").replace("def unbroadcast(", "def unbroadcast(("), encoding="utf-8")
    done = workspace.tito("graph", "05")
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert "autograd_dev.py" in done.stderr


def test_a_borrowed_module_has_its_graphs(workspace):
    assert workspace.tito("module", "borrow", "05").exit_code == 0
    done = workspace.tito("graph", "05")
    assert done.exit_code == 0, done.output
    assert "x.grad = 4" in workspace.says("diamond")[-1]


def test_the_lesson_and_the_package_stay_as_they_are(workspace):
    workspace.answer()
    workspace.tito("export", "05")
    before = {path: path.read_bytes() for path in workspace.root.rglob("*.py")}
    workspace.tito("graph", "05")
    assert {path: path.read_bytes() for path in workspace.root.rglob("*.py")} == before


# On a terminal.


@pytest.fixture
def terminal(workspace: Workspace) -> Iterator[Any]:
    """Return a function that runs `tito` in a terminal of 80 by 24, and ends it."""
    pexpect = pytest.importorskip("pexpect") if sys.platform == "win32" else __import__("pexpect")
    children = []

    def spawn(*arguments: str, **environment: str) -> Any:
        child = pexpect.spawn(
            sys.executable,
            ["-m", "tito", *arguments],
            cwd=str(workspace.root),
            env={**os.environ, "TERM": "xterm-256color", **environment},
            dimensions=(24, 80),
            encoding="utf-8",
            timeout=30,
        )
        children.append(child)
        return child

    yield spawn
    for child in children:
        child.close(force=True)


def test_keys_step_through_in_a_terminal(workspace, terminal):
    import pexpect
    import pyte

    workspace.answer()
    screen = pyte.Screen(80, 24)
    stream = pyte.Stream(screen)
    child = terminal("graph", "05", "diamond", "--terminal")

    def press(key: str, expected: str) -> list[str]:
        child.send(key)
        while not any(expected in line for line in screen.display):
            stream.feed(child.read_nonblocking(4096, timeout=20))
        return [line.rstrip() for line in screen.display]

    press("", "Step 1 of 6")
    press("\x1b[C", "Step 2 of 6")
    press("n", "Step 3 of 6")
    press(" ", "Step 4 of 6")
    lines = press("\x1b[C", "Step 5 of 6. Mul goes back")
    assert any("to x: 1 × 3 = 3" in line for line in lines)
    assert any("x has: 1 + 3 = 4" in line for line in lines)
    press("p", "Step 4 of 6")
    press("\x1b[D", "Step 3 of 6")
    press("\x1b[F", "Step 6 of 6")
    press("\x1b[H", "Step 1 of 6")
    child.send("q")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0


def test_a_page_opens_in_the_browser_that_there_is(workspace, terminal):
    import pexpect

    workspace.answer()
    opened = workspace.root / "opened"
    browser = workspace.root / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n', encoding="utf-8")
    browser.chmod(0o755)
    for arguments, expected in ((["--no-open"], False), ([], True)):
        child = terminal("graph", "05", *arguments, BROWSER=str(browser))
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
        assert opened.exists() == expected
    assert opened.read_text(encoding="utf-8").strip() == (workspace.root / ".tito/graphs/05-diamond.html").as_uri()
