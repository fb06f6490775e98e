"""Options that several commands have, and the form of results for other programs."""

from __future__ import annotations

import json
from typing import Any

import click

from tito.runner import LIMIT

_LONGEST = 86_400.0  # a day


def _seconds(ctx: click.Context, parameter: click.Parameter, value: float) -> float:
    if not 0 < value <= _LONGEST:  # what is no number at all is refused too
        raise click.BadParameter(f"{value:g} is not a number of seconds above 0 and up to {_LONGEST:g}, a day.")
    return value


limit_option = click.option(
    "--limit",
    type=float,
    default=LIMIT,
    callback=_seconds,
    metavar="SECONDS",
    show_default="120",
    help="Stop a test run that takes longer.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result for other programs.")


def dump(value: Any) -> None:
    """Print a result as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
