"""`tito milestone`: the history of the field, run on the learner's own framework."""

from __future__ import annotations

import click

from tito.lazy import LazyGroup


@click.group("milestone", cls=LazyGroup, package=__name__, names=("list", "run"), invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Run the milestones of the field on your own framework.

    NAME is a milestone: 1969, xor or 1969_xor.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
