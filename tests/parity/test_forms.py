"""The forms of operations that the other files beside this one leave out: methods, functions, and what is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch.core.autograd import NotDifferentiableError

from .harness import Array, Case, compare, numbers, torch

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # PyTorch's own, in jvp
TO_ONE = "half", "float", "double"


def squares(rng: np.random.Generator) -> list[Array]:
    return [rng.uniform(-1, 1, (3, 3)) + 3 * np.eye(3)]


CASES = [
    Case("addbmm", lambda lib, x, a, b: x.addbmm(a, b, beta=0.5) ** 2, numbers((2, 4), (5, 2, 3), (5, 3, 4))),
    Case("celu", lambda lib, x: lib.celu(x, alpha=0.7) ** 2, numbers((3, 4)), rtol=1e-6),
    Case("selu", lambda lib, x: lib.selu(x) ** 2, numbers((3, 4))),
    Case("threshold", lambda lib, x: lib.threshold(x, 0.5, -1.0) ** 2, numbers((3, 4))),
    Case("logdet", lambda lib, x: x.logdet() ** 2, squares),
    Case("pinverse", lambda lib, x: x.pinverse() ** 2, squares),
    Case("linalg.matmul", lambda lib, a, b: lib.linalg.matmul(a, b) ** 2, numbers((2, 3), (3, 4))),
    *(
        Case(f"linalg.matrix_power, {n}", lambda lib, x, n=n: lib.linalg.matrix_power(x, n), squares)
        for n in (3, 0, -2)
    ),
    Case("vmap", lambda lib, x: lib.vmap(lambda row: (row * row).sum())(x), numbers((3, 4))),
    Case("vmap of gradients", lambda lib, x: lib.vmap(lib.func.grad(lambda a: (a**3).sum()))(x), numbers((3, 4))),
    Case("jacfwd", lambda lib, x: lib.func.jacfwd(lambda a: a**3)(x.detach()), numbers((3,))),
    *(Case(name, lambda lib, x, name=name: getattr(x, name)() ** 2, numbers((3, 4)), second=False) for name in TO_ONE),
    Case(
        "type", lambda lib, x: [x.type(lib.float32) ** 2, x.type_as(lib.zeros(1, dtype=lib.float64))], numbers((3, 4))
    ),
    Case("cpu", lambda lib, x: [x.cpu(), x.cpu() ** 2], numbers((3, 4))),
    Case("arange", lambda lib: [lib.arange(5), lib.arange(1, 2, 0.25), lib.arange(5, 0, -2)], lambda rng: []),
    Case("eye", lambda lib: [lib.eye(2), lib.eye(2, 3)], lambda rng: []),
    Case("full", lambda lib: [lib.full((2, 3), 7), lib.full((2,), 0.5), lib.full((), True)], lambda rng: []),
    *(
        Case(name, lambda lib, a, b, name=name: getattr(a, name)(b), lambda rng: list(rng.integers(1, 9, (2, 3, 4))))
        for name in (
            *("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift"),
            *("gcd", "lcm", "floor_divide"),
        )
    ),
    Case("heaviside", lambda lib, a, b: a.heaviside(b), numbers((5,), (5,)), constant=(0, 1)),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_agrees_with_pytorch(case: Case, dtype: str) -> None:
    compare(case, 0, dtype)


def test_equality_of_whole_tensors() -> None:
    values = ([1.0, 2.0], [1.0, 2.0 + 1e-9], [1.0, 3.0], [1.0, float("nan")])
    for first in values:
        for second in values:
            answers = []
            for lib in (tinytorch, torch):
                a, b = (lib.tensor(x, dtype=lib.float64) for x in (first, second))
                answers.append([lib.equal(a, b), a.equal(b), lib.allclose(a, b), a.allclose(b, equal_nan=True)])
            assert answers[0] == answers[1]


def test_counts() -> None:
    for lib in (tinytorch, torch):
        assert (lib.zeros(2, 3).dim(), lib.zeros(2, 3).numel()) == (2, 6)


# Values that are drawn, or not written, differ; what is made for them does not.
MADE: dict[str, Callable[..., Any]] = {
    "empty": lambda lib, x: lib.empty(2, 3),
    "empty_like": lambda lib, x: lib.empty_like(x),
    "new_empty": lambda lib, x: x.new_empty((2, 3)),
    "rand": lambda lib, x: lib.rand(2, 3),
    "rand_like": lambda lib, x: lib.rand_like(x),
    "randn": lambda lib, x: lib.randn(2, 3),
    "randn_like": lambda lib, x: lib.randn_like(x),
    "uniform_": lambda lib, x: x.detach().uniform_(),
    "normal_": lambda lib, x: x.detach().normal_(),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_made_has_the_shape_and_the_dtype_of_pytorch(make: Callable[..., Any], dtype: str) -> None:
    made = [make(lib, lib.ones(4, 5, dtype=getattr(lib, dtype)).requires_grad_()) for lib in (tinytorch, torch)]
    ours, theirs = ((tuple(t.shape), str(t.dtype).removeprefix("torch."), t.requires_grad) for t in made)
    assert ours == theirs


def test_gumbel_softmax_has_the_gradient_of_softmax() -> None:
    for lib in (tinytorch, torch):
        x = lib.zeros(3, dtype=lib.float64).requires_grad_()
        y = lib.nn.functional.gumbel_softmax(x, tau=0.5)
        (grad,) = lib.autograd.grad(y[0], x)
        y = y.detach()
        assert grad.tolist() == pytest.approx(((lib.eye(3, dtype=lib.float64)[0] - y) * y[0] / 0.5).tolist())


def test_memory_from_dlpack() -> None:
    for lib in (tinytorch, torch):
        array = np.zeros(2)
        lib.from_dlpack(array)[0] = 7
        assert array.tolist() == [7, 0]


def test_a_step_has_no_gradient() -> None:
    for lib, error in ((tinytorch, NotDifferentiableError), (torch, RuntimeError)):
        x = lib.ones(2).requires_grad_()
        with pytest.raises(error, match="heaviside"):
            lib.heaviside(x, lib.ones(2)).sum().backward()


def test_gradcheck() -> None:
    for lib in (tinytorch, torch):
        x = lib.tensor([0.3, 0.6], dtype=lib.float64).requires_grad_()
        assert lib.autograd.gradcheck(lambda a: (a**3).sum(), (x,))
        assert lib.autograd.gradgradcheck(lambda a: (a**3).sum(), (x,))


def test_what_pytorch_has_not() -> None:
    x = tinytorch.tensor([1.0, 2.0]).requires_grad_()
    (x.astype(np.float64) ** 2).sum().backward()
    assert x.grad is not None
    assert (x.grad.dtype, x.grad.tolist()) == (np.float32, [2.0, 4.0])
    value, grad = tinytorch.func.value_and_grad(lambda a: (a**2).sum())(x.detach())
    assert (value.item(), grad.tolist()) == (5, [2, 4])
