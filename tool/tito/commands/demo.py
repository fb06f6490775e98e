"""`tito demo`: the whole course in a minute, on real data, in a workspace that is thrown away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from tito.commands.init import create
from tito.course import Module
from tito.environment import environment_python, make_environment
from tito.errors import TitoError
from tito.files import write_atomically
from tito.references import reference_file, reference_lesson
from tito.screen import launcher, on_terminal, say
from tito.workspace import Workspace

GOAL = 0.95
PICTURE = "tito-demo.png"
SHADES = " .:-=+*#%@"


@dataclass
class Training:
    """What the training program told: the gradient check, each epoch, and the held-out images."""

    gradient_error: float = float("nan")
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    held_out: list[dict[str, Any]] = field(default_factory=list)


@click.command()
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=PICTURE,
    show_default=True,
    help="Where the curve goes.",
)
def command(picture: Path) -> None:
    """Watch the course work: modules 01 to 05 exported, gradients checked, a network trained on real digits."""
    begun = time.perf_counter()
    check_writable(picture)
    with tempfile.TemporaryDirectory(prefix="tito-demo-") as temporary:
        workspace = prepare(Path(temporary) / "framework")
        say("3. The exported framework learns to read 1,797 handwritten digits (UCI, 1998)", "bold")
        run = train(workspace)
    say("4. What it says about digits it has never seen", "bold")
    say(show_digits(run.held_out))
    accuracy = run.accuracies[-1]
    if accuracy < GOAL:
        raise TitoError(f"the network reads {accuracy:.1%} of the held-out digits; {GOAL:.0%} were expected.")
    draw(run, picture)
    say(f"{accuracy:.1%} of the held-out digits are right. The curves are in {picture}.")
    say(f"All of this took {time.perf_counter() - begun:.0f} seconds. The answers were ours; now write yours:")
    say()
    say(f"    {launcher()} init ../my-framework")


def prepare(folder: Path) -> Workspace:
    """Make a workspace in `folder` and complete every module up to autograd in it."""
    say("1. A workspace, as a learner gets it: five lessons without answers, an empty package", "bold")
    workspace = create(folder)
    make_environment(workspace.root)
    say("2. Each lesson: the answers are put in, tested and exported", "bold")
    autograd = workspace.course.find("autograd")
    for module in (*workspace.course.closure(autograd), autograd):
        complete(workspace, module)
    return workspace


def complete(workspace: Workspace, module: Module) -> None:
    """Start a module, put the reference answers in, and complete it, as a learner would in the end."""
    begun = time.perf_counter()
    tito(workspace, "module", "start", module.folder)
    write_atomically(workspace.root / module.lesson, reference_lesson(module).text)
    tito(workspace, "module", "complete", module.folder)
    lines = len((workspace.root / module.exported).read_text(encoding="utf-8").splitlines())
    took = time.perf_counter() - begun
    say(f"   {module.folder:15} tested in {took:4.1f} s, {lines:5,} lines exported to {module.exported}")


def tito(workspace: Workspace, *arguments: str) -> None:
    """Run the workspace's own tito.

    Raises
    ------
    TitoError
        If it fails; the message holds what it said.
    """
    command = [str(environment_python(workspace.root)), "-m", "tito", *arguments]
    done = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise TitoError(f"`tito {' '.join(arguments)}` failed:\n{done.stdout}{done.stderr}".rstrip())


def train(workspace: Workspace) -> Training:
    """Run the example program on the workspace's package, with a progress bar on a terminal."""
    program = reference_file("examples/digits.py")
    command = [str(environment_python(workspace.root)), str(program), "--json"]
    run = Training()
    with subprocess.Popen(
        command, cwd=workspace.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        show(run, map(json.loads, process.stdout))
        complaint = process.stderr.read()
    if process.returncode or not run.held_out:
        raise TitoError(f"the training program failed:\n{complaint}".rstrip())
    return run


def show(run: Training, told: Iterator[dict[str, Any]]) -> None:
    """Take in what the program tells; on a terminal draw one moving line, else print a line now and then."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = [TextColumn("   epoch {task.completed:2}"), BarColumn(30), TextColumn("{task.description}")]
    with Progress(*columns, console=Console(file=sys.stdout), disable=not on_terminal()) as bar:
        task = None
        for fact in told:
            if "gradient_error" in fact:
                run.gradient_error = fact["gradient_error"]
                say(f"   gradients checked: central differences agree to {run.gradient_error:.0e}")
                task = bar.add_task("", total=fact["epochs"])
            elif "epoch" in fact:
                run.losses.append(fact["loss"])
                run.accuracies.append(fact["accuracy"])
                state = f"loss {fact['loss']:.3f}, held-out accuracy {fact['accuracy']:.1%}"
                if task is not None and on_terminal():
                    bar.update(task, completed=fact["epoch"], description=state)
                elif fact["epoch"] % 10 == 0:
                    say(f"   epoch {fact['epoch']:2}  {state}")
            else:
                run.held_out = fact["held_out"]


def show_digits(held_out: list[dict[str, Any]], count: int = 4) -> str:
    """Return different digits as text, side by side; the last is one that was read wrongly, if any was."""
    right = {digit["label"]: digit for digit in held_out if digit["label"] == digit["predicted"]}
    wrong = [digit for digit in held_out if digit["label"] != digit["predicted"]]
    each = [right[label] for label in sorted(right)]
    chosen = each[: count - 1] + (wrong or each[count - 1 :])[:1]
    rows = []
    for y in range(8):
        pictures = ["".join(2 * SHADES[round(value * 9)] for value in digit["image"][y]) for digit in chosen]
        rows.append("   " + "  ".join(pictures).rstrip())
    verdicts = (
        f"reads {digit['predicted']}" + ("" if digit["label"] == digit["predicted"] else f", is {digit['label']}")
        for digit in chosen
    )
    rows.append("   " + "  ".join(f"{verdict:16}" for verdict in verdicts).rstrip())
    return "\n".join(rows)


def check_writable(picture: Path) -> None:
    """Make sure that the picture can be written, before half a minute of work.

    Raises
    ------
    TitoError
        If its folder is missing or may not be written to.
    """
    folder = picture.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise TitoError(
            f"the picture cannot be written to {picture}: {folder} is not a folder that may be written to.",
            "Name another place with `tito demo --picture FILE`.",
            exit_code=2,
        )


def draw(run: Training, picture: Path) -> None:
    """Write the curves of loss and accuracy as a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    epochs = range(1, len(run.losses) + 1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    left.plot(epochs, run.losses, color="#0072b2")
    left.set(title="Loss on the training images", xlabel="epoch", ylabel="cross-entropy (nats)", ylim=(0, None))
    right.plot(epochs, [100 * accuracy for accuracy in run.accuracies], color="#d55e00")
    right.axhline(100 * GOAL, color="grey", linewidth=0.8, linestyle="--")
    right.text(len(run.losses), 100 * GOAL, "goal: 95 %", ha="right", va="bottom", color="grey")
    right.set(title="Held-out images read rightly", xlabel="epoch", ylabel="accuracy (%)", ylim=(None, 100))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=120)
    plt.close(figure)
