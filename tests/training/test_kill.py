"""Processes that are killed while they train, and others that go on: the same bits as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tinytorch.core.training import load_state

PROGRAM = Path(__file__).with_name("program.py")
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")


def train(folder: Path, *kill: str | int) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder."""
    command = [sys.executable, PROGRAM, folder, *map(str, kill)]
    return subprocess.run(
        command, env=os.environ | ONE_THREAD, capture_output=True, text=True, timeout=100, check=False
    )


def finished(folder: Path) -> tuple[str, bytes]:
    """Run the program to its end; return what became of the parameters, and the log."""
    done = train(folder)
    assert done.returncode == 0, done.stderr
    return done.stdout, (folder / "log.csv").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """What a run ends with that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    result = finished(folder)
    assert load_state(folder / "run.ckpt")["epoch"] == 4
    assert len(result[1].splitlines()) == 5
    return result


def test_two_runs_with_one_seed_are_the_same(tmp_path: Path, whole: tuple[str, bytes]) -> None:
    assert finished(tmp_path) == whole


@pytest.mark.parametrize(
    "kill",
    [
        ("batch", 2),  # before there is any checkpoint
        ("batch", 8),  # at the end of an epoch
        ("batch", 21),
        ("batch", 31),
        ("replace", 4),
        ("replace", 7),
        ("replace", 12),
        ("fsync", 9),
        ("fsync", 18),
        ("bytes", 9_000),
        ("bytes", 40_001),
    ],
    ids=lambda kill: f"{kill[0]} {kill[1]}",
)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    kill: tuple[str, int], tmp_path: Path, whole: tuple[str, bytes]
) -> None:
    killed = train(tmp_path, *kill)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    for path in tmp_path.glob("*.ckpt"):
        assert load_state(path)["step"] > 0  # whole, whatever was written just then
    for line in (tmp_path / "log.csv").read_text().splitlines() if (tmp_path / "log.csv").exists() else []:
        assert line.count(",") == 5  # no half row
    assert finished(tmp_path) == whole


def test_a_run_that_is_killed_again_and_again(tmp_path: Path, whole: tuple[str, bytes]) -> None:
    for kill in (("batch", 5), ("replace", 3), ("fsync", 8), ("batch", 9)):
        assert train(tmp_path, *kill).returncode == -signal.SIGKILL
    assert finished(tmp_path) == whole


def started(folder: Path, step: int) -> subprocess.Popen[str]:
    """Start the program; return when it has done some steps."""
    process = subprocess.Popen(
        [sys.executable, PROGRAM, folder, "wait", str(step)],
        env=os.environ | ONE_THREAD,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    return process


@pytest.mark.parametrize("step", [10, 17])
def test_ctrl_c_tells_where_the_checkpoint_is(step: int, tmp_path: Path, whole: tuple[str, bytes]) -> None:
    process = started(tmp_path, step)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert f"The last checkpoint is {tmp_path}/run.ckpt. Go on with fit(..., resume='{tmp_path}/run.ckpt')." in errors
    assert errors.index("KeyboardInterrupt") < errors.index(f"after {step} steps")
    assert finished(tmp_path) == whole


def test_a_kill_from_outside(tmp_path: Path, whole: tuple[str, bytes]) -> None:
    process = started(tmp_path, 14)
    process.kill()
    process.communicate(timeout=60)
    assert finished(tmp_path) == whole


FULL = """
import resource, sys
import numpy as np
from tinytorch.core.training import save_arrays

save_arrays(sys.argv[1], {"w": np.ones(10)})
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))  # as if the disk were full
try:
    save_arrays(sys.argv[1], {"w": np.zeros(100_000)})
except OSError as error:
    print(type(error).__name__)
"""


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "OSError\n"), done.stderr
    from tinytorch.core.training import load_arrays

    assert load_arrays(path)[0]["w"].tolist() == [1.0] * 10
    assert os.listdir(tmp_path) == ["weights"]
