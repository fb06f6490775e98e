"""`tito watch`: the loop of saving, seeing and understanding."""

from __future__ import annotations

import click

from tito.commands.options import limit_of
from tito.course import Module
from tito.practice import check_own
from tito.screen import say
from tito.workspace import Workspace

LIMIT = 60.0


@click.command("watch")
@click.argument("name", metavar="[NN]", required=False)
@click.option("--plain", is_flag=True, help="Add lines one after the other; no keys, no colours.")
@click.option("--poll", is_flag=True, help="Look at the files regularly, as network folders need it.")
@limit_of(LIMIT)
def command(name: str | None, plain: bool, poll: bool, limit: float) -> None:
    """Test on every save, and show the first thing that is wrong.

    Without NN: where you are.
    """
    workspace = Workspace.find()
    open_loop(workspace, workspace.course.find(name) if name else None, plain, poll, limit)


def open_loop(
    workspace: Workspace, module: Module | None, plain: bool = False, poll: bool = False, limit: float = LIMIT
) -> None:
    """Open the loop at `module`, or where the learner is."""
    from tito.watch import start  # it is heavy, and `--help` needs none of it
    from tito.watch.place import current_module

    module = module or current_module(workspace)
    if module is None:
        say("Every module that is written is there, so nothing waits for you.")
        say("Next: `tito module list`, or `tito watch NN` for one of them.")
        return
    check_own(workspace, module)
    start.start(workspace, module, plain, poll, limit)
