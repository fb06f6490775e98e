"""Runs the tests beside this file once more and notes what they compare with PyTorch, operation by operation.

`compare` is replaced by one that looks at our side alone, which is quick: that both sides agree is what the tests
themselves say. Of other tests an operation counts as compared if they call it in both libraries, and pass.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import tinytorch
import tinytorch.autograd.functional
import tinytorch.linalg
import tinytorch.nn.functional
from tinytorch import Tensor, fast
from tinytorch.core.autograd import Function, NotDifferentiableError, is_grad_enabled, topological_order

from . import harness
from .harness import Case, torch

HERE = Path(__file__).parent
# All but those of the page, and those that go through the cases a second time.
LEFT_OUT = ("test_blocks", "test_coverage", "test_differences", "test_dtypes")
TESTS = [path for path in sorted(HERE.glob("test_*.py")) if path.stem not in LEFT_OUT]
TESTS.append(HERE.parent / "autograd" / "test_against_pytorch.py")

# Where operations are found: here, and in PyTorch.
NAMESPACES: dict[str, tuple[Any, Any]] = {
    "function": (tinytorch, torch),
    "method": (Tensor, torch.Tensor),
    "F": (tinytorch.nn.functional, torch.nn.functional),
    "linalg": (tinytorch.linalg, torch.linalg),
    "autograd": (tinytorch.autograd, torch.autograd),
    "autograd.functional": (tinytorch.autograd.functional, torch.autograd.functional),
    "func": (tinytorch.func, torch.func),
}
# What these import for themselves is not theirs.
DERIVING = (tinytorch.autograd, tinytorch.autograd.functional, tinytorch.func)
# What belongs to the tensor or the package and is no operation.
NOT_OPERATIONS = {
    *("backward", "zero_grad", "retain_grad", "register_hook", "requires_grad_", "detach", "detach_", "numpy", "item"),
    *("tolist", "disable_autograd", "enable_autograd", "is_grad_enabled", "manual_seed"),
    *("save", "load"),
    *("explain_grad", "graph", "memory", "record_lines"),
}


@dataclass
class Form:
    """A place where an operation is found, and what the tests have shown of it there.

    Attributes
    ----------
    called
        Whether a test calls it.
    cases, tests
        Whether a case compares its values; whether another test calls it in both libraries.
    first, second
        Whether a case compares its gradient, and the gradient of that.
    refuses
        Whether it was seen to refuse a tensor that requires a gradient.
    floats, asked, lost
        Whether it was seen to make floats of floats; of such that require a gradient; and without a gradient of those.
    same
        Whether it was seen to return the tensor that it was given.
    rules
        The rules of its gradient, as sets of those of one call.
    """

    called: bool = False
    cases: bool = False
    tests: bool = False
    first: bool = False
    second: bool = False
    refuses: bool = False
    floats: bool = False
    asked: bool = False
    lost: bool = False
    same: bool = False
    rules: set[frozenset[str]] = field(default_factory=set)


@dataclass
class Operation:
    """A public operation: its name, the file it is written in, and its forms by key of `NAMESPACES` or "in place"."""

    name: str
    home: str
    forms: dict[str, Form] = field(default_factory=dict)

    @property
    def rules(self) -> set[frozenset[str]]:
        return set().union(*(form.rules for form in self.forms.values()))

    def shown(self, what: str) -> bool:
        """Return whether something was shown of any form."""
        return any(getattr(form, what) for form in self.forms.values())


def public(owner: Any) -> Iterator[tuple[str, FunctionType]]:
    """Return the functions of ours that users call, by name."""
    for name, value in sorted(vars(owner).items()):
        home = owner.__name__ if owner in DERIVING else "tinytorch"
        ours = isinstance(value, FunctionType) and value.__module__.startswith(home)
        if ours and not name.startswith("_") and name not in NOT_OPERATIONS:
            yield name, value


def form_of(space: str, name: str) -> str:
    return "in place" if name.endswith("_") else space


def operations() -> dict[str, Operation]:
    """Return the public operations, by name."""
    found: dict[str, Operation] = {}
    for space, (ours, _) in NAMESPACES.items():
        for name, function in public(ours):
            base, home = name.removesuffix("_"), function.__module__.rpartition(".")[2].strip("_")
            operation = found.setdefault(base, Operation(base, home))
            operation.forms[form_of(space, name)] = Form()
            if ours in DERIVING:
                operation.home = "differentiation"
            elif home not in ("inplace", "functional"):
                operation.home = home
    return found


@dataclass
class Call:
    """A call of an operation of ours from a test: its form, the nodes its results hang from, and what `Form` keeps."""

    form: Form
    nodes: set[Function] = field(default_factory=set)
    rules: frozenset[str] = frozenset()
    floats: bool = False
    asked: bool = False
    same: bool = False
    answered: bool = True
    refused: bool = False

    def note(self) -> None:
        """Add what the call shows wherever it stands."""
        self.form.called |= self.answered
        self.form.refuses |= self.refused
        self.form.floats |= self.floats
        self.form.asked |= self.asked
        self.form.same |= self.same
        self.form.lost |= self.asked and not self.nodes
        self.form.rules |= {self.rules} - {frozenset()}

    def note_compared(self, compared: set[Function], second: bool) -> None:
        """Add what it shows in a case, by the nodes that the compared results hang from."""
        self.note()
        self.form.cases = True
        self.form.first |= bool(self.nodes & compared)
        self.form.second |= bool(self.nodes & compared) and second


class Watch:
    """A plugin of pytest that listens to operations while tests run, and believes the tests that pass."""

    def __init__(self) -> None:
        self.found = operations()
        self.undo = contextlib.ExitStack()
        self.inside = False
        self.ours: list[tuple[str, Call]] = []
        self.theirs: dict[str, bool] = {}  # what is called, and whether it answered
        self.compared: list[Callable[[], None]] = []
        self.failed: list[str] = []

    # What pytest calls.

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for module in {item.module for item in session.items if isinstance(item, pytest.Function)}:
            if "compare" in vars(module):
                replace(self.undo, module, "compare", self.compare)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        report = yield
        if report.when == "setup":
            self.ours, self.theirs, self.compared = [], {}, []
        elif report.when == "call":
            (self.believe if report.passed else functools.partial(self.failed.append, item.nodeid))()
        return report

    # What the tests show.

    def believe(self) -> None:
        for note in self.compared:
            note()
        for base, call in self.ours:
            call.note()
            call.form.tests |= call.answered and self.theirs.get(base, False)

    def compare(self, case: Case, seed: int, dtype: str = "float64") -> None:
        """Note what a case compares, in the place of comparing it."""
        before, self.ours = self.ours, []
        arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in case.inputs(np.random.default_rng(seed))]
        wanted = [a.dtype.kind == "f" and i not in case.constant for i, a in enumerate(arrays)]
        side = harness._Side(tinytorch, case.call, arrays, wanted)
        nodes = {node for out in side.outputs if out is not None for node in topological_order(out._grad_fn)}
        calls, self.ours = self.ours, before
        self.compared += [functools.partial(call.note_compared, nodes, case.second) for _, call in calls]

    # Listening.

    def watched(self, listen: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a listener, for calls that do not come from an operation."""

        @functools.wraps(function)
        def watching(*args: Any, **kwargs: Any) -> Any:
            if self.inside:
                return function(*args, **kwargs)
            self.inside = True
            try:
                return listen(function, args, kwargs)
            finally:
                self.inside = False

        return watching

    def ours_called(self, base: str, form: Form, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        given = [x for x in flat([*args, *kwargs.values()]) if isinstance(x, Tensor) and x.dtype.kind == "f"]
        before = {x._grad_fn for x in given}
        wanted = is_grad_enabled() and any(x.requires_grad for x in given)
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            self.ours.append((base, Call(form, answered=False, refused=isinstance(error, NotDifferentiableError))))
            raise
        parts = [x for x in flat(result) if isinstance(x, Tensor) and x.dtype.kind == "f"]
        same = [x for x in parts if any(x is other for other in given) and x._grad_fn in before]
        parts = [x for x in parts if all(x is not other for other in same)]
        nodes = {x._grad_fn for x in parts if x._grad_fn is not None} - before
        rules = frozenset(node.name for node in made(nodes, before))
        floats = bool(given and parts)
        self.ours.append((base, Call(form, nodes, rules, floats, asked=floats and wanted, same=wanted and bool(same))))
        return result

    def theirs_called(self, base: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        self.theirs.setdefault(base, False)
        result = function(*args, **kwargs)
        self.theirs[base] = True
        return result

    def listen(self) -> None:
        """Put a listener before every operation of both libraries, until `undo` is closed."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.func.jvp(torch.sin, (torch.ones(1),), (torch.ones(1),))  # PyTorch reads its own source here, once
        for space, (ours, theirs) in NAMESPACES.items():
            for name, function in list(public(ours)):
                base = name.removesuffix("_")
                form = self.found[base].forms[form_of(space, name)]
                listener = functools.partial(self.ours_called, base, form)
                replace(self.undo, ours, name, self.watched(listener, function))
                if callable(twin := getattr(theirs, name, None)):
                    replace(self.undo, theirs, name, self.watched(functools.partial(self.theirs_called, base), twin))


def called_by(function: Callable[[], Any]) -> tuple[set[str], set[str]]:
    """Return the operations that a function calls of ours, and those of PyTorch's."""
    watch = Watch()
    with watch.undo:
        watch.listen()
        function()
    return {base for base, _ in watch.ours}, set(watch.theirs)


def replace(undo: contextlib.ExitStack, owner: Any, name: str, value: Any) -> None:
    """Set an attribute until `undo` is closed."""
    if name in vars(owner):
        undo.callback(setattr, owner, name, vars(owner)[name])
    else:
        undo.callback(delattr, owner, name)
    setattr(owner, name, value)


def flat(value: Any) -> Iterator[Any]:
    for part in value if isinstance(value, list | tuple) else ():
        yield from flat(part)
    if not isinstance(value, list | tuple):
        yield value


def made(nodes: set[Function], before: set[Any]) -> set[Function]:
    """Return the nodes from these back to those that were there before."""
    found: set[Function] = set()
    stack: list[Any] = [*nodes]
    while stack:
        node = stack.pop()
        if isinstance(node, Function) and node not in found and node not in before:
            found.add(node)
            stack += node.next_functions
    return found


@functools.cache
def observed() -> dict[str, Operation]:
    """Return the operations with what the tests show of them."""
    watch = Watch()
    with watch.undo:
        if fast.is_enabled():  # the kernels have rules of their own
            fast.disable()
            watch.undo.callback(fast.enable)
        watch.listen()
        options = [f"-pno:{plugin}" for plugin in ("cacheprovider", "terminal", "logging", "capture")]
        code = pytest.main([*options, *map(str, TESTS)], plugins=[watch])
    if code != pytest.ExitCode.OK:
        raise RuntimeError(
            f"the tests do not pass ({code!s}), so nothing is known of what they compare: {watch.failed}"
        )
    return watch.found
