"""Pictures made of characters: maps, small images, counts and curves, at most 80 columns wide, without colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]
Block = list[str]
Extent = tuple[float, float]
Score = Callable[[Numbers], Numbers]

SHADES = " .:-=+*#%@"
UNDECIDED = 1e-3  # a score so near to zero says neither class
SIGNS = ":. +#"  # far below zero, below, near, above, far above
BARS = "▁▂▃▄▅▆▇█"


def beside(*blocks: Block, gap: int = 3) -> str:
    """Return blocks of lines as one text, side by side."""
    height = max(len(block) for block in blocks)
    padded = [(block + [""] * (height - len(block)), max(map(len, block))) for block in blocks]
    rows = zip(*([f"{line:{width}}" for line in block] for block, width in padded), strict=True)
    return "\n".join((" " * gap).join(row).rstrip() for row in rows)


def framed(rows: Block, title: str, x: Extent, y: Extent, names: tuple[str, str]) -> Block:
    """Put axes around a map: where they begin and end, and what they are called."""
    low, high, ends = f"{y[0]:g}", f"{y[1]:g}", (f"{x[0]:g}", f"{x[1]:g}")
    space, width, middle = max(len(low), len(high), len(names[1])), len(rows[0]), len(rows) // 2
    labels = {0: high, middle: names[1], len(rows) - 1: low}
    lines = [f"{labels.get(i, ''):>{space}} │{row}│" for i, row in enumerate(rows)]
    foot = f"{ends[0]}{names[0]:^{width - len(ends[0]) - len(ends[1])}}{ends[1]}"
    edge = " " * (space + 1)
    heading = f"{edge}{title}"
    return [heading, f"{edge}┌{'─' * width}┐", *lines, f"{edge}└{'─' * width}┘", f"{edge} {foot}"]


def cells(x: Extent, y: Extent, width: int, height: int) -> Numbers:
    """Return the middles of a map's cells, the highest row first, as (height, width, 2)."""
    across = x[0] + (np.arange(width) + 0.5) / width * (x[1] - x[0])
    down = y[1] - (np.arange(height) + 0.5) / height * (y[1] - y[0])
    return np.stack(np.meshgrid(across, down), axis=-1)


def place(points: Numbers, x: Extent, y: Extent, width: int, height: int) -> list[tuple[int, int]]:
    """Return row and column of each point that lies on the map."""
    columns = np.floor((points[:, 0] - x[0]) / (x[1] - x[0]) * width).astype(int)
    rows = np.floor((y[1] - points[:, 1]) / (y[1] - y[0]) * height).astype(int)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return list(zip(rows[inside].tolist(), columns[inside].tolist(), strict=True))


def region_map(
    score: Score,
    points: Numbers,
    labels: Labels,
    title: str,
    extent: Extent,
    width: int = 32,
    height: int = 15,
) -> Block:
    """Draw points, ``o`` and ``x``, and what a model says everywhere.

    A dot is where it says ``x``, a space where it says ``o``, and a question mark where it says neither.
    """
    grid = cells(extent, extent, width, height)
    scores = score(grid.reshape(-1, 2)).reshape(height, width)
    rows = [["?" if abs(cell) < UNDECIDED else "·" if cell > 0 else " " for cell in row] for row in scores]
    for kind, sign in ((0, "o"), (1, "x")):
        for row, column in place(points[labels == kind], extent, extent, width, height):
            rows[row][column] = sign
    return framed(["".join(row) for row in rows], title, extent, extent, ("x1", "x2"))


def shade_map(
    heights: Numbers,
    title: str,
    x: Extent,
    y: Extent,
    names: tuple[str, str],
    path: Numbers | None = None,
) -> Block:
    """Draw a surface from above, low places light and high places dark; `path` runs from ``S`` to ``E``.

    Parameters
    ----------
    heights
        The surface in the middles of the cells, the highest row first.
    path
        Points on the way, as (steps, 2).
    """
    height, width = heights.shape
    scaled = (heights - heights.min()) / max(float(np.ptp(heights)), 1e-12)
    rows = [[SHADES[min(9, int(10 * value))] for value in row] for row in scaled]
    if path is not None:
        for row, column in place(path, x, y, width, height):
            rows[row][column] = "o"
        for point, sign in ((path[:1], "S"), (path[-1:], "E")):
            for row, column in place(point, x, y, width, height):
                rows[row][column] = sign
    return framed(["".join(row) for row in rows], title, x, y, names)


def tile(image: Numbers, caption: str = "") -> Block:
    """Draw a small image of 0 (paper) to 1 (ink), two characters a pixel."""
    return _captioned([[SHADES[min(9, int(10 * value))] for value in row] for row in image], caption)


def signed_tile(weights: Numbers, caption: str = "") -> Block:
    """Draw weights: ``#`` and ``+`` above zero, ``:`` and ``.`` below, nothing where they are small."""
    scaled = weights / max(float(np.abs(weights).max()), 1e-12)
    signs = np.array(list(SIGNS))[np.digitize(scaled, [-0.6, -0.25, 0.25, 0.6])]
    return _captioned(signs.tolist(), caption)


def _captioned(pixels: list[list[str]], caption: str) -> Block:
    lines = ["".join(2 * sign for sign in row) for row in pixels]
    return [*lines, f"{caption:^{len(lines[0])}}"] if caption else lines


def count_table(counts: npt.NDArray[np.integer], rows: str, columns: str) -> Block:
    """Draw a table of counts, such as which digit was read as which; a zero is a dot."""
    width = max(3, len(str(int(counts.max()))) + 1)
    head = " " * 4 + "".join(f"{k:{width}}" for k in range(counts.shape[1]))
    lines = [f"{k:3} " + "".join(f"{int(n) if n else '·':>{width}}" for n in row) for k, row in enumerate(counts)]
    return [f"{rows} (down), {columns} (across)", head, *lines]


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Draw a curve in one line, from zero to its largest value."""
    chosen = [values[i] for i in np.linspace(0, len(values) - 1, min(width, len(values))).round().astype(int)]
    top = max(max(chosen), 1e-12)
    return "".join(BARS[min(7, int(8 * value / top))] for value in chosen)
