"""Options that several commands have, and the form of results for other programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from tito.runner import LIMIT

_LONGEST = 86_400.0  # a day
F = TypeVar("F", bound=Callable[..., Any])


def _seconds(ctx: click.Context, parameter: click.Parameter, value: float) -> float:
    if not 0 < value <= _LONGEST:  # what is no number at all is refused too
        raise click.BadParameter(f"{value:g} is not a number of seconds above 0 and up to {_LONGEST:g}, a day.")
    return value


def limit_of(seconds: float) -> Callable[[F], F]:
    """Return the option that limits a test run, to `seconds` unless something else is said."""
    return click.option(
        "--limit",
        type=float,
        default=seconds,
        callback=_seconds,
        metavar="SECONDS",
        show_default=f"{seconds:g}",
        help="Stop a test run that takes longer.",
    )


limit_option = limit_of(LIMIT)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result for other programs.")


def dump(value: Any) -> None:
    """Print a result as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
