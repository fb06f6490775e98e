"""`tito export`: write the package from the lessons, or check that it matches them."""

from __future__ import annotations

import click

from tito.course import Module
from tito.errors import TitoError
from tito.export import Export, export_of, names_of, strays
from tito.practice import export_lesson, missing_message, tell_backup, unexported
from tito.screen import listed, say
from tito.workspace import LOAN, Workspace


@click.command("export")
@click.argument("name", metavar="[NN]", required=False)
@click.option("--check", is_flag=True, help="Write nothing; show what differs, and exit with 1 if anything does.")
def command(name: str | None, check: bool) -> None:
    """Export module NN, or every module that is begun, to the package `tinytorch`."""
    workspace = Workspace.find()
    modules = [workspace.course.find(name)] if name else _exportable(workspace)
    if check:
        _check(workspace, modules, whole=name is None)
    else:
        _export(workspace, modules, whole=name is None)


def _exportable(workspace: Workspace) -> list[Module]:
    """Return the modules that an export of everything means: all, but in a learner's workspace only those begun."""
    written = workspace.course.written
    if workspace.solved:
        return list(written)
    return [module for module in written if workspace.state(module) != LOAN and workspace.begun(module)]


def _export(workspace: Workspace, modules: list[Module], whole: bool) -> None:
    if whole and not modules:
        say("No module is begun, so there is nothing to export. Next: `tito module start 01`")
    for module in modules:
        absent = unexported(workspace, module) if whole else []
        if absent:
            say(f"{module.exported}  left out: {missing_message(module, absent)}", "yellow")
            continue
        written = export_lesson(workspace, module)
        say(f"{module.exported}  {'exported' if written.changed else 'unchanged'}", "green" if written.changed else "")
    if whole:
        names = names_of(workspace.root, workspace.course)
        written = workspace.put(None, names)
        tell_backup(workspace, written)
        if written.changed:
            say(f"{names.shown}  exported", "green")


def _check(workspace: Workspace, modules: list[Module], whole: bool) -> None:
    """Print what differs.

    Raises
    ------
    TitoError
        If anything does, with the command that puts it right.
    """
    differing = [
        (module, export)
        for module in modules
        if workspace.state(module) != LOAN and (export := export_of(workspace.root, module)).changed
    ]
    names = names_of(workspace.root, workspace.course)
    changed: list[Export] = [export for _, export in differing] + ([names] if whole and names.changed else [])
    for export in changed:
        click.echo(export.diff(), nl=False)
    stray = [path.relative_to(workspace.root).as_posix() for path in strays(workspace.root, workspace.course)]
    for path in stray if whole else ():
        say(f"{path}  has no lesson that exports it", "red")
    if changed:
        raise _difference(differing, changed)
    if whole and stray:
        raise TitoError(
            f"{listed(stray)} came from no lesson.", "Move it out of tinytorch/core/, which holds exports only."
        )
    say("Every exported file matches its lesson." if whole else f"{modules[0].exported} matches its lesson.", "green")


def _difference(differing: list[tuple[Module, Export]], changed: list[Export]) -> TitoError:
    if len(changed) == 1 and differing:
        module, export = differing[0]
        message = f"{export.shown} does not match `{module.lesson}`."
        return TitoError(message, f"run `tito export {module.number:02}`")
    shown = listed([export.shown for export in changed])
    return TitoError(
        f"{shown} {'does' if len(changed) == 1 else 'do'} not match what is exported.", "run `tito export`"
    )
