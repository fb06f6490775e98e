"""The picture of a graph: numbers flow down, gradients flow up."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from tinytorch.viz._groups import Path, groups_of, homes_of, named_only, open_at_first, seen
from tinytorch.viz._layout import SIGN, Box, Point, layout
from tinytorch.viz._numbers import size

if TYPE_CHECKING:
    from tinytorch.viz._graph import Graph, Node

Shown = int | Path  # a node, or a closed group in the place of its nodes

MOST_DRAWN = 400  # boxes; where there are more, those nearest to the end are drawn
_LINE, _PAD = 16, 10  # height of a line, space around lines
_LONGEST = 34  # signs in a line
_MARGIN = 16

# Blue and orange of M. Okabe and K. Ito's palette, which colour-blind people tell apart; shapes say the same.
STYLE = """
.tt-graph { --paper: #ffffff; --ink: #1b2330; --quiet: #576273; --line: #8592a5; --box: #ffffff;
  --frame: #576b850e; --rule: #c9d0da; --closed: #e3e8ef;
  --leaf: #0072b2; --leaf-box: #e7f3fb; --end: #b54708; --end-box: #fdeedf; }
@media (prefers-color-scheme: dark) { .tt-graph { --paper: #12161d; --ink: #e8ecf2; --quiet: #a3afc0; --line: #75839a;
  --box: #1b212b; --frame: #93a7c40c; --rule: #3b4657; --closed: #2a3340;
  --leaf: #6fc1f5; --leaf-box: #12324a; --end: #f6ad64; --end-box: #45290f; } }
.tt-graph .paper { fill: var(--paper); }
.tt-graph text { font: 12px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink); }
.tt-graph .label { font-weight: 700; font-size: 13px; }
.tt-graph .quiet { fill: var(--quiet); }
.tt-graph .box { fill: var(--box); stroke: var(--line); stroke-width: 1.2; }
.tt-graph .frame rect { fill: var(--frame); stroke: var(--rule); }
.tt-graph .closed .box { fill: var(--closed); stroke-dasharray: 5 3; }
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
        Whether the picture stands alone: then a large graph is drawn with closed groups, and a note says how more can
        be seen. Without it every node has a box, or the nearest to the end if they are too many.
    """
    homes = homes_of(graph)
    opened = open_at_first(homes) if hint else set(groups_of(homes))
    drawing = _Drawing(graph, homes, opened)
    notes = _notes(graph, drawing) if hint else []
    plan = drawing.plan
    width = max(plan.width, *(len(note) * SIGN for note in notes), 1) + 2 * _MARGIN
    height = plan.height + 2 * _MARGIN + _LINE * len(notes) + (8 if notes else 0)
    words = [
        f'<text class="quiet" x="{_MARGIN}" y="{_MARGIN + plan.height + 24 + i * _LINE:.1f}">{escape(note)}</text>'
        for i, note in enumerate(notes)
    ]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tt-graph" viewBox="0 0 {width:.1f} {height:.1f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{escape(summary(graph))}">',
        f"<style>{STYLE}</style>",
        '<rect class="paper" width="100%" height="100%" rx="6"/>',
        f'<g transform="translate({(width - plan.width) / 2:.1f} {_MARGIN})">',
        *drawing.frames(),
        *drawing.edges(),
        *drawing.boxes(),
        "</g>",
        *words,
        "</svg>",
    ]
    return "\n".join(parts)


class _Drawing:
    """What is drawn of a graph: nodes, closed groups in the place of theirs, and the lines between them."""

    def __init__(self, graph: Graph, homes: list[Path], opened: set[Path]) -> None:
        hiders = [seen(home, opened) for home in homes]
        where: list[Shown] = [hider or id for id, hider in enumerate(hiders)]
        shown = list(dict.fromkeys(where))[:MOST_DRAWN]
        among = set(shown)
        self.graph = graph
        self.left_out = len(set(where)) - len(shown)
        self.closed = {path: count for path, count in groups_of(homes).items() if path in among}
        self.nodes = [graph.nodes[id] for id in shown if isinstance(id, int)]
        self.lines = _lines(graph, where, among)
        self.texts: dict[Shown, list[tuple[str, str]]] = {node.id: list(lines_of(node)) for node in self.nodes}
        self.texts.update((path, _group_lines(path, count)) for path, count in self.closed.items())
        self._name_fans()
        places: dict[Hashable, Path] = {id: homes[id] if isinstance(id, int) else id[:-1] for id in shown}
        self.plan = layout({id: _size(self.texts[id]) for id in shown}, [(a, b) for a, b, _ in self.lines], places)

    def _name_fans(self) -> None:
        """Say the name of what is used in many boxes there, and draw no lines from it."""
        fans = named_only({(source, target): None for source, target, _ in self.lines})
        for source, target in dict.fromkeys((a, b) for a, b, _ in self.lines if a in fans):
            self.texts[target].append(("quiet", _short(f"from {self._name(source)}")))
        self.lines = [line for line in self.lines if line[0] not in fans]

    def _name(self, id: Shown) -> str:
        return self.graph.nodes[id].label if isinstance(id, int) else id[-1]

    def frames(self) -> Iterator[str]:
        """Yield the frames of open groups, outer ones first."""
        for path, box in self.plan.frames.items():
            yield (
                f'<g class="frame" data-group="{escape("/".join(path))}"><rect {_rect(box)} rx="6"/>'
                f'<text class="quiet" x="{box.x + 10:.1f}" y="{box.y + 16:.1f}">{escape(path[-1])}</text></g>'
            )

    def edges(self) -> Iterator[str]:
        for (source, target, number), path in zip(self.lines, self.plan.paths, strict=True):
            data = f'data-from="{_name_of(source)}" data-to="{_name_of(target)}" data-input="{number}"'
            yield f'<path class="edge" {data} d="{curve(path)}"/>{_tip(path)}'

    def boxes(self) -> Iterator[str]:
        for node in self.nodes:
            kind = "leaf" if node.kind == "leaf" else "end" if node.id == 0 else "operation"
            yield _box(f'node {kind}" data-id="{node.id}', details(node), self.plan.boxes[node.id], self.texts[node.id])
        for path in self.closed:
            name = f'closed" data-group="{_name_of(path)}'
            yield _box(name, ".".join(path), self.plan.boxes[path], self.texts[path])


def _lines(graph: Graph, where: list[Shown], shown: set[Shown]) -> list[tuple[Shown, Shown, int]]:
    """Return the lines to draw: between nodes one for each input, to and from closed groups one for all."""
    lines: dict[tuple[Shown, Shown, int | None], int] = {}
    for edge in graph.edges:
        source, target = where[edge.source], where[edge.target]
        if source != target and source in shown and target in shown:
            both = isinstance(source, int) and isinstance(target, int)
            lines.setdefault((source, target, edge.input if both else None), edge.input)
    return [(source, target, number) for (source, target, _), number in lines.items()]


def _group_lines(path: Path, count: int) -> list[tuple[str, str]]:
    return [("label", _short(path[-1])), ("quiet", f"{count:,} node{'' if count == 1 else 's'}")]


def _name_of(id: Shown) -> str:
    return escape("/".join(id)) if isinstance(id, tuple) else str(id)


def summary(graph: Graph) -> str:
    """Return in a sentence what a graph holds."""
    operations = sum(node.kind == "operation" for node in graph.nodes)
    leaves = len(graph.nodes) - operations
    return (
        f"A graph of {operations:,} operation{'' if operations == 1 else 's'} and {leaves:,} "
        f"lea{'f' if leaves == 1 else 'ves'}, which keeps {size(graph.total_bytes)}"
    )


def _notes(graph: Graph, drawing: _Drawing) -> list[str]:
    notes = []
    if drawing.left_out:
        notes.append(f"{drawing.left_out:,} boxes more are not drawn.")
    if drawing.left_out or drawing.closed:
        hidden = len(graph.nodes) - len(drawing.nodes)
        notes.append(
            f"{hidden:,} of {len(graph.nodes):,} nodes are in closed groups: graph.save('graph.html') opens them."
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


def _tip(path: Sequence[Point]) -> str:
    (x, y), down = path[-1], path[-1][1] >= path[-2][1]
    return f'<path class="tip" d="M{x - 4:.1f} {y - 7 if down else y + 7:.1f}h8l-4 {7 if down else -7}z"/>'


def _box(name: str, about: str, box: Box, lines: list[tuple[str, str]]) -> str:
    radius = min(box.height / 2, 18) if "leaf" in name else 4
    words = [
        f'<text class="{line}" x="{box.x + box.width / 2:.1f}" y="{box.y + _PAD + 11 + i * _LINE:.1f}" '
        f'text-anchor="middle">{escape(text)}</text>'
        for i, (line, text) in enumerate(lines)
    ]
    return (
        f'<g class="{name}"><title>{escape(about)}</title>'
        f'<rect class="box" {_rect(box)} rx="{radius:.1f}"/>{"".join(words)}</g>'
    )


def _rect(box: Box) -> str:
    return f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'


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
    longest = max(len(text) * (SIGN * 13 / 12 if kind == "label" else SIGN) for kind, text in lines)
    return max(56.0, longest + 2 * _PAD), len(lines) * _LINE + 2 * _PAD - 4


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
