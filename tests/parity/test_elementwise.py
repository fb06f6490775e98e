"""Functions of one element at a time: values, dtypes, both orders of gradients, and what is refused."""

from __future__ import annotations

import doctest
import math
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinytorch
import tinytorch.ops
from tinytorch import Tensor
from tinytorch.core.autograd import NotDifferentiableError
from tinytorch.ops import activations, elementwise

from .harness import Array, Call, Case, compare, numbers, refuse, torch

INF, NAN = math.inf, math.nan
SHAPES = [(), (3,), (1,), (2, 3), (0, 2), (2, 1, 4)]
PAIRS = [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 2)), ((1,), (1,)), ((0, 2), (1, 2)), ((), ())]
SPECIAL = np.array([-INF, -1e4, -3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0, 1e4, INF, NAN])
FLOATS = ["float64", "float32"]


def in_both_forms(name: str, *args: Any, **kwargs: Any) -> Call:
    """Return a call of the function and of the method of that name on every input."""
    return lambda lib, *xs: [
        y for x in xs for y in (getattr(lib, name)(x, *args, **kwargs), getattr(x, name)(*args, **kwargs))
    ]


def on_pairs(name: str, **kwargs: Any) -> Call:
    """Return a call of the function and of the method of that name on every two inputs that follow one another."""

    def call(lib: Any, *xs: Any) -> list[Any]:
        pairs = list(zip(xs[::2], xs[1::2], strict=True))
        functions = [getattr(lib, name)(a, b, **kwargs) for a, b in pairs]
        return functions + [getattr(a, name)(b, **kwargs) for a, b in pairs]

    return call


def paired(low: float = -3.0, high: float = 3.0) -> Callable[[np.random.Generator], list[Array]]:
    """Return a maker of all pairs of shapes."""
    return numbers(*(shape for pair in PAIRS for shape in pair), low=low, high=high)


def given(*values: Any) -> Callable[[np.random.Generator], list[Array]]:
    """Return a maker of these arrays."""
    return lambda rng: [np.array(value, float) for value in values]


def apart(rng: np.random.Generator) -> list[Array]:
    """Return pairs of numerators and divisors that leave a remainder far from both ends."""
    arrays = []
    for a, b in PAIRS:
        divisor, whole = rng.uniform(1, 3, b) * rng.choice([-1, 1], b), rng.integers(-4, 5, a)
        shape = np.broadcast_shapes(a, b)
        if a == shape:
            arrays += [np.asarray((whole + rng.uniform(0.2, 0.8, a)) * divisor), np.asarray(divisor)]
        else:
            arrays += [np.asarray(rng.uniform(0.2, 0.8, a)), np.asarray(np.copysign(rng.uniform(1, 3, b), divisor))]
    return arrays


def squared(call: Call) -> Call:
    """Return a call whose results are squared, so that the gradient of what goes in straight lines has one too."""

    def squares(lib: Any, *xs: Any) -> list[Any]:
        results = call(lib, *xs)
        return [y * y for y in (results if isinstance(results, list) else [results])]

    return squares


STRAIGHT = {"neg", "negative", "positive", "abs", "absolute", "sign", "floor", "ceil", "round", "trunc", "fix"}
STRAIGHT |= {"frac", "nan_to_num", "relu", "maximum", "minimum", "fmax", "fmin", "add", "sub", "subtract"}
STRAIGHT |= {
    "hardshrink",
    "softshrink",
    "deg2rad",
    "rad2deg",
    "copysign",
    "remainder",
    "fmod",
    "leaky_relu",
    "hardtanh",
    "relu6",
    "hardsigmoid",
    "threshold",
}


def bent(name: str, call: Call) -> Call:
    """Return a call whose results bend everywhere."""
    return squared(call) if name in STRAIGHT else call


def activation(lib: Any, name: str) -> Callable[..., Any]:
    """Return the function of that name."""
    found: Callable[..., Any] = getattr(lib.nn.functional, name)
    return found


# One input: between which bounds it is asked for.
UNARY = {
    **dict.fromkeys(["sin", "cos", "atan", "sinh", "cosh", "asinh", "tanh", "sigmoid", "relu"], (-3.0, 3.0)),
    **dict.fromkeys(["arctan", "arcsinh"], (-3.0, 3.0)),
    **dict.fromkeys(["tan"], (-1.0, 1.0)),
    **dict.fromkeys(["asin", "acos", "atanh", "arcsin", "arccos", "arctanh"], (-0.9, 0.9)),
    **dict.fromkeys(["acosh", "arccosh"], (1.2, 4.0)),
    **dict.fromkeys(["erf", "erfc", "exp", "exp2", "expm1", "square", "neg", "negative", "positive"], (-3.0, 3.0)),
    **dict.fromkeys(["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal"], (0.5, 3.0)),
    **dict.fromkeys(["abs", "absolute", "sign", "floor", "ceil", "round", "trunc", "fix", "frac"], (-3.0, 3.0)),
    **dict.fromkeys(["nan_to_num", "deg2rad", "rad2deg", "sinc"], (-3.0, 3.0)),
    "erfinv": (-0.95, 0.95),
    "logit": (0.05, 0.95),
}
PAIRWISE = {
    **dict.fromkeys(["atan2", "arctan2", "hypot", "maximum", "minimum", "fmax", "fmin"], (-3.0, 3.0)),
    **dict.fromkeys(["add", "sub", "mul", "subtract", "multiply"], (-3.0, 3.0)),
    **dict.fromkeys(["logaddexp", "logaddexp2", "copysign"], (-3.0, 3.0)),
    **dict.fromkeys(["xlogy", "float_power"], (0.5, 3.0)),
    **dict.fromkeys(["pow", "div", "divide", "true_divide"], (0.5, 3.0)),
}
COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"]
COMPARISONS += ["not_equal", "less", "less_equal", "greater", "greater_equal", "isclose"]

CASES = [
    *(
        Case(name, bent(name, in_both_forms(name)), numbers(*SHAPES, low=low, high=high))
        for name, (low, high) in UNARY.items()
    ),
    *(Case(name, bent(name, on_pairs(name)), paired(low, high)) for name, (low, high) in PAIRWISE.items()),
    *(Case(name, bent(name, on_pairs(name)), apart) for name in ("remainder", "fmod")),
    *(
        Case(f"div {mode}", on_pairs("div", rounding_mode=mode), apart if mode else paired(0.5), second=mode is None)
        for mode in ("floor", "trunc", None)
    ),
    *(Case(name, on_pairs(name), paired()) for name in COMPARISONS),
    *(Case(name, on_pairs(name), paired()) for name in ("logical_and", "logical_or", "logical_xor")),
    *(Case(name, in_both_forms(name), numbers(*SHAPES)) for name in ("isnan", "isinf", "isfinite", "logical_not")),
    *(Case(name, in_both_forms(name), given(SPECIAL)) for name in ("isposinf", "isneginf", "signbit")),
    *(Case(f"round to {n}", in_both_forms("round", decimals=n), numbers((40,), low=-99, high=99)) for n in (-1, 0, 2)),
    *(Case(f"logit {eps}", in_both_forms("logit", eps), given(np.linspace(-0.2, 1.2, 14))) for eps in (0.0, 0.1)),
    Case("logit at the ends", in_both_forms("logit"), given([-1, -0.0, 0.0, 0.5, 1, 2, NAN]), second=False),
    Case("sinc at 0", in_both_forms("sinc"), given([0.0, -0.0, 0.02, 0.09, 0.1, 1.0]), second=False),
    Case("xlogy at 0", on_pairs("xlogy"), given([0, 0, 0, 0, 2], [0, -1, NAN, 3, 0]), second=False),
    Case("xlogy of numbers", lambda lib, x: [lib.xlogy(2, x), lib.xlogy(x, 2.0), x.xlogy(3)], numbers((4,), low=0.1)),
    Case("float_power of numbers", lambda lib, x: [lib.float_power(2, x), x.float_power(2)], numbers((4,), low=0.1)),
    Case("copysign of 0", on_pairs("copysign"), given([0.0, -0.0, 2, -2], [1, -1, -0.0, 0.0]), second=False),
    Case("copysign of a number", lambda lib, x: squared(lambda lib, x: x.copysign(-1))(lib, x), numbers((4,))),
    *(
        Case(
            name, on_pairs(name), given([INF, -INF, INF, 1, -INF, NAN, 800], [INF, -INF, 2, INF, 1, 1, -800]), (), False
        )
        for name in ("logaddexp", "logaddexp2")
    ),
    Case("ldexp", lambda lib, x: [lib.ldexp(x, lib.tensor([1, 0, 3])), x.ldexp(x)], numbers((3,))),
    Case("%", squared(lambda lib, a, b: [a % b, a % 2.5, +a]), lambda rng: apart(rng)[:2]),
    Case(
        "numbers",
        lambda lib, x: [
            lib.pow(x, 2),
            lib.pow(2, x),
            x.pow(-1.5),
            lib.add(2, x),
            lib.add(x, 2, alpha=3),
            lib.sub(2, x),
            x.sub(2, alpha=0.5),
            lib.mul(2, x),
            lib.div(2, x),
            x.div(4),
            lib.div(x, 0.7, rounding_mode="floor"),
            x.fmod(2),
            lib.remainder(x, 0.7),
            lib.true_divide(x, 3),
        ],
        numbers((2, 3), low=0.5),
    ),
    Case(
        "alpha",
        squared(
            lambda lib, a, b: [
                lib.add(a, b, alpha=2.5),
                a.add(b, alpha=-1),
                lib.sub(a, b, alpha=3),
                a.sub(b, alpha=0.5),
                lib.add(2, b, alpha=3),
                lib.sub(2, b, alpha=3),
            ]
        ),
        numbers((2, 3), (3,)),
    ),
    Case(
        "clamp",
        squared(
            lambda lib, x: [
                lib.clamp(x, -1, 1),
                x.clamp(min=0.5),
                lib.clip(x, max=0.5),
                x.clip(-1, 1),
                lib.clamp_min(x, 0.5),
                x.clamp_max(0.5),
                x.clamp(1, -1),
            ]
        ),
        numbers((4, 5)),
    ),
    Case(
        "clamp between tensors",
        squared(
            lambda lib, x, a, b: [
                lib.clamp(x, a, b),
                x.clamp(min=a),
                x.clip(max=b),
                lib.clip(x, b, a),
                x.clamp_min(a),
                lib.clamp_max(x, b),
                x.clamp(a, None),
            ]
        ),
        numbers((2, 3), (3,), (2, 1)),
    ),
    Case(
        "clamp on the bounds",
        squared(lambda lib, x, a, b: [lib.clamp(x, a, b), x.clamp(min=a), x.clamp(max=b)]),
        given([1, 2, 3, NAN, 5, 0, 1], [1, 3, 1, 0, 6, NAN, 1], [2, 4, 3, 1, 5, 1, NAN]),
    ),
    Case(
        "clamp numbers on the bounds",
        squared(lambda lib, x: [x.clamp(1, 3), lib.clamp(x, min=1), lib.clip(x, max=3)]),
        given([1, 2, 3, NAN, 0, INF]),
    ),
    Case(
        "ties",
        squared(lambda lib, a, b: [f(a, b) for f in (lib.maximum, lib.minimum, lib.fmax, lib.fmin)]),
        given([1, NAN, 2, NAN, 0, INF, INF, 0], [1, 2, NAN, NAN, 0, INF, 1, -0.0]),
    ),
    Case("maximum of itself", squared(lambda lib, x: [lib.maximum(x, x), x.minimum(x), lib.max(x, x)]), numbers((3,))),
    Case(
        "atan2 anywhere",
        lambda lib, a, b: lib.atan2(a, b),
        given([1, NAN, 2, 0, INF, INF, 0, -0.0, -1, 1e-9], [1, 2, NAN, 0, INF, 1, -0.0, -1, 0, 1e9]),
        second=False,
    ),
    Case(
        "remainders anywhere",
        lambda lib, a, b: [lib.remainder(a, b), lib.fmod(a, b)],
        given([5.5, 1, -1, 0, -5.5, NAN], [-2, INF, INF, 3, -2, 1]),
        second=False,
    ),
    Case(
        "div rounded anywhere",
        lambda lib, a, b: [lib.div(a, b, rounding_mode=m) for m in ("floor", "trunc")],
        given([1, 1, -1, 0, -5.5, NAN, 1], [0.1, INF, INF, 3, -2, 1, 0.3]),
    ),
    Case(
        "where",
        squared(
            lambda lib, x, y: [
                lib.where(x > 0, x, y),
                x.where(y > 0, y),
                lib.where(x > 0, x, 2.0),
                lib.where(x > 0, 1, y),
                x.where(x > 0, 0),
                lib.where((x > y).any(), x, y),
            ]
        ),
        numbers((2, 3), (3,)),
    ),
    Case(
        "where of numbers",
        lambda lib, x: [lib.where(x > 0, 1, 2), lib.where(x > 0, 1.0, 2), lib.where(x > 0, True, 2), *lib.where(x > 0)],
        numbers((2, 3)),
    ),
    Case("where does not mix", lambda lib, x: lib.where(x > 0, lib.sqrt(x.clamp(min=0.1)), x * 2), numbers((5,))),
    Case(
        "nan_to_num anywhere",
        lambda lib, x: [
            lib.nan_to_num(x),
            x.nan_to_num(1.0, 2.0, 3.0),
            lib.nan_to_num(x, posinf=7.0),
            lib.nan_to_num(x, None, neginf=-7.0),
        ],
        given(SPECIAL),
        second=False,
    ),
    *(
        Case(f"lerp {w}", lambda lib, a, b, w=w: [lib.lerp(a, b, w), a.lerp(b, w)], numbers((2, 3), (3,)))
        for w in (0.2, 0.5, 1, 0, 1.7, -0.7)
    ),
    Case("lerp by a tensor", lambda lib, a, b, w: [lib.lerp(a, b, w), a.lerp(b, w)], numbers((2, 3), (3,), (2, 1))),
    Case(
        "addcmul",
        lambda lib, a, b, c: [lib.addcmul(a, b, c), a.addcmul(b, c, value=0.5), lib.addcmul(a, b, c, value=2)],
        numbers((2, 3), (3,), (2, 1)),
    ),
    Case(
        "addcdiv",
        lambda lib, a, b, c: [lib.addcdiv(a, b, c), a.addcdiv(b, c, value=-0.5)],
        numbers((2, 3), (3,), (2, 1), low=0.5),
    ),
    Case(
        "masks",
        lambda lib, x: [(x > 0) & (x < 1), (x > 0) | (x < -1), (x > 0) ^ (x < 1), ~(x > 0), (x > 0) & True],
        numbers((4, 5)),
    ),
    Case("sgn", lambda lib, x: [lib.sgn(x) + x, x.sgn() + x], given(SPECIAL), second=False),
    Case(
        "isclose",
        lambda lib, a, b: [
            lib.isclose(a, b),
            a.isclose(b, rtol=0.5),
            lib.isclose(a, b, 0.0, 0.5),
            lib.isclose(a, b, equal_nan=True),
        ],
        given([1, 1, 2, NAN, INF, -INF, 1, 0], [1, 1 + 1e-7, 2.4, NAN, INF, INF, INF, 1e-9]),
    ),
]

ACTIVATIONS: dict[str, list[dict[str, Any]]] = {
    "hardshrink": [{}, {"lambd": 1.5}, {"lambd": 0}],
    "softshrink": [{}, {"lambd": 1.5}, {"lambd": 0}],
    "tanhshrink": [{}],
    "softplus": [{}, {"beta": 2}, {"beta": 3.0, "threshold": 4}],
    "silu": [{}],
    "leaky_relu": [{}, {"negative_slope": 0.3}],
    "elu": [{}, {"alpha": 2.5}, {"alpha": -1.5}],
    "selu": [{}],
    "celu": [{}, {"alpha": 0.5}, {"alpha": -1.5}],
    "hardtanh": [{}, {"min_val": -0.5, "max_val": 2.0}, {"min_val": 1, "max_val": 1}],
    "relu6": [{}],
    "hardsigmoid": [{}],
    "hardswish": [{}],
    "mish": [{}],
    "softsign": [{}],
    "logsigmoid": [{}],
    "threshold": [{"threshold": 0.5, "value": 7.0}, {"threshold": -1, "value": 0}],
    "gelu": [{}, {"approximate": "tanh"}],
}
# PyTorch has no second order of hardsigmoid.
ACTIVATION_CASES = [
    Case(
        f"{name} {kwargs or ''}",
        bent(name, lambda lib, *xs, n=name, k=kwargs: [activation(lib, n)(x, **k) for x in xs]),
        numbers(*SHAPES, (30,), low=-7, high=7),
        second=name != "hardsigmoid",
        rtol=1e-7 if name == "hardsigmoid" else 0.0,
    )
    for name, several in ACTIVATIONS.items()
    for kwargs in several
]
# Without those that grow on the left, and without infinities where PyTorch makes a gradient of nan there.
AT_SPECIAL_VALUES = [case for case in ACTIVATION_CASES if "-1.5" not in case.name]
FINITE = {"softsign", "mish", "gelu"}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", [*CASES, *ACTIVATION_CASES], ids=lambda case: case.name)
def test_agrees_with_pytorch(case: Case, dtype: str) -> None:
    for seed in range(3):
        with np.errstate(divide="ignore", invalid="ignore"):
            compare(case, seed, dtype)


@pytest.mark.parametrize("case", [*CASES[: len(UNARY)], *ACTIVATION_CASES], ids=lambda case: case.name)
def test_agrees_with_pytorch_in_float16(case: Case) -> None:
    compare(Case(case.name, case.call, case.inputs, second=False), 0, "float16")


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", UNARY)
def test_at_special_values(name: str, dtype: str) -> None:
    values = SPECIAL[:-1] if name.startswith("abs") else SPECIAL  # our slope of abs at nan is nan, PyTorch's is 0
    with np.errstate(all="ignore"):
        compare(Case(name, in_both_forms(name), given(values), second=False), 0, dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", AT_SPECIAL_VALUES, ids=lambda case: case.name)
def test_activations_at_special_values(case: Case, dtype: str) -> None:
    """Seven values at a time: PyTorch's loops over more treat nan in another way than those over few."""
    finite = SPECIAL[1:-2]
    values = finite if case.name.split()[0] in FINITE else SPECIAL
    compare(replace(case, inputs=given(values[:7], values[7:]), second=False), 0, dtype)
    compare(replace(case, inputs=given(finite[:7], finite[7:-1])), 0, dtype)


KINDS: dict[str, Any] = {
    **{
        f"{d} row": np.array([1, 2, 3], d) for d in ("float16", "float32", "float64", "int32", "int64", "uint8", "bool")
    },
    **{f"{d} 0-d": np.array(2, d) for d in ("float32", "float64", "int64", "bool")},
    **{f"the number {n}": n for n in (2, 2.5, True)},
}
OF_TWO = ["add", "sub", "mul", "div", "pow", "remainder", "fmod", "floor_divide", "maximum", "minimum", "fmax", "fmin"]
OF_TWO += ["bitwise_left_shift", "gcd", "lcm", "heaviside", "logaddexp", "xlogy", "copysign", "float_power"]
OF_TWO += ["atan2", "hypot", "eq", "lt", "logical_and", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"]
OF_ONE = [name for name in UNARY if not name.startswith("abs")]  # the lesson's abs() takes bools, PyTorch's does not
OF_ONE += ["logical_not", "bitwise_not", "isnan", "isinf", "isfinite"]
IN_OPERATORS: dict[str, Call] = {
    "<<": lambda lib, a, b: a << b,
    ">>": lambda lib, a, b: a >> b,
    "bitwise_right_shift": lambda lib, a, b: lib.bitwise_right_shift(a, b),
    "**": lambda lib, a, b: a**b,
    "%": lambda lib, a, b: a % b,
    "//": lambda lib, a, b: a // b,
    "&": lambda lib, a, b: a & b,
    "|": lambda lib, a, b: a | b,
    "^": lambda lib, a, b: a ^ b,
    "where": lambda lib, a, b: lib.where(lib.tensor([True, False, True]), a, b),
    "div floor": lambda lib, a, b: lib.div(a, b, rounding_mode="floor"),
    "div trunc": lambda lib, a, b: lib.div(a, b, rounding_mode="trunc"),
    "add, alpha=2": lambda lib, a, b: lib.add(a, b, alpha=2),
    "sub, alpha=2": lambda lib, a, b: lib.sub(a, b, alpha=2),
    "sub, alpha=2.5": lambda lib, a, b: lib.sub(a, b, alpha=2.5),
    "clamp": lambda lib, a, b: lib.clamp(a, b),
    "clamp max": lambda lib, a, b: lib.clip(a, max=b),
}
# What PyTorch refuses and the lesson does; and a bool to the power of True, which PyTorch allows and we do not.
MORE_THAN_PYTORCH = {
    ("clamp", "bool row", "the number True"),
    ("clamp max", "bool row", "the number True"),
    ("pow", "bool row", "the number True"),
    ("**", "bool row", "the number True"),
}


def outcome(lib: Any, call: Call, operands: tuple[Any, ...]) -> tuple[str, Any]:
    """Return the dtype and the values that a call comes to, or "refused"."""
    try:
        result = call(lib, *(lib.from_numpy(x.copy()) if isinstance(x, np.ndarray) else x for x in operands))
    except (RuntimeError, TypeError, ValueError):
        return "refused", 0
    return str(result.dtype).removeprefix("torch."), result.numpy()


def assert_same_outcome(call: Call, *operands: Any) -> None:
    ours, theirs = outcome(tinytorch, call, operands), outcome(torch, call, operands)
    assert ours[0] == theirs[0]
    rtol = 1e-2 if ours[0] == "float16" else 1e-5
    np.testing.assert_allclose(ours[1], theirs[1], rtol=rtol, atol=rtol / 10)


@pytest.mark.parametrize("name", [*OF_TWO, *IN_OPERATORS])
def test_dtypes_of_two_operands(name: str) -> None:
    call = IN_OPERATORS.get(name, lambda lib, a, b: getattr(lib, name)(a, b))
    for left in KINDS:
        for right in KINDS:
            if "row" in left + right and (name, left, right) not in MORE_THAN_PYTORCH:
                assert_same_outcome(call, KINDS[left], KINDS[right])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", "int64", "uint8", "bool"])
def test_choose_is_where(dtype: str) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 9, (6, 4)).astype(dtype).T for _ in range(2))
    mask = a > b
    for x, y in ((a, b), (a, 0), (a, False), (a, 2), (a[:, ::-1], b), (a, b[0]), (a, b.astype("float64")), (a[0], b)):
        expected = np.where(mask, x, y)
        chosen = elementwise.choose(mask, x, y)
        assert chosen.dtype == expected.dtype
        assert chosen.tolist() == expected.tolist()
    assert elementwise.choose(np.bool_(True), np.float32(2)) == 2


@pytest.mark.parametrize("name", OF_ONE)
def test_dtypes_of_one_operand(name: str) -> None:
    for array in KINDS.values():
        if isinstance(array, np.ndarray):
            with np.errstate(divide="ignore", invalid="ignore"):
                assert_same_outcome(lambda lib, x: getattr(lib, name)(x), array)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_dtypes_of_activations(name: str) -> None:
    for array in KINDS.values():
        if isinstance(array, np.ndarray):
            assert_same_outcome(lambda lib, x: activation(lib, name)(x, **ACTIVATIONS[name][0]), array)


ROW, WHOLE, MASK = np.array([1.0, 2.0, 3.0]), np.array([1, 2, 3]), np.array([True, False, True])
SHORT = np.array([1.0, 2.0])
REFUSED: list[tuple[Call, list[Array]]] = [
    *((lambda lib, a, n=n: getattr(lib, n)(a.tolist()), [ROW]) for n in ("sin", "abs", "exp", "relu", "neg", "isnan")),
    *((lambda lib, a, b, n=n: getattr(lib, n)(a, b), [ROW, SHORT]) for n in (*OF_TWO[:15], "logical_and")),
    *(
        (lambda lib, a, n=n: getattr(lib, n)(a, 2.0), [ROW])
        for n in ("maximum", "fmin", "atan2", "hypot", "logical_or")
    ),
    *((lambda lib, a, n=n: getattr(lib, n)(a, "2"), [ROW]) for n in ("add", "pow", "eq", "remainder", "lerp", "mul")),
    *((lambda lib, a, n=n: getattr(lib, n)(2, 3), [ROW]) for n in ("pow", "remainder")),
    *((lambda lib, a, n=n: getattr(lib, n)(a, a), [ROW]) for n in ("bitwise_and", "bitwise_or", "bitwise_xor")),
    *(
        (lambda lib, a, n=n: activation(lib, n)(a.tolist()), [ROW])
        for n in ACTIVATIONS
        if n not in ("softsign", "tanhshrink", "threshold")
    ),
    (lambda lib, a: activation(lib, "threshold")(a.tolist(), 0.0, 0.0), [ROW]),
    (lambda lib, a: activation(lib, "hardtanh")(a, 2.0, -2.0), [ROW]),
    (lambda lib, a: activation(lib, "celu")(a, 0.0), [ROW]),
    (lambda lib, a: ~a, [ROW]),
    (lambda lib, a: a & 2.0, [WHOLE]),
    (lambda lib, a: lib.neg(a), [MASK]),
    (lambda lib, a: +a, [MASK]),
    (lambda lib, a: -a, [MASK]),
    (lambda lib, a: lib.floor(a), [MASK]),
    (lambda lib, a: lib.round(a, decimals=1), [WHOLE]),
    (lambda lib, a: lib.round(a, 1), [ROW]),
    (lambda lib, a: a.round(1), [ROW]),
    (lambda lib, a: lib.add(a, a, alpha=0.5), [WHOLE]),
    (lambda lib, a: lib.add(a, 1, alpha=0.5), [WHOLE]),
    (lambda lib, a: lib.sub(a, a, alpha="1"), [ROW]),
    (lambda lib, a: lib.div(a, 2, rounding_mode="ceil"), [ROW]),
    (lambda lib, a: a.clamp(), [ROW]),
    (lambda lib, a: lib.clamp(a, a, 3), [ROW]),
    (lambda lib, a: lib.clamp(a, "0"), [ROW]),
    (lambda lib, a: lib.clamp(a, a, a), [MASK]),
    (lambda lib, a, b: lib.clamp(a, b), [ROW, SHORT]),
    (lambda lib, a: lib.where(a, a, 0.0), [ROW]),
    (lambda lib, a: lib.where(a.tolist(), a, 0.0), [ROW]),
    (lambda lib, a: lib.where(a > 1, a), [ROW]),
    (lambda lib, a: lib.where(a > 1, a, "0"), [ROW]),
    (lambda lib, a: lib.where(a > 1, "0", a), [ROW]),
    (lambda lib, a, b: lib.where(a > 1, a, b), [ROW, SHORT]),
    (lambda lib, a, b: lib.where(b > 1, a, a), [ROW, SHORT]),
    (lambda lib, a: a.where(2.0, a), [ROW]),
    (lambda lib, a: lib.lerp(a, a, 0.5), [WHOLE]),
    (lambda lib, a: lib.lerp(a, 1.0, 0.5), [ROW]),
    (lambda lib, a, b: lib.lerp(a, b, 0.5), [ROW, WHOLE]),
    (lambda lib, a, b: lib.lerp(a, b, 0.5), [ROW, ROW.astype("float32")]),
    (lambda lib, a, b: lib.lerp(a, b, 0.5), [ROW, SHORT]),
    (lambda lib, a: lib.addcmul(a, a, 2.0), [ROW]),
    (lambda lib, a: lib.addcdiv(a, a, a), [WHOLE]),
    (lambda lib, a, b: lib.addcdiv(a, b, b), [ROW, WHOLE]),
    (lambda lib, a, b: lib.isclose(a, b), [ROW, WHOLE]),
    (lambda lib, a: lib.isclose(a, 1.0), [ROW]),
    (lambda lib, a: lib.isclose(a, a, rtol=-1.0), [ROW]),
    (lambda lib, a: lib.equal(a, 1.0), [ROW]),
    (lambda lib, a, b: lib.allclose(a, b), [ROW, SHORT]),
]


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_what_pytorch_refuses(case: tuple[Call, list[Array]]) -> None:
    call, arrays = case
    refuse(call, *arrays)


def test_refuses_what_pytorch_cuts_or_makes_infinite() -> None:
    whole = tinytorch.tensor([1, 2])
    with pytest.raises(TypeError, match=r"addcmul\(\) of integers takes an integer as value, but got 2.5"):
        tinytorch.addcmul(whole, whole, whole, value=2.5)
    with pytest.raises(ValueError, match="beta, which must not be 0"):
        activations.softplus(Tensor([1.0]), beta=0)


@pytest.mark.parametrize(
    "divide",
    [
        lambda x, y: x // y,
        lambda x, y: x % y,
        lambda x, y: 5 // y,
        lambda x, y: tinytorch.fmod(x, y),
        lambda x, y: x.div(y, rounding_mode="trunc"),
        lambda x, y: x // 0,
    ],
)
def test_integers_are_not_divided_by_0(divide: Any) -> None:
    with pytest.raises(ZeroDivisionError, match="of integers by 0"):
        divide(tinytorch.tensor([1, 2]), tinytorch.tensor([1, 0]))


def test_floor_divide_refuses_a_gradient() -> None:
    x = Tensor([3.0, 5.0], requires_grad=True)
    y = x // 2
    assert y.tolist() == [1, 2]
    assert y.requires_grad
    with pytest.raises(NotDifferentiableError, match=r"floor_divide.*rounding_mode"):
        y.sum().backward()


def test_integers_are_divided_exactly() -> None:
    big = 2**62 + 1
    x = tinytorch.tensor([big, -big, 7, -7])
    assert (x // 2).tolist() == [big // 2, -big // 2, 3, -4]
    assert tinytorch.div(x, 2, rounding_mode="trunc").tolist() == [big // 2, -(big // 2), 3, -3]
    assert (x % 4).tolist() == [big % 4, -big % 4, 3, 1]


def test_equal_and_allclose_are_plain_bools() -> None:
    x = tinytorch.tensor([1.0, NAN])
    assert tinytorch.allclose(x, x) is False
    assert x.allclose(x, equal_nan=True) is True
    assert tinytorch.equal(x, x) is False
    assert x.equal(x[:1]) is False
    assert tinytorch.equal(tinytorch.tensor([1]), tinytorch.tensor([1.0])) is True


@pytest.mark.parametrize("dtype", FLOATS)
def test_erfc_keeps_its_digits_where_it_is_small(dtype: str) -> None:
    x = np.linspace(-6, 26 if dtype == "float64" else 9, 3001).astype(dtype)
    expected = np.array([math.erfc(v) for v in x])
    got = tinytorch.erfc(tinytorch.from_numpy(x)).numpy()
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=3e-13 if dtype == "float64" else 2e-7)
    assert tinytorch.erfc(Tensor([-INF, INF, -1e30, 1e30])).tolist() == [2, 0, 2, 0]


FAR_OUT = np.array([-1e30, -1e15, 1e-30, 1e15, 1e30], "float32")


@pytest.mark.parametrize("name", ["atan", "asinh", "erf", "erfc", "tanh", "sigmoid", "atan2", "hypot"])
def test_slopes_far_out_are_finite_and_silent(name: str) -> None:
    x = tinytorch.from_numpy(FAR_OUT.copy()).requires_grad_()
    y = getattr(tinytorch, name)(x, x) if name in ("atan2", "hypot") else getattr(tinytorch, name)(x)
    y.sum().backward()
    assert x.grad is not None
    assert np.isfinite(x.grad.numpy()).all()


def gelu(form: str) -> Call:
    return lambda lib, a: activation(lib, "gelu")(a, approximate=form)


# Every rule of the lesson for one element at a time, on tensors.
OF_THE_LESSON = [
    *(Case(f"pow {n}", lambda lib, a, n=n: a**n, numbers((2, 3), low=0.5)) for n in (-2, -0.5, 0.5, 1.5, 2.0, 3, 4)),
    Case("pow of negatives", lambda lib, a: [a**2, a**3.0, a**-1], given([-2, -1, 3])),
    Case("pow at 0", lambda lib, a: [a**2, a**3, a**4.0], given([0, 1, -1])),
    Case("pow 0 and 1", squared(lambda lib, a: [a**0, a**0.0 * a, a**1]), given([-2, 0, 3])),
    Case("pow of two", lambda lib, a, b: a**b, numbers((2, 3), (3,), low=0.5)),
    Case("a number to a power", lambda lib, b: [2**b, 0.5**b], numbers((2, 3))),
    Case("clip", lambda lib, a: [a.clip(-1, 1) ** 3, a.clamp(min=0) ** 3, a.clamp(max=0.5) ** 3], numbers((4, 5))),
    Case("abs", lambda lib, a: [a.abs() ** 3, abs(a) * a], numbers((4, 5))),
    Case("relu", squared(lambda lib, a: [lib.relu(a), a.relu() * a]), numbers((4, 5))),
    Case("sigmoid", lambda lib, a: [lib.sigmoid(a), a.sigmoid() ** 2], numbers((4, 5))),
    Case("tanh", lambda lib, a: [lib.tanh(a), a.tanh() ** 2], numbers((4, 5))),
    *(Case(f"gelu {form}", gelu(form), numbers((4, 5), low=-9, high=9)) for form in ("none", "tanh")),
    Case("exp and log", lambda lib, a: [lib.exp(a), lib.log(a), lib.sqrt(a), a / a.exp()], numbers((2, 3), low=0.5)),
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", OF_THE_LESSON, ids=lambda case: case.name)
def test_rules_of_the_lesson_run_on_tensors(case: Case, dtype: str) -> None:
    for seed in range(3):
        compare(case, seed, dtype)


@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "erf", "sin", "atan", "log1p", "rsqrt", "asinh", "square"])
def test_third_order(name: str) -> None:
    def third(lib: Any) -> Any:
        x = lib.tensor([0.3, 0.7], dtype=lib.float64).requires_grad_()
        y = getattr(lib, name)(x) * x
        for _ in range(3):
            (y,) = lib.autograd.grad(y.sum(), [x], create_graph=True)
        return y.detach().numpy()

    np.testing.assert_allclose(third(tinytorch), third(torch), rtol=1e-9)


NUMPY_OF_ONE = ["sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arctanh", "exp"]
NUMPY_OF_ONE += ["exp2", "expm1", "log", "log1p", "log2", "log10", "sqrt", "square", "reciprocal", "negative"]
NUMPY_OF_ONE += ["abs", "absolute", "sign", "floor", "ceil", "trunc", "fix", "rint", "round", "around", "nan_to_num"]
NUMPY_OF_ONE += ["positive", "sinc", "deg2rad", "rad2deg"]
NUMPY_OF_TWO = ["maximum", "minimum", "fmax", "fmin", "arctan2", "hypot", "remainder", "mod", "fmod", "power", "add"]
NUMPY_OF_TWO += ["logaddexp", "logaddexp2", "copysign", "float_power"]


@pytest.mark.parametrize("name", NUMPY_OF_ONE)
def test_numpy_functions_keep_the_gradient(name: str) -> None:
    array = np.array([0.3, 0.6, 0.9])
    x = tinytorch.from_numpy(array).requires_grad_()
    y = getattr(np, name)(x)
    assert isinstance(y, Tensor)
    assert y.requires_grad
    np.testing.assert_allclose(y.detach().numpy(), getattr(np, name)(array), rtol=1e-12)


@pytest.mark.parametrize("name", NUMPY_OF_TWO)
def test_numpy_functions_of_two_keep_both_gradients(name: str) -> None:
    a, b = np.array([1.3, 2.6, 0.9]), np.array([0.4, 0.7, 1.9])
    function: Any = getattr(np, name)
    for left, right in ((True, True), (True, False), (False, True)):
        x: Any = tinytorch.from_numpy(a).requires_grad_() if left else a
        y: Any = tinytorch.from_numpy(b).requires_grad_() if right else b
        z = function(x, y)
        assert isinstance(z, Tensor)
        np.testing.assert_allclose(z.detach().numpy(), function(a, b), rtol=1e-12)
        z.sum().backward()
        assert all(operand.grad is not None for operand in (x, y) if isinstance(operand, Tensor))
    for number in (2, 2.5):
        of_a, of_b = function(tinytorch.from_numpy(a), number), function(number, tinytorch.from_numpy(b))
        np.testing.assert_allclose(of_a.numpy(), function(a, number), rtol=1e-12)
        np.testing.assert_allclose(of_b.numpy(), function(number, b), rtol=1e-12)


def test_numpy_where() -> None:
    a = np.array([-2.0, 0.5, 3.0])
    x: Any = tinytorch.from_numpy(a).requires_grad_()
    for mask in (x > 0, a > 0, [0, 1, 1], (x > 0).long()):
        y: Any = np.where(mask, x, 0)
        (grad,) = tinytorch.autograd.grad(y.sum(), [x])
        assert y.tolist() == [0, 0.5, 3]
        assert grad.tolist() == [0, 1, 1]
    assert np.where(x > 0, a, 7).tolist() == [7, 0.5, 3]
    places: Any = np.where(x > 0)
    assert [i.tolist() for i in places] == [[1, 2]]


def test_numpy_clip() -> None:
    a, low = np.array([-2.0, 0.5, 3.0]), np.array([0.0, 1.0, 0.0])
    x: Any = tinytorch.from_numpy(a).requires_grad_()
    bounded: list[Any] = [np.clip(x, 0, 1), np.clip(x, a_min=0, a_max=1), np.clip(x, min=0, max=1), np.clip(x, low, 1)]
    assert [y.tolist() for y in bounded] == [[0, 0.5, 1], [0, 0.5, 1], [0, 0.5, 1], [0, 1, 1]]
    assert all(y.requires_grad for y in bounded)
    assert np.clip(x, None, 1).tolist() == [-2, 0.5, 1]
    rows = x.clip(min=np.array([[0.0], [1.0]]))
    (grad,) = tinytorch.autograd.grad(rows.sum(), [x])
    assert rows.tolist() == [[0, 0.5, 3], [1, 1, 3]]
    assert grad.tolist() == [0, 1, 2]
    y: Any = np.clip(a, x - 1, 10)
    (grad,) = tinytorch.autograd.grad(y.sum(), [x])
    assert y.tolist() == a.tolist()
    assert grad.tolist() == [0, 0, 0]


def test_numpy_functions_without_a_gradient() -> None:
    a, b = np.array([1.0, NAN, INF]), np.array([1.0, NAN, 2.0])
    x: Any = tinytorch.from_numpy(a)
    y: Any = tinytorch.from_numpy(b)
    for of_one in (np.isnan, np.isinf, np.isfinite, np.logical_not):
        assert of_one(x).tolist() == of_one(a).tolist()
    of_two: list[Any] = [np.logical_and, np.logical_or, np.logical_xor, np.isclose]
    for function in of_two:
        assert function(x, y).tolist() == function(x, b).tolist() == function(a, b).tolist()
    assert np.allclose(x, y, equal_nan=True) is False
    assert np.allclose(x[:2], y[:2], equal_nan=True) is True
    assert np.isclose(x, b.astype("float32")).tolist() == [True, False, False]
    assert np.array_equal(x, x) is False
    assert np.array_equal(x[:1], a[:1]) is True


def test_numpy_functions_of_bits() -> None:
    whole: Any = tinytorch.from_numpy(WHOLE)
    functions: list[Any] = [np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.floor_divide]
    for function in functions:
        assert function(whole, 3).tolist() == function(WHOLE, 3).tolist()
        assert function(3, whole).tolist() == function(3, WHOLE).tolist()
        assert function(WHOLE, whole).tolist() == function(WHOLE, WHOLE).tolist()
    mask: Any = tinytorch.from_numpy(MASK)
    assert np.invert(mask).tolist() == [False, True, False]
    assert (MASK & mask).tolist() == MASK.tolist()


def test_reflected_operators() -> None:
    x = np.array([1.5, 2.5])
    t: Any = tinytorch.from_numpy(x)
    assert (7 % t).tolist() == (7 % x).tolist()
    assert (7.5 // t).tolist() == (7.5 // x).tolist()
    assert (x % t).tolist() == [0, 0]
    whole: Any = tinytorch.from_numpy(WHOLE)
    assert (6 & whole).tolist() == [0, 2, 2]
    assert (6 | whole).tolist() == [7, 6, 7]
    assert (6 ^ whole).tolist() == [7, 4, 5]
    with pytest.raises(TypeError, match="a tensor calculates with"):
        [1] % whole
    with pytest.raises(TypeError, match="bitwise_or"):
        whole | None


@pytest.mark.parametrize(
    "name", ["silu", "mish", "leaky_relu", "elu", "selu", "celu", "hardtanh", "relu6", "hardsigmoid", "hardswish"]
)
def test_activations_in_place(name: str) -> None:
    def result(lib: Any) -> Any:
        x = lib.tensor([-4.0, -1.0, 0.5, 8.0]).requires_grad_()
        y = x * 1.5
        z = activation(lib, name)(y, inplace=True)
        assert z is y
        z.sum().backward()
        return np.stack([z.detach().numpy(), x.grad.numpy()])

    np.testing.assert_allclose(result(tinytorch), result(torch), rtol=1e-4)
    with pytest.raises(RuntimeError, match=rf"{name}.*leaf"):
        activation(tinytorch, name)(Tensor([1.0], requires_grad=True), inplace=True)


def test_hardsigmoid_has_a_second_order_here() -> None:
    x = Tensor([-4.0, -1.0, 2.0, 4.0], requires_grad=True, dtype=np.float64)
    (grad,) = tinytorch.autograd.grad((activations.hardsigmoid(x) ** 2).sum(), [x], create_graph=True)
    (second,) = tinytorch.autograd.grad(grad.sum(), [x])
    np.testing.assert_allclose(second.numpy(), [0, 1 / 18, 1 / 18, 0])


@pytest.mark.parametrize("name", ["arcsin", "arctan2", "absolute", "subtract", "divide", "fix", "greater", "sgn"])
def test_second_names(name: str) -> None:
    assert getattr(tinytorch, name).__name__ == name
    assert "another name" in getattr(tinytorch, name).__doc__
    assert callable(getattr(Tensor, name))


FAMILIES = [value for name, value in vars(tinytorch.ops).items() if isinstance(value, ModuleType) and name[0] != "_"]


def test_the_families_are_found() -> None:
    assert {"elementwise", "arithmetic", "comparisons", "choices"} <= {m.__name__.split(".")[-1] for m in FAMILIES}


@pytest.mark.parametrize("module", FAMILIES, ids=lambda module: module.__name__.split(".")[-1])
def test_examples(module: Any) -> None:
    assert doctest.testmod(module).failed == 0


def test_erfinv_undoes_erf_to_the_last_digits() -> None:
    y = np.array([1e-300, 1e-20, 1e-5, 0.3, 0.5, 0.9, 1 - 1e-10, 1 - 1e-15])
    x = tinytorch.erfinv(tinytorch.from_numpy(np.concatenate([y, -y]))).numpy()
    np.testing.assert_array_equal(x[8:], -x[:8])
    np.testing.assert_allclose([math.erf(a) for a in x[:6]], y[:6], rtol=4e-16)
    np.testing.assert_allclose([math.erfc(a) for a in x[5:8]], 1 - y[5:], rtol=1e-14)


def test_the_slopes_of_sinc_at_0() -> None:
    """The series: 1 - x**2 / 6 + x**4 / 120, x being pi * a. PyTorch's second order is nan there."""
    x = tinytorch.from_numpy(np.zeros(1)).requires_grad_()
    y, slopes = tinytorch.sinc(x), []
    for _ in range(4):
        (y,) = tinytorch.autograd.grad(y.sum(), [x], create_graph=True)
        slopes.append(y.item())
    np.testing.assert_allclose(slopes, [0, -(math.pi**2) / 3, 0, math.pi**4 / 5], rtol=1e-12)


def test_a_step_refuses_a_gradient() -> None:
    x = Tensor([1.0, -2.0], requires_grad=True)
    with pytest.raises(NotDifferentiableError, match=r"heaviside\(\) has no gradient"):
        tinytorch.heaviside(x, Tensor([0.5])).sum().backward()


def test_bits_shifted_too_far_are_gone() -> None:
    """As in PyTorch; C leaves it open."""
    for lib in (tinytorch, torch):
        x = lib.tensor([5, -5, 7])
        assert (x << lib.tensor([64, -1, 70])).tolist() == [0, 0, 0]
        assert (x >> lib.tensor([64, -1, 70])).tolist() == [0, -1, 0]
        assert (3 << x).tolist() == [96, 0, 384]
        assert (x << 0).tolist() == (x >> 0).tolist() == [5, -5, 7]
        assert (96 >> x).tolist() == [3, 0, 0]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_where_keeps_the_type_of_a_numpy_number(dtype: str) -> None:
    """A rule chooses so between exponents, and one of float32 would cost half of the digits."""
    chosen: Any = np.where(tinytorch.tensor([True, False]), np.dtype(dtype).type(0.1), 0)  # type: ignore[call-overload]
    assert chosen.dtype == dtype
    assert chosen.data[0] == np.dtype(dtype).type(0.1)


def test_the_gradient_of_a_power_is_exact_on_tensors_too() -> None:
    """By a single number that is a tensor itself."""
    x = tinytorch.tensor([0.75, 4.5], dtype=np.float64, requires_grad=True)
    (slope,) = tinytorch.autograd.grad((x ** tinytorch.tensor(0.28, dtype=np.float64)).sum(), x, create_graph=True)
    np.testing.assert_allclose(slope.data, 0.28 * np.array([0.75, 4.5]) ** (0.28 - 1), rtol=1e-15)
