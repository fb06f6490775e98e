"""The steps say what the engine does, and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import Tensor
from tinytorch.autograd import memory
from tinytorch.core import autograd as core
from tinytorch.core.activations import GELU, ReLU, Sigmoid, Softmax, Tanh
from tinytorch.core.autograd import ChangedInPlaceError, GraphReleasedError, MulBackward, SigmoidBackward
from tinytorch.core.losses import CrossEntropyLoss, MSELoss
from tinytorch.viz._steps import BackwardStep, ErrorStep, LeafStep, StartStep, Stepper

modest = settings(max_examples=60)


def leaf(data: Any) -> Tensor:
    return Tensor(data, requires_grad=True, dtype=np.float64)


def diamond() -> tuple[Tensor, Tensor, Tensor]:
    x, y = leaf(2.0), leaf(3.0)
    return x, y, x * y + x


def id_of(steps: Stepper, place: Any) -> int | None:
    """Return the number of a node or a leaf in the drawing; None for a leaf that the loss does not depend on."""
    return next((node.id for node in steps.graph.nodes if node.of is place), None)


def step_at(steps: Stepper, node: Any) -> BackwardStep:
    """Return the step of a node's rule."""
    name = id_of(steps, node)
    return next(step for step in steps.backward if step.node == name)


BINARY: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / (b * b + 1),
    lambda a, b: a @ b if a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0] else a * 2 + b,
]
UNARY: list[Callable[[Tensor], Tensor]] = [
    lambda a: a.exp() * 0.1,
    lambda a: (a * a + 1).log(),
    lambda a: -a,
    lambda a: a.transpose(0, 1),
    lambda a: a.sum(dim=0, keepdim=True),
    lambda a: a.mean(dim=1, keepdim=True),
    lambda a: a[:, :1],
    lambda a: Tanh()(a),
    lambda a: ReLU()(a),
    lambda a: Softmax()(a),
    lambda a: a * a,
    lambda a: a + a,
]
sides = st.sampled_from([1, 3])


def broadcast(a: Tensor, b: Tensor) -> bool:
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return False
    return True


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Tensor], Tensor]:
    """Make leaves and a loss: results are used again, so that nodes are shared, and shapes broadcast."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    leaves = [leaf(rng.uniform(-1, 1, (draw(sides), draw(sides)))) for _ in range(3)]
    pool = list(leaves)
    for _ in range(draw(st.integers(1, 8))):
        a, b = draw(st.sampled_from(pool)), draw(st.sampled_from(pool))
        if draw(st.booleans()) and broadcast(a, b):
            pool.append(draw(st.sampled_from(BINARY))(a, b))
        else:
            pool.append(draw(st.sampled_from(UNARY))(a))
    return leaves, (pool[-1] * draw(st.sampled_from(pool)) if broadcast(pool[-1], pool[0]) else pool[-1]).sum()


@given(graphs())
@modest
def test_the_last_step_has_the_gradients_of_the_engine(made):
    leaves, loss = made
    steps = loss.graph().step()
    end = steps.steps[-1]
    assert isinstance(end, LeafStep)
    assert steps.error == ""
    found = {row.node: row.after for row in end.leaves}
    names = {id(t): id_of(steps, t) for t in leaves if id_of(steps, t) is not None}
    loss.backward()
    assert set(found) == set(names.values())
    for t in leaves:
        if id(t) in names:
            assert t.grad is not None
            np.testing.assert_array_equal(found[names[id(t)]], t.grad.data)


@given(graphs())
@modest
def test_nothing_is_changed_and_all_memory_is_accounted_for(made):
    leaves, loss = made
    kept = memory(loss)
    order = core.topological_order(loss._grad_fn)
    before = [(node, dict(vars(node)), [np.array(x) for x in node.saved or ()]) for node in order]
    steps = loss.graph().step()
    assert all(t.grad is None for t in [*leaves, loss])
    for node, attributes, saved in before:
        assert vars(node).keys() == attributes.keys()
        assert all(vars(node)[name] is value for name, value in attributes.items())
        for now, then in zip(node.saved or (), saved, strict=True):
            np.testing.assert_array_equal(now, then)
    assert sum(step.released for step in steps.backward) == kept.total == steps.total
    assert sum(step.keeps for step in steps.forward) == kept.total
    held = [step.held for step in steps]
    assert max(held) == kept.total
    assert held[-1] == 0
    loss.backward()  # the graph is whole


@given(graphs())
@modest
def test_incoming_times_local_is_outgoing_and_what_arrives_adds_up(made):
    _, loss = made
    arrived: dict[int, np.ndarray] = {}
    for step in loss.graph().step().backward:
        if step.node in arrived:
            np.testing.assert_array_equal(step.incoming, arrived[step.node])
        for out in step.outgoing:
            if out.local is not None:
                product = out.gradient if out.product is None else out.product
                np.testing.assert_allclose(step.incoming * out.local, product, rtol=1e-6, atol=1e-9)
            if out.product is not None:
                np.testing.assert_allclose(
                    core.unbroadcast(out.product, out.gradient.shape), out.gradient, rtol=1e-6, atol=1e-9
                )
            if out.to in arrived:
                np.testing.assert_array_equal(out.before, arrived[out.to])
                np.testing.assert_array_equal(out.after, out.before + out.gradient)
            else:
                assert out.before is None
                np.testing.assert_array_equal(out.after, out.gradient)
            arrived[out.to] = out.after
        assert step.notes == ()


@given(graphs())
@modest
def test_forward_steps_come_after_what_they_use_and_hold_the_values_where_they_are_known(made):
    _, loss = made
    steps = loss.graph().step()
    assert [step.node for step in steps.forward][-1] == id_of(steps, loss._grad_fn)
    ran: set[int | None] = set()
    nodes = {id_of(steps, node) for node in core.topological_order(loss._grad_fn)}
    for step in steps.forward:
        assert all(given.node in ran for given in step.inputs if given.node in nodes)
        ran.add(step.node)
    assert ran == nodes
    np.testing.assert_array_equal(steps.forward[-1].value, loss.data)


def test_the_diamond_in_numbers():
    x, y, loss = diamond()
    steps = loss.graph().step()
    assert y.grad is None
    assert [type(step).__name__ for step in steps] == [
        "ForwardStep", "ForwardStep", "StartStep", "BackwardStep", "BackwardStep", "LeafStep",
    ]  # fmt: skip
    assert [(step.name, step.value) for step in steps.forward] == [("Mul", 6.0), ("Add", 8.0)]
    assert [given.value for given in steps.forward[1].inputs] == [6.0, 2.0]
    mul = steps.backward[1]
    to_x, to_y = mul.outgoing
    assert (mul.incoming, to_x.local, to_x.gradient, to_x.before, to_x.after) == (1, 3, 3, 1, 4)
    assert (to_y.local, to_y.gradient, to_y.before, to_y.after) == (2, 2, None, 2)
    assert mul.released == 16
    assert "1 × 3 = 3, which meets 1 and makes 4" in mul.says
    assert steps.steps[-1].says.startswith("backward() writes what has arrived: x.grad = 4 and y.grad = 2.")
    assert x.grad is None


def test_a_value_that_nobody_holds_is_computed_again_by_the_learners_own_operation():
    x = leaf([1.0, 2.0])
    steps = ((x * x).exp() + 1).mean().graph().step()
    assert steps.forward[0].value.tolist() == [1.0, 4.0]
    np.testing.assert_allclose(steps.forward[1].value, np.exp([1.0, 4.0]))


def test_a_value_that_cannot_be_known_is_said_to_be_unknown():
    x = leaf([1.0, 2.0])
    steps = (x + Tensor([5.0, 5.0], dtype=np.float64)).sum().graph().step()
    assert steps.forward[0].value is None
    assert "makes" not in steps.forward[0].says


def test_a_broadcast_shows_the_product_before_it_is_summed_back():
    x, b = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([10.0, 20.0])
    loss = (x * b).sum()
    step = loss.graph().step().backward[1]
    to_x, to_b = step.outgoing
    assert to_x.product is None
    assert to_x.local.tolist() == [[10.0, 20.0], [10.0, 20.0]]
    assert to_b.local.tolist() == to_b.product.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert to_b.gradient.tolist() == [4.0, 6.0]
    assert "1 × [[1 2] [3 4]]" not in step.says
    assert "= [[1 2] [3 4]], summed back to [4 6]" in step.says


def test_a_loss_has_the_gradient_of_its_input_as_local_derivative():
    logits = leaf([[0.0, 0.0]])
    (step,) = CrossEntropyLoss()(logits, Tensor([0], dtype=np.int64)).graph().step().backward
    assert step.outgoing[0].local.tolist() == [[-0.5, 0.5]]


@pytest.mark.parametrize("layer", [Softmax(), GELU(), Sigmoid()], ids=lambda layer: type(layer).__name__)
def test_only_an_elementwise_rule_has_a_local_derivative_for_each_element(layer):
    x = leaf([1.0, 2.0, 3.0])
    step = (layer(x) * Tensor([1.0, 2.0, 4.0], dtype=np.float64)).sum().graph().step().backward[2]
    assert (step.outgoing[0].local is None) == isinstance(layer, Softmax)
    assert step.formula.startswith("Gradient of ")


def test_a_matrix_product_shows_its_formula():
    step = (leaf(np.ones((2, 2))) @ leaf(np.eye(2) * 3 + 1)).sum().graph().step().backward[1]
    assert [out.local for out in step.outgoing] == [None, None]
    assert step.formula == "Gradient of `out = a @ b`: `grad_output @ b.T` for a, `a.T @ grad_output` for b."


def test_large_arrays_are_not_probed(monkeypatch):
    calls = []
    original = MulBackward.apply
    monkeypatch.setattr(MulBackward, "apply", lambda self, grad: calls.append(1) or original(self, grad))
    (leaf(np.ones(1000)) * leaf(np.ones(1000))).sum().graph().step()
    assert len(calls) == 1


def test_leaves_that_hold_a_gradient_already_show_the_sum():
    x, _, loss = diamond()
    loss.backward(retain_graph=True)
    end = loss.graph().step().steps[-1]
    assert isinstance(end, LeafStep)
    row = next(row for row in end.leaves if row.after == 8)
    assert (row.before, row.arrived) == (4, 4)
    assert x.grad is not None
    assert x.grad.data == 4


def test_a_gradient_may_be_passed():
    x = leaf([1.0, 2.0])
    y = x * x
    steps = y.graph().step(gradient=Tensor([10.0, 100.0], dtype=np.float64))
    start = next(step for step in steps if isinstance(step, StartStep))
    assert start.gradient.tolist() == [10.0, 100.0]
    assert steps.backward[0].outgoing[1].after.tolist() == [20.0, 400.0]
    with pytest.raises(RuntimeError, match="pass gradient="):
        y.graph().step()


def test_a_released_graph_says_what_to_do():
    _, _, loss = diamond()
    graph = loss.graph()
    loss.backward()
    with pytest.raises(
        GraphReleasedError, match=r"Call graph\(\)\.step\(\) before backward\(\), or pass retain_graph=True"
    ):
        graph.step()


def test_a_part_that_is_released_says_so_too():
    x = leaf(2.0)
    y = x * x
    graph = (y * 3).graph()
    y.backward()
    with pytest.raises(GraphReleasedError, match="nothing to step through"):
        graph.step()


def test_forward_runs_the_left_side_first():
    x, y = leaf(2.0), leaf(3.0)
    steps = ((x * y).exp() + (x / y).log()).graph().step()
    assert [step.name for step in steps.forward] == ["Mul", "Exp", "Div", "Log", "Add"]


def test_places_in_the_steps():
    steps = diamond()[2].graph().step()
    assert steps.position == 0
    assert steps.back() is steps[0]
    assert steps.next() is steps[1]
    assert steps.at(-1) is steps[5]
    assert steps.next() is steps[5]
    assert steps.back() is steps[4]
    assert steps.position == 4
    with pytest.raises(IndexError, match="there are 6 steps, 0 to 5, but got 6"):
        steps.at(6)


# The learner's engine, with its mistakes.


def test_a_wrong_rule_answers_for_itself(monkeypatch):
    monkeypatch.setattr(MulBackward, "apply", lambda self, grad: (grad * self.saved[0], grad * self.saved[1]))
    x, y, loss = diamond()
    steps = loss.graph().step()
    assert [out.local for out in step_at(steps, loss._grad_fn.next_functions[0]).outgoing] == [2, 3]
    loss.backward()
    assert [float(x.grad.data), float(y.grad.data)] == [3, 3]
    assert [float(row.after) for row in steps.steps[-1].leaves] == [3, 3]


def test_a_rule_that_raises_is_a_step_with_its_words(monkeypatch):
    def apply(self, grad):
        raise ValueError("not like this")

    monkeypatch.setattr(MulBackward, "apply", apply)
    x, _, loss = diamond()
    steps = loss.graph().step()
    last = steps.steps[-1]
    assert isinstance(last, BackwardStep)
    assert last.error == steps.error == "ValueError: not like this"
    assert last.outgoing == ()
    assert last.says.endswith("Here it stopped: ValueError: not like this")
    assert x.grad is None
    assert loss._grad_fn.saved == ()
    assert "apply" not in vars(loss._grad_fn)


def test_a_stub_says_where_to_write(monkeypatch):
    def unbroadcast(grad, shape):
        raise NotImplementedError("exercise unbroadcast: write it in modules/05_autograd/autograd_dev.py")

    monkeypatch.setattr(core, "unbroadcast", unbroadcast)
    steps = diamond()[2].graph().step()
    assert steps.error == "exercise unbroadcast: write it in modules/05_autograd/autograd_dev.py"
    assert steps.backward[-1].where.startswith("tinytorch/core/autograd.py:")


def test_a_gradient_of_the_wrong_shape_is_shown_with_the_engines_words(monkeypatch):
    monkeypatch.setattr(core, "unbroadcast", lambda grad, shape: grad)
    x, b = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([10.0, 20.0])
    steps = (x * b).sum().graph().step()
    last = steps.backward[-1]
    assert "MulBackward returned a gradient of shape (2, 2) for input 1, whose shape is (2,)" in last.error
    assert last.outgoing[1].gradient.shape == (2, 2)
    assert last.outgoing[1].after is None


def test_assigning_instead_of_accumulating_is_seen(monkeypatch):
    def propagate(order, grads, retain_graph):
        for node in order:
            for edge, grad in core.input_gradients(node, grads.pop(node)):
                grads[edge] = grad
            node.release()

    monkeypatch.setattr(core, "propagate", propagate)
    steps = diamond()[2].graph().step()
    to_x = steps.backward[1].outgoing[0]
    assert (to_x.before, to_x.gradient, to_x.after) == (1, 3, 3)
    assert "replaces 1" in steps.backward[1].says


def test_adding_in_place_is_noticed(monkeypatch):
    def propagate(order, grads, retain_graph):
        for node in order:
            for edge, grad in core.input_gradients(node, grads.pop(node)):
                if edge in grads:
                    grads[edge] += grad
                else:
                    grads[edge] = grad
            node.release()

    monkeypatch.setattr(core, "propagate", propagate)
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    # Both inputs of a sum are given one array, so that what is added to a is added to b too.
    steps = ((b + a) + a).graph().step(gradient=np.ones(2))
    assert any("changed while it waited" in note for step in steps.steps for note in getattr(step, "notes", ()))


def test_a_gradient_that_changes_before_its_nodes_turn_is_noticed_there(monkeypatch):
    def propagate(order, grads, retain_graph):
        for node in order:
            for edge, grad in core.input_gradients(node, grads.pop(node)):
                if edge in grads:
                    grads[edge] += grad
                else:
                    grads[edge] = grad
            node.release()

    monkeypatch.setattr(core, "propagate", propagate)
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    steps = ((b * b + a) + a).graph().step(gradient=np.ones(2))
    assert [bool(step.notes) for step in steps.backward] == [False, False, True]
    assert "The gradient of Mul changed while it waited" in steps.backward[2].notes[0]


def test_a_walk_that_releases_nothing_keeps_its_memory(monkeypatch):
    def propagate(order, grads, retain_graph):
        for node in order:
            for edge, grad in core.input_gradients(node, grads.pop(node)):
                grads[edge] = grads[edge] + grad if edge in grads else grad

    monkeypatch.setattr(core, "propagate", propagate)
    steps = diamond()[2].graph().step()
    assert [step.released for step in steps.backward] == [0, 0]
    assert steps.steps[-1].held == steps.total > 0
    assert "has to be released" in steps.steps[-1].says


def test_a_node_that_is_released_before_its_rule_ran_fails_as_it_would(monkeypatch):
    def propagate(order, grads, retain_graph):
        for node in order:
            node.release()
            core.input_gradients(node, grads.pop(node))

    monkeypatch.setattr(core, "propagate", propagate)
    _, _, loss = diamond()
    assert "has let go of its saved arrays" in (loss * 2).graph().step().error


def test_a_missing_factor_is_noticed(monkeypatch):
    monkeypatch.setattr(SigmoidBackward, "apply", lambda self, grad: (self.saved[0] * (1 - self.saved[0]),))
    step = (Sigmoid()(leaf([0.5, 1.0])) * 3).sum().graph().step().backward[2]
    assert step.outgoing[0].local is None
    assert "Twice the incoming gradient would not give x twice as much" in step.notes[0].replace(
        step.outgoing[0].name, "x"
    )


@pytest.mark.parametrize("order", ["stub", "reversed", "twice", "leaves one out"])
def test_a_wrong_order_is_an_error_that_names_it(monkeypatch, order):
    right = core.topological_order

    def wrong(start):
        if order == "stub":
            raise NotImplementedError("exercise topological_order: write it in the lesson")
        nodes = right(start)
        return {"reversed": nodes[::-1], "twice": [*nodes, nodes[-1]], "leaves one out": nodes[:1]}[order]

    x, y = leaf(2.0), leaf(3.0)
    graph = (x * y + x).graph()
    monkeypatch.setattr(core, "topological_order", wrong)
    last = graph.step().steps[-1]
    assert isinstance(last, ErrorStep)
    assert "topological_order" in last.error


def test_a_change_in_place_is_an_error_step():
    x = leaf([1.0, 2.0])
    y = x * x
    core.note_change(x.data, "add_()")
    steps = y.sum().graph().step()
    assert isinstance(steps.steps[-1], ErrorStep)
    assert ChangedInPlaceError.__name__ in steps.error


def test_a_chain_of_thousands_is_stepped_through():
    x = out = leaf(1.0)
    for _ in range(3000):
        out = out + x
    steps = out.graph().step()
    assert len(steps.backward) == 3000
    assert steps.steps[-1].leaves[0].after == 3001


def test_one_leaf_alone_is_a_graph_too():
    x = leaf(3.0)
    steps = x.graph().step()
    assert [type(step).__name__ for step in steps] == ["StartStep", "LeafStep"]
    assert steps.steps[-1].leaves[0].after == 1


def test_a_square_shows_both_factors_arriving_one_after_the_other():
    x = leaf(3.0)
    (step,) = MSELoss()(x, Tensor(0.0, dtype=np.float64)).graph().step().backward
    assert step.outgoing[0].after == 6
    (step,) = (x * x).graph().step().backward
    assert [(out.before, out.after) for out in step.outgoing] == [(None, 3), (3, 6)]
