"""What `tito` does inside a notebook: a check that fails is told as in the terminal, and `%tito` gives commands.

An extension of IPython. The environment of a workspace loads it into every kernel (``ipython_config.json``), so that it
is there in Jupyter, in VS Code and in a plain ``ipython``; elsewhere ``%load_ext tito.in_notebook`` does. It changes
nothing where the current folder is in no workspace.
"""

from __future__ import annotations

import ast
import html
import io
import linecache
import os
import re
import shlex
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from tito.course import Module
from tito.errors import TitoError
from tito.export import read_lesson
from tito.lesson import BEGIN, END, STUB_MESSAGE, Lesson
from tito.notebooks import notebook_path, saved_cells, take_back
from tito.screen import fields, listed, problem, prose, say
from tito.workspace import Workspace

_CAME, _EXPECTED = "__tito_came__", "__tito_expected__"
_DEFAULT_EXP = re.compile(r"^#\| default_exp core\.(\w+)\s*$", re.MULTILINE)
_CLOSE = re.compile(r"(?:all|is)?_?close$")
_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}


def load_ipython_extension(shell: Any) -> None:
    """Start: called by IPython."""
    shell.ast_transformers.append(KeepSides())
    shell.set_custom_exc((Exception,), _on_error)
    shell.register_magic_function(_command(shell), "line", "tito")


def unload_ipython_extension(shell: Any) -> None:
    """End: called by IPython."""
    shell.ast_transformers[:] = [each for each in shell.ast_transformers if not isinstance(each, KeepSides)]
    shell.set_custom_exc((), None)


class KeepSides(ast.NodeTransformer):
    """Lets an ``assert`` of a check keep what it compares, so that both sides can be shown when it fails.

    Of ``assert a == b`` it makes ``assert (__tito_came__ := a) == (__tito_expected__ := b)``, and likewise of
    ``assert close(a, b)``. Only in functions that are called `test_...`, and outside of functions.
    """

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Go into tests only."""
        return self.generic_visit(node) if node.name.startswith("test_") else node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Leave classes alone."""
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        """Name both sides."""
        test = node.test
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            test.left = _named(_CAME, test.left)
            test.comparators = [_named(_EXPECTED, test.comparators[0])]
        elif _asks_whether_close(test):
            assert isinstance(test, ast.Call)
            test.args[:2] = [_named(_CAME, test.args[0]), _named(_EXPECTED, test.args[1])]
        return node


def _named(name: str, value: ast.expr) -> ast.expr:
    return ast.copy_location(
        ast.NamedExpr(ast.copy_location(ast.Name(name, ast.Store()), value), value),
        value,
    )


def _asks_whether_close(test: ast.expr) -> bool:
    """Whether an expression is ``close(a, b)``, ``np.allclose(a, b, ...)`` or the like."""
    if not isinstance(test, ast.Call) or len(test.args) < 2 or any(isinstance(a, ast.Starred) for a in test.args[:2]):
        return False
    name = test.func.attr if isinstance(test.func, ast.Attribute) else getattr(test.func, "id", "")
    return _CLOSE.search(name) is not None


@dataclass(frozen=True)
class Shown:
    """A failing check as a notebook shows it: text for a terminal and a screen reader, HTML for a browser."""

    headline: str
    facts: list[tuple[str, str]]
    advice: str
    exercise: str | None = None

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": self.text(), "text/html": self.html()}

    def text(self) -> str:
        """Return the lines that the terminal shows."""
        with redirect_stdout(io.StringIO()) as said:
            say(self.headline)
            fields(self.facts)
            say()
            prose(self.advice, indent=6)
        return said.getvalue().rstrip("\n")

    def html(self) -> str:
        """Return the same as HTML; colours are those of the page, dark or light."""
        rows = "".join(_row(label, value) for label, value in self.facts if value)
        advice = re.sub(r"`([^`]+)`", rf'<code style="{_PLAIN}">\1</code>', html.escape(self.advice))
        return (
            '<section role="group" aria-label="A check that failed" style="border-left:4px solid #c2570c;'
            'padding:2px 0 2px 14px;margin:4px 0;max-width:64em;line-height:1.5">'
            f'<p style="margin:0 0 6px;font-weight:bold">{html.escape(self.headline)}</p>'
            '<dl style="display:grid;grid-template-columns:max-content minmax(0,1fr);gap:2px 16px;'
            'align-items:baseline;margin:0">'
            f'{rows}</dl><p style="margin:8px 0 0">{advice}</p></section>'
        )


_PLAIN = "margin:0;padding:0;background:transparent;color:inherit"
_PROSE = {"Note", "Looks like"}


def _row(label: str, value: str) -> str:
    font = ";font-family:inherit;font-size:inherit" if label in _PROSE else ""
    return (
        f'<dt style="font-weight:normal;float:none;width:auto;margin:0">{html.escape(label)}</dt>'
        '<dd style="float:none;width:auto;margin:0;min-width:0">'
        f'<pre style="{_PLAIN};line-height:inherit;white-space:pre-wrap;overflow-wrap:anywhere{font}">'
        f"{html.escape(value)}</pre></dd>"
    )


def _on_error(
    shell: Any, kind: type[BaseException], error: BaseException, trace: TracebackType, tb_offset: int | None = None
) -> None:
    """Show an error: a failing check in its own words, any other as IPython does."""
    workspace = Workspace.around()
    failed = _Failed(shell, workspace, error) if workspace else None
    shown = failed.shown() if failed else None
    if shown is None:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        place = failed.in_lesson() if failed else ""
        if place:
            print(f"In your lesson: {place}")
        return
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace  # for %tb, which shows all of it
    shell._last_traceback = shown.text().split("\n")  # what the reply to the front end holds
    from IPython.display import display

    show: Any = display  # it has no types
    handle = show(shown, display_id=True)
    if failed and handle and hasattr(shell, "kernel"):  # in a terminal what is shown cannot be changed
        try:
            more = failed.with_known_mistake(shown)
        except KeyboardInterrupt:  # the search takes seconds, and who stops it has seen the check already
            return
        if more:
            shell._last_traceback = more.text().split("\n")
            handle.update(more)


@dataclass(frozen=True)
class _Cell:
    """A line of a cell that code ran through."""

    file: str
    number: str
    line: int
    function: str
    frame: FrameType

    @property
    def source(self) -> str:
        return "".join(linecache.getlines(self.file))

    @property
    def text(self) -> str:
        return linecache.getline(self.file, self.line).strip()


class _Notebook:
    """The notebook whose kernel this is, as far as a kernel knows it: the cells that ran."""

    def __init__(self, shell: Any, workspace: Workspace) -> None:
        self.workspace = workspace
        self.ran: list[str] = [str(text) for text in shell.user_ns.get("In", ())]

    @property
    def module(self) -> Module | None:
        """The module whose lesson this is: the one that a cell names, else that of the folder."""
        named = [match[1] for text in self.ran for match in _DEFAULT_EXP.finditer(text)]
        written, here = self.workspace.course.written, Path.cwd().name
        for module in written:
            if module.name == (named[-1] if named else "") or (not named and module.folder == here):
                return module
        return None

    def last_run(self, lesson: Lesson, exercise: str) -> int:
        """Return the number of the cell that held an exercise when it ran last; 0 if it did not run."""
        cell = lesson.exercise(exercise).cell
        head = _head("\n".join(cell.lines))
        found = (number for number, text in enumerate(self.ran) if number and BEGIN in text and _head(text) == head)
        return max(found, default=0)


class _Failed:
    """An error that a cell ended with, seen from the lesson."""

    def __init__(self, shell: Any, workspace: Workspace, error: BaseException) -> None:
        self.workspace, self.error = workspace, error
        self.notebook = _Notebook(shell, workspace)
        self.frames = list(traceback.walk_tb(error.__traceback__))
        named = ((frame, line, shell.compile.format_code_name(frame.f_code.co_filename)) for frame, line in self.frames)
        self.cells = [
            _Cell(frame.f_code.co_filename, name[1], line, frame.f_code.co_name, frame)
            for frame, line, name in named
            if name
        ]

    def shown(self) -> Shown | None:
        """Return what to show of a check; None if the error is something else."""
        stub = isinstance(self.error, NotImplementedError) and STUB_MESSAGE.search(str(self.error))
        check = self._check()
        if not self.cells or not (stub or check):
            return None
        try:
            return self._told(check or self.cells[0])
        except (TitoError, SyntaxError):  # the lesson cannot be read just now: then Python's own words are the best
            return None

    def with_known_mistake(self, shown: Shown) -> Shown | None:
        """Return the same with the mistake that the terminal would name; None if there is no such one."""
        module, exercise = self.notebook.module, shown.exercise
        if module is None or not exercise or "Called" not in [label for label, _ in shown.facts]:  # it is unwritten
            return None
        from tito.unsaved import known_mistake

        lesson = read_lesson(self.workspace.root, module)
        numbers = {each.name: self.notebook.last_run(lesson, each.name) for each in lesson.exercises}
        ran = {name: self.notebook.ran[number] for name, number in numbers.items() if number}
        mistake = known_mistake(self.workspace, module, lesson, ran, exercise) if exercise in ran else ""
        facts = [(label, mistake if label == "Looks like" else value) for label, value in shown.facts]
        return replace(shown, facts=facts) if mistake else None

    def in_lesson(self) -> str:
        """Return the line of a lesson that the error came through, if it came out of the package."""
        owner = self._owner()
        if owner is None:
            return ""
        try:
            return str(self._verdict(owner, {}, "", []).failures[0].place or "")
        except TitoError:
            return ""

    def _check(self) -> _Cell | None:
        """Return the line of the test that failed, or of an ``assert`` that stands in a cell by itself."""
        tests = [cell for cell in self.cells if cell.function.startswith("test_")]
        if tests:
            return tests[-1]
        if not self.cells or not isinstance(self.error, AssertionError) or self._package_frames():
            return None
        last = self.cells[-1]  # a function of the learner's may assert what it likes
        return last if last.function == "<module>" else None

    def _assert(self, cell: _Cell) -> ast.Assert | None:
        """Return the ``assert`` at a cell's line, if it is what failed."""
        if not isinstance(self.error, AssertionError) or self.frames[-1][0] is not cell.frame:
            return None
        found = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Assert)]
        return next((node for node in found if node.lineno <= cell.line <= (node.end_lineno or node.lineno)), None)

    def _told(self, check: _Cell) -> Shown:
        from tito.report import Witness, arrays_in, resembles, tell

        witness = Witness(self.workspace.root)
        test = self._assert(check)
        sides = (check.frame.f_locals.get(_CAME), check.frame.f_locals.get(_EXPECTED))
        close = test is not None and _asks_whether_close(test.test)
        compares = test is not None and isinstance(test.test, ast.Compare) and len(test.test.ops) == 1
        if test is not None and (close or compares):
            kind = type(test.test.ops[0]) if isinstance(test.test, ast.Compare) else ast.Eq
            witness.pytest_assertrepr_compare(_OPERATORS[kind], *sides)
        at = [(cell.line, cell.function) for cell in self.cells if cell.file == check.file]
        told = tell(self.error, check.source, at, check.function, witness.compared)
        if close and test is not None and isinstance(test.test, ast.Call) and witness.compared:
            told |= {"came": witness.compared[1], "expected": witness.compared[2]}
            told["called"] = [*told["called"][:-1], ast.unparse(test.test.args[0])]
        both = arrays_in(self.frames) or witness.sides
        told["resembles"] = resembles(*both) if both else ""
        name = check.function if check.function != "<module>" else ""
        return self._show(told, name, check)

    def _show(self, told: dict[str, Any], name: str, check: _Cell) -> Shown:
        code = self._code(check)
        module = (None if code else self._owner()) or self.notebook.module or self.workspace.course.written[0]
        lesson = read_lesson(self.workspace.root, module)
        exercise = _exercise_at(lesson, code) if code else None
        verdict = self._verdict(module, told, name, [exercise] if exercise else _exercises_before(lesson, name))
        failure = verdict.failures[0]
        exercise, number = failure.exercise, f"{failure.module.number:02}"
        stub = failure.kind == "stub"
        own = {
            "Where": self._where(exercise, verdict.lesson, code, stub),
            "Test": "" if name else f"{check.number}, line {check.line}",
        }
        facts = [(label, own.get(label) or value) for label, value in verdict.facts(failure)]
        headline = verdict.headline(failure) if exercise else f"{name or 'This check'} does not hold yet."
        hint = f"%tito module hint {number}" + (f" {exercise}" if exercise else "")
        advice = f"Next: {'write' if stub else 'mend'} it, run its cell, then this one. Stuck? `{hint}`."
        return Shown(headline, facts, f"{advice} The whole traceback: `%tb`", exercise)

    def _code(self, check: _Cell) -> _Cell | None:
        """Return the deepest line of a cell that the test called: the learner's code, if that is where it failed."""
        below = self.cells[self.cells.index(check) + 1 :]
        return below[-1] if below else None

    def _where(self, exercise: str | None, lesson: Lesson, code: _Cell | None, stub: bool) -> str:
        """Return the cell to look at; nothing if it did not run here, since then the lesson's file is the place."""
        if code:
            return f"{code.number}, line {code.line}, in {code.function}" + ("" if stub else f"\n    {code.text}")
        known = exercise in [each.name for each in lesson.exercises]
        number = self.notebook.last_run(lesson, exercise) if exercise and known else 0
        return f"In[{number}], the cell of {exercise}" if number else ""

    def _owner(self) -> Module | None:
        """Return the module in whose exported file the error was raised."""
        package = self._package_frames()
        exported = {module.exported: module for module in self.workspace.course.written}
        return next((exported[frame["path"]] for frame in reversed(package) if frame["path"] in exported), None)

    def _package_frames(self) -> list[dict[str, Any]]:
        root = self.workspace.root
        return [
            {"path": path.relative_to(root).as_posix(), "line": line, "function": frame.f_code.co_qualname}
            for frame, line in self.frames
            for path in [Path(frame.f_code.co_filename)]
            if path.is_relative_to(root / "tinytorch")
        ]

    def _verdict(self, module: Module, told: dict[str, Any], name: str, exercises: list[str]) -> Any:
        """Return the verdict of a run of this one check."""
        from tito.runner import Run
        from tito.verdict import Verdict

        doc = (getattr(self.cells[-1].frame.f_globals.get(name), "__doc__", None) or "").strip().split("\n")[0]
        failure = {
            "came": "",
            **told,
            "type": type(self.error).__name__,
            "message": str(self.error),
            "frames": self._package_frames(),
        }
        record = {"test": name or "cell", "name": name, "doc": doc, "exercises": exercises, "outcome": "failed"}
        run = Run(limit=0, tests=[{**record, "failure": failure}], collected=1, ended=True, status=1)
        return Verdict(self.workspace, module, run)


def _head(text: str) -> str:
    """Return what stands in a cell before the first answer: it stays the same while the answer is written."""
    return text.split(BEGIN)[0].strip()


def _exercise_at(lesson: Lesson, code: _Cell) -> str | None:
    """Return the exercise whose answer the code's line stands in."""
    lines = code.source.split("\n")
    inside = any(line.strip() == BEGIN for line in lines[: code.line]) and any(
        line.strip() == END for line in lines[code.line :]
    )
    head = _head(code.source)
    return next((e.name for e in lesson.exercises if inside and _head("\n".join(e.cell.lines)) == head), None)


def _exercises_before(lesson: Lesson, test: str) -> list[str]:
    """Return the exercises that an inline test is about: those between it and the test before it."""
    exercises: list[str] = []
    for cell in lesson.cells:
        if cell.markdown:
            continue
        if any(line.startswith(f"def {test}(") for line in cell.lines):
            return [] if test == "test_module" else exercises
        if any(line.startswith("def test_") for line in cell.lines):
            exercises = []
        elif cell.is_exercise and cell.tags:
            exercises.append(cell.tags[0])
    return [name for name in lesson.names if test == f"test_unit_{name}"]


def _command(shell: Any) -> Callable[[str], None]:
    def tito(line: str) -> None:
        """Run a command of `tito` on the notebook as it was saved last: `%tito module test 05`."""
        workspace = Workspace.around()
        if workspace:
            try:
                for module in workspace.course.written:
                    said = take_back(workspace.root, module)
                    if said:
                        print(said)
            except TitoError as error:
                problem(error.message, error.hint)
                return
            _tell_unsaved(_Notebook(shell, workspace))
        _run(shlex.split(line))

    return tito


def _tell_unsaved(notebook: _Notebook) -> None:
    """Say which answers ran and are not in the file, since it is the file that commands work on."""
    module = notebook.module
    if module is None or not notebook_path(notebook.workspace.root, module).exists():
        return
    lesson = read_lesson(notebook.workspace.root, module)
    saved = {text.strip() for text in saved_cells(notebook.workspace.root, module)}
    ran = {exercise.name: notebook.last_run(lesson, exercise.name) for exercise in lesson.exercises}
    unsaved = [name for name, number in ran.items() if number and notebook.ran[number].strip() not in saved]
    if unsaved:
        what = f"the answer{'s' if len(unsaved) > 1 else ''} of {listed(unsaved)}"
        prose(f"note: {what} that ran last {'are' if len(unsaved) > 1 else 'is'} not in the saved notebook.")
        prose("Save it (Ctrl-S) and run this again, so that what you see is what is tested.", first="      ", indent=6)


def _run(arguments: list[str]) -> None:
    """Run `tito` in a process of its own, and show what it says as it says it."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tito", *arguments],
        env={**os.environ, "TITO_LAUNCHER": "%tito", "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            print(line, end="")
