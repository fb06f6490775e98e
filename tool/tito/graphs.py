"""The graphs of a lesson's examples: which there are, and drawing one with the learner's own package.

A lesson has examples in `graphs.py` beside it: functions that make a tensor. They are read here without being run, and
run in a process of their own, `tito.drawing`.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tito.carried import course_root
from tito.course import Module
from tito.errors import TitoError
from tito.runner import kill_group, steady_environment
from tito.workspace import Workspace

LIMIT = 20.0  # seconds
FOLDER = ".tito/graphs"
_FRAME = re.compile(
    r'^  File ".*?(?P<path>tinytorch/core/[^"]+)", line (?P<line>\d+) in (?P<function>.+)$', re.MULTILINE
)


@dataclass(frozen=True)
class Example:
    """One graph that a lesson can show."""

    name: str
    says: str


@dataclass(frozen=True)
class Examples:
    """The graphs of a lesson, in order, and the exercises that they belong to."""

    path: Path
    examples: tuple[Example, ...]
    exercises: dict[str, str]

    @classmethod
    def of(cls, module: Module) -> Examples | None:
        """Read a module's examples without running them; None if it has none."""
        path = course_root() / "modules" / module.folder / "graphs.py"
        if not path.is_file():
            return None
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        examples = tuple(Example(node.name, (ast.get_docstring(node) or "").split("\n")[0]) for node in functions)
        tables = [
            node for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXERCISES"
        ]
        return cls(path, examples, ast.literal_eval(tables[0].value) if tables else {})

    def chosen(self, name: str | None, exercise: str | None) -> Example:
        """Return the example that is asked for by its name or by an exercise; the first if by neither."""
        if exercise:
            return self.of_exercise(exercise)
        return self.find(name) if name else self.examples[0]

    def find(self, name: str) -> Example:
        """Return the example called `name`.

        Raises
        ------
        TitoError
            If there is none.
        """
        names = [example.name for example in self.examples]
        if name not in names:
            close = get_close_matches(name, names, n=1)
            guess = f"Did you mean {close[0]}?" if close else f"There are {', '.join(names)}."
            raise TitoError(f"no graph is called {name!r}.", guess, exit_code=2)
        return self.examples[names.index(name)]

    def of_exercise(self, exercise: str) -> Example:
        """Return the example that belongs to an exercise.

        Raises
        ------
        TitoError
            If there is no such exercise.
        """
        if exercise not in self.exercises:
            close = get_close_matches(exercise, self.exercises, n=1)
            guess = f"Did you mean {close[0]}?" if close else f"There are {', '.join(self.exercises)}."
            raise TitoError(f"no exercise with a graph is called {exercise!r}.", guess, exit_code=2)
        return self.find(self.exercises[exercise])


def draw(workspace: Workspace, module: Module, order: dict[str, Any], limit: float) -> dict[str, Any]:
    """Let a process of its own carry out `order` with the workspace's package; return what it says.

    Parameters
    ----------
    workspace, module
        Whose package, and which lesson the graph belongs to.
    order
        What `tito.drawing` takes.
    limit
        Seconds after which an example that does not end is stopped.

    Raises
    ------
    TitoError
        If there is no answer.
    """
    terminal = order.get("terminal", False)
    with tempfile.TemporaryDirectory(prefix="tito-") as temporary:
        folder = Path(temporary)
        answer, trace, complaints = folder / "answer.json", folder / "trace", folder / "complaints"
        whole = {**order, "root": str(workspace.root), "answer": str(answer), "trace": str(trace), "limit": limit}
        (folder / "order.json").write_text(json.dumps(whole), encoding="utf-8")
        with complaints.open("wb") as err, (folder / "printed").open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tito.drawing", folder / "order.json"],
                cwd=workspace.root,
                env=steady_environment(workspace.root),
                stdin=None if terminal else subprocess.DEVNULL,
                stdout=None if terminal else out,
                stderr=None if terminal else err,
                start_new_session=not terminal,  # a terminal's keys go to the processes of its own session
            )
            try:
                process.wait(None if terminal else limit + 5)  # it stops itself, unless it cannot
            except subprocess.TimeoutExpired:
                raise _endless(module, limit, "") from None
            finally:
                if process.poll() is None:
                    process.kill() if terminal else kill_group(process)
        if answer.exists():
            said: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
            return said
        if trace.exists() and (dump := trace.read_text(encoding="utf-8", errors="replace")):
            raise _endless(module, limit, dump)
        last = complaints.read_text(encoding="utf-8", errors="replace").strip().split("\n")[-1]
        raise TitoError(f"the graph was not drawn: {last or 'the process ended without a word'}", _look(module))


def _endless(module: Module, limit: float, trace: str) -> TitoError:
    at = _FRAME.search(trace)
    where = f" It stood at {at['path']}:{at['line']}, in {at['function']}." if at else ""
    return TitoError(f"the graph was not drawn: the code did not end in {limit:g} seconds.{where}", _look(module))


def _look(module: Module) -> str:
    return f"`tito module test {module.number:02}` says which exercise to look at."
