"""How long does a training step of a multilayer perceptron take: a small, a wide and a tiny one?"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.cases import Array, Arrays, Case, Sgd
from benchmarks.workloads.question import Question


def scores(F: Any, parameters: Any, x: Any) -> Any:  # noqa: N803
    """Return the output of three linear layers with ReLU between them."""
    w1, b1, w2, b2, w3, b3 = parameters
    hidden = F.relu(F.linear(x, w1, b1))
    hidden = F.relu(F.linear(hidden, w2, b2))
    return F.linear(hidden, w3, b3)


def classifier(F: Any, parameters: Any, data: Any) -> Any:  # noqa: N803
    """Return the cross-entropy of the network's logits."""
    x, labels = data
    return F.cross_entropy(scores(F, parameters, x), labels)


def regressor(F: Any, parameters: Any, data: Any) -> Any:  # noqa: N803
    """Return the mean squared error of the network's output."""
    x, targets = data
    return F.mse_loss(scores(F, parameters, x), targets)


def layer(rng: np.random.Generator, inputs: int, outputs: int) -> tuple[Array, Array]:
    """Return a weight and a bias, drawn as PyTorch's `Linear` draws them."""
    bound = inputs**-0.5
    return rng.uniform(-bound, bound, (outputs, inputs)), rng.uniform(-bound, bound, outputs)


def network(rng: np.random.Generator, sizes: tuple[int, ...]) -> tuple[Array, ...]:
    """Return weights and biases of the layers between `sizes`."""
    return tuple(array for pair in pairwise(sizes) for array in layer(rng, *pair))


def classification(rng: np.random.Generator, sizes: tuple[int, ...], batch: int) -> Arrays:
    """Return a network, a batch of inputs between 0 and 1, and a class for each."""
    return Arrays(network(rng, sizes), (rng.random((batch, sizes[0])), rng.integers(0, sizes[-1], batch)))


def regression(rng: np.random.Generator, sizes: tuple[int, ...], batch: int) -> Arrays:
    """Return a network, a batch of inputs, and a target for each."""
    x = rng.standard_normal((batch, sizes[0]))
    return Arrays(network(rng, sizes), (x, np.sin(x.sum(axis=1, keepdims=True))))


def classifier_case(name: str, sizes: tuple[int, ...], batch: int, lr: float) -> Case:
    """Return the training step of a classifier."""
    make = partial(classification, sizes=sizes, batch=batch)
    return Case(name, "train", "classifier", classifier, make, Sgd(lr))


def regressor_case(name: str, batch: int) -> Case:
    """Return the training step of the tiny network."""
    make = partial(regression, sizes=(2, 16, 16, 1), batch=batch)
    return Case(name, "train", "regressor", regressor, make, Sgd(0.05))


SMALL = Question(
    "A training step of an MLP 784-256-128-10: batch 64, ReLU, cross-entropy, SGD",
    (classifier_case("small_mlp", (784, 256, 128, 10), 64, 0.1),),
)
WIDE = Question(
    "A training step of an MLP 784-2048-2048-10: batch 256, ReLU, cross-entropy, SGD",
    (classifier_case("wide_mlp", (784, 2048, 2048, 10), 256, 0.1),),
)
TINY = Question(
    "A training step of an MLP 2-16-16-1: batch 1 and 100, ReLU, mean squared error, SGD",
    (regressor_case("tiny_mlp, batch 1", 1), regressor_case("tiny_mlp, batch 100", 100)),
)
