"""Train a network on handwritten digits, with the autograd of module 05 and nothing above it.

    python examples/digits.py              train, and print a line for each epoch
    python examples/digits.py --dry-run    check the gradients and train for one epoch
    python examples/digits.py --json       the same, as one JSON object a line, for other programs

The data are 1,797 images of 8 by 8 pixels; a fifth of them is held out. A network of 64, 64 and 10 units learns to
read about 97 in 100 of the images it has never seen.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.core.autograd import numerical_gradient
from tinytorch.datasets import digits

EPOCHS = 30
BATCH = 32
LEARNING_RATE = 0.3


def network() -> nn.Sequential:
    """Return the classifier: (N, 8, 8) images -> (N, 10) logits."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def largest_gradient_error(images: Tensor, labels: Tensor) -> float:
    """Return the largest difference between backward() and central differences over all weights of a small network."""
    w1 = tinytorch.randn(6, 64, dtype=np.float64, requires_grad=True)
    w2 = tinytorch.randn(10, 6, dtype=np.float64, requires_grad=True)
    x = images.reshape(-1, 64).double()
    criterion = nn.CrossEntropyLoss()

    def loss(w1: Tensor, w2: Tensor) -> Tensor:
        return criterion(nn.functional.tanh(x @ w1.T) @ w2.T, labels)

    loss(w1, w2).backward()
    differences = [
        np.abs(w1.grad.data - numerical_gradient(lambda w: loss(w, w2), w1)).max(),
        np.abs(w2.grad.data - numerical_gradient(lambda w: loss(w1, w), w2)).max(),
    ]
    return float(max(differences))


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of images that the model reads rightly."""
    with tinytorch.no_grad():
        return float((model(images).argmax(1) == labels).float().mean().item())


def train_one_epoch(model: nn.Module, images: Tensor, labels: Tensor, rng: np.random.Generator) -> float:
    """Take one step of gradient descent for each batch; return the mean loss."""
    criterion = nn.CrossEntropyLoss()
    order = rng.permutation(len(images))
    total = 0.0
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        model.zero_grad()
        loss = criterion(model(images[batch]), labels[batch])
        loss.backward()
        for parameter in model.parameters():
            parameter.data -= LEARNING_RATE * parameter.grad.data
        total += loss.item() * len(batch)
    return total / len(order)


def tell(as_json: bool, text: str, **facts: Any) -> None:
    """Print one line: for people, or the facts for a program."""
    print(json.dumps(facts) if as_json else text, flush=True)


def main() -> None:
    """Check the gradients, train, and show what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--dry-run", action="store_true", help="one epoch only")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()

    tinytorch.manual_seed(0)
    rng = np.random.default_rng(0)
    images, labels = digits()
    order = rng.permutation(len(images))
    held_out, seen = order[: len(order) // 5], order[len(order) // 5 :]

    error = largest_gradient_error(images[seen[:8]], labels[seen[:8]])
    epochs = 1 if options.dry_run else options.epochs
    text = f"gradients and central differences agree to {error:.0e}"
    tell(options.json, text, gradient_error=error, epochs=epochs)

    model = network()
    for epoch in range(1, epochs + 1):
        loss = train_one_epoch(model, images[seen], labels[seen], rng)
        right = accuracy(model, images[held_out], labels[held_out])
        text = f"epoch {epoch:2}  loss {loss:.4f}  held-out accuracy {100 * right:.1f} %"
        tell(options.json, text, epoch=epoch, loss=loss, accuracy=right)

    if options.json:
        with tinytorch.no_grad():
            predicted = model(images[held_out]).argmax(1)
        shown = [
            {"image": images[int(i)].tolist(), "label": labels[int(i)].item(), "predicted": p.item()}
            for i, p in zip(held_out, predicted, strict=True)
        ]
        tell(True, "", held_out=shown)


if __name__ == "__main__":
    main()
