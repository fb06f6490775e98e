"""The cases that compare operations with PyTorch, once more, with the compiled kernels as those that answer."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

import pytest

pytest.importorskip("numba", reason="Numba is not installed: pip install numba")

from tests.parity import test_elementwise as elementwise
from tests.parity import test_functional as functional
from tests.parity import test_lessons as lessons
from tests.parity import test_spatial as spatial
from tests.parity.harness import Case, compare

from .conftest import OF_WINDOWS

Reached = tuple[str, ...]


def named(cases: Sequence[Case], *beginnings: str) -> list[Case]:
    """Return the cases whose names begin in one of these ways, but for those the kernels leave to NumPy."""
    for beginning in beginnings:
        assert any(case.name.startswith(beginning) for case in cases), beginning
    left = ("(0", ", more ")  # empty arrays, and attention without a batch
    return [c for c in cases if c.name.startswith(beginnings) and not any(sign in c.name for sign in left)]


EXTREME = [dataclasses.replace(case, name=f"{case.name}, extreme") for case in functional.EXTREME]
ATTENDED = ("attention(2, 4, 5)", "attention(2, 3, 4, 5)", "attention, causal", "attention, scale", "attention, const")


def with_gradient(name: str) -> Reached:
    return name, f"{name}_gradient"


# Which kernels have to have answered, and in which cases.
REACHED: list[tuple[Reached, list[Case]]] = [
    (with_gradient("relu"), named(lessons.CASES, "relu")),
    (with_gradient("sigmoid"), named(lessons.CASES, "sigmoid")),
    (with_gradient("silu"), named(elementwise.ACTIVATION_CASES, "silu")),
    (with_gradient("gelu"), [*named(lessons.CASES, "gelu")[:1], *named(elementwise.ACTIVATION_CASES, "gelu ")[:1]]),
    (with_gradient("gelu_tanh"), [*named(lessons.CASES, "gelu tanh"), *named(elementwise.ACTIVATION_CASES, "gelu {")]),
    (
        with_gradient("softmax"),
        [
            *named(lessons.CASES, "softmax"),
            *named(functional.CASES, "softmax-1", "softmin", "softmax as"),
            *named(EXTREME, "softmax"),
        ],
    ),
    (
        with_gradient("log_softmax"),
        [*named(functional.CASES, "log_softmax-1", "log_softmax as"), *named(EXTREME, "log_softmax")],
    ),
    (
        with_gradient("cross_entropy"),
        named(lessons.CASES, *(f"cross-entropy {r}" for r in ("mean", "sum", "none")), "cross-entropy, smoothed"),
    ),
    (
        with_gradient("normalize"),
        [*named(functional.CASES, "layer_norm", "rms_norm"), *named(EXTREME, "layer_norm, ", "rms_norm")],
    ),
    (("seen_softmax", "softmax_gradient"), named(functional.CASES, *ATTENDED)),
    ((*OF_WINDOWS, "correlate", "correlate_gradients"), [c for c in spatial.CASES if c.name in ("conv2d", "conv1d")]),
    (("convolve", "input_gradient", "correlate"), named(spatial.CASES, "conv2d, frozen weight")),
    (("convolve", "weight_gradient"), named(spatial.CASES, "conv2d, frozen input")),
    (("spread",), [c for c in named(spatial.CASES, "max_pool") if "indices" not in c.name]),
]
CASES = [pytest.param(kernels, case, id=case.name) for kernels, cases in REACHED for case in cases]

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total:UserWarning")  # of PyTorch


@pytest.mark.parametrize(("kernels", "case"), CASES)
def test_kernels_agree_with_pytorch(kernels: Reached, case: Case, reached: Counter[str]) -> None:
    first_order = dataclasses.replace(case, second=False)
    for seed in range(2):
        reached.clear()
        compare(first_order, seed, "float32")
        assert set(kernels) <= set(reached)


@pytest.mark.parametrize(
    "case",
    [*lessons.CASES, *elementwise.ACTIVATION_CASES, *functional.CASES, *spatial.CASES],
    ids=lambda case: case.name,
)
def test_all_agrees_while_the_kernels_are_on(case: Case, reached: Counter[str]) -> None:
    """Whatever the kernels leave to NumPy: other types, other axes, and gradients that have gradients."""
    for dtype in ("float32", "float64"):
        compare(case, 0, dtype)


def test_every_kernel_is_compared() -> None:
    from tinytorch.fast import _kernels

    public = {name for name in vars(_kernels) if hasattr(vars(_kernels)[name], "py_func") and not name.startswith("_")}
    compared = {name for kernels, _ in REACHED for name in kernels}
    assert public | set(OF_WINDOWS) == compared | {"adam"}  # which test_optimizers.py compares
