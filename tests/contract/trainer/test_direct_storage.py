"""Direct reads over a real S3 server: the same bytes as the usual client's, over kept connections, and asked for twice when slow."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from webssl_trainer.storage import (
    ByteRange,
    DirectStorage,
    FsspecStorage,
    HedgePolicy,
    StorageNotFoundError,
    StorageOptions,
    StorageStoppedError,
)

from tests.contract.trainer import fault_proxy as spoil
from tests.contract.trainer.fault_proxy import FaultProxy, Handler, Spoil, fault_proxy
from tests.contract.trainer.s3_server import s3_server

BODY = bytes(range(256)) * 4000
URL = "s3://data/folder/a body+1.bin"


@dataclass
class Place:
    """A server with an object, and a proxy before it."""

    usual: FsspecStorage
    proxy: FaultProxy

    def direct(self, **options: object) -> DirectStorage:
        """A new direct client that goes through the proxy."""
        given: dict[str, object] = {"endpoint": self.proxy.url, "region": "us-east-1", **options}
        return DirectStorage(StorageOptions(**given))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patch, s3_server(tmp_path_factory.mktemp("s3"), "data") as access:
        for name, value in access.environment.items():
            patch.setenv(name, value)
        usual = FsspecStorage(StorageOptions.from_env())
        usual.put(URL, BODY)
        with fault_proxy(access.endpoint) as proxy:
            yield Place(usual, proxy)


@pytest.fixture
def place(shared: Place) -> Place:
    shared.proxy.rule = spoil.nothing
    return shared


def spans(count: int = 40) -> list[ByteRange]:
    return [ByteRange(URL, at * 1000, at * 1000 + 777) for at in range(count)]


def bytes_of(ranges: list[ByteRange]) -> list[bytes]:
    return [BODY[item.start : item.end] for item in ranges]


def test_ranges_are_the_bytes_of_the_object_in_the_order_that_was_asked_for(place: Place) -> None:
    storage, wanted = place.direct(), spans()[::-1]
    assert storage.cat_ranges(wanted) == bytes_of(wanted)
    assert storage.read(URL) == BODY
    assert storage.read(URL, 5, 9) == BODY[5:9]
    assert storage.direct_reads == len(wanted) + 1
    again = pickle.loads(pickle.dumps(storage))
    assert again.cat_ranges(wanted[:3]) == bytes_of(wanted[:3])


@pytest.mark.parametrize(
    "name",
    [
        "a b.bin",
        "a+b",
        "a%41",
        "a%2Fb",
        "ä/ö",
        "q?x=1",
        "h#1",
        "t~1",
        "(1)*'!",
        "a//b",
        "e=m&c",
    ],
)
def test_every_name_of_an_object_is_the_same_to_both_clients(place: Place, name: str) -> None:
    url = f"s3://data/names/{name}"
    place.usual.put(url, name.encode() + BODY[:20])
    whole = place.usual.read(url)
    assert place.direct().cat_ranges([ByteRange(url, 1, 9)]) == [whole[1:9]]
    assert place.direct().read(url) == whole


def test_the_end_of_an_object_and_a_missing_object_are_what_they_are(place: Place) -> None:
    cut = ByteRange(URL, len(BODY) - 10, len(BODY) + 10)
    assert place.direct().cat_ranges([cut, ByteRange(URL, 5, 5)]) == [BODY[-10:], b""]
    for ask in (lambda s, u: s.cat_ranges([ByteRange(u, 0, 10)]), lambda s, u: s.read(u)):
        with pytest.raises(StorageNotFoundError, match="gone"):
            ask(place.direct(), "s3://data/gone.tar")


def test_six_hundred_requests_share_a_few_connections_and_no_more_than_allowed_are_under_way(
    place: Place,
) -> None:
    storage = place.direct(connections=8, hedging=HedgePolicy(share=0.0))
    under_way, most = [0], [0]

    def rule(_: Handler) -> Spoil | None:  # the proxy's lock is held
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        return counted

    def counted(handler: Handler, answer: spoil.Answer) -> None:
        # Before the answer goes: the client may ask for more as soon as it has it.
        with place.proxy.lock:
            under_way[0] -= 1
        handler.answer(answer)

    place.proxy.rule = rule
    connections, requests = place.proxy.connections, place.proxy.requests
    for _ in range(3):
        storage.cat_ranges(spans(200))
    assert place.proxy.requests - requests == 600
    # The client may open one more while another becomes free, and keeps both: 10 to 17, not 600.
    assert place.proxy.connections - connections < 40
    assert most[0] <= 8


def test_a_closing_loader_does_not_wait_for_a_silent_server(place: Place) -> None:
    place.proxy.rule = lambda _: spoil.stall(3.0)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(StorageStoppedError):
        place.direct().cat_ranges(spans(3), stop)


# -- slow reads -----------------------------------------------------------------------------------------------------


def slow_once(number: int) -> spoil.Rule:
    """Of the requests of objects, the one with this number stops after half of its body, for longer than anybody waits."""
    seen = [0]

    def rule(handler: Handler) -> Spoil | None:
        seen[0] += 1
        return spoil.stall(300.0) if seen[0] == number else None

    return rule


def test_a_read_that_hangs_is_asked_for_again_and_the_second_answer_is_taken(place: Place) -> None:
    # A busy machine makes others slow, too; they are asked for again as well, and take no second request from this one.
    storage = place.direct(hedging=HedgePolicy(shortest=1.0, share=1.0, most_at_once=100), read_timeout=200.0)
    storage.cat_ranges(spans(100))
    place.proxy.rule = slow_once(10)
    assert storage.cat_ranges(spans(40)) == bytes_of(spans(40))
    assert storage.hedges["sent"] >= storage.hedges["won"] >= 1
    assert storage.retries == 0


def test_a_storage_that_throttles_is_asked_for_nothing_twice(place: Place) -> None:
    storage = place.direct(connections=16, hedging=HedgePolicy(calm_seconds=3600.0))
    storage.cat_ranges(spans(400))
    slow_downs = [0]

    def rule(handler: Handler) -> Spoil | None:
        slow_downs[0] += 1
        return spoil.error(503, "SlowDown") if slow_downs[0] <= 20 else late

    # It has said so once before anything is late.
    place.proxy.rule = lambda _: spoil.error(503, "SlowDown") if place.proxy.requests == asked else None
    asked = place.proxy.requests + 1
    assert storage.cat_ranges(spans(1)) == bytes_of(spans(1))

    def late(handler: Handler, answer: spoil.Answer) -> None:
        time.sleep(0.3)
        handler.answer(answer)

    place.proxy.rule = rule
    before, hedged = place.proxy.requests, storage.hedges["sent"]
    assert storage.cat_ranges(spans(40)) == bytes_of(spans(40))
    assert storage.hedges["sent"] == hedged
    assert place.proxy.requests - before == 40 + 20
    assert storage.retry_causes["throttled"] >= 1


def test_hedging_can_be_turned_off(place: Place) -> None:
    storage = place.direct(hedging=HedgePolicy(share=0.0), read_timeout=2.0)
    storage.cat_ranges(spans(100))
    place.proxy.rule = slow_once(10)
    assert storage.cat_ranges(spans(40)) == bytes_of(spans(40))
    assert (storage.hedges["sent"], set(storage.retry_causes)) == (0, {"timeout"})


# -- processes ------------------------------------------------------------------------------------------------------


def test_a_process_that_ends_with_reads_under_way_ends_in_good_order(place: Place) -> None:
    place.proxy.rule = lambda _: spoil.stall(1.0)
    code = f"""
import threading, time
from webssl_trainer.storage import *
storage = DirectStorage(StorageOptions(endpoint={place.proxy.url!r}, region="us-east-1"))
ranges = [ByteRange({URL!r}, at, at + 900) for at in range(64)]
threading.Thread(target=storage.cat_ranges, args=(ranges,), daemon=True).start()
time.sleep(0.8)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_forked_process_reads_by_the_usual_client(place: Place) -> None:
    assert place.direct().cat_ranges(spans(1)) == bytes_of(spans(1))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_read_in_child, args=(place.proxy.url, queue))
    child.start()
    assert queue.get(timeout=300) == (bytes_of(spans(2)), 0)
    child.join()


def _read_in_child(endpoint: str, queue: multiprocessing.Queue[tuple[list[bytes], int]]) -> None:
    storage = DirectStorage(StorageOptions(endpoint=endpoint, region="us-east-1"))
    queue.put((storage.cat_ranges(spans(2)), storage.direct_reads))
