"""The screen itself: a real terminal of 24 lines and 80 columns, and the same output without one."""

from __future__ import annotations

import os
import sys
from typing import Any

import pexpect
import pyte
import pytest

from .learner import Learner


def screen(learner: Learner, *arguments: str, **environment: str) -> tuple[Any, int]:
    """Run a command in a pseudo-terminal; return its screen and exit status."""
    env = {**os.environ, "TERM": "xterm-256color", **environment}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "tito", *arguments],
        cwd=str(learner.root),
        dimensions=(24, 80),
        encoding="utf-8",
        timeout=30,
        env=env,
    )
    child.expect(pexpect.EOF)
    child.close()
    shown = pyte.Screen(80, 24)
    pyte.Stream(shown).feed(child.before)
    return shown, child.exitstatus


def lines(shown: Any) -> list[str]:
    return "\n".join(line.rstrip() for line in shown.display).rstrip().split("\n")


def test_a_failing_test_fits_the_screen_and_is_coloured(learner: Learner) -> None:
    learner.answer("double", "    return x + x + 1")
    shown, status = screen(learner, "module", "test", "01")
    assert status == 1
    assert lines(shown) == [
        "01 Numbers: 0 of 3 tests passed before the first failure.",
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
        "Next: mend it, then `tito module test 01`. Stuck? `tito module hint 01`",
    ]
    assert shown.buffer[2][0].fg == "red"
    assert shown.buffer[2][0].bold
    command = shown.display[11].index("`")
    assert shown.buffer[11][command].fg == "cyan"


def test_no_color_is_respected(learner: Learner) -> None:
    shown, _ = screen(learner, "module", "list", NO_COLOR="1")
    assert {cell.fg for row in shown.buffer.values() for cell in row.values()} == {"default"}
    assert lines(shown)[1] == "01  Numbers  1 h    calm        open"


@pytest.mark.parametrize(
    "command", [("module", "list"), ("module", "status"), ("module", "start", "01"), ("module", "test", "01")]
)
def test_without_a_terminal_the_output_is_plain_text(learner: Learner, command: tuple[str, ...]) -> None:
    learner.answer("double", "    return 7")
    done = learner.spawn(*command)
    text = done.stdout + done.stderr
    assert text.isascii()
    assert text.isprintable() or set(text) - {"\n"} == {c for c in text if c.isprintable()}
    assert max(len(line) for line in text.split("\n")) <= 80


def test_a_stream_that_does_not_know_a_sign_is_no_obstacle(learner: Learner) -> None:
    learner.answer("double", "    return '→'")
    done = learner.spawn("module", "test", "01", env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 1
    assert "Came      '?'" in done.stdout
