"""The terminal while the loop has it: each key at once, a screen of its own, and everything as before at the end.

The loop draws on the alternate screen, so what the learner did before stays where it was, and no picture is left in
the scrollback.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

# Escape sequences as in the manual of xterm, "Functions using CSI".
_HOME, _END_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_SHOW_CURSOR, _HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"
_ENTER = f"\x1b[?1049h{_HIDE_CURSOR}{_HOME}{_BELOW}"
_LEAVE = f"{_HOME}{_BELOW}{_SHOW_CURSOR}\x1b[?1049l"  # cleared, for terminals that have one screen only


def can_draw() -> bool:
    """Whether there is a terminal that takes keys and can be drawn on."""
    both = sys.stdin is not None and sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty()
    return both and os.environ.get("TERM", "") not in ("dumb", "unknown")


class Terminal:
    """Takes the terminal and gives it back.

    Parameters
    ----------
    changed
        Called when the window has another size, or shows the loop again after the learner had stopped it.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._before: list[Any] | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the terminal; give it back however this ends."""
        self._follow_window()
        self._enter()
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Give the terminal back for a while, for what is to stay in the scrollback."""
        self._leave()
        try:
            yield
        finally:
            self._enter()

    @contextmanager
    def single_keys(self) -> Iterator[None]:
        """Give each key at once while the terminal is given back otherwise."""
        self._take_keys()
        try:
            yield
        finally:
            self._give_keys_back()

    def draw(self, lines: Sequence[str], cursor: bool = False) -> None:
        """Draw `lines` over what is there; show the cursor behind the last one if `cursor` is set."""
        text = f"{_END_OF_LINE}\r\n".join(lines)
        self._write(f"{_HOME}{text}{_END_OF_LINE}{_BELOW}{_SHOW_CURSOR if cursor else _HIDE_CURSOR}")

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def _enter(self) -> None:
        if sys.platform == "win32":
            import colorama  # which click brings along there

            colorama.just_fix_windows_console()
        self._take_keys()
        self._write(_ENTER)

    def _leave(self) -> None:
        with suppress(OSError):  # a terminal that was closed needs nothing back
            self._write(_LEAVE)
        self._give_keys_back()

    def _take_keys(self) -> None:
        if sys.platform != "win32":
            import termios
            import tty

            self._before = termios.tcgetattr(0)
            tty.setcbreak(0)

    def _give_keys_back(self) -> None:
        if sys.platform != "win32" and self._before is not None:
            import termios

            with suppress(termios.error):  # it was closed
                termios.tcsetattr(0, termios.TCSADRAIN, self._before)

    def _follow_window(self) -> None:
        if sys.platform != "win32":
            signal.signal(signal.SIGWINCH, lambda *_: self._changed())
            signal.signal(signal.SIGTSTP, self._stop)

    def _stop(self, number: int, frame: object) -> None:
        """Stop as the learner asked by Ctrl-Z, and take the terminal again when they come back."""
        if sys.platform != "win32":
            self._leave()
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, self._stop)
            self._enter()
            self._changed()
