"""Plays an evening in module 05 and writes the page about it: ``.venv/bin/python docs/learning-05/make.py``.

Everything on the page is what happened: a new clone, a new environment, commands typed into a terminal of 80 columns,
answers saved into the lesson, wrong ones first. It needs a Chromium to look at the pages with, and takes five minutes.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terminal import Terminal

from tito.lesson import Lesson

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "learning-05.md"
LESSON = "modules/05_autograd/autograd_dev.py"
BROWSER = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run")


@dataclass
class Tried:
    """A wrong answer typed on purpose, and what the screen said of it."""

    exercise: str
    mistake: str
    said: str
    seconds: float


class Evening:
    """A learner's evening: a folder, a terminal, an editor."""

    def __init__(self, folder: Path) -> None:
        self.clone, self.home = folder / "tinytorch", folder / "my-framework"
        self.page: list[str] = []
        self.tried: list[Tried] = []
        self.reference = Lesson((ROOT / LESSON).read_text(encoding="utf-8"), LESSON)
        table = ROOT / "modules/05_autograd/exercises.toml"
        self.exercises: dict[str, Any] = tomllib.loads(table.read_text(encoding="utf-8"))

    # Writing.

    def say(self, text: str) -> None:
        """Add paragraphs to the page."""
        for paragraph in text.strip().split("\n\n"):
            self.page += [textwrap.fill(paragraph, 120, break_on_hyphens=False), ""]

    def show(self, terminal: Terminal, name: str, what: str) -> None:
        """Add a picture of the screen to the page."""
        (HERE / f"{name}.svg").write_text(terminal.picture(what), encoding="utf-8")
        self.page += [f"![{what}](learning-05/{name}.svg)", ""]

    # Doing.

    def run(self, command: str, folder: Path, shown: bool = True) -> str:
        """Run a command in a terminal; show it with what it printed, and how long it took."""
        started = time.perf_counter()
        terminal = Terminal(shlex.split(command), folder)
        status = terminal.end()
        seconds = time.perf_counter() - started
        lines = [line.rstrip() for line in terminal.text.replace("\r\n", "\n").split("\n")]
        output = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", "\n".join(lines)).strip()
        output = re.sub(r".*\r", "", output).replace(str(folder.parent), "~")
        if status:
            raise RuntimeError(f"{command} ended with {status}:\n{output}")
        if shown:
            self.page += ["```console", f"$ {command}", *([output] if output else []), "```", ""]
            self.page += [f"*{seconds:.1f} seconds.*", ""]
        return output

    def write(self, exercise: str, answer: tuple[str, ...]) -> None:
        """Put an answer into the lesson and save it, as an editor does."""
        path = self.home / LESSON
        lesson = Lesson(path.read_text(encoding="utf-8"), LESSON)
        path.write_text(lesson.replaced({exercise: answer}), encoding="utf-8")

    def right(self, exercise: str) -> tuple[str, ...]:
        """Return the reference answer."""
        return self.reference.exercise(exercise).answer()

    def wrong(self, exercise: str, number: int = 0) -> tuple[str, tuple[str, ...]]:
        """Return one of the listed mistakes, and the answer that has it."""
        listed = self.exercises[exercise]["wrong"][number]
        text = "\0".join(self.right(exercise))
        return listed["mistake"], tuple(text.replace(listed["replace"], listed["with"]).split("\0"))

    def save_and_wait(self, terminal: Terminal, exercise: str, answer: tuple[str, ...]) -> float:
        """Save an answer; return the seconds until the screen has a verdict."""
        before = run_of(terminal)
        self.write(exercise, answer)
        return terminal.wait(lambda screen: run_of(terminal) > before, 60)


def run_of(terminal: Terminal) -> int:
    """Return the number of the run that the screen shows."""
    found = re.search(r"^Run (\d+)", terminal.shown(), re.MULTILINE)
    return int(found[1]) if found else 0


def field(screen: str, name: str) -> str:
    """Return a field of the verdict, as one line."""
    found = re.search(rf"^{name} +(.*(?:\n {{6,}}.*)*)", screen, re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def settle(terminal: Terminal, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
    """Read what still comes for some time, or until it is enough."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and not enough():
        terminal.read(0.05)


def play(evening: Evening) -> None:
    """The evening, from a clone to a framework that learns."""
    evening.say(
        """
# Module 05, as it is to learn it

This page was played, not written: `python docs/learning-05/make.py` clones the repository, types the commands below
into a terminal of 80 columns, saves answers into the lesson as an editor does, wrong ones first, and keeps what the
screens showed and how long they took. The learner has come for automatic differentiation, so the four modules
before it are on loan.

## From nothing

In a new clone:
"""
    )
    subprocess.run(["git", "clone", "-q", str(ROOT), str(evening.clone)], check=True)
    evening.run("./tito init ../my-framework --from 05", evening.clone)
    evening.say(
        "That was the longest wait of the evening. Python, NumPy and the tool are now in the workspace's `.venv`."
    )
    evening.run("./tito module start 05", evening.home)
    watch(evening)
    pictures(evening)
    evening.say("## The end\n\nWhat is finished is exported into the learner's own package:")
    evening.run("./tito module complete 05", evening.home)
    evening.say("And from any folder, in plain Python:")
    code = (
        "from tinytorch import Tensor\nx = Tensor(3.0, requires_grad=True)\n(x * x + 2 * x).backward()\nprint(x.grad)\n"
    )
    python = evening.home / ".venv/bin/python"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    prompt = "\n".join(f">>> {line}" for line in code.strip().split("\n"))
    evening.page += ["```python", prompt, done.stdout.strip(), "```", ""]


def watch(evening: Evening) -> None:
    """The loop: save, see, understand."""
    evening.say("## The loop\n\n`./tito` alone opens the loop. It stays open beside the editor:")
    terminal = Terminal(["./tito"], evening.home)
    first = terminal.wait(lambda screen: run_of(terminal) == 1)
    evening.show(terminal, "first", "The watch screen at the first exercise of module 05")
    evening.say(f"It was there after {first:.1f} seconds. Now the first answer, with a mistake that many make:")
    mistake, answer = evening.wrong("unbroadcast", 2)
    seconds = evening.save_and_wait(terminal, "unbroadcast", answer)
    terminal.wait(lambda screen: "Looks like" in screen, 20)
    settle(terminal, 3)
    evening.show(terminal, "mistake", f"The answer {mistake}, and the screen names it")
    evening.say(
        f"The verdict came {1000 * seconds:.0f} ms after the file was saved: one failure, what was called, what came, "
        "what was expected, what it looks like, and where. `h` gives a hint, the first of three:"
    )
    terminal.send("h")
    terminal.wait(lambda screen: "hint 1 of 3" in screen)
    evening.show(terminal, "hint", "The first hint, below the verdict")
    half_typed(evening, terminal)
    every_exercise(evening, terminal)
    evening.show(terminal, "done", "The watch screen when all exercises pass")
    terminal.send("q")
    terminal.end()


def half_typed(evening: Evening, terminal: Terminal) -> None:
    """A line that is not finished."""
    path = evening.home / LESSON
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace("keepdims=True)\n", "keepdims=\n", 1), encoding="utf-8")
    seconds = terminal.wait(lambda screen: "Not tested" in screen)
    evening.say(
        f"Saved in the middle of a line, the file makes no traceback. The last verdict stays, and a line below it says "
        f"what is missing ({1000 * seconds:.0f} ms):"
    )
    evening.show(terminal, "half-typed", "A line that is not finished yet")
    path.write_text(whole, encoding="utf-8")
    settle(terminal, 2)


def every_exercise(evening: Evening, terminal: Terminal) -> None:
    """Each exercise in turn: a listed mistake first, then the answer."""
    for exercise in [each.name for each in evening.reference.exercises]:
        mistake, answer = evening.wrong(exercise)
        seconds = evening.save_and_wait(terminal, exercise, answer)
        settle(terminal, 8, lambda: "Looks like" in terminal.shown())
        settle(terminal, 3)  # what the values look like comes first, the mistake by its name a second later
        said = field(terminal.shown(), "Looks like") or field(terminal.shown(), "Came")
        evening.tried.append(Tried(exercise, mistake, said, seconds))
        if exercise == "mul_backward":
            evening.show(terminal, "product", "A mistake in the gradient of a product")
        evening.save_and_wait(terminal, exercise, evening.right(exercise))
        settle(terminal, 2)
    rows = [
        f"| `{each.exercise}` | {each.mistake} | {each.said.replace('|', ' ')} | {1000 * each.seconds:.0f} ms |"
        for each in evening.tried
    ]
    middle = sorted(each.seconds for each in evening.tried)[len(evening.tried) // 2]
    evening.say(
        "## Sixteen mistakes\n\nIn every exercise the learner first makes a mistake, on purpose, and then mends it. "
        f"The middle one of the answers came {1000 * middle:.0f} ms after saving."
    )
    evening.page += ["| exercise | the mistake | the screen | after |", "|---|---|---|---|", *rows, ""]


def pictures(evening: Evening) -> None:
    """The graph, and the way back through it."""
    from playwright.sync_api import sync_playwright

    evening.say("## What the gradients did\n\n`g` in the loop, or this, opens the stepper on the learner's own engine:")
    printed = evening.run("./tito graph 05 diamond --no-open", evening.home)
    steps = next((evening.home / ".tito").rglob("*diamond*.html"))
    code = (
        "import tinytorch\n"
        "from tinytorch import nn\n"
        "from tinytorch.autograd import record_lines\n\n"
        "net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))\n"
        "with record_lines():\n"
        "    loss = nn.CrossEntropyLoss()(net(tinytorch.randn(5, 4)), tinytorch.tensor([0, 1, 0, 1, 1]))\n"
        'loss.graph().save("graph.html")\n'
    )
    script = evening.home / "picture.py"
    script.write_text(code, encoding="utf-8")
    subprocess.run([evening.home / ".venv/bin/python", script.name], cwd=evening.home, check=True)
    chromium = shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=list(BROWSER))
        page = browser.new_page(viewport={"width": 1200, "height": 760})
        page.goto(steps.as_uri())
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        page.screenshot(path=HERE / "stepper.png")
        page.goto((evening.home / "graph.html").as_uri())
        page.screenshot(path=HERE / "graph.png")
        browser.close()
    assert printed
    evening.page += ["![The stepper in the middle of the way back](learning-05/stepper.png)", ""]
    evening.say(
        "One rule at a time: what arrives, times the slope, is what leaves; where two paths meet they are added; and "
        "what memory is free now. A whole network shows itself in the same way, with modules as boxes that open:"
    )
    evening.page += ["```python", code.strip(), "```", ""]
    evening.page += ["![The graph of a small network](learning-05/graph.png)", ""]


def main() -> None:
    """Play the evening and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        evening = Evening(Path(folder))
        play(evening)
        PAGE.write_text("\n".join(evening.page).rstrip() + "\n", encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
