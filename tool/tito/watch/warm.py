"""A process that has imported what every suite imports, and waits for work.

It prints the line ``ready``, then reads orders from stdin, one JSON object a line. Run as ``python -m tito.watch.warm
fork``, it has each order carried out by a child: the process stays warm, and the child begins with all that is
imported. It answers each order's end with a line, reads the line ``kill`` as the wish to end the child, and ends with
its reader. Without the word, for systems that cannot fork, it carries out one order itself.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import select
import signal
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"  # Apple's BLAS does not survive a fork

SUITE = """
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

@settings(max_examples=5, database=None, deadline=None)
@given(arrays.arrays(np.float64, arrays.array_shapes()), st.lists(st.integers(0, 9)), st.floats(), st.data())
def test_warm_up(array, numbers, x, data):
    assert array.shape == data.draw(st.just(array.shape))
    assert sum(numbers) == pytest.approx(sum(reversed(numbers)))
"""


def warm_up() -> None:
    """Import what every suite imports, by running a small one; what it prints goes to stderr."""
    import pytest

    with tempfile.TemporaryDirectory(prefix="tito-warm-") as folder:
        suite, settings = Path(folder, "test_warm_up.py"), Path(folder, "pytest.ini")
        suite.write_text(SUITE, encoding="utf-8")
        settings.write_text("[pytest]\n", encoding="utf-8")
        options = ["-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", "--import-mode=importlib"]
        shown = os.dup(1)
        os.dup2(2, 1)
        status = pytest.main([*options, "-c", str(settings), "--rootdir", folder, str(suite)])
        sys.stdout.flush()
        os.dup2(shown, 1)
        os.close(shown)
    if status:
        sys.exit(f"pytest and Hypothesis do not work here: status {int(status)}")


def carry_out(order: dict[str, Any]) -> int:
    """Run pytest in this process as `order` says; return its status."""
    import pytest

    with open(order["output"], "wb") as output, open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    forget_bytecode(Path(order["folder"], "tinytorch", "core"))
    sys.argv = ["pytest", *order["arguments"]]
    return int(pytest.main(order["arguments"]))


def keep_bytecode(root: Path) -> None:
    """Keep what Python compiles in a folder of the tool, where it may not stand beside the sources."""
    if sys.dont_write_bytecode:
        sys.dont_write_bytecode = False
        sys.pycache_prefix = str(root / ".tito" / "bytecode")


def forget_bytecode(folder: Path) -> None:
    """Forget what was compiled of the learner's files: two exports in one second may look alike to Python."""
    if sys.pycache_prefix is not None:
        for source in folder.glob("*.py"):
            Path(importlib.util.cache_from_source(str(source))).unlink(missing_ok=True)


class Fork:
    """A child that carries out an order, with everything that it starts in a session of its own."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.setsid()
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                status = carry_out(order)
            except BaseException:  # the child must end here, whatever happened; the output says what
                traceback.print_exc()
            finally:
                _leave(status)

    @property
    def ended(self) -> bool:
        """Whether it has ended; its number stays taken until it is buried."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def kill(self) -> None:
        """End it and everything it has started."""
        os.kill(self.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):  # it has no session yet, or nothing is left in it
            os.killpg(self.pid, signal.SIGKILL)

    def bury(self) -> int:
        """End what it has left behind, and give its number back; return its exit status."""
        self.kill()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _leave(status: int) -> None:
    """End this process as an interpreter ends: with its threads and what it has printed."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed, or its file is full
            stream.flush()
    os._exit(status)


def serve() -> None:
    """Carry out orders in children, until nobody listens any more."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # so that the end of a child wakes the call below
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    child: Fork | None = None
    unread = b""
    try:
        while True:
            ready, _, _ = select.select([0, woken], [], [])
            if woken in ready:
                os.read(woken, 4096)
            if 0 in ready:
                data = os.read(0, 1 << 20)
                if not data:
                    return
                *lines, unread = (unread + data).split(b"\n")
                for line in lines:
                    if line == b"kill":
                        if child:
                            child.kill()
                    else:
                        child = Fork(json.loads(line))
            if child and child.ended:
                _answer(str(child.bury()))
                child = None
    finally:
        if child:
            child.bury()


def _answer(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def main(fork: bool) -> None:
    """Warm up, then work."""
    keep_bytecode(Path.cwd())
    warm_up()
    gc.collect()
    gc.freeze()  # what is here now lives on in every child, and no child need look through it
    if "tinytorch" in sys.modules:
        sys.exit("a `tinytorch` was imported before there was an order")
    _answer("ready")
    if fork:
        serve()
    elif line := sys.stdin.readline():
        sys.exit(carry_out(json.loads(line)))


if __name__ == "__main__":
    main(fork=sys.argv[1:] == ["fork"])
