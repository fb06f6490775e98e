"""1957: a machine that learns where a line goes.

In January 1957 Frank Rosenblatt proposed the perceptron (*The Perceptron: A Perceiving and Recognizing Automaton*,
Report 85-460-1, Cornell Aeronautical Laboratory), and in 1958 he published it (Psychological Review 65, 386-408): a
unit that adds its inputs, each times a weight, says yes or no, and changes its weights when it was wrong. It ran first
as a program on an IBM 704, then as a machine with 400 photocells, the Mark I. In 1962 H. D. Block and A. B. J. Novikoff
proved that it comes to an end wherever a line can separate the classes, after at most (R / margin) squared mistakes: R
is the length of the longest example, the margin how far a separating line stays away from all of them.

What it shows: Rosenblatt's rule stops at the first line that makes no mistake. Gradient descent on a smooth loss finds
a line too, and then goes on: every point still pulls, so the line moves away from the nearest ones.

What to expect: both read all 120 points rightly (100 %), and the second line keeps the larger distance.
"""

from __future__ import annotations

import characters
import numpy as np
import pictures
from stage import Stage, open_stage, say

import tinytorch
from tinytorch import Tensor, nn

POINTS = 120
EXTENT = (-1.0, 1.0)
GAP = 0.12  # no point is nearer to the line that made the classes
STEPS = 2000
LEARNING_RATE = 2.0


def two_classes(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return points (N, 2), their classes (N,) of 0 and 1, and the line (w1, w2, bias) that made them."""
    angle = rng.uniform(0, 2 * np.pi)
    line = Tensor([np.cos(angle), np.sin(angle), rng.uniform(-0.3, 0.3)])
    points = Tensor(rng.uniform(*EXTENT, size=(8 * POINTS, 2)))
    distance = with_one(points) @ line
    far = [i for i, d in enumerate(distance.tolist()) if abs(d) > GAP][:POINTS]
    return points[far], (distance[far] > 0).float(), line


def with_one(points: Tensor) -> Tensor:
    """Return (x1, x2, 1) for each point, so that the bias is a weight like the others."""
    joined: Tensor = tinytorch.cat([points, tinytorch.ones(len(points), 1)], dim=1)
    return joined


def rosenblatt(points: Tensor, labels: Tensor, passes: int) -> tuple[Tensor, list[int]]:
    """Go through the points until a pass makes no mistake; return the line, and the mistakes of each pass."""
    line, history = tinytorch.zeros(3), []
    for _ in range(passes):
        mistakes = 0
        for x, label in zip(with_one(points), labels, strict=True):
            sign = 2 * label - 1  # -1 or +1
            if (sign * (line @ x)).item() <= 0:
                line = line + sign * x  # the whole rule
                mistakes += 1
        history.append(mistakes)
        if not mistakes:
            break
    return line, history


def descend(points: Tensor, labels: Tensor, steps: int) -> tuple[Tensor, list[float]]:
    """Follow the gradient of the cross-entropy; return the line, and the loss at each step."""
    layer, criterion, losses = nn.Linear(2, 1), nn.BCEWithLogitsLoss(), []
    for _ in range(steps):
        loss = criterion(layer(points).squeeze(1), labels)
        layer.zero_grad()
        loss.backward()
        step(layer)
        losses.append(loss.item())
    return tinytorch.cat([layer.weight[0], layer.bias]).detach(), losses


def step(layer: nn.Module) -> None:
    """Change each weight a little, against its gradient."""
    for parameter in layer.parameters():
        assert parameter.grad is not None, "backward() gave a weight no gradient"
        parameter.data -= LEARNING_RATE * parameter.grad.data


def accuracy(line: Tensor, points: Tensor, labels: Tensor) -> float:
    """Return the share of points on their own side of the line."""
    return float(((with_one(points) @ line > 0).float() == labels).float().mean().item())


def margin(line: Tensor, points: Tensor, labels: Tensor) -> float:
    """Return the distance of the nearest point; negative if one is on the wrong side."""
    distance = (2 * labels - 1) * (with_one(points) @ line) / (line[:2] ** 2).sum() ** 0.5
    return float(distance.min().item())


def most_mistakes(line: Tensor, points: Tensor, labels: Tensor) -> float:
    """Return Novikoff's bound (R / margin) ** 2, with the margin of a line that is known to separate."""
    x = with_one(points)
    nearest = ((2 * labels - 1) * (x @ line)).min() / (line**2).sum() ** 0.5
    return float(((x**2).sum(1).max() / nearest**2).item())


def main() -> None:
    """Separate two classes twice: by Rosenblatt's rule, then by gradient descent."""
    stage = open_stage(__file__, __doc__)
    points, labels, true_line = two_classes(np.random.default_rng(stage.seed))

    say("Rosenblatt's rule: at each mistake, add the point to the weights, or take it away.")
    ruled, mistakes = rosenblatt(points, labels, stage.steps(500))
    print(f"Mistakes in each pass: {shortened(mistakes)}")
    print(f"{sum(mistakes)} in all; the theorem allows {most_mistakes(true_line, points, labels):.0f} at most.")

    say(f"Gradient descent: {stage.steps(STEPS)} steps down the cross-entropy of the same points.")
    descended, losses = descend(points, labels, stage.steps(STEPS))
    print(f"Loss {losses[0]:.3f} -> {losses[-1]:.3f} nats  {characters.sparkline(losses)}")

    lines = {"Rosenblatt's rule": ruled, "Gradient descent": descended}
    show(stage, points, labels, lines)
    stage.close(min(accuracy(line, points, labels) for line in lines.values()))


def shortened(mistakes: list[int]) -> str:
    """Return the numbers in a line; of many, the first and the last."""
    shown = [str(number) for number in mistakes]
    return " ".join(shown if len(shown) <= 20 else [*shown[:15], "...", *shown[-4:]])


def show(stage: Stage, points: Tensor, labels: Tensor, lines: dict[str, Tensor]) -> None:
    """Draw both lines, in the terminal and as a picture."""
    x, kinds = points.numpy(), labels.long().numpy()

    def score(line: Tensor) -> pictures.Score:
        return lambda grid: (with_one(Tensor(grid)) @ line).numpy()

    captions = {name: f"{name}: nearest point at {margin(line, points, labels):.3f}" for name, line in lines.items()}
    say("Dots: where each says x. The second line keeps its distance.")
    maps = [characters.region_map(score(line), x, kinds, name, EXTENT) for name, line in lines.items()]
    print(characters.beside(*maps, gap=1))
    for caption in captions.values():
        print(caption)
    with pictures.picture(stage.picture, 1, 2, (9, 4.7), "1957: two ways to find a line") as panels:
        for axes, (name, line) in zip(panels, lines.items(), strict=True):
            pictures.regions(axes, score(line), x, kinds, EXTENT, captions[name])


if __name__ == "__main__":
    main()
