"""Finds the listed mistake after which the tests fail as they do for the learner's answer.

Run as ``python -m tito.diagnosis.search FILE`` in a process of its own. It reads an order, in which all stands that it
knows of the course, and prints what fits as JSON.
"""

from __future__ import annotations

import compileall
import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tito.diagnosis.outcomes import Outcome, Outcomes, fitting, is_stub
from tito.diagnosis.trials import Job, Trials

_MOST_EXERCISES = 3
_MORE_TESTS = 8
_PATIENCE = 0.3  # seconds


@dataclass(frozen=True)
class Order:
    """What to look for.

    Attributes
    ----------
    learner
        A job that tests the package as the learner has it.
    test
        The test that failed, by its name for pytest.
    answered
        The exercises that the learner has written, those that the test is about first.
    named
        How many of them the test is about.
    references, mistakes
        By exercise: the exported file with the reference answer in the place of the learner's, and with each mistake.
    """

    learner: Job
    test: str
    answered: list[str]
    named: int
    references: dict[str, str]
    mistakes: dict[str, dict[str, str]]


class Search:
    """The search for a mistake, from the failed test to others of the exercise."""

    def __init__(self, order: Order, trials: Trials) -> None:
        self.order = order
        self.trials = trials

    def run(self) -> list[tuple[str, str]]:
        """Return each exercise and mistake that fits."""
        order = self.order
        named, others = order.answered[: order.named], order.answered[order.named :]
        first, mended = self._mended(named)
        if not first or is_stub(first):
            return []
        if not mended:
            _, mended = self._mended(others)
        found: list[tuple[str, str]] = []
        for exercise in [name for name in mended if name in order.mistakes][:_MOST_EXERCISES]:
            job = replace(order.learner, exercise=exercise, more=_MORE_TESTS, patience=_PATIENCE, like=first)
            ran = self._outcomes(job, {"": job.text, **order.mistakes[exercise]})
            learner = ran.pop("", {})
            found += [(exercise, name) for name in fitting(learner, ran)]
        return found

    def _mended(self, exercises: list[str]) -> tuple[Outcome, list[str]]:
        """Return how the failed test ends for the learner, and the exercises whose reference answer makes it pass."""
        texts = {name: self.order.references[name] for name in exercises}
        ran = self._outcomes(self.order.learner, {"": self.order.learner.text, **texts})
        ended = {name: outcomes[self.order.test] for name, outcomes in ran.items() if self.order.test in outcomes}
        return ended.pop("", None), [name for name in exercises if name in ended and ended[name] is None]

    def _outcomes(self, job: Job, texts: Mapping[str, str]) -> dict[str, Outcomes]:
        jobs = [replace(job, id=name, text=text, test=self.order.test, only=True) for name, text in texts.items()]
        return {verdict.id: verdict.outcomes for verdict in self.trials.run(jobs) if verdict.code is not None}


def main(path: Path) -> None:
    """Carry out the order in the file at `path`, and print what fits."""
    given = json.loads(path.read_text(encoding="utf-8"))
    at_once = given.pop("at_once")
    order = Order(learner=Job(**given.pop("learner")), **given)
    compileall.compile_dir(order.learner.package, quiet=2)
    found = Search(order, Trials(path.parent, at_once)).run()
    print(json.dumps(found))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main(Path(sys.argv[1]))
