"""The comprehensive suite of module 05, run against the exported package.

First each rule alone, against central differences and against a case worked by hand; then the graph, the walk and
its promises; then the woken tensor and every message.
"""

from __future__ import annotations

import doctest
import gc
import math
import sys
import threading
import tracemalloc
import warnings
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose

from tinytorch.core import autograd
from tinytorch.core.activations import GELU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from tinytorch.core.autograd import (
    RULES,
    AddBackward,
    ChangedInPlaceError,
    CrossEntropyBackward,
    DivBackward,
    ExpBackward,
    ForgottenZeroGradWarning,
    Function,
    GradientShapeError,
    GraphReleasedError,
    LayerFunction,
    LogBackward,
    MatmulBackward,
    MSEBackward,
    MulBackward,
    NegBackward,
    NotDifferentiableError,
    ReLUBackward,
    SigmoidBackward,
    SoftmaxBackward,
    SumBackward,
    TanhBackward,
    backward,
    disable_autograd,
    enable_autograd,
    is_grad_enabled,
    no_grad,
    note_change,
    numerical_gradient,
    original_method,
    topological_order,
    tracked,
    unbroadcast,
)
from tinytorch.core.layers import Dropout, Flatten, Linear, Parameter, Sequential
from tinytorch.core.losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from tinytorch.core.tensor import Tensor, from_numpy, tensor

modest = settings(max_examples=25, deadline=None)
quick = settings(max_examples=10, deadline=None)
seeds = st.integers(0, 2**32 - 1)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, max_side=4)


def leaf(data: Any) -> Tensor:
    """Return a float64 leaf that requires a gradient."""
    return Tensor(data, requires_grad=True, dtype=np.float64)


def values(t: Tensor | None) -> np.ndarray:
    assert t is not None
    return t.data


# Unbroadcast


@pytest.mark.exercise("unbroadcast")
def test_unbroadcast_sums_the_axis_that_was_added():
    assert unbroadcast(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), (3,)).tolist() == [5.0, 7.0, 9.0]


@pytest.mark.exercise("unbroadcast")
def test_unbroadcast_sums_the_axis_that_was_stretched():
    assert unbroadcast(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), (2, 1)).tolist() == [[6.0], [15.0]]


@pytest.mark.exercise("unbroadcast")
@given(data=st.data(), seed=seeds)
@modest
def test_unbroadcast_is_the_adjoint_of_broadcast_to(data, seed):
    """<broadcast(x), g> == <x, unbroadcast(g)> for every x and g, empty and 0-d shapes included."""
    large = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
    added = data.draw(st.integers(0, len(large)))
    small = tuple(1 if data.draw(st.booleans()) else n for n in large[added:])
    rng = np.random.default_rng(seed)
    x, g = rng.standard_normal(small), rng.standard_normal(large)
    back = unbroadcast(g, small)
    assert back.shape == small
    assert_allclose(np.sum(np.broadcast_to(x, large) * g), np.sum(x * back), atol=1e-9)


# Nodes and their order


@pytest.mark.exercise("add_backward")
def test_a_node_knows_where_its_gradients_go():
    a, b = leaf([1.0]), Tensor([2.0])
    node = AddBackward(a, b)
    assert node.next_functions == (a, None)
    assert node.needs_input_grad == (True, False)
    assert node.apply(np.ones(1))[1] is None


def recorded_sum(a: Tensor, b: Tensor) -> Tensor:
    """Return a + b, recorded by hand: the walk is tested before any operation is woken."""
    result = from_numpy(a.data + b.data)
    result.requires_grad, result._grad_fn = True, AddBackward(a, b, output=result)
    return result


def chained(length: int) -> tuple[Tensor, Tensor]:
    """Return x and x + 0 + 0 ..."""
    x = out = leaf(1.0)
    zero = Tensor(0.0, dtype=np.float64)
    for _ in range(length):
        out = recorded_sum(out, zero)
    return x, out


def doubled(rungs: int) -> tuple[Tensor, Tensor]:
    """Return x and what `x = (x + x) / 2` makes of it: a ladder with two ways down each rung."""
    x = out = leaf(1.0)
    half = Tensor(0.5, dtype=np.float64)
    for _ in range(rungs):
        out = (out + out) * half
    return x, out


@pytest.mark.exercise("topological_order")
def test_topological_order_of_a_chain_starts_at_its_end():
    x = leaf(1.0)
    y = recorded_sum(x, x)
    z = recorded_sum(y, x)
    assert topological_order(z.grad_fn) == [z.grad_fn, y.grad_fn]


@pytest.mark.exercise("topological_order")
def test_topological_order_lists_a_shared_node_once():
    x = leaf(1.0)
    shared = recorded_sum(x, x)
    left, right = recorded_sum(shared, x), recorded_sum(shared, x)
    end = recorded_sum(left, right)
    order = topological_order(end.grad_fn)
    assert len(order) == 4
    assert (order[0], order[-1]) == (end.grad_fn, shared.grad_fn)


@given(data=st.data(), count=st.integers(1, 25))
@modest
@pytest.mark.exercise("topological_order")
def test_topological_order_puts_outputs_before_what_made_them(data, count):
    tensors = [leaf(1.0)]
    for _ in range(count):
        a, b = (tensors[data.draw(st.integers(0, len(tensors) - 1))] for _ in range(2))
        tensors.append(recorded_sum(a, b))
    order = topological_order(tensors[-1].grad_fn)
    position = {id(node): i for i, node in enumerate(order)}
    assert len(position) == len(order), "a node comes twice"
    reached = set()
    waiting = [tensors[-1].grad_fn]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function) and id(node) not in reached:
            reached.add(id(node))
            waiting += node.next_functions
            for edge in node.next_functions:
                assert not isinstance(edge, Function) or position[id(node)] < position[id(edge)]
    assert reached == set(position)


@pytest.mark.exercise("topological_order")
def test_topological_order_of_a_long_chain_needs_no_recursion():
    assert len(topological_order(chained(50_000)[1].grad_fn)) == 50_000


@pytest.mark.exercise("topological_order")
def test_topological_order_of_a_leaf_is_empty():
    assert topological_order(leaf(1.0)) == []


@pytest.mark.exercise("backward")
def test_backward_walks_a_chain_to_its_leaf():
    x, out = chained(3)
    backward(out)
    assert values(x.grad).tolist() == 1.0


@pytest.mark.exercise("backward")
def test_backward_adds_up_what_arrives_at_a_tensor_used_twice():
    x = leaf(3.0)
    y = recorded_sum(x, x)
    z = recorded_sum(y, x)
    backward(z)
    assert values(x.grad).tolist() == 3.0


@pytest.mark.exercise("backward")
def test_backward_shows_the_gradient_of_tensors_in_between():
    x = leaf(3.0)
    y = recorded_sum(x, x)
    z = recorded_sum(y, y)
    backward(z)
    assert (values(z.grad).tolist(), values(y.grad).tolist()) == (1.0, 2.0)


@pytest.mark.exercise("backward")
def test_one_array_handed_to_both_inputs_is_not_changed_for_one_of_them():
    a, b = leaf([1.0]), leaf([2.0])
    c = recorded_sum(a, b)
    backward(recorded_sum(c, a))
    assert (values(a.grad).tolist(), values(b.grad).tolist(), values(c.grad).tolist()) == ([2.0], [1.0], [1.0])


@pytest.mark.exercise("backward")
def test_backward_releases_the_graph_as_it_passes():
    out = chained(2)[1]
    nodes = topological_order(out.grad_fn)
    backward(out)
    assert [node.released for node in nodes] == [True, True]
    with pytest.raises(GraphReleasedError, match=r"retain_graph=True"):
        backward(out)


@pytest.mark.exercise("backward")
def test_backward_keeps_a_graph_that_is_to_be_retained():
    x, out = chained(2)
    nodes = topological_order(out.grad_fn)
    backward(out, retain_graph=True)
    assert [node.released for node in nodes] == [False, False]
    backward(out)
    assert values(x.grad).tolist() == 2.0


# Rules, one by one


@pytest.mark.exercise("add_backward")
def test_add_backward_by_hand():
    a, b = leaf([1.0, 2.0, 3.0]), leaf(5.0)
    grad_a, grad_b = AddBackward(a, b).apply(np.array([10.0, 20.0, 30.0]))
    assert grad_a.tolist() == [10.0, 20.0, 30.0]
    assert grad_b.tolist() == 60.0


@pytest.mark.exercise("mul_backward")
def test_mul_backward_by_hand():
    a, b = leaf([2.0, 3.0]), leaf(5.0)
    grad_a, grad_b = MulBackward(a, b).apply(np.array([1.0, 10.0]))
    assert grad_a.tolist() == [5.0, 50.0]
    assert grad_b.tolist() == 32.0


@pytest.mark.exercise("div_backward")
def test_div_backward_by_hand():
    a, b = leaf(6.0), leaf(2.0)
    grad_a, grad_b = DivBackward(a, b).apply(np.array(10.0))
    assert grad_a.tolist() == 5.0
    assert grad_b.tolist() == -15.0


@pytest.mark.exercise("matmul_backward")
def test_matmul_backward_by_hand():
    a, b = leaf([[1.0, 2.0]]), leaf([[3.0], [4.0]])
    grad_a, grad_b = MatmulBackward(a, b, output=Tensor([[11.0]])).apply(np.array([[10.0]]))
    assert grad_a.tolist() == [[30.0, 40.0]]
    assert grad_b.tolist() == [[10.0], [20.0]]


@pytest.mark.exercise("sum_backward")
def test_sum_backward_by_hand():
    a = leaf([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    (grad_a,) = SumBackward(a, 1, output=Tensor([6.0, 15.0])).apply(np.array([10.0, 20.0]))
    assert grad_a.tolist() == [[10.0, 10.0, 10.0], [20.0, 20.0, 20.0]]


@pytest.mark.exercise("sum_backward")
def test_sum_backward_over_the_first_axis():
    a = leaf([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    (grad_a,) = SumBackward(a, 0, output=Tensor([5.0, 7.0, 9.0])).apply(np.array([10.0, 20.0, 30.0]))
    assert grad_a.tolist() == [[10.0, 20.0, 30.0], [10.0, 20.0, 30.0]]


@pytest.mark.exercise("exp_log_backward")
def test_exp_backward_and_log_backward_by_hand():
    (grad_exp,) = ExpBackward(leaf([0.0]), output=Tensor([1.0])).apply(np.array([10.0]))
    assert grad_exp.tolist() == [10.0]
    (grad_log,) = LogBackward(leaf([2.0, 4.0])).apply(np.array([1.0, 10.0]))
    assert grad_log.tolist() == [0.5, 2.5]


@pytest.mark.exercise("exp_log_backward")
def test_exp_backward_leaves_the_result_of_exp_alone():
    """The saved output is the array of the tensor that exp returned."""
    a, out = leaf([0.0, 1.0]), Tensor([1.0, 2.5])
    ExpBackward(a, output=out).apply(np.array([2.0, 3.0]))
    assert out.tolist() == [1.0, 2.5]


@pytest.mark.exercise("relu_backward")
def test_relu_backward_by_hand():
    x = leaf([-1.0, 0.0, 2.0])
    (grad_x,) = ReLUBackward(ReLU(), x, output=Tensor([0.0, 0.0, 2.0])).apply(np.array([10.0, 10.0, 10.0]))
    assert grad_x.tolist() == [0.0, 0.0, 10.0]


@pytest.mark.exercise("sigmoid_tanh_backward")
def test_sigmoid_backward_and_tanh_backward_by_hand():
    (grad_sigmoid,) = SigmoidBackward(Sigmoid(), leaf([0.0]), output=Tensor([0.5])).apply(np.array([10.0]))
    assert grad_sigmoid.tolist() == [2.5]
    (grad_tanh,) = TanhBackward(Tanh(), leaf([0.5493]), output=Tensor([0.5])).apply(np.array([10.0]))
    assert grad_tanh.tolist() == [7.5]


@pytest.mark.exercise("softmax_backward")
def test_softmax_backward_by_hand():
    x = leaf([1.0, 1.0])
    (grad_x,) = SoftmaxBackward(Softmax(), x, output=Tensor([0.5, 0.5])).apply(np.array([1.0, 0.0]))
    assert grad_x.tolist() == [0.25, -0.25]


@pytest.mark.exercise("mse_backward")
def test_mse_backward_by_hand():
    x, target = leaf([3.0, 5.0]), leaf([1.0, 5.0])
    grad_x, grad_target = MSEBackward(MSELoss(), x, target, output=Tensor(2.0)).apply(np.array(10.0))
    assert grad_x.tolist() == [20.0, 0.0]
    assert grad_target.tolist() == [-20.0, 0.0]


@pytest.mark.exercise("cross_entropy_backward")
def test_cross_entropy_backward_by_hand():
    logits = leaf(np.log([[0.7, 0.2, 0.1]]))
    grad_logits, _ = CrossEntropyBackward(CrossEntropyLoss(), logits, tensor([0]), output=Tensor(0.3567)).apply(
        np.array(1.0)
    )
    assert grad_logits == pytest.approx(np.array([[-0.3, 0.2, 0.1]]))


class Call(NamedTuple):
    """A call of an operation: the arrays that get a gradient, and the arguments made from their tensors."""

    inputs: list[np.ndarray]
    arguments: Callable[..., tuple[Any, ...]]

    def __repr__(self) -> str:
        return " and ".join(str(x.tolist()) for x in self.inputs)


def drawn(shape: tuple[int, ...], rng: np.random.Generator, positive: bool = False) -> np.ndarray:
    """Return values with no two alike, none near 0 and none near 1 in size: no corner within a finite step."""
    count = math.prod(shape)
    spread = (rng.permutation(count) - count // 2 + 0.25) * 0.5
    return (np.abs(spread) + 0.2 if positive else spread).reshape(shape)


def generator(draw: Any) -> np.random.Generator:
    return np.random.default_rng(draw(seeds))


@st.composite
def elementwise(draw: Any, positive: bool = False, extra: tuple[Any, ...] = ()) -> Call:
    return Call([drawn(draw(shapes), generator(draw), positive)], lambda x: (x, *extra))


@st.composite
def pairs(draw: Any, positive: bool = False) -> Call:
    rng = generator(draw)
    both = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
    inputs = [drawn(shape, rng, positive) for shape in both]
    return Call([inputs[0], inputs[1] / max(1, np.abs(inputs[1]).max(initial=1)) + positive], lambda a, b: (a, b))


@st.composite
def divisions(draw: Any) -> Call:
    call = draw(pairs())
    return Call([call.inputs[0], np.where(call.inputs[1] < 0, -1, 1) * (np.abs(call.inputs[1]) + 0.5)], call.arguments)


@st.composite
def products(draw: Any) -> Call:
    rng = generator(draw)
    found = draw(hnp.mutually_broadcastable_shapes(signature="(n?,k),(k,m?)->(n?,m?)", max_dims=2, max_side=3))
    return Call([rng.standard_normal(shape) for shape in found.input_shapes], lambda a, b: (a, b))


@st.composite
def reductions(draw: Any) -> Call:
    shape = draw(shapes)
    dim: Any = None
    if shape and draw(st.booleans()):
        order = [d - len(shape) if draw(st.booleans()) else d for d in draw(st.permutations(range(len(shape))))]
        dim = order[0] if draw(st.booleans()) else tuple(order[: draw(st.integers(1, len(order)))])
    keepdim = draw(st.booleans())
    return Call([drawn(shape, generator(draw))], lambda x: (x, dim, keepdim))


@st.composite
def reshapes(draw: Any) -> Call:
    shape = draw(shapes)
    to = draw(st.sampled_from([(-1,), (1, *shape), (*shape, 1), tuple(reversed(shape))]))
    return Call([drawn(shape, generator(draw))], lambda x: (x, *to) if len(to) > 1 else (x, to))


@st.composite
def transposes(draw: Any) -> Call:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=3))
    dims = draw(st.tuples(*[st.integers(-len(shape), len(shape) - 1)] * 2))
    return Call([drawn(shape, generator(draw))], lambda x: (x, *dims))


@st.composite
def permutes(draw: Any) -> Call:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=3))
    dims = draw(st.permutations(range(len(shape))))
    dims = [d - len(shape) if draw(st.booleans()) else d for d in dims]
    return Call([drawn(shape, generator(draw))], lambda x: (x, *dims) if len(dims) % 2 else (x, tuple(dims)))


@st.composite
def indexings(draw: Any) -> Call:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    rng = generator(draw)
    plain = hnp.basic_indices(shape, allow_newaxis=True)
    fancy = hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(min_dims=1, max_dims=2, max_side=4))
    mask = hnp.arrays(bool, shape)
    index = draw(plain | fancy | mask | fancy.map(lambda parts: tuple(from_numpy(part) for part in parts)))
    return Call([drawn(shape, rng)], lambda x: (x, index))


@st.composite
def layers(draw: Any, make: Callable[..., Any], with_dim: bool = False) -> Call:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4) if with_dim else shapes)
    x = drawn(shape, generator(draw))
    layer = make(draw(st.integers(-len(shape), len(shape) - 1))) if with_dim else make()
    return Call([x / max(1, np.abs(x).max(initial=1)) * 3], lambda x: (layer, x))


reductions_of_a_loss = st.sampled_from(["mean", "sum", "none"])


@st.composite
def two_part_losses(draw: Any, make: Callable[..., Any], between: bool = False, logits: bool = False) -> Call:
    shape, rng = draw(shapes), generator(draw)
    target = rng.uniform(0.1, 0.9, shape) if between else rng.standard_normal(shape)
    x = rng.uniform(0.1, 0.9, shape) if between and not logits else rng.standard_normal(shape)
    options = {"reduction": draw(reductions_of_a_loss)}
    if logits and draw(st.booleans()):
        options["pos_weight"] = Tensor(2.5, dtype=np.float64)
    loss = make(**options)
    return Call([x, target], lambda x, t: (loss, x, t))


@st.composite
def cross_entropies(draw: Any) -> Call:
    rng = generator(draw)
    classes = draw(st.integers(1, 4))
    shape = draw(st.sampled_from([(classes,), (3, classes), (2, classes, 3)]))
    axis = 0 if len(shape) == 1 else 1
    weight = Tensor(rng.uniform(0.5, 2, classes), dtype=np.float64) if draw(st.booleans()) else None
    smoothing = draw(st.sampled_from([0.0, 0.1]))
    loss = CrossEntropyLoss(weight=weight, reduction=draw(reductions_of_a_loss), label_smoothing=smoothing)
    logits = rng.standard_normal(shape)
    if draw(st.booleans()):
        q = rng.uniform(0.1, 1, shape)
        return Call([logits, q / q.sum(axis=axis, keepdims=True)], lambda x, t: (loss, x, t))
    labels = rng.integers(0, classes, tuple(n for i, n in enumerate(shape) if i != axis))
    if labels.size > 1 and draw(st.booleans()):
        labels.flat[0] = loss.ignore_index
    return Call([logits], lambda x: (loss, x, from_numpy(np.asarray(labels))))


CALLS: dict[tuple[type, str], tuple[st.SearchStrategy[Call], str]] = {
    (Tensor, "__add__"): (pairs(), "add_backward"),
    (Tensor, "__mul__"): (pairs(), "mul_backward"),
    (Tensor, "__sub__"): (pairs(), ""),
    (Tensor, "__neg__"): (elementwise(), ""),
    (Tensor, "__truediv__"): (divisions(), "div_backward"),
    (Tensor, "__pow__"): (pairs(positive=True), ""),
    (Tensor, "matmul"): (products(), "matmul_backward"),
    (Tensor, "sum"): (reductions(), "sum_backward"),
    (Tensor, "mean"): (reductions(), "sum_backward"),
    (Tensor, "amax"): (reductions(), ""),
    (Tensor, "amin"): (reductions(), ""),
    (Tensor, "exp"): (layers(lambda: None).map(lambda call: Call(call.inputs, lambda x: (x,))), "exp_log_backward"),
    (Tensor, "log"): (elementwise(positive=True), "exp_log_backward"),
    (Tensor, "sqrt"): (elementwise(positive=True), ""),
    (Tensor, "abs"): (elementwise(), ""),
    (Tensor, "clip"): (elementwise(extra=(-1, 1)) | elementwise(extra=(None, 1.0)) | elementwise(extra=(-1.0,)), ""),
    (Tensor, "to"): (elementwise(extra=(np.float64,)), ""),
    (Tensor, "reshape"): (reshapes(), ""),
    (Tensor, "transpose"): (transposes(), ""),
    (Tensor, "permute"): (permutes(), ""),
    (Tensor, "__getitem__"): (indexings(), ""),
    (ReLU, "forward"): (layers(ReLU), "relu_backward"),
    (Sigmoid, "forward"): (layers(Sigmoid), "sigmoid_tanh_backward"),
    (Tanh, "forward"): (layers(Tanh), "sigmoid_tanh_backward"),
    (Softmax, "forward"): (layers(Softmax, with_dim=True), "softmax_backward"),
    (LogSoftmax, "forward"): (layers(LogSoftmax, with_dim=True), ""),
    (GELU, "forward"): (layers(GELU) | layers(lambda: GELU("tanh")), ""),
    (MSELoss, "forward"): (two_part_losses(MSELoss), "mse_backward"),
    (CrossEntropyLoss, "forward"): (cross_entropies(), "cross_entropy_backward"),
    (BCELoss, "forward"): (two_part_losses(BCELoss, between=True), ""),
    (BCEWithLogitsLoss, "forward"): (two_part_losses(BCEWithLogitsLoss, between=True, logits=True), ""),
}


def test_every_rule_is_in_the_table_and_has_a_case():
    rows = [(rule.owner, rule.method) for rule in RULES]
    assert len(rows) == len(set(rows)), "a method stands in the table twice"
    lesson = [rule for rule in RULES if rule.backward.__module__ == autograd.__name__]
    assert {(rule.owner, rule.method) for rule in lesson} == set(CALLS)
    waiting, classes = [Function], set()
    while waiting:
        known = [c for c in waiting.pop().__subclasses__() if c.__module__ == autograd.__name__]
        classes |= set(known)
        waiting += known
    assert {rule.backward for rule in lesson} == classes - {LayerFunction}


def marked(owner: type, method: str) -> Any:
    exercise = CALLS[owner, method][1]
    marks = [pytest.mark.exercise(exercise)] if exercise else []
    return pytest.param(owner, method, marks=marks, id=f"{owner.__name__}.{method}")


@pytest.mark.parametrize(("owner", "method"), [marked(*key) for key in CALLS])
@given(data=st.data(), seed=seeds)
@modest
def test_rule_is_the_adjoint_of_its_forward(owner, method, data, seed):
    """<grad_output, J u> == <apply(grad_output), u>, with J u by central differences along a random u."""
    inputs, arguments = data.draw(CALLS[owner, method][0])
    forward = original_method(owner, method)
    rule = next(rule.backward for rule in RULES if (rule.owner, rule.method) == (owner, method))
    rng = np.random.default_rng(seed)
    directions = [rng.standard_normal(x.shape) for x in inputs]
    if owner is BCELoss:
        directions = [u * 0.01 for u in directions]
    h = np.finfo(np.float64).eps ** (1 / 3)

    def at(step: float) -> np.ndarray:
        moved = (from_numpy(np.asarray(x + step * u)) for x, u in zip(inputs, directions, strict=True))
        return forward(*arguments(*moved)).data

    call = arguments(*(leaf(x) for x in inputs))
    node = rule(*call, output=forward(*call))
    grad_output = rng.standard_normal(node.shape)
    grads = [g for g in node.apply(grad_output) if g is not None]
    assert [np.shape(g) for g in grads] == [x.shape for x in inputs]
    slope_by_the_rule = sum(np.sum(g * u) for g, u in zip(grads, directions, strict=True))
    slope_by_differences = np.sum(grad_output * (at(h) - at(-h)) / (2 * h))
    assert slope_by_the_rule == pytest.approx(slope_by_differences, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(("owner", "method"), [marked(*key) for key in CALLS])
@given(data=st.data())
@quick
def test_rule_keeps_float32_and_skips_inputs_that_need_nothing(owner, method, data):
    inputs, arguments = data.draw(CALLS[owner, method][0])
    if method == "to":
        return  # its whole point is another dtype; see test_to_sends_the_gradient_back_in_the_inputs_type
    call = arguments(*(Tensor(x, requires_grad=i == 0) for i, x in enumerate(inputs)))
    rule = next(rule.backward for rule in RULES if (rule.owner, rule.method) == (owner, method))
    node = rule(*call, output=original_method(owner, method)(*call))
    grads = node.apply(np.ones(node.shape, np.float32))
    assert [g is None for g in grads] == [not needed for needed in node.needs_input_grad]
    assert node.needs_input_grad.count(True) == 1


def by_hand(exercise: str, f: Callable[..., Tensor], inputs: list[Any], grads: list[Any], name: str) -> Any:
    return pytest.param(f, inputs, grads, marks=[pytest.mark.exercise(exercise)] if exercise else [], id=name)


BY_HAND = [
    by_hand("add_backward", lambda a, b: a + b, [[1, 2], 5], [[1, 1], 2], "add: the number was used twice"),
    by_hand("", lambda a, b: a - b, [[1, 2], 5], [[1, 1], -2], "sub"),
    by_hand("mul_backward", lambda a, b: a * b, [[2, 3], 5], [[5, 5], 5], "mul"),
    by_hand("div_backward", lambda a, b: a / b, [6, 3], [1 / 3, -2 / 3], "div"),
    by_hand("", lambda a: -a, [[1, 2]], [[-1, -1]], "neg"),
    by_hand("", lambda a, b: a**b, [2, 3], [12, 8 * math.log(2)], "pow"),
    by_hand("", lambda a: a**0, [[0, 2]], [[0, 0]], "pow 0 has no slope, not even at 0"),
    by_hand("", lambda a, b: a**b, [[0.0, 0.0], [1.0, 2.0]], [[1, 0], [0, 0]], "pow of 0"),
    by_hand("", lambda a: a**0, [[math.inf, 2]], [[0, 0]], "pow 0 of infinity"),
    by_hand("", lambda b: 0.0**b, [[2.0]], [[0]], "0 to a power"),
    by_hand("", lambda b: Tensor(0.0, dtype=np.float64) ** b, [[-1.0]], [[-math.inf]], "0 to a negative power"),
    by_hand("", lambda b: 2**b, [3], [8 * math.log(2)], "a number to the power of a tensor"),
    by_hand("matmul_backward", lambda a, b: a @ b, [[[1, 2]], [[3], [4]]], [[[3, 4]], [[1], [2]]], "matmul"),
    by_hand("matmul_backward", lambda a, b: a @ b, [[1, 2], [3, 4]], [[3, 4], [1, 2]], "matmul: dot product"),
    by_hand("sum_backward", lambda a: a.sum(1) * Tensor([1, 10]), [[[1, 2], [3, 4]]], [[[1, 1], [10, 10]]], "sum"),
    by_hand("sum_backward", lambda a: a.mean(), [[1, 2, 3, 4]], [[0.25] * 4], "mean"),
    by_hand("", lambda a: a.amax(), [[1, 5, 5, 2]], [[0, 0.5, 0.5, 0]], "amax: a tie is shared"),
    by_hand("", lambda a: a.max(), [[1, 5, 2]], [[0, 1, 0]], "max"),
    by_hand("", lambda a: a.max(dim=1).values, [[[1, 5, 5], [7, 2, 2]]], [[[0, 1, 0], [1, 0, 0]]], "max along dim"),
    by_hand("", lambda a: a.min(dim=0).values, [[[1, 5], [7, 2]]], [[[1, 0], [0, 1]]], "min along dim"),
    by_hand("", lambda a: a.amin(dim=0), [[[1, 5], [7, 2]]], [[[1, 0], [0, 1]]], "amin"),
    by_hand("exp_log_backward", lambda a: a.exp(), [[0, 1]], [[1, math.e]], "exp"),
    by_hand("exp_log_backward", lambda a: a.log(), [[2, 4]], [[0.5, 0.25]], "log"),
    by_hand("", lambda a: a.sqrt(), [[4, 16]], [[0.25, 0.125]], "sqrt"),
    by_hand("", lambda a: a.abs(), [[-3, 0, 2]], [[-1, 0, 1]], "abs: 0 at 0"),
    by_hand("", lambda a: a.clip(-1, 1), [[-2, -1, 0, 1, 2]], [[0, 1, 1, 1, 0]], "clip: bounds included"),
    by_hand("", lambda a: a.clip(0, None).sqrt(), [[-1, 4]], [[0, 0.25]], "clip: an infinite gradient stays outside"),
    by_hand("", lambda a: a.max().sqrt(), [[-1, 0]], [[0, math.inf]], "max: an infinite gradient stays outside"),
    by_hand("", lambda a: a.mean(0), [np.ones((3, 0))], [np.ones((3, 0))], "mean of no columns"),
    by_hand("div_backward", lambda b: 1e-200 / b, [1e-200], [-1e200], "div: the square of b would be 0"),
    by_hand("relu_backward", lambda a: ReLU()(a), [[math.nan]], [[1]], "relu: nan lets the gradient through"),
    by_hand("", lambda a: GELU("tanh")(a), [[1e200, -1e200]], [[1, 0]], "gelu, tanh form, far out"),
    by_hand(
        "",
        lambda a, b: BCELoss(reduction="sum")(a, b),
        [[0.0, 1.0], [1.0, 0.0]],
        [[-1e12, 1e12], [100.0, -100.0]],
        "bce: limited where the logarithm is not",
    ),
    by_hand("", lambda a: a.reshape(2, 2) @ Tensor([1, 10]), [[1, 2, 3, 4]], [[1, 10, 1, 10]], "reshape"),
    by_hand("", lambda a: a.T @ Tensor([1, 10]), [[[1, 2], [3, 4]]], [[[1, 1], [10, 10]]], "transpose"),
    by_hand("", lambda a: a.permute(1, 0)[0], [[[1, 2], [3, 4]]], [[[1, 0], [1, 0]]], "permute"),
    by_hand("", lambda a: a.view(-1)[1:], [[[1, 2], [3, 4]]], [[[0, 1], [1, 1]]], "view, slice"),
    by_hand("", lambda a: a[[0, 0, 2]], [[1, 2, 3]], [[2, 0, 1]], "an element picked twice gets both gradients"),
    by_hand("", lambda a: a[a > 1], [[1, 2, 3]], [[0, 1, 1]], "mask"),
    by_hand("relu_backward", lambda a: ReLU()(a), [[-1, 0, 2]], [[0, 0, 1]], "relu: 0 at 0"),
    by_hand("sigmoid_tanh_backward", lambda a: Sigmoid()(a), [[0, 1e4, -1e4]], [[0.25, 0, 0]], "sigmoid"),
    by_hand("sigmoid_tanh_backward", lambda a: Tanh()(a), [[0, 1e4]], [[1, 0]], "tanh"),
    by_hand("", lambda a: GELU()(a), [[0, 1e4, -1e4]], [[0.5, 1, 0]], "gelu"),
    by_hand("", lambda a: GELU("tanh")(a), [[0, 1e4, -1e4]], [[0.5, 1, 0]], "gelu, tanh form"),
    by_hand("softmax_backward", lambda a: Softmax()(a)[0], [[1, 1]], [[0.25, -0.25]], "softmax"),
    by_hand(
        "softmax_backward", lambda a: Softmax()(a), [[1, 2, 3]], [[0, 0, 0]], "probabilities sum to 1, whatever x is"
    ),
    by_hand("", lambda a: LogSoftmax()(a)[0], [[1, 1]], [[0.5, -0.5]], "log-softmax"),
    by_hand("mse_backward", lambda a, b: MSELoss()(a, b), [[3, 5], [1, 5]], [[2, 0], [-2, 0]], "mse"),
    by_hand("", lambda a: BCELoss()(a, Tensor([1.0, 0.0])), [[0.5, 0.5]], [[-1, 1]], "bce"),
    by_hand("", lambda a: BCEWithLogitsLoss()(a, Tensor([1.0, 0.0])), [[0, 1e4]], [[-0.25, 0.5]], "bce on huge logits"),
    by_hand(
        "cross_entropy_backward",
        lambda a: CrossEntropyLoss()(a, tensor([0])),
        [np.log([[0.7, 0.2, 0.1]])],
        [[[-0.3, 0.2, 0.1]]],
        "cross-entropy: predicted minus true",
    ),
    by_hand(
        "cross_entropy_backward",
        lambda a: CrossEntropyLoss()(a, tensor([0, -100])),
        [[[0.0, 0.0], [5.0, 1.0]]],
        [[[-0.5, 0.5], [0, 0]]],
        "cross-entropy: an ignored position gets nothing",
    ),
]


@pytest.mark.parametrize(("f", "inputs", "grads"), BY_HAND)
@pytest.mark.exercise("tracked", "backward")
def test_gradient_worked_by_hand(f, inputs, grads):
    leaves = [leaf(x) for x in inputs]
    with np.errstate(divide="ignore"):  # some slopes are infinite
        f(*leaves).sum().backward()
    for x, expected in zip(leaves, grads, strict=True):
        assert_allclose(values(x.grad), expected, atol=1e-12)


def test_to_sends_the_gradient_back_in_the_inputs_type():
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x.double() * 3).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [3.0, 3.0]


def test_an_integer_result_has_no_gradient_to_lose():
    x = leaf([1.5, 2.5])
    for result in (x.long(), x > 2, x == x, x.argmax(), x.argmin()):
        assert not result.requires_grad
        assert result.grad_fn is None


def test_nan_stays_visible_in_the_gradient():
    x = leaf([np.nan, 1.0])
    (ReLU()(x) * x).sum().backward()
    assert np.isnan(values(x.grad)[0])
    y = leaf([np.nan, 1.0])
    y.amax().backward()
    assert values(y.grad).tolist() == [1.0, 0.0]


# What a node keeps


def kept(node: Function) -> list[bool]:
    return [array is not None for array in node.saved_tensors]


def test_a_product_keeps_a_factor_only_for_the_others_gradient():
    x, constant = leaf([1.0, 2.0]), Tensor([3.0, 4.0])
    assert kept(MulBackward(x, constant)) == [False, True]
    assert kept(MulBackward(constant, x)) == [True, False]
    assert kept(MulBackward(x, x)) == [True, True]
    assert kept(DivBackward(x, constant)) == [False, True]
    assert kept(DivBackward(constant, x)) == [True, True]


@pytest.mark.exercise("tracked", "backward")
def test_what_is_changed_afterwards_changes_no_gradient():
    x, index, loss = leaf([1.0, 2.0]), np.array([0, 1]), MSELoss()
    y = x[index]
    z = loss(y, y.detach() * 0)
    index[:], loss.reduction = 0, "sum"
    z.backward()
    assert values(x.grad).tolist() == [1.0, 2.0]


@pytest.mark.exercise("tracked", "backward")
def test_a_saved_array_that_an_operation_changed_is_an_error():
    x = leaf([1.0, 2.0])
    y = x * 1
    z = y * y
    note_change(y.data[1:], "fill_()")  # a view has the same memory
    with pytest.raises(
        ChangedInPlaceError, match=r"MulBackward saved an array of shape \(2,\).* fill_\(\) has changed"
    ):
        z.sum().backward()
    assert x.grad is None
    (y * y).sum().backward()  # a node made after the change knows the values of now
    assert values(x.grad).tolist() == [2.0, 4.0]


def test_a_note_of_a_change_goes_with_the_array():
    array = np.ones(3)
    note_change(array, "fill_()")
    key = id(array)
    assert key in autograd._changes
    del array
    assert key not in autograd._changes


def test_a_released_node_lets_go_of_those_before_it():
    x = leaf(1.0)
    first = MulBackward(x, x, output=Tensor(1.0))
    gone = weakref.ref(first)
    second = NegBackward(Tensor(1.0))
    second.next_functions = (first,)
    del first
    second.release()
    assert gone() is None


# The walk


@pytest.mark.exercise("tracked", "backward")
def test_x_y_z():
    x = Tensor(3.0, requires_grad=True)
    y = x * 2
    z = y + 1
    z.backward()
    assert (x.grad.item(), y.grad.item(), z.grad.item()) == (2.0, 1.0, 1.0)


@pytest.mark.exercise("tracked", "backward")
def test_a_tensor_used_twice_gets_both_gradients():
    x = leaf(3.0)
    (x * x + x).backward()
    assert values(x.grad) == 7.0


@pytest.mark.exercise("tracked", "backward")
def test_leaves_do_not_share_the_memory_of_their_gradients():
    a, b = leaf([1.0]), leaf([2.0])
    (a + b).sum().backward()
    a.grad.data[...] = 50.0
    assert values(b.grad).tolist() == [1.0]


@pytest.mark.exercise("tracked", "backward")
def test_leaves_accumulate_until_zero_grad_and_tensors_in_between_do_not():
    x = leaf(2.0)
    y = x * 3
    z = y * y
    z.backward(retain_graph=True)
    z.backward()
    assert values(x.grad) == 2 * 36.0
    assert values(y.grad) == 12.0
    x.zero_grad()
    assert x.grad is None
    (x * 3).backward()
    assert values(x.grad) == 3.0


@pytest.mark.exercise("tracked", "backward")
def test_a_chain_of_100_000_operations():
    x = leaf(1.0)
    out = x
    for _ in range(100_000):
        out = out + 0.0
    out.backward()
    assert values(x.grad) == 1.0


@pytest.mark.exercise("tracked", "backward")
def test_a_chain_that_is_dropped_without_backward_does_not_overflow_the_stack():
    _, out = chained(50_000)
    node = weakref.ref(out.grad_fn)
    del out
    gc.collect()
    assert node() is None


@pytest.mark.exercise("tracked", "backward")
def test_a_ladder_with_two_to_the_1000_paths():
    x, out = doubled(1000)
    out.backward()
    assert values(x.grad) == 1.0


@pytest.mark.exercise("tracked", "backward")
def test_a_second_pass_needs_retain_graph():
    x = leaf([1.0, 2.0])
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert values(x.grad).tolist() == [4.0, 8.0]
    with pytest.raises(GraphReleasedError, match=r"SumBackward has let go .* retain_graph=True"):
        loss.backward()
    assert values(x.grad).tolist() == [4.0, 8.0], "the refused pass changed a gradient"


@pytest.mark.exercise("tracked", "backward")
def test_a_graph_that_joins_a_released_one_is_refused():
    x = leaf([1.0, 2.0])
    y = x * x
    y.sum().backward()
    with pytest.raises(GraphReleasedError, match="MulBackward has let go of its saved arrays"):
        (y * 2).sum().backward()


@pytest.mark.exercise("tracked", "backward")
def test_saved_arrays_go_as_the_walk_passes():
    x = leaf(np.ones(10))
    y = x.exp()
    array = weakref.ref(y.data)
    loss = (y * 2).sum()
    del y
    loss.backward()
    assert array() is None


@pytest.mark.exercise("tracked", "backward")
def test_a_graph_is_freed_without_the_garbage_collector():
    x = leaf(np.ones(4))
    gc.collect()
    gc.disable()
    try:
        loss = (x.exp() * x).sum()
        nodes = [weakref.ref(node) for node in topological_order(loss.grad_fn)]
        del loss
        assert [node() for node in nodes] == [None] * 3
    finally:
        gc.enable()


@pytest.mark.exercise("tracked", "backward")
def test_memory_does_not_grow_over_1000_training_steps():
    layer = Linear(8, 4)
    x, labels = Tensor(np.ones((16, 8))), Tensor(np.zeros(16), dtype=np.int64)

    def step() -> None:
        layer.zero_grad()
        CrossEntropyLoss()(ReLU()(layer(x)), labels).backward()
        for p in layer.parameters():
            p.data -= 0.01 * p.grad.data

    for _ in range(50):
        step()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            step()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 10_000


@pytest.mark.exercise("backward")
def test_backward_of_a_leaf_is_its_own_gradient():
    x = leaf(3.0)
    backward(x)
    assert values(x.grad) == 1.0


@pytest.mark.exercise("tracked", "backward")
def test_backward_takes_the_gradient_of_a_tensor():
    for gradient in (Tensor([1.0, 10.0]), np.array([1.0, 10.0]), [1.0, 10.0]):
        x = leaf([1.0, 2.0])
        (x * x).backward(gradient)
        assert values(x.grad).tolist() == [2.0, 40.0]


@pytest.mark.exercise("tracked", "backward")
def test_one_element_of_any_shape_needs_no_gradient_argument():
    x = leaf([[2.0]])
    (x * x).backward()
    assert values(x.grad).tolist() == [[4.0]]


@pytest.mark.exercise("tracked", "backward")
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1, 1), (2, 1, 3)])
def test_gradients_have_the_shape_of_what_they_belong_to(shape):
    x = leaf(np.ones(shape))
    b = leaf(np.ones(shape[-1:]))
    ((x * 2 + b).exp().sum() + x.mean() if x.size else (x * 2 + b).sum()).backward()
    assert values(x.grad).shape == shape
    assert values(b.grad).shape == shape[-1:]


@pytest.mark.exercise("tracked", "backward")
def test_matmul_of_empty_stacks_gives_zeros():
    a, b = leaf(np.ones((0, 2, 3))), leaf(np.ones((3, 4)))
    (a @ b).sum().backward()
    assert values(a.grad).shape == (0, 2, 3)
    assert values(b.grad).tolist() == np.zeros((3, 4)).tolist()


@pytest.mark.exercise("tracked", "backward")
def test_mixed_types_give_each_leaf_its_own_type():
    x, y = Tensor([1.0], requires_grad=True), leaf([2.0])
    (x * y).sum().backward()
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64
    z = Tensor([1.0], requires_grad=True)
    (z * tensor([3])).sum().backward()
    assert z.grad.dtype == np.float32


@pytest.mark.exercise("tracked", "backward")
def test_an_exception_in_a_rule_leaves_the_leaves_as_they_were():
    class BrokenBackward(MulBackward):
        def apply(self, grad_output):
            raise ZeroDivisionError("on purpose")

    x, w = leaf([1.0]), leaf([2.0])
    broken = tracked(original_method(Tensor, "__mul__"), BrokenBackward)
    loss = broken(x * 2, x).sum() + (w * w).sum()
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        loss.backward()
    assert x.grad is None
    assert w.grad is None
    (x * 2).sum().backward()
    assert values(x.grad).tolist() == [2.0]


# Central differences


@pytest.mark.exercise("numerical_gradient")
def test_numerical_gradient_is_a_central_difference():
    x = Tensor([1.0, -2.0], dtype=np.float64)
    assert_allclose(numerical_gradient(lambda t: (t * t * t).sum(), x), [3.0, 12.0], rtol=1e-9)
    assert_allclose(numerical_gradient(lambda t: t.abs().sum(), Tensor([0.0], dtype=np.float64)), [0.0])
    assert numerical_gradient(lambda t: t * t, Tensor(3.0, dtype=np.float64)) == pytest.approx(6.0)


# The woken tensor


@pytest.mark.exercise("tracked")
def test_tracked_records_only_what_needs_a_gradient():
    x = leaf(1.0)
    assert (x + 1).requires_grad
    assert isinstance((x + 1).grad_fn, AddBackward)
    assert (Tensor(1.0) + 1).grad_fn is None
    assert not (x.detach() + 1).requires_grad


@pytest.mark.exercise("tracked")
def test_tracked_takes_tensors_by_name():
    x, w = leaf([[1.0]]), leaf([[2.0]])
    Tensor([[1.0]], dtype=np.float64).matmul(other=w).sum().backward()
    assert values(w.grad).tolist() == [[1.0]]
    MSELoss().forward(target=Tensor([[0.0]]), input=x).backward()
    assert values(x.grad).tolist() == [[2.0]]
    assert x.sum(keepdim=True, dim=1).shape == (1, 1)


@pytest.mark.exercise("tracked")
def test_arithmetic_in_both_orders_keeps_the_gradient():
    for f, slope in [
        (lambda x: 2 + x, 1),
        (lambda x: 2 - x, -1),
        (lambda x: 3 * x, 3),
        (lambda x: 8 / x, -2),
        (lambda x: np.array(2.0) * x, 2),
        (lambda x: np.float64(5.0) - x, -1),
        (lambda x: np.array([[3.0]]) @ x.reshape(1, 1), 3),
        (lambda x: abs(-x), 1),
    ]:
        x = leaf(2.0)
        f(x).sum().backward()
        assert values(x.grad) == slope


COMPOSED: dict[str, Callable[[Tensor], Tensor]] = {
    "__radd__": lambda x: 1 + x,
    "__rsub__": lambda x: 1 - x,
    "__rmul__": lambda x: 2 * x,
    "__rtruediv__": lambda x: 1 / x,
    "__rpow__": lambda x: 2**x,
    "__matmul__": lambda x: x @ Tensor([1.0, 2.0]),
    "__rmatmul__": lambda x: np.array([1.0, 2.0]) @ x,
    "__abs__": abs,
    "__iter__": lambda x: next(iter(x)),
    "T": lambda x: x.T,
    "view": lambda x: x.view(2, 1),
    "clamp": lambda x: x.clamp(0, 5),
    "max": lambda x: x.max(0).values + x.max(),
    "min": lambda x: x.min(0).values + x.min(),
    "float": lambda x: x.float(),
    "double": lambda x: x.double(),
    "requires_grad_": lambda x: x.requires_grad_() * 1,
}
WITHOUT_A_SLOPE = {"argmax", "argmin", "long", *(f"__{name}__" for name in ("eq", "ne", "lt", "le", "gt", "ge"))}
REFUSED = {"numpy", "__array__", "__setitem__"}
LESSONS = {autograd.__file__, sys.modules[Tensor.__module__].__file__}
NOT_AN_OPERATION = {
    *("data", "requires_grad", "grad", "grad_fn", "is_leaf", "backward", "zero_grad", "detach"),
    *("shape", "ndim", "size", "dtype", "numel", "dim", "tolist", "item"),
    *(
        f"__{name}__"
        for name in ("init", "repr", "format", "len", "bool", "float", "int", "index", "hash", "slots", "weakref")
    ),
    *("__module__", "__qualname__", "__doc__", "__annotations__", "__array_ufunc__", "__firstlineno__"),
    "__static_attributes__",
    "__slotnames__",
}


def written_in(value: Any) -> str | None:
    """Return the file that a method or a property was written in; the lesson's for what is neither."""
    code = getattr(getattr(value, "fget", value), "__code__", None)
    return autograd.__file__ if code is None else code.co_filename


def test_every_public_operation_of_tensor_has_a_rule_or_says_why_not():
    """What other files of the package add to the class has a test of its own there."""
    mine = {name for name, value in vars(Tensor).items() if written_in(value) in LESSONS}
    public = {name for name in mine if not name.startswith("_") or name.startswith("__")}
    ruled = {rule.method for rule in RULES if rule.owner is Tensor}
    assert public - ruled - set(COMPOSED) - WITHOUT_A_SLOPE - REFUSED - NOT_AN_OPERATION == set()


@pytest.mark.exercise("tracked", "numerical_gradient")
@pytest.mark.parametrize("name", COMPOSED)
def test_operations_made_of_others_keep_the_gradient(name):
    x = leaf([1.0, 2.0])
    assert_allclose_gradient(lambda t: COMPOSED[name](t).sum(), x)


def assert_allclose_gradient(f: Callable[[Tensor], Tensor], x: Tensor) -> None:
    f(x).backward()
    rough = x.grad is not None and f(x).dtype == np.float32
    expected = numerical_gradient(f, x, 1e-2 if rough else 6e-6)
    assert_allclose(values(x.grad), expected, rtol=1e-3 if rough else 1e-6, atol=1e-6)


@pytest.mark.exercise("tracked")
def test_layers_keep_the_gradient():
    network = Sequential(Flatten(), Linear(4, 3), Tanh(), Dropout(0.5), Linear(3, 2)).eval()
    loss = CrossEntropyLoss()(network(Tensor(np.ones((2, 2, 2)))), tensor([0, 1]))
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.shape == parameter.shape


@pytest.mark.exercise("tracked", "numerical_gradient")
def test_a_whole_network_agrees_with_central_differences():
    rng = np.random.default_rng(0)
    x, labels = Tensor(rng.standard_normal((6, 5)), dtype=np.float64), tensor([0, 1, 2, 0, -100, 2])
    parameters = [leaf(rng.standard_normal(s)) for s in [(4, 5), (4,), (3, 4), (3,)]]

    def loss(w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
        hidden = GELU()(x @ w1.T + b1)
        hidden = (hidden - hidden.mean(dim=1, keepdim=True)) / (hidden * hidden).mean(dim=1, keepdim=True).sqrt()
        return CrossEntropyLoss(label_smoothing=0.1)(hidden @ w2.T + b2, labels) + 0.01 * (w1**2).sum()

    loss(*parameters).backward()
    for i, parameter in enumerate(parameters):
        expected = numerical_gradient(lambda t, i=i: loss(*parameters[:i], t, *parameters[i + 1 :]), parameter)
        assert_allclose(values(parameter.grad), expected, rtol=1e-6, atol=1e-8)


OPERATIONS: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: a - b.mean(),
    lambda a, b: a / (b * b + 1),
    lambda a, b: Tanh()(a) @ b.T,
    lambda a, b: Softmax(dim=0)(a) * b.sum(dim=1, keepdim=True),
    lambda a, b: (Sigmoid()(a) + b).transpose(0, 1),
    lambda a, b: a[:, [0, 0, 1]] + b.permute(1, 0),
]


@given(data=st.data(), seed=seeds, count=st.integers(1, 12))
@quick
@pytest.mark.exercise("tracked", "numerical_gradient")
def test_random_expressions_agree_with_central_differences(data, seed, count):
    """A graph of random operations on (3, 3) matrices, each free to use any earlier result, x among them."""
    x = leaf(np.random.default_rng(seed).standard_normal((3, 3)) * 0.5)
    plan = [
        (data.draw(st.sampled_from(OPERATIONS)), data.draw(st.integers(0, i)), data.draw(st.integers(0, i)))
        for i in range(count)
    ]

    def f(t: Tensor) -> Tensor:
        made = [t]
        for operation, i, j in plan:
            made.append(Tanh()(operation(made[i], made[j])))
        return sum((m.mean() for m in made[1:]), made[0].sum())

    f(x).backward()
    assert_allclose(values(x.grad), numerical_gradient(f, x), rtol=1e-5, atol=1e-7)


@pytest.mark.exercise("tracked")
def test_no_grad_records_nothing_and_ends():
    x = leaf(2.0)
    with no_grad():
        assert not is_grad_enabled()
        with no_grad():
            y = x * x
        assert not is_grad_enabled()
    assert is_grad_enabled()
    assert not y.requires_grad

    @no_grad()
    def predict() -> Tensor:
        return x * x

    assert not predict().requires_grad
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert is_grad_enabled()


@pytest.mark.exercise("tracked")
def test_no_grad_belongs_to_its_thread():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append((leaf(1.0) * 2).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


@pytest.mark.exercise("tracked", "backward")
def test_threads_on_separate_graphs_do_not_meet():
    failures = []

    def work(k: int) -> None:
        for _ in range(50):
            x = leaf(float(k))
            out = x
            for _ in range(20):
                out = out * 1.0 + x
            out.backward()
            if values(x.grad) != 21.0:
                failures.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.exercise("tracked")
def test_enable_autograd_twice_records_once_and_disable_puts_the_originals_back():
    try:
        enable_autograd()
        assert len(topological_order((leaf(1.0) + 1).grad_fn)) == 1
        disable_autograd()
        assert (leaf(1.0) + 1).grad_fn is None
        assert Tensor.__add__ is original_method(Tensor, "__add__")
        with pytest.raises(RuntimeError, match="sleeps until module 05"):
            Tensor(1.0).backward()
        disable_autograd()
    finally:
        enable_autograd()
    assert (leaf(1.0) + 1).requires_grad


@pytest.mark.exercise("tracked")
def test_enhanced_operations_keep_their_name_and_documentation():
    assert Tensor.exp.__name__ == "exp"
    assert Tensor.exp.__doc__ == original_method(Tensor, "exp").__doc__


@pytest.mark.exercise("tracked")
def test_parameters_are_leaves_and_results_are_plain_tensors():
    p = Parameter(np.ones(2))
    assert type(p * 2) is Tensor
    assert p.is_leaf
    assert not (p * 2).is_leaf


# Messages


@pytest.mark.exercise("add_backward")
def test_a_gradient_of_the_wrong_shape_is_refused_by_the_rule():
    message = (
        r"AddBackward was given a gradient of shape \(3,\), but inputs of shape \(2, 3\) and \(3,\) make an output of "
        r"shape \(2, 3\)\. Pass a gradient of the output's shape"
    )
    with pytest.raises(GradientShapeError, match=message):
        AddBackward(leaf(np.ones((2, 3))), leaf(np.ones(3))).apply(np.ones(3))


@pytest.mark.exercise("tracked", "backward")
def test_backward_on_many_numbers_says_what_to_do():
    message = r"starts from one number, but this tensor has shape \(2, 3\).*\.mean\(\) or \.sum\(\), or pass gradient="
    with pytest.raises(RuntimeError, match=message):
        (leaf(np.ones((2, 3))) * 2).backward()


def test_backward_without_anything_to_differentiate_says_why():
    with pytest.raises(RuntimeError, match=r"requires_grad=True forgotten, or was it computed inside no_grad\(\)"):
        backward(Tensor(1.0) * 2)


@pytest.mark.exercise("tracked")
def test_a_start_gradient_of_the_wrong_shape_is_refused():
    with pytest.raises(GradientShapeError, match=r"gradient of shape \(3,\) for a tensor of shape \(2,\)"):
        (leaf([1.0, 2.0]) * 2).backward(Tensor([1.0, 2.0, 3.0]))


def broken_rule(returned: Any) -> Callable[..., Tensor]:
    class BrokenBackward(AddBackward):
        def apply(self, grad_output):
            return returned

    return tracked(original_method(Tensor, "__add__"), BrokenBackward)


@pytest.mark.exercise("tracked", "backward")
@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (
            (np.ones(3), None),
            GradientShapeError,
            r"BrokenBackward returned a gradient of shape \(3,\) for input 0, whose",
        ),
        ((None, None), NotDifferentiableError, "BrokenBackward returned no gradient for input 0, which needs one"),
        ((np.ones(2),), NotDifferentiableError, r"has 2 inputs, but apply\(\) returned 1 gradients"),
    ],
)
def test_a_rule_that_returns_something_wrong_is_named(returned, error, message):
    with pytest.raises(error, match=message):
        broken_rule(returned)(leaf([1.0, 2.0]), 1.0).sum().backward()


@pytest.mark.exercise("tracked")
def test_a_plain_array_of_a_tensor_that_requires_a_gradient_is_refused():
    x = leaf([1.0, 2.0])
    for lose in (x.numpy, lambda: np.asarray(x), lambda: (x * 2).numpy(), lambda: Tensor(x), lambda: Tensor([x[0]])):
        with pytest.raises(NotDifferentiableError, match=r"numpy\(\) hands out .*\.detach\(\)\.numpy\(\)"):
            lose()
    assert x.detach().numpy() is x.data
    assert Tensor(x.detach()).tolist() == [1.0, 2.0]


def test_a_rule_without_apply_names_itself():
    class LostBackward(Function):
        pass

    with pytest.raises(NotImplementedError, match=r"LostBackward has no apply\(\)"):
        LostBackward(leaf(1.0)).apply(np.ones(()))


def test_a_rule_that_saves_its_output_needs_it():
    with pytest.raises(TypeError, match="ExpBackward saves what its operation computed: pass output="):
        ExpBackward(leaf(1.0))


def test_a_released_node_says_so():
    node = MulBackward(leaf(1.0), leaf(2.0))
    node.release()
    assert node.released
    with pytest.raises(GraphReleasedError, match="MulBackward has let go of its saved arrays"):
        node.apply(np.ones(()))


@pytest.mark.exercise("tracked", "backward")
def test_a_forgotten_zero_grad_is_noticed_when_the_parameter_has_moved():
    w = Parameter(np.array([1.0, 2.0]))
    (w * w).sum().backward()
    (w * w).sum().backward()  # the same place: a batch in two pieces, no warning
    w.data -= 0.1
    with pytest.warns(
        ForgottenZeroGradWarning, match=r"shape \(2,\) whose values have changed.* zero_grad\(\) forgotten"
    ):
        (w * w).sum().backward()
    w.zero_grad()
    w.data -= 0.1
    (w * w).sum().backward()
    w.grad.data[...] = 0.0  # forgotten in the other way, by filling in zeros
    w.data -= 0.1
    (w * w).sum().backward()


@pytest.mark.exercise("tracked", "backward")
def test_the_warning_points_to_the_users_line_and_sees_the_middle_of_a_tensor():
    w = Parameter(np.ones(100))
    w.grad = Tensor(np.ones(100))  # set by hand: nothing is known of it
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        w.sum().backward()
    w.data[50:] -= 0.1
    with pytest.warns(ForgottenZeroGradWarning) as caught:
        w.sum().backward()
    assert caught[0].filename == __file__


@pytest.mark.exercise("tracked", "backward")
def test_a_warning_that_is_an_error_leaves_no_gradient_half_done():
    a, b = leaf([1.0]), leaf([2.0])
    (a * b).sum().backward()
    a.data += 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ForgottenZeroGradWarning):
            (a * b).sum().backward()
    assert (values(a.grad).tolist(), values(b.grad).tolist()) == ([4.0], [3.0])


@pytest.mark.exercise("tracked", "backward")
def test_a_leaf_that_wants_no_gradient_any_more_gets_none():
    x, y = leaf(1.0), leaf(2.0)
    z = x * y
    x.requires_grad_(False)
    z.backward()
    assert x.grad is None
    assert values(y.grad) == 1.0


@pytest.mark.exercise("tracked", "backward")
def test_a_leaf_of_integers_is_an_error():
    t = tensor([1, 2])
    t.requires_grad = True
    with pytest.raises(TypeError, match=r"holds int64, and only floats can have a gradient"):
        (t.float() * 0.5).sum().backward()


@pytest.mark.exercise("tracked", "backward")
def test_the_gradient_shown_in_between_is_of_this_pass_and_nobody_elses():
    x = leaf([1.0, 2.0])
    y = x * 1
    (y * 3).sum().backward(retain_graph=True)
    (y * 5).sum().backward()
    assert values(y.grad).tolist() == [5.0, 5.0]
    y.grad.data *= 2
    assert values(x.grad).tolist() == [8.0, 8.0]


@pytest.mark.exercise("tracked", "backward")
def test_the_first_gradient_takes_the_type_of_its_tensor():
    x = Tensor([1.0], requires_grad=True)
    y = x * 1
    y.backward(np.array([1.0]))
    assert values(y.grad).dtype == values(x.grad).dtype == np.float32


@pytest.mark.exercise("tracked")
def test_a_tensor_of_no_elements_is_not_one_number():
    with pytest.raises(RuntimeError, match=r"starts from one number, but this tensor has shape \(0,\)"):
        (leaf([]) * 2).backward()


@pytest.mark.exercise("tracked")
def test_a_gradient_of_complex_numbers_is_refused():
    with pytest.raises(TypeError, match="real numbers, but got complex128"):
        (leaf(1.0) * 2).backward(np.array(1j))


@pytest.mark.exercise("tracked")
def test_an_operand_may_be_passed_by_name():
    x = leaf([[1.0, 2.0]])
    x.matmul(other=np.eye(2)).sum().backward()
    assert values(x.grad).tolist() == [[1.0, 1.0]]


def test_numpy_is_refused_inside_no_grad_too():
    with no_grad(), pytest.raises(NotDifferentiableError):
        leaf(1.0).numpy()


def test_waking_twice_wraps_once():
    enable_autograd()
    enable_autograd()
    assert not hasattr(Tensor.__add__.__wrapped__, "__wrapped__")


def test_all_classes_fall_asleep():
    try:
        disable_autograd()
        assert not ReLU()(leaf(1.0)).requires_grad
        assert leaf(1.0).numpy() == 1.0
    finally:
        enable_autograd()


def test_no_grad_on_a_generator_says_where_to_write_it():
    with pytest.raises(TypeError, match=r"numbers\(\) is a generator: .* `with no_grad\(\):` inside"):

        @no_grad()
        def numbers():
            yield 1


def test_no_grad_of_one_thread_leaves_the_others_alone():
    shared, entered, leave = no_grad(), threading.Event(), threading.Event()
    states = []

    def first() -> None:
        with shared:
            entered.set()
            leave.wait(10)
        states.append(is_grad_enabled())

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(10)
    with no_grad(), shared:
        leave.set()
        thread.join(10)
    assert states == [True]
    assert is_grad_enabled()


class CarelessBackward(Function):
    """A rule of a learner's, with a slip in it."""

    answer: Any = None

    def apply(self, grad_output: Any) -> Any:
        return type(self).answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.array(1.0), r"CarelessBackward.apply\(\) returned ndarray. Return a tuple .* `return \(grad,\)`"),
        (None, r"CarelessBackward.apply\(\) returned NoneType"),
        ((1.0,), r"CarelessBackward returned float for input 0"),
        ((None,), r"CarelessBackward returned no gradient for input 0"),
    ],
)
@pytest.mark.exercise("backward")
def test_a_slip_in_a_rule_is_named(answer, message, monkeypatch):
    monkeypatch.setattr(CarelessBackward, "answer", answer)
    x, y = leaf(1.0), leaf(1.0)
    y._grad_fn = CarelessBackward(x, output=y)
    with pytest.raises(NotDifferentiableError, match=message):
        backward(y)


def test_numerical_gradient_takes_a_number_and_refuses_an_array():
    assert_allclose(numerical_gradient(lambda t: t.item() ** 2, leaf(3.0)), 6.0, rtol=1e-8)
    with pytest.raises(TypeError, match="needs a tensor, but got ndarray"):
        numerical_gradient(lambda t: t.sum(), np.ones(3))


def test_numerical_gradient_refuses_float32():
    with pytest.raises(TypeError, match="needs float64, but got float32"):
        numerical_gradient(lambda t: t.sum(), Tensor([1.0]))


def test_a_node_and_its_result_show_what_they_are():
    assert repr(SumBackward(leaf([1.0]), output=Tensor(1.0))) == "<SumBackward of shape ()>"


@pytest.mark.exercise("tracked")
def test_a_result_shows_its_node():
    assert repr(Tensor(1.0, requires_grad=True) * 2) == "tensor(2., grad_fn=<MulBackward>)"


@pytest.mark.exercise("tracked", "backward", "numerical_gradient")
def test_the_examples_of_the_documentation_run():
    assert doctest.testmod(autograd).failed == 0
