"""Exporting: from lessons to the package, plain text in and plain text out."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from tito.course import Course, Module
from tito.errors import TitoError
from tito.files import write_atomically
from tito.lesson import Lesson

NAMES = "tinytorch/_names.py"
_OURS = "by tito export; edit it there."
_LOAN = "# On loan from the course's reference answer to {lesson}; `tito module start {number:02}` makes it yours."


def header(source: str) -> str:
    """Return the first line of a file exported from `source`."""
    return f"# Exported from {source} {_OURS}"


def loan_header(module: Module) -> str:
    """Return the first line of a borrowed file."""
    return _LOAN.format(lesson=module.lesson, number=module.number)


def first_line(path: Path) -> str:
    """Return the first line of the file at `path`, or nothing if there is no such file."""
    if not path.exists():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().rstrip("\n")


def read_lesson(root: Path, module: Module) -> Lesson:
    """Read a module's lesson from the workspace at `root`.

    Raises
    ------
    TitoError
        If the lesson is missing or is not UTF-8 text.
    """
    path = root / module.lesson
    reset = f"`tito module reset {module.number:02}` brings the lesson back"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TitoError(f"{module.lesson} is missing.", f"{reset}.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise TitoError(
            f"{module.lesson}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8 text.",
            f"Save the file as UTF-8 in your editor; {reset} and keeps the old file.",
        ) from None
    if not text.strip():
        raise TitoError(f"{module.lesson} is empty.", f"Undo in your editor, or start anew: {reset}.")
    return Lesson(text, module.lesson)


@dataclass(frozen=True)
class Export:
    """One exported file: where it goes, what it holds, and what stands there now."""

    path: Path
    shown: str
    text: str

    @property
    def current(self) -> str | None:
        """The text that is there now, or None."""
        return self.path.read_text(encoding="utf-8", errors="replace") if self.path.exists() else None

    @property
    def changed(self) -> bool:
        """Whether writing would change anything."""
        return self.current != self.text

    def diff(self) -> str:
        """Return the change as a unified diff."""
        before = (self.current or "").splitlines(keepends=True)
        return "".join(difflib.unified_diff(before, self.text.splitlines(keepends=True), self.shown, "exported now"))

    def write(self) -> bool:
        """Write the file if it changes; return whether it did.

        Raises
        ------
        TitoError
            If a file that `tito` did not write stands in the way.
        """
        if not self.changed:
            return False
        self.check_overwrite()
        write_atomically(self.path, self.text)
        return True

    def check_overwrite(self) -> None:
        """Make sure that no file stands in the way which `tito` did not write.

        Raises
        ------
        TitoError
            If one does.
        """
        first = first_line(self.path)
        if self.current and not (first.endswith(_OURS) or first.startswith("# On loan from ")):
            raise TitoError(
                f"{self.shown} was not written by tito export, so it is not overwritten.",
                "Move it away, or take your changes to the lesson, and export again.",
            )


def export_of(root: Path, module: Module) -> Export:
    """Prepare a module's export in the workspace at `root`; nothing is written yet."""
    lesson = read_lesson(root, module)
    if lesson.target != module.name:
        raise TitoError(
            f"{module.lesson} exports to core.{lesson.target}, but {module.folder} is core.{module.name}.",
            f"Its second cell must open with `#| default_exp core.{module.name}`.",
        )
    return Export(root / module.exported, module.exported, lesson.export(header(module.lesson)))


def names_of(root: Path, course: Course) -> Export:
    """Prepare `tinytorch/_names.py`: which module builds which public name."""
    lines = [header("modules/course.toml"), '"""Which module of the course builds which public name."""', ""]
    lines.append("BUILT_BY: dict[str, dict[str, str]] = {")
    packages = sorted({package for module in course for package in module.adds})
    for package in packages:
        lines.append(f'    "{package}": {{')
        for module in course:
            lines += [f'        "{name}": "{module.folder}",' for name in module.adds.get(package, ())]
        lines.append("    },")
    lines.append("}")
    return Export(root / NAMES, NAMES, "\n".join(lines) + "\n")


def strays(root: Path, course: Course) -> list[Path]:
    """Return the files in `tinytorch/core/` that no lesson exports."""
    expected = {root / module.exported for module in course.written} | {root / "tinytorch/core/__init__.py"}
    return sorted(set((root / "tinytorch/core").glob("*.py")) - expected)
