"""Curves as characters and as SVG: what stands where, for any numbers and any size."""

from __future__ import annotations

import doctest
import math
import re
import unicodedata
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinytorch.core.tensor import Tensor
from tinytorch.viz import _curves
from tinytorch.viz._curves import curve_svg, curve_text
from tinytorch.viz._scale import Scale, round_numbers

ANY_FLOATS = st.lists(st.floats(), max_size=40)
ANY_SERIES = st.dictionaries(st.text(max_size=8), ANY_FLOATS, max_size=12)
SVG = "{http://www.w3.org/2000/svg}"


def columns(line: str) -> int:
    """Count columns as a terminal does."""
    return sum(
        0 if unicodedata.category(sign) in ("Mn", "Me") else 1 + (unicodedata.east_asian_width(sign) in "WF")
        for sign in line
    )


def cells(picture: str) -> list[str]:
    """Return the part of a picture that holds the curves, line by line, padded to the longest."""
    rows = [
        re.split("[┤│|]", line, maxsplit=1)[1] for line in picture.splitlines() if re.match(" *[-0-9.e]*[┤│|]", line)
    ]
    width = max(map(len, rows))
    return [f"{row:{width}}" for row in rows]


def dots(rows: list[str]) -> int:
    return sum((ord(sign) & 0xFF).bit_count() for row in rows for sign in row if 0x2800 <= ord(sign) <= 0x28FF)


def test_a_small_picture_compared_whole() -> None:
    assert curve_text({"loss": [4, 1, 2, 3]}, width=24, height=8, title="Falling", encoding="utf-8").splitlines() == [
        "Falling",
        "4┤⠱⡀",
        "3┤ ⠈⢆                 ⢀⡠",
        " │   ⠱⡀           ⢀⡠⠔⠊⠁",
        "2┤    ⠈⢆     ⢀⣀⠤⠒⠊⠁",
        "1┤      ⠱⣀⠤⠒⠊⠁",
        " └1 ────────────────── 4",
        "loss: 4 → 3",
    ]


def test_a_small_picture_in_ascii() -> None:
    series = {"loss": [4, 3, 2, 1], "val_loss": [4, 2, 3, 4]}
    assert curve_text(series, width=34, height=7, title="Both", encoding="ascii").splitlines() == [
        "Both",
        "4|*****                      ooooo",
        "2|     *********************o",
        "1|                          ******",
        " +1 ---------------------------- 4",
        "* loss: 4 -> 1",
        "o val_loss: 4 -> 4",
    ]


@given(
    ANY_SERIES,
    st.integers(1, 90),
    st.integers(1, 30),
    st.text(max_size=20),
    st.sampled_from(["utf-8", "ascii", "cp437"]),
)
@example({"a": [5e-324, 1.7e308]}, 40, 9, "", "utf-8")
@example({"a": [-1.7e308, 1.7e308, math.nan, math.inf]}, 40, 9, "", "utf-8")
@example({"a": [1.0, math.nextafter(1.0, 2.0)]}, 40, 9, "", "ascii")
@example({"\ud800": [1.0], "\n": [2.0], "損失": [3.0]}, 7, 9, "\x1b[31m", "utf-8")
def test_any_picture_has_the_size_that_was_asked_for(
    series: dict[str, list[float]], width: int, height: int, title: str, encoding: str
) -> None:
    lines = curve_text(series, width, height, title, encoding).split("\n")
    assert len(lines) == height
    assert max(map(columns, lines)) <= width
    assert all(line.isprintable() for line in lines)
    assert "".join(lines).encode(encoding).decode(encoding) == "".join(lines)


@given(ANY_SERIES, st.integers(200, 900), st.integers(120, 500), st.text(max_size=40))
@example({"a": [5e-324, 1.7e308]}, 640, 320, "")
@example({str(k): [1e308, -1e308] for k in range(12)}, 200, 120, "<&>")
def test_any_chart_is_xml_with_finite_numbers(
    series: dict[str, list[float]], width: int, height: int, title: str
) -> None:
    root = ET.fromstring(curve_svg(series, width, height, title))
    for line in root.iter(f"{SVG}polyline"):
        points = [tuple(map(float, point.split(","))) for point in line.get("points", "").split()]
        assert len(points) >= 2
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.sampled_from(["utf-8", "ascii"]))
def test_every_point_lands_in_its_cell(values: list[float], encoding: str) -> None:
    """Where a cell is one character, the column and the row of each point follow from its number and its value."""
    picture = curve_text({"a": values}, width=60, height=14, encoding=encoding)
    grid = cells(picture)
    wide, high = (2, 4) if encoding == "utf-8" else (1, 1)
    inside = len(picture.splitlines()[-2].split("1 ")[0])
    dots = ((60 - inside) * wide, 12 * high)
    scale = Scale(np.array(values))
    for k, place in enumerate(scale.places(np.array(values))):
        column = round(k * (dots[0] - 1) / (len(values) - 1)) // wide
        row = int(np.rint((1 - place) * (dots[1] - 1))) // high
        assert grid[row][column] not in " ⠀"


@given(st.floats(-1e300, 1e300), st.floats(1e-6, 1e300))
def test_an_axis_names_three_or_four_round_numbers(low: float, span: float) -> None:
    scale = Scale(np.array([low, low + span]))
    if scale.flat:
        assert len(scale.ticks) == 1
        return
    assert len(scale.ticks) in (3, 4)
    assert len({tick.label for tick in scale.ticks}) == len(scale.ticks)
    assert all(-1e-6 <= tick.place <= 1 + 1e-6 for tick in scale.ticks)
    for tick in scale.ticks:  # a label names the place at which it stands
        assert scale.places(np.array([float(tick.label)]))[0] == pytest.approx(tick.place, abs=0.02)


def test_round_numbers_are_round() -> None:
    assert round_numbers(0.0, 1.0) == ([0.0, 0.5, 1.0], 0.5)
    assert round_numbers(0.13, 0.94)[0] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert [tick.label for tick in Scale(np.array([-3.0, 140.0])).ticks] == ["0", "50", "100"]
    assert [tick.label for tick in Scale(np.array([2e-7, 9e-7])).ticks] == ["2e-7", "4e-7", "6e-7", "8e-7"]


def test_values_over_more_than_three_decades_stand_on_a_logarithmic_scale() -> None:
    values = np.array([10.0 ** (-k) for k in range(9)])
    scale = Scale(values)
    assert scale.log
    assert scale.places(values) == pytest.approx(np.linspace(1, 0, 9))
    assert [tick.label for tick in scale.ticks] == ["1e-8", "1e-5", "0.01"]
    assert not Scale(np.array([1.0, 1000.0])).log
    assert Scale(np.array([1.0, 1001.0])).log
    assert not Scale(np.array([0.0, 1.0, 1e6])).log
    assert not Scale(np.array([-1.0, 1.0, 1e6])).log


def test_what_is_not_finite_is_a_gap() -> None:
    whole = cells(curve_text({"a": [1.0, 1.0, 1.0, 1.0, 2.0]}, width=42, height=8, encoding="utf-8"))[-1]
    broken = cells(curve_text({"a": [1.0, 1.0, math.inf, 1.0, 2.0]}, width=42, height=8, encoding="utf-8"))[-1]
    assert " " not in whole[:29].strip()
    assert set(broken[11:28]) == {" "}


def test_a_constant_curve_stands_in_the_middle() -> None:
    rows = cells(curve_text({"a": [0.25] * 3}, width=30, height=7, encoding="ascii"))
    assert [row.strip() for row in rows] == ["", "", "*" * 25, "", ""]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([], "loss: no values"),
        ([2.5], "loss: 2.5"),
        ([2.5, math.nan], "loss: 2.5 → nan"),
        ([1e-9, 3.14159], "loss: 1e−9 → 3.142"),
    ],
)
def test_the_legend_tells_the_first_and_the_last_value(values: list[float], told: str) -> None:
    assert curve_text({"loss": values}, encoding="utf-8").splitlines()[-1] == told
    assert told in [text.text for text in ET.fromstring(curve_svg({"loss": values})).iter(f"{SVG}text")]


def test_curves_are_told_apart_by_their_ends_and_by_their_dots() -> None:
    picture = curve_text({"up": [1, 2, 3], "down": [3, 2, 1]}, width=40, height=9, encoding="utf-8").splitlines()
    assert picture[0].endswith("1")
    assert picture[-3].endswith("2")
    assert picture[-1] == "1 up: 1 → 3   2 down: 3 → 1"
    alone = cells(curve_text({"a": [1, 2, 3]}, width=40, height=9, encoding="utf-8"))
    dotted = cells(curve_text({"a": [math.nan] * 3, "b": [1, 2, 3]}, width=41, height=9, encoding="utf-8"))
    assert 0 < dots(dotted) < 0.6 * dots(alone)


def test_values_can_be_tensors() -> None:
    values: Any = [Tensor(3.0), np.float32(1.0), Tensor([2.0])]
    assert curve_text({"a": values}, encoding="utf-8") == curve_text({"a": [3.0, 1.0, 2.0]}, encoding="utf-8")


def test_names_that_cannot_be_shown_do_not_swallow_a_curve() -> None:
    assert "\n".join(curve_text({"é": [1.0], "è": [2.0]}, encoding="ascii").splitlines()[-1:]) == "* ? 1: 1   o ? 2: 2"


@pytest.mark.parametrize("size", [{"width": 0}, {"height": 0}, {"width": -3, "height": 4}])
def test_a_picture_without_a_line_is_refused(size: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="one column and one line or more, but got width="):
        curve_text({"a": [1.0]}, **size)
    with pytest.raises(ValueError, match="200 by 120 pixels or more, but got width="):
        curve_svg({"a": [1.0]}, **size)


def test_a_long_curve_keeps_its_peaks() -> None:
    values = [1.0] * 100_000
    values[31_415], values[27_182] = 5.0, -3.0
    drawing = curve_svg({"a": values}, 640, 320)
    assert len(drawing) < 60_000
    line = ET.fromstring(drawing).findall(f"{SVG}polyline")[-1]
    ys = [float(point.split(",")[1]) for point in line.get("points", "").split()]
    top, bottom = min(ys), max(ys)
    assert bottom == 290.0
    assert top < 60


def test_a_chart_stands_alone_and_escapes_what_it_is_told() -> None:
    drawing = curve_svg({"<script>alert(1)</script>": [1.0, 2.0]}, title='"A" & <b>')
    root = ET.fromstring(drawing)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg",
        "style",
        "rect",
        "text",
        "path",
        "polyline",
    }
    assert root.get("aria-label") == '"A" & <b>: <script>alert(1)</script>: 1 → 2'
    assert "http" not in drawing.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in drawing


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1])
def test_all_colours_can_be_seen_on_their_paper(theme: int) -> None:
    """Lines have a contrast of 3 to 1 with the paper and text of 4.5, as the guidelines for accessible pages ask."""
    light, dark = _curves.STYLE.split("@media")
    colours = dict(re.findall(r"--(\w+): (#\w{6})", dark if theme else light))
    paper = luminance(colours.pop("paper"))
    for name, colour in colours.items():
        if name != "rule":
            low, high = sorted([paper, luminance(colour)])
            assert (high + 0.05) / (low + 0.05) >= (3 if name.startswith("c") else 4.5), name


def test_a_chart_in_a_browser(browser_page: Any, tmp_path: Any) -> None:
    """Nothing is asked for besides the file, and all text lies inside of the chart."""
    path = tmp_path / "chart.html"
    series = {f"a rather long name {k}": [math.sin(k + x / 5) * 1e-3 for x in range(50)] for k in range(6)}
    path.write_text(f"<meta charset='utf-8'>{curve_svg(series, 480, 300, 'Six')}", encoding="utf-8")
    browser_page.goto(path.as_uri())
    boxes = browser_page.eval_on_selector_all(
        "svg, svg text", "all => all.map(x => x.getBoundingClientRect()).map(r => [r.left, r.top, r.right, r.bottom])"
    )
    sheet, *texts = boxes
    assert len(texts) > 8
    for left, top, right, bottom in texts:
        assert sheet[0] <= left < right <= sheet[2]
        assert sheet[1] <= top < bottom <= sheet[3]


def test_the_examples_in_the_docstrings_run() -> None:
    results = doctest.testmod(_curves)
    assert (results.failed, results.attempted) == (0, 2)
