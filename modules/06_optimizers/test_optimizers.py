"""The comprehensive suite of module 06: the frame, the rules, what is remembered, pieces and packs."""

import doctest
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch.core.optimizers as optimizers
from tinytorch.core.autograd import ChangedInPlaceError, ForgottenZeroGradWarning, is_grad_enabled
from tinytorch.core.layers import Linear, Parameter, Sequential
from tinytorch.core.optimizers import (
    PIECE,
    SGD,
    SMALL,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Optimizer,
    Pack,
    RMSprop,
    StaleGradientWarning,
    in_pieces,
    that_fit_together,
)
from tinytorch.core.tensor import Tensor, from_numpy

some_examples = settings(max_examples=25, deadline=None)

FRAME = ("step", "pack")


def leaf(*values):
    return Parameter(np.array(values, np.float64))


def with_grad(p, *values):
    p.grad = from_numpy(np.array(values, p.dtype).reshape(p.shape))
    return p


class Halve(Optimizer):
    """Halves the values, whatever the gradient."""

    def update(self, w, grad, state, step, group):
        w /= 2


class Watch(Optimizer):
    """Notes what its rule is given; adds up gradients."""

    def __init__(self, params, **defaults):
        super().__init__(params, {"lr": 1.0, **defaults})
        self.seen = []

    def buffers(self, group):
        return ("total",)

    def first(self, name, group):
        return 10.0

    def update(self, w, grad, state, step, group):
        self.seen.append((len(w), len(grad), len(state["total"]), step, group["lr"]))
        state["total"] += grad
        w -= grad


# The frame


def test_groups_take_what_they_do_not_say_from_the_optimizer():
    body, head = Linear(2, 2), Linear(2, 1)
    optimizer = SGD([{"params": body.parameters(), "lr": 0.01}, {"params": head.weight}], lr=0.1, momentum=0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.1]
    assert [group["momentum"] for group in optimizer.param_groups] == [0.5, 0.5]
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 1]
    assert "group 0: 2 parameters, lr=0.01, momentum=0.5" in repr(optimizer)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (lambda: Parameter([1.0]), TypeError, "takes a list of tensors or of groups, but got one Parameter"),
        (lambda: {"params": [Parameter([1.0])]}, TypeError, "got one dict. Put it into a list"),
        (list, ValueError, "SGD got no parameters"),
        (lambda: [np.ones(2)], TypeError, "SGD changes tensors, but got ndarray"),
        (lambda: [Tensor([1.0])], ValueError, r"shape \(1,\) that requires no gradient"),
        (lambda: [Parameter([1.0]) * 2], ValueError, "was computed from others, so it has none"),
        (lambda: [{"params": [Parameter([1.0])], "rate": 1}], ValueError, "SGD has no setting 'rate'. It has damp"),
        (lambda: [{"lr": 1}], TypeError, "a dict with the key 'params', but got dict"),
    ],
)
def test_what_cannot_be_optimized(params, error, message):
    with pytest.raises(error, match=message):
        SGD(params())


def test_a_parameter_that_comes_twice():
    p, q = Parameter([1.0]), Parameter([1.0])
    with pytest.raises(ValueError, match=r"a parameter of shape \(1,\) comes twice"):
        SGD([p, p])
    optimizer = SGD([p, q])
    with pytest.raises(ValueError, match="comes twice"):
        optimizer.add_param_group({"params": [q]})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: SGD(p, lr=-1), "SGD: lr must be 0 or more, but got -1"),
        (lambda p: SGD(p, lr=math.nan), "SGD: lr must be 0 or more, but got nan"),
        (lambda p: SGD(p, momentum=-0.1), "SGD: momentum must be 0 or more"),
        (lambda p: SGD(p, weight_decay=-0.1), "weight_decay must be 0 or more"),
        (lambda p: SGD(p, nesterov=True), "nesterov=True needs a momentum above 0, and no dampening"),
        (lambda p: SGD(p, momentum=0.9, dampening=0.1, nesterov=True), "and no dampening"),
        (lambda p: Adam(p, betas=(1.0, 0.9)), r"Adam: betas\[0\] must be 0 or more and below 1, but got 1.0"),
        (lambda p: AdamW(p, betas=(0.9, -1)), r"AdamW: betas\[1\] must be"),
        (lambda p: Adam(p, eps=-1e-8), "Adam: eps must be 0 or more"),
        (lambda p: RMSprop(p, alpha=-1), "RMSprop: alpha must be 0 or more"),
        (lambda p: Adadelta(p, rho=1.5), "Adadelta: rho must be between 0 and 1"),
        (lambda p: SGD([{"params": p, "lr": -2}]), "lr must be 0 or more, but got -2"),
    ],
)
def test_settings_out_of_their_range(make, message):
    with pytest.raises(ValueError, match=message):
        make([Parameter([1.0])])


@pytest.mark.exercise("zero_grad")
def test_zero_grad():
    a, b = leaf(1.0, 2.0), leaf(3.0)
    optimizer = Halve([{"params": [a]}, {"params": [b]}], {})
    with_grad(b, 4.0)
    held = b.grad
    optimizer.zero_grad(set_to_none=False)
    assert (a.grad, b.grad.tolist(), held.tolist()) == (None, [0.0], [4.0])
    optimizer.zero_grad()
    assert b.grad is None


@pytest.mark.exercise("pack")
def test_gather_lays_arrays_of_any_shape_side_by_side():
    a, b, c = Parameter([[1.0, 2.0], [3.0, 4.0]]), Parameter(5.0), Parameter(np.zeros((0, 3), np.float32))
    pack = Pack([a, b, c], [{}, {}, {}], ())
    assert pack.gather([a.data.T, b.data, c.data]).tolist() == [1.0, 3.0, 2.0, 4.0, 5.0]


@pytest.mark.exercise("pack")
def test_scatter_writes_into_the_arrays_that_are_there():
    a, b = Parameter([[1.0, 2.0], [3.0, 4.0]]), Parameter(5.0)
    held = a.data
    Pack([a, b], [{}, {}], ()).scatter(np.arange(5, dtype=np.float32))
    assert a.data is held
    assert (a.tolist(), b.item()) == ([[0.0, 1.0], [2.0, 3.0]], 4.0)


@pytest.mark.exercise("pack")
def test_what_a_pack_remembers_are_parts_of_its_arrays():
    a, b = leaf(1.0, 2.0), leaf(3.0)
    states = [{"m": np.array([5.0, 6.0])}, {"m": np.array([7.0])}]
    pack = Pack([a, b], states, ("m",))
    pack.state["m"] *= 10
    assert [state["m"].tolist() for state in states] == [[50.0, 60.0], [70.0]]
    assert pack.gather([state["m"] for state in states]).tolist() == [50.0, 60.0, 70.0]


def test_parameters_fit_together_up_to_a_piece():
    sizes = [PIECE - 1, 1, 1, 5 * PIECE, 2, 3]
    lists = list(that_fit_together([Parameter(np.zeros(n, np.float32)) for n in sizes]))
    assert [[p.size for p in few] for few in lists] == [[PIECE - 1, 1], [1], [5 * PIECE], [2, 3]]
    assert list(that_fit_together([])) == []


def test_pieces_are_views_that_cover_all():
    w, grad, m = np.zeros(2 * PIECE + 3), np.ones(2 * PIECE + 3), np.zeros(2 * PIECE + 3)
    for piece, _, state, step in in_pieces(w, grad, {"m": m}, 4):
        assert len(piece) <= PIECE
        assert step == 4
        piece += 1
        state["m"] += 2
    assert (w == 1).all()
    assert (m == 2).all()


@pytest.mark.exercise(*FRAME)
def test_a_step_changes_in_place_what_has_a_gradient():
    a, b, large = leaf(2.0, 4.0), leaf(6.0), Parameter(np.full((2 * SMALL, 3), 8.0))
    held = [p.data for p in (a, b, large)]
    optimizer = Halve([{"params": [a, b]}, {"params": [large]}], {})
    with_grad(a, 1.0, 1.0)
    large.grad = from_numpy(np.ones(large.shape))
    assert optimizer.step() is None
    assert (a.tolist(), b.tolist()) == ([1.0, 2.0], [6.0])
    assert (large.data == 4.0).all()
    assert all(p.data is array for p, array in zip((a, b, large), held, strict=True))


@pytest.mark.exercise(*FRAME)
def test_a_rule_is_given_arrays_of_one_axis_and_the_settings_of_the_group():
    small, scalar = Parameter(np.zeros((3, 4))), Parameter(np.zeros(()))
    other, large = Parameter(np.zeros(5)), Parameter(np.zeros((PIECE, 2)))
    optimizer = Watch([{"params": [small, scalar], "lr": 0.5}, {"params": [large, other]}])
    for _ in range(2):
        for p in (small, scalar, other, large):
            p.grad = from_numpy(np.ones(p.shape))
        optimizer.step()
    assert optimizer.seen == [
        *((13, 13, 13, 1, 0.5), (PIECE, PIECE, PIECE, 1, 1.0), (PIECE, PIECE, PIECE, 1, 1.0), (5, 5, 5, 1, 1.0)),
        *((13, 13, 13, 2, 0.5), (PIECE, PIECE, PIECE, 2, 1.0), (PIECE, PIECE, PIECE, 2, 1.0), (5, 5, 5, 2, 1.0)),
    ]
    assert all((optimizer.state[p]["total"] == 12).all() for p in (small, scalar, other, large))
    assert optimizer.state[small]["total"].shape == (3, 4)


@pytest.mark.exercise(*FRAME)
@given(data=st.data())
@some_examples
def test_what_is_remembered_follows_its_parameter(data):
    """Whichever parameters have a gradient in a step, each is changed as if it were alone."""
    shapes = data.draw(st.lists(st.sampled_from([(), (1,), (3,), (2, 2), (SMALL + 1,), (0,)]), min_size=1, max_size=5))
    together, alone = ([Parameter(np.ones(shape)) for shape in shapes] for _ in range(2))
    optimizer, others = Adam(together, lr=0.1), [Adam([p], lr=0.1) for p in alone]
    for _ in range(data.draw(st.integers(1, 5))):
        for p, q in zip(together, alone, strict=True):
            p.grad = q.grad = None
            if data.draw(st.booleans()):
                p.grad = q.grad = from_numpy(np.full(p.shape, data.draw(st.sampled_from([-2.0, 0.5, 3.0]))))
        optimizer.step()
        for other in others:
            other.step()
    assert all(np.array_equal(p.data, q.data) for p, q in zip(together, alone, strict=True))


@pytest.mark.exercise(*FRAME)
def test_parameters_of_several_types_and_orders_in_memory():
    a, b = Parameter(np.ones(3, np.float32)), Parameter(np.ones(3, np.float64))
    turned = Parameter(np.ones((4, 2)))
    turned.data = np.arange(8.0).reshape(2, 4).T
    optimizer = SGD([a, b, turned], lr=1.0)
    for p in (a, b, turned):
        p.grad = from_numpy(np.ones(p.shape, p.dtype))
    turned.grad.data[0, 0] = 100.0
    optimizer.step()
    assert (a.dtype, b.dtype, a.tolist(), b.tolist()) == (np.float32, np.float64, [0.0] * 3, [0.0] * 3)
    assert turned.tolist() == [[-100.0, 3.0], [0.0, 4.0], [1.0, 5.0], [2.0, 6.0]]


@pytest.mark.exercise(*FRAME, "sgd")
def test_the_gradient_is_left_as_it_is():
    p = with_grad(leaf(1.0, 2.0), 3.0, 4.0)
    optimizer = SGD([p], lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.5)
    optimizer.step()
    assert p.grad.tolist() == [3.0, 4.0]


@pytest.mark.exercise(*FRAME, "sgd")
def test_a_closure_computes_the_loss_first():
    p = leaf(1.0)
    optimizer, calls = SGD([p], lr=0.1), []

    def closure():
        calls.append(is_grad_enabled())
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1.0
    assert (calls, p.tolist()) == ([True], [0.8])


@pytest.mark.exercise(*FRAME, "sgd")
def test_a_loss_from_before_the_step_has_no_gradient_any_more():
    p = leaf(1.0)
    loss = (p * p).sum()
    with_grad(p, 1.0)
    SGD([p], lr=0.1).step()
    with pytest.raises(ChangedInPlaceError, match=r"SGD.step\(\) has changed it in place"):
        loss.backward()


@pytest.mark.exercise(*FRAME)
def test_the_same_gradient_twice_is_worth_one_warning():
    p = with_grad(leaf(2.0), 1.0)
    optimizer = Halve([p], {})
    optimizer.step()
    with pytest.warns(StaleGradientWarning, match=r"no backward\(\) came in between") as caught:
        optimizer.step()
    optimizer.step()  # a second warning would be an error
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.exercise(*FRAME, "zero_grad")
def test_no_warning_where_all_is_well():
    p, idle = leaf(2.0), leaf(1.0)
    optimizer = Halve([idle, p], {})
    optimizer.step()
    with_grad(p, 0.0)
    for _ in range(3):
        optimizer.step()  # zeros, as after zero_grad(set_to_none=False)
    with_grad(p, 1.0)
    optimizer.step()
    p.grad.data[...] = 2.0  # somebody else makes the gradients
    optimizer.step()
    optimizer.zero_grad()
    (p * 3).sum().backward()
    optimizer.step()


@pytest.mark.exercise(*FRAME, "sgd")
def test_a_forgotten_zero_grad_is_noticed():
    p = leaf(1.0)
    optimizer = SGD([p], lr=0.1)
    (p * p).sum().backward()
    optimizer.step()
    with pytest.warns(ForgottenZeroGradWarning, match=r"zero_grad\(\) forgotten"):
        (p * p).sum().backward()


# What is remembered


@pytest.mark.exercise(*FRAME, "state_dict")
def test_a_state_dict_numbers_the_parameters():
    a, b, c = leaf(1.0, 2.0), leaf(3.0), leaf(4.0)
    optimizer = Watch([{"params": [a, b], "lr": 0.5}, {"params": [c]}])
    with_grad(c, 1.0)
    optimizer.step()
    with_grad(a, 1.0, 2.0)
    optimizer.step()
    state = optimizer.state_dict()
    assert state["param_groups"] == [{"lr": 0.5, "params": [0, 1]}, {"lr": 1.0, "params": [2]}]
    assert list(state["state"]) == [0, 2]
    assert state["state"][0]["total"].tolist() == [11.0, 12.0]
    assert (state["state"][0]["step"].item(), state["state"][2]["step"].item()) == (1.0, 2.0)
    assert optimizer.param_groups[0]["params"][0] is a


@pytest.mark.exercise(*FRAME, "state_dict")
@given(steps=st.integers(0, 4), more=st.integers(1, 4), name=st.sampled_from(["SGD", "Adam", "RMSprop", "Adadelta"]))
@some_examples
def test_an_optimizer_goes_on_where_another_one_stopped(steps, more, name):
    make = {
        "SGD": lambda p, lr: SGD(p, lr=lr, momentum=0.9),
        "Adam": lambda p, lr: Adam(p, lr=lr, amsgrad=True),
        "RMSprop": lambda p, lr: RMSprop(p, lr=lr, centered=True, momentum=0.5),
        "Adadelta": lambda p, lr: Adadelta(p, lr=lr),
    }[name]
    rng = np.random.default_rng(steps)
    shapes = [(3, 2), (SMALL + 5,), ()]
    params, others = ([Parameter(np.ones(shape)) for shape in shapes] for _ in range(2))
    first, second = make(params, 0.1), make(others, 0.7)
    for step in range(steps + more):
        if step == steps:
            second.load_state_dict(first.state_dict())
            for p, q in zip(params, others, strict=True):
                q.data[...] = p.data
        for p, q in zip(params, others, strict=True):
            p.grad = q.grad = from_numpy(rng.standard_normal(p.shape))
        first.step()
        if step >= steps:
            second.step()
    assert all(np.array_equal(p.data, q.data) for p, q in zip(params, others, strict=True))


@pytest.mark.exercise(*FRAME, "state_dict")
def test_a_state_that_does_not_fit_changes_nothing():
    p, q = leaf(1.0, 2.0), leaf(1.0, 2.0, 3.0)
    first, second = (SGD([x], lr=lr, momentum=0.9) for x, lr in ((p, 0.1), (q, 0.7)))
    with_grad(p, 1.0, 1.0)
    first.step()
    with_grad(q, 1.0, 1.0, 1.0)
    second.step()
    before = second.state[q]["momentum_buffer"].copy()
    for state, message in (
        (first.state_dict(), r"'momentum_buffer' of parameter 0 has shape \(2,\), but the parameter \(3,\)"),
        (Adam([leaf(1.0)]).state_dict() | {"state": {0: {"step": 1}}}, "parameter 0 has no 'momentum_buffer'"),
        (SGD([leaf(1.0), leaf(2.0)]).state_dict(), r"groups of \[2\] parameters, but this optimizer \[1\]"),
    ):
        with pytest.raises(ValueError, match=message):
            second.load_state_dict(state)
    assert second.param_groups[0]["lr"] == 0.7
    assert np.array_equal(second.state[q]["momentum_buffer"], before)


# The rules, against formulas for one element


def sgd(w, grads, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    velocity = None
    for g in grads:
        g = g + weight_decay * w
        velocity = g if velocity is None else momentum * velocity + (1 - dampening) * g
        w = w - lr * (g + momentum * velocity if nesterov else velocity if momentum else g)
    return w


def adagrad(w, grads, lr=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10):
    total = initial_accumulator_value
    for n, g in enumerate(grads):
        g = g + weight_decay * w
        total += g**2
        w = w - lr / (1 + n * lr_decay) * g / (math.sqrt(total) + eps)
    return w


def rmsprop(w, grads, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False):
    square = mean = velocity = 0.0
    for g in grads:
        g = g + weight_decay * w
        square = alpha * square + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        velocity = momentum * velocity + g / (math.sqrt(square - mean**2 if centered else square) + eps)
        w = w - lr * velocity
    return w


def adadelta(w, grads, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0):
    square = delta = 0.0
    for g in grads:
        g = g + weight_decay * w
        square = rho * square + (1 - rho) * g**2
        change = math.sqrt((delta + eps) / (square + eps)) * g
        delta = rho * delta + (1 - rho) * change**2
        w = w - lr * change
    return w


def adam(w, grads, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, decoupled=0.0):
    mean = square = largest = 0.0
    for n, g in enumerate(grads, 1):
        w = w * (1 - lr * decoupled)
        g = g + weight_decay * w
        mean = betas[0] * mean + (1 - betas[0]) * g
        square = betas[1] * square + (1 - betas[1]) * g**2
        largest = max(largest, square)
        root = math.sqrt((largest if amsgrad else square) / (1 - betas[1] ** n)) + eps
        w = w - lr * mean / (1 - betas[0] ** n) / root
    return w


def adamw(w, grads, weight_decay=1e-2, **settings):
    return adam(w, grads, decoupled=weight_decay, **settings)


RULES = [
    pytest.param(
        rule, formula, settings, marks=pytest.mark.exercise(*FRAME, *exercises), id=f"{rule.__name__} {settings}"
    )
    for rule, formula, exercises, variants in (
        (
            *(SGD, sgd, ["sgd"]),
            [
                {"lr": 0.1},
                {"lr": 0.1, "weight_decay": 0.3},
                {"lr": 0.1, "momentum": 0.9},
                {"lr": 0.1, "momentum": 0.9, "dampening": 0.5},
                {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
            ],
        ),
        (
            *(Adagrad, adagrad, ["adagrad"]),
            [{}, {"lr": 0.3, "lr_decay": 0.1, "weight_decay": 0.2}, {"initial_accumulator_value": 2.0, "eps": 0.1}],
        ),
        (
            *(RMSprop, rmsprop, ["rmsprop"]),
            [{}, {"alpha": 0.5, "weight_decay": 0.2}, {"momentum": 0.9, "eps": 0.1}, {"centered": True, "alpha": 0.9}],
        ),
        (*(Adadelta, adadelta, ["adadelta"]), [{}, {"lr": 0.5, "rho": 0.5, "weight_decay": 0.2}, {"eps": 0.1}]),
        (
            *(Adam, adam, ["adam"]),
            [{}, {"betas": (0.5, 0.8), "eps": 0.1}, {"weight_decay": 0.3}, {"amsgrad": True, "betas": (0.5, 0.5)}],
        ),
        (
            *(AdamW, adamw, ["adam", "adamw"]),
            [{}, {"weight_decay": 0.5, "lr": 0.2}, {"amsgrad": True, "betas": (0.2, 0.3), "weight_decay": 0.1}],
        ),
    )
    for settings in variants
]
GRADIENTS = st.lists(st.floats(-10, 10).filter(lambda g: abs(g) > 1e-3), min_size=1, max_size=6)


@pytest.mark.parametrize(("rule", "formula", "settings_"), RULES)
@given(w=st.floats(-5, 5), gradients=GRADIENTS)
@some_examples
def test_a_rule_is_its_formula(rule, formula, settings_, w, gradients):
    p = leaf(w, w, 0.0)
    optimizer = rule([p], **settings_)
    for g in gradients:
        with_grad(p, g, -g, g)
        optimizer.step()
    expected = [formula(w, gradients, **settings_), formula(w, [-g for g in gradients], **settings_)]
    assert p.tolist()[:2] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("rule", "formula", "settings_"), RULES)
def test_maximize_goes_up(rule, formula, settings_):
    up, down = leaf(1.5), leaf(1.5)
    going_up, going_down = rule([up], maximize=True, **settings_), rule([down], **settings_)
    for g in (1.0, -2.0, 0.5):
        with_grad(up, g)
        with_grad(down, -g)
        going_up.step()
        going_down.step()
    assert up.tolist() == pytest.approx(down.tolist(), rel=1e-12)
    assert up.tolist() != [1.5]


@pytest.mark.parametrize(("rule", "formula", "settings_"), RULES)
def test_float32_stays_float32(rule, formula, settings_):
    p = Parameter(np.ones(4, np.float32))
    optimizer = rule([p], **settings_)
    for g in (1.0, 2.0):
        p.grad = from_numpy(np.full(4, g, np.float32))
        optimizer.step()
    arrays = [array for array in optimizer.state[p].values() if isinstance(array, np.ndarray)]
    assert {array.dtype for array in (p.data, *arrays)} == {np.dtype(np.float32)}
    assert p.data[0] == pytest.approx(formula(1.0, [1.0, 2.0], **settings_), rel=1e-5)


@pytest.mark.exercise(*FRAME, "sgd")
def test_settings_may_be_changed_between_two_steps():
    p = leaf(1.0)
    optimizer = SGD([p], lr=0.1)
    moves = []
    for lr, momentum in ((0.1, 0.0), (0.01, 0.0), (0.01, 0.9), (0.01, 0.9)):
        optimizer.param_groups[0].update(lr=lr, momentum=momentum)
        before = p.item()
        with_grad(p, 1.0)
        optimizer.step()
        moves.append(before - p.item())
    assert moves == pytest.approx([0.1, 0.01, 0.01, 0.019])


@pytest.mark.exercise(*FRAME, "sgd", "adam")
def test_the_memory_of_each_parameter():
    for make, count in (
        (lambda p: SGD([p]), 0),
        (lambda p: SGD([p], momentum=0.5), 1),
        (lambda p: RMSprop([p], centered=True, momentum=0.5), 3),
        (lambda p: Adam([p]), 2),
        (lambda p: Adam([p], amsgrad=True), 3),
    ):
        p = Parameter(np.zeros((10, 10), np.float32))
        optimizer = make(p)
        p.grad = from_numpy(np.ones((10, 10), np.float32))
        optimizer.step()
        arrays = [array for array in optimizer.state[p].values() if isinstance(array, np.ndarray)]
        assert sum(array.nbytes for array in arrays) == 400 * count


@pytest.mark.exercise(*FRAME, "zero_grad", "sgd", "adagrad", "rmsprop", "adadelta", "adam", "adamw")
@pytest.mark.parametrize("make", [SGD, Adagrad, RMSprop, Adadelta, Adam, AdamW], ids=lambda make: make.__name__)
def test_a_network_learns_with_every_rule(make):
    rng = np.random.default_rng(0)
    x = Tensor(rng.standard_normal((64, 3)))
    target = x @ Tensor([[1.0], [-2.0], [0.5]]) + 0.3
    net = Sequential(Linear(3, 1))
    net.load_state_dict({"0.weight": [[0.0, 0.0, 0.0]], "0.bias": [0.0]})
    optimizer = make(net.parameters(), lr={"Adadelta": 30.0, "Adagrad": 1.0}.get(make.__name__, 0.1))
    losses = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(60):
            optimizer.zero_grad()
            loss = ((net(x) - target) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0] / 10


def test_examples_in_docstrings():
    assert doctest.testmod(optimizers).failed == 0
