"""Forward and back through a graph, one rule at a time, on the learner's own engine.

`Stepper` is a list of steps with a place in it. What happened is found out by `_rehearsal`; here it is put into words
and numbers. How it looks in a terminal is in `_stepper_text`, and in a browser in `_stepper_page`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinytorch.core.autograd import Function
from tinytorch.core.tensor import Array, Tensor
from tinytorch.viz._numbers import MOST_SAID, listed, size, word
from tinytorch.viz._rehearsal import Place, Rehearsal, Turn, bytes_kept, rehearse
from tinytorch.viz._slopes import formula, same_numbers
from tinytorch.viz._values import inputs_of, order_of, values_of

if TYPE_CHECKING:
    from tinytorch.viz._graph import Graph


_TITLE = "Forward and back, one rule at a time"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step. ``held`` says how many bytes the graph keeps after it.

    Attributes
    ----------
    node
        The node of the drawing that it is about; None where it is about all of them.
    title
        What it is, in a few words.
    says
        What happens in it, in sentences.
    """

    node: int | None
    title: str
    says: str
    held: int


@dataclass(frozen=True, kw_only=True)
class Input:
    """What an operation was given: its node in the drawing, None for a constant, its name, and its value."""

    node: int | None
    name: str
    value: Any


@dataclass(frozen=True, kw_only=True)
class ForwardStep(Step):
    """An operation that ran.

    Attributes
    ----------
    name, makes
        The operation, and what the program calls its result, else the operation again.
    inputs
        What it was given; the value is None where nothing keeps it.
    value
        The result; None if nothing keeps it.
    keeps
        Bytes that the graph keeps from now on.
    """

    node: int
    name: str
    makes: str
    inputs: tuple[Input, ...]
    value: Array | None
    keeps: int


@dataclass(frozen=True, kw_only=True)
class StartStep(Step):
    """The gradient that backward begins with."""

    node: int
    gradient: Array


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """The gradient that a rule sends to one input.

    Attributes
    ----------
    input
        Which input, counted from 0.
    to, name
        The node of the drawing that it goes to, and what that is called.
    gradient
        What the rule answered.
    local, product
        The local derivative, and incoming times local where a broadcast was undone after it; None where the rule is
        no product, or where there are too many numbers to show.
    before, after
        What had arrived there before, None if nothing had; and what is there now, None if it never got there.
    """

    input: int
    to: int
    name: str
    gradient: Array
    local: Array | None
    product: Array | None
    before: Array | None
    after: Array | None

    @property
    def adds_up(self) -> bool:
        """Whether what is there now is what was there before plus what arrived."""
        if self.after is None:
            return True
        total = self.gradient if self.before is None else self.before + self.gradient
        return same_numbers(self.after, total)


@dataclass(frozen=True, kw_only=True)
class BackwardStep(Step):
    """One rule's turn.

    Attributes
    ----------
    incoming
        The gradient at the output of the operation.
    outgoing
        One for each input that needs a gradient.
    formula
        What the rule says of itself.
    released
        Bytes that a real ``backward()`` lets go of here.
    notes
        What looks wrong though nothing was raised.
    error, where
        What the rule raised, and the line; empty if it answered.
    """

    node: int
    name: str
    incoming: Array
    outgoing: tuple[Outgoing, ...]
    formula: str
    released: int
    notes: tuple[str, ...]
    error: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """What ``backward()`` would write to one leaf: what stands in its ``.grad``, plus what has arrived."""

    node: int
    name: str
    before: Array | None
    arrived: Array
    after: Array

    @property
    def attribute(self) -> str:
        """What is written to: ``x.grad``."""
        return f"the gradient of {self.name}" if " " in self.name else f"{self.name}.grad"


@dataclass(frozen=True, kw_only=True)
class LeafStep(Step):
    """The end: gradients are written to the leaves."""

    leaves: tuple[Leaf, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ErrorStep(Step):
    """The walk itself stopped, not a rule."""

    error: str
    where: str


class Stepper:
    """All steps of one graph, and a place in them.

    Attributes
    ----------
    graph
        The graph, as ``loss.graph()`` returned it.
    forward
        The operations in the order in which they ran.
    backward
        The rules in the order of the learner's `topological_order`. The last one holds the error, if a rule raised one.
    steps
        Everything in one row: forward, the start, backward, the end.
    gradients
        What ``backward()`` would add to each leaf, by its node.
    error
        Why the walk stopped; empty if it came to its end.
    total
        Bytes that the graph keeps before the walk.

    Notes
    -----
    It is a rehearsal: no ``.grad`` changes, the graph is not released, and no hooks are called. While it runs, no other
    thread may walk the graph.
    Memory: a copy of each gradient of the walk.

    Examples
    --------
    >>> x = Tensor(2.0, requires_grad=True)
    >>> y = Tensor(3.0, requires_grad=True)
    >>> steps = (x * y + x).graph().step()
    >>> [step.name for step in steps.backward]
    ['Add', 'Mul']
    >>> steps.backward[1].outgoing[0].after
    array(4., dtype=float32)
    """

    def __init__(self, graph: Graph, gradient: Any = None) -> None:
        self.graph = graph
        builder = _Builder(graph, rehearse(graph.tensor, gradient))
        self.forward: list[ForwardStep] = list(builder.forward())
        start = builder.start()
        self.backward: list[BackwardStep] = list(builder.backward())
        self.steps: list[Step] = [*self.forward, start, *self.backward, *builder.end()]
        self.gradients: dict[int, Array] = builder.gradients()
        self.error = "" if builder.rehearsal.problem is None else builder.rehearsal.problem.message
        self.total = builder.total
        self.position = 0

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __getitem__(self, k: int) -> Step:
        return self.steps[k]

    @property
    def current(self) -> Step:
        """The step at this place."""
        return self.steps[self.position]

    def at(self, k: int) -> Step:
        """Go to step `k`, counted from 0, or from the end if negative, and return it.

        Raises
        ------
        IndexError
            If there is no such step.
        """
        if not -len(self) <= k < len(self):
            raise IndexError(f"there are {len(self)} steps, 0 to {len(self) - 1}, but got {k}.")
        self.position = k % len(self)
        return self.current

    def next(self) -> Step:
        """Go one step on and return it; at the end stay there."""
        return self.at(min(self.position + 1, len(self) - 1))

    def back(self) -> Step:
        """Go one step back and return it; at the beginning stay there."""
        return self.at(max(self.position - 1, 0))

    def show(self) -> None:
        """Step through in the terminal with the arrow keys; where there is none, print all steps."""
        from tinytorch.viz._stepper_text import show

        show(self)

    def save(self, path: str | Path, title: str = "", about: str = "", source: str = "") -> None:
        """Write one HTML file that needs nothing else and no network.

        Parameters
        ----------
        path
            Where to.
        title, about, source
            A heading, a sentence below it, and the code that made the graph, if they shall be shown.

        Raises
        ------
        OSError
            If the file cannot be written; then the old one is still there.
        """
        from tinytorch.viz._save import write
        from tinytorch.viz._stepper_page import page

        write(Path(path), page(self, title or _TITLE, about, source))

    def _repr_html_(self) -> str:
        from tinytorch.viz._stepper_page import frame

        return frame(self)

    def __str__(self) -> str:
        from tinytorch.viz._stepper_text import listing

        return listing(self)

    def __repr__(self) -> str:
        return str(self)


class _Builder:
    """Puts a rehearsal into steps."""

    def __init__(self, graph: Graph, rehearsal: Rehearsal) -> None:
        self.graph = graph
        self.rehearsal = rehearsal
        self.tensor = graph.tensor
        self.nodes = {id(node.of): node for node in graph.nodes}
        self.order = order_of(self.tensor._grad_fn)
        self.values = values_of(self.tensor, self.order)
        self.keeps = bytes_kept(self.order)
        self.total = sum(self.keeps.values())
        self.held = 0
        self.names = dict(self._names())

    def _names(self) -> Iterator[tuple[int, str]]:
        """Call nodes by their operations and leaves so; number those that would be called alike, as they ran."""
        leaves = [node.of for node in self.graph.nodes if isinstance(node.of, Tensor) and not node.name]
        places: list[Place] = [*self.order, *leaves]
        words = {id(place): _word(place) for place in places}
        times = Counter(words.values())
        count: Counter[str] = Counter()
        for place, called in words.items():
            count[called] += 1
            yield place, called if times[called] == 1 else f"{called} {count[called]}"

    def id(self, place: Any) -> int:
        """Return the number of a place in the drawing."""
        return self.nodes[id(place)].id

    def name(self, place: Place) -> str:
        """Return what a place is called in sentences: as the program calls it, else by its operation."""
        return self.nodes[id(place)].name or self.names[id(place)]

    def operation(self, node: Function) -> str:
        """Return what an operation is called in sentences."""
        return self.names[id(node)]

    def forward(self) -> Iterator[ForwardStep]:
        for node in self.order:
            self.held += self.keeps[node]
            pairs = zip(node.next_functions, inputs_of(node, self.values), strict=True)
            inputs = tuple(self._input(edge, value) for edge, value in pairs)
            value = self.values.get(node)
            yield ForwardStep(
                node=self.id(node),
                title=f"{self.operation(node)} runs",
                says=_says_forward(self.operation(node), inputs, value, self.keeps[node]),
                held=self.held,
                name=self.operation(node),
                makes=self.name(node),
                inputs=inputs,
                value=value,
                keeps=self.keeps[node],
            )

    def _input(self, edge: Place | None, value: Any) -> Input:
        if edge is None:
            return Input(node=None, name="", value=value)
        return Input(node=self.id(edge), name=self.name(edge), value=value)

    def start(self) -> StartStep:
        self.held = self.total
        seed = self.rehearsal.seed
        one = seed.size == 1 and float(seed.reshape(())) == 1
        why = "it moves exactly as much as itself" if one else "this is the gradient that was passed"
        start = self.tensor if self.tensor._grad_fn is None else self.tensor._grad_fn
        says = f"Backward begins at the end. The gradient of the result is {word(seed)}: {why}."
        return StartStep(node=self.id(start), title="Backward begins", says=says, held=self.held, gradient=seed)

    def backward(self) -> Iterator[BackwardStep]:
        for turn in self.rehearsal.turns:
            failed = self.rehearsal.problem if turn is self.rehearsal.at_fault else None
            self.held -= turn.released
            outgoing = tuple(self._outgoing(turn))
            name = self.operation(turn.node)
            notes = tuple(_notes(name, turn, outgoing))
            error = "" if failed is None else failed.message
            yield BackwardStep(
                node=self.id(turn.node),
                title=f"{name} goes back",
                says=_says_backward(name, turn.incoming, outgoing, turn.released, notes, error),
                held=self.held,
                name=name,
                incoming=turn.incoming,
                outgoing=outgoing,
                formula=formula(turn.node),
                released=turn.released,
                notes=notes,
                error=error,
                where="" if failed is None else failed.where,
            )

    def _outgoing(self, turn: Turn) -> Iterator[Outgoing]:
        waiting = list(turn.arrived)
        for i, edge in enumerate(turn.edges):
            answer = turn.answers[i] if turn.answers is not None and i < len(turn.answers) else None
            if edge is None or answer is None:
                continue
            arrived = next((a for a in waiting if a.place is edge), None)
            if arrived is not None:
                waiting.remove(arrived)
            slope = turn.slopes[i]
            yield Outgoing(
                input=i,
                to=self.id(edge),
                name=self.name(edge),
                gradient=answer,
                local=slope.local,
                product=slope.product,
                before=None if arrived is None else arrived.before,
                after=None if arrived is None else arrived.after,
            )

    def end(self) -> Iterator[Step]:
        problem = self.rehearsal.problem
        if problem is None:
            leaves = tuple(self._leaves())
            notes = tuple(_CHANGED.format(name=self.name(leaf)) for leaf in self.rehearsal.changed)
            yield LeafStep(
                node=None,
                title="The gradients are there",
                says=" ".join([_says_leaves(leaves), _says_held(self.held), *notes]).strip(),
                held=self.held,
                leaves=leaves,
                notes=notes,
            )
        elif self.rehearsal.at_fault is None:
            yield ErrorStep(
                node=None,
                title="The walk stopped",
                says=f"The walk stopped: {problem.message}",
                held=self.held,
                error=problem.message,
                where=problem.where,
            )

    def _leaves(self) -> Iterator[Leaf]:
        for leaf, arrived in self.rehearsal.gradients.items():
            before = None if leaf.grad is None else leaf.grad.data.copy()
            after = arrived if before is None else before + arrived
            yield Leaf(node=self.id(leaf), name=self.name(leaf), before=before, arrived=arrived, after=after)

    def gradients(self) -> dict[int, Array]:
        return {self.id(leaf): grad for leaf, grad in self.rehearsal.gradients.items()}


def _word(place: Place) -> str:
    return place.name.removesuffix("Backward") if isinstance(place, Function) else "leaf"


_CHANGED = (
    "The gradient of {name} changed while it waited: it is not the sum of what arrived. Adding with `+=` changes an "
    "array in place, and two inputs may share one."
)
_NOT_ADDED = (
    "What has arrived at {name} is not what was there plus what came. Gradients of several paths add up: look at "
    "the exercise backward."
)
_DISPROPORTIONATE = (
    "Twice the incoming gradient would not give {name} twice as much. A derivative is a factor: is the incoming "
    "gradient multiplied in, once?"
)


def _notes(name: str, turn: Turn, outgoing: tuple[Outgoing, ...]) -> Iterator[str]:
    """Say what looks wrong in a turn though nothing was raised."""
    if turn.changed:
        yield _CHANGED.format(name=name)
    for out in outgoing:
        if not out.adds_up:
            yield _NOT_ADDED.format(name=out.name)
    disproportionate = [out.name for out in outgoing if not turn.slopes[out.input].proportional]
    if disproportionate:
        yield _DISPROPORTIONATE.format(name=listed(disproportionate))


def _says_forward(name: str, inputs: tuple[Input, ...], value: Array | None, keeps: int) -> str:
    known = [given for given in inputs if given.value is not None]
    shown = [f"{given.name} = {word(given.value)}" if given.name else word(given.value) for given in known]
    takes = f" takes {listed(shown)}" if shown else " runs"
    makes = "" if value is None else f" and makes {word(value)}"
    kept = (
        f" The graph keeps {size(keeps)} for the way back." if keeps else " It needs to keep nothing for the way back."
    )
    return f"{name}{takes}{makes}.{kept}"


def _says_backward(
    name: str, incoming: Array, outgoing: tuple[Outgoing, ...], released: int, notes: tuple[str, ...], error: str
) -> str:
    parts = [f"{name}: {word(incoming)} came in.", *(_says_outgoing(incoming, out) for out in outgoing)]
    if released:
        parts.append(f"The graph lets go of {size(released)}.")
    if error:
        parts.append(f"Here it stopped: {error}")
    return " ".join([*parts, *notes])


def _says_outgoing(incoming: Array, out: Outgoing) -> str:
    made = word(out.gradient)
    if out.product is not None:
        made = f"{_product(incoming, out.local, out.product)}, summed back to {made}"
    elif out.local is not None:
        made = _product(incoming, out.local, out.gradient)
    added = ""
    if out.before is not None and out.after is not None:
        verb = "meets" if out.adds_up else "replaces" if same_numbers(out.after, out.gradient) else "finds"
        added = f", which {verb} {word(out.before)}" + (f" and makes {word(out.after)}" if verb != "replaces" else "")
    return f"To {out.name} goes {made}{added}."


def _product(incoming: Array, local: Array | None, product: Array) -> str:
    if local is None or max(incoming.size, local.size, product.size) > MOST_SAID:
        return f"incoming times local derivative, {word(product)}"
    return f"{word(incoming)} × {word(local)} = {word(product)}"


def _says_leaves(leaves: tuple[Leaf, ...]) -> str:
    if not leaves:
        return "No gradient arrived at any leaf."
    written = [
        f"{leaf.attribute} = {word(leaf.after)}"
        if leaf.before is None
        else f"{leaf.attribute} = {word(leaf.before)} + {word(leaf.arrived)} = {word(leaf.after)}"
        for leaf in leaves
    ]
    return f"backward() writes what has arrived: {listed(written)}."


def _says_held(held: int) -> str:
    if held:
        return f"The graph still keeps {size(held)}: a node that is done has to be released."
    return "The graph keeps nothing any more."
