"""The milestones: programs of the field's history that run on the learner's package, and what each stands on."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tito.course import Course, Module
from tito.errors import TitoError
from tito.memory import recall
from tito.workspace import LOAN, YOURS, Workspace

FOLDER = "milestones"
TABLE = f"{FOLDER}/milestones.toml"
TOPIC = "milestones"  # what is remembered of them: the day on which each was reached
_BRING_BACK = "It is handed out with the course: `tito update` brings it back."


@dataclass(frozen=True)
class Milestone:
    """One row of the table.

    Attributes
    ----------
    year, name, title
        When it was, its short name, and what a run is headed with.
    shows
        What is to be seen, in a few words.
    needs
        Folders of the modules that the program uses.
    accuracy
        The share, from 0 to 1, that a run has to reach.
    seconds
        How long a run takes, roughly.
    """

    year: int
    name: str
    title: str
    shows: str
    needs: tuple[str, ...]
    accuracy: float
    seconds: float

    @property
    def folder(self) -> str:
        """The full name, ``1969_xor``."""
        return f"{self.year}_{self.name}"

    @property
    def program(self) -> str:
        """The program's path in a workspace."""
        return f"{FOLDER}/{self.folder}.py"

    def modules(self, course: Course) -> tuple[Module, ...]:
        """Return all modules that the program stands on, directly or not, in course order."""
        direct = [course.by_folder(folder) for folder in self.needs]
        needed = {other.folder for module in direct for other in (module, *course.closure(module))}
        return tuple(module for module in course if module.folder in needed)


def read_milestones(root: Path) -> tuple[Milestone, ...]:
    """Read the table of the workspace at `root`; none where the course that it was made from had no milestones.

    Raises
    ------
    TitoError
        If the file is not such a table.
    """
    path = root / TABLE
    if not path.is_file():
        return ()
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))["milestone"]
        return tuple(_milestone(row) for row in rows)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TitoError(f"{TABLE} is not valid TOML: {error}.", _BRING_BACK) from None
    except KeyError as error:
        raise TitoError(f"{TABLE} is not a table of milestones: {error} is missing.", _BRING_BACK) from None
    except (TypeError, AttributeError):
        message = f"{TABLE} is not a table of milestones: every `[[milestone]]` holds names and values."
        raise TitoError(message, _BRING_BACK) from None


def _milestone(row: dict[str, Any]) -> Milestone:
    keys = ("year", "name", "title", "shows", "accuracy", "seconds")
    return Milestone(needs=tuple(row["needs"]), **{key: row[key] for key in keys})


def find_milestone(milestones: tuple[Milestone, ...], name: str) -> Milestone:
    """Return the milestone called `name`: ``1969``, ``xor`` or ``1969_xor``.

    Raises
    ------
    TitoError
        If none is called so.
    """
    if not milestones:
        raise TitoError("there are no milestones in this workspace.", "`tito update` brings them.")
    wanted = name.lower().removesuffix(".py")
    for milestone in milestones:
        if wanted in (str(milestone.year), milestone.name, milestone.folder):
            return milestone
    if wanted.isdecimal():
        close = [str(min((milestone.year for milestone in milestones), key=lambda year: abs(year - int(wanted))))]
    else:
        close = get_close_matches(wanted, [word for m in milestones for word in (m.folder, m.name)], n=1)
    guess = f"Did you mean {close[0]}? " if close else ""
    raise TitoError(f"no milestone is called {name!r}.", f"{guess}`tito milestone list` shows them all.", exit_code=2)


def standing(workspace: Workspace, milestone: Milestone) -> dict[str, list[Module]]:
    """Return the modules that a milestone stands on by their state, in course order."""
    found: dict[str, list[Module]] = {}
    for module in milestone.modules(workspace.course):
        found.setdefault(workspace.state(module), []).append(module)
    return found


def made_possible(workspace: Workspace, module: Module) -> list[Milestone]:
    """Return the milestones that stand on `module` and can be run."""
    return [
        milestone
        for milestone in read_milestones(workspace.root)
        if module in milestone.modules(workspace.course) and not standing(workspace, milestone).keys() - {YOURS, LOAN}
    ]


def reached(workspace: Workspace) -> dict[str, str]:
    """Return the day on which each milestone was reached last, by its full name."""
    return recall(workspace.root, TOPIC, str)
