"""Draws the graph of an expression with the learner's own package; run as ``python -m tito.drawing ORDER``.

It runs in a process of its own, reads what to do from a file of JSON, and writes what came of it to another. What goes
wrong in the learner's code is an answer, not a traceback.
"""

from __future__ import annotations

import ast
import faulthandler
import importlib
import importlib.util
import inspect
import json
import sys
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass
class Subject:
    """What is drawn: a tensor, the gradient to begin with, the names of tensors, and the lines that made it."""

    tensor: Any
    gradient: Any = None
    names: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    failing: bool = False


class _ReachedError(Exception):
    """Carries what a call would have walked back from out of the code that would have gone on."""

    def __init__(self, tensor: Any, gradient: Any) -> None:
        super().__init__()
        self.tensor, self.gradient = tensor, gradient


def main() -> None:
    """Carry out the order in the file that is named on the command line."""
    order: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    stepper = None
    with open(order["trace"], "w", encoding="utf-8") as trace:
        faulthandler.dump_traceback_later(order["limit"], exit=True, file=trace)
        try:
            answer, stepper = _draw(order)
        except Exception as error:  # whatever a learner's package raises, the tool says it calmly
            answer = {"problem": _message(error), "where": _where(error, Path(order["root"]))}
        faulthandler.cancel_dump_traceback_later()
    Path(order["answer"]).write_text(json.dumps(answer), encoding="utf-8")
    if stepper is not None and order["terminal"]:
        stepper.show()


def _draw(order: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Make the graph, step through it and write the page; return what to say about it, and the stepper."""
    load_package(Path(order["root"]))
    core = importlib.import_module("tinytorch.core.autograd")
    recorded_for_you = _wake(core, Path(order["reference"]))
    with _results_kept(core):
        subject = _failing(order, core) or _example(order)
        if getattr(subject.tensor, "_grad_fn", None) is None:
            return {"problem": "nothing was recorded: the result has no node."}, None
        stepper = _graph(subject).step(subject.gradient)
    if order["page"]:
        stepper.save(
            order["page"], title=order["title"], about="" if subject.failing else order["about"], source=subject.source
        )
    said = {"error": stepper.error, "recorded_for_you": recorded_for_you, "failing": subject.failing}
    return said, stepper


def _graph(subject: Subject) -> Any:
    kind = type(subject.tensor)
    names = {name: value for name, value in subject.names.items() if isinstance(value, kind)}
    return importlib.import_module("tinytorch.viz").Graph(subject.tensor, names=names)


def load_package(root: Path) -> None:
    """Import the workspace's own `tinytorch`, whatever else is installed."""
    package = root / "tinytorch"
    spec = importlib.util.spec_from_file_location(
        "tinytorch", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tinytorch"] = module
    spec.loader.exec_module(module)


def _wake(core: ModuleType, reference: Path) -> bool:
    """Let operations be recorded while the learner's `tracked` is not written; return whether ours does it."""
    try:
        core.enable_autograd()
    except NotImplementedError:
        tree = ast.parse(reference.read_text(encoding="utf-8"))
        tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "tracked"]
        space = dict(vars(core))
        exec(compile(tree, str(reference), "exec"), space)
        # Given parts hold the learner's function already: it stays, and gets the body of ours.
        core.tracked.__code__ = space["tracked"].__code__
        core.enable_autograd()
        return True
    return False


@contextmanager
def _results_kept(core: ModuleType) -> Iterator[list[Any]]:
    """Hold every result, so that the picture can show the values in between."""
    results: list[Any] = []
    original = core.Function.__init__

    def keep(self: Any, *inputs: Any, output: Any = None) -> None:
        original(self, *inputs, output=output)
        results.append(output)

    core.Function.__init__ = keep
    try:
        yield results
    finally:
        core.Function.__init__ = original


def _example(order: dict[str, Any]) -> Subject:
    """Run a lesson's example."""
    module = _import(Path(order["examples"]), "graphs")
    function = getattr(module, order["example"])
    names: dict[str, Any] = {}

    def watch(frame: Any, event: str, result: Any) -> None:
        if event == "return" and frame.f_code is function.__code__:
            names.update(frame.f_locals)

    sys.setprofile(watch)
    try:
        tensor = function()
    finally:
        sys.setprofile(None)
    lines = inspect.getsource(function).split('"""')[-1]  # what follows the docstring
    return Subject(tensor, names=names, source=textwrap.dedent(lines).strip("\n"))


def _failing(order: dict[str, Any], core: ModuleType) -> Subject | None:
    """Run the lines that the failing test called, as far as they lead to a graph; None if they do not."""
    if not order["called"]:
        return None
    try:
        space = dict(vars(_import(Path(order["suite"]), "suite")))
        with _walks_reported(core, space):
            return _run(order["called"], space, core)
    except Exception:  # the lines may need what the test alone has: then the exercise's example is shown
        return None


def _run(called: list[str], space: dict[str, Any], core: ModuleType) -> Subject | None:
    """Run lines until one asks for gradients; else take the last tensor that has a node."""
    source = "\n".join(called)
    known = set(space)
    last: Any = None
    for text in called:
        try:
            if _is_expression(text):
                last = eval(text, space)
            else:
                exec(text, space)
        except _ReachedError as reached:
            names = {name: value for name, value in space.items() if name not in known}
            return Subject(reached.tensor, reached.gradient, names, source, failing=True)
    made = {name: value for name, value in space.items() if name not in known}
    tensors = [value for value in (*made.values(), last) if getattr(value, "_grad_fn", None) is not None]
    return Subject(tensors[-1], names=made, source=source, failing=True) if tensors else None


def _is_expression(text: str) -> bool:
    return isinstance(ast.parse(text).body[0], ast.Expr)


@contextmanager
def _walks_reported(core: ModuleType, space: dict[str, Any]) -> Iterator[None]:
    """Let every way to ask for gradients tell from where, instead of walking."""
    tensor_class = importlib.import_module("tinytorch.core.tensor").Tensor

    def backward(tensor: Any, gradient: Any = None, *others: Any, **options: Any) -> None:
        raise _ReachedError(tensor, gradient)

    original, tensor_class.backward = tensor_class.backward, backward
    if "backward" in space:
        space["backward"] = backward
    try:
        yield
    finally:
        tensor_class.backward = original


def _import(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, NotImplementedError) else f"{type(error).__name__}: {error}"


def _where(error: Exception, root: Path) -> str:
    """Return the deepest line of the workspace's package that an error came through."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(root / "tinytorch")
    ]
    if not frames:
        return ""
    return f"{Path(frames[-1].filename).relative_to(root).as_posix()}:{frames[-1].lineno}, in {frames[-1].name}"


if __name__ == "__main__":
    main()
