"""Large arrays, worked through in blocks: as if what fits the cache were very little."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch.nn import functional
from tinytorch.ops import _blocks

from . import test_functional, test_lessons
from .harness import Array, Case, compare, numbers, torch

NAMES = ("gelu", "softmax", "cross-entropy")
LESSONS = [case for case in test_lessons.CASES if any(name in case.name for name in NAMES)]
FAMILIES = [*test_functional.NORMS, *test_functional.LOSSES, *test_functional.ATTENTION]


def weighted(lib: Any, logits: Any, target: Any) -> Any:
    weight = lib.tensor([1.0, 2.0, 0.5], dtype=logits.dtype)
    return lib.nn.functional.cross_entropy(logits, target, weight=weight, label_smoothing=0.2)


def of_pixels(rng: np.random.Generator) -> list[Array]:
    return [rng.standard_normal((2, 3, 4)), rng.integers(0, 3, (2, 4))]


CASES = [
    Case("softmax over rows", lambda lib, a: lib.nn.functional.softmax(a, dim=0), numbers((5, 3))),
    Case("softmax over the middle", lambda lib, a: lib.nn.functional.softmax(a, dim=-2), numbers((4, 3, 2))),
    Case("gelu of a transpose", lambda lib, a: lib.nn.functional.gelu(a.T), numbers((5, 3))),
    Case("cross-entropy, weighted", weighted, test_lessons.classes),
    Case("cross-entropy of pixels", lambda lib, a, t: lib.nn.functional.cross_entropy(a, t), of_pixels),
]


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_blocks, "BLOCK", 4)
    monkeypatch.setattr(_blocks, "LINES", 1)


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total:UserWarning")  # of PyTorch
@pytest.mark.parametrize("case", [*CASES, *LESSONS, *FAMILIES], ids=lambda case: case.name)
def test_agrees_with_pytorch_in_small_blocks(case: Case) -> None:
    compare(case, 0)
    compare(replace(case, second=False), 1, "float32")


@pytest.mark.usefixtures("_small_blocks")
def test_no_row_that_counts_has_a_mean_of_nan() -> None:
    logits, target = np.zeros((8, 3), np.float32), np.full(8, -100)
    ours = functional.cross_entropy(tinytorch.tensor(logits), tinytorch.tensor(target))
    theirs = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(target))
    assert np.isnan(ours.item())
    assert np.isnan(theirs.item())


@pytest.mark.usefixtures("_small_blocks")
def test_an_error_names_the_place_in_the_whole() -> None:
    target = np.zeros(8, np.int64)
    target[6] = 5
    with pytest.raises(IndexError, match=r"target\[6\] is 5"):
        functional.cross_entropy(tinytorch.zeros(8, 3), tinytorch.tensor(target))


def test_blocks_are_what_large_arrays_are_worked_through_in() -> None:
    sizes = []

    def double(x: Array, total: Array) -> tuple[Array, Array]:
        sizes.append(x.size)
        return 2 * x, x.sum(axis=0, keepdims=True)

    x = np.random.default_rng(0).standard_normal((300, 1000))
    doubled, total = _blocks.in_blocks(double, (x, np.zeros((1, 1000))))
    assert len(sizes) > 4
    assert max(sizes) <= _blocks.BLOCK
    assert sum(sizes) == x.size
    assert doubled.tolist() == (2 * x).tolist()
    np.testing.assert_allclose(total[0], x.sum(axis=0))
