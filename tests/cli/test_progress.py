"""`tito module list`, `status`, `start` and `complete`: where the learner is, read from the files."""

from __future__ import annotations

import pytest

from .learner import NUMBERS, Learner


def test_list_shows_every_module_in_columns(learner: Learner) -> None:
    learner.finish("numbers")
    learner.tito("module", "borrow", "02")
    assert learner.tito("module", "list").stdout == (
        "    module   time   difficulty  state\n"
        "01  Numbers  1 h    calm        yours\n"
        "02  Sums     2.5 h  demanding   on loan\n"
        "03  Later                       planned\n"
    )


def test_list_as_json(learner: Learner) -> None:
    rows = learner.json("module", "list")
    assert rows[1] == {
        "number": 2,
        "folder": "02_sums",
        "name": "sums",
        "title": "Sums",
        "hours": 2.5,
        "difficulty": 4,
        "state": "open",
    }
    assert [row["state"] for row in rows] == ["open", "open", "planned"]


def test_a_module_is_yours_only_when_it_is_exported_and_no_stub_is_left(learner: Learner) -> None:
    def state() -> str:
        state: str = learner.json("module", "list")[0]["state"]
        return state

    learner.tito("export", "01")
    assert state() == "open"  # the stubs are exported, and match their lesson
    learner.answer("double")
    learner.answer("half")
    assert state() == "open"  # written, but not exported
    learner.tito("export", "01")
    assert state() == "yours"
    learner.answer("double", "    return 2 * x")
    assert state() == "open"  # changed since


def test_status_counts_what_is_written_and_names_the_next_command(learner: Learner) -> None:
    assert learner.json("module", "status")["next"] == "tito module start 01"
    learner.answer("double")
    status = learner.json("module", "status")
    assert status["modules"][0]["exercises"] == {"total": 2, "open": ["half"], "problem": None}
    assert status["next"] == "tito module test 01"
    assert "01  Numbers  open   1 of 2" in learner.tito("module", "status").stdout
    assert "You are in 01 Numbers; the next exercise is half." in learner.tito("module", "status").stdout
    learner.answer("half")
    assert learner.json("module", "status")["next"] == "tito module complete 01"
    learner.tito("export", "01")
    assert learner.json("module", "status")["next"] == "tito module start 02"


def test_status_when_everything_is_there(learner: Learner) -> None:
    learner.finish("numbers", "sums")
    result = learner.tito("module", "status")
    assert result.stdout.endswith("Every module that is written is there.\nNext: `tito test`\n")


@pytest.mark.parametrize(("text", "step"), [("", "reset"), (NUMBERS.replace("### END SOLUTION", "", 1), "test")])
def test_status_goes_on_when_a_lesson_is_damaged(learner: Learner, text: str, step: str) -> None:
    learner.write("numbers", text)
    result = learner.tito("module", "status")
    assert result.exit_code == 0
    assert "the lesson cannot be read" in result.stdout
    assert f"Next: `tito module {step} 01`" in result.stdout


@pytest.mark.parametrize("name", ["01_numbers", "01", "1", "numbers"])
def test_a_module_has_four_names(learner: Learner, name: str) -> None:
    assert learner.tito("module", "start", name).stdout.startswith("01 Numbers\n")


def test_start_says_what_the_lesson_is_and_where_to_begin(learner: Learner) -> None:
    assert learner.tito("module", "start", "01").stdout == (
        "01 Numbers\n"
        "A number can be made twice as large. You build `double` and `half`.\n"
        "\n"
        "Lesson     modules/01_numbers/numbers_dev.py\n"
        "Page       modules/01_numbers/README.md\n"
        "Time       1 hour, calm\n"
        "Exercises  2\n"
        "\n"
        "Begin with double, modules/01_numbers/numbers_dev.py:23\n"
        "Next: write it in your editor, or with `tito notebook 01`; then\n"
        "      `tito module test 01`\n"
    )


def test_start_goes_on_where_the_learner_stopped(learner: Learner) -> None:
    learner.answer("double")
    assert "Begin with half, " in learner.tito("module", "start", "01").stdout
    learner.answer("half")
    assert "Next: `tito module complete 01`" in learner.tito("module", "start", "01").stdout


def test_start_needs_its_prerequisites_and_says_how_they_come(learner: Learner) -> None:
    result = learner.tito("module", "start", "02")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: 02_sums stands on 01_numbers, which is still open.\n"
        "hint: Build: `tito module start 01`. Or borrow: `tito module borrow 01`.\n"
    )
    learner.tito("module", "borrow", "01")
    assert learner.tito("module", "start", "02").exit_code == 0


def test_start_ends_a_loan(learner: Learner) -> None:
    learner.answer("double", "    return 2 * x")
    learner.tito("module", "borrow", "01")
    result = learner.tito("module", "start", "01")
    assert result.stdout.startswith("The loan is over")
    assert "    return 2 * x\n" in learner.read("exported")
    assert learner.json("module", "list")[0]["state"] == "open"
    assert learner.backups() == []  # nothing but the reference was replaced


def test_start_keeps_a_loan_that_the_learner_wrote_into(learner: Learner) -> None:
    learner.tito("module", "borrow", "01")
    edited = learner.read("exported") + "# mine\n"
    learner.write("exported", edited)
    learner.tito("module", "start", "01")
    assert [path.read_text() for path in learner.backups()] == [edited]


def test_a_lesson_that_does_not_parse_leaves_the_loan_in_place(learner: Learner) -> None:
    learner.tito("module", "borrow", "01")
    loan = learner.read("exported")
    learner.answer("double", "    return (")
    assert learner.tito("module", "start", "01").exit_code == 1
    assert learner.read("exported") == loan


def test_complete_tests_exports_and_says_what_the_framework_can_do(learner: Learner) -> None:
    learner.answer("double")
    learner.answer("half")
    result = learner.tito("module", "complete", "01_numbers")
    assert result.exit_code == 0
    assert "01 Numbers: all 3 tests passed in " in result.stdout
    assert result.stdout.endswith(
        "Exported to tinytorch/core/numbers.py: 01_numbers is yours.\n\n"
        "Your framework can now double and halve any number.\n\n"
        "Next: 02 Sums, `tito module start 02`\n"
    )
    assert learner.json("module", "list")[0]["state"] == "yours"


def test_complete_fails_with_the_first_failure(learner: Learner) -> None:
    learner.answer("double")
    result = learner.tito("module", "complete", "01")
    assert result.exit_code == 1
    assert "half is not written yet." in result.stdout
    assert "Your framework can now" not in result.stdout


def test_complete_refuses_a_stub_that_no_test_meets(learner: Learner) -> None:
    learner.answer("double")
    learner.write("modules/01_numbers/test_numbers.py", "def test_nothing():\n    assert True\n")
    result = learner.tito("module", "complete", "01")
    assert result.exit_code == 1
    assert "there is still a stub in half" in result.stderr


def test_complete_works_in_the_solved_repository(solved: Learner) -> None:
    assert solved.tito("module", "complete", "01").exit_code == 0
    result = solved.tito("module", "complete", "02")
    assert result.exit_code == 0
    assert "That was the last module that is written so far." in result.stdout


def test_a_stub_whose_markers_are_gone_is_still_open(learner: Learner) -> None:
    learner.answer("double")
    text = learner.read("numbers")
    learner.write("numbers", text.replace("    ### BEGIN SOLUTION\n", "").replace("    ### END SOLUTION\n", ""))
    learner.tito("export", "01")
    status = learner.json("module", "status")["modules"][0]
    assert (status["state"], status["exercises"]["open"]) == ("open", ["half"])


@pytest.mark.parametrize(
    "memory",
    ["[]", '{"hints": 3}', '{"hints": {"01_numbers/double": "x"}, "exports": []}', '{"failing": {"01_numbers": 1}}'],
)
@pytest.mark.parametrize("command", [("hint", "01"), ("test", "01"), ("status",)])
def test_a_damaged_memory_is_as_good_as_none(learner: Learner, memory: str, command: tuple[str, ...]) -> None:
    learner.write(".tito/memory.json", memory)
    assert learner.tito("module", *command).stderr == ""
    assert "hint 1 of 3" in learner.tito("module", "hint", "01", "half").stdout
