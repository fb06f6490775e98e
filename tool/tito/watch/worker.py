"""The warm process as the loop sees it: give it an order, wait for the end, end it before."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

from tito.errors import TitoError
from tito.runner import Order, Process, kill_group, steady_environment
from tito.watch.warm import CAN_FORK


class _Warm:
    """One warm process; it is started at once, and `ready` waits until it has imported what it needs."""

    def __init__(self, root: Path, fork: bool) -> None:
        self.said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tito.watch.warm", *(["fork"] if fork else [])],
            cwd=root,
            env=steady_environment(root),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            start_new_session=True,  # a Ctrl-C in the terminal is not for it
        )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ready(self) -> None:
        """Wait until it can take its first order.

        Raises
        ------
        TitoError
            If it cannot begin.
        """
        if self.read() != "ready":
            self.said.seek(0)
            lines = self.said.read().decode("utf-8", "replace").strip().split("\n")
            raise TitoError(f"pytest did not start: {lines[-1] or 'it said nothing'}", "`tito doctor` says more.")

    def read(self) -> str:
        """Return its next line; nothing if it is gone."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()

    def write(self, line: str) -> None:
        """Send it a line; nothing happens if it is gone."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def close(self) -> None:
        """End it and everything that it has started."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()  # it ends its child, which has a session of its own
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        kill_group(self.process)
        self.process.stdout.close()
        self.said.close()


class _Child:
    """An order that a child of the warm process carries out."""

    def __init__(self, warm: _Warm, order: str) -> None:
        self.warm = warm
        self.over = threading.Event()
        warm.write(order)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        self.warm.read()  # its status, or nothing: then the warm process has died, and the child with it
        self.over.set()

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most `seconds`; return whether it has ended."""
        return self.over.wait(seconds)

    def kill(self) -> None:
        """End it and everything it has started, and wait until that is done."""
        if not self.over.is_set():
            self.warm.write("kill")
            self.over.wait()


class _Whole:
    """An order that the warm process carries out itself, where the system cannot fork."""

    def __init__(self, warm: _Warm, order: str) -> None:
        self.warm = warm
        warm.write(order)

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most `seconds`; return whether it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.warm.process.wait(seconds)
        return not self.warm.alive

    def kill(self) -> None:
        """End it and everything it has started."""
        kill_group(self.warm.process)
        self.warm.close()


class Worker:
    """Always has a warm process at hand; one order at a time.

    Parameters
    ----------
    root
        The workspace.
    fork
        Whether one warm process forks for each order; otherwise each order takes one, and the next is started.
    """

    def __init__(self, root: Path, fork: bool = CAN_FORK) -> None:
        self.root = root
        self.fork = fork
        self.is_ready = False
        self.warm = _Warm(root, fork)

    def ready(self) -> None:
        """Wait until an order can be taken; a warm process that died is replaced.

        Raises
        ------
        TitoError
            If it cannot begin.
        """
        if not self.warm.alive and self.is_ready:
            self.warm.close()
            self._renew()
        if not self.is_ready:
            self.warm.ready()
            self.is_ready = True

    def start(self, order: Order) -> Process:
        """Start an order; the one before has ended."""
        line = json.dumps(
            {
                "arguments": order.arguments,
                "environment": order.environment,
                "folder": str(order.folder),
                "output": str(order.output),
            }
        )
        self.ready()
        if self.fork:
            return _Child(self.warm, line)
        process = _Whole(self.warm, line)
        self._renew()
        return process

    def _renew(self) -> None:
        self.warm, self.is_ready = _Warm(self.root, self.fork), False

    def close(self) -> None:
        """End the warm process."""
        self.warm.close()
