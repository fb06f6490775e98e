"""The threads that share an array: how many, what they raise, and that nobody can tell them from one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="Numba is not installed: pip install numba")

import tinytorch
from tinytorch import fast
from tinytorch.fast import _threads
from tinytorch.nn import functional as F  # noqa: N812


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three threads work, however many cores there are."""
    monkeypatch.setattr(_threads, "thread_count", lambda: 3)
    monkeypatch.setattr(_threads, "_executor", None)


def everything(seed: int) -> list[bytes]:
    """Return the results and gradients of all that the kernels answer for."""
    rng = np.random.default_rng(seed)

    def leaf(*shape: int) -> tinytorch.Tensor:
        return tinytorch.from_numpy(rng.standard_normal(shape).astype(np.float32)).requires_grad_()

    x, w, b, q = leaf(150, 37), leaf(37), leaf(37), leaf(3, 2, 11, 4)
    images, kernels = leaf(3, 2, 9, 8), leaf(4, 2, 3, 3)
    classes = tinytorch.from_numpy(rng.integers(0, 37, 150))
    outs = [
        *(run(x) for run in (F.relu, F.sigmoid, F.silu, F.gelu)),
        *(run(x, -1) for run in (F.softmax, F.log_softmax)),
        F.layer_norm(x, (37,), w, b),
        F.cross_entropy(x, classes),
        F.scaled_dot_product_attention(q, q, q, is_causal=True),
        F.conv2d(images, kernels, padding=1),
    ]
    for out in outs:
        (out * out).sum().backward()
    leaves = x, w, b, q, images, kernels
    return [a.tobytes() for a in (*(out.detach().numpy() for out in outs), *(t.grad.numpy() for t in leaves))]


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_any_number_of_threads_gives_the_same_bits(
    threads: int, reached: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_threads, "PART", 100)
    monkeypatch.setattr(_threads, "thread_count", lambda: 1)
    alone = everything(0)
    monkeypatch.setattr(_threads, "thread_count", lambda: threads)
    monkeypatch.setattr(_threads, "_executor", None)
    for _ in range(5):
        assert everything(0) == alone
    assert reached["normalize_gradient"] > 6


def test_several_threads_may_ask_at_once(reached: Counter[str], three: None) -> None:
    expected = [everything(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert list(pool.map(everything, range(4))) == expected


def test_every_part_is_worked_on_once_and_by_others_too(three: None) -> None:
    done: list[tuple[int, str]] = []

    def work(part: int) -> None:
        time.sleep(0.01)
        done.append((part, threading.current_thread().name))

    _threads.share(work, range(30))
    assert sorted(part for part, _ in done) == list(range(30))
    names = {name for _, name in done}
    assert threading.current_thread().name in names
    assert any(name.startswith("tinytorch-fast") for name in names)


def test_what_another_thread_raises_reaches_the_caller(three: None) -> None:
    caller = threading.current_thread()
    begun = threading.Event()

    def work(part: int) -> None:
        if threading.current_thread() is caller:
            begun.wait(10)  # so that another thread has taken a part
        else:
            begun.set()
            raise ArithmeticError(f"part {part}")

    with pytest.raises(ArithmeticError, match="part"):
        _threads.share(work, range(6))


def test_what_the_caller_raises_stops_the_others(three: None) -> None:
    caller, done = threading.current_thread(), []

    def work(part: int) -> None:
        if threading.current_thread() is caller:
            raise ArithmeticError("here")
        time.sleep(0.01)
        done.append(part)

    with pytest.raises(ArithmeticError, match="here"):
        _threads.share(work, range(1000))
    assert len(done) < 100


@pytest.mark.parametrize("rows", [0, 1, 5, 64, 1000])
@pytest.mark.parametrize("columns", [0, 1, 3, 10**6])
@pytest.mark.parametrize("least", [1, 64])
def test_parts_cover_the_rows_once(rows: int, columns: int, least: int) -> None:
    parts = _threads.split(rows, columns, least)
    assert [row for part in parts for row in range(rows)[part]] == list(range(rows))
    assert all(part.stop - part.start >= least for part in parts[:-1])
    assert all((part.stop - part.start) * columns <= max(_threads.PART, least * columns) for part in parts)


COUNT = "from tinytorch.fast._threads import thread_count; print(thread_count())"


@pytest.mark.parametrize(
    ("variables", "most"),
    [
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "64"}, 1),
        ({"OMP_NUM_THREADS": "1,4"}, 1),
        ({"OMP_NUM_THREADS": "many", "NUMBA_NUM_THREADS": "0"}, None),
    ],
)
def test_the_environment_limits_the_threads(variables: dict[str, str], most: int | None) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in _threads.LIMITS}
    said = subprocess.run(
        [sys.executable, "-c", COUNT], env={**clean, **variables}, capture_output=True, text=True, check=True
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert int(said.stdout) == (most or (1 if variables.get("NUMBA_NUM_THREADS") == "0" else cores))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores")
def test_the_cores_of_the_process_limit_the_threads() -> None:
    program = f"import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1]); {COUNT}"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(said.stdout) == 1


FORK = """
import os, sys
import numpy as np
import tinytorch
from tinytorch.fast import _threads
from tinytorch.nn import functional as F

_threads.thread_count = lambda: 3
x = tinytorch.from_numpy(np.random.default_rng(0).standard_normal((512, 1024)).astype(np.float32)).requires_grad_()

def step():
    x.grad = None
    F.gelu(x).sum().backward()
    return x.grad.numpy().tobytes()

expected = step()
assert _threads._executor is not None
child = os.fork()
if child == 0:
    assert _threads._executor is None
    os._exit(0 if step() == expected and _threads._executor is not None else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert step() == expected
print("both")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    said = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=100)
    assert (said.returncode, said.stdout, said.stderr) == (0, "both\n", "")


AT_EXIT = """
import atexit
import tinytorch
from tinytorch.fast import _threads
from tinytorch.nn import functional as F

_threads.thread_count = lambda: 3
atexit.register(lambda: print(F.gelu(tinytorch.zeros(512, 1024)).sum().item()))
"""


def test_a_kernel_may_run_while_the_interpreter_ends() -> None:
    said = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, timeout=100)
    assert (said.returncode, said.stdout, said.stderr) == (0, "0.0\n", "")


def test_one_thread_starts_none(reached: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise AssertionError("a thread was asked for")

    monkeypatch.setattr(_threads, "thread_count", lambda: 1)
    monkeypatch.setattr(_threads, "_threads", refuse)
    fast.enable()
    assert everything(1)
