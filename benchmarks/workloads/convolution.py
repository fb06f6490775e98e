"""How long does a training step of a convolutional network take: LeNet, and one for small colour images?"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from benchmarks.cases import Array, Arrays, Case, Sgd
from benchmarks.workloads.mlp import network, scores
from benchmarks.workloads.question import Question

BATCH = 64


def lenet_scores(F: Any, parameters: Any, images: Any) -> Any:  # noqa: N803
    """Return the logits of LeNet. Shapes: ``(N, 1, 28, 28) -> (N, 10)``."""
    k1, b1, k2, b2, *dense = parameters
    x = F.max_pool2d(F.relu(F.conv2d(images, k1, b1, padding=2)), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, k2, b2, padding=0)), 2)
    return scores(F, dense, F.flatten(x, 1))


def lenet(F: Any, parameters: Any, data: Any) -> Any:  # noqa: N803
    """Return the cross-entropy of LeNet's logits."""
    images, labels = data
    return F.cross_entropy(lenet_scores(F, parameters, images), labels)


def cifar_net(F: Any, parameters: Any, data: Any) -> Any:  # noqa: N803
    """Return the cross-entropy of three convolutions and two linear layers."""
    images, labels = data
    k1, b1, k2, b2, k3, b3, w1, c1, w2, c2 = parameters
    x = F.relu(F.conv2d(images, k1, b1, padding=1))
    x = F.max_pool2d(F.relu(F.conv2d(x, k2, b2, padding=1)), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, k3, b3, padding=1)), 2)
    hidden = F.relu(F.linear(F.flatten(x, 1), w1, c1))
    return F.cross_entropy(F.linear(hidden, w2, c2), labels)


def kernels(rng: np.random.Generator, size: int, channels: tuple[int, ...]) -> tuple[Array, ...]:
    """Return kernels of ``size * size`` and biases of convolutions, drawn as PyTorch's `Conv2d` draws them."""
    drawn: list[Array] = []
    for inputs, outputs in itertools.pairwise(channels):
        bound = (inputs * size * size) ** -0.5
        drawn += [rng.uniform(-bound, bound, (outputs, inputs, size, size)), rng.uniform(-bound, bound, outputs)]
    return tuple(drawn)


def lenet_parameters(rng: np.random.Generator) -> tuple[Array, ...]:
    """Return LeNet's kernels, weights and biases."""
    return (*kernels(rng, 5, (1, 6, 16)), *network(rng, (400, 120, 84, 10)))


def grey(rng: np.random.Generator) -> Arrays:
    """Return LeNet and a batch of images with a class for each."""
    return Arrays(lenet_parameters(rng), (rng.random((BATCH, 1, 28, 28)), rng.integers(0, 10, BATCH)))


def coloured(rng: np.random.Generator) -> Arrays:
    """Return the other network and a batch of colour images with a class for each."""
    parameters = (*kernels(rng, 3, (3, 32, 32, 64)), *network(rng, (64 * 8 * 8, 128, 10)))
    return Arrays(parameters, (rng.random((BATCH, 3, 32, 32)), rng.integers(0, 10, BATCH)))


LENET = Question(
    "A training step of LeNet: convolutions of 6 and 16 channels, batch 64 of 1×28×28, SGD",
    (Case("lenet", "train", "lenet", lenet, grey, Sgd(0.1)),),
)
CIFAR = Question(
    "A training step of a network with convolutions of 32, 32 and 64 channels: batch 64 of 3×32×32, SGD",
    (Case("cifar_net", "train", "cifar_net", cifar_net, coloured, Sgd(0.1)),),
)
