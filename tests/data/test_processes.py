"""What becomes of worker processes: when a program ends, is interrupted or killed, and when they are.

Programs run as a user runs them, in processes of their own, and say on their output which workers they have.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinytorch.core.tensor import Tensor, from_numpy, tensor
from tinytorch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and processes are others there")
linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="datasets of this file reach workers only where they fork"
)


def is_running(pid: int) -> bool:
    """Return whether a process lives; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def all_ended(pids: list[int], seconds: float = 10.0) -> bool:
    """Return whether these processes end in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(map(is_running, pids)):
            return True
        time.sleep(0.02)
    return False


def pids_of(batches: Any) -> list[int]:
    return [process.pid for process in batches.workers.processes]


class Slow(Dataset[int]):
    """Samples that take a while."""

    def __init__(self, seconds: float, count: int = 1000) -> None:
        self.seconds = seconds
        self.count = count

    def __getitem__(self, index: int) -> int:
        time.sleep(self.seconds)
        return index

    def __len__(self) -> int:
        return self.count


class Doing(Dataset[Any]):
    """Samples for which something is done, where it is done."""

    def __init__(self, deed: Callable[[int], Any], count: int = 8) -> None:
        self.deed = deed
        self.count = count

    def __getitem__(self, index: int) -> Any:
        return self.deed(index)

    def __len__(self) -> int:
        return self.count


# In this process


@linux_only
@pytest.mark.parametrize("how", ["dropped", "left by break", "ended by an exception", "finished"])
def test_no_worker_outlives_its_iteration(how: str) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    batches = iter(DataLoader(Slow(0.001, 40), num_workers=2))
    pids = pids_of(batches)
    assert len(pids) == 2
    assert all(map(is_running, pids))
    next(batches)
    if how == "left by break":
        for _ in batches:
            break
    elif how == "ended by an exception":
        with pytest.raises(ZeroDivisionError):
            sum(1 // (batch.item() - 2) for batch in batches)
    elif how == "finished":
        assert len(list(batches)) == 39
        assert not any(map(is_running, pids))
    del batches
    assert not any(map(is_running, pids))
    assert len(os.listdir("/proc/self/fd")) == descriptors


@linux_only
def test_a_worker_that_does_not_listen_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinytorch.core.dataloader.PATIENCE", 0.1)
    batches = iter(DataLoader(Slow(60), num_workers=1))
    (pid,) = pids_of(batches)
    time.sleep(0.1)
    del batches
    assert not is_running(pid)


@linux_only
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_worker_is_named_with_its_signal(number: signal.Signals) -> None:
    batches = iter(DataLoader(Slow(0.05), num_workers=2))
    pids = pids_of(batches)
    next(batches)
    os.kill(pids[1], number)
    with pytest.raises(RuntimeError, match=rf"worker 1 \(process {pids[1]}\) was killed by {number.name}") as caught:
        for _ in batches:
            pass
    assert ("memory" in str(caught.value)) == (number is signal.SIGKILL)
    assert not any(map(is_running, pids))
    with pytest.raises(RuntimeError, match="it ended with an error"):
        next(batches)


@linux_only
def test_a_worker_that_leaves_is_named_with_its_exit_code() -> None:
    loader = DataLoader(Doing(lambda index: os._exit(3) if index == 2 else index), num_workers=2)
    with pytest.raises(RuntimeError, match=r"worker 0 .* ended with exit code 3"):
        list(loader)


@linux_only
def test_persistent_workers_begin_anew_after_one_was_killed() -> None:
    loader = DataLoader(Slow(0.001, 20), num_workers=2, persistent_workers=True)
    batches = iter(loader)
    os.kill(pids_of(batches)[0], signal.SIGKILL)
    with pytest.raises(RuntimeError, match="killed by SIGKILL"):
        list(batches)
    assert [batch.item() for batch in loader] == list(range(20))


@linux_only
def test_what_was_on_its_way_in_an_epoch_that_was_left_is_thrown_away() -> None:
    loader = DataLoader(Slow(0.002, 30), shuffle=True, num_workers=2, persistent_workers=True, prefetch_factor=4)
    for _ in range(3):
        next(iter(loader))
        assert sorted(batch.item() for batch in loader) == list(range(30))


@linux_only
def test_an_exception_arrives_with_type_attributes_and_traceback() -> None:
    def read(index: int) -> Any:
        return open(f"/nowhere/{index}.png")

    with pytest.raises(FileNotFoundError) as caught:
        list(DataLoader(Doing(read), num_workers=2))
    assert caught.value.filename == "/nowhere/0.png"
    (note,) = caught.value.__notes__
    assert note.startswith("Caught in worker process 0 of a DataLoader.")
    assert 'open(f"/nowhere/{index}.png")' in note
    assert "in __getitem__" in note


@linux_only
def test_every_part_of_a_worker_may_fail() -> None:
    def fail(*_: Any) -> Any:
        raise LookupError("no")

    class Broken(IterableDataset[int]):
        def __iter__(self) -> Iterator[int]:
            raise LookupError("no")

    for loader in (
        DataLoader(Doing(fail), num_workers=1),
        DataLoader(Slow(0), num_workers=1, collate_fn=fail),
        DataLoader(Slow(0), num_workers=1, worker_init_fn=fail),
        DataLoader(Broken(), num_workers=1),
    ):
        with pytest.raises(LookupError, match="no"):
            list(loader)


@linux_only
def test_a_batch_that_cannot_be_sent_is_an_error() -> None:
    with pytest.raises((AttributeError, TypeError, RuntimeError), match="pickle") as caught:
        list(DataLoader(Doing(lambda index: lambda: index), batch_size=None, num_workers=1))
    assert "worker process 0" in caught.value.__notes__[0]


@linux_only
def test_a_dataset_that_raises_stopiteration_does_not_end_the_epoch() -> None:
    def stop(index: int) -> int:
        if index == 3:
            raise StopIteration
        return index

    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(Doing(stop), num_workers=2))


@linux_only
def test_a_loader_gives_up_after_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinytorch.core.dataloader.PATIENCE", 0.1)
    batches = iter(DataLoader(Slow(60), num_workers=2, timeout=0.2))
    pids = pids_of(batches)
    with pytest.raises(RuntimeError, match=r"nothing from its 2 workers for 0\.2 seconds"):
        next(batches)
    assert not any(map(is_running, pids))


@linux_only
@pytest.mark.parametrize("ahead", [1, 3])
def test_each_worker_makes_so_many_batches_ahead(ahead: int, tmp_path: Path) -> None:
    def touch(index: int) -> Tensor:
        (tmp_path / str(index)).touch()
        return Tensor(np.zeros(300_000, np.float32))  # more than a pipe holds

    batches = iter(DataLoader(Doing(touch, 50), num_workers=2, prefetch_factor=ahead))
    assert made(tmp_path, 2 * ahead) == 2 * ahead
    next(batches)
    assert made(tmp_path, 2 * ahead + 1) == 2 * ahead + 1


def made(folder: Path, expected: int) -> int:
    """Return how many files there are, once there are as many as expected and no more come."""
    until = time.monotonic() + 5
    while len(list(folder.iterdir())) < expected and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)
    return len(list(folder.iterdir()))


@linux_only
def test_a_buffer_may_be_used_again_and_again() -> None:
    """What is sent is what was fetched, though the next sample overwrites it."""
    buffer = np.zeros(200_000)

    def fill(index: int) -> Any:
        buffer[...] = index
        return buffer

    batches = DataLoader(Doing(fill, 12), batch_size=None, num_workers=1, prefetch_factor=6)
    seen = []
    for batch in batches:
        seen.append((batch.data.min(), batch.data.max()))
        time.sleep(0.01)
    assert seen == [(i, i) for i in range(12)]


def test_arrays_arrive_whole_and_may_be_changed() -> None:
    x, y = np.random.default_rng(0).standard_normal((50, 3, 40, 40)), np.arange(50)
    for some_x, some_y in DataLoader(TensorDataset(Tensor(x, dtype=np.float64), tensor(y)), 16, num_workers=2):
        assert np.array_equal(some_x.data, x[some_y.data])
        some_x.data += 1


@linux_only
def test_two_loaders_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinytorch.core.dataloader.PATIENCE", 300.0)  # who has to be ended by force makes this fail
    first = iter(DataLoader(Slow(0.001, 30), num_workers=2))
    second = iter(DataLoader(Slow(0.001, 30), num_workers=2, persistent_workers=True))
    for i in range(10):
        assert (next(first).item(), next(second).item()) == (i, i)
    pids = pids_of(first)
    del first  # the second's workers were forked later, and have copies of the first's pipes
    assert not any(map(is_running, pids))
    assert [batch.item() for batch in second] == list(range(10, 30))


@linux_only
def test_a_forked_copy_of_an_iteration_ends_nobody() -> None:
    batches = iter(DataLoader(Slow(0.001, 20), num_workers=2))
    child = os.fork()
    if child == 0:
        try:
            batches.workers.close()  # type: ignore[attr-defined]
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert [batch.item() for batch in batches] == list(range(20))


@linux_only
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # from Python 3.12 on
def test_compiled_kernels_and_their_threads_do_not_disturb_workers() -> None:
    pytest.importorskip("numba", reason="Numba is not installed: there are no kernels")
    x = from_numpy(np.ones((1024, 256), np.float32))
    assert x.softmax(1).sum().item() == 1024  # type: ignore[attr-defined]
    loader = DataLoader(Doing(lambda _: x.softmax(1).sum().item(), 4), num_workers=2, timeout=60)  # type: ignore[attr-defined]
    assert [batch.item() for batch in loader] == [1024.0] * 4


@linux_only
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # from Python 3.12 on
def test_a_loader_in_another_thread() -> None:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.extend(b.item() for b in DataLoader(Slow(0, 20), num_workers=2)))
    thread.start()
    thread.join(30)
    assert seen == list(range(20))


@linux_only
def test_a_worker_knows_who_it_is() -> None:
    def describe(_: int) -> tuple[int, int, bool, bool]:
        info = get_worker_info()
        assert info is not None
        return info.id, info.num_workers, isinstance(info.dataset, Doing), os.getpid() == parent

    parent = os.getpid()
    assert list(DataLoader(Doing(describe, 4), batch_size=None, num_workers=2)) == [
        [i % 2, 2, True, False] for i in range(4)
    ]


# Programs

PROGRAM = """\
import sys, time
import numpy as np
from tinytorch.utils.data import DataLoader, Dataset

class Slow(Dataset):
    def __len__(self):
        return 1000

    def __getitem__(self, index):
        time.sleep(0.01)
        return np.full(1000, index)

def main():
    loader = DataLoader(Slow(), 4, num_workers=2, persistent_workers=True, multiprocessing_context=CONTEXT)
    batches = iter(loader)
    print(*(process.pid for process in batches.workers.processes), flush=True)
    next(batches)
    print("ready", flush=True)
    REST

if __name__ == "__main__":
    main()
"""


def program(rest: str = "", context: str | None = None) -> str:
    return PROGRAM.replace("CONTEXT", repr(context)).replace("REST", rest)


def start(text: str, tmp_path: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Start a program, in a session of its own, and return it with the processes that it names."""
    path = tmp_path / "program.py"
    path.write_text(text, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 2, process.communicate()
    return process, pids


@linux_only
@pytest.mark.parametrize("context", [None, "spawn"])
def test_a_program_that_ends_in_the_middle_of_an_epoch(context: str | None, tmp_path: Path) -> None:
    process, pids = start(program(context=context), tmp_path)
    assert process.communicate(timeout=60) == ("ready\n", "")
    assert process.returncode == 0
    assert all_ended(pids)


@linux_only
@pytest.mark.parametrize("rest", ["raise SystemExit(3)", "sys.exit(3)", "import os; os._exit(3)"])
def test_a_program_that_leaves(rest: str, tmp_path: Path) -> None:
    process, pids = start(program(rest), tmp_path)
    assert process.communicate(timeout=60) == ("ready\n", "")
    assert process.returncode == 3
    assert all_ended(pids)


@linux_only
@pytest.mark.parametrize("context", [None, "spawn"])
@pytest.mark.parametrize("when", ["starting", "waiting for data", "elsewhere"])
def test_ctrl_c_is_told_once_and_leaves_nobody(when: str, context: str | None, tmp_path: Path) -> None:
    rest = "time.sleep(60)" if when == "elsewhere" else "list(batches)"
    listening = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    process, pids = start(listening + program(rest, context), tmp_path)
    assert process.stdout is not None
    if when == "starting":
        time.sleep(0.15)  # those that are spawned import for longer, and would tell of it
    else:
        assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, errors = process.communicate(timeout=60)
    assert errors.count("KeyboardInterrupt") == 1, errors
    assert errors.count("Traceback") == 1
    assert process.returncode == -signal.SIGINT
    assert all_ended(pids)


@linux_only
@pytest.mark.parametrize("context", [None, "spawn"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_workers_of_a_killed_program_end(number: signal.Signals, context: str | None, tmp_path: Path) -> None:
    process, pids = start(program("time.sleep(60)", context), tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, number)
    assert process.communicate(timeout=60) == ("", "")
    assert all_ended(pids)


@linux_only
def test_the_workers_of_a_killed_program_end_though_somebody_holds_their_pipes(tmp_path: Path) -> None:
    rest = "import os; os.fork() or (os.setsid(), os.close(1), os.close(2), time.sleep(8), os._exit(0)); time.sleep(60)"
    process, pids = start(program(rest), tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert all_ended(pids, 6.0)


def run(arguments: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, input=text, env=environment, capture_output=True, text=True, timeout=60, check=False)


SHORT = """\
from tinytorch.utils.data import DataLoader, TensorDataset
from tinytorch import arange
print(sum(len(x) for x, in DataLoader(TensorDataset(arange(20)), 4, num_workers=2{options})))
"""


def test_a_command_line() -> None:
    done = run(["-W", "error", "-c", SHORT.format(options="")])
    assert (done.stdout, done.stderr, done.returncode) == ("20\n", "", 0)


def test_a_command_line_that_spawns() -> None:
    done = run(["-W", "error", "-c", SHORT.format(options=", multiprocessing_context='spawn'")])
    assert (done.stdout, done.stderr, done.returncode) == ("20\n", "", 0)


@linux_only
def test_a_session_at_the_prompt() -> None:
    lines = [
        "from tinytorch.utils.data import DataLoader, Dataset",
        "class Mine(Dataset):\n    def __len__(self): return 6\n    def __getitem__(self, i): return i * i\n",
        "[batch.tolist() for batch in DataLoader(Mine(), 3, num_workers=2)]",
        "batches = iter(DataLoader(Mine(), 3, num_workers=2)); next(batches)",
    ]
    done = run(["-q", "-i"], "\n".join(lines) + "\n")
    assert "[[0, 1, 4], [9, 16, 25]]" in done.stdout
    assert "tensor([0, 1, 4])" in done.stdout
    assert "Error" not in done.stderr
    assert done.returncode == 0


def test_what_cannot_be_sent_is_named() -> None:
    class Local(Dataset[int]):
        def __len__(self) -> int:
            return 3

    data = TensorDataset(Tensor([1.0, 2.0]))
    for dataset, options, message in (
        (Local(), {}, "because the dataset cannot be pickled: .*Local.*top level of a module"),
        (data, {"collate_fn": lambda batch: batch}, "because collate_fn cannot be pickled"),
        (data, {"worker_init_fn": lambda worker: None}, "because worker_init_fn cannot be pickled"),
    ):
        with pytest.raises(TypeError, match=message):
            iter(DataLoader(dataset, num_workers=1, multiprocessing_context="spawn", **options))  # type: ignore[arg-type]
