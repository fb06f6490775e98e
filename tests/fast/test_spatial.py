"""Compiled convolution and gradients of the largest, beside PyTorch and beside NumPy; and what is left to NumPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="Numba is not installed: pip install numba")

import tinytorch
from tests.spatial.test_against_pytorch import pools, same_results
from tinytorch import fast
from tinytorch.core.autograd import ChangedInPlaceError, GradientShapeError, GraphReleasedError
from tinytorch.core.spatial import Convolution, Grid, MaxPool
from tinytorch.fast import _spatial, _threads
from tinytorch.nn import functional as F  # noqa: N812

from .conftest import OF_WINDOWS
from .test_kernels import agree

FULL, LARGE = _spatial.FULL, _spatial._replacements.LARGE  # before a fixture changes them
Array = np.ndarray[Any, Any]

# The fixture stands for all examples of a test: they only add to its count.
several = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "as it is": lambda a: a,
    "channels last": lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "rows and columns swapped": lambda a: np.ascontiguousarray(a.swapaxes(2, 3)).swapaxes(2, 3),
    "every second": lambda a: np.repeat(a, 2, axis=3)[..., ::2],
    "backwards": lambda a: a[..., ::-1],
    "read-only": lambda a: np.broadcast_to(a, a.shape),
}


class Example:
    """A convolution that fits: its settings, its arrays, and how they lie in memory."""

    def __init__(self, draw: st.DrawFn, plain: bool) -> None:
        few = st.integers(1, 3)
        pair = st.tuples(few, few)
        self.kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
        other = set() if plain else draw(st.sets(st.sampled_from(["stride", "groups"]), min_size=1))
        self.stride = draw(pair) if "stride" in other else (1, 1)
        self.dilation = draw(pair)
        self.groups = draw(few) if "groups" in other else 1
        self.padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
        reach = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        least = [max(1, r - 2 * p) for r, p in zip(reach, self.padding, strict=True)]
        size = [n + draw(st.integers(0, 7)) for n in least]
        count, channels, kernels = draw(few), draw(few), draw(few)
        x = numbers(count, channels * self.groups, *size, seed=draw(st.integers(0, 99)))
        weight = numbers(kernels * self.groups, channels, *self.kernel, seed=1)
        lie = st.sampled_from(sorted(LAYOUTS))
        self.arrays = [LAYOUTS[draw(lie)](a) for a in (x, weight)]
        self.arrays += [numbers(len(weight), seed=2)] * draw(st.booleans())

    def call(self, lib: Any, *tensors: Any) -> Any:
        """Convolve in one of the libraries."""
        how = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}
        return lib.nn.functional.conv2d(*tensors, **how)

    @property
    def plain(self) -> bool:
        """Whether this is what the kernels are made for."""
        return self.stride == (1, 1) and self.groups == 1 and self.kernel != (1, 1)


@pytest.mark.parametrize("plain", [True, False])
@several
@given(data=st.data())
def test_convolutions_agree(
    plain: bool, data: st.DataObject, reached: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PyTorch and with NumPy: values and gradients, of images one by one and of several together."""
    example = Example(data.draw, plain)
    monkeypatch.setattr(_spatial, "SHORT", data.draw(st.sampled_from([1, 50, 200])))
    monkeypatch.setattr(_threads, "PART", data.draw(st.sampled_from([1, 1 << 18])))
    reached.clear()
    fast.enable()
    same_results(example.call, example.arrays, 2e-4)
    assert [bool(reached[name]) for name in OF_WINDOWS] == [example.plain] * 3
    agree(lambda *tensors: example.call(tinytorch, *tensors), example.arrays, size=10)


@pytest.mark.parametrize(
    "shape", [(70, 8, 12, 11), (2, 40, 40, 60), (3, 2, 300, 500), (1, 2, 3, 2100), (2, 2, 2100, 3)]
)
def test_images_large_and_small_agree(shape: tuple[int, ...], reached: Counter[str]) -> None:
    """Several make one long row, which is worked on at once; or the long row of one is worked on in parts."""
    x, weight, bias = numbers(*shape), numbers(7, shape[1], 3, 3, seed=1), numbers(7, seed=2)
    grad = numbers(shape[0], 7, *shape[2:], seed=3)
    agree(lambda *tensors: F.conv2d(*tensors, padding=1), [x, weight, bias], grad, size=1e3)
    assert all(reached[name] == 1 for name in OF_WINDOWS)


def test_fewer_images_than_before_in_a_row_leave_nothing_of_those(
    monkeypatch: pytest.MonkeyPatch, reached: Counter[str]
) -> None:
    """The third image stands alone where two stood, and the long rows are rounded up beyond its end."""
    monkeypatch.setattr(_spatial, "SHORT", 50)
    monkeypatch.setattr(_threads, "PART", 1 << 18)
    agree(F.conv2d, [numbers(3, 2, 4, 6), numbers(3, 2, 1, 2, seed=1)], size=10)
    assert reached["correlate_gradients"] == 1


def test_an_axis_of_one_element_may_have_any_stride(reached: Counter[str]) -> None:
    """NumPy calls an array contiguous whatever the stride of such an axis."""
    column, row = numbers(2, 3, 1, 50).swapaxes(2, 3), numbers(2, 3, 50, 1).swapaxes(2, 3)
    one = np.lib.stride_tricks.as_strided(numbers(40), (1, 1, 8, 5), (4, 12, 20, 4))
    assert all(a.flags.c_contiguous for a in (column, row, one))
    agree(F.conv2d, [column, numbers(4, 3, 5, 1)], size=10)
    agree(F.conv2d, [row, numbers(4, 3, 1, 5)], size=10)
    agree(F.conv2d, [one, numbers(4, 1, 3, 3)], size=10)
    assert reached["convolve"] == 3


@several
@given(data=st.data())
def test_nan_and_infinity_stay_in_their_windows(data: st.DataObject, reached: Counter[str]) -> None:
    """Windows that run over meet them too, but what these give is dropped."""
    arrays = [numbers(2, 2, 6, 7), numbers(3, 2, 3, 3, seed=1)]
    grad = numbers(2, 3, 4, 5, seed=2)
    for a in data.draw(st.lists(st.sampled_from([*arrays, grad]), min_size=1, max_size=3)):
        place = data.draw(st.integers(0, a.size - 1))
        a.flat[place] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    agree(F.conv2d, arrays, grad, size=100)
    assert reached["convolve"]


def test_nobody_is_warned_of_what_is_dropped(reached: Counter[str]) -> None:
    x, weight = np.ones((1, 1, 4, 6), np.float32), np.ones((1, 1, 2, 2), np.float32)
    x[0, 0, 0, 5], x[0, 0, 1, 0] = np.inf, -np.inf  # which only a window that runs over sees together
    for switch in (fast.disable, fast.enable):
        switch()
        tensors = [tinytorch.from_numpy(a).requires_grad_() for a in (x, weight)]
        out = F.conv2d(*tensors)
        out.backward(tinytorch.ones(*out.shape))
        assert not np.isnan(out.data).any()
        assert not np.isnan(tensors[1].grad.data).any()
    assert reached["convolve"] == 1


@pytest.mark.parametrize("dims", [1, 2])
@several
@given(data=st.data())
def test_gradients_of_the_largest_agree_with_pytorch(dims: int, data: st.DataObject, reached: Counter[str]) -> None:
    """Of few different numbers, so that there are ties, and with gradients that are not finite."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: there is nothing to compare with")
    options, shape = data.draw(pools(dims, True))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = rng.choice(np.array([1.0, 2.0, -np.inf], np.float32), shape)
    strange = data.draw(st.sampled_from([1.0, np.inf, np.nan]))
    reached.clear()
    fast.enable()
    results = []
    for lib in (tinytorch, torch):
        images = lib.from_numpy(x.copy()).requires_grad_()
        out = getattr(lib.nn.functional, f"max_pool{dims}d")(images, **options)
        grad = np.arange(1, np.prod(out.shape) + 1, dtype=np.float32).reshape(tuple(out.shape))
        grad.flat[0] = strange
        out.backward(lib.from_numpy(grad))
        results.append(images.grad.numpy())
    np.testing.assert_array_equal(*results)
    assert reached["spread"]


def test_a_place_that_no_window_has_is_left_to_numpy(reached: Counter[str]) -> None:
    fast.enable()
    pool, grad = MaxPool(Grid((2, 2), (2, 2))), tinytorch.ones(1, 1, 2, 2)
    beyond = tinytorch.tensor([[[[0, 1], [2, 4]]]], dtype=np.uint8)
    assert pool.spread(grad, beyond, (4, 4)).sum().item() == 3
    assert not reached["spread"]


LAYER = Convolution(Grid((3, 3)))
LEFT: dict[str, Callable[[], Any]] = {
    "float64": lambda: F.conv2d(tinytorch.ones(2, 3, 6, 6).double(), tinytorch.ones(4, 3, 3, 3).double()),
    "float16": lambda: F.conv2d(tinytorch.ones(2, 3, 6, 6).half(), tinytorch.ones(4, 3, 3, 3).half()),
    "no images": lambda: F.conv2d(tinytorch.ones(0, 3, 6, 6), tinytorch.ones(4, 3, 3, 3)),
    "no kernels": lambda: LAYER.forward(tinytorch.ones(2, 3, 6, 6), tinytorch.ones(0, 3, 3, 3)),
    "no gradients": lambda: LAYER.weight_gradient(tinytorch.ones(2, 3, 6, 6), tinytorch.ones(2, 0, 4, 4)),
}


@pytest.mark.parametrize("name", LEFT)
def test_left_to_numpy(name: str, reached: Counter[str]) -> None:
    x = []
    for switch in (fast.enable, fast.disable):
        switch()
        x.append(LEFT[name]())
    assert x[0].dtype == x[1].dtype
    assert x[0].shape == x[1].shape
    assert not reached


def test_arrays_that_do_not_belong_together_raise_the_errors_that_they_always_did(reached: Counter[str]) -> None:
    """The functions refuse them in words; the operation itself must not read or write beside its arrays."""
    x, weight, low, narrow = (
        tinytorch.from_numpy(numbers(*shape)) for shape in ((2, 3, 6, 6), (4, 3, 3, 3), (2, 4, 3, 4), (2, 4, 4, 3))
    )
    calls: list[Callable[[], Any]] = [
        lambda: LAYER.forward(x[:, :, :2], weight),
        lambda: LAYER.forward(x[:, :, :1, :1], weight),
        lambda: LAYER.forward(x[:, :2], weight),
        *(lambda grad=grad: LAYER.weight_gradient(x, grad) for grad in (low, narrow)),
        *(lambda grad=grad: LAYER.input_gradient(grad, weight, (6, 6)) for grad in (low, narrow)),
    ]
    for call in calls:
        kinds = []
        for switch in (fast.disable, fast.enable):
            switch()
            with pytest.raises((ValueError, ArithmeticError)) as caught:
                call()
            kinds.append(caught.type)
        assert kinds[0] is kinds[1]


def test_few_windows_or_little_work_are_left_to_numpy(monkeypatch: pytest.MonkeyPatch, reached: Counter[str]) -> None:
    monkeypatch.setattr(_spatial, "FULL", FULL)
    fast.enable()

    def answered(*shape: int, kernel: int = 3, padding: int = 0) -> list[str]:
        reached.clear()
        x = tinytorch.from_numpy(numbers(*shape)).requires_grad_()
        F.conv2d(
            x, tinytorch.ones(shape[1], shape[1], kernel, kernel, requires_grad=True), padding=padding
        ).sum().backward()
        return [name for name in OF_WINDOWS if reached[name]]

    # Of 7 * 7 places 5 * 5 have windows, of 6 * 6 less than half; of 9 * 9 and 8 * 8 with a border, 7 * 7 and 6 * 6.
    assert answered(2, 3, 7, 7) == list(OF_WINDOWS)
    assert answered(2, 3, 6, 6) == ["input_gradient"]
    assert answered(2, 3, 7, 7, kernel=1) == []
    monkeypatch.setattr(_spatial._replacements, "LARGE", LARGE)
    assert answered(1, 1, 8, LARGE // 90 - 2, padding=1) == []  # 9 elements in each of 10 rows, with a border of 2
    assert answered(1, 1, 8, LARGE // 90 - 1, padding=1) == list(OF_WINDOWS)


def test_gradients_of_gradients(reached: Counter[str]) -> None:
    """The gradients of a convolution are convolutions, of which those of float32 are the kernels' too."""
    x, weight = (numbers(*shape) for shape in ((2, 2, 5, 6), (3, 2, 2, 3)))

    def penalty(lib: Any, *tensors: Any) -> Any:
        grads = lib.autograd.grad((lib.nn.functional.conv2d(*tensors) ** 3).sum(), tensors, create_graph=True)
        return sum((grad**2).sum() for grad in grads)

    fast.enable()
    same_results(lambda lib, *tensors: penalty(lib, *tensors).reshape(1), [x / 4, weight / 4], 1e-4)
    assert all(reached[name] >= 3 for name in OF_WINDOWS)


def test_the_promises_of_the_graph_are_kept(reached: Counter[str]) -> None:
    """A change in place is noticed, a released graph is an error, and so is a gradient of another shape."""
    fast.enable()
    base, weight = (tinytorch.from_numpy(numbers(n, 3, 6, 6)[..., :n, :n]).requires_grad_() for n in (6, 3))
    y = base * 2
    out = F.conv2d(y, weight)
    with pytest.raises(GradientShapeError):
        out.grad_fn.apply(np.zeros((2, 2), np.float32))
    y.detach().add_(1)
    with pytest.raises(ChangedInPlaceError, match="ConvolutionBackward"):
        out.sum().backward()
    loss = F.conv2d(base * 2, weight).sum()
    loss.backward()
    with pytest.raises(GraphReleasedError, match="retain_graph"):
        loss.backward()
    assert all(reached[name] for name in OF_WINDOWS)


def test_only_what_is_needed_is_computed(reached: Counter[str]) -> None:
    fast.enable()
    layer = tinytorch.nn.Conv2d(3, 4, 3)
    layer(tinytorch.ones(2, 3, 6, 6)).sum().backward()
    assert (reached["weight_gradient"], reached["input_gradient"]) == (1, 0)
