"""Doing an update: everything is written aside first, then renamed into place, file by file.

The folder `.tito/update/` is there while files are renamed, and holds those that are still to come. So an update that
was interrupted is known, and how far it came; the next one finishes it first.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from tito import __version__
from tito.backups import keep_tree
from tito.carried import make_wheel
from tito.errors import TitoError
from tito.handout import Handout, carried_handout, read_wheel
from tito.memory import fingerprint, recall
from tito.notebooks import check_taken_back
from tito.update.plan import REMOVED, Files, Plan, make_plan, paths

HOME = ".tito"
WORK = f"{HOME}/update"
_NOTED = "began.json"
_DRAFT = ".unfinished-update-"
_LAST = ("requirements.txt", "tito")  # what decides about the environment comes after what works in the old one


@dataclass(frozen=True)
class Update:
    """An update that is planned and not yet done.

    Attributes
    ----------
    root
        The workspace.
    base, new
        What was handed out before (None if that is not known), and what comes.
    mine
        The files that the plan was made for.
    plan
        What happens to each file.
    wheel
        The wheel that is to be in `.tito/`.
    old
        The wheel that is there, or None.
    noted
        What an interrupted update has noted, where this one finishes it.
    """

    root: Path
    base: Handout | None
    new: Handout
    mine: Files
    plan: Plan
    wheel: Path
    old: Path | None
    noted: dict[str, Any] | None = None

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.plan.changes or self.wheel != self.old or self.noted)


def interrupted(root: Path) -> bool:
    """Whether an update of the workspace at `root` was begun and something is left to do."""
    return (root / WORK).is_dir() and not _all_written(root)


def tidy_up(root: Path) -> None:
    """Take away what an update has left that was interrupted before its first file or after its last."""
    if _all_written(root):
        _close(root)
    _clear(root)


def prepare(root: Path, drafts: Path, older: bool = False) -> Update:
    """Plan the update of the workspace at `root` to the course that this tool carries; the wheel goes to `drafts`.

    Raises
    ------
    TitoError
        If the workspace is newer than the tool, unless `older` is wanted; or if a file cannot be updated.
    """
    there = [*(root / HOME).glob("*.whl")]
    old = max(there, key=os.path.getmtime) if there else None
    base, new = _handed_out(old), carried_handout()
    if base and not older and _version(base.version) > _version(__version__):
        raise TitoError(
            f"this workspace has the course of tito {base.version}, and this is tito {__version__}.",
            "Update with a newer tito. To go back on purpose: `tito update --older`.",
        )
    made = make_wheel(drafts)
    same = old is not None and old.name == made.name and _inside(old) == _inside(made)
    return _planned(root, base, new, _read(root, paths(base, new)), old if old and same else made, old)


def prepare_rest(root: Path) -> Update:
    """Plan what is left of an update that was interrupted, for the files as they are now.

    Raises
    ------
    TitoError
        If what it had noted is not there any more.
    """
    work = root / WORK
    try:
        noted = json.loads((work / _NOTED).read_text(encoding="utf-8"))
        wheel = next(work.glob("*.whl"))
    except (OSError, ValueError, StopIteration):
        raise TitoError(
            f"{WORK}/ is not what an interrupted update leaves behind.",
            f"Move it away and run this again; what was replaced is in {HOME}/backups/.",
        ) from None
    old = root / HOME / noted["base"] if noted["base"] else None
    base, new = _handed_out(old), read_wheel(wheel)
    mine = _read(root, paths(base, new))
    for path in noted["paths"]:
        if not _waits(root, noted, path):  # it is done: the plan has to be the one that was made for the old file
            mine.pop(path, None)
            before = root / noted["backup"] / path
            if before.is_file():
                mine[path] = before.read_bytes()
    return _planned(root, base, new, mine, wheel, old, noted)


def carry_out(update: Update) -> list[Path]:
    """Write all that is planned; return the folders that keep what was replaced.

    Raises
    ------
    TitoError
        If a file changes while this runs.
    """
    noted = update.noted or _begin(update)
    kept = [update.root / noted["backup"]]
    work = update.root / WORK / "files"
    left = [change for change in update.plan.changes if _waits(update.root, noted, change.path)]
    if update.noted:
        since = [c.path for c in left if c.path in update.mine and _bytes(kept[0] / c.path) != update.mine[c.path]]
        kept += [keep_tree(update.root, *since)] if since else []
        _lay_out(update, work, (change.path for change in left))
    for change in sorted(left, key=lambda change: (change.kind == REMOVED, change.path in _LAST, change.path)):
        path = update.root / change.path
        if _bytes(path) != update.mine.get(change.path):
            raise TitoError(f"{change.path} was changed just now.", "Run `tito update` again: it goes on where it was.")
        if change.data is None:
            path.unlink()
            _tidy(update.root, path.parent)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(work / change.path, path)
            for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
                stale.unlink(missing_ok=True)
    os.replace(update.root / WORK / update.wheel.name, update.root / HOME / update.wheel.name)
    _close(update.root)
    return [folder for folder in kept if folder.is_dir()]


def _planned(
    root: Path,
    base: Handout | None,
    new: Handout,
    mine: Files,
    wheel: Path,
    old: Path | None,
    noted: dict[str, Any] | None = None,
) -> Update:
    wrote = recall(root, "exports", str)
    known = {path for path, data in mine.items() if wrote.get(path) == fingerprint(data.decode("utf-8", "replace"))}
    update = Update(root, base, new, mine, make_plan(base, mine, new, frozenset(known)), wheel, old, noted)
    _check_notebooks(update)
    return update


def _begin(update: Update) -> dict[str, Any]:
    """Keep what is going to be replaced, lay the new files out, and note it all; after that there is no way back."""
    home = update.root / HOME
    changes = update.plan.changes
    replaced = [change.path for change in changes if change.path in update.mine]
    if update.old and update.wheel != update.old:
        replaced.append(update.old.relative_to(update.root).as_posix())
    noted: dict[str, Any] = {
        "backup": keep_tree(update.root, *replaced).relative_to(update.root).as_posix(),
        "base": update.old.name if update.old else None,
        "wheel": update.wheel.name,
        "paths": [change.path for change in changes],
        "removed": update.plan.of(REMOVED),
    }
    draft = home / f"{_DRAFT}{os.getpid()}"
    draft.mkdir(parents=True)
    _lay_out(update, draft / "files", noted["paths"])
    shutil.copyfile(update.wheel, draft / update.wheel.name)
    (draft / _NOTED).write_text(json.dumps(noted, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, update.root / WORK)
    return noted


def _lay_out(update: Update, folder: Path, wanted: Iterable[str]) -> None:
    """Write the new files into `folder`, with the permissions of those that they will replace."""
    chosen = {*wanted}
    for change in update.plan.changes:
        if change.data is None or change.path not in chosen:
            continue
        file, there = folder / change.path, update.root / change.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(change.data)
        if there.exists():
            file.chmod(there.stat().st_mode & 0o777)
        elif change.path == "tito":
            file.chmod(0o755)


def _close(root: Path) -> None:
    """Take away the older wheels, then the folder that says that an update is on its way."""
    noted = json.loads((root / WORK / _NOTED).read_text(encoding="utf-8"))
    for wheel in (root / HOME).glob("*.whl"):
        if wheel.name != noted["wheel"]:
            wheel.unlink()
    gone = root / HOME / f"{_DRAFT}{os.getpid()}"
    os.replace(root / WORK, gone)
    _clear(root)


def _clear(root: Path) -> None:
    """Take away the folders that never became, or no longer are, `WORK`."""
    for left in (root / HOME).glob(f"{_DRAFT}*"):
        shutil.rmtree(left)


def _all_written(root: Path) -> bool:
    """Whether an update has come to its end but for the folder that says that it is on its way: the wheel goes last."""
    work = root / WORK
    return (work / _NOTED).is_file() and not [*work.glob("*.whl")]


def _waits(root: Path, noted: dict[str, Any], path: str) -> bool:
    """Whether an update that was begun has not come to `path` yet."""
    return (root / path).exists() if path in noted["removed"] else (root / WORK / "files" / path).exists()


def _check_notebooks(update: Update) -> None:
    """Raise an error if a notebook holds changes that its lesson, which is going to change, does not have."""
    touched = {
        change.path
        for change in update.plan.changes
        if change.path in update.mine and (update.noted is None or _waits(update.root, update.noted, change.path))
    }
    for module in (update.base or update.new).course.written:
        if module.lesson in touched:
            check_taken_back(update.root, module)


def _handed_out(wheel: Path | None) -> Handout | None:
    """Return what the workspace's own wheel handed out; None where there is none, or it says nothing."""
    try:
        return read_wheel(wheel) if wheel else None
    except TitoError:  # as good as none: what the learner may have changed is then taken for changed
        return None


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


def _inside(wheel: Path) -> dict[str, int]:
    """Return the files of a wheel with their checksums; how it was zipped does not count."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return {info.filename: info.CRC for info in archive.infolist() if info.filename.startswith("tito/")}
    except zipfile.BadZipFile:
        return {}


def _read(root: Path, wanted: Iterable[str]) -> dict[str, bytes]:
    """Return the files that are there.

    Raises
    ------
    TitoError
        If a folder stands where a file belongs, or a file where a folder does.
    """
    found = {}
    for path in sorted(wanted):
        file = root / path
        for above in file.relative_to(root).parents:
            if (root / above).exists() and not (root / above).is_dir():
                raise TitoError(f"{above.as_posix()} is a file, and a folder belongs there.", "Move it away.")
        if file.is_dir():
            raise TitoError(f"{path} is a folder, and a file belongs there.", "Move it away.")
        if file.is_file():
            found[path] = file.read_bytes()
    return found


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _tidy(root: Path, folder: Path) -> None:
    """Remove folders that hold nothing any more, or only what Python keeps for itself."""
    while folder != root and {path.name for path in folder.iterdir()} <= {"__pycache__"}:
        shutil.rmtree(folder)
        folder = folder.parent
