"""A graph drawn with characters: what is made stands above what it is made from."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

from tinytorch.viz._numbers import size
from tinytorch.viz._svg import shape_text, summary

if TYPE_CHECKING:
    from tinytorch.viz._graph import Graph, Node

MOST_LINES = 400
LONGEST = 60  # signs of a line of code
_SIGNS = ("├─ ", "└─ ", "│  ", "   ")
_PLAIN = ("+- ", "`- ", "|  ", "   ")


def text(graph: Graph, encoding: str | None = None, most: int = MOST_LINES) -> str:
    """Return the drawing; a node that is used twice is drawn once, and referred to by its number after that.

    Parameters
    ----------
    graph
        What to draw.
    encoding
        Of where it will be shown; that of the standard output if None. Signs that it lacks are replaced.
    most
        How many nodes to draw.
    """
    encoding = encoding or getattr(sys.stdout, "encoding", None) or "utf-8"
    inputs: dict[int, list[int]] = defaultdict(list)
    for edge in sorted(graph.edges, key=lambda edge: (edge.target, edge.input)):
        inputs[edge.target].append(edge.source)
    users: dict[int, int] = defaultdict(int)
    for edge in graph.edges:
        users[edge.source] += 1
    tee, corner, bar, gap = _SIGNS if fits("".join(_SIGNS), encoding) else _PLAIN
    lines: list[str] = []
    drawn: set[int] = set()
    stack: list[tuple[int, str, str]] = [(0, "", "")]
    while stack and len(lines) < most:
        id, first, rest = stack.pop()
        again = id in drawn
        drawn.add(id)
        node = graph.nodes[id]
        lines.append(first + _line(node, numbered=users[id] > 1, again=again))
        if again:
            continue
        below = inputs[id]
        if len(below) == 1:  # a chain goes straight down
            stack.append((below[0], rest, rest))
            continue
        for k in range(len(below) - 1, -1, -1):
            ends = k == len(below) - 1
            stack.append((below[k], rest + (corner if ends else tee), rest + (gap if ends else bar)))
    left = len(graph.nodes) - len(drawn)
    lines.append("")
    if left:
        lines.append(f"... and {left:,} nodes more: graph.save('graph.html') shows all of them")
    lines.append(f"{summary(graph)}.")
    drawing = "\n".join(lines)
    return drawing if fits(drawing, encoding) else replaced(drawing, encoding)


def _line(node: Node, numbered: bool, again: bool) -> str:
    title = " ".join([node.label, *node.constants]) if node.kind == "operation" else node.label
    if node.kind == "operation" and node.name:
        title = f"{node.name} = {title}"
    number = f" #{node.id}" if numbered else ""
    if again:
        return f"{title}{number} (see above)"
    facts = [shape_text(node.shape) + ("" if node.dtype == "float32" else f" {node.dtype}")]
    if node.value is not None:
        facts.append(f"value {node.value}")
    if node.grad is not None:
        facts.append(f"grad {node.grad}")
    if node.bytes:
        facts.append(f"keeps {size(node.bytes)}")
    if node.module:
        facts.append(f"in {'.'.join(node.module)}")
    if node.line:
        facts.append(_place(node.line))
    return f"{title}{number}   {'; '.join(facts)}"


def _place(line: str) -> str:
    """Return a line of code with the name of its file, short enough to stand beside a node."""
    short = re.sub(r"^.*?[/\\](?=[^/\\]+:\d+: )", "", line)
    return short if len(short) <= LONGEST else f"{short[: LONGEST - 1]}…"


def fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def replaced(text: str, encoding: str) -> str:
    for sign, plain in {"×": "x", "−": "-", "÷": "/", "…": "...", "∞": "inf"}.items():
        text = text.replace(sign, plain)
    return text.encode(encoding, "replace").decode(encoding)
