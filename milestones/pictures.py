"""Pictures as PNG files, drawn by Matplotlib: one panel, one message."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

mpl.use("Agg")  # a file, on a machine without a screen too

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

Numbers = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]
Extent = tuple[float, float]
Curve = tuple[Sequence[float], Sequence[float]]
Score = Callable[[Numbers], Numbers]

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#666666"  # told apart by colour-blind eyes too
LIGHT = ["#d9eaf4", "white", "#fae7dc"]  # says the first class, neither, the second
UNDECIDED = 1e-3  # a score so near to zero says neither class
LOSSES = np.linspace(0, 1.6, 17)  # the same colours for the same loss in every panel
DPI = 120


@contextmanager
def picture(path: Path, rows: int, columns: int, size: tuple[float, float], title: str) -> Iterator[list[Axes]]:
    """Give panels to draw into, then write them to `path`, whole or not at all."""
    figure, grid = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    figure.suptitle(title, fontsize=13, fontweight="bold")
    try:
        yield list(grid.ravel())
        unfinished = path.with_name(f".{path.name}")
        figure.savefig(unfinished, dpi=DPI, format="png")
        os.replace(unfinished, path)
    finally:
        plt.close(figure)


def regions(axes: Axes, score: Score, points: Numbers, labels: Labels, extent: Extent, title: str) -> None:
    """Draw points of two classes, and where a model says the one and where the other; white is neither."""
    side = np.linspace(*extent, 201)
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    heights = score(grid.reshape(-1, 2)).reshape(201, 201)
    axes.contourf(side, side, heights, levels=[-np.inf, -UNDECIDED, UNDECIDED, np.inf], colors=LIGHT)
    if heights.min() < -UNDECIDED and heights.max() > UNDECIDED:
        axes.contour(side, side, heights, levels=[0], colors=[GREY], linewidths=1.5)
    for kind, colour, mark in ((0, BLUE, "o"), (1, ORANGE, "X")):
        chosen = points[labels == kind]
        axes.scatter(chosen[:, 0], chosen[:, 1], color=colour, marker=mark, s=45, edgecolor="white", linewidth=0.7)
    axes.set(title=title, xlabel="x1", ylabel="x2", xlim=extent, ylim=extent, aspect="equal")
    axes.locator_params(nbins=5)


def curves(axes: Axes, series: Mapping[str, Curve], names: tuple[str, str], title: str) -> None:
    """Draw curves, each given as its x and its y values; `names` are those of the axes."""
    for (name, (x, y)), colour in zip(series.items(), (BLUE, ORANGE), strict=False):
        axes.plot(x, y, color=colour, label=name, marker="o" if len(x) < 10 else "")
    axes.set(title=title, xlabel=names[0], ylabel=names[1], ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    if len(series) > 1:
        axes.legend(frameon=False)


def surface(
    axes: Axes,
    heights: Numbers,
    x: Extent,
    y: Extent,
    names: tuple[str, str],
    title: str,
    path: Numbers | None = None,
) -> None:
    """Draw a loss surface from above; `heights` has the highest row first, `path` goes from start to end."""
    rows, columns = heights.shape
    across, up = np.linspace(*x, columns), np.linspace(*y, rows)
    drawn = axes.contourf(across, up, heights[::-1], levels=LOSSES, cmap="cividis", extend="max")
    axes.contour(across, up, heights[::-1], levels=LOSSES, colors="white", linewidths=0.3)
    plt.colorbar(drawn, ax=axes, shrink=0.85, label="loss (nats)", ticks=LOSSES[::4])
    if path is not None:
        axes.plot(path[:, 0], path[:, 1], color="white", linewidth=1.6)
        axes.plot(*path[0], marker="o", color="white", markersize=7)
        axes.plot(*path[-1], marker="*", color="white", markersize=13)
    axes.set(title=title, xlabel=names[0], ylabel=names[1], xlim=x, ylim=y)


def tiles(axes: Axes, images: Numbers, columns: int, title: str, note: str, signed: bool = False) -> None:
    """Draw images (N, H, W) of 0 to 1 as tiles in rows; `signed` shows weights: blue below zero, orange above."""
    count, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for k, image in enumerate(images):
        top, left = (k // columns) * (height + 1), (k % columns) * (width + 1)
        reach = max(float(np.abs(image).max()), 1e-12) if signed else 1.0
        sheet[top : top + height, left : left + width] = image / reach
        corner = (left - 0.5, top - 0.5)
        axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=GREY, linewidth=0.6, clip_on=False))
    colours = mpl.colors.LinearSegmentedColormap.from_list("weights", [BLUE, "white", ORANGE])
    if signed:
        axes.imshow(sheet, cmap=colours, vmin=-1, vmax=1)
    else:
        axes.imshow(sheet, cmap="gray_r", vmin=0, vmax=1)
    axes.set(title=title, xlabel=note, xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def confusion(axes: Axes, counts: npt.NDArray[np.integer], title: str) -> None:
    """Draw how often each digit was read as which; what was read rightly is grey, what was not orange."""
    wrong = counts * (1 - np.eye(len(counts), dtype=np.int64))
    axes.imshow(np.where(wrong > 0, np.nan, counts), cmap="Greys", vmin=0, vmax=2 * counts.max())
    for (row, column), number in np.ndenumerate(counts):
        if number:
            colour = "black" if row == column else ORANGE
            weight = "normal" if row == column else "bold"
            axes.text(column, row, str(number), ha="center", va="center", color=colour, fontsize=8, fontweight=weight)
    digits = range(len(counts))
    axes.set(title=title, xlabel="read as", ylabel="is", xticks=digits, yticks=digits)
    axes.tick_params(length=0)
