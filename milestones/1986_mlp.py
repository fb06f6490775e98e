"""1986: hidden units learn what to look for.

David Rumelhart, Geoffrey Hinton and Ronald Williams, *Learning representations by back-propagating errors* (Nature 323,
533-536, 9 October 1986), showed that the chain rule, followed from the output back to the input, teaches hidden layers,
and that hidden units then stand for features which nobody had named. Others had found the rule before, among them Seppo
Linnainmaa (1970) and Paul Werbos (1974). The paper's units were logistic, and its steps had momentum: a part of the
last step is added to the next one. Both are kept here. Small batches and the cross-entropy of a softmax are of today.

What it shows: 32 hidden units, given 64 pixels and the right answers, become detectors of strokes and gaps.

What to expect: about 97 in 100 of the digits that it has never seen are read rightly, and at least 95. The data are
1,797 images of 8 by 8 pixels (E. Alpaydin and C. Kaynak, UCI, 1998); a fifth is held out.
"""

from __future__ import annotations

import characters
import numpy as np
import pictures
from stage import Stage, open_stage, say

import tinytorch
from tinytorch import Tensor, nn, optim
from tinytorch.datasets import digits

HIDDEN = 32
EPOCHS = 40
BATCH = 32
Counts = characters.Labels


def network() -> nn.Sequential:
    """Return the classifier: (N, 8, 8) images -> (N, 10) logits."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, HIDDEN), nn.Sigmoid(), nn.Linear(HIDDEN, 10))


def split(rng: np.random.Generator) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return images and labels to learn from, and those held out."""
    images, labels = digits()
    order = rng.permutation(len(images))
    held_out, seen = np.split(order, [len(order) // 5])
    return (images[seen], labels[seen]), (images[held_out], labels[held_out])


def train_one_epoch(
    model: nn.Module, optimizer: optim.Optimizer, images: Tensor, labels: Tensor, rng: np.random.Generator
) -> float:
    """Take one step for each batch; return the mean loss."""
    criterion, losses = nn.CrossEntropyLoss(), []
    for batch in np.array_split(rng.permutation(len(images)), len(images) // BATCH):
        optimizer.zero_grad()
        loss = criterion(model(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def confusion(model: nn.Module, images: Tensor, labels: Tensor) -> Counts:
    """Return how often each digit (rows) was read as each (columns)."""
    with tinytorch.no_grad():
        read = model(images).argmax(1)
    counts = np.zeros((10, 10), dtype=np.int64)
    np.add.at(counts, (labels.numpy(), read.numpy()), 1)
    return counts


def accuracy(counts: Counts) -> float:
    """Return the share on the diagonal."""
    return float(np.trace(counts) / counts.sum())


def main() -> None:
    """Teach a network with one hidden layer to read digits."""
    stage = open_stage(__file__, __doc__)
    rng = np.random.default_rng(stage.seed)
    seen, held_out = split(rng)
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    say(f"64 pixels, {HIDDEN} hidden units, 10 digits; {len(seen[0])} images to learn from.")
    losses, rights = [], []
    for epoch in range(1, stage.steps(EPOCHS) + 1):
        losses.append(train_one_epoch(model, optimizer, *seen, rng))
        rights.append(accuracy(confusion(model, *held_out)))
        if epoch in (1, 2, 5) or epoch % 10 == 0:
            print(f"epoch {epoch:2}  loss {losses[-1]:.3f}  held-out digits right {rights[-1]:.1%}", flush=True)
    print(f"loss      {characters.sparkline(losses)}")

    counts = confusion(model, *held_out)
    show(stage, model, losses, rights, counts)
    stage.close(accuracy(counts))


def show(stage: Stage, model: nn.Sequential, losses: list[float], rights: list[float], counts: Counts) -> None:
    """Draw what hidden units look for, and what is taken for what."""
    weights = model[1].weight.detach().numpy().reshape(HIDDEN, 8, 8)
    strongest = np.argsort(-np.linalg.norm(weights, axis=(1, 2)))
    say("What the four strongest hidden units look for: ink at + and #, none at . and :")
    print(characters.beside(*(characters.signed_tile(weights[k], f"unit {k}") for k in strongest[:4])))
    say("What was read:")
    print("\n".join(characters.count_table(counts, "what it is", "what it was read as")))
    with pictures.picture(stage.picture, 1, 3, (13, 4.3), "1986: hidden units find features of their own") as panels:
        learned = {"digits": (range(1, len(rights) + 1), [100 * right for right in rights])}
        pictures.curves(panels[0], learned, ("epoch", "held-out digits right (%)"), "It learns to read")
        pictures.tiles(
            panels[1], weights[strongest], 8, "What each hidden unit looks for", "orange: ink, blue: none", signed=True
        )
        pictures.confusion(panels[2], counts, f"{round(100 * accuracy(counts))} in 100 are right (orange: mistakes)")


if __name__ == "__main__":
    main()
