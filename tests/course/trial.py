"""Run a module's suite on many versions of one exported file, each in a process of its own.

Started as a script with the path of a JSON file of jobs; prints one JSON line for each job as it ends. NumPy, pytest
and Hypothesis are imported once; then the process forks for each job, so that a job costs little more than its
tests. Where there is no fork, each job starts an interpreter.

A job's process puts its version into a private copy of the package, first on the path, before anything of the
package is imported. It ends in a verdict::

    id        the job's
    code      pytest's exit code: 0 all passed, 1 a test failed; None if the process did not live to say
    failed    the first test that failed
    proves    the exercises that this test is marked with
    message   what went wrong, in a line or a few
    marked    all exercises that tests of the suite are marked with
    foreign   modules of the package that came from elsewhere than the private copy
"""

from __future__ import annotations

import compileall
import gc
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"  # Apple's BLAS does not survive a fork
MEMORY = 6 << 30  # bytes of address space, so that a wrong answer cannot take the machine with it

WARM_UP = """
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

@given(arrays.arrays(np.float64, arrays.array_shapes()), st.lists(st.integers(0, 9)), st.floats(), st.data())
def test_warm_up(array, numbers, x, data):
    assert array.shape == data.draw(st.just(array.shape))
    assert sum(numbers) == pytest.approx(sum(reversed(numbers)))
"""


class Recorder:
    """A pytest plugin that puts the tests of one exercise first, ends endless ones, and keeps what failed first."""

    def __init__(self, exercise: str, only: bool, limit: float) -> None:
        self.exercise = exercise
        self.only = only
        self.limit = limit
        self.marks: dict[str, list[str]] = {}
        self.failed = ""
        self.message = ""

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        """Read the marks, and bring the tests of the exercise to the front."""
        for item in items:
            names = [name for mark in item.iter_markers("exercise") for name in mark.args]
            self.marks[item.nodeid] = sorted(set(names))
        if not self.exercise:
            return
        first = [item for item in items if self.exercise in self.marks[item.nodeid]]
        rest = [item for item in items if self.exercise not in self.marks[item.nodeid]]
        if self.only:
            config.hook.pytest_deselected(items=rest)
        items[:] = first if self.only else first + rest

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """End a test that takes too long, and soon again where Hypothesis repeats what failed."""
        if not hasattr(signal, "setitimer"):
            return (yield)

        def too_long(*_: object) -> None:
            raise TimeoutError(f"the test did not end in {self.limit} s")

        signal.signal(signal.SIGALRM, too_long)
        signal.setitimer(signal.ITIMER_REAL, self.limit, 2.0)
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

    def _keep(self, report: Any) -> None:
        if report.failed and not self.message:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.failed = report.nodeid
            self.message = crash.message if crash else str(report.longrepr)[-1000:]


def run_suite(job: dict[str, Any], place: Path) -> dict[str, Any]:
    """Test one version in this process, which has imported nothing of the package."""
    package = place / "tinytorch"
    shutil.copytree(job["package"], package)
    exported = place / job["exported"]
    exported.write_text(job["text"], encoding="utf-8")
    Path(importlib.util.cache_from_source(str(exported))).unlink(missing_ok=True)  # it is of another version
    sys.path.insert(0, str(place))
    os.environ["PYTHONPATH"] = str(place)  # for processes that the suite starts
    os.chdir(job["folder"])
    already = sorted(name for name in sys.modules if name.partition(".")[0] == "tinytorch")

    recorder = Recorder(job["exercise"], job["only"], job["test_limit"])
    options = ["-x", "-q", "--no-header", "--tb=native", "-p", "no:cacheprovider", "-o", "timeout=0"]
    warm = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # Hypothesis is imported already
    code = pytest.main(
        [*options, *warm, "-c", job["config"], "--rootdir", job["folder"], job["suite"]], plugins=[recorder]
    )
    files = {
        name: str(module.__file__) for name, module in sys.modules.items() if name.partition(".")[0] == "tinytorch"
    }
    return {
        "id": job["id"],
        "code": int(code),
        "failed": recorder.failed,
        "proves": recorder.marks.get(recorder.failed, []),
        "message": recorder.message,
        "marked": sorted({name for names in recorder.marks.values() for name in names}),
        "foreign": already + sorted(name for name, file in files.items() if package not in Path(file).parents),
    }


def run_job(job: dict[str, Any], place: Path) -> None:
    """Test one version and leave the verdict in `place`; everything printed goes to a file there."""
    with (place / "output").open("w") as output, open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    limit_memory()
    verdict = json.dumps(run_suite(job, place))
    (place / "unfinished").write_text(verdict, encoding="utf-8")
    os.replace(place / "unfinished", place / "verdict")


def limit_memory() -> None:
    """Bound this process's memory, where the system can."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


class Fork:
    """A forked process that runs a job; used as `subprocess.Popen` is."""

    def __init__(self, job: dict[str, Any], place: Path) -> None:
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

    def __init__(self, job: dict[str, Any], place: Path) -> None:
        (place / "job").write_text(json.dumps(job), encoding="utf-8")
        self.process = subprocess.Popen([sys.executable, "-P", __file__, "one", place / "job"])

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        return self.process.poll()

    def kill(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def run_all(jobs: Iterable[dict[str, Any]], folder: Path, at_once: int, fork: bool) -> Iterator[dict[str, Any]]:
    """Run the jobs, `at_once` at a time, and yield each verdict as it comes."""
    waiting = list(jobs)[::-1]
    running: dict[str, tuple[dict[str, Any], Fork | Interpreter, float]] = {}
    parent = os.getppid()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.pop()
                place = folder / f"place-{len(waiting)}"
                place.mkdir()
                running[str(place)] = job, (Fork if fork else Interpreter)(job, place), time.monotonic() + job["limit"]
            for name, (job, process, end) in list(running.items()):
                ended = process.poll() is not None
                if not ended and time.monotonic() < end:
                    continue
                if not ended:
                    process.kill()
                del running[name]
                yield verdict_in(Path(name), job, late=not ended)
                shutil.rmtree(name, ignore_errors=True)
            if os.getppid() != parent:
                return  # nobody listens any more
            time.sleep(0.005)
    finally:
        for _, process, _ in running.values():
            process.kill()


def verdict_in(place: Path, job: dict[str, Any], late: bool) -> dict[str, Any]:
    """Return the verdict that a finished job left in `place`, or one that says why it left none."""
    if (place / "verdict").exists():
        verdict: dict[str, Any] = json.loads((place / "verdict").read_text(encoding="utf-8"))
        return verdict
    output = place / "output"
    said = output.read_text(errors="replace")[-1500:] if output.exists() else ""
    what = f"did not end in {job['limit']} s" if late else "the process died"
    return {"id": job["id"], "code": None, "message": f"{what}\n{said}"}


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


def main(arguments: list[str]) -> None:
    """Run the jobs of the file named in `arguments`."""
    file = Path(arguments[1])
    steady_hypothesis()
    if arguments[0] == "one":
        run_job(json.loads(file.read_text(encoding="utf-8")), file.parent)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    order = json.loads(file.read_text(encoding="utf-8"))
    for package in {job["package"] for job in order["jobs"]}:
        compileall.compile_dir(package, quiet=2)
    if order["fork"]:
        warm_up(file.parent)
        gc.freeze()  # what is here now lives on in every fork, and no fork need look through it
    for verdict in run_all(order["jobs"], file.parent, order["at_once"], order["fork"]):
        print(json.dumps(verdict), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
