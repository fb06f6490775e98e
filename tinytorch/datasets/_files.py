"""The files of data sets: which they are, where they lie, and whether they are right."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


# A script written for torchvision catches RuntimeError where a data set is not there.
class DatasetError(OSError, RuntimeError):
    """A data set cannot be had: a file of it is missing or damaged, or cannot be fetched or stored."""


@dataclass(frozen=True)
class File:
    """A file of a data set, as its makers publish it.

    Attributes
    ----------
    name, size, sha256
        What it is called, its length in bytes, and its checksum.
    urls
        Where it can be fetched, in the order in which to try.
    repacked
        Checksums of other packings of the same content that are as good, once they are there.
    """

    name: str
    size: int
    sha256: str
    urls: tuple[str, ...]
    repacked: tuple[str, ...] = ()


def data_folder(root: str | os.PathLike[str] | None = None) -> Path:
    """Return `root`, or else the folder that TINYTORCH_DATA names, or else one among the user's caches."""
    if root is not None:
        return Path(root).expanduser()
    named = os.environ.get("TINYTORCH_DATA")
    return Path(named).expanduser() if named else user_caches() / "tinytorch"


def user_caches(platform: str = sys.platform) -> Path:
    """Return the folder in which a system keeps what its user's programs can fetch again."""
    if platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if platform == "darwin":
        return Path.home() / "Library" / "Caches"
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return named if named.is_absolute() else Path.home() / ".cache"


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_right(file: File, path: Path) -> bool:
    """Return whether `path` holds `file`, whole and undamaged."""
    return path.is_file() and checksum(path) in (file.sha256, *file.repacked)


def find(file: File, folders: Iterable[Path]) -> Path | None:
    """Return the first right copy of `file` in `folders`."""
    return next((path for folder in folders if is_right(file, path := folder / file.name)), None)


def damage(file: File, path: Path) -> str:
    """Say what is wrong with the copy of `file` at `path`."""
    return f"{path} is damaged: its SHA-256 is {checksum(path)}, expected {file.sha256}"


def not_there(owner: str, files: Iterable[File], folder: Path) -> DatasetError:
    """Return the error for `files` of the data set `owner` that `folder` does not hold as they should be."""
    files = list(files)
    paths = [(file, folder / file.name) for file in files]
    wrong = [f"{damage(file, path)}." for file, path in paths if path.is_file()]
    absent = [file.name for file, path in paths if not path.is_file()]
    if absent:
        wrong.append(f"{', '.join(absent)} not found in {folder}.")
    return DatasetError(
        f"{owner}: {' '.join(wrong)} Pass download=True to fetch what is missing.\n{by_hand(files, folder)}"
    )


def by_hand(files: Iterable[File], folder: Path) -> str:
    """Say which files to put into `folder` so that no network is needed."""
    lines = [f"  {file.name}  {file.size:,} bytes  SHA-256 {file.sha256}\n    from {file.urls[0]}" for file in files]
    return "\n".join(
        [
            f"Without a network, bring these files from elsewhere and put them into {folder}:",
            *lines,
            "Pass root=..., or set the environment variable TINYTORCH_DATA, to keep data sets in another folder.",
        ]
    )
