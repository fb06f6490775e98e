"""Which group each node of a graph stands in, and which groups are open at first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinytorch.viz._graph import Graph, Node

Path = tuple[str, ...]

MOST_OPEN = 80  # boxes that are shown at first, and that a group may hold
RUN = 50  # members of a group that is made because there are too many to be seen at once
FAN = 12  # lines from one box; where more are needed, the boxes that it is used in name it instead


def homes_of(graph: Graph) -> list[Path]:
    """Return the path of groups around each node: its modules, and runs of operations where a module has too many."""
    homes = [node.module for node in graph.nodes]
    for edge in graph.edges[::-1]:  # a leaf without a module stands with the first operation that uses it
        if not homes[edge.source] and graph.nodes[edge.source].kind == "leaf":
            homes[edge.source] = homes[edge.target]
    crowds: dict[Path, list[Node]] = defaultdict(list)
    for node in graph.nodes[::-1]:  # in the order in which they ran
        if node.kind == "operation":
            crowds[homes[node.id]].append(node)
    run: dict[int, Path] = {}
    for crowd in crowds.values():
        if len(crowd) > MOST_OPEN:
            run.update({node.id: _runs(i, len(crowd)) for i, node in enumerate(crowd)})
    for edge in graph.edges[::-1]:
        if edge.target in run and graph.nodes[edge.source].kind == "leaf":
            if homes[edge.source] == homes[edge.target]:
                run.setdefault(edge.source, run[edge.target])
    return [home + run.get(id, ()) for id, home in enumerate(homes)]


def open_at_first(homes: Sequence[Path]) -> set[Path]:
    """Return the groups to open, outer ones first, as long as the boxes that can be seen are few."""
    inside = Counter(path[:-1] for path in groups_of(homes))  # how many boxes a group has when it is open
    inside.update(homes)
    boxes = inside[()]
    opened: set[Path] = {()}
    for path in sorted(groups_of(homes), key=len):
        if path[:-1] in opened and boxes + inside[path] - 1 <= MOST_OPEN:
            boxes += inside[path] - 1
            opened.add(path)
    return opened - {()}


def groups_of(homes: Sequence[Path]) -> dict[Path, int]:
    """Return all groups, and how many nodes are in each and in what it holds."""
    sizes: Counter[Path] = Counter()
    for home in homes:
        sizes.update(home[:k] for k in range(1, len(home) + 1))
    return dict(sizes)


def seen(home: Path, opened: set[Path]) -> Path:
    """Return the closed group in which a node is hidden; nothing if all around it are open."""
    return next((home[:k] for k in range(1, len(home) + 1) if home[:k] not in opened), ())


def named_only(lines: Mapping[tuple[Hashable, Hashable], object]) -> set[Hashable]:
    """Return the boxes from which too many lines would lead: those are named where they are used."""
    fans = Counter(source for source, _ in lines)
    return {source for source, count in fans.items() if count > FAN}


def _runs(i: int, count: int) -> Path:
    """Return the groups around operation `i` of many: at most RUN in each, and at most RUN groups in a group."""
    size = RUN
    while size * RUN < count:
        size *= RUN
    path = []
    while size >= RUN:
        start = i // size * size
        path.append(f"operations {start + 1:,} to {min(start + size, count):,}")
        size //= RUN
    return tuple(path)
