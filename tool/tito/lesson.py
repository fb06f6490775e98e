"""Lessons: the cells of a percent file, its exercises, and the text it exports.

A lesson is plain text. A line that starts with ``# %%`` opens a cell; a code cell whose first line is
``#| export`` goes into the package; a code cell with solution markers is an exercise, named by its first tag.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from dataclasses import dataclass
from functools import cached_property

from tito.errors import TitoError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
_CELL = re.compile(r"^# %%(?P<markdown> \[markdown\])?(?P<rest>.*)$")
_TAGS = re.compile(r"tags=(\[.*?\])")
_DEFAULT_EXP = re.compile(r"^#\| default_exp core\.(\w+)\s*$", re.MULTILINE)
_DOC = re.compile(r"^#\| doc (.+)$", re.MULTILINE)
_CLASS = re.compile(r"^class (\w+)\b")
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
    def exported(self) -> bool:
        """Whether the cell goes into the package."""
        return not self.markdown and any(line.startswith("#| export") for line in self.lines)

    @property
    def is_exercise(self) -> bool:
        """Whether a learner writes something in the cell."""
        return any(line.strip() == BEGIN for line in self.lines)

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
        lines = self.text.splitlines()
        starts = [i for i, line in enumerate(lines) if _CELL.match(line)]
        for i, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            match = _CELL.match(lines[i])
            assert match is not None
            body = lines[i + 1 : end]
            while body and not body[-1].strip():
                body.pop()
            cell = Cell(bool(match["markdown"]), self._tags(match["rest"], i + 1), tuple(body), i + 2)
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

    def _marker_error(self, line: int, what: str) -> None:
        raise TitoError(f"{self.path}, line {line}: {what}.", "Each answer stands between one pair of markers.")

    @cached_property
    def exercises(self) -> tuple[Exercise, ...]:
        """The exercises in the order of the lesson."""
        exercises: list[Exercise] = []
        for cell in self.cells:
            if not cell.is_exercise:
                continue
            if not cell.tags:
                raise TitoError(f"{self.path}, line {cell.start}: an exercise without a tag has no name.")
            if any(other.name == cell.tags[0] for other in exercises):
                raise TitoError(f"{self.path}, line {cell.start}: a second exercise is called {cell.tags[0]!r}.")
            exercises.append(Exercise(cell.tags[0], cell))
        return tuple(exercises)

    def exercise(self, name: str) -> Exercise:
        """Return the exercise called `name`."""
        for exercise in self.exercises:
            if exercise.name == name:
                return exercise
        names = ", ".join(exercise.name for exercise in self.exercises)
        raise TitoError(f"{self.path} has no exercise called {name!r}.", f"It has {names}.", exit_code=2)

    @property
    def target(self) -> str:
        """The name after ``#| default_exp core.``.

        Raises
        ------
        TitoError
            If the lesson does not say where it is exported to.
        """
        match = _DEFAULT_EXP.search(self.text)
        if match:
            return match[1]
        raise TitoError(
            f"{self.path} does not say where it is exported to.", "A cell must hold `#| default_exp core.NAME`."
        )

    def exported_lines(self, header: str) -> list[Line]:
        """Return the package file of this lesson, each line with the lesson's line it came from.

        ``class Tensor(Tensor):`` continues the class in a lesson; here its body joins the one class.

        Raises
        ------
        TitoError
            If the lesson has nothing to export, or what it exports is not valid Python.
        """
        pieces: list[list[Line]] = []
        classes: dict[str, list[Line]] = {}
        for cell in self.cells:
            for piece in self._pieces(cell) if cell.exported else ():
                continued = _CONTINUED.match(piece[0].text)
                if continued and continued[1] in classes:
                    classes[continued[1]].extend([Line(""), *piece[1:]])
                    continue
                pieces.append(piece)
                for opened in filter(None, (_CLASS.match(line.text) for line in piece)):
                    classes[opened[1]] = piece
        if not pieces:
            raise TitoError(f"{self.path} exports nothing.", "Cells to export start with `#| export`.")
        public = _public_names(self._parse([line for piece in pieces for line in piece]))
        names = [Line("__all__ = ["), *(Line(f'    "{name}",') for name in public), Line("]")]
        doc = _DOC.search(self.text)
        exported = [Line(header), *([Line(f'"""{doc[1]}"""'), Line("")] if doc else []), *pieces[0], Line(""), *names]
        for piece in pieces[1:]:
            exported += [Line(""), Line(""), *piece]
        return exported

    def _pieces(self, cell: Cell) -> list[list[Line]]:
        """Split an exported cell before and after each class, so that later cells can continue the class."""
        lines = _code_lines(cell)
        cuts = {0, len(lines)}
        for node in self._parse(lines).body:
            if isinstance(node, ast.ClassDef):
                begin = min([node.lineno, *(mark.lineno for mark in node.decorator_list)]) - 1
                while begin and lines[begin - 1].text.startswith("#"):
                    begin -= 1
                cuts |= {begin, node.end_lineno or begin}
        edges = sorted(cuts)
        pieces = [_stripped(lines[a:b]) for a, b in itertools.pairwise(edges)]
        return [piece for piece in pieces if piece]

    def _parse(self, lines: list[Line]) -> ast.Module:
        try:
            return ast.parse("\n".join(line.text for line in lines) + "\n")
        except SyntaxError as error:
            at = lines[min(error.lineno or 1, len(lines)) - 1]
            shown = at.text.strip()
            raise TitoError(
                f"{self.path}, line {at.source}: {error.msg}: `{shown}`", "Nothing was exported; mend the line first."
            ) from None

    def export(self, header: str) -> str:
        """Return the package file of this lesson as text."""
        return "\n".join(line.text for line in self.exported_lines(header)) + "\n"

    def replaced(self, answers: dict[str, tuple[str, ...]]) -> str:
        """Return the lesson's text with the answers of some exercises put in, by exercise name."""
        lines = self.text.splitlines()
        for exercise in reversed(self.exercises):
            if exercise.name not in answers:
                continue
            cell = exercise.cell
            pairs = list(zip(cell.regions(), answers[exercise.name], strict=True))
            for (begin, end), answer in reversed(pairs):
                lines[cell.start + begin : cell.start + end - 1] = answer.split("\n")
        return "\n".join(lines) + "\n"

    def stubs(self) -> dict[str, tuple[str, ...]]:
        """Return what stands in each exercise before the learner has begun."""
        return {exercise.name: self._stub(exercise) for exercise in self.exercises}

    def _stub(self, exercise: Exercise) -> tuple[str, ...]:
        cell = exercise.cell
        text = f'raise NotImplementedError("exercise {exercise.name}: write it in {self.path}")'
        indents = [len(cell.lines[begin]) - len(cell.lines[begin].lstrip()) for begin, _ in cell.regions()]
        return tuple(" " * indent + text for indent in indents)

    def starter(self) -> str:
        """Return the lesson as a learner gets it: every answer taken out."""
        return self.replaced(self.stubs())


def _code_lines(cell: Cell) -> list[Line]:
    return [
        Line(text, number)
        for number, text in enumerate(cell.lines, cell.start)
        if not text.startswith("#|") and text.strip() not in (BEGIN, END)
    ]


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
    return sorted(name for name in names if not name.startswith("_"))
