"""The keyboard: wait for a key, or for a thread that has something to say."""

from __future__ import annotations

import codecs
import os
import re
import select
import sys
import threading
from typing import Protocol

ENTER, ESCAPE, ERASE, END = "enter", "escape", "erase", "end"
_NAMED = {"\r": ENTER, "\n": ENTER, "\x1b": ESCAPE, "\x7f": ERASE, "\b": ERASE, "\x04": END}
# An arrow or another key that sends several characters, as in ECMA-48; it has no meaning here.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.)")


class Keyboard(Protocol):
    """Where keys come from."""

    def wait(self) -> list[str]:
        """Return the keys that were pressed; wait for one, or until `wake` is called."""

    def wake(self) -> None:
        """End the waiting; any thread may call it."""


class NoKeyboard:
    """No keys come, as from a pipe."""

    def __init__(self) -> None:
        self._bell = threading.Event()

    def wait(self) -> list[str]:
        """Wait until `wake` is called."""
        self._bell.wait(1)  # with an end, since on Windows Ctrl-C waits for it
        self._bell.clear()
        return []

    def wake(self) -> None:
        """End the waiting."""
        self._bell.set()


class PosixKeyboard:
    """Keys of a terminal that gives each one at once."""

    def __init__(self, terminal: int = 0) -> None:
        self._terminal = terminal
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def wait(self) -> list[str]:
        """Return the keys that were pressed; wait for one, or until `wake` is called."""
        ready, _, _ = select.select([self._terminal, self._woken], [], [])
        if self._woken in ready:
            os.read(self._woken, 4096)
        if self._terminal not in ready:
            return []
        data = os.read(self._terminal, 1024)
        return named(self._decode(data)) if data else [END]

    def wake(self) -> None:
        """End the waiting."""
        try:
            os.write(self._wake, b".")
        except BlockingIOError:  # it is full of calls already
            return


class WindowsKeyboard:
    """Keys of a console, looked at twenty times a second: it cannot be waited for together with threads."""

    def __init__(self) -> None:
        self._bell = threading.Event()

    def wait(self) -> list[str]:
        """Return the keys that were pressed; wait for one, or until `wake` is called."""
        if sys.platform == "win32":
            import msvcrt

            while not self._bell.is_set():
                if msvcrt.kbhit():
                    return self._pressed()
                self._bell.wait(0.05)
        self._bell.clear()
        return []

    def _pressed(self) -> list[str]:
        if sys.platform == "win32":
            import msvcrt

            key = msvcrt.getwch()
            if key in ("\x00", "\xe0"):  # an arrow or a function key: what follows says which
                msvcrt.getwch()
                return []
            if key == "\x03":
                raise KeyboardInterrupt
            return named(key)
        return []

    def wake(self) -> None:
        """End the waiting."""
        self._bell.set()


def named(text: str) -> list[str]:
    """Return the keys behind what a terminal has sent."""
    return [_NAMED.get(character, character) for character in _SEQUENCE.sub("", text)]
