"""Runs a module's suite in a process of its own, in the workspace, with a time limit."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tito.course import Module
from tito.errors import TitoError
from tito.workspace import Workspace

LIMIT = 120.0
_GRACE = 2.0  # seconds that a process gets to say where it stands when time is up
# The suite is run by these settings everywhere, whatever a workspace's own configuration has become.
SETTINGS = """[pytest]
filterwarnings = error
markers = exercise(*names): the exercises of the lesson whose answers this test proves
"""
_FRAME = re.compile(r'^  File "(?P<path>.+)", line (?P<line>\d+) in (?P<function>.+)$', re.MULTILINE)


@dataclass
class Run:
    """What came of a suite: its tests in the order they ran, and how it ended.

    Attributes
    ----------
    tests
        One record a test: ``test``, ``name``, ``doc``, ``exercises``, ``outcome`` and ``failure``.
    collected
        How many tests there are.
    running
        The test that did not end, or None.
    stopped
        The frames in the package where the code stood when it was stopped, the deepest last.
    timed_out
        Whether time was up.
    seconds
        How long it took.
    ended
        Whether the run came to its end by itself.
    output
        What pytest printed.
    """

    limit: float
    tests: list[dict[str, Any]] = field(default_factory=list)
    collected: int = 0
    running: dict[str, Any] | None = None
    stopped: list[dict[str, Any]] = field(default_factory=list)
    timed_out: bool = False
    seconds: float = 0.0
    ended: bool = False
    status: int = 0
    output: str = ""

    def with_outcome(self, outcome: str) -> list[dict[str, Any]]:
        """Return the tests that passed, failed or were skipped."""
        return [test for test in self.tests if test["outcome"] == outcome]

    @property
    def passed(self) -> bool:
        """Whether the suite ran to its end, and all of it passed."""
        all_there = len(self.with_outcome("passed")) == self.collected > 0
        return self.ended and self.status == 0 and not self.timed_out and all_there


@dataclass(frozen=True)
class Order:
    """A run of pytest that a process is asked for.

    Attributes
    ----------
    arguments, environment, folder
        What pytest is called with: its arguments, all variables, and the current folder.
    output
        The file that takes what is printed.
    """

    arguments: tuple[str, ...]
    environment: dict[str, str]
    folder: Path
    output: Path


class Process(Protocol):
    """A process that carries out an order."""

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most `seconds`; return whether it has ended."""

    def kill(self) -> None:
        """End it and everything it has started, if it has not ended."""


class Fresh:
    """A new interpreter that carries out one order."""

    def __init__(self, order: Order) -> None:
        with order.output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pytest", *order.arguments],
                cwd=order.folder,
                env=order.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most `seconds`; return whether it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.poll() is not None

    def kill(self) -> None:
        """End it and everything it has started."""
        kill_group(self.process)


def run_suite(
    workspace: Workspace,
    module: Module,
    limit: float = LIMIT,
    all_tests: bool = False,
    progress: Callable[[list[dict[str, Any]], int], None] | None = None,
    start: Callable[[Order], Process] = Fresh,
) -> Run:
    """Run a module's suite against the workspace's package.

    Parameters
    ----------
    workspace, module
        What to test. Nothing is exported here.
    limit
        Seconds after which the process and all it has started are killed.
    all_tests
        Go on after the first failure.
    progress
        Called now and then with the tests that are done, and the number of all.
    start
        Starts the process that runs pytest.

    Raises
    ------
    TitoError
        If the suite or pytest is missing, or if another `tinytorch` than the workspace's would answer.
    """
    if not (workspace.root / module.suite).is_file():
        raise TitoError(
            f"{module.suite} is missing.",
            f"`tito module reset {module.number:02}` brings it back, and your lesson is kept.",
        )
    if importlib.util.find_spec("pytest") is None:
        raise TitoError(
            "pytest is not installed beside tito.", f"Run `{sys.executable} -m pip install pytest hypothesis`."
        )
    with tempfile.TemporaryDirectory(prefix="tito-") as folder:
        return _run(workspace, module, limit, all_tests, progress, start, Path(folder))


def _run(
    workspace: Workspace,
    module: Module,
    limit: float,
    all_tests: bool,
    progress: Callable[[list[dict[str, Any]], int], None] | None,
    start: Callable[[Order], Process],
    folder: Path,
) -> Run:
    events, trace, output = folder / "events", folder / "trace", folder / "output"
    (folder / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
    events.touch()
    run, started = Run(limit), time.time()
    deadline = started + limit
    arguments = _arguments(workspace.root, module, folder, all_tests)
    process = start(Order(arguments, _environment(workspace.root, events, trace, deadline), workspace.root, output))
    try:
        while not process.wait(0.1) and time.time() < deadline + _GRACE:
            if progress:
                progress(*_progress(events))
    finally:
        process.kill()
    run.seconds = time.time() - started
    run.timed_out = time.time() >= deadline
    run.output = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    if trace.exists():
        run.stopped = _stopped(workspace.root, trace.read_text(encoding="utf-8", errors="replace"))
    _read(run, events, workspace)
    return run


def _arguments(root: Path, module: Module, folder: Path, all_tests: bool) -> tuple[str, ...]:
    """Return those of pytest; files of the suite go into `folder`, since runs that share theirs disturb each other."""
    options = ["-qq", "--tb=no", "--import-mode=importlib", "-p", "tito.report"]
    options += ["-p", "no:cacheprovider", "-p", "no:faulthandler"]
    places = ["-c", str(folder / "pytest.ini"), f"--rootdir={root}", f"--confcutdir={root}"]
    places += [f"--basetemp={folder / 'files'}"]
    return (*options, *places, *([] if all_tests else ["-x"]), module.suite)


def _environment(root: Path, events: Path, trace: Path, deadline: float) -> dict[str, str]:
    """Return the variables of one run."""
    return {
        **steady_environment(root),
        "TITO_EVENTS": str(events),
        "TITO_TRACE": str(trace),
        "TITO_ROOT": str(root),
        "TITO_DEADLINE": str(deadline),
    }


def steady_environment(root: Path) -> dict[str, str]:
    """Return the variables that are the same in every run."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")}
    return {
        **env,
        "HYPOTHESIS_STORAGE_DIRECTORY": str(root / ".tito" / "hypothesis"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONBREAKPOINT": "0",  # nobody is there to type
        "PYTHONIOENCODING": "utf-8",
        "TINYTORCH_FAST": "0",  # the learner's own code answers, whatever the size
    }


def kill_group(process: subprocess.Popen[Any]) -> None:
    """End a process and everything it has started."""
    if os.name == "posix":
        with suppress(ProcessLookupError, PermissionError):  # gone already
            os.killpg(process.pid, signal.SIGKILL)
    else:
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True)
    process.wait()


def _events(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]  # what follows the last newline is not written yet


def _progress(events: Path) -> tuple[list[dict[str, Any]], int]:
    happened = _events(events)
    done = [event for event in happened if event["event"] == "result"]
    return done, next((event["tests"] for event in happened if event["event"] == "collected"), 0)


def _read(run: Run, events: Path, workspace: Workspace) -> None:
    """Fill in what the plugin has written."""
    happened = _events(events)
    if not happened and not run.timed_out:
        last = [line for line in run.output.split("\n") if line.strip()][-1:] or ["it printed nothing"]
        raise TitoError(f"pytest did not start: {last[0]}", "`tito doctor` looks at the environment.")
    for event in happened:
        kind = event.pop("event")
        if kind in ("engine", "end"):
            _check_engine(event["path"], workspace)
        if kind == "collected":
            run.collected = event["tests"]
        elif kind == "start":
            run.running = event
        elif kind == "result":
            run.tests.append(event)
            run.running = None
        elif kind == "end":
            run.ended, run.status = True, event["status"]


def _check_engine(path: str | None, workspace: Workspace) -> None:
    if path is None or not Path(path).resolve().is_relative_to((workspace.root / "tinytorch").resolve()):
        who = f"the tinytorch in {Path(path).parent} would answer" if path else "no tinytorch would answer"
        raise TitoError(
            f"nothing was tested: {who}, not this workspace's own in {workspace.root / 'tinytorch'}.",
            "`tito doctor` says how to put that right.",
        )


def _stopped(root: Path, trace: str) -> list[dict[str, Any]]:
    """Return the frames of the package in a dump of the interpreter, the deepest last."""
    package = root / "tinytorch"
    frames = [
        {
            "path": Path(match["path"]).relative_to(root).as_posix(),
            "line": int(match["line"]),
            "function": match["function"],
        }
        for match in _FRAME.finditer(trace)
        if Path(match["path"]).is_relative_to(package)
    ]
    return frames[::-1]
