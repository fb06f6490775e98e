"""The graph as one HTML page that needs nothing else: boxes that open and close, a search, and all that is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinytorch.viz._numbers import size
from tinytorch.viz._svg import lines_of, shape_text, summary, svg

if TYPE_CHECKING:
    from tinytorch.viz._graph import Graph, Node

ASSETS = Path(__file__).parent / "assets"
MOST_OPEN = 80  # boxes that are shown at first
RUN = 50  # operations that make a group in a large graph whose modules nobody knows


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
        "about": escape(f"{summary(graph)}. Numbers flow down, gradients flow up."),
        "style": asset("graph.css"),
        "dagre": asset("dagre.min.js"),
        "script": asset("graph.js"),
        "picture": svg(graph),
        "data": json.dumps(_data(graph)).replace("<", "\\u003c"),
    }
    return fill(asset("graph.html"), parts)


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
    homes = _homes(graph)
    members: dict[tuple[str, ...], int] = {}
    for path in homes:
        for k in range(1, len(path) + 1):
            members[path[:k]] = members.get(path[:k], 0) + 1
    return {
        "nodes": [_node(node, homes[node.id]) for node in graph.nodes],
        "edges": [{"source": edge.source, "target": edge.target} for edge in graph.edges],
        "groups": [_group(path, count) for path, count in members.items()],
        "open": [_id(path) for path in _open_at_first(homes)],
    }


def _homes(graph: Graph) -> list[tuple[str, ...]]:
    """Return the path of groups around each node."""
    homes = [node.module for node in graph.nodes]
    if len(homes) > MOST_OPEN and not any(homes):
        operations = [node.id for node in graph.nodes if node.kind == "operation"][::-1]  # in the order they ran
        for start in range(0, len(operations), RUN):
            run = operations[start : start + RUN]
            for id in run:
                homes[id] = (f"operations {start + 1} to {start + len(run)}",)
    for edge in graph.edges[::-1]:  # a leaf without a module stands with the first operation that uses it
        if not homes[edge.source] and graph.nodes[edge.source].kind == "leaf":
            homes[edge.source] = homes[edge.target]
    return homes


def _open_at_first(homes: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the groups to open, outer ones first, as long as the boxes that can be seen are few."""
    groups = sorted({path[:k] for path in homes for k in range(1, len(path) + 1)}, key=lambda path: (len(path), path))
    opened: set[tuple[str, ...]] = set()
    for group in groups:
        if group[:-1] and group[:-1] not in opened:
            continue
        opened.add(group)
        if len({_seen(path, opened) or (i,) for i, path in enumerate(homes)}) > MOST_OPEN:
            opened.remove(group)
    return [group for group in groups if group in opened]


def _seen(path: tuple[str, ...], opened: set[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the closed group in which a node is hidden; nothing if all around it are open."""
    return next((path[:k] for k in range(1, len(path) + 1) if path[:k] not in opened), ())


def _id(path: tuple[str, ...]) -> str:
    return "group " + "/".join(path)


def _group(path: tuple[str, ...], count: int) -> dict[str, Any]:
    return {
        "id": _id(path),
        "kind": "group",
        "depth": len(path),
        "name": path[-1],
        "lines": [f"+ {path[-1]}", f"{count} node{'' if count == 1 else 's'}"],
        "group": _id(path[:-1]) if path[:-1] else None,
        "details": {"Group": ".".join(path), "Nodes": str(count)},
    }


def _node(node: Node, home: tuple[str, ...]) -> dict[str, Any]:
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
