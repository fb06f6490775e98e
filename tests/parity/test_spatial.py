"""Convolutions and pools as functions: values and both orders of gradients; see tests/spatial for random settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from .harness import Array, Case, compare, numbers, refuse


def call(name: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
    return lambda lib, *tensors: getattr(lib.nn.functional, name)(*tensors, *args, **kwargs)


def squared(name: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """A call whose gradients depend on the inputs, so that they have gradients in both libraries."""
    return lambda lib, *tensors: getattr(lib.nn.functional, name)(*tensors, *args, **kwargs) ** 2


def apart(*shape: int) -> Callable[[np.random.Generator], list[Array]]:
    """Numbers of which no two are close, so that rounding does not decide who is the largest."""
    return lambda rng: [rng.permutation(np.arange(float(np.prod(shape)))).reshape(shape) / 8]


CASES = [
    Case("conv2d", squared("conv2d"), numbers((2, 3, 6, 5), (4, 3, 3, 2), (4,))),
    Case("conv2d, settings", squared("conv2d", (2, 1), (1, 2), (1, 2), 2), numbers((2, 4, 6, 5), (4, 2, 3, 2), (4,))),
    Case("conv2d, by channel", squared("conv2d", None, 1, "same", groups=3), numbers((3, 4, 5), (6, 1, 3, 3))),
    Case("conv2d, frozen weight", squared("conv2d"), numbers((2, 3, 6, 5), (4, 3, 3, 2)), constant=(1,)),
    Case("conv2d, frozen input", squared("conv2d"), numbers((2, 3, 6, 5), (4, 3, 3, 2), (4,)), constant=(0,)),
    Case("conv1d", squared("conv1d"), numbers((2, 3, 7), (4, 3, 3), (4,))),
    Case("conv1d, settings", squared("conv1d", 3, 2, 2, 2), numbers((4, 9), (4, 2, 3), (4,))),
    Case("max_pool2d", squared("max_pool2d", 2), apart(2, 3, 6, 5)),
    Case("max_pool2d, settings", squared("max_pool2d", (3, 2), 2, 1, 1, True), apart(3, 6, 5)),
    Case("max_pool2d, indices", call("max_pool2d", 3, 1, return_indices=True), apart(2, 3, 6, 5), second=False),
    Case("max_pool1d", squared("max_pool1d", 2, 1), apart(2, 3, 7)),
    Case("max_pool1d, indices", call("max_pool1d", 2, return_indices=True), apart(3, 7), second=False),
    Case("avg_pool2d", squared("avg_pool2d", 2), numbers((2, 3, 6, 5))),
    Case("avg_pool2d, settings", squared("avg_pool2d", (3, 2), 2, 1, True, False), numbers((3, 6, 5))),
    Case("avg_pool2d, divisor", squared("avg_pool2d", 3, 1, divisor_override=2), numbers((3, 6, 5))),
    Case("avg_pool1d", squared("avg_pool1d", 3, 2, 1, True), numbers((2, 3, 8))),
    Case("adaptive_avg_pool2d", squared("adaptive_avg_pool2d", (3, 2)), numbers((2, 3, 7, 5))),
    Case("adaptive_avg_pool2d, all", squared("adaptive_avg_pool2d", 1), numbers((3, 7, 5))),
    Case("adaptive_avg_pool2d, kept", squared("adaptive_avg_pool2d", (None, 2)), numbers((3, 7, 5))),
    Case("adaptive_avg_pool1d", squared("adaptive_avg_pool1d", 3), numbers((2, 3, 7))),
    Case("adaptive_max_pool2d", squared("adaptive_max_pool2d", (3, 2)), apart(2, 3, 7, 5)),
    Case(
        "adaptive_max_pool2d, indices",
        call("adaptive_max_pool2d", 2, return_indices=True),
        apart(2, 3, 7, 5),
        second=False,
    ),
    Case("adaptive_max_pool1d", squared("adaptive_max_pool1d", 3), apart(2, 3, 7)),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_agrees_with_pytorch(case: Case, dtype: str) -> None:
    for seed in range(2):
        compare(case, seed, dtype)


REFUSED = [
    ("conv1d, channels", call("conv1d"), [np.ones((2, 7)), np.ones((4, 3, 3))]),
    ("conv2d, a small image", call("conv2d"), [np.ones((3, 2, 7)), np.ones((4, 3, 3, 3))]),
    ("max_pool1d, one axis", call("max_pool1d", 2), [np.ones(4)]),
    ("avg_pool2d, padding", call("avg_pool2d", 2, padding=2), [np.ones((1, 4, 4))]),
    ("adaptive_avg_pool2d, three numbers", call("adaptive_avg_pool2d", (1, 2, 3)), [np.ones((1, 4, 4))]),
    ("adaptive_max_pool1d, axes", call("adaptive_max_pool1d", 2), [np.ones(4)]),
]


@pytest.mark.parametrize(("call", "arrays"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_both_refuse(call: Callable[..., Any], arrays: list[Array]) -> None:
    refuse(call, *arrays)
