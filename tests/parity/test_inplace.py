"""Methods that change a tensor in place: recorded on a tensor in between, and written past recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch.core.autograd import NotDifferentiableError
from tinytorch.ops.inplace import RESHAPING, TWINS

from .harness import Case, compare, numbers, torch

# What the methods with other arguments than the tensor itself are given: from the library, and a second tensor.
ARGUMENTS: dict[str, Callable[..., tuple[Any, ...]]] = {
    **dict.fromkeys(("add", "sub", "mul", "div", "fmod", "remainder"), lambda lib, w: (w,)),
    "pow": lambda lib, w: (2,),
    "lerp": lambda lib, w: (w, 0.25),
    "clamp": lambda lib, w: (0.3, 0.6),
    "clip": lambda lib, w: (0.3, None),
    "addcmul": lambda lib, w: (w, w),
    "addcdiv": lambda lib, w: (w, w),
    "masked_fill": lambda lib, w: (lib.tensor([[True, False, False], [False, True, True]]), 0.5),
    "scatter": lambda lib, w: (1, lib.tensor([[0, 2], [1, 0]]), 0.5),
    "scatter_add": lambda lib, w: (1, lib.tensor([[0, 2, 2], [1, 0, 0]]), w),
    "index_add": lambda lib, w: (0, lib.tensor([1, 0]), w),
    **dict.fromkeys(("xlogy", "copysign", "hypot", "atan2"), lambda lib, w: (w,)),
    "index_fill": lambda lib, w: (1, lib.tensor([0, 2]), 0.5),
    "index_copy": lambda lib, w: (0, lib.tensor([1, 0]), w),
    "index_put": lambda lib, w: ((lib.tensor([1, 0]), lib.tensor([2, 2])), w[0, :2]),
    "put": lambda lib, w: (lib.tensor([1, 5, 0]), w[0]),
    "masked_scatter": lambda lib, w: (lib.tensor([[True, False, False], [False, True, True]]), w),
    "scatter_reduce": lambda lib, w: (1, lib.tensor([[0, 2, 2], [1, 0, 0]]), w, "mean"),
    "index_reduce": lambda lib, w: (0, lib.tensor([1, 1]), w, "prod"),
    "renorm": lambda lib, w: (2, 0, 0.5),
    "cumsum": lambda lib, w: (1,),
    "cumprod": lambda lib, w: (1,),
}


def in_place(name: str) -> Callable[..., Any]:
    def call(lib: Any, x: Any, w: Any) -> Any:
        y = x * 1
        same = getattr(y, f"{name}_")(*ARGUMENTS.get(name, lambda lib, w: ())(lib, w))
        assert same is y
        return y * y

    return call


pytestmark = pytest.mark.filterwarnings("ignore:index_reduce.. is in beta")  # PyTorch's own
CASES = [Case(name, in_place(name), numbers((2, 3), (2, 3), low=0.2, high=0.8)) for name in TWINS]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_recorded_change_agrees_with_pytorch(case: Case, dtype: str) -> None:
    for seed in range(2):
        compare(case, seed, dtype)


@pytest.mark.parametrize("name", TWINS)
def test_a_change_past_recording_is_seen_by_views(name: str) -> None:
    """The memory itself is written, so whoever looks into it sees it."""
    data = np.random.default_rng(0).uniform(0.2, 0.8, (2, 3))
    seen = []
    for lib in (tinytorch, torch):
        x, w = lib.from_numpy(data.copy()), lib.from_numpy(data[::-1].copy())
        view = x[0]
        with lib.no_grad():
            getattr(x, f"{name}_")(*ARGUMENTS.get(name, lambda lib, w: ())(lib, w))
        seen.append(view.numpy())
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-12)


SHAPES_TAKEN: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "squeeze_": ((2, 1, 3), ()),
    "unsqueeze_": ((2, 3), (1,)),
    "transpose_": ((2, 3, 1), (0, 2)),
    "swapaxes_": ((2, 3), (0, 1)),
    "swapdims_": ((2, 3), (0, -1)),
    "t_": ((2, 3), ()),
}


def test_every_method_that_takes_another_shape_is_compared() -> None:
    assert set(SHAPES_TAKEN) == {f"{name}_" for name in RESHAPING}


@pytest.mark.parametrize("name", SHAPES_TAKEN)
def test_a_tensor_that_takes_another_shape_agrees_with_pytorch(name: str) -> None:
    shape, args = SHAPES_TAKEN[name]

    def call(lib: Any, x: Any) -> list[Any]:
        y = x * 2
        assert getattr(y, name)(*args) is y
        return [y * y, y.sum(0)]

    compare(Case(name, call, numbers(shape)), 0)


@pytest.mark.parametrize("name", SHAPES_TAKEN)
def test_another_shape_leaves_views_and_saved_values_right(name: str) -> None:
    """PyTorch refuses the gradient of what was saved before, although its values are there."""
    shape, args = SHAPES_TAKEN[name]
    x = tinytorch.rand(*shape, requires_grad=True)
    y = x * 2
    before, view = y * y, y.detach()[:1]
    getattr(y, name)(*args)
    before.sum().backward()
    np.testing.assert_allclose(x.grad.data, 8 * x.data)
    with tinytorch.no_grad():
        y.fill_(7)
    assert (view.data == 7).all()


@pytest.mark.parametrize("name", SHAPES_TAKEN)
def test_a_leaf_keeps_its_shape_while_operations_are_recorded(name: str) -> None:
    shape, args = SHAPES_TAKEN[name]
    leaf = tinytorch.ones(*shape, requires_grad=True)
    with pytest.raises(RuntimeError, match=rf"{name}\(\) would change the shape of a leaf"):
        getattr(leaf, name)(*args)
    assert leaf.shape == shape


@pytest.mark.parametrize("change", [lambda y: y.mul_(3), lambda y: y.unsqueeze_(0)])
def test_a_changed_tensor_shows_the_gradient_of_what_it_is_now(change: Callable[[Any], Any]) -> None:
    seen = []
    for lib in (tinytorch, torch):
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        y = change(x * 1)
        y.retain_grad()
        (y * y).sum().backward()
        seen.append(y.grad.tolist())
    assert seen[0] == seen[1]


# Results of an operation, of which NumPy makes views into memory that nobody else has.
FRESH: dict[str, Callable[..., Any]] = {
    "elu": lambda lib, x: lib.nn.functional.elu(x),
    "where": lambda lib, x: lib.where(x > 0, x, x * x),
    "layer_norm": lambda lib, x: lib.nn.functional.layer_norm(x, (3,)),
    "repeat": lambda lib, x: x[:1].repeat(2, 1),
    "picked": lambda lib, x: x[:, [0, 2, 1]],
    "masked_fill": lambda lib, x: x.masked_fill(x > 0, 0.5),
    "reshape": lambda lib, x: (x * 2).reshape(3, 2).reshape(2, 3),
}


@pytest.mark.parametrize("name", FRESH)
def test_what_shares_its_memory_with_no_other_tensor_may_change(name: str) -> None:
    def call(lib: Any, x: Any) -> Any:
        y = FRESH[name](lib, x)
        y.mul_(x)
        y[0] = x[1] * 2
        return y * y

    compare(Case(name, call, numbers((2, 3))), 0)


def test_what_shares_its_memory_with_another_tensor_may_not() -> None:
    x = tinytorch.ones(2, 3, requires_grad=True)
    y = x * 2
    with pytest.raises(NotDifferentiableError, match="would change a view"):
        y.reshape(3, 2).mul_(2)
    saved = x.exp().reshape(3, 2)  # exp's rule needs what it looks into
    with pytest.raises(NotDifferentiableError, match="would change a view"):
        saved.mul_(2)


OVERWRITING: dict[str, Callable[..., Any]] = {
    "zero_": lambda y, w: y.zero_(),
    "fill_": lambda y, w: y.fill_(0.5),
    "fill_ with a tensor": lambda y, w: y.fill_(w[0, 0]),
    "copy_": lambda y, w: y.copy_(w),
    "copy_ broadcast": lambda y, w: y.copy_(w[0]),
}


@pytest.mark.parametrize("name", OVERWRITING)
def test_what_is_overwritten_stays_in_the_graph(name: str) -> None:
    """Its gradient is 0, also where it held nan."""

    def call(lib: Any, x: Any, w: Any) -> Any:
        with np.errstate(invalid="ignore"):
            y = OVERWRITING[name](x.log(), w)
        assert y.requires_grad
        return y + 0 * x

    compare(Case(name, call, numbers((2, 3), (2, 3)), second=False), 0)


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 3), (3,), (1,), ()])
def test_a_value_may_have_axes_of_1_in_front(shape: tuple[int, ...]) -> None:
    def call(lib: Any, x: Any, w: Any) -> Any:
        y = x * 1
        y[0] = w
        return y * y

    compare(Case(str(shape), call, numbers((2, 3), shape)), 0)


@pytest.mark.parametrize(("sign", "change"), [("+", "y += w"), ("-", "y -= w"), ("*", "y *= w"), ("/", "y /= w")])
def test_operators_that_assign(sign: str, change: str) -> None:
    def call(lib: Any, x: Any, w: Any) -> Any:
        names = {"y": x * 1, "w": w}
        first = names["y"]
        exec(change, names)
        assert names["y"] is first
        return first * first

    compare(Case(sign, call, numbers((2, 3), (3,), low=0.2)), 0)


@pytest.mark.parametrize("fill", [lambda t: t.uniform_(2.0, 3.0), lambda t: t.normal_(2.0, 0.5)])
def test_draws_fill_the_tensor(fill: Callable[..., Any]) -> None:
    tinytorch.manual_seed(0)
    t = tinytorch.zeros(10_000)
    assert fill(t) is t
    assert t.dtype == np.float32
    assert abs(t.mean().item() - (2.5 if t.max().item() <= 3.0 and t.min().item() >= 2.0 else 2.0)) < 0.05
