"""The loop in a real terminal: what is on its screen, what is typed, what is saved."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pexpect
import pyte

from .learner import Learner

PATIENCE = 60.0  # seconds that a slow machine may take

# `tito` with the tiny course in the place of its own
_START = """
import pathlib, sys, tito.__main__, tito.carried
reference = pathlib.Path(sys.argv.pop(1))
tito.carried.course_root = lambda: reference
tito.__main__.main()
"""


def command(learner: Learner, *arguments: str) -> list[str]:
    """Return the command that runs `tito` for a learner of the tiny course."""
    return [sys.executable, "-P", "-c", _START, str(learner.root.parent / "reference"), *arguments]


class Watching:
    """A terminal in which the loop runs.

    Parameters
    ----------
    learner
        Whose workspace.
    arguments
        What stands after ``tito``.
    size
        Lines and columns.
    program
        What runs in the terminal, if it is not `tito` itself.
    environment
        Variables besides those of this process.
    """

    def __init__(
        self,
        learner: Learner,
        *arguments: str,
        size: tuple[int, int] = (24, 80),
        program: Sequence[str] = (),
        **environment: str,
    ) -> None:
        self.screen = pyte.Screen(size[1], size[0])
        self._stream = pyte.Stream(self.screen)
        self.raw = ""
        first, *rest = program or command(learner, *arguments)
        self.child = pexpect.spawn(
            first,
            rest,
            cwd=str(learner.root),
            dimensions=size,
            encoding="utf-8",
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )
        self.child.delaybeforesend = None

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the terminal as a person does, so that the loop can end what it has started."""
        self.child.kill(signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE
        while self.pump():
            if time.monotonic() > deadline:
                self.child.kill(signal.SIGKILL)
        self.child.wait()
        self.child.close()

    def pump(self) -> bool:
        """Take what has been written; return whether there will be more."""
        try:
            text = self.child.read_nonblocking(1 << 16, timeout=0.05)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += text
        self._stream.feed(text)
        return True

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, pattern: str) -> re.Match[str]:
        """Wait until the screen shows a text that the pattern matches, as it is or with its lines joined."""
        deadline = time.monotonic() + PATIENCE
        going = True
        while not (found := re.search(pattern, self.text) or re.search(pattern, " ".join(self.text.split()))):
            assert going, f"{pattern!r} was not there when it ended:\n{self.text}"
            assert time.monotonic() < deadline, f"{pattern!r} did not come:\n{self.text}"
            going = self.pump()
        return found

    def said(self, text: str) -> None:
        """Wait until a text was written, be it on the screen still or not."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.raw:
            assert self.pump(), f"it ended:\n{self.text}"
            assert time.monotonic() < deadline, f"{text!r} did not come:\n{self.text}"

    def gone(self, pattern: str) -> None:
        """Wait until nothing on the screen matches the pattern."""
        deadline = time.monotonic() + PATIENCE
        while re.search(pattern, self.text):
            assert self.pump(), f"it ended:\n{self.text}"
            assert time.monotonic() < deadline, f"{pattern!r} stays:\n{self.text}"

    def answer(self, number: int) -> str:
        """Wait for what came of a run; return the screen."""
        self.until(rf"Run {number},")
        return self.text

    def type(self, keys: str) -> None:
        self.child.send(keys)

    def end(self) -> int:
        """Wait until it has ended by itself; return its exit status."""
        deadline = time.monotonic() + PATIENCE
        while self.pump():
            assert time.monotonic() < deadline, f"it does not end:\n{self.text}"
        self.child.wait()
        status: Any = self.child.exitstatus
        return int(status if status is not None else -self.child.signalstatus)


def wait_for(path: Path) -> str:
    """Wait until a file holds something; return it."""
    deadline = time.monotonic() + PATIENCE
    while not (path.exists() and path.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(0.02)
    return path.read_text(encoding="utf-8")


def wait_for_end(pid: int) -> None:
    """Wait until a process is no more, or only waits to be buried."""
    deadline = time.monotonic() + PATIENCE
    while (stat := Path(f"/proc/{pid}/stat")).exists() and stat.read_text().rpartition(") ")[2][0] != "Z":
        assert time.monotonic() < deadline, f"process {pid} is alive"
        time.sleep(0.02)
