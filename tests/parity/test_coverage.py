"""No operation without a comparison, no rule outside of the table, and a page that says what is so."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

import pytest

from tinytorch.core.autograd import RULES, Function

from . import table
from .harness import torch
from .watching import Operation, observed

# New values, or values of a function that is given: without a graph in both libraries, unless one is asked for.
WITHOUT_A_GRAPH = {"creation", "differentiation"}


@pytest.fixture(scope="module")
def found() -> dict[str, Operation]:
    return observed()


def test_there_is_something_to_compare(found: dict[str, Operation]) -> None:
    assert len(found) > 400
    assert found["sin"].rules == {frozenset({"SinBackward"})}
    assert all(form.second for form in found["sin"].forms.values())
    assert found["argmax"].shown("cases")
    assert not found["argmax"].shown("first")
    assert found["unique"].shown("refuses")
    assert found["zeros_like"].shown("lost")
    assert not found["is_tensor"].shown("cases")


def test_every_form_of_every_operation_is_compared(found: dict[str, Operation]) -> None:
    """By a case, by a test that calls it in both libraries, or by a deliberate difference."""
    assert {name: forms for name, each in found.items() if (forms := table.uncompared(each))} == {}


def test_every_operation_has_a_gradient_or_a_refusal_or_none_as_in_pytorch(found: dict[str, Operation]) -> None:
    """Its gradient is compared, or made of rules that are; or it refuses; or its result has none in both libraries."""
    proven = {name for each in found.values() if each.shown("first") for rules in each.rules for name in rules}
    assert sorted(name for name, each in found.items() if not answers(each, proven)) == []


def answers(operation: Operation, proven: set[str]) -> bool:
    if operation.name in table.REFUSED_LATER or operation.name in table.differing() or operation.shown("first"):
        return True
    if operation.shown("lost"):
        return operation.shown("cases") or operation.home in WITHOUT_A_GRAPH
    if operation.rules:
        return all(rules <= proven for rules in operation.rules)
    return operation.shown("refuses") or operation.shown("asked") or not operation.shown("floats")


def test_the_page_is_the_one_that_the_tests_write() -> None:
    committed = table.PAGE.read_text(encoding="utf-8").splitlines()
    changes = list(difflib.unified_diff(committed, table.page().splitlines(), "committed", "as of now", lineterm=""))
    assert not changes, "\n".join([f"run `{table.COMMAND}` and look at what changed:", *changes[:20]])


def test_what_is_outside_of_the_scope_is_not_here(found: dict[str, Operation]) -> None:
    """A pattern that hides a name of ours would hide what is missing as well. `torch.cond` is no `linalg.cond`."""
    assert sorted(name for name in found if table.is_outside(name)) == ["cond"]
    assert all(any(re.search(p, name) for name in dir(torch) + dir(torch.Tensor)) for p in table.OUTSIDE.values())


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
