"""1998: filters that are learned, and shared by the whole image.

Yann LeCun, Léon Bottou, Yoshua Bengio and Patrick Haffner, *Gradient-based learning applied to document recognition*
(Proceedings of the IEEE 86, 2278-2324, November 1998), described LeNet-5: two convolutions of 5 by 5 with 6 and 16
filters, each followed by halving the image, then layers of 120, 84 and 10 units, some 60,000 weights in all. It read
99.05 in 100 of MNIST's digits; a system built on such networks read millions of cheques a day.

What it shows: a convolution looks for the same small pattern everywhere, so what it has learned in one place it knows
in all others. Moved digits are read better than by a network in which every pixel has weights of its own.

What to expect: about 98 in 100 of the UCI digits that it has never seen, and at least 96. These have 8 by 8 pixels (E.
Alpaydin and C. Kaynak, UCI, 1998), so the filters are 3 by 3, and the image is halved once. Where the files of MNIST
are, LeNet-5 itself goes through its 60,000 images once, and reads at least 96 in 100 of 10,000 others.

Of today, and not of 1998: ReLU, the maximum in place of a weighted mean, the cross-entropy of a softmax, and Adam.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import characters
import numpy as np
import pictures
from stage import Stage, open_stage, say

import tinytorch
from tinytorch import Tensor, datasets, nn, optim
from tinytorch.utils.data import DataLoader, TensorDataset

EPOCHS = 16
BATCH = 32
MOVES = (-2, -1, 0, 1, 2)  # pixels
Counts = characters.Labels
Batches = Iterable[tuple[Tensor, Tensor]]


def small_lenet() -> nn.Sequential:
    """Return LeNet for images of 8 by 8 pixels: (N, 1, 8, 8) -> (N, 10) logits."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),  # (N, 6, 8, 8)
        nn.ReLU(),
        nn.Conv2d(6, 16, 3),  # (N, 16, 6, 6)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 16, 3, 3)
        nn.Flatten(),
        nn.Linear(144, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def lenet5() -> nn.Sequential:
    """Return LeNet-5: (N, 1, 28, 28), padded to the paper's 32 by 32, -> (N, 10) logits."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 6, 14, 14)
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 16, 5, 5)
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def plain() -> nn.Sequential:
    """Return a network of about as many weights that knows nothing of neighbours: (N, 1, 8, 8) -> (N, 10) logits."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 400), nn.ReLU(), nn.Linear(400, 10))


def train_one_epoch(model: nn.Module, optimizer: optim.Optimizer, batches: Batches) -> float:
    """Take one step for each batch; return the mean loss."""
    criterion, losses = nn.CrossEntropyLoss(), []
    for images, labels in batches:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def confusion(model: nn.Module, batches: Batches) -> Counts:
    """Return how often each digit (rows) was read as each (columns)."""
    counts = np.zeros((10, 10), dtype=np.int64)
    with tinytorch.no_grad():
        for images, labels in batches:
            np.add.at(counts, (labels.numpy(), model(images).argmax(1).numpy()), 1)
    return counts


def accuracy(counts: Counts) -> float:
    """Return the share on the diagonal."""
    return float(np.trace(counts) / counts.sum())


def size(model: nn.Module) -> int:
    """Return the number of weights."""
    return sum(parameter.numel() for parameter in model.parameters())


def split(rng: np.random.Generator) -> tuple[TensorDataset, TensorDataset]:
    """Return the digits to learn from, and those held out, as (N, 1, 8, 8) and (N,)."""
    images, labels = datasets.digits()
    order = rng.permutation(len(images))
    held_out, seen = np.split(order, [len(order) // 5])
    images = images.reshape(-1, 1, 8, 8)
    return TensorDataset(images[seen], labels[seen]), TensorDataset(images[held_out], labels[held_out])


def moved(data: TensorDataset, pixels: int) -> TensorDataset:
    """Return the images moved to the right, or to the left by a negative number; what comes in is paper."""
    images, labels = data.tensors
    wide = np.pad(images.numpy(), [(0, 0), (0, 0), (0, 0), (abs(pixels), abs(pixels))])
    start = abs(pixels) - pixels
    return TensorDataset(Tensor(wide[..., start : start + images.shape[3]]), labels)


def mnist(train: bool) -> TensorDataset | None:
    """Return MNIST's images (N, 1, 28, 28) from 0 to 1 and their labels, or None where its files are not."""
    try:
        data = datasets.MNIST(train=train)
    except OSError as error:
        why = str(error).split("\n")[0]  # what follows is about the files
        say(f"LeNet-5 itself is left out, since MNIST cannot be had. {why}")
        return None
    return TensorDataset(*data.tensors())


def learn(stage: Stage, model: nn.Module, seen: TensorDataset, held_out: TensorDataset) -> Counts:
    """Train with momentum, the last quarter of the epochs slowly; return how held-out digits were read."""
    optimizer = optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    batches, losses = DataLoader(seen, batch_size=BATCH, shuffle=True), []
    epochs = stage.steps(EPOCHS)
    for epoch in range(epochs):
        if epoch == epochs * 3 // 4:
            for group in optimizer.param_groups:
                group["lr"] /= 10
        losses.append(train_one_epoch(model, optimizer, batches))
    counts = confusion(model, DataLoader(held_out, batch_size=500))
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}  {characters.sparkline(losses, 20)}  ", end="")
    print(f"held-out digits right: {accuracy(counts):.1%}", flush=True)
    return counts


def read_moved(models: dict[str, nn.Sequential], held_out: TensorDataset) -> dict[str, list[float]]:
    """Return how many in 100 of the held-out digits each model reads when they are moved sideways."""
    sets = [DataLoader(moved(held_out, pixels), batch_size=500) for pixels in MOVES]
    return {name: [100 * accuracy(confusion(model, data)) for data in sets] for name, model in models.items()}


def main() -> None:
    """Teach LeNet to read digits, and see what sharing weights is good for."""
    stage = open_stage(__file__, __doc__)
    seen, held_out = split(np.random.default_rng(stage.seed))
    models = {"LeNet": small_lenet(), "no neighbours": plain()}

    counts = {}
    for name, model in models.items():
        say(f"{name}: {size(model):,} weights, {len(seen)} images, {stage.steps(EPOCHS)} epochs")
        counts[name] = learn(stage, model, seen, held_out)

    rights = read_moved(models, held_out)
    show(stage, models["LeNet"], held_out, counts["LeNet"], rights)
    reached = [accuracy(counts["LeNet"])]
    if not stage.dry_run:
        reached += read_mnist()
    stage.close(min(reached))


def read_mnist() -> list[float]:
    """Train LeNet-5 for one epoch on MNIST, where that is; return its accuracy in a list, or an empty list."""
    seen = mnist(train=True)
    held_out = mnist(train=False) if seen else None
    if seen is None or held_out is None:
        return []
    model = lenet5()
    say(f"LeNet-5 on MNIST: {size(model):,} weights, {len(seen):,} images, once")
    started = time.perf_counter()
    train_one_epoch(model, optim.Adam(model.parameters(), lr=2e-3), DataLoader(seen, batch_size=64, shuffle=True))
    right = accuracy(confusion(model, DataLoader(held_out, batch_size=500)))
    print(f"{right:.2%} of {len(held_out):,} others are right, after {time.perf_counter() - started:.0f} s")
    return [right]


def show(
    stage: Stage, model: nn.Sequential, held_out: TensorDataset, counts: Counts, rights: dict[str, list[float]]
) -> None:
    """Draw the filters, what they see, what was read as what, and what becomes of moved digits."""
    image = held_out.tensors[0][:1]
    found = model[1](model[0](image)).detach().numpy()[0]
    order = np.argsort(-found.sum(axis=(1, 2)))  # those that find most come first
    filters, found = model[0].weight.detach().numpy()[order, 0], found[order] / found.max()
    say("Four of six filters (ink at + and #, none at . and :), and where they find it:")
    print(characters.beside(*(characters.signed_tile(weights) for weights in filters[:4]), gap=13))
    print(characters.beside(*(characters.tile(place) for place in found[:4])))
    say("Held-out digits right (%), moved sideways by so many pixels:")
    print(f"{'':14}" + "".join(f"{pixels:7}" for pixels in MOVES))
    for name, percent in rights.items():
        print(f"{name:14}" + "".join(f"{value:7.1f}" for value in percent))
    with pictures.picture(stage.picture, 2, 2, (10, 8), "1998: filters learned and shared") as panels:
        pictures.tiles(panels[0], filters, 3, "What six filters look for", "orange: ink, blue: none", signed=True)
        pictures.tiles(panels[1], found, 3, f"Where they find it, in a {held_out.tensors[1][0].item()}", "dark: much")
        series = {name: (MOVES, percent) for name, percent in rights.items()}
        pictures.curves(panels[2], series, ("moved by (pixels)", "right (%)"), "Moved digits: shared weights know more")
        pictures.confusion(panels[3], counts, f"{round(100 * accuracy(counts))} in 100 are right (orange: mistakes)")


if __name__ == "__main__":
    main()
