"""What `pytest` does in a workspace, by itself or from an editor's list of tests: the lesson as it is now answers.

A plugin, named in the workspace's `pyproject.toml`. Before a suite is imported its lesson is exported, as
`tito module test` does. Suites of modules that are not begun are left out, unless one is asked for by its name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from tito.course import Module
from tito.errors import TitoError
from tito.practice import make_ready
from tito.screen import listed
from tito.workspace import LOAN, Workspace


def pytest_configure(config: pytest.Config) -> None:
    """Start, if the folder of the settings is a workspace."""
    workspace = Workspace.around(config.rootpath)
    if workspace:
        os.environ.setdefault("TINYTORCH_FAST", "0")  # the learner's own code answers, whatever the size
        config.pluginmanager.register(Suites(workspace, config), "tito-suites")


class Suites:
    """The suites of a workspace, and what is in the way of some."""

    def __init__(self, workspace: Workspace, config: pytest.Config) -> None:
        self.workspace = workspace
        self.by_path = {workspace.root / module.suite: module for module in workspace.course.written}
        folder = config.invocation_params.dir
        self.asked = [(folder / argument.split("::")[0]).resolve() for argument in config.args]
        self.problems: dict[Path, TitoError] = {}

    def pytest_collection(self, session: pytest.Session) -> None:
        """Export what will be tested, before anything of the package is imported."""
        for path, module in self.by_path.items():
            if self._is_meant(path) and not self._left_out(path, module):
                try:
                    self._export(module, session.config.option.collectonly)
                except TitoError as error:
                    self.problems[path] = error

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out what is not begun."""
        path = collection_path.resolve()
        module = self.by_path.get(path)
        return True if module and self._left_out(path, module) else None

    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
        """Say in the place of a suite what is in its way."""
        problem = self.problems.get(module_path.resolve())
        if problem is None:
            return None
        unready: Unready = Unready.from_parent(parent, path=module_path)
        unready.problem = problem
        return unready

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was left out."""
        left = [
            module for path, module in self.by_path.items() if self._is_meant(path) and self._left_out(path, module)
        ]
        if left:
            names = listed([f"{module.number:02}" for module in left])
            terminalreporter.line(
                f"Not begun, so left out: {names}. `tito module test {left[0].number:02}` begins one."
            )

    def _is_meant(self, path: Path) -> bool:
        return any(path.is_relative_to(asked) for asked in self.asked)

    def _left_out(self, path: Path, module: Module) -> bool:
        return path not in self.asked and not _begun(self.workspace, module)

    def _export(self, module: Module, only_listed: bool) -> None:
        there = (self.workspace.root / module.exported).exists()
        if self.workspace.state(module) != LOAN and not (only_listed and there):
            make_ready(self.workspace, module)


class Unready(pytest.Module):
    """A suite that cannot run yet."""

    problem: TitoError

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Say why."""
        raise self.CollectError(f"error: {self.problem.message}\nhint: {self.problem.hint}")


def _begun(workspace: Workspace, module: Module) -> bool:
    try:
        return workspace.begun(module)
    except TitoError:  # a lesson that does not parse has been worked on
        return True
