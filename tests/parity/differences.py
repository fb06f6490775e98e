"""Where TinyTorch differs from PyTorch on purpose: what each does, why, and a check of both.

The checks are run by `test_differences`, and the page docs/pytorch-parity.md lists them: an entry that stops being true
fails.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import tinytorch
from tinytorch.core.autograd import ForgottenZeroGradWarning, NotDifferentiableError
from tinytorch.core.optimizers import StaleGradientWarning

from .harness import torch

ERRORS = (RuntimeError, ValueError, TypeError, IndexError, ZeroDivisionError, NotDifferentiableError)
NAN = float("nan")


@dataclass(frozen=True)
class Difference:
    """An entry: which operations, what PyTorch does, what TinyTorch does, why, and what shows that."""

    operations: tuple[str, ...]
    theirs: str
    ours: str
    why: str
    check: Callable[[], None]


DIFFERENCES: list[Difference] = []


def difference(*operations: str, theirs: str, ours: str, why: str) -> Callable[[Callable[[], None]], None]:
    """Add an entry, with the decorated function as its check."""

    def add(check: Callable[[], None]) -> None:
        DIFFERENCES.append(Difference(operations, theirs, ours, why, check))

    return add


def leaf(lib: Any, *values: Any, dtype: str = "float64") -> Any:
    return lib.tensor(values[0] if len(values) == 1 else list(values), dtype=getattr(lib, dtype)).requires_grad_()


def slope(lib: Any, function: Callable[[Any], Any], *values: float) -> list[float]:
    """Return the gradient of the sum of a function."""
    x = leaf(lib, list(values))
    function(x).sum().backward()
    grad: list[float] = x.grad.tolist()
    return grad


def refuses(call: Callable[[], Any], kind: type[Exception] | tuple[type[Exception], ...] = ERRORS) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(kind):
            call()


LOSSES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "poisson_nll_loss", "gaussian_nll_loss")


@difference(
    *LOSSES,
    theirs="broadcasts input and target, with a warning or without",
    ours="an error",
    why="`(N, 1)` beside `(N,)` makes N x N losses, and a network that learns nothing",
)
def losses_never_broadcast() -> None:
    for name in LOSSES:
        variances = {lib: (lib.ones(3, 1),) if name.startswith("gauss") else () for lib in (tinytorch, torch)}

        def loss(lib: Any, name: str = name, variances: Any = variances) -> Any:
            return getattr(lib.nn.functional, name)(lib.ones(3, 1), lib.ones(3), *variances[lib])

        refuses(lambda loss=loss: loss(tinytorch), ValueError)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert loss(torch).shape == ()


@difference(
    "unique",
    theirs="refuses the gradient when backward() arrives",
    ours="refuses a tensor that requires a gradient",
    why="the error stands in the line that is to be mended",
)
def unique_refuses_at_once() -> None:
    refuses(lambda: tinytorch.unique(leaf(tinytorch, 1.0, 2.0)), NotDifferentiableError)
    result = torch.unique(leaf(torch, 1.0, 2.0))
    refuses(result.sum().backward)


@difference(
    *("expand", "expand_as", "broadcast_to", "diagonal"),
    theirs="a view that can be written to, and the tensor changes",
    ours="a view that is read-only",
    why="NumPy's rule: one write would change many elements",
)
def expanded_views_are_read_only() -> None:
    for view in (
        lambda lib: lib.zeros(1, 3).expand(2, 3),
        lambda lib: lib.zeros(1, 3).expand_as(lib.zeros(2, 3)),
        lambda lib: lib.broadcast_to(lib.zeros(1, 3), (2, 3)),
        lambda lib: lib.zeros(2, 2).diagonal(),
    ):
        view(torch)[0] = 1
        refuses(lambda view=view: view(tinytorch).__setitem__(0, 1), (RuntimeError, ValueError))


@difference(
    "multinomial",
    theirs="draws categories of weight 0 when too few others are left",
    ours="an error",
    why="what cannot happen is not drawn",
)
def multinomial_wants_enough_categories() -> None:
    refuses(lambda: tinytorch.multinomial(tinytorch.tensor([1.0, 0.0, 0.0]), 2))
    assert len(torch.multinomial(torch.tensor([1.0, 0.0, 0.0]), 2)) == 2


@difference(
    *("matmul", "bmm", "mv", "dot", "addmm", "einsum"),
    theirs="float32 beside float64 is an error",
    ours="the result is float64",
    why="the rule of all other operations of two tensors",
)
def products_of_mixed_floats() -> None:
    for call, shapes in (
        (lambda lib, a, b: lib.matmul(a, b), [(2, 2), (2, 2)]),
        (lambda lib, a, b: lib.bmm(a, b), [(1, 2, 2), (1, 2, 2)]),
        (lambda lib, a, b: lib.mv(a, b), [(2, 2), (2,)]),
        (lambda lib, a, b: lib.dot(a, b), [(2,), (2,)]),
        (lambda lib, a, b: lib.addmm(a, a, b), [(2, 2), (2, 2)]),
        (lambda lib, a, b: lib.einsum("ij,jk->ik", a, b), [(2, 2), (2, 2)]),
    ):
        mixed = {lib: [lib.ones(shapes[0]), lib.ones(shapes[1], dtype=lib.float64)] for lib in (tinytorch, torch)}
        assert call(tinytorch, *mixed[tinytorch]).dtype == np.float64
        refuses(lambda call=call, mixed=mixed: call(torch, *mixed[torch]), RuntimeError)


@difference(
    "t.size",
    theirs="`t.size()` is a method",
    ours="`t.size` is the number of elements; the lengths are `t.shape`",
    why="module 01 is built over NumPy, whose arrays it shows",
)
def size_is_a_property() -> None:
    assert tinytorch.zeros(2, 3).size == 6
    assert torch.zeros(2, 3).size() == (2, 3)


@difference(
    "t.grad",
    theirs="a tensor in between has a `.grad` after `retain_grad()` alone",
    ours="one that is still held shows it",
    why="what flowed through the lesson's y is there to be looked at; it costs nothing for tensors that nobody holds",
)
def tensors_in_between_show_their_gradient() -> None:
    x, y = {}, {}
    for lib in (tinytorch, torch):
        x[lib] = leaf(lib, 2.0)
        y[lib] = x[lib] * 3
        (y[lib] * y[lib]).backward()
    assert y[tinytorch].grad.item() == 12
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert y[torch].grad is None


@difference(
    *("floor_divide", "remainder"),
    theirs="an integer divided by the integer 0: an error of its own, or a platform's number",
    ours="`ZeroDivisionError`",
    why="Python's name for it",
)
def integers_by_zero() -> None:
    for call in (lambda lib: lib.floor_divide(lib.tensor([1]), 0), lambda lib: lib.remainder(lib.tensor([1]), 0)):
        refuses(lambda call=call: call(tinytorch), ZeroDivisionError)
        refuses(lambda call=call: call(torch), RuntimeError)


@difference(
    "softplus",
    theirs="`beta=0` gives infinity or nan",
    ours="an error",
    why="there is no such function",
)
def softplus_needs_a_beta() -> None:
    refuses(lambda: tinytorch.nn.functional.softplus(tinytorch.zeros(2), beta=0))
    assert not torch.isfinite(torch.nn.functional.softplus(torch.zeros(2), beta=0)).all()


@difference(
    "no_grad",
    theirs="a decorated generator runs each of its steps without recording",
    ours="decorating a generator is an error that says what to write inside",
    why="what holds between the steps is not to be guessed",
)
def generators_are_not_decorated() -> None:
    def numbers() -> Any:
        yield 1

    refuses(lambda: tinytorch.no_grad()(numbers), TypeError)
    assert list(torch.no_grad()(numbers)()) == [1]


@difference(
    "Tensor",
    theirs="`torch.Tensor(t)` of a tensor that requires a gradient is another name for it",
    ours="an error that names `detach()`",
    why="`Tensor(data)` copies, and a copy would lose the gradient in silence",
)
def a_copy_does_not_lose_a_gradient() -> None:
    refuses(lambda: tinytorch.Tensor(leaf(tinytorch, [1.0], dtype="float32")), NotDifferentiableError)
    assert torch.Tensor(leaf(torch, [1.0], dtype="float32")).requires_grad


@difference(
    "backward",
    theirs="adds to whatever `.grad` holds",
    ours="does so too, and warns if the values have moved since: was `zero_grad()` forgotten?",
    why="the most frequent mistake of all training loops",
)
def a_forgotten_zero_grad_is_noticed() -> None:
    for lib in (tinytorch, torch):
        x = leaf(lib, 2.0)
        (x * x).backward()
        with lib.no_grad():
            x -= 0.1
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            (x * x).backward()
        assert [w.category for w in caught] == ([ForgottenZeroGradWarning] if lib is tinytorch else [])


@difference(
    "t[index]",
    theirs="in `t[0, :, index]` the 0 picks first, and the axis of `index` stays behind the slice",
    ours="NumPy's rule: 0 and `index` go together, and their axis comes first",
    why="indices are NumPy's; write `t[0][:, index]`, which is the same in both",
)
def indices_around_a_slice() -> None:
    shapes = [tuple(lib.zeros(2, 3, 4)[0, :, lib.tensor([0, 1])].shape) for lib in (tinytorch, torch)]
    assert shapes == [(2, 3), (3, 2)]


@difference(
    "kl_div",
    theirs="the gradient at a target of 0 is nan or infinite",
    ours="it is finite",
    why="`0 * log(0)` is 0, and so is what it adds to the loss",
)
def kl_div_at_a_target_of_zero() -> None:
    def gradient(lib: Any) -> float:
        target = leaf(lib, 0.0, 1.0)
        lib.nn.functional.kl_div(lib.zeros(2, dtype=lib.float64), target, reduction="sum").backward()
        return float(target.grad[0])

    assert np.isfinite(gradient(tinytorch))
    assert not np.isfinite(gradient(torch))


@difference(
    "remainder",
    theirs="`remainder(7, x)`, or `7 % x`, refuses a gradient for x",
    ours="it has one: `-floor(7 / x)`",
    why="it is the slope",
)
def remainder_of_a_number() -> None:
    for call in (lambda lib, x: 7 % x, lambda lib, x: lib.remainder(7, x)):
        assert slope(tinytorch, lambda x, call=call: call(tinytorch, x), 2.0) == [-3.0]
        refuses(lambda call=call: slope(torch, lambda x: call(torch, x), 2.0), RuntimeError)


@difference(
    *("amax", "amin"),
    theirs="with nan among the elements, every gradient is nan",
    ours="the nan elements share it",
    why="they are the result",
)
def extremes_of_nan() -> None:
    for name in ("amax", "amin"):
        assert slope(tinytorch, lambda x, name=name: getattr(x, name)(), 1.0, NAN, NAN) == [0.0, 0.5, 0.5]
        assert np.isnan(slope(torch, lambda x, name=name: getattr(x, name)(), 1.0, NAN, NAN)).all()


@difference(
    "vmap",
    theirs="runs the function once, on whole batches",
    ours="runs it once for each position",
    why="every operation can be mapped over, with its gradients; where speed counts, write the batch yourself",
)
def vmap_runs_position_by_position() -> None:
    for lib, expected in ((tinytorch, 3), (torch, 1)):
        runs = []
        lib.func.vmap(lambda x, runs=runs: (runs.append(1), x * 2)[1])(lib.ones(3))
        assert len(runs) == expected


@difference(
    "sinc",
    theirs="the second derivative at 0 is nan",
    ours="it is `-pi**2 / 3`",
    why="it is the limit",
)
def sinc_at_zero() -> None:
    found = {}
    for lib in (tinytorch, torch):
        x = leaf(lib, 0.0)
        (first,) = lib.autograd.grad(lib.sinc(x).sum(), x, create_graph=True)
        found[lib] = lib.autograd.grad(first.sum(), x)[0].item()
    assert found[tinytorch] == pytest.approx(-(np.pi**2) / 3)
    assert np.isnan(found[torch])


@difference(
    *("cdist", "hardsigmoid", "scatter"),
    theirs="no gradient of `scatter(reduce=)`, and none of second order of the others",
    ours="gradients of both orders",
    why="they are made of operations that have them",
)
def gradients_that_pytorch_lacks() -> None:
    def reduced(lib: Any) -> list[float]:
        x = leaf(lib, 1.0, 2.0)
        lib.zeros(2, dtype=lib.float64).scatter(0, lib.tensor([0, 0]), x, reduce="add").sum().backward()
        grad: list[float] = x.grad.tolist()
        return grad

    def between(lib: Any) -> list[float]:
        x = leaf(lib, [[0.0, 1.0], [2.0, 5.0]])
        (first,) = lib.autograd.grad(lib.cdist(x, lib.ones(1, 2, dtype=lib.float64)).sum(), x, create_graph=True)
        grad: list[float] = lib.autograd.grad((first * first).sum(), x)[0].tolist()
        return grad

    def bent(lib: Any) -> list[float]:
        x = leaf(lib, [0.5])
        (first,) = lib.autograd.grad((lib.nn.functional.hardsigmoid(x) ** 2).sum(), x, create_graph=True)
        grad: list[float] = lib.autograd.grad(first.sum(), x)[0].tolist()
        return grad

    assert reduced(tinytorch) == [1.0, 1.0]
    assert np.isfinite(between(tinytorch)).all()
    assert bent(tinytorch) == [pytest.approx(2 / 36)]
    for call in (reduced, between, bent):
        refuses(lambda call=call: call(torch), RuntimeError)


@difference(
    *("permute", "reshape", "sum", "amax", "gather"),
    theirs="wrong axes, lengths and indices raise `RuntimeError`, or `IndexError`",
    ours="`ValueError`; `IndexError` for an index of an element",
    why="so Python and NumPy call them",
)
def kinds_of_errors() -> None:
    for call in (
        lambda lib: lib.zeros(2, 3).reshape(4, 4),
        lambda lib: lib.zeros(2, 3).sum((0, 0)),
        lambda lib: lib.zeros(2, 3).permute(0, 5),
        lambda lib: lib.zeros(0, 3).amax(0),
    ):
        refuses(lambda call=call: call(tinytorch), ValueError)
        refuses(lambda call=call: call(torch), (RuntimeError, IndexError))
    refuses(lambda: tinytorch.zeros(2, 3).gather(1, tinytorch.tensor([[5]])), IndexError)
    refuses(lambda: torch.zeros(2, 3).gather(1, torch.tensor([[5]])), RuntimeError)


@difference(
    "det",
    theirs="the gradient at a singular matrix is 0 or inexact",
    ours="it is that of the cofactors",
    why="the determinant is a polynomial, smooth everywhere",
)
def det_of_a_singular_matrix() -> None:
    found = {}
    for lib in (tinytorch, torch):
        x = leaf(lib, [[1.0, 2.0], [2.0, 4.0]])
        lib.linalg.det(x).backward()
        found[lib] = x.grad.tolist()
    assert found[tinytorch] == [[pytest.approx(4), pytest.approx(-2)], [pytest.approx(-2), pytest.approx(1)]]
    assert np.abs(found[torch]).max() < 1e-9


@difference(
    "det",
    theirs="the second derivative at a singular matrix",
    ours="an error that says so",
    why="the rule divides by the determinant there, and a wrong number would be worse",
)
def second_order_of_det_of_a_singular_matrix() -> None:
    def second(lib: Any) -> Any:
        x = leaf(lib, [[1.0, 2.0], [2.0, 4.0]])
        (first,) = lib.autograd.grad(lib.linalg.det(x), x, create_graph=True)
        return lib.autograd.grad(first.sum(), x)[0]

    refuses(lambda: second(tinytorch), NotDifferentiableError)
    assert second(torch).shape == (2, 2)


@difference(
    "scatter_reduce",
    theirs='the second derivative of `"prod"` where an element is 0',
    ours="an error that says so",
    why="the rule divides by the element, and a wrong number would be worse",
)
def second_order_of_a_product_with_zero() -> None:
    def second(lib: Any) -> Any:
        x = leaf(lib, 0.0, 2.0)
        start, index = lib.ones(1, dtype=lib.float64), lib.tensor([0, 0])
        (first,) = lib.autograd.grad(start.scatter_reduce(0, index, x, "prod").sum(), x, create_graph=True)
        return lib.autograd.grad((first * first).sum(), x)[0]

    refuses(lambda: second(tinytorch), NotDifferentiableError)
    assert second(torch).shape == (2,)


@difference(
    "slogdet",
    theirs="the gradient at a singular matrix is nan and infinite",
    ours="an error on the way back",
    why="there is none",
)
def slogdet_of_a_singular_matrix() -> None:
    refuses(
        lambda: tinytorch.linalg.slogdet(leaf(tinytorch, [[0.0, 0.0], [0.0, 0.0]]))[1].backward(), np.linalg.LinAlgError
    )
    x = leaf(torch, [[0.0, 0.0], [0.0, 0.0]])
    torch.linalg.slogdet(x)[1].backward()
    assert not torch.isfinite(x.grad).all()


@difference(
    *("softsign", "copysign"),
    theirs="the slope at infinity is nan",
    ours="it is the limit: 0 for softsign, 1 for copysign",
    why="one infinite element does not spoil the gradients of all",
)
def slopes_at_infinity() -> None:
    for call, limit in (
        (lambda lib: lambda x: lib.nn.functional.softsign(x), 0.0),
        (lambda lib: lambda x: lib.copysign(x, lib.tensor([1.0])), 1.0),
    ):
        assert slope(tinytorch, call(tinytorch), float("inf")) == [limit]
        assert np.isnan(slope(torch, call(torch), float("inf"))).all()


@difference(
    "ldexp",
    theirs="with a negative integer exponent the gradient is 0",
    ours="it is `2**exponent`",
    why="it is the slope",
)
def ldexp_of_negative_exponents() -> None:
    assert slope(tinytorch, lambda x: tinytorch.ldexp(x, tinytorch.tensor([-1])), 1.0) == [0.5]
    assert slope(torch, lambda x: torch.ldexp(x, torch.tensor([-1])), 1.0) == [0.0]


@difference(
    "backward",
    theirs="a second loss may pass through nodes of the first that saved nothing, such as an addition",
    ours="an error that names `retain_graph=True`",
    why="one rule for all nodes: a pass lets go of what it has passed",
)
def two_losses_over_one_node() -> None:
    def both(lib: Any) -> None:
        shared = leaf(lib, 1.0, 2.0) + 1
        first, second = shared.sum(), (shared * 2).sum()
        first.backward()
        second.backward()

    refuses(lambda: both(tinytorch), RuntimeError)
    both(torch)


@difference(
    *("squeeze", "unsqueeze", "transpose"),
    theirs="their in-place forms spoil what earlier operations saved of the tensor",
    ours="what was saved stays usable",
    why="the values have not changed",
)
def a_shape_changed_in_place() -> None:
    def squared(lib: Any, change: Callable[[Any], Any]) -> list[list[float]]:
        x = leaf(lib, [[1.0, 2.0]])
        y = x * 3
        z = y * y
        change(y)
        z.sum().backward()
        grad: list[list[float]] = x.grad.tolist()
        return grad

    for change in (lambda y: y.unsqueeze_(0), lambda y: y.squeeze_(0), lambda y: y.transpose_(0, 1)):
        assert squared(tinytorch, change) == [[18.0, 36.0]]
        refuses(lambda change=change: squared(torch, change), RuntimeError)


@difference(
    "mean",
    theirs="the mean of no elements is nan",
    ours="nan with NumPy's warning, if called as a method",
    why="a mean of nothing is most often a mistake",
)
def the_mean_of_nothing() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert np.isnan(tinytorch.zeros(0).mean().item())
    assert "Mean of empty slice" in str(caught[0].message)
    assert np.isnan(torch.zeros(0).mean().item())


@difference(
    "t[index]",
    theirs='`t["a"]` is a `TypeError`',
    ours="an `IndexError`",
    why="NumPy's kind",
)
def a_word_as_an_index() -> None:
    refuses(lambda: tinytorch.zeros(2)["a"], IndexError)
    refuses(lambda: torch.zeros(2)["a"], TypeError)


@difference(
    "Tensor",
    theirs="`torch.Tensor(3)` has three elements that nobody wrote",
    ours="`Tensor(3)` holds the number 3",
    why="data is data; `tinytorch.empty(3)` is the other",
)
def a_number_is_data() -> None:
    assert (tinytorch.Tensor(3).shape, tinytorch.Tensor(3).item()) == ((), 3)
    assert torch.Tensor(3).shape == (3,)


@difference(
    *("t.dtype", "t.data", "t.shape"),
    theirs="types of PyTorch's own: `torch.float32`, a tensor, a `torch.Size` with `numel()`",
    ours="NumPy's: `np.float32`, an array, a tuple",
    why="what a tensor is made of is there to be seen",
)
def parts_are_those_of_numpy() -> None:
    ours, theirs = tinytorch.zeros(2, 3), torch.zeros(2, 3)
    assert (type(ours.dtype), type(ours.data), type(ours.shape)) == (np.dtype("float32").__class__, np.ndarray, tuple)
    assert (type(theirs.dtype), type(theirs.data), type(theirs.shape)) == (torch.dtype, torch.Tensor, torch.Size)


@difference(
    "manual_seed",
    theirs="numbers of its own generator",
    ours="numbers of NumPy's: other ones from the same seed",
    why="the generator is NumPy's; to compare, draw once and take the numbers to both",
)
def the_same_seed_draws_other_numbers() -> None:
    drawn = [(lib.manual_seed(0), lib.rand(4))[1].tolist() for lib in (tinytorch, tinytorch, torch)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


@difference(
    *("eig", "eigvals"),
    theirs="complex eigenvalues",
    ours="an error that names `linalg.eigh` and `numpy.linalg.eig`",
    why="a tensor holds real numbers",
)
def eigenvalues_may_be_complex() -> None:
    for name in ("eig", "eigvals"):
        refuses(lambda name=name: getattr(tinytorch.linalg, name)(tinytorch.eye(2)), NotImplementedError)
        getattr(torch.linalg, name)(torch.eye(2))


@difference(
    *("uniform", "normal"),
    theirs="a tensor in between that is drawn anew in place still requires a gradient, which is 0",
    ours="it requires none",
    why="what is drawn does not come from what was there",
)
def what_is_drawn_in_place_has_no_gradient() -> None:
    for name in ("uniform_", "normal_"):
        drawn = [getattr(leaf(lib, 1.0, 2.0) * 3, name)().requires_grad for lib in (tinytorch, torch)]
        assert drawn == [False, True]


@difference(
    "take_along_dim",
    theirs="an index beyond the axis goes around it: 3 of 3 is 0",
    ours="`IndexError`",
    why="an index beyond the axis is a mistake",
)
def indices_beyond_the_axis() -> None:
    assert torch.take_along_dim(torch.arange(3), torch.tensor([3]), 0).tolist() == [0]
    refuses(lambda: tinytorch.take_along_dim(tinytorch.arange(3), tinytorch.tensor([3]), 0), IndexError)


@difference(
    "view",
    theirs="of a tensor whose elements do not lie in order, an error",
    ours="a copy, as `reshape` has it",
    why="where elements lie is NumPy's affair",
)
def a_view_of_what_does_not_lie_in_order() -> None:
    assert tinytorch.zeros(2, 3).T.view(6).shape == (6,)
    refuses(lambda: torch.zeros(2, 3).T.view(6), RuntimeError)


@difference(
    "t[index]",
    theirs="slices go forward alone",
    ours="`t[::-1]` turns an axis around",
    why="indices are NumPy's, and the gradient is turned with them",
)
def slices_that_go_back() -> None:
    assert slope(tinytorch, lambda x: x[::-1] * x.detach(), 1.0, 2.0) == [2.0, 1.0]
    refuses(lambda: slope(torch, lambda x: x[::-1] * x.detach(), 1.0, 2.0), ValueError)


@difference(
    "np.sin(t)",
    theirs="`np.sin(t)` of a tensor that requires a gradient is an error",
    ours="it is `t.sin()`, with its gradient; what has no gradient refuses",
    why="a NumPy function is the operation of that name",
)
def numpy_functions_keep_gradients() -> None:
    assert slope(tinytorch, np.exp, 0.0) == [1.0]
    refuses(lambda: slope(torch, np.exp, 0.0), RuntimeError)


@difference(
    "float(t)",
    theirs="`float(t)` of a tensor that requires a gradient warns",
    ours="it does not",
    why="a number to be printed is the usual reason; `numpy()` does refuse",
)
def a_number_of_a_tensor() -> None:
    for lib, warned in ((tinytorch, 0), (torch, 1)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert float(leaf(lib, [1.0])) == 1
        assert len(caught) == warned


@difference(
    *("abs", "clamp", "pow"),
    theirs="`abs` and `clamp` refuse truth values, `pow` takes them",
    ours="`abs` and `clamp` take them, `pow` does not",
    why="the lessons' operations are NumPy's; a truth value has no power",
)
def truth_values() -> None:
    calls: list[Callable[[Any], Any]] = [
        lambda lib: lib.abs(lib.tensor([True])),
        lambda lib: lib.clamp(lib.tensor([True]), max=True),
    ]
    for call in calls:
        assert call(tinytorch).tolist() == [True]
        refuses(lambda call=call: call(torch), RuntimeError)
    assert torch.pow(torch.tensor([True]), True).item()
    refuses(lambda: tinytorch.pow(tinytorch.tensor([True]), True), TypeError)


@difference(
    "Optimizer.step",
    theirs="a second `step()` takes the gradients of the first once more, and says nothing",
    ours="does so too, and warns once: no `backward()` came in between",
    why="a forgotten `backward()` trains on what is over",
)
def a_step_on_old_gradients_is_noticed() -> None:
    for lib in (tinytorch, torch):
        x = leaf(lib, 2.0)
        optimizer = lib.optim.SGD([x], lr=0.1)
        (x * x).backward()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            optimizer.step()
            optimizer.step()
        assert x.item() == pytest.approx(1.2)
        assert [w.category for w in caught] == ([StaleGradientWarning] if lib is tinytorch else [])


@difference(
    *("clip_grad_norm_", "clip_grad_value_"),
    theirs="a negative limit turns the gradients around, or makes all of them the same",
    ours="an error",
    why="the network would climb",
)
def a_negative_limit() -> None:
    for name, turned in (("clip_grad_norm_", -0.5), ("clip_grad_value_", -1.0)):
        x = {lib: leaf(lib, 2.0) for lib in (tinytorch, torch)}
        for lib in x:
            (x[lib] * 3).backward()
        getattr(torch.nn.utils, name)(x[torch], -1.0 if turned == -1.0 else -0.5)
        assert x[torch].grad.item() == pytest.approx(turned)
        refuses(lambda name=name, ours=x[tinytorch]: getattr(tinytorch.nn.utils, name)(ours, -1.0), ValueError)


@difference(
    "clip_grad_norm_",
    theirs="the norm is computed in the gradients' type: of float32 beyond 1e19 it is infinite, and all become 0",
    ours="it is computed in float64, and the gradients are scaled",
    why="gradients are right or there is an error",
)
def a_norm_beyond_float32() -> None:
    for lib, kept in ((tinytorch, 1.0), (torch, 0.0)):
        x = leaf(lib, 2.0, 2.0, dtype="float32")
        x.grad = lib.tensor([3e25, 4e25])
        lib.nn.utils.clip_grad_norm_(x, 5.0)
        assert x.grad.tolist() == pytest.approx([3 * kept, 4 * kept])


@difference(
    "OneCycleLR",
    theirs="one step beyond the last begins to climb again; the next is an error",
    ours="stays at the last rate for one step; the next is an error",
    why="the last `step()` of a loop is that one, and nobody means to climb",
)
def a_cycle_that_is_over() -> None:
    for lib, climbs in ((tinytorch, False), (torch, True)):
        x = leaf(lib, 2.0)
        (x * 3).backward()
        optimizer = lib.optim.SGD([x], lr=0.1)
        schedule = lib.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=3)
        optimizer.step()
        rates = []
        for _ in range(3):
            schedule.step()
            rates += schedule.get_last_lr()
        assert (rates[2] > rates[1]) is climbs
        refuses(schedule.step, ValueError)


@difference(
    "DataLoader",
    theirs="a dataset that raises `StopIteration` for a sample ends the epoch, and nobody is told",
    ours="an error, which names the cause",
    why="a bug in the data would make epochs short",
)
def a_sample_that_stops_the_iteration() -> None:
    class Broken:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> float:
            if index == 1:
                raise StopIteration
            return float(index)

    assert len(list(torch.utils.data.DataLoader(Broken()))) == 1
    refuses(lambda: list(tinytorch.utils.data.DataLoader(Broken())), RuntimeError)


@difference(
    *("save", "load"),
    theirs="a file is a pickle in an archive",
    ours="a safetensors file, which other libraries read; what `torch.save` wrote is refused",
    why="who loads a pickle runs the code of whoever wrote it",
)
def files_hold_no_code() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights"
        tinytorch.save({"w": tinytorch.tensor([1.0, 2.0])}, path)
        assert load_file(path)["w"].tolist() == [1.0, 2.0]
        torch.save({"w": torch.tensor([1.0, 2.0])}, path)
        refuses(lambda: tinytorch.load(path), ValueError)
