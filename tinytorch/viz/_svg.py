"""The picture of a graph: numbers flow down, gradients flow up."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from tinytorch.viz._layout import Box, Point, layout
from tinytorch.viz._numbers import size

if TYPE_CHECKING:
    from tinytorch.viz._graph import Graph, Node

MOST_DRAWN = 400  # nodes; of a larger graph only those nearest to its end are drawn
_SIGN, _LINE, _PAD = 7.3, 16, 10  # width of a sign, height of a line, space around them
_LONGEST = 34  # signs in a line
_MARGIN = 16

# Blue and orange of M. Okabe and K. Ito's palette, which colour-blind people tell apart; shapes say the same.
STYLE = """
.tt-graph { --paper: #ffffff; --ink: #1b2330; --quiet: #576273; --line: #8592a5; --box: #f6f7f9;
  --leaf: #0072b2; --leaf-box: #e7f3fb; --end: #b54708; --end-box: #fdeedf; }
@media (prefers-color-scheme: dark) { .tt-graph { --paper: #12161d; --ink: #e8ecf2; --quiet: #a3afc0; --line: #75839a;
  --box: #1b212b; --leaf: #6fc1f5; --leaf-box: #12324a; --end: #f6ad64; --end-box: #45290f; } }
.tt-graph .paper { fill: var(--paper); }
.tt-graph text { font: 12px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink); }
.tt-graph .label { font-weight: 700; font-size: 13px; }
.tt-graph .quiet { fill: var(--quiet); }
.tt-graph .box { fill: var(--box); stroke: var(--line); stroke-width: 1.2; }
.tt-graph .leaf .box { fill: var(--leaf-box); stroke: var(--leaf); }
.tt-graph .end .box { fill: var(--end-box); stroke: var(--end); stroke-width: 2.4; }
.tt-graph .edge { fill: none; stroke: var(--line); stroke-width: 1.4; }
.tt-graph .tip { fill: var(--line); }
"""


def svg(graph: Graph, hint: bool = True) -> str:
    """Return the picture as SVG; boxes carry ``data-id``, edges ``data-from``, ``data-to`` and ``data-input``.

    Parameters
    ----------
    graph
        What to draw.
    hint
        Whether to say below the picture how more can be seen.
    """
    nodes = graph.nodes[:MOST_DRAWN] if len(graph.nodes) > MOST_DRAWN else graph.nodes
    drawn = {node.id for node in nodes}
    edges = [edge for edge in graph.edges if edge.source in drawn and edge.target in drawn]
    texts = {node.id: list(lines_of(node)) for node in nodes}
    sizes: dict[Hashable, tuple[float, float]] = {id: _size(lines) for id, lines in texts.items()}
    plan = layout(sizes, [(edge.source, edge.target) for edge in edges])
    notes = _notes(graph, len(nodes)) if hint else []
    width = max(plan.width, *(len(note) * _SIGN for note in notes), 1) + 2 * _MARGIN
    height = plan.height + 2 * _MARGIN + _LINE * len(notes) + (8 if notes else 0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tt-graph" viewBox="0 0 {width:.1f} {height:.1f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{escape(summary(graph))}">',
        f"<style>{STYLE}</style>",
        '<rect class="paper" width="100%" height="100%" rx="6"/>',
        f'<g transform="translate({_MARGIN} {_MARGIN})">',
    ]
    for edge, path in zip(edges, plan.paths, strict=True):
        data = f'data-from="{edge.source}" data-to="{edge.target}" data-input="{edge.input}"'
        parts.append(f'<path class="edge" {data} d="{curve(path)}"/>{_tip(path[-1])}')
    for node in nodes:
        parts.append(_box(node, plan.boxes[node.id], texts[node.id]))
    for i, note in enumerate(notes):
        y = plan.height + 24 + i * _LINE
        parts.append(f'<text class="quiet" x="0" y="{y:.1f}">{escape(note)}</text>')
    return "\n".join([*parts, "</g>", "</svg>"])


def summary(graph: Graph) -> str:
    """Return in a sentence what a graph holds."""
    operations = sum(node.kind == "operation" for node in graph.nodes)
    leaves = len(graph.nodes) - operations
    return (
        f"A graph of {operations} operation{'' if operations == 1 else 's'} and {leaves} "
        f"lea{'f' if leaves == 1 else 'ves'}, which keeps {size(graph.total_bytes)}"
    )


def _notes(graph: Graph, drawn: int) -> list[str]:
    notes = []
    if drawn < len(graph.nodes):
        notes.append(
            f"The {drawn:,} nodes nearest to the end, of {len(graph.nodes):,}. graph.save('graph.html') has more."
        )
    if not graph.recorded and any(node.kind == "operation" for node in graph.nodes):
        notes.append("Source lines and modules: run the forward pass inside tinytorch.autograd.record_lines().")
    return notes


def lines_of(node: Node) -> Iterator[tuple[str, str]]:
    """Yield the lines in a node's box: what kind of line, and its text."""
    title = " ".join([node.label, *node.constants]) if node.kind == "operation" else node.label
    if node.kind == "operation" and node.name:
        title = f"{node.name} = {title}" if node.constants else f"{node.name}: {title}"
    yield "label", _short(title)
    yield "quiet", _short(f"{shape_text(node.shape)} {node.dtype}")
    if node.value is not None:
        yield "", _short(f"value {node.value}")
    if node.grad is not None:
        yield "", _short(f"grad  {node.grad}")


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as a word: ``2×3``; ``scalar`` for no axis."""
    return "×".join(map(str, shape)) if shape else "scalar"


def curve(path: Sequence[Point]) -> str:
    """Return the SVG path of a smooth line that leaves and arrives upright."""
    x, y = path[0]
    parts = [f"M{x:.1f} {y:.1f}"]
    for next_x, next_y in path[1:]:
        middle = (y + next_y) / 2
        parts.append(f"C{x:.1f} {middle:.1f} {next_x:.1f} {middle:.1f} {next_x:.1f} {next_y:.1f}")
        x, y = next_x, next_y
    return "".join(parts)


def _tip(end: Point) -> str:
    x, y = end
    return f'<path class="tip" d="M{x - 4:.1f} {y - 7:.1f}h8l-4 7z"/>'


def _box(node: Node, box: Box, lines: list[tuple[str, str]]) -> str:
    kind = "leaf" if node.kind == "leaf" else "end" if node.id == 0 else "operation"
    radius = min(box.height / 2, 18) if kind == "leaf" else 4
    words = [
        f'<text class="{line}" x="{box.x + box.width / 2:.1f}" y="{box.y + _PAD + 11 + i * _LINE:.1f}" '
        f'text-anchor="middle">{escape(text)}</text>'
        for i, (line, text) in enumerate(lines)
    ]
    rect = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius:.1f}"'
    return (
        f'<g class="node {kind}" data-id="{node.id}"><title>{escape(details(node))}</title>'
        f'<rect class="box" {rect}/>{"".join(words)}</g>'
    )


def details(node: Node) -> str:
    """Return all that is known of a node, a line each."""
    what = f"{node.of.name}: {node.label}" if node.kind == "operation" else f"leaf {node.name}".strip()
    lines = [what, f"shape {shape_text(node.shape)}, {node.dtype}"]
    if node.value is not None:
        lines.append(f"value {node.value}")
    if node.grad is not None:
        lines.append(f"gradient {node.grad}")
    if node.kind == "operation":
        lines.append(f"keeps {size(node.bytes)}" if node.bytes else "keeps nothing")
    if node.module:
        lines.append(f"in {'.'.join(node.module)}")
    if node.line:
        lines.append(node.line)
    return "\n".join(lines)


def _size(lines: list[tuple[str, str]]) -> tuple[float, float]:
    longest = max(len(text) * (_SIGN * 13 / 12 if kind == "label" else _SIGN) for kind, text in lines)
    return max(56.0, longest + 2 * _PAD), len(lines) * _LINE + 2 * _PAD - 4


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
