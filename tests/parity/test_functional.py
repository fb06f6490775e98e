"""Layers, losses and distances as functions: `tinytorch.nn.functional`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import nn
from tinytorch.nn import functional

from .harness import Array, Case, compare, numbers, refuse, torch

Maker = Callable[[np.random.Generator], Sequence[Array]]
DTYPES = ["float64", "float32"]


def call(name: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Return a call of the function `name` with the tensors in front."""
    return lambda lib, *tensors: getattr(lib.nn.functional, name)(*tensors, *args, **kwargs)


def squared(case: Case) -> Case:
    """Return a case whose result is squared, so that every gradient has a gradient in turn."""

    def call(lib: Any, *tensors: Any) -> Any:
        result = case.call(lib, *tensors)
        return result * result

    return replace(case, call=call)


def integers(high: int, shape: tuple[int, ...], *floats: tuple[int, ...]) -> Maker:
    """Return a maker of integers below `high`, and of float arrays before or after them."""
    return lambda rng: [rng.integers(0, high, shape), *(rng.uniform(-2, 2, s) for s in floats)]


def with_classes(shape: tuple[int, ...], *, ignored: bool = False) -> Maker:
    """Return a maker of log-probabilities, the class indices that fit them, and weights of the classes."""

    def make(rng: np.random.Generator) -> list[Array]:
        axis = 0 if len(shape) == 1 else 1
        target = rng.integers(0, shape[axis], shape[:axis] + shape[axis + 1 :])
        if ignored:
            target = np.where(rng.random(target.shape) < 0.4, 1, target)
        return [rng.uniform(-3, 0, shape), np.asarray(target), rng.uniform(0.5, 2, shape[axis])]

    return make


def signs(*shapes: tuple[int, ...]) -> Maker:
    """Return a maker of float arrays, the last of which holds -1 and 1 alone."""

    def make(rng: np.random.Generator) -> list[Array]:
        *first, last = shapes
        return [*(rng.uniform(-2, 2, s) for s in first), np.asarray(rng.choice([-1.0, 1.0], last))]

    return make


def probabilities(*shapes: tuple[int, ...]) -> Maker:
    return numbers(*shapes, low=0.05, high=1.0)


LINEAR = [
    Case(f"linear{x}{w}{b}", call("linear"), numbers(x, w, *([] if b is None else [b])))
    for x, w, b in [
        ((2, 3), (4, 3), (4,)),
        ((2, 3), (4, 3), None),
        ((3,), (4, 3), (4,)),
        ((2, 5, 3), (4, 3), (4,)),
        ((2, 1, 5, 3), (1, 3), (1,)),
        ((2, 3), (4, 3), (1,)),
        ((0, 3), (4, 3), (4,)),
        ((2, 0), (4, 0), (4,)),
        ((3,), (3,), None),
        ((2, 5, 3), (3,), None),
        ((2, 5, 3), (4, 3), (5, 4)),
    ]
] + [
    Case("linear, constant input", call("linear"), numbers((2, 3), (4, 3), (4,)), constant=(0,)),
    Case("linear, constant weight", call("linear"), numbers((2, 3), (4, 3), (4,)), constant=(1, 2)),
    Case(
        "linear by name",
        lambda lib, x, w: lib.nn.functional.linear(input=x, weight=w, bias=None),
        numbers((2, 3), (4, 3)),
    ),
    Case(
        "linear of a transposed input",
        lambda lib, x, w: lib.nn.functional.linear(x.transpose(0, 1), w),
        numbers((3, 2, 4), (5, 4)),
    ),
]

NORMS = [
    *(
        Case(f"layer_norm{x}over{over}", call("layer_norm", over), numbers(x))
        for x, over in [
            ((2, 3), (3,)),
            ((2, 3, 4), (3, 4)),
            ((4,), (4,)),
            ((2, 5, 3), (3,)),
            ((0, 3), (3,)),
            ((2, 1), (1,)),
        ]
    ),
    Case(
        "layer_norm, affine",
        lambda lib, x, w, b: lib.nn.functional.layer_norm(x, [3, 4], w, b, 1e-3),
        numbers((5, 3, 4), (3, 4), (3, 4)),
    ),
    Case(
        "layer_norm, weight",
        lambda lib, x, w: lib.nn.functional.layer_norm(x, (4,), weight=w),
        numbers((5, 3, 4), (4,)),
    ),
    Case(
        "layer_norm, bias",
        lambda lib, x, b: lib.nn.functional.layer_norm(x, (4,), bias=b),
        numbers((5, 3, 4), (4,)),
        second=False,  # PyTorch's own fails without a weight
    ),
    Case(
        "layer_norm, constant input",
        lambda lib, x, w, b: lib.nn.functional.layer_norm(x, (4,), w, b),
        numbers((5, 4), (4,), (4,)),
        constant=(0,),
    ),
    Case("rms_norm", lambda lib, x, w: lib.nn.functional.rms_norm(x, (3, 4), w), numbers((5, 3, 4), (3, 4))),
    Case("rms_norm, eps", lambda lib, x: lib.nn.functional.rms_norm(x, (4,), eps=0.1), numbers((5, 3, 4))),
    *(
        Case(
            f"batch_norm{x}",
            lambda lib, x, w, b: lib.nn.functional.batch_norm(x, None, None, w, b, True),
            numbers(x, (3,), (3,)),
        )
        for x in [(4, 3), (4, 3, 5), (1, 3, 2, 2), (4, 3, 2, 2)]
    ),
    Case(
        "batch_norm, no affine",
        lambda lib, x: lib.nn.functional.batch_norm(x, None, None, training=True),
        numbers((4, 3)),
    ),
    Case(
        "batch_norm, one channel",
        lambda lib, x, w: lib.nn.functional.batch_norm(x, None, None, w, None, True),
        numbers((4, 1, 2), (1,)),
    ),
    *(
        Case(
            f"batch_norm in evaluation{x}",
            lambda lib, x, w, b, m, v: lib.nn.functional.batch_norm(x, m, v.exp(), w, b, eps=1e-3),
            numbers(x, (3,), (3,), (3,), (3,)),
            constant=(3, 4),
        )
        for x in [(4, 3), (4, 3, 2, 2), (1, 3), (0, 3)]
    ),
    *(
        Case(f"group_norm{x}", lambda lib, x, w, b: lib.nn.functional.group_norm(x, 2, w, b), numbers(x, (4,), (4,)))
        for x in [(3, 4, 5), (1, 4, 2, 3), (0, 4, 2)]
    ),
    Case(
        "group_norm of single channels", lambda lib, x: lib.nn.functional.group_norm(x, 4, eps=1e-2), numbers((2, 4, 3))
    ),
    Case(
        "instance_norm",
        lambda lib, x, w, b: lib.nn.functional.instance_norm(x, None, None, w, b),
        numbers((2, 3, 4), (3,), (3,)),
    ),
    Case("instance_norm, images", call("instance_norm", eps=1e-2), numbers((2, 3, 4, 2))),
]

LOSSES = [
    *(
        Case(
            f"{name}, {reduction}{shape}{settings}", call(name, reduction=reduction, **settings), numbers(shape, shape)
        )
        for name, settings in [
            ("l1_loss", {}),
            ("smooth_l1_loss", {}),
            ("smooth_l1_loss", {"beta": 0.3}),
            ("huber_loss", {"delta": 2.0}),
            ("mse_loss", {}),
        ]
        for reduction in ("mean", "sum", "none")
        for shape in [(2, 3), (), (0, 2)]
    ),
    Case("smooth_l1_loss, beta 0", call("smooth_l1_loss", beta=0.0), numbers((2, 3), (2, 3)), second=False),
    Case("l1_loss of integers", call("l1_loss"), lambda rng: [rng.uniform(-3, 3, (2, 3)), rng.integers(0, 3, (2, 3))]),
    Case("huber_loss, constant target", call("huber_loss"), numbers((2, 3), (2, 3)), constant=(1,)),
    *(
        Case(
            f"kl_div, {reduction}, {log}",
            call("kl_div", reduction=reduction, log_target=log),
            probabilities((2, 3), (2, 3)),
        )
        for reduction in ("mean", "sum", "none", "batchmean")
        for log in (False, True)
    ),
    Case("kl_div, 0-d", call("kl_div", reduction="batchmean"), probabilities((), ())),
    Case(
        "kl_div, target 0",
        call("kl_div", reduction="sum"),
        lambda rng: [rng.uniform(-3, 0, (2, 2)), np.eye(2)],
        constant=(1,),
    ),
    *(
        Case(
            f"nll_loss, {reduction}{shape}",
            lambda lib, x, t, w, r=reduction: lib.nn.functional.nll_loss(x, t, reduction=r),
            with_classes(shape),
            constant=(2,),
        )
        for reduction in ("mean", "sum", "none")
        for shape in [(3,), (4, 3), (2, 3, 4), (2, 3, 2, 2)]
    ),
    *(
        Case(
            f"nll_loss, weights, {reduction}{shape}",
            lambda lib, x, t, w, r=reduction: lib.nn.functional.nll_loss(x, t, w, ignore_index=1, reduction=r),
            with_classes(shape, ignored=True),
            constant=(2,),
        )
        for reduction in ("mean", "sum", "none")
        for shape in [(8, 3), (2, 3, 4)]
    ),
    *(
        Case(f"gaussian_nll_loss{shape}{kind}", call("gaussian_nll_loss", **kind), probabilities((4, 3), (4, 3), shape))
        for shape in [(4, 3), (4, 1), (4,)]
        for kind in ({}, {"full": True, "reduction": "sum"}, {"eps": 0.5, "reduction": "none"})
    ),
    Case(
        "gaussian_nll_loss, a number",
        lambda lib, x, t: lib.nn.functional.gaussian_nll_loss(x, t, 0.7),
        numbers((4, 3), (4, 3)),
    ),
    *(
        Case(
            f"hinge_embedding_loss, {reduction}",
            call("hinge_embedding_loss", margin=0.7, reduction=reduction),
            signs((2, 6), (2, 6)),
            constant=(1,),
        )
        for reduction in ("mean", "sum", "none")
    ),
    *(
        Case(
            f"margin_ranking_loss, {reduction}",
            call("margin_ranking_loss", margin=0.3, reduction=reduction),
            signs((6,), (6,), (6,)),
            constant=(2,),
        )
        for reduction in ("mean", "sum", "none")
    ),
    *(
        Case(
            f"cosine_embedding_loss{shape}",
            call("cosine_embedding_loss", margin=0.1, reduction="none"),
            signs(shape, shape, shape[:-1]),
            constant=(2,),
        )
        for shape in [(8, 3), (3,)]
    ),
    *(
        Case(f"triplet_margin_loss{settings}", call("triplet_margin_loss", **settings), numbers((6, 3), (6, 3), (6, 3)))
        for settings in ({}, {"p": 3.0, "margin": 0.5, "reduction": "none"}, {"swap": True, "reduction": "sum"})
    ),
]

DISTANCES = [
    *(
        Case(
            f"cosine_similarity{a}{b}{dim}", lambda lib, a, b, dim=dim: lib.cosine_similarity(a, b, dim), numbers(a, b)
        )
        for a, b, dim in [
            ((2, 3), (2, 3), 1),
            ((2, 3), (3,), -1),
            ((2, 3, 4), (2, 1, 4), 1),
            ((4,), (4,), 0),
            ((3,), (2, 3), 0),
        ]
    ),
    *(
        squared(
            Case(f"pairwise_distance{a}{b}{p}", lambda lib, a, b, p=p: lib.pairwise_distance(a, b, p), numbers(a, b))
        )
        for a, b in [((2, 3), (2, 3)), ((3,), (2, 3))]
        for p in (2.0, 1.0, 3.0, float("inf"))
    ),
    Case("pairwise_distance, keepdim", call("pairwise_distance", keepdim=True, eps=0.1), numbers((2, 3), (2, 3))),
    *(
        Case(f"normalize{p}{dim}", call("normalize", p=p, dim=dim), numbers((2, 3, 4)))
        for p in (2.0, 1.0, 3.0)
        for dim in (1, -1)
    ),
]

PRELU = [
    Case(f"prelu{shape}{weight}", lambda lib, x, w: lib.nn.functional.prelu(x, w) ** 2, numbers(shape, weight))
    for shape, weight in [((2, 3), (3,)), ((2, 3, 4), (3,)), ((2, 3, 4), (1,)), ((5,), (1,)), ((), (1,)), ((2, 3), ())]
]
BLOCKS = [
    *(
        Case(f"unfold{kernel}{settings}", call("unfold", kernel, **settings), numbers((2, 3, 6, 5)))
        for kernel, settings in [
            (2, {}),
            ((3, 2), {"stride": (2, 1)}),
            ((2, 3), {"dilation": 2, "padding": (1, 2)}),
            (3, {"dilation": (2, 1), "padding": 1, "stride": 2}),
        ]
    ),
    Case("unfold of one image", call("unfold", 2, stride=2), numbers((3, 4, 4))),
    *(
        Case(f"fold{kernel}{settings}", call("fold", (6, 5), kernel, **settings), numbers((2, 2 * rows, columns)))
        for kernel, settings, rows, columns in [
            (2, {}, 4, 20),
            ((3, 2), {"stride": (2, 1)}, 6, 8),
            ((2, 3), {"dilation": 2, "padding": (1, 2)}, 6, 30),
        ]
    ),
    Case("fold of one image", call("fold", (4, 4), 2, stride=2), numbers((12, 4))),
]
MARGINS = [
    *(
        Case(f"poisson_nll_loss{kind}", call("poisson_nll_loss", **kind), probabilities((4, 3), (4, 3)))
        for kind in ({}, {"log_input": False, "reduction": "sum"}, {"full": True, "reduction": "none"}, {"eps": 0.1})
    ),
    Case(
        "poisson_nll_loss of counts",
        call("poisson_nll_loss", full=True, log_input=False),
        lambda rng: [rng.uniform(0.1, 3, (3, 4)), rng.integers(0, 6, (3, 4)).astype(float)],
        constant=(1,),
    ),
    *(
        Case(f"soft_margin_loss {r}", call("soft_margin_loss", reduction=r), signs((3, 4), (3, 4)), constant=(1,))
        for r in ("mean", "sum", "none")
    ),
    *(
        Case(
            f"multilabel_soft_margin_loss {r}",
            lambda lib, x, t, w, r=r: lib.nn.functional.multilabel_soft_margin_loss(x, t, w, reduction=r),
            lambda rng: [rng.uniform(-2, 2, (3, 4)), rng.integers(0, 2, (3, 4)).astype(float), rng.uniform(0.5, 2, 4)],
            constant=(1, 2),
        )
        for r in ("mean", "sum", "none")
    ),
    *(
        Case(
            f"multi_margin_loss{shape}{settings}",
            lambda lib, x, t, w, s=settings: [
                lib.nn.functional.multi_margin_loss(x, t, **s),
                lib.nn.functional.multi_margin_loss(x, t, weight=w, **s),
            ],
            lambda rng, shape=shape: [
                rng.uniform(-2, 2, shape),
                rng.integers(0, 3, shape[:-1]),
                rng.uniform(0.5, 2, 3),
            ],
            constant=(2,),
            second=False,  # PyTorch has none
        )
        for shape in [(4, 3), (3,)]
        for settings in ({}, {"p": 2, "margin": 0.5, "reduction": "sum"}, {"reduction": "none"})
    ),
]
GATES = [
    Case(
        "softmin",
        lambda lib, x: [call("softmin", dim=1)(lib, x), call("softmin", 0, dtype=lib.float64)(lib, x)],
        numbers((2, 3)),
    ),
    Case("rrelu in evaluation", lambda lib, x: [call("rrelu")(lib, x), lib.rrelu(x, 0.1, 0.5) ** 2], numbers((2, 3))),
    Case("prelu as a method", lambda lib, x, w: [lib.prelu(x, w), x.prelu(w)], numbers((2, 3), (3,))),
    *(
        Case(f"glu{shape}{dim}", call("glu", dim=dim), numbers(shape))
        for shape, dim in [((4,), 0), ((2, 6), -1), ((4, 3, 2), 0), ((0, 2), 1)]
    ),
    Case("glu by default", call("glu"), numbers((2, 6))),
    *(
        Case(f"{name}{dim}", call(name, dim=dim), numbers((2, 3, 4)))
        for name in ("softmax", "log_softmax")
        for dim in (0, -1)
    ),
    *(
        Case(
            f"{name} as a method",
            lambda lib, x, name=name: [getattr(lib, name)(x, 1), getattr(x, name)(dim=0)],
            numbers((2, 3)),
        )
        for name in ("softmax", "log_softmax")
    ),
    Case("softmax in another dtype", lambda lib, x: lib.softmax(x, 0, dtype=lib.float64), numbers((2, 3))),
    Case(
        "log_softmax in another dtype",
        lambda lib, x: lib.nn.functional.log_softmax(x, 0, dtype=lib.float64),
        numbers((2, 3)),
    ),
    Case("dropout in evaluation", call("dropout", 0.5, training=False), numbers((2, 3))),
    Case("dropout of nothing", call("dropout", 0.0), numbers((2, 3))),
    Case("dropout of everything", call("dropout", 1.0), numbers((2, 3))),
    *(
        Case(f"embedding{shape}{padding}", call("embedding", padding_idx=padding), integers(5, shape, (5, 3)))
        for shape in [(4,), (2, 3), (), (2, 0), (40,)]
        for padding in (None, 0, -1)
    ),
]

MASK = np.array([[True, False, True], [False, False, False], [True, True, True], [False, True, True]])


def attend(**settings: Any) -> Callable[..., Any]:
    return lambda lib, *tensors: lib.nn.functional.scaled_dot_product_attention(*tensors, **settings)


def with_mask(mask: Array) -> Maker:
    return lambda rng: [*(rng.uniform(-2, 2, s) for s in [(2, 2, 4, 5), (2, 2, 3, 5), (2, 2, 3, 6)]), mask]


ATTENTION = [
    *(
        Case(f"attention{q}{k}{v}", attend(), numbers(q, k, v))
        for q, k, v in [
            ((4, 5), (3, 5), (3, 6)),
            ((2, 4, 5), (2, 3, 5), (2, 3, 6)),
            ((2, 1, 4, 5), (1, 3, 3, 5), (2, 3, 3, 6)),
            ((1, 5), (1, 5), (1, 5)),
        ]
    ),
    # PyTorch's own second order ends here.
    Case("attention(2, 3, 4, 5)", attend(), numbers(*[(2, 3, 4, 5)] * 3), second=False),
    Case("attention, causal", attend(is_causal=True), numbers((2, 4, 5), (2, 4, 5), (2, 4, 5))),
    Case("attention, causal, more queries", attend(is_causal=True), numbers((4, 5), (3, 5), (3, 6))),
    Case("attention, causal, more keys", attend(is_causal=True), numbers((3, 5), (4, 5), (4, 6))),
    Case("attention, scale", attend(scale=0.3), numbers((2, 4, 5), (2, 3, 5), (2, 3, 6))),
    Case("attention, scale 0", attend(scale=0.0), numbers((2, 4, 5), (2, 3, 5), (2, 3, 6))),
    Case("attention, bool mask", attend(), with_mask(MASK)),
    Case("attention, mask over stacks", attend(), with_mask(np.stack([MASK, ~MASK])[:, None])),
    Case("attention, float mask", attend(), lambda rng: [*with_mask(MASK)(rng)[:3], rng.uniform(-2, 2, (4, 3))]),
    Case(
        "attention, stretched float mask",
        attend(),
        lambda rng: [*with_mask(MASK)(rng)[:3], rng.uniform(-2, 2, (2, 1, 1, 3))],
    ),
    Case(
        "attention, mask of -inf",
        attend(),
        lambda rng: [*with_mask(MASK)(rng)[:3], np.where(MASK, 0, -np.inf)],
        constant=(3,),
    ),
    Case("attention, constant keys", attend(), numbers((2, 4, 5), (2, 3, 5), (2, 3, 6)), constant=(1,)),
]

NORMS, LOSSES = [squared(case) for case in NORMS], [squared(case) for case in LOSSES]
CASES = [*LINEAR, *NORMS, *LOSSES, *PRELU, *BLOCKS, *MARGINS, *DISTANCES, *GATES, *ATTENTION]


pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total:UserWarning")  # of PyTorch


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_agrees_with_pytorch(case: Case, dtype: str) -> None:
    for seed in range(2):
        compare(case, seed, dtype)


HALF = [
    Case("linear", call("linear"), numbers((2, 3), (4, 3), (4,))),
    Case("layer_norm", lambda lib, x, w, b: lib.nn.functional.layer_norm(x, (4,), w, b), numbers((5, 4), (4,), (4,))),
    Case("rms_norm", lambda lib, x: lib.nn.functional.rms_norm(x, (4,), eps=1e-3), numbers((5, 4))),
    Case("group_norm", call("group_norm", 2), numbers((3, 4, 5))),
    Case("batch_norm", lambda lib, x: lib.nn.functional.batch_norm(x, None, None, training=True), numbers((4, 3, 2))),
    Case("l1_loss", call("l1_loss"), numbers((2, 3), (2, 3))),
    Case("huber_loss", call("huber_loss"), numbers((2, 3), (2, 3))),
    Case("nll_loss", lambda lib, x, t, w: lib.nn.functional.nll_loss(x, t, w), with_classes((4, 3)), constant=(2,)),
    Case("glu", call("glu"), numbers((2, 6))),
    Case("embedding", call("embedding"), integers(5, (4,), (5, 3))),
    Case("attention", attend(), numbers((2, 4, 5), (2, 3, 5), (2, 3, 6))),
]


@pytest.mark.parametrize("case", HALF, ids=lambda case: case.name)
def test_float16_is_kept_and_calculated_in_float32(case: Case) -> None:
    compare(Case(case.name, case.call, case.inputs, case.constant, second=False), 0, "float16")


def test_float16_does_not_overflow_on_the_way() -> None:
    """A square of 500 is above what float16 holds, and so is a sum of a thousand numbers near 100."""
    x = np.random.default_rng(0).uniform(-500, 500, (4, 6, 8)).astype(np.float16)
    for name, function in {
        "layer_norm": lambda lib, x: lib.nn.functional.layer_norm(x, (8,)),
        "rms_norm": lambda lib, x: lib.nn.functional.rms_norm(x, (8,)),
        "batch_norm": lambda lib, x: lib.nn.functional.batch_norm(x, None, None, training=True),
        "group_norm": lambda lib, x: lib.nn.functional.group_norm(x, 2),
    }.items():
        compare(Case(name, function, lambda rng: [x], second=False), 0, "float16")
    weight, indices = tinytorch.zeros(2, 1, dtype=np.float16, requires_grad=True), tinytorch.tensor([0, 1] * 3000)
    functional.embedding(indices, weight).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[3000.0], [3000.0]]  # one by one, float16 would stop counting at 2048


def extreme(shape: tuple[int, ...]) -> Maker:
    return lambda rng: [rng.choice([-1e4, 1e4, 0.0, 1.0], shape) + rng.uniform(-1, 1, shape)]


EXTREME = [
    Case("layer_norm", lambda lib, x: lib.nn.functional.layer_norm(x, (6,)), extreme((4, 6))),
    Case("layer_norm far from 0", lambda lib, x: lib.nn.functional.layer_norm(x + 1e4, (6,)), numbers((4, 6))),
    Case("rms_norm", lambda lib, x: lib.nn.functional.rms_norm(x, (6,)), extreme((4, 6))),
    Case(
        "batch_norm far from 0",
        lambda lib, x: lib.nn.functional.batch_norm(x + 1e4, None, None, training=True),
        numbers((4, 3)),
    ),
    Case("softmax", call("softmax", dim=-1), extreme((4, 6))),
    Case("log_softmax", call("log_softmax", dim=-1), extreme((4, 6))),
    Case("glu", call("glu"), extreme((4, 6))),
    Case(
        "smooth_l1_loss",
        lambda lib, x: lib.nn.functional.smooth_l1_loss(x, lib.zeros(4, 6, dtype=lib.float64)),
        extreme((4, 6)),
    ),
    Case("attention", lambda lib, x: attend()(lib, x, x, x), extreme((4, 6))),
    Case("normalize", call("normalize"), extreme((4, 6))),
    Case("normalize of zeros", call("normalize"), lambda rng: [np.zeros((2, 3))], second=False),
    Case(
        "cosine_similarity of zeros",
        call("cosine_similarity"),
        lambda rng: [np.zeros((2, 3)), np.ones((2, 3))],
        constant=(0,),
        second=False,
    ),
]


@pytest.mark.parametrize("case", EXTREME, ids=lambda case: case.name)
def test_agrees_with_pytorch_at_extreme_values(case: Case) -> None:
    for seed in range(3):
        compare(case, seed)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("name", ["l1_loss", "smooth_l1_loss", "huber_loss"])
def test_losses_of_values_that_are_no_numbers(name: str, value: float) -> None:
    case = Case(
        name,
        call(name, reduction="none"),
        lambda rng: [np.array([value, 1.0]), np.zeros(2)],
        constant=(1,),
        second=False,
    )
    compare(case, 0)


# What changes besides the result.


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 4), (2, 3, 4, 2)])
@pytest.mark.parametrize("function", ["batch_norm", "instance_norm"])
def test_running_statistics_move_as_in_pytorch(function: str, shape: tuple[int, ...]) -> None:
    if function == "instance_norm" and len(shape) == 2:
        shape = (5, 3, 2)
    x = np.random.default_rng(0).standard_normal(shape) * 3 + 1
    results = []
    for lib in (tinytorch, torch):
        mean, var = lib.from_numpy(np.full(3, 0.5)), lib.from_numpy(np.full(3, 2.0))
        if function == "batch_norm":
            lib.nn.functional.batch_norm(lib.from_numpy(x), mean, var, training=True, momentum=0.3)
        else:
            lib.nn.functional.instance_norm(lib.from_numpy(x), mean, var, momentum=0.3)
        results.append((mean.numpy(), var.numpy()))
    np.testing.assert_allclose(results[0], results[1])


def test_running_statistics_stay_in_evaluation() -> None:
    mean, var = tinytorch.zeros(3), tinytorch.ones(3)
    functional.batch_norm(tinytorch.randn(4, 3), mean, var)
    assert mean.tolist() == [0, 0, 0]
    assert var.tolist() == [1, 1, 1]


def test_dropout_draws_what_its_layer_draws_and_scales_its_gradient_alike() -> None:
    x = tinytorch.ones(100, 100, requires_grad=True)
    tinytorch.manual_seed(3)
    dropped = functional.dropout(x, 0.3)
    tinytorch.manual_seed(3)
    assert dropped.tolist() == nn.Dropout(0.3)(x).tolist()
    dropped.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == dropped.tolist()
    assert dropped.dtype == np.float32
    assert np.mean(dropped.data == 0) == pytest.approx(0.3, abs=0.02)
    assert dropped._grad_fn.kept.dtype == bool


def test_dropout_has_a_second_gradient() -> None:
    x = tinytorch.from_numpy(np.arange(1.0, 7.0)).requires_grad_()
    y = functional.dropout(x * x, 0.5)
    (grad,) = tinytorch.autograd.grad([y.sum()], [x], create_graph=True)
    (second,) = tinytorch.autograd.grad([grad.sum()], [x])
    np.testing.assert_allclose(second.data * x.data, grad.data)


def test_dropped_attention_weights_keep_their_mean() -> None:
    tinytorch.manual_seed(0)
    q, k = tinytorch.randn(1, 8), tinytorch.randn(2000, 8)
    out = functional.scaled_dot_product_attention(q, k, tinytorch.ones(2000, 1), dropout_p=0.4)
    assert out.item() == pytest.approx(1.0, abs=0.1)
    assert out.item() != 1.0


@pytest.mark.parametrize("p", [0.4, 1.0])
def test_dropped_attention_is_dropout_of_its_weights(p: float) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((2, 3, n, 4)) for n in (5, 6, 6)]
    results = []
    for fused_rule in (True, False):
        q, k, v = (tinytorch.from_numpy(a).requires_grad_() for a in arrays)
        tinytorch.manual_seed(5)
        if fused_rule:
            out = functional.scaled_dot_product_attention(q, k, v, dropout_p=p)
        else:
            out = functional.dropout(functional.softmax(q @ k.transpose(-1, -2) * 0.5, dim=-1), p) @ v
        (out * out).sum().backward()
        results.append([t.data for t in (out, q.grad, k.grad, v.grad)])
    for ours, composed in zip(*results, strict=True):
        np.testing.assert_allclose(ours, composed, atol=1e-12)


def test_attention_keeps_its_inputs_alone() -> None:
    q, k, v = (tinytorch.randn(2, n, 4, requires_grad=True) for n in (5, 6, 6))
    node = functional.scaled_dot_product_attention(q, k, v)._grad_fn
    assert [x is t.data for x, t in zip(node.saved, (q, k, v), strict=False)] == [True, True, True]
    assert node.saved[3:] == (None,)


def test_a_query_without_keys_gives_0_and_no_gradient() -> None:
    q, k = tinytorch.randn(2, 4, requires_grad=True), tinytorch.randn(3, 4, requires_grad=True)
    mask = tinytorch.from_numpy(np.array([[False, False, False], [True, False, True]]))
    out = functional.scaled_dot_product_attention(q, k, k, attn_mask=mask)
    out.sum().backward()
    assert q.grad is not None
    assert out.data[0].tolist() == [0, 0, 0, 0]
    assert q.grad.data[0].tolist() == [0, 0, 0, 0]


def test_linear_keeps_only_what_its_gradients_need() -> None:
    x, weight = tinytorch.randn(2, 3), tinytorch.randn(4, 3, requires_grad=True)
    node = functional.linear(x, weight)._grad_fn
    assert node.saved[0] is x.data
    assert node.saved[1] is None


def test_an_embedding_may_change_its_indices_after_the_look_up() -> None:
    weight, indices = tinytorch.randn(3, 2, requires_grad=True), tinytorch.tensor([0, 0, 2])
    out = functional.embedding(indices, weight)
    indices.data[:] = 1
    out.sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[2, 2], [0, 0], [1, 1]]


def test_losses_keep_the_reductions_mean_of_nothing() -> None:
    nothing = np.zeros((0, 3))
    for name in ("l1_loss", "huber_loss", "kl_div"):
        compare(Case(name, call(name), lambda rng: [nothing, nothing], second=False), 0)
    compare(Case("nll_loss", call("nll_loss"), lambda rng: [nothing, np.zeros(0, np.int64)], second=False), 0)


# What is refused.

# fmt: off
REFUSED: list[tuple[str, Callable[..., Any], list[Any]]] = [
    ("prelu, weights", call("prelu"), [np.ones((2, 3)), np.ones(2)]),
    ("prelu, weights of two axes", call("prelu"), [np.ones((2, 3)), np.ones((1, 3))]),
    ("prelu, dtypes", call("prelu"), [np.ones((2, 3)), np.ones(1, np.float32)]),
    ("softshrink, lambd", call("softshrink", -1.0), [np.ones(2)]),
    ("rrelu, bounds", call("rrelu", 0.5, 0.1), [np.ones(2)]),
    ("unfold, vectors", call("unfold", 2), [np.ones((2, 3))]),
    ("unfold, too large", call("unfold", 4), [np.ones((1, 1, 3, 3))]),
    ("unfold, stride", call("unfold", 2, stride=0), [np.ones((1, 1, 3, 3))]),
    ("unfold, three numbers", call("unfold", (2, 2, 2)), [np.ones((1, 1, 3, 3))]),
    ("fold, count", call("fold", (3, 3), 2), [np.ones((1, 4, 3))]),
    ("fold, length", call("fold", (3, 3), 2), [np.ones((1, 5, 4))]),
    ("fold, one axis", call("fold", (3, 3), 2), [np.ones(4)]),
    ("poisson_nll_loss, reduction", call("poisson_nll_loss", reduction="average"), [np.ones(2), np.ones(2)]),
    ("soft_margin_loss, shapes", call("soft_margin_loss"), [np.ones(2), np.ones(3)]),
    ("multi_margin_loss, class", call("multi_margin_loss"), [np.ones((2, 3)), np.array([0, 3])]),
    ("multi_margin_loss, batch", call("multi_margin_loss"), [np.ones((2, 3)), np.array([0])]),
    ("multi_margin_loss, p", call("multi_margin_loss", p=3), [np.ones((2, 3)), np.array([0, 1])]),
    ("multi_margin_loss, float target", call("multi_margin_loss"), [np.ones((2, 3)), np.ones(2)]),
    ("linear, last axes", call("linear"), [np.ones((2, 3)), np.ones((4, 2))]),
    ("linear, bias", call("linear"), [np.ones((2, 3)), np.ones((4, 3)), np.ones(3)]),
    ("linear, dtypes", call("linear"), [np.ones((2, 3)), np.ones((4, 3), np.float32)]),
    ("linear, weight of 3 axes", call("linear"), [np.ones((2, 3)), np.ones((2, 4, 3))]),
    ("layer_norm, shape", call("layer_norm", (2,)), [np.ones((2, 3))]),
    ("layer_norm, weight", lambda lib, x, w: lib.nn.functional.layer_norm(x, (3,), w), [np.ones((2, 3)), np.ones(2)]),
    ("layer_norm, no shape", call("layer_norm", ()), [np.ones((2, 3))]),
    ("layer_norm, an integer", call("layer_norm", 3), [np.ones((2, 3))]),
    ("layer_norm, integers", call("layer_norm", (3,)), [np.ones((2, 3), int)]),
    ("layer_norm, dtypes", lambda lib, a, b: lib.nn.functional.layer_norm(a, (3,), b), [np.ones(3), np.ones(3, "f")]),
    ("rms_norm, shape", call("rms_norm", (2,)), [np.ones((2, 3))]),
    ("batch_norm, one value", call("batch_norm", None, None, training=True), [np.ones((1, 3))]),
    ("batch_norm, nothing running", call("batch_norm", None, None), [np.ones((2, 3))]),
    ("batch_norm, one axis", call("batch_norm", None, None, training=True), [np.ones(3)]),
    ("batch_norm, running", call("batch_norm"), [np.ones((2, 3)), np.ones(2), np.ones(3)]),
    ("group_norm, groups", call("group_norm", 3), [np.ones((2, 4))]),
    ("group_norm, one value", call("group_norm", 4), [np.ones((1, 4))]),
    ("group_norm, one axis", call("group_norm", 4), [np.ones(4)]),
    ("instance_norm, one value", call("instance_norm"), [np.ones((2, 3, 1))]),
    ("softmax, dim", call("softmax", dim=2), [np.ones((2, 3))]),
    ("softmax, integers", call("softmax", dim=0), [np.ones((2, 3), int)]),
    ("nll_loss, class", call("nll_loss"), [np.ones((2, 3)), np.array([0, 3])]),
    ("nll_loss, negative class", call("nll_loss"), [np.ones((2, 3)), np.array([0, -1])]),
    ("nll_loss, float target", call("nll_loss"), [np.ones((2, 3)), np.ones(2)]),
    ("nll_loss, batch", call("nll_loss"), [np.ones((2, 3)), np.array([0])]),
    ("nll_loss, weight", call("nll_loss"), [np.ones((2, 3)), np.array([0, 1]), np.ones(2)]),
    ("nll_loss, reduction", call("nll_loss", reduction="average"), [np.ones((2, 3)), np.array([0, 1])]),
    ("l1_loss, reduction", call("l1_loss", reduction="average"), [np.ones(2), np.ones(2)]),
    ("smooth_l1_loss, beta", call("smooth_l1_loss", beta=-1.0), [np.ones(2), np.ones(2)]),
    ("huber_loss, delta", call("huber_loss", delta=0.0), [np.ones(2), np.ones(2)]),
    ("kl_div, reduction", call("kl_div", reduction="average"), [np.ones(2), np.ones(2)]),
    ("gaussian_nll_loss, variance", call("gaussian_nll_loss"), [np.ones(2), np.ones(2), -np.ones(2)]),
    ("gaussian_nll_loss, shape", call("gaussian_nll_loss"), [np.ones((2, 3)), np.ones((2, 3)), np.ones(4)]),
    ("cosine_embedding_loss, target", call("cosine_embedding_loss"), [np.ones((2, 3)), np.ones((2, 3)), np.ones(3)]),
    ("cosine_similarity, shapes", call("cosine_similarity"), [np.ones((2, 3)), np.ones((2, 2))]),
    ("cosine_similarity, dim", call("cosine_similarity", dim=2), [np.ones((2, 3)), np.ones((2, 3))]),
    ("normalize, dim", call("normalize", dim=2), [np.ones((2, 3))]),
    ("glu, odd", call("glu"), [np.ones((2, 3))]),
    ("glu, 0-d", call("glu"), [np.ones(())]),
    ("glu, dim", call("glu", 2), [np.ones((2, 4))]),
    ("dropout, chance", call("dropout", 1.5), [np.ones(2)]),
    ("dropout, negative", call("dropout", -0.5), [np.ones(2)]),
    ("dropout, integers", call("dropout", 0.5), [np.ones(2, int)]),
    ("embedding, index", call("embedding"), [np.array([5]), np.ones((5, 2))]),
    ("embedding, negative index", call("embedding"), [np.array([-1]), np.ones((5, 2))]),
    ("embedding, float index", call("embedding"), [np.array([1.0]), np.ones((5, 2))]),
    ("embedding, one axis", call("embedding"), [np.array([1]), np.ones(5)]),
    ("attention, width", attend(), [np.ones((2, 3)), np.ones((2, 4)), np.ones((2, 3))]),
    ("attention, lengths", attend(), [np.ones((2, 3)), np.ones((2, 3)), np.ones((3, 3))]),
    ("attention, vectors", attend(), [np.ones(3), np.ones((2, 3)), np.ones((2, 3))]),
    ("attention, mask and causal", attend(is_causal=True), [np.ones((2, 3))] * 3 + [np.ones((2, 2), bool)]),
    ("attention, mask of integers", attend(), [np.ones((2, 3))] * 3 + [np.ones((2, 2), int)]),
    ("attention, shape of the mask", attend(), [np.ones((2, 3))] * 3 + [np.ones((3, 3), bool)]),
    ("attention, larger mask", attend(), [np.ones((1, 2, 3))] * 3 + [np.ones((5, 2, 2), bool)]),
    ("attention, dtypes", attend(), [np.ones((2, 3)), np.ones((2, 3), np.float32), np.ones((2, 3))]),
    ("attention, dropout", attend(dropout_p=1.5), [np.ones((2, 3))] * 3),
]
# fmt: on


@pytest.mark.parametrize(("call", "arrays"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_both_refuse(call: Callable[..., Any], arrays: list[Array]) -> None:
    refuse(call, *arrays)


def test_gumbel_softmax_draws_by_the_weights() -> None:
    tinytorch.manual_seed(0)
    logits = tinytorch.tensor(np.log([[0.2, 0.5, 0.3]])).expand(4000, 3).clone().requires_grad_()
    soft = functional.gumbel_softmax(logits, tau=0.5)
    np.testing.assert_allclose(soft.detach().numpy().sum(1), 1, rtol=1e-12)
    hard = functional.gumbel_softmax(logits, hard=True)
    assert set(np.unique(hard.detach().numpy().round(9))) == {0.0, 1.0}
    np.testing.assert_allclose(hard.detach().numpy().mean(0), [0.2, 0.5, 0.3], atol=0.03)
    (grad,) = tinytorch.autograd.grad((hard * tinytorch.arange(3)).sum(), logits)
    assert grad.numpy().any()
    np.testing.assert_allclose(grad.numpy().sum(1), 0, atol=1e-12)  # a softmax does not see what is added to all


def test_rrelu_draws_its_slopes_while_training() -> None:
    tinytorch.manual_seed(0)
    x = -tinytorch.ones(1000, requires_grad=True)
    y = functional.rrelu(x, 0.1, 0.3, training=True)
    slopes = -y.detach().numpy()
    assert 0.1 <= slopes.min() < 0.11
    assert 0.29 < slopes.max() <= 0.3
    (grad,) = tinytorch.autograd.grad(y.sum(), x)
    np.testing.assert_array_equal(grad.numpy(), slopes)


def test_a_padding_row_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="padding_idx=5, but the rows are 0 to 4"):
        functional.embedding(tinytorch.tensor([1]), tinytorch.ones(5, 2), padding_idx=5)


@pytest.mark.parametrize("name", ["l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "hinge_embedding_loss"])
def test_a_target_is_never_broadcast(name: str) -> None:
    """PyTorch warns, and computes N * N losses for N examples."""
    with pytest.raises(ValueError, match=r"input has shape \(4, 1\), but target \(4,\)"):
        getattr(functional, name)(tinytorch.ones(4, 1), tinytorch.ones(4))


def test_weights_of_classes_receive_no_gradient() -> None:
    weight = tinytorch.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match=r"weight.detach\(\)"):
        functional.nll_loss(tinytorch.zeros(2, 3), tinytorch.tensor([0, 1]), weight)


def test_messages_name_the_argument_and_the_way_out() -> None:
    with pytest.raises(TypeError, match=r"linear\(\): weight must be a tensor, but got ndarray"):
        functional.linear(tinytorch.ones(2, 3), np.ones((4, 3)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"linear\(\): input holds float32, but weight holds float64"):
        functional.linear(tinytorch.ones(2, 3), tinytorch.ones(4, 3, dtype=np.float64))
    with pytest.raises(ValueError, match=r"layer_norm\(\): weight has shape \(2,\), but needs"):
        functional.layer_norm(tinytorch.ones(2, 3), (3,), tinytorch.ones(2))


def test_every_function_of_the_operations_says_which_module_brings_it() -> None:
    """In a workspace without module 05 a missing name has to be in this list."""
    from_ops = {
        name for name, f in vars(functional).items() if getattr(f, "__module__", "").startswith("tinytorch.ops")
    }
    assert set(functional._FROM_OPS) == from_ops - {"linear", "dropout", "cross_entropy"}
