"""Environments: making a workspace its own, or installing it into one that is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tito.errors import TitoError


def find_uv() -> str:
    """Return the path of the uv that is installed beside the tool."""
    import uv

    return str(uv.find_uv_bin())


def environment_python(root: Path) -> Path:
    """Return the interpreter of the environment in the workspace at `root`."""
    return root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_environment(root: Path) -> None:
    """Make `.venv` in the workspace at `root`, by its own launcher, which says what it does.

    Raises
    ------
    TitoError
        If the launcher did not come to its end; running it again begins anew.
    """
    # `--version` is the shortest command: what counts is the set-up that comes before it
    command = [sys.executable, str(root / "tito"), "--version"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, env={**os.environ, "TITO_UV": find_uv()})
    if done.returncode:
        raise TitoError(
            f"the workspace {root} is there, but its environment could not be made.",
            "Go there and run `./tito module list`: it goes on where this stopped.",
        )


def active_environment() -> Path:
    """Return the environment to install into: the tool's own, unless that belongs to a workspace.

    Raises
    ------
    TitoError
        If no other environment is active.
    """
    own = Path(sys.prefix).resolve()
    if not (own.parent / "modules" / "course.toml").is_file():
        return own
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        active = os.environ.get(variable)
        if active and Path(active).resolve() != own:
            return Path(active)
    raise TitoError(
        f"no environment is active but {own}, and that is the one of {own.parent}.",
        "Activate an environment of yours first, or leave out --no-venv to get a new one.",
        exit_code=2,
    )


def install_workspace(root: Path, environment: Path) -> bool:
    """Install the workspace at `root` into `environment`, editable; return whether it replaced another tinytorch.

    Raises
    ------
    TitoError
        If uv cannot install into the environment; the message holds what it said.
    """
    if environment.resolve() != Path(sys.prefix).resolve():
        _install(environment, *map(str, (root / ".tito").glob("*.whl")))
    said = _install(environment, "--no-deps", "--no-build-isolation", "--offline", "--editable", str(root))
    return "- tinytorch-framework" in said


def _install(environment: Path, *arguments: str) -> str:
    command = [find_uv(), "pip", "install", "--python", str(environment), *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise TitoError(
            f"{environment} did not take the installation:\n{done.stderr}".rstrip(),
            "Leave out --no-venv to get a new environment.",
        )
    return done.stderr
