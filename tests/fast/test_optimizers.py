"""Adam by the kernel: fifty steps beside PyTorch and beside NumPy, and what is left to NumPy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="Numba is not installed: pip install numba")

import tinytorch
from tinytorch import fast, optim
from tinytorch.core.autograd import ChangedInPlaceError
from tinytorch.core.optimizers import PIECE, SMALL
from tinytorch.fast import _optimizers

LARGE = _optimizers.LARGE  # before a fixture changes it
Array = np.ndarray[Any, Any]

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "betas": (0.6, 0.9), "maximize": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.3, "maximize": True}),
]
WITH_AMSGRAD: list[tuple[str, dict[str, Any]]] = [("Adam", {"amsgrad": True}), ("AdamW", {"amsgrad": True})]

# Packed with others; packed alone, because it is no row; of one piece; of several, the last of which is short.
SHAPES = [(3, 5), (7,), (), (1, SMALL + 1), (5, 2 * PIECE // 5 + 3)]


class Run:
    """A training in one of the libraries: two groups of parameters, whose gradients come from a generator."""

    def __init__(self, lib: Any, rule: str, settings: dict[str, Any], dtype: str = "float32") -> None:
        self.lib, self.dtype, self.rng = lib, dtype, np.random.default_rng(0)
        params = [lib.tensor(self.rng.standard_normal(shape).astype(dtype)).requires_grad_() for shape in SHAPES]
        transposed = lib.tensor(self.rng.standard_normal((6, 9)).astype(dtype)).T.detach().requires_grad_()
        self.params = [*params, transposed]
        groups = [{"params": self.params[:3]}, {"params": self.params[3:], "lr": settings.get("lr", 1e-3) / 2}]
        self.optimizer = getattr(lib.optim, rule)(groups, **settings)

    def step(self, number: int) -> None:
        """Take a step; every third one without a gradient of the second parameter."""
        for i, p in enumerate(self.params):
            grad = self.rng.standard_normal(tuple(p.shape)).astype(self.dtype)
            p.grad = None if i == 1 and number % 3 == 0 else self.lib.tensor(grad)
        self.optimizer.step()

    def values(self) -> list[Array]:
        """Return copies of the parameters, and of what is remembered of them."""
        names = "exp_avg", "exp_avg_sq"
        states = [self.optimizer.state[p] for p in self.params if p in self.optimizer.state]
        remembered = [np.asarray(state[name]).copy() for state in states for name in names]
        return [*(np.asarray(p.detach()).copy() for p in self.params), *remembered]


@pytest.mark.parametrize(("rule", "settings"), [*SETTINGS, *WITH_AMSGRAD], ids=lambda x: str(x))
def test_every_step_is_that_of_pytorch(rule: str, settings: dict[str, Any], reached: Counter[str]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: there is nothing to compare with")
    ours, theirs = Run(tinytorch, rule, settings), Run(torch, rule, settings)
    for number in range(50):
        for run in (ours, theirs):
            run.step(number)
        for mine, expected in zip(ours.values(), theirs.values(), strict=True):
            np.testing.assert_allclose(mine, expected, rtol=2e-6, atol=2e-6)
    assert bool(reached["adam"]) == (not settings.get("amsgrad"))


@pytest.mark.parametrize(("rule", "settings"), SETTINGS, ids=lambda x: str(x))
def test_every_step_is_that_of_numpy(rule: str, settings: dict[str, Any], reached: Counter[str]) -> None:
    runs = Run(tinytorch, rule, settings), Run(tinytorch, rule, settings)
    for number in range(50):
        for run, switch in zip(runs, (fast.enable, fast.disable), strict=True):
            switch()
            run.step(number)
        for mine, expected in zip(*(run.values() for run in runs), strict=True):
            np.testing.assert_allclose(mine, expected, rtol=2e-6, atol=2e-6)
    # Every step: a pack of two, pieces of the large ones, a pack of the transposed one. And in two of three steps the
    # second parameter, by itself, since it has fewer steps behind it.
    assert reached["adam"] == 50 * (1 + 1 + 3 + 1) + 33


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_other_types_are_left_to_numpy(dtype: str, reached: Counter[str]) -> None:
    run = Run(tinytorch, "Adam", {"eps": 1e-3}, dtype)
    run.step(1)
    assert all(value.dtype == dtype for value in run.values())
    assert not reached


def large(values: Array | None = None) -> tinytorch.Tensor:
    """Return a parameter that is worked on by itself, with a gradient."""
    rng = np.random.default_rng(1)
    p = tinytorch.from_numpy(rng.standard_normal(SMALL + 5).astype(np.float32) if values is None else values)
    p.requires_grad_().grad = tinytorch.from_numpy(rng.standard_normal(p.shape).astype(np.float32))
    return p


def both(change: Any) -> tuple[Any, Any]:
    """Return what a function returns with the kernel, and without."""
    results = []
    for switch in (fast.enable, fast.disable):
        switch()
        with np.errstate(all="ignore"):
            results.append(change())
    return results[0], results[1]


def test_nan_and_infinity_go_where_they_go_in_numpy(reached: Counter[str]) -> None:
    def change() -> Array:
        p = large()
        p.grad.data[:4] = np.nan, np.inf, -np.inf, 0
        p.data[4:8] = np.nan, np.inf, -np.inf, 0
        p.grad.data[8:10] = 1e-30, 1e30
        optimizer = optim.AdamW([p], eps=0.0)
        for _ in range(2):
            optimizer.step()
            p.grad = p.grad.clone()
        return np.concatenate([p.data, *(optimizer.state[p][name] for name in ("exp_avg", "exp_avg_sq"))])

    np.testing.assert_allclose(*both(change), rtol=1e-6, atol=1e-6)
    assert reached["adam"] == 2


def test_a_gradient_may_be_the_parameter_itself_or_cannot_be_written(reached: Counter[str]) -> None:
    def change() -> Array:
        shared, constant = large(), large()
        shared.grad = shared.detach()
        constant.grad.data.setflags(write=False)
        optim.Adam([shared, constant], lr=0.1).step()
        return np.concatenate([shared.data, constant.data])

    np.testing.assert_allclose(*both(change), rtol=1e-6, atol=1e-6)
    assert reached["adam"] == 2


def test_values_that_cannot_be_written_raise_the_error_that_they_always_did(reached: Counter[str]) -> None:
    values = np.ones(SMALL + 5, np.float32)
    values.setflags(write=False)

    def change() -> str:
        with pytest.raises(ValueError, match="read-only") as caught:
            optim.Adam([large(values)]).step()
        return str(caught.value)

    assert len(set(both(change))) == 1
    assert not reached


def test_arrays_of_other_forms_are_left_to_numpy(reached: Counter[str]) -> None:
    """The rule itself can be called with more than one axis, and with gradients that are broadcast."""

    def change() -> Array:
        optimizer = optim.Adam([large()])
        w, state = np.ones((50, 40), np.float32), {n: np.zeros((50, 40), np.float32) for n in ("exp_avg", "exp_avg_sq")}
        optimizer.update(w, np.full((1, 40), 2, np.float32), state, 1, optimizer.param_groups[0])
        return w

    np.testing.assert_array_equal(*both(change))
    assert not reached


def test_a_step_is_a_change_in_place(reached: Counter[str]) -> None:
    p = large()
    loss = (p * p).sum()
    optim.Adam([p]).step()
    assert reached["adam"]
    with pytest.raises(ChangedInPlaceError, match=r"Adam\.step"):
        loss.backward()


def test_few_elements_are_left_to_numpy(monkeypatch: pytest.MonkeyPatch, reached: Counter[str]) -> None:
    monkeypatch.setattr(_optimizers, "LARGE", LARGE)
    for size, answered in ((LARGE - 1, 0), (LARGE, 1)):
        optim.Adam([large(np.ones(size, np.float32))]).step()
        assert reached["adam"] == answered
