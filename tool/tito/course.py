"""The course table, `modules/course.toml`: which modules there are and what stands on what."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tito.errors import TitoError

_BRING_BACK = "It is handed out and not yours to edit: copy it over from a workspace that `tito init DIR` makes."


@dataclass(frozen=True)
class Module:
    """One row of the course table.

    Attributes
    ----------
    number
        1 to 20.
    folder
        The folder's name below ``modules/``, for example ``05_autograd``.
    title
        What a listing shows.
    hours
        How long a learner needs, in hours; 0 for a module that is not written yet.
    difficulty
        1 (calm) to 4 (demanding); 0 for a module that is not written yet.
    needs
        Folders of the modules that this one imports.
    can
        What the learner's framework can do once this module is finished.
    adds
        Public names by package: ``{"tinytorch.nn": ("Linear", ...)}``.
    """

    number: int
    folder: str
    title: str
    hours: float = 0
    difficulty: int = 0
    needs: tuple[str, ...] = ()
    can: str = ""
    adds: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The short name, ``autograd`` for ``05_autograd``."""
        return self.folder.split("_", 1)[1]

    @property
    def written(self) -> bool:
        """Whether the course has this lesson already."""
        return self.hours > 0

    @property
    def lesson(self) -> str:
        """The lesson's path in a workspace, with forward slashes."""
        return f"modules/{self.folder}/{self.name}_dev.py"

    @property
    def suite(self) -> str:
        """The comprehensive suite's path in a workspace."""
        return f"modules/{self.folder}/test_{self.name}.py"

    @property
    def exported(self) -> str:
        """The exported file's path in a workspace."""
        return f"tinytorch/core/{self.name}.py"

    @property
    def page(self) -> str:
        """The path of the page beside the lesson."""
        return f"modules/{self.folder}/README.md"

    @property
    def pace(self) -> str:
        """The difficulty in a word; empty for a module that is not written yet."""
        return ("", "calm", "steady", "steep", "demanding")[self.difficulty]


class Course:
    """The modules in order, found by number or name."""

    def __init__(self, modules: tuple[Module, ...]) -> None:
        self.modules = modules

    def __iter__(self) -> Iterator[Module]:
        return iter(self.modules)

    @property
    def written(self) -> tuple[Module, ...]:
        """The modules that have a lesson."""
        return tuple(module for module in self.modules if module.written)

    def find(self, name: str) -> Module:
        """Return the module called `name`: ``05_autograd``, ``05``, ``5`` or ``autograd``.

        Raises
        ------
        TitoError
            If no module is called so, or if its lesson is not written yet.
        """
        name = name.lower()
        for module in self.modules:
            if name in (module.folder, module.name) or (name.isdecimal() and int(name) == module.number):
                if not module.written:
                    raise TitoError(
                        f"{module.folder} is planned, but its lesson is not written yet.",
                        "`tito module list` shows the modules that are there.",
                        exit_code=2,
                    )
                return module
        known = [word for module in self.modules for word in (module.folder, module.name)]
        close = get_close_matches(name, known, n=1)
        guess = f"Did you mean {close[0]}? " if close else ""
        raise TitoError(f"no module is called {name!r}.", f"{guess}`tito module list` shows them all.", exit_code=2)

    def by_folder(self, folder: str) -> Module:
        """Return the module in `folder`."""
        return next(module for module in self.modules if module.folder == folder)

    def closure(self, module: Module) -> tuple[Module, ...]:
        """Return all modules that `module` stands on, directly or not, in course order."""
        needed: set[str] = set()
        waiting = list(module.needs)
        while waiting:
            folder = waiting.pop()
            if folder not in needed:
                needed.add(folder)
                waiting.extend(self.by_folder(folder).needs)
        return tuple(other for other in self.modules if other.folder in needed)


def read_course(path: Path) -> Course:
    """Read the table at `path`.

    Raises
    ------
    TitoError
        If the file is missing or is not such a table.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return Course(tuple(_module(row) for row in table["module"]))
    except FileNotFoundError:
        raise TitoError(f"{path} is missing, so there is no list of modules.", _BRING_BACK) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TitoError(f"{path} is not valid TOML: {error}.", _BRING_BACK) from None
    except KeyError as error:
        raise TitoError(f"{path} is not a course table: {error} is missing.", _BRING_BACK) from None
    except (TypeError, AttributeError):
        message = f"{path} is not a course table: every `[[module]]` holds names and values."
        raise TitoError(message, _BRING_BACK) from None


def _module(row: dict[str, Any]) -> Module:
    return Module(
        number=row["number"],
        folder=row["folder"],
        title=row["title"],
        hours=row.get("hours", 0),
        difficulty=row.get("difficulty", 0),
        needs=tuple(row.get("needs", ())),
        can=row.get("can", ""),
        adds={package: tuple(names) for package, names in row.get("adds", {}).items()},
    )
