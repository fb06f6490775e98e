"""What an update does to each file, decided from what was handed out, what is there, and what comes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath

from tito.course import Module
from tito.errors import TitoError
from tito.export import header
from tito.handout import EXACT, Handout
from tito.lesson import Lesson
from tito.merge import commented, common, flat, marked, merge
from tito.update.cells import answered
from tito.update.lessons import Merged, Note, is_conflict, merge_lesson

NEW, REFRESHED, MERGED, REPLACED, REMOVED = "new", "refreshed", "merged", "replaced", "removed"

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Change:
    """What happens to one file: its new content, or None where it goes away."""

    path: str
    kind: str
    data: bytes | None


@dataclass
class Plan:
    """All that an update does, and what its learner should look at afterwards.

    Attributes
    ----------
    changes
        The files that are written or removed.
    notes
        What to look at, and where.
    retest
        Modules that were the learner's own, and whose lesson says something else now.
    """

    changes: list[Change] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    retest: list[Module] = field(default_factory=list)

    def of(self, *kinds: str) -> list[str]:
        """Return the paths to which one of these happens."""
        return [change.path for change in self.changes if change.kind in kinds]


def make_plan(base: Handout | None, mine: Files, new: Handout, loans: frozenset[str] = frozenset()) -> Plan:
    """Decide what an update does.

    Parameters
    ----------
    base
        What was handed out when the workspace was made or updated last; None if that is not known.
    mine
        The files that are there.
    new
        What the tool hands out now.
    loans
        Borrowed files that are known to be as `tito` wrote them.

    Raises
    ------
    TitoError
        If a lesson does not parse, so that nobody could say what is an answer in it.
    """
    return _Planner(base, mine, new, loans).plan()


def paths(*handouts: Handout | None) -> set[str]:
    """Return the paths of all files that a plan looks at."""
    found: set[str] = set()
    for handout in handouts:
        if handout:
            found |= {*handout.files}
            found |= {module.exported for module in handout.course.written}
            found |= {notebook(module) for module in handout.course.written}
    return found


def notebook(module: Module) -> str:
    """Return the path of a module's notebook."""
    return str(PurePosixPath(module.lesson).with_suffix(".ipynb"))


@dataclass
class _Planner:
    base: Handout | None
    mine: Files
    new: Handout
    loans: frozenset[str]
    made: Plan = field(default_factory=Plan)

    def __post_init__(self) -> None:
        pairs = [(module, self._before(module)) for module in self.new.course.written]
        self.befores = {module.name: before for module, before in pairs if before}
        self.origins = {  # where files were that the course has elsewhere now
            there: here
            for module, before in pairs
            if before and before.folder != module.folder
            for there, here in zip(_beside(module), _beside(before), strict=True)
        }
        self.leaving: dict[str, set[str]] = {}  # answered exercises that stand in another lesson now, by module
        self.coming: dict[str, dict[str, tuple[str, ...]]] = {}  # their answers, by the module that they go to
        self.renames = {module.name: self._renamed(module) for module in self.new.course.written}

    def plan(self) -> Plan:
        """Go through all files that are handed out, then those that were."""
        self._find_wanderers()
        lessons = {module.lesson: module for module in self.new.course.written}
        for path in sorted(self.new.files):
            self._one(path, lessons.get(path))
        for module in self.new.course.written:
            self._refresh_loan(module)
            self._check_yours(module)
        self._take_out()
        return self.made

    def _before(self, module: Module) -> Module | None:
        """Return a module as the old course had it."""
        return self.base.module(module.name) if self.base else None

    def _base(self, path: str) -> bytes | None:
        return self.base.files.get(self.origins.get(path, path)) if self.base else None

    def _mine(self, path: str) -> bytes | None:
        found = self.mine.get(self.origins.get(path, path))
        return self.mine.get(path) if found is None else found

    def _change(self, path: str, kind: str, data: bytes | None) -> None:
        if data is None or self.mine.get(path) != data:
            self.made.changes.append(Change(path, kind, data))

    def _new(self, path: str, module: Module | None) -> bytes:
        """Return what the new course hands out, with the answers in it that come from other lessons."""
        data = self.new.files[path]
        if module is None or module.name not in self.coming:
            return data
        return Lesson(data.decode("utf-8"), path).replaced(self.coming[module.name]).encode()

    def _one(self, path: str, module: Module | None) -> None:
        """Decide about one file that the new course hands out: a module's lesson, or another file."""
        base, mine, new = self._base(path), self._mine(path), self._new(path, module)
        if mine is None:
            if base is None or base != new or not _may_be_absent(path):
                self._change(path, NEW, new)
        elif base is not None and _same(mine, base):
            self._change(path, REFRESHED, mine if base == new else new)
        elif base == new or _same(mine, new):
            self._change(path, REFRESHED, mine)  # a change only where the file has moved
        elif module:
            self._put(path, mine, base, new, partial(self._lesson, module))
        elif path in EXACT or (base is None and not path.endswith((".toml", ".gitignore", ".json"))):
            self._change(path, REPLACED, new)
        elif path.endswith(".json"):
            self.made.notes.append(Note(path, 0, "yours stays as it is; the course has another one now"))
            self._change(path, REFRESHED, mine)
        else:
            self._put(path, mine, base, new, partial(_text, path))
        for name in self.coming.get(module.name, ()) if module else ():
            self._say_it_came(path, name)

    def _put(
        self, path: str, mine: bytes, base: bytes | None, new: bytes, merging: Callable[[str | None, str, str], Merged]
    ) -> None:
        """Merge a file as text, keeping the ends of its lines and the mark before its first letter."""
        try:
            text = mine.decode("utf-8")
        except UnicodeDecodeError:
            if path.endswith("_dev.py"):
                raise TitoError(f"{path} is not UTF-8 text.", "Save it as UTF-8 in your editor.") from None
            self._change(path, REPLACED, new)
            return
        merged = merging(_unix(base.decode("utf-8")) if base is not None else None, _unix(text), new.decode("utf-8"))
        if _given(path) and not _sound(path, merged.text):
            self._change(path, REPLACED, new)
            return
        mark = "\ufeff" if text.startswith("\ufeff") else ""
        said = merged.text.replace("\n", "\r\n") if _is_windows(text) else merged.text
        self.made.notes += merged.notes
        self._change(path, MERGED, (mark + said).encode())

    def _lesson(self, module: Module, base: str | None, mine: str, new: str) -> Merged:
        old = self.origins.get(module.lesson, module.lesson)
        return merge_lesson(
            Lesson(base, old) if base is not None else None,
            Lesson(mine, old),
            Lesson(new, module.lesson),
            self.renames[module.name],
            frozenset(self.leaving.get(module.name, ())),
        )

    def _say_it_came(self, path: str, name: str) -> None:
        lesson = Lesson(_unix((self._planned(path) or b"").decode("utf-8")), path)
        text = f"{name}: it stood in another lesson before; your answer came along"
        self.made.notes.append(Note(path, lesson.exercise(name).line, text))

    def _planned(self, path: str) -> bytes | None:
        """Return what a file will hold as far as is decided."""
        return {change.path: change.data for change in self.made.changes}.get(path, self.mine.get(path))

    def _own_lesson(self, module: Module) -> Lesson | None:
        """Return the learner's lesson of a module, if it is there."""
        data = self._mine(module.lesson)
        if data is None:
            return None
        return Lesson(_unix(data.decode("utf-8", "replace")), self.origins.get(module.lesson, module.lesson))

    def _renamed(self, module: Module) -> dict[str, str]:
        """Return the exercises of a module that have another name now: their reference answers say the same."""
        before = self.base.references.get(module.name) if self.base else None
        if before is None:
            return {}
        lessons = before, self.new.references[module.name]
        old, new = ({exercise.name: exercise.answer() for exercise in lesson.exercises} for lesson in lessons)
        pairs = [
            (was, now)
            for was in old.keys() - new.keys()
            for now in new.keys() - old.keys()
            if new[now] == tuple(re.sub(rf"\b{re.escape(was)}\b", now, text) for text in old[was])
        ]
        olds, news = ([pair[k] for pair in pairs] for k in (0, 1))
        return {was: now for was, now in pairs if olds.count(was) == news.count(now) == 1}

    def _find_wanderers(self) -> None:
        """Find the answered exercises that the new course has in another lesson."""
        for module in self.new.course.written if self.base else ():
            lesson = self._own_lesson(module)
            for name, exercise in answered(lesson).items() if lesson else ():
                target = self._target(name)
                if target is None or target is module or name in self.renames[module.name]:
                    continue
                there = self._own_lesson(target)
                regions = len(self.new.references[target.name].exercise(name).answer())
                if len(exercise.answer()) == regions and (there is None or name not in there.names):
                    self.leaving.setdefault(module.name, set()).add(name)
                    self.coming.setdefault(target.name, {})[name] = exercise.answer()

    def _target(self, exercise: str) -> Module | None:
        """Return the one module of the new course that has an exercise of this name."""
        references = self.new.references
        homes = [m for m in self.new.course.written if exercise in {e.name for e in references[m.name].exercises}]
        return homes[0] if len(homes) == 1 else None

    def _refresh_loan(self, module: Module) -> None:
        """Bring a borrowed file up to date, unless somebody has written in it."""
        mine, before = self.mine.get(module.exported), self._before(module)
        if mine is None or not mine.startswith(b"# On loan from "):
            return
        new = self.new.loan(module)
        known = module.exported in self.loans or bool(self.base and before and _same(mine, self.base.loan(before)))
        if known:
            self._change(module.exported, REFRESHED, new)
        elif not _same(mine, new):
            borrow = f"`tito module borrow {module.number:02}` brings the new one"
            self.made.notes.append(Note(module.exported, 0, f"on loan, but changed by hand, so it stays; {borrow}"))

    def _check_yours(self, module: Module) -> None:
        """Note whether the learner's own exported file is no longer what the lesson says."""
        exported, own, planned = self.mine.get(module.exported), self._own_lesson(module), self._planned(module.lesson)
        if exported is None or own is None or planned is None:
            return
        was_yours = _exports(own, self.befores.get(module.name, module), exported)
        if was_yours and not _exports(Lesson(_unix(planned.decode("utf-8")), module.lesson), module, exported):
            self.made.retest.append(module)

    def _take_out(self) -> None:
        """Remove what the new course does not hand out, and what has moved; what the learner has changed stays."""
        came_from = {*self.origins.values()} - {*self.new.files}
        for path in sorted(came_from & {*self.mine}):
            self._change(path, REMOVED, None)
        for path, data in sorted(self.base.files.items() if self.base else ()):
            mine = self.mine.get(path)
            if path in self.new.files or path in came_from or mine is None:
                continue
            if _same(mine, data):
                self._change(path, REMOVED, None)
            else:
                self.made.notes.append(Note(path, 0, "the course has no such file any more; yours stays"))


def _beside(module: Module) -> tuple[str, ...]:
    return module.lesson, module.suite, module.page, notebook(module)


def _may_be_absent(path: str) -> bool:
    """Whether nothing needs a file, so that a learner who took it out is not given it again."""
    return path.endswith((".md", ".json", ".gitignore"))


def _given(path: str) -> bool:
    """Whether a file is the course's, so that it has to work more than it has to hold what a learner changed in it."""
    return path.endswith(".py") and not path.endswith("_dev.py")


def _sound(path: str, text: str) -> bool:
    """Whether a merged file of the course holds no conflict, and is still Python."""
    if any(is_conflict(line) for line in text.split("\n")):
        return False
    try:
        compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _text(path: str, base: str | None, mine: str, new: str) -> Merged:
    """Merge a file of lines."""
    show = marked if path.endswith(".md") else commented
    sides = mine.split("\n"), new.split("\n")
    text = "\n".join(flat(merge(common(*sides) if base is None else base.split("\n"), *sides), show))
    if path.endswith(".toml"):
        text = _toml_or(text, mine)
    conflicts = [number for number, line in enumerate(text.split("\n"), 1) if is_conflict(line)]
    notes = [Note(path, number, "you and the course changed the same lines; both are there") for number in conflicts]
    if text == mine:
        notes = [Note(path, 0, "could not be merged, so yours stays as it is")]
    return Merged(text, tuple(notes))


def _toml_or(text: str, mine: str) -> str:
    """Return a merged table if it is one, or the learner's own."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return mine
    return text


def _exports(lesson: Lesson, module: Module, exported: bytes) -> bool:
    """Whether a file of the package is what a finished lesson exports."""
    try:
        return not lesson.open and lesson.export(header(module.lesson)) == _unix(exported.decode("utf-8", "replace"))
    except TitoError:
        return False


def _is_windows(text: str) -> bool:
    """Whether every line of a text ends as on Windows."""
    return "\r\n" in text and "\n" not in text.replace("\r\n", "")


def _unix(text: str) -> str:
    """Return a text as it would be if it had been handed out."""
    text = text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n") if _is_windows(text) else text


def _same(a: bytes, b: bytes) -> bool:
    """Whether two files say the same; the ends of their lines may differ."""
    return a == b or a.replace(b"\r\n", b"\n") == b.replace(b"\r\n", b"\n")
