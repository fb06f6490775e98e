"""What commands print, taken for a part of the picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import TypeVar

T = TypeVar("T")


class Pane(io.StringIO):
    """Takes text as a terminal would, if it is to be `styled`, or as a file."""

    def __init__(self, styled: bool) -> None:
        super().__init__()
        self._styled = styled

    def isatty(self) -> bool:
        """Whether what is printed here comes to a terminal."""
        return self._styled


def captured(function: Callable[[], T], styled: bool) -> tuple[str, T]:
    """Call `function`; return what it printed, on both streams, and its result."""
    pane = Pane(styled)
    with redirect_stdout(pane), redirect_stderr(pane):
        result = function()
    return pane.getvalue(), result
