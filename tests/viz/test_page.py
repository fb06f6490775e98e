"""The page of a graph in a real browser, without a network: boxes, groups, keys, search, themes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.autograd import record_lines
from tinytorch.viz import Graph

Open = Callable[[Graph], Any]


@pytest.fixture
def opened(browser_page: Any, tmp_path: Path) -> Open:
    """Return a function that saves a graph and opens its page."""

    def open_page(graph: Graph) -> Any:
        path = tmp_path / "graph.html"
        graph.save(path)
        browser_page.goto(path.as_uri())
        browser_page.wait_for_selector("#drawing svg")
        return browser_page

    return open_page


def diamond() -> Graph:
    x, y = (Tensor(value, requires_grad=True) for value in (2.0, 3.0))
    z = x * y + x
    z.backward(retain_graph=True)
    return z.graph()


def network(depth: int) -> Graph:
    net = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(depth)))
    with record_lines():
        loss = nn.MSELoss()(net(tinytorch.ones(2, 4)), tinytorch.zeros(2, 4))
    return loss.graph()


def boxes(page: Any) -> dict[str, list[str]]:
    """Return the lines in each box that can be seen, by its id."""
    script = """all => Object.fromEntries(
        all.map(g => [g.dataset.id, [...g.querySelectorAll(':scope > text')].map(t => t.textContent)]))"""
    found: dict[str, list[str]] = page.eval_on_selector_all("#drawing [data-id]", script)
    return found


def lines(page: Any) -> set[tuple[str, str]]:
    pairs = page.eval_on_selector_all("#drawing .line", "all => all.map(p => [p.dataset.from, p.dataset.to])")
    return {(source, target) for source, target in pairs}


def details(page: Any) -> dict[str, str]:
    terms, facts = (
        page.eval_on_selector_all(f"#details {tag}", "all => all.map(t => t.textContent)") for tag in ("dt", "dd")
    )
    return dict(zip(terms, facts, strict=True))


def test_the_page_shows_what_the_graph_holds(opened: Open) -> None:
    page = opened(diamond())
    assert boxes(page) == {
        "0": ["z: +", "scalar float32", "value 8", "grad  1"],
        "1": ["×", "scalar float32", "value 6"],
        "2": ["x", "scalar float32", "value 2", "grad  4"],
        "3": ["y", "scalar float32", "value 3", "grad  2"],
    }
    assert lines(page) == {("1", "0"), ("2", "0"), ("2", "1"), ("3", "1")}
    assert page.title() == "The graph of z"
    assert "2 operations and 2 leaves, which keeps 8 bytes" in page.inner_text("#about")
    assert details(page)["Operation"] == "+ (AddBackward)"


def test_all_nodes_and_lines_can_be_seen_when_all_is_open(opened: Open) -> None:
    graph = network(3)
    page = opened(graph)
    page.click("#expand")
    shown = {id for id in boxes(page) if id.isdigit()}
    assert shown == {str(node.id) for node in graph.nodes}
    assert lines(page) == {(str(edge.source), str(edge.target)) for edge in graph.edges}
    overlapping = page.evaluate(
        """() => {
            const boxes = [...document.querySelectorAll('#drawing [data-id]:not(.open) > .box')];
            const all = boxes.map(box => box.getBoundingClientRect());
            return all.some((a, i) => all.some((b, k) => i < k
                && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
                && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1));
        }"""
    )
    assert not overlapping


def test_groups_open_and_close(opened: Open) -> None:
    page = opened(network(3))
    page.click("#collapse")
    assert {lines[0] for lines in boxes(page).values()} == {"+ Sequential", "+ MSELoss"}
    page.click('[data-id="group Sequential"]')
    assert {lines[0] for lines in boxes(page).values()} == {"− Sequential", "+ 0", "+ 1", "+ 2", "+ MSELoss"}
    assert details(page) == {"Group": "Sequential", "Nodes": "18"}
    page.keyboard.press("Enter")
    assert {lines[0] for lines in boxes(page).values()} == {"+ Sequential", "+ MSELoss"}


def test_the_keyboard_goes_from_box_to_box(opened: Open) -> None:
    page = opened(diamond())
    page.focus('[data-id="0"]')
    page.keyboard.press("ArrowUp")
    way = [details(page).get("Operation") or details(page)["Leaf"]]
    page.keyboard.press("ArrowUp")
    way.append(details(page).get("Operation") or details(page)["Leaf"])
    page.keyboard.press("ArrowDown")
    way.append(details(page).get("Operation") or details(page)["Leaf"])
    assert way[0] == "× (MulBackward)"
    assert way[1] in ("x", "y")
    assert way[2] == "× (MulBackward)"
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("Operation: × (MulBackward), Shape: scalar")
    assert page.eval_on_selector_all('#drawing [tabindex="0"]', "all => all.length") == 1


def test_escape_closes_the_group_around(opened: Open) -> None:
    page = opened(network(2))
    page.click("#expand")
    page.click('[data-id="1"]')
    page.keyboard.press("Escape")
    assert "1" not in boxes(page)
    assert details(page)["Group"].startswith("Sequential")


def test_the_search_opens_what_hides_what_it_finds(opened: Open) -> None:
    page = opened(network(3))
    page.click("#collapse")
    page.fill("#search", "1.0.weight")
    page.press("#search", "Enter")
    assert details(page)["Leaf"] == "1.0.weight"
    assert page.inner_text("#status") == "1 of 1 found."
    page.fill("#search", "no such thing")
    page.press("#search", "Enter")
    assert page.inner_text("#status") == "Nothing is found."


def test_enter_in_the_search_goes_from_one_to_the_next(opened: Open) -> None:
    page = opened(network(2))
    page.fill("#search", "tanh")
    page.keyboard.press("Enter")
    assert page.inner_text("#status") == "1 of 2 found."
    page.keyboard.press("Enter")
    assert page.inner_text("#status") == "2 of 2 found."


def test_inputs_stand_in_their_order(opened: Open) -> None:
    x, y, z = (Tensor(value, requires_grad=True) for value in (2.0, 3.0, 4.0))
    for out in (x * y + z, z - x * y, x.exp() - y.exp(), (x.exp() * y) - (z / y.exp())):
        graph = out.graph()
        page = opened(graph)
        left = {id: page.locator(f'[data-id="{id}"]').bounding_box()["x"] for id in boxes(page)}
        pairs = [(a, b) for a, b in pairwise(graph.edges) if a.target == b.target]
        right = sum(left[str(a.source)] < left[str(b.source)] for a, b in pairs)
        assert right > len(pairs) / 2


def test_lines_lead_around_boxes_and_arrive_apart(opened: Open) -> None:
    graph = block()
    assert "down_again_by_a_layer.weight" in {node.name for node in graph.nodes}
    page = opened(graph)
    assert len(boxes(page)) > len(graph.nodes) > 30
    crossings, ends = page.evaluate(
        """() => {
            const boxes = [...document.querySelectorAll('#drawing [data-id]:not(.open)')];
            const ends = [], crossings = [];
            for (const line of document.querySelectorAll('#drawing .line')) {
                const path = line.querySelector('.edge');
                const length = path.getTotalLength();
                const end = path.getPointAtLength(length);
                ends.push(`${end.x.toFixed(1)} ${end.y.toFixed(1)}`);
                for (const box of boxes) {
                    if ([line.dataset.from, line.dataset.to].includes(box.dataset.id)) continue;
                    const { x, y, width, height } = box.querySelector('rect').getBBox();
                    for (let at = 0; at < length; at += 4) {
                        const p = path.getPointAtLength(at);
                        if (p.x > x && p.x < x + width && p.y > y && p.y < y + height) {
                            crossings.push([line.dataset.from, line.dataset.to, box.dataset.id]);
                            break;
                        }
                    }
                }
            }
            return [crossings, ends];
        }"""
    )
    assert crossings == []
    assert len(set(ends)) == len(ends) == len(graph.edges)


class Block(nn.Module):
    """Attention and a layer after it, each beside a line that leads past it."""

    def __init__(self) -> None:
        self.query, self.key, self.value, self.out = (nn.Linear(4, 4) for _ in range(4))
        self.wide_names_come_near_to_lines, self.down_again_by_a_layer = nn.Linear(4, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.query(x) @ self.key(x).transpose(-1, -2) / 2
        x = x + self.out(nn.functional.softmax(scores, dim=-1) @ self.value(x))
        return x + self.down_again_by_a_layer(tinytorch.tanh(self.wide_names_come_near_to_lines(x)))


def block() -> Graph:
    net = Block()
    with record_lines():
        loss = nn.MSELoss()(net(Tensor(np.ones((3, 4)), requires_grad=True)), tinytorch.zeros(3, 4))
    return loss.graph()


def test_what_is_used_in_many_places_is_named_there(opened: Open) -> None:
    x = Tensor([0.5], requires_grad=True)
    out = x
    for _ in range(20):
        out = tinytorch.tanh(out) * x
    graph = out.graph()
    page = opened(graph)
    last = str(graph.nodes[-1].id)
    assert graph.nodes[-1].name == "x"
    assert sum(lines[-1] == "from x" for lines in boxes(page).values()) == 21
    assert page.locator(f'.line[data-from="{last}"]:visible').count() == 1  # to the end, which is chosen at first
    page.click(f'[data-id="{last}"]')
    assert page.locator(f'.line[data-from="{last}"]:visible').count() == 21
    assert lines(page) == {(str(edge.source), str(edge.target)) for edge in graph.edges}


def test_the_paper_is_drawn_along_with_the_mouse(opened: Open) -> None:
    page = opened(network(6))
    before = page.evaluate("document.getElementById('drawing').scrollTop")
    page.mouse.move(20, 400)
    page.mouse.down()
    page.mouse.move(20, 500, steps=3)
    page.mouse.up()
    assert page.evaluate("document.getElementById('drawing').scrollTop") == pytest.approx(before - 100, abs=2)


def test_a_page_carries_the_licence_of_what_it_carries(opened: Open) -> None:
    page = opened(diamond())
    licence = (Path(tinytorch.__file__).parent / "viz" / "assets" / "dagre.LICENSE").read_text(encoding="utf-8")
    assert "Copyright (c) 2012-2014 Chris Pettitt" in licence
    assert any(licence in text for text in page.eval_on_selector_all("script", "all => all.map(s => s.textContent)"))


def test_details_name_line_module_and_bytes(opened: Open) -> None:
    page = opened(network(1))
    page.fill("#search", "matmul")
    page.press("#search", "Enter")
    facts = details(page)
    assert facts["Module"] == "Sequential.0.0"
    assert facts["Line"].startswith(__file__)
    assert facts["Shape"] == "2×4"
    assert facts["Keeps"].endswith("bytes")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dark_and_light(opened: Open, browser_page: Any, scheme: str) -> None:
    browser_page.emulate_media(color_scheme=scheme)
    page = opened(diamond())
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(255, 255, 255)", "rgb(18, 22, 29)"
    assert page.evaluate(paper) == (light if scheme == "light" else dark)
    page.click("#theme")
    assert page.evaluate(paper) == (dark if scheme == "light" else light)
    page.click("#theme")
    assert page.evaluate(paper) == (light if scheme == "light" else dark)


def test_zoom_and_fit(opened: Open) -> None:
    page = opened(diamond())
    width = "document.querySelector('#drawing svg').getBoundingClientRect().width"
    before = page.evaluate(width)
    page.click("#larger")
    assert page.evaluate(width) == pytest.approx(1.25 * before, rel=0.01)
    page.click("#smaller")
    assert page.evaluate(width) == pytest.approx(before, rel=0.01)
    page.click("#smaller")
    page.click("#fit")
    assert page.evaluate(width) == pytest.approx(before, rel=0.01)


def test_a_narrow_window_has_no_sideways_scrolling(opened: Open, browser_page: Any) -> None:
    browser_page.set_viewport_size({"width": 360, "height": 640})
    page = opened(network(2))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_graph_of_three_thousand_nodes_is_readable(opened: Open) -> None:
    x = Tensor(0.5, requires_grad=True)
    out = x
    for _ in range(1500):
        out = tinytorch.tanh(out) * x
    page = opened(out.graph())
    assert 10 < len(boxes(page)) <= 90
    assert "boxes for 3,001 nodes" in page.inner_text("#status")
    assert sees(page, "0")
    page.click("#expand")
    assert 80 < len(boxes(page)) < 700
    assert "open those that you want to see" in page.inner_text("#status")
    page.fill("#search", "leaf: x")
    page.press("#search", "Enter")
    assert details(page)["Leaf"] == "x"
    assert sees(page, str(3000))


def sees(page: Any, id: str) -> bool:
    """Return whether a box stands inside of the drawing's window."""
    inner, outer = (page.locator(where).bounding_box() for where in (f'[data-id="{id}"]', "#drawing"))
    across = outer["x"] <= inner["x"] and inner["x"] + inner["width"] <= outer["x"] + outer["width"]
    return bool(across and outer["y"] <= inner["y"] and inner["y"] + inner["height"] <= outer["y"] + outer["height"])


def test_words_in_the_data_cannot_end_the_script(opened: Open) -> None:
    x = Tensor(1.0, requires_grad=True)
    with record_lines():
        y = x * 2 if "</script><script>alert(1)</script>" else x
    page = opened(y.graph())
    assert "</script><script>alert(1)</script>" in details(page)["Line"]
