"""`tito module`: find your place, start, test, complete; get help; start anew."""

from __future__ import annotations

import click

from tito.lazy import LazyGroup

# in the order of a learner's way
NAMES = ("list", "status", "start", "test", "complete", "reset", "hint", "solution", "borrow")


@click.group("module", cls=LazyGroup, package=__name__, names=NAMES, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Work on the modules of the course.

    NN is a module: 05, 5, autograd or 05_autograd.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
