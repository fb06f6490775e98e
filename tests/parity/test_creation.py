"""New tensors, and what is drawn at random."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor
from tinytorch.core.autograd import NotDifferentiableError
from tinytorch.ops import creation

from .harness import Array, Case, compare, numbers, refuse

Maker = Callable[[np.random.Generator], list[Array]]
SHAPES: list[tuple[int, ...]] = [(), (3,), (2, 3), (0, 2), (1, 1)]


def of(*arrays: Any) -> Maker:
    """Return a maker of these arrays."""
    return lambda rng: [np.asarray(a) for a in arrays]


NOTHING: Maker = of()

CASES = [
    *(
        Case(f"{name}{shape}", lambda lib, x, name=name: getattr(lib, name)(x), numbers(shape))
        for name in ("zeros_like", "ones_like")
        for shape in SHAPES
    ),
    *(
        Case(f"{name} of {array.dtype}", lambda lib, x, name=name: getattr(lib, name)(x), of(array))
        for name in ("zeros_like", "ones_like")
        for array in (np.ones(2, int), np.ones(2, bool), np.ones(2, np.int32))
    ),
    Case("zeros_like, dtype", lambda lib, x: lib.zeros_like(x, dtype=lib.int64), numbers((2, 3))),
    Case("zeros_like, a leaf", lambda lib, x: lib.zeros_like(x, requires_grad=True).detach(), numbers((2, 3))),
    Case("full_like", lambda lib, x: lib.full_like(x, 2.5), numbers((2, 3))),
    Case("full_like of integers", lambda lib, x: lib.full_like(x, 2.5), of(np.ones(3, int))),
    Case("full_like of bools", lambda lib, x: lib.full_like(x, 2), of(np.ones(3, bool))),
    Case("full_like, dtype", lambda lib, x: lib.full_like(x, 3, dtype=lib.float32), of(np.ones(3, int))),
    *(
        Case(f"{name}{size}", lambda lib, x, name=name, size=size: getattr(x, name)(*size), numbers((2, 3)))
        for name in ("new_zeros", "new_ones")
        for size in [(2, 3), ((),), ((4,),), ([1, 2],), (0,)]
    ),
    Case("new_zeros of integers", lambda lib, x: x.new_zeros(2), of(np.ones(3, int))),
    Case("new_ones, dtype", lambda lib, x: x.new_ones((2,), dtype=lib.int64), numbers((2, 3))),
    Case("new_full", lambda lib, x: x.new_full((2, 2), 3), numbers((2, 3))),
    Case("new_full of integers", lambda lib, x: x.new_full((2,), 3.7), of(np.ones(3, int))),
    Case("new_tensor", lambda lib, x: x.new_tensor([1, 2]), numbers((2, 3))),
    Case("new_tensor of integers", lambda lib, x: x.new_tensor([1.5]), of(np.ones(3, int))),
    Case("new_tensor, dtype", lambda lib, x: x.new_tensor([[True]], dtype=lib.float32), of(np.ones(3, int))),
    *(
        Case(f"linspace{args}{kwargs}", lambda lib, a=args, k=kwargs: lib.linspace(*a, **k), NOTHING)
        for args, kwargs in [
            ((0, 1, 5), {}),
            ((3, -4, 6), {}),
            ((0.5, 2.5, 1), {}),
            ((0, 1, 0), {}),
            ((2, 2, 3), {}),
            ((), {"start": -1, "end": 1, "steps": 4}),
        ]
    ),
    Case("linspace of integers", lambda lib: lib.linspace(0, -7, 4, dtype=lib.int64), NOTHING),
    Case("linspace, float64", lambda lib: lib.linspace(0, 1, 7, dtype=lib.float64), NOTHING),
    *(
        Case(f"logspace{args}{kwargs}", lambda lib, a=args, k=kwargs: lib.logspace(*a, **k), NOTHING)
        for args, kwargs in [((0, 2, 3), {}), ((-1, 1, 5), {"base": 2.0}), ((1, 2, 1), {}), ((0, 1, 0), {})]
    ),
    Case("logspace of integers", lambda lib: lib.logspace(0, 3, 4, base=2, dtype=lib.int64), NOTHING),
    *(
        Case(f"{name}{args}", lambda lib, name=name, args=args: getattr(lib, name)(*args), NOTHING)
        for name in ("tril_indices", "triu_indices")
        for args in [(3, 3), (3, 4, 1), (4, 2, -1), (0, 3), (1, 1), (3, 3, 5), (3, 3, -5)]
    ),
    Case("tril_indices, dtype", lambda lib: lib.tril_indices(3, 3, dtype=lib.int32), NOTHING),
    Case("scalar_tensor", lambda lib: lib.scalar_tensor(3), NOTHING),
    Case("scalar_tensor, dtype", lambda lib: lib.scalar_tensor(3, dtype=lib.int64), NOTHING),
    Case("as_tensor keeps the gradient", lambda lib, x: lib.as_tensor(x * 2), numbers((2, 3))),
    Case("as_tensor, dtype", lambda lib, x: lib.as_tensor(x, dtype=lib.float64), numbers((2, 3))),
    Case(
        "as_tensor of a list", lambda lib: [lib.as_tensor([1, 2]), lib.as_tensor([1.5]), lib.as_tensor(True)], NOTHING
    ),
    Case("as_tensor of an array", lambda lib: lib.as_tensor(np.arange(3.0)), NOTHING),
    Case("asarray keeps the gradient", lambda lib, x: lib.asarray(x * 2), numbers((2, 3))),
    Case("asarray lets go of it", lambda lib, x: lib.asarray(x * 2, requires_grad=False), numbers((2, 3))),
    Case("asarray, dtype", lambda lib, x: lib.asarray(x * 2, dtype=lib.float64, copy=True), numbers((2, 3))),
    Case("asarray of a list", lambda lib: [lib.asarray([1, 2]), lib.asarray(5)], NOTHING),
    # What is drawn, where chance leaves no choice.
    Case("bernoulli", lambda lib, x: [lib.bernoulli(x), x.bernoulli()], of([[0.0, 1.0], [1.0, 0.0]])),
    Case("bernoulli, p", lambda lib, x: [lib.bernoulli(x, 1.0), x.bernoulli(0.0)], of(np.ones(3, int))),
    Case("bernoulli of nothing", lambda lib, x: lib.bernoulli(x), of(np.zeros((0, 2)))),
    Case("normal, std 0", lambda lib, m, s: lib.normal(m, s), of([1.0, 2.0], [[0.0], [0.0]])),
    Case("normal, mean alone", lambda lib, m: lib.normal(m, 0.0), of([1.0, 2.0])),
    Case("normal, std alone", lambda lib, s: lib.normal(3.0, s), of([0.0, 0.0])),
    Case("normal, size", lambda lib: lib.normal(2, 0, size=(2, 3)), NOTHING),
    Case("normal, size and dtype", lambda lib: lib.normal(2.0, 0.0, (2,), dtype=lib.float64), NOTHING),
    Case(
        "randint",
        lambda lib: [lib.randint(3, 4, (2, 3)), lib.randint(1, (4,)), lib.randint(high=1, size=(0, 2))],
        NOTHING,
    ),
    Case("randint, low by name", lambda lib: lib.randint(low=5, high=6, size=(2,), dtype=lib.float32), NOTHING),
    Case("randint_like", lambda lib, x: [lib.randint_like(x, 1), lib.randint_like(x, low=2, high=3)], numbers((2, 3))),
    Case("randint_like, dtype", lambda lib, x: lib.randint_like(x, 7, 8, dtype=lib.int64), numbers((2, 3))),
    Case("randperm, sorted", lambda lib: [lib.randperm(1), lib.randperm(0)], NOTHING),
    Case("multinomial", lambda lib, w: [lib.multinomial(w, 1), w.multinomial(1)], of([[0.0, 2.0, 0.0], [1.0, 0, 0]])),
    Case("multinomial, replacement", lambda lib, w: lib.multinomial(w, 5, replacement=True), of([0.0, 3.0, 0.0])),
    Case("multinomial of no rows", lambda lib, w: lib.multinomial(w, 2), of(np.zeros((0, 3)))),
]


# PyTorch says that the default has changed; it is the new one that is compared.
@pytest.mark.filterwarnings("ignore:torch.asarray. unspecified requires_grad:UserWarning")
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_agrees_with_pytorch(case: Case, dtype: str) -> None:
    compare(case, 0, dtype)


@pytest.mark.parametrize("name", ["empty_like", "rand_like", "randn_like"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_likes_have_the_shape_and_the_dtype(name: str, dtype: Any) -> None:
    like = getattr(tinytorch, name)
    x = tinytorch.ones(2, 3, dtype=dtype, requires_grad=True)
    assert (like(x).shape, like(x).dtype, like(x).requires_grad) == ((2, 3), dtype, False)
    assert like(x, dtype=np.float64, requires_grad=True).dtype == np.float64
    assert like(x, requires_grad=True).is_leaf


def test_empty_has_its_shape_and_dtype() -> None:
    for made in (tinytorch.empty(2, 3), tinytorch.empty((2, 3)), tinytorch.ones(1).new_empty(2, 3)):
        assert (made.shape, made.dtype) == ((2, 3), np.float32)
    assert tinytorch.empty((), dtype=np.int64).dtype == np.int64
    assert tinytorch.empty(2, requires_grad=True).requires_grad


def test_as_tensor_and_asarray_share_memory_where_they_can() -> None:
    array = np.zeros(2)
    t = tinytorch.from_numpy(array)
    assert tinytorch.as_tensor(t) is t
    assert tinytorch.as_tensor(array).data is array
    assert tinytorch.asarray(array, copy=False).data is array
    assert not np.shares_memory(tinytorch.asarray(array, copy=True).data, array)
    assert tinytorch.asarray(array, requires_grad=True).requires_grad
    assert not t.requires_grad


def test_a_copy_by_asarray_keeps_the_gradient() -> None:
    x = tinytorch.ones(2, requires_grad=True)
    tinytorch.asarray(x, copy=True).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0]


def test_numpys_likes_answer_with_tensors() -> None:
    x = tinytorch.ones(2, requires_grad=True)
    assert np.zeros_like(x).tolist() == [0, 0]
    assert isinstance(np.ones_like(x), Tensor)
    assert np.full_like(x, 3.0).tolist() == [3, 3]
    assert np.empty_like(x).shape == (2,)


# Distributions. The bounds are five standard deviations or more from what is expected.


@pytest.fixture(autouse=True)
def _seed() -> None:
    tinytorch.manual_seed(0)


N = 40_000


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rand_like_is_even(dtype: Any) -> None:
    x = tinytorch.rand_like(tinytorch.zeros(N, dtype=dtype)).data.astype(np.float64)
    assert 0 <= x.min() < x.max() < 1
    assert np.histogram(x, 10, (0, 1))[0] == pytest.approx(np.full(10, N / 10), abs=5 * (N * 0.09) ** 0.5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_randn_like_is_normal(dtype: Any) -> None:
    x = tinytorch.randn_like(tinytorch.zeros(N, dtype=dtype)).data.astype(np.float64)
    assert x.mean() == pytest.approx(0, abs=5 / N**0.5)
    assert x.var() == pytest.approx(1, abs=5 * (2 / N) ** 0.5)
    assert np.mean(np.abs(x) < 1) == pytest.approx(0.6827, abs=0.012)


def test_normal_has_its_means_and_deviations() -> None:
    x = tinytorch.normal(tinytorch.tensor([-3.0, 5.0]), tinytorch.tensor([[0.5]] * N).reshape(N, 1))
    assert x.shape == (N, 2)
    assert x.data.mean(axis=0) == pytest.approx([-3, 5], abs=0.02)
    assert x.data.std(axis=0) == pytest.approx([0.5, 0.5], abs=0.02)
    assert tinytorch.normal(2.0, 3.0, (N,)).data.std() == pytest.approx(3, abs=0.1)


def test_randint_draws_all_evenly() -> None:
    x = tinytorch.randint(-2, 3, (N,))
    assert x.dtype == np.int64
    assert np.bincount(x.data + 2) == pytest.approx(np.full(5, N / 5), abs=5 * (N * 0.16) ** 0.5)


def test_randperm_is_a_permutation_and_every_one_is_drawn() -> None:
    assert sorted(tinytorch.randperm(100).tolist()) == list(range(100))
    seen = {tuple(tinytorch.randperm(3).tolist()) for _ in range(200)}
    assert len(seen) == 6


def test_bernoulli_has_its_means() -> None:
    p = np.array([0.1, 0.5, 0.9])
    x = tinytorch.bernoulli(tinytorch.from_numpy(np.broadcast_to(p, (N, 3)).copy()))
    assert set(np.unique(x.data)) == {0.0, 1.0}
    assert x.data.mean(axis=0) == pytest.approx(p, abs=0.015)
    assert tinytorch.ones(N).bernoulli(0.3).data.mean() == pytest.approx(0.3, abs=0.015)


def test_multinomial_with_replacement_draws_by_weight() -> None:
    weights = np.array([[1.0, 0, 3, 6], [2, 2, 0, 0]])
    x = tinytorch.multinomial(tinytorch.from_numpy(weights), N, replacement=True)
    shares = [np.bincount(row, minlength=4) / N for row in x.data]
    assert x.dtype == np.int64
    assert np.array(shares) == pytest.approx(weights / weights.sum(axis=1, keepdims=True), abs=0.015)
    assert shares[0][1] == shares[1][2] == shares[1][3] == 0


def test_multinomial_without_replacement_draws_one_after_the_other() -> None:
    weights = np.array([1.0, 2.0, 0.0, 5.0])
    x = tinytorch.multinomial(tinytorch.from_numpy(np.tile(weights, (N, 1))), 2).data
    assert (x[:, 0] != x[:, 1]).all()
    assert np.bincount(x[:, 0], minlength=4) / N == pytest.approx(weights / 8, abs=0.015)
    # Given the first, the second is drawn by what remains.
    second = x[x[:, 0] == 3, 1]
    assert np.mean(second == 1) == pytest.approx(2 / 3, abs=0.02)


def test_a_seed_repeats_everything() -> None:
    def draw() -> list[Any]:
        tinytorch.manual_seed(7)
        x = tinytorch.full((4,), 0.5)
        made = [tinytorch.rand_like(x), tinytorch.randn_like(x), tinytorch.randint(9, (4,)), tinytorch.randperm(9)]
        made += [tinytorch.bernoulli(x), tinytorch.multinomial(x, 3), tinytorch.normal(x, x)]
        return [t.tolist() for t in made]

    assert draw() == draw()


# What is refused.

REFUSED: list[tuple[str, Callable[..., Any], list[Any]]] = [
    ("zeros_like of a list", lambda lib: lib.zeros_like([1.0]), []),
    ("ones_like, an integer leaf", lambda lib, x: lib.ones_like(x, requires_grad=True), [np.ones(2, int)]),
    ("rand_like of integers", lambda lib, x: lib.rand_like(x), [np.ones(2, int)]),
    ("randn_like of integers", lambda lib, x: lib.randn_like(x), [np.ones(2, int)]),
    ("empty, negative", lambda lib: lib.empty(-1), []),
    ("empty, float", lambda lib: lib.empty(1.5), []),
    ("new_zeros, negative", lambda lib, x: x.new_zeros(-1), [np.ones(2)]),
    ("linspace, negative", lambda lib: lib.linspace(0, 1, -1), []),
    ("linspace, float steps", lambda lib: lib.linspace(0, 1, 2.5), []),
    ("linspace, bool", lambda lib: lib.linspace(0, 1, 2, dtype=getattr(lib, "bool", bool)), []),
    ("randint, empty range", lambda lib: lib.randint(5, 5, (2,)), []),
    ("randint, no size", lambda lib: lib.randint(5), []),
    ("randint, too large", lambda lib: lib.randint(0, 2**40, (2,), dtype=lib.int32), []),
    ("randperm, negative", lambda lib: lib.randperm(-1), []),
    ("tril_indices, negative", lambda lib: lib.tril_indices(-1, 3), []),
    ("asarray, no copy of a list", lambda lib: lib.asarray([1, 2], copy=False), []),
    ("asarray, no copy to a dtype", lambda lib, x: lib.asarray(x, dtype=lib.float32, copy=False), [np.ones(2)]),
    ("bernoulli above 1", lambda lib, x: lib.bernoulli(x), [np.array([0.5, 1.5])]),
    ("bernoulli below 0", lambda lib, x: lib.bernoulli(x), [np.array([-0.5, 0.5])]),
    ("bernoulli of nan", lambda lib, x: lib.bernoulli(x), [np.array([np.nan])]),
    ("bernoulli of integers", lambda lib, x: lib.bernoulli(x), [np.array([0, 1])]),
    ("bernoulli, p", lambda lib, x: lib.bernoulli(x, 1.5), [np.ones(2)]),
    ("multinomial, too many", lambda lib, x: lib.multinomial(x, 4), [np.ones(3)]),
    ("multinomial, none", lambda lib, x: lib.multinomial(x, 0), [np.ones(3)]),
    ("multinomial of zeros", lambda lib, x: lib.multinomial(x, 1, True), [np.zeros(3)]),
    ("multinomial of negatives", lambda lib, x: lib.multinomial(x, 1), [np.array([1.0, -1.0])]),
    ("multinomial of inf", lambda lib, x: lib.multinomial(x, 1), [np.array([1.0, np.inf])]),
    ("multinomial of nan", lambda lib, x: lib.multinomial(x, 1), [np.array([1.0, np.nan])]),
    ("multinomial of integers", lambda lib, x: lib.multinomial(x, 1), [np.array([1, 2])]),
    ("multinomial of 3 axes", lambda lib, x: lib.multinomial(x, 1), [np.ones((2, 2, 2))]),
    ("multinomial, 0-d", lambda lib, x: lib.multinomial(x, 1), [np.array(1.0)]),
    ("normal, negative std", lambda lib, x: lib.normal(x, -1.0), [np.ones(2)]),
    ("normal, negative stds", lambda lib, x: lib.normal(0.0, x), [np.array([1.0, -1.0])]),
    ("normal, two numbers", lambda lib: lib.normal(2.0, 3.0), []),
    ("normal, tensor and size", lambda lib, x: lib.normal(x, x, (2,)), [np.ones(2)]),
    ("normal of integers", lambda lib, x: lib.normal(x, 1.0), [np.ones(2, int)]),
]


@pytest.mark.parametrize(("call", "arrays"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_both_refuse(call: Callable[..., Any], arrays: list[Array]) -> None:
    refuse(call, *arrays)


def test_multinomial_refuses_more_draws_than_there_are_weights_above_0() -> None:
    """PyTorch draws categories of weight 0 then."""
    with pytest.raises(ValueError, match="needs 2 categories of a weight above 0, but a row has 1"):
        tinytorch.multinomial(tinytorch.tensor([0.0, 1.0, 0.0]), 2)


@pytest.mark.parametrize("make", [lambda x: tinytorch.linspace(0, x, 3), lambda x: tinytorch.full_like(x, x)])
def test_numbers_that_would_lose_a_gradient_are_refused(make: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(NotDifferentiableError, match=r"t\.detach\(\)"):
        make(tinytorch.tensor(2.0, requires_grad=True))


def test_the_examples_in_the_docstrings_run() -> None:
    results = doctest.testmod(creation)
    assert results.attempted > 5
    assert results.failed == 0
