"""Inside a kernel: a check that fails is told as in the terminal, other errors as ever, and `%tito` gives commands."""

from __future__ import annotations

import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from jupyter_client import BlockingKernelClient, run_kernel

import tito
from tito.notebooks import as_notebook

from .learner import Learner

TESTS = '''\
def test_unit_double() -> None:
    """Twice three is six."""
    result = double(3)
    assert result == 6

def test_unit_word() -> None:
    assert double("a") == "aa"

def test_module() -> None:
    assert double(half(3)) == 3
'''

Run = Callable[..., list[Any]]

MOVE = """
import os, sys
os.chdir({folder!r})
sys.path[:] = [{root!r}, *(path for path in sys.path if not path.endswith("work"))]
for name in [name for name in sys.modules if name.startswith("tinytorch")]:
    del sys.modules[name]
"""


@pytest.fixture(scope="module")
def kernel() -> Iterator[BlockingKernelClient]:
    """A kernel with the extension, for all tests: starting one is what takes time."""
    with run_kernel(extra_arguments=["--ext=tito.in_notebook"]) as client:
        yield client


@pytest.fixture
def run(learner: Learner, kernel: BlockingKernelClient) -> Run:
    """Return a function that runs the cells of the learner's notebook, then others; it returns what those put out."""

    def execute(source: str) -> list[Any]:
        outputs: list[Any] = []

        def hook(message: Any) -> None:
            if message["msg_type"] in ("stream", "error", "display_data", "execute_result"):
                outputs.append(nbformat.v4.output_from_msg(message))

        reply = kernel.execute_interactive(source, output_hook=hook, timeout=60)["content"]
        failed = any(output.output_type in ("display_data", "error") for output in outputs)
        assert (reply["status"] == "error") == (failed and source != "%tb")
        return outputs

    def run(*cells: str, answers: dict[str, str] | None = None) -> list[Any]:
        for exercise, answer in (answers or {}).items():
            learner.answer(exercise, answer)
        learner.tito("notebook", "01", "--no-open")
        execute(MOVE.format(root=str(learner.root), folder=str(learner.path("numbers").parent)))
        notebook = as_notebook(learner.read("numbers").split("# %%\nif __name__")[0])
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                assert execute(cell["source"]) == []
        assert execute(TESTS) == []
        return [execute(cell) for cell in cells]

    return run


def shown(outputs: list[Any]) -> str:
    """Return the text of a check that failed, cells without their numbers; nothing else may be put out."""
    (output,) = outputs
    assert output.output_type == "display_data"
    return re.sub(r"In\[\d+\]", "In[.]", output.data["text/plain"])


def said(outputs: list[Any]) -> str:
    return "".join(output.get("text", "") for output in outputs)


def test_a_failing_check_shows_what_the_terminal_shows(run: Run) -> None:
    check, traceback = run("test_unit_double()", "%tb", answers={"double": "    return x + x + 1"})
    assert shown(check) == "\n".join(
        [
            "double is not right yet.",
            "Test      test_unit_double",
            "          Twice three is six.",
            "Called    result = double(3)",
            "Came      7",
            "Expected  6",
            "Where     In[.], the cell of double",
            "",
            "Next: mend it, run its cell, then this one. Stuck?",
            "      `%tito module hint 01 double`. The whole traceback: `%tb`",
        ]
    )
    assert [output.output_type for output in traceback] == ["error"]
    assert traceback[0].ename == "AssertionError"
    assert "test_unit_double" in "".join(traceback[0].traceback)


def test_what_came_is_compared_with_known_mistakes(run: Run) -> None:
    cell = "import numpy as np\nassert np.allclose(double(np.array([1.0, 2.0])), [2, 4])"
    (check,) = run(cell, answers={"double": "    return -2 * x"})
    lines = shown(check).split("\n")
    assert lines[:4] == [
        "This check does not hold yet.",
        "Test        In[.], line 2",
        "Called      double(np.array([1.0, 2.0]))",
        "Came        array([-2., -4.])",
    ]
    assert lines[4:6] == [
        "Expected    [2, 4]",
        "Looks like  the right numbers with the opposite sign. Look for a minus that is",
    ]


def test_an_error_in_an_answer_is_shown_with_its_line(run: Run) -> None:
    (check,) = run("test_unit_word()", answers={"double": "    return x * 2 + 0"})
    text = shown(check)
    assert text.startswith("double is not right yet.\n")
    assert 'Came      TypeError: can only concatenate str (not "int") to str' in text
    assert "Where     In[.], line 5, in double\n              return x * 2 + 0" in text


def test_a_check_of_two_exercises_names_what_is_not_written(run: Run) -> None:
    (check,) = run("test_module()", answers={"double": "    return x + x"})
    assert shown(check).split("\n")[:3] == [
        "half is not written yet.",
        "Where  In[.], line 5, in half",
        "Test   test_module",
    ]


def test_a_check_of_the_whole_module_names_itself(run: Run) -> None:
    (check,) = run("test_module()", answers={"double": "    return x + x", "half": "    return x"})
    assert shown(check).split("\n")[:2] == ["test_module does not hold yet.", "Test      test_module"]


def test_an_answer_that_is_not_written_is_no_traceback(run: Run) -> None:
    (call,) = run("double(2)")
    assert shown(call).split("\n")[:2] == ["double is not written yet.", "Where  In[.], line 5, in double"]


@pytest.mark.parametrize(
    ("cell", "came", "expected"),
    [
        ("assert double(2) == 4", "Came      5", "Expected  4"),
        ("assert double(2) in (3, 4), 'a word'", "Came      5", "Expected  in (3, 4)\nNote      a word"),
        ("assert double(2) < 5", "Came      5", "Expected  < 5"),
        ("assert not double(2)", "Came      True", "Expected  False"),
        ("import math\nassert math.isclose(double(2), 4)", "Came      5", "Expected  4"),
        ("for n in (2,):\n    assert double(n) == 4", "Came      5", "Expected  4"),
    ],
)
def test_an_assert_in_a_cell_is_a_check(run: Run, cell: str, came: str, expected: str) -> None:
    (check,) = run(cell, answers={"double": "    return x + x + 1"})
    assert f"{came}\n{expected}\n" in shown(check)
    assert shown(check).startswith("This check does not hold yet.\n")


def test_an_assertion_of_numpy_in_a_cell_is_a_check(run: Run) -> None:
    cell = "import numpy as np\nx = np.array([1.0, 2.0])\nnp.testing.assert_allclose(double(x), [2, 4])"
    (check,) = run(cell, answers={"double": "    return -2 * x"})
    assert "Called      double(x)\n" in shown(check)
    assert "Expected    array([2, 4])\nLooks like  the right numbers with the opposite sign." in shown(check)


def test_an_assert_that_compared_nothing_shows_nothing_of_another(run: Run) -> None:
    cell = "import numpy as np\nassert np.testing.assert_equal(double(2), 4) is None"
    _, check = run("assert 'left' == 'over'", cell, answers={"double": "    return 5"})
    assert "left" not in shown(check)


def test_the_sides_of_one_check_are_not_those_of_another(run: Run) -> None:
    cell = "result = double(2)\nassert result == 5\nassert 3 < result < 5"
    (check,) = run(cell, answers={"double": "    return x + x + 1"})
    assert "Called    3 < result < 5" in shown(check)
    assert "Came      False" in shown(check)


def test_other_errors_are_shown_as_ever(run: Run) -> None:
    cells = ["1 / 0", "def helper():\n    assert 1 == 2\nhelper()", "int('a')", "x = = 1"]
    outputs = run(*cells, answers={"double": "    return x"})
    names = [[output.ename for output in each if output.output_type == "error"] for each in outputs]
    assert names == [["ZeroDivisionError"], ["AssertionError"], ["ValueError"], ["SyntaxError"]]
    assert all(len(each) == 1 for each in outputs)


def test_an_error_in_the_package_names_the_line_of_the_lesson(learner: Learner, run: Run) -> None:
    learner.answer("half", "    return x / 0")
    learner.tito("export", "01")
    (outputs,) = run("from tinytorch.core.numbers import half\nhalf(2)")
    assert outputs[0].ename == "ZeroDivisionError"
    assert said(outputs[1:]) == "In your lesson: modules/01_numbers/numbers_dev.py:32, in half\n"


def test_a_cell_that_fails_ends_a_run_of_all_cells(learner: Learner, run: Run) -> None:
    """A client that stops at errors stops there, and names the check."""
    learner.answer("double", "    return 0")
    text = learner.read("numbers") + "\n# %%\nassert double(2) == 4\n\n# %%\nprint('on')\n"
    notebook = nbformat.from_dict(as_notebook(text) | {"nbformat": 4, "nbformat_minor": 5})
    folder = {"metadata": {"path": str(learner.path("numbers").parent)}}
    client = nbclient.NotebookClient(notebook, timeout=60, resources=folder, extra_arguments=["--ext=tito.in_notebook"])
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="This check does not hold yet"):
        client.execute(env=os.environ | {"PYTHONPATH": os.pathsep.join([str(learner.root), *sys.path])})
    assert notebook.cells[-1].execution_count is None


class Elements(html.parser.HTMLParser):
    """The labels and values of a definition list."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1], data))


def test_the_page_says_what_the_text_says_and_hides_nothing_in_colour(run: Run) -> None:
    (outputs,) = run("assert double('<b>&') == '<i>'", answers={"double": "    return x + x"})
    page = outputs[0].data["text/html"]
    elements = Elements()
    elements.feed(page)
    assert elements.open == []
    assert ("p", "This check does not hold yet.") in elements.texts
    assert [text for tag, text in elements.texts if tag == "dt"] == ["Test", "Called", "Came", "Expected"]
    assert [text for tag, text in elements.texts if tag == "pre"][2:] == ["'<b>&<b>&'", "'<i>'"]
    assert 'role="group" aria-label="A check that failed"' in page
    assert ("code", "%tb") in elements.texts
    assert "background:#" not in page  # the page's own colours, dark or light
    assert "<script" not in page


def test_a_command_takes_the_saved_notebook_back_and_runs(learner: Learner, run: Run) -> None:
    (wrong, right) = run(
        "%tito module test 01",
        "import json, pathlib\n"
        "path = pathlib.Path('numbers_dev.ipynb')\n"
        "notebook = json.loads(path.read_text())\n"
        "cell = notebook['cells'][3]\n"
        "cell['source'] = cell['source'].replace('return 5', 'return x + x')\n"
        "path.write_text(json.dumps(notebook))\n"
        "%tito module test 01",
        answers={"double": "    return 5", "half": "    return x / 2"},
    )
    assert said(wrong) == "\n".join(
        [
            "01 Numbers: 0 of 3 tests passed before the first failure.",
            "",
            "double is not right yet.",
            "Test      test_double_is_twice",
            "          Twice three is six.",
            "Called    result = double(x)",
            "With      x=3",
            "Came      5",
            "Expected  6",
            "Where     modules/01_numbers/numbers_dev.py:22",
            "",
            "Next: mend it, then `%tito module test 01`. Stuck? `%tito module hint 01`",
            "",
        ]
    )
    text = said(right)
    assert text.startswith("Took the notebook's changes back into modules/01_numbers/numbers_dev.py.")
    assert "01 Numbers: all 3 tests passed" in text
    assert "Next: `%tito module complete 01`" in text
    assert "\x1b" not in text
    assert "    return x + x\n" in learner.read("numbers")
    assert "note: the answer of double that ran last is not in the saved notebook." in text


def test_commands_of_the_shell_work_in_a_cell_too(run: Run) -> None:
    (outputs,) = run(f"!{sys.executable} -m tito module test 01", answers={"double": "    return 5"})
    lines = [line.split("\r")[-1] for line in said(outputs).replace("\r\n", "\n").split("\n")]
    assert "Came      5" in [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert max(map(len, lines)) <= 100


def test_when_lesson_and_notebook_disagree_a_command_says_so(learner: Learner, run: Run) -> None:
    (outputs,) = run(
        "import json, pathlib\n"
        "path = pathlib.Path('numbers_dev.ipynb')\n"
        "path.write_text(path.read_text().replace('Later paragraphs', 'Early paragraphs'))\n"
        "lesson = pathlib.Path('numbers_dev.py')\n"
        "lesson.write_text(lesson.read_text().replace('Later paragraphs', 'Late paragraphs'))\n"
        "%tito module list"
    )
    assert "error: modules/01_numbers/numbers_dev.py and its notebook have both changed" in said(outputs)
    assert "hint: Keep both" in said(outputs)


def test_outside_of_a_workspace_nothing_changes(tmp_path: Path) -> None:
    program = "get_ipython().run_cell('assert 1 == 2')\nget_ipython().run_cell('%tito --version')"
    command = [sys.executable, "-m", "IPython", "--ext=tito.in_notebook", "--colors=NoColor", "-c", program]
    environment = os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, env=environment)
    assert "Traceback (most recent call last)" in done.stdout
    assert "does not hold" not in done.stdout
    assert f"tito, version {tito.__version__}" in done.stdout


def test_the_environment_of_a_workspace_loads_the_extension(tmp_path: Path) -> None:
    """Where the tool's wheel puts its settings, IPython reads them, in every kernel of that environment."""
    environment = tmp_path / "venv"
    venv.create(environment, symlinks=os.name != "nt")
    packages = next(environment.glob("lib/python*/site-packages"), environment / "Lib/site-packages")
    own = [path for path in sys.path if path and Path(path).name == "site-packages"]
    (packages / "all.pth").write_text("\n".join([*own, str(Path(tito.__file__).parents[1])]), encoding="utf-8")
    (environment / "etc/ipython").mkdir(parents=True)
    shutil.copy(Path(tito.__file__).with_name("ipython_config.json"), environment / "etc/ipython")
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    program = "print([type(each).__name__ for each in get_ipython().ast_transformers])"
    done = subprocess.run(
        [str(python), "-m", "IPython", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")},
    )
    assert done.stdout == "['KeepSides']\n", done.stderr


def test_the_extension_can_be_taken_out_again(run: Run) -> None:
    outputs = run("%unload_ext tito.in_notebook", "assert 1 == 2")
    assert outputs[1][0].output_type == "error"


def test_the_tools_wheel_carries_the_settings() -> None:
    settings = json.loads(Path(tito.__file__).with_name("ipython_config.json").read_text(encoding="utf-8"))
    assert settings == {"InteractiveShellApp": {"extra_extensions": ["tito.in_notebook"]}}
