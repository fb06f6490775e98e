"""No operation without a comparison: each public name stands in a test beside this one, or in a list of exceptions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import tinytorch.linalg
import tinytorch.nn.functional
import tinytorch.ops
from tinytorch.core.autograd import RULES, Function
from tinytorch.core.tensor import Tensor
from tinytorch.ops.inplace import TWINS

HERE = Path(__file__).parent
# Not operations, or tested in another way: see the suite of module 01, tests/autograd, and test_inplace.py.
ELSEWHERE = {
    *("backward", "zero_grad", "retain_grad", "register_hook", "requires_grad_", "detach", "item", "tolist", "numpy"),
    *("float", "double", "long", "dim", "numel", "LinAlgError", "annotations"),
    *(f"{name}_" for name in (*TWINS, "copy", "fill", "zero")),
}


def compared() -> set[str]:
    """Return every attribute, and every word of every string, in the tests beside this one."""
    words: set[str] = set()
    for path in HERE.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                words.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                words |= set(node.value.replace(".", " ").replace("(", " ").split())
    return words


def functions_of(module: ModuleType) -> Iterator[str]:
    return (name for name, value in vars(module).items() if isinstance(value, FunctionType) and name[0] != "_")


def operations() -> dict[str, str]:
    """Return the public operations by the name that a report shows."""
    found = {f"tinytorch.{name}": name for name in tinytorch.ops.__all__}
    for module in (tinytorch.nn.functional, tinytorch.linalg):
        found |= {f"{module.__name__}.{name}": name for name in functions_of(module)}
    methods = (name for name, value in vars(Tensor).items() if isinstance(value, FunctionType) and name[0] != "_")
    return found | {f"Tensor.{name}": name for name in methods}


OPERATIONS = operations()


def test_there_is_something_to_compare() -> None:
    assert len(OPERATIONS) > 400


def test_every_operation_is_compared() -> None:
    words = compared() | ELSEWHERE
    assert sorted(shown for shown, name in OPERATIONS.items() if name not in words) == []


def subclasses(kind: type[Function]) -> Iterator[type[Function]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from subclasses(sub)


@pytest.mark.parametrize("rule", sorted({*subclasses(Function)}, key=lambda rule: rule.__qualname__))
def test_every_rule_is_in_the_table(rule: type[Function]) -> None:
    """A rule that only others derive from needs no row; nor do nodes that a function hangs itself."""
    if not rule.__module__.startswith("tinytorch.ops.") or rule.__subclasses__():
        return
    assert rule in {row.backward for row in RULES}
