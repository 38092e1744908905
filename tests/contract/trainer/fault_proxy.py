"""An HTTP proxy before a real S3 server, which spoils the answers that it is told to."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SKIPPED_HEADERS = {"transfer-encoding", "connection", "content-length", "keep-alive"}


@dataclass(frozen=True)
class Answer:
    """What the real server said."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


Spoil = Callable[["Handler", Answer], None]
Rule = Callable[["Handler"], "Spoil | None"]


def nothing(_: Handler) -> Spoil | None:
    """The rule of a proxy that only passes on."""
    return None


class FaultProxy(ThreadingHTTPServer):
    """Passes requests on to `upstream`; `rule` says, for each, how its answer is spoilt.

    connections, requests: how many were made so far.
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = urlsplit(upstream).netloc
        self.rule: Rule = nothing
        self.connections = 0
        self.requests = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *args: object) -> None:
        """A client that went away is part of the plan."""


class Handler(BaseHTTPRequestHandler):
    server: FaultProxy
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def log_message(self, *args: object) -> None:
        pass

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.requests += 1
            spoil = self.server.rule(self)
        try:
            answer = self.asked(body)
        except (OSError, http.client.HTTPException):
            self.reset()
            return
        (spoil or Handler.answer)(self, answer)

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.pass_on
        raise AttributeError(name)

    def asked(self, body: bytes) -> Answer:
        """What the real server says to this request. Host stays as it is, since it is signed."""
        connection = http.client.HTTPConnection(self.server.upstream, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in {"connection", "expect"}:
                    connection.putheader(name, value)
            connection.endheaders(body or None)
            got = connection.getresponse()
            return Answer(got.status, got.getheaders(), got.read())
        finally:
            connection.close()

    def answer(self, answer: Answer, declared: int | None = None) -> None:
        self.send_response(answer.status)
        length = len(answer.body)
        for name, value in answer.headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = int(value)
            if name.lower() not in SKIPPED_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length if declared is None else declared))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
            self.wfile.flush()

    def reset(self) -> None:
        """End the connection with RST."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)


def error(status: int, code: str) -> Spoil:
    """An S3 error in place of the answer."""
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>because</Message></Error>'.encode()
    return lambda handler, _: handler.answer(Answer(status, [("Content-Type", "application/xml")], body))


def flipped(handler: Handler, answer: Answer) -> None:
    """Some bits of every 100th byte are wrong."""
    body = bytearray(answer.body)
    for at in range(50, len(body), 100):
        body[at] ^= 0x55
    handler.answer(Answer(answer.status, answer.headers, bytes(body)))


def declared_too_large(handler: Handler, answer: Answer) -> None:
    """The body ends before its Content-Length, in good order."""
    handler.answer(answer, declared=len(answer.body) + 100)
    handler.close_connection = True


def declared_too_small(handler: Handler, answer: Answer) -> None:
    """The Content-Length names half of the body, and no more than that comes."""
    handler.answer(Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2]))


def reset_mid_body(handler: Handler, answer: Answer) -> None:
    """Half of the body, then RST."""
    half = Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
    handler.answer(half, declared=len(answer.body))
    handler.reset()


def stall(seconds: float) -> Spoil:
    """Half of the body, then silence."""

    def spoil(handler: Handler, answer: Answer) -> None:
        half = Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
        handler.answer(half, declared=len(answer.body))
        time.sleep(seconds)
        handler.reset()

    return spoil


def some(spoil: Spoil, named: str = ".tar", skip: int = 0, times: int | None = 3) -> Rule:
    """A rule: of the reads of objects so `named`, the first `skip` are good, the next `times` (None: all) are spoilt."""
    seen = [0]

    def rule(handler: Handler) -> Spoil | None:
        if handler.command != "GET" or named not in handler.path.partition("?")[0]:
            return None
        seen[0] += 1
        return spoil if seen[0] > skip and (times is None or seen[0] <= skip + times) else None

    return rule


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """A proxy until the block ends."""
    proxy = FaultProxy(upstream)
    threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
