"""Merging a lesson: the course's text with the learner's own, around answers that are never touched."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tito.errors import TitoError
from tito.lesson import Lesson
from tito.merge import OPENS, Show, commented, common, flat, marked, merge
from tito.update.cells import Lines, Piece, answered, is_stub, pair, pieces

_KEPT = "# Kept by `tito update`"
_HOLE = "\0answer "  # no line of Python begins so


@dataclass(frozen=True)
class Note:
    """Something to look at, and where: a file, and a line in it or 0."""

    path: str
    line: int
    text: str


@dataclass(frozen=True)
class Merged:
    """A merged lesson, and what its learner should look at."""

    text: str
    notes: tuple[Note, ...]


def merge_lesson(
    base: Lesson | None,
    mine: Lesson,
    new: Lesson,
    renamed: Mapping[str, str] | None = None,
    moved: frozenset[str] = frozenset(),
) -> Merged:
    """Merge a learner's lesson with the new course's.

    Parameters
    ----------
    base
        The starter that the learner was given, or None where it is not known.
    mine
        The learner's lesson.
    new
        The new starter.
    renamed
        Old names of exercises that the new course calls otherwise, each with the new one.
    moved
        Exercises whose answers the new course has in another lesson.

    Raises
    ------
    TitoError
        If a lesson does not parse.
    """
    return _Merge(base, mine, new, renamed or {}, moved).merged()


@dataclass
class _Merge:
    base: Lesson | None
    mine: Lesson
    new: Lesson
    renamed: Mapping[str, str]
    moved: frozenset[str]
    looks: dict[str, list[str]] = field(default_factory=dict)  # what to say about an exercise

    def __post_init__(self) -> None:
        answered(self.mine)  # two exercises of one name, or one without, are an error before anything is decided
        self.b = pieces(self.base)[1] if self.base else []
        self.m, self.n = pieces(self.mine)[1], pieces(self.new)[1]
        self.b_to_m, self.b_to_n = pair(self.b, self.m), self._to_new()
        self.n_to_b = {j: i for i, j in self.b_to_n.items()}
        self.n_to_m = {j: self.b_to_m[i] for i, j in self.b_to_n.items() if i in self.b_to_m}
        self._pair_the_rest()
        self.m_to_n = {i: j for j, i in self.n_to_m.items()}
        self.m_to_b = {j: i for i, j in self.b_to_m.items()}

    def _to_new(self) -> dict[int, int]:
        """Pair the base with the new lesson; a renamed exercise stays the same one."""
        pairs = pair(self.b, self.n)
        places = {piece.cell.tags[0]: j for j, piece in enumerate(self.n) if piece.cell.is_exercise}
        for i, piece in enumerate(self.b):
            if piece.cell.is_exercise and piece.cell.tags[0] in self.renamed:
                pairs[i] = places[self.renamed[piece.cell.tags[0]]]
        return pairs

    def _pair_the_rest(self) -> None:
        """Pair what only the learner has with what only the new course has: without a base, that is everything."""
        known = {*self.b_to_m.values()}
        m = [i for i in range(len(self.m)) if i not in known]
        n = [j for j in range(len(self.n)) if j not in self.n_to_m and j not in self.n_to_b]
        found = pair([self.m[i] for i in m], [self.n[j] for j in n], alike=self.base is None)
        self.n_to_m |= {n[j]: m[i] for i, j in found.items()}

    def merged(self) -> Merged:
        """Put the cells in order, merge each, and look for what is to be said."""
        chunks = [chunk for which in self._order() for chunk in self._chunks(*which)]
        lines = [*self._head()]
        for number, (body, gap) in enumerate(chunks, 1):
            lines += [*body, *(("",) if number == len(chunks) else gap or ("",))]
        text = "\n".join(lines)
        return Merged(text, tuple(self._notes(Lesson(text, self.new.path))))

    def _head(self) -> list[str]:
        return _merged(
            pieces(self.base)[0] if self.base else None, pieces(self.mine)[0], pieces(self.new)[0], commented
        )

    def _order(self) -> list[tuple[str, int]]:
        """Return the cells in the order of the side that changed it, each after the one it came after."""
        news = [("new", j) for j in range(len(self.n))]
        mines = [("new", self.m_to_n[i]) if i in self.m_to_n else ("mine", i) for i in range(len(self.m))]
        course = [self.b_to_n[i] for i in range(len(self.b)) if i in self.b_to_n]
        reordered = course != sorted(course)
        return _woven(news, mines) if reordered else _woven(mines, news)

    def _chunks(self, side: str, at: int) -> list[tuple[list[str], Lines]]:
        """Return what becomes of a cell: lines, and the empty lines after them."""
        if side == "mine":
            return self._only_mine(self.m[at], self.b[self.m_to_b[at]] if at in self.m_to_b else None)
        new, base = self.n[at], self.b[self.n_to_b[at]] if at in self.n_to_b else None
        if at not in self.n_to_m:
            return self._only_new(new, base)
        mine = self.m[self.n_to_m[at]]
        body, kept = self._both(base, mine, new)
        gap = new.gap if base and base.gap == mine.gap else mine.gap
        opener = mine.opener if base and base.opener == new.opener else new.opener
        chunks: list[tuple[list[str], Lines]] = [([opener, *body], gap)]
        return [*chunks, *([(kept, ("",))] if kept else [])]

    def _only_mine(self, mine: Piece, base: Piece | None) -> list[tuple[list[str], Lines]]:
        """A cell of the learner's own, or one that the course has taken out."""
        edited = base is None or base.said != mine.said
        own = base is None and self.base is not None
        if own or (edited and not mine.cell.is_exercise):
            return [([mine.opener, *mine.cell.lines], mine.gap)]
        name = mine.cell.tags[0] if mine.cell.tags else ""
        if not edited and (not mine.answered or name in self.moved):
            return []
        return [(_kept(mine, f"your `{name}`, which this lesson does not ask for any more"), ("",))]

    def _only_new(self, new: Piece, base: Piece | None) -> list[tuple[list[str], Lines]]:
        """A cell that comes in, or one that the learner has taken out."""
        if base and base.said == new.said and not new.cell.is_exercise:
            return []
        return [([new.opener, *new.cell.lines], new.gap)]

    def _both(self, base: Piece | None, mine: Piece, new: Piece) -> tuple[list[str], list[str]]:
        """Merge a cell that both have; return it, and a cell that keeps what found no place in it."""
        show = marked if new.cell.markdown else commented
        answers, homeless = _answers(mine, new)
        if mine.answers and new.answers:
            body = _around_answers(base, mine, new, answers, show)
        elif mine.answers:  # what was an exercise is given now
            body = [*new.cell.lines]
        else:  # no exercise; or one whose markers are gone, and which goes by its lines alone
            body = _merged(base.cell.lines if base else None, mine.cell.lines, new.cell.lines, show)
        if body is None or (_parses(mine.cell.lines) and not _parses(body)):
            filled = _filled(new.given, answers)
            body = filled if _parses(filled) or not _parses(mine.cell.lines) else [*new.cell.lines]
            return body, _kept(mine, "your version of the cell above, which could not be merged with the course's")
        self._say(base, mine, new)
        kept = _kept(mine, "your version of the cell above, which has other answers to write now") if homeless else []
        return body, kept

    def _say(self, base: Piece | None, mine: Piece, new: Piece) -> None:
        """Note what the learner of an answered exercise should know."""
        if not (new.cell.is_exercise and mine.answered):
            return
        name, before = new.cell.tags[0], _signatures(base or mine)
        if base and base.cell.tags[:1] != (name,):
            self._look(name, f"it was called `{base.cell.tags[0]}` before; your answer came along")
        for called, signature in _signatures(new).items():
            if before.get(called, signature) != signature:
                self._look(name, f"the signature of `{called}` is new; your answer stayed")
        if {*new.keys} - {*mine.keys} and len(new.keys) > len(mine.keys):
            self._look(name, "there is more to write in it now; your answers stayed")

    def _look(self, exercise: str, text: str) -> None:
        self.looks.setdefault(exercise, []).append(text)

    def _notes(self, merged: Lesson) -> list[Note]:
        """Return all there is to look at, in the order of the lesson, once it is known to be whole."""
        notes = [
            Note(merged.path, exercise.line, f"{exercise.name}: {text}")
            for exercise in merged.exercises
            for text in self.looks.get(exercise.name, ())
        ]
        before = {*self.mine.text.split("\n")}
        for number, line in enumerate(merged.text.split("\n"), 1):
            if is_conflict(line):
                notes.append(Note(merged.path, number, "you and the course changed the same lines; both are there"))
            elif line.startswith(_KEPT) and line not in before:
                notes.append(Note(merged.path, number, f"kept: {line.partition(': ')[2]}"))
        self._check_whole(merged)
        notes += self._check_export(merged)
        return sorted(notes, key=lambda note: note.line)

    def _check_whole(self, merged: Lesson) -> None:
        """Make sure that every answer is where its exercise is now, or among the comments that keep it.

        Raises
        ------
        TitoError
            If one is not; nothing has been written then.
        """
        lines = {*merged.text.split("\n")}
        now = {exercise.name: exercise.answer() for exercise in merged.exercises}
        for name, exercise in answered(self.mine).items():
            there = now.get(self.renamed.get(name, name), ())
            lost = [text for text in exercise.answer() if text not in there and not is_stub(text.split("\n"))]
            kept = all(f"# {line}".rstrip() in lines for text in lost for line in text.split("\n"))
            if name not in self.moved and not kept:
                raise TitoError(
                    f"your answer to {name} in {self.mine.path} found no place in the new lesson.",
                    "Nothing was written. Put the lesson aside, update, and copy your answers across.",
                )

    def _check_export(self, merged: Lesson) -> list[Note]:
        """Say so if the lesson cannot be exported any more."""
        try:
            self.mine.export("")
        except TitoError:  # the learner is in the middle of something; exporting says what it is
            return []
        try:
            merged.export("")
        except TitoError as error:
            return [Note(merged.path, 0, error.message.removeprefix(f"{merged.path}, "))]
        return []


def is_conflict(line: str) -> bool:
    """Whether a line opens a conflict that a merge has written."""
    return line.strip().removeprefix("# ").startswith(OPENS)


def _woven(first: Sequence[tuple[str, int]], second: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return `first`, with what only `second` has put after the one it comes after there."""
    woven = [*first]
    there = {*first}
    for i, one in enumerate(second):
        if one not in there:
            woven.insert(woven.index(second[i - 1]) + 1 if i else 0, one)
            there.add(one)
    return woven


def _answers(mine: Piece, new: Piece) -> tuple[list[Lines], bool]:
    """Return what stands in each answer of a new cell, and whether one of the learner's finds no place there."""
    written = {key: answer for key, answer in zip(mine.keys, mine.answers, strict=True) if not is_stub(answer)}
    gone, come = [*set(mine.keys) - {*new.keys}], [*set(new.keys) - {*mine.keys}]
    if len(gone) == len(come) == 1 and mine.keys.index(gone[0]) == new.keys.index(come[0]) and gone[0] in written:
        written[come[0]] = written.pop(gone[0])  # a function that has another name now
    answers = [written.get(key, stub) for key, stub in zip(new.keys, new.answers, strict=True)]
    return answers, bool(written.keys() - {*new.keys})


def _around_answers(base: Piece | None, mine: Piece, new: Piece, answers: list[Lines], show: Show) -> list[str] | None:
    """Merge what is given around answers; None if an answer would not stand where it did before."""
    if len(mine.keys) == len(new.keys) and (mine.keys == new.keys or len(mine.keys) == 1):
        fits = base is not None and len(base.given) == len(new.given)
        befores = base.given if base and fits else [None] * len(new.given)
        sides = zip(befores, mine.given, new.given, strict=True)
        return _filled([_merged(before, m, n, show) for before, m, n in sides], answers)
    outlines = [_outline(piece) if piece else None for piece in (base, mine, new)]
    assert outlines[1] is not None
    assert outlines[2] is not None
    merged = _merged(outlines[0], outlines[1], outlines[2], show)
    if [line for line in merged if line.startswith(_HOLE)] != [line for line in outlines[2] if line.startswith(_HOLE)]:
        return None
    filling = {f"{_HOLE}{key}": answer for key, answer in zip(new.keys, answers, strict=True)}
    return [line for one in merged for line in filling.get(one, (one,))]


def _outline(piece: Piece) -> list[str]:
    """Return a cell's lines with one line in the place of each answer."""
    return _filled(piece.given, [[f"{_HOLE}{key}"] for key in piece.keys])


def _merged(base: Sequence[str] | None, mine: Sequence[str], new: Sequence[str], show: Show) -> list[str]:
    return flat(merge(common(mine, new) if base is None else base, mine, new), show)


def _filled(given: Sequence[Sequence[str]], answers: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a cell, from what is given and what is answered."""
    lines = [*given[0]]
    for answer, after in zip(answers, given[1:], strict=True):
        lines += [*answer, *after]
    return lines


def _kept(piece: Piece, what: str) -> list[str]:
    """Return a cell that keeps another one as comments."""
    lines = (f"# {line}".rstrip() for line in piece.cell.lines)
    return ["# %%", f"{_KEPT}: {what}.", "# Take from it what you need, then delete this cell.", "#", *lines]


def _parses(lines: Sequence[str]) -> bool:
    return _parsed(lines) is not None


def _parsed(lines: Sequence[str]) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a backslash in prose is nobody's mistake
        try:
            return ast.parse("\n".join(lines) + "\n")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _signatures(piece: Piece) -> dict[str, str]:
    """Return the parameters and result of each function that a cell is given with, by its name."""
    begins = [part[-1] for part in piece.given[:-1]]  # a statement in the place of an answer parses whatever that is
    tree = _parsed(_filled(piece.given, [[begin[: len(begin) - len(begin.lstrip())] + "pass"] for begin in begins]))
    return dict(_functions(tree, "")) if tree else {}


def _functions(node: ast.AST, inside: str) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{inside}{child.name}.")
        elif isinstance(child, ast.FunctionDef):
            returns = f" -> {ast.unparse(child.returns)}" if child.returns else ""
            yield f"{inside}{child.name}", f"({ast.unparse(child.args)}){returns}"
