"""Many numbers into fewer: sums, extremes, statistics, and running totals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor
from tinytorch.core.autograd import NotDifferentiableError

from .harness import Array, Case, compare, numbers, refuse, torch

Maker = Callable[[np.random.Generator], list[Array]]
INF, NAN = float("inf"), float("nan")


def given(*values: Any) -> Maker:
    """Return a maker of these arrays."""
    return lambda rng: [np.array(value, float) for value in values]


def distinct(shape: tuple[int, ...]) -> Maker:
    """Return a maker of an array without equal elements, whose order is safe from rounding."""

    def make(rng: np.random.Generator) -> list[Array]:
        size = int(np.prod(shape))
        return [(rng.permutation(size) / 8 - 1).reshape(shape)]

    return make


def with_zeros(shape: tuple[int, ...]) -> Maker:
    """Return a maker of an array in which about every third element is 0."""
    return lambda rng: [np.asarray(rng.uniform(0.5, 2, shape) * rng.choice([0, 1, -1], shape))]


def in_both_forms(name: str, *args: Any, **kwargs: Any) -> Callable[..., list[Any]]:
    """Return a call of the function and of the method of that name."""
    return lambda lib, x: [getattr(lib, name)(x, *args, **kwargs), getattr(x, name)(*args, **kwargs)]


DIMS: list[tuple[tuple[int, ...], Any, bool]] = [
    ((), None, False),
    ((), 0, False),
    ((), -1, True),
    ((3,), 0, False),
    ((3,), None, False),
    ((1,), 0, True),
    ((2, 3, 4), None, False),
    ((2, 3, 4), 1, False),
    ((2, 3, 4), -1, True),
    ((2, 3, 4), (0, 2), False),
    ((2, 3, 4), (-1, 0), True),
    ((2, 3, 4), (0, 1, 2), False),
    ((2, 0, 3), 0, False),
    ((2, 1, 3), 1, False),
]


def reductions(name: str, maker: Callable[[tuple[int, ...]], Maker], several: bool = True, **kwargs: Any) -> list[Case]:
    """Return cases of a reduction over every kind of `dim`."""
    return [
        Case(
            f"{name}{shape} {dim} {keepdim} {kwargs or ''}",
            in_both_forms(name, dim, keepdim=keepdim, **kwargs) if dim is not None else in_both_forms(name, **kwargs),
            maker(shape),
        )
        for shape, dim, keepdim in DIMS
        if several or not isinstance(dim, tuple)
    ]


SUMS = [
    *reductions("sum", numbers),
    *reductions("mean", numbers)[3:],
    *(Case(f"mean 0-d {dim}", lambda lib, x, dim=dim: lib.mean(x, dim), numbers(())) for dim in (None, 0, -1)),
    *reductions("nansum", numbers),
    *reductions("nanmean", numbers),
    *reductions("prod", numbers, several=False),
    *reductions("logsumexp", numbers)[1:4],
    *(case for case in reductions("logsumexp", numbers)[5:] if "None" not in case.name),
    Case("sum of nothing", in_both_forms("sum"), numbers((0, 3))),
    Case("sum of no rows", in_both_forms("sum", 0), numbers((0, 3))),
    Case("sum dim=()", lambda lib, x: lib.sum(x, ()), numbers((2, 3))),
    Case("sum list", lambda lib, x: lib.sum(x, [0, 1]), numbers((2, 3))),
    Case("sum dtype", lambda lib, x: lib.sum(x, dtype=lib.float64), numbers((2, 3))),
    Case("mean dtype", lambda lib, x: lib.mean(x, 0, True, dtype=lib.float64), numbers((2, 3))),
    Case("mean of nothing", lambda lib, x: lib.mean(x), numbers((0,))),
    Case("mean of no rows", lambda lib, x: lib.mean(x, 0, keepdim=True), numbers((0, 3))),
    Case("nansum with nan", in_both_forms("nansum", 1), given([[1, NAN, 2], [NAN, NAN, NAN]])),
    Case("nanmean with nan", in_both_forms("nanmean", 1), given([[1, NAN, 2], [3, NAN, NAN]])),
    Case("nanmean of nan", in_both_forms("nanmean"), given([NAN, NAN]), second=False),
    Case("nansum dtype", lambda lib, x: lib.nansum(x, dtype=lib.float64), numbers((2, 3))),
    Case("prod dtype", lambda lib, x: lib.prod(x, 1, True, dtype=lib.float64), numbers((2, 3))),
    Case("prod of nothing", in_both_forms("prod"), numbers((0,))),
    Case("prod of no rows", in_both_forms("prod", 0), numbers((0, 3))),
    Case("prod one 0", in_both_forms("prod"), given([2, 0, 3])),
    Case("prod two 0", in_both_forms("prod"), given([2, 0, 3, 0])),
    Case("prod zeros along", in_both_forms("prod", 1), given([[2, 0, 3], [0, 0, 3], [1, 2, 3]])),
    Case("prod zeros along 0", in_both_forms("prod", 0, True), with_zeros((3, 4))),
    Case("prod 0-d 0", in_both_forms("prod"), given(0)),
    Case("logsumexp large", in_both_forms("logsumexp", 1), given([[1e4, 1e4, -1e4], [-1e4, -1e4, -1e4]])),
    Case("logsumexp -inf", in_both_forms("logsumexp", 1), given([[-INF, -INF], [-INF, 0], [1, 2]]), second=False),
    Case("logsumexp inf", in_both_forms("logsumexp", 1), given([[INF, 1], [INF, INF], [NAN, 1]]), second=False),
    Case("logsumexp of nothing", in_both_forms("logsumexp", 0), numbers((0, 2))),
]

EXTREMES = [
    *(
        case
        for name in ("amax", "amin")
        for case in [
            *reductions(name, numbers)[1:12],
            Case(f"{name} ties", in_both_forms(name, (0, 1)), given([[1, 3, 3], [3, 1, 1]])),
            Case(f"{name} all", in_both_forms(name), given([[1, 3, 3], [3, 1, 1]])),
            Case(f"{name} nan", in_both_forms(name, 1), given([[1, NAN, 3], [3, 1, 1]]), constant=(0,)),
        ]
    ),
    *(
        case
        for name in ("max", "min")
        for case in [
            *(case for case in reductions(name, distinct, several=False)[:13] if "0, 3" not in case.name),
            Case(f"{name} ties", in_both_forms(name), given([[1, 3, 3], [3, 1, 1]])),
            Case(f"{name} ties along", in_both_forms(name, 1), given([[1, 3, 3], [3, 1, 1]])),
            Case(f"{name} nan along", in_both_forms(name, 1), given([[1, NAN, NAN], [3, 1, 1]])),
            Case(
                f"{name} of two",
                lambda lib, x, y, name=name: [getattr(lib, name)(x, y), getattr(x, name)(y)],
                numbers((2, 3), (3,)),
            ),
            Case(
                f"{name} of two ties",
                lambda lib, x, y, name=name: getattr(lib, name)(x, other=y),
                given([1, 2, 3], [1, 3, 2]),
            ),
            *reductions(f"arg{name}", distinct, several=False)[:12],
            Case(f"arg{name} ties", in_both_forms(f"arg{name}", 1), given([[1, 3, 3], [3, 1, 1]])),
            Case(f"cum{name}", in_both_forms(f"cum{name}", 1), numbers((3, 5))),
            Case(f"cum{name} 0", in_both_forms(f"cum{name}", 0), numbers((4, 2, 3))),
            Case(f"cum{name} ties", in_both_forms(f"cum{name}", -1), given([[1, 1, 3, 3, 1], [3, 1, 3, 1, 1]])),
            Case(f"cum{name} nan", in_both_forms(f"cum{name}", 0), given([1, 2, NAN, 3, NAN, 0])),
            Case(f"cum{name} 0-d", in_both_forms(f"cum{name}", 0), numbers(())),
            Case(f"cum{name} empty", in_both_forms(f"cum{name}", 0), numbers((0, 3)), second=False),
        ]
    ),
    Case("aminmax", lambda lib, x: [*lib.aminmax(x), *x.aminmax()], given([[1, 3, 3], [3, 1, 1]])),
    Case("aminmax dim", lambda lib, x: lib.aminmax(x, dim=1, keepdim=True), given([[1, 3, 3], [3, 1, 1]])),
    Case("aminmax names", lambda lib, x: lib.aminmax(x).max - x.aminmax().min, numbers((2, 3))),
]

TRUTHS = [
    *reductions("any", with_zeros),
    *reductions("all", with_zeros),
    *(
        Case(f"count_nonzero {dim}", in_both_forms("count_nonzero", dim), with_zeros((2, 3, 4)))
        for dim in (None, 0, -1, (0, 2))
    ),
    Case("any of nothing", in_both_forms("any"), numbers((0,))),
    Case("all of nothing", in_both_forms("all", 0), numbers((0, 2))),
    Case("any nan", in_both_forms("any"), given([NAN])),
]

SPREADS = [
    *(
        case
        for name in ("var", "std")
        for case in [
            *reductions(name, numbers, correction=0)[:12],
            *reductions(name, numbers)[4:5],
            *reductions(name, numbers)[6:12],
            *reductions(name, numbers, correction=2)[6:8],
            *reductions(name, numbers, unbiased=False)[7:8],
            Case(f"{name} False", lambda lib, x, name=name: getattr(lib, name)(x, False), numbers((2, 3))),
            Case(f"{name} positional", in_both_forms(name, 1, True, True), numbers((2, 3))),
            Case(f"{name} keepdim", in_both_forms(name, dim=None, correction=0, keepdim=True), numbers((2, 3))),
            Case(f"{name} float correction", in_both_forms(name, 0, correction=0.5), numbers((4, 3))),
            Case(f"{name}_mean", lambda lib, x, name=name: getattr(lib, f"{name}_mean")(x, 1), numbers((2, 3))),
            Case(
                f"{name}_mean all",
                lambda lib, x, name=name: getattr(lib, f"{name}_mean")(x, correction=0),
                numbers((2, 3)),
            ),
            Case(
                f"{name}_mean keep",
                lambda lib, x, name=name: getattr(lib, f"{name}_mean")(x, (0, 2), unbiased=False, keepdim=True),
                numbers((2, 3, 4)),
            ),
            Case(f"{name} far from 0", in_both_forms(name), lambda rng: [rng.uniform(99, 101, 50)]),
            Case(f"{name} nan", in_both_forms(name, 1), given([[1, NAN], [1, 2]]), second=False),
        ]
    ),
    Case("std of equal ones", in_both_forms("std", 1), given([[2, 2, 2], [1, 2, 4]]), second=False),
    Case("cov", in_both_forms("cov"), numbers((3, 5))),
    Case("cov 1-D", in_both_forms("cov"), numbers((5,))),
    Case("cov correction", in_both_forms("cov", correction=0), numbers((2, 5))),
    Case(
        "cov weights",
        lambda lib, x, w: lib.cov(x, fweights=lib.tensor([1, 2, 0, 3]), aweights=w),
        lambda rng: [rng.standard_normal((2, 4)), rng.uniform(0.5, 2, 4)],
        constant=(1,),
    ),
    Case(
        "cov aweights",
        lambda lib, x, w: x.cov(aweights=w, correction=1),
        lambda rng: [rng.standard_normal((2, 4)), rng.uniform(0.5, 2, 4)],
        constant=(1,),
    ),
    Case("cov fweights", lambda lib, x: lib.cov(x, fweights=lib.tensor([1, 2, 0, 3])), numbers((2, 4))),
    Case("corrcoef", in_both_forms("corrcoef"), numbers((3, 6))),
    Case("dist", lambda lib, x, y: [lib.dist(x, y), x.dist(y, 1), lib.dist(x, y, 3.0)], numbers((2, 3), (3,))),
    Case("dist inf", lambda lib, x, y: lib.dist(x, y, INF) ** 2, numbers((2, 3), (2, 3))),
    Case("dist at 0", lambda lib, x: lib.dist(x, x.detach()), numbers((3,)), second=False),
]

RUNNING = [
    *(
        Case(f"{name}{shape} {dim}", in_both_forms(name, dim), maker(shape))
        for name, maker in (
            ("cumsum", numbers),
            ("cumprod", numbers),
            ("cumprod", with_zeros),
            ("logcumsumexp", numbers),
        )
        for shape, dim in [((), 0), ((5,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 4, 3), -2), ((1,), -1), ((0, 2), 0)]
    ),
    Case("cumsum dtype", lambda lib, x: lib.cumsum(x, 0, dtype=lib.float64), numbers((3,))),
    Case("cumprod dtype", lambda lib, x: lib.cumprod(x, 0, dtype=lib.float64), numbers((3,))),
    Case("cumprod one 0", in_both_forms("cumprod", 0), given([2, 0, 3, 4])),
    Case("cumprod two 0", in_both_forms("cumprod", 0), given([2, 3, 0, 4, 0, 5])),
    Case("logcumsumexp large", in_both_forms("logcumsumexp", 0), given([96, -96, 96, 100, -90])),
    Case("logcumsumexp inf", in_both_forms("logcumsumexp", 0), given([1, INF, 2]), second=False),
    Case("logcumsumexp -inf", in_both_forms("logcumsumexp", 0), given([-INF, 1, -INF]), second=False),
]

ORDERED = [
    *(
        Case(f"sort {dim} {descending}", in_both_forms("sort", dim, descending), distinct((3, 4, 2)))
        for dim in (-1, 0, 1)
        for descending in (False, True)
    ),
    Case("sort stable", in_both_forms("sort", stable=True, dim=1), given([[3, 1, 3, 1], [2, 2, 2, 0]])),
    Case("sort stable down", in_both_forms("sort", stable=True, dim=1, descending=True), given([[3, 1, 3, 1]])),
    Case("sort nan", in_both_forms("sort"), given([1, NAN, INF, -INF, 0])),
    Case("sort nan down", in_both_forms("sort", descending=True), given([1, NAN, INF, -INF, 0])),
    Case("sort 0-d", in_both_forms("sort"), numbers(())),
    Case("sort empty", in_both_forms("sort"), numbers((2, 0))),
    Case("argsort", in_both_forms("argsort", 0, True), distinct((4, 3))),
    Case("argsort stable", lambda lib, x: lib.argsort(x, stable=True), given([3, 1, 3, 1])),
    Case("argsort 0-d", in_both_forms("argsort"), numbers(())),
    Case("msort", in_both_forms("msort"), distinct((4, 3))),
    Case("topk", in_both_forms("topk", 2), distinct((3, 5))),
    Case("topk smallest", in_both_forms("topk", 3, 0, False), distinct((5, 2))),
    Case("topk of many", in_both_forms("topk", 3), distinct((2, 40))),
    Case("topk of many smallest", in_both_forms("topk", 3, dim=0, largest=False), distinct((40, 2))),
    Case("topk 0", in_both_forms("topk", 0), distinct((3, 5))),
    Case("topk all", in_both_forms("topk", 5), distinct((3, 5))),
    Case("topk 0-d", in_both_forms("topk", 1), numbers(())),
    Case("topk nan", in_both_forms("topk", 2), given([1, NAN, 3, 0])),
    Case("kthvalue", in_both_forms("kthvalue", 2), distinct((3, 5))),
    Case("kthvalue keepdim", in_both_forms("kthvalue", 4, 0, True), distinct((5, 3))),
    Case("kthvalue 0-d", in_both_forms("kthvalue", 1), numbers(())),
    *(
        case
        for name in ("median", "nanmedian")
        for case in [
            *(case for case in reductions(name, distinct, several=False)[:12]),
            Case(f"{name} nan", in_both_forms(name), given([3, 1, NAN, 3])),
            Case(f"{name} nan along", in_both_forms(name, 0), given([3, NAN, 1, NAN])),
            Case(f"{name} only nan", in_both_forms(name, 0), given([NAN, NAN])),
            Case(f"{name} all only nan", in_both_forms(name), given([NAN, NAN])),
            Case(f"{name} ties", in_both_forms(name), given([3, 1, 3, 3])),
            Case(f"{name} of nothing", in_both_forms(name), numbers((0,)), second=False),
        ]
    ),
    Case("mode", in_both_forms("mode"), given([[3, 1, 1, 3, 2], [2, 2, 2, 1, 1]])),
    Case("mode dim", in_both_forms("mode", 0, True), given([[3, 1], [3, 2], [1, 1]])),
    Case("mode 0-d", in_both_forms("mode"), numbers(())),
    *(
        Case(
            f"quantile {how} {dim} {keepdim}",
            in_both_forms("quantile", 0.3, dim, keepdim, interpolation=how),
            distinct((3, 6)),
        )
        for how in ("linear", "lower", "higher", "midpoint", "nearest")
        for dim, keepdim in [(None, False), (1, False), (0, True)]
    ),
    Case(
        "quantile several",
        lambda lib, x, q: lib.quantile(x, q, dim=1),
        lambda rng: [*distinct((2, 6, 3))(rng), np.array([0, 0.25, 0.25, 1])],
        constant=(1,),
    ),
    Case(
        "quantile several keep",
        lambda lib, x, q: x.quantile(q, keepdim=True),
        lambda rng: [*distinct((2, 6))(rng), np.array([0.1, 0.9])],
        constant=(1,),
    ),
    Case("quantile nan", in_both_forms("quantile", 0.5, 1), given([[1, NAN, 2], [3, 2, 1]])),
    Case("quantile 0-d", in_both_forms("quantile", 0.5), numbers(())),
]

ORDERED += [
    *(
        Case(
            f"nanquantile {how} {dim}",
            in_both_forms("nanquantile", 0.3, dim, interpolation=how),
            given([[1, NAN, 2, 5], [3, 2, 1, 7], [NAN, NAN, 4, 3]]),
        )
        for how in ("linear", "lower", "higher", "midpoint", "nearest")
        for dim in (None, 0, 1)
    ),
    Case("nanquantile of nan alone", in_both_forms("nanquantile", 0.5), given([NAN, NAN])),
    Case(
        "nanquantile several",
        lambda lib, x, q: lib.nanquantile(x, q, dim=1, keepdim=True),
        lambda rng: [np.array([[1, NAN, 2, 5], [3, 2, 1, 7.0]]), np.array([0, 0.4, 1])],
        constant=(1,),
    ),
]

DIFFERENCES = [
    *(
        Case(
            f"diff {shape} {n} {dim}",
            lambda lib, x, n=n, d=dim: [(lib.diff(x, n, d)) ** 2, x.diff(n, d)],
            numbers(shape),
        )
        for shape, n, dim in [((5,), 1, -1), ((5,), 3, 0), ((2, 4), 2, 0), ((2, 4), 0, 1), ((3, 1, 2), 1, 1)]
    ),
    Case(
        "diff with ends",
        lambda lib, x, y, z: [lib.diff(x, prepend=y, append=z), x.diff(dim=0, append=x)],
        numbers((2, 4), (2, 1), (2, 2)),
    ),
    Case("diff of bools", in_both_forms("diff"), lambda rng: [rng.integers(0, 2, 9).astype(bool)]),
    Case("diff of integers", in_both_forms("diff", 2), lambda rng: [rng.integers(0, 9, 9)]),
    *(
        case
        for name in ("trapezoid", "trapz", "cumulative_trapezoid")
        for case in [
            Case(f"{name} dx", lambda lib, y, n=name: getattr(lib, n)(y, dx=0.5, dim=0) ** 2, numbers((4, 3))),
            Case(f"{name} x", lambda lib, y, x, n=name: getattr(lib, n)(y, x), numbers((2, 4), (4,))),
            Case(f"{name} x of all", lambda lib, y, x, n=name: getattr(lib, n)(y, x, dim=0), numbers((4, 2), (4, 2))),
        ]
    ),
]

# What methods of the lessons are called with, and what the lessons themselves do not know.
METHODS = [
    *(
        Case(
            f"{name} of a method {args} {kwargs}",
            lambda lib, x, n=name, a=args, k=kwargs: getattr(x, n)(*a, **k) ** 2,
            maker,
        )
        for name in ("sum", "mean", "amax", "amin")
        for args, kwargs, maker in [
            ((), {}, distinct((2, 3))),
            ((1,), {}, distinct((2, 3))),
            ((), {"dim": (0, -1), "keepdim": True}, distinct((2, 3))),
            (([0, 1],), {}, distinct((2, 3))),
            (((),), {}, distinct((2, 3))),
            ((), {"dim": ()}, distinct((2, 3))),
            ((), {"axis": 0, "keepdims": True}, distinct((2, 3))),
            ((0,), {}, numbers(())),
            ((-1, True), {}, numbers(())),
        ]
    ),
    *(
        Case(f"{name} of a method, dtype", lambda lib, x, n=name: getattr(x, n)(0, dtype=lib.float64), numbers((2, 3)))
        for name in ("sum", "mean")
    ),
    Case("mean of integers", lambda lib, x: x.mean(dtype=lib.float32), lambda rng: [rng.integers(0, 9, 4)]),
    Case("mean of nothing", lambda lib, x: [lib.mean(x), lib.mean(x, 0), x.mean(1)], numbers((0, 3))),
]

COUNTS = [
    Case("histc", in_both_forms("histc", 4, -2, 2), numbers((20,)), constant=(0,)),
    Case("histc own range", in_both_forms("histc", 5), numbers((4, 5)), constant=(0,)),
    Case("histc one value", in_both_forms("histc", 5), given([2, 2]), constant=(0,)),
    Case("histc edges", in_both_forms("histc", bins=3, min=0, max=3), given([0, 1, 2, 3, 4, -1]), constant=(0,)),
    Case("histc of nothing", in_both_forms("histc", 3), numbers((0,)), constant=(0,)),
    Case("bincount", in_both_forms("bincount"), lambda rng: [rng.integers(0, 6, 20)]),
    Case("bincount minlength", in_both_forms("bincount", minlength=9), lambda rng: [rng.integers(0, 6, 20)]),
    Case("bincount of nothing", in_both_forms("bincount"), lambda rng: [np.zeros(0, int)]),
    Case(
        "bincount weights",
        lambda lib, x, w: [lib.bincount(x, w), x.bincount(w)],
        lambda rng: [rng.integers(0, 6, 20), rng.uniform(size=20)],
        constant=(1,),
    ),
]

CASES = [*SUMS, *EXTREMES, *TRUTHS, *SPREADS, *RUNNING, *ORDERED, *COUNTS, *DIFFERENCES, *METHODS]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_agrees_with_pytorch(case: Case, dtype: str) -> None:
    compare(replace(case, second=False), 0, dtype)  # the rules on arrays
    for seed in range(2):
        compare(case, seed, dtype)  # the rules on tensors


OTHER_DTYPES: dict[str, tuple[Any, str]] = {
    "sum": (in_both_forms("sum", 0), "int64 int32 uint8 bool float16"),
    "sum dtype": (lambda lib, x: lib.sum(x, dtype=lib.float32), "int64 int32 uint8 bool float16"),
    "sum to int": (lambda lib, x: lib.sum(x, dtype=lib.int32), "int64 bool"),
    "mean": (in_both_forms("mean", 0), "float16"),
    "mean dtype": (lambda lib, x: lib.mean(x, dtype=lib.float32), "int64 bool"),
    "prod": (in_both_forms("prod", 0), "int64 int32 uint8 bool float16"),
    "prod dtype": (lambda lib, x: lib.prod(x, dtype=lib.float32), "int64 bool"),
    "cumsum": (in_both_forms("cumsum", 0), "int64 int32 uint8 bool float16"),
    "cumsum dtype": (lambda lib, x: lib.cumsum(x, 0, dtype=lib.float32), "int64 bool"),
    "cumprod": (in_both_forms("cumprod", 0), "int64 int32 uint8 bool float16"),
    "nansum": (in_both_forms("nansum", 0), "int64 bool float16"),
    "nanmean": (in_both_forms("nanmean", 0), "float16"),
    "logsumexp": (in_both_forms("logsumexp", 0), "int64 float16"),
    "logcumsumexp": (in_both_forms("logcumsumexp", 0), "float16"),
    "var": (in_both_forms("var", 0), "float16"),
    "std": (in_both_forms("std", 0), "float16"),
    "any": (in_both_forms("any", 0), "int64 int32 uint8 bool float16"),
    "all": (in_both_forms("all", 0), "int64 int32 uint8 bool float16"),
    "count_nonzero": (in_both_forms("count_nonzero", 0), "int64 bool float16"),
    "amax": (in_both_forms("amax", 0), "int64 int32 uint8 bool float16"),
    "max": (lambda lib, x: lib.max(x), "int64 uint8 bool float16"),
    "max dim": (lambda lib, x: x.max(0).values, "int64 bool float16"),
    "sort": (in_both_forms("sort", dim=0, stable=True), "int64 uint8 bool float16"),
    "sort down": (in_both_forms("sort", dim=0, descending=True, stable=True), "int64 uint8 bool float16"),
    "topk": (lambda lib, x: lib.topk(x, 2).values, "int64 uint8 float16"),
    "kthvalue": (lambda lib, x: lib.kthvalue(x, 2).values, "int64 uint8 float16"),
    "median": (lambda lib, x: x.median(), "int64 uint8 float16"),
    "mode": (in_both_forms("mode", 0), "int64 bool"),
    "cummax": (in_both_forms("cummax", 0), "int64 bool float16"),
    "aminmax": (in_both_forms("aminmax"), "int64 bool float16"),
    "cov": (in_both_forms("cov"), "int64"),
    "norm": (in_both_forms("norm"), "float16"),
    "dist": (lambda lib, x: lib.dist(x, x + 1), "float16"),
}


@pytest.mark.parametrize(
    ("name", "dtype"), [(name, dtype) for name, (_, dtypes) in OTHER_DTYPES.items() for dtype in dtypes.split()]
)
def test_agrees_in_other_dtypes(name: str, dtype: str) -> None:
    case = Case(name, OTHER_DTYPES[name][0], lambda rng: [rng.integers(0, 5, (4, 3)).astype(dtype)], constant=(0,))
    compare(case, 0, dtype)


def test_float16_is_summed_in_a_wider_type() -> None:
    """Squares of 300 are beyond the largest float16; the variance is not."""
    x = np.full(8, 300, np.float16)
    x[::2] = 290
    for name in ("var", "std", "norm"):
        ours, theirs = (getattr(lib, name)(lib.from_numpy(x)) for lib in (tinytorch, torch))
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-2)
        assert ours.dtype == np.float16


@pytest.mark.parametrize("name", ["median", "kthvalue", "topk", "sort"])
def test_one_of_equal_elements_gets_the_gradient(name: str) -> None:
    """PyTorch leaves open which."""
    x = Tensor([[2.0, 2.0, 1.0, 2.0, 3.0]], requires_grad=True)
    args = (2,) if name in ("kthvalue", "topk") else (1,) if name == "median" else ()
    values, indices = getattr(tinytorch, name)(x, *args)
    values.sum().backward()
    expected = np.zeros((1, 5))
    expected[0, indices.numpy().reshape(-1)] = 1
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), expected)
    np.testing.assert_array_equal(
        x.detach().numpy()[0, indices.numpy().reshape(-1)], values.detach().numpy().reshape(-1)
    )


@pytest.mark.parametrize("name", ["max", "min", "sort", "topk", "kthvalue", "median", "nanmedian", "mode", "cummax"])
def test_pairs_have_pytorchs_names(name: str) -> None:
    args = {"topk": (2,), "kthvalue": (1,), "cummax": (0,), "sort": ()}.get(name, (0,))
    result = getattr(tinytorch, name)(Tensor([3.0, 1.0, 2.0]), *args)
    assert result._fields == ("values", "indices")
    assert result.indices.dtype == np.int64


ALONG_AN_AXIS = {
    *("sum", "mean", "nansum", "nanmean", "prod", "amax", "amin", "max", "min", "argmax", "argmin", "any", "all"),
    *("count_nonzero", "var", "std", "logsumexp", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"),
    *("median", "nanmedian", "mode", "sort", "argsort"),
}
REFUSED: list[tuple[Any, Array, str]] = [
    *(
        (lambda lib, x, name=name: getattr(x, name)(2), np.ones((2, 3)), rf"{name}\(\) .*axis 2")
        for name in ("sum", "mean", "amax", "amin", "max", "argmin")
    ),
    *(
        (lambda lib, x, name=name: getattr(x, name)("a"), np.ones((2, 3)), rf"{name}\(\) .*integer")
        for name in ("sum", "mean", "amax", "amin")
    ),
    (lambda lib, x: x.sum((0, 0)), np.ones((2, 3)), "twice"),
    (lambda lib, x: x.sum(0, "yes"), np.ones((2, 3)), "keepdim=True or False"),
    (lambda lib, x: x.mean(), np.ones(3, int), "needs floats"),
    (lambda lib, x: x.amax(0), np.ones((0, 3)), "no largest or smallest"),
    (lambda lib, x: lib.diff(x, -1), np.ones(3), "n of 0 or more"),
    (lambda lib, x: x.diff(), np.array(1.0), "0-d tensor"),
    (lambda lib, x: lib.trapezoid(x, x[:2]), np.ones(3), "3 points"),
    (lambda lib, x: lib.nanquantile(x, 2.0), np.ones(3), "between 0 and 1"),
    *(
        (lambda lib, x, name=name: getattr(lib, name)(x, 2), np.ones((2, 3)), rf"{name}\(\) .*axis 2")
        for name in sorted(ALONG_AN_AXIS)
    ),
    (lambda lib, x: lib.sum(x, (0, 0)), np.ones((2, 3)), "twice"),
    (lambda lib, x: lib.sum(x, 1.5), np.ones((2, 3)), "integer"),
    (lambda lib, x: lib.mean(x), np.ones(3, int), "needs floats"),
    (lambda lib, x: lib.nanmean(x), np.ones(3, int), "needs floats"),
    (lambda lib, x: lib.var(x), np.ones(3, int), "needs floats"),
    (lambda lib, x: lib.std(x, 0), np.ones(3, bool), "needs floats"),
    (lambda lib, x: lib.logcumsumexp(x, 0), np.ones(3, int), "needs floats"),
    (lambda lib, x: lib.norm(x), np.ones(3, int), "needs floats"),
    (lambda lib, x: lib.quantile(x, 0.5), np.ones(3, int), "needs floats"),
    (lambda lib, x: lib.quantile(x, 0.5), np.ones(3, np.float16), "float16"),
    (lambda lib, x: lib.quantile(x, 2.0), np.ones(3), "between 0 and 1"),
    (lambda lib, x: lib.quantile(x, x), np.ones((3, 1)), "1-D"),
    (lambda lib, x: lib.quantile(x, 0.5, interpolation="none"), np.ones(3), "linear, lower"),
    (lambda lib, x: lib.quantile(x, 0.5), np.ones(0), "no element"),
    (lambda lib, x: lib.quantile(x, lib.tensor(0.5)), np.ones(3), "float32 for a tensor of float64"),
    (lambda lib, x: lib.var(x, 0, unbiased=True, correction=1), np.ones(3), "both"),
    *(
        (lambda lib, x, name=name: getattr(lib, name)(x, 0), np.ones((0, 3)), "no largest or smallest element")
        for name in ["amax", "amin", "max", "min", "argmax", "argmin", "median", "nanmedian", "mode"]
    ),
    (lambda lib, x: lib.max(x), np.ones(0), "no largest or smallest element"),
    (lambda lib, x: lib.argmax(x), np.ones((0, 2)), "no largest or smallest element"),
    (lambda lib, x: lib.topk(x, 4), np.ones((2, 3)), "k=4, but axis -1 of a tensor of shape .2, 3. has 3"),
    (lambda lib, x: lib.kthvalue(x, 0), np.ones((2, 3)), "k can be 1 to 3"),
    (lambda lib, x: lib.cov(x), np.ones((2, 3, 4)), "at most 2 axes"),
    (lambda lib, x: lib.cov(x, fweights=lib.tensor([1, 2])), np.ones((2, 3)), "3 observations"),
    (lambda lib, x: lib.cov(x, fweights=lib.tensor([1.0, 2, 3])), np.ones((2, 3)), "integers as fweights"),
    (lambda lib, x: lib.cov(x, aweights=lib.tensor([1.0, -2, 3])), np.ones((2, 3)), "negative"),
    (lambda lib, x: lib.histc(x, 0), np.ones(3), "at least one bin"),
    (lambda lib, x: lib.histc(x, 3, 2, 1), np.ones(3), "min=2 and max=1"),
    (lambda lib, x: lib.histc(x, 3), np.array([1.0, INF]), "finite"),
    (lambda lib, x: lib.bincount(x), np.ones((2, 2), int), "1-D"),
    (lambda lib, x: lib.bincount(x), np.array([-1, 2]), "negative"),
    (lambda lib, x: lib.bincount(x), np.ones(3), "float64"),
    (lambda lib, x: lib.bincount(x, lib.tensor([1.0])), np.ones(3, int), "one for each"),
    (lambda lib, x: lib.bincount(x, minlength=-1), np.ones(3, int), "minlength"),
    (lambda lib, x: lib.dist(x, lib.tensor([1.0, 2.0])), np.ones(3), "do not broadcast in dist"),
    (lambda lib, x: lib.sum([1, 2]), np.ones(3), "works on a tensor, but got list"),
]


@pytest.mark.parametrize(("call", "array", "words"), REFUSED)
def test_refuses_what_pytorch_refuses(call: Any, array: Array, words: str) -> None:
    refuse(call, array)
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError), match=words):
        call(tinytorch, tinytorch.from_numpy(array))


@pytest.mark.parametrize("name", ["var", "std", "var_mean", "std_mean"])
def test_too_few_elements_for_a_variance_are_a_warning(name: str) -> None:
    for lib in (tinytorch, torch):
        with pytest.warns(UserWarning, match="degrees of freedom|divides by 1 elements less"):
            result = getattr(lib, name)(lib.ones(1, 3), 0)
        assert np.isnan((result[0] if isinstance(result, tuple) else result).numpy()).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda x: tinytorch.histc(x),
        lambda x: tinytorch.bincount(Tensor([0, 1, 1]).long(), x),
        lambda x: tinytorch.quantile(Tensor([0.0, 1.0]), x),
    ],
)
def test_what_has_no_gradient_says_so(call: Any) -> None:
    with pytest.raises(NotDifferentiableError):
        call(Tensor([0.1, 0.2, 0.3], requires_grad=True))


X = np.array([[3.0, 1.0, 2.0, 7.0], [5.0, 9.0, 4.0, -1.0]])
WITH_NAN = np.array([[3.0, np.nan, 2.0], [5.0, 9.0, 4.0]])
TWINS: list[tuple[Any, Array]] = [
    (lambda x: np.sum(x), X),
    (lambda x: np.sum(x, 1), X),
    (lambda x: np.sum(x, axis=(0, 1), keepdims=True), X),
    (lambda x: np.sum(x, axis=0, dtype=np.float64), X),
    (lambda x: np.mean(x), X),
    (lambda x: np.mean(x, axis=0, keepdims=True), X),
    (lambda x: np.prod(x), X),
    (lambda x: np.prod(x, axis=(0, 1)), X),
    (lambda x: np.prod(x, 1, keepdims=True), X),
    (lambda x: np.max(x, axis=1), X),
    (lambda x: np.amax(x), X),
    (lambda x: np.min(x, axis=(0, 1), keepdims=True), X),
    (lambda x: np.amin(x, 0), X),
    (lambda x: np.var(x), X),
    (lambda x: np.var(x, axis=1, ddof=1, keepdims=True), X),
    (lambda x: np.var(x, axis=1, correction=1), X),
    (lambda x: np.std(x, 0), X),
    (lambda x: np.std(x, axis=1, ddof=2), X),
    (lambda x: np.cumsum(x), X),
    (lambda x: np.cumsum(x, axis=1), X),
    (lambda x: np.cumprod(x, 0), X),
    (lambda x: np.cumprod(x), X),
    (lambda x: np.sort(x), X),
    (lambda x: np.sort(x, axis=0), X),
    (lambda x: np.sort(x, axis=None), X),
    (lambda x: np.median(x), X),
    (lambda x: np.median(x, axis=1, keepdims=True), X),
    (lambda x: np.quantile(x, 0.3, axis=1), X),
    (lambda x: np.quantile(x, [0.3, 0.9], method="midpoint"), X),
    (lambda x: np.nansum(x, axis=1), WITH_NAN),
    (lambda x: np.nanmean(x, axis=1), WITH_NAN),
]
INDEX_TWINS: list[Any] = [
    lambda x: np.argmax(x),
    lambda x: np.argmax(x, axis=1),
    lambda x: np.argmin(x, 0, keepdims=True),
    lambda x: np.argsort(x),
    lambda x: np.argsort(x, axis=None),
    lambda x: np.any(x),
    lambda x: np.any(x > 4, axis=1, keepdims=True),
    lambda x: np.all(x > 0, axis=0),
    lambda x: np.count_nonzero(x > 2, axis=1),
]


@pytest.mark.parametrize(("call", "array"), TWINS)
def test_numpy_functions_answer_with_tensors_that_keep_their_gradients(call: Any, array: Array) -> None:
    result, expected = call(tinytorch.from_numpy(array.copy()).requires_grad_()), call(array)
    assert isinstance(result, Tensor)
    assert result.requires_grad
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(result.detach().numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("call", INDEX_TWINS)
def test_numpy_functions_of_places_and_truths_answer_with_tensors(call: Any) -> None:
    result, expected = call(tinytorch.from_numpy(X.copy()).requires_grad_()), call(X)
    assert isinstance(result, Tensor)
    assert not result.requires_grad
    assert result.dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(result.numpy(), expected)


def test_what_a_numpy_function_cannot_take_is_named() -> None:
    with pytest.raises(TypeError, match=r"np.sum\(\) of a tensor does not take where"):
        np.sum(tinytorch.ones(2), where=np.array([True, False]))
    with pytest.raises(ValueError, match="reduces nothing"):
        np.sum(tinytorch.ones(2), axis=())


def test_topk_of_equal_elements_takes_the_first() -> None:
    indices = tinytorch.topk(tinytorch.ones(40), 3).indices
    assert indices.tolist() == sorted(indices.tolist())
