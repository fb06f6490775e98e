"""Each faster method against the one that was there before, over shapes, strides and values of all kinds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="Numba is not installed: pip install numba")

import tinytorch
from tinytorch import Tensor, fast, nn
from tinytorch.fast import _replacements
from tinytorch.nn import functional as F  # noqa: N812

LARGE = _replacements.LARGE  # before a fixture changes it
Array = np.ndarray[Any, Any]
Run = Callable[..., Tensor]

# The fixture stands for all examples of a test: they only add to its count.
several = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

FINITE = st.floats(-50, 50, width=32)
ANY = st.one_of(FINITE, st.sampled_from([0.0, -0.0, 1e-30, 88.0, -88.0, 1e4, -1e4, math.nan, math.inf, -math.inf]))


@st.composite
def arrays(draw: st.DrawFn, elements: st.SearchStrategy[float], least: int = 0) -> Array:
    """Draw an array of float32: empty, 0-d, of one row or one column, contiguous or not."""
    shape = draw(hnp.array_shapes(min_dims=least, max_dims=3, min_side=0, max_side=7))
    made = draw(hnp.arrays(np.float32, shape, elements=elements))
    how = draw(st.sampled_from(["as it is", "transposed", "every second", "backwards", "read-only"]))
    if how == "transposed":
        return made.T
    if how == "every second" and made.ndim:
        return np.repeat(made, 2, axis=0)[::2]
    if how == "backwards" and made.ndim:
        return made[::-1]
    made.setflags(write=how != "read-only")
    return made


def results(run: Run, inputs: Sequence[Array], grad: Array | None = None) -> list[Array]:
    """Return what a function makes of tensors, and the gradients at those."""
    tensors = [tinytorch.from_numpy(a).requires_grad_() for a in inputs]
    with np.errstate(all="ignore"):
        out = run(*tensors)
        out.backward(tinytorch.from_numpy(np.ones(out.shape, np.float32) if grad is None else grad))
    assert all(t.grad.dtype == np.float32 and t.grad.shape == t.shape for t in tensors)
    return [out.detach().numpy(), *(t.grad.numpy() for t in tensors)]


def agree(run: Run, inputs: Sequence[Array], grad: Array | None = None, size: float = 1.0) -> None:
    """Assert that the kernels agree with NumPy, and leave their inputs as they were."""
    fast.enable()
    kept = [a.copy() for a in inputs]
    mine = results(run, inputs, grad)
    for before, after in zip(kept, inputs, strict=True):
        np.testing.assert_array_equal(before, after)
    fast.disable()
    for came, expected in zip(mine, results(run, inputs, grad), strict=True):
        np.testing.assert_allclose(came, expected, rtol=2e-5, atol=2e-6 * size)


ELEMENTWISE: dict[str, Run] = {
    "relu": F.relu,
    "sigmoid": F.sigmoid,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
@several
@given(data=st.data())
def test_element_by_element(name: str, data: st.DataObject, reached: Counter[str]) -> None:
    x = data.draw(arrays(ANY))
    grad = data.draw(hnp.arrays(np.float32, x.shape, elements=FINITE))
    far = name.startswith("gelu") and bool((x < -5).any())  # where NumPy's 1 + tanh and 1 + erf lose their digits
    agree(ELEMENTWISE[name], [x], grad, size=1e3 if far else 50)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@several
@given(data=st.data())
def test_row_by_row(name: str, data: st.DataObject, reached: Counter[str]) -> None:
    x = data.draw(arrays(ANY, least=1))
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    grad = data.draw(hnp.arrays(np.float32, x.shape, elements=FINITE))
    agree(lambda x: getattr(F, name)(x, dim), [x], grad, size=1e3)


@several
@given(data=st.data())
def test_masked_rows_are_exact(data: st.DataObject, reached: Counter[str]) -> None:
    """-inf is 0 in a softmax, exactly, and a row of nothing else is nan, as in PyTorch."""
    x = data.draw(hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 40)), elements=FINITE))
    masked = data.draw(hnp.arrays(np.bool_, x.shape))
    fast.enable()
    out = F.softmax(tinytorch.from_numpy(np.where(masked, np.float32(-np.inf), x)), -1).numpy()
    nothing = masked.all(axis=1, keepdims=True)
    assert (np.isnan(out) == (nothing & np.ones_like(masked))).all()
    assert (out[masked & ~nothing] == 0).all()
    assert reached["softmax"]


@pytest.mark.parametrize("layer", [True, False])
@several
@given(data=st.data())
def test_cross_entropy(layer: bool, data: st.DataObject, reached: Counter[str]) -> None:
    logits = data.draw(hnp.arrays(np.float32, st.tuples(st.integers(0, 6), st.integers(1, 40)), elements=FINITE))
    rows, classes = logits.shape
    ignored = data.draw(st.sampled_from([-100, 0, classes - 1]))
    target = data.draw(hnp.arrays(np.int64, rows, elements=st.sampled_from([ignored, *range(classes)])))
    reduction = data.draw(st.sampled_from(["mean", "sum", "none"]))
    how: dict[str, Any] = {"ignore_index": ignored, "reduction": reduction}
    if layer:
        how["label_smoothing"] = data.draw(st.sampled_from([0.0, 0.3, 1.0]))
        if data.draw(st.booleans()):
            weights = data.draw(hnp.arrays(np.float32, classes, elements=st.sampled_from([0.0, 0.25, 1.0, 1.5])))
            how["weight"] = tinytorch.from_numpy(weights)
    wanted = tinytorch.tensor(target.astype(data.draw(st.sampled_from([np.int64, np.int32, np.int16]))))
    if layer:
        agree(lambda x: nn.CrossEntropyLoss(**how).forward(x, wanted), [logits], size=100)
    else:
        agree(lambda x: F.cross_entropy(x, wanted, **how), [logits], size=100)


def test_a_row_that_does_not_count_has_no_loss_whatever_it_holds(reached: Counter[str]) -> None:
    logits = tinytorch.tensor([[0.0, 0.0], [math.nan, 1.0]])
    for reduction, expected in (("none", [math.log(2), 0.0]), ("sum", math.log(2)), ("mean", math.log(2))):
        fast.enable()
        loss = F.cross_entropy(logits, tinytorch.tensor([1, -100]), reduction=reduction)
        assert loss.tolist() == pytest.approx(expected)
    assert reached["cross_entropy"] == 3


@several
@given(data=st.data())
def test_cross_entropy_of_infinite_logits(data: st.DataObject, reached: Counter[str]) -> None:
    logits = data.draw(hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=ANY))
    target = tinytorch.tensor(
        data.draw(hnp.arrays(np.int64, len(logits), elements=st.integers(0, 8))) % logits.shape[1]
    )
    agree(lambda x: F.cross_entropy(x, target, reduction="none"), [logits], size=1e3)


@several
@given(data=st.data())
def test_normalize(data: st.DataObject, reached: Counter[str]) -> None:
    x = data.draw(arrays(FINITE, least=1))
    columns, choose = x.shape[-1], st.booleans()
    rows = hnp.arrays(np.float32, columns, elements=st.floats(-3, 3, width=32))
    weight, bias = (data.draw(rows) if data.draw(choose) else None for _ in range(2))
    grad = data.draw(hnp.arrays(np.float32, x.shape, elements=st.floats(-3, 3, width=32)))
    given_rows = [row for row in (weight, bias) if row is not None]

    def layer_norm(x: Tensor, *affine: Tensor) -> Tensor:
        left = list(affine)
        w = left.pop(0) if weight is not None else None
        b = left.pop(0) if bias is not None else None
        return F.layer_norm(x, (columns,), w, b, eps=1.0)

    agree(layer_norm, [x, *given_rows], grad, size=1e3)
    agree(lambda x: F.rms_norm(x, (columns,), eps=1.0), [x], grad, size=1e3)


@several
@given(data=st.data())
def test_attention(data: st.DataObject, reached: Counter[str]) -> None:
    batch = data.draw(hnp.array_shapes(max_dims=2, max_side=3))
    lengths = data.draw(st.tuples(*(st.integers(1, 6) for _ in range(4))))
    queries, keys, width, values = lengths
    shapes = [(*batch, queries, width), (*batch, keys, width), (*batch, keys, values)]
    inputs = [data.draw(hnp.arrays(np.float32, shape, elements=st.floats(-3, 3, width=32))) for shape in shapes]
    if data.draw(st.booleans()):  # as `split_heads` makes them
        inputs = [np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2) for a in inputs]
    causal = data.draw(st.booleans())
    reached.clear()
    agree(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal), inputs, size=100)
    assert reached["seen_softmax"]
    assert reached["softmax_gradient"]


@pytest.mark.parametrize("columns", [1, 15, 16, 17, 1000])
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_nan_is_never_lost(columns: int, where: str, reached: Counter[str]) -> None:
    """Whether it stands in what is vectorised or in what is left over, and whatever its sign."""
    place = {"first": 0, "middle": columns // 2, "last": columns - 1}[where]
    for nan in (np.nan, -np.nan):
        x = np.random.default_rng(0).standard_normal((3, columns)).astype(np.float32)
        x[1, place] = np.float32(nan)
        fast.enable()
        one = np.zeros(x.shape, np.bool_)
        one[1, place] = True
        for run in ELEMENTWISE.values():
            out, grad = results(run, [x])
            assert (np.isnan(out) == one).all()
            assert (grad[one] == 1).all() if run is F.relu else (np.isnan(grad) == one).all()
        row = np.broadcast_to(np.arange(3)[:, None] == 1, x.shape)
        for whole in (lambda x: F.softmax(x, -1), lambda x: F.log_softmax(x, -1)):
            assert all((np.isnan(a) == row).all() for a in results(whole, [x]))
        assert (np.isnan(results(lambda x: F.layer_norm(x, (columns,)), [x])[0]) == row).all()
        losses, _ = results(lambda x: F.cross_entropy(x, tinytorch.tensor([0, 0, 0]), reduction="none"), [x])
        assert np.isnan(losses).tolist() == [False, True, False]


def test_exponents_are_right_to_the_last_bits(reached: Counter[str]) -> None:
    """The sigmoid shows the exponential: against float64, over all that float32 can hold without losing bits."""
    x = np.linspace(-87, 20, 200_001, dtype=np.float32)
    fast.enable()
    expected = 1 / (1 + np.exp(-x.astype(np.float64)))
    np.testing.assert_allclose(F.sigmoid(tinytorch.from_numpy(x)).numpy(), expected, rtol=4e-7)


def test_gelu_is_right_to_the_last_bits(reached: Counter[str]) -> None:
    x = np.linspace(-12, 12, 100_001, dtype=np.float32)
    fast.enable()
    wide = x.astype(np.float64)
    exact = wide * np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in wide])
    tanh = wide / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
    np.testing.assert_allclose(F.gelu(tinytorch.from_numpy(x)).numpy(), exact, rtol=2e-7, atol=5e-7)
    np.testing.assert_allclose(F.gelu(tinytorch.from_numpy(x), approximate="tanh").numpy(), tanh, rtol=1e-4, atol=5e-7)


def test_wrong_arguments_raise_the_errors_that_they_always_did(reached: Counter[str]) -> None:
    x, wrong = tinytorch.zeros(2, 3, requires_grad=True), tinytorch.zeros(3)
    calls: list[Callable[[], Any]] = [
        lambda: nn.ReLU().forward(np.zeros(3, np.float32)),  # type: ignore[arg-type]
        lambda: nn.GELU().forward(x, x),  # type: ignore[call-arg]
        lambda: nn.Softmax(5).forward(x),
        lambda: nn.Softmax(None).forward(x),  # type: ignore[arg-type]
        lambda: nn.CrossEntropyLoss().forward(x, tinytorch.tensor([0, 3])),
        lambda: nn.CrossEntropyLoss().forward(x, tinytorch.tensor([0])),
        lambda: nn.CrossEntropyLoss(weight=wrong[:2]).forward(x, tinytorch.tensor([0, 1])),
        lambda: F.cross_entropy(x, tinytorch.tensor([0, -1])),
        lambda: nn.CrossEntropyLoss(reduction="nothing"),
        lambda: F.relu(x).grad_fn.apply(np.zeros(3, np.float32)),
        lambda: F.softmax(x, -1).grad_fn.apply(np.zeros((3, 2), np.float32)),
    ]
    for call in calls:
        said = []
        for switch in (fast.disable, fast.enable):
            switch()
            with pytest.raises((TypeError, ValueError, IndexError)) as caught:
                call()
            said.append((type(caught.value), str(caught.value)))
        assert said[0] == said[1]
    assert not reached["gelu"]


def test_other_types_are_left_to_numpy(reached: Counter[str]) -> None:
    fast.enable()
    for dtype in (np.float64, np.float16):
        out = F.gelu(tinytorch.ones(4, dtype=dtype, requires_grad=True))
        out.sum().backward()
        assert out.dtype == dtype
    assert F.relu(tinytorch.tensor([-1, 2])).tolist() == [0, 2]
    assert not reached


def test_a_released_graph_is_still_an_error(reached: Counter[str]) -> None:
    fast.enable()
    for run in (F.gelu, lambda x: F.layer_norm(x, (3,)), lambda x: F.softmax(x, -1)):
        loss = run(tinytorch.ones(2, 3, requires_grad=True)).sum()
        loss.backward()
        with pytest.raises(tinytorch.core.autograd.GraphReleasedError, match="retain_graph"):
            loss.backward()


def test_a_change_in_place_is_still_noticed(reached: Counter[str]) -> None:
    fast.enable()
    x = tinytorch.ones(2, 3, requires_grad=True)
    y = x * 2
    out = F.gelu(y)
    y.detach().add_(1)
    with pytest.raises(tinytorch.core.autograd.ChangedInPlaceError, match="GELUBackward"):
        out.sum().backward()


def test_small_arrays_are_left_to_numpy(monkeypatch: pytest.MonkeyPatch, reached: Counter[str]) -> None:
    monkeypatch.setattr(_replacements, "LARGE", LARGE)
    for size, answered in ((LARGE - 1, False), (LARGE, True)):
        F.gelu(tinytorch.ones(size, requires_grad=True)).sum().backward()
        assert bool(reached) == answered
