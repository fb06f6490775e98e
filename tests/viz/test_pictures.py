"""The pictures: where boxes stand, the SVG, the text, and files."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.autograd import record_lines
from tinytorch.viz._layout import Layout, layout
from tinytorch.viz._svg import svg
from tinytorch.viz._text import text

SVG = "{http://www.w3.org/2000/svg}"


def leaf(data: Any) -> Tensor:
    return Tensor(data, requires_grad=True)


def diamond() -> Any:
    x, y = leaf(2.0), leaf(3.0)
    z = x * y + x
    return z.graph()


@st.composite
def plans(draw: st.DrawFn) -> tuple[dict[Any, tuple[float, float]], list[tuple[Any, Any]]]:
    count = draw(st.integers(1, 25))
    sizes = {i: (draw(st.integers(10, 200)), draw(st.integers(10, 60))) for i in range(count)}
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).map(lambda pair: (max(pair), min(pair)))
    edges = draw(st.lists(pairs.filter(lambda pair: pair[0] != pair[1]), max_size=40, unique=True))
    return sizes, edges


@given(plans())
@settings(max_examples=100, deadline=None)
def test_boxes_do_not_overlap_and_edges_lead_down(plan: Any) -> None:
    sizes, edges = plan
    made = layout(sizes, edges)
    assert set(made.boxes) == set(sizes)
    assert not any(overlap(made, a, b) for a in sizes for b in sizes if a < b)
    for (source, target), path in zip(edges, made.paths, strict=True):
        upper, lower = made.boxes[source], made.boxes[target]
        assert path[0] == (upper.x + upper.width / 2, upper.y + upper.height)
        assert path[-1] == (lower.x + lower.width / 2, lower.y)
        assert all(a[1] < b[1] for a, b in pairwise(path))
    for box in made.boxes.values():
        assert box.x >= -1e-6
        assert box.y >= 0
        assert box.x + box.width <= made.width + 1e-6
        assert box.y + box.height <= made.height + 1e-6


def overlap(made: Layout, a: Any, b: Any) -> bool:
    p, q = made.boxes[a], made.boxes[b]
    across = min(p.x + p.width, q.x + q.width) - max(p.x, q.x)
    down = min(p.y + p.height, q.y + q.height) - max(p.y, q.y)
    return across > 1e-6 and down > 1e-6


def test_a_chain_stands_in_one_column() -> None:
    made = layout({0: (40, 20), 1: (80, 20), 2: (60, 20)}, [(1, 0), (2, 1)])
    middles = {id: box.x + box.width / 2 for id, box in made.boxes.items()}
    assert len(set(middles.values())) == 1
    assert made.boxes[2].y < made.boxes[1].y < made.boxes[0].y


def test_the_svg_has_a_box_for_each_node_and_a_line_for_each_edge() -> None:
    graph = diamond()
    root = ET.fromstring(graph._repr_svg_())
    boxes = {g.get("data-id"): g for g in root.iter(f"{SVG}g") if g.get("data-id")}
    assert set(boxes) == {"0", "1", "2", "3"}
    words = {id: [t.text for t in g.iter(f"{SVG}text")] for id, g in boxes.items()}
    assert words["0"] == ["z: +", "scalar float32", "value 8"]
    assert words["2"][0] == "x"
    assert boxes["2"].get("class") == "node leaf"
    assert boxes["0"].get("class") == "node end"
    lines = {
        tuple(p.get(f"data-{end}") for end in ("from", "to", "input"))
        for p in root.iter(f"{SVG}path")
        if p.get("data-to")
    }
    assert lines == {("1", "0", "0"), ("2", "0", "1"), ("2", "1", "0"), ("3", "1", "1")}
    assert root.get("aria-label") == "A graph of 2 operations and 2 leaves, which keeps 8 bytes"


def test_what_a_program_calls_its_tensors_cannot_break_the_picture() -> None:
    x = leaf(1.0)
    with record_lines():
        y = x * 2 if x.item() < 3 and "<script>&'\"" else x
    root = ET.fromstring(y.graph()._repr_svg_())
    assert not list(root.iter(f"{SVG}script"))
    assert any("<script>" in (title.text or "") for title in root.iter(f"{SVG}title"))


def test_the_svg_says_how_more_can_be_seen() -> None:
    assert "record_lines()" in svg(diamond())
    assert "record_lines()" not in svg(diamond(), hint=False)
    with record_lines():
        y = leaf(1.0) * 2
    assert "record_lines()" not in svg(y.graph())


def test_the_text_draws_shared_nodes_once() -> None:
    assert text(diamond(), "utf-8").split("\n") == [
        "z = +   scalar; value 8",
        "├─ ×   scalar; value 6; keeps 8 bytes",
        "│  ├─ x #2   scalar; value 2",
        "│  └─ y   scalar; value 3",
        "└─ x #2 (see above)",
        "",
        "A graph of 2 operations and 2 leaves, which keeps 8 bytes.",
    ]


def test_the_text_in_a_terminal_that_knows_ascii_alone() -> None:
    drawing = text(diamond(), "ascii")
    assert drawing.isascii()
    assert drawing.split("\n")[:2] == ["z = +   scalar; value 8", "+- x   scalar; value 6; keeps 8 bytes"]


def test_the_text_of_a_network_names_modules_and_lines() -> None:
    net = nn.Sequential(nn.Linear(2, 1))
    with record_lines():
        out = net(Tensor([[1.0, 2.0]]))
    drawing = str(out.graph())
    assert "in Sequential.0" in drawing
    assert f"{__file__}:" in drawing
    assert repr(out.graph()) == "<Graph of 5 nodes; print() it, or save('graph.html')>"


@pytest.mark.parametrize("suffix", [".svg", ".txt", ".json", ".html", ".HTML"])
def test_a_graph_is_saved_as_its_suffix_says(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"graph{suffix}"
    path.write_text("old")
    diamond().save(path)
    saved = path.read_text(encoding="utf-8")
    begins = {".svg": "<svg", ".txt": "z = +", ".json": "{\n", ".html": "<!doctype html>"}
    assert saved.startswith(begins[suffix.lower()])
    assert os.listdir(tmp_path) == [path.name]


def test_files_that_cannot_be_written_leave_the_old_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"saved as .html, .svg, .txt, .json, but got 'graph.png'"):
        diamond().save(tmp_path / "graph.png")
    with pytest.raises(FileNotFoundError):
        diamond().save(tmp_path / "nowhere" / "graph.svg")
    folder = tmp_path / "taken.svg"
    folder.mkdir()
    with pytest.raises(OSError, match=r"taken\.svg"):
        diamond().save(folder)
    assert os.listdir(tmp_path) == ["taken.svg"]


def test_a_large_graph_is_drawn_from_its_end() -> None:
    out = leaf(np.ones(3))
    for _ in range(1000):
        out = tinytorch.tanh(out)
    drawing = ET.fromstring(out.graph()._repr_svg_())
    assert sum(g.get("data-id") is not None for g in drawing.iter(f"{SVG}g")) == 400
