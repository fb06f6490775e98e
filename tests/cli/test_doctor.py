"""`tito doctor`: one line a finding, and what to do about each problem."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .learner import Learner


def examine(learner: Learner, path: Path | None) -> tuple[int, str, str]:
    """Run the doctor with `path` first on the interpreter's path."""
    done = learner.tito("doctor", env={"PYTHONPATH": str(path)} if path else None)
    return done.exit_code, " ".join(done.stdout.split()), done.stderr


def test_a_healthy_workspace(learner: Learner) -> None:
    learner.finish("numbers")
    status, out, err = examine(learner, learner.root)
    assert (status, err) == (0, "")
    for part in ("ok python", "ok tito", "ok numpy", f"ok workspace {learner.root} (a learner's workspace)"):
        assert part in out
    assert f"ok tinytorch {learner.root}/tinytorch, " in out
    assert "this workspace's" in out
    assert "ok 01_numbers tinytorch/core/numbers.py matches its lesson" in out
    assert out.endswith("All is well.")


def test_another_tinytorch_is_named_with_what_to_do(learner: Learner, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "tinytorch").mkdir(parents=True)
    (other / "tinytorch/__init__.py").touch()
    status, out, err = examine(learner, other)
    assert status == 1
    assert f"problem tinytorch {other}/tinytorch" in out
    assert "not this workspace's" in out
    assert f"pip install --no-deps -e {learner.root}`" in out
    assert "error: 1 problem found." in err


def test_a_package_that_cannot_be_imported(learner: Learner) -> None:
    learner.write("tinytorch/__init__.py", "import nothing_of_this_name\n")
    status, out, _ = examine(learner, learner.root)
    assert status == 1
    assert "import fails with ModuleNotFoundError: No module named 'nothing_of_this_name'" in out


def test_exports_strays_and_names_that_do_not_match(learner: Learner) -> None:
    learner.finish("numbers")
    learner.answer("double", "    return 2 * x")
    learner.write("tinytorch/core/extra.py", "")
    learner.write("tinytorch/_names.py", "")
    status, out, err = examine(learner, learner.root)
    assert status == 1
    assert "problem 01_numbers tinytorch/core/numbers.py does not match its lesson -> Run `tito export 01`." in out
    assert "problem stray tinytorch/core/extra.py came from no lesson" in out
    assert "problem names" in out
    assert "error: 3 problems found." in err


def test_a_lesson_that_does_not_parse(learner: Learner) -> None:
    learner.finish("numbers")
    learner.answer("double", "    return (")
    status, out, _ = examine(learner, learner.root)
    assert status == 1
    assert "problem 01_numbers modules/01_numbers/numbers_dev.py, line 23" in out


def test_a_workspace_that_may_not_be_written(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("core"))
    result = learner.tito("doctor")
    assert "problem  permission      not writable: tinytorch/core\n" in result.stdout
    assert "`chmod -R u+w" in result.stdout


def test_an_import_that_does_not_end(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tito.commands.doctor._IMPORT_LIMIT", 2)
    learner.write("tinytorch/__init__.py", "while True: pass\n")
    status, out, _ = examine(learner, learner.root)
    assert status == 1
    assert "import fails with it did not end in 2 seconds" in out
    assert "ok workspace" in out


def test_an_import_that_prints_and_ends_the_process(learner: Learner) -> None:
    learner.write("tinytorch/__init__.py", "print('{')\nimport os\nos._exit(0)\n")
    status, out, _ = examine(learner, learner.root)
    assert status == 1
    assert "import fails with the process ended" in out


def test_a_lesson_that_fails_when_it_is_imported_is_named(learner: Learner) -> None:
    learner.finish("numbers")
    learner.write("numbers", learner.read("numbers").replace("def half", "limit = 1 / 0\n\n\ndef half"))
    learner.tito("export", "01")
    learner.write("tinytorch/__init__.py", "import tinytorch.core.numbers\n")
    status, out, _ = examine(learner, learner.root)
    assert status == 1
    assert "import fails with ZeroDivisionError: division by zero" in out
    assert "-> The error is in tinytorch/core/numbers.py: `tito module test 01` shows it in your lesson." in out


def test_a_suite_that_is_not_as_it_was_handed_out(learner: Learner) -> None:
    learner.write("modules/01_numbers/test_numbers.py", "")
    learner.path("modules/02_sums/README.md").unlink()
    status, out, _ = examine(learner, learner.root)
    assert status == 1
    assert "problem 01_numbers modules/01_numbers/test_numbers.py is not as it was handed out" in out
    assert "problem 02_sums modules/02_sums/README.md is missing -> `tito module reset 02` brings it back" in out
