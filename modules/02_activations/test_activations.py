"""Module 02: the six activations, against the math module, 50-digit decimals and the promises they make."""

from __future__ import annotations

import doctest
import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core import activations
from tinytorch.core.activations import (
    GELU,
    Activation,
    LogSoftmax,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
    erf,
    stable_log_softmax,
    stable_sigmoid,
    stable_softmax,
)
from tinytorch.core.tensor import Tensor, from_numpy

exercise = pytest.mark.exercise
modest = settings(max_examples=40, deadline=None)

moderate = st.floats(-50, 50)
any_size = st.floats(-1e4, 1e4)
shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)


def arrays(elements: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, shapes, elements=elements)


def exact_softmax(scores: list[float]) -> tuple[list[float], list[float]]:
    """Return softmax and log-softmax from the plain definition, in decimals whose exponents do not overflow."""
    with localcontext() as context:
        context.prec = 50
        powers = [Decimal(score).exp() for score in scores]
        total = sum(powers)
        return [float(p / total) for p in powers], [float((p / total).ln()) for p in powers]


# What all activations share


class Double(Activation):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2


def test_calling_a_layer_calls_its_forward():
    assert Double()(Tensor([1.0, 2.0])).tolist() == [2.0, 4.0]


def test_an_activation_without_forward_says_which_class_lacks_it():
    class Forgetful(Activation):
        pass

    with pytest.raises(NotImplementedError, match=r"Forgetful has no forward\(\)"):
        Forgetful()(Tensor([1.0]))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Double(), "Double()"),
        (ReLU(), "ReLU()"),
        (Sigmoid(), "Sigmoid()"),
        (Tanh(), "Tanh()"),
        (GELU(), "GELU(approximate='none')"),
        (GELU("tanh"), "GELU(approximate='tanh')"),
        (Softmax(), "Softmax(dim=-1)"),
        (LogSoftmax(dim=0), "LogSoftmax(dim=0)"),
    ],
)
def test_repr_is_how_one_would_make_it(layer, expected):
    assert repr(layer) == expected


FLOAT_LAYERS = [Sigmoid(), Tanh(), GELU(), GELU("tanh"), Softmax(), LogSoftmax()]


@pytest.mark.parametrize("layer", FLOAT_LAYERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.int64, np.bool_])
def test_integers_and_booleans_are_refused(layer, dtype):
    name = type(layer).__name__
    with pytest.raises(TypeError, match=rf"{name} needs floats, but .* {np.dtype(dtype)}\. Use x\.float\(\)"):
        layer(Tensor([0, 1], dtype=dtype))


def test_relu_refuses_booleans():
    with pytest.raises(TypeError, match="ReLU needs floats, but this tensor holds bool"):
        ReLU()(Tensor([True, False], dtype=np.bool_))


@pytest.mark.parametrize("layer", [ReLU(), *FLOAT_LAYERS], ids=repr)
def test_what_is_no_tensor_is_refused(layer):
    with pytest.raises(TypeError, match=rf"{type(layer).__name__} takes a Tensor, but got ndarray.*Tensor\(x\)"):
        layer(np.array([1.0]))


# ReLU


@exercise("relu")
def test_relu_cuts_the_negative_part_off():
    assert ReLU()(Tensor([-2.0, -0.5, 0.0, 3.0])).tolist() == [0.0, 0.0, 0.0, 3.0]


@exercise("relu")
def test_relu_bends_a_line_between_two_straight_layers():
    inner = Tensor([-2.0, -1.0, 0.0, 1.0]) * 3 + 1
    assert (ReLU()(inner) * 2 + 4).tolist() == [4.0, 4.0, 6.0, 12.0]


@exercise("relu")
def test_relu_passes_nan_on():
    out = ReLU()(Tensor([math.nan, 1.0])).tolist()
    assert math.isnan(out[0])
    assert out[1] == 1.0


@exercise("relu")
def test_relu_of_infinities():
    assert ReLU()(Tensor([-math.inf, math.inf])).tolist() == [0.0, math.inf]


@exercise("relu")
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_relu_of_integers_is_integers(dtype):
    out = ReLU()(Tensor([0, 7], dtype=dtype))
    assert out.dtype == dtype
    assert out.tolist() == [0, 7]


@exercise("relu")
def test_relu_cuts_negative_integers():
    assert ReLU()(Tensor([-3, 0, 7], dtype=np.int64)).tolist() == [0, 0, 7]


@exercise("relu")
@modest
@given(x=arrays(any_size))
def test_relu_is_the_larger_of_each_element_and_zero(x):
    out = ReLU()(from_numpy(x))
    assert out.shape == x.shape
    assert out.data.reshape(-1).tolist() == [v if v > 0 else 0.0 for v in x.reshape(-1).tolist()]


# Sigmoid


@exercise("stable_sigmoid")
def test_sigmoid_by_hand():
    """At log(3): 1 / (1 + 1/3) = 3/4; at -log(3): 1 / (1 + 3) = 1/4."""
    out = stable_sigmoid(np.array([-math.log(3), 0.0, math.log(3)]))
    np.testing.assert_allclose(out, [0.25, 0.5, 0.75], rtol=1e-15)


@exercise("stable_sigmoid")
def test_sigmoid_layer_is_the_array_function_on_tensors():
    np.testing.assert_allclose(Sigmoid()(Tensor([-2.0, 0.0, 2.0])).data, [0.11920292, 0.5, 0.88079708], rtol=1e-6)


@exercise("stable_sigmoid")
@pytest.mark.parametrize(("x", "expected"), [(1e4, 1.0), (-1e4, 0.0)])
def test_sigmoid_far_out_on_either_side_needs_no_large_power(x, expected):
    assert stable_sigmoid(np.array([x])).tolist() == [expected]


@exercise("stable_sigmoid")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_at_extremes_is_zero_and_one_without_a_warning(dtype):
    x = np.array([-math.inf, -1e30, -1e4, 1e4, 1e30, math.inf], dtype)
    assert stable_sigmoid(x).tolist() == [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]


@exercise("stable_sigmoid")
@pytest.mark.parametrize("x", [-40.0, -100.0, -600.0])
def test_sigmoid_far_left_is_small_but_not_all_the_same(x):
    """There 1 + exp(-x) is exp(-x) to the last digit, so sigmoid(x) is exp(x)."""
    assert stable_sigmoid(np.array([x]))[0] == pytest.approx(math.exp(x), rel=1e-14, abs=0)


@exercise("stable_sigmoid")
@modest
@given(x=st.floats(-700, 700))
def test_sigmoid_is_exact_to_the_last_digits_on_both_sides(x):
    with localcontext() as context:
        context.prec = 50
        expected = float(1 / (1 + (-Decimal(x)).exp()))
    assert stable_sigmoid(np.array([x]))[0] == pytest.approx(expected, rel=2e-15, abs=0)


@exercise("stable_sigmoid")
@modest
@given(x=arrays(any_size))
def test_sigmoid_of_x_and_of_minus_x_add_up_to_one(x):
    np.testing.assert_allclose(stable_sigmoid(x) + stable_sigmoid(-x), np.ones_like(x), rtol=1e-15)


# Tanh


@exercise("tanh")
def test_tanh_at_extremes_is_minus_one_and_one_without_a_warning():
    x = Tensor([-math.inf, -1e4, 0.0, 1e4, math.inf])
    assert Tanh()(x).tolist() == [-1.0, -1.0, 0.0, 1.0, 1.0]


@exercise("tanh")
@pytest.mark.parametrize("x", [1e-8, -1e-8, 1e-20, 1e-300])
def test_tanh_keeps_its_digits_near_zero(x):
    """tanh(x) = x - x**3 / 3 + ..., so a tiny x is its own tanh."""
    assert Tanh()(Tensor([x], dtype=np.float64)).item() == pytest.approx(x, rel=1e-14, abs=0)


@exercise("tanh", "stable_sigmoid")
def test_tanh_is_a_stretched_sigmoid():
    x = np.linspace(-5, 5, 41)
    np.testing.assert_allclose(Tanh()(from_numpy(x)).data, 2 * stable_sigmoid(2 * x) - 1, atol=1e-15)


@exercise("tanh")
@modest
@given(x=arrays(moderate))
def test_tanh_agrees_with_the_math_module(x):
    expected = np.array([math.tanh(v) for v in x.reshape(-1)]).reshape(x.shape)
    np.testing.assert_allclose(Tanh()(from_numpy(x)).data, expected, rtol=1e-14)


# The error function


def test_erf_agrees_with_the_math_module_in_float64():
    x = np.concatenate([np.linspace(-7, 7, 20_001), [1e-300, 1e-20, 1e-8, 1e4, -1e4]])
    assert np.abs(erf(x) - [math.erf(v) for v in x]).max() < 1e-15


def test_erf_agrees_with_the_math_module_in_float32():
    x = np.linspace(-7, 7, 20_001, dtype=np.float32)
    out = erf(x)
    assert out.dtype == np.float32
    assert np.abs(out - [math.erf(v) for v in x]).max() < 2e-7


def test_erf_in_float16_is_rounded_once():
    x = np.linspace(-4, 4, 401).astype(np.float16)
    out = erf(x)
    assert out.dtype == np.float16
    assert np.abs(out - [math.erf(v) for v in x]).max() < 2.5e-4


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_erf_is_exactly_flat_at_the_ends_and_zero_in_the_middle(dtype):
    x = np.array([-math.inf, -100.0, -6.5, 0.0, 6.5, 100.0, math.inf], dtype)
    assert erf(x).tolist() == [-1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0]


def test_erf_passes_nan_on():
    assert math.isnan(erf(np.array([math.nan]))[0])


@modest
@given(x=arrays(moderate))
def test_erf_is_odd(x):
    assert (erf(-x) == -erf(x)).all()


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0), (2, 1, 3)])
def test_erf_keeps_the_shape(shape):
    assert erf(np.ones(shape)).shape == shape


def test_erf_does_not_depend_on_its_blocks_or_the_memory_layout():
    x = np.random.default_rng(0).standard_normal((40, 1000))
    np.testing.assert_allclose(erf(x, block=7777), erf(x), atol=1e-15)
    np.testing.assert_allclose(erf(x.T), erf(x).T, atol=1e-15)


# GELU


@exercise("gelu")
def test_gelu_is_x_times_the_share_of_the_normal_distribution_below_x():
    """Phi(1) = 0.8413447, Phi(2) = 0.9772499 and Phi(3) = 0.9986501 stand in every table."""
    out = GELU()(Tensor([-3.0, -1.0, 0.0, 1.0, 2.0, 3.0], dtype=np.float64))
    expected = [-3 * 0.0013499, -0.1586553, 0.0, 0.8413447, 2 * 0.9772499, 3 * 0.9986501]
    np.testing.assert_allclose(out.data, expected, atol=2e-7)


@exercise("gelu")
def test_the_two_forms_differ_but_by_little():
    x = from_numpy(np.linspace(-10, 10, 2001))
    gap = np.abs(GELU()(x).data - GELU(approximate="tanh")(x).data)
    assert gap.max() == pytest.approx(0.000473, abs=1e-6)


@exercise("gelu")
def test_gelu_dips_where_the_lesson_says():
    x = np.linspace(-3, 0, 3001)
    out = GELU()(from_numpy(x)).data
    assert x[out.argmin()] == pytest.approx(-0.752, abs=1e-3)
    assert out.min() == pytest.approx(-0.16997, abs=1e-5)


@exercise("gelu")
@pytest.mark.parametrize("approximate", ["none", "tanh"])
@pytest.mark.parametrize(("dtype", "extreme"), [(np.float16, 1e4), (np.float32, 1e30), (np.float64, 1e300)])
def test_gelu_at_extremes_is_zero_and_x_without_a_warning(approximate, dtype, extreme):
    x = np.array([-extreme, -1e4, 1e4, extreme], dtype)
    out = GELU(approximate)(from_numpy(x))
    assert out.dtype == dtype
    assert out.tolist() == [0.0, 0.0, *x[2:].tolist()]


@exercise("gelu")
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_passes_nan_on(approximate):
    assert math.isnan(GELU(approximate)(Tensor([math.nan])).item())


@pytest.mark.parametrize("approximate", ["erf", True, None])
def test_gelu_knows_two_forms(approximate):
    with pytest.raises(ValueError, match=rf"'none' or 'tanh', but got {approximate!r}"):
        GELU(approximate)


@exercise("gelu")
@modest
@given(x=arrays(moderate))
def test_exact_gelu_agrees_with_the_math_module(x):
    expected = [v / 2 * math.erfc(-v / math.sqrt(2)) for v in x.reshape(-1).tolist()]
    out = GELU()(from_numpy(x)).data
    np.testing.assert_allclose(out.reshape(-1), expected, rtol=1e-15, atol=1e-14)


@exercise("gelu")
@modest
@given(x=arrays(moderate))
def test_tanh_gelu_agrees_with_the_math_module(x):
    """(1 + tanh(u)) / 2 is sigmoid(2u), which is written here with the one formula that suits the sign."""
    expected = []
    for v in x.reshape(-1).tolist():
        u = 2 * math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)
        expected.append(v / (1 + math.exp(-u)) if u > -700 else 0.0)
    out = GELU("tanh")(from_numpy(x)).data
    np.testing.assert_allclose(out.reshape(-1), expected, rtol=1e-15, atol=1e-14)


# Softmax


@exercise("stable_softmax")
def test_softmax_by_hand():
    """e to the power of log(1), log(2) and log(5) is 1, 2 and 5; their sum is 8."""
    np.testing.assert_allclose(stable_softmax(np.log([1.0, 2.0, 5.0]), 0), [1 / 8, 2 / 8, 5 / 8], rtol=1e-15)


@exercise("stable_softmax")
def test_softmax_layer_works_along_its_axis():
    scores = Tensor(np.log([[1.0, 2.0, 5.0], [3.0, 2.0, 5.0]]), dtype=np.float64)
    np.testing.assert_allclose(Softmax(dim=1)(scores).data, [[1 / 8, 2 / 8, 5 / 8], [3 / 10, 2 / 10, 5 / 10]])
    np.testing.assert_allclose(Softmax(dim=0)(scores).data, [[1 / 4, 1 / 2, 1 / 2], [3 / 4, 1 / 2, 1 / 2]])
    assert Softmax()(scores).tolist() == Softmax(dim=1)(scores).tolist()


@exercise("stable_softmax")
def test_softmax_does_not_feel_a_shift():
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(stable_softmax(x + 1000, 0), stable_softmax(x, 0), rtol=1e-15)


@exercise("stable_softmax")
def test_softmax_treats_rows_of_different_size_alike():
    """Subtracting the largest element of the whole array would leave nothing of the second row."""
    x = np.array([[1e4, 1e4 + 1], [0.0, 1.0], [-1e4, -1e4 + 1]])
    expected = [1 / (1 + math.e), math.e / (1 + math.e)]
    np.testing.assert_allclose(stable_softmax(x, 1), [expected] * 3, rtol=1e-12)
    np.testing.assert_allclose(stable_softmax(x.T, 0), np.array([expected] * 3).T, rtol=1e-12)


@exercise("stable_softmax")
def test_softmax_gives_a_masked_score_nothing():
    assert stable_softmax(np.array([0.0, -math.inf, 0.0]), 0).tolist() == [0.5, 0.0, 0.5]


@exercise("stable_softmax")
def test_softmax_leaves_its_input_alone():
    x = np.array([1.0, 2.0, 3.0])
    stable_softmax(x, 0)
    assert x.tolist() == [1.0, 2.0, 3.0]


@exercise("stable_softmax")
@modest
@given(data=st.data(), x=arrays(any_size))
def test_softmax_sums_to_one_along_every_axis(data, x):
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    out = stable_softmax(x, dim)
    assert out.shape == x.shape
    assert (out >= 0).all()
    np.testing.assert_allclose(out.sum(axis=dim), np.ones_like(x.sum(axis=dim)), rtol=1e-14)


@exercise("stable_softmax")
@modest
@given(scores=st.lists(any_size, min_size=1, max_size=6))
def test_softmax_agrees_with_its_definition_in_decimals(scores):
    expected, _ = exact_softmax(scores)
    np.testing.assert_allclose(stable_softmax(np.array(scores), 0), expected, rtol=1e-11, atol=1e-300)


# LogSoftmax


@exercise("stable_log_softmax")
def test_log_softmax_by_hand():
    """The logarithms of 1/8, 2/8 and 5/8."""
    expected = [-math.log(8), -math.log(4), math.log(0.625)]
    np.testing.assert_allclose(stable_log_softmax(np.log([1.0, 2.0, 5.0]), 0), expected, rtol=1e-15)


@exercise("stable_log_softmax")
def test_log_softmax_layer_works_along_its_axis():
    scores = Tensor(np.log([[1.0, 2.0, 5.0], [3.0, 2.0, 5.0]]), dtype=np.float64)
    np.testing.assert_allclose(np.exp(LogSoftmax(dim=0)(scores).data), [[0.25, 0.5, 0.5], [0.75, 0.5, 0.5]])
    assert LogSoftmax()(scores).tolist() == LogSoftmax(dim=1)(scores).tolist()


@exercise("stable_log_softmax")
def test_log_softmax_keeps_what_softmax_rounds_to_zero():
    x = np.array([[0.0, -200.0], [0.0, -1e4]], np.float32)
    assert stable_log_softmax(x, 1).tolist() == x.tolist()


@exercise("stable_log_softmax")
def test_log_softmax_treats_rows_of_different_size_alike():
    x = np.array([[1e4, 1e4], [0.0, 0.0], [-1e4, -1e4]])
    np.testing.assert_allclose(stable_log_softmax(x, 1), np.full((3, 2), -math.log(2)), rtol=1e-12)


@exercise("stable_log_softmax")
def test_log_softmax_gives_a_masked_score_minus_infinity():
    out = stable_log_softmax(np.array([0.0, -math.inf]), 0)
    assert out.tolist() == [0.0, -math.inf]


@exercise("stable_log_softmax")
def test_log_softmax_leaves_its_input_alone():
    x = np.array([1.0, 2.0, 3.0])
    stable_log_softmax(x, 0)
    assert x.tolist() == [1.0, 2.0, 3.0]


@exercise("stable_log_softmax")
@modest
@given(scores=st.lists(any_size, min_size=1, max_size=6))
def test_log_softmax_agrees_with_its_definition_in_decimals(scores):
    _, expected = exact_softmax(scores)
    np.testing.assert_allclose(stable_log_softmax(np.array(scores), 0), expected, rtol=1e-14, atol=5e-12)


@exercise("stable_log_softmax", "stable_softmax")
@modest
@given(data=st.data(), x=arrays(any_size))
def test_exp_of_log_softmax_is_softmax(data, x):
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    np.testing.assert_allclose(np.exp(stable_log_softmax(x, dim)), stable_softmax(x, dim), rtol=1e-11, atol=1e-300)


# Both along an axis


@pytest.mark.parametrize("kind", [Softmax, LogSoftmax])
@pytest.mark.parametrize("dim", [2, -3])
def test_an_axis_that_is_not_there_is_named(kind, dim):
    message = rf"{kind.__name__}\(dim={dim}\) got an input of shape \(2, 3\), .* Its dim can be -2 to 1\."
    with pytest.raises(IndexError, match=message):
        kind(dim)(Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))


@pytest.mark.parametrize("kind", [Softmax, LogSoftmax])
@pytest.mark.parametrize("dim", [None, (0, 1)])
def test_an_axis_is_one_integer(kind, dim):
    with pytest.raises(TypeError, match=rf"{kind.__name__}\(dim=.*\) needs one axis, an integer\. Use dim=-1"):
        kind(dim)(Tensor([[1.0]]))


@exercise("stable_softmax", "stable_log_softmax")
@pytest.mark.parametrize("shape", [(4, 1), (1,), ()])
def test_one_score_alone_is_certain(shape):
    x = from_numpy(np.full(shape, 7.0))
    assert (Softmax()(x).data == 1).all()
    assert (LogSoftmax()(x).data == 0).all()


@pytest.mark.parametrize("kind", [Softmax, LogSoftmax])
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
@pytest.mark.parametrize("dim", [0, -1])
def test_no_scores_give_no_probabilities(kind, shape, dim):
    assert kind(dim)(from_numpy(np.zeros(shape))).shape == shape


# All six


ALL = [
    pytest.param(layer, marks=exercise(name), id=repr(layer))
    for layer, name in [
        (ReLU(), "relu"),
        (Sigmoid(), "stable_sigmoid"),
        (Tanh(), "tanh"),
        (GELU(), "gelu"),
        (GELU("tanh"), "gelu"),
        (Softmax(), "stable_softmax"),
        (LogSoftmax(), "stable_log_softmax"),
    ]
]


@pytest.mark.parametrize("layer", ALL)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1, 4)])
def test_shape_and_dtype_are_kept(layer, dtype, shape):
    out = layer(from_numpy(np.full(shape, 0.5, dtype)))
    assert isinstance(out, Tensor)
    assert out.shape == shape
    assert out.dtype == dtype


@pytest.mark.parametrize("layer", ALL)
def test_an_empty_batch_gives_an_empty_batch(layer):
    """A row beside it proves that the layer is written: softmax has nothing to do for an empty batch."""
    assert layer(Tensor([[1.0, 2.0]])).shape == (1, 2)
    assert layer(from_numpy(np.zeros((0, 2), np.float32))).shape == (0, 2)


@pytest.mark.parametrize("layer", ALL)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_are_finite_at_ten_thousand(layer, dtype):
    x = from_numpy(np.array([[-1e4, 0.0, 1e4], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4]], dtype))
    assert np.isfinite(layer(x).data).all()


@pytest.mark.parametrize("layer", ALL)
def test_float32_is_float64_rounded(layer):
    x = np.random.default_rng(0).standard_normal((50, 7)).astype(np.float32) * 4
    exact = layer(from_numpy(x.astype(np.float64))).data
    np.testing.assert_allclose(layer(from_numpy(x)).data, exact, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layer", ALL)
def test_the_input_is_left_alone(layer):
    x = np.linspace(-3, 3, 7)
    before = x.copy()
    layer(from_numpy(x))
    assert x.tolist() == before.tolist()


@exercise("relu", "stable_sigmoid", "tanh", "gelu", "stable_softmax", "stable_log_softmax")
def test_examples_in_the_docstrings_are_true():
    results = doctest.testmod(activations)
    assert results.attempted >= 7
    assert results.failed == 0
