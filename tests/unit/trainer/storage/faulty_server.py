"""An S3 server on the loopback that misbehaves on purpose."""

from __future__ import annotations

import contextlib
import functools
import re
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from webssl_trainer.storage import FsspecStorage, HedgePolicy, RetryPolicy, StorageOptions, open_storage

BODY = bytes(range(256)) * 16
ERROR = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>because</Message></Error>'
TOKEN = (
    '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
    "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ISSUED{number}</AccessKeyId>"
    "<SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>{ends}</Expiration>"
    "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
)


class FaultyServer(ThreadingHTTPServer):
    """Serves objects by GET with Range, HEAD and PUT with If-None-Match; `faults` answer first, one request each.

    POST is answered as a token service does, with keys that end in minutes. keys: that requests were signed with.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128  # a hundred at once; one that finds the line full tries again after seconds

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.scheme = "http" if tls is None else "https"
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.objects: dict[str, bytes] = {"/bucket/object": BODY}
        self.faults: list[Callable[[Handler], None]] = []
        self.requests = 0
        self.keys: list[str] = []
        self.issued = 0
        self.lock = threading.Lock()
        self.connections: list[socket.socket] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *args: object) -> None:
        """A client that went away is part of the plan."""

    def stop(self) -> None:
        """Safe to call twice."""
        if self.socket.fileno() >= 0:
            self.shutdown()
            self.server_close()
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    server: FaultyServer
    protocol_version = "HTTP/1.1"  # answers "100 Continue", and keeps connections

    def setup(self) -> None:
        super().setup()
        self.server.connections.append(self.connection)

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", declared: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if declared is None else declared))
        self.send_header("ETag", '"0"')
        self.send_header("Last-Modified", "Tue, 24 Nov 2026 00:00:00 GMT")
        if status == 206:
            first, length = self.wanted()[0], len(body) if declared is None else declared
            self.send_header("Content-Range", f"bytes {first}-{first + length - 1}/{len(BODY)}")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def faulty(self) -> bool:
        signed = re.search(r"Credential=([^/]+)/", self.headers.get("Authorization", ""))
        with self.server.lock:
            self.server.requests += 1
            self.server.keys.append(signed[1] if signed else "")
            fault = self.server.faults.pop(0) if self.server.faults else None
        if fault is not None:
            fault(self)
        return fault is not None

    def do_GET(self) -> None:
        if self.faulty():
            return
        body = self.server.objects.get(self.path.partition("?")[0])
        if body is None:
            self.answer(404, ERROR.format(code="NoSuchKey").encode())
            return
        start, end = self.wanted(len(body))
        if "Range" not in self.headers:
            self.answer(200, body)
        elif start >= len(body):
            self.answer(416, ERROR.format(code="InvalidRange").encode())
        else:
            self.answer(206, body[start:end])

    def wanted(self, size: int = len(BODY)) -> tuple[int, int]:
        """First byte that is asked for, and the one behind the last, within the object."""
        start, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        return int(start), min(int(last) + 1, size) if last else size

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.issued += 1
        ends = (datetime.now(UTC) + timedelta(minutes=2)).isoformat()
        self.answer(200, TOKEN.format(number=self.server.issued, ends=ends).encode())

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.faults:
            self.server.objects.setdefault(
                self.path.partition("?")[0], body
            )  # written, but the answer is lost
        if self.faulty():
            return
        if self.headers.get("If-None-Match") == "*" and self.path.partition("?")[0] in self.server.objects:
            self.answer(412, ERROR.format(code="PreconditionFailed").encode())
            return
        self.server.objects[self.path.partition("?")[0]] = body
        self.answer(200)


def status(code: int, name: str) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(code, ERROR.format(code=name).encode())


def reset(handler: Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def cut_body(handler: Handler) -> None:
    start, end = handler.wanted()
    handler.answer(206, BODY[start : start + 50], declared=end - start)
    reset(handler)


def half_of_it(handler: Handler) -> None:
    handler.answer(206, BODY[10:50])


def all_of_it(handler: Handler) -> None:
    handler.answer(200, BODY)


@functools.cache
def storage_at(url: str, client: str = "direct", total: float = 60.0) -> FsspecStorage:
    """A storage of one of the two clients; one for all tests, since making one of them costs a second."""
    return fresh_storage_at(url, client, total)


def fresh_storage_at(url: str, client: str = "direct", total: float = 60.0) -> FsspecStorage:
    made = open_storage(options_at(url, client, total))
    assert isinstance(made, FsspecStorage)
    return made


def options_at(url: str | None, client: str = "direct", total: float = 60.0) -> StorageOptions:
    """A busy machine adds no request to those that are counted: no time is too long, and nothing is asked for twice."""
    return StorageOptions(
        endpoint=url,
        region="us-east-1",
        connect_timeout=60.0,
        read_timeout=60.0,
        retry=RetryPolicy(total, 0.02, 0.1),
        client=client,
        hedging=HedgePolicy(share=0.0),
    )
