"""A slow read into memory that the caller has: the second request has memory of its own, and the first one spoils nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from webssl_trainer.storage import ByteRange, DirectStorage, HedgePolicy

from tests.unit.trainer.storage.faulty_server import BODY, FaultyServer, Handler, options_at

URL = "s3://bucket/object"
EAGER = HedgePolicy(quantile=0.5, factor=1.0, shortest=0.05, least_seen=1, share=1.0)
LONG_ENOUGH = 60.0


def held_up_in_the_middle(release: threading.Event) -> Callable[[Handler], None]:
    """Sends wrong bytes for the first half of what is asked for, and waits with the rest."""

    def answer(handler: Handler) -> None:
        start, end = handler.wanted()
        handler.send_response(206)
        handler.send_header("Content-Length", str(end - start))
        handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(BODY)}")
        handler.end_headers()
        handler.wfile.write(b"\0" * ((end - start) // 2))
        handler.wfile.flush()
        release.wait(LONG_ENOUGH)

    return answer


def test_of_two_requests_for_one_room_the_second_ones_bytes_are_in_it(server: FaultyServer) -> None:
    storage = DirectStorage(replace(options_at(server.url), hedging=EAGER))
    room, release = memoryview(bytearray(b"-" * 1000)), threading.Event()
    assert storage.read_into([ByteRange(URL, 0, 900)], [room]) == [900]
    server.faults = [held_up_in_the_middle(release)]
    room[:] = b"-" * 1000
    assert storage.read_into([ByteRange(URL, 100, 1000)], [room]) == [900]
    release.set()
    assert room[:900] == BODY[100:1000]
    assert room[900:] == b"-" * 100
    assert storage.hedges == {"sent": 1, "won": 1}
