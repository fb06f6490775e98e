"""What the engine says: errors, warnings, explanations, and the tables of what holds memory."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, autograd
from tinytorch.core.autograd import ChangedInPlaceError, GradientShapeError, NotDifferentiableError
from tinytorch.utils.checkpoint import checkpoint


def leaf(data: object) -> Tensor:
    return Tensor(data, requires_grad=True, dtype=np.float64)


def test_grad_says_which_input_is_unused_or_wants_nothing() -> None:
    x, w = leaf([1.0]), leaf([2.0])
    with pytest.raises(RuntimeError, match=r"input 1, a tensor of shape \(1,\), was not used .* allow_unused=True"):
        autograd.grad((x * 2).sum(), [x, w])
    with pytest.raises(RuntimeError, match=r"gradient of input 0, a tensor of shape \(1,\) that requires none"):
        autograd.grad((x * 2).sum(), [Tensor([1.0])])
    with pytest.raises(ValueError, match=r"materialize_grads=True, which .* and allow_unused=False"):
        autograd.grad((x * 2).sum(), [x, w], allow_unused=False, materialize_grads=True)
    with pytest.raises(ValueError, match="there are 1 outputs and 2 gradients for them"):
        autograd.grad(x * 2, x, [x, x])
    with pytest.raises(GradientShapeError, match=r"gradient of shape \(2,\) for a tensor of shape \(1,\)"):
        autograd.grad(x * 2, x, Tensor([1.0, 2.0]))


def test_a_hook_that_returns_the_wrong_shape() -> None:
    x = leaf([1.0, 2.0])
    handle = x.register_hook(lambda grad: grad.sum())  # type: ignore[attr-defined]
    with handle, pytest.raises(GradientShapeError, match=r"returned shape \(\) for a gradient of shape \(2,\)"):
        (x * 2).sum().backward()
    x.grad = None
    (x * 2).sum().backward()  # the hook is gone
    assert x.grad is not None


def test_hooks_keep_no_tensor_alive() -> None:
    x = leaf([1.0])
    y = x * 2
    y.register_hook(lambda grad: None)  # type: ignore[attr-defined]
    x.register_hook(lambda grad: None)  # type: ignore[attr-defined]
    gone = weakref.ref(x), weakref.ref(y.grad_fn)
    del x, y
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


def test_a_custom_function_keeps_no_cycle_alive() -> None:
    class Exp(autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def]
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad):  # type: ignore[no-untyped-def]
            return grad * ctx.saved_tensors[0]

    gc.disable()
    try:
        y = Exp.apply(leaf([1.0]))
        gone = weakref.ref(y)
        del y
        assert gone() is None
    finally:
        gc.enable()


def test_a_custom_function_that_returns_too_few_gradients() -> None:
    class Add(autograd.Function):
        @staticmethod
        def forward(ctx, a, b):  # type: ignore[no-untyped-def]
            return a + b

        @staticmethod
        def backward(ctx, grad):  # type: ignore[no-untyped-def]
            return grad

    with pytest.raises(NotDifferentiableError, match=r"Add.backward\(\) returned 1 gradients, but forward\(\) takes 2"):
        Add.apply(leaf(1.0), leaf(2.0)).backward()


@pytest.mark.parametrize("change", [lambda t: t.add_(1), lambda t: t.__setitem__(0, 5.0), lambda t: t.zero_()])
def test_a_leaf_is_not_changed_while_recording(change) -> None:  # type: ignore[no-untyped-def]
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match="would change a leaf that requires a gradient"):
        change(x)
    assert x.tolist() == [1.0, 2.0]
    with tinytorch.no_grad():
        change(x)
    assert x.tolist() != [1.0, 2.0]


def test_a_changed_saved_array_names_the_operation_that_saved_it() -> None:
    x = leaf([1.0, 2.0])
    y = x * 1
    z = y * y
    y.add_(1)  # type: ignore[attr-defined]
    with pytest.raises(ChangedInPlaceError, match=r"MulBackward saved .* add_\(\) has changed it in place"):
        z.sum().backward()
    assert x.grad is None


def test_a_view_of_a_changed_tensor_is_not_used_any_more() -> None:
    x = leaf([1.0, 2.0, 3.0])
    y = x * 1
    view = y[1:]
    y.mul_(3)  # type: ignore[attr-defined]
    with pytest.raises(ChangedInPlaceError, match="shares its memory with one that was changed in place"):
        view * 2
    (y[1:] * 2).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 6.0, 6.0]


def test_a_view_is_not_changed_while_recording() -> None:
    y = leaf([1.0, 2.0]) * 1
    with pytest.raises(NotDifferentiableError, match="would change a view"):
        y[0:1].add_(5)  # type: ignore[attr-defined]


def test_a_result_that_has_no_room() -> None:
    x = Tensor([1.0, 2.0])
    with pytest.raises(ValueError, match=r"add_\(\) makes a result of shape \(2, 2\)"):
        x.add_(Tensor([[1.0], [2.0]]))  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"add_\(\) makes float32, which a tensor of int64 cannot hold"):
        tinytorch.tensor([1, 2]).add_(0.5)  # type: ignore[attr-defined]
    with pytest.raises(
        ValueError, match=r"a value of shape \(3,\) does not fit into t\[index\], which has shape \(2,\)"
    ):
        x[:] = [1.0, 2.0, 3.0]


def test_copies_of_results_are_refused() -> None:
    y = leaf([1.0]) * 2
    with pytest.raises(RuntimeError, match=r"deepcopy\(\) copies leaves only: this tensor is a result of Mul"):
        copy.deepcopy(y)
    with pytest.raises(RuntimeError, match="pickle copies leaves only"):
        pickle.dumps(y)


def test_a_pickle_brings_back_values_and_wishes() -> None:
    x = leaf([1.0, 2.0])
    back = pickle.loads(pickle.dumps(x))
    assert (back.tolist(), back.requires_grad, back.dtype) == ([1.0, 2.0], True, np.float64)


@pytest.mark.parametrize(
    ("rule", "guess"),
    [
        (lambda g, w: -g * w, "It is minus the right one: look for a sign"),
        (lambda g, w: g * w / 2, "It is 1/2 of the right one"),
        (
            lambda g, w: g * w * 6,
            "It is 6 times the right one, a size of the shapes: is a factor 1/N of a mean missing",
        ),
        (lambda g, w: g * w * 2.5, "It is 2.5 times the right one: is a factor of the chain rule missing"),
        (lambda g, w: g * 0, "It is zero everywhere: is the gradient lost on the way"),
    ],
)
def test_gradcheck_names_the_mistake(rule, guess) -> None:  # type: ignore[no-untyped-def]
    class Mul(autograd.Function):
        @staticmethod
        def forward(ctx, x, w):  # type: ignore[no-untyped-def]
            ctx.save_for_backward(w)
            return x * w

        @staticmethod
        def backward(ctx, grad):  # type: ignore[no-untyped-def]
            return rule(grad, ctx.saved_tensors[0]), None

    x, w = leaf([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), Tensor([1.0, 2.0, 3.0], dtype=np.float64)
    with pytest.raises(autograd.GradcheckError, match=guess):
        autograd.gradcheck(Mul.apply, [x, w])
    assert not autograd.gradcheck(Mul.apply, [x, w], raise_exception=False)


def test_gradcheck_passes_and_refuses() -> None:
    x, w = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([0.5, 2.0])
    assert autograd.gradcheck(lambda a, b: ((a @ a.T) * b).exp().sum() / 1e3, [leaf(x.data * 0.1), w])
    assert autograd.gradgradcheck(lambda a, b: (a * b).exp(), [leaf(x.data * 0.1), w])
    with pytest.raises(TypeError, match="input 0 holds float32"):
        autograd.gradcheck(lambda t: t, Tensor([1.0], requires_grad=True))
    with pytest.raises(ValueError, match="at least one input that requires a gradient"):
        autograd.gradcheck(lambda t: t, Tensor([1.0]))


def test_explanations_name_the_line_where_tracking_stopped() -> None:
    x = Tensor([1.0, -2.0], requires_grad=True)
    with autograd.record_lines():
        cut = (x * 2).detach()
        after = cut * 3
        with tinytorch.no_grad():
            unrecorded = x * 3
        whole = x.long()
    assert "detach() cut it off" in autograd.explain_grad(cut)
    assert "cut = (x * 2).detach()" in autograd.explain_grad(after)
    assert "recording was off there (no_grad)" in autograd.explain_grad(unrecorded)
    assert "unrecorded = x * 3" in autograd.explain_grad(unrecorded)
    assert "made int64" in autograd.explain_grad(whole)
    assert "holds int64" in autograd.explain_grad(x.long())
    assert "without requires_grad=True" in autograd.explain_grad(Tensor(1.0))


def test_explanations_name_the_operation_that_spoils_a_gradient() -> None:
    x = Tensor([1.0, -2.0], requires_grad=True)
    assert "no backward() has come by" in autograd.explain_grad(x)
    with autograd.record_lines(), np.errstate(all="ignore"):
        shut = (tinytorch.nn.functional.relu(x - 5) * x.detach()).sum()
        broken = ((x * 0).sqrt() * x.detach() * 0).sum()
    assert "zero everywhere. MulBackward makes it zero" in autograd.explain_grad(x, shut) or (
        "zero everywhere. ReLUBackward makes it zero" in autograd.explain_grad(x, shut)
    )
    with np.errstate(all="ignore"):
        told = autograd.explain_grad(x, broken)
    assert "nan in 100% of its elements. SqrtBackward makes it nan" in told
    assert "broken = ((x * 0).sqrt()" in told
    assert "does not depend on this tensor" in autograd.explain_grad(x, (Tensor(1.0, requires_grad=True) * 2))
    loss = (x * x).sum()
    loss.backward()
    assert autograd.explain_grad(x) == "The gradient is there: finite, and not zero everywhere."
    assert "The graph of this loss is gone" in autograd.explain_grad(x, loss)


def test_anomalies_stop_at_the_line_that_makes_them() -> None:
    x = Tensor([0.0, -1.0], requires_grad=True)
    with np.errstate(all="ignore"), autograd.detect_anomaly():
        with pytest.raises(autograd.AnomalyError, match=r"LogBackward: .*test_messages.py:\d+, in .*: y = x.log\(\)"):
            y = x.log()
        root = (x * 0).sqrt()
        loss = (root * 0).sum()
        with pytest.raises(autograd.AnomalyError, match=r"SqrtBackward: the rule .* root = \(x \* 0\).sqrt\(\)"):
            loss.backward()
    with np.errstate(all="ignore"):
        y = x.log()
    assert np.isnan(y.data).any()  # outside nothing is stopped


def test_the_table_of_memory_counts_every_array_once() -> None:
    x = Tensor(np.ones(1000), requires_grad=True)
    with autograd.record_lines():
        y = x * x
        z = y.exp() * y
    table = autograd.memory(z)
    assert table.total == 3 * 4000  # x, y, exp(y)
    assert "y = x * x" in str(table)
    assert sum(table.by_line().values()) == table.total
    z.sum().backward()
    assert autograd.memory(z).total == 0


def test_a_checkpoint_keeps_less_and_drops_the_same() -> None:
    dropout = tinytorch.nn.Dropout(0.5)
    x = Tensor(np.ones(1000), requires_grad=True)

    def part(t: Tensor) -> Tensor:
        return dropout((t * 2).exp().log().exp())

    whole, less = part(x).sum(), checkpoint(part, x).sum()
    assert autograd.memory(less).total == 4000 < autograd.memory(whole).total
    tinytorch.manual_seed(3)
    part(x).sum().backward()
    assert x.grad is not None
    expected, x.grad = x.grad.tolist(), None
    tinytorch.manual_seed(3)
    y = checkpoint(part, x).sum()
    tinytorch.rand(5)  # drawn in between
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == expected


def test_numpy_functions_keep_the_gradient_or_refuse() -> None:
    x = leaf([1.0, 2.0])
    y = np.exp(x) + np.ones(2) * x
    assert isinstance(y, Tensor)
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data, np.exp([1, 2]) + 1)
    with pytest.raises(NotDifferentiableError, match=r"np.fft() has no gradient here|np\.\w+\(\) has no gradient here"):
        np.interp(x, [0, 1], [0, 1])
    with pytest.raises(NotDifferentiableError, match=r"t.detach\(\).numpy\(\)"):
        np.asarray(x)
    assert isinstance(np.interp(x.detach(), [0, 3], [0, 3]), Tensor)


def test_an_exponent_of_zero_has_its_mixed_second_derivative() -> None:
    """d/db of b * a**(b - 1) at b = 0 is 1 / a."""
    a, b = leaf([2.0, 0.5]), leaf([0.0, 0.0])
    (slope,) = autograd.grad((a**b).sum(), a, create_graph=True)
    assert slope is not None
    (mixed,) = autograd.grad(slope.sum(), b)
    assert mixed is not None
    np.testing.assert_allclose(mixed.data, [0.5, 2.0])
