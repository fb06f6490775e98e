"""The course that the tool brings along: where its files are, and the wheel that takes them further."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from importlib import metadata
from pathlib import Path

from tito.errors import TitoError

PACKAGE = Path(__file__).parent
CARRIED = PACKAGE / "_carried"
DISTRIBUTION = "tinytorch-tito"


def course_root() -> Path:
    """Return the folder that holds the whole course with its answers: carried in the wheel, or the repository."""
    return CARRIED if CARRIED.is_dir() else PACKAGE.parents[1]


def make_wheel(folder: Path) -> Path:
    """Write the tool's wheel, with the course in it, into `folder`; no network is needed.

    Raises
    ------
    TitoError
        If the repository's wheel cannot be built.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return _repack(folder) if CARRIED.is_dir() else _build(folder)


def _build(folder: Path) -> Path:
    command = [sys.executable, "-P", "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=course_root() / "tool", capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise TitoError(
            f"the wheel of `tito` could not be built:\n{done.stdout}{done.stderr}".rstrip(),
            "`tito doctor` looks at the environment; removing `.venv` and running `./tito` makes a new one.",
        )
    return next(folder.glob("*.whl"))


def _repack(folder: Path) -> Path:
    """Zip the installed files into the wheel that they came from."""
    installed = metadata.distribution(DISTRIBUTION)
    name = f"{DISTRIBUTION.replace('-', '_')}-{installed.version}"
    files = {
        f"tito/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes()
        for path in sorted(PACKAGE.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    config = "ipython_config.json"  # lies in the package, and is installed for IPython too
    files[f"{name}.data/data/etc/ipython/{config}"] = files[f"tito/{config}"]
    for part in ("METADATA", "WHEEL", "entry_points.txt"):
        files[f"{name}.dist-info/{part}"] = (installed.read_text(part) or "").encode()
    record = f"{name}.dist-info/RECORD"
    rows = [f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in files.items()]
    files[record] = "".join([*rows, f"{record},,\n"]).encode()
    wheel = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            # the default date, so that the same files make the same wheel
            archive.writestr(zipfile.ZipInfo(path), data, zipfile.ZIP_DEFLATED)
    return wheel


def _digest(data: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
