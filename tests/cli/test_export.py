"""`tito export`: what it writes, what it leaves alone, and what `--check` says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .learner import NUMBERS, Learner


def test_a_begun_module_is_exported_and_one_that_is_not_begun_is_left_out(learner: Learner) -> None:
    learner.answer("double")
    result = learner.tito("export")
    assert result.exit_code == 0
    assert result.stdout == "tinytorch/core/numbers.py  exported\n"
    assert learner.read("exported").startswith("# Exported from modules/01_numbers/numbers_dev.py by tito export;")
    assert not learner.path("tinytorch/core/sums.py").exists()


def test_exporting_twice_changes_nothing(learner: Learner) -> None:
    learner.tito("export", "01")
    before = learner.snapshot()
    assert learner.tito("export", "numbers").stdout == "tinytorch/core/numbers.py  unchanged\n"
    assert learner.snapshot() == before


def test_exporting_all_writes_the_names_of_the_course(learner: Learner) -> None:
    learner.write(
        "tinytorch/_names.py", "# Exported from modules/course.toml by tito export; edit it there.\nOLD = 1\n"
    )
    assert "tinytorch/_names.py  exported" in learner.tito("export").stdout
    assert '"double": "01_numbers",' in learner.read("tinytorch/_names.py")


def test_nothing_begun_says_where_to_begin(learner: Learner) -> None:
    assert "Next: `tito module start 01`" in learner.tito("export").stdout


def test_the_solved_repository_exports_every_module(solved: Learner) -> None:
    result = solved.tito("export")
    assert result.stdout == "tinytorch/core/numbers.py  exported\ntinytorch/core/sums.py  exported\n"
    assert solved.tito("export", "--check").exit_code == 0
    assert not (solved.root / ".tito").exists()


def test_check_passes_when_all_is_exported(learner: Learner) -> None:
    learner.finish("numbers")
    result = learner.tito("export", "--check")
    assert (result.exit_code, result.stdout) == (0, "Every exported file matches its lesson.\n")


def test_check_prints_the_difference_and_the_command_and_writes_nothing(learner: Learner) -> None:
    learner.finish("numbers")
    learner.answer("double", "    return 2 * x")
    before = learner.snapshot()
    result = learner.tito("export", "--check")
    assert result.exit_code == 1
    assert "-    return x + x\n+    return 2 * x\n" in result.stdout
    assert result.stderr == (
        "error: tinytorch/core/numbers.py does not match\n       `modules/01_numbers/numbers_dev.py`.\n"
        "hint: run `tito export 01`\n"
    )
    assert learner.snapshot() == before


def test_check_lists_files_without_a_source(learner: Learner) -> None:
    learner.write("tinytorch/core/extra.py", "x = 1\n")
    result = learner.tito("export", "--check")
    assert result.exit_code == 1
    assert "tinytorch/core/extra.py  has no lesson that exports it" in result.stdout
    assert "came from no lesson" in result.stderr


def test_check_sees_that_the_names_are_old(learner: Learner) -> None:
    learner.write("tinytorch/_names.py", "")
    result = learner.tito("export", "--check")
    assert result.exit_code == 1
    assert "hint: run `tito export`" in result.stderr


def test_a_file_of_the_learners_own_is_not_overwritten(learner: Learner) -> None:
    learner.write("exported", "mine = 1\n")
    result = learner.tito("export", "01")
    assert result.exit_code == 1
    assert "was not written by tito export" in result.stderr
    assert learner.read("exported") == "mine = 1\n"


def test_what_was_written_into_an_exported_file_is_kept(learner: Learner) -> None:
    learner.finish("numbers")
    edited = learner.read("exported") + "# an idea at midnight\n"
    learner.write("exported", edited)
    result = learner.tito("export", "01")
    assert result.exit_code == 0
    assert "note: the old file held other text, kept in .tito/backups/01_numbers/" in result.stderr
    assert [path.read_text() for path in learner.backups()] == [edited]
    assert "midnight" not in learner.read("exported")


def test_what_tito_wrote_itself_needs_no_backup(learner: Learner) -> None:
    learner.finish("numbers")
    learner.answer("double", "    return 2 * x")
    learner.tito("export", "01")
    assert learner.backups() == []


def test_an_export_takes_the_old_bytecode_away(learner: Learner) -> None:
    cache = learner.path("tinytorch/core/__pycache__")
    for name in ("numbers", "sums"):
        learner.write(f"tinytorch/core/__pycache__/{name}.cpython-311.pyc", "old")
    learner.tito("export", "01")
    assert [path.name for path in cache.iterdir()] == ["sums.cpython-311.pyc"]


def test_an_interrupted_export_leaves_the_old_file_whole(
    learner: Learner, failing_replace: Callable[[str], None]
) -> None:
    learner.finish("numbers")
    learner.answer("double", "    return 2 * x")
    before = learner.snapshot()
    failing_replace("numbers.py")
    result = learner.tito("export", "01")
    assert result.exit_code == 1
    assert "interrupted; every file is whole" in result.stderr
    assert learner.snapshot() == before


def test_a_module_on_loan_is_not_exported(learner: Learner) -> None:
    learner.tito("module", "borrow", "01")
    loan = learner.read("exported")
    result = learner.tito("export", "01")
    assert result.exit_code == 1
    assert "01_numbers is on loan" in result.stderr
    assert learner.tito("export").exit_code == 0
    assert learner.read("exported") == loan


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        (NUMBERS.replace("#| default_exp core.numbers", ""), "does not say where it is exported to"),
        (NUMBERS.replace("default_exp core.numbers", "default_exp core.other"), "exports to core.other"),
        (NUMBERS.replace("    ### END SOLUTION\n", "", 1), "line 22: `### BEGIN SOLUTION` without `### END SOLUTION`"),
        (NUMBERS.replace("return x + x", "return x +"), "line 23: invalid syntax"),
        (NUMBERS.replace("    return x / 2\n", "    return (x / 2\n"), "line 32: '(' was never closed"),
        (NUMBERS.replace("x + x", "x + \0x"), "line 23"),
    ],
)
def test_a_lesson_that_cannot_be_exported_names_the_line_and_writes_nothing(
    learner: Learner, text: str, message: str
) -> None:
    learner.finish("numbers")
    learner.write("numbers", text)
    before = learner.snapshot()
    for command in (("export", "01"), ("module", "test", "01"), ("module", "complete", "01")):
        result = learner.tito(*command)
        assert result.exit_code == 1
        assert message in " ".join(result.stderr.split())
        assert "hint: " in result.stderr or "core.other" in result.stderr
    assert learner.snapshot() == before


def test_a_lesson_that_is_not_utf_8_names_the_line(learner: Learner) -> None:
    learner.path("numbers").write_bytes(NUMBERS.encode().replace(b"twice as", b"tw\xefce as"))
    result = learner.tito("export", "01")
    assert result.exit_code == 1
    assert "line 4: byte 0xef is not UTF-8" in " ".join(result.stderr.split())


def test_an_exported_file_that_is_not_utf_8_is_kept_and_replaced(learner: Learner) -> None:
    learner.finish("numbers")
    damaged = learner.read("exported").encode() + b"# \xff\n"
    learner.path("exported").write_bytes(damaged)
    assert learner.tito("export", "01").exit_code == 0
    assert [path.read_bytes() for path in learner.backups()] == [damaged]


def test_a_missing_lesson_says_what_brings_it_back(learner: Learner) -> None:
    learner.path("numbers").unlink()
    result = learner.tito("export", "01")
    assert result.exit_code == 1
    assert "`tito module reset 01`" in result.stderr


def test_an_answer_that_was_deleted_names_the_lines_of_the_lesson(learner: Learner) -> None:
    learner.write("numbers", NUMBERS.replace("    return x / 2\n", "").replace('    """Return half of `x`."""\n', ""))
    result = learner.tito("export", "01")
    line = learner.read("numbers").split("\n").index("def half(x: float) -> float:") + 1
    assert f"expected an indented block after function definition on line {line}" in " ".join(result.stderr.split())


def test_a_module_whose_prerequisite_is_not_there_is_not_exported(learner: Learner) -> None:
    learner.answer("total", lesson="sums")
    result = learner.tito("export", "02")
    assert result.exit_code == 1
    assert "02_sums stands on 01_numbers, which is still open" in result.stderr
    assert "tinytorch/core/sums.py  left out: 02_sums stands on 01_numbers" in learner.tito("export").stdout
    assert not learner.path("tinytorch/core/sums.py").exists()
    learner.answer("double")
    assert learner.tito("export").exit_code == 0
    assert learner.path("tinytorch/core/sums.py").exists()


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("    return x is 3", '"is" with'),
        ("    return " + "(" * 500 + "x" + ")" * 500, "too"),
        ("    return " + "-" * 100_000 + "x", "too deeply nested for Python to read: `return --"),
    ],
    ids=["is", "brackets", "signs"],
)
def test_what_python_warns_of_or_gives_up_on_is_one_line(learner: Learner, answer: str, what: str) -> None:
    learner.answer("double", answer)
    result = learner.spawn("export", "01")
    assert (result.returncode, result.stdout) == (1, "")
    assert what in " ".join(result.stderr.split())
    assert "numbers_dev.py, line 23: " in " ".join(result.stderr.split())
    assert result.stderr.count("\n") <= 5
