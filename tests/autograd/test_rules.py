"""Every rule against central differences, in a random direction: on arrays, on tensors, and once more on its gradient.

One number tells whether a whole gradient is right: its product with a random direction is the slope of the function
along that direction. Source: A. Griewank and A. Walther, Evaluating Derivatives, 2nd ed., SIAM, 2008, ch. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinytorch
import tinytorch.core.spatial as spatial
from tinytorch import Tensor, linalg
from tinytorch.core.autograd import RULES, NotDifferentiableError
from tinytorch.nn import functional as F  # noqa: N812

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Example:
    """A call of a rule.

    Attributes
    ----------
    call
        Makes a tensor, or a tuple of them, from the inputs.
    shapes
        Those of the inputs.
    low, high
        Between which bounds the inputs are drawn.
    drawn
        Whether the result is a random draw, whose gradient is 0 by convention.
    """

    call: Callable[..., Any]
    shapes: Sequence[Shape]
    low: float = -2.0
    high: float = 2.0
    drawn: bool = False


def of_one(call: Callable[..., Any], low: float = -2.0, high: float = 2.0, **kwargs: Any) -> list[Example]:
    """Return an example with one input, of two axes."""
    return [Example(call, [(2, 3)], low, high, **kwargs)]


def of_pairs(call: Callable[..., Any], low: float = -2.0, high: float = 2.0) -> list[Example]:
    """Return examples with two inputs, that broadcast in both directions or not at all."""
    return [Example(call, shapes, low, high) for shapes in ([(2, 3), (2, 3)], [(2, 3), (3,)], [(2, 1), (1, 3)])]


def over_axes(call: Callable[..., Any], low: float = -2.0, high: float = 2.0) -> list[Example]:
    """Return examples of a reduction over all axes, one, or several, kept or not."""
    settings: list[dict[str, Any]] = [{}, {"dim": 0}, {"dim": -1, "keepdim": True}, {"dim": (0, 2)}]
    return [Example(lambda x, s=s: call(x, **s), [(2, 3, 2)], low, high) for s in settings]


def positive(x: Tensor) -> Tensor:
    """Return a symmetric matrix whose eigenvalues are positive and differ."""
    apart = tinytorch.from_numpy(np.diag(np.arange(1.0, len(x) + 1)))
    return (x @ x.T) * 0.1 + apart


def invertible(x: Tensor) -> Tensor:
    return x * 0.3 + tinytorch.from_numpy(np.diag(np.arange(1.0, len(x) + 1)))


def ints(*values: Any) -> Tensor:
    return tinytorch.tensor(list(values))


MASK = tinytorch.tensor([[True, False, True], [False, False, True]])
CLASSES = ints(2, 0, 1)
ROWS = ints([1, 0, 1], [0, 0, 1])


def seeded(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a call that draws the same every time."""

    def again(*tensors: Tensor) -> Any:
        tinytorch.manual_seed(0)
        return call(*tensors)

    return again


CONVOLUTION = spatial.Convolution(spatial.Grid((3, 2), (2, 1), (1, 1), (1, 0)))
MAX_POOL = spatial.MaxPool(spatial.Grid((2, 2), (2, 2)))
NUMBERS = ints(*np.arange(12).reshape(1, 2, 2, 3) % 4)


def batch_normalized(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return spatial.Normalization(*spatial.batch_statistics(x.data), 1e-2).forward(x, weight, bias)


EXAMPLES: dict[str, list[Example]] = {
    # the lessons' own
    "Tensor.__add__": of_pairs(lambda a, b: a + b),
    "Tensor.__sub__": of_pairs(lambda a, b: a - b),
    "Tensor.__mul__": of_pairs(lambda a, b: a * b),
    "Tensor.__truediv__": of_pairs(lambda a, b: a / b, 0.5),
    "Tensor.__neg__": of_one(lambda x: -x),
    "Tensor.__pow__": [*of_pairs(lambda a, b: a**b, 0.5), *of_one(lambda x: x**3), *of_one(lambda x: x**2)],
    "Tensor.matmul": [
        Example(lambda a, b: a @ b, shapes)
        for shapes in (
            *([(2, 3), (3, 4)], [(3,), (3,)], [(3,), (3, 2)], [(2, 3), (3,)], [(4, 2, 3), (3, 2)]),
            *(
                [(4, 2, 3), (4, 3, 2)],
                [(1, 2, 3), (4, 3, 2)],
                [(2, 3), (4, 3, 2)],
                [(4, 2, 3), (3,)],
                [(3,), (4, 3, 2)],
            ),
        )
    ],
    "Tensor.sum": over_axes(lambda x, **s: x.sum(**s)),
    "Tensor.mean": over_axes(lambda x, **s: x.mean(**s)),
    "Tensor.amax": over_axes(lambda x, **s: x.amax(**s)),
    "Tensor.amin": over_axes(lambda x, **s: x.amin(**s)),
    "Tensor.exp": of_one(lambda x: x.exp()),
    "Tensor.log": of_one(lambda x: x.log(), 0.5),
    "Tensor.sqrt": of_one(lambda x: x.sqrt(), 0.5),
    "Tensor.abs": of_one(lambda x: x.abs()),
    "Tensor.clip": of_one(lambda x: x.clip(-0.7, 0.7)),
    "Tensor.to": of_one(lambda x: x.to(np.longdouble)),  # the same dtype is the same tensor, and less spoils slopes
    "Tensor.reshape": of_one(lambda x: x.reshape(3, 2)),
    "Tensor.transpose": [Example(lambda x: x.transpose(0, 2), [(2, 3, 4)])],
    "Tensor.permute": [Example(lambda x: x.permute(2, 0, 1), [(2, 3, 4)])],
    "Tensor.__getitem__": [
        *of_one(lambda x: x[1:, None]),
        *of_one(lambda x: x[[0, 0, 1]]),
        *of_one(lambda x: x[MASK]),
        *of_one(lambda x: x[ints(1, 1), ints(0, 0)]),
    ],
    "ReLU.forward": of_one(F.relu),
    "Sigmoid.forward": of_one(F.sigmoid),
    "Tanh.forward": of_one(F.tanh),
    "GELU.forward": [*of_one(F.gelu), *of_one(lambda x: F.gelu(x, approximate="tanh"))],
    "Softmax.forward": [*of_one(lambda x: F.softmax(x, 1)), *of_one(lambda x: F.softmax(x, 0))],
    "LogSoftmax.forward": [*of_one(lambda x: F.log_softmax(x, 1)), *of_one(lambda x: F.log_softmax(x, 0))],
    "MSELoss.forward": [
        Example(lambda a, b, r=r: tinytorch.nn.MSELoss(r)(a, b), [(2, 3), (2, 3)]) for r in ("mean", "sum", "none")
    ],
    "BCELoss.forward": [
        Example(lambda a, b, r=r: tinytorch.nn.BCELoss(reduction=r)(a, b), [(2, 3), (2, 3)], 0.1, 0.9)
        for r in ("mean", "sum", "none")
    ],
    "BCEWithLogitsLoss.forward": [
        Example(lambda a, b, r=r: tinytorch.nn.BCEWithLogitsLoss(reduction=r)(a, b), [(2, 3), (2, 3)], 0.1, 0.9)
        for r in ("mean", "sum", "none")
    ],
    "CrossEntropyLoss.forward": [
        Example(lambda x, r=r: tinytorch.nn.CrossEntropyLoss(reduction=r)(x, CLASSES), [(3, 4)])
        for r in ("mean", "sum", "none")
    ]
    + [Example(lambda x, p: tinytorch.nn.CrossEntropyLoss(label_smoothing=0.1)(x, p), [(3, 4), (3, 4)], 0.1)],
    # of one element at a time
    **{
        f"Tensor.{name}": of_one(lambda x, name=name: getattr(x, name)(), low, high)
        for names, low, high in (
            ("sin cos atan sinh cosh asinh exp2 expm1 erf erfc square sinc", -2, 2),
            ("tan asin acos atanh erfinv", -0.9, 0.9),
            ("log1p log2 log10 rsqrt reciprocal", 0.5, 2.5),
            ("sign floor ceil trunc round frac nan_to_num", -2.4, 2.4),
            ("acosh", 1.3, 3),
            ("logit", 0.1, 0.9),
        )
        for name in names.split()
    },
    # activations
    **{
        f"Tensor._{name}": of_one(lambda x, name=name: getattr(F, name)(x), -4, 4)
        for name in (
            *("softplus", "logsigmoid", "silu", "mish", "softsign", "leaky_relu", "elu", "hardtanh", "hardsigmoid"),
            *("hardswish", "hardshrink", "softshrink"),
        )
    },
    "Tensor._threshold": of_one(lambda x: F.threshold(x, 0.1, 5.0)),
    "Tensor._prelu": [Example(F.prelu, [(2, 3), (1,)]), Example(F.prelu, [(2, 3, 2), (3,)])],
    # shapes
    "Tensor.clone": of_one(lambda x: x.clone()),
    "Tensor.expand": [Example(lambda x: x.expand(4, 2, 3), [(2, 1)])],
    "Tensor.repeat": of_one(lambda x: x.repeat(2, 1, 3)),
    "Tensor._repeat_each": of_one(lambda x: x.repeat_interleave(2, 1)),
    "Tensor._with_item": [Example(lambda x, v: x._with_item(v, np.s_[:, 1:]), [(2, 3), (1, 2)])],
    "Tensor._cat": [Example(lambda a, b: tinytorch.cat([a, b, a], 1), [(2, 3), (2, 1)])],
    "Tensor._stack": [Example(lambda a, b: tinytorch.stack([a, b, a], 1), [(2, 3), (2, 3)])],
    "Tensor.roll": of_one(lambda x: x.roll(1, 1)),
    "Tensor.flip": of_one(lambda x: x.flip(1)),
    "Tensor.tril": of_one(lambda x: x.tril()),
    "Tensor.triu": of_one(lambda x: x.triu(1)),
    "Tensor.diagonal": [Example(lambda x: x.diagonal(1, 0, 2), [(2, 3, 4)])],
    "Tensor._on_diagonal": of_one(lambda x: x.diag_embed(1)),
    "Tensor._pad": of_one(lambda x: F.pad(x, (1, 2))),
    "Tensor._windows": [Example(lambda x: x.unfold(1, 2, 1), [(2, 4)])],
    "Tensor._laid_back": [Example(lambda x: F.fold(x, (3, 3), (2, 2)), [(1, 8, 4)])],
    # arithmetic
    "Tensor._rounded_div": of_pairs(lambda a, b: tinytorch.div(a + 7.3, b, rounding_mode="floor"), 2.1, 2.4),
    "Tensor._remainder": of_pairs(lambda a, b: (a + 7.3) % b, 2.1, 2.4),
    "Tensor.fmod": of_pairs(lambda a, b: (a + 7.3).fmod(b), 2.1, 2.4),
    **{
        f"Tensor.{name}": of_pairs(lambda a, b, name=name: getattr(a, name)(b))
        for name in ("maximum", "minimum", "fmax", "fmin", "atan2", "hypot", "logaddexp", "logaddexp2")
    },
    "Tensor._xlogy": of_pairs(lambda a, b: a.xlogy(b), 0.3),
    "Tensor._copysign": of_pairs(lambda a, b: a.copysign(b)),
    "Tensor.lerp": [Example(lambda a, b, w: a.lerp(b, w), [(2, 3), (3,), (2, 1)])],
    # picking
    "Tensor._at_places": [
        *of_one(lambda x: x.gather(0, ROWS)),
        *of_one(lambda x: x.take(ints(0, 5, 5))),
    ],
    "Tensor._add_at": [Example(lambda x, s: x.scatter_add(0, ROWS, s), [(2, 3), (2, 3)])],
    "Tensor._put_at": [Example(lambda x, s: x.index_copy(0, ints(1, 0), s), [(3, 3), (2, 3)])],
    "Tensor._multiplied_at": [Example(lambda x, s: x.scatter_reduce(0, ROWS, s, "prod"), [(2, 3), (2, 3)])],
    "Tensor._extreme_at": [Example(lambda x, s: x.scatter_reduce(0, ROWS, s, "amax"), [(2, 3), (2, 3)])],
    "Tensor._index_select": of_one(lambda x: x.index_select(1, ints(2, 0, 2))),
    "Tensor._masked_fill": [Example(lambda x, v: x.masked_fill(MASK, v), [(2, 3), ()])],
    "Tensor._scatter": of_one(lambda x: x._scatter(np.array([1, 1]), (3, 3))),
    "Tensor._clamp": [Example(lambda x, a, b: x.clamp(a - 1, b + 1), [(2, 3), (3,), (2, 1)])],
    "Tensor._where": [Example(lambda a, b: tinytorch.where(MASK, a, b), [(2, 3), (3,)])],
    # reductions
    "Tensor.nansum": of_one(lambda x: x.nansum(1)),
    "Tensor.prod": [*of_one(lambda x: x.prod()), *of_one(lambda x: x.prod(1, keepdim=True))],
    "Tensor.logsumexp": [*of_one(lambda x: x.logsumexp(1)), *of_one(lambda x: x.logsumexp((0, 1), True))],
    "Tensor._median": of_one(lambda x: x.median()),
    "Tensor.cumsum": of_one(lambda x: x.cumsum(1)),
    "Tensor.cumprod": of_one(lambda x: x.cumprod(1)),
    "Tensor.logcumsumexp": of_one(lambda x: x.logcumsumexp(1)),
    "Tensor._var": over_axes(lambda x, **s: x.var(**s)) + of_one(lambda x: x.var(1, correction=0)),
    "Tensor._std": over_axes(lambda x, **s: x.std(**s)) + of_one(lambda x: x.std(1, correction=0)),
    "Tensor._vector_norm": [
        Example(lambda x, p=p: linalg.vector_norm(x, p, 1), [(2, 3)], 0.3) for p in (1, 2, 3, 0.5, np.inf, -np.inf)
    ],
    # linear algebra
    "Tensor._contract": [
        Example(lambda a, b: tinytorch.einsum("ij,kj->ki", a, b), [(2, 3), (4, 3)]),
        Example(lambda a, b: tinytorch.einsum("bij,bjk->ik", a, b), [(2, 3, 4), (2, 4, 2)]),
        Example(lambda a, b: tinytorch.tensordot(a, b, 2), [(2, 3, 4), (3, 4, 2)]),
    ],
    "Tensor.inverse": [Example(lambda x: invertible(x).inverse(), [(3, 3)])],
    "Tensor._solve": [
        Example(lambda a, b: linalg.solve(invertible(a), b), [(3, 3), (3, 2)]),
        Example(lambda a, b: linalg.solve(invertible(a), b), [(3, 3), (3,)]),
    ],
    "Tensor.det": [Example(lambda x: invertible(x).det(), [(3, 3)])],
    "Tensor._logabsdet": [Example(lambda x: linalg.slogdet(invertible(x))[1], [(3, 3)])],
    "Tensor._pinv": [Example(lambda x: linalg.pinv(x), [(4, 2)]), Example(lambda x: linalg.pinv(x), [(2, 4)])],
    "Tensor._cholesky": [Example(lambda x: linalg.cholesky(positive(x)), [(3, 3)])],
    "Tensor._q": [Example(lambda x: linalg.qr(x).Q, [(4, 3)])],
    "Tensor._r": [Example(lambda x: linalg.qr(x).R, [(4, 3)])],
    "Tensor._svd_left": [Example(lambda x: linalg.svd(x, full_matrices=False).U ** 2, [(4, 3)])],
    "Tensor._svd_values": [Example(lambda x: linalg.svd(x, full_matrices=False).S, [(4, 3)])],
    "Tensor._svd_right": [Example(lambda x: linalg.svd(x, full_matrices=False).Vh ** 2, [(4, 3)])],
    "Tensor._eigenvalues": [Example(lambda x: linalg.eigvalsh(positive(x)), [(3, 3)])],
    "Tensor._eigenvectors": [Example(lambda x: linalg.eigh(positive(x)).eigenvectors ** 2, [(3, 3)])],
    "Tensor.trace": [Example(lambda x: x.trace(), [(3, 2)])],
    "Tensor._cross": [Example(lambda a, b: linalg.cross(a, b), [(2, 3), (1, 3)])],
    # layers and losses
    "Tensor._linear": [
        Example(F.linear, [(2, 3), (4, 3), (4,)]),
        Example(F.linear, [(2, 2, 3), (4, 3), (4,)]),
        Example(F.linear, [(3,), (4, 3)]),
    ],
    "Tensor._normalize": [
        Example(lambda x, w, b: F.layer_norm(x, (3,), w, b), [(2, 3), (3,), (3,)]),
        Example(lambda x, w, b: F.group_norm(x, 2, w, b), [(2, 4, 3), (4,), (4,)]),
        Example(lambda x, w: F.rms_norm(x, (3,), w), [(2, 3), (3,)]),
        Example(lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), [(4, 3), (3,), (3,)]),
    ],
    "Tensor._cross_entropy": [
        *of_one(lambda x: F.cross_entropy(x, ints(2, 0))),
        *of_one(lambda x: F.cross_entropy(x, ints(2, -100), reduction="sum")),
        *of_one(lambda x: F.cross_entropy(x, ints(2, -100), reduction="none")),
    ],
    "Tensor._nll_loss": of_one(lambda x: F.nll_loss(x, ints(2, 0))),
    "Tensor._l1_loss": [
        Example(lambda a, b, r=r: F.l1_loss(a, b, reduction=r), [(2, 3)] * 2) for r in ("mean", "none")
    ],
    "Tensor._huber_loss": [
        Example(lambda a, b, r=r: F.huber_loss(a, b, reduction=r, delta=0.8), [(2, 3)] * 2) for r in ("mean", "none")
    ],
    "Tensor._kl_div": [
        Example(lambda a, b: F.kl_div(a, b, reduction="batchmean"), [(2, 3)] * 2, 0.1, 0.9),
        Example(lambda a, b: F.kl_div(a, b, reduction="sum", log_target=True), [(2, 3)] * 2, 0.1, 0.9),
    ],
    "Tensor._glu": [Example(lambda x: F.glu(x, 1), [(2, 4)])],
    "Tensor._dropout": of_one(seeded(lambda x: F.dropout(x, 0.4))),
    "Tensor._embedding": [Example(lambda w: F.embedding(ints([0, 2], [2, 2]), w), [(4, 3)])],
    "Tensor._sum_rows": [Example(lambda x: x._sum_rows(np.array([3, 0, 3]), 4), [(3, 2)])],
    "Tensor._attention": [
        Example(F.scaled_dot_product_attention, [(2, 3, 4), (2, 5, 4), (2, 5, 2)]),
        Example(
            lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), [(2, 3, 4), (2, 3, 4), (2, 3, 2)]
        ),
        Example(F.scaled_dot_product_attention, [(3, 4), (5, 4), (5, 2), (3, 5)]),
    ],
    # windows, convolutions, pools, batch norm
    "Convolution.forward": [
        Example(lambda x, w, b: F.conv2d(x, w, b, (2, 1), 1, (1, 2), 2), [(2, 4, 5, 6), (4, 2, 3, 2), (4,)]),
        Example(lambda x, w: F.conv1d(x, w, padding="same"), [(2, 6), (3, 2, 4)]),
    ],
    "Convolution.input_gradient": [
        Example(lambda g, w: CONVOLUTION.input_gradient(g, w, (5, 4)), [(2, 3, 3, 4), (3, 2, 3, 2)])
    ],
    "Convolution.weight_gradient": [Example(CONVOLUTION.weight_gradient, [(2, 2, 5, 4), (2, 3, 3, 4)])],
    "MaxPool.forward": [Example(lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), [(2, 2, 5, 6)])],
    "MaxPool.spread": [Example(lambda g: MAX_POOL.spread(g, NUMBERS, (4, 6)), [(1, 2, 2, 3)])],
    "MaxPool.collect": [Example(lambda x: MAX_POOL.collect(x, NUMBERS), [(1, 2, 4, 6)])],
    "AveragePool.forward": [Example(lambda x: F.avg_pool2d(x, 3, 2, 1, True, False), [(2, 2, 5, 6)])],
    "AveragePool.spread": [
        Example(lambda g: spatial.AveragePool(spatial.Grid((2, 2)), 4).spread(g, (3, 4)), [(1, 2, 2, 3)])
    ],
    "AdaptiveAverage.forward": [Example(lambda x: F.adaptive_avg_pool2d(x, (2, 3)), [(2, 2, 5, 4)])],
    "AdaptiveAverage.spread": [Example(lambda g: spatial.AdaptiveAverage((2, 3)).spread(g, (5, 4)), [(1, 2, 2, 3)])],
    "Normalization.forward": [Example(batch_normalized, [(3, 2, 4), (2,), (2,)])],
    # draws
    "Tensor._drawn_bits": of_one(seeded(lambda x: x.bernoulli()), 0.1, 0.9, drawn=True),
    "Tensor._drawn_bell": [Example(seeded(tinytorch.normal), [(2, 3), (2, 3)], 0.1, drawn=True)],
}

# Rules that refuse: their operations go in steps, and a gradient of 0 would rarely be what is wanted.
REFUSING: dict[str, Callable[..., Any]] = {
    "Tensor._floor_divide": lambda x: x // 2,
    "Tensor.heaviside": lambda x: x.heaviside(x.detach()),
}

NAMES = {f"{rule.owner.__name__}.{rule.method}": rule for rule in RULES}


def test_every_rule_has_an_example() -> None:
    assert sorted(NAMES) == sorted([*EXAMPLES, *REFUSING])


@pytest.mark.parametrize("name", REFUSING)
def test_a_rule_that_refuses_says_so(name: str) -> None:
    with pytest.raises(NotDifferentiableError, match=rf"{name.split('.')[1].strip('_')}\(\)"):
        REFUSING[name](tinytorch.ones(2, 3, requires_grad=True)).sum().backward()


EACH = [
    pytest.param(name, example, id=f"{name}-{i}")
    for name, examples in EXAMPLES.items()
    for i, example in enumerate(examples)
]


def outputs(example: Example, inputs: Sequence[Tensor]) -> list[Tensor]:
    made = example.call(*inputs)
    return [t for t in (made if isinstance(made, tuple | list) else (made,)) if t.dtype.kind == "f"]


def tensors(arrays: Sequence[Array]) -> list[Tensor]:
    return [tinytorch.from_numpy(a.copy()).requires_grad_() for a in arrays]


def product(some: Sequence[Any], others: Sequence[Array]) -> Any:
    """Return the inner product of tensors, or arrays, with arrays."""
    return sum((a * b).sum() for a, b in zip(some, others, strict=True))


def grad(loss: Tensor, inputs: Sequence[Tensor], **settings: Any) -> list[Tensor]:
    """Return the gradients at the inputs; zeros where none arrives."""
    found = tinytorch.autograd.grad(loss, inputs, allow_unused=True, **settings)
    return [x.detach() * 0 if g is None else g for x, g in zip(inputs, found, strict=True)]


def drawn(rng: np.random.Generator, shapes: Sequence[Shape]) -> list[Array]:
    return [np.asarray(rng.standard_normal(shape)) for shape in shapes]


def slope(f: Callable[[list[Array]], float], at: Sequence[Array], along: Sequence[Array]) -> float:
    """Return the slope of a function by central differences of the fourth order."""

    def step(h: float) -> float:
        return f([x + h * v for x, v in zip(at, along, strict=True)])

    h = 3e-4
    return (8 * (step(h) - step(-h)) - (step(2 * h) - step(-2 * h))) / (12 * h)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("name", "example"), EACH)
def test_slopes(name: str, example: Example, seed: int) -> None:
    rng = np.random.default_rng(seed)
    at = [np.asarray(rng.uniform(example.low, example.high, shape)) for shape in example.shapes]
    along = drawn(rng, example.shapes)
    weights = drawn(rng, [t.shape for t in outputs(example, tensors(at))])

    def value(arrays: Sequence[Array]) -> float:
        with tinytorch.no_grad():
            return float(product(outputs(example, tensors(arrays)), weights))

    def gradients(arrays: Sequence[Array], **settings: Any) -> tuple[list[Tensor], Any]:
        inputs = tensors(arrays)
        loss = product(outputs(example, inputs), weights)
        return inputs, grad(loss, inputs, **settings)

    expected = 0.0 if example.drawn else slope(value, at, along)
    inputs = tensors(at)
    loss = product(outputs(example, inputs), weights)
    assert NAMES[name].backward in {type(node) for node in nodes(loss)}
    loss.backward()
    plain = [np.zeros(t.shape) if t.grad is None else t.grad.data for t in inputs]
    np.testing.assert_allclose(product(plain, along), expected, rtol=1e-6, atol=1e-8, err_msg="on arrays")

    inputs, recorded = gradients(at, create_graph=True)
    for a, b in zip(recorded, plain, strict=True):
        np.testing.assert_allclose(a.data, b, rtol=1e-9, atol=1e-12, err_msg="on tensors")

    other = drawn(rng, example.shapes)
    bent = product(recorded, other)
    found = float(product([t.data for t in grad(bent, inputs)], along)) if bent.requires_grad else 0.0
    expected = slope(lambda arrays: float(product([t.data for t in gradients(arrays)[1]], other)), at, along)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg="of the gradient")


def nodes(loss: Tensor) -> Iterator[Any]:
    """Return the nodes behind a tensor."""
    seen, waiting = set(), [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and not isinstance(node, Tensor) and node not in seen:
            seen.add(node)
            waiting += node.next_functions
    return iter(seen)
