"""Runs a suite on many versions of one exported file, each in a process of its own.

For a process that has imported nothing of the package. NumPy, pytest and Hypothesis are imported once; then the process
forks for each version, so that a version costs little more than its tests. Where there is no fork, each starts an
interpreter. A version is put into a private copy of the package, first on the path, before anything of the package is
imported.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tito.diagnosis.outcomes import TooLongError, alike
from tito.report import Witness

CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"  # Apple's BLAS does not survive a fork
MEMORY = 6 << 30  # bytes of address space, so that a wrong answer cannot take the machine with it
LONGEST_FILE = 64 << 20  # bytes

WARM_UP = """
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

@settings(max_examples=3)
@given(arrays.arrays(np.float64, arrays.array_shapes()), st.lists(st.integers(0, 9)), st.floats(), st.data())
def test_warm_up(array, numbers, x, data):
    assert array.shape == data.draw(st.just(array.shape))
    assert sum(numbers) == pytest.approx(sum(reversed(numbers)))
"""


@dataclass(frozen=True)
class Job:
    """A version to test.

    Attributes
    ----------
    id
        What its verdict is called.
    package
        The folder `tinytorch` to copy.
    exported, text
        The file of it that this version replaces, and what it holds.
    folder
        Where the suite runs: a copy of the workspace's files.
    config, suite
        The settings of pytest and the suite, as paths.
    test, exercise
        A test, by its name for pytest, and an exercise: it and those that are marked with it run first. May be empty.
    only
        Whether the others are left out.
    more, patience
        How many tests that are marked with the exercise run after the first failure, and for how many seconds.
    like
        How `test` has to end, or no more tests run.
    test_limit, limit
        Seconds for one test, and for the version.
    """

    id: str
    package: str
    exported: str
    text: str
    folder: str
    config: str
    suite: str
    test: str = ""
    exercise: str = ""
    only: bool = False
    more: int = 0
    patience: float = math.inf
    like: Mapping[str, Any] | None = None
    test_limit: float = 20.0
    limit: float = 90.0


@dataclass
class Verdict:
    """What came of a version.

    Attributes
    ----------
    id
        The job's.
    code
        pytest's exit code: 0 all passed, 1 a test failed; None if the process did not live to say.
    failed
        The first test that failed.
    proves
        The exercises that this test is marked with.
    message
        What went wrong, in a line or a few.
    outcomes
        For each test that ran what was told of its failure; None where it passed.
    marked
        All exercises that tests of the suite are marked with.
    foreign
        Modules of the package that came from elsewhere than the private copy.
    """

    id: str
    code: int | None = None
    failed: str = ""
    proves: list[str] = field(default_factory=list)
    message: str = ""
    outcomes: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    marked: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


class Recorder:
    """A pytest plugin that picks and orders the tests of a job, ends endless ones, and keeps what came of them."""

    def __init__(self, job: Job, root: Path) -> None:
        self.job = job
        self.witness = Witness(root)
        self.marks: dict[str, list[str]] = {}
        self.proven: set[str] = set()
        self.late: set[str] = set()
        self.more, self.until = job.more, math.inf
        self.verdict = Verdict(job.id)

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        """Read the marks, and pick the tests: those of the exercise come first."""
        for item in items:
            names = [name for mark in item.iter_markers("exercise") for name in mark.args]
            self.marks[item.nodeid] = sorted(set(names))
        job = self.job
        own = [item for item in items if job.exercise in self.marks[item.nodeid] and item.nodeid != job.test]
        self.proven = {item.nodeid for item in own}
        chosen = [item for item in items if item.nodeid == job.test] + own
        rest = [item for item in items if item not in chosen]
        if job.only:
            config.hook.pytest_deselected(items=rest)
        items[:] = chosen if job.only else chosen + rest

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[None]:
        """End a test that takes too long, and soon again where Hypothesis repeats what failed."""
        if not hasattr(signal, "setitimer"):
            return (yield)

        def too_long(*_: object) -> None:
            self.late.add(item.nodeid)  # the error may get lost, as in a callback of the collector
            raise TooLongError(f"the test did not end in {self.job.test_limit:g} s")

        signal.signal(signal.SIGALRM, too_long)
        signal.setitimer(signal.ITIMER_REAL, self.job.test_limit, 0.1 * self.job.test_limit)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def pytest_collectreport(self, report: Any) -> None:
        """Keep what stops the suite from being read."""
        self._keep(report)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep the first failure."""
        self._keep(report)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: Any, nextitem: Any) -> None:
        """Stop some tests after the first failure, and at once where the first test ends in another way."""
        job, now = self.job, time.monotonic()
        if job.like is not None and not alike(self.verdict.outcomes.get(job.test), job.like):
            item.session.shouldfail = "it is another mistake"
        elif self.verdict.message:
            self.until = min(self.until, now + job.patience)
            over = self.more == 0 or now >= self.until
            if over or nextitem is None or nextitem.nodeid not in self.proven:
                item.session.shouldfail = "all is known"
            self.more -= 1

    def _keep(self, report: Any) -> None:
        if report.failed or getattr(report, "when", "") == "call":
            told = self.witness.failures.get(report.nodeid, {}) if report.failed else None
            cut_short = {"type": TooLongError.__name__} if report.nodeid in self.late else {}
            self.verdict.outcomes[report.nodeid] = {**(told or {}), **cut_short} if told or cut_short else told
        if report.failed and not self.verdict.message:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.verdict.failed = report.nodeid
            self.verdict.message = crash.message if crash else str(report.longrepr)[-1000:]


def run_suite(job: Job, place: Path) -> Verdict:
    """Test one version in this process, which has imported nothing of the package."""
    package = place / "tinytorch"
    shutil.copytree(job.package, package)
    exported = place / job.exported
    exported.write_text(job.text, encoding="utf-8")
    Path(importlib.util.cache_from_source(str(exported))).unlink(missing_ok=True)  # it is of another version
    sys.path.insert(0, str(place))
    os.environ["PYTHONPATH"] = str(place)  # for processes that the suite starts
    os.chdir(job.folder)
    already = sorted(name for name in sys.modules if name.partition(".")[0] == "tinytorch")

    recorder = Recorder(job, place)
    options = ["-q", "--no-header", "--tb=native", "-p", "no:cacheprovider", "-p", "no:faulthandler"]
    warm = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # Hypothesis is imported already
    places = ["-c", job.config, "--rootdir", job.folder, "--basetemp", str(place / "files"), "--import-mode=importlib"]
    code = pytest.main([*options, *warm, *places, job.suite], plugins=[recorder, recorder.witness])
    files = {
        name: str(module.__file__) for name, module in sys.modules.items() if name.partition(".")[0] == "tinytorch"
    }
    verdict = recorder.verdict
    verdict.code = int(code)
    verdict.proves = recorder.marks.get(verdict.failed, [])
    verdict.marked = sorted({name for names in recorder.marks.values() for name in names})
    verdict.foreign = already + sorted(name for name, file in files.items() if package not in Path(file).parents)
    return verdict


def run_job(job: Job, place: Path) -> None:
    """Test one version and leave the verdict in `place`; everything printed goes to a file there."""
    with (place / "output").open("w") as output, open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    limit_resources(job.limit)
    verdict = json.dumps(asdict(run_suite(job, place)))
    (place / "unfinished").write_text(verdict, encoding="utf-8")
    os.replace(place / "unfinished", place / "verdict")


def limit_resources(seconds: float) -> None:
    """Bound this process's memory, files and time, where the system can; nobody may be left to end it."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LONGEST_FILE, LONGEST_FILE))
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds) + 1, math.ceil(seconds) + 1))


class Fork:
    """A forked process that runs a job; used as `subprocess.Popen` is."""

    def __init__(self, job: Job, place: Path) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                run_job(job, place)
                code = 0
            except BaseException:  # the child must end here, whatever happened; the output says what
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return status if pid else None

    def kill(self) -> None:
        """End the process and those it started."""
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class Interpreter:
    """A fresh interpreter that runs a job, for systems without fork."""

    def __init__(self, job: Job, place: Path) -> None:
        (place / "job").write_text(json.dumps(asdict(job)), encoding="utf-8")
        self.process = subprocess.Popen([sys.executable, "-P", "-m", "tito.diagnosis.trials", place / "job"])

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        return self.process.poll()

    def kill(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


class Trials:
    """Judges versions, `at_once` at a time, in places below `folder`."""

    def __init__(self, folder: Path, at_once: int, fork: bool = CAN_FORK) -> None:
        self.folder = folder
        self.at_once = at_once
        self.fork = fork
        self.places = 0
        steady_hypothesis()
        if fork:
            warm_up(folder)
            gc.freeze()  # what is here now lives on in every fork, and no fork need look through it

    def run(self, jobs: Iterable[Job]) -> Iterator[Verdict]:
        """Run the jobs and yield each verdict as it comes."""
        waiting = list(jobs)[::-1]
        running: dict[Path, tuple[Job, Fork | Interpreter, float]] = {}
        parent = os.getppid()
        try:
            while waiting or running:
                while waiting and len(running) < self.at_once:
                    job = waiting.pop()
                    place = self.folder / f"place-{self.places}"
                    self.places += 1
                    place.mkdir()
                    process = (Fork if self.fork else Interpreter)(job, place)
                    running[place] = job, process, time.monotonic() + job.limit
                for place, (job, process, end) in list(running.items()):
                    ended = process.poll() is not None
                    if not ended and time.monotonic() < end:
                        continue
                    if not ended:
                        process.kill()
                    del running[place]
                    yield verdict_in(place, job, late=not ended)
                    shutil.rmtree(place, ignore_errors=True)
                if os.getppid() != parent:
                    return  # nobody listens any more
                time.sleep(0.005)
        finally:
            for _, process, _ in running.values():
                process.kill()


def verdict_in(place: Path, job: Job, late: bool) -> Verdict:
    """Return the verdict that a finished job left in `place`, or one that says why it left none."""
    if (place / "verdict").exists():
        return Verdict(**json.loads((place / "verdict").read_text(encoding="utf-8")))
    output = place / "output"
    said = output.read_text(errors="replace")[-1500:] if output.exists() else ""
    what = f"did not end in {job.limit:g} s" if late else "the process died"
    return Verdict(job.id, message=f"{what}\n{said}")


def steady_hypothesis() -> None:
    """Make Hypothesis give the same verdict every time, keep nothing, and stop at the first failure it finds."""
    from hypothesis import HealthCheck, Phase, settings

    settings.register_profile(
        "trial",
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("trial")


def warm_up(folder: Path) -> None:
    """Import what every suite imports, by running a small one, so that the forks have it."""
    (folder / "warm").mkdir()
    suite = folder / "warm" / "test_warm_up.py"
    suite.write_text(WARM_UP, encoding="utf-8")
    (folder / "warm" / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", str(folder / "warm" / "pytest.ini")]
    shown = os.dup(1)
    os.dup2(2, 1)  # stdout is for verdicts
    code = pytest.main([*options, str(suite)])
    sys.stdout.flush()
    os.dup2(shown, 1)
    os.close(shown)
    assert code == 0, "the warm-up of pytest and Hypothesis failed"
    assert "tinytorch" not in sys.modules


def main(path: Path) -> None:
    """Run the one job in the file at `path`."""
    steady_hypothesis()
    run_job(Job(**json.loads(path.read_text(encoding="utf-8"))), path.parent)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
