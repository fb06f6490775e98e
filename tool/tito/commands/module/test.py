"""`tito module test`: export a module and run its suite against it."""

from __future__ import annotations

import click

from tito.commands.options import dump, json_option, limit_option
from tito.practice import Here, try_lesson
from tito.screen import listed, say


@click.command("test")
@click.argument("name", metavar="NN")
@click.option("--all", "all_tests", is_flag=True, help="Show every failure, not only the first.")
@json_option
@limit_option
def command(name: str, all_tests: bool, as_json: bool, limit: float) -> None:
    """Export your module NN and run its suite against it."""
    run_test(name, all_tests, as_json, limit)


def run_test(name: str, all_tests: bool, as_json: bool, limit: float) -> None:
    """Test a module and show the verdict; a failure ends the command with exit code 1."""
    here = Here.find(name)
    verdict = try_lesson(here.workspace, here.module, limit, all_tests or as_json)
    if as_json:
        dump(verdict.as_json())
    else:
        verdict.show(all_tests)
        if verdict.passed:
            _after_pass(here)
    if not verdict.passed:
        raise SystemExit(1)


def _after_pass(here: Here) -> None:
    left = list(here.lesson().open)
    if left:
        say(f"Still to write: {listed(left)}.")
    else:
        say(f"Next: `tito module complete {here.number}`")
