"""What `import tinytorch` promises: it prints nothing, brings NumPy and the standard library only, and touches nothing.

So it runs where nothing can be installed, threads cannot be started and there are no other processes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tito.commands.init import lay_out

PROGRAM = """\
import sys
before = set(sys.modules)
import {name}
print(*sorted({{module.partition(".")[0] for module in set(sys.modules) - before}}))
"""

# Audit events come from inside the interpreter, whichever function asked.
TOUCHES_NOTHING = """\
import _thread, sys, threading

def refuse(event, arguments):
    writes = event == "open" and (
        any(letter in (arguments[1] or "") for letter in "wax+") or (arguments[2] or 0) & 3  # O_WRONLY, O_RDWR
    )
    if writes or event.split(".")[0] in ("socket", "subprocess") or event in FORBIDDEN:
        raise RuntimeError(f"{event} {arguments[:1]}")

def start(*_):
    raise RuntimeError("a thread")

FORBIDDEN = {"os.fork", "os.system", "os.posix_spawn", "os.mkdir", "os.remove", "os.rename"}
threading.Thread.start = _thread.start_new_thread = start
sys.addaudithook(refuse)
"""
LIST_MODULES = """\
import pkgutil, tinytorch
print(*(found.name for found in pkgutil.walk_packages(tinytorch.__path__, "tinytorch.")))
"""


def run(program: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, in which a warning is an error."""
    command = [sys.executable, "-B", "-W", "error", "-c", program]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def imported(name: str, cwd: Path) -> set[str]:
    """Return the packages outside the standard library that importing `name` brings along, and see it stay silent."""
    done = run(PROGRAM.format(name=name), cwd)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    return set(done.stdout.split()) - set(sys.stdlib_module_names)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which nothing is built yet."""
    root = tmp_path_factory.mktemp("made") / "mine"
    lay_out(root)
    return root


def test_the_whole_package_needs_numpy_only(repository: Path) -> None:
    numpy_brings = imported("numpy.random", repository)
    for name in ("tinytorch", "tinytorch.nn", "tinytorch.nn.functional", "tinytorch.datasets"):
        assert imported(name, repository) <= numpy_brings | {"tinytorch"}


def test_an_empty_package_can_be_imported(empty: Path) -> None:
    assert imported("tinytorch", empty) <= imported("numpy.random", empty) | {"tinytorch"}


def test_the_tool_imports_no_framework(repository: Path) -> None:
    assert not {"tinytorch", "jupytext"} & imported("tito.cli, tito.commands.module", repository)


@pytest.fixture(scope="module")
def all_modules(repository: Path) -> list[str]:
    """The names of all modules of the package but those that Numba compiles."""
    names = run(LIST_MODULES, repository).stdout.split()
    assert len(names) > 30
    return sorted({*names} - {f"tinytorch.fast.{name}" for name in ("_compile", "_correlation", "_kernels")})


def test_importing_every_module_starts_and_writes_nothing(repository: Path, all_modules: list[str]) -> None:
    done = run(f"{TOUCHES_NOTHING}import {', '.join(all_modules)}", repository)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_module_needs_numpy_only(repository: Path, all_modules: list[str]) -> None:
    assert imported(", ".join(all_modules), repository) <= imported("numpy.random", repository) | {"tinytorch"}


@pytest.mark.parametrize(
    "deed",
    [
        "open('x', 'w')",
        "import os; os.open('x', os.O_WRONLY | os.O_CREAT)",
        "import threading; threading.Thread(target=print).start()",
        "import _thread; _thread.start_new_thread(print, ())",
        "import subprocess; subprocess.run(['true'])",
        "import socket; socket.socket()",
    ],
)
def test_the_guard_would_notice(deed: str, tmp_path: Path) -> None:
    done = run(f"{TOUCHES_NOTHING}{deed}", tmp_path)
    assert "RuntimeError" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_package_is_python_alone(repository: Path) -> None:
    files = [
        path for path in (repository / "tinytorch").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    assert not [path for path in files if path.suffix in (".so", ".pyd", ".dll", ".dylib", ".c", ".cpp", ".pyx", ".rs")]
