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
from tinytorch.viz import Graph
from tinytorch.viz._groups import FAN, MOST_OPEN, groups_of, homes_of, open_at_first, seen
from tinytorch.viz._layout import TITLE, Box, layout
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


paths_of_groups = st.lists(st.sampled_from("ab"), max_size=3).map(tuple)


@given(plans())
@settings(max_examples=100)
def test_boxes_do_not_overlap_and_edges_lead_down(plan: Any) -> None:
    sizes, edges = plan
    made = layout(sizes, edges)
    assert set(made.boxes) == set(sizes)
    assert not any(overlap(made.boxes[a], made.boxes[b]) for a in sizes for b in sizes if a < b)
    for (source, target), path in zip(edges, made.paths, strict=True):
        upper, lower = made.boxes[source], made.boxes[target]
        assert path[0] == (upper.x + upper.width / 2, upper.y + upper.height)
        assert path[-1][1] == lower.y
        assert lower.x < path[-1][0] < lower.x + lower.width
        assert all(a[1] < b[1] for a, b in pairwise(path))
    ends = [path[-1] for path in made.paths]
    assert len(set(ends)) == len(ends)
    assert all(within(box, Box(0, 0, made.width, made.height)) for box in made.boxes.values())


@given(plans(), st.data())
@settings(max_examples=100)
def test_frames_hold_their_boxes_and_no_others(plan: Any, data: st.DataObject) -> None:
    sizes, edges = plan
    homes = {id: data.draw(paths_of_groups) for id in sizes}
    made = layout(sizes, edges, homes)
    assert set(made.frames) == {home[:k] for home in homes.values() for k in range(1, len(home) + 1)}
    for path, frame in made.frames.items():
        for id, box in made.boxes.items():
            assert within(box, frame) if homes[id][: len(path)] == path else not overlap(box, frame)
            assert box.y >= frame.y + TITLE or homes[id][: len(path)] != path
        for other, inner in made.frames.items():
            if other[: len(path)] == path:
                assert within(inner, frame)
            elif path[: len(other)] != other:
                assert not overlap(inner, frame)
    assert not any(overlap(made.boxes[a], made.boxes[b]) for a in sizes for b in sizes if a < b)
    for (source, target), path in zip(edges, made.paths, strict=True):
        assert touches(path[0], made.boxes[source])
        assert touches(path[-1], made.boxes[target])


def test_a_line_between_frames_goes_upright_through_their_edges() -> None:
    sizes: dict[Any, tuple[float, float]] = {0: (40, 20), 1: (40, 20), 2: (90, 20), 3: (40, 20)}
    homes = {0: ("lower",), 1: ("upper",), 2: ("upper",), 3: ("upper",)}
    made = layout(sizes, [(1, 0), (2, 1), (3, 1)], homes)
    upper, lower = made.frames["upper",], made.frames["lower",]
    path = made.paths[0]
    for edge in (upper.y + upper.height, lower.y):
        at = next(i for i, (_, y) in enumerate(path) if abs(y - edge) < 1e-6)
        inside = path[at - 1] if edge > made.boxes[1].y and edge < lower.y else path[at + 1]
        assert inside[0] == pytest.approx(path[at][0])
        assert inside[1] != path[at][1]


def test_a_line_into_a_frame_leads_around_its_boxes() -> None:
    sizes: dict[Any, tuple[float, float]] = dict.fromkeys(range(5), (60.0, 20.0))
    made = layout(sizes, [(1, 0), (2, 1), (3, 2), (4, 0)], dict.fromkeys((0, 1, 2, 3), ("group",)))
    for id in (1, 2, 3):
        box = made.boxes[id]
        (x,) = [x for x, y in made.paths[3] if box.y <= y <= box.y + box.height]
        assert not box.x <= x <= box.x + box.width


def test_groups_that_use_results_of_each_other_have_a_line_that_leads_up() -> None:
    sizes: dict[Any, tuple[float, float]] = {0: (40, 20), 1: (40, 20), 2: (40, 20)}
    made = layout(sizes, [(2, 1), (1, 0)], {0: ("a",), 1: ("b",), 2: ("a",)})
    assert {down(path) for path in made.paths} == {True, False}


def test_inputs_stand_in_their_order() -> None:
    for graph in (Graph((leaf(1.0) * leaf(2.0)) + leaf(3.0)), Graph(leaf(3.0) - leaf(1.0) * leaf(2.0))):
        boxes = [node.id for node in graph.nodes]
        edges = [(edge.source, edge.target) for edge in graph.edges]
        made = layout(dict.fromkeys(boxes, (50.0, 20.0)), edges).boxes
        for (a, user), (b, same) in pairwise(edges):
            assert user != same or made[a].x < made[b].x


def overlap(p: Box, q: Box) -> bool:
    across = min(p.x + p.width, q.x + q.width) - max(p.x, q.x)
    along = min(p.y + p.height, q.y + q.height) - max(p.y, q.y)
    return across > 1e-6 and along > 1e-6


def within(p: Box, q: Box) -> bool:
    across = p.x >= q.x - 1e-6 and p.x + p.width <= q.x + q.width + 1e-6
    return across and p.y >= q.y - 1e-6 and p.y + p.height <= q.y + q.height + 1e-6


def touches(point: tuple[float, float], box: Box) -> bool:
    x, y = point
    near = min(abs(y - box.y), abs(y - box.y - box.height)) < 1e-6
    return near and box.x - 1e-6 <= x <= box.x + box.width + 1e-6


def down(path: list[tuple[float, float]]) -> bool:
    return path[-1][1] > path[0][1]


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
    assert f"; {Path(__file__).name}:" in drawing
    assert ": out = net(Tensor([[1.0, 2.0]]))" in drawing
    assert repr(out.graph()) == drawing


def test_a_prompt_shows_the_beginning_of_a_large_graph() -> None:
    out = leaf(1.0)
    for _ in range(500):
        out = -out
    assert repr(out.graph()).count("negative") == 60
    assert str(out.graph()).count("negative") == 400
    assert "... and 441 nodes more: graph.save('graph.html')" in repr(out.graph())


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


def groups_in(drawing: ET.Element, kind: str) -> list[str]:
    return [g.get("data-group", "") for g in drawing.iter(f"{SVG}g") if g.get("class") == kind]


def test_modules_are_framed() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    with record_lines():
        out = net(tinytorch.ones(1, 2))
    drawing = ET.fromstring(out.graph()._repr_svg_())
    assert groups_in(drawing, "frame") == ["Sequential", "Sequential/0", "Sequential/2"]
    assert groups_in(drawing, "closed") == []


def test_a_large_graph_is_drawn_with_closed_groups() -> None:
    net = nn.Sequential(*(nn.Linear(2, 2) for _ in range(40)))
    with record_lines():
        out = net(tinytorch.ones(1, 2)).sum()
    graph = out.graph()
    drawing = ET.fromstring(graph._repr_svg_())
    frames, closed = set(groups_in(drawing, "frame")), set(groups_in(drawing, "closed"))
    assert frames | closed == {"Sequential", *(f"Sequential/{i}" for i in range(40))}
    assert "Sequential" in frames
    assert len(closed) > 20
    hidden = sum(home[:k] in {tuple(path.split("/")) for path in closed} for home in homes_of(graph) for k in (1, 2))
    assert f"{hidden} of {len(graph.nodes)} nodes are in closed groups" in graph._repr_svg_()
    every = ET.fromstring(svg(graph, hint=False))
    assert {g.get("data-id") for g in every.iter(f"{SVG}g")} >= {str(node.id) for node in graph.nodes}


def test_a_large_graph_without_modules_is_cut_into_runs() -> None:
    out = leaf(np.ones(3))
    for _ in range(25 * 25 * 4 + 101):
        out = tinytorch.tanh(out)
    drawing = ET.fromstring(out.graph()._repr_svg_())
    assert "operations 2,501 to 2,601" in groups_in(drawing, "frame")
    assert "operations 1 to 625" in groups_in(drawing, "frame") + groups_in(drawing, "closed")
    assert groups_in(drawing, "node end") == [""]
    assert homes_of(out.graph())[0] == ("operations 2,501 to 2,601", "operation 2,601")


def test_the_end_is_always_drawn() -> None:
    parts = [*[12] * 60, 10]  # the last is not the largest
    net = nn.Sequential(*(nn.Sequential(*(nn.Linear(2, 2) for _ in range(count))) for count in parts))
    with record_lines():
        graph = net(tinytorch.ones(1, 2)).graph()
    drawing = ET.fromstring(graph._repr_svg_())
    assert groups_in(drawing, "node end") == [""]
    assert sum("box" in (rect.get("class") or "") for rect in drawing.iter(f"{SVG}rect")) <= MOST_OPEN


def test_a_leaf_stands_where_all_stand_that_use_it() -> None:
    x, y = leaf(np.ones(3)), leaf(np.ones(3))
    out = x * y
    for _ in range(200):
        out = tinytorch.tanh(out) * x
    homes = {node.name: home for node, home in zip(out.graph().nodes, homes_of(out.graph()), strict=True)}
    assert homes["x"] == ()
    assert homes["y"] == ("operations 1 to 25",)


def test_what_is_used_in_many_places_is_named_there() -> None:
    x = leaf(np.ones(3))
    out = x
    for _ in range(FAN + 1):
        out = tinytorch.tanh(out) * x
    drawing = ET.fromstring(out.graph()._repr_svg_())
    named = [t for t in drawing.iter(f"{SVG}text") if t.text == "from x"]
    assert len(named) == FAN + 2  # the first tanh, and all products
    x_id = next(str(node.id) for node in out.graph().nodes if node.kind == "leaf")
    assert not [p for p in drawing.iter(f"{SVG}path") if p.get("data-from") == x_id]


@given(st.lists(paths_of_groups, min_size=1, max_size=200))
@settings(max_examples=100)
def test_the_groups_that_are_open_at_first_show_few_boxes(homes: list[tuple[str, ...]]) -> None:
    opened = open_at_first(homes)
    shown = {seen(home, opened) or i for i, home in enumerate(homes)}
    around_the_end = {homes[0][:k] for k in range(1, len(homes[0]) + 1)}
    at_least = {seen(home, around_the_end) or i for i, home in enumerate(homes)}
    assert 0 in shown
    assert len(shown) <= max(MOST_OPEN, len(at_least))
    assert all(path[:-1] in opened for path in opened if path[:-1])
    sizes = groups_of(homes)
    assert opened <= sizes.keys()
    if len(homes) + len(sizes) <= MOST_OPEN:
        assert opened == sizes.keys()
