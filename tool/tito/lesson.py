"""Lessons: the cells of a percent file, its exercises, and the text it exports.

A lesson is plain text. A line ``# %%``, alone or with words after it, opens a cell; a code cell that opens with the
line ``#| export`` goes into the package; a code cell with solution markers is an exercise, named by its first tag.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
import warnings
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import NoReturn

from tito.errors import TitoError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
# A cell begins here; `# %%time` is a comment, or a notebook's magic taken out of use.
CELL = re.compile(r"^# %%(?P<markdown> \[markdown\])?(?P<rest>[^\S\n].*)?$", re.MULTILINE)
# What a learner is given in the place of an answer; the error that it raises is recognised by its words.
_STUB = 'raise NotImplementedError("exercise {name}: write it in {path}")'
STUB_MESSAGE = re.compile(r"exercise (?P<name>\w+): write it in (?P<path>\S+\.py)")
_STUB_LINE = re.compile(r'\s*raise NotImplementedError\("' + STUB_MESSAGE.pattern)
_TAGS = re.compile(r"tags=(\[.*?\])")
_EXPORT = re.compile(r"^#\| export\s*$")
_DEFAULT_EXP = re.compile(r"^#\| default_exp core\.(\w+)\s*$")
_DOC = re.compile(r"^#\| doc (.+?)\s*$")
_CONTINUED = re.compile(r"^class (\w+)\(\1\):")


@dataclass(frozen=True)
class Line:
    """A line of exported text and the lesson's line that it came from (0: written by the exporter)."""

    text: str
    source: int = 0


@dataclass(frozen=True)
class Cell:
    """A cell: its tags, its lines, and the lesson's line number of the first of them."""

    markdown: bool
    tags: tuple[str, ...]
    lines: tuple[str, ...]
    start: int

    @property
    def directives(self) -> tuple[str, ...]:
        """The ``#|`` lines that a code cell opens with."""
        return () if self.markdown else tuple(itertools.takewhile(lambda line: line.startswith("#|"), self.lines))

    @property
    def exported(self) -> bool:
        """Whether the cell goes into the package."""
        return any(_EXPORT.match(line) for line in self.directives)

    @property
    def is_exercise(self) -> bool:
        """Whether a learner writes something in the cell."""
        return not self.markdown and any(line.strip() == BEGIN for line in self.lines)

    def regions(self) -> list[tuple[int, int]]:
        """Return the positions in `lines` of each pair of solution markers."""
        begins = [i for i, line in enumerate(self.lines) if line.strip() == BEGIN]
        ends = [i for i, line in enumerate(self.lines) if line.strip() == END]
        return list(zip(begins, ends, strict=True))


@dataclass(frozen=True)
class Exercise:
    """What a learner writes in one cell: its name (the cell's first tag) and where it stands."""

    name: str
    cell: Cell

    @property
    def line(self) -> int:
        """The lesson's line number of the first solution marker."""
        return self.cell.start + self.cell.regions()[0][0]

    def answer(self) -> tuple[str, ...]:
        """Return the text between each pair of markers."""
        return tuple("\n".join(self.cell.lines[a + 1 : b]) for a, b in self.cell.regions())


@dataclass(frozen=True)
class _Piece:
    """Lines of an exported cell that stay together: one class, or what stands between two."""

    lines: list[Line]
    opens: str = ""  # the class it holds
    head: int = 0  # the position in `lines` of that class's first line

    @property
    def continues(self) -> bool:
        """Whether the class is written as ``class X(X):``."""
        return bool(self.opens and _CONTINUED.match(self.lines[self.head].text))


@dataclass(frozen=True)
class Lesson:
    """A parsed lesson.

    Parameters
    ----------
    text
        The whole file.
    path
        Its path in the workspace with forward slashes, for headers and messages.
    """

    text: str
    path: str

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells in order; text before the first ``# %%`` belongs to none."""
        cells: list[Cell] = []
        lines = self.text.split("\n")
        starts = [i for i, line in enumerate(lines) if CELL.match(line)]
        for i, end in itertools.pairwise([*starts, len(lines)]):
            match = CELL.match(lines[i])
            assert match is not None
            body = lines[i + 1 : end]
            while body and not body[-1].strip():
                body.pop()
            cell = Cell(bool(match["markdown"]), self._tags(match["rest"] or "", i + 1), tuple(body), i + 2)
            if not cell.markdown:
                self._check_markers(cell)
            cells.append(cell)
        return tuple(cells)

    def _tags(self, rest: str, line: int) -> tuple[str, ...]:
        match = _TAGS.search(rest)
        if match is None:
            return ()
        try:
            return tuple(json.loads(match[1]))
        except json.JSONDecodeError:
            raise TitoError(
                f"{self.path}, line {line}: the cell's tags do not parse.",
                'Write them as in `# %% tags=["unbroadcast"]`.',
            ) from None

    def _check_markers(self, cell: Cell) -> None:
        open_at = 0
        for i, line in enumerate(cell.lines, cell.start):
            if line.strip() == BEGIN:
                if open_at:
                    self._marker_error(i, f"`{BEGIN}` again before `{END}`")
                open_at = i
            elif line.strip() == END:
                if not open_at:
                    self._marker_error(i, f"`{END}` without `{BEGIN}`")
                open_at = 0
        if open_at:
            self._marker_error(open_at, f"`{BEGIN}` without `{END}` in its cell")

    def _marker_error(self, line: int, what: str) -> NoReturn:
        raise TitoError(f"{self.path}, line {line}: {what}.", "Each answer stands between one pair of markers.")

    @cached_property
    def exercises(self) -> tuple[Exercise, ...]:
        """The exercises in the order of the lesson."""
        exercises: list[Exercise] = []
        for cell in self.cells:
            if not cell.is_exercise:
                continue
            if not cell.tags:
                raise TitoError(
                    f"{self.path}, line {cell.start}: an exercise without a tag has no name.",
                    'Name it in the line that opens its cell, as in `# %% tags=["unbroadcast"]`.',
                )
            if any(other.name == cell.tags[0] for other in exercises):
                raise TitoError(
                    f"{self.path}, line {cell.start}: a second exercise is called {cell.tags[0]!r}.",
                    "Take one of the two cells out, or give it a name of its own.",
                )
            exercises.append(Exercise(cell.tags[0], cell))
        return tuple(exercises)

    def exercise(self, name: str) -> Exercise:
        """Return the exercise called `name`.

        Raises
        ------
        TitoError
            If there is none; the message names those that there are.
        """
        found = {exercise.name: exercise for exercise in self.exercises}
        if name not in found:
            close = get_close_matches(name, found, n=1)
            guess = f"Did you mean {close[0]}? " if close else ""
            raise TitoError(f"{self.path} has no exercise {name!r}.", f"{guess}It has {', '.join(found)}.", exit_code=2)
        return found[name]

    @cached_property
    def open(self) -> dict[str, int]:
        """The exercises that still hold the stub they were handed out with, each with the stub's line.

        A stub counts wherever it stands in the code, so that lost markers make nothing look written.
        """
        found: dict[str, int] = {}
        for cell in self.cells:
            for number, line in enumerate(() if cell.markdown else cell.lines, cell.start):
                if match := _STUB_LINE.match(line):
                    found.setdefault(match["name"], number)
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all exercises, those whose markers are gone as well while their stub is there."""
        return tuple(dict.fromkeys([*(exercise.name for exercise in self.exercises), *self.open]))

    @property
    def target(self) -> str:
        """The name after ``#| default_exp core.``.

        Raises
        ------
        TitoError
            If the lesson does not say where it is exported to.
        """
        name = self._directive(_DEFAULT_EXP)
        if name is None:
            raise TitoError(
                f"{self.path} does not say where it is exported to.",
                "A cell must open with `#| default_exp core.NAME`.",
            )
        return name

    def _directive(self, pattern: re.Pattern[str]) -> str | None:
        lines = itertools.chain.from_iterable(cell.directives for cell in self.cells)
        return next((match[1] for match in map(pattern.match, lines) if match), None)

    def exported_lines(self, header: str) -> list[Line]:
        """Return the package file of this lesson, each line with the lesson's line it came from.

        ``class Tensor(Tensor):`` continues the class in a lesson; here its body joins the one class.

        Raises
        ------
        TitoError
            If the lesson has nothing to export, or what it exports is not valid Python.
        """
        return list(_exported_lines(self, header))

    def _exported_lines(self, header: str) -> list[Line]:
        pieces: list[list[Line]] = []
        classes: dict[str, list[Line]] = {}
        for cell in self.cells:
            for piece in self._pieces(cell) if cell.exported else ():
                if piece.continues and piece.opens in classes:
                    classes[piece.opens].extend([Line(""), *self._continuation(piece)])
                    continue
                pieces.append(piece.lines)
                if piece.opens:
                    classes[piece.opens] = piece.lines
        if not pieces:
            raise TitoError(f"{self.path} exports nothing.", "Cells to export open with `#| export`.")
        public = _public_names(self._parse([line for piece in pieces for line in piece], whole=True))
        names = [Line("__all__ = ["), *(Line(f'    "{name}",') for name in public), Line("]")]
        doc = self._directive(_DOC)
        exported = [Line(header), *([Line(f'"""{doc}"""'), Line("")] if doc else []), *pieces[0], Line(""), *names]
        for lines in pieces[1:]:
            exported += [Line(""), Line(""), *lines]
        return exported

    def _pieces(self, cell: Cell) -> list[_Piece]:
        """Split an exported cell before and after each class, so that later cells can continue the class."""
        lines = _code_lines(cell)
        pieces: list[_Piece] = []
        done = last = 0  # what is in a piece already; where the statement before ended
        for node in self._parse(lines).body:
            if isinstance(node, ast.ClassDef):
                begin, end = _extent(node, lines, last)
                pieces += [
                    _Piece(_stripped(lines[done:begin])),
                    _Piece(lines[begin:end], node.name, node.lineno - 1 - begin),
                ]
                done = end
            last = node.end_lineno or last
        pieces.append(_Piece(_stripped(lines[done:])))
        return [piece for piece in pieces if piece.lines]

    def _continuation(self, piece: _Piece) -> list[Line]:
        """Return the lines that ``class X(X):`` adds to class X; comments above it move into the class."""
        above, header, body = piece.lines[: piece.head], piece.lines[piece.head], piece.lines[piece.head + 1 :]
        if not header.text.split("#")[0].rstrip().endswith(":"):
            self._continuation_error(header, "its body starts on the same line", "Start the body on a line of its own.")
        for line in above:
            if not line.text.startswith("#"):
                self._continuation_error(line, "it has a decorator", "Decorate the class where it begins.")
        return [*(Line(f"    {line.text}", line.source) for line in above), *_stripped(body)]

    def _continuation_error(self, at: Line, what: str, hint: str) -> NoReturn:
        raise TitoError(f"{self.path}, line {at.source}: this class continues an earlier one, but {what}.", hint)

    def _parse(self, lines: list[Line], whole: bool = False) -> ast.Module:
        for line in lines:
            if "\0" in line.text:  # Python says so too, but not where
                self._syntax_error(line, "a NUL character is not text")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", SyntaxWarning)  # Python would warn at the import, of the exported line
                tree = ast.parse("\n".join(line.text for line in lines) + "\n")
                if whole:  # finds what parses and still is not Python, such as a `return` outside a function
                    compile(tree, self.path, "exec", dont_inherit=True)
        except SyntaxError as error:
            # Python counts the lines of the cell; its reader counts those of the lesson.
            what = re.sub(r"(?<=on line )\d+", lambda match: str(lines[int(match[0]) - 1].source), error.msg)
            self._syntax_error(lines[min(error.lineno or 1, len(lines)) - 1], what)
        except (RecursionError, MemoryError):  # what the parser runs into where brackets are opened by the hundred
            self._syntax_error(max(lines, key=lambda line: len(line.text)), "too deeply nested for Python to read")
        return tree

    def _syntax_error(self, at: Line, what: str) -> NoReturn:
        shown = at.text.strip().replace("\0", "\\0")
        shown = shown if len(shown) <= 100 else f"{shown[:100]} ..."
        raise TitoError(
            f"{self.path}, line {at.source}: {what}: `{shown}`", "Nothing was exported; mend the line first."
        ) from None

    def export(self, header: str) -> str:
        """Return the package file of this lesson as text."""
        return "\n".join(line.text for line in self.exported_lines(header)) + "\n"

    def replaced(self, answers: dict[str, tuple[str, ...]]) -> str:
        """Return the lesson's text with the answers of some exercises put in, by exercise name."""
        lines = self.text.split("\n")
        for exercise in reversed(self.exercises):
            if exercise.name not in answers:
                continue
            cell = exercise.cell
            pairs = list(zip(cell.regions(), answers[exercise.name], strict=True))
            for (begin, end), answer in reversed(pairs):
                lines[cell.start + begin : cell.start + end - 1] = answer.split("\n") if answer else []
        return "\n".join(lines)

    def stubs(self) -> dict[str, tuple[str, ...]]:
        """Return what stands in each exercise before the learner has begun."""
        return {exercise.name: self._stub(exercise) for exercise in self.exercises}

    def _stub(self, exercise: Exercise) -> tuple[str, ...]:
        cell = exercise.cell
        text = _STUB.format(name=exercise.name, path=self.path)
        indents = [len(cell.lines[begin]) - len(cell.lines[begin].lstrip()) for begin, _ in cell.regions()]
        return tuple(" " * indent + text for indent in indents)

    def starter(self) -> str:
        """Return the lesson as a learner gets it: every answer taken out."""
        return self.replaced(self.stubs())


@lru_cache(maxsize=16)  # one command asks for it several times, the loop does at every save
def _exported_lines(lesson: Lesson, header: str) -> tuple[Line, ...]:
    return tuple(lesson._exported_lines(header))


def _code_lines(cell: Cell) -> list[Line]:
    first = len(cell.directives)
    return [
        Line(text, number)
        for number, text in enumerate(cell.lines[first:], cell.start + first)
        if text.strip() not in (BEGIN, END)
    ]


def _extent(node: ast.ClassDef, lines: list[Line], floor: int) -> tuple[int, int]:
    """Return where a class begins and ends in `lines`, with its decorators and the comments that touch it."""
    begin = min([node.lineno, *(mark.lineno for mark in node.decorator_list)]) - 1
    while begin > floor and lines[begin - 1].text.startswith("#"):
        begin -= 1
    end = node.end_lineno or node.lineno
    for i, line in enumerate(lines[end:], end + 1):
        if line.text.lstrip().startswith("#") and line.text.startswith(" "):
            end = i
        elif line.text.strip():
            break
    return begin, end


def _stripped(lines: list[Line]) -> list[Line]:
    """Drop the empty lines at both ends."""
    while lines and not lines[0].text.strip():
        lines = lines[1:]
    while lines and not lines[-1].text.strip():
        lines = lines[:-1]
    return lines


def _public_names(tree: ast.Module) -> list[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return sorted((name for name in names if not name.startswith("_")), key=_sort_key)


def _sort_key(name: str) -> tuple[bool, bool, str]:
    """Order CONSTANTS before Classes before functions, as the linter wants `__all__`."""
    return not name.isupper(), not name[0].isupper(), name
