"""What a user can get wrong: one message with the next command, exit code 1 or 2, never a traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tito.cli import cli
from tito.screen import problem

from .learner import Learner

COMMANDS = [
    ("export",),
    ("doctor",),
    ("test",),
    ("notebook", "01"),
    ("module", "list"),
    ("module", "status"),
    *[("module", name, "01") for name in ("start", "test", "complete", "reset", "hint", "solution", "borrow")],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_outside_a_workspace_every_command_says_so(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, list(command), prog_name="tito", catch_exceptions=False)
    assert result.exit_code == (1 if command == ("doctor",) else 2)
    assert "is not in a workspace" in " ".join(result.output.split())
    assert "`tito init DIR`" in " ".join(result.output.split())


@pytest.mark.parametrize(
    "command",
    [("module", name) for name in ("start", "test", "complete", "reset", "hint", "solution", "borrow")]
    + [("export",), ("test",), ("notebook",)],
    ids=" ".join,
)
def test_an_unknown_module_gets_a_suggestion(learner: Learner, command: tuple[str, ...]) -> None:
    result = learner.tito(*command, "numbrs")
    assert result.exit_code == 2
    assert "no module is called 'numbrs'" in result.stderr
    assert "Did you mean numbers?" in result.stderr
    assert "`tito module list`" in result.stderr


def test_a_planned_module_is_said_to_be_planned(learner: Learner) -> None:
    result = learner.tito("module", "start", "3")
    assert result.exit_code == 2
    assert "03_later is planned" in result.stderr


@pytest.mark.parametrize(
    ("command", "message", "hint"),
    [
        (("modul",), "no such command 'modul'", "`tito --help`"),
        (("module", "strat"), "no such command 'strat'", "`tito module --help`"),
        (("module", "start"), "missing argument 'NN'", "`tito module start --help`"),
        (("export", "--chek"), "no such option", "`tito export --help`"),
        (("module", "test", "01", "--limit", "soon"), "'soon' is not a valid float", "`tito module test --help`"),
        (("module", "test", "01", "--limit", "0"), "0 is not a number of seconds", "`tito module test --help`"),
        (("module", "test", "01", "--limit", "nan"), "nan is not a number of seconds", "`tito module test --help`"),
        (("test", "01", "--limit", "1e12"), "1e+12 is not a number of seconds", "`tito test --help`"),
    ],
)
def test_a_command_line_that_is_not_understood(
    learner: Learner, command: tuple[str, ...], message: str, hint: str
) -> None:
    result = learner.tito(*command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr.replace("No such", "no such")
    assert f"hint: {hint}" in result.stderr


@pytest.mark.parametrize("command", [(), ("--help",), ("module",), ("module", "-h"), ("module", "test", "--help")])
def test_help_is_no_mistake(learner: Learner, command: tuple[str, ...]) -> None:
    result = learner.tito(*command)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: tito")


@pytest.mark.parametrize("text", ["[[module]", "[[module]]\nnumber = 1\n", "module = 3\n"])
def test_a_damaged_course_table_is_said_to_be_damaged(learner: Learner, text: str) -> None:
    learner.write("modules/course.toml", text)
    result = learner.tito("module", "list")
    assert result.exit_code == 1
    assert "course.toml" in " ".join(result.stderr.split())


@pytest.mark.parametrize("command", [("export", "01"), ("module", "test", "01"), ("module", "borrow", "01")])
def test_a_folder_that_may_not_be_written(
    learner: Learner, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal is played: the tests may run as a user to whom no folder is shut."""

    def refuse(*_: object, **options: object) -> tuple[int, str]:
        raise PermissionError(13, "Permission denied", str(options["dir"]))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    result = learner.tito(*command)
    assert result.exit_code == 1
    assert "tinytorch/core: Permission denied." in " ".join(result.stderr.split())
    assert "hint: `tito doctor`" in result.stderr


def test_ctrl_c_stops_the_tests_and_says_so(learner: Learner) -> None:
    learner.answer("double", "    import time; print(1, file=open('here', 'w'), flush=True); time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-m", "tito", "module", "test", "01"],
        cwd=learner.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    deadline = time.monotonic() + 20
    while not learner.path("here").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert out == ""
    assert err.strip() == ("error: interrupted; every file is whole.\nhint: Run the same command again when you like.")


def test_a_reader_that_goes_away_is_no_traceback(learner: Learner) -> None:
    command = f"{sys.executable} -m tito module list | true"
    result = subprocess.run(command, shell=True, cwd=learner.root, capture_output=True, text=True, timeout=20)
    assert result.stderr == ""


def test_the_quick_commands_import_nothing_heavy(learner: Learner) -> None:
    code = (
        "import sys; from tito.cli import cli\n"
        "try: cli.main(['module', 'list'], prog_name='tito')\n"
        "except SystemExit: print(sorted({name.split('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=learner.root, capture_output=True, text=True, timeout=20)
    loaded = done.stdout.strip().split("\n")[-1]
    assert "'tito'" in loaded
    for heavy in ("rich", "jupytext", "nbformat", "pytest", "numpy", "tinytorch", "hypothesis"):
        assert f"'{heavy}'" not in loaded


@pytest.mark.parametrize("after", [0.0, 0.01, 0.03, 0.06, 0.1, 0.15])
def test_ctrl_c_at_the_start_is_no_traceback(learner: Learner, after: float) -> None:
    command = [sys.executable, "-m", "tito", "module", "list"]
    process = subprocess.Popen(command, cwd=learner.root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    assert "tito/" not in process.communicate(timeout=20)[1]


def test_a_closed_output_is_no_traceback(learner: Learner) -> None:
    command = f"{sys.executable} -m tito module list >&-"
    result = subprocess.run(command, shell=True, cwd=learner.root, stderr=subprocess.PIPE, text=True, timeout=20)
    assert (result.returncode, result.stderr) == (0, "")


def test_what_another_program_said_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    problem("it failed:\n  one   line\n" + "x " * 60)
    assert capsys.readouterr().err == "error: it failed:\n  one   line\n" + "x " * 60 + "\n"
