"""A terminal that a program types into, and pictures of its screen."""

from __future__ import annotations

import html
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pyte

COLUMNS, ROWS = 80, 30
COLOURS = {
    "default": "#d8dee9",
    "black": "#4c566a",
    "red": "#ff8f8f",
    "green": "#a3d9a5",
    "brown": "#f2d08a",
    "blue": "#8fb8ff",
    "magenta": "#d9a9e6",
    "cyan": "#8fdce6",
    "white": "#eceff4",
}
BACKGROUND = "#1f2430"
WIDTH, HEIGHT, MARGIN = 8.4, 18, 14  # of a character, and around all of them, in pixels


class Terminal:
    """A command in a pseudo-terminal of 30 lines and 80 columns.

    Parameters
    ----------
    command
        What to run, with its arguments.
    folder
        Where.
    """

    def __init__(self, command: list[str], folder: Path) -> None:
        hidden = ("PYTHON", "PYTEST", "VIRTUAL_ENV", "NO_COLOR", "COLUMNS", "LINES")
        env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self.child: Any = pexpect.spawn(
            command[0],
            command[1:],
            cwd=str(folder),
            dimensions=(ROWS, COLUMNS),
            encoding="utf-8",
            timeout=120,
            env={**env, "TERM": "xterm-256color"},
        )
        self.screen = pyte.HistoryScreen(COLUMNS, ROWS, history=10_000)
        self.stream = pyte.Stream(self.screen)
        self.text = ""

    def read(self, seconds: float) -> bool:
        """Take what comes within some time; return whether the command still runs."""
        try:
            part = self.child.read_nonblocking(65536, seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.text += part
        self.stream.feed(part)
        return True

    def wait(self, shows: Callable[[str], bool], limit: float = 120) -> float:
        """Read until the screen shows something; return the seconds it took.

        Raises
        ------
        TimeoutError
            If it does not.
        """
        start = time.perf_counter()
        while not shows(self.shown()):
            if time.perf_counter() - start > limit or not (self.read(0.02) or shows(self.shown())):
                raise TimeoutError(f"the screen does not show what was waited for:\n{self.shown()}")
        return time.perf_counter() - start

    def end(self) -> int:
        """Read until the command has ended; return its exit status."""
        while self.read(1):
            pass
        self.child.close()
        return int(self.child.exitstatus or 0)

    def send(self, keys: str) -> None:
        """Type."""
        self.child.send(keys)

    def shown(self) -> str:
        """Return the lines on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def picture(self, title: str) -> str:
        """Return the screen as SVG."""
        rows = self.shown().count("\n") + 1
        lines = "".join(self._line(row) for row in range(rows))
        width, height = COLUMNS * WIDTH + 2 * MARGIN, rows * HEIGHT + 2 * MARGIN
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">'
            f"<title>{html.escape(title)}</title>"
            f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>'
            f'<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14">'
            f"{lines}</g></svg>\n"
        )

    def _line(self, row: int) -> str:
        cells, parts, column = self.screen.buffer[row], [], 0
        while column < COLUMNS:
            first, start = cells[column], column
            while column < COLUMNS and _look(cells[column]) == _look(first):
                column += 1
            text = "".join(cells[i].data for i in range(start, column))
            for words in re.finditer(r"\S+(?: \S+)*", text):  # a viewer of SVG may make two spaces one
                parts.append(_text(words[0], start + words.start(), row, first))
        return "".join(parts)


def _look(cell: Any) -> tuple[Any, ...]:
    return cell.fg, cell.bold


def _text(text: str, column: int, row: int, cell: Any) -> str:
    """Return characters of one look as SVG."""
    x, y = MARGIN + column * WIDTH, MARGIN + row * HEIGHT + 13
    colour = COLOURS.get(cell.fg, f"#{cell.fg}" if len(cell.fg) == 6 else COLOURS["default"])
    weight = ' font-weight="bold"' if cell.bold else ""
    length = f'textLength="{len(text) * WIDTH:g}" lengthAdjust="spacingAndGlyphs"'
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}"{weight} {length}>{html.escape(text)}</text>'
