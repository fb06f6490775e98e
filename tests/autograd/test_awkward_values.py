"""Infinities, nan, the ends of float32, empty tensors and single numbers: values and gradients, beside PyTorch's.

Every operation gets an array of awkward numbers by itself and among ordinary ones; its gradients start from ones.
Both libraries have to come to the same, nan and signs of infinities included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import tinytorch
import tinytorch.linalg
import tinytorch.nn.functional

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")

Array = np.ndarray[Any, Any]
Call = Callable[..., Any]
INF, NAN = math.inf, math.nan
LONE = [INF, -INF, NAN, 1e30, -1e30, 1e-40, -1e-40, 0.0, -0.0]
ROWS = [[1.0, value, -2.0, 0.5] for value in LONE]
ROWS += [
    [INF, INF, 1.0, 0.0],
    [-INF, -INF, 1.0, 0.0],
    [INF, -INF, 1.0, 0.0],
    [NAN, INF, 1.0, 0.0],
    [-INF] * 4,
    [NAN] * 4,
]
BESIDE = [1.0, 0.5, -2.0, 0.0]
ROWS += [[1e30, 1e30, -1e30, 1e-40], [INF] * 4, [0.0] * 4, [1e-40] * 4, [3e38, 3e38, 1.0, -3e38]]


def flat(result: Any) -> Iterator[Any]:
    if isinstance(result, tuple | list):
        for part in result:
            yield from flat(part)
    else:
        yield result


def outcome(lib: Any, call: Call, arrays: Sequence[Array]) -> list[Array] | str:
    """Return the results of a call and the gradients at the float inputs; or that it is refused."""
    inputs = [lib.from_numpy(a.copy()) for a in arrays]
    ends = [t.requires_grad_() for t, a in zip(inputs, arrays, strict=True) if a.dtype.kind == "f"]
    try:
        results = list(flat(call(lib, *inputs)))
    except (RuntimeError, ValueError, IndexError, TypeError):
        return "refused"
    starts = [t for t in results if t.requires_grad]
    grads = lib.autograd.grad(starts, ends, [lib.ones_like(t) for t in starts], allow_unused=True) if starts else []
    found = [lib.zeros_like(t) if g is None else g for t, g in zip(ends, grads, strict=False)]
    return [np.array(t.detach().numpy()) for t in [*results, *found]]


def compare(call: Call, *arrays: Any, rtol: float = 2e-5, atol: float = 0.0) -> None:
    """Assert that both libraries agree, in float32."""
    given = [np.asarray(a, "float32") if np.asarray(a).dtype.kind == "f" else np.asarray(a) for a in arrays]
    with np.errstate(all="ignore"):  # NumPy says where a result leaves the numbers, PyTorch does not
        ours, theirs = outcome(tinytorch, call, given), outcome(torch, call, given)
    assert (ours == "refused") == (theirs == "refused"), f"{given}: {ours} and {theirs}"
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if theirs != "refused":
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=f"number {i} for {given}")


# Where the two differ on purpose, and how.


def nan(x: Array, *others: Array) -> bool:
    return bool(np.isnan(x).any())


def infinite(x: Array, *others: Array) -> bool:
    return bool(np.isinf(x).any())


def huge(x: Array, *others: Array) -> bool:
    return bool((np.abs(x) > 1e19).any())


DIFFERS: dict[str, Callable[..., bool]] = {
    # Where the input is nan, so is the slope; PyTorch's sign makes it 0.
    **dict.fromkeys(("abs", "l1", "norm 1", "norm inf", "norm -inf"), nan),
    # Of several nan each gets its share; PyTorch makes the whole gradient nan.
    **dict.fromkeys(("amax", "amin"), nan),
    # The slope is known at infinity, where PyTorch's formula is infinity less infinity.
    "gelu": infinite,
    "gelu tanh": huge,
    "softsign": infinite,
    "copysign": infinite,
    "bce with logits": lambda x, y: bool((x == -INF).any()),
    # Slopes too large for float32 are infinite; in PyTorch a square on the way becomes 0 before.
    "atan2": lambda x, y: bool((np.hypot(x, y) < 1e-30).any()),
    # The power of minus infinity, and of minus zero, by half has no slope worth an agreement.
    "x**0.5": lambda x: bool((np.signbit(x) & ((x == 0) | np.isinf(x))).any()),
    "norm 0.5": lambda x: huge(x) and bool((np.abs(x) < 1e-30).any()),
    # Sums of squares that leave float32: neither library says anything of use.
    **dict.fromkeys(("norm 3", "layer_norm", "rms_norm"), huge),
    # PyTorch adds up in float64 along one axis, and in float32 over all.
    "std": lambda x: bool((np.abs(x) > 1e38).any()),
    "cumsum": lambda x: bool((np.abs(x) > 1e38).any()),
    # An infinity times a later 0 is nan, in every product that it is part of.
    "cumprod": lambda x: infinite(x) and bool((x == 0).any()),
    # Which of equal values are the largest is not said.
    "topk": lambda x: len(set(np.ravel(x).tolist())) < x.size or bool(np.isnan(x).all()),
}


def check(name: str, call: Call, *arrays: Any, atol: float) -> None:
    """Compare, unless the two differ there on purpose."""
    if not differs(name, *arrays):
        compare(call, *arrays, atol=atol)


def differs(name: str, *arrays: Any) -> bool:
    return name in DIFFERS and DIFFERS[name](*(np.asarray(a, "float32") for a in arrays))


# Elementwise

UNARY = [
    *("abs", "neg", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "square"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc"),
    *("sign", "floor", "ceil", "round", "trunc", "frac", "sigmoid", "relu", "nan_to_num", "erfinv", "sinc", "clone"),
    *("isnan", "isinf", "isfinite", "signbit", "logit"),
]
ACTIVATIONS = [
    *("gelu", "silu", "softplus", "logsigmoid", "elu", "selu", "celu", "leaky_relu", "hardtanh", "relu6", "mish"),
    *("hardsigmoid", "hardswish", "softsign", "tanhshrink", "hardshrink", "softshrink"),
]
BINARY: dict[str, Call] = {
    "+": lambda lib, a, b: a + b,
    "-": lambda lib, a, b: a - b,
    "*": lambda lib, a, b: a * b,
    "/": lambda lib, a, b: a / b,
    "**": lambda lib, a, b: a**b,
    **{
        name: lambda lib, a, b, name=name: getattr(lib, name)(a, b)
        for name in ("maximum", "minimum", "fmax", "fmin", "atan2", "hypot", "logaddexp", "xlogy", "copysign")
    },
    "remainder": lambda lib, a, b: lib.remainder(a, b),
    "fmod": lambda lib, a, b: lib.fmod(a, b),
    "compare": lambda lib, a, b: [a < b, a <= b, a == b, a != b],
    "where": lambda lib, a, b: lib.where(a > b, a, b),
    "lerp": lambda lib, a, b: lib.lerp(a, b, 0.25),
    "clamp": lambda lib, a, b: lib.clamp(a, b, b + 1),
}
OF_ONE: dict[str, Call] = {
    **{name: lambda lib, x, name=name: getattr(lib, name)(x) for name in UNARY},
    **{name: lambda lib, x, name=name: getattr(lib.nn.functional, name)(x) for name in ACTIVATIONS},
    "gelu tanh": lambda lib, x: lib.nn.functional.gelu(x, approximate="tanh"),
    "clamp": lambda lib, x: lib.clamp(x, -1, 1),
    "x**2": lambda lib, x: x**2,
    "x**3": lambda lib, x: x**3,
    "x**0": lambda lib, x: x**0,
    "x**0.5": lambda lib, x: x**0.5,
    "x**-1": lambda lib, x: x**-1,
    "2**x": lambda lib, x: 2**x,
    "1/x": lambda lib, x: 1 / x,
    "x*0": lambda lib, x: x * 0,
}


@pytest.mark.parametrize("name", OF_ONE)
def test_one_input(name: str) -> None:
    for value in LONE:
        check(name, OF_ONE[name], [value, 1.0], atol=1e-29)


@pytest.mark.parametrize("name", BINARY)
def test_two_inputs(name: str) -> None:
    values = [*LONE, 1.0, -2.0]
    for a in values:
        for b in values:
            check(name, BINARY[name], [a], [b], atol=1e-29)


# Reductions and the families around softmax

REDUCTIONS: dict[str, Call] = {
    **{
        name: lambda lib, x, name=name: [getattr(x, name)(), getattr(x, name)(-1)]
        for name in ("sum", "mean", "prod", "var", "std", "nansum")
    },
    "amax": lambda lib, x: x.amax(-1),
    "amin": lambda lib, x: x.amin(-1),
    "max": lambda lib, x: [*x.max(-1)],
    "min": lambda lib, x: [*x.min(-1)],
    "argmax": lambda lib, x: [x.argmax(), x.argmin(-1)],
    "logsumexp": lambda lib, x: x.logsumexp(-1),
    "any": lambda lib, x: [x.any(), x.all(), x.any(-1), x.all(-1)],
    "cumsum": lambda lib, x: x.cumsum(-1),
    "cumprod": lambda lib, x: x.cumprod(-1),
    "logcumsumexp": lambda lib, x: x.logcumsumexp(-1),
    "sort": lambda lib, x: x.sort(dim=-1, stable=True)[0],
    "topk": lambda lib, x: x.topk(2, -1)[0],
    "median": lambda lib, x: x.median(-1)[0],
    "softmax": lambda lib, x: lib.nn.functional.softmax(x, dim=-1),
    "log_softmax": lambda lib, x: lib.nn.functional.log_softmax(x, dim=-1),
    "softmin": lambda lib, x: lib.nn.functional.softmin(x, dim=-1),
    **{f"norm {p}": lambda lib, x, p=p: lib.linalg.vector_norm(x, p, -1) for p in (0, 1, 2, 3, 0.5, -1, INF, -INF)},
    "norm": lambda lib, x: x.norm(),
    "normalize": lambda lib, x: lib.nn.functional.normalize(x, dim=-1),
    "layer_norm": lambda lib, x: lib.nn.functional.layer_norm(x, (x.shape[-1],)),
    "rms_norm": lambda lib, x: lib.nn.functional.rms_norm(x, (x.shape[-1],)),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str) -> None:
    for row in ROWS:
        check(name, REDUCTIONS[name], [row], atol=1e-38)


# Losses

LOSSES: dict[str, Call] = {
    "mse": lambda lib, a, b: lib.nn.functional.mse_loss(a, b, reduction="none"),
    "l1": lambda lib, a, b: lib.nn.functional.l1_loss(a, b, reduction="none"),
    "smooth_l1": lambda lib, a, b: lib.nn.functional.smooth_l1_loss(a, b, reduction="none"),
    "huber": lambda lib, a, b: lib.nn.functional.huber_loss(a, b, reduction="none"),
    "bce with logits": lambda lib, a, b: lib.nn.functional.binary_cross_entropy_with_logits(
        a, b.detach().sigmoid(), reduction="none"
    ),
    "cross-entropy": lambda lib, a, b: lib.nn.functional.cross_entropy(a[None], lib.tensor([1])),
    "cross-entropy, smoothed": lambda lib, a, b: lib.nn.functional.cross_entropy(
        a[None], lib.tensor([1]), label_smoothing=0.1
    ),
    "nll": lambda lib, a, b: lib.nn.functional.nll_loss(a[None], lib.tensor([1])),
    "cosine": lambda lib, a, b: lib.nn.functional.cosine_similarity(a, b, dim=0),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    for row in ROWS:
        check(name, LOSSES[name], row, BESIDE, atol=1e-6)


# Products and picking

PICKING: dict[str, Call] = {
    "dot": lambda lib, a, b: a @ b,
    "outer": lambda lib, a, b: lib.outer(a, b),
    "matmul": lambda lib, a, b: lib.stack([a, b]) @ lib.stack([b, a]).T,
    "linear": lambda lib, a, b: lib.nn.functional.linear(a[None], b[None]),
    "einsum": lambda lib, a, b: lib.einsum("i,i->i", a, b),
    "index": lambda lib, a, b: a[lib.tensor([1, 1, 0])] * b[1:],
    "gather": lambda lib, a, b: a.gather(0, lib.tensor([1, 1])),
    "mask": lambda lib, a, b: a[a == a],
    "masked_fill": lambda lib, a, b: a.masked_fill(a != a, 0.0),
    "where": lambda lib, a, b: lib.where(a == a, a, b),
    "cat": lambda lib, a, b: lib.cat([a, b]),
    "scatter_add": lambda lib, a, b: a.scatter_add(0, lib.tensor([1, 1, 0, 0]), b),
    "tril": lambda lib, a, b: a.reshape(2, 2).tril(),
    "dropout": lambda lib, a, b: lib.nn.functional.dropout(a, 0.0),
    "attention": lambda lib, a, b: lib.nn.functional.scaled_dot_product_attention(
        a.reshape(2, 2), b.reshape(2, 2), b.reshape(2, 2)
    ),
}


@pytest.mark.parametrize("name", PICKING)
def test_products_and_picking(name: str) -> None:
    for row in ROWS:
        check(name, PICKING[name], row, BESIDE, atol=1e-38)


@pytest.mark.parametrize("name", DIFFERS)
def test_every_difference_is_one(name: str) -> None:
    """What the list of differences lets pass would not agree."""
    given: dict[str, list[tuple[Call, list[Any]]]] = {
        **{n: [(c, [[value, 1.0]]) for value in LONE] for n, c in OF_ONE.items()},
        **{n: [(c, [[a], [b]]) for a in [*LONE, 1.0] for b in [*LONE, 1.0]] for n, c in BINARY.items()},
        **{n: [(c, [[row]]) for row in ROWS] for n, c in REDUCTIONS.items()},
        **{n: [(c, [row, BESIDE]) for row in ROWS] for n, c in LOSSES.items()},
    }
    excepted = [(call, arrays) for call, arrays in given[name] if differs(name, *arrays)]
    assert not all(agrees(call, arrays) for call, arrays in excepted)


def agrees(call: Call, arrays: Sequence[Any]) -> bool:
    try:
        compare(call, *arrays, atol=1e-29)
    except AssertionError:
        return False
    return True


# Nothing at all, and one number

EMPTY: list[tuple[int, ...]] = [(0,), (0, 3), (3, 0), (0, 0), (2, 0, 3)]
DIMS: list[Any] = ["all", 0, -1]
AROUND = [
    *("sum", "mean", "prod", "var", "std", "amax", "amin", "max", "min", "argmax", "argmin", "logsumexp", "any", "all"),
    *("cumsum", "cumprod", "sort", "median", "nansum", "softmax", "log_softmax", "argsort", "cummax"),
    *("logcumsumexp", "count_nonzero", "unbind", "nanmean", "nanmedian", "diff", "flip"),
]


def reduced(name: str, dim: Any) -> Call:
    return lambda lib, x: list(flat(getattr(x, name)() if dim == "all" else getattr(x, name)(dim)))


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")  # as NumPy's mean, and so the lesson's, says
@pytest.mark.filterwarnings("ignore:.*(degrees of freedom is <= 0|less the correction):UserWarning")
@pytest.mark.parametrize("name", AROUND)
@pytest.mark.parametrize("shape", [*EMPTY, (), (1,)], ids=str)
@pytest.mark.parametrize("dim", DIMS)
def test_empty_tensors_and_single_numbers(name: str, shape: tuple[int, ...], dim: Any) -> None:
    compare(reduced(name, dim), np.full(shape, 0.75))


@pytest.mark.parametrize("name", OF_ONE)
def test_every_function_of_one_takes_them(name: str) -> None:
    for shape in (*EMPTY, ()):
        compare(OF_ONE[name], np.full(shape, 0.75))


@pytest.mark.parametrize("name", BINARY)
def test_every_function_of_two_takes_them(name: str) -> None:
    for a, b in [((0,), (1,)), ((0, 3), (3,)), ((), ()), ((), (0,)), ((2, 0), (1, 1)), ((0,), (2,)), ((), (3,))]:
        compare(BINARY[name], np.full(a, 0.75), np.full(b, 0.5))


WHOLE: dict[str, tuple[Call, list[tuple[int, ...]]]] = {
    "matmul": (lambda lib, a, b: a @ b, [(2, 0), (0, 3)]),
    "matmul of no rows": (lambda lib, a, b: a @ b, [(0, 2), (2, 3)]),
    "matmul of no stacks": (lambda lib, a, b: a @ b, [(0, 2, 4), (4, 3)]),
    "dot": (lambda lib, a, b: a @ b, [(0,), (0,)]),
    "linear": (lambda lib, x, w: lib.nn.functional.linear(x, w), [(0, 3), (2, 3)]),
    "einsum": (lambda lib, a, b: lib.einsum("ij,jk->ik", a, b), [(2, 0), (0, 3)]),
    "cat": (lambda lib, a, b: lib.cat([a, b]), [(0, 3), (2, 3)]),
    "stack": (lambda lib, a, b: lib.stack([a, b]), [(0,), (0,)]),
    "index": (lambda lib, a: a[lib.tensor([], dtype=lib.int64)], [(3, 2)]),
    "mask": (lambda lib, a: a[a > 9], [(3, 2)]),
    "slice": (lambda lib, a: a[5:], [(3, 2)]),
    "mse": (lambda lib, a, b: lib.nn.functional.mse_loss(a, b, reduction="sum"), [(0, 2), (0, 2)]),
    "mse mean": (lambda lib, a, b: lib.nn.functional.mse_loss(a, b), [(0, 2), (0, 2)]),
    "l1 mean": (lambda lib, a, b: lib.nn.functional.l1_loss(a, b), [(0, 2), (0, 2)]),
    "huber mean": (lambda lib, a, b: lib.nn.functional.huber_loss(a, b), [(0, 2), (0, 2)]),
    "cross-entropy": (lambda lib, a: lib.nn.functional.cross_entropy(a, lib.tensor([], dtype=lib.int64)), [(0, 3)]),
    "layer_norm": (lambda lib, a: lib.nn.functional.layer_norm(a, (3,)), [(0, 3)]),
    "transpose": (lambda lib, a: a.transpose(0, 1).reshape(-1), [(0, 3)]),
    "pad": (lambda lib, a: lib.nn.functional.pad(a, (1, 1)), [(2, 0)]),
    "repeat": (lambda lib, a: a.repeat(2, 0), [(2, 3)]),
    "gather": (lambda lib, a: a.gather(0, lib.zeros((0, 3), dtype=lib.int64)), [(2, 3)]),
    "split": (lambda lib, a: a.split(2), [(0, 3)]),
    "det": (lambda lib, a: lib.linalg.det(a), [(0, 0)]),
    "inv": (lambda lib, a: lib.linalg.inv(a), [(0, 0)]),
    "trace": (lambda lib, a: a.trace(), [(0, 0)]),
    "embedding": (lambda lib, w: lib.nn.functional.embedding(lib.tensor([], dtype=lib.int64), w), [(4, 2)]),
    "attention": (lambda lib, q, k: lib.nn.functional.scaled_dot_product_attention(q, k, k), [(0, 2), (3, 2)]),
    "expand": (lambda lib, a: a.expand(0, 3), [(1, 3)]),
    "norm": (lambda lib, a: lib.linalg.vector_norm(a), [(0,)]),
    "cosine": (lambda lib, a, b: lib.nn.functional.cosine_similarity(a, b, dim=-1), [(0, 3), (0, 3)]),
}


@pytest.mark.parametrize("name", WHOLE)
def test_other_operations_on_nothing(name: str) -> None:
    call, shapes = WHOLE[name]
    compare(call, *(np.full(shape, 0.75) for shape in shapes))
