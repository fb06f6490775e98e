"""The steps that several commands share: what a name means here, exporting a lesson, testing what was exported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tito.backups import shown
from tito.course import Module
from tito.errors import TitoError
from tito.export import export_of, read_lesson
from tito.lesson import Lesson
from tito.memory import recall
from tito.notebooks import check_taken_back
from tito.references import not_as_handed_out, reference_lesson
from tito.runner import LIMIT, Run, run_suite
from tito.screen import listed, on_terminal, prose, say
from tito.verdict import Verdict, answer_fingerprint
from tito.workspace import LOAN, Workspace, Written


@dataclass(frozen=True)
class Here:
    """A module of the workspace that the command was given in."""

    workspace: Workspace
    module: Module

    @classmethod
    def find(cls, name: str) -> Here:
        """Find the workspace, then the module called `name`."""
        workspace = Workspace.find()
        return cls(workspace, workspace.course.find(name))

    def lesson(self) -> Lesson:
        """Read the learner's lesson as it is now."""
        return read_lesson(self.workspace.root, self.module)

    @property
    def number(self) -> str:
        """The module's number as commands show it."""
        return f"{self.module.number:02}"


def refuse_in_solved(workspace: Workspace, why: str, instead: str) -> None:
    """Raise an error in the course's own repository."""
    if workspace.solved:
        raise TitoError(f"this is the course's own repository; {why}.", instead, exit_code=2)


def chosen_exercise(here: Here, name: str | None) -> str | None:
    """Return the exercise that is meant: the named one, the one that failed last, or the first that is open."""
    if name:
        return reference_lesson(here.module).exercise(name).name
    lesson = here.lesson()
    failing = recall(here.workspace.root, "failing", dict).get(here.module.folder, {})
    exercise = failing.get("exercise")
    if exercise and failing.get("answer") == answer_fingerprint(lesson, exercise):
        return str(exercise)
    return next(iter(lesson.open), None)


def unexported(workspace: Workspace, module: Module) -> list[Module]:
    """Return what `module` stands on and is not in the package, so that its file could not be imported."""
    return [other for other in workspace.course.closure(module) if not (workspace.root / other.exported).exists()]


def check_own(workspace: Workspace, module: Module) -> None:
    """Make sure that a module can be tested or exported as the learner's own.

    Raises
    ------
    TitoError
        If it is on loan or stands on one that is not there.
    """
    if absent := unexported(workspace, module):
        raise TitoError(missing_message(module, absent), missing_hint(absent))
    if workspace.state(module) == LOAN:
        raise TitoError(
            f"{module.folder} is on loan, so there is nothing of yours to test or export.",
            f"`tito module start {module.number:02}` takes the loan off and makes the module yours.",
        )


def export_lesson(workspace: Workspace, module: Module) -> Written:
    """Export the learner's lesson; a file on loan is left alone.

    Raises
    ------
    TitoError
        If the module is on loan or stands on one that is not there, or if the lesson cannot be exported.
    """
    check_own(workspace, module)
    written = workspace.put(module, export_of(workspace.root, module))
    tell_backup(workspace, written)
    return written


def tell_backup(workspace: Workspace, written: Written) -> None:
    """Say where a replaced file of the package is kept; on stderr, so that results stay results."""
    if written.backup:
        say(f"note: the old file held other text, kept in {shown(workspace.root, written.backup)}", stderr=True)


def try_lesson(workspace: Workspace, module: Module, limit: float = LIMIT, all_tests: bool = False) -> Verdict:
    """Export a module, then run its suite, so that the learner's code answers.

    Raises
    ------
    TitoError
        If the module cannot be exported or tested at all.
    """
    make_ready(workspace, module)
    with progress(f"Testing {module.number:02} {module.title}") as tick:
        run = run_suite(workspace, module, limit, all_tests, tick)
    return judge(workspace, module, run)


def make_ready(workspace: Workspace, module: Module) -> None:
    """Put the lesson as it is now into the package, so that the learner's code answers."""
    check_taken_back(workspace.root, module)
    export_lesson(workspace, module)


def judge(workspace: Workspace, module: Module, run: Run) -> Verdict:
    """Return what a run means, and remember it; say so if the suite is not the one that was handed out."""
    verdict = Verdict(workspace, module, run)
    verdict.remember()
    changed = [] if verdict.passed else not_as_handed_out(workspace.root, module)
    if changed:
        prose(
            f"note: {listed(changed)} {'is' if len(changed) == 1 else 'are'} not as handed out; "
            f"`tito module reset {module.number:02}` brings that back, and your lesson is kept.",
            stderr=True,
        )
    return verdict


def missing_message(module: Module, missing: list[Module]) -> str:
    """Say which prerequisites are not there."""
    return stands_on(module.folder, missing)


def stands_on(name: str, missing: list[Module]) -> str:
    """Say which modules are not there that a module or a program stands on."""
    names = listed([other.folder for other in missing])
    return f"{name} stands on {names}, which {'is' if len(missing) == 1 else 'are'} still open."


def missing_hint(missing: list[Module]) -> str:
    """Say how prerequisites come."""
    numbers = " ".join(f"{other.number:02}" for other in missing)
    return f"Build: `tito module start {missing[0].number:02}`. Or borrow: `tito module borrow {numbers}`."


@contextmanager
def progress(title: str) -> Iterator[Callable[[list[dict[str, Any]], int], None] | None]:
    """Show on a terminal how far the tests are; the line goes away at the end."""
    if not (on_terminal() and on_terminal(stderr=True)):
        yield None
        return

    def tick(done: list[dict[str, Any]], of: int) -> None:
        sys.stderr.write(f"\r{title}: {len(done)} of {of}" if of else f"\r{title} ...")
        sys.stderr.flush()

    tick([], 0)
    try:
        yield tick
    finally:
        sys.stderr.write(f"\r{'':{len(title) + 20}}\r")
        sys.stderr.flush()
