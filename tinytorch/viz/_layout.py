"""Where the boxes of a graph stand: in layers, what is made below what it is made from, and in frames around groups.

Source: K. Sugiyama, S. Tagawa and M. Toda, Methods for visual understanding of hierarchical system structures, IEEE
Transactions on Systems, Man, and Cybernetics 11(2), 1981.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Id = Hashable
Point = tuple[float, float]
Size = tuple[float, float]
Path = tuple[str, ...]
Ports = Mapping[tuple[int, int], float]  # of edge number i, where it leaves (0) or arrives (1), from the box's left

GAP_X, GAP_Y = 28, 44  # between boxes, and between layers
GAP_DOORS = 12  # between a layer that holds nothing but doors, and the next
FRAME, TITLE = 14, 20  # space inside of a frame, and for its title
SIGN = 7.3  # width of a sign
_SWEEPS = 6  # over all layers, down and up


@dataclass(frozen=True)
class Box:
    """Where a box stands: its upper left corner, its width and height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Layout:
    """Boxes by id, frames by the path of their group, the points that each edge goes through, and the size of all."""

    boxes: dict[Id, Box]
    paths: list[list[Point]]
    width: float
    height: float
    frames: dict[Path, Box]


def layout(sizes: Mapping[Id, Size], edges: Sequence[tuple[Id, Id]], homes: Mapping[Id, Path] | None = None) -> Layout:
    """Place boxes so that edges lead down and no two overlap.

    Each group is placed by itself, innermost first, and is then a box to what is around it. An edge that leaves or
    enters it goes through a door of its own, so that it leads around the boxes.

    Parameters
    ----------
    sizes
        Width and height of each box.
    edges
        From what an operation is made, to the operation; its inputs in their order. Only where they form a cycle, as
        two groups can that use results of each other, does an edge lead up.
    homes
        The path of groups around each box; none if left out.
    """
    homes = homes or {}
    levels, ways = _levels(sizes, edges, homes)
    plans: dict[Path, _Plan] = {}
    for path in sorted(levels, key=len, reverse=True):
        plans[path] = _plan(path, levels[path], sizes, plans)
    corners: dict[Path, Point] = {}
    boxes: dict[Id, Box] = {}
    frames: dict[Path, Box] = {}
    for path in sorted(levels, key=len):
        left, top = corners[path] = _corner(path, plans, corners)
        for id, box in plans[path].boxes.items():
            if id in sizes:
                boxes[id] = Box(box.x + left, box.y + top, box.width, box.height)
            elif isinstance(id, _Group):
                frames[id.path] = Box(box.x + left, box.y + top, box.width, box.height)
    paths = [
        [point for path, number in way for point in _moved(plans[path].paths[number], corners[path])] for way in ways
    ]
    whole = plans[()]
    return Layout(boxes, paths, whole.width, whole.height, frames)


@dataclass(frozen=True)
class _Group:
    """A group, as a box to what is around it."""

    path: Path


@dataclass(frozen=True)
class _Door:
    """Where the lines of a box outside come in, or those of a box inside go out."""

    source: Id
    out: bool


@dataclass
class _Level:
    """What one group holds: boxes, groups and doors; and its part of each line, by its ends."""

    members: dict[Id, None]
    edges: dict[tuple[Id, Id, Id, int | None], int]


@dataclass
class _Plan:
    """One level, placed: boxes from its upper left corner, and the points of its edges."""

    boxes: dict[Id, Box]
    paths: list[list[Point]]
    width: float
    height: float


def _levels(
    sizes: Mapping[Id, Size], edges: Sequence[tuple[Id, Id]], homes: Mapping[Id, Path]
) -> tuple[dict[Path, _Level], list[list[tuple[Path, int]]]]:
    """Return what each group holds, and for each edge the parts that it is made of: the level and the number there."""
    levels: dict[Path, _Level] = defaultdict(lambda: _Level({}, {}))
    levels[()]  # is there even if nothing is in it
    for id in sizes:
        home = homes.get(id, ())
        levels[home].members[id] = None
        for k in range(len(home)):
            levels[home[:k]].members[_Group(home[: k + 1])] = None
    ways = []
    for number, (source, target) in enumerate(edges):
        up, down = homes.get(source, ()), homes.get(target, ())
        shared = next((k for k, (a, b) in enumerate(zip(up, down, strict=False)) if a != b), min(len(up), len(down)))
        hops: list[tuple[Path, Id, Id]] = []
        for k in range(len(up), shared, -1):
            hops.append((up[:k], _member(source, up, k), _Door(source, out=True)))
        hops.append((up[:shared], _member(source, up, shared), _member(target, down, shared)))
        for k in range(shared + 1, len(down) + 1):
            hops.append((down[:k], _Door(source, out=False), _member(target, down, k)))
        way = []
        for path, a, b in hops:
            level = levels[path]
            level.members.update(dict.fromkeys((a, b)))
            alone = number if a in sizes and b in sizes else None  # in and out of groups a box has one line for all
            way.append((path, level.edges.setdefault((a, b, source, alone), len(level.edges))))
        ways.append(way)
    return dict(levels), ways


def _member(id: Id, home: Path, k: int) -> Id:
    """Return what stands for a box in the k-th group around it."""
    return id if k == len(home) else _Group(home[: k + 1])


def _plan(path: Path, level: _Level, sizes: Mapping[Id, Size], plans: Mapping[Path, _Plan]) -> _Plan:
    """Place what a group holds; groups inside of it have been placed before."""
    own: dict[Id, Size] = {}
    for id in level.members:
        if isinstance(id, _Group):
            own[id] = (plans[id.path].width, plans[id.path].height)
        else:
            own[id] = (2.0, 0.0) if isinstance(id, _Door) else sizes[id]
    ports: dict[tuple[int, int], float] = {}
    for (a, b, source, _), number in level.edges.items():
        for end, (id, out) in enumerate(((a, True), (b, False))):
            if isinstance(id, _Group):
                door = plans[id.path].boxes[_Door(source, out)]
                ports[number, end] = door.x + door.width / 2
    doors = [id for id in level.members if isinstance(id, _Door)]
    plan = _place(own, [(a, b) for a, b, _, _ in level.edges], doors, ports)
    if not path:
        return plan
    width = max(plan.width + 2 * FRAME, len(path[-1]) * SIGN + 2 * FRAME)
    corner = ((width - plan.width) / 2, float(TITLE + FRAME))
    boxes = {id: Box(box.x + corner[0], box.y + corner[1], box.width, box.height) for id, box in plan.boxes.items()}
    paths = [_moved(points, corner) for points in plan.paths]
    return _Plan(boxes, paths, width, plan.height + TITLE + 2 * FRAME)


def _corner(path: Path, plans: Mapping[Path, _Plan], corners: Mapping[Path, Point]) -> Point:
    if not path:
        return 0.0, 0.0
    box = plans[path[:-1]].boxes[_Group(path)]
    left, top = corners[path[:-1]]
    return left + box.x, top + box.y


def _moved(points: Sequence[Point], by: Point) -> list[Point]:
    return [(x + by[0], y + by[1]) for x, y in points]


def _place(sizes: Mapping[Id, Size], edges: Sequence[tuple[Id, Id]], doors: Collection[Id], ports: Ports) -> _Plan:
    """Place the boxes of one level."""
    layers, chains, back = _layers(sizes, edges, doors)
    widths: dict[Id, float] = defaultdict(lambda: 2.0, {id: size[0] for id, size in sizes.items()})
    neighbours = _neighbours(chains)
    _order(layers, neighbours)
    centres = _centres(layers, widths, neighbours)
    if _reads_backwards(edges, centres):
        centres = {id: -x for id, x in centres.items()}
    left = min((centres[id] - widths[id] / 2 for layer in layers for id in layer), default=0.0)
    boxes: dict[Id, Box] = {}
    bends: dict[Id, Point] = {}
    y = bottom = 0.0
    for layer in layers:
        height = max((sizes[id][1] for id in layer if id in sizes), default=0.0)
        for id in layer:
            bends[id] = (centres[id] - left, y + height / 2)
            if id in sizes:
                width, own = sizes[id]
                boxes[id] = Box(centres[id] - left - width / 2, y + (height - own) / 2, width, own)
        bottom = y + height
        y = bottom + (GAP_DOORS if height == 0 or _only_doors_follow(layers, layer, doors) else GAP_Y)
    paths = _paths(chains, back, boxes, bends, ports)
    right = max((box.x + box.width for box in boxes.values()), default=0.0)
    across = max((x for path in paths for x, _ in path), default=0.0)
    return _Plan(boxes, paths, max(right, across), bottom)


def _reads_backwards(edges: Sequence[tuple[Id, Id]], centres: Mapping[Id, float]) -> bool:
    """Return whether more inputs stand on the wrong side of the one before them than on the right one."""
    before: dict[Id, float] = {}
    wrong = 0
    for source, target in edges:
        if target in before:
            wrong += (before[target] > centres[source]) - (before[target] < centres[source])
        before[target] = centres[source]
    return wrong > 0


def _only_doors_follow(layers: list[list[Id]], layer: list[Id], doors: Collection[Id]) -> bool:
    """Return whether the next layer is the last and holds the doors that lead out."""
    return len(layers) > 1 and layer is layers[-2] and bool(doors) and all(id in doors for id in layers[-1])


def _layers(
    sizes: Mapping[Id, Size], edges: Sequence[tuple[Id, Id]], doors: Collection[Id]
) -> tuple[list[list[Id]], list[list[Id]], set[int]]:
    """Put each box one layer above the highest that uses it; give long edges a place in every layer they cross.

    Doors that lead in come first, those that lead out last. The numbers of edges that have to lead up come back too.
    """
    order = _users_first(sizes, edges)
    rank = {id: i for i, id in enumerate(order)}
    back = {number for number, (source, target) in enumerate(edges) if rank[source] < rank[target]}
    downward = [edge[::-1] if number in back else edge for number, edge in enumerate(edges)]
    users: dict[Id, list[Id]] = defaultdict(list)
    for source, target in downward:
        users[source].append(target)
    ways_out = {id for id in doors if isinstance(id, _Door) and id.out}
    depth: dict[Id, int] = {}
    for id in order:
        lowest = 0 if id in ways_out or not ways_out else 1
        depth[id] = max((depth[user] + 1 for user in users[id]), default=lowest)
    ways_in = set(doors) - ways_out
    top = max((depth[id] for id in order if id not in ways_in), default=0) + 1
    depth.update(dict.fromkeys(ways_in, top))
    last = max(depth.values(), default=0)
    layers: list[list[Id]] = [[] for _ in range(last + 1)]
    for id in _as_read(order, downward):
        layers[last - depth[id]].append(id)
    chains: list[list[Id]] = []
    for number, (source, target) in enumerate(downward):
        between: list[Id] = [("bend", number, k) for k in range(last - depth[source] + 1, last - depth[target])]
        for k, bend in enumerate(between, last - depth[source] + 1):
            layers[k].append(bend)
        chains.append([source, *between, target])
    return layers, chains, back


def _users_first(sizes: Mapping[Id, Size], edges: Sequence[tuple[Id, Id]]) -> list[Id]:
    """Return the boxes so that what is made comes before what it is made from; a cycle is cut where it is found.

    Source: A. B. Kahn, Topological sorting of large networks, Communications of the ACM 5(11), 1962.
    """
    place = {id: i for i, id in enumerate(sizes)}
    ids = list(sizes)
    sources: dict[Id, list[Id]] = defaultdict(list)
    waits: dict[Id, int] = dict.fromkeys(sizes, 0)
    for source, target in edges:
        if source != target:
            sources[target].append(source)
            waits[source] += 1
    ready = [place[id] for id in ids if waits[id] == 0]
    order: list[Id] = []
    rest = dict.fromkeys(ids)
    while rest:
        if not ready:
            ready = [place[next(iter(rest))]]
        id = ids[heapq.heappop(ready)]
        del rest[id]
        order.append(id)
        for source in sources[id]:
            waits[source] -= 1
            if waits[source] == 0 and source in rest:
                heapq.heappush(ready, place[source])
    return order


def _as_read(order: Sequence[Id], edges: Sequence[tuple[Id, Id]]) -> list[Id]:
    """Return the boxes in the order in which a reader goes back from the end, the first input first."""
    sources: dict[Id, list[Id]] = defaultdict(list)
    for source, target in edges:
        sources[target].append(source)
    stack = list(reversed(order))
    read: dict[Id, None] = {}
    while stack:
        id = stack.pop()
        if id not in read:
            read[id] = None
            stack.extend(reversed(sources[id]))
    return list(read)


def _neighbours(chains: list[list[Id]]) -> tuple[dict[Id, list[Id]], dict[Id, list[Id]]]:
    """Return for each place the places above it, and those below."""
    above: dict[Id, list[Id]] = defaultdict(list)
    below: dict[Id, list[Id]] = defaultdict(list)
    for chain in chains:
        for upper, lower in pairwise(chain):
            above[lower].append(upper)
            below[upper].append(lower)
    return above, below


def _order(layers: list[list[Id]], neighbours: tuple[dict[Id, list[Id]], dict[Id, list[Id]]]) -> None:
    """Sort each layer by the middle of its neighbours in the layer before, so that few edges cross."""
    above, below = neighbours
    rank = {id: float(i) for layer in layers for i, id in enumerate(layer)}
    for sweep in range(_SWEEPS):
        near, rows = (below, layers[::-1]) if sweep % 2 == 0 else (above, layers)
        for layer in rows:
            keys = {id: _mean([rank[n] for n in near[id]], rank[id]) for id in layer}
            layer.sort(key=lambda id: keys[id])
            rank.update({id: float(i) for i, id in enumerate(layer)})


def _centres(
    layers: list[list[Id]], widths: Mapping[Id, float], neighbours: tuple[dict[Id, list[Id]], dict[Id, list[Id]]]
) -> dict[Id, float]:
    """Return where the middle of each place is: as near to those of its neighbours as the others let it."""
    centres: dict[Id, float] = {}
    for layer in layers:
        x = 0.0
        for id in layer:
            centres[id] = x + widths[id] / 2
            x += widths[id] + GAP_X
    above, below = neighbours
    for sweep in range(_SWEEPS + 1):
        near, rows = (below, layers[::-1]) if sweep % 2 == 0 else (above, layers)
        for layer in rows:
            wanted = [_mean([centres[n] for n in near[id]], centres[id]) for id in layer]
            centres.update(zip(layer, _apart(wanted, [widths[id] for id in layer]), strict=True))
    return centres


def _apart(wanted: list[float], widths: list[float]) -> list[float]:
    """Return places in the same order, near those wanted, with a gap between neighbours.

    Places that would overlap form a block, which stands at the mean of what its members want.
    """
    blocks: list[tuple[float, int]] = []  # the sum of what the first member should be at, and how many there are
    offsets: list[float] = []
    for i, width in enumerate(widths):
        offsets.append(0.0 if i == 0 else offsets[-1] + (widths[i - 1] + width) / 2 + GAP_X)
    for want, offset in zip(wanted, offsets, strict=True):
        blocks.append((want - offset, 1))
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1] = (blocks[-1][0] + total, blocks[-1][1] + count)
    starts = [total / count for total, count in blocks for _ in range(count)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _paths(
    chains: list[list[Id]], back: set[int], boxes: Mapping[Id, Box], bends: Mapping[Id, Point], ports: Ports
) -> list[list[Point]]:
    """Return the points of each edge; those that arrive at one box are spread along its upper edge."""
    arrivals: dict[Id, list[int]] = defaultdict(list)
    for number, chain in enumerate(chains):
        if (number, 1) not in ports and number not in back:
            arrivals[chain[-1]].append(number)
    offsets = dict(ports)
    for id, numbers in arrivals.items():
        numbers.sort(key=lambda number: bends[chains[number][-2]][0])
        for i, number in enumerate(numbers):
            offsets[number, 1] = boxes[id].width * (i + 1) / (len(numbers) + 1)
    paths = []
    for number, chain in enumerate(chains):
        upper, lower = boxes[chain[0]], boxes[chain[-1]]
        ends = (1, 0) if number in back else (0, 1)
        leaves, arrives = (
            offsets.get((number, end), box.width / 2) for end, box in zip(ends, (upper, lower), strict=True)
        )
        middle = [bends[id] for id in chain[1:-1]]
        path = [(upper.x + leaves, upper.y + upper.height), *middle, (lower.x + arrives, lower.y)]
        paths.append(path[::-1] if number in back else path)
    return paths
