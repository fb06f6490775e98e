"""The command line: which command lives where, and how an error reaches its user."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from typing import Any

import click

from tito import __version__
from tito.errors import TitoError
from tito.lazy import LazyGroup
from tito.screen import on_terminal, problem

HELP = {
    "demo": "See the whole course work, in a minute.",
    "doctor": "Look for problems, and say what to do about each.",
    "export": "Write the package `tinytorch` from the lessons.",
    "graph": "Step through a graph, forward and back, on your own engine.",
    "init": "Make a workspace of your own.",
    "milestone": "Run the milestones of the field on your own framework.",
    "module": "Work on the modules: list, start, test, complete, ...",
    "notebook": "Open a lesson as a notebook, and take its changes back.",
    "test": "Test a module, or everything there is to test here.",
    "update": "Bring a newer course into your workspace; what you wrote stays.",
    "watch": "Test on every save, and show the first thing that is wrong.",
}


class Tito(LazyGroup):
    """The outermost group, which shows what went wrong in two lines."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands into the help without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([*HELP.items()])

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; what goes wrong is two lines on stderr and an exit code, never a traceback."""
        try:
            result = super().main(*args, **{**kwargs, "standalone_mode": False})
        except TitoError as error:
            _fail(error.message, error.hint, error.exit_code)
        except click.UsageError as error:
            _fail(*_usage(error), 2)
        except click.ClickException as error:
            _fail(error.format_message(), "", error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            _fail("interrupted; every file is whole.", "Run the same command again when you like.", 1)
        except OSError as error:
            _fail_to_write(error)
        sys.exit(result if isinstance(result, int) else 0)


@click.group(
    cls=Tito,
    package="tito.commands",
    names=tuple(HELP),
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="tito")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Build a deep-learning framework of your own, module by module.

    In a workspace, `tito` alone opens the loop where you are: save, and see what it did. `tito module status` says
    what comes next.
    """
    if ctx.invoked_subcommand is None and not _opened_loop():
        click.echo(ctx.get_help())


def _opened_loop() -> bool:
    """Open the loop if a person sits in a learner's workspace; return whether it was."""
    if not on_terminal() or not sys.stdin.isatty():
        return False
    from tito.commands.watch import open_loop
    from tito.workspace import Workspace

    workspace = Workspace.around()
    if workspace is None or workspace.solved:
        return False
    open_loop(workspace, None)
    return True


def main(arguments: list[str] | None = None) -> Any:
    """Run `tito`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a sign that the terminal cannot show is no reason to stop
    for name in ("SIGTERM", "SIGHUP"):  # a closed terminal ends the command as an error does: what it started ends too
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_DFL:
            signal.signal(getattr(signal, name), _end)
    return cli.main(arguments, prog_name="tito")


def _end(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _fail(message: str, hint: str, code: int) -> None:
    problem(message, hint)
    sys.exit(code)


def _usage(error: click.UsageError) -> tuple[str, str]:
    """Return the message and the hint for a command line that click does not understand."""
    path = error.ctx.command_path if error.ctx else "tito"
    message = error.format_message()
    return message[0].lower() + message[1:], f"`{path} --help` shows what there is."


def _fail_to_write(error: OSError) -> None:
    """End after a file that cannot be read or written, or a reader such as `head` that went away."""
    if error.errno == errno.EPIPE or (os.name == "nt" and error.errno == errno.EINVAL and not error.filename):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        sys.exit(1)
    _fail(f"{error.filename or 'a file'}: {error.strerror or error}.", "`tito doctor` looks at what may be written.", 1)
