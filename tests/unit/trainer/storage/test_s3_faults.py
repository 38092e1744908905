"""The S3 clients against a server that misbehaves for a while: what is tried again, and what is counted."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from webssl_trainer.storage import ByteRange, FsspecStorage, StorageUnavailableError

from tests.unit.trainer.storage.faulty_server import (
    BODY,
    FaultyServer,
    Handler,
    cut_body,
    fresh_storage_at,
    reset,
    status,
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
    server: FaultyServer, storage: FsspecStorage, fault: Callable[[Handler], None]
) -> None:
    server.faults = [fault, fault, fault]
    assert storage.read("s3://bucket/object", 10, 200) == BODY[10:200]
    assert server.requests == 4


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
    server: FaultyServer, storage: FsspecStorage, fault: Callable[[Handler], None], cause: str
) -> None:
    before = dict(storage.retry_causes)
    server.faults = [fault]
    assert storage.cat_ranges([ByteRange("s3://bucket/object", 10, 200)]) == [BODY[10:200]]
    assert storage.retry_causes == before | {cause: before.get(cause, 0) + 1}


def test_only_the_ranges_that_failed_are_read_again(server: FaultyServer, storage: FsspecStorage) -> None:
    server.faults = [status(500, "InternalError")]
    ranges = [ByteRange("s3://bucket/object", at, at + 10) for at in range(0, 100, 10)]
    assert storage.cat_ranges(ranges) == [BODY[at : at + 10] for at in range(0, 100, 10)]
    assert server.requests == 11


@contextmanager
def kept(port: int) -> Iterator[None]:
    """Nobody listens on a port and no other program is given it meanwhile; one that reuses addresses may listen there."""
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", port))
        yield


def test_a_server_that_is_killed_and_comes_back_on_its_port_is_waited_for(
    mortal: FaultyServer, client: str
) -> None:
    port = mortal.server_address[1]
    storage = fresh_storage_at(mortal.url, client)
    assert storage.read("s3://bucket/object") == BODY
    revived: list[FaultyServer] = []

    def revive() -> None:
        """Not before it was missed, however late that is."""
        until = time.monotonic() + 60
        while not storage.retries and time.monotonic() < until:
            time.sleep(0.01)
        revived.append(FaultyServer(port))

    mortal.stop()
    with kept(port):
        reviver = threading.Thread(target=revive)
        reviver.start()
        try:
            assert storage.read("s3://bucket/object") == BODY
            assert storage.retries > 0
        finally:
            reviver.join()
            revived[0].stop()


def test_a_server_that_stays_away_is_named_with_the_mend(mortal: FaultyServer, client: str) -> None:
    mortal.stop()
    with (
        kept(mortal.server_address[1]),
        pytest.raises(
            StorageUnavailableError, match=r"read s3://bucket/object.*check that the storage server"
        ),
    ):
        fresh_storage_at(mortal.url, client, total=0.3).read("s3://bucket/object")


@pytest.mark.parametrize("warm", [False, True], ids=["new-connection", "kept-connection"])
def test_a_claim_whose_answer_was_lost_counts_as_won(
    server: FaultyServer, storage: FsspecStorage, warm: bool
) -> None:
    # On a kept connection the HTTP client itself sends the request again, unseen by the retry loop.
    if warm:
        storage.size("s3://bucket/object")
    server.faults = [reset]
    assert storage.put_if_absent("s3://bucket/claim", b"attempt-1 by me")
    assert server.objects["/bucket/claim"] == b"attempt-1 by me"


def test_a_claim_that_another_holds_is_lost(server: FaultyServer, storage: FsspecStorage) -> None:
    server.objects["/bucket/claim"] = b"attempt-1 by another"
    assert not storage.put_if_absent("s3://bucket/claim", b"attempt-1 by me")
