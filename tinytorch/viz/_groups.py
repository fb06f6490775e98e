"""Which group each node of a graph stands in, and which groups are open at first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinytorch.viz._graph import Graph, Node

Path = tuple[str, ...]

MOST_OPEN = 80  # boxes that are shown at first, and that a group may hold
RUN = 25  # members of a group that is made because there are too many to be seen at once
FAN = 12  # lines from one box; where more are needed, the boxes that it is used in name it instead


def homes_of(graph: Graph) -> list[Path]:
    """Return the path of groups around each node: its modules, and runs of operations where a module has too many.

    A leaf stands with the operation that uses it, or in the group that holds all those which do.
    """
    crowds: dict[Path, list[Node]] = defaultdict(list)
    for node in graph.nodes[::-1]:  # in the order in which they ran
        if node.kind == "operation":
            crowds[node.module].append(node)
    homes = [node.module for node in graph.nodes]
    for module, crowd in crowds.items():
        if len(crowd) > MOST_OPEN:
            for i, node in enumerate(crowd):
                homes[node.id] = module + _runs(i, len(crowd))
    users: dict[int, list[Path]] = defaultdict(list)
    for edge in graph.edges:
        users[edge.source].append(homes[edge.target])
    for node in graph.nodes:
        if node.kind == "leaf":
            around = _shared(users[node.id])
            homes[node.id] = around if around[: len(node.module)] == node.module else node.module
    return homes


def _shared(paths: Sequence[Path]) -> Path:
    """Return the longest path that all begin with."""
    first, last = min(paths, default=()), max(paths, default=())
    count = next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:count]


def open_at_first(homes: Sequence[Path]) -> set[Path]:
    """Return the groups to open: those around the end, then outer and large ones while few boxes can be seen."""
    groups = groups_of(homes)
    inside = Counter(path[:-1] for path in groups)  # how many boxes a group has when it is open
    inside.update(homes)
    boxes = inside[()]
    opened: set[Path] = {()}
    around_the_end = [homes[0][:k] for k in range(1, len(homes[0]) + 1)]
    for path in [*around_the_end, *sorted(groups, key=lambda path: (len(path), -groups[path]))]:
        few = boxes + inside[path] - 1 <= MOST_OPEN
        if path not in opened and path[:-1] in opened and (few or path in around_the_end):
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
        first, last = i // size * size + 1, min(i // size * size + size, count)
        path.append(f"operations {first:,} to {last:,}" if first < last else f"operation {first:,}")
        size //= RUN
    return tuple(path)
