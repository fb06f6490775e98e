"""The comprehensive suite of module 04: reductions, shapes and the four losses, against exact decimals and PyTorch."""

from __future__ import annotations

import doctest
import math
import re
from collections.abc import Iterator
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core import losses
from tinytorch.core.activations import stable_sigmoid, stable_softmax
from tinytorch.core.layers import Linear, Module
from tinytorch.core.losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    Loss,
    MSELoss,
    class_axis,
    expectation,
    one_hot,
    reduce,
    smoothed,
    softplus,
)
from tinytorch.core.tensor import Tensor, from_numpy, tensor

exercise = pytest.mark.exercise
modest = settings(max_examples=30, deadline=None)

LOSSES = (MSELoss, BCELoss, BCEWithLogitsLoss, CrossEntropyLoss)
PAIRED = (MSELoss, BCELoss, BCEWithLogitsLoss)
REDUCTIONS = ("mean", "sum", "none")
CROSS_ENTROPY = exercise("one_hot", "label_smoothing", "target_distribution", "cross_entropy")
ANSWER_OF = {
    MSELoss: exercise("reduce", "mse"),
    BCELoss: exercise("reduce", "bce"),
    BCEWithLogitsLoss: exercise("reduce", "softplus", "bce_with_logits"),
    CrossEntropyLoss: exercise("one_hot", "target_distribution", "cross_entropy"),
}

shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
any_size = st.floats(-1e4, 1e4)
share = st.floats(0, 1)


def each(kinds: tuple[type[Loss], ...]) -> list[object]:
    """Return one parameter a loss, each with the marks of the exercises it stands on."""
    return [pytest.param(kind, marks=ANSWER_OF[kind], id=kind.__name__) for kind in kinds]


def floats(values: object) -> Tensor:
    return Tensor(values, dtype=np.float64)


def positions(shape: tuple[int, ...], axis: int) -> Iterator[tuple[tuple[int, ...], tuple[object, ...]]]:
    """Yield each position of logits of `shape`, and the index of its classes in the logits."""
    for place in np.ndindex(*shape[:axis], *shape[axis + 1 :]):
        yield place, (*place[:axis], slice(None), *place[axis:])


# Independent references: the definitions, one position at a time, in decimals that neither overflow nor lose digits.


def exact_binary(logit: float, target: float, pos_weight: float = 1.0) -> float:
    with localcontext() as context:
        context.prec = 350  # 1 + exp(-700) needs 305 digits
        if_true = (1 + (-Decimal(logit)).exp()).ln()
        if_false = (1 + Decimal(logit).exp()).ln()
        return float(Decimal(pos_weight) * Decimal(target) * if_true + (1 - Decimal(target)) * if_false)


def exact_surprises(logits: np.ndarray) -> list[float]:
    """Return ``-log(softmax)`` of one position."""
    with localcontext() as context:
        context.prec = 60
        powers = [Decimal(float(x)).exp() for x in logits]
        total = sum(powers)
        return [float((total / power).ln()) for power in powers]


def exact_cross_entropy(logits, target, weight, ignore_index, smoothing):
    """Return the loss of each position and the mean, as PyTorch's page on CrossEntropyLoss writes them out."""
    axis = 0 if logits.ndim == 1 else 1
    classes = logits.shape[axis]
    w = [1.0] * classes if weight is None else weight.tolist()
    found, divisor = np.zeros(logits.shape[:axis] + logits.shape[axis + 1 :]), 0.0
    for place, row in positions(logits.shape, axis):
        surprise = exact_surprises(logits[row])
        if target.dtype.kind == "f":
            kept = sum(w[c] * float(target[row][c]) * surprise[c] for c in range(classes))
            divisor += 1
        elif target[place] == ignore_index:
            continue
        else:
            kept = w[target[place]] * surprise[target[place]]
            divisor += w[target[place]]
        spread = sum(w[c] * surprise[c] for c in range(classes)) / classes
        found[place] = (1 - smoothing) * kept + smoothing * spread
    return found, found.sum() / divisor if divisor else math.nan


# Reductions


@exercise("reduce")
def test_reduce_worked_by_hand():
    values = np.array([[4.0, 0.0], [1.0, 3.0]])
    assert reduce(values, "mean").tolist() == 2.0
    assert reduce(values, "sum").tolist() == 8.0
    assert reduce(values, "none").tolist() == [[4.0, 0.0], [1.0, 3.0]]


@exercise("reduce")
@modest
@given(hnp.arrays(np.float64, shapes, elements=any_size))
def test_mean_is_the_sum_over_the_count_of_all_elements(values):
    total = math.fsum(values.ravel().tolist())
    assert reduce(values, "sum") == pytest.approx(total, abs=1e-9)
    if values.size:
        assert reduce(values, "mean") == pytest.approx(total / values.size, abs=1e-9)
    assert (reduce(values, "none") == values).all()
    assert reduce(values, "none").shape == values.shape


@exercise("reduce")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_reduce_keeps_the_dtype_and_returns_arrays(reduction, dtype):
    reduced = reduce(np.ones((2, 3), dtype), reduction)
    assert isinstance(reduced, np.ndarray)
    assert reduced.dtype == dtype
    assert reduced.shape == ((2, 3) if reduction == "none" else ())


@exercise("reduce")
def test_the_mean_of_nothing_is_nan_without_a_warning():
    assert np.isnan(reduce(np.zeros((0, 3)), "mean"))
    assert reduce(np.zeros((0, 3)), "sum") == 0
    assert reduce(np.zeros((0, 3)), "none").shape == (0, 3)
    assert reduce(np.zeros(0, np.float32), "mean").dtype == np.float32


@pytest.mark.parametrize("kind", LOSSES)
def test_an_unknown_reduction_is_an_error_that_lists_all_three(kind):
    message = "a loss is reduced by 'mean', 'sum' or 'none', but got reduction='average'."
    with pytest.raises(ValueError, match=re.escape(message)):
        kind(reduction="average")
    with pytest.raises(ValueError, match="'mean', 'sum' or 'none', but got reduction='Mean'"):
        reduce(np.zeros(2), "Mean")


# What all losses share


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_is_a_module_without_parameters(kind):
    loss = kind()
    assert isinstance(loss, Module)
    assert list(loss.parameters()) == []
    assert loss.reduction == "mean"
    assert repr(loss) == f"{kind.__name__}()"


@pytest.mark.parametrize("kind", PAIRED)
@pytest.mark.parametrize(
    ("input", "target", "advice"),
    [
        ((32, 1), (32,), "input has shape (32, 1) but target (32,). They must be equal; try target.reshape(32, 1)."),
        ((32,), (32, 1), "input has shape (32,) but target (32, 1). They must be equal; try target.reshape(32)."),
        ((32, 1), (1, 32), "try target.reshape(32, 1)."),
        ((), (1,), "try target.reshape(())."),
        ((1,), (), "try target.reshape(1)."),
        ((4, 2, 3), (4, 6), "try target.reshape(4, 2, 3)."),
        ((2, 3), (3, 2), "try target.T."),
        ((2, 3), (3,), "They must be equal; give one target for each element of the input."),
        ((2, 3), (), "give one target for each element of the input."),
        ((2, 3), (1, 3), "give one target for each element of the input."),
    ],
)
def test_shapes_are_never_broadcast_and_the_error_shows_the_reshape(kind, input, target, advice):
    with pytest.raises(ValueError, match=re.escape(advice)) as error:
        kind()(Tensor(np.full(input, 0.5)), Tensor(np.full(target, 0.5)))
    assert str(error.value).startswith(f"{kind.__name__}: input has shape {input} but target {target}. ")


@pytest.mark.parametrize("kind", LOSSES)
def test_only_tensors_are_compared_and_the_input_holds_floats(kind):
    name, halves = kind.__name__, Tensor([0.5, 0.5])
    with pytest.raises(TypeError, match=rf"{name}: input must be a Tensor, but got list\. tensor\(x\) makes one\."):
        kind()([0.5, 0.5], halves)
    with pytest.raises(TypeError, match=rf"{name}: target must be a Tensor, but got ndarray\."):
        kind()(halves, np.array([0.5, 0.5]))
    with pytest.raises(
        TypeError, match=rf"{name}: input must hold floats, but it holds int64\. Use input\.float\(\)\."
    ):
        kind()(tensor([0, 1]), halves)


# MSELoss


@exercise("reduce", "mse")
def test_mse_worked_by_hand():
    x, t = Tensor([3.0, 5.0]), Tensor([1.0, 5.0])
    assert MSELoss()(x, t).item() == 2.0
    assert MSELoss("sum")(x, t).item() == 4.0
    assert MSELoss("none")(x, t).tolist() == [4.0, 0.0]
    assert MSELoss()(Tensor(3.0), Tensor(-1.0)).item() == 16.0


@exercise("reduce", "mse")
@modest
@given(st.data())
def test_mse_is_the_squared_difference_of_each_pair(data):
    shape = data.draw(shapes)
    x, t = (data.draw(hnp.arrays(np.float64, shape, elements=any_size)) for _ in range(2))
    expected = [abs(a - b) ** 2 for a, b in zip(x.ravel().tolist(), t.ravel().tolist(), strict=True)]
    values = MSELoss("none")(from_numpy(x), from_numpy(t))
    assert values.shape == shape
    assert values.data.ravel().tolist() == pytest.approx(expected)
    if expected:
        assert MSELoss()(from_numpy(x), from_numpy(t)).item() == pytest.approx(math.fsum(expected) / len(expected))


@exercise("reduce", "mse")
def test_mse_reads_arrays_in_any_memory_order():
    x = floats([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert MSELoss("none")(x.T, floats([[1.0, 4.0], [2.0, 5.0], [3.0, 0.0]])).tolist() == [[0, 0], [0, 0], [0, 36]]


@exercise("reduce", "mse")
@pytest.mark.parametrize(("input", "target"), [((4, 3, 2), (4, 6)), ((3, 1), (3,)), ((), (1,)), ((2, 3), (3, 2))])
def test_the_advice_of_the_shape_error_works(input, target):
    x, t = Tensor(np.ones(input)), Tensor(np.zeros(target))
    with pytest.raises(ValueError, match="They must be equal") as error:
        MSELoss()(x, t)
    advised = eval(str(error.value).split("try ")[1].rstrip("."), {"target": t})
    assert MSELoss()(x, advised).item() == 1.0


# BCELoss


@exercise("reduce", "bce")
def test_bce_worked_by_hand():
    surprise = BCELoss("none")
    assert surprise(floats([0.25, 0.25, 0.25]), floats([1.0, 0.0, 0.3])).tolist() == pytest.approx(
        [math.log(4), math.log(4 / 3), 0.3 * math.log(4) + 0.7 * math.log(4 / 3)]
    )
    assert BCELoss()(floats([0.5, 0.5]), floats([0.0, 1.0])).item() == pytest.approx(math.log(2))


@exercise("reduce", "bce")
def test_bce_agrees_with_pytorch():
    p, t = floats([0.0, 0.25, 0.5, 1.0, 1.0, 1e-50]), floats([0.0, 1.0, 0.3, 0.75, 1.0, 1.0])
    # torch 2.13: BCELoss(reduction="none") in float64
    expected = [0.0, 1.386294361, 0.693147181, 25.0, 0.0, 100.0]
    assert BCELoss("none")(p, t).tolist() == pytest.approx(expected, abs=1e-8)
    assert BCELoss()(p, t).item() == pytest.approx(sum(expected) / 6, abs=1e-8)


@exercise("reduce", "bce")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_certain_and_wrong_probability_costs_100(dtype):
    p = Tensor([0.0, 1.0, 1.0, 0.0], dtype=dtype)
    assert BCELoss("none")(p, Tensor([1.0, 0.0, 1.0, 0.0], dtype=dtype)).tolist() == [100.0, 100.0, 0.0, 0.0]


@exercise("reduce", "bce")
def test_bce_sees_a_probability_too_small_to_be_taken_from_1():
    assert BCELoss()(Tensor([1e-9]), Tensor([0.0])).item() == pytest.approx(1e-9, rel=1e-6)


@exercise("reduce", "bce")
@modest
@given(st.lists(st.tuples(st.floats(1e-6, 1 - 1e-6), share), min_size=1, max_size=8))
def test_bce_is_the_mean_surprise(pairs):
    expected = [-(t * math.log(p) + (1 - t) * math.log(1 - p)) for p, t in pairs]
    p, t = zip(*pairs, strict=True)
    assert BCELoss("none")(floats(p), floats(t)).tolist() == pytest.approx(expected)
    assert BCELoss("sum")(floats(p), floats(t)).item() == pytest.approx(math.fsum(expected))


@exercise("reduce", "bce")
@modest
@given(share, share)
def test_no_probability_is_better_than_the_true_one(p, t):
    truth = BCELoss()(floats([t]), floats([t])).item()
    assert BCELoss()(floats([p]), floats([t])).item() >= truth - 1e-12


@pytest.mark.parametrize(
    ("p", "t", "message"),
    [
        (
            [[0.5, 0.5], [0.5, 1.5]],
            [[0.0, 0.0], [0.0, 0.0]],
            "BCELoss: input must hold probabilities, 0 to 1, but input[1, 1] is 1.5. "
            "BCEWithLogitsLoss takes logits, which can be any number.",
        ),
        ([0.5, -0.25], [0.0, 0.0], "input[1] is -0.25."),
        ([math.nan], [0.0], "input[0] is nan."),
        (2.0, 1.0, "but input is 2.0."),
        ([0.5], [255.0], "BCELoss: target must hold probabilities, 0 to 1, but target[0] is 255.0."),
        ([0.5], [-1.0], "target[0] is -1.0."),
    ],
)
def test_what_is_no_probability_is_named_with_its_place(p, t, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        BCELoss()(Tensor(p), Tensor(t))


# Softplus and BCEWithLogitsLoss


@exercise("softplus")
def test_softplus_worked_by_hand():
    assert softplus(np.array([0.0, 1.0, -1.0])).tolist() == pytest.approx(
        [math.log(2), math.log(1 + math.e), math.log(1 + 1 / math.e)]
    )
    assert softplus(np.array([-40.0])).tolist() == pytest.approx([math.exp(-40)], rel=1e-12, abs=0)
    assert softplus(np.array([-1e4, 1e4])).tolist() == [0.0, 1e4]
    assert softplus(np.array([-1e4, 1e4], np.float32)).tolist() == [0.0, 1e4]


@exercise("softplus")
@modest
@given(st.floats(-700, 1e4) | st.floats(-40, 40))
def test_softplus_is_exact_where_its_value_is_tiny_and_where_it_is_huge(x):
    with localcontext() as context:
        context.prec = 400
        exact = float((1 + Decimal(x).exp()).ln())
    assert softplus(np.array([x]))[0] == pytest.approx(exact, rel=1e-13, abs=0)


@exercise("softplus")
def test_softplus_keeps_dtype_and_shape():
    for dtype in (np.float32, np.float64):
        result = softplus(np.zeros((2, 0, 3), dtype))
        assert (result.dtype, result.shape) == (dtype, (2, 0, 3))


@exercise("reduce", "softplus", "bce_with_logits")
def test_bce_with_logits_worked_by_hand():
    surprise = BCEWithLogitsLoss("none")
    assert surprise(floats([0.0, 0.0, 0.0]), floats([0.0, 1.0, 0.4])).tolist() == pytest.approx([math.log(2)] * 3)
    assert surprise(floats([2.0, 2.0]), floats([1.0, 0.0])).tolist() == pytest.approx(
        [math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))]
    )


@exercise("reduce", "softplus", "bce_with_logits")
def test_bce_with_logits_agrees_with_pytorch():
    x, t = floats([-3.0, -0.5, 0.0, 1.5]), floats([0.0, 1.0, 0.3, 1.0])
    # torch 2.13: BCEWithLogitsLoss(reduction="none", pos_weight=...) in float64
    for pos_weight, expected in (
        (None, [0.048587352, 0.974076984, 0.693147181, 0.201413278]),
        (floats(2.5), [0.048587352, 2.43519246, 1.005063412, 0.503533195]),
    ):
        assert BCEWithLogitsLoss("none", pos_weight)(x, t).tolist() == pytest.approx(expected, abs=1e-8)
        assert BCEWithLogitsLoss(pos_weight=pos_weight)(x, t).item() == pytest.approx(sum(expected) / 4, abs=1e-8)
        assert BCEWithLogitsLoss("sum", pos_weight)(x, t).item() == pytest.approx(sum(expected), abs=1e-8)


@exercise("reduce", "softplus", "bce_with_logits")
@modest
@given(st.lists(st.tuples(st.one_of(any_size, st.floats(-40, 40)), share), min_size=1, max_size=6), st.floats(0, 9))
def test_bce_with_logits_is_exact_at_any_logit(pairs, pos_weight):
    x, t = zip(*pairs, strict=True)
    values = BCEWithLogitsLoss("none")(floats(x), floats(t)).tolist()
    assert values == pytest.approx([exact_binary(*pair) for pair in pairs], rel=1e-12, abs=1e-300)
    values = BCEWithLogitsLoss("none", floats(pos_weight))(floats(x), floats(t)).tolist()
    assert values == pytest.approx([exact_binary(*pair, pos_weight) for pair in pairs], rel=1e-12, abs=1e-300)


@exercise("reduce", "softplus", "bce_with_logits")
def test_the_loss_of_a_confident_mistake_keeps_its_value_and_its_slope():
    logits = Tensor([17.0, 100.0, 101.0, 1000.0, 1e4])
    assert BCEWithLogitsLoss("none")(logits, Tensor([0.0] * 5)).tolist() == logits.tolist()
    assert BCEWithLogitsLoss("none")(-logits, Tensor([1.0] * 5)).tolist() == logits.tolist()
    assert BCEWithLogitsLoss("none")(logits, Tensor([1.0] * 5)).tolist() == pytest.approx(
        [4.14e-8, 0, 0, 0, 0], abs=1e-10
    )


@exercise("reduce", "bce", "softplus", "bce_with_logits")
@modest
@given(st.lists(st.tuples(st.floats(-15, 15), share), min_size=1, max_size=8))
def test_sigmoid_then_bce_agrees_while_the_sigmoid_has_digits(pairs):
    x, t = (np.array(values) for values in zip(*pairs, strict=True))
    composed = BCELoss()(from_numpy(stable_sigmoid(x)), from_numpy(t)).item()
    assert BCEWithLogitsLoss()(from_numpy(x), from_numpy(t)).item() == pytest.approx(composed, rel=1e-6, abs=1e-9)


@exercise("reduce", "softplus", "bce_with_logits")
@pytest.mark.parametrize("weight", [[3.0, 0.5], [[3.0, 0.5]], [[3.0], [0.5], [1.0]], [2.0], 2.0])
def test_pos_weight_broadcasts_over_the_input(weight):
    x, t = np.linspace(-2, 3, 6).reshape(3, 2), np.array([[0.0, 1.0], [1.0, 0.25], [1.0, 0.0]])
    every = np.broadcast_to(np.array(weight), (3, 2))
    expected = [[exact_binary(x[i, j], t[i, j], every[i, j]) for j in range(2)] for i in range(3)]
    values = BCEWithLogitsLoss("none", pos_weight=floats(weight))(from_numpy(x), from_numpy(t))
    assert values.data == pytest.approx(np.array(expected))


@pytest.mark.parametrize("weight", [[1.0, 2.0, 3.0], [[1.0], [2.0]], [[[1.0]]]])
def test_a_pos_weight_that_does_not_fit_is_an_error(weight):
    message = (
        rf"pos_weight of shape {re.escape(str(np.shape(weight)))} does not broadcast over an input of shape \(3, 2\)"
    )
    with pytest.raises(ValueError, match=message):
        BCEWithLogitsLoss(pos_weight=Tensor(weight))(Tensor(np.zeros((3, 2))), Tensor(np.zeros((3, 2))))


@pytest.mark.parametrize(("kind", "name"), [(BCEWithLogitsLoss, "pos_weight"), (CrossEntropyLoss, "weight")])
def test_a_weight_is_a_tensor_that_is_not_trained(kind, name):
    with pytest.raises(TypeError, match=rf"{kind.__name__}: {name} must be a Tensor or None, but got list"):
        kind(**{name: [1.0, 2.0]})
    with pytest.raises(ValueError, match=rf"{name} is a setting and receives no gradient\. Pass {name}\.detach\(\)\."):
        kind(**{name: Tensor([1.0, 2.0], requires_grad=True)})


# The true distribution


@pytest.mark.parametrize(("shape", "axis"), [((3,), 0), ((2, 3), 1), ((2, 3, 4), 1), ((2, 3, 4, 5), 1)])
def test_the_classes_are_on_the_second_axis_or_the_only_one(shape, axis):
    assert class_axis(np.zeros(shape)) == axis


@exercise("one_hot")
def test_one_hot_worked_by_hand():
    assert one_hot(np.array([2, 0]), np.zeros((2, 3))).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one_hot(np.array(1), np.zeros(3)).tolist() == [0, 1, 0]
    assert one_hot(np.zeros(0, np.int64), np.zeros((0, 3))).shape == (0, 3)


@exercise("one_hot")
@modest
@given(st.data())
def test_one_hot_has_its_1_at_the_class_and_0_elsewhere(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=4))
    logits = data.draw(hnp.arrays(st.sampled_from([np.float32, np.float64]), shape, elements=st.just(7)))
    axis = 0 if len(shape) == 1 else 1
    classes = data.draw(
        hnp.arrays(np.int64, shape[:axis] + shape[axis + 1 :], elements=st.integers(0, shape[axis] - 1))
    )
    found = one_hot(classes, logits)
    assert found.dtype == logits.dtype
    assert (logits == 7).all()
    for place, row in positions(shape, axis):
        assert found[row].tolist() == [float(c == classes[place]) for c in range(shape[axis])]


@exercise("label_smoothing")
def test_smoothing_worked_by_hand():
    assert smoothed(np.array([[0.0, 1.0, 0.0]]), 0.3) == pytest.approx(np.array([[0.1, 0.8, 0.1]]))
    assert smoothed(np.array([0.0, 1.0]), 0.5) == pytest.approx(np.array([0.25, 0.75]))
    two_pixels = np.array([[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])
    assert smoothed(two_pixels, 0.2) == pytest.approx(np.array([[[0.9, 0.1, 0.9], [0.1, 0.9, 0.1]]]))


@exercise("label_smoothing")
@modest
@given(st.data(), share)
def test_a_smoothed_distribution_still_sums_to_1_and_keeps_its_order(data, smoothing):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    axis = 0 if len(shape) == 1 else 1
    p = stable_softmax(data.draw(hnp.arrays(np.float64, shape, elements=st.floats(-3, 3))), axis)
    before = p.copy()
    q = smoothed(p, smoothing)
    assert q.sum(axis=axis) == pytest.approx(np.ones(shape[:axis] + shape[axis + 1 :]))
    assert (p == before).all()
    for _, row in positions(shape, axis):
        assert q[row] == pytest.approx([(1 - smoothing) * x + smoothing / shape[axis] for x in p[row]])


@exercise("one_hot", "target_distribution")
def test_target_distribution_worked_by_hand():
    logits, weights = np.zeros((2, 2)), Tensor([1.0, 3.0])
    q, scale = CrossEntropyLoss(weights).target_distribution(logits, np.array([0, 1]))
    assert (q.tolist(), scale.tolist()) == ([[1, 0], [0, 3]], 0.25)
    q, scale = CrossEntropyLoss(weights).target_distribution(logits, np.array([-100, 1]))
    assert (q.tolist(), scale.tolist()) == ([[0, 0], [0, 3]], pytest.approx(1 / 3))
    q, scale = CrossEntropyLoss(weights).target_distribution(logits, np.array([[0.5, 0.5], [0.25, 0.75]]))
    assert (q.tolist(), scale.tolist()) == ([[0.5, 1.5], [0.25, 2.25]], 0.5)


@exercise("one_hot", "label_smoothing", "target_distribution")
def test_target_distribution_of_smoothed_and_weighted_classes():
    # (1 - 0.2) * weight of the true class, and 0.2 / 2 of every class's own weight
    q, scale = CrossEntropyLoss(Tensor([1.0, 3.0]), label_smoothing=0.2).target_distribution(
        np.zeros((3, 2)), np.array([0, 1, -100])
    )
    assert q == pytest.approx(np.array([[0.9, 0.3], [0.1, 2.7], [0.0, 0.0]]))
    assert scale == pytest.approx(1 / 4)


@exercise("one_hot", "target_distribution")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4), (0, 3)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_target_distribution_has_the_shape_and_dtype_of_the_logits(reduction, shape, dtype):
    logits, axis = np.zeros(shape, dtype), 0 if len(shape) == 1 else 1
    classes = np.zeros(shape[:axis] + shape[axis + 1 :], np.int64)
    for target in (classes, np.zeros(shape, np.float64)):
        q, scale = CrossEntropyLoss(reduction=reduction).target_distribution(logits, target)
        assert (q.shape, q.dtype) == (shape, dtype)
        assert (scale.shape, scale.dtype) == ((), dtype)
        if reduction != "mean":
            assert scale == 1


@exercise("one_hot", "target_distribution")
def test_a_batch_in_which_nothing_counts_has_scale_0():
    for weight, target in ((None, [-100, -100]), (Tensor([0.0, 1.0]), [0, 0])):
        q, scale = CrossEntropyLoss(weight).target_distribution(np.zeros((2, 2)), np.array(target))
        assert not q.any()
        assert scale == 0


def test_what_is_expected_does_not_count_what_cannot_happen():
    assert expectation(np.array([0.25, 0.75, 0.0]), np.array([4.0, 8.0, -np.inf])) == 7.0
    assert expectation(np.array([[0.5, 0.5]]), np.array([[1.0, -np.inf]])).tolist() == [-np.inf]
    assert expectation(np.ones((2, 3, 4)), np.ones((2, 3, 4))).tolist() == [[3.0] * 4] * 2


# CrossEntropyLoss


@exercise("one_hot", "target_distribution", "cross_entropy")
def test_cross_entropy_worked_by_hand():
    # softmax of log(7), log(2), log(1) is 0.7, 0.2, 0.1
    logits = floats(np.log([[7.0, 2.0, 1.0], [7.0, 2.0, 1.0]]))
    loss = CrossEntropyLoss(reduction="none")
    assert loss(logits, tensor([0, 2])).tolist() == pytest.approx([-math.log(0.7), -math.log(0.1)])
    assert CrossEntropyLoss()(logits, tensor([0, 2])).item() == pytest.approx(-(math.log(0.7) + math.log(0.1)) / 2)
    assert CrossEntropyLoss(reduction="sum")(logits, tensor([0, 2])).item() == pytest.approx(-math.log(0.07))
    assert CrossEntropyLoss()(logits[0], tensor(1)).item() == pytest.approx(-math.log(0.2))
    shares = floats([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    assert loss(logits, shares).tolist() == pytest.approx([-(math.log(0.7) + math.log(0.2)) / 2, -math.log(0.1)])


CLASS_INDICES = {(3,): 1, (4, 3): [2, 0, -100, 1], (2, 3, 2): [[0, -100], [2, 1]]}

# torch 2.13, float64: logits ((7 * i + 3) % 11 - 5) / 2 and probabilities (3 * i % 5 + 1), normalised, where i counts
# the elements; weight [0.5, 2, 1.25]. Each row: shape, target, weighted, label_smoothing, "mean", "none" flattened.
BY_PYTORCH = [
    ((3,), "indices", False, 0.0, 0.153178207, [0.153178207]),
    ((3,), "indices", True, 0.0, 0.153178207, [0.306356414]),
    ((3,), "indices", False, 0.1, 0.33651154, [0.33651154]),
    ((3,), "indices", True, 0.1, 0.218267358, [0.436534715]),
    ((3,), "probabilities", False, 0.0, 1.224606779, [1.224606779]),
    ((3,), "probabilities", True, 0.0, 1.204994325, [1.204994325]),
    ((3,), "probabilities", False, 0.1, 1.300797255, [1.300797255]),
    ((3,), "probabilities", True, 0.1, 1.245308835, [1.245308835]),
    ((4, 3), "indices", False, 0.0, 1.98651154, [2.153178207, 3.653178207, 0.0, 0.153178207]),
    ((4, 3), "indices", True, 0.0, 1.28651154, [2.691472759, 1.826589104, 0.0, 0.306356414]),
    ((4, 3), "indices", False, 0.1, 1.98651154, [2.13651154, 3.48651154, 0.0, 0.33651154]),
    ((4, 3), "indices", True, 0.1, 1.28651154, [2.583139426, 1.804744136, 0.0, 0.436534715]),
    ((4, 3), "probabilities", False, 0.0, 2.086281562, [1.224606779, 2.319844874, 2.334996389, 2.465678207]),
    ((4, 3), "probabilities", True, 0.0, 1.658312831, [1.204994325, 1.415943058, 1.943312094, 2.069001845]),
    ((4, 3), "probabilities", False, 0.1, 2.07630456, [1.300797255, 2.28651154, 2.300147904, 2.41776154]),
    ((4, 3), "probabilities", True, 0.1, 1.65329549, [1.245308835, 1.435162695, 1.909794827, 2.022915603]),
    ((2, 3, 2), "indices", False, 0.0, 2.526098974, [3.241311297, 0.0, 0.241311297, 4.095674329]),
    ((2, 3, 2), "indices", True, 0.0, 2.696971581, [1.620655648, 0.0, 0.301639121, 8.191348659]),
    ((2, 3, 2), "indices", False, 0.1, 2.464987863, [3.091311297, 0.0, 0.391311297, 3.912340996]),
    ((2, 3, 2), "indices", True, 0.1, 2.625439876, [1.638753996, 0.0, 0.451639121, 7.755006417]),
    ((2, 3, 2), "probabilities", False, 0.0, 2.079603924, [1.241311297, 2.345674329, 2.191311297, 2.540118774]),
    ((2, 3, 2), "probabilities", True, 0.0, 3.155982579, [1.581803033, 4.439268486, 2.419737468, 4.183121328]),
    ((2, 3, 2), "probabilities", False, 0.1, 2.071826146, [1.291311297, 2.337340996, 2.146311297, 2.512340996]),
    ((2, 3, 2), "probabilities", True, 0.1, 3.121862589, [1.603786642, 4.378134262, 2.357927633, 4.14760182]),
]


@CROSS_ENTROPY
@pytest.mark.parametrize(("shape", "kind", "weighted", "smoothing", "mean", "none"), BY_PYTORCH)
def test_cross_entropy_agrees_with_pytorch(shape, kind, weighted, smoothing, mean, none):
    i = np.arange(math.prod(shape))
    logits = floats((((7 * i + 3) % 11 - 5) / 2).reshape(shape))
    counts = (3 * i % 5 + 1).reshape(shape)
    axis = 0 if len(shape) == 1 else 1
    shares = floats(counts / counts.sum(axis=axis, keepdims=True))
    target = tensor(CLASS_INDICES[shape]) if kind == "indices" else shares
    weight = floats([0.5, 2.0, 1.25]) if weighted else None
    found = {
        reduction: CrossEntropyLoss(weight, reduction=reduction, label_smoothing=smoothing)(logits, target)
        for reduction in REDUCTIONS
    }
    assert found["none"].shape == shape[:axis] + shape[axis + 1 :]
    assert found["none"].data.ravel().tolist() == pytest.approx(none, abs=1e-8)
    assert found["mean"].item() == pytest.approx(mean, abs=1e-8)
    assert found["sum"].item() == pytest.approx(sum(none), abs=1e-8)


@CROSS_ENTROPY
@modest
@given(st.data())
def test_cross_entropy_is_its_definition(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    axis = 0 if len(shape) == 1 else 1
    classes, rest = shape[axis], shape[:axis] + shape[axis + 1 :]
    logits = data.draw(hnp.arrays(np.float64, shape, elements=st.one_of(any_size, st.floats(-5, 5))))
    ignore_index, smoothing = data.draw(st.sampled_from([-100, -1, 0])), data.draw(st.sampled_from([0.0, 0.1, 1.0]))
    if ignore_index < 0 and data.draw(st.booleans()):
        target = data.draw(hnp.arrays(np.float64, shape, elements=share))
    else:
        labels = st.one_of(st.just(ignore_index), st.integers(0, classes - 1))
        target = data.draw(hnp.arrays(np.int64, rest, elements=labels))
    weight = data.draw(st.none() | hnp.arrays(np.float64, (classes,), elements=st.floats(0.125, 4)))
    losses, mean = exact_cross_entropy(logits, target, weight, ignore_index, smoothing)
    for reduction, expected in (("none", losses), ("sum", losses.sum()), ("mean", mean)):
        loss = CrossEntropyLoss(None if weight is None else from_numpy(weight), ignore_index, reduction, smoothing)
        found = loss(from_numpy(logits), from_numpy(target))
        assert found.shape == np.shape(expected)
        assert found.data == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


@exercise("one_hot", "target_distribution", "cross_entropy")
@modest
@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(-50, 50)), any_size)
def test_adding_a_number_to_all_logits_changes_nothing(logits, shift):
    target = tensor([0, 1, 3])
    shifted = CrossEntropyLoss()(from_numpy(logits + shift), target).item()
    assert shifted == pytest.approx(CrossEntropyLoss()(from_numpy(logits), target).item(), abs=1e-8)


@exercise("one_hot", "target_distribution", "cross_entropy")
@pytest.mark.parametrize("classes", [2, 10, 50_257])
def test_a_network_that_knows_nothing_has_the_loss_log_c(classes):
    assert CrossEntropyLoss()(floats(np.zeros((1, classes))), tensor([1])).item() == pytest.approx(math.log(classes))


@exercise("reduce", "softplus", "bce_with_logits", "one_hot", "target_distribution", "cross_entropy")
@modest
@given(st.lists(st.tuples(any_size, st.integers(0, 1)), min_size=1, max_size=6))
def test_two_classes_are_one_question(pairs):
    x, t = (np.array(values) for values in zip(*pairs, strict=True))
    both = from_numpy(np.stack([np.zeros(len(x)), x], axis=1))
    binary = BCEWithLogitsLoss()(from_numpy(x), from_numpy(t.astype(np.float64))).item()
    assert CrossEntropyLoss()(both, from_numpy(t)).item() == pytest.approx(binary)


@exercise("one_hot", "target_distribution", "cross_entropy")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_at_extremes(dtype):
    logits = Tensor([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0], [1e4, -1e4, 0.0]], dtype=dtype)
    assert CrossEntropyLoss(reduction="none")(logits, tensor([0, 1, 2])).tolist() == [0.0, 20000.0, 10000.0]
    uniform = Tensor([[1.0, 1.0, 1.0]] * 3, dtype=dtype)
    assert CrossEntropyLoss()(logits, uniform).item() == 30000.0


@exercise("one_hot", "target_distribution", "cross_entropy")
def test_a_class_forbidden_by_a_logit_of_minus_infinity_does_not_disturb_the_others():
    logits = floats([[1.0, 1.0, -np.inf]])
    assert CrossEntropyLoss()(logits, tensor([0])).item() == pytest.approx(math.log(2))
    assert CrossEntropyLoss()(logits, floats([[0.5, 0.5, 0.0]])).item() == pytest.approx(math.log(2))
    assert CrossEntropyLoss()(logits, tensor([2])).item() == math.inf


@exercise("one_hot", "target_distribution", "cross_entropy")
def test_ignored_positions_do_not_count():
    logits = floats([[3.0, 1.0], [-2.0, 5.0], [0.0, 0.5]])
    alone = CrossEntropyLoss()(logits[1:2], tensor([0])).item()
    assert CrossEntropyLoss()(logits, tensor([-100, 0, -100])).item() == pytest.approx(alone)
    assert CrossEntropyLoss(ignore_index=1)(logits, tensor([1, 0, 1])).item() == pytest.approx(alone)
    assert CrossEntropyLoss(reduction="none")(logits, tensor([-100, 0, -100])).tolist() == pytest.approx([0, alone, 0])
    assert CrossEntropyLoss(ignore_index=255)(logits, Tensor([255, 0, 255], dtype=np.uint8)).item() == pytest.approx(
        alone
    )


@exercise("one_hot", "target_distribution", "cross_entropy")
def test_the_mean_over_ignored_positions_only_is_nan_and_their_sum_0():
    logits, padding = Tensor([[1.0, 2.0]]), tensor([-100])
    assert np.isnan(CrossEntropyLoss()(logits, padding).item())
    assert CrossEntropyLoss()(logits, padding).dtype == np.float32
    assert CrossEntropyLoss(reduction="sum")(logits, padding).item() == 0
    assert np.isnan(CrossEntropyLoss()(Tensor(np.zeros((0, 3))), Tensor(np.zeros(0)).long()).item())


@exercise("one_hot", "target_distribution", "cross_entropy")
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64])
def test_class_indices_are_integers_of_any_width(dtype):
    target = Tensor([0, 2], dtype=dtype)
    assert CrossEntropyLoss()(Tensor(np.zeros((2, 3))), target).item() == pytest.approx(math.log(3))


def zeros_of(*shape: int) -> Tensor:
    return Tensor(np.zeros(shape))


@pytest.mark.parametrize(
    ("input", "target", "kind", "message"),
    [
        (
            zeros_of(2, 3),
            Tensor([0, 1]),
            TypeError,
            "CrossEntropyLoss: target has shape (2,) and holds float32. Class indices are integers: use target.long().",
        ),
        (zeros_of(2, 3), Tensor([[0], [1]]), TypeError, "use target.long()."),
        (zeros_of(3), Tensor(1), TypeError, "use target.long()."),
        (zeros_of(2, 3), tensor([True, False]), TypeError, "target holds bool. Class indices are integers: use"),
        (
            zeros_of(4, 3),
            zeros_of(4, 5),
            ValueError,
            "input has shape (4, 3) but a target of probabilities (4, 5). They must be equal.",
        ),
        (
            zeros_of(2, 3),
            tensor([[0], [1]]),
            ValueError,
            "CrossEntropyLoss: input of shape (2, 3) takes class indices of shape (2,), but target has shape (2, 1). "
            "Try target.reshape(2).",
        ),
        (
            zeros_of(3),
            tensor([1]),
            ValueError,
            "takes class indices of shape (), but target has shape (1,). Try target.re",
        ),
        (zeros_of(2, 3), tensor([[0, 1, 0], [1, 0, 0]]), ValueError, "If it holds probabilities, use target.float()."),
        (
            zeros_of(2, 5, 7),
            zeros_of(2, 5).long(),
            ValueError,
            "The classes belong on axis 1. If they are on the last one, use input.reshape(-1, 7) and target.resh",
        ),
        (zeros_of(2, 3), tensor([0, 1, 2]), ValueError, "Give one class index for each position."),
        (zeros_of(2, 3), tensor(0), ValueError, "Give one class index for each position."),
        (
            zeros_of(2, 3),
            tensor([0, 3]),
            IndexError,
            "CrossEntropyLoss: target[1] is 3, but the classes are 0 to 2. "
            "A position that shall not count is marked by -100, the ignore_index.",
        ),
        (zeros_of(2, 3), tensor([-1, 0]), IndexError, "target[0] is -1, but the classes are 0 to 2."),
        (zeros_of(1, 3, 2), tensor([[0, 9]]), IndexError, "target[0, 1] is 9,"),
        (zeros_of(3), tensor(3), IndexError, "CrossEntropyLoss: target is 3,"),
        (Tensor(1.0), tensor(0), ValueError, "input has shape (), but needs an axis of one or more classes"),
        (
            zeros_of(2, 0),
            tensor([0, 0]),
            ValueError,
            "input has shape (2, 0), but needs an axis of one or more classes",
        ),
    ],
)
def test_a_target_that_does_not_fit_the_logits_says_why(input, target, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        CrossEntropyLoss()(input, target)


def test_settings_of_cross_entropy_are_checked():
    for smoothing in (-0.1, 1.5):
        with pytest.raises(ValueError, match=rf"label_smoothing is a share, 0 to 1, but got {smoothing}"):
            CrossEntropyLoss(label_smoothing=smoothing)
    message = "weight has shape (2,), but the logits have 3 classes. Give one weight a class, shape (3,)."
    with pytest.raises(ValueError, match=re.escape(message)):
        CrossEntropyLoss(Tensor([1.0, 2.0]))(Tensor(np.zeros((4, 3))), tensor([0, 1, 2, 0]))
    with pytest.raises(ValueError, match="ignore_index=1 picks class indices, but target holds probabilities"):
        CrossEntropyLoss(ignore_index=1)(Tensor(np.zeros((1, 2))), Tensor([[0.5, 0.5]]))


# All together


@pytest.mark.parametrize("kind", each(LOSSES))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_result_has_the_dtype_of_the_input(kind, reduction, dtype):
    result = kind(reduction=reduction)(Tensor([[0.5, 0.2]], dtype=dtype), Tensor([[0.0, 1.0]], dtype=dtype))
    assert type(result) is Tensor
    assert isinstance(result.data, np.ndarray)
    assert result.dtype == dtype


@pytest.mark.parametrize("kind", each(LOSSES))
def test_settings_and_targets_of_other_types_take_the_type_of_the_input(kind):
    x = Tensor([[0.5, 0.25]])
    for target in (tensor([[0, 1]]), tensor([[False, True]])) if kind is not CrossEntropyLoss else (tensor([1]),):
        assert kind()(x, target).dtype == np.float32
    weighted = {
        BCEWithLogitsLoss: lambda: BCEWithLogitsLoss(pos_weight=floats(2.0))(x, tensor([[0, 1]])),
        CrossEntropyLoss: lambda: CrossEntropyLoss(weight=floats([1.0, 2.0]))(x, tensor([1])),
    }
    if kind in weighted:
        assert weighted[kind]().dtype == np.float32


@pytest.mark.parametrize("kind", each(LOSSES))
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_input_and_target_are_named_so_and_left_as_they_were(kind, reduction):
    x, t = floats([[0.5, 0.25], [0.125, 1.0]]), floats([[1.0, 0.0], [0.5, 0.5]])
    before = x.tolist(), t.tolist()
    by_name = kind(reduction=reduction).forward(target=t, input=x)
    assert by_name.tolist() == kind(reduction=reduction)(x, t).tolist()
    assert (x.tolist(), t.tolist()) == before


@pytest.mark.parametrize("kind", each(LOSSES))
def test_an_empty_batch_has_the_mean_nan_and_the_sum_0(kind):
    empty = Tensor(np.zeros((0, 3)))
    assert np.isnan(kind()(empty, empty).item())
    assert kind(reduction="sum")(empty, empty).item() == 0
    assert kind(reduction="none")(empty, empty).size == 0


@pytest.mark.parametrize("kind", each(LOSSES))
def test_float32_agrees_with_float64(kind):
    generator = np.random.default_rng(4)
    x, t = generator.random((50, 4)), generator.random((50, 4))
    assert kind()(Tensor(x), Tensor(t)).item() == pytest.approx(kind()(floats(x), floats(t)).item(), rel=1e-5)


@CROSS_ENTROPY
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, [0.5, 2.0, 1.0]])
def test_the_best_logits_are_those_of_the_true_distribution(weight, smoothing):
    """At q's own logarithms the loss cannot be made smaller by moving a logit, as the slope there is 0."""
    weight = None if weight is None else floats(weight)
    loss = CrossEntropyLoss(weight, label_smoothing=smoothing)
    shares = floats([[0.2, 0.7, 0.1], [0.3, 0.3, 0.4]])
    q, _ = loss.target_distribution(np.zeros((2, 3)), shares.data)
    best = np.log(q)
    least = loss(from_numpy(best), shares).item()
    for step in np.eye(6).reshape(6, 2, 3) * 0.01:
        assert loss(from_numpy(best + step), shares).item() > least
        assert loss(from_numpy(best - step), shares).item() > least


@exercise("reduce", "mse", "one_hot", "target_distribution", "cross_entropy")
def test_losses_take_what_a_layer_gives():
    layer = Linear(4, 3)
    logits = layer(Tensor(np.ones((5, 4))))
    values = CrossEntropyLoss(reduction="none")(logits, tensor([0, 1, 2, 0, 1])).data
    row = logits.data[0].astype(np.float64)
    expected = np.log(np.exp(row).sum()) - row
    assert values == pytest.approx(expected[[0, 1, 2, 0, 1]], rel=1e-5)
    assert MSELoss()(logits, logits.detach()).item() == 0


@exercise("reduce", "mse", "bce", "softplus", "bce_with_logits", "one_hot", "target_distribution", "cross_entropy")
def test_the_examples_in_the_docstrings():
    result = doctest.testmod(losses)
    assert result.attempted >= 5
    assert result.failed == 0
