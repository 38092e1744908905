"""The S3 client against a server on the loopback that misbehaves on purpose."""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from webssl_trainer.storage import (
    ByteRange,
    FsspecStorage,
    RetryPolicy,
    StorageDeniedError,
    StorageKeysError,
    StorageNotFoundError,
    StorageOptions,
    StorageUnavailableError,
)

BODY = bytes(range(256)) * 16
ERROR = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>because</Message></Error>'


class FaultyServer(ThreadingHTTPServer):
    """Serves objects by GET with Range, HEAD and PUT with If-None-Match; `faults` answer first, one request each."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.objects: dict[str, bytes] = {"/bucket/object": BODY}
        self.faults: list[Callable[[Handler], None]] = []
        self.requests = 0
        self.connections: list[socket.socket] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

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
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def faulty(self) -> bool:
        self.server.requests += 1
        if self.server.faults:
            self.server.faults.pop(0)(self)
            return True
        return False

    def do_GET(self) -> None:
        if self.faulty():
            return
        body = self.server.objects.get(self.path.partition("?")[0])
        if body is None:
            self.answer(404, ERROR.format(code="NoSuchKey").encode())
            return
        start, _, end = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        self.answer(206, body[int(start) : int(end or len(body)) + 1])

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
    handler.answer(206, BODY[:50], declared=len(BODY))
    reset(handler)


@pytest.fixture(scope="module")
def running() -> Iterator[FaultyServer]:
    server = FaultyServer()
    yield server
    server.stop()


@pytest.fixture
def server(running: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> FaultyServer:
    """One server for all tests, as if it were new: making a client costs a second."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    running.objects = {"/bucket/object": BODY}
    running.faults = []
    running.requests = 0
    return running


@pytest.fixture
def mortal(server: FaultyServer) -> Iterator[FaultyServer]:
    """A server of one's own, to kill."""
    own = FaultyServer()
    yield own
    own.stop()


@functools.cache
def storage_at(url: str, total: float = 60.0) -> FsspecStorage:
    return FsspecStorage(
        StorageOptions(
            endpoint=url, region="us-east-1", read_timeout=2.0, retry=RetryPolicy(total, 0.02, 0.1)
        )
    )


@pytest.mark.parametrize(
    "fault",
    [
        status(500, "InternalError"),
        status(503, "SlowDown"),
        status(503, "ServiceUnavailable"),
        status(429, "TooManyRequests"),
        reset,
        cut_body,
    ],
    ids=["500", "503-slow-down", "503", "429", "reset", "cut-body"],
)
def test_a_passing_fault_is_tried_again_until_the_bytes_are_right(
    server: FaultyServer, fault: Callable[[Handler], None]
) -> None:
    server.faults = [fault, fault, fault]
    assert storage_at(server.url).read("s3://bucket/object", 10, 200) == BODY[10:200]
    assert server.requests == 4


def half_of_it(handler: Handler) -> None:
    handler.answer(206, BODY[10:50])


def all_of_it(handler: Handler) -> None:
    handler.answer(200, BODY)


@pytest.mark.parametrize("fault", [half_of_it, all_of_it], ids=["too-short", "without-regard-to-the-range"])
def test_an_answer_of_the_wrong_length_is_not_taken_for_the_range(
    server: FaultyServer, fault: Callable[[Handler], None]
) -> None:
    storage = storage_at(server.url)
    before = storage.retry_causes.get("wrong-length", 0)
    server.faults = [fault]
    assert storage.cat_ranges([ByteRange("s3://bucket/object", 10, 200)]) == [BODY[10:200]]
    server.faults = [fault]
    assert storage.read("s3://bucket/object", 10, 200) == BODY[10:200]
    assert storage.retry_causes["wrong-length"] == before + 2


def test_a_range_that_goes_beyond_the_object_or_lies_behind_it_is_short_and_not_tried_again(
    server: FaultyServer,
) -> None:
    storage, end = storage_at(server.url), len(BODY)
    before = storage.retries
    ranges = [
        ByteRange("s3://bucket/object", end - 5, end + 5),
        ByteRange("s3://bucket/object", end + 5, end + 9),
    ]
    assert storage.cat_ranges(ranges) == [BODY[-5:], b""]
    server.faults = [status(416, "InvalidRange")]
    assert storage.cat_ranges([ranges[1]]) == [b""]
    server.faults = [status(416, "InvalidRange")]
    assert storage.read("s3://bucket/object", end + 5, end + 9) == b""
    assert storage.retries == before


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (status(500, "InternalError"), "server-error"),
        (status(503, "SlowDown"), "throttled"),
        (status(429, "TooManyRequests"), "throttled"),
        (status(400, "ExpiredToken"), "expired-keys"),
        (status(403, "ExpiredToken"), "expired-keys"),
        (cut_body, "connection"),
    ],
    ids=["500", "503", "429", "expired-400", "expired-403", "cut-body"],
)
def test_what_is_tried_again_is_counted_by_cause(
    server: FaultyServer, fault: Callable[[Handler], None], cause: str
) -> None:
    storage = storage_at(server.url)
    before = dict(storage.retry_causes)
    server.faults = [fault]
    assert storage.cat_ranges([ByteRange("s3://bucket/object", 10, 200)]) == [BODY[10:200]]
    assert storage.retry_causes == before | {cause: before.get(cause, 0) + 1}


@pytest.mark.parametrize(
    ("code", "name", "kind"),
    [
        (403, "AccessDenied", StorageDeniedError),
        (403, "InvalidAccessKeyId", StorageKeysError),
        (403, "SignatureDoesNotMatch", StorageKeysError),
    ],
)
def test_keys_that_are_wrong_are_told_from_an_object_that_may_not_be_read(
    server: FaultyServer, code: int, name: str, kind: type[StorageDeniedError]
) -> None:
    server.faults = [status(code, name)]
    with pytest.raises(StorageDeniedError) as raised:
        storage_at(server.url).cat_ranges([ByteRange("s3://bucket/object", 0, 9)])
    assert type(raised.value) is kind


def test_only_the_ranges_that_failed_are_read_again(server: FaultyServer) -> None:
    server.faults = [status(500, "InternalError")]
    ranges = [ByteRange("s3://bucket/object", at, at + 10) for at in range(0, 100, 10)]
    assert storage_at(server.url).cat_ranges(ranges) == [BODY[at : at + 10] for at in range(0, 100, 10)]
    assert server.requests == 11


def test_a_server_that_is_killed_and_comes_back_on_its_port_is_waited_for(mortal: FaultyServer) -> None:
    port = mortal.server_address[1]
    storage = storage_at(mortal.url)
    assert storage.read("s3://bucket/object") == BODY
    mortal.stop()
    revived: list[FaultyServer] = []
    timer = threading.Timer(1.0, lambda: revived.append(FaultyServer(port)))
    timer.start()
    try:
        assert storage.read("s3://bucket/object") == BODY
        assert storage.retries > 0
    finally:
        timer.join()
        revived[0].stop()


def test_a_server_that_stays_away_is_named_with_the_mend(mortal: FaultyServer) -> None:
    mortal.stop()
    with pytest.raises(
        StorageUnavailableError, match=r"read s3://bucket/object.*check that the storage server"
    ):
        storage_at(mortal.url, total=0.3).read("s3://bucket/object")


@pytest.mark.parametrize(("code", "name"), [(403, "AccessDenied"), (403, "InvalidAccessKeyId")])
def test_denied_access_is_not_tried_again(server: FaultyServer, code: int, name: str) -> None:
    server.faults = [status(code, name)]
    with pytest.raises(StorageDeniedError, match=r"s3://bucket/object: access denied.*secretRef"):
        storage_at(server.url).read("s3://bucket/object")
    assert server.requests == 1


def test_a_missing_object_is_not_tried_again(server: FaultyServer) -> None:
    storage = storage_at(server.url)
    before = storage.retries
    with pytest.raises(StorageNotFoundError, match="s3://bucket/other: not found"):
        storage.read("s3://bucket/other")
    assert storage.retries == before


@pytest.mark.parametrize("warm", [False, True], ids=["new-connection", "kept-connection"])
def test_a_claim_whose_answer_was_lost_counts_as_won(server: FaultyServer, warm: bool) -> None:
    # On a kept connection the HTTP client itself sends the request again, unseen by the retry loop.
    storage = storage_at(server.url)
    if warm:
        storage.read("s3://bucket/object")
    server.faults = [reset]
    assert storage.put_if_absent("s3://bucket/claim", b"attempt-1 by me")
    assert server.objects["/bucket/claim"] == b"attempt-1 by me"


def test_a_claim_that_another_holds_is_lost(server: FaultyServer) -> None:
    server.objects["/bucket/claim"] = b"attempt-1 by another"
    assert not storage_at(server.url).put_if_absent("s3://bucket/claim", b"attempt-1 by me")


def test_missing_keys_are_denied_access_with_the_names_of_the_variables(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(StorageDeniedError, match="AWS_ACCESS_KEY_ID"):
        storage_at.__wrapped__(server.url).read("s3://bucket/object")
