"""Curves, such as losses over epochs: as characters for terminals, as SVG for notebooks and pages."""

from __future__ import annotations

import math
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from tinytorch.viz._numbers import number
from tinytorch.viz._scale import Floats, Scale, as_floats, round_numbers
from tinytorch.viz._text import fits, replaced

Dot = tuple[int, int]  # column and row, counted from the top left corner

_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # the bit of each dot, by row and column
_MARKS = "123456789"
_SIGNS = "*o+x#@%&="  # where there is no Braille
_FRAME = ("┤", "│", "└", "─", "┘", "…", "→", "⣿")
_PLAIN_FRAME = ("|", "|", "+", "-", "+", ".", "->", "")
_UNSHOWN = ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp")  # categories of Unicode: controls, lone surrogates, not assigned

_SMALLEST = (200, 120)
_SIGN = 7.3  # pixels of a character of 12 pixels
_COLOURS = 6
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "5 2 1 2 1 2", "12 4")

# M. Okabe and K. Ito's palette, which colour-blind people tell apart; on dark pages its lighter half.
STYLE = """
.tt-curve { --paper: #ffffff; --ink: #1b2330; --quiet: #576273; --rule: #dde2e9;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b2558a; --c4: #1b2330; --c5: #8a6d00; }
@media (prefers-color-scheme: dark) { .tt-curve { --paper: #12161d; --ink: #e8ecf2; --quiet: #a3afc0; --rule: #2c3542;
  --c0: #6fc1f5; --c1: #f6935a; --c2: #3fd0a4; --c3: #e8a3cb; --c4: #e8ecf2; --c5: #f0e442; } }
.tt-curve .paper { fill: var(--paper); }
.tt-curve text { font: 12px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink); }
.tt-curve .title { font-weight: 700; font-size: 13px; }
.tt-curve .quiet { fill: var(--quiet); }
.tt-curve .rule { stroke: var(--rule); }
.tt-curve .axis { stroke: var(--quiet); }
.tt-curve polyline { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
"""
STYLE += "".join(
    f".tt-curve .s{k} {{ stroke: var(--c{k}); }} .tt-curve circle.s{k} {{ fill: var(--c{k}); }}\n"
    for k in range(_COLOURS)
)


def curve_text(
    series: Mapping[str, Sequence[float]],
    width: int = 72,
    height: int = 12,
    title: str = "",
    encoding: str | None = None,
) -> str:
    """Return a picture of curves made of characters: `height` lines, none longer than `width`.

    Parameters
    ----------
    series
        Values by the name of the curve; the first of each stands at 1 on the x axis. What is not finite is a gap.
    width, height
        Columns and lines. A small picture has no title, then no axes, then no legend.
    title
        Stands above.
    encoding
        Of where it will be shown; that of the standard output if None. Where it has no Braille, the picture is ASCII.

    Raises
    ------
    ValueError
        If there is no column or no line.

    Examples
    --------
    >>> print(curve_text({"loss": [4, 1, 2, 3]}, width=24, height=6, encoding="utf-8"))
    4┤⠑⢄
    3┤  ⠑⢄              ⢀⡠⠤⠒
    2┤   ⠈⠢⡀      ⢀⣀⠤⠔⠒⠉⠁
    1┤     ⠈⠢⣀⠤⠔⠒⠉⠁
     └1 ────────────────── 4
    loss: 4 → 3
    """
    if width < 1 or height < 1:
        raise ValueError(f"a picture has one column and one line or more, but got width={width}, height={height}.")
    encoding = encoding or getattr(sys.stdout, "encoding", None) or "utf-8"
    frame = _FRAME if fits("".join(_FRAME), encoding) else _PLAIN_FRAME
    picture = _Picture(series, width, height, title, frame, encoding)
    return "\n".join(line.rstrip() for line in picture.lines())


class _Picture:
    """Curves on a grid of characters, each of which holds eight dots, or one where there is no Braille."""

    def __init__(
        self,
        series: Mapping[str, Sequence[float]],
        width: int,
        height: int,
        title: str,
        frame: tuple[str, ...],
        encoding: str,
    ) -> None:
        self.tick, self.bar, self.corner, self.line, self.end, self.cut, self.arrow, braille = frame
        self.encoding = encoding
        self.width = width
        self.cell = (2, 4) if braille else (1, 1)
        self.values = {self._words(name): as_floats(values) for name, values in series.items()}
        if len(self.values) < len(series):  # names that differ in what cannot be shown
            self.values = {f"{self._words(name)} {k}": as_floats(v) for k, (name, v) in enumerate(series.items(), 1)}
        self.marks = _MARKS if braille else _SIGNS
        self.several = len(self.values) > 1 or not braille
        self.legend = self._legend()[: 1 + height // 6] if height > 2 else []
        self.axis = height > 4
        self.title = [self._short(self._words(title), width)] if title and height > 6 else []
        self.rows = height - len(self.legend) - self.axis - len(self.title)
        self.scale = Scale(np.concatenate([*self.values.values(), np.zeros(0)]))
        self.names = {self._row(1 - tick.place): tick.label for tick in reversed(self.scale.ticks)}
        self.left = max(map(len, self.names.values()), default=0) + 1
        if width - self.left < 8:
            self.left, self.names = 0, {}
        self.right = 1 if braille and self.several and width - self.left > 8 else 0
        self.columns = width - self.left - self.right

    def lines(self) -> Iterator[str]:
        yield from self.title
        last: dict[int, str] = {}  # row: which curve ends there
        grid: list[list[str]] = [[" "] * self.columns for _ in range(self.rows)]
        bits: Counter[Dot] = Counter()
        for k, values in reversed(list(enumerate(self.values.values()))):
            mark = self.marks[k % len(self.marks)]
            points = self._dots(values)
            for x, y in _drawn(points, every=1 if self.cell == (1, 1) else min(k, 3) + 1):
                column, row = x // self.cell[0], y // self.cell[1]
                bits[column, row] |= _BRAILLE[y % self.cell[1]][x % self.cell[0]]
                grid[row][column] = mark if self.cell == (1, 1) else chr(0x2800 + bits[column, row])
            ends = [point for point in points if point is not None]
            if ends:
                last[ends[-1][1] // self.cell[1]] = mark
        for row, cells in enumerate(grid):
            yield self._margin(row) + "".join(cells) + (last.get(row, "") if self.right else "")
        if self.axis:
            yield self._axis()
        yield from self.legend

    def _margin(self, row: int) -> str:
        if not self.left:
            return ""
        return f"{self.names.get(row, ''):>{self.left - 1}}{self.tick if row in self.names else self.bar}"

    def _axis(self) -> str:
        count = max((len(values) for values in self.values.values()), default=0)
        inside = self.width - self.left - self.right
        start = self.corner.rjust(self.left) if self.left else ""
        if count < 2 or inside < len(str(count)) + 5:
            return f"{start}{self.line * inside}"
        return f"{start}1 {self.line * (inside - 3 - len(str(count)))} {count}"

    def _legend(self) -> list[str]:
        """Return the lines of the legend: each curve with its first and its last value."""
        entries = []
        for k, (name, values) in enumerate(self.values.items()):
            mark = f"{self.marks[k % len(self.marks)]} " if self.several else ""
            ends = [self._words(number(value)) for value in (values[[0, -1]] if len(values) else ())]
            told = f" {self.arrow} ".join(ends[: len(values)]) or "no values"
            entries.append(self._short(f"{mark}{name}: {told}", self.width))
        lines: list[str] = []
        for entry in entries:
            if lines and _columns(lines[-1]) + 3 + _columns(entry) <= self.width:
                lines[-1] += f"   {entry}"
            else:
                lines.append(entry)
        return lines

    def _dots(self, values: Floats) -> list[Dot | None]:
        """Return the dot of each point, None for a gap; dots that follow each other are different ones."""
        wide, high = self.columns * self.cell[0], self.rows * self.cell[1]
        count = max(len(other) for other in self.values.values())
        xs = np.rint(np.arange(len(values)) * ((wide - 1) / max(count - 1, 1)))
        ys = np.rint((1 - self.scale.places(values)) * (high - 1))
        steps = np.stack([xs, np.where(np.isnan(ys), -1, ys)]).astype(int)
        new = np.append(True, (np.diff(steps, axis=1) != 0).any(axis=0)) if len(values) else np.zeros(0, bool)
        return [(x, y) if y >= 0 else None for x, y in steps[:, new].T.tolist()]

    def _row(self, depth: float) -> int:
        """Return the line of a place; `depth` goes from 0, the top, to 1."""
        return round(depth * (self.rows * self.cell[1] - 1)) // self.cell[1]

    def _words(self, text: str) -> str:
        """Return text that stands on one line, and that the encoding has."""
        text = readable(text)
        return text if fits(text, self.encoding) else replaced(text, self.encoding)

    def _short(self, text: str, width: int) -> str:
        if _columns(text) <= width:
            return text
        while _columns(text) >= width and text:
            text = text[:-1]
        return text + self.cut


def readable(text: str) -> str:
    """Return text without what would break a line or cannot be written: controls, lone surrogates."""
    kept = (" " if unicodedata.category(sign) in _UNSHOWN else sign for sign in text)
    return " ".join("".join(kept).split())


def _columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: the signs of Chinese, for example, take two."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    return len(text) + wide - sum(unicodedata.category(sign) in ("Mn", "Me") for sign in text)


def _drawn(points: list[Dot | None], every: int) -> Iterator[Dot]:
    """Yield the dots of a curve: each point, and between neighbours every so many of a straight line."""
    segments = dict.fromkeys(zip([None, *points], points, strict=False))
    for start, end in segments:
        if end is None:
            continue
        yield end
        if start is None:
            continue
        (x0, y0), (x1, y1) = start, end
        length = max(abs(x1 - x0), abs(y1 - y0))
        for k in range(0, length, every):
            yield math.floor(x0 + (x1 - x0) * k / length + 0.5), math.floor(y0 + (y1 - y0) * k / length + 0.5)


def curve_svg(series: Mapping[str, Sequence[float]], width: int = 640, height: int = 320, title: str = "") -> str:
    """Return a picture of curves as SVG, for light and dark pages.

    Parameters
    ----------
    series
        Values by the name of the curve; the first of each stands at 1 on the x axis. What is not finite is a gap. Six
        curves have colours of their own.
    width, height
        In pixels.
    title
        Stands above.

    Raises
    ------
    ValueError
        If the picture would be too small to read.

    Examples
    --------
    >>> curve_svg({"loss": [2.0, 1.0, 0.5]}).count("<polyline")
    1
    """
    if width < _SMALLEST[0] or height < _SMALLEST[1]:
        raise ValueError(
            f"a chart needs {_SMALLEST[0]} by {_SMALLEST[1]} pixels or more, but got width={width}, height={height}."
        )
    title = readable(title)
    told = ", ".join(_told(readable(name), as_floats(values)) for name, values in series.items())
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="tt-curve" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label="{escape(title or "Curves")}: {escape(told)}">',
            f"<style>{STYLE}</style>",
            '<rect class="paper" width="100%" height="100%" rx="6"/>',
            *_Chart(series, width, height, title).parts(),
            "</svg>",
        ]
    )


class _Chart:
    """Curves on a sheet of pixels: title, legend, axes, lines."""

    def __init__(self, series: Mapping[str, Sequence[float]], width: int, height: int, title: str) -> None:
        self.values = [(readable(name), as_floats(values)) for name, values in series.items()]
        self.title = title
        self.scale = Scale(np.concatenate([*(values for _, values in self.values), np.zeros(0)]))
        self.count = max((len(values) for _, values in self.values), default=0)
        self.left = 20 + _SIGN * max((len(tick.label) for tick in self.scale.ticks), default=0)
        self.right, self.bottom = width - 18.0, height - 30.0
        self.head = [*self._title(), *self._legend()]
        self.top = self._below + 14.0

    def parts(self) -> Iterator[str]:
        yield from self.head
        yield from self._axes()
        for k, (_, values) in enumerate(self.values):
            yield from self._curve(k, values)

    def _title(self) -> Iterator[str]:
        self._below = 14.0
        if self.title:
            self._below += 20
            yield f'<text class="title" x="16" y="26">{escape(_cut(self.title, int((self.right - 16) / 8)))}</text>'

    def _legend(self) -> Iterator[str]:
        """Yield the legend, as many entries a line as there is room for, and no more lines than half of the chart."""
        x, most = 16.0, self._below + (self.bottom - self._below) / 2
        self._below += 14
        for k, (name, values) in enumerate(self.values):
            text = _cut(_told(name, values), int((self.right - 50) / _SIGN))
            space = 30 + _SIGN * len(text) + 18
            if x > 16 and x + space - 18 > self.right:
                x, self._below = 16.0, self._below + 18
                if self._below > most:
                    return
            y = self._below
            yield f'<path {_look(k)} stroke-width="2" d="M{x:.1f} {y - 4:.1f}h22"/>'
            yield f'<text x="{x + 30:.1f}" y="{y:.1f}">{escape(text)}</text>'
            x += space

    def _axes(self) -> Iterator[str]:
        for tick in self.scale.ticks:
            y = self.bottom - tick.place * (self.bottom - self.top)
            yield f'<path class="rule" d="M{self.left:.1f} {y:.1f}H{self.right:.1f}"/>'
            yield f'<text class="quiet" x="{self.left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{tick.label}</text>'
        yield f'<path class="axis" fill="none" d="M{self.left:.1f} {self.top:.1f}V{self.bottom:.1f}H{self.right:.1f}"/>'
        for x, n in _counts(self.count):
            place = self._across(x)
            yield f'<path class="axis" d="M{place:.1f} {self.bottom:.1f}v4"/>'
            yield f'<text class="quiet" x="{place:.1f}" y="{self.bottom + 18:.1f}" text-anchor="middle">{n}</text>'

    def _across(self, fraction: float) -> float:
        return self.left + 6 + fraction * (self.right - self.left - 12)

    def _curve(self, k: int, values: Floats) -> Iterator[str]:
        """Yield the pieces of a curve between its gaps; a point that stands alone is a circle."""
        xs = self._across(0.0) + np.arange(len(values)) * (self._across(1.0) - self._across(0.0)) / max(
            self.count - 1, 1
        )
        ys = self.bottom - self.scale.places(values) * (self.bottom - self.top)
        there = np.flatnonzero(np.isfinite(values))
        for piece in np.split(there, np.flatnonzero(np.diff(there) > 1) + 1):
            points = _thinned(xs[piece], ys[piece])
            if len(points) == 1:
                yield f'<circle class="s{k % _COLOURS}" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3"/>'
            elif points:
                yield f'<polyline {_look(k)} points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def _thinned(xs: Floats, ys: Floats) -> list[tuple[float, float]]:
    """Return points; where many stand over one pixel, its first, lowest, highest and last."""
    if len(xs) < 2000:
        return list(zip(xs.tolist(), ys.tolist(), strict=True))
    kept: list[int] = []
    edges = np.flatnonzero(np.diff(np.floor(xs))) + 1
    for start, end in zip([0, *edges.tolist()], [*edges.tolist(), len(xs)], strict=True):
        part = ys[start:end]
        kept += sorted({start, start + int(part.argmin()), start + int(part.argmax()), end - 1})
    return [(float(xs[k]), float(ys[k])) for k in kept]


def _counts(count: int) -> list[tuple[float, int]]:
    """Return places from 0 to 1 on the x axis, and the whole numbers that stand there."""
    if count < 6:
        return [(k / max(count - 1, 1), k + 1) for k in range(count)]
    whole = [int(n) for n in round_numbers(1.0, float(count))[0] if n == int(n)]
    return [((n - 1) / (count - 1), n) for n in sorted({1, *whole}) if n == 1 or n > count / 12]


def _look(k: int) -> str:
    dashes = f' stroke-dasharray="{_DASHES[k // _COLOURS % len(_DASHES)]}"' if k >= _COLOURS else ""
    return f'class="s{k % _COLOURS}"{dashes}'


def _told(name: str, values: Floats) -> str:
    """Return a curve in words: its name, its first and its last value."""
    ends: list[Any] = [number(value) for value in (values[[0, -1]] if len(values) else ())]
    return f"{name}: {' → '.join(ends[: len(values)]) or 'no values'}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"
