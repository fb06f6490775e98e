"""The graph of a tensor as data: what made it, from what, and what is known of each part."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from tinytorch.autograd._explain import _arrays
from tinytorch.autograd._trace import line_of, modules_of, recorded_roots
from tinytorch.core.autograd import Function, memory_of
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor
from tinytorch.viz._numbers import line as as_line
from tinytorch.viz._values import order_of, values_of

if TYPE_CHECKING:
    from tinytorch.viz._steps import Stepper

MOST_VALUES = 8  # elements; of larger tensors no values are shown
MOST_AT_A_PROMPT = 60  # nodes; print() draws more
MOST_COMPUTED = 2000  # nodes; in larger graphs only those values are shown that somebody still holds

_SIGNS = {
    "AddBackward": "+",
    "SubBackward": "−",
    "MulBackward": "×",
    "DivBackward": "÷",
    "NegBackward": "negative",
    "PowBackward": "power",
    "MatmulBackward": "matmul",
}
_PACKAGE = str(Path(__file__).parents[1])


@dataclass(frozen=True)
class Node:
    """An operation, or a leaf.

    Attributes
    ----------
    id
        Its number: 0 is where the graph ends, and what is made comes before what it is made from.
    kind
        ``"operation"`` or ``"leaf"``.
    name
        What the program calls the tensor, or the parameter's path; empty if nobody knows.
    label
        What the operation is, in a word or a sign; for a leaf its name.
    shape, dtype
        Of the result.
    value, grad
        The numbers, as text, if they are few; None if they are many or gone.
    bytes
        What the graph keeps alive because of it; memory that several operations keep counts once.
    line
        Where in the program the operation stands, if lines were recorded; else empty.
    module
        The path of the modules that it belongs to, outermost first.
    constants
        The inputs that need no gradient: their numbers, or their shapes in brackets.
    of
        The engine's own object: a `Function`, or the leaf.
    """

    id: int
    kind: str
    name: str
    label: str
    shape: tuple[int, ...]
    dtype: str
    value: str | None
    grad: str | None
    bytes: int
    line: str
    module: tuple[str, ...]
    constants: tuple[str, ...] = ()
    of: Any = field(default=None, repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return everything but the engine's object."""
        facts = {name: value for name, value in vars(self).items() if name != "of"}
        return {**facts, "shape": list(self.shape), "module": list(self.module), "constants": list(self.constants)}


@dataclass(frozen=True)
class Edge:
    """``source`` made input number ``input`` of ``target``; both are ids."""

    source: int
    target: int
    input: int


class Graph:
    """What a tensor was made from.

    In a notebook it shows itself as a picture. A terminal shows it drawn with characters: at the prompt the beginning
    of a large graph, by ``print`` more of it. It holds the tensor, and with it the graph: `del` it when you are done.

    Parameters
    ----------
    tensor
        Where the graph ends, normally a loss.
    model
        A module, or several: their parameters are shown by their paths, and operations grouped by module. Without it
        the modules are taken that ran inside ``with record_lines():``.
    names
        What to call tensors, by name.

    Attributes
    ----------
    nodes
        Operations and leaves, outputs first.
    edges
        What was made from what.
    recorded
        Whether source lines are known.

    Raises
    ------
    TypeError
        If `tensor` is none.
    ValueError
        If it requires no gradient, so that there is no graph.

    Examples
    --------
    >>> x, y = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    >>> z = x * y + x
    >>> z.graph()
    z = +   scalar; value 8
    ├─ ×   scalar; value 6; keeps 8 bytes
    │  ├─ x #2   scalar; value 2
    │  └─ y   scalar; value 3
    └─ x #2 (see above)
    <BLANKLINE>
    A graph of 2 operations and 2 leaves, which keeps 8 bytes.
    >>> z.graph().edges[0]
    Edge(source=1, target=0, input=0)
    """

    def __init__(
        self,
        tensor: Tensor,
        model: Module | Iterable[Module] | None = None,
        names: dict[str, Tensor] | None = None,
    ) -> None:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"a graph ends in a tensor, but got {type(tensor).__name__}.")
        if not tensor.requires_grad:
            raise ValueError(
                f"this tensor of shape {tensor.shape} has no graph: it was made from nothing that requires a gradient, "
                "or inside no_grad(). tinytorch.autograd.explain_grad(tensor) says why."
            )
        self.tensor = tensor
        self.nodes, self.edges = _Capture(tensor, _paths(model), names or {}).read()
        self.recorded = any(node.line for node in self.nodes)

    @property
    def total_bytes(self) -> int:
        """What the graph keeps alive."""
        return sum(node.bytes for node in self.nodes)

    def as_json(self) -> dict[str, Any]:
        """Return the graph for other programs."""
        return {
            "nodes": [node.as_json() for node in self.nodes],
            "edges": [vars(edge) for edge in self.edges],
            "recorded": self.recorded,
        }

    def step(self, gradient: Any = None) -> Stepper:
        """Return forward and back through this graph, one rule at a time; nothing is changed by it.

        Parameters
        ----------
        gradient
            What backward begins with; not needed for one number.
        """
        from tinytorch.viz._steps import Stepper

        return Stepper(self, gradient)

    def save(self, path: str | Path) -> None:
        """Write the graph to a file; its suffix says as what: .html, .svg, .txt or .json.

        The page needs nothing else and no network.

        Raises
        ------
        ValueError
            If the suffix is another one.
        OSError
            If the file cannot be written; then the old one is still there.
        """
        from tinytorch.viz._page import page
        from tinytorch.viz._save import write
        from tinytorch.viz._svg import svg
        from tinytorch.viz._text import text

        kinds = {
            ".html": lambda: page(self),
            ".svg": lambda: svg(self),
            ".txt": lambda: text(self) + "\n",
            ".json": lambda: json.dumps(self.as_json(), indent=1) + "\n",
        }
        suffix = Path(path).suffix.lower()
        if suffix not in kinds:
            raise ValueError(f"a graph is saved as {', '.join(kinds)}, but got {Path(path).name!r}.")
        write(Path(path), kinds[suffix]())

    def _repr_svg_(self) -> str:
        from tinytorch.viz._svg import svg

        return svg(self)

    def __str__(self) -> str:
        from tinytorch.viz._text import text

        return text(self)

    def __repr__(self) -> str:
        from tinytorch.viz._text import text

        return text(self, most=MOST_AT_A_PROMPT)


def callers_names(frame: FrameType | None) -> dict[str, Tensor]:
    """Return what the program calls its tensors, in the innermost frame that is not in this package."""
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    if frame is None:
        return {}
    variables = frame.f_locals
    tensors = {name: x for name, x in {**frame.f_globals, **variables}.items() if isinstance(x, Tensor)}
    if frame.f_code.co_flags & inspect.CO_OPTIMIZED and isinstance(variables, dict):
        variables.clear()  # before Python 3.13 it is a copy that would keep the tensors of the function alive
    return {name: x for name, x in tensors.items() if name.isidentifier() and name[0] != "_"}


def _paths(model: Module | Iterable[Module] | None) -> dict[int, tuple[str, ...]]:
    """Return the paths of parameters by their id: the modules, then the name."""
    models = recorded_roots() if model is None else [model] if isinstance(model, Module) else list(model)
    paths: dict[int, tuple[str, ...]] = {}
    for root in models:
        if not isinstance(root, Module):
            raise TypeError(f"graph() takes a module as model, but got {type(root).__name__}.")
        for name, parameter in root.named_parameters():
            paths.setdefault(id(parameter), (type(root).__name__, *name.split(".")))
    return paths


class _Capture:
    """Reads a graph, once."""

    def __init__(self, tensor: Tensor, paths: dict[int, tuple[str, ...]], names: dict[str, Tensor]) -> None:
        self.tensor, self.paths = tensor, paths
        self.names: dict[int, str] = {}
        for name, x in names.items():
            self.names.setdefault(id(x._grad_fn if x._grad_fn is not None else x), name)
        order = order_of(tensor._grad_fn)
        self.values = values_of(tensor, order) if len(order) <= MOST_COMPUTED else {}
        self.places: list[Any] = list(_with_leaves(order[::-1])) if order else [tensor]
        self.counted: set[int] = set()

    def read(self) -> tuple[list[Node], list[Edge]]:
        numbers = {id(place): number for number, place in enumerate(self.places)}
        edges = [
            Edge(numbers[id(edge)], numbers[id(place)], i)
            for place in self.places
            if isinstance(place, Function)
            for i, edge in enumerate(place.next_functions)
            if edge is not None
        ]
        return [self._node(number, place) for number, place in enumerate(self.places)], edges

    def _node(self, number: int, place: Any) -> Node:
        return self._operation(number, place) if isinstance(place, Function) else self._leaf(number, place)

    def _leaf(self, number: int, leaf: Tensor) -> Node:
        path = self.paths.get(id(leaf), ())
        name = ".".join(path[1:]) or self.names.get(id(leaf), "")
        return Node(
            id=number,
            kind="leaf",
            name=name,
            label=name or "leaf",
            shape=leaf.shape,
            dtype=str(leaf.dtype),
            value=_shown(leaf.data),
            grad=_shown(leaf.grad),
            bytes=0,
            line="",
            module=path[:-1],
            of=leaf,
        )

    def _operation(self, number: int, node: Function) -> Node:
        output = self.tensor if node is self.tensor._grad_fn else node._output() if node._output else None
        value = output.data if output is not None else self.values.get(node)
        line = line_of(node)
        return Node(
            id=number,
            kind="operation",
            name=self.names.get(id(node), ""),
            label=_SIGNS.get(node.name, _in_words(node.name)),
            shape=node.shape,
            dtype=str(node.dtype),
            value=_shown(value),
            grad=_shown(output.grad if output is not None else None),
            bytes=self._bytes(node),
            line=f"{line.file}:{line.number}: {line.text}" if line else "",
            module=modules_of(node) or self._module_by_parameters(node),
            constants=tuple(_constants(node)),
            of=node,
        )

    def _module_by_parameters(self, node: Function) -> tuple[str, ...]:
        """Return the module whose parameters an operation uses."""
        found = (self.paths[id(edge)][:-1] for edge in node.next_functions if id(edge) in self.paths)
        return next(found, ())

    def _bytes(self, node: Function) -> int:
        size = 0
        for array in _arrays(node):
            owner = memory_of(array)
            if id(owner) not in self.counted:
                self.counted.add(id(owner))
                size += owner.nbytes
        return size


def _with_leaves(order: list[Function]) -> Iterator[Any]:
    """Yield the nodes, outputs first, and behind all of them the leaves, each once."""
    yield from order
    seen: set[int] = set()
    for node in order:
        for edge in node.next_functions:
            if isinstance(edge, Tensor) and id(edge) not in seen:
                seen.add(id(edge))
                yield edge


def _in_words(name: str) -> str:
    """Return the name of a rule as its operation's: ``LogSoftmaxBackward``, ``log softmax``; ``ReLU`` stays."""
    name = name.removesuffix("Backward").lstrip("_")
    if re.search(r"[A-Z][A-Z]", name):
        return name
    return " ".join(re.findall(r"[A-Z0-9]?[^A-Z]*", name)).strip().lower()


def _constants(node: Function) -> Iterator[str]:
    """Yield the numbers that go in without a gradient; of larger arrays, and of those that are not kept, the shape."""
    saved = node.saved if node.saved and {"inputs", "factors"} & set(node.saves) else ()
    for i, edge in enumerate(node.next_functions):
        if edge is not None:
            continue
        value = saved[i] if i < len(saved) else None
        if value is not None and np.size(value) <= MOST_VALUES:
            yield as_line(value)
        elif i < len(node.input_shapes) and node.input_shapes[i]:
            yield f"({'×'.join(map(str, node.input_shapes[i]))})"
        elif node.name in _SIGNS:  # elsewhere it is an argument that was left out
            yield "a number"


def _shown(value: Any) -> str | None:
    data = value.data if isinstance(value, Tensor) else value
    return as_line(data) if data is not None and np.size(data) <= MOST_VALUES else None
