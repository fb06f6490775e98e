"""Backups: what a learner wrote is copied away before a command replaces it."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path

from tito.course import Module

FOLDER = ".tito/backups"


def keep(root: Path, module: Module | None, *paths: Path) -> Path:
    """Copy `paths` into a new folder of the module's backups; return that folder.

    The folder gets its name last, so one that is there is whole.
    """
    return _keep(root / FOLDER / (module.folder if module else "tinytorch"), {path.name: path for path in paths})


def keep_tree(root: Path, *paths: str) -> Path:
    """Copy files of the workspace into a new folder of backups, where each has its path; return that folder."""
    return _keep(root / FOLDER / "update", {path: root / path for path in paths})


def _keep(home: Path, files: dict[str, Path]) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f".unfinished-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    for name, path in files.items():
        (draft / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, draft / name)
    stamp = f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    names = [stamp, *(f"{stamp}_{i}" for i in range(2, 1000))]
    folder = next(home / name for name in names if not (home / name).exists())
    os.replace(draft, folder)
    return folder


def shown(root: Path, folder: Path) -> str:
    """Return a backup's path as a message shows it."""
    return folder.relative_to(root).as_posix() + "/"
