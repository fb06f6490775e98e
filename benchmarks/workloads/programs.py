"""How long does what surrounds the gradients take: an optimizer's step, a loader, a whole epoch?

Each is a program in PyTorch's spelling, run by the libraries that share it. ``program(lib, parameters, data)`` makes
everything ready and returns what is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.cases import Array, Arrays, Case
from benchmarks.workloads.convolution import lenet_parameters
from benchmarks.workloads.mlp import network
from benchmarks.workloads.question import Question

IMAGES = 60_000
DIGITS = 1797
BATCH = 64
LR = 0.05
COMPARED = 20

Program = Callable[[], Any]


def adam_step(lib: Any, parameters: Any, data: Any) -> Program:
    """Take a step of Adam with gradients that are there."""
    leaves = [lib.nn.Parameter(lib.tensor(array)) for array in parameters]
    optimizer = lib.optim.Adam(leaves, lr=1e-3)
    grads = [lib.tensor(array) for array in data]

    def run() -> Any:
        for leaf, grad in zip(leaves, grads, strict=True):
            leaf.grad = grad.clone()  # made anew, as backward() makes it
        optimizer.step()
        return [leaf.detach() for leaf in leaves]

    return run


def loading(lib: Any, parameters: Any, data: Any, workers: int) -> Program:
    """Go through shuffled images of MNIST's size once, in batches."""
    images, labels, order = data
    dataset = lib.utils.data.TensorDataset(lib.tensor(images), lib.tensor(labels))
    loader = lib.utils.data.DataLoader(
        dataset, BATCH, sampler=order.tolist(), num_workers=workers, persistent_workers=workers > 0
    )
    return lambda: [labels for _, labels in loader]


class NormalizedOneByOne:
    """A dataset that does something for each sample, in Python."""

    def __init__(self, images: Any, labels: Any) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = self.images[index]
        return (image - image.mean()) / (image.std() + 1e-3), self.labels[index]


def loading_samples(lib: Any, parameters: Any, data: Any, workers: int) -> Program:
    """Go through images of which each is normalized by itself, in Python."""
    images, labels, order = data
    loader = lib.utils.data.DataLoader(
        NormalizedOneByOne(images, labels),
        BATCH,
        sampler=order.tolist(),
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    return lambda: [labels for _, labels in loader]


def epoch(lib: Any, model: Any, parameters: Any, data: Any) -> Program:
    """Train for an epoch from the given parameters; answer with the first losses, since rounding grows in training."""
    images, labels, order = data
    dataset = lib.utils.data.TensorDataset(lib.tensor(images), lib.tensor(labels))
    loader = lib.utils.data.DataLoader(dataset, BATCH, sampler=order.tolist())
    criterion = lib.nn.CrossEntropyLoss()
    optimizer = lib.optim.SGD(model.parameters(), lr=LR)
    first = [lib.tensor(array) for array in parameters]

    def run() -> list[float]:
        with lib.no_grad():
            for leaf, values in zip(model.parameters(), first, strict=True):
                leaf.copy_(values)
        losses = []
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses[:COMPARED]

    return run


def digits_epoch(lib: Any, parameters: Any, data: Any) -> Program:
    """Train an MLP for an epoch of the handwritten digits."""
    nn = lib.nn
    layers = (nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    return epoch(lib, nn.Sequential(nn.Flatten(), *layers), parameters, data)


def mnist_epoch(lib: Any, parameters: Any, data: Any) -> Program:
    """Train LeNet for an epoch of data of MNIST's size."""
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    return epoch(lib, model, parameters, data)


def parameters_with_gradients(rng: np.random.Generator, count: int, size: int) -> Arrays:
    """Return parameters, and their gradients as data."""
    return Arrays(tuple(rng.standard_normal((count, size))), tuple(rng.standard_normal((count, size))))


def pictures(rng: np.random.Generator, count: int, side: int, parameters: tuple[Array, ...] = ()) -> Arrays:
    """Return images of noise over a pattern that their class has, the classes, and an order."""
    labels = rng.integers(0, 10, count)
    images = rng.random((count, 1, side, side), np.float32)
    images += rng.random((10, 1, side, side), np.float32)[labels]
    return Arrays(parameters, (images, labels, rng.permutation(count)))


def digits_like(rng: np.random.Generator) -> Arrays:
    """Return an MLP and data of the size of the handwritten digits."""
    return pictures(rng, DIGITS, 8, network(rng, (64, 64, 32, 10)))


def mnist_like(rng: np.random.Generator) -> Arrays:
    """Return LeNet and data of MNIST's size."""
    return pictures(rng, IMAGES, 28, lenet_parameters(rng))


def loading_case(name: str, function: Callable[..., Program], count: int, workers: int) -> Case:
    """Return one pass through a loader."""
    make = partial(pictures, count=count, side=28)
    program = partial(function, workers=workers)
    return Case(f"{name}, {workers} workers", "program", function.__name__, program, make)


def adam_case(name: str, count: int, size: int) -> Case:
    """Return a step of Adam."""
    make = partial(parameters_with_gradients, count=count, size=size)
    return Case(name, "program", "adam_step", adam_step, make)


ADAM = Question(
    "A step of Adam on one parameter of 1M elements, and on 1,000 of 1,000; copying the gradients is included",
    (adam_case("adam, 1 of 1M", 1, 1_000_000), adam_case("adam, 1,000 of 1k", 1000, 1000)),
)
LOADING = Question(
    "A pass through a shuffled loader, batch 64: a TensorDataset of 60,000 of 1×28×28; 6,000 normalized one by one",
    tuple(
        loading_case(name, function, count, workers)
        for name, function, count in (("loader", loading, IMAGES), ("loader, in Python", loading_samples, IMAGES // 10))
        for workers in (0, 2)
    ),
)
EPOCH = Question(
    "An epoch end to end, loader and all: an MLP on data of the size of the digits, LeNet on data of MNIST's size",
    (
        Case("epoch, digits", "program", "digits_epoch", digits_epoch, digits_like),
        Case("epoch, MNIST-sized", "program", "mnist_epoch", mnist_epoch, mnist_like),
    ),
)
