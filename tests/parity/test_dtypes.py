"""Every case of the families once more, with inputs of other types: float16 with gradients, and integers and bools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tinytorch

from . import (
    test_creation,
    test_elementwise,
    test_functional,
    test_indexing,
    test_inplace,
    test_lessons,
    test_linear_algebra,
    test_reductions,
    test_shape,
)
from .harness import Array, Case, compare, refuse, torch

FAMILIES = {
    "creation": test_creation.CASES,
    "elementwise": [*test_elementwise.CASES, *test_elementwise.ACTIVATION_CASES],
    "functional": test_functional.CASES,
    "indexing": [*test_indexing.CASES, *test_indexing.INDEX_CASES],
    "lessons": test_lessons.CASES,
    "linear algebra": test_linear_algebra.CASES,
    "reductions": test_reductions.CASES,
    "shape": test_shape.CASES,
}
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError)

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),  # PyTorch's: of what is new, and of what loses digits
    pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning"),
]


def results(lib: Any, case: Case, arrays: Sequence[Array]) -> list[Array] | None:
    """Return what a call gives; None if it is refused."""
    try:
        made = list(flat(case.call(lib, *(lib.from_numpy(a.copy()) for a in arrays))))
    except REFUSALS:
        return None
    return [t.numpy() for t in made if isinstance(t, tinytorch.Tensor | torch.Tensor)]


def flat(result: Any) -> Iterator[Any]:
    if isinstance(result, tuple | list):
        for part in result:
            yield from flat(part)
    else:
        yield result


# float16

# We ask for float32, where PyTorch takes some of the others, or what is empty.
NOT_IN_HALF = ("matrix_power", "matrix_exp", "det(0")
# Their gradients are differences of larger numbers, so that half of the digits are gone.
IN_MANY_STEPS = ("einsum ij,jk,kl,lm", "addcdiv")


@pytest.mark.parametrize("family", [*FAMILIES, "in place"])
def test_float16(family: str) -> None:
    """Where PyTorch takes float16, so do we; gradients included."""
    for case in test_inplace.CASES if family == "in place" else FAMILIES[family]:
        drawn = case.inputs(np.random.default_rng(0))
        with np.errstate(all="ignore"), naming(case):
            arrays = [a.astype(np.float16) if a.dtype.kind == "f" else a for a in drawn]
            ours, theirs = results(tinytorch, case, arrays), results(torch, case, arrays)
            if theirs is None:
                continue
            if case.name.startswith(NOT_IN_HALF):
                assert ours is None
                continue
            constant = tuple(range(len(arrays))) if case.name.startswith(IN_MANY_STEPS) else case.constant
            compare(replace(case, constant=constant, second=False), 0, "float16")


@contextmanager
def naming(case: Case) -> Iterator[None]:
    """Say in an error which case it was."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in the case {case.name!r}")
        raise


# Integers and bools

# What PyTorch adds up in another type, or makes of numbers that have none of it.
OF_ANOTHER_TYPE = ("addmm weighted", "addmv", "addr", "einsum", "median of nothing", "nanmedian of nothing")
# Which of several equal values is picked is not said.
OF_EQUAL_VALUES = ("topk", "kthvalue")


@pytest.mark.parametrize("dtype", ["int64", "int32", "bool"])
@pytest.mark.parametrize("family", FAMILIES)
def test_integers(family: str, dtype: str) -> None:
    """Either library may refuse them; where both answer, they agree."""
    for case in FAMILIES[family]:
        drawn = case.inputs(np.random.default_rng(0))
        whole = (np.asarray(np.ceil(np.nan_to_num(a, nan=1, posinf=5, neginf=-5))) for a in drawn)
        arrays = [w.astype(dtype) if a.dtype.kind == "f" else a for w, a in zip(whole, drawn, strict=True)]
        with np.errstate(all="ignore"), naming(case):
            ours, theirs = results(tinytorch, case, arrays), results(torch, case, arrays)
            if ours is not None and theirs is not None:
                assert_same(case, ours, theirs)


def assert_same(case: Case, ours: Sequence[Array], theirs: Sequence[Array]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        if not case.name.startswith(OF_ANOTHER_TYPE):
            assert a.dtype == b.dtype
            if not case.name.startswith(OF_EQUAL_VALUES):
                np.testing.assert_allclose(a.astype(float), b.astype(float), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("dtype", ["int64", "int32", "bool"])
def test_integers_that_require_gradients_are_refused(dtype: str) -> None:
    array = np.ones(3, dtype)
    refuse(lambda lib, x: x.requires_grad_(), array)
    refuse(lambda lib, x: lib.ones(3, dtype=getattr(lib, dtype), requires_grad=True), array)
    refuse(lambda lib, x: lib.tensor([1, 0], dtype=getattr(lib, dtype), requires_grad=True), array)
    refuse(lambda lib, x: lib.autograd.grad((x * 2).sum(), x), array)
    refuse(lambda lib, x: (x * 2).sum().backward(), array)
