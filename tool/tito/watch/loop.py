"""The loop itself: what happens on a save, and when a run has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from tito.commands.module.complete import tell_complete
from tito.course import Module
from tito.errors import TitoError
from tito.export import export_of, read_lesson
from tito.lesson import Lesson
from tito.practice import Here, check_own, chosen_exercise, judge, make_ready
from tito.runner import Run
from tito.screen import count
from tito.verdict import Failure, Verdict
from tito.watch.attempt import Attempt, Wanted, ranks
from tito.watch.changes import changed_exercises
from tito.watch.inbox import Broken, Ended, Event, Inbox, Noted, Recognized, Saved, Told
from tito.watch.pane import captured
from tito.watch.place import Place, current_module, find_place
from tito.watch.search import Search
from tito.watch.worker import Worker
from tito.workspace import LOAN, Workspace

T = TypeVar("T")


class Face(Protocol):
    """What the learner sees of the loop.

    Attributes
    ----------
    styled
        Whether text may have colours and weight.
    """

    styled: bool

    def begun(self, loop: Loop) -> None:
        """Say where the learner is."""

    def testing(self, loop: Loop) -> None:
        """Say that a run has begun, or how far it is."""

    def answered(self, loop: Loop) -> None:
        """Show what came of a run."""

    def recognized(self, loop: Loop) -> None:
        """Show the known mistake that was found behind the failure."""

    def refused(self, loop: Loop) -> None:
        """Say why nothing was tested."""

    def noted(self, loop: Loop) -> None:
        """Show the last of the notes."""

    def take(self, loop: Loop, event: Event) -> None:
        """Take an event that is about nothing but the face."""


class Loop:
    """Where the learner is, what was tested last, and what came of it.

    Attributes
    ----------
    module, exercise
        What the learner works on; no exercise once all are written.
    verdict
        What came of the last run that ended, or None.
    problem
        Why what was saved last could not be tested, or None.
    notes
        What else is to be said beside the verdict.
    attempt, told, since
        The run that is on its way, how far it is, and when it was asked for.
    all_failures
        Whether the last run went on after its first failure.
    written
        The text of the lesson that the loop itself has put there, whose saving is no news.
    run_count, seconds
        How many runs have ended, and how long the last one took.
    finished
        Whether all that is written of the course is done.
    """

    def __init__(
        self, workspace: Workspace, module: Module, inbox: Inbox, worker: Worker, face: Face, limit: float
    ) -> None:
        self.workspace = workspace
        self.inbox = inbox
        self.worker = worker
        self.face = face
        self.limit = limit
        self.going = True
        self.run_count = 0
        self.attempt: Attempt | None = None
        self._before: Attempt | None = None
        self._search: Search | None = None
        self._number = 0
        self._enter(module)

    def _enter(self, module: Module) -> None:
        """Turn to a module; nothing of it was tested yet."""
        self.module = module
        self.exercise: str | None = None
        self.verdict: Verdict | None = None
        self.problem: TitoError | None = None
        self.notes: list[str] = []
        self.told: Told | None = None
        self.since = time.monotonic()
        self.seconds = 0.0
        self.finished = False
        self.all_failures = False
        self.skipped: set[str] = set()
        self._wanted: str | None = None  # the exercise that was skipped to
        self.first: list[str] = []  # whose tests come first: what has changed since the last run that ended
        self.written = ""
        self._lesson: Lesson | None = None
        self._tested = ""  # the exported text of the run that ended last or is on its way

    @property
    def here(self) -> Here:
        """The module as commands take it."""
        return Here(self.workspace, self.module)

    @property
    def failure(self) -> Failure | None:
        """The first failure of the last run."""
        return self.verdict.failures[0] if self.verdict and self.verdict.failures else None

    @property
    def lesson_text(self) -> str:
        """The lesson as it was read last."""
        return self._lesson.text if self._lesson else ""

    @property
    def names(self) -> tuple[str, ...]:
        """The exercises of the lesson, as it was read last."""
        return tuple(self._lesson.names) if self._lesson else ()

    @property
    def left(self) -> list[str]:
        """The exercises that hold a stub."""
        return list(self._lesson.open) if self._lesson else []

    @property
    def can_complete(self) -> bool:
        """Whether the module is done, as it was tested last."""
        verdict = self.verdict
        return bool(verdict and verdict.passed) and not (self.left or self.problem or self.attempt or self.finished)

    @property
    def place(self) -> Place:
        """Where the learner is in the course."""
        failure = self.failure
        wrong = frozenset(failure.exercises if failure and failure.module == self.module else ())
        return find_place(self.workspace, self.module, self.exercise, wrong)

    def run(self) -> None:
        """Go on until the learner ends it."""
        try:
            self.exercise = self._exercise_at_start()
            self.face.begun(self)
            self.test(again=True)
            while self.going:
                self.take(self.inbox.get())
        finally:
            self.drop()

    def _exercise_at_start(self) -> str | None:
        try:
            return chosen_exercise(self.here, None)
        except (TitoError, OSError):  # the lesson cannot be read; testing it says why
            return None

    def take(self, event: Event) -> None:
        """Do what an event asks for."""
        if isinstance(event, Saved):
            self._saved(event.paths)
        elif isinstance(event, Told):
            if self.attempt and event.number == self.attempt.number:
                self.told = event
                self.face.testing(self)
        elif isinstance(event, Ended):
            if self.attempt and event.number == self.attempt.number:
                self._ended(event.result)
        elif isinstance(event, Recognized):
            self._recognized(event.verdict)
        elif isinstance(event, Noted):
            self.note(event.text)
        elif isinstance(event, Broken):
            raise event.error
        else:
            self.face.take(self, event)

    def captured(self, function: Callable[[], T]) -> tuple[str, T]:
        """Call `function`; return what it printed, as the face shows text, and its result."""
        return captured(function, self.face.styled)

    def note(self, text: str) -> None:
        """Say something beside the verdict."""
        self.notes = [*(note for note in self.notes if note != text), text]
        self.face.noted(self)

    def files(self) -> list[Path]:
        """Return the files whose saving matters."""
        return [path for module in self.workspace.course.written for path in self._paths(module)]

    def _saved(self, paths: frozenset[Path]) -> None:
        if not (self.workspace.root / "modules").is_dir():
            raise TitoError(f"the workspace {self.workspace.root} is gone.", "`tito init DIR` makes one.")
        touched = [module for module in self.workspace.course.written if self._paths(module) & paths]
        if not touched:
            return
        if self.module not in touched:
            own = [module for module in touched if self.workspace.state(module) != LOAN]
            if not own:
                self.note(f"{touched[0].folder} was saved, but it is on loan: nothing of yours to test there.")
                return
            self.go_to(own[0], again=False)
        self.test(again=self.workspace.root / self.module.suite in paths)

    def _paths(self, module: Module) -> set[Path]:
        return {self.workspace.root / module.lesson, self.workspace.root / module.suite}

    def go_to(self, module: Module, again: bool = True) -> None:
        """Turn to another module."""
        self._enter(module)
        self.exercise = self._exercise_at_start()
        if again:
            self.test(again=True)

    def skip_to(self, exercise: str) -> None:
        """Turn to another exercise; the one in hand waits until all others are done."""
        if self.exercise and self.exercise != exercise:
            self.skipped.add(self.exercise)
        self.skipped.discard(exercise)
        self.exercise = self._wanted = exercise
        self.first = []
        self.test(again=True)

    def test(self, again: bool = False, everything: bool = False) -> None:
        """Export the lesson and start a run, unless nothing that runs has changed; `again` runs it all the same."""
        try:
            lesson = read_lesson(self.workspace.root, self.module)
            changed = changed_exercises(self._lesson, lesson) if self._lesson else ()
            text = export_of(self.workspace.root, self.module).text
            check_own(self.workspace, self.module)
            if text == self._tested and not again:
                self._unchanged(lesson)
                return
            self.drop()
            said, _ = self.captured(lambda: make_ready(self.workspace, self.module))
        except (TitoError, OSError) as error:  # an editor may hold the file, or something else may stand in its place
            self._refuse(error)
            return
        self.problem = None
        self.notes = _sentences(said)
        self._lesson, self._tested = lesson, text
        self.first = [*dict.fromkeys([*changed, *self.first])]
        self._start(lesson, everything)

    def _refuse(self, error: TitoError | OSError) -> None:
        """Keep the last picture and say what is wrong with what was saved."""
        self.drop()
        if isinstance(error, OSError):
            error = TitoError(f"{error.filename}: {error.strerror}.", "`r` looks again.")
        self.problem = error
        self.face.refused(self)

    def _unchanged(self, lesson: Lesson) -> None:
        """Take over a change that runs nothing: its lines may have moved."""
        ours, self.written = self.written, ""
        if lesson.text == ours:
            return
        self._lesson = lesson
        self.problem = None
        if self.verdict:
            diagnosis = self.verdict.diagnosis
            self.verdict = Verdict(self.workspace, self.module, self.verdict.run)
            self.verdict.diagnosis = diagnosis
        self.note("Saved: nothing that is tested has changed.")

    def _start(self, lesson: Lesson, everything: bool) -> None:
        known = self.exercise and (self.exercise == self._wanted or self.exercise not in lesson.open)
        first = self.first or ([self.exercise] if self.exercise and known else [])
        self._number += 1
        self.since, self.told = time.monotonic(), None
        self.attempt = Attempt(
            self._number,
            self.workspace,
            Wanted(self.module, ranks(lesson, first, frozenset(self.skipped)), everything),
            self.limit,
            self.worker,
            self.inbox.put,
            self._before,
        )
        self.face.testing(self)

    def drop(self) -> None:
        """End the run that is on its way, and the search for the mistake behind the last one."""
        if self._search:
            self._search.close()
            self._search = None
        if self.attempt:
            self.attempt.drop()
            self._before, self.attempt = self.attempt, None
            self._tested = ""

    def _ended(self, result: Run | TitoError) -> None:
        attempt, self.attempt = self.attempt, None
        assert attempt is not None
        self._before, self.told = attempt, None
        if isinstance(result, TitoError):
            self._tested = ""
            self._refuse(result)
            return
        try:
            said, self.verdict = self.captured(lambda: judge(self.workspace, self.module, result))
        except (TitoError, OSError) as error:  # the lesson went away meanwhile
            self._refuse(error)
            return
        self.run_count += 1
        self.seconds = result.seconds
        self.notes += _sentences(said)
        self.notes += [
            f"{name} passes its {count(passed, 'test')}." for name in self.first if (passed := passes(result, name))
        ]
        self.first = []
        failure = self.failure
        if failure is None:
            self.exercise = next(iter(self.left), None)
        elif failure.module == self.module and failure.exercise:
            self.exercise = failure.exercise
        self.all_failures = attempt.wanted.everything
        self.face.answered(self)
        if self.verdict and failure and self.going:
            self._search = Search(self.verdict, self.inbox.put)

    def _recognized(self, verdict: Verdict) -> None:
        """Take over what was found, if the failure is still the one that was looked into."""
        if verdict.diagnosis and self.verdict and self.verdict.run is verdict.run:
            self.verdict.diagnosis = verdict.diagnosis
            self.face.recognized(self)

    def complete(self) -> str:
        """Say what the framework can do now; turn to what comes next, and return what was said."""
        assert self.verdict is not None
        verdict = self.verdict
        said, _ = self.captured(lambda: tell_complete(self.here, verdict))
        following = current_module(self.workspace)
        if following is None:
            self.finished = True
        else:
            self._enter(following)
            self.exercise = self._exercise_at_start()
        return said


def _sentences(said: str) -> list[str]:
    """Return what a command said beside its result, to be wrapped anew."""
    joined = " ".join(said.split())
    return [joined] if joined else []


def passes(run: Run, exercise: str) -> int:
    """Return how many tests of an exercise there were, if all of them ran and passed; else 0."""
    own = [test for test in run.tests if exercise in test["exercises"]]
    return len(own) if all(test["outcome"] == "passed" for test in own) else 0
