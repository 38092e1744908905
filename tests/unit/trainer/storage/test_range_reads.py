"""Many reads on one loop: their order, their number, second requests, and what is cancelled."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from webssl_trainer.storage import HedgePolicy, StorageStoppedError
from webssl_trainer.storage.hedging import Hedges
from webssl_trainer.storage.range_reads import RangeReads, Wanted

EAGER = HedgePolicy(quantile=0.5, factor=1.0, shortest=0.01, least_seen=1, share=1.0)
ONCE = HedgePolicy(share=0.0)
"""For scripts of one entry: a loop that is held up for 10 ms would ask an eager one's reads twice."""
NEVER = None


class Requests:
    """Requests that are answered as the script of their read says: one entry for each try, `NEVER` for silence."""

    def __init__(self) -> None:
        self.made: list[asyncio.Future[Any]] = []
        self.most = 0

    def wanted(self, *script: Any, length: int = 10) -> Wanted:
        tries = iter(script)

        def begin() -> asyncio.Future[Any]:
            request = asyncio.get_running_loop().create_future()
            self.made.append(request)
            self.most = max(self.most, sum(not one.done() for one in self.made))
            answer = next(tries)
            if answer is not NEVER:
                asyncio.get_running_loop().call_soon(settle, request, answer)
            return request

        return Wanted(begin, length)


def settle(request: asyncio.Future[Any], answer: Any) -> None:
    if request.cancelled():
        return
    if isinstance(answer, Exception):
        request.set_exception(answer)
    else:
        request.set_result(answer)


def reads(policy: HedgePolicy = EAGER, connections: int = 4, first: Any = None) -> RangeReads:
    """Some for which one read of the size has been seen to come at once, after another if that is given."""
    made = RangeReads(connections, Hedges(policy), lambda error: isinstance(error, BlockingIOError))
    for answer in (b"first",) if first is None else (first, b"first"):
        assert made.read_all([Requests().wanted(answer)]) == [answer]
    return made


def test_answers_come_in_the_order_of_the_reads_errors_among_them() -> None:
    requests, error = Requests(), OSError("one")
    wanted = [requests.wanted(answer) for answer in (b"a", error, b"c", b"d", b"e", b"f")]
    assert reads(ONCE, connections=2).read_all(wanted) == [b"a", error, b"c", b"d", b"e", b"f"]
    assert requests.most <= 2
    assert reads().read_all([]) == []


def test_what_can_not_begin_is_an_answer_as_well() -> None:
    def begin() -> asyncio.Future[Any]:
        raise LookupError("no such store")

    (answer,) = reads(ONCE).read_all([Wanted(begin, 10)])
    assert isinstance(answer, LookupError)


@pytest.mark.parametrize(
    ("script", "answer", "won"),
    [
        ((NEVER, b"second"), b"second", 1),
        ((NEVER, OSError("second")), StorageStoppedError, 0),
    ],
    ids=["it-comes", "it-fails"],
)
def test_a_silent_read_is_asked_for_once_more(script: tuple[Any, ...], answer: Any, won: int) -> None:
    engine, requests, stop = reads(), Requests(), threading.Event()
    if answer is StorageStoppedError:  # the first request stays; only a stop ends it

        def stop_after_the_second() -> None:
            until = time.monotonic() + 60
            while len(requests.made) < 2 or not requests.made[1].done():
                if time.monotonic() > until:
                    break
                time.sleep(0.01)
            stop.set()

        threading.Thread(target=stop_after_the_second).start()
        with pytest.raises(StorageStoppedError):
            engine.read_all([requests.wanted(*script)], stop)
    else:
        assert engine.read_all([requests.wanted(*script)]) == [answer]
    settled(engine)
    assert (engine.hedges.sent, engine.hedges.won, engine.hedges.seen.outstanding) == (1, won, 0)
    assert [one.cancelled() for one in requests.made] == [True, False]


def test_the_second_request_is_begun_in_its_own_way() -> None:
    engine, first, second = reads(), Requests(), Requests()
    wanted = Wanted(first.wanted(NEVER).begin, 10, second.wanted(b"elsewhere").begin)
    assert engine.read_all([wanted]) == [b"elsewhere"]
    settled(engine)
    assert [one.cancelled() for one in (*first.made, *second.made)] == [True, False]


def test_an_error_that_asks_for_less_ends_asking_twice() -> None:
    # The error comes before anything is known to be slow, so that a loop that is held up asks for neither read twice.
    engine, requests, stop = reads(first=BlockingIOError("SlowDown")), Requests(), threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(StorageStoppedError):
        engine.read_all([requests.wanted(NEVER, b"never asked")], stop)
    assert engine.hedges.sent == 0


def test_a_second_request_needs_a_free_connection() -> None:
    engine, requests, stop = reads(connections=1), Requests(), threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(StorageStoppedError):
        engine.read_all([requests.wanted(NEVER, b"never asked")], stop)
    assert engine.hedges.sent == 0


def test_a_read_of_unknown_length_is_not_asked_for_twice_and_is_no_measure_for_others() -> None:
    engine = RangeReads(4, Hedges(EAGER), lambda error: False)
    requests, stop = Requests(), threading.Event()
    assert engine.read_all([requests.wanted(b"whole", length=0)]) == [b"whole"]
    assert engine.hedges.slow(0) is None
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(StorageStoppedError):
        engine.read_all([requests.wanted(NEVER, b"never asked", length=0)], stop)
    assert engine.hedges.sent == 0


def test_a_stop_cancels_what_is_under_way_and_begins_nothing_more() -> None:
    engine, requests, stop = reads(connections=2), Requests(), threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(StorageStoppedError):
        engine.read_all([requests.wanted(NEVER, NEVER) for _ in range(5)], stop)
    settled(engine)
    assert len(requests.made) <= 4
    assert all(one.cancelled() for one in requests.made)
    assert engine.read_all([requests.wanted(b"after", NEVER)]) == [b"after"]


def settled(engine: RangeReads) -> None:
    """The loop has done what was due before."""
    done = threading.Event()
    later: Callable[[], None] = lambda: engine._loop.call_soon(done.set)  # noqa: E731
    engine._loop.call_soon_threadsafe(later)
    assert done.wait(60)
