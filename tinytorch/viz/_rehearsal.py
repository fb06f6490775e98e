"""A rehearsal of the walk back: the learner's own engine runs, and everything that it does is written down.

The nodes' own rules, the learner's order and the learner's walk do the work. Each node gets an attribute of the same
name in front of its `apply`, so that what comes in and goes out is seen, and the gradients on their way live in a
dictionary that notes what is put into it. At the end every node is as it was, and no ``.grad`` has changed.
"""

from __future__ import annotations

import traceback
from collections import Counter, UserDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.autograd._explain import _arrays
from tinytorch.core import autograd as core
from tinytorch.core.autograd import Function, GraphReleasedError, memory_of
from tinytorch.core.tensor import Array, Tensor
from tinytorch.viz._slopes import Slope, slope_of

Place = Function | Tensor
_ORDER = "Outputs come before what made them, and each node once: look at topological_order."
_CORE = Path(core.__file__).parent


class LateGradientError(RuntimeError):
    """A gradient arrived at a node whose turn was over."""


@dataclass(frozen=True)
class Problem:
    """What an engine raised: the message, and the line of the exported package that raised it, if one did."""

    message: str
    where: str = ""


@dataclass
class Arrived:
    """A gradient that arrived somewhere: what was there before, and what is there now."""

    place: Place
    before: Array | None
    after: Array


@dataclass
class Turn:
    """One node's turn.

    Attributes
    ----------
    node, incoming
        The node, and the gradient that was taken out for it.
    edges
        Where its inputs came from; None for one that needs no gradient.
    answers
        What its rule returned, or None if it raised.
    slopes
        For each input how the rule made its answer.
    arrived
        What was put where after it.
    released
        Bytes that nothing in the graph keeps any more.
    changed
        Whether the gradient changed while it waited: it is not what had been added up.
    """

    node: Function
    incoming: Array
    edges: tuple[Place | None, ...]
    answers: tuple[Any, ...] | None = None
    slopes: tuple[Slope, ...] = ()
    arrived: list[Arrived] = field(default_factory=list)
    released: int = 0
    changed: bool = False


@dataclass
class Rehearsal:
    """What a walk did.

    Attributes
    ----------
    seed
        The gradient that it began with.
    order
        The nodes in the order of the learner's `topological_order`.
    turns
        One for each node whose rule was asked.
    gradients
        What had arrived at the leaves at the end.
    changed
        Leaves whose gradient is not the sum of what arrived: somebody changed it in place.
    problem
        Why it stopped; None if it came to its end.
    at_fault
        The turn in which it stopped; None if it stopped between turns, or before the first.
    """

    seed: Array
    order: list[Function] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    gradients: dict[Tensor, Array] = field(default_factory=dict)
    changed: list[Tensor] = field(default_factory=list)
    problem: Problem | None = None
    at_fault: Turn | None = None


class _Ledger(UserDict[Any, Any]):
    """The gradients on their way, as the walk keeps them; each that is put in is noted, and copied."""

    def __init__(self) -> None:
        self.noted: list[Arrived] = []
        self.copies: dict[Any, Array] = {}
        super().__init__()

    def __setitem__(self, place: Any, grad: Any) -> None:
        arrived = Arrived(place, self.copies.get(place), plain(grad))
        self.copies[place] = arrived.after
        self.noted.append(arrived)
        super().__setitem__(place, grad)

    def take(self) -> list[Arrived]:
        """Return what was noted since the last time."""
        noted, self.noted = self.noted, []
        return noted


def plain(grad: Any) -> Array:
    """Return a copy of a gradient as an array, whatever a rule made it."""
    return np.array(grad.data if isinstance(grad, Tensor) else grad)


def rehearse(tensor: Tensor, gradient: Any = None) -> Rehearsal:
    """Walk back from `tensor` as ``backward()`` does, and write down every step.

    Parameters
    ----------
    tensor, gradient
        As for ``backward()``.

    Raises
    ------
    RuntimeError, GradientShapeError, TypeError
        As ``backward()`` does where it cannot begin.
    GraphReleasedError
        If an earlier ``backward()`` has released the graph.
    """
    seed = core.start_gradient(tensor, gradient)
    rehearsal = Rehearsal(seed.copy())
    start: Place = tensor if tensor._grad_fn is None else tensor._grad_fn
    _check_not_released([start])
    with _told(rehearsal):
        rehearsal.order = list(core.topological_order(start))
    if rehearsal.problem is None:
        _check_not_released(rehearsal.order)
        with _told(rehearsal):
            _walk(rehearsal, start, seed)
    return rehearsal


def _check_not_released(places: list[Any]) -> None:
    for node in places:
        if isinstance(node, Function) and node.released:
            raise GraphReleasedError(
                f"{node.name} has let go of its saved arrays, so there is nothing to step through: an earlier "
                "backward() passed here. Call graph().step() before backward(), or pass retain_graph=True to it."
            )


def _walk(rehearsal: Rehearsal, start: Place, seed: Array) -> None:
    for node in rehearsal.order:
        _ = node.saved_tensors  # an array that was changed in place is an error before anything else
    ledger = _Ledger()
    ledger[start] = seed
    ledger.noted.clear()
    nodes = [node for node in rehearsal.order if isinstance(node, Function)]
    before = {node: dict(vars(node)) for node in nodes}
    try:
        keepers = _keepers(nodes)
        for node in before:
            _shadow(node, rehearsal, ledger, keepers)
        core.propagate(rehearsal.order, ledger, False)  # type: ignore[arg-type]
        _finish(rehearsal, ledger)
    finally:
        if rehearsal.turns:
            rehearsal.turns[-1].arrived = ledger.take()
        for node, attributes in before.items():
            vars(node).clear()
            vars(node).update(attributes)


def _shadow(node: Function, rehearsal: Rehearsal, ledger: _Ledger, keepers: Counter[int]) -> None:
    """Put functions that take notes in front of a node's own, until its attributes are put back."""
    kind, turns = type(node), rehearsal.turns

    def apply(grad_output: Any) -> Any:
        if turns:
            turns[-1].arrived = ledger.take()
        waited = ledger.copies.pop(node, None)
        incoming = plain(grad_output)
        turn = Turn(node, incoming, node.next_functions)
        turn.changed = waited is not None and not _same(waited, incoming)
        turns.append(turn)
        answers = kind.apply(node, grad_output)
        if isinstance(answers, tuple):
            turn.answers = tuple(None if answer is None else plain(answer) for answer in answers)
            turn.slopes = tuple(_slopes(turn))
        return answers

    def release() -> None:
        for array in {id(memory_of(array)): memory_of(array) for array in _arrays(node)}.values():
            keepers[id(array)] -= 1
            if turns and not keepers[id(array)]:
                turns[-1].released += array.nbytes
        kind.release(node)

    vars(node).update(apply=apply, release=release, show=lambda grad_output: None)


def _same(a: Array, b: Array) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f")


def _slopes(turn: Turn) -> Iterator[Slope]:
    assert turn.answers is not None
    for i, edge in enumerate(turn.edges):
        answer = turn.answers[i] if i < len(turn.answers) else None
        yield Slope() if edge is None or answer is None else slope_of(turn.node, i, turn.incoming, answer)


def _keepers(nodes: list[Function]) -> Counter[int]:
    """Count for each piece of memory, by its id, how many nodes keep it."""
    return Counter(owner for node in nodes for owner in {id(memory_of(array)) for array in _arrays(node)})


def _finish(rehearsal: Rehearsal, ledger: _Ledger) -> None:
    """Take what has arrived at the leaves; a gradient that is left over at a node came too late for its turn."""
    for place, grad in ledger.items():
        if isinstance(place, Function):
            raise LateGradientError(f"a gradient for {place.name} arrived after that node's turn. {_ORDER}")
        rehearsal.gradients[place] = plain(grad)
        if not _same(rehearsal.gradients[place], ledger.copies[place]):
            rehearsal.changed.append(place)


@contextmanager
def _told(rehearsal: Rehearsal) -> Iterator[None]:
    """Take what the engine raises for the last step, not for a traceback."""
    try:
        yield
    except Exception as error:
        of_the_order = _about_the_order(error)
        rehearsal.problem = Problem(of_the_order or _message(error), _where(error))
        rehearsal.at_fault = rehearsal.turns[-1] if rehearsal.turns and not of_the_order else None


def _message(error: Exception) -> str:
    """Return what an error says; a stub says all by itself."""
    return str(error) if isinstance(error, NotImplementedError) else f"{type(error).__name__}: {error}"


def _about_the_order(error: Exception) -> str:
    """Say what is wrong with the learner's order, if that is what the error is about."""
    if isinstance(error, LateGradientError):
        return str(error)
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], Function):
        return f"{error.args[0].name}'s turn has come, but no gradient waits for it. {_ORDER}"
    return ""


def _where(error: Exception) -> str:
    """Return the deepest line of the learner's package that an error came through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(_CORE)]
    if not frames:
        return ""
    last = frames[-1]
    return f"tinytorch/core/{Path(last.filename).name}:{last.lineno}, in {last.name}: {last.line}"


def bytes_kept(order: list[Function]) -> dict[Function, int]:
    """Return for each node how many bytes the graph keeps because of it; what several keep counts at the first."""
    counted: set[int] = set()
    kept = {}
    for node in order:
        owners = {id(memory_of(array)): memory_of(array).nbytes for array in _arrays(node)}
        kept[node] = sum(nbytes for owner, nbytes in owners.items() if owner not in counted)
        counted |= set(owners)
    return kept
