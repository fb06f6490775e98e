"""`tito module borrow`: the reference's module, for a while."""

from __future__ import annotations

import click

from tito import references
from tito.backups import keep, shown
from tito.course import Module
from tito.errors import TitoError
from tito.export import Export
from tito.practice import missing_message, refuse_in_solved, tell_backup
from tito.screen import say
from tito.workspace import YOURS, Workspace


@click.command("borrow")
@click.argument("names", metavar="NN...", nargs=-1, required=True)
@click.option("--with-prerequisites", is_flag=True, help="Borrow what NN stands on as well, where it is open.")
@click.option("--force", is_flag=True, help="Borrow even if the module is yours; your export is kept in a backup.")
def command(names: tuple[str, ...], with_prerequisites: bool, force: bool) -> None:
    """Use the reference's module NN for now; your lesson stays."""
    workspace = Workspace.find()
    refuse_in_solved(workspace, "the reference answers are here already", "Borrow in a workspace made by `tito init`.")
    wanted = {workspace.course.find(name).folder for name in names}
    if with_prerequisites:
        for folder in list(wanted):
            wanted |= {module.folder for module in workspace.missing(workspace.course.by_folder(folder))}
    modules = [module for module in workspace.course if module.folder in wanted]
    for module in modules:
        _check_borrow(workspace, module, wanted, force)
    for module in modules:
        _borrow(workspace, module)
    current = workspace.current()
    if current:
        say(f"Next: `tito module start {current.number:02}`")


def _check_borrow(workspace: Workspace, module: Module, wanted: set[str], force: bool) -> None:
    """Raise an error if a module cannot be borrowed; nothing has been written then."""
    if workspace.state(module) == YOURS and not force:
        raise TitoError(
            f"{module.folder} is yours, so it is not replaced by the reference.",
            f"`tito module borrow {module.number:02} --force` does it and keeps your export in a backup.",
        )
    missing = [other for other in workspace.missing(module) if other.folder not in wanted]
    if missing:
        raise TitoError(
            missing_message(module, missing),
            f"`tito module borrow {module.number:02} --with-prerequisites` borrows them too.",
        )


def _borrow(workspace: Workspace, module: Module) -> None:
    loan = Export(workspace.root / module.exported, module.exported, references.loan(module))
    if workspace.state(module) == YOURS:
        loan.check_overwrite()
        folder = keep(workspace.root, module, loan.path, workspace.root / module.lesson)
        say(f"Your export and lesson are kept in {shown(workspace.root, folder)}")
    tell_backup(workspace, workspace.put(module, loan))
    say(f"{module.folder} is on loan: {module.exported}", "yellow")
