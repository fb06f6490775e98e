"""Files arrive whole and right, over networks and from servers that fail in every way that they do."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import pickle
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinytorch.datasets import DatasetError, _download
from tinytorch.datasets._download import fetch
from tinytorch.datasets._files import File

from . import server as does
from .making import file
from .server import Answer, Mirror

BODY = np.random.default_rng(0).bytes(300_000)
NAME = "numbers.bin"


def fetch_quietly(spec: File, folder: Path) -> None:
    """Fetch one file without telling."""
    fetch("Numbers", [spec], folder, progress=False)


def left(folder: Path) -> set[str]:
    """Return what lies in a folder beside the lock."""
    return {path.name for path in folder.iterdir()} - {".lock"}


@pytest.mark.parametrize(
    "answer",
    [does.whole, does.ignoring_ranges, does.without_length, does.in_chunks],
    ids=["whole", "ignoring ranges", "without length", "in chunks"],
)
def test_a_file_arrives_as_it_is(mirror: Mirror, tmp_path: Path, answer: Answer) -> None:
    folder = tmp_path / "data" / "new"
    fetch_quietly(file(NAME, BODY, mirror.publish("/a", BODY, answer)), folder)
    assert (folder / NAME).read_bytes() == BODY
    assert left(folder) == {NAME}
    assert len(mirror.requests) == 1


def test_what_comes_slowly_but_steadily_has_not_stalled(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_download, "LIMITS", _download.Limits(stall=1.0))
    fetch_quietly(file(NAME, BODY, mirror.publish("/a", BODY, does.steadily(0.2, 6))), tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert len(mirror.requests) == 1


def test_an_empty_file_is_a_file(mirror: Mirror, tmp_path: Path) -> None:
    fetch_quietly(file(NAME, b"", mirror.publish("/a", b"")), tmp_path)
    assert (tmp_path / NAME).read_bytes() == b""


def check_that_the_next_mirror_is_asked(mirror: Mirror, tmp_path: Path, answer: Answer, why: str) -> None:
    """Fetch beside a mirror that can and fail without one."""
    bad, good = mirror.publish("/bad", BODY, answer), mirror.publish("/good", BODY)
    fetch_quietly(file(NAME, BODY, bad, good), tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert [request.path for request in mirror.requests] == ["/bad", "/good"]
    assert left(tmp_path) == {NAME}

    (tmp_path / NAME).unlink()
    mirror.plan["/bad"] = [answer] * 3
    with pytest.raises(DatasetError, match=re.escape(bad) + ": .*" + why):
        fetch_quietly(file(NAME, BODY, bad), tmp_path)
    assert NAME not in left(tmp_path)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (does.status(404), "HTTP 404 Not Found"),
        (does.status(500), "HTTP 500 Internal Server Error"),
        (does.status(204), "HTTP 204 No Content"),
        (does.corrupt, "what came is damaged: its SHA-256 is [0-9a-f]{64}, expected [0-9a-f]{64}"),
        (does.endless, "sent more than the 300,000 bytes of the file"),
        (does.another_file, "offers a file of 27 bytes, expected 300,000"),
        (does.garbage, "BadStatusLine: 220 mail.example ESMTP"),
        (does.after(0, does.hang_up), "the connection ended after 0 of 300,000 bytes"),
        (does.redirect("http://a..b/"), "label"),
        (does.redirect("file:///etc/passwd"), "HTTP 302"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_mirror_cannot_do_the_next_one_does(mirror: Mirror, tmp_path: Path, answer: Answer, why: str) -> None:
    check_that_the_next_mirror_is_asked(mirror, tmp_path, answer, why)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (does.after(0, does.stall), r"stalled: no byte in 0\.4 s"),
        (does.endless_chunk, r"stalled: no byte in 0\.4 s"),
        (does.stall, r"no answer within 0\.5 s"),
        (does.endless_head, r"no answer within 0\.5 s"),
    ],
    ids=["body", "endless chunk", "head", "endless head"],
)
def test_a_mirror_that_does_not_answer_is_left_for_the_next(
    mirror: Mirror, tmp_path: Path, answer: Answer, why: str
) -> None:
    check_that_the_next_mirror_is_asked(mirror, tmp_path, answer, why)


@pytest.mark.usefixtures("impatient")
def test_a_thread_that_waits_in_vain_comes_to_an_end(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no answer"):
        fetch_quietly(file(NAME, BODY, mirror.publish("/a", BODY, does.stall)), tmp_path)
    wait_until(lambda: "tinytorch download" not in {thread.name for thread in threading.enumerate()})
    assert not mirror.closing.is_set()  # the server had not let go of it


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("end", "why"),
    [
        (does.stall, r"stalled: no byte in 0\.4 s"),
        (does.hang_up, "the connection ended after 100,000 of 300,000 bytes"),
        (does.reset, "the connection broke: .*reset"),
    ],
)
def test_a_download_that_stops_goes_on_where_it_stopped(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str], end: Answer, why: str
) -> None:
    url = mirror.publish("/a", BODY, does.after(100_000, end))
    fetch("Numbers", [file(NAME, BODY, url)], tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    first, second = mirror.requests
    assert "Range" not in first.headers
    # A reset may take bytes with it that had arrived already.
    start = re.fullmatch(r"bytes=(\d+)-", second.headers["Range"])
    assert start is not None
    assert int(start[1]) == 100_000 or end is does.reset
    assert re.search(why, capsys.readouterr().err)


def test_a_mirror_that_stops_again_and_again_is_left_with_what_it_brought(mirror: Mirror, tmp_path: Path) -> None:
    bad = mirror.publish("/bad", BODY, *[does.after(50_000, does.hang_up)] * 9)
    fetch_quietly(file(NAME, BODY, bad, mirror.publish("/good", BODY)), tmp_path)
    asked = [(request.path, request.headers.get("Range")) for request in mirror.requests]
    assert asked == [
        ("/bad", None),
        ("/bad", "bytes=50000-"),
        ("/bad", "bytes=100000-"),
        ("/good", "bytes=150000-"),
    ]
    assert (tmp_path / NAME).read_bytes() == BODY


def test_a_broken_chunk_is_gone_on_from(mirror: Mirror, tmp_path: Path) -> None:
    fetch_quietly(file(NAME, BODY, mirror.publish("/a", BODY, does.broken_chunk)), tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert mirror.requests[1].headers["Range"] == "bytes=150000-"


@pytest.mark.parametrize("answer", [does.ignoring_ranges, does.without_length, does.in_chunks])
def test_a_server_that_knows_no_ranges_starts_over(mirror: Mirror, tmp_path: Path, answer: Answer) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(BODY[:1000])
    fetch_quietly(file(NAME, BODY, mirror.publish("/a", BODY, answer)), tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert [request.headers["Range"] for request in mirror.requests] == ["bytes=1000-"]


@pytest.mark.parametrize("answer", [does.status(416), does.wrong_range, does.range_of_another_file, does.status(206)])
def test_a_server_that_cannot_go_on_is_asked_for_the_whole(mirror: Mirror, tmp_path: Path, answer: Answer) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(BODY[:1000])
    fetch_quietly(file(NAME, BODY, mirror.publish("/a", BODY, answer)), tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert [request.headers.get("Range") for request in mirror.requests] == ["bytes=1000-", None]


def test_a_wrong_beginning_is_not_blamed_on_the_mirror_that_went_on(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(bytes(1000))
    fetch_quietly(file(NAME, BODY, mirror.publish("/a", BODY)), tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert [request.headers.get("Range") for request in mirror.requests] == ["bytes=1000-", None]


def test_what_had_arrived_whole_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(BODY)
    fetch_quietly(file(NAME, BODY, "http://127.0.0.1:1/never"), tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert left(tmp_path) == {NAME}


def test_a_part_that_is_too_long_is_dropped(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(BODY + b"more")
    fetch_quietly(file(NAME, BODY, mirror.publish("/a", BODY)), tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert "Range" not in mirror.requests[0].headers


def test_redirects_are_followed_and_keep_the_range(mirror: Mirror, tmp_path: Path) -> None:
    there = mirror.publish("/there", BODY)
    (tmp_path / f"{NAME}.part").write_bytes(BODY[:1000])
    fetch_quietly(file(NAME, BODY, mirror.publish("/here", b"?", does.redirect(there))), tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert [(r.path, r.headers["Range"]) for r in mirror.requests] == [
        ("/here", "bytes=1000-"),
        ("/there", "bytes=1000-"),
    ]


def test_redirects_in_a_circle_come_to_an_end(mirror: Mirror, tmp_path: Path) -> None:
    circle = mirror.url("/circle")
    mirror.publish("/circle", b"?", *[does.redirect(circle)] * 50)
    with pytest.raises(DatasetError, match=r"HTTP 302 .* infinite loop\. The last 30x error message was: Found\n"):
        fetch_quietly(file(NAME, BODY, circle), tmp_path)


def test_a_proxy_of_the_environment_is_used(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.publish("/a", BODY)
    monkeypatch.setenv("http_proxy", mirror.url(""))
    fetch_quietly(file(NAME, BODY, "http://data.invalid/a"), tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert mirror.requests[0].path == "http://data.invalid/a"


def test_what_is_there_and_right_needs_no_network_and_no_right_to_write(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(BODY)
    fetch_quietly(file(NAME, BODY, "http://127.0.0.1:1/never"), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {NAME}


def test_what_is_there_but_damaged_is_told_and_replaced(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / NAME).write_bytes(b"half a file")
    fetch("Numbers", [file(NAME, BODY, mirror.publish("/a", BODY))], tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert f"{tmp_path / NAME} is damaged: its SHA-256 is" in capsys.readouterr().err


def test_a_damaged_file_stays_until_a_right_one_has_come(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"half a file")
    with pytest.raises(DatasetError):
        fetch_quietly(file(NAME, BODY, mirror.publish("/a", BODY, does.corrupt)), tmp_path)
    assert left(tmp_path) == {NAME}
    assert (tmp_path / NAME).read_bytes() == b"half a file"


def refusing() -> str:
    """Return an address of this machine at which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_without_a_network_one_error_says_what_was_tried_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = refusing()
    there, first, second = file("there", b"x"), file("a.gz", b"12", f"{nobody}/a.gz"), file("b.gz", BODY, f"{nobody}/b")
    first = File(first.name, first.size, first.sha256, ("http://data.invalid/a.gz", *first.urls))
    (tmp_path / "there").write_bytes(b"x")
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        _download.socket,
        "getaddrinfo",
        lambda host, *a, **k: (
            look_up(host, 80, flags=socket.AI_NUMERICHOST) if "invalid" in host else look_up(host, *a, **k)
        ),
    )
    with pytest.raises(DatasetError) as caught:
        fetch("Numbers", [there, first, second], tmp_path, progress=False)
    assert str(caught.value).replace("[WinError 10061] ", "") == (
        "Numbers: a.gz could not be fetched. Tried:\n"
        "  http://data.invalid/a.gz: the name data.invalid cannot be looked up: no network?\n"
        f"  {nobody}/a.gz: Connection refused\n"
        f"Without a network, bring these files from elsewhere and put them into {tmp_path}:\n"
        f"  a.gz  2 bytes  SHA-256 {hashlib.sha256(b'12').hexdigest()}\n"
        "    from http://data.invalid/a.gz\n"
        f"  b.gz  300,000 bytes  SHA-256 {hashlib.sha256(BODY).hexdigest()}\n"
        f"    from {nobody}/b\n"
        "Pass root=..., or set the environment variable TINYTORCH_DATA, to keep data sets in another folder."
    )
    assert caught.value.__context__ is None  # one error, not a chain of them


def test_the_error_is_caught_as_pytorch_users_and_others_catch_it() -> None:
    assert issubclass(DatasetError, OSError)
    assert issubclass(DatasetError, RuntimeError)
    assert str(pickle.loads(pickle.dumps(DatasetError("a message")))) == "a message"


def test_a_certificate_that_is_not_trusted_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    untrusted.verify_message = "self-signed certificate"

    def refuse(*arguments: Any, **options: Any) -> None:
        raise urllib.error.URLError(untrusted)

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", refuse)
    expected = (
        r"the certificate of data\.invalid is not trusted \(self-signed certificate\): the clock .* SSL_CERT_FILE"
    )
    with pytest.raises(DatasetError, match=expected):
        fetch_quietly(file(NAME, BODY, "https://data.invalid/a"), tmp_path)


def test_a_server_that_does_not_speak_tls_is_explained(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.publish("/a", BODY).replace("http:", "https:")
    with pytest.raises(DatasetError, match=f"{re.escape(url)}: .*(SSL|EOF|reset)"):
        fetch_quietly(file(NAME, BODY, url), tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"file.data cannot be written to: .* 0\.3 MB; pass root=.*TINYTORCH_DATA"):
        fetch_quietly(file(NAME, BODY, "http://127.0.0.1:1/never"), tmp_path / "file" / "data")


class FullDisk(io.FileIO):
    """A file on a disk that has room for 100,000 bytes."""

    def write(self, data: Any) -> int:
        room = 100_000 - self.tell()
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(bytes(data)[:room])


def test_a_full_disk_is_told_and_leaves_nothing_under_the_files_name(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = file(NAME, BODY, mirror.publish("/a", BODY), mirror.publish("/b", BODY))
    open_really = Path.open

    def open_on_a_full_disk(path: Path, mode: str = "r", *rest: Any) -> Any:
        return FullDisk(path, mode) if path.suffix == ".part" and "r" not in mode else open_really(path, mode, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_on_a_full_disk)
        with pytest.raises(DatasetError, match=r"cannot be written to: No space left on device\. It needs .* 0\.3 MB"):
            fetch_quietly(spec, tmp_path)
    assert len(mirror.requests) == 1  # another mirror would not help
    assert left(tmp_path) == {f"{NAME}.part"}
    fetch_quietly(spec, tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert left(tmp_path) == {NAME}


FETCH = """
import sys
from pathlib import Path
from tinytorch.datasets._download import fetch
from tinytorch.datasets._files import File
name, size, sha256, url, folder = sys.argv[1:]
fetch("Numbers", [File(name, int(size), sha256, (url,))], Path(folder))
"""


def fetching(spec: File, folder: Path) -> subprocess.Popen[str]:
    """Start a process that fetches a file."""
    command = [sys.executable, "-c", FETCH, spec.name, str(spec.size), spec.sha256, spec.urls[0], str(folder)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for what happens in another process; the test's time limit ends what never happens."""
    while not condition():
        time.sleep(0.01)


def test_a_process_that_was_killed_is_gone_on_from(mirror: Mirror, tmp_path: Path) -> None:
    spec = file(NAME, BODY, mirror.publish("/a", BODY, does.after(1000, does.stall)))
    part = tmp_path / f"{NAME}.part"
    process = fetching(spec, tmp_path)
    wait_until(lambda: part.exists() and part.stat().st_size == 1000)
    process.kill()
    process.communicate()
    assert process.returncode == (-signal.SIGKILL if os.name == "posix" else 1)
    assert NAME not in left(tmp_path)

    fetch_quietly(spec, tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert [request.headers.get("Range") for request in mirror.requests] == [None, "bytes=1000-"]


def test_two_processes_that_want_the_same_fetch_it_once(mirror: Mirror, tmp_path: Path) -> None:
    second_waits = threading.Event()
    spec = file(NAME, BODY, mirror.publish("/a", BODY, does.after(100_000, does.when(second_waits))))
    first = fetching(spec, tmp_path)
    wait_until(lambda: mirror.requests)
    second = fetching(spec, tmp_path)
    assert second.stderr is not None
    assert second.stderr.readline() == f"waiting for another process that fetches into {tmp_path}\n"
    second_waits.set()
    assert (first.communicate()[1] is not None, first.returncode) == (True, 0)
    assert (second.communicate()[1], second.returncode) == ("", 0)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert len(mirror.requests) == 1


def test_ctrl_c_keeps_what_has_arrived(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: object, received: int) -> None:
        raise KeyboardInterrupt

    spec = file(NAME, BODY, mirror.publish("/a", BODY))
    with monkeypatch.context() as patch:
        patch.setattr(_download.Screen, "at", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch_quietly(spec, tmp_path)
    arrived = (tmp_path / f"{NAME}.part").stat().st_size
    assert arrived > 0
    fetch_quietly(spec, tmp_path)
    assert mirror.requests[1].headers["Range"] == f"bytes={arrived}-"


class Terminal(io.StringIO):
    """A screen."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_one_line_that_changes(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    fetch("Numbers", [file(NAME, BODY, mirror.publish("/a", BODY, does.steadily(0.11, 3)))], tmp_path)
    first, shown, last, end = terminal.getvalue().split("\n")
    assert re.fullmatch(r"Fetching numbers\.bin \(300\.0 kB\) from 127\.0\.0\.1:\d+", first)
    states = [
        re.fullmatch(r"(\d+\.\d) kB of 300\.0 kB, \d+\.\d [kM]B/s, \d+ s left *", s) for s in shown.split("\r")[1:]
    ]
    arrived = [float(state[1]) for state in states if state]
    assert len(arrived) == len(states) >= 2
    assert arrived == sorted(arrived)
    assert re.fullmatch(r"Fetched numbers\.bin in \d+ s", last)
    assert end == ""


def test_a_terminal_is_written_to_ten_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, clock = Terminal(), iter([100.0, 100.0, 100.05, 100.2, 100.25, 103.0])
    monkeypatch.setattr(_download.time, "monotonic", lambda: next(clock))
    screen = _download.Screen(terminal)
    screen.begin(file(NAME, BODY), "http://data.invalid/a", 0)
    for received in (10_000, 20_000, 100_000, 110_000, 150_000):
        screen.at(received)
    shown = [state.rstrip() for state in terminal.getvalue().split("\r")[1:]]
    assert shown == [
        "10.0 kB of 300.0 kB, 10.0 MB/s, 0 s left",
        "100.0 kB of 300.0 kB, 500.0 kB/s, 0 s left",
        "150.0 kB of 300.0 kB, 50.0 kB/s, 3 s left",
    ]


def test_a_pipe_gets_a_line_at_the_start_and_one_at_the_end(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(BODY[:1000])
    fetch("Numbers", [file(NAME, BODY, mirror.publish("/a", BODY))], tmp_path)
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(
        r"Fetching numbers\.bin \(300\.0 kB\) from 127\.0\.0\.1:\d+, going on after 1\.0 kB\n"
        r"Fetched numbers\.bin in \d+ s\n",
        said.err,
    )


def test_progress_can_be_left_out(mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / NAME).write_bytes(b"damaged")
    fetch_quietly(file(NAME, BODY, mirror.publish("/a", BODY, does.after(9, does.hang_up))), tmp_path)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s")])
def test_durations_read_well(seconds: float, text: str) -> None:
    assert _download._duration(seconds) == text
