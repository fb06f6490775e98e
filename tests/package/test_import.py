"""What `import tinytorch` promises: it prints nothing, and brings NumPy and the standard library only."""

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


def imported(name: str, cwd: Path) -> set[str]:
    """Return the packages outside the standard library that importing `name` brings along, and see it stay silent."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM.format(name=name)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
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
