"""1969: what one layer cannot do.

Marvin Minsky and Seymour Papert, *Perceptrons: An Introduction to Computational Geometry* (MIT Press, 1969), asked what
a perceptron can compute at all. Among what it cannot is parity: whether the number of inputs that are on is odd, unless
one of its units sees all of them. For two inputs that is XOR, and no line separates it: a line with (-1, 1) and (1, -1)
on its upper side has their middle (0, 0) there too, and so (-1, -1) or (1, 1), whose middle is the same. That a second
layer helps was known. How to find the weights of a hidden layer was not widely known before 1986.

What it shows: the loss surface of one layer is a bowl whose lowest place is no better than a coin: ln 2 = 0.693 nats.
With a hidden layer of four units the surface has a valley that leads down to almost nothing.

What to expect: one layer reads at most three of the four points rightly, two layers read all of them (100 %).
"""

from __future__ import annotations

from math import log

import characters
import numpy as np
import pictures
from stage import Stage, open_stage, say

from tinytorch import Tensor, nn, no_grad

POINTS = Tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
LABELS = Tensor([0.0, 1.0, 1.0, 0.0])  # 1 where the two inputs differ
EXTENT = (-1.6, 1.6)
WEIGHTS = (-3.0, 3.0)
STEPS = 600
LEARNING_RATE = 0.5
Vector = pictures.Numbers


def loss_of(model: nn.Module) -> Tensor:
    """Return the cross-entropy of the four points, in nats."""
    loss: Tensor = nn.BCEWithLogitsLoss()(model(POINTS).squeeze(1), LABELS)
    return loss


def accuracy(model: nn.Module) -> float:
    """Return the share of points that are read rightly."""
    with no_grad():
        return float(((model(POINTS).squeeze(1) > 0).float() == LABELS).float().mean().item())


def train(model: nn.Module, steps: int) -> tuple[list[float], Vector]:
    """Go downhill; return the loss at each step, and all weights before each step and at the end."""
    losses, path = [], [flat(model)]
    for _ in range(steps):
        loss = loss_of(model)
        model.zero_grad()
        loss.backward()
        step(model)
        losses.append(loss.item())
        path.append(flat(model))
    return losses, np.stack(path)


def step(model: nn.Module) -> None:
    """Change each weight a little, against its gradient."""
    for parameter in model.parameters():
        assert parameter.grad is not None, "backward() gave a weight no gradient"
        parameter.data -= LEARNING_RATE * parameter.grad.data


def flat(model: nn.Module) -> Vector:
    """Return all weights in one row."""
    return np.concatenate([parameter.detach().numpy().ravel() for parameter in model.parameters()])


def loss_at(model: nn.Module, weights: Vector) -> float:
    """Return the loss with other weights in the model."""
    start = 0
    for parameter in model.parameters():
        parameter.data[...] = weights[start : start + parameter.size].reshape(parameter.shape)
        start += parameter.size
    with no_grad():
        return float(loss_of(model).item())


def plane_of(path: Vector) -> tuple[Vector, Vector]:
    """Return the plane through the path's start, its end and the step farthest from the line between, as two rows.

    The rows are directions of length one at right angles: from the start to the end, and across.
    """
    along = path[-1] - path[0]
    along = along / np.linalg.norm(along)
    moved = path - path[0]
    off = moved - np.outer(moved @ along, along)
    across = off[np.argmax(np.linalg.norm(off, axis=1))]
    across = across / np.linalg.norm(across)
    return np.stack([along, across]), moved @ np.stack([along, across]).T


def surface(model: nn.Module, origin: Vector, plane: Vector, cells: Vector) -> Vector:
    """Return the loss at each cell (H, W, 2) of a plane through `origin`; the model's weights stay as they are."""
    kept = flat(model)
    heights = np.array([[loss_at(model, origin + cell @ plane) for cell in row] for row in cells])
    loss_at(model, kept)
    return heights


def around(track: Vector) -> tuple[pictures.Extent, pictures.Extent]:
    """Return what to show of a plane: the track, and some space around it."""
    low, high = track.min(0), track.max(0)
    space = max(0.35 * (high - low).max(), 0.5)
    (x0, y0), (x1, y1) = np.round(low - space, 1).tolist(), np.round(high + space, 1).tolist()
    return (x0, x1), (y0, y1)


def main() -> None:
    """Train one layer and two on XOR, and look at where their losses lie."""
    stage = open_stage(__file__, __doc__)
    one = nn.Linear(2, 1)
    two = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))

    say("One layer, 3 weights. Is the output 1 where the two inputs differ?")
    losses, _ = train(one, stage.steps(STEPS))
    tell(losses, accuracy(one))
    print(f"The lowest loss there is: ln 2 = {log(2):.3f}, that of a coin.")

    say("Two layers, 17 weights.")
    losses, path = train(two, stage.steps(STEPS))
    tell(losses, accuracy(two))

    show(stage, one, two, path)
    stage.close(accuracy(two))


def tell(losses: list[float], right: float) -> None:
    """Say how a training went."""
    print(f"Loss {losses[0]:.3f} -> {losses[-1]:.3f} nats  {characters.sparkline(losses)}")
    print(f"{round(4 * right)} of 4 points are read rightly.")


def show(stage: Stage, one: nn.Module, two: nn.Module, path: Vector) -> None:
    """Draw what each network says, and its loss surface from above."""
    x, kinds = POINTS.numpy(), LABELS.long().numpy()
    plane, track = plane_of(path)
    bowl, valley = (WEIGHTS, WEIGHTS), around(track)
    first_two, zero = np.eye(2, 3), np.zeros(3)

    def score(model: nn.Module) -> pictures.Score:
        return lambda grid: model(Tensor(grid)).detach().numpy()[:, 0]

    def heights(width: int, height: int) -> tuple[Vector, Vector]:
        return (
            surface(one, zero, first_two, characters.cells(*bowl, width, height)),
            surface(two, path[0], plane, characters.cells(*valley, width, height)),
        )

    say("What they say: a dot is 1, a space 0, a question mark neither.")
    says = [
        characters.region_map(score(model), x, kinds, name, EXTENT, height=9)
        for name, model in (("One layer", one), ("Two layers", two))
    ]
    print(characters.beside(*says, gap=1))
    say(
        "Their loss from above, low places light. S to E is the way of the training, on the plane through its start, "
        "its end and its widest turn."
    )
    low, deep = heights(32, 13)
    print(
        characters.beside(
            characters.shade_map(low, "One layer: a bowl", *bowl, ("w1 (bias 0)", "w2")),
            characters.shade_map(deep, "Two layers: a way down", *valley, ("start to end", "turn"), track),
            gap=1,
        )
    )
    low, deep = heights(60, 60)
    with pictures.picture(stage.picture, 2, 2, (9.5, 8.2), "1969: one layer cannot, two can") as panels:
        pictures.regions(panels[0], score(one), x, kinds, EXTENT, "One layer at its best: one half, everywhere")
        pictures.regions(panels[1], score(two), x, kinds, EXTENT, "Two layers: all four points are right")
        pictures.surface(panels[2], low, *bowl, ("w1, at bias 0", "w2"), "Its loss: a bowl, nowhere below 0.693")
        names = ("weights, from start to end", "weights, across")
        pictures.surface(panels[3], deep, *valley, names, "Its loss: a valley that leads down", track)


if __name__ == "__main__":
    main()
