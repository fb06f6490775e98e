"""`tito watch`: save, and see on the screen what that did."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from .learner import TEST_NUMBERS, Learner, write
from .watching import Watching, wait_for, wait_for_end

FOOT = "h hint  a all failures  s skip to  g graph  r run  x reset  q quit"
SECONDS = r"\d+\.\d s"


def test_the_screen_shows_where_the_learner_is_and_the_first_failure_alone(learner: Learner) -> None:
    learner.answer("double", "    return x + x + 1")
    with Watching(learner) as loop:
        loop.answer(1)
        lines = loop.lines
    assert lines[:13] == [
        f"01 Numbers{'exercise 1 of 2, module 1 of 3':>70}",
        "[------------------------]  0 of 3 exercises are yours, 0 lines",
        "",
        "double is not right yet.",
        "Test      test_double_is_twice",
        "          Twice three is six.",
        "Called    result = double(x)",
        "With      x=3",
        "Came      7",
        "Expected  6",
        "Where     modules/01_numbers/numbers_dev.py:22",
        "",
        "",
    ]
    assert re.fullmatch(rf"Run 1, {SECONDS}: 0 passed before it\.", lines[22])
    assert lines[23] == FOOT
    assert not any(lines[13:22])


def test_a_save_is_answered_and_leads_on_to_the_next_exercise(learner: Learner) -> None:
    with Watching(learner, "watch") as loop:
        assert "double is not written yet." in loop.answer(1)
        learner.answer("double", "    return 7")
        assert "double is not right yet." in loop.answer(2)
        learner.answer("double")
        text = loop.answer(3)
        assert "double passes its 2 tests." in text
        assert "half is not written yet." in text
        assert "exercise 2 of 2, module 1 of 3" in text
        assert "[########----------------]  1 of 3 exercises are yours, 1 line" in text


def test_the_tests_of_what_has_changed_come_first(learner: Learner) -> None:
    learner.answer("double", "    return 7")
    learner.answer("half", "    return x")
    with Watching(learner) as loop:
        assert "double is not right yet." in loop.answer(1)
        learner.answer("half", "    return 3 * x")
        assert "half is not right yet." in loop.answer(2)
        learner.answer("half")
        text = loop.answer(3)
        assert "half passes its 1 test." in text
        assert "double is not right yet." in text


def test_a_change_in_the_prose_runs_nothing_and_moves_the_lines(learner: Learner) -> None:
    learner.answer("double", "    return x + None")
    with Watching(learner) as loop:
        loop.answer(1)
        loop.until("numbers_dev.py:23, in double")
        learner.write("numbers", learner.read("numbers").replace("A number", "Some\nmore\nwords.\nA number"))
        loop.until("Saved: nothing that is tested has changed.")
        loop.until("numbers_dev.py:26, in double")
        assert "Run 1," in loop.text


def test_a_module_that_passes_is_completed_and_the_next_one_begins(learner: Learner) -> None:
    learner.answer("double")
    with Watching(learner) as loop:
        loop.answer(1)
        assert "c complete" not in loop.text
        loop.type("c")  # not yet
        learner.answer("half")
        text = loop.answer(2)
        assert re.search(rf"01 Numbers: all 3 tests passed in {SECONDS}\.", text)
        assert "01_numbers is done. Press c to complete it" in " ".join(text.split())
        assert loop.lines[23] == f"c complete  {FOOT}"
        loop.type("c")
        loop.until("Your framework can now double and halve any number.")
        loop.until("Press a key to go back to the loop.")
        loop.type(" ")
        loop.until("02 Sums .*exercise 1 of 1, module 2 of 3")
        loop.until("total is not written yet.")
        learner.answer("total", lesson="sums")
        loop.until("02_sums is done.")
        loop.type("c")
        loop.until("Press a key")
        loop.type("\r")
        loop.until("That was the last module that is written so far.")
        loop.type("q")
        assert loop.end() == 0
    assert [row["state"] for row in learner.json("module", "list")] == ["yours", "yours", "planned"]


def test_hints_are_those_of_the_hint_command(learner: Learner) -> None:
    assert "hint 1 of 3" in learner.tito("module", "hint", "01").stdout
    with Watching(learner) as loop:
        loop.answer(1)
        loop.type("h")
        loop.until(r"double, hint 2 of 3: Look at the plus sign\.")
        loop.type("h")
        loop.until(r"double, hint 3 of 3: return x \+ x")
        loop.until("To see the answer: `tito module solution 01 double --i-give-up`")
        assert "double is not written yet." in loop.text
    assert "hint 1 of 3" in learner.tito("module", "hint", "01").stdout
    with Watching(learner) as loop:
        loop.answer(1)
        loop.type("h")
        loop.until("hint 1 of 3")  # all were given, so all come again


def test_all_failures_are_shown_on_the_learners_own_screen(learner: Learner) -> None:
    learner.answer("double", "    return 7")
    learner.answer("half", "    return 7")
    with Watching(learner, size=(60, 80)) as loop:
        loop.answer(1)
        loop.type("a")
        loop.until("Press a key to go back to the loop.")
        assert loop.text.count("double is not right yet.") >= 2
        assert "half is not right yet." in loop.text
        loop.type("z")
        loop.until(r"Run 2, .* 0 of 3 passed\.")
        loop.gone("Press a key")
        loop.gone("half is not right yet.")


def test_of_unwritten_exercises_one_failure_each_is_enough(learner: Learner) -> None:
    with Watching(learner, size=(60, 80)) as loop:
        loop.answer(1)
        loop.type("a")
        loop.until("Press a key to go back to the loop.")
        assert loop.text.count("half is not written yet.") == 1


@pytest.mark.parametrize("typed", ["2", "half", "ha", "hx\x7falf"])
def test_skip_to_another_exercise(learner: Learner, typed: str) -> None:
    with Watching(learner) as loop:
        loop.answer(1)
        loop.type("s")
        loop.until("Skip to")
        loop.until(r"1 double  to write  \(here\)\n +2 half  to write\n")
        loop.type(typed + "\r")
        loop.answer(2)
        loop.until("half is not written yet.")
        assert "exercise 2 of 2" in loop.text
        learner.answer("half")
        loop.until("half passes its 1 test.")
        loop.until("double is not written yet.")  # what was skipped comes back in the end


def test_skip_to_what_is_not_there_and_back(learner: Learner) -> None:
    with Watching(learner) as loop:
        loop.answer(1)
        loop.type("s")
        loop.until("Skip to")
        loop.type("hafl\r")
        loop.until(r"No exercise is called 'hafl'\. Did you mean half\?")
        loop.type("s")
        loop.until("Skip to")
        loop.type("\x1b")
        loop.gone("Skip to")
        assert "double is not written yet." in loop.text
        loop.type("s2\x1b[A\r")  # an arrow says nothing here
        loop.until("exercise 2 of 2")


def test_reset_asks_first_and_keeps_the_file(learner: Learner) -> None:
    learner.answer("double", "    return 'mine'")
    mine = learner.read("numbers")
    with Watching(learner) as loop:
        loop.answer(1)
        loop.type("x")
        loop.until(r"Start double anew\? Your file is kept in `.tito/backups`\. y yes, n no")
        loop.type("n")
        loop.until("q quit")
        assert learner.read("numbers") == mine
        loop.type("x")
        loop.until("anew")
        loop.type("y")
        loop.until("double is not written yet.")
        loop.until(r"Your old file is in \.tito/backups/01_numbers/")
        loop.answer(2)
        assert "nothing that is tested" not in loop.text
    assert "exercise double: write it" in learner.read("numbers")
    assert [path.read_text() for path in learner.backups()] == [mine]


def test_run_again(learner: Learner) -> None:
    with Watching(learner) as loop:
        loop.answer(1)
        loop.type("r")
        loop.answer(2)
        loop.type("R")
        loop.answer(3)


def test_a_runaway_loop_is_ended_and_said_to_be(learner: Learner) -> None:
    with Watching(learner, "watch", "--limit", "2") as loop:
        loop.answer(1)
        learner.answer("double", "    while True:\n        x += 1")
        loop.until("Testing ")
        loop.until(r"double did not end\.")
        loop.until("Came   no answer in 2 seconds, so it was stopped")
        loop.until(r"Where  modules/01_numbers/numbers_dev.py:2[34], in double")
        learner.answer("double")
        loop.until("double passes its 2 tests.")


def test_a_save_ends_the_run_that_is_going_on(learner: Learner) -> None:
    waiting = "    import os, time; print(os.getpid(), file=open('pid', 'w'), flush=True); time.sleep(600)"
    with Watching(learner) as loop:
        loop.answer(1)
        learner.answer("double", waiting)
        pid = int(wait_for(learner.path("pid")))
        learner.answer("double")
        loop.until("double passes its 2 tests.")
        assert "Run 2," in loop.text  # the one that was ended is none
        wait_for_end(pid)


def test_half_typed_code_is_one_calm_line_below_the_last_picture(learner: Learner) -> None:
    learner.answer("double", "    return 7")
    with Watching(learner) as loop:
        loop.answer(1)
        learner.answer("double", "    return (7")
        loop.until(r"Not tested: modules/01_numbers/numbers_dev.py:23: '\(' was never closed: `return \(7`")
        assert "Came      7" in loop.text
        assert "Traceback" not in loop.text
        assert not learner.tito("module", "test", "01").stdout
        learner.answer("double", "    return 7")
        loop.until("Saved: nothing that is tested has changed.")
        assert "Not tested" not in loop.text
        learner.answer("double", "    return (8")
        loop.until("Not tested")
        learner.answer("double")
        loop.until("half is not written yet.")


def test_a_save_by_rename_is_seen(learner: Learner) -> None:
    with Watching(learner) as loop:
        loop.answer(1)
        whole = learner.read("numbers")
        learner.answer("double")
        saved = learner.read("numbers")
        learner.write("numbers", whole)
        loop.pump()
        new = learner.path("numbers").with_name(".numbers_dev.py.swp")
        new.write_text(saved)
        os.replace(new, learner.path("numbers"))
        loop.until("half is not written yet.")


def test_a_lesson_that_goes_away_and_comes_back(learner: Learner) -> None:
    with Watching(learner) as loop:
        loop.answer(1)
        away = learner.root / "away.py"
        learner.path("numbers").rename(away)
        loop.until(r"Not tested: modules/01_numbers/numbers_dev.py is missing\.")
        loop.until("`tito module reset 01` brings the lesson back")
        assert "double is not written yet." in loop.text
        away.rename(learner.path("numbers"))
        loop.gone("Not tested")
        learner.path("numbers").unlink()
        learner.path("numbers").mkdir()
        loop.until("Not tested: .*numbers_dev.py: Is a directory. `r` looks again.")
        learner.path("numbers").rmdir()
        learner.path("numbers").write_bytes(b"")
        loop.until("Not tested: modules/01_numbers/numbers_dev.py is empty.")


def test_a_lesson_that_is_not_there_at_the_start(learner: Learner) -> None:
    text = learner.read("numbers")
    learner.path("numbers").unlink()
    with Watching(learner) as loop:
        loop.until("Not tested: modules/01_numbers/numbers_dev.py is missing.")
        loop.type("h")
        loop.until("there is no hint to give.")
        loop.type("s")
        loop.until("there is nothing to skip to.")
        loop.type("x")
        loop.until("there is nothing to reset.")
        loop.type("g")
        loop.until("Press a key to go back to the loop.")
        loop.type("\x1b")
        learner.write("numbers", text)
        loop.until("double is not written yet.")


def test_a_lesson_that_goes_away_while_an_exercise_is_chosen(learner: Learner) -> None:
    text = learner.read("numbers")
    with Watching(learner) as loop:
        loop.answer(1)
        loop.type("s")
        loop.until("Escape goes back.")
        learner.path("numbers").unlink()
        loop.type("no")
        loop.until("Skip to: no")
        loop.type("\r")
        loop.until("No exercise is called 'no'.")
        learner.write("numbers", text)
        loop.until("Saved: nothing that is tested has changed.")


def test_a_suite_that_is_broken_or_missing(learner: Learner) -> None:
    suite = learner.path("modules/01_numbers/test_numbers.py")
    with Watching(learner) as loop:
        loop.answer(1)
        suite.write_text("import nothing_of_this_name\n")
        loop.until("No module named 'nothing_of_this_name'")
        loop.until("note: modules/01_numbers/test_numbers.py is not as handed out")
        suite.unlink()
        loop.until("Not tested: modules/01_numbers/test_numbers.py is missing.")
        suite.write_text(TEST_NUMBERS)
        loop.gone("Not tested")
        loop.until("double is not written yet.")


def test_several_files_at_once(learner: Learner) -> None:
    learner.answer("half")
    with Watching(learner) as loop:
        loop.answer(1)
        learner.write("sums", learner.read("sums").replace("Two doubles", "Both doubles"))
        learner.answer("double")
        learner.write("modules/01_numbers/README.md", "new")
        loop.until("01_numbers is done")


def test_the_loop_follows_to_another_module_that_is_saved(learner: Learner) -> None:
    learner.finish("numbers")
    with Watching(learner) as loop:
        loop.until("total is not written yet.")
        learner.answer("half", "    return x")
        loop.until("half is not right yet.")
        assert "01 Numbers" in loop.text


def test_a_failure_in_an_earlier_module_is_where_the_learner_is(learner: Learner) -> None:
    learner.answer("double", "    return 7")
    learner.answer("half")
    learner.tito("module", "test", "01")
    with Watching(learner) as loop:
        loop.until("01 Numbers .*exercise 1 of 2")


def test_a_workspace_that_goes_away_is_an_error(learner: Learner) -> None:
    with Watching(learner) as loop:
        loop.answer(1)
        shutil.rmtree(learner.root / "modules")
        assert loop.end() == 1
        assert "is gone." in " ".join(loop.text.split())
        assert "Traceback" not in loop.text


def test_a_module_by_its_number(learner: Learner) -> None:
    learner.finish("numbers")
    with Watching(learner, "watch", "01") as loop:
        loop.until("01_numbers is done.")


@pytest.mark.parametrize("arguments", [("02",), ("07",), ("nothing",)])
def test_a_module_that_cannot_be_watched_is_an_error(learner: Learner, arguments: tuple[str, ...]) -> None:
    result = learner.tito("watch", *arguments)
    assert result.exit_code in (1, 2)
    assert result.stderr.startswith("error: ")
    assert "\nhint: " in result.stderr


def test_a_module_on_loan_is_an_error(learner: Learner) -> None:
    learner.tito("module", "borrow", "01")
    result = learner.tito("watch", "01")
    assert result.exit_code == 1
    assert "`tito module start 01` takes the loan off" in result.stderr


def test_when_all_is_done_nothing_is_watched(learner: Learner) -> None:
    learner.finish("numbers", "sums")
    result = learner.tito("watch")
    assert result.exit_code == 0
    assert "nothing waits for you" in result.stdout


def test_another_engine_that_would_answer_is_an_error(learner: Learner, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other / "tinytorch/__init__.py", "")
    write(other / "sitecustomize.py", "import sys\nif 'tito.watch.warm' in sys.orig_argv: import tinytorch\n")
    with Watching(learner, PYTHONPATH=str(other)) as loop:
        loop.until("Not tested: pytest did not start: a `tinytorch` was imported before there was an order")


def test_the_learners_code_answers_whatever_else_is_installed(learner: Learner, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other / "tinytorch/__init__.py", "")
    write(other / "tinytorch/core/numbers.py", "double = lambda x: x + x\nhalf = lambda x: x / 2\n")
    with Watching(learner, PYTHONPATH=str(other)) as loop:
        assert "double is not written yet." in loop.answer(1)


def test_nothing_but_the_export_is_touched(learner: Learner) -> None:
    before = learner.snapshot()
    with Watching(learner) as loop:
        loop.answer(1)
        loop.type("q")
        assert loop.end() == 0
    after = learner.snapshot()
    assert set(after) - set(before) == {"tinytorch/core/numbers.py"}
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("compiled", ["", "1"])
def test_two_saves_in_one_second_are_two_answers(learner: Learner, compiled: str) -> None:
    """The exports are equally long, so that only their text tells them apart."""
    with Watching(learner, PYTHONDONTWRITEBYTECODE=compiled) as loop:
        loop.answer(1)
        for number in (1, 2, 3, 4, 5):
            learner.answer("double", f"    return {number}")
            loop.until(rf"Came      {number}\n")


def test_the_warm_process_ends_with_the_loop(learner: Learner) -> None:
    waiting = (
        "    import os, time; print(os.getppid(), os.getpid(), file=open('pid', 'w'), flush=True); time.sleep(600)"
    )
    learner.answer("double", waiting)
    with Watching(learner) as loop:
        warm, child = map(int, wait_for(learner.path("pid")).split())
        loop.child.kill(signal.SIGKILL)
        wait_for_end(child)
        wait_for_end(warm)


def test_a_warm_process_that_died_is_replaced(learner: Learner) -> None:
    learner.answer("double", "    import os; print(os.getppid(), file=open('pid', 'w'), flush=True); return 7")
    with Watching(learner) as loop:
        loop.answer(1)
        os.kill(int(wait_for(learner.path("pid"))), signal.SIGKILL)
        learner.answer("double")
        loop.until("double passes its 2 tests.")
