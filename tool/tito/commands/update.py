"""`tito update`: a newer course comes into a workspace, and what its learner wrote stays."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from pathlib import Path

import click

from tito.backups import shown
from tito.practice import refuse_in_solved
from tito.screen import count, fields, listed, prose, say
from tito.update.plan import MERGED, NEW, REFRESHED, REMOVED, REPLACED
from tito.update.work import Update, carry_out, interrupted, prepare, prepare_rest, tidy_up
from tito.workspace import Workspace

MOST = 8  # files of one kind that are named


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@click.option("--older", is_flag=True, help="Go back to this tool's course, although yours is newer.")
def command(dry_run: bool, older: bool) -> None:
    """Bring the course of this `tito` into your workspace.

    What you wrote stays: your answers as they are, and the text around them merged with the new one. A copy of all that
    is replaced is kept.
    """
    workspace = Workspace.find()
    refuse_in_solved(workspace, "the course comes from here", "Update a workspace made by `tito init`.")
    root = workspace.root
    if not dry_run:
        tidy_up(root)
    if interrupted(root):
        say("An update was interrupted here; this finishes it.")
        _do(prepare_rest(root), dry_run)
        say()
        if dry_run:
            prose("Nothing was written. `tito update` does it; then give it again for the course of this tito.")
            return
    with tempfile.TemporaryDirectory(prefix="tito-") as drafts:
        update = prepare(root, Path(drafts), older)
        if not update.needed:
            say(f"Your workspace is up to date: it has the course of tito {update.new.version}.", "good")
            prose("A newer course comes with a newer tito. Call the `update` of that one in this folder.")
            return
        _do(update, dry_run)
    if dry_run:
        say("Nothing was written. `tito update` does it.")
    else:
        say(f"Next: {_next(update)}")


def _do(update: Update, dry_run: bool) -> None:
    """Carry an update out, unless it is only to be shown; say what it is."""
    kept = [] if dry_run else carry_out(update)
    _introduce(update, dry_run)
    fields(_what(update))
    if update.plan.notes:
        say()
        say("Look at", "bold")
    for note in update.plan.notes:
        say(f"  {note.path}:{note.line}" if note.line else f"  {note.path}")
        prose(note.text, first="      ", indent=6)
    say()
    for folder in kept:
        prose(f"What was replaced is kept in {shown(update.root, folder)}")


def _introduce(update: Update, dry_run: bool) -> None:
    now, before = update.new.version, update.base.version if update.base else ""
    was = f", in the place of that of {before}" if before and before != now else ""
    say(f"{'This would bring' if dry_run else 'Here is'} the course of tito {now}{was}.", "bold")
    if update.base is None:
        prose(
            "What was handed out here before is not known, since .tito/ holds no wheel of it. "
            "So all that differs from the new course was taken for yours."
        )
    say()


def _what(update: Update) -> list[tuple[str, str]]:
    """Return the labels of what happens, each with the files that it happens to."""
    plan = update.plan
    if not plan.changes:
        return [("Tool", "tito itself is new; the course is the one that you have")]
    refreshed, replaced, again = plan.of(REFRESHED), plan.of(REPLACED), plan.retest
    return [
        ("New", _shortly(update, plan.of(NEW))),
        ("Merged", _shortly(update, plan.of(MERGED))),
        ("Refreshed", f"{count(len(refreshed), 'file')} that you had not changed" if refreshed else ""),
        ("Replaced", f"{_shortly(update, replaced)}, with your changes to it kept aside" if replaced else ""),
        ("Removed", _shortly(update, plan.of(REMOVED))),
        ("Test again", listed([f"{module.number:02} {module.title}" for module in again]) if again else ""),
    ]


def _shortly(update: Update, paths: list[str]) -> str:
    """Return a list of files, a module's as one, not longer than what is read at a glance."""
    words: dict[str, None] = {}
    for path in paths:
        modules = update.new.course.written
        module = next((m for m in modules if m.lesson in paths and path in (m.lesson, m.suite, m.page)), None)
        words[f"{module.number:02} {module.title}" if module else path] = None
    shown = [*words][:MOST]
    more = len(words) - len(shown)
    return listed([*shown, *([count(more, "other")] if more else [])]) if shown else ""


def _next(update: Update) -> str:
    """Return what to do after an update: with the workspace's own launcher, if another tito has updated it."""
    environment = update.root / ".venv"
    tito = "tito"
    if environment.is_dir() and environment.resolve() != Path(sys.prefix).resolve():
        tito = f"python {os.path.relpath(update.root / 'tito')}" if os.name == "nt" else _typed(update.root / "tito")
    again = update.plan.retest
    return f"`{tito} module test {again[0].number:02}`" if again else f"`{tito} module status`"


def _typed(path: Path) -> str:
    """Return how a program is called from here."""
    shown = os.path.relpath(path)
    return shlex.quote(shown if os.sep in shown else f"./{shown}")
