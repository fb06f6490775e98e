"""Who holds the array of a gradient: a leaf takes it as it is only where nobody else does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor
from tinytorch.core.autograd import Function, tracked
from tinytorch.core.tensor import from_numpy

KEPT: list[Any] = []


def leaf(*values: float) -> Tensor:
    return Tensor(list(values), requires_grad=True)


class TheSameTwice(Function):
    """Hands one array to both inputs."""

    def apply(self, grad_output: Any) -> tuple[Any, ...]:
        grad = grad_output * 2
        return grad, grad


class WhatItKeeps(Function):
    """Hands out an array that it remembers."""

    def apply(self, grad_output: Any) -> tuple[Any, ...]:
        KEPT.append(grad_output * 3)
        return KEPT[-1], None


class WhatItSaved(Function):
    """Hands out what it saved."""

    def apply(self, grad_output: Any) -> tuple[Any, ...]:
        return self.saved_tensors


class AView(Function):
    """Hands out a part of an array that it remembers."""

    def apply(self, grad_output: Any) -> tuple[Any, ...]:
        KEPT.append(np.ones(5, np.float32))
        return KEPT[-1][:2], None


def product(a: Tensor, b: Tensor) -> Tensor:
    return from_numpy(a.data * b.data)


@pytest.mark.parametrize("rule", [TheSameTwice, WhatItKeeps, WhatItSaved, AView])
def test_a_leaf_shares_its_gradient_with_nobody(rule: type[Function]) -> None:
    KEPT.clear()
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    if rule in (WhatItKeeps, AView):
        b.requires_grad_(False)
    tracked(product, rule)(a, b).sum().backward()
    assert a.grad is not None
    others = [a.data, b.data, *KEPT, *([b.grad.data] if b.grad is not None else [])]
    assert not any(np.shares_memory(a.grad.data, other) for other in others)


def test_the_callers_gradient_stays_the_callers() -> None:
    x, gradient = leaf(1.0, 2.0), Tensor([10.0, 20.0])
    y = x + 0
    y.backward(gradient)
    gradient.data[...] = 0
    assert x.grad is not None
    assert y.grad is not None
    assert x.grad.tolist() == y.grad.tolist() == [10.0, 20.0]


def test_leaves_of_one_sum_have_gradients_of_their_own() -> None:
    a, b = leaf(1.0), leaf(2.0)
    (a + b).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    a.grad.data[...] = 7
    assert b.grad.tolist() == [1.0]


def test_an_array_that_nobody_else_holds_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of a large gradient would cost as much as making it."""
    made = []
    weight = tinytorch.ones(4, 3).requires_grad_()
    out = tinytorch.nn.functional.linear(tinytorch.ones(2, 3), weight)
    rule = type(out.grad_fn)
    original = rule.apply

    def noting(self: Any, grad_output: Any) -> Any:
        grads = original(self, grad_output)
        made.append(grads[1].ctypes.data)
        return grads

    monkeypatch.setattr(rule, "apply", noting)
    out.sum().backward()
    assert weight.grad is not None
    assert weight.grad.data.ctypes.data == made[0]
