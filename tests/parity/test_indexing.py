"""Elements picked by index or by mask, and put back; and the lesson's own index, t[...]."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch.core.autograd import RULES, NotDifferentiableError, no_grad
from tinytorch.ops import indexing, searching
from tinytorch.ops.shape import filled

from .harness import Array, Call, Case, compare, numbers, refuse, torch

FAMILY = (indexing, searching)
pytestmark = pytest.mark.filterwarnings("ignore:index_reduce.. is in beta")  # PyTorch's own


def one_hot(lib: Any, x: Any, *args: Any) -> Any:
    return lib.nn.functional.one_hot(x, *args)


def flat(result: Any) -> Iterator[Any]:
    for part in result if isinstance(result, tuple | list) else (result,):
        yield from flat(part) if isinstance(part, tuple | list) else (part,)


def squared(case: Case) -> Case:
    """Return the case with its results squared, so that the gradient of an operation that only moves has a gradient."""

    def call(lib: Any, *tensors: Any) -> list[Any]:
        return [y * y for y in flat(case.call(lib, *tensors))]

    return Case(f"{case.name}, squared", call, case.inputs, case.constant)


def at(
    shape: tuple[int, ...], count: int, index: tuple[int, ...], *others: tuple[int, ...]
) -> Callable[[np.random.Generator], list[Array]]:
    """Return a maker of numbers of `shape`, an index with repeats among `count` places, and numbers of other shapes."""
    return lambda rng: [
        rng.standard_normal(shape),
        rng.integers(0, count, index),
        *(rng.standard_normal(other) for other in others),
    ]


def apart(*shape: int, axis: int, count: int) -> Callable[[np.random.Generator], Array]:
    """Return a maker of an index of `shape` that names no place twice along `axis`, of `count` places."""
    return lambda rng: np.take(rng.permuted(np.broadcast_to(
        np.expand_dims(np.arange(count), [i for i in range(len(shape)) if i != axis]),
        [count if i == axis else n for i, n in enumerate(shape)]), axis=axis), range(shape[axis]), axis)  # fmt: skip


def masks(shape: tuple[int, ...], mask: tuple[int, ...], *others: tuple[int, ...]) -> Callable[..., list[Array]]:
    return lambda rng: [
        rng.standard_normal(shape),
        np.asarray(rng.random(mask) > 0.5),
        *(rng.standard_normal(o) for o in others),
    ]


CASES = [
    Case("gather", lambda lib, x, i: [x.gather(1, i), lib.gather(x, -1, i)], at((2, 4), 4, (2, 6))),
    Case("gather of rows", lambda lib, x, i: x.gather(0, i), at((3, 4), 3, (5, 4))),
    Case("gather of a corner", lambda lib, x, i: lib.gather(x, dim=1, index=i), at((3, 4, 5), 4, (2, 6, 3))),
    Case("gather 1-d", lambda lib, x, i: [x.gather(0, i), x.gather(-1, i[0])], at((4,), 4, (7,))),
    Case("gather 0-d", lambda lib, x, i: [x.gather(0, i), x.gather(0, i[0])], at((), 1, (3,))),
    Case("gather of nothing", lambda lib, x, i: x.gather(1, i), at((2, 4), 4, (0,))),
    Case("gather of a transpose", lambda lib, x, i: x.t().gather(1, i), at((3, 4), 3, (4, 2))),
    Case("gather by int32", lambda lib, x, i: x.gather(0, i),
         lambda rng: [rng.standard_normal(3), np.array([2, 2, 0], np.int32)]),
    Case("scatter_add", lambda lib, x, i, y: [x.scatter_add(1, i, y), lib.scatter_add(x, -1, i, y)],
         at((2, 4), 4, (2, 6), (2, 6))),
    Case("scatter_add in a corner", lambda lib, x, i, y: x.scatter_add(0, i, y),
         at((3, 4, 5), 3, (6, 2, 3), (6, 2, 3))),
    Case("scatter_add 1-d", lambda lib, x, i, y: [x.scatter_add(0, i, y), x.scatter_add(0, i[0], y[0])],
         at((4,), 4, (7,), (7,))),
    Case("scatter_add 0-d", lambda lib, x, i, y: x.scatter_add(0, i, y), at((), 1, (3,), (3,))),
    Case("scatter_add of nothing", lambda lib, x, i, y: x.scatter_add(1, i, y), at((2, 4), 4, (2, 0), (2, 0))),
    Case("scatter_add into a constant", lambda lib, x, i, y: x.scatter_add(0, i, y), at((3,), 3, (5,), (5,)), (0,)),
    Case("scatter_add of a constant", lambda lib, x, i, y: x.scatter_add(0, i, y), at((3,), 3, (5,), (5,)), (2,)),
    Case("scatter", lambda lib, x, i, y: [x.scatter(1, i, y), lib.scatter(x, 1, i, src=y), x.scatter(-1, i, 1.5)],
         lambda rng: [rng.standard_normal((2, 5)), apart(2, 3, axis=1, count=5)(rng), rng.standard_normal((2, 3))]),
    Case("scatter in a corner", lambda lib, x, i, y: [x.scatter(0, i, y), lib.scatter(x, 0, i, value=-2)],
         lambda rng: [rng.standard_normal((4, 3, 2)), apart(2, 2, 1, axis=0, count=4)(rng),
                      rng.standard_normal((2, 2, 1))]),
    Case("scatter 1-d", lambda lib, x, i, y: [x.scatter(0, i, y), x.scatter(0, i[0], y[0])],
         lambda rng: [rng.standard_normal(5), apart(3, axis=0, count=5)(rng), rng.standard_normal(3)]),
    Case("scatter 0-d", lambda lib, x, i, y: [x.scatter(0, i, y), x.scatter(0, i, 3)], at((), 1, (1,), (1,))),
    Case("scatter of nothing", lambda lib, x, i: x.scatter(0, i, 3.0), at((3,), 3, (0,))),
    Case("scatter of a number twice", lambda lib, x, i: x.scatter(0, i, 3.0), at((3,), 3, (5,))),
    Case("scatter into a constant", lambda lib, x, i, y: x.scatter(0, i, y),
         lambda rng: [rng.standard_normal(5), apart(3, axis=0, count=5)(rng), rng.standard_normal(3)], (0,)),
    Case("index_select", lambda lib, x, i: [x.index_select(1, i), lib.index_select(x, -2, i), x.index_select(1, i[0])],
         at((2, 4, 3), 4, (6,))),
    Case("index_select 1-d", lambda lib, x, i: x.index_select(0, i), at((4,), 4, (7,))),
    Case("index_select of nothing", lambda lib, x, i: x.index_select(1, i), at((2, 4), 4, (0,))),
    Case("index_select 0-d", lambda lib, x, i: x.index_select(0, i), at((), 1, (1,))),
    Case("index_add", lambda lib, x, i, y: [x.index_add(1, i, y), lib.index_add(x, -2, i, y, alpha=-2.5)],
         at((2, 4, 3), 4, (6,), (2, 6, 3))),
    Case("index_add 1-d", lambda lib, x, i, y: x.index_add(0, i, y), at((4,), 4, (7,), (7,))),
    Case("index_add of a constant", lambda lib, x, i, y: x.index_add(0, i, y), at((4,), 4, (7,), (7,)), (2,)),
    Case("index_add into a constant", lambda lib, x, i, y: x.index_add(0, i, y), at((4,), 4, (7,), (7,)), (0,)),
    Case("take", lambda lib, x, i: [x.take(i), lib.take(x, i - 6), x.t().take(i)], at((2, 3), 6, (4, 2))),
    Case("take 0-d", lambda lib, x, i: [x.take(i)], at((), 1, ())),
    Case("take_along_dim", lambda lib, x, i: [x.take_along_dim(i, 1), lib.take_along_dim(x, i - 4, dim=-1)],
         at((2, 4), 4, (2, 6))),
    Case("take_along_dim, broadcast", lambda lib, x, i: [x.take_along_dim(i, 1), x.take_along_dim(i[:, :, :1], 1)],
         at((3, 4, 1), 4, (1, 2, 5))),
    Case("take_along_dim of all", lambda lib, x, i: x.take_along_dim(i), at((2, 4), 8, (3, 2))),
    Case("take_along_dim of the largest", lambda lib, x: x.take_along_dim(x.argmax(1, keepdim=True), 1),
         numbers((3, 4))),
    Case("masked_fill", lambda lib, x, m: [x.masked_fill(m, 1.5), lib.masked_fill(x, m, float("-inf")).exp()],
         masks((2, 3), (2, 3))),
    Case("masked_fill, broadcast", lambda lib, x, m: x.masked_fill(m, 2), masks((2, 1), (3, 1, 4))),
    Case("masked_fill by a tensor", lambda lib, x, m, y: [x.masked_fill(m, y), lib.masked_fill(x, m, y)],
         masks((2, 3), (3,), ())),
    Case("masked_fill of a constant", lambda lib, x, m, y: x.masked_fill(m, y), masks((2, 3), (3,), ()), (0,)),
    Case("masked_fill 0-d", lambda lib, x, m: x.masked_fill(m, 2), masks((), ())),
    Case("masked_fill of nothing", lambda lib, x, m: x.masked_fill(m, 2), masks((0, 3), (3,))),
    Case("masked_select", lambda lib, x, m: [x.masked_select(m), lib.masked_select(x, m)], masks((2, 3), (2, 3))),
    Case("masked_select, broadcast", lambda lib, x, m: x.masked_select(m), masks((2, 1), (3, 1, 4))),
    Case("masked_select 0-d", lambda lib, x, m: x.masked_select(m), masks((), ())),
    *(Case(f"scatter_reduce {how} {self}", lambda lib, x, i, y, how=how, self=self: [
        x.scatter_reduce(1, i, y, how, include_self=self), lib.scatter_reduce(x, -1, i, y, how, include_self=self)],
        at((2, 4), 4, (2, 6), (2, 6)))
      for how in ("sum", "prod", "mean", "amax", "amin") for self in (True, False)),
    Case("scatter_reduce of equal ones", lambda lib, x, i, y: [
        (x * 1).scatter_reduce(0, i, y * 1, how) for how in ("amax", "amin")],
         lambda rng: [np.array([2.0, 1.0, 3.0]), np.array([0, 0, 0, 1]), np.array([2.0, 2.0, 1.0, 1.0])]),
    Case("scatter_reduce 0-d", lambda lib, x, i, y: x.scatter_reduce(0, i, y, "mean"), at((), 1, (), ())),
    Case("scatter_reduce of nothing", lambda lib, x, i, y: x.scatter_reduce(0, i, y, "prod"), at((3,), 3, (0,), (0,))),
    *(Case(f"index_reduce {how} {self}", lambda lib, x, i, y, how=how, self=self: [
        x.index_reduce(0, i, y, how, include_self=self), lib.index_reduce(x, 0, i, y, how, include_self=self)],
        at((3, 2), 3, (5,), (5, 2)))
      for how in ("prod", "mean", "amax", "amin") for self in (True, False)),
    Case("index_copy", lambda lib, x, y: [x.index_copy(1, lib.tensor([3, 0]), y),
                                          lib.index_copy(x, -1, lib.tensor([1, 2]), y)],
         numbers((2, 4), (2, 2))),
    Case("index_fill", lambda lib, x, i: [x.index_fill(0, i, -1.5), lib.index_fill(x, 0, i, 2)], at((3, 2), 3, (2,))),
    Case("index_fill by a tensor", lambda lib, x, i, y: x.index_fill(1, i, y), at((3, 4), 4, (1,), ())),
    Case("index_put", lambda lib, x, i, j, y: [lib.index_put(x, (i, j), y), x.index_put((i, j), y[0])],
         lambda rng: [rng.standard_normal((3, 4)), np.array([0, 2]), np.array([1, 1]), rng.standard_normal(2)]),
    Case("index_put, added", lambda lib, x, i, y: [x.index_put((i,), y, accumulate=True),
                                                   lib.index_put(x, [i], y[0], True)],
         lambda rng: [rng.standard_normal((3, 3)), np.array([0, 2, 2]), rng.standard_normal((3, 3))]),
    Case("index_put by a mask", lambda lib, x, m, y: x.index_put((m,), y), masks((2, 3), (2, 3), ())),
    Case("put", lambda lib, x, y: [x.put(lib.tensor([[0, -1]]), y), lib.put(x, lib.tensor([[4, 1]]), y)],
         numbers((2, 3), (1, 2))),
    Case("put, added", lambda lib, x, i, y: [x.put(i, y, accumulate=True), lib.put(x, i, y, True)],
         at((2, 3), 6, (5,), (5,))),
    Case("masked_scatter", lambda lib, x, m, y: [x.masked_scatter(m, y), lib.masked_scatter(x, m, y)],
         masks((2, 3), (3,), (4, 2))),
    Case("masked_scatter, broadcast", lambda lib, x, m, y: x.masked_scatter(m, y), masks((1, 3), (2, 3), (6,))),
]  # fmt: skip


# The lesson's rule of t[...], recorded in turn.
INDEX = {
    "a number": np.s_[1],
    "a negative number": np.s_[:, -1],
    "slices": np.s_[1:, ::2],
    "dots and a new axis": np.s_[..., None, 1],
    "nothing": np.s_[()],
    "an empty slice": np.s_[2:2],
    "integers with repeats": (np.array([0, 2, 0]),),
    "a list": [2, 2, 1],
    "integers of two axes": (np.array([[0, 2], [0, 0]]), np.array([1, 1])),
    "integers apart": (np.array([0, 2, 0]), slice(None), np.array([1, 0, 1])),
    "integers and a slice": (slice(1, None), np.array([3, 3, 0])),
    "integers, a slice and a number": (np.array([0, 2, 0]), slice(None), 1),
    "integers and a new axis": (None, np.array([2, 2]), ..., slice(1)),
    "a mask": (np.arange(12).reshape(3, 4) % 3 == 0,),
    "a mask of one axis": (slice(None), np.array([True, False, True, True])),
    "a mask and integers": (np.array([True, False, True]), np.array([1, 1])),
    "true": True,
    "an array without axes": (np.array(1),),
}
INDEX_CASES = [
    Case(f"index: {name}",
         lambda lib, x, i=index: x[tuple(lib.from_numpy(p) if isinstance(p, np.ndarray) else p for p in i)
                                   if isinstance(i, tuple) else i],
         numbers((3, 4, 2)))
    for name, index in INDEX.items()
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("case", [*CASES, *INDEX_CASES], ids=lambda case: case.name)
def test_agrees_with_pytorch(case: Case, dtype: str) -> None:
    for seed in range(3):
        compare(replace(case, second=False), seed, dtype)


@pytest.mark.parametrize("case", [*CASES, *INDEX_CASES], ids=lambda case: case.name)
def test_the_gradient_has_the_right_gradient(case: Case) -> None:
    for seed in range(3):
        compare(squared(case), seed)


def test_a_negative_step_agrees_with_flip() -> None:
    """PyTorch has no negative steps; turning round says the same."""
    data = np.random.default_rng(0).standard_normal((3, 4))
    x, y = (tinytorch.from_numpy(data.copy()).requires_grad_() for _ in range(2))
    weights = tinytorch.from_numpy(np.arange(8.0).reshape(2, 4))
    grads = []
    for leaf, out in ((x, x[::-2, ::-1]), (y, y.flip(0, 1)[::2])):
        (grad,) = tinytorch.autograd.grad((out * out * weights).sum(), leaf, create_graph=True)
        (second,) = tinytorch.autograd.grad((grad * grad).sum(), leaf)
        grads.append((grad, second))
    for ours, theirs in zip(*grads, strict=True):
        np.testing.assert_array_equal(ours.detach().numpy(), theirs.detach().numpy())


def integers(*arrays: Any) -> Callable[[np.random.Generator], list[Array]]:
    return lambda rng: [np.asarray(a) for a in arrays]


WHOLE_CASES = [
    Case("unique_consecutive", lambda lib, x: [
        x.unique_consecutive(), *lib.unique_consecutive(x, return_inverse=True, return_counts=True),
        *x.unique_consecutive(return_counts=True), *x.unique_consecutive(True, dim=1, return_counts=True),
        x.unique_consecutive(dim=0)], integers([[1, 1, 2], [1, 1, 2], [3, 3, 2]])),
    Case("unique_consecutive of nothing", lambda lib, x: x.unique_consecutive(return_inverse=True, return_counts=True),
         integers(np.zeros(0, np.int64))),
    Case("unique_consecutive with nan", lambda lib, x: x.unique_consecutive(), integers([np.nan, np.nan, 1.0, 1.0])),
    Case("reduced integers", lambda lib, x, i: [
        *(x.scatter_reduce(0, i, i, how, include_self=s) for how in ("sum", "prod", "mean", "amax", "amin")
          for s in (True, False)),
        x.index_copy(0, i[1:], i[1:]), x.index_fill(0, i, 2.7), x.put(i[:2], i[:2]), x.index_put((i[:2],), i[:2])],
         integers([5, -6, 7, 8], [0, 3, 3])),
    Case("scatter, added and multiplied", lambda lib, x, i: [
        x.scatter(0, i, 3, reduce="add"), lib.scatter(x, 0, i, 3, reduce="multiply")], integers([5, 6, 7], [0, 2, 2])),
    Case("bools written", lambda lib, x, i: [x.index_fill(0, i, True), x.index_copy(0, i, x[:2]), x.put(i, x[:2]),
                                             x.masked_scatter(x, ~x)], integers([True, False, True], [0, 2])),
    Case("nonzero", lambda lib, x: [x.nonzero(), *x.nonzero(as_tuple=True), lib.nonzero(x), lib.argwhere(x)],
         integers([[0, 2, 0], [3, 0, 4]])),
    Case("nonzero of floats", lambda lib, x: [x.nonzero(), x.argwhere()], integers([0.0, np.nan, -0.0, np.inf])),
    Case("nonzero 0-d", lambda lib, x, y: [x.nonzero(), y.nonzero(), *x.nonzero(as_tuple=True), x.argwhere()],
         integers(5, 0)),
    Case("nonzero of nothing", lambda lib, x: [x.nonzero(), *x.nonzero(as_tuple=True)], integers(np.zeros((0, 2)))),
    Case("nonzero of bools", lambda lib, x: x.nonzero(), integers([[True, False], [False, True]])),
    Case("one_hot", lambda lib, x: [one_hot(lib, x), one_hot(lib, x, 7), one_hot(lib, x[0, 0])],
         integers([[0, 3], [1, 1]])),
    Case("one_hot of nothing", lambda lib, x: one_hot(lib, x, 3), integers(np.zeros((0, 2), np.int64))),
    Case("searchsorted", lambda lib, s, x: [
        lib.searchsorted(s, x), lib.searchsorted(s, x, right=True), lib.searchsorted(s, x, side="right"),
        lib.searchsorted(s, x, side="left"), lib.searchsorted(s, x, out_int32=True), lib.searchsorted(s, 2.0)],
         integers([1.0, 2.0, 2.0, 4.0], [[0.0, 1.0, 2.0], [4.0, 5.0, np.nan]])),
    Case("searchsorted by rows", lambda lib, s, x: [
        lib.searchsorted(s, x), lib.searchsorted(s, x, right=True), lib.searchsorted(s[:, :0], x)],
         lambda rng: [np.sort(rng.integers(0, 9, (3, 11)).astype(float)), rng.integers(-1, 10, (3, 7)).astype(float)]),
    Case("searchsorted in three axes, with nan", lambda lib, s, x: [
        lib.searchsorted(s, x), lib.searchsorted(s, x, right=True)],
         lambda rng: [np.sort(rng.standard_normal((2, 3, 5))),
                      np.where(rng.random((2, 3, 4)) > 0.8, np.nan, rng.standard_normal((2, 3, 4)))]),
    Case("searchsorted of the unsorted", lambda lib, s, x, o: lib.searchsorted(s, x, sorter=o),
         integers([3.0, 1.0, 2.0], [1.5, 3.0], [1, 2, 0])),
    Case("searchsorted of integers", lambda lib, s, x: lib.searchsorted(s, x), integers([1, 3, 5], [3, 4])),
    Case("bucketize", lambda lib, x, b: [lib.bucketize(x, b), lib.bucketize(x, b, right=True),
                                         lib.bucketize(x, b, out_int32=True), lib.bucketize(3, b)],
         integers([[1.0, 3.0], [4.0, 9.0]], [1.0, 3.0, 5.0])),
    Case("isin", lambda lib, x, y: [lib.isin(x, y), lib.isin(x, y, invert=True), lib.isin(x, 3), lib.isin(3, x),
                                    lib.isin(x, y[:0])], integers([[1, 2], [3, 4]], [4, 1, 9])),
    Case("isin of nothing", lambda lib, x, y: lib.isin(x, y), integers(np.zeros(0), [1.0])),
    Case("unique", lambda lib, x: [x.unique(), *x.unique(return_inverse=True, return_counts=True),
                                   *lib.unique(x, return_counts=True), *x.unique(True, True)],
         integers([[3, 1], [1, 2], [3, 3]])),
    Case("unique along an axis", lambda lib, x: [
        *(x.unique(dim=d) for d in (0, 1, -1)), *lib.unique(x, return_inverse=True, return_counts=True, dim=0)],
         integers([[3, 1, 3], [1, 2, 1], [3, 1, 3]])),
    Case("unique along the middle", lambda lib, x: x.unique(dim=1, return_inverse=True, return_counts=True),
         lambda rng: [rng.integers(0, 2, (2, 9, 1))]),
    Case("unique 0-d", lambda lib, x: x.unique(return_inverse=True, return_counts=True), integers(7)),
    Case("unique of nothing", lambda lib, x: x.unique(return_inverse=True, return_counts=True),
         integers(np.zeros((0, 2), np.int64))),
    Case("unique of bools", lambda lib, x: x.unique(return_counts=True), integers([True, False, True])),
    Case("gather and others of integers", lambda lib, x, i: [
        x.gather(0, i), x.scatter(0, i, 2.7), x.scatter_add(0, i, i), x.index_select(0, i), x.take(i), x[i],
        x.index_add(0, i, i, alpha=1.5), x.masked_fill(x > 6, 3.5), x.masked_select(x > 6)],
         integers([5, 6, 7, 8], [0, 3, 3])),
    Case("bools", lambda lib, x, i: [x.gather(0, i), x.scatter(0, i, True), x.masked_fill(x, 0), x.masked_select(x)],
         integers([True, False, True], [0, 2])),
    Case("masked_fill of bytes", lambda lib, x: x.masked_fill(x > 1, 255), integers(np.arange(3, dtype=np.uint8))),
    Case("index_add of bytes", lambda lib, x, i: x.index_add(0, i, x), integers(np.full(3, 200, np.uint8), [0, 0, 1])),
    Case("masked_fill by another dtype", lambda lib, x, m, y: x.masked_fill(m, y),
         integers(np.float32([1, 2]), [True, False], np.float64(2.5))),
]  # fmt: skip


@pytest.mark.parametrize("case", WHOLE_CASES, ids=lambda case: case.name)
def test_agrees_with_pytorch_where_there_is_no_gradient(case: Case) -> None:
    constant = tuple(range(4))
    compare(replace(case, constant=constant), 0)


def test_indices_of_what_requires_a_gradient_are_plain() -> None:
    x = tinytorch.tensor([0.0, 2.0, 1.0], requires_grad=True)
    for found in (
        x.nonzero(),
        x.argwhere(),
        tinytorch.searchsorted(x, x),
        tinytorch.isin(x, x),
        x.nonzero(as_tuple=True)[0],
    ):
        assert not found.requires_grad


def test_unique_consecutive_says_that_it_has_no_gradient() -> None:
    with pytest.raises(NotDifferentiableError, match=r"detach\(\).unique_consecutive\(\)"):
        tinytorch.ones(3, requires_grad=True).unique_consecutive()


def test_unique_says_that_it_has_no_gradient() -> None:
    x = tinytorch.ones(3, requires_grad=True)
    with pytest.raises(NotDifferentiableError, match=r"unique\(\) has no gradient.*detach\(\)"):
        x.unique()
    with no_grad():
        assert x.unique().tolist() == [1.0]
    assert x.detach().unique().tolist() == [1.0]


def test_nan_is_unique_each_time_as_in_pytorch() -> None:
    values = np.array([np.nan, 1.0, np.nan])
    np.testing.assert_array_equal(tinytorch.from_numpy(values).unique().data, torch.from_numpy(values).unique().numpy())


AT, DEEP = np.array([0]), np.array([[0]])
YES, BYTE, HALF = np.array(True), np.zeros(1, np.uint8), np.zeros(1, np.float16)
ROW, TABLE = np.zeros(3), np.zeros((2, 3))
REFUSED: dict[str, tuple[Call, tuple[Array, ...]]] = {
    "scatter_reduce in no way": (lambda lib, x, i: x.scatter_reduce(0, i, x, "average"), (ROW, AT)),
    "scatter_reduce of another dtype": (lambda lib, x, i: x.scatter_reduce(0, i, i, "sum"), (ROW, AT)),
    "scatter in no way": (lambda lib, x, i: x.scatter(0, i, x, reduce="sum"), (ROW, AT)),
    "index_reduce by a sum": (lambda lib, x, i: x.index_reduce(0, i, x[:1], "sum"), (ROW, AT)),
    "index_copy of another count": (lambda lib, x, i: x.index_copy(0, i, x), (ROW, AT)),
    "index_copy of another dtype": (lambda lib, x, i: x.index_copy(0, i, i), (ROW, AT)),
    "index_copy behind the end": (lambda lib, x, i: x.index_copy(0, i, x[:1]), (ROW, np.array([3]))),
    "index_fill by several": (lambda lib, x, i: x.index_fill(0, i, x), (ROW, AT)),
    "index_fill behind the end": (lambda lib, x, i: x.index_fill(0, i, 1.0), (ROW, np.array([3]))),
    "index_put of too much": (lambda lib, x, i: x.index_put((i,), x), (ROW, AT)),
    "index_put behind the end": (lambda lib, x, i: x.index_put((i,), x[0]), (ROW, np.array([3]))),
    "index_put of another dtype": (lambda lib, x, i: x.index_put((i,), i), (ROW, AT)),
    "put of another count": (lambda lib, x, i: x.put(i, x), (ROW, AT)),
    "put behind the end": (lambda lib, x, i: x.put(i, x[:1]), (ROW, np.array([3]))),
    "masked_scatter of too little": (lambda lib, x: x.masked_scatter(x < 9, x[:1]), (ROW,)),
    "masked_scatter by integers": (lambda lib, x, i: x.masked_scatter(i, x), (ROW, AT)),
    "an index behind the end": (lambda lib, x: x[9], (ROW,)),
    "an index before the start": (lambda lib, x: x[:, -4], (TABLE,)),
    "an index behind dots": (lambda lib, x: x[..., 3], (TABLE,)),
    "an index of too many axes": (lambda lib, x: x[0, 0], (ROW,)),
    "an index of 0-d": (lambda lib, x: x[0], (np.array(1.0),)),
    "an index of text": (lambda lib, x: x["a"], (ROW,)),
    "an index of a fraction": (lambda lib, x: x[0.5], (ROW,)),
    "an index in a row behind the end": (lambda lib, x, i: x[i], (ROW, np.array([0, 3]))),
    "a mask of another length": (lambda lib, x, m: x[m], (ROW, np.array([True, False]))),
    "rows of an index that clash": (lambda lib, x, i, j: x[i, j], (TABLE, np.array([0, 1]), np.array([0, 1, 2]))),
    "an item written behind the end": (lambda lib, x: x.__setitem__(9, 1.0), (ROW,)),
    "gather by floats": (lambda lib, x, i: x.gather(0, i), (ROW, np.array([0.0]))),
    "gather by a mask": (lambda lib, x, i: x.gather(0, i), (ROW, np.array([True]))),
    "gather by a list": (lambda lib, x: x.gather(0, [0]), (ROW,)),
    "gather behind the end": (lambda lib, x, i: x.gather(0, i), (ROW, np.array([3]))),
    "gather from the end": (lambda lib, x, i: x.gather(0, i), (ROW, np.array([-1]))),
    "gather with another rank": (lambda lib, x, i: x.gather(0, i), (ROW, DEEP)),
    "gather with a longer index": (lambda lib, x, i: x.gather(0, i), (TABLE, np.zeros((1, 4), int))),
    "gather along no axis": (lambda lib, x, i: x.gather(1, i), (ROW, AT)),
    "scatter of nothing at all": (lambda lib, x, i: x.scatter(0, i), (ROW, AT)),
    "scatter of two things": (lambda lib, x, i: x.scatter(0, i, 1.0, value=2.0), (ROW, AT)),
    "scatter behind the end": (lambda lib, x, i: x.scatter(0, i, 1.0), (ROW, np.array([3]))),
    "scatter of another dtype": (lambda lib, x, i, y: x.scatter(0, i, y), (ROW, AT, np.zeros(1, np.float32))),
    "scatter of too little": (lambda lib, x, i, y: x.scatter(1, i, y), (TABLE, np.zeros((2, 2), int), TABLE[:1])),
    "scatter of another rank": (lambda lib, x, i, y: x.scatter(1, i, y), (TABLE, DEEP, np.zeros(3))),
    "scatter with a longer index": (lambda lib, x, i: x.scatter(1, i, 1.0), (TABLE, np.zeros((3, 1), int))),
    "scatter of a list": (lambda lib, x, i: x.scatter(0, i, [1.0]), (ROW, AT)),
    "scatter of a number too large": (lambda lib, x, i: x.scatter(0, i, 1e9), (HALF, AT)),
    "scatter_add of a number": (lambda lib, x, i: x.scatter_add(0, i, 1.0), (ROW, AT)),
    "scatter_add of another dtype": (lambda lib, x, i, y: x.scatter_add(0, i, y), (ROW, AT, np.array([1]))),
    "scatter_add behind the end": (lambda lib, x, i, y: x.scatter_add(0, i, y), (ROW, np.array([3]), np.zeros(1))),
    "index_select by a table": (lambda lib, x, i: x.index_select(0, i), (ROW, DEEP)),
    "index_select by floats": (lambda lib, x, i: x.index_select(0, i), (ROW, np.array([0.0]))),
    "index_select behind the end": (lambda lib, x, i: x.index_select(0, i), (ROW, np.array([3]))),
    "index_select from the end": (lambda lib, x, i: x.index_select(0, i), (ROW, np.array([-1]))),
    "index_add of another length": (lambda lib, x, i, y: x.index_add(0, i, y), (TABLE, AT, np.zeros((1, 2)))),
    "index_add of another count": (lambda lib, x, i, y: x.index_add(0, i, y), (TABLE, AT, np.zeros((2, 3)))),
    "index_add of another dtype": (lambda lib, x, i, y: x.index_add(0, i, y), (ROW, AT, np.zeros(1, np.float32))),
    "index_add behind the end": (lambda lib, x, i, y: x.index_add(0, i, y), (ROW, np.array([3]), np.zeros(1))),
    "take behind the end": (lambda lib, x, i: x.take(i), (TABLE, np.array([6]))),
    "take before the start": (lambda lib, x, i: x.take(i), (TABLE, np.array([-7]))),
    "take from nothing": (lambda lib, x, i: x.take(i), (np.zeros(0), AT)),
    "take by floats": (lambda lib, x, i: x.take(i), (TABLE, np.array([0.0]))),
    "take_along_dim with another rank": (lambda lib, x, i: x.take_along_dim(i, 0), (ROW, DEEP)),
    "take_along_dim that clashes": (lambda lib, x, i: x.take_along_dim(i, 1), (TABLE, np.zeros((3, 1), int))),
    "masked_fill by integers": (lambda lib, x, m: x.masked_fill(m, 1.0), (ROW, np.array([1, 0, 1]))),
    "masked_fill by a list": (lambda lib, x: x.masked_fill([True, False, True], 1.0), (ROW,)),
    "masked_fill that clashes": (lambda lib, x, m: x.masked_fill(m, 1.0), (ROW, np.array([True, False]))),
    "masked_fill with several": (lambda lib, x, m, y: x.masked_fill(m, y), (ROW, np.array([True]), np.zeros(1))),
    "masked_fill of bytes with too much": (lambda lib, x, m: x.masked_fill(m, 256), (BYTE, YES)),
    "masked_fill of integers with nan": (lambda lib, x, m: x.masked_fill(m, float("inf")), (AT, YES)),
    "masked_fill of halves with too much": (lambda lib, x, m: x.masked_fill(m, 1e9), (HALF, YES)),
    "masked_fill with text": (lambda lib, x, m: x.masked_fill(m, "0"), (ROW, YES)),
    "masked_select by integers": (lambda lib, x, m: x.masked_select(m), (ROW, np.array([1, 0, 1]))),
    "masked_select that clashes": (lambda lib, x, m: x.masked_select(m), (ROW, np.array([True, False]))),
    "one_hot of too few classes": (lambda lib, x: one_hot(lib, x, 2), (np.array([0, 2]),)),
    "one_hot of less than 0": (lambda lib, x: one_hot(lib, x), (np.array([0, -1]),)),
    "one_hot of nothing": (lambda lib, x: one_hot(lib, x), (np.zeros(0, int),)),
    "one_hot of floats": (lambda lib, x: one_hot(lib, x), (np.array([0.0]),)),
    "searchsorted on another side": (lambda lib, s: lib.searchsorted(s, s, side="middle"), (ROW,)),
    "searchsorted on both sides": (lambda lib, s: lib.searchsorted(s, s, side="left", right=True), (ROW,)),
    "searchsorted in other rows": (lambda lib, s, x: lib.searchsorted(s, x), (TABLE, np.zeros((3, 2)))),
    "searchsorted of a number in rows": (lambda lib, s: lib.searchsorted(s, 1.0), (TABLE,)),
    "bucketize in a table": (lambda lib, b: lib.bucketize(b, b), (TABLE,)),
    "unique along no axis": (lambda lib, x: x.unique(dim=2), (TABLE,)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_pytorch_refuses(name: str) -> None:
    call, arrays = REFUSED[name]
    refuse(call, *arrays)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (9, r"index 9 is out of bounds for axis 0 of a tensor of shape \(2, 3\), which has 2 elements: use -2 to 1"),
        ((0, -4), "index -4 is out of bounds for axis 1"),
        ((..., 3), "index 3 is out of bounds for axis 1"),
        ((0, 0, 0), "an index for 3 axes was given to a tensor of shape"),
        ("a", "but got str"),
        (0.5, "but got float"),
        ([0, 7], "index 7 is out of bounds for axis 0"),
        (np.array([True, False, True]), r"a mask of shape \(3,\) was given for axes of lengths \(2,\)"),
        (([0, 1], [0, 1, 2]), r"shapes \(2,\) and \(3,\), which do not broadcast"),
        ((..., ...), "'...' once"),
    ],
)
def test_an_index_that_picks_nothing_says_why(index: Any, words: str) -> None:
    for call in (lambda x: x[index], lambda x: x.__setitem__(index, 0.0)):
        with pytest.raises(IndexError, match=words):
            call(tinytorch.zeros(2, 3))


def test_products_at_scattered_places_have_their_gradient_at_0() -> None:
    """One 0, two of them, and 0 in the tensor itself; PyTorch's own answer."""
    for x, y in (([1.0, 2.0], [3.0, 0.0, 5.0]), ([1.0, 2.0], [0.0, 0.0, 5.0]), ([0.0, 2.0], [0.0, 4.0, 0.0])):
        case = Case("", lambda lib, a, b: a.scatter_reduce(0, lib.tensor([0, 0, 1]), b, "prod"),
                    lambda rng, x=x, y=y: [np.array(x), np.array(y)], second=False)  # fmt: skip
        compare(case, 0)
    a = tinytorch.tensor([0.0], requires_grad=True)
    out = a.scatter_reduce(0, tinytorch.tensor([0]), tinytorch.tensor([2.0]), "prod")
    with pytest.raises(NotDifferentiableError, match="create_graph"):
        tinytorch.autograd.grad(out.sum(), a, create_graph=True)


def test_scatter_with_a_reduction_has_a_gradient_here() -> None:
    """PyTorch has none."""
    x, y = tinytorch.ones(3, requires_grad=True), tinytorch.tensor([2.0, 3.0], requires_grad=True)
    index = tinytorch.tensor([0, 0])
    x.scatter(0, index, y, reduce="multiply").sum().backward()
    assert x.grad.tolist() == [6.0, 1.0, 1.0]
    assert y.grad.tolist() == [3.0, 2.0]
    y.grad = None
    x.scatter(0, index, y, reduce="add").sum().backward()
    assert y.grad.tolist() == [1.0, 1.0]


def test_the_gradient_of_a_longer_source_is_0_behind_what_was_used() -> None:
    """PyTorch allows a source that is longer than its index, and then fails on the way back."""
    source = tinytorch.ones(3, 4, requires_grad=True)
    index = tinytorch.tensor([[0, 1]])
    for put in (lambda x: x.scatter(1, index, source), lambda x: x.scatter_add(1, index, source)):
        (grad,) = tinytorch.autograd.grad((2 * put(tinytorch.zeros(2, 3))).sum(), source)
        assert grad is not None
        assert grad.tolist() == [[2, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_take_along_dim_refuses_a_place_that_is_not_there() -> None:
    """PyTorch counts on from the start."""
    with pytest.raises(IndexError, match=r"take_along_dim\(\) was given index 3, but axis 0 takes -3 to 2"):
        tinytorch.zeros(3).take_along_dim(tinytorch.tensor([3]), 0)


def test_masked_gradients_are_0_even_where_infinity_arrives() -> None:
    x = tinytorch.tensor([1.0, 2.0], requires_grad=True)
    out = x.masked_fill(tinytorch.tensor([True, False]), 0.0)
    out.backward(tinytorch.tensor([float("inf"), 1.0]))
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda x, i: x.gather(0, i),
        lambda x, i: x.index_select(0, i),
        lambda x, i: tinytorch.zeros(3).scatter_add(0, i, x),
        lambda x, i: tinytorch.zeros(3).index_add(0, i, x),
        lambda x, i: tinytorch.zeros(3).scatter(0, i, x),
    ],
)
def test_an_index_that_changes_before_the_walk_changes_no_gradient(call: Callable[..., tinytorch.Tensor]) -> None:
    x, weights = tinytorch.ones(3, requires_grad=True), tinytorch.tensor([1.0, 10.0, 100.0])
    index = tinytorch.tensor([2, 0, 1])
    out = (call(x, index) * weights).sum()
    (expected,) = tinytorch.autograd.grad(out, x, retain_graph=True)
    index.data[:] = 0
    (grad,) = tinytorch.autograd.grad(out, x)
    assert expected is not None
    assert grad is not None
    assert grad.tolist() == expected.tolist()


def test_add_at_adds_where_a_place_is_named_twice() -> None:
    """By hand: a row of the places 1, 1 and 0."""
    out = np.ones((2, 2))
    indexing.add_at(out, np.array([1, 1, 0]), np.array([1.0, 2.0, 5.0]))
    assert out.tolist() == [[6.0, 4.0], [1.0, 1.0]]


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.int64, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("number", [0, 1, -0.0, 2.5, np.nan, -np.inf])
def test_filled_is_where(dtype: type, number: float) -> None:
    if np.dtype(dtype).kind != "f" and number not in (0, 1):
        number = 1
    rng = np.random.default_rng(0)
    data = np.array([-np.inf, np.nan, -0.0, 3.0])[rng.integers(0, 4, (4, 1, 5))]
    data = (data if np.dtype(dtype).kind == "f" else rng.integers(0, 2, (4, 1, 5))).astype(dtype)
    for array in (data, data.T, data[::-2], data[0, 0, 0]):
        mask = rng.random((3, 1)) > 0.5
        out, expected = filled(array, mask, number), np.where(mask, np.asarray(number, dtype), array)
        assert out.dtype == expected.dtype
        assert out.tobytes() == expected.tobytes()


NUMPY: dict[str, tuple[Call, tuple[int, ...]]] = {
    "take": (lambda x: np.take(x, np.array([[0, -1], [4, 4]])), (2, 3)),
    "take along": (lambda x: np.take(x, np.array([[0, -1], [1, 1]]), axis=1), (2, 3, 2)),
    "take one": (lambda x: np.take(x, 1, axis=-1), (2, 3)),
    "take_along_axis": (lambda x: np.take_along_axis(x, np.array([[0, -1, 1, 1]]), axis=1), (2, 3)),
    "extract": (lambda x: np.extract(np.array([[True, False, True], [False, True, True]]), x), (2, 3)),
}


@pytest.mark.parametrize("name", NUMPY)
def test_numpy_functions_answer_with_tensors_and_keep_gradients(name: str) -> None:
    """The gradient is the adjoint of what moves the elements: <w, f(x + u) - f(x)> == <grad, u>."""
    call, shape = NUMPY[name]
    rng = np.random.default_rng(0)
    array, u = rng.standard_normal(shape), rng.standard_normal(shape)
    x = tinytorch.from_numpy(array.copy()).requires_grad_()
    out = call(x)
    np.testing.assert_array_equal(out.data, call(array))
    w = rng.standard_normal(out.shape)
    (grad,) = tinytorch.autograd.grad(out, x, tinytorch.from_numpy(w))
    assert grad is not None
    assert np.sum(w * (call(array + u) - call(array))) == pytest.approx(np.sum(grad.data * u))


def test_numpy_functions_find_indices_of_what_requires_a_gradient() -> None:
    array = np.array([[0.0, 2.0], [3.0, 0.0]])
    x = tinytorch.from_numpy(array).requires_grad_()
    row = tinytorch.from_numpy(np.array([1.0, 2.0, 3.0])).requires_grad_()
    np.testing.assert_array_equal(np.argwhere(x).data, np.argwhere(array))
    np.testing.assert_array_equal(np.flatnonzero(x).data, np.flatnonzero(array))
    np.testing.assert_array_equal([i.data for i in np.nonzero(x)], np.nonzero(array))
    np.testing.assert_array_equal(np.isin(x, [2.0, 5.0]).data, np.isin(array, [2.0, 5.0]))
    np.testing.assert_array_equal(np.searchsorted(row, [2.0, 9.0], side="right").data, [2, 3])


def test_every_rule_of_the_family_is_in_the_table() -> None:
    table = {rule.backward for rule in RULES}
    found = {x for module in FAMILY for x in vars(module).values() if isinstance(x, type)}
    assert {x for x in found if x.__name__.endswith("Backward")} <= table


def test_every_function_is_a_method_where_it_is_one_in_pytorch() -> None:
    for name in (name for module in FAMILY for name in module.__all__):
        assert hasattr(tinytorch.Tensor, name) == hasattr(torch.Tensor, name), name
        assert hasattr(torch, name), name
