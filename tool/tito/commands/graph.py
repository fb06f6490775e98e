"""`tito graph`: the graph of an expression, and a walk through it forward and back on the learner's own engine."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import Any

import click

from tito.course import Module
from tito.errors import TitoError
from tito.graphs import FOLDER, LIMIT, Example, Examples, draw
from tito.memory import recall
from tito.practice import Here, export_lesson
from tito.references import reference_file
from tito.screen import on_terminal, prose, say, table
from tito.workspace import LOAN, Workspace


@click.command()
@click.argument("name", metavar="NN")
@click.argument("example", required=False)
@click.option("--exercise", metavar="NAME", help="Show the graph that belongs to an exercise.")
@click.option("--list", "listing", is_flag=True, help="List the graphs of the lesson.")
@click.option("--terminal", is_flag=True, help="Step through in the terminal.")
@click.option("--no-open", is_flag=True, help="Write the page and say where it is.")
@click.option(
    "--limit",
    type=click.FloatRange(0, min_open=True),
    default=LIMIT,
    metavar="SECONDS",
    show_default=f"{LIMIT:g}",
    help="Stop code that takes longer.",
)
def command(
    name: str, example: str | None, exercise: str | None, listing: bool, terminal: bool, no_open: bool, limit: float
) -> None:
    """Step through a graph of lesson NN, forward and back, one rule at a time.

    Your own rules, your order and your walk do the work; nothing of yours is changed. EXAMPLE is one that --list shows.
    """
    here = Here.find(name)
    examples = Examples.of(here.module)
    if examples is None:
        tell_no_graphs(here.workspace, here.module)
        return
    if listing:
        table(("graph", "what to look at"), [(item.name, item.says) for item in examples.examples])
        return
    if example and exercise:
        raise TitoError("EXAMPLE and --exercise both name a graph.", "Leave one of them out.", exit_code=2)
    chosen = examples.chosen(example, exercise)
    page = draw_one(here, examples, chosen, exercise, terminal, limit)
    if not terminal:
        open_page(page, no_open)
    if not example and not exercise and not terminal:
        others = ", ".join(item.name for item in examples.examples if item != chosen)
        prose(f"More graphs: {others}. For example `tito graph {here.number} {examples.examples[1].name}`", indent=4)


def tell_no_graphs(workspace: Workspace, module: Module) -> None:
    """Say that a lesson has no graphs, and which one has."""
    first = next((other for other in workspace.course.written if Examples.of(other)), None)
    say(f"{module.folder} has no graph to show: what a tensor was made from is not recorded yet there.")
    if first:
        say(f"Graphs begin in {first.folder}: `tito graph {first.number:02}`")


def draw_one(
    here: Here, examples: Examples, chosen: Example, exercise: str | None, terminal: bool, limit: float
) -> Path:
    """Draw one graph with the workspace's package; return the page.

    Raises
    ------
    TitoError
        If the lesson cannot be exported, or if no graph can be made with it.
    """
    workspace, module = here.workspace, here.module
    if workspace.state(module) != LOAN:
        export_lesson(workspace, module)
    page = workspace.root / FOLDER / f"{here.number}-{exercise or chosen.name}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    said = draw(
        workspace,
        module,
        {
            "examples": str(examples.path),
            "example": chosen.name,
            "called": failing_lines(here, exercise) if exercise else [],
            "suite": str(workspace.root / module.suite),
            "reference": str(reference_file(module.exported)),
            "page": "" if terminal else str(page),
            "title": f"{module.title}: {exercise or chosen.name}",
            "about": chosen.says,
            "terminal": terminal,
        },
        limit,
    )
    if "problem" in said:
        at = f" ({said['where']})" if said.get("where") else ""
        raise TitoError(
            f"there is no graph yet: {said['problem']}{at}", f"`tito module test {here.number}` says what to do first."
        )
    tell(said)
    return page


def failing_lines(here: Here, exercise: str) -> list[str]:
    """Return what the test called that failed last, if it was about this exercise."""
    failing = recall(here.workspace.root, "failing", dict).get(here.module.folder, {})
    called = failing.get("called", []) if failing.get("exercise") == exercise else []
    return [line for line in called if isinstance(line, str)] if isinstance(called, list) else []


def tell(said: dict[str, Any]) -> None:
    """Say what the picture alone does not."""
    if said["recorded_for_you"]:
        prose("`tracked` is not written yet, so the operations were recorded for you. All rules are your own.")
    if said["failing"]:
        prose("This is the expression of the test that failed.")
    if said["error"]:
        prose(f"The walk back stops on the way: {said['error']}")


def open_page(page: Path, no_open: bool) -> None:
    """Open a page in the browser where there is one; else say where the page is."""
    say(f"The graph is in {page}")
    if not no_open and on_terminal() and has_browser():
        webbrowser.open(page.as_uri())


def has_browser() -> bool:
    """Whether a page would open in a window: not in the terminal that the command was typed in."""
    if sys.platform in ("win32", "darwin") or "BROWSER" in os.environ:
        return True
    return "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
