"""Fetch files over networks that fail: mirrors, time limits, resuming, checksums. Standard library only.

A file grows under the name ``NAME.part`` and gets its own name when it is whole and its checksum is right, so what
has that name can be used, and a download that was interrupted at any moment goes on where it stopped.
"""

from __future__ import annotations

import http.client
import os
import queue
import re
import shutil
import socket
import ssl
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO, TypeVar

from tinytorch.datasets._files import DatasetError, File, by_hand, checksum, damage, find

T = TypeVar("T")

_PIECE = 1 << 16
_LOCK = ".lock"


@dataclass(frozen=True)
class Limits:
    """How long to wait for a mirror.

    Attributes
    ----------
    connect
        Seconds until the answer begins: looking up the name, connecting, redirects.
    stall
        Seconds without a single byte. How long all takes does not matter.
    attempts
        How often to go on with one mirror after it stopped in the middle.
    """

    connect: float = 20.0
    stall: float = 30.0
    attempts: int = 3


LIMITS = Limits()


def fetch(
    owner: str, files: Sequence[File], folder: Path, *, elsewhere: Sequence[Path] = (), progress: bool = True
) -> None:
    """Bring those of `files` into `folder` that are neither there nor in one of the folders `elsewhere`.

    Raises
    ------
    DatasetError
        If no mirror of a file has it, or it cannot be stored. The message says what to do.
    """
    screen = Screen(sys.stderr if progress else None)
    if not _missing(files, folder, elsewhere):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder, screen):
            for file in _missing(files, folder, elsewhere):
                if (folder / file.name).is_file():
                    screen.line(f"{damage(file, folder / file.name)}; fetching it again")
                failures = _fetch_one(file, folder, screen)
                if failures:
                    missing = _missing(files, folder, elsewhere)
                    raise DatasetError(_nobody_has(owner, file, failures, by_hand(missing, folder)))
    except DatasetError:
        raise
    except OSError as error:
        needed = sum(file.size for file in files) / 1e6
        raise DatasetError(
            f"{owner}: {folder} cannot be written to: {error.strerror or error}. It needs room for {needed:.1f} MB; "
            "pass root=..., or set the environment variable TINYTORCH_DATA, to use another folder."
        ) from None


def _missing(files: Sequence[File], folder: Path, elsewhere: Sequence[Path]) -> list[File]:
    """Return which of `files` are nowhere."""
    return [file for file in files if find(file, [folder, *elsewhere]) is None]


def _nobody_has(owner: str, file: File, failures: list[str], advice: str) -> str:
    """Say which mirrors of a file were tried, and why each failed."""
    tried = "\n".join(f"  {failure}" for failure in failures)
    return f"{owner}: {file.name} could not be fetched. Tried:\n{tried}\n{advice}"


def _fetch_one(file: File, folder: Path, screen: Screen) -> list[str]:
    """Fetch `file` from the first mirror that has it. Return an empty list, or why each mirror failed."""
    part, failures = folder / f"{file.name}.part", []
    for url in file.urls:
        for _ in range(LIMITS.attempts):
            try:
                _transfer(url, file, part, screen)
            except _Failure as failure:
                failures.append(f"{url}: {failure}")
                screen.line(f"{file.name}: {failure}")
                if not failure.again:
                    break
            else:
                os.replace(part, folder / file.name)
                return []
    return failures


class _Failure(Exception):  # noqa: N818 - it ends an attempt, not the download
    """Why a mirror did not bring a file, and whether it may be asked again."""

    def __init__(self, why: str, *, again: bool = False) -> None:
        super().__init__(why)
        self.again = again


def _transfer(url: str, file: File, part: Path, screen: Screen) -> None:
    """Bring `part` to its full length from `url`, and check it."""
    start = part.stat().st_size if part.exists() else 0
    if start < file.size or not part.exists():
        _receive(url, file, part, start, screen)
    came = checksum(part)
    if came != file.sha256:
        part.unlink()
        # What was there before may be to blame: then this mirror has a second chance, from the start.
        raise _Failure(f"what came is damaged: its SHA-256 is {came}, expected {file.sha256}", again=start > 0)


def _receive(url: str, file: File, part: Path, start: int, screen: Screen) -> None:
    """Append what is missing of `file` to `part`, or write it from the start where the server knows no ranges."""
    headers = {"User-Agent": "tinytorch"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(url, headers=headers)
    screen.begin(file, url, start)
    with _Worker() as worker:
        response = _open(worker, request, part)
        received = start = _first_byte(response, file, start, part)
        screen.count_from(start)
        with part.open("ab" if start else "wb") as out:
            while piece := _next_piece(worker, response, file, received - start):
                received += len(piece)
                if received > file.size:
                    break
                out.write(piece)
                out.flush()  # what has arrived stays, whatever happens to this process
                screen.at(received)
    if received > file.size:
        part.unlink()
        raise _Failure(f"sent more than the {file.size:,} bytes of the file")
    if received < file.size:
        raise _Failure(f"the connection ended after {received:,} of {file.size:,} bytes", again=received > start)
    screen.done()


def _open(worker: _Worker, request: urllib.request.Request, part: Path) -> http.client.HTTPResponse:
    """Return the answer to `request`; proxies are taken from the environment."""
    # The socket has a limit as well, so that a thread nobody waits for any more comes to an end.
    patience = max(LIMITS.connect, LIMITS.stall)

    def ask() -> http.client.HTTPResponse:
        answer: http.client.HTTPResponse = urllib.request.build_opener().open(request, timeout=patience)
        worker.at_end(answer.close)
        return answer

    try:
        return worker.within(LIMITS.connect, ask)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.exists():
            part.unlink()
            raise _Failure(
                "cannot go on where the last attempt stopped (HTTP 416); starting over", again=True
            ) from None
        raise _Failure(f"HTTP {error.code} {' '.join(str(error.reason).split())}") from None
    except TimeoutError:
        raise _Failure(f"no answer within {LIMITS.connect:g} s") from None
    except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: sent on to no proper address
        raise _Failure(_explain(error, request.host)) from None


def _first_byte(response: http.client.HTTPResponse, file: File, start: int, part: Path) -> int:
    """Return with which byte of `file` an answer begins: `start` if that was asked and understood, otherwise 0."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        given = response.headers.get("Content-Range", "")
        parsed = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", given)
        if parsed is None or int(parsed[1]) != start or parsed[2] not in ("*", str(file.size)):
            part.unlink(missing_ok=True)
            raise _Failure(f"answered with {given!r} when asked for bytes from {start:,} of {file.size:,}", again=True)
        return start
    if response.status != http.HTTPStatus.OK:
        raise _Failure(f"HTTP {response.status} {response.reason}")
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) != file.size:
        raise _Failure(f"offers a file of {int(length):,} bytes, expected {file.size:,}")
    return 0


def _next_piece(worker: _Worker, response: http.client.HTTPResponse, file: File, received: int) -> bytes:
    """Return what arrives next, or nothing at the end."""
    try:
        return worker.within(LIMITS.stall, lambda: response.read1(_PIECE))
    except TimeoutError:
        raise _Failure(f"stalled: no byte in {LIMITS.stall:g} s", again=received > 0) from None
    except (OSError, http.client.HTTPException) as error:
        raise _Failure(f"the connection broke: {error or type(error).__name__}", again=received > 0) from None


def _explain(error: Exception, host: str) -> str:
    """Say in words why no connection came about."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {host} is not trusted ({reason.verify_message}): the clock may be wrong, the system's "
            "certificates may be missing, or a proxy may add its own, which SSL_CERT_FILE can name"
        )
    if isinstance(reason, socket.gaierror):
        return f"the name {host} cannot be looked up: no network?"
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else str(reason)


class _Worker:
    """A thread that does one thing at a time, so that waiting for it can end.

    A socket's own limit does not hold for looking up a name, and starts anew with each byte of a head.
    """

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
        self._last: Callable[[], None] = lambda: None
        threading.Thread(target=self._work, name="tinytorch download", daemon=True).start()

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self._tasks.put(None)

    def at_end(self, task: Callable[[], None]) -> None:
        """Do `task` last of all, even if what comes before takes so long that nobody waits for it any more."""
        self._last = task

    def within(self, seconds: float, task: Callable[[], T]) -> T:
        """Return what `task` returns, or raise TimeoutError if that takes longer than `seconds`."""
        self._tasks.put(task)
        try:
            result, error = self._results.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                self._results.put((task(), None))
            except Exception as error:
                self._results.put((None, error))
        self._last()


@contextmanager
def _alone(folder: Path, screen: Screen) -> Iterator[None]:
    """Wait until nobody else fetches into `folder`, and keep others waiting. A process that dies lets go."""
    with (folder / _LOCK).open("ab") as file:
        if not _locked(file):
            screen.line(f"waiting for another process that fetches into {folder}")
            while not _locked(file):
                time.sleep(0.05)
        yield


if sys.platform == "win32":
    import msvcrt

    def _locked(file: IO[bytes]) -> bool:
        """Lock `file` until it is closed, unless somebody else has."""
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _locked(file: IO[bytes]) -> bool:
        """Lock `file` until it is closed, unless somebody else has."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class Screen:
    """What a download tells: one line that changes on a terminal, elsewhere a line at the start and at the end."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out
        self._live = out is not None and out.isatty()
        self._open_line = False

    def line(self, text: str) -> None:
        """Write a line of its own."""
        if self._out is not None:
            print(f"\n{text}" if self._open_line else text, file=self._out, flush=True)
        self._open_line = False

    def begin(self, file: File, url: str, start: int) -> None:
        """Say what comes from where."""
        self._file = file
        self.count_from(start)
        host = urllib.parse.urlsplit(url).netloc
        going_on = f", going on after {_amount(start)}" if start else ""
        self.line(f"Fetching {file.name} ({_amount(file.size)}) from {host}{going_on}")

    def count_from(self, start: int) -> None:
        """Begin to measure: bytes from `start` come now."""
        self._start, self._began, self._shown = start, time.monotonic(), -1.0

    def at(self, received: int) -> None:
        """Show how far it is, ten times a second at most."""
        now = time.monotonic()
        if not self._live or self._out is None or now - self._shown < 0.1:
            return
        self._shown = now
        rate = (received - self._start) / max(now - self._began, 1e-3)
        left = (self._file.size - received) / max(rate, 1.0)
        text = f"{_amount(received)} of {_amount(self._file.size)}, {_amount(rate)}/s, {_duration(left)} left"
        width = shutil.get_terminal_size().columns - 1
        self._out.write(f"\r{text[:width]:{min(width, 60)}}")
        self._out.flush()
        self._open_line = True

    def done(self) -> None:
        """Say that a file is whole."""
        self.line(f"Fetched {self._file.name} in {_duration(time.monotonic() - self._began)}")


def _amount(count: float) -> str:
    """Return a number of bytes as people read it."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def _duration(seconds: float) -> str:
    """Return a length of time as people read it."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
