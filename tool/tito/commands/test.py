"""`tito test`: test one module, or everything that there is to test here."""

from __future__ import annotations

import subprocess
import sys

import click

from tito.commands.module.test import run_test
from tito.commands.options import limit_option
from tito.errors import TitoError
from tito.practice import try_lesson
from tito.screen import say
from tito.workspace import YOURS, Workspace

ALL_CORES = ("-n", "auto", "--dist", "loadfile")  # for pytest: each file in one process, so that fixtures are made once


class _PassesOn(click.Command):
    """A command that keeps what stands after ``--`` for pytest."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the arguments after ``--`` away before click reads the others."""
        at = args.index("--") if "--" in args else len(args)
        ctx.meta["for pytest"] = args[at + 1 :]
        return super().parse_args(ctx, args[:at])


@click.command("test", cls=_PassesOn, options_metavar="[OPTIONS]", epilog="What stands after -- goes to pytest.")
@click.argument("name", metavar="[NN]", required=False)
@click.option("--all", "all_tests", is_flag=True, help="With NN: show every failure, not only the first.")
@click.option("--json", "as_json", is_flag=True, help="With NN: print the results for other programs.")
@limit_option
@click.pass_context
def command(ctx: click.Context, name: str | None, all_tests: bool, as_json: bool, limit: float) -> None:
    """Test module NN, as `tito module test NN` does.

    Without NN: in the course's own repository the whole test suite, in a workspace every module that is yours.
    """
    extra: list[str] = ctx.meta["for pytest"]
    workspace = Workspace.find()
    if name is not None or as_json or all_tests:
        if name is None:
            raise click.UsageError("--all and --json show one module: say which.")
        if extra:
            raise click.UsageError("arguments for pytest go with the whole suite, not with one module.")
        run_test(name, all_tests, as_json, limit)
    elif workspace.solved:
        sys.exit(_whole_suite(workspace, extra))
    elif extra:
        raise click.UsageError("arguments for pytest go with the course's own repository, not with a workspace.")
    else:
        _yours(workspace, limit)


def _whole_suite(workspace: Workspace, extra: list[str]) -> int:
    """Run pytest with `extra`, or over everything on all cores; its exit status."""
    status = subprocess.run([sys.executable, "-m", "pytest", *(extra or ALL_CORES)], cwd=workspace.root).returncode
    return 0 if status == 0 else 1


def _yours(workspace: Workspace, limit: float) -> None:
    """Test every module that is yours, one line each.

    Raises
    ------
    TitoError
        If one fails.
    """
    modules = [module for module in workspace.course.written if workspace.state(module) == YOURS]
    if not modules:
        current = workspace.current()
        say("No module is yours yet, so there is nothing to test.")
        say(f"Next: `tito module start {current.number:02}`" if current else "Next: `tito module list`")
        return
    failed = []
    for module in modules:
        verdict = try_lesson(workspace, module, limit, all_tests=True)
        passed, all_of_them = len(verdict.run.with_outcome("passed")), verdict.run.collected
        line = f"{module.number:02} {module.title:14}  {passed} of {all_of_them} tests passed"
        say(line, "green" if verdict.passed else "red")
        if not verdict.passed:
            failed.append(module)
    if failed:
        raise TitoError(
            f"{len(failed)} of {len(modules)} modules fail.",
            f"`tito module test {failed[0].number:02}` shows the first failure.",
        )
