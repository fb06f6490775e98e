"""The command line: which command lives where, and how an error reaches its user."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from tito import __version__
from tito.errors import TitoError

# A command's file is imported only when the command runs, so that every start is quick.
COMMANDS = {
    "demo": "tito.commands.demo",
    "doctor": "tito.commands.doctor",
    "export": "tito.commands.export",
    "init": "tito.commands.init",
    "module": "tito.commands.module",
    "notebook": "tito.commands.notebook",
    "test": "tito.commands.test",
}


class LazyGroup(click.Group):
    """A group that imports a command when it is asked for; the command is called ``command`` in its file."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command called `cmd_name`, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tito")
def cli() -> None:
    """Build a deep-learning framework of your own, module by module."""


def main(arguments: list[str] | None = None) -> Any:
    """Run `tito`; an error of the user's is two lines on stderr and an exit code, never a traceback."""
    try:
        return cli.main(arguments, prog_name="tito")
    except TitoError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"hint: {error.hint}", err=True)
        sys.exit(error.exit_code)
