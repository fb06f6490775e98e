"""No operation without a comparison, and no rule outside of the table."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

import pytest

from tinytorch.core.autograd import RULES, Function

from . import table

# What is not compared by cases: tested one by one in the files beside this one.
ONE_BY_ONE = {
    # in place, conversions and questions
    *("copy", "fill", "uniform", "zero", "astype", "bool", "byte", "can_cast", "char", "cpu", "dim", "double"),
    *("element_size", "float", "from_dlpack", "half", "int", "is_contiguous", "is_floating_point", "is_tensor", "long"),
    *("ndimension", "nelement", "numel", "promote_types", "result_type", "short", "stride", "type", "type_as"),
    # without values that could be compared, or compared with numbers
    *("empty", "empty_like", "new_empty", "rand", "rand_like", "randn", "randn_like", "gumbel_softmax"),
    *("arange", "eye", "full", "ones", "broadcast_shapes", "eig", "eigvals", "heaviside"),
    # without a gradient, over pairs of dtypes
    *("allclose", "equal", "floor_divide", "gcd", "lcm"),
    *("bitwise_and", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor"),
}


@pytest.fixture(scope="module")
def found() -> dict[str, table.Operation]:
    return table.observed()


def test_there_is_something_to_compare(found: dict[str, table.Operation]) -> None:
    assert len(found) > 350
    assert found["sin"].second
    assert found["argmax"].called
    assert not found["argmax"].first


def test_every_operation_has_a_gradient_or_none_as_in_pytorch(found: dict[str, table.Operation]) -> None:
    """A case compares whether the result requires a gradient, and the gradient; a refusal is seen as such."""
    shown = {name for name, operation in found.items() if operation.called or operation.refuses}
    assert sorted(set(found) - shown - ONE_BY_ONE) == []
    assert sorted(ONE_BY_ONE & shown | ONE_BY_ONE - set(found)) == []


def test_what_has_no_case_has_a_test_of_its_own() -> None:
    words = table.words_of_tests()
    assert [name for name in sorted(ONE_BY_ONE) if not {name, f"{name}_"} & words] == []


def test_the_page_is_the_one_that_the_tests_write() -> None:
    committed = table.PAGE.read_text(encoding="utf-8").splitlines()
    changes = list(difflib.unified_diff(committed, table.page().splitlines(), "committed", "as of now", lineterm=""))
    assert not changes, "\n".join([f"run `{table.COMMAND}` and look at what changed:", *changes[:20]])


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
