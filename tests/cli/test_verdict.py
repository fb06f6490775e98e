"""`tito module test` and `tito test`: the learner's code answers, and the first failure is told in their terms."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tito.runner import Run

from .learner import TEST_NUMBERS, Learner


def test_a_stub_is_said_calmly(learner: Learner) -> None:
    result = learner.tito("module", "test", "01")
    assert result.exit_code == 1
    assert result.stdout == (
        "01 Numbers: 0 of 3 tests passed before the first failure.\n\n"
        "double is not written yet.\n"
        "Where  modules/01_numbers/numbers_dev.py:23\n"
        "Test   test_double_is_twice\n"
        "       Twice three is six.\n\n"
        "Next: write it, then `tito module test 01`. Stuck? `tito module hint 01`\n"
    )
    assert result.stderr == ""


def test_a_wrong_answer_shows_what_was_called_what_came_and_what_was_expected(learner: Learner) -> None:
    learner.answer("double", "    return x + x + 1")
    result = learner.tito("module", "test", "01")
    assert result.exit_code == 1
    assert result.stdout == (
        "01 Numbers: 0 of 3 tests passed before the first failure.\n\n"
        "double is not right yet.\n"
        "Test      test_double_is_twice\n"
        "          Twice three is six.\n"
        "Called    result = double(x)\n"
        "With      x=3\n"
        "Came      7\n"
        "Expected  6\n"
        "Where     modules/01_numbers/numbers_dev.py:22\n\n"
        "Next: mend it, then `tito module test 01`. Stuck? `tito module hint 01`\n"
    )


def test_an_error_shows_the_line_of_the_lesson_it_comes_from(learner: Learner) -> None:
    learner.answer("double", "    y = x\n    return y.value")
    out = learner.tito("module", "test", "01").stdout
    assert "Came      AttributeError: 'int' object has no attribute 'value'\n" in out
    assert "Where     modules/01_numbers/numbers_dev.py:24, in double\n              return y.value\n" in out


def test_an_error_that_is_missing(learner: Learner) -> None:
    learner.answer("double", "    return 6")
    out = learner.tito("module", "test", "01").stdout
    assert "Called    double(None)\nCame      no error\nExpected  TypeError\n" in out


def test_the_first_failure_only_and_all_of_them(learner: Learner) -> None:
    learner.answer("double", "    return 7")
    assert "half" not in learner.tito("module", "test", "01").stdout
    out = learner.tito("module", "test", "01", "--all").stdout
    assert out.startswith("01 Numbers: 0 of 3 tests passed.\n")
    assert out.count("double is not right yet.") == 2
    assert out.count("half is not written yet.") == 1


def test_what_the_learner_prints_is_shown(learner: Learner) -> None:
    learner.answer("double", "    print('x is', x)\n    return 0")
    assert "Printed   x is 3\n" in learner.tito("module", "test", "01").stdout


def test_what_passes_says_what_is_next(learner: Learner) -> None:
    learner.answer("double")
    learner.answer("half")
    result = learner.tito("module", "test", "01")
    assert result.exit_code == 0
    assert re.fullmatch(
        r"01 Numbers: all 3 tests passed in \d+\.\d s\.\nNext: `tito module complete 01`\n", result.stdout
    )


def test_json_has_every_test_and_failure(learner: Learner) -> None:
    learner.answer("double", "    return 7")
    result = learner.json("module", "test", "01")
    assert result["passed"] is False
    assert result["counts"] == {"collected": 3, "passed": 0, "failed": 3, "skipped": 0}
    assert [test["outcome"] for test in result["tests"]] == ["failed"] * 3
    first = result["failures"][0]
    assert (first["kind"], first["exercises"], first["came"], first["expected"]) == ("wrong", ["double"], "7", "6")
    assert first["where"] == {"path": "modules/01_numbers/numbers_dev.py", "line": 22, "function": ""}
    assert result["next"] == "tito module hint 01 double"
    assert learner.tito("test", "01", "--json").exit_code == 1


def test_nothing_but_the_export_is_touched(learner: Learner) -> None:
    learner.answer("double")
    before = learner.snapshot()
    learner.tito("module", "test", "01")
    after = learner.snapshot()
    assert set(after) - set(before) == {"tinytorch/core/numbers.py"}
    assert {name: after[name] for name in before} == before


def test_the_learners_code_answers_whatever_else_is_installed(learner: Learner, tmp_path: Path) -> None:
    """A reference that would pass, first on the path, does not answer for the learner."""
    other = tmp_path / "other"
    (other / "tinytorch/core").mkdir(parents=True)
    (other / "tinytorch/__init__.py").touch()
    (other / "tinytorch/core/numbers.py").write_text("double = lambda x: x + x\nhalf = lambda x: x / 2\n")
    result = learner.spawn("module", "test", "01", env={**os.environ, "PYTHONPATH": str(other)})
    assert result.returncode == 1
    assert "double is not written yet." in result.stdout


def test_an_engine_from_elsewhere_is_an_error_that_names_it(learner: Learner, tmp_path: Path) -> None:
    """Such as one that something else has imported before the tests begin."""
    other = tmp_path / "other"
    (other / "tinytorch").mkdir(parents=True)
    (other / "tinytorch/__init__.py").touch()
    (other / "sitecustomize.py").write_text("import sys\nif 'pytest' in sys.orig_argv: import tinytorch\n")
    env = {**os.environ, "PYTHONPATH": str(other)}
    result = learner.spawn("module", "test", "01", env=env)
    assert result.returncode == 1
    assert "nothing was tested" in result.stderr
    assert str(other / "tinytorch") in " ".join(result.stderr.split())
    assert "`tito doctor`" in result.stderr


def test_an_endless_loop_is_stopped_and_shown_in_the_lesson(learner: Learner) -> None:
    learner.answer("double", "    while True:\n        x += 1")
    started = time.monotonic()
    result = learner.tito("module", "test", "01", "--limit", "1")
    assert time.monotonic() - started < 5
    assert result.exit_code == 1
    assert "double did not end.\nTest   test_double_is_twice\n" in result.stdout
    assert "Came   no answer in 1 seconds, so it was stopped\n" in result.stdout
    assert re.search(r"Where  modules/01_numbers/numbers_dev.py:2[34], in double\n", result.stdout)


def test_processes_that_a_test_started_are_killed_with_it(learner: Learner) -> None:
    child = "import subprocess, sys, time"
    start = f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], cwd={str(learner.root)!r})"
    learner.answer(
        "double", f"    {child}\n    print({start}.pid, file=open('pid', 'w'), flush=True)\n    time.sleep(60)"
    )
    learner.tito("module", "test", "01", "--limit", "1.5")
    pid = int(learner.read("pid"))
    assert_ends(pid)


def test_a_closed_terminal_ends_the_tests_too(learner: Learner) -> None:
    learner.answer(
        "double", "    import os, time; print(os.getpid(), file=open('pid', 'w'), flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-m", "tito", "module", "test", "01"], cwd=learner.root)
    deadline = time.monotonic() + 20
    while not (learner.path("pid").exists() and learner.read("pid")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=10) == 128 + signal.SIGHUP
    assert_ends(int(learner.read("pid")))


def assert_ends(pid: int) -> None:
    """Wait until a process is no more, or only waits to be buried."""
    deadline = time.monotonic() + 5
    while "Z" not in subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, "the child is alive"
        time.sleep(0.05)


@pytest.mark.parametrize("exit_", ["import os; os._exit(0)", "import os; os.abort()"])
def test_code_that_ends_the_process_does_not_pass(learner: Learner, exit_: str) -> None:
    learner.answer("double", f"    {exit_}")
    result = learner.tito("module", "test", "01")
    assert result.exit_code == 1
    assert "double ended the test run.\n" in result.stdout


@pytest.mark.parametrize(
    "exit_", ["raise SystemExit(0)", "import pytest; pytest.skip()", "import pytest; pytest.exit('done', 0)"]
)
def test_code_that_goes_around_the_tests_does_not_pass(learner: Learner, exit_: str) -> None:
    learner.answer("double", f"    {exit_}")
    learner.answer("half")
    assert learner.tito("module", "test", "01").exit_code == 1


def test_a_run_that_was_cut_short_does_not_pass() -> None:
    passed = [{"outcome": "passed"}]
    assert Run(1, passed, collected=1, ended=True).passed
    assert not Run(1, passed, collected=1, ended=False).passed
    assert not Run(1, passed, collected=2, ended=True).passed
    assert not Run(1, passed, collected=1, ended=True, timed_out=True).passed
    assert not Run(1, [], collected=0, ended=True).passed


def test_an_error_at_import_is_shown_in_the_lesson(learner: Learner) -> None:
    text = learner.read("numbers").replace("from __future__ import annotations\n", "limit = 1 / 0\n")
    learner.write("numbers", text)
    out = learner.tito("module", "test", "01").stdout
    assert "Came      ZeroDivisionError: division by zero\n" in out
    line = text.split("\n").index("limit = 1 / 0") + 1
    assert f"Where     modules/01_numbers/numbers_dev.py:{line}, in <module>\n              limit = 1 / 0\n" in out


def test_a_name_that_is_gone_from_the_lesson(learner: Learner) -> None:
    learner.write("numbers", learner.read("numbers").replace("def half", "def quarter"))
    out = learner.tito("module", "test", "01").stdout
    assert "cannot import name 'half' from 'tinytorch.core.numbers'" in " ".join(out.split())


def test_a_stub_of_an_earlier_module_is_named_with_its_module(learner: Learner) -> None:
    learner.tito("export", "01")
    learner.answer("total", lesson="sums")
    out = learner.tito("module", "test", "02").stdout
    assert "double of 01_numbers is not written yet.\nWhere  modules/01_numbers/numbers_dev.py:23\n" in out
    assert "Next: finish 01_numbers, `tito module test 01`.\n" in out


def test_an_error_in_a_borrowed_file_is_shown_at_the_exercise(learner: Learner) -> None:
    learner.tito("module", "borrow", "01")
    learner.answer("total", "    return double(None)", lesson="sums")
    out = learner.tito("module", "test", "02").stdout
    line = learner.read("sums").split("\n").index("    return double(None)") + 1
    assert f"Where     modules/02_sums/sums_dev.py:{line}, in total\n              return double(None)\n" in out


def test_a_prerequisite_that_is_not_there_is_an_error(learner: Learner) -> None:
    result = learner.tito("module", "test", "02")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "02_sums stands on 01_numbers, which is still open" in result.stderr


def test_a_module_on_loan_is_not_tested(learner: Learner) -> None:
    learner.tito("module", "borrow", "01")
    result = learner.tito("module", "test", "01")
    assert result.exit_code == 1
    assert "hint: `tito module start 01` takes the loan off" in result.stderr


def test_a_missing_suite_comes_back_by_reset(learner: Learner) -> None:
    suite = "modules/01_numbers/test_numbers.py"
    learner.path(suite).unlink()
    result = learner.tito("module", "test", "01")
    assert result.exit_code == 1
    assert "`tito module reset 01` brings it back" in result.stderr
    learner.answer("double")
    lesson = learner.read("numbers")
    result = learner.tito("module", "reset", "01")
    assert f"{suite} is as it was handed out." in result.stdout
    assert "numbers_dev.py is untouched" in result.stdout
    assert learner.read("numbers") == lesson
    assert learner.read(suite) == TEST_NUMBERS
    assert learner.backups() == []


def test_a_suite_that_was_changed_is_said_to_be_and_comes_back(learner: Learner) -> None:
    suite = "modules/01_numbers/test_numbers.py"
    changed = TEST_NUMBERS.replace("result == 6", "result == 7")
    learner.write(suite, changed)
    learner.answer("double")
    learner.answer("half")
    result = learner.tito("module", "test", "01")
    assert f"note: {suite} is not as handed out; `tito module reset 01`" in " ".join(result.stderr.split())
    learner.tito("module", "reset", "01")
    assert learner.read(suite) == TEST_NUMBERS
    assert [path.read_text() for path in learner.backups()] == [changed]
    assert learner.tito("module", "test", "01").exit_code == 0


def test_a_file_named_like_one_of_pythons_stands_in_for_nothing(learner: Learner) -> None:
    for name in ("random", "numpy", "json"):
        learner.write(f"{name}.py", "raise RuntimeError('the wrong file')\n")
    learner.answer("double")
    learner.answer("half")
    result = learner.tito("module", "test", "01")
    assert (result.exit_code, result.stderr) == (0, "")


def test_printing_without_end_does_not_fill_the_disk(learner: Learner) -> None:
    learner.answer("double", "    while True:\n        print('again ' * 10000)")
    out = learner.tito("module", "test", "01", "--limit", "60").stdout
    assert "Came      OSError: [Errno 27] File too large\n" in out
    assert "grew beyond 64 MiB" in out
    assert "no answer in" not in out


@pytest.mark.parametrize("interruption", ["raise KeyboardInterrupt", "import pytest; pytest.exit('done', 0)"])
def test_an_answer_that_ends_the_run_is_named_with_its_test(learner: Learner, interruption: str) -> None:
    learner.answer("double", f"    {interruption}")
    out = learner.tito("module", "test", "01").stdout
    assert "double ended the test run.\nTest   test_double_is_twice\n" in out
    assert "Printed" not in out


def test_an_answer_that_skips_its_test_is_named(learner: Learner) -> None:
    learner.answer("double", "    import pytest; pytest.skip()")
    learner.answer("half")
    out = learner.tito("module", "test", "01").stdout
    assert "double was skipped.\nTest   test_double_is_twice\n" in out


def test_pytest_settings_from_elsewhere_change_nothing(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--nonsense")
    monkeypatch.setenv("PYTEST_PLUGINS", "nothing_of_this_name")
    learner.write("pyproject.toml", "[tool.pytest.ini_options\naddopts = '--nonsense'\n")
    learner.write("pytest.ini", "[pytest]\naddopts = --nonsense\n")
    assert "double is not written yet." in learner.tito("module", "test", "01").stdout


def test_test_without_a_module_tests_what_is_yours(learner: Learner) -> None:
    assert "No module is yours yet" in learner.tito("test").stdout
    learner.finish("numbers", "sums")
    result = learner.tito("test")
    assert result.exit_code == 0
    assert result.stdout == ("01 Numbers         3 of 3 tests passed\n02 Sums            1 of 1 tests passed\n")
    learner.answer("total", "    return 0", lesson="sums")
    learner.tito("export", "02")
    result = learner.tito("test")
    assert result.exit_code == 1
    assert result.stderr == "error: 1 of 2 modules fail.\nhint: `tito module test 02` shows the first failure.\n"


def test_test_in_the_solved_repository_runs_pytest_with_the_arguments_after_the_dashes(solved: Learner) -> None:
    solved.tito("export")
    solved.write("tests/test_two.py", "def test_a(): pass\ndef test_b(): assert False\n")
    solved.write("pytest.ini", "[pytest]\ntestpaths = tests\n")
    result = solved.spawn("test", "--", "-q", "-p", "no:cacheprovider")
    assert result.returncode == 1
    assert "1 failed, 1 passed" in result.stdout
    assert solved.spawn("test", "--", "-q", "-k", "test_a").returncode == 0


@pytest.mark.parametrize("arguments", [("--json",), ("--all",), ("--", "-k", "x"), ("01", "--", "-k", "x")])
def test_arguments_that_do_not_fit_are_an_error(learner: Learner, arguments: tuple[str, ...]) -> None:
    result = learner.tito("test", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
