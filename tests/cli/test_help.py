"""`tito module reset`, `hint`, `solution` and `borrow`: help for a learner who is stuck, with nothing lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tito.lesson import Lesson

from .learner import NUMBERS, SUMS, Learner

STARTER = Lesson(NUMBERS, "modules/01_numbers/numbers_dev.py").starter()


def test_reset_brings_the_starter_back_and_keeps_the_old_file(learner: Learner) -> None:
    learner.answer("double", "    return 'mine'")
    mine = learner.read("numbers")
    result = learner.tito("module", "reset", "01")
    assert result.exit_code == 0
    assert learner.read("numbers") == STARTER
    (backup,) = learner.backups()
    assert backup.read_text() == mine
    assert f"Your old file is in {backup.relative_to(learner.root).as_posix()}" in result.stdout
    assert "Next: `tito module start 01`" in result.stdout


def test_two_resets_in_one_second_keep_two_backups(learner: Learner) -> None:
    for text in ("first", "second"):
        learner.write("numbers", text)
        learner.tito("module", "reset", "01")
    assert sorted(path.read_text() for path in learner.backups()) == ["first", "second"]


def test_reset_touches_nothing_else(learner: Learner) -> None:
    learner.finish("numbers")
    before = learner.snapshot()
    learner.tito("module", "reset", "01")
    after = learner.snapshot()
    assert {name for name in after if after[name] != before.get(name)} == {"modules/01_numbers/numbers_dev.py"}


def test_reset_of_an_untouched_lesson_makes_no_backup(learner: Learner) -> None:
    assert "nothing to do" in learner.tito("module", "reset", "01").stdout
    assert learner.backups() == []


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"# %% tags=[broken\n### BEGIN SOLUTION\n"])
def test_reset_heals_a_lesson_whatever_is_in_it(learner: Learner, content: bytes | None) -> None:
    if content is None:
        learner.path("numbers").unlink()
    else:
        learner.path("numbers").write_bytes(content)
    assert learner.tito("module", "reset", "01").exit_code == 0
    assert learner.read("numbers") == STARTER
    assert [path.read_bytes() for path in learner.backups()] == ([] if content is None else [content])


def test_reset_of_one_exercise_leaves_the_others(learner: Learner) -> None:
    learner.answer("double", "    return 'mine'")
    learner.answer("half")
    learner.write("numbers", learner.read("numbers").replace("if __name__", "# a note of mine\nif __name__"))
    kept = learner.read("numbers")
    result = learner.tito("module", "reset", "01", "--exercise", "double")
    assert result.exit_code == 0
    stub = '    raise NotImplementedError("exercise double: write it in modules/01_numbers/numbers_dev.py")'
    assert learner.read("numbers") == kept.replace("    return 'mine'", stub)
    assert [path.read_text() for path in learner.backups()] == [kept]


def test_reset_of_one_exercise_heals_its_markers(learner: Learner) -> None:
    learner.answer("half")
    whole = learner.read("numbers")
    learner.write("numbers", whole.replace("    ### END SOLUTION\n", "", 1))
    assert learner.tito("module", "reset", "01", "--exercise", "double").exit_code == 0
    assert learner.read("numbers") == whole


def test_reset_of_an_exercise_whose_cell_is_gone(learner: Learner) -> None:
    learner.write("numbers", learner.read("numbers").replace('tags=["double"]', ""))
    result = learner.tito("module", "reset", "01", "--exercise", "double")
    assert result.exit_code == 1
    assert "`tito module reset 01`" in result.stderr


def test_an_interrupted_reset_leaves_the_lesson_whole(learner: Learner, failing_replace: Callable[[str], None]) -> None:
    learner.answer("double", "    return 'mine'")
    before = learner.snapshot()
    failing_replace("numbers_dev.py")
    result = learner.tito("module", "reset", "01")
    assert result.exit_code == 1
    assert "interrupted" in result.stderr
    assert learner.snapshot() == before


def test_without_a_backup_nothing_is_reset(learner: Learner, failing_replace: Callable[[str], None]) -> None:
    learner.answer("double", "    return 'mine'")
    before = learner.snapshot()
    failing_replace("")  # the first rename is the backup's
    assert learner.tito("module", "reset", "01").exit_code == 1
    assert learner.snapshot() == before


def test_the_solved_repository_is_not_reset(solved: Learner) -> None:
    for command in (("reset", "01"), ("borrow", "01")):
        result = solved.tito("module", *command)
        assert result.exit_code == 2
        assert "the course's own repository" in result.stderr
    assert solved.read("numbers") == NUMBERS


def test_hints_come_one_by_one_and_are_counted(learner: Learner) -> None:
    first = learner.tito("module", "hint", "01")
    assert first.stdout == (
        "double, hint 1 of 3: Add it to itself.\n\n"
        "Next: `tito module test 01`. Still stuck? `tito module hint 01 double`\n"
    )
    assert "hint 2 of 3: Look at the plus sign." in learner.tito("module", "hint", "01").stdout
    third = learner.tito("module", "hint", "01").stdout
    assert "hint 3 of 3: return x + x" in third
    assert "`tito module solution 01 double --i-give-up`" in third
    again = learner.tito("module", "hint", "01").stdout
    assert all(f"hint {number} of 3" in again for number in (1, 2, 3))
    assert "hint 1 of 3" in learner.tito("module", "hint", "01", "half").stdout


def test_the_hint_is_about_the_exercise_that_failed(learner: Learner) -> None:
    learner.answer("half", "    return x")
    learner.answer("double")
    learner.tito("module", "test", "01")
    assert learner.tito("module", "hint", "01").stdout.startswith("half, hint 1")
    learner.answer("half")  # rewritten since
    result = learner.tito("module", "hint", "01")
    assert "Every exercise of 01_numbers is written." in result.stdout
    assert "`tito module test 01`" in result.stdout


def test_an_earlier_wrong_answer_comes_before_a_later_stub(learner: Learner) -> None:
    learner.answer("double", "    return 7")
    learner.tito("module", "test", "01")
    assert learner.tito("module", "hint", "01").stdout.startswith("double, hint 1")


def test_a_damaged_memory_is_no_obstacle(learner: Learner) -> None:
    learner.write(".tito/memory.json", "{not json")
    assert "hint 1 of 3" in learner.tito("module", "hint", "01").stdout
    assert "hint 2 of 3" in learner.tito("module", "hint", "01").stdout


@pytest.mark.parametrize(
    "command", [("hint", "01", "duble"), ("solution", "01", "duble"), ("reset", "01", "--exercise", "duble")]
)
def test_an_unknown_exercise_gets_a_suggestion(learner: Learner, command: tuple[str, ...]) -> None:
    result = learner.tito("module", *command)
    assert result.exit_code == 2
    assert "Did you mean double? It has double, half." in result.stderr


def test_the_solution_stays_closed_until_the_learners_own_passes(learner: Learner) -> None:
    learner.answer("double", "    return 7")
    result = learner.tito("module", "solution", "01")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "stays closed" in " ".join(result.stderr.split())
    assert "--i-give-up" in result.stderr
    learner.answer("double")
    learner.answer("half")
    result = learner.tito("module", "solution", "01")
    assert result.exit_code == 0
    assert "return x + x" in result.stdout
    assert "return x / 2" in result.stdout
    assert "SOLUTION" not in result.stdout


def test_the_solution_of_one_exercise_needs_that_one_only(learner: Learner) -> None:
    learner.answer("double", "    return 7")
    assert learner.tito("module", "solution", "01", "double").exit_code == 1
    learner.answer("double")
    result = learner.tito("module", "solution", "01", "double")
    assert result.exit_code == 0
    assert "return x + x" in result.stdout
    assert "return x / 2" not in result.stdout
    assert learner.tito("module", "solution", "01", "half").exit_code == 1


def test_giving_up_shows_the_answer_of_the_exercise_the_learner_is_at(learner: Learner) -> None:
    learner.answer("double")
    result = learner.tito("module", "solution", "01", "--i-give-up")
    assert result.exit_code == 0
    assert "return x / 2" in result.stdout
    assert "return x + x" not in result.stdout


def test_borrow_puts_the_reference_into_the_package_and_leaves_the_lesson(learner: Learner) -> None:
    learner.answer("double", "    return 'mine'")
    lesson = learner.read("numbers")
    result = learner.tito("module", "borrow", "01")
    assert result.exit_code == 0
    assert learner.read("exported").startswith("# On loan from the course's reference answer to modules/01_numbers/")
    assert "return x + x" in learner.read("exported")
    assert learner.read("numbers") == lesson
    assert "Next: `tito module start 02`" in result.stdout


def test_borrow_needs_prerequisites_or_borrows_them_too(learner: Learner) -> None:
    result = learner.tito("module", "borrow", "02")
    assert result.exit_code == 1
    assert "`tito module borrow 02 --with-prerequisites`" in " ".join(result.stderr.split())
    assert not learner.path("tinytorch/core/sums.py").exists()
    assert learner.tito("module", "borrow", "02", "--with-prerequisites").exit_code == 0
    assert [row["state"] for row in learner.json("module", "list")] == ["on loan", "on loan", "planned"]


def test_several_modules_are_borrowed_at_once_in_any_order(learner: Learner) -> None:
    assert learner.tito("module", "borrow", "02", "01").exit_code == 0


def test_borrow_does_not_replace_what_is_yours_without_force(learner: Learner) -> None:
    learner.finish("numbers")
    mine = learner.read("exported")
    result = learner.tito("module", "borrow", "01")
    assert result.exit_code == 1
    assert "`tito module borrow 01 --force`" in result.stderr
    assert learner.read("exported") == mine
    result = learner.tito("module", "borrow", "01", "--force")
    assert result.exit_code == 0
    assert mine in [path.read_text() for path in learner.backups()]


def test_borrow_does_not_overwrite_a_file_of_the_learners_own(learner: Learner) -> None:
    learner.write("exported", "mine = 1\n")
    result = learner.tito("module", "borrow", "01")
    assert result.exit_code == 1
    assert learner.read("exported") == "mine = 1\n"


def test_a_borrowed_module_carries_the_next_one(learner: Learner) -> None:
    learner.tito("module", "borrow", "01")
    learner.write("sums", SUMS)
    assert learner.tito("module", "complete", "02").exit_code == 0


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_one_exercise_of_a_lesson_that_cannot_be_read_is_not_reset(learner: Learner, content: bytes | None) -> None:
    learner.path("numbers").unlink()
    if content is not None:
        learner.path("numbers").write_bytes(content)
    result = learner.tito("module", "reset", "01", "--exercise", "double")
    assert result.exit_code == 1
    assert "`tito module reset 01` brings the lesson back" in " ".join(result.stderr.split())
