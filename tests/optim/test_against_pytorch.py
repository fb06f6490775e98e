"""Every optimizer beside PyTorch's: fifty steps on a small network, state and all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import optim

torch = pytest.importorskip("torch", reason="PyTorch is not installed: there is nothing to compare with")

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.3, "amsgrad": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.005, "alpha": 0.9, "momentum": 0.5, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.005, "centered": True, "momentum": 0.5}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.1}),
]


class Run:
    """A network 5-16-3 with tanh in one of the libraries, with the same numbers in both."""

    def __init__(self, lib: Any, rule: str, settings: dict[str, Any], dtype: str, maximize: bool = False) -> None:
        rng = np.random.default_rng(0)
        self.lib, self.sign = lib, -1 if maximize else 1
        arrays = [rng.standard_normal(shape).astype(dtype) for shape in [(16, 5), (16,), (3, 16), (3,), (1,)]]
        self.params = [lib.tensor(array).requires_grad_() for array in arrays]
        self.x, self.target = (lib.tensor(rng.standard_normal((20, n)).astype(dtype)) for n in (5, 3))
        groups = [{"params": self.params[:2]}, {"params": self.params[2:], "lr": settings.get("lr", 0.01) / 2}]
        self.optimizer = getattr(lib.optim, rule)(groups, maximize=maximize, **settings)

    def steps(self, count: int) -> None:
        w1, b1, w2, b2, unused = self.params
        for step in range(count):
            self.optimizer.zero_grad()
            loss = ((self.lib.tanh(self.x @ w1.T + b1) @ w2.T + b2 - self.target) ** 2).mean()
            if step % 3 == 1:
                loss = loss + (unused**2).sum()
            (self.sign * loss).backward()
            self.optimizer.step()

    def values(self) -> list[Any]:
        return [np.asarray(p.detach()) for p in self.params]


def close(ours: list[Any], theirs: list[Any], rtol: float) -> bool:
    return all(
        np.allclose(a, b, rtol=rtol, atol=rtol) and a.dtype == b.dtype for a, b in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("maximize", [False, True], ids=["down", "up"])
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 1e-6)])
@pytest.mark.parametrize(("rule", "settings"), SETTINGS, ids=lambda x: str(x))
def test_fifty_steps_agree(rule: str, settings: dict[str, Any], dtype: str, rtol: float, maximize: bool) -> None:
    runs = [Run(lib, rule, settings, dtype, maximize) for lib in (tinytorch, torch)]
    for run in runs:
        run.steps(50)
    assert close(*(run.values() for run in runs), rtol)


@pytest.mark.parametrize(("rule", "settings"), SETTINGS, ids=lambda x: str(x))
def test_the_state_dict_is_that_of_pytorch(rule: str, settings: dict[str, Any]) -> None:
    ours, theirs = (Run(lib, rule, settings, "float64") for lib in (tinytorch, torch))
    for run in (ours, theirs):
        run.steps(4)
    state, other = ours.optimizer.state_dict(), theirs.optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [group["params"] for group in other["param_groups"]]
    for mine, its in zip(state["param_groups"], other["param_groups"], strict=True):
        assert mine == {name: its[name] for name in mine}
    for number, its in other["state"].items():
        arrays = {name: value for name, value in its.items() if value is not None}
        for name, value in arrays.items():
            assert np.allclose(np.asarray(state["state"][number][name]), np.asarray(value), rtol=1e-9, atol=1e-12), name


@pytest.mark.parametrize(("rule", "settings"), SETTINGS, ids=lambda x: str(x))
def test_a_training_goes_on_from_pytorchs_state(rule: str, settings: dict[str, Any]) -> None:
    ours, theirs = (Run(lib, rule, settings, "float64") for lib in (tinytorch, torch))
    theirs.steps(4)
    ours.optimizer.load_state_dict(theirs.optimizer.state_dict())
    for p, array in zip(ours.params, theirs.values(), strict=True):
        p.data[...] = array
    for run in (ours, theirs):
        run.steps(10)
    assert close(ours.values(), theirs.values(), 1e-9)


def test_arguments_and_defaults_are_those_of_pytorch() -> None:
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"):
        ours, theirs = (getattr(lib.optim, name)([lib.zeros(1).requires_grad_()]) for lib in (tinytorch, torch))
        group = theirs.param_groups[0]
        assert ours.defaults == {setting: group[setting] for setting in ours.defaults}
        left_out = group.keys() - ours.defaults.keys() - {"params"}
        assert left_out <= {"foreach", "differentiable", "fused", "capturable", "decoupled_weight_decay"}


def test_optim_has_the_optimizers_of_the_module() -> None:
    assert issubclass(optim.AdamW, optim.Adam)
