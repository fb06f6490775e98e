"""Convolutions, pools and batch norm beside PyTorch's: values, gradients, gradients of those, states, settings."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinytorch
from tests.parity.harness import Case, compare
from tinytorch import nn
from tinytorch.autograd import gradcheck, gradgradcheck

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")

few = settings(max_examples=60)
small = st.integers(1, 3)


def made(lib: Any, array: np.ndarray, wanted: bool = True) -> Any:
    return lib.from_numpy(array.copy()).requires_grad_(wanted)


def same_results(call: Callable[..., Any], arrays: list[np.ndarray], tolerance: float) -> None:
    """Assert that values and the gradients of all inputs agree."""
    rng = np.random.default_rng(0)
    results = []
    for lib in (tinytorch, torch):
        inputs = [made(lib, a) for a in arrays]
        out = call(lib, *inputs)
        grad = rng.standard_normal(tuple(out.shape)) if not results else grad  # noqa: F821
        (out * lib.from_numpy(grad.astype(arrays[0].dtype))).sum().backward()
        results.append([out, *(t.grad for t in inputs)])
    for mine, theirs in zip(*results, strict=True):
        expected = theirs.detach().numpy()
        assert mine.detach().numpy().dtype == expected.dtype
        np.testing.assert_allclose(mine.detach().numpy(), expected, rtol=tolerance, atol=tolerance)


@st.composite
def convolutions(draw: st.DrawFn, dims: int) -> tuple[dict[str, Any], tuple[int, ...], tuple[int, ...], bool]:
    """Settings, the shape of the input, the shape of the weight, and whether the input is a batch."""
    groups = draw(small)
    stride, dilation, kernel = ([draw(small) for _ in range(dims)] for _ in range(3))
    padding: Any = draw(st.sampled_from(["valid", "same", "numbers"]))
    if padding == "same":
        stride = [1] * dims
    if padding == "numbers":
        padding = [draw(st.integers(0, 3)) for _ in range(dims)]
    size = [draw(st.integers(1, 9)) for _ in range(dims)]
    border = padding if not isinstance(padding, str) else [0] * dims
    if padding != "same":
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        assume(all(n + 2 * p >= r for n, p, r in zip(size, border, reach, strict=True)))
    count, channels, kernels = draw(small), groups * draw(small), groups * draw(small)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return options, (count, channels, *size), (kernels, channels // groups, *kernel), draw(st.booleans())


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 2e-4)])
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_convolutions_agree(dims: int, dtype: str, tolerance: float) -> None:
    @few
    @given(convolutions(dims), st.integers(0, 2**31))
    def agree(case: Any, seed: int) -> None:
        options, x, weight, batch = case
        rng = np.random.default_rng(seed)
        arrays = [rng.standard_normal(s).astype(dtype) for s in (x if batch else x[1:], weight, weight[:1])]
        call = lambda lib, x, w, b: getattr(lib.nn.functional, f"conv{dims}d")(x, w, b, **options)  # noqa: E731
        same_results(call, arrays, tolerance)

    agree()


@pytest.mark.parametrize("room", [1, 64, 1 << 20])
def test_blocks_of_any_size_agree(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row of windows at a time, a few images at a time, and all at once."""
    monkeypatch.setattr(tinytorch.core.spatial, "ROOM", room)
    rng = np.random.default_rng(room)
    for stride, groups in itertools.product((1, 2), (1, 2)):
        shapes = (5, 4, 7, 6), (6, 4 // groups, 3, 2), (6,)
        arrays = [rng.standard_normal(s) for s in shapes]
        call = lambda lib, x, w, b, s=stride, g=groups: lib.nn.functional.conv2d(x, w, b, s, 1, groups=g)  # noqa: E731
        same_results(call, arrays, 1e-10)


def test_a_view_is_convolved_as_its_copy() -> None:
    base = np.random.default_rng(0).standard_normal((6, 9, 3, 8))
    x, weight = tinytorch.from_numpy(base).permute(0, 2, 1, 3)[::2, :, ::-1], tinytorch.randn(4, 3, 3, 3).double()
    copy = tinytorch.from_numpy(np.ascontiguousarray(x.data))
    for function in (
        lambda x: nn.functional.conv2d(x, weight, padding=1),
        lambda x: nn.functional.max_pool2d(x, 2),
        lambda x: nn.functional.avg_pool2d(x, 2, padding=1),
        lambda x: nn.functional.adaptive_avg_pool2d(x, 3),
    ):
        np.testing.assert_allclose(function(x).data, function(copy).data, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # the product with it is not finite
def test_an_infinite_weight_reaches_no_further_than_its_windows() -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((1, 1, 5, 5)), rng.random((1, 1, 2, 3))
    weight[0, 0, 1, 0] = np.inf
    same_results(lambda lib, x, w: lib.nn.functional.conv2d(x, w)[..., 1:3, 1:2], [x, weight], 1e-12)


@pytest.mark.parametrize(
    "function", ["conv2d", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"]
)
def test_an_empty_batch(function: str) -> None:
    shapes = [(0, 2, 5, 5), (3, 2, 3, 3), (3,)] if function == "conv2d" else [(0, 2, 5, 5)]
    more = () if function == "conv2d" else (2,)
    call = lambda lib, *t: getattr(lib.nn.functional, function)(*t, *more)  # noqa: E731
    same_results(call, [np.zeros(s) for s in shapes], 0)


def test_half_precision_is_calculated_in_single() -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 8, 9, 9)).astype("f2"), rng.standard_normal((4, 8, 3, 3)).astype("f2")
    for call in (
        lambda lib, x, w: lib.nn.functional.conv2d(x, w, padding=1),
        lambda lib, x, w: lib.nn.functional.avg_pool2d(x, 3),
        lambda lib, x, w: lib.nn.functional.max_pool2d(x, 3),
        lambda lib, x, w: lib.nn.functional.adaptive_avg_pool2d(x, 2),
    ):
        mine = call(tinytorch, tinytorch.from_numpy(x), tinytorch.from_numpy(weight)).data
        theirs = call(torch, torch.from_numpy(x), torch.from_numpy(weight)).numpy()
        assert mine.dtype == np.float16
        np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=1e-2)


# Pools.


@st.composite
def pools(draw: st.DrawFn, dims: int, dilated: bool) -> tuple[dict[str, Any], tuple[int, ...]]:
    kernel, stride = ([draw(small) for _ in range(dims)] for _ in range(2))
    dilation = [draw(st.integers(1, 2)) if dilated else 1 for _ in range(dims)]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = [draw(st.integers(0, k // 2)) for k in kernel]
    size = [draw(st.integers(1, 9)) for _ in range(dims)]
    assume(all(n + 2 * p >= r for n, p, r in zip(size, padding, reach, strict=True)))
    # a window of which no element is in the input has no largest one, and PyTorch then points outside
    assume(all(p == 0 or n >= d for n, p, d in zip(size, padding, dilation, strict=True)))
    options: dict[str, Any] = {"kernel_size": kernel, "padding": padding, "ceil_mode": draw(st.booleans())}
    if draw(st.booleans()):
        options["stride"] = stride
    if dilated:
        options["dilation"] = dilation
    return options, (*draw(st.sampled_from([(2, 3), (3,)])), *size)


@pytest.mark.parametrize("dims", [1, 2])
def test_max_pools_agree(dims: int) -> None:
    """Few different numbers, so that there are ties; infinity and nan among them."""

    @few
    @given(pools(dims, True), st.integers(0, 2**31), st.booleans())
    def agree(case: Any, seed: int, strange: bool) -> None:
        options, shape = case
        values = [0.0, 1.0, 2.0, -np.inf, *([np.nan, np.inf] if strange else [])]
        x = np.random.default_rng(seed).choice(values, shape)
        name = f"max_pool{dims}d"
        if dims == 1 and strange:  # PyTorch's own kernel for one axis loses a nan that is not the last
            x = np.where(np.isnan(x), 3.0, x)
        ours, theirs = (getattr(lib.nn.functional, name) for lib in (tinytorch, torch))
        inputs = made(tinytorch, x), made(torch, x)
        for mine, expected in zip(
            ours(inputs[0], **options, return_indices=True),
            theirs(inputs[1], **options, return_indices=True),
            strict=True,
        ):
            np.testing.assert_array_equal(mine.detach().numpy(), expected.detach().numpy())
        out, expected = ours(inputs[0], **options), theirs(inputs[1], **options)
        grad = np.random.default_rng(seed).standard_normal(out.shape)
        out.backward(tinytorch.from_numpy(grad))
        expected.backward(torch.from_numpy(grad))
        np.testing.assert_allclose(inputs[0].grad.data, inputs[1].grad.numpy(), rtol=1e-12)

    agree()


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
def test_average_pools_agree(dims: int, dtype: str, tolerance: float) -> None:
    @few
    @given(pools(dims, False), st.integers(0, 2**31), st.booleans(), st.sampled_from([None, None, 3, -2]))
    def agree(case: Any, seed: int, counted: bool, divisor: int | None) -> None:
        options, shape = case
        options = options | {"count_include_pad": counted} | ({"divisor_override": divisor} if dims == 2 else {})
        x = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
        same_results(lambda lib, x: getattr(lib.nn.functional, f"avg_pool{dims}d")(x, **options), [x], tolerance)

    agree()


@pytest.mark.parametrize("kind", ["avg", "max"])
def test_adaptive_pools_agree(kind: str) -> None:
    @few
    @given(st.lists(st.integers(1, 9), min_size=4, max_size=4), st.booleans(), st.integers(0, 2**31))
    def agree(numbers: list[int], batch: bool, seed: int) -> None:
        x = np.random.default_rng(seed).choice([0.0, 1.0, 2.5, -9.0 if kind == "max" else -1.0], (2, 3, *numbers[:2]))
        x = x if batch else x[0]
        for size in (numbers[2:], (None, numbers[2]), numbers[3]):
            same_results(lambda lib, x, s=size: getattr(lib.nn.functional, f"adaptive_{kind}_pool2d")(x, s), [x], 1e-12)
        line = x.reshape(*x.shape[:-2], -1)
        same_results(lambda lib, x: getattr(lib.nn.functional, f"adaptive_{kind}_pool1d")(x, numbers[2]), [line], 1e-12)
        if kind == "max":
            theirs = torch.nn.functional.adaptive_max_pool2d(torch.from_numpy(x), numbers[2:], return_indices=True)[1]
            ours = nn.functional.adaptive_max_pool2d(tinytorch.from_numpy(x), numbers[2:], return_indices=True)[1]
            np.testing.assert_array_equal(ours.data, theirs.numpy())

    agree()


# Gradients of gradients.

ORDERS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "conv2d": (
        lambda functional, x, w, b: functional.conv2d(x, w, b, (2, 1), (1, 2), (1, 2), groups=2),
        [(2, 4, 5, 5), (4, 2, 3, 2), (4,)],
    ),
    "conv2d, stride 1": (
        lambda functional, x, w: functional.conv2d(x, w, padding="same"),
        [(2, 2, 4, 3), (3, 2, 2, 3)],
    ),
    "conv1d": (lambda functional, x, w, b: functional.conv1d(x, w, b, 2, 1), [(2, 2, 7), (3, 2, 3), (3,)]),
    "max_pool2d": (lambda functional, x: functional.max_pool2d(x, 3, 2, 1, ceil_mode=True) ** 2, [(2, 2, 6, 5)]),
    "max_pool1d": (lambda functional, x: functional.max_pool1d(x, 2) ** 2, [(2, 2, 5)]),
    "avg_pool2d": (lambda functional, x: functional.avg_pool2d(x, 3, 2, 1, True, False) ** 2, [(2, 2, 6, 5)]),
    "avg_pool1d": (lambda functional, x: functional.avg_pool1d(x, 3, 1) ** 2, [(2, 5)]),
    "adaptive_avg_pool2d": (lambda functional, x: functional.adaptive_avg_pool2d(x, (2, 3)) ** 2, [(2, 2, 5, 4)]),
    "adaptive_max_pool2d": (lambda functional, x: functional.adaptive_max_pool2d(x, (2, 3)) ** 2, [(2, 2, 5, 4)]),
    "batch norm": (
        lambda functional, x, w, b: normalized(x, w, b) ** 2,
        [(3, 2, 3), (2,), (2,)],
    ),
}


def normalized(x: Any, weight: Any, bias: Any) -> Any:
    layer = nn.BatchNorm1d(2)
    layer.weight, layer.bias = weight, bias
    return layer(x)


@pytest.mark.parametrize("name", ORDERS)
def test_both_orders_of_gradients_are_those_of_differences(name: str) -> None:
    function, shapes = ORDERS[name]
    rng = np.random.default_rng(5)
    # numbers that are well apart, so that a difference does not change who is largest
    inputs = [made(tinytorch, rng.permutation(np.arange(1.0, 1 + np.prod(s))).reshape(s) / 7) for s in shapes]
    call = lambda *inputs: function(nn.functional, *inputs)  # noqa: E731
    assert gradcheck(call, inputs)
    assert gradgradcheck(call, inputs, rtol=1e-3, atol=1e-3)


# Layers.

LAYERS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "Conv2d": (lambda nn: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=2, groups=2), (2, 4, 9, 8)),
    "Conv2d, same": (lambda nn: nn.Conv2d(3, 5, (3, 5), padding="same", bias=False), (2, 3, 6, 7)),
    "Conv2d, reflect": (lambda nn: nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="reflect"), (2, 2, 5, 4)),
    "Conv2d, replicate": (lambda nn: nn.Conv2d(2, 3, 3, padding=3, padding_mode="replicate"), (2, 2, 2, 4)),
    "Conv2d, circular": (lambda nn: nn.Conv2d(2, 3, 3, padding="same", padding_mode="circular"), (2, 2, 5, 4)),
    "Conv2d, one image": (lambda nn: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 5, 4)),
    "Conv1d": (lambda nn: nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), (2, 4, 9)),
    "Conv1d, circular": (lambda nn: nn.Conv1d(2, 3, 4, padding="same", padding_mode="circular"), (2, 2, 9)),
    "MaxPool2d": (lambda nn: nn.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 3, 8, 7)),
    "MaxPool1d": (lambda nn: nn.MaxPool1d(2, dilation=2), (2, 3, 8)),
    "AvgPool2d": (lambda nn: nn.AvgPool2d((3, 2), count_include_pad=False, padding=1), (2, 3, 8, 7)),
    "AvgPool1d": (lambda nn: nn.AvgPool1d(3, 2, 1, True), (2, 3, 8)),
    "AdaptiveAvgPool2d": (lambda nn: nn.AdaptiveAvgPool2d((3, None)), (2, 3, 8, 7)),
    "AdaptiveAvgPool1d": (lambda nn: nn.AdaptiveAvgPool1d(3), (2, 3, 8)),
    "AdaptiveMaxPool2d": (lambda nn: nn.AdaptiveMaxPool2d(3), (2, 3, 8, 7)),
    "AdaptiveMaxPool1d": (lambda nn: nn.AdaptiveMaxPool1d(5), (2, 3, 8)),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(3, momentum=0.3), (4, 3, 2, 5)),
    "BatchNorm2d, average": (lambda nn: nn.BatchNorm2d(3, eps=1e-2, momentum=None, bias=False), (4, 3, 2, 5)),
    "BatchNorm2d, plain": (lambda nn: nn.BatchNorm2d(3, affine=False, track_running_stats=False), (4, 3, 2, 5)),
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(3), (6, 3)),
    "BatchNorm1d, signals": (lambda nn: nn.BatchNorm1d(3), (6, 3, 4)),
}


def theirs_of(ours: Any, theirs: Any) -> Any:
    """Load the state of our layer into theirs."""
    theirs.load_state_dict({name: torch.tensor(t.data) for name, t in ours.state_dict().items()})
    return theirs


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_layers_agree_over_several_steps_and_in_evaluation(name: str) -> None:
    make, shape = LAYERS[name]
    tinytorch.manual_seed(0)
    ours, rng = make(nn), np.random.default_rng(1)
    theirs = theirs_of(ours, make(torch.nn))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for step in range(5):
        if step == 3:
            ours.eval()
            theirs.eval()
        x = rng.normal(2, 3, shape).astype(np.float32)
        pairs = []
        for lib, layer in ((tinytorch, ours), (torch, theirs)):
            images = made(lib, x)
            out = layer(images)
            (out * out * out).sum().backward()
            pairs.append([out, images.grad, *(p.grad for p in layer.parameters()), *layer.state_dict().values()])
        for mine, expected in zip(*pairs, strict=True):
            expected = expected.detach().numpy()
            assert mine.detach().numpy().dtype == expected.dtype
            scale = max(1.0, float(np.abs(expected).max()))
            np.testing.assert_allclose(mine.detach().numpy(), expected, rtol=1e-3, atol=3e-5 * scale)


@pytest.mark.parametrize("name", [name for name in LAYERS if "Conv" in name or "Batch" in name])
def test_states_go_there_and_back(name: str) -> None:
    make, shape = LAYERS[name]
    tinytorch.manual_seed(1)
    first, x = make(nn), np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    first(tinytorch.from_numpy(x))
    theirs = theirs_of(first, make(torch.nn))
    second = make(nn)
    second.load_state_dict({name: t.numpy() for name, t in theirs.state_dict().items()})
    for layer in (first, second):
        layer.eval()
    np.testing.assert_array_equal(first(tinytorch.from_numpy(x)).data, second(tinytorch.from_numpy(x)).data)
    assert [t.dtype for t in second.state_dict().values()] == [t.dtype for t in first.state_dict().values()]


def test_parameters_begin_as_pytorchs() -> None:
    tinytorch.manual_seed(0)
    torch.manual_seed(0)
    for make in (lambda nn: nn.Conv2d(8, 64, 5, groups=2), lambda nn: nn.Conv1d(16, 256, 7)):
        for mine, theirs in zip(make(nn).parameters(), make(torch.nn).parameters(), strict=True):
            expected = theirs.detach().numpy()
            assert mine.shape == expected.shape
            assert mine.data.dtype == np.float32
            assert np.abs(mine.data).max() == pytest.approx(np.abs(expected).max(), rel=0.05)
            assert mine.data.std() == pytest.approx(expected.std(), rel=0.15)


def test_running_statistics_do_not_disturb_float64() -> None:
    x = np.random.default_rng(0).standard_normal((3, 2, 4, 4))
    for training in (True, False):
        ours, theirs = nn.BatchNorm2d(2).double(), torch.nn.BatchNorm2d(2).double()
        out, expected = (
            layer.train(training)(lib.from_numpy(x)) for lib, layer in ((tinytorch, ours), (torch, theirs))
        )
        np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(ours.running_var.data, theirs.running_var.numpy(), rtol=1e-12)


# What is refused.

REFUSED: dict[str, Callable[[Any], Any]] = {
    "channels": lambda lib: lib.nn.functional.conv2d(lib.ones(2, 4, 5, 5), lib.ones(3, 3, 3, 3)),
    "a small input": lambda lib: lib.nn.functional.conv2d(lib.ones(2, 3, 2, 5), lib.ones(3, 3, 3, 3)),
    "groups": lambda lib: lib.nn.functional.conv2d(lib.ones(2, 4, 5, 5), lib.ones(3, 2, 3, 3), groups=2),
    "axes": lambda lib: lib.nn.functional.conv2d(lib.ones(5, 5), lib.ones(3, 3, 3, 3)),
    "a bias": lambda lib: lib.nn.functional.conv2d(lib.ones(3, 5, 5), lib.ones(4, 3, 3, 3), lib.ones(3)),
    "dtypes": lambda lib: lib.nn.functional.conv2d(lib.ones(3, 5, 5).double(), lib.ones(4, 3, 3, 3)),
    "a stride of 0": lambda lib: lib.nn.functional.conv2d(lib.ones(3, 5, 5), lib.ones(4, 3, 3, 3), stride=0),
    "padding below 0": lambda lib: lib.nn.functional.conv2d(lib.ones(3, 5, 5), lib.ones(4, 3, 3, 3), padding=-1),
    "same with a stride": lambda lib: lib.nn.Conv2d(3, 4, 3, padding="same", stride=2),
    "another word": lambda lib: lib.nn.Conv2d(3, 4, 3, padding="full"),
    "another mode": lambda lib: lib.nn.Conv2d(3, 4, 3, padding_mode="zero"),
    "channels in groups": lambda lib: lib.nn.Conv2d(3, 4, 3, groups=2),
    "no groups": lambda lib: lib.nn.Conv2d(3, 4, 3, groups=0),
    "a mirror too wide": lambda lib: lib.nn.Conv2d(1, 1, 3, padding=3, padding_mode="reflect")(lib.ones(1, 3, 3)),
    "half a window": lambda lib: lib.nn.functional.max_pool2d(lib.ones(1, 4, 4), 2, padding=2),
    "no room in a pool": lambda lib: lib.nn.functional.max_pool2d(lib.ones(1, 1, 4), 2),
    "a divisor of 0": lambda lib: lib.nn.functional.avg_pool2d(lib.ones(1, 4, 4), 2, divisor_override=0),
    "axes of a pool": lambda lib: lib.nn.functional.avg_pool1d(lib.ones(4), 2),
    "axes of batch norm": lambda lib: lib.nn.BatchNorm2d(3)(lib.ones(3, 4, 4)),
    "one value": lambda lib: lib.nn.BatchNorm2d(3)(lib.ones(1, 3, 1, 1)),
    "features": lambda lib: lib.nn.BatchNorm1d(3)(lib.ones(2, 4)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse(name: str) -> None:
    errors = (RuntimeError, ValueError, TypeError)
    with pytest.raises(errors):
        REFUSED[name](torch)
    with pytest.raises(errors) as caught:
        REFUSED[name](tinytorch)
    assert len(str(caught.value)) > 30


def test_the_first_layer_makes_no_gradient_of_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(tinytorch.core.spatial, "input_gradient", lambda *args: called.append(args))
    layer = nn.Conv2d(1, 2, 3)
    layer(tinytorch.ones(2, 1, 5, 5)).sum().backward()
    assert layer.weight.grad is not None
    assert called == []


def test_a_case_of_the_parity_harness() -> None:
    """The harness compares the rules on arrays and on tensors."""
    compare(
        Case(
            "conv2d",
            lambda lib, x, w, b: lib.nn.functional.conv2d(x, w, b, 2, 1) ** 2,
            lambda rng: [rng.standard_normal(s) for s in ((2, 3, 5, 6), (4, 3, 3, 2), (4,))],
        ),
        0,
    )
