"""Keys as they are pressed: one name for each, whatever the terminal sends for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NAMES = {
    "\x1b[C": "right", "\x1bOC": "right", "\x1b[D": "left", "\x1bOD": "left",
    "\x1b[A": "up", "\x1bOA": "up", "\x1b[B": "down", "\x1bOB": "down",
    "\x1b[H": "home", "\x1bOH": "home", "\x1b[1~": "home", "\x1b[F": "end", "\x1bOF": "end", "\x1b[4~": "end",
    "\r": "enter", "\n": "enter", "\x1b": "escape", "": "end of input",
}  # fmt: skip
# What Windows sends after "\xe0".
_WINDOWS = {"M": "right", "K": "left", "H": "up", "P": "down", "G": "home", "O": "end"}


@contextmanager
def keys() -> Iterator[Callable[[], str]]:
    """Return a function that waits for a key and returns its name; the terminal is put back at the end."""
    if sys.platform == "win32":
        yield _read_windows
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)  # Ctrl-C still interrupts
        yield _read
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _read() -> str:
    """Read one key; what follows an escape sign at once belongs to it."""
    import os
    import select

    handle = sys.stdin.fileno()
    key = os.read(handle, 1)
    more = key
    while key[:1] == b"\x1b" and more and not _whole(key) and select.select([handle], [], [], 0.05)[0]:
        more = os.read(handle, 1)
        key += more
    text = key.decode("utf-8", "replace")
    return _NAMES.get(text, text)


def _whole(key: bytes) -> bool:
    """Whether an escape sequence has ended: in a letter or a tilde after its two first signs."""
    return len(key) > 2 and (key[-1:].isalpha() or key[-1:] == b"~")


def _read_windows() -> str:
    import msvcrt

    key: str = msvcrt.getwch()  # type: ignore[attr-defined]
    if key in ("\x00", "\xe0"):
        return _WINDOWS.get(msvcrt.getwch(), "unknown")  # type: ignore[attr-defined]
    if key == "\x03":
        raise KeyboardInterrupt
    return _NAMES.get(key, key)
