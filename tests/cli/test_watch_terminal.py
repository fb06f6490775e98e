"""The loop in every kind of terminal, and without one: what is drawn, what is typed, and what is left behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tito.commands import init
from tito.course import read_course
from tito.export import read_lesson

from .learner import Learner
from .watching import PATIENCE, Watching, command, wait_for


def colours(loop: Watching) -> set[str]:
    return {cell.fg for row in loop.screen.buffer.values() for cell in row.values()}


def test_a_narrow_window(learner: Learner) -> None:
    learner.answer("double", "    return 7")
    with Watching(learner, size=(20, 40)) as loop:
        loop.answer(1)
        lines = loop.lines
        assert lines[:7] == [
            "01 Numbers",
            "exercise 1 of 2, module 1 of 3",
            "0 of 3 exercises are yours, 0 lines",
            "",
            "double is not right yet.",
            "Came      7",
            "Expected  6",
        ]
        assert lines[-2:] == ["h hint  a all failures  s skip to", "g graph  r run  x reset  q quit"]


def test_a_window_that_is_too_low_says_what_is_left_out(learner: Learner) -> None:
    learner.answer("double", "    return 7")
    with Watching(learner, size=(9, 80)) as loop:
        loop.answer(1)
        assert loop.lines[:2] == ["double is not right yet.", "Came      7"]
        assert "more lines: `a` shows them" in loop.text


def test_the_picture_follows_the_window(learner: Learner) -> None:
    with Watching(learner) as loop:
        loop.answer(1)
        loop.screen.resize(12, 44)
        loop.child.setwinsize(12, 44)
        loop.until(r"(?s)01 Numbers\nexercise 1 of 2, module 1 of 3\n.*\nr run  x reset  q quit$")


def test_colour_is_there_and_says_nothing_of_its_own(learner: Learner) -> None:
    learner.answer("double", "    return 7")
    with Watching(learner) as loop:
        coloured = re.sub(r"\d+\.\d s", "", loop.answer(1))
        assert {"red", "cyan"} <= colours(loop)
    with Watching(learner, NO_COLOR="1") as loop:
        assert re.sub(r"\d+\.\d s", "", loop.answer(1)) == coloured
        assert colours(loop) == {"default"}


@contextmanager
def shell(learner: Learner, script: str, **environment: str) -> Iterator[Watching]:
    """Run a script of Bash in a terminal, in which `$LOOP` opens the loop."""
    words = " ".join(f"'{word}'" for word in command(learner))
    path = learner.root.parent / "loop.sh"
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    path.chmod(0o755)
    with Watching(learner, program=["bash", "-c", script], LOOP=str(path), **environment) as loop:
        yield loop


@pytest.mark.parametrize("end", ["q", "\x03", "\x04"])
def test_the_terminal_is_as_it_was(learner: Learner, end: str) -> None:
    script = "stty -a > before; echo what was there; $LOOP; echo status $?; stty -a > after; echo over"
    with shell(learner, script) as loop:
        loop.answer(1)
        assert "\x1b[?1049h" in loop.raw  # on a screen of its own
        loop.type(end)
        loop.until("over")
        assert "status 0" in loop.text
        assert loop.raw.index("\x1b[?1049h") < loop.raw.index("\x1b[?25h\x1b[?1049l")
    assert learner.read("after") == learner.read("before")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_as_it_was_after_a_signal(learner: Learner, number: signal.Signals) -> None:
    script = "stty -a > before; $LOOP & echo $! > pid; fg; stty -a > after; echo over"
    with shell(learner, f"set -m; {script}") as loop:
        loop.answer(1)
        os.kill(int(wait_for(learner.path("pid"))), number)
        loop.until("over")
        assert "\x1b[?25h\x1b[?1049l" in loop.raw
        assert "Traceback" not in loop.text
    assert learner.read("after") == learner.read("before")


def test_the_loop_can_be_stopped_and_taken_up_again(learner: Learner) -> None:
    script = "set -m; stty -a > before; $LOOP; stty -a > after; echo stopped; fg; echo over"
    with shell(learner, script) as loop:
        loop.answer(1)
        loop.type("\x1a")
        loop.said("\x1b[?25h\x1b[?1049l")
        loop.said("stopped")
        loop.until("exercise 1 of 2")
        loop.type("r")
        loop.answer(2)
        loop.type("q")
        loop.until("over")
    assert learner.read("after") == learner.read("before")


def test_an_error_of_the_loop_leaves_the_terminal_as_it_was(learner: Learner) -> None:
    with shell(learner, "stty -a > before; $LOOP; stty -a > after; echo over") as loop:
        loop.answer(1)
        shutil.rmtree(learner.root / "modules")
        loop.until("is gone")
        loop.until("over")
    assert learner.read("after") == learner.read("before")


@contextmanager
def piped(learner: Learner, *arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run the loop without a terminal; what it prints comes into a file."""
    output = learner.root.parent / "printed"
    with output.open("w") as out:
        process = subprocess.Popen(
            command(learner, "watch", *arguments),
            cwd=learner.root,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
        )
        try:
            yield process, output
        finally:
            process.kill()
            process.wait()


def until(output: Path, pattern: str) -> str:
    """Wait until the file holds a text that the pattern matches; return all of it."""
    deadline = time.monotonic() + PATIENCE
    while not re.search(pattern, text := output.read_text()):
        assert time.monotonic() < deadline, f"{pattern!r} did not come:\n{text}"
        time.sleep(0.02)
    return text


@pytest.mark.parametrize("arguments", [(), ("--plain",)])
def test_without_a_terminal_lines_are_added(learner: Learner, arguments: tuple[str, ...]) -> None:
    with piped(learner, *arguments) as (process, output):
        until(output, "double is not written yet")
        learner.answer("double", "    return 7")
        until(output, "Next: mend it and save")
        learner.answer("double", "    return (7")
        until(output, "Not tested")
        learner.answer("double")
        until(output, r"half is not written yet(.|\n)*Next: ")
        learner.answer("half")
        text = until(output, "Next: `tito module complete 01`\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 0
    shown = re.sub(r"\d+\.\d s", "0.1 s", text)
    assert shown == (
        "\nWatching modules/01_numbers/numbers_dev.py: save it, and its tests run. Ctrl-C ends.\n"
        "\nExercise 1 of 2, module 1 of 3; 0 of 3 exercises are yours, 0 lines.\n"
        "Run 1, 0.1 s: 0 passed before it.\n"
        "double is not written yet.\n"
        "Where  modules/01_numbers/numbers_dev.py:23\n"
        "Test   test_double_is_twice\n"
        "       Twice three is six.\n"
        "Next: write it and save. Stuck? `tito module hint 01`\n"
        "\nExercise 1 of 2, module 1 of 3; 0 of 3 exercises are yours, 0 lines.\n"
        "Run 2, 0.1 s: 0 passed before it.\n"
        "double is not right yet.\n"
        "Test      test_double_is_twice\n"
        "          Twice three is six.\n"
        "Called    result = double(x)\n"
        "With      x=3\n"
        "Came      7\n"
        "Expected  6\n"
        "Where     modules/01_numbers/numbers_dev.py:22\n"
        "Next: mend it and save. Stuck? `tito module hint 01`\n"
        "\nNot tested: modules/01_numbers/numbers_dev.py:23: '(' was never closed: `return (7`\n"
        "\ndouble passes its 2 tests.\n"
        "Exercise 2 of 2, module 1 of 3; 1 of 3 exercises are yours, 1 line.\n"
        "Run 3, 0.1 s: 2 passed before it.\n"
        "half is not written yet.\n"
        "Where  modules/01_numbers/numbers_dev.py:32\n"
        "Test   test_half_of_two\n"
        "Next: write it and save. Stuck? `tito module hint 01`\n"
        "\nhalf passes its 1 test.\n"
        "Module 1 of 3; 2 of 3 exercises are yours, 2 lines.\n"
        "Run 4, 0.1 s: all 3 passed.\n"
        "01 Numbers: all 3 tests passed in 0.1 s.\n"
        "Next: `tito module complete 01`\n"
    )


@pytest.mark.parametrize(("arguments", "environment"), [(("--plain",), {}), ((), {"TERM": "dumb"})])
def test_a_terminal_that_is_not_to_be_drawn_on(
    learner: Learner, arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    learner.answer("double", "    return 7")
    with Watching(learner, "watch", *arguments, **environment) as loop:
        loop.until("mend it and save")
        loop.type("q")  # is no key here
        learner.answer("double")
        loop.until("half is not written yet.")
        assert "\x1b" not in loop.raw
        loop.type("\x03")
        assert loop.end() == 0


def test_a_folder_that_is_looked_at_regularly(learner: Learner) -> None:
    lesson = learner.path("numbers")
    os.utime(lesson, (0, 0))  # who looks regularly tells two saves apart by the second
    with Watching(learner, "watch", "--poll") as loop:
        loop.answer(1)
        learner.answer("double")
        loop.until("half is not written yet.")


def test_tito_alone_is_help_where_there_is_no_workspace_or_no_terminal(learner: Learner, tmp_path: Path) -> None:
    assert learner.tito().stdout.startswith("Usage: tito")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with Watching(Learner(elsewhere)) as loop:
        loop.until("Usage: tito")
        assert loop.end() == 0


def test_tito_alone_is_help_in_the_courses_own_repository(solved: Learner) -> None:
    with Watching(solved) as loop:
        loop.until("Usage: tito")
        assert loop.end() == 0


def test_the_graph_command_gets_the_terminal(learner: Learner) -> None:
    with Watching(learner) as loop:
        loop.answer(1)
        loop.type("g")
        loop.until("01_numbers has no graph to show")
        loop.until("Press a key to go back to the loop.")
        loop.type(" ")
        loop.until("double is not written yet.")


def test_a_mistake_in_the_lesson_on_gradients_is_named_and_its_graph_shown(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(init, "make_wheel", lambda folder: folder.mkdir())
    course = read_course(repository / "modules/course.toml")
    module = course.find("05")
    root = init.create(tmp_path / "framework", course.closure(module)).root
    reference = {exercise.name: exercise.answer() for exercise in read_lesson(repository, module).exercises}
    lesson = read_lesson(root, module)
    names = lesson.names[: lesson.names.index("mul_backward") + 1]
    right = lesson.replaced({name: reference[name] for name in names})
    assert right.count("unbroadcast(grad_output * a, shape_b)") == 1
    wrong = right.replace("unbroadcast(grad_output * a, shape_b)", "grad_output * a")
    path = root / module.lesson
    path.write_text(right, encoding="utf-8")
    python = [sys.executable, "-P", "-m", "tito"]
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    with Watching(Learner(root), program=python) as loop:
        loop.until("div_backward is not written yet.")
        assert "exercise 6 of 16, module 5 of 20" in loop.text
        path.write_text(wrong, encoding="utf-8")
        loop.until("mul_backward is not right yet.")
        loop.until("Looks like +it does not undo the broadcast of b")  # found beside the loop
        loop.type("g")
        loop.until("Step 1 of ")
        loop.type("q")
        loop.until("Press a key to go back to the loop.")
        loop.type(" ")
        loop.until("mul_backward is not right yet.")
        path.write_text(right, encoding="utf-8")
        loop.until("mul_backward passes its 3 tests.")
        loop.until("div_backward is not written yet.")
