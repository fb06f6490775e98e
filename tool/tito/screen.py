"""What a command prints: plain text, and on a terminal the same text with a little colour."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

import click

WIDTH = 80
_COMMAND = re.compile(r"`[^`\n]+`")
_JOINT = "\x00"
_COLOURS = {"yours": "green", "on loan": "yellow", "open": "", "planned": "dim", "good": "green", "bad": "red"}


def on_terminal(stderr: bool = False) -> bool:
    """Whether a person reads the stream."""
    stream = sys.stderr if stderr else sys.stdout
    return stream is not None and stream.isatty()  # None if it was closed before the start


def width() -> int:
    """Return how wide a line may be."""
    return max(40, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))


def launcher() -> str:
    """Return what the user types for `tito` here: what they typed for the launcher, or the plain command."""
    return os.environ.get("TITO_LAUNCHER", "tito")


def say(text: str = "", style: str = "", stderr: bool = False) -> None:
    """Print `text` line by line as it is; `style` is a Rich style or a state of a module."""
    text = text.replace("`tito ", f"`{launcher()} ")
    if not on_terminal(stderr):
        click.echo(text, err=stderr)
        return
    from rich.console import Console
    from rich.text import Text

    styled = Text(text, style=_COLOURS.get(style, style))
    styled.highlight_regex(_COMMAND, "bold cyan")
    # A long line is left to the terminal: cut where Rich would, a path could not be clicked or copied.
    Console(file=sys.stderr if stderr else sys.stdout, highlight=False).print(styled, soft_wrap=True)


def prose(text: str, style: str = "", stderr: bool = False, indent: int = 0, first: str = "") -> None:
    """Print a paragraph, wrapped; `first` stands before its first line, `indent` spaces before the others."""
    text = text.replace("`tito ", f"`{launcher()} ")
    whole = _COMMAND.sub(lambda match: match[0].replace(" ", _JOINT), text)  # a command is copied, so it stays whole
    wrapped = textwrap.wrap(
        whole,
        width(),
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    say("\n".join(wrapped).replace(_JOINT, " ") or first, style, stderr)


def fields(pairs: Iterable[tuple[str, str]]) -> None:
    """Print labels and what belongs to them; lines that are there stay, long ones are wrapped."""
    shown = [(label, value) for label, value in pairs if value]
    space = max((len(label) for label, _ in shown), default=0) + 2
    for label, value in shown:
        for i, line in enumerate(value.split("\n")):
            head = f"{label if i == 0 else '':{space}}"
            lead = len(line) - len(line.lstrip())
            prose(line.strip(), first=head + " " * lead, indent=space + lead)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], states: Sequence[str] = ()) -> None:
    """Print columns; `states` colours each row."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for cells, style in zip([header, *rows], ["dim", *(states or [""] * len(rows))], strict=True):
        say("  ".join(f"{cell:{space}}" for cell, space in zip(cells, widths, strict=True)).rstrip(), style)


def code(text: str, first_line: int = 1) -> None:
    """Print Python source, coloured on a terminal."""
    if not on_terminal():
        click.echo(text)
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console(highlight=False).print(
        Syntax(text, "python", theme="ansi_dark", background_color="default", start_line=first_line, word_wrap=True)
    )


def problem(message: str, hint: str = "") -> None:
    """Print an error, and what to do about it, on stderr."""
    first, *others = message.split("\n")  # what another program said stays as it is, line by line
    prose(first, stderr=True, first="error: ", indent=7, style="red")
    for line in others:
        say(line, stderr=True)
    if hint:
        prose(hint, stderr=True, first="hint: ", indent=6)


def count(number: int, noun: str) -> str:
    """Return ``1 test`` or ``3 tests``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
