"""What shows a training while it runs: a line of progress, and a picture of the losses."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO
from weakref import WeakValueDictionary

from tinytorch.core.training import Callback, Trainer
from tinytorch.viz._curves import curve_svg, curve_text
from tinytorch.viz._numbers import number
from tinytorch.viz._text import fits, replaced

_REDRAWN = 0.1  # seconds between two pictures of the same
_BAR = 24  # characters of a bar, at most
_HEIGHT = 14  # lines of a picture, at most


class ProgressBar(Callback):
    """Shows how far a training is: on a terminal one line that changes, elsewhere a line after each epoch.

    Parameters
    ----------
    file
        Where to write; the standard output, as it is when the training begins, if None.
    leave
        Whether the last line stays on the terminal when the training has ended.

    Notes
    -----
    The cursor waits below the line, so that a training that is interrupted leaves it on a fresh one. What others print
    to the terminal meanwhile may be drawn over.

    Examples
    --------
    ``Trainer(model, optimizer, criterion, callbacks=[ProgressBar()]).fit(loader, epochs=3)`` shows::

        epoch 2/3 ━━━━━━━━━━━━──────────── 469/938  loss 0.2518  85/s  5.5 s left
    """

    last = True

    def __init__(self, file: TextIO | None = None, leave: bool = True) -> None:
        self.file = file
        self.leave = leave

    def on_train_begin(self, trainer: Trainer) -> None:
        """Look at where the line goes, and start the clock."""
        self._screen = screen_of(self.file)
        self._began = _clock()
        self._shown = -_REDRAWN

    def on_epoch_begin(self, trainer: Trainer) -> None:
        """Start the clock of this epoch."""
        self._epoch_began = _clock()
        self._done_before = trainer.batch  # more than 0 where a run goes on in the middle of an epoch

    def on_batch_end(self, trainer: Trainer) -> None:
        """Show the line anew, unless that was just done."""
        if self._screen.live and _clock() - self._shown >= _REDRAWN:
            self._shown = _clock()
            self._screen.draw(self, [self._running(trainer)])

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Show what the epoch came to."""
        text = self._finished(trainer, _clock() - self._epoch_began)
        if self._screen.live:
            self._screen.draw(self, [text])
        else:
            self._screen.write(text)

    def on_train_end(self, trainer: Trainer) -> None:
        """Let the line stand, or take it away."""
        self._screen.release(self, keep=self.leave)

    def _running(self, trainer: Trainer) -> str:
        """Return the line of a running epoch; what matters least is left out first where the terminal is narrow."""
        seconds = max(_clock() - self._epoch_began, 1e-6)
        rate = (trainer.batch - self._done_before) / seconds
        count = f"{trainer.batch}/{trainer.batches}" if trainer.batches else f"{trainer.batch} batches"
        parts = [f"epoch {trainer.epoch + 1}/{trainer.epochs} ", count, f"  {_told(trainer.row, ('loss',))}"]
        parts.append(f"  {number(float(f'{rate:.3g}'))}/s")
        if trainer.batches and rate:
            parts.append(f"  {_duration((trainer.batches - trainer.batch) / rate)} left")
        space = self._screen.columns
        while len(parts) > 3 and len("".join(parts)) > space:
            parts.pop()
        room = min(_BAR, space - len("".join(parts)) - 1)
        if trainer.batches and room >= 4:
            parts.insert(1, f"{self._screen.bar(trainer.batch / trainer.batches, room)} ")
        return "".join(parts)

    def _finished(self, trainer: Trainer, seconds: float) -> str:
        values = _told(trainer.row, [name for name in trainer.row if name != "epoch"])
        return f"epoch {trainer.epoch + 1}/{trainer.epochs}  {values}  {_duration(seconds)}"


class LivePicture(Callback):
    """Draws the losses while a training runs: on a terminal in place, in a notebook as a chart, elsewhere at the end.

    Parameters
    ----------
    every
        How many batches there are between two points of the curves. If None, each epoch is a point.
    file
        Where to write; the standard output, as it is when the training begins, if None.
    title
        Stands above the curves.

    Raises
    ------
    ValueError
        If `every` is less than 1.

    Notes
    -----
    The curves are all values of an epoch whose name holds ``loss``. Between the ends of epochs only ``loss`` is known,
    as the mean of the epoch so far; the other curves are level through an epoch then. The picture is drawn ten times a
    second at most. A run that goes on shows its epochs from the first.

    Examples
    --------
    ``Trainer(model, optimizer, criterion, callbacks=[LivePicture(every=50), ProgressBar()])``
    """

    last = True

    def __init__(self, every: int | None = None, file: TextIO | None = None, title: str = "") -> None:
        if every is not None and every < 1:
            raise ValueError(f"LivePicture: every is a number of batches, 1 or more, but got {every}.")
        self.every = every
        self.file = file
        self.title = title

    def on_train_begin(self, trainer: Trainer) -> None:
        """Begin the curves, with the epochs of a run that goes on."""
        self._curves: dict[str, list[float]] = {}
        self._points = 0
        self._shown = -_REDRAWN
        for row in trainer.history:
            self._add(row)
        self._screen: Screen | Display = Display() if self.file is None and in_kernel() else screen_of(self.file)

    def on_epoch_begin(self, trainer: Trainer) -> None:
        """Nothing is known of an epoch that begins."""

    def on_batch_end(self, trainer: Trainer) -> None:
        """Add a point where it is time for one."""
        if self.every is None or trainer.batch % self.every or trainer.batch == trainer.batches:
            return
        self._points += 1
        self._curves.setdefault("loss", []).append(trainer.row["loss"])
        if self._screen.live and _clock() - self._shown >= _REDRAWN:
            self._draw()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Add the point of the epoch."""
        self._add(trainer.row)
        if self._screen.live:
            self._draw()

    def on_train_end(self, trainer: Trainer) -> None:
        """Leave the whole picture behind."""
        if self._points:
            self._draw()
        self._screen.release(self, keep=True)

    def _add(self, row: Mapping[str, Any]) -> None:
        """Add the values of an epoch; what was not known at earlier points of it is level through them."""
        self._points += 1
        for name, value in row.items():
            if "loss" in name:
                curve = self._curves.setdefault(name, [])
                curve += [float(value)] * (self._points - len(curve))

    def _draw(self) -> None:
        self._shown = _clock()
        self._screen.picture(self, self._curves, self.title)


class Screen:
    """A stream on which lines are drawn over their last state if it is a terminal.

    Parameters
    ----------
    out
        The stream; what several parts draw on it stands one below the other.
    """

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.begin()

    def begin(self) -> None:
        """Forget what was drawn: after a training that was interrupted the cursor may be anywhere."""
        self.live = _draws(self.out)
        self._parts: dict[Any, list[str]] = {}
        self._height = 0

    @property
    def columns(self) -> int:
        """How long a line may be; the last column stays free, since some terminals go on to the next line there."""
        return max(shutil.get_terminal_size().columns - 1, 1) if self.live else 79

    def write(self, text: str) -> None:
        """Write a line of its own."""
        print(self._fitting(text), file=self.out, flush=True)

    def draw(self, owner: Any, lines: list[str]) -> None:
        """Draw the lines of one part anew, and those of the others below or above it."""
        self._parts[owner] = lines
        self._redraw()

    def picture(self, owner: Any, curves: Mapping[str, list[float]], title: str) -> None:
        """Draw curves."""
        height = min(_HEIGHT, max(shutil.get_terminal_size().lines - 4, 3)) if self.live else _HEIGHT
        lines = curve_text(curves, min(self.columns, 100), height, title, self._encoding()).split("\n")
        if self.live:
            self.draw(owner, lines)
        else:
            self.write("\n".join(lines))

    def release(self, owner: Any, keep: bool) -> None:
        """Let the lines of a part stand as they are, above what is still drawn; or take them away."""
        lines = self._parts.pop(owner, None)
        if lines is not None:
            self._redraw(lines if keep else [])

    def bar(self, fraction: float, width: int) -> str:
        """Return a bar of so many characters, filled to a fraction."""
        full, empty = "━─" if fits("━─", self._encoding()) else "#-"
        filled = round(min(fraction, 1.0) * width)
        return full * filled + empty * (width - filled)

    def _redraw(self, above: list[str] | None = None) -> None:
        """Go up to the first line that was drawn, and draw all anew; the cursor ends up below, at the left."""
        lines = [line for part in self._parts.values() for line in part]
        up = f"\x1b[{self._height}A" if self._height else ""
        text = "".join(f"{self._fitting(line)[: self.columns]}\x1b[K\n" for line in [*(above or []), *lines])
        self.out.write(f"\r{up}{text}\x1b[J")
        self.out.flush()
        self._height = len(lines)

    def _encoding(self) -> str:
        return getattr(self.out, "encoding", None) or "utf-8"

    def _fitting(self, text: str) -> str:
        return text if fits(text, self._encoding()) else replaced(text, self._encoding())


class Display:
    """The place of a chart in a notebook, which changes while a cell runs."""

    live = True

    def __init__(self) -> None:
        self._handle: Any = None

    def picture(self, owner: Any, curves: Mapping[str, list[float]], title: str) -> None:
        """Show curves, in the place of those that were shown before."""
        import IPython.display  # it is there: this runs in its kernel

        display: Any = IPython.display.display
        bundle = {"image/svg+xml": curve_svg(curves, title=title), "text/plain": curve_text(curves, title=title)}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    def release(self, owner: Any, keep: bool) -> None:
        """Nothing has to be done: what was shown last stands."""


# By the number of the stream, which a screen keeps alive.
_screens: WeakValueDictionary[int, Screen] = WeakValueDictionary()


def screen_of(file: TextIO | None) -> Screen:
    """Return the screen of a stream for a training that begins, the same for all that draw on it."""
    out = sys.stdout if file is None else file
    screen = _screens.setdefault(id(out), Screen(out))
    screen.begin()
    return screen


def in_kernel() -> bool:
    """Return whether a notebook's kernel runs this; nothing is imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _draws(out: TextIO) -> bool:
    """Return whether a stream is a terminal that understands where the cursor shall go."""
    if not out.isatty() or os.environ.get("TERM") == "dumb":
        return False
    return sys.platform != "win32" or _windows_draws(out)


def _windows_draws(out: TextIO) -> bool:
    """Ask the console of Windows to understand codes for the cursor; old ones cannot."""
    import ctypes
    import msvcrt

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    handle = msvcrt.get_osfhandle(out.fileno())  # type: ignore[attr-defined]
    mode = ctypes.c_ulong()
    understands = 0x0004  # ENABLE_VIRTUAL_TERMINAL_PROCESSING
    return bool(
        kernel.GetConsoleMode(handle, ctypes.byref(mode)) and kernel.SetConsoleMode(handle, mode.value | understands)
    )


def _clock() -> float:
    return time.monotonic()


def _told(row: Mapping[str, Any], names: Any) -> str:
    """Return values of a row as words."""
    return " ".join(f"{name} {number(row[name])}" for name in names if isinstance(row.get(name), int | float))


def _duration(seconds: float) -> str:
    """Return a length of time as people read it."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
