"""On where Numba is installed, off by one call, and no trace of either where it is not."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import fast
from tinytorch.core.autograd import RULES, disable_autograd, enable_autograd
from tinytorch.nn import functional as F  # noqa: N812
from tito.course import Course

needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="Numba is not installed: pip install numba"
)
Methods = dict[tuple[str, str], Any]


def methods() -> Methods:
    """Return the methods of all classes that the switch may touch, and the originals of those that are tracked."""
    owners = {rule.owner for rule in RULES} | {rule.backward for rule in RULES} | {row.owner for row in fast._rows()}
    found: Methods = {(owner.__name__, name): value for owner in owners for name, value in vars(owner).items()}
    for owner in owners:
        found.pop((owner.__name__, "_originals"), None)
        found |= {(owner.__name__, f"original {name}"): m for name, m in vars(owner).get("_originals", {}).items()}
    return found


def python(program: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, warnings being shown."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("TINYTORCH", "NUMBA"))}
    return subprocess.run(
        [sys.executable, "-c", program], env={**env, **variables}, cwd=cwd, capture_output=True, text=True, timeout=110
    )


@needs_numba
def test_disable_puts_all_back(switched: None) -> None:
    """Tracked methods are made anew, so they are compared by what they track."""

    def plain(found: Methods) -> Methods:
        return {key: getattr(value, "__wrapped__", value) for key, value in found.items()}

    fast.disable()
    before = plain(methods())
    fast.enable()
    assert plain(methods()) != before
    fast.disable()
    assert plain(methods()) == before


@needs_numba
def test_enable_and_disable_may_be_called_again(switched: None) -> None:
    fast.enable()
    on = methods()
    fast.enable()
    assert methods() == on
    assert fast.is_enabled()
    fast.disable()
    off = methods()
    fast.disable()
    assert methods() == off
    assert not fast.is_enabled()


@needs_numba
def test_gradients_may_sleep_and_wake_meanwhile(switched: None) -> None:
    def gradient() -> Any:
        x = tinytorch.ones(4, requires_grad=True)
        F.gelu(x).sum().backward()
        return x.grad.tolist()

    expected = gradient()
    for switch in (fast.disable, fast.enable, fast.disable, fast.enable):
        disable_autograd()
        switch()
        assert not F.gelu(tinytorch.ones(4, requires_grad=True)).requires_grad
        enable_autograd()
        assert gradient() == expected


def test_without_numba_enable_says_what_to_install(switched: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'python -m pip install "tinytorch-framework\[fast\]"') as caught:
        fast.enable()
    assert caught.value.name == "numba"


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "numba":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "numba" else find(name, package)
import tinytorch
x = tinytorch.ones(300, 300, requires_grad=True)
tinytorch.nn.functional.gelu(x).sum().backward()
print(tinytorch.fast.is_enabled(), x.grad.shape)
"""


def test_without_numba_numpy_does_all() -> None:
    said = python(WITHOUT)
    assert (said.stdout, said.stderr) == ("False (300, 300)\n", "")


STATE = "import sys, tinytorch; print(tinytorch.fast.is_enabled(), 'numba' in sys.modules)"
LARGE = """
import sys
import tinytorch
x = tinytorch.ones({size}, requires_grad=True)
tinytorch.nn.functional.gelu(x).sum().backward()
print(tinytorch.fast.is_enabled(), "numba" in sys.modules, round(x.grad[0].item(), 4))
"""


@needs_numba
@pytest.mark.parametrize(
    ("program", "variables", "output"),
    [
        (STATE, {}, "True False"),
        (STATE, {"TINYTORCH_FAST": "0"}, "False False"),
        (STATE, {"TINYTORCH_FAST": "1"}, "True False"),
        (LARGE.format(size=1000), {}, "True False 1.0833"),
        (LARGE.format(size=100_000), {}, "True True 1.0833"),
        (LARGE.format(size=100_000), {"TINYTORCH_FAST": "0"}, "False False 1.0833"),
    ],
)
def test_numba_is_imported_by_the_first_large_array_alone(program: str, variables: dict[str, str], output: str) -> None:
    said = python(program, **variables)
    assert (said.stdout, said.stderr) == (f"{output}\n", "")


def test_a_numba_that_is_broken_is_one_warning(tmp_path: Path) -> None:
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text("raise ImportError('Numba needs NumPy 1.0 or less')\n")
    program = LARGE.format(size=100_000) + "tinytorch.nn.functional.softmax(x, 0)\n"
    said = python(program, PYTHONPATH=str(tmp_path))
    assert said.stdout == "True False 1.0833\n"
    assert said.stderr.count("RuntimeWarning") == 1
    assert "Numba needs NumPy 1.0 or less" in said.stderr
    assert "TINYTORCH_FAST=0" in said.stderr


@needs_numba
def test_machine_code_is_kept_beside_the_kernels_or_nowhere(repository: Path, tmp_path: Path) -> None:
    """In a folder that cannot be written, and without a home, each process compiles for itself."""
    package = tmp_path / "site" / "tinytorch"
    shutil.copytree(repository / "tinytorch", package, ignore=shutil.ignore_patterns("__pycache__"))
    place = {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    where = "print(tinytorch.__file__)"
    said = python(LARGE.format(size=100_000) + where, tmp_path, **place)
    assert said.stdout == f"True True 1.0833\n{package / '__init__.py'}\n"
    kept = list(package.rglob("*.nbi"))
    assert {path.parent.parent.name for path in kept} == {"fast"}
    shutil.rmtree(package / "fast" / "__pycache__")
    (package / "fast" / "__pycache__").write_text("a file where the folder should be")  # even root cannot write there
    said = python(LARGE.format(size=100_000), tmp_path, **place, HOME="/dev/null", XDG_CACHE_HOME="/dev/null")
    assert (said.stdout, said.stderr) == ("True True 1.0833\n", "")


def test_a_package_without_module_05_can_be_imported(repository: Path, course: Course, tmp_path: Path) -> None:
    """What stands on module 05 stays away until it is there; so it is for every module before."""
    names = [module.name for module in course.written]
    for first_missing in ("autograd", "losses", "activations"):
        package = tmp_path / first_missing / "tinytorch"
        shutil.copytree(repository / "tinytorch", package, ignore=shutil.ignore_patterns("__pycache__"))
        for name in names[names.index(first_missing) :]:
            (package / "core" / f"{name}.py").unlink()
        program = "import sys, tinytorch; print(tinytorch.Tensor([1.0]).tolist(), 'tinytorch.fast' in sys.modules)"
        said = python(program, tmp_path, PYTHONPATH=str(package.parent))
        assert (said.stdout, said.stderr) == ("[1.0] False\n", "")


WITHOUT_LESSONS = """
import tinytorch
owners = {row.owner.__name__ for row in tinytorch.fast._rows()}
print(tinytorch.fast.is_enabled(), sorted(owners & {"Adam", "Convolution"}))
"""


@needs_numba
@pytest.mark.parametrize(
    ("missing", "there"), [((), ["Adam", "Convolution"]), (("spatial",), ["Adam"]), (("spatial", "optimizers"), [])]
)
def test_kernels_of_lessons_that_are_not_there_yet_stay_away(
    missing: tuple[str, ...], there: list[str], repository: Path, course: Course, tmp_path: Path
) -> None:
    package, names = tmp_path / "tinytorch", [module.name for module in course.written]
    shutil.copytree(repository / "tinytorch", package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in names[names.index(missing[-1]) :] if missing else ():
        (package / "core" / f"{name}.py").unlink()
    said = python(WITHOUT_LESSONS, tmp_path, PYTHONPATH=str(tmp_path))
    assert (said.stdout, said.stderr) == (f"True {there}\n", "")


def test_switching_from_several_threads_leaves_one_state(switched: None) -> None:
    from concurrent.futures import ThreadPoolExecutor

    pytest.importorskip("numba", reason="Numba is not installed: pip install numba")
    fast.disable()
    before = {key: getattr(value, "__wrapped__", value) for key, value in methods().items()}
    switches: list[Callable[[], None]] = [fast.enable, fast.disable] * 50
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda switch: switch(), switches))
    fast.disable()
    assert {key: getattr(value, "__wrapped__", value) for key, value in methods().items()} == before
    x = tinytorch.from_numpy(np.ones(3, np.float32)).requires_grad_()
    F.gelu(x).sum().backward()
