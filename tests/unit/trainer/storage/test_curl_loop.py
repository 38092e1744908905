"""The thread that makes requests: order, timers, silence, what is cancelled, and what an error of a caller does to others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any

import pycurl
import pytest
from webssl_trainer.storage.curl_loop import CurlLoop
from webssl_trainer.storage.curl_transfer import Answer, Transfer

from tests.unit.trainer.storage.faulty_server import BODY, FaultyServer, Handler, reset, status

LONG = 60.0
"""Seconds that only a real failure takes."""


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """One of each test: what a test cancels may reach the server only during the next one."""
    own = FaultyServer()
    yield own
    own.stop()


@pytest.fixture
def loop() -> Iterator[CurlLoop]:
    made = CurlLoop()
    yield made
    made.close()
    assert not made._thread.is_alive()


def on(loop: CurlLoop, call: Callable[[], Any]) -> Any:
    """What a function gives that runs on the loop."""
    answers: Queue[Any] = Queue()
    loop.call_soon_threadsafe(lambda: answers.put(call()))
    return answers.get(timeout=LONG)


def begun(loop: CurlLoop, url: str, over: Callable[[Transfer], object], quiet: float = LONG) -> Transfer:
    """A request for an object; on the loop."""
    made = loop.request(lambda curl: curl.setopt(pycurl.URL, url), lambda answer: answer, quiet)
    made.add_done_callback(over)
    return made


def answers(loop: CurlLoop, *urls: str, quiet: float = LONG) -> list[Answer]:
    """What comes for requests that are begun at once, in the order in which they end."""
    over: Queue[Transfer] = Queue()
    loop.call_soon_threadsafe(lambda: [begun(loop, url, over.put, quiet) for url in urls])
    return [over.get(timeout=LONG).result() for _ in urls]


def test_a_request_has_the_status_the_head_and_the_body(loop: CurlLoop, server: FaultyServer) -> None:
    (found,) = answers(loop, f"{server.url}/bucket/object")
    assert (found.status, found.body, found.code) == (200, BODY, 0)
    assert b"\ncontent-length:" in found.head.lower()


def test_a_hundred_requests_at_once_all_end(loop: CurlLoop, server: FaultyServer) -> None:
    server.faults = [status(503, "SlowDown"), reset] * 5
    found = answers(loop, *[f"{server.url}/bucket/object"] * 100)
    assert len(found) == 100
    assert sum(one.status == 503 for one in found) >= 1
    assert all(one.body == BODY for one in found if one.status == 200 and not one.code)


def test_silence_ends_a_request_and_not_its_length(loop: CurlLoop, server: FaultyServer) -> None:
    waited = threading.Event()

    def silent(handler: Handler) -> None:
        waited.wait(LONG)
        handler.answer(200, b"late")

    server.faults = [silent]
    (found,) = answers(loop, f"{server.url}/bucket/object", quiet=0.5)
    waited.set()
    assert found.code == pycurl.E_OPERATION_TIMEDOUT
    assert found.trouble == "silence for 0.5 s"
    (found,) = answers(loop, f"{server.url}/bucket/object")
    assert found.body == BODY


def test_a_cancelled_request_calls_later_and_has_no_result(loop: CurlLoop, server: FaultyServer) -> None:
    order: list[str] = []
    over = threading.Event()

    def cancel_at_once() -> None:
        def called(transfer: Transfer) -> None:
            order.append(f"called, cancelled={transfer.cancelled()}")
            over.set()

        transfer = begun(loop, f"{server.url}/bucket/object", called)
        transfer.cancel()
        transfer.cancel()
        order.append("cancelled")

    loop.call_soon_threadsafe(cancel_at_once)
    assert over.wait(LONG)
    assert order == ["cancelled", "called, cancelled=True"]
    assert on(loop, lambda: len(loop._under_way)) == 0


def test_of_two_that_end_together_the_first_may_cancel_the_second(
    loop: CurlLoop, server: FaultyServer
) -> None:
    # As of two requests for one read; both are over when libcurl is asked, so the second is gone when its turn comes.
    for _ in range(20):
        over: Queue[tuple[str, bool]] = Queue()

        def begin(over: Queue[tuple[str, bool]] = over) -> None:
            pair: list[Transfer] = []

            def ended(transfer: Transfer) -> None:
                over.put(("over", transfer.cancelled()))
                for other in pair:
                    if other is not transfer:
                        other.cancel()

            pair += [begun(loop, f"{server.url}/bucket/object", ended) for _ in range(2)]
            time.sleep(0.05)  # both answers are there before the loop looks again

        loop.call_soon_threadsafe(begin)
        found = [over.get(timeout=LONG) for _ in range(2)]
        assert ("over", False) in found
    assert answers(loop, f"{server.url}/bucket/object")[0].body == BODY


def test_an_error_of_one_caller_does_not_end_the_others(loop: CurlLoop, server: FaultyServer) -> None:
    def wrong(_: Transfer) -> None:
        raise RuntimeError("a caller's mistake")

    on(loop, lambda: begun(loop, f"{server.url}/bucket/object", wrong))
    loop.call_soon_threadsafe(wrong, None)
    loop.call_soon_threadsafe(loop.call_later, 0.0, wrong, None)
    assert answers(loop, f"{server.url}/bucket/object")[0].body == BODY


def test_timers_run_in_the_order_in_which_they_are_due_but_for_cancelled_ones(loop: CurlLoop) -> None:
    ran: Queue[int] = Queue()

    def set_them() -> None:
        now = loop.time()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "time", lambda: now)  # however long it takes, all are set at one time
            timers = [loop.call_later(delay, ran.put, at) for at, delay in enumerate((0.2, 0.0, 0.1))]
            loop.call_later(0.05, timers[2].cancel)
            loop.call_later(0.3, ran.put, 9)

    loop.call_soon_threadsafe(set_them)
    assert [ran.get(timeout=LONG) for _ in range(3)] == [1, 0, 9]


def test_what_can_not_connect_says_so(loop: CurlLoop, mortal: FaultyServer) -> None:
    mortal.stop()
    (found,) = answers(loop, f"{mortal.url}/bucket/object")
    assert found.status == 0
    assert found.code == pycurl.E_COULDNT_CONNECT
