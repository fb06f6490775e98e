"""A real HTTP server on this machine that does what servers and networks do: well, slowly, wrongly, or not at all."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    """Gives each request to what the test has planned for it."""

    server: Mirror

    def do_GET(self) -> None:
        """Note the request and answer it."""
        path = re.sub(r"^http://[^/]*", "", self.path)  # a proxy is asked for whole addresses
        self.server.requests.append(Request(self.path, dict(self.headers)))
        planned = self.server.plan.get(path, [])
        answer = planned.pop(0) if planned else whole
        body = self.server.files.get(path)
        (answer if body is not None else status(404))(self, body or b"")

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def head(self, code: int, **headers: object) -> None:
        """Send the head of an answer."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def first_byte(self) -> int:
        """Return the first byte that is wanted."""
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(wanted[1]) if wanted else 0


@dataclass
class Request:
    """What a client asked for."""

    path: str
    headers: dict[str, str]


@dataclass(eq=False)
class Mirror(ThreadingHTTPServer):
    """The server: its files by path, what it does with the next requests of a path, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    plan: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    daemon_threads = True
    block_on_close = False

    def __post_init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.server_port}{path}"

    def publish(self, path: str, body: bytes, *plan: Answer) -> str:
        """Serve `body` at `path`, answering the first requests as planned and later ones well. Return the address."""
        self.files[path] = body
        self.plan[path] = list(plan)
        return self.url(path)

    def close(self) -> None:
        """End, and let go of whoever still waits."""
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that have gone, which is what some tests are about."""


def whole(handler: Handler, body: bytes) -> None:
    """Send the file, or the end of it that was asked for."""
    start = handler.first_byte()
    if start:
        there = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.head(206, Content_Length=len(body) - start, Content_Range=there)
    else:
        handler.head(200, Content_Length=len(body))
    handler.wfile.write(body[start:])


def ignoring_ranges(handler: Handler, body: bytes) -> None:
    """Send the file from its beginning, whatever was asked for."""
    handler.head(200, Content_Length=len(body))
    handler.wfile.write(body)


def without_length(handler: Handler, body: bytes) -> None:
    """Send the file without saying how long it is."""
    handler.head(200)
    handler.wfile.write(body)


def in_chunks(handler: Handler, body: bytes) -> None:
    """Send the file in chunks, with their lengths between them."""
    handler.protocol_version = "HTTP/1.1"
    handler.head(200, Transfer_Encoding="chunked", Connection="close")
    for start in range(0, len(body), 1000):
        piece = body[start : start + 1000]
        handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    handler.wfile.write(b"0\r\n\r\n")


def broken_chunk(handler: Handler, body: bytes) -> None:
    """Announce a chunk, and end within it."""
    handler.protocol_version = "HTTP/1.1"
    handler.head(200, Transfer_Encoding="chunked", Connection="close")
    handler.wfile.write(f"{len(body):x}\r\n".encode() + body[: len(body) // 2])


def after(count: int, end: Answer) -> Answer:
    """Promise the file, send its next `count` bytes, and do `end`."""

    def answer(handler: Handler, body: bytes) -> None:
        start = handler.first_byte()
        headers = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
        handler.head(206 if start else 200, Content_Length=len(body) - start, **headers)
        handler.wfile.write(body[start : start + count])
        handler.wfile.flush()
        end(handler, body[start + count :])

    return answer


def stall(handler: Handler, rest: bytes) -> None:
    """Send nothing more and keep the connection."""
    handler.server.closing.wait()


def hang_up(handler: Handler, rest: bytes) -> None:
    """End the connection in order, too early."""


def reset(handler: Handler, rest: bytes) -> None:
    """Break the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.wfile.close()
    handler.rfile.close()
    handler.connection.close()


def when(event: threading.Event) -> Answer:
    """Send the rest when `event` is set."""

    def answer(handler: Handler, rest: bytes) -> None:
        event.wait()
        handler.wfile.write(rest)

    return answer


def steadily(pause: float, pieces: int) -> Answer:
    """Send the file in `pieces` with a pause before each."""

    def answer(handler: Handler, body: bytes) -> None:
        handler.head(200, Content_Length=len(body))
        step = -(-len(body) // pieces)
        for start in range(0, len(body), step):
            handler.server.closing.wait(pause)
            handler.wfile.write(body[start : start + step])
            handler.wfile.flush()

    return answer


def endless_head(handler: Handler, body: bytes) -> None:
    """Send a head that goes on and on, a byte every now and then: each read succeeds, and nothing comes of it."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Padding: ")
    while not handler.server.closing.wait(0.02):
        handler.wfile.write(b".")
        handler.wfile.flush()


def endless_chunk(handler: Handler, body: bytes) -> None:
    """Announce a chunk at endless length: each read succeeds, and no byte of the file comes."""
    handler.protocol_version = "HTTP/1.1"
    handler.head(200, Transfer_Encoding="chunked", Connection="close")
    handler.wfile.write(b"1000;")
    while not handler.server.closing.wait(0.02):
        handler.wfile.write(b".")
        handler.wfile.flush()


def corrupt(handler: Handler, body: bytes) -> None:
    """Send the file with one bit changed."""
    middle = len(body) // 2
    whole(handler, body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :])


def endless(handler: Handler, body: bytes) -> None:
    """Send the file and more, without end, and do not say how much."""
    handler.head(200)
    while not handler.server.closing.is_set():
        handler.wfile.write(body)


def another_file(handler: Handler, body: bytes) -> None:
    """Send a page, as networks do that want a password first."""
    page = b"<html>Please log in.</html>"
    handler.head(200, Content_Length=len(page), Content_Type="text/html")
    handler.wfile.write(page)


def wrong_range(handler: Handler, body: bytes) -> None:
    """Answer with another part than the one that was asked for."""
    handler.head(206, Content_Length=len(body), Content_Range=f"bytes 0-{len(body) - 1}/{len(body)}")
    handler.wfile.write(body)


def range_of_another_file(handler: Handler, body: bytes) -> None:
    """Answer with the part that was asked for, but of a file that has grown."""
    start = handler.first_byte()
    handler.head(206, Content_Length=len(body) - start, Content_Range=f"bytes {start}-{len(body)}/{len(body) + 1}")
    handler.wfile.write(body[start:])


def garbage(handler: Handler, body: bytes) -> None:
    """Answer with what is not HTTP."""
    handler.wfile.write(b"220 mail.example ESMTP\r\n")


def status(code: int, **headers: object) -> Answer:
    """Answer with a status and nothing else."""

    def answer(handler: Handler, body: bytes) -> None:
        handler.head(code, Content_Length=0, **headers)

    return answer


def redirect(to: str) -> Answer:
    """Send the client elsewhere."""
    return status(302, Location=to)
