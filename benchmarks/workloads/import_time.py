"""How long does an import take, beyond NumPy's, and how much comes with an installation?"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from functools import partial
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cases import UnsupportedError
from benchmarks.cells import Row, say
from benchmarks.engines import ENGINES
from benchmarks.worker import environment
from benchmarks.workloads.question import Question

if TYPE_CHECKING:
    from benchmarks.session import Session

IMPORT = """
import importlib, sys, time
start = time.perf_counter()
import numpy
numpy_is_there = time.perf_counter()
importlib.import_module(sys.argv[1])
print(numpy_is_there - start, time.perf_counter() - numpy_is_there)
"""


def measure(session: Session) -> list[Row]:
    """Return the seconds of an import in a fresh process, and the installed megabytes."""
    say("import_time")
    seconds = session.in_turns(session.engines, partial(import_seconds, session), max(3, session.rounds // 2))
    megabytes = session.in_turns(session.engines, partial(installed_megabytes, session), 1)
    return [Row("import, beyond NumPy's", "s", seconds), Row("installed, with all it needs", "MB", megabytes)]


def check_own_package(session: Session, name: str) -> None:
    """Raise `UnsupportedError` for an engine that is absent, or that another one answers for."""
    if name in session.absent:
        raise UnsupportedError(session.absent[name])
    twin = ENGINES[name].same_package_as
    if twin:
        raise UnsupportedError(f"the same package as {twin}")


def import_seconds(session: Session, name: str) -> float:
    """Return the seconds of an import after NumPy's."""
    check_own_package(session, name)
    command = [sys.executable, "-c", IMPORT, ENGINES[name].imports]
    compiled = {"PYTHONDONTWRITEBYTECODE": ""}  # an installed package is compiled once, and then read as it is
    variables = {**os.environ, **environment(session.threads), **compiled}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=True)
    numpys, beyond = map(float, done.stdout.split())
    if name == "floor":
        raise UnsupportedError(f"NumPy alone, whose own import takes {numpys:.2f} s")
    return beyond


def installed_megabytes(session: Session, name: str) -> float:
    """Return the size of a package and of everything it needs."""
    check_own_package(session, name)
    sizes = {found: package_bytes(found, name) for found in with_requirements(ENGINES[name].distribution)}
    return sum(sizes.values()) / 1e6


def with_requirements(name: str) -> set[str]:
    """Return a distribution and, of those it needs, the ones that are installed."""
    found, waiting = set[str](), [name]
    while waiting:
        here = normal(waiting.pop())
        if here not in found:
            found.add(here)
            waiting += required_by(here)
    return found


def required_by(name: str) -> list[str]:
    """Return the installed distributions that one needs, without its extras."""
    owned = installed(name)
    requirements = [] if owned is None else owned.requires or []
    names = [re.split(r"[^A-Za-z0-9._-]", line)[0] for line in requirements if "extra ==" not in line]
    return [each for each in names if installed(each) is not None]


def normal(name: str) -> str:
    """Return a distribution's name in the one spelling that stands for all."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(name: str) -> Distribution | None:
    """Return a distribution, if it is installed."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def package_bytes(name: str, engine: str) -> int:
    """Return the size of a distribution's files; of the package's folder where it is used from its sources."""
    owned = installed(name)
    files = [Path(str(file.locate())) for file in (owned.files or [] if owned else [])]
    package = ENGINES[engine].imports.partition(".")[0]
    if name == normal(ENGINES[engine].distribution) and not any(package in file.parts for file in files):
        spec = importlib.util.find_spec(package)
        folders = (spec.submodule_search_locations or []) if spec else []
        files = [file for folder in folders for file in Path(folder).rglob("*")]
    return sum(file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc")


QUESTION = Question("Seconds of an import beyond NumPy's, and megabytes of an installation", measurement=measure)
