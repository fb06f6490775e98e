"""The graph as one HTML page that needs nothing else: boxes that open and close, a search, and all that is known."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from tinytorch.viz._groups import FAN, Path, groups_of, homes_of, open_at_first
from tinytorch.viz._numbers import size
from tinytorch.viz._svg import lines_of, shape_text, summary, svg

if TYPE_CHECKING:
    from tinytorch.viz._graph import Graph, Node

ASSETS = pathlib.Path(__file__).parent / "assets"
MOST_NODES = 20_000  # on one page; of a larger graph those nearest to the end are there


def page(graph: Graph, title: str = "") -> str:
    """Return the page.

    Parameters
    ----------
    graph
        What it shows.
    title
        Its heading; the name of the tensor if empty.
    """
    parts = {
        "title": escape(title or f"The graph of {graph.nodes[0].name or 'a tensor'}"),
        "about": escape(f"{summary(graph)}. Numbers flow down, gradients flow up.{_left_out(graph)}"),
        "style": asset("graph.css"),
        "dagre": f"/*!\ndagre\n{asset('dagre.LICENSE')}*/\n{asset('dagre.min.js')}",
        "script": asset("graph.js"),
        "picture": svg(graph),
        "data": json.dumps(_data(graph)).replace("<", "\\u003c"),
    }
    return fill(asset("graph.html"), parts)


def _left_out(graph: Graph) -> str:
    count = len(graph.nodes) - MOST_NODES
    return f" The {count:,} nodes that are farthest from the end are not on this page." if count > 0 else ""


def asset(name: str) -> str:
    """Return the text of a file that pages are made of."""
    return (ASSETS / name).read_text(encoding="utf-8")


def fill(template: str, parts: dict[str, str]) -> str:
    """Put parts in the places of ``{{name}}``, all at once: what a part contains is never a place."""
    pieces = template.split("{{")
    filled = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}}")
        filled += [parts[name], rest]
    return "".join(filled)


def _data(graph: Graph) -> dict[str, Any]:
    """Return what the script needs: nodes and edges, the groups around them, and which are open at first."""
    homes = homes_of(graph)[:MOST_NODES]
    groups, opened = groups_of(homes), open_at_first(homes)
    return {
        "nodes": [_node(node, home) for node, home in zip(graph.nodes, homes, strict=False)],
        "edges": [
            {"source": edge.source, "target": edge.target, "input": edge.input}
            for edge in graph.edges
            if edge.source < MOST_NODES  # and so is the target, which comes before it
        ],
        "groups": [_group(path, count) for path, count in groups.items()],
        "open": [_id(path) for path in groups if path in opened],
        "fan": FAN,
    }


def _id(path: Path) -> str:
    return "group " + "/".join(path)


def _group(path: Path, count: int) -> dict[str, Any]:
    return {
        "id": _id(path),
        "kind": "group",
        "depth": len(path),
        "name": path[-1],
        "lines": [path[-1], f"{count:,} node{'' if count == 1 else 's'}"],
        "group": _id(path[:-1]) if path[:-1] else None,
        "details": {"Group": ".".join(path), "Nodes": f"{count:,}"},
    }


def _node(node: Node, home: Path) -> dict[str, Any]:
    return {
        "id": node.id,
        "kind": "end" if node.id == 0 else node.kind,
        "name": node.name,
        "lines": [text for _, text in lines_of(node)],
        "group": _id(home) if home else None,
        "details": dict(_facts(node)),
    }


def _facts(node: Node) -> Iterator[tuple[str, str]]:
    """Yield all that is known of a node, as pairs of a word and a text."""
    if node.kind == "operation":
        yield "Operation", f"{node.label} ({node.of.name})"
    else:
        yield "Leaf", node.name or "without a name"
    if node.kind == "operation" and node.name:
        yield "Name", node.name
    yield "Shape", shape_text(node.shape)
    yield "Dtype", node.dtype
    if node.constants:
        yield "Constants", ", ".join(node.constants)
    if node.value is not None:
        yield "Value", node.value
    if node.grad is not None:
        yield "Gradient", node.grad
    if node.kind == "operation":
        yield "Keeps", size(node.bytes) if node.bytes else "nothing"
    if node.module:
        yield "Module", ".".join(node.module)
    if node.line:
        yield "Line", node.line
