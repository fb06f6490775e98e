"""The operations of the lessons, whose rules stand in module 05: both orders of gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .harness import Case, compare, numbers

PAIRS = [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 2)), ((0, 2), (1, 2))]
MATRICES = [((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((4, 2, 3), (3, 2)), ((4, 2, 3), (4, 3, 2))]
DIMS: list[Any] = [None, 0, -1, (0, 2)]


def classes(rng: np.random.Generator) -> list[Any]:
    return [rng.standard_normal((4, 3)), np.array([2, 0, 1, -100])]


def probabilities(rng: np.random.Generator) -> list[Any]:
    target = rng.uniform(0.1, 1, (4, 3))
    return [rng.standard_normal((4, 3)), target / target.sum(1, keepdims=True)]


CASES = [
    *(Case(f"add{s}", lambda lib, a, b: a + b, numbers(*s)) for s in PAIRS),
    *(Case(f"sub{s}", lambda lib, a, b: a - b, numbers(*s)) for s in PAIRS),
    *(Case(f"mul{s}", lambda lib, a, b: a * b, numbers(*s)) for s in PAIRS),
    *(Case(f"div{s}", lambda lib, a, b: a / b, numbers(*s, low=0.5)) for s in PAIRS),
    *(Case(f"pow{s}", lambda lib, a, b: a**b, numbers(*s, low=0.5)) for s in PAIRS),
    *(Case(f"matmul{s}", lambda lib, a, b: a @ b, numbers(*s)) for s in MATRICES),
    Case("numbers", lambda lib, a: 2 - a * 3 + 1 / a**2 - (-a) / 4, numbers((2, 3), low=0.5)),
    *(
        Case(f"sum{d}", lambda lib, a, d=d: a.sum(d) ** 2 if d is not None else a.sum() ** 2, numbers((2, 3, 2)))
        for d in DIMS
    ),
    *(
        Case(f"mean{d}", lambda lib, a, d=d: (a.mean(d) if d is not None else a.mean()) ** 2, numbers((2, 3, 2)))
        for d in DIMS
    ),
    *(
        Case(f"amax{d}", lambda lib, a, d=d: (a.amax(d) if d is not None else a.amax()) ** 2, numbers((2, 3, 2)))
        for d in DIMS
    ),
    *(
        Case(f"amin{d}", lambda lib, a, d=d: (a.amin(d) if d is not None else a.amin()) ** 2, numbers((2, 3, 2)))
        for d in DIMS
    ),
    Case("max", lambda lib, a: a.max(1).values ** 2, numbers((2, 3))),
    Case("exp", lambda lib, a: a.exp(), numbers((2, 3))),
    Case("log", lambda lib, a: a.log(), numbers((2, 3), low=0.5)),
    Case("sqrt", lambda lib, a: a.sqrt(), numbers((2, 3), low=0.5)),
    Case("abs", lambda lib, a: a.abs() ** 2, numbers((2, 3))),
    Case("clip", lambda lib, a: a.clip(-1, 1) ** 2, numbers((2, 3))),
    Case("to", lambda lib, a: a.to(lib.float64) ** 2, numbers((2, 3))),
    Case("reshape", lambda lib, a: a.reshape(3, 2) ** 2, numbers((2, 3))),
    Case("view", lambda lib, a: a.view(-1) ** 2, numbers((2, 3))),
    Case("transpose", lambda lib, a: a.transpose(0, 2) ** 2, numbers((2, 3, 2))),
    Case("permute", lambda lib, a: a.permute(2, 0, 1) ** 2, numbers((2, 3, 4))),
    Case("T", lambda lib, a: a.T**2, numbers((2, 3))),
    Case("index", lambda lib, a: a[1:, None, ..., 0] ** 2, numbers((2, 3, 4))),
    Case("index with repeats", lambda lib, a: a[[0, 0, 1]] ** 2, numbers((2, 3))),
    Case("mask", lambda lib, a: a[a > 0] ** 2, numbers((2, 3))),
    Case("relu", lambda lib, a: lib.nn.functional.relu(a) ** 2, numbers((2, 3))),
    Case("sigmoid", lambda lib, a: lib.nn.functional.sigmoid(a), numbers((2, 3))),
    Case("tanh", lambda lib, a: lib.nn.functional.tanh(a), numbers((2, 3))),
    Case("gelu", lambda lib, a: lib.nn.functional.gelu(a), numbers((2, 3))),
    Case("gelu tanh", lambda lib, a: lib.nn.functional.gelu(a, approximate="tanh"), numbers((2, 3))),
    Case("softmax", lambda lib, a: lib.nn.functional.softmax(a, dim=1), numbers((2, 3))),
    Case("log_softmax", lambda lib, a: lib.nn.functional.log_softmax(a, dim=0), numbers((2, 3))),
    *(
        Case(f"mse {r}", lambda lib, a, b, r=r: lib.nn.functional.mse_loss(a, b, reduction=r), numbers((2, 3), (2, 3)))
        for r in ("mean", "sum", "none")
    ),
    *(
        Case(
            f"bce {r}",
            lambda lib, a, b, r=r: lib.nn.functional.binary_cross_entropy(a, b, reduction=r),
            numbers((2, 3), (2, 3), low=0.1, high=0.9),
            constant=(1,),
        )
        for r in ("mean", "sum", "none")
    ),
    *(
        Case(
            f"bce with logits {r}",
            lambda lib, a, b, r=r: lib.nn.functional.binary_cross_entropy_with_logits(
                a, b, reduction=r, pos_weight=lib.tensor([1.0, 2.0, 0.5], dtype=lib.float64).to(a.dtype)
            ),
            numbers((2, 3), (2, 3), low=0.1, high=0.9),
        )
        for r in ("mean", "sum", "none")
    ),
    *(
        Case(f"cross-entropy {r}", lambda lib, a, t, r=r: lib.nn.functional.cross_entropy(a, t, reduction=r), classes)
        for r in ("mean", "sum", "none")
    ),
    Case(
        "cross-entropy, smoothed",
        lambda lib, a, t: lib.nn.functional.cross_entropy(a, t, label_smoothing=0.1),
        classes,
    ),
    Case("cross-entropy of probabilities", lambda lib, a, t: lib.nn.functional.cross_entropy(a, t), probabilities),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_agrees_with_pytorch(case: Case, dtype: str) -> None:
    for seed in range(2):
        compare(case, seed, dtype)
