"""Turns the run of a suite into what a learner reads: one failure, where it is in their lesson, and what to do next."""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tito.course import Module
from tito.diagnosis.behaviour import Diagnosis, diagnose
from tito.errors import TitoError
from tito.export import read_lesson
from tito.lesson import STUB_MESSAGE, Exercise, Lesson
from tito.memory import fingerprint, recall, remember
from tito.places import Place, lesson_line, place_of
from tito.runner import Run
from tito.screen import count, fields, listed, prose, say
from tito.workspace import Workspace

_ENDINGS = {
    "wrong": "is not right yet",
    "endless": "did not end",
    "ended": "ended the test run",
    "skipped": "was skipped",
}


@dataclass(frozen=True)
class Failure:
    """One test that failed, seen from the lesson.

    Attributes
    ----------
    exercises
        Those it can be about, the likeliest first.
    kind
        ``stub`` (not written yet), ``wrong`` (not right yet), ``endless`` (stopped when time was up), ``ended`` (the
        whole run ended with it) or ``skipped``.
    """

    test: dict[str, Any]
    kind: str
    module: Module
    exercises: tuple[str, ...]
    place: Place | None
    told: dict[str, Any]

    @property
    def exercise(self) -> str | None:
        """The exercise to look at first."""
        return next(iter(self.exercises), None)

    @property
    def subject(self) -> str:
        """The exercises that can be meant, in words."""
        if len(self.exercises) < 2:
            return self.exercise or "the module"
        more = len(self.exercises) - 3
        shown = [*self.exercises[:3], f"{more} more"] if more > 0 else list(self.exercises)
        return f"one of {listed(shown)}"

    def as_json(self) -> dict[str, Any]:
        """Return the failure for other programs."""
        place = self.place and {"path": self.place.path, "line": self.place.line, "function": self.place.function}
        keys = ("called", "came", "expected", "note", "given", "example", "printed", "type", "message")
        return {
            "test": self.test["test"],
            "kind": self.kind,
            "module": self.module.folder,
            "exercises": list(self.exercises),
            "where": place,
            **{key: self.told[key] for key in keys if key in self.told},
        }


class Verdict:
    """What a run of `module`'s suite means for the learner."""

    def __init__(self, workspace: Workspace, module: Module, run: Run) -> None:
        self.workspace = workspace
        self.module = module
        self.run = run
        self.lesson = read_lesson(workspace.root, module)
        self.diagnosis: Diagnosis | None = None
        self.failures = [self._failure(test) for test in run.with_outcome("failed")]
        if not run.passed and (run.running or not self.failures):
            self.failures.append(self._unfinished())

    @property
    def passed(self) -> bool:
        """Whether all tests passed."""
        return self.run.passed

    def _failure(self, test: dict[str, Any]) -> Failure:
        told = test["failure"]
        stub = STUB_MESSAGE.search(told["message"]) if told["type"] == "NotImplementedError" else None
        if stub:
            module = self._module_of(stub["path"]) or self.module
            place = self._place(told["frames"], module, stub["name"])
            return Failure(test, "stub", module, (stub["name"],), place, told)
        exercises = self._exercises(test["exercises"], told["frames"])
        place = self._place(told["frames"], self.module, next(iter(exercises), None))
        return Failure(test, "wrong", self.module, exercises, place, told)

    def _unfinished(self) -> Failure:
        """Describe the test, or the import, that was stopped or that ended the whole process."""
        run = self.run
        skipped = next(iter(run.with_outcome("skipped")), None)
        if run.timed_out:
            kind, came = "endless", f"no answer in {run.limit:g} seconds, so it was stopped"
        elif run.running or not run.ended or not skipped:
            kind, came = "ended", "no more tests ran" if run.tests or run.running else "no test ran"
        else:
            kind, came = "skipped", "a test that was skipped proves nothing"
        whole_suite: dict[str, Any] = {"test": self.module.suite, "name": "", "doc": "", "exercises": []}
        test = run.running or (skipped if kind == "skipped" else None) or whole_suite
        exercises = self._exercises(test["exercises"], run.stopped)
        place = self._place(run.stopped, self.module, next(iter(exercises), None))
        pytest_says = run.ended and run.running  # then what it printed says the same once more
        told = {"came": came, "printed": _printed(run.output) if kind == "ended" and not pytest_says else ""}
        return Failure(test, kind, self.module, exercises, place, told)

    def _module_of(self, lesson: str) -> Module | None:
        return next((module for module in self.workspace.course if module.lesson == lesson), None)

    def _exercises(self, named: list[str], frames: list[dict[str, Any]]) -> tuple[str, ...]:
        """Return what a failure is about: the answer its code stands in, else those named, the likeliest first.

        What is not written yet comes before what is, and what few tests have passed for before what many have.
        """
        for frame in reversed(frames):
            if frame["path"] == self.module.exported:
                line = lesson_line(self.workspace, self.module, self.lesson, frame["line"])
                inside = [exercise.name for exercise in self.lesson.exercises if _answers(exercise, line)]
                if inside:
                    return (inside[0],)
        passed = Counter(name for test in self.run.with_outcome("passed") for name in test["exercises"])
        return tuple(sorted(named, key=lambda name: (name not in self.lesson.open, passed[name])))

    def _place(self, frames: list[dict[str, Any]], module: Module, exercise: str | None) -> Place | None:
        """Return the deepest line of the module's lesson in `frames`, else the line of the exercise."""
        for frame in reversed(frames):
            if frame["path"] == module.exported:
                return place_of(self.workspace, module, self._lesson(module), frame)
        found = next((e for e in self._lesson(module).exercises if e.name == exercise), None)
        return Place(module.lesson, found.line) if found else None

    def _lesson(self, module: Module) -> Lesson:
        return self.lesson if module == self.module else read_lesson(self.workspace.root, module)

    def remember(self) -> None:
        """Remember the exercise that failed, so that `tito module hint` speaks about it."""
        first = self.failures[0] if self.failures else None
        fact = None
        if first and first.exercise and first.module == self.module:
            answer = answer_fingerprint(self.lesson, first.exercise)
            fact = {"exercise": first.exercise, "answer": answer, "called": first.told.get("called", [])}
        if fact or recall(self.workspace.root, "failing", dict).get(self.module.folder):
            remember(self.workspace.root, "failing", self.module.folder, fact)

    def as_json(self) -> dict[str, Any]:
        """Return the verdict for other programs."""
        self.look_for_mistake()
        run = self.run
        return {
            "module": self.module.folder,
            "passed": self.passed,
            "seconds": round(run.seconds, 2),
            "timed_out": run.timed_out,
            "counts": {
                "collected": run.collected,
                **{outcome: len(run.with_outcome(outcome)) for outcome in ("passed", "failed", "skipped")},
            },
            "tests": [
                {"test": test["test"], "exercises": test["exercises"], "outcome": test["outcome"]} for test in run.tests
            ],
            "failures": [{**failure.as_json(), "diagnosis": self.looks_like(failure)} for failure in self.failures],
            "next": self.next_command(),
        }

    def next_command(self) -> str:
        """Return the command that helps on."""
        if self.passed:
            return f"tito module complete {self.module.number:02}"
        first = self.failures[0]
        return f"tito module hint {first.module.number:02}" + (f" {first.exercise}" if first.exercise else "")

    def look_for_mistake(self, stop: threading.Event | None = None) -> None:
        """Search for the known mistake behind the first failure, which takes about a second, unless `stop` is set."""
        first = next(iter(self.failures), None)
        if first and first.kind in ("wrong", "endless") and first.exercise and first.exercise not in self.lesson.open:
            # an answer may break where another one is at work, so the test's own exercises can be meant as well
            named = tuple(dict.fromkeys([*first.exercises, *first.test["exercises"]]))
            try:
                found = diagnose(self.workspace, self.module, self.lesson, first.test["test"], named, stop=stop)
            except (OSError, TitoError):  # a full disk, or a file that is gone: the verdict stands without it
                found = None
            self.diagnosis = found

    def looks_like(self, failure: Failure) -> str:
        """Return what is known of the mistake behind a failure: a listed one if it was found, else what values tell."""
        found = self.diagnosis
        if found is None or failure is not self.failures[0]:
            return str(failure.told.get("resembles", ""))
        where = "" if failure.exercises == (found.exercise,) else f"in {found.exercise}, "
        return f"{where}it {found.mistake}.\n{found.advice}"

    def show(self, everything: bool = False) -> None:
        """Print the verdict: the first failure, or all of them."""
        self.look_for_mistake()
        run, done = self.run, len(self.run.with_outcome("passed"))
        title = f"{self.module.number:02} {self.module.title}"
        if self.passed:
            say(f"{title}: all {count(done, 'test')} passed in {run.seconds:.1f} s.", "green")
            return
        rest = f" of {run.collected}" if run.collected else ""
        say(f"{title}: {done}{rest} tests passed{'' if everything else ' before the first failure'}.")
        for failure in self.failures if everything else self.failures[:1]:
            say()
            self.show_failure(failure)
        hidden = len(self.failures) - 1
        if hidden and not everything:
            say()
            say(f"{count(hidden, 'more failure')}: `tito module test {self.module.number:02} --all` shows them.")
        say()
        self._show_next()

    def show_failure(self, failure: Failure) -> None:
        """Print one failure."""
        say(self.headline(failure), "bold" if failure.kind == "stub" else "bold red")
        fields(self.facts(failure))

    def headline(self, failure: Failure) -> str:
        """Return in a sentence what has failed."""
        if failure.kind == "stub":
            owner = "" if failure.module == self.module else f" of {failure.module.folder}"
            return f"{failure.exercise}{owner} is not written yet."
        return f"{failure.subject} {_ENDINGS[failure.kind]}."

    def facts(self, failure: Failure) -> list[tuple[str, str]]:
        """Return what is known of a failure, by labels; a value may be empty."""
        told = failure.told
        if failure.kind == "stub":
            line = self._lesson(failure.module).open.get(failure.exercise or "")
            where = f"{failure.module.lesson}:{line}" if line else failure.module.lesson
            return [("Where", where), ("Test", _test_name(failure.test))]
        given = ", ".join(f"{name}={value}" for name, value in told.get("given", {}).items())
        return [
            ("Test", _test_name(failure.test)),
            ("Called", "\n".join(told.get("called", ()))),
            ("With", "\n".join(filter(None, (given, told.get("example", ""))))),
            ("Came", told["came"]),
            ("Expected", told.get("expected", "")),
            ("Looks like", self.looks_like(failure)),
            ("Note", told.get("note", "")),
            ("Printed", told.get("printed", "")),
            ("Where", failure.place.shown() if failure.place else ""),
        ]

    def _show_next(self) -> None:
        first, number = self.failures[0], f"{self.module.number:02}"
        if first.kind == "stub" and first.module != self.module:
            prose(f"Next: finish {first.module.folder}, `tito module test {first.module.number:02}`.", indent=6)
            return
        verb = "write" if first.kind == "stub" else "mend"
        prose(f"Next: {verb} it, then `tito module test {number}`. Stuck? `tito module hint {number}`", indent=6)


def _printed(output: str) -> str:
    """Return the last lines of a run that are not pytest's row of dots."""
    lines = [line for line in output.strip().split("\n") if not re.fullmatch(r"[.FEsxX]*", line)]
    return "\n".join(lines[-5:])


def answer_fingerprint(lesson: Lesson, name: str) -> str:
    """Return a fingerprint of what the learner has written for an exercise; empty if it is not in the lesson."""
    return next((fingerprint("\n".join(e.answer())) for e in lesson.exercises if e.name == name), "")


def _answers(exercise: Exercise, line: int) -> bool:
    """Whether the lesson's line stands between the solution markers of `exercise`."""
    start = exercise.cell.start
    return any(start + begin < line < start + end for begin, end in exercise.cell.regions())


def _test_name(test: dict[str, Any]) -> str:
    name = test["name"].split("[")[0] or test["test"]
    return f"{name}\n{test['doc']}" if test["doc"] else name
