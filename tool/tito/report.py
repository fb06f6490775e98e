"""A pytest plugin that writes what happens to a file, one JSON object a line, as it happens.

It runs in the process of the tests (``pytest -p tito.report``), knows nothing of the course and never imports the
package that is tested. What it writes is enough to say what was called, what came, what was expected and where; the
reader is `tito.runner`.
"""

from __future__ import annotations

import ast
import errno
import faulthandler
import json
import os
import re
import sys
import time
import traceback
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any, TextIO

import pytest

from tito.answering import engine
from tito.diagnosis.values import looks_like

ENGINE_ELSEWHERE = 3  # the exit status when another `tinytorch` answers
_EVENTS, _TRACE, _ROOT, _DEADLINE = "TITO_EVENTS", "TITO_TRACE", "TITO_ROOT", "TITO_DEADLINE"
_EXAMPLE = re.compile(r"^(?:Falsifying example|Failing test case): \w+\($")
_REMARK = re.compile(r",?\s*# or any other generated value$")
_FUNCTION = re.compile(r"<function (?:[^ ]*\.)?(\S+) at 0x[0-9a-f]+>")
_ARRAYS = re.compile(r"^ (?:ACTUAL|x): (?P<came>.*?)\n (?:DESIRED|y): (?P<expected>.*)\Z", re.MULTILINE | re.DOTALL)
_DIFFERENCE = re.compile(r"^Max absolute difference.*?: (.*)$", re.MULTILINE)
_LONGEST, _MOST_LINES, _MOST_STEPS = 800, 12, 4
_LONGEST_FILE = 64 * 2**20  # bytes


class _Workspace:
    """Finds `tinytorch` in the workspace, and nothing else there: no `random.py` of a learner's stands in for Python's.

    A finder as in the language reference, section 5.3.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """Return where `tinytorch` is; None for every other name."""
        return PathFinder.find_spec(name, [os.environ[_ROOT]]) if name == "tinytorch" else None


def pytest_load_initial_conftests() -> None:
    """Let the workspace's own `tinytorch` answer, before any file of the workspace is imported."""
    if _ROOT in os.environ:
        sys.meta_path.insert(0, _Workspace)


def pytest_configure(config: pytest.Config) -> None:
    """Start the plugin, if it was asked for through its environment."""
    if _EVENTS in os.environ:
        config.pluginmanager.register(Reporter(), "tito-reporter")
        _limit_files()


def _limit_files() -> None:
    """Let no file grow without end, so that a loop that prints does not fill the disk; not on Windows."""
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        limit = _LONGEST_FILE if hard == resource.RLIM_INFINITY else min(_LONGEST_FILE, hard)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))


class Witness:
    """Tells of each failure what was called, what came and what was expected.

    Parameters
    ----------
    root
        The folder that holds the tested package.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.compared: tuple[str, str, str] | None = None  # the last comparison of an ``assert`` that failed
        self.sides: tuple[object, object] | None = None  # what it compared, if it asked whether both are equal
        self.failures: dict[str, dict[str, Any]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Forget the test before."""
        self.compared = self.sides = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> None:
        """Remember the two sides of a comparison that failed."""
        self.compared = (op, *(_two(left, right) if op == "==" else (_show(left), _show(right))))
        self.sides = (left, right) if op == "==" else None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep all there is to say about a failure."""
        report = yield
        if report.failed and call.excinfo is not None:
            self.failures[item.nodeid] = self.failure(call.excinfo.value, item, report)
        return report

    def failure(self, error: BaseException, node: Any, report: Any) -> dict[str, Any]:
        """Describe what was raised in a test, or while a suite was imported."""
        error, notes = _innermost(error)
        compared = self.compared if isinstance(error, AssertionError) else None
        suite, function = Path(node.path), str(getattr(node, "originalname", None) or node.name)
        frames = list(traceback.walk_tb(error.__traceback__))
        at = [(line, frame.f_code.co_name) for frame, line in frames if _same(frame.f_code.co_filename, suite)]
        told = tell(error, suite.read_text(encoding="utf-8"), at, function, compared)
        sides = arrays_in(frames) or (self.sides if isinstance(error, AssertionError) else None)
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            told["note"] = f"A file, or what was printed, grew beyond {_LONGEST_FILE // 2**20} MiB."
        return {
            **told,
            "resembles": resembles(*sides) if sides else "",
            "type": type(error).__name__,
            "message": _clip(_message(error)),
            "given": _given(node),
            "example": _example(notes, _parameters(node)),
            "printed": _tail(report.capstdout if hasattr(report, "capstdout") else ""),
            "frames": list(self._frames(frames)),
            "line": at[-1][0] if at else 0,
        }

    def _frames(self, frames: list[Any]) -> Iterator[dict[str, Any]]:
        """Describe the frames in this workspace's package, the deepest last."""
        for frame, line in frames:
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(self.root / "tinytorch"):
                shown = path.relative_to(self.root).as_posix()
                yield {"path": shown, "line": line, "function": frame.f_code.co_qualname}


class Reporter(Witness):
    """Writes what happens as events."""

    def __init__(self) -> None:
        super().__init__(Path(os.environ[_ROOT]).resolve())
        self.events = open(os.environ[_EVENTS], "a", encoding="utf-8")  # noqa: SIM115
        self.trace = open(os.environ[_TRACE], "w", encoding="utf-8")  # noqa: SIM115
        self.skipped: set[str] = set()
        self._start_watch(self.trace)

    def _start_watch(self, trace: TextIO) -> None:
        """Write where the code stands when time is up or the interpreter dies, then end the process."""
        faulthandler.enable(trace)
        faulthandler.dump_traceback_later(max(float(os.environ[_DEADLINE]) - time.time(), 0.1), exit=True, file=trace)

    def write(self, event: str, **facts: Any) -> None:
        """Write one event at once, so that it is there even if the process dies."""
        self.events.write(json.dumps({"event": event, **facts}) + "\n")
        self.events.flush()

    def pytest_sessionstart(self) -> None:
        """Refuse to run if another `tinytorch` than this workspace's would answer."""
        path = engine()
        self.write("engine", path=path)
        if path is None or not Path(path).resolve().is_relative_to(self.root / "tinytorch"):
            pytest.exit("another tinytorch answers", returncode=ENGINE_ELSEWHERE)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Say how many tests there are."""
        self.write("collected", tests=len(session.items))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Say which test runs now."""
        super().pytest_runtest_setup(item)
        self.write("start", **_about(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Write a test's result, with all there is to say about its failure."""
        report = yield from super().pytest_runtest_makereport(item, call)
        if report.skipped:
            self.skipped.add(item.nodeid)
        if report.when == "teardown":
            failure = self.failures.get(item.nodeid)
            outcome = "failed" if failure else "skipped" if item.nodeid in self.skipped else "passed"
            self.write("result", outcome=outcome, failure=failure, **_about(item))
        return report

    def pytest_exception_interact(self, node: Any, call: pytest.CallInfo[Any], report: Any) -> None:
        """Write why a suite could not be imported."""
        if isinstance(report, pytest.CollectReport) and call.excinfo is not None:
            failure = self.failure(call.excinfo.value, node, report)
            self.write("result", outcome="failed", failure=failure, test=node.nodeid, name="", doc="", exercises=[])

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Say that the run came to its end, and which engine answered."""
        faulthandler.cancel_dump_traceback_later()
        self.write("end", status=int(exitstatus), path=engine())

    def pytest_unconfigure(self) -> None:
        """Close the files."""
        faulthandler.disable()
        self.events.close()
        self.trace.close()


def resembles(came: object, expected: object) -> str:
    """Return what the difference of two values looks like; nothing where a learner's objects cannot be asked."""
    if type(expected).__module__.startswith("_pytest."):  # pytest.approx
        expected = getattr(expected, "expected", None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return looks_like(came, expected)
    except Exception:  # what a learner has written answers for itself, and may be broken
        return ""


def arrays_in(frames: list[Any]) -> tuple[object, object] | None:
    """Return the two sides that a function of `numpy.testing` found to differ."""
    for frame, _ in frames:
        names = frame.f_locals
        if "numpy" in Path(frame.f_code.co_filename).parts and {"actual", "desired"} <= names.keys():
            return names["actual"], names["desired"]
    return None


def _about(item: pytest.Item) -> dict[str, Any]:
    function = getattr(item, "obj", None)
    doc = (getattr(function, "__doc__", None) or "").strip().split("\n")[0]
    exercises = [name for mark in item.iter_markers("exercise") for name in mark.args]
    return {"test": item.nodeid, "name": item.name, "doc": doc, "exercises": exercises}


def _innermost(error: BaseException) -> tuple[BaseException, list[str]]:
    """Unwrap the first of several failures and the cause of a failed import; return it with its notes."""
    notes: list[str] = []
    while True:
        notes += getattr(error, "__notes__", [])
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        elif isinstance(error, pytest.Collector.CollectError) and error.__cause__ is not None:
            error = error.__cause__
        else:
            return error, notes


def tell(
    error: BaseException, source: str, at: list[tuple[int, str]], function: str, compared: tuple[str, str, str] | None
) -> dict[str, Any]:
    """Say what was called, what came and what was expected, from the test's source and its error.

    Parameters
    ----------
    error
        What the test raised.
    source
        The text of the test's file.
    at
        Line and function of each frame in that file, the deepest last.
    function
        The name of the test function.
    compared
        Operator and both sides of the ``assert`` that failed, where it compared something.
    """
    statements = _statements(source)
    own = [line for line, name in at if name == function] or [line for line, _ in at]
    outer = statements.at(own[-1]) if own else None
    inner = statements.at(at[-1][0]) if at else None
    came, expected, note = _came_and_expected(error, inner, statements, compared)
    arrays = outer is inner and _ARRAYS.search(_message(error)) is not None
    called = [] if outer is None else [*statements.steps_before(outer, function), *_subject(outer, arrays)]
    if len(called) > 1 and " = " in called[-2] and called[-2].split(" = ")[0] == called[-1]:
        called.pop()  # `out = f(x)` and then `out` says the same twice
    return {"called": called, "came": came, "expected": expected, "note": note}


class _Statements:
    """The statements of a test's file, found by line."""

    def __init__(self, source: str) -> None:
        self.tree = ast.parse(source)
        self.statements = [node for node in ast.walk(self.tree) if isinstance(node, ast.stmt)]

    def at(self, line: int) -> ast.stmt | None:
        """Return the innermost statement on a line."""
        found = [node for node in self.statements if node.lineno <= line <= (node.end_lineno or node.lineno)]
        return min(found, key=lambda node: (node.end_lineno or node.lineno) - node.lineno, default=None)

    def raises_around(self, statement: ast.stmt) -> ast.Call | None:
        """Return the call of ``pytest.raises`` whose block holds `statement` or is it."""
        for node in self.statements:
            if isinstance(node, ast.With) and any(child is statement for child in ast.walk(node)):
                call = node.items[0].context_expr
                if isinstance(call, ast.Call) and _name(call.func) == "raises":
                    return call
        return None

    def steps_before(self, statement: ast.stmt, function: str) -> list[str]:
        """Return the assignments of a test that made what `statement` uses, in order."""
        steps: list[str] = []
        needed = _names(statement)
        for node in reversed(self._assignments(statement, function)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            made = {name for target in targets for name in _names(target)}
            if made & needed and node.value is not None:
                needed |= _names(node.value)
                steps.append(ast.unparse(node))
        return steps[:_MOST_STEPS][::-1]

    def _assignments(self, statement: ast.stmt, function: str) -> list[ast.Assign | ast.AnnAssign]:
        for node in self.statements:
            if isinstance(node, ast.FunctionDef) and node.name == function and node.lineno <= statement.lineno:
                found = [child for child in ast.walk(node) if isinstance(child, ast.Assign | ast.AnnAssign)]
                return sorted((a for a in found if a.lineno < statement.lineno), key=lambda a: a.lineno)
        return []


@cache
def _statements(source: str) -> _Statements:
    return _Statements(source)


def _subject(statement: ast.stmt, arrays: bool) -> list[str]:
    """Return the part of a statement that says what was called; of two `arrays` compared, the first."""
    if isinstance(statement, ast.Assert):
        test = statement.test
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            return [ast.unparse(test.left)]
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return [ast.unparse(test.operand)]
        return [ast.unparse(test)]
    if isinstance(statement, ast.With):
        return [ast.unparse(child) for child in statement.body]
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        if arrays and call.args:
            return [ast.unparse(call.args[0])]
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.For | ast.While | ast.If | ast.Try):
        return []
    return [ast.unparse(statement)]


def _came_and_expected(
    error: BaseException, statement: ast.stmt | None, statements: _Statements, compared: tuple[str, str, str] | None
) -> tuple[str, str, str]:
    """Return what came, what was expected, and a remark."""
    message = _message(error)
    raises = statements.raises_around(statement) if statement is not None else None
    if arrays := _ARRAYS.search(message):
        difference = _DIFFERENCE.search(message)
        note = f"The largest difference is {difference[1].rstrip('.')}." if difference else ""
        return _clip(arrays["came"]), _clip(arrays["expected"]), note
    if message.startswith("DID NOT RAISE"):
        return "no error", _raised(raises), ""
    if message.startswith("Regex pattern did not match") and raises is not None:
        actual = re.search(r"(?:Actual message|Input): (.*)\Z", message, re.DOTALL)
        return _clip(_literal(actual[1]) if actual else message), _raised(raises), ""
    if isinstance(error, AssertionError) and isinstance(statement, ast.Assert):
        note = message.split("\nassert ")[0] if statement.msg is not None else ""
        if compared is not None and _compares(statement.test):
            op, left, right = compared
            return left, right if op == "==" else f"{_WORDS.get(op, op)} {right}", note
        return (*_truth(message, statement.test), note)
    came = f"{type(error).__name__}: {message}" if message else type(error).__name__
    if raises is not None:
        return _clip(came), _raised(raises), ""
    if isinstance(statement, ast.Assert) and isinstance(statement.test, ast.Compare):
        test = statement.test
        return _clip(came), ast.unparse(test.comparators[0]) if isinstance(test.ops[0], ast.Eq) else "no error", ""
    return _clip(came), "no error" if not isinstance(error, AssertionError) else "", ""


_WORDS = {"!=": "something other than", "is": "the same object as", "is not": "another object than"}


def _truth(message: str, test: ast.expr) -> tuple[str, str]:
    """Return what came and what was expected of an ``assert`` that compares nothing."""
    negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    found = re.search(r"(?:\A|\n)assert (?:not )?(.*)", message)
    came = found[1] if found else ("True" if negated else "False")
    return _clip(came), "False" if negated else "True"


def _compares(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Compare) for node in ast.walk(test))


def _raised(call: ast.Call | None) -> str:
    """Return the error that ``pytest.raises(...)`` waits for, in words."""
    if call is None or not call.args:
        return "an error"
    match = next((keyword.value for keyword in call.keywords if keyword.arg == "match"), None)
    if match is None:
        return ast.unparse(call.args[0])
    pattern = str(match.value) if isinstance(match, ast.Constant) else ast.unparse(match)
    return f"{ast.unparse(call.args[0])} with a message that matches\n{pattern}"


def _two(left: object, right: object) -> tuple[str, str]:
    """Show two objects, with their types where they look alike."""
    shown = _show(left), _show(right)
    if shown[0] == shown[1]:
        return f"{shown[0]}  ({_type(left)})", f"{shown[1]}  ({_type(right)})"
    return shown


def _type(value: object) -> str:
    dtype = getattr(value, "dtype", None)
    return f"{type(value).__name__}{'' if dtype is None else f' of {dtype}'}"


def _show(value: object) -> str:
    try:
        return _clip(repr(value))
    except Exception as error:  # the learner's own __repr__ may be the broken part
        return f"<{type(value).__name__}; its __repr__ raises {type(error).__name__}: {error}>"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:
        return f"<its __str__ raises {type(broken).__name__}: {broken}>"


def _parameters(node: Any) -> dict[str, object]:
    return dict(node.callspec.params) if hasattr(node, "callspec") else {}


def _given(node: Any) -> dict[str, str]:
    """Return the parameters of a parametrized test that can be shown in a few words."""
    shown = {name: _show(value) for name, value in _parameters(node).items()}
    return {name: value for name, value in shown.items() if len(value) <= 60 and " at 0x" not in value}


def _example(notes: list[str], known: Iterable[str]) -> str:
    """Return the arguments that Hypothesis found, in one line a draw; parameters that are `known` are left out."""
    lines = [_REMARK.sub("", line) for note in notes for line in note.split("\n")]
    start = next((i for i, line in enumerate(lines) if _EXAMPLE.match(line)), None)
    shown = []
    if start is not None:
        end = next((i for i, line in enumerate(lines[start:], start) if line.startswith(")")), len(lines))
        arguments = [line.strip().removesuffix(",") for line in lines[start + 1 : end]]
        hidden = ("data=data(", "self=", "#", *(f"{name}=" for name in known))
        shown = [", ".join(argument for argument in arguments if argument and not argument.startswith(hidden))]
    shown += [line.split(": ", 1)[1] for line in lines if re.match(r"Draw \d+[^:]*: ", line)]
    return _clip(_FUNCTION.sub(r"\1", "\n".join(line for line in shown if line)))


def _literal(text: str) -> str:
    """Return the string that a Python literal stands for, or the text itself if it is none."""
    try:
        return str(ast.literal_eval(text))
    except (SyntaxError, ValueError):
        return text


def _clip(text: str) -> str:
    """Shorten a text that is too long to read."""
    text = text.strip()
    lines = (text if len(text) <= _LONGEST else text[:_LONGEST] + " ...").split("\n")
    return "\n".join(lines if len(lines) <= _MOST_LINES else [*lines[:_MOST_LINES], "..."])


def _tail(text: str) -> str:
    """Return the last lines of what a test printed."""
    lines = text.rstrip().split("\n")
    return _clip("\n".join(["...", *lines[-10:]] if len(lines) > 10 else lines))


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _names(node: ast.AST) -> set[str]:
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


def _same(filename: str, path: Path) -> bool:
    return filename == str(path) or os.path.realpath(filename) == os.path.realpath(path)
