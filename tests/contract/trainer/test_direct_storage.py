"""Direct range reads over a real S3 server: the same bytes, and the usual storage where one try is not enough."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator

import pytest
from webssl_trainer.storage import ByteRange, RetryPolicy, StorageNotFoundError, StorageOptions
from webssl_trainer.storage.direct_storage import DirectStorage

from tests.contract.trainer.s3_server import s3_server

BODY = bytes(range(256)) * 4000
URL = "s3://data/folder/a body+1.bin"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with pytest.MonkeyPatch.context() as patch, s3_server(tmp_path_factory.mktemp("s3"), "data") as access:
        for name, value in access.environment.items():
            patch.setenv(name, value)
        DirectStorage(StorageOptions.from_env()).put(URL, BODY)
        yield dict(access.environment)


def spans(count: int = 40) -> list[ByteRange]:
    return [ByteRange(URL, at * 1000, at * 1000 + 777) for at in range(count)]


def test_ranges_are_the_bytes_of_the_object_in_the_order_that_was_asked_for(keys: dict[str, str]) -> None:
    storage = DirectStorage(StorageOptions.from_env(), environ=keys)
    wanted = spans()[::-1]
    assert storage.cat_ranges(wanted) == [BODY[item.start : item.end] for item in wanted]
    assert storage.direct_reads == len(wanted)
    again = pickle.loads(pickle.dumps(storage))
    assert again.cat_ranges(wanted[:3]) == [BODY[item.start : item.end] for item in wanted[:3]]


def test_what_does_not_come_whole_at_once_is_left_to_the_patient_storage(keys: dict[str, str]) -> None:
    storage = DirectStorage(StorageOptions.from_env(), environ=keys)
    cut = ByteRange(URL, len(BODY) - 10, len(BODY) + 10)
    assert storage.cat_ranges([cut, ByteRange(URL, 5, 5)]) == [BODY[-10:], b""]
    with pytest.raises(StorageNotFoundError, match="gone"):
        storage.cat_ranges([ByteRange("s3://data/gone.tar", 0, 10)])
    refused = DirectStorage(StorageOptions.from_env(), environ={**keys, "AWS_SECRET_ACCESS_KEY": "wrong"})
    assert refused.cat_ranges(spans(2)) == [BODY[:777], BODY[1000:1777]]
    assert refused.direct_reads == 0


def test_without_keys_in_the_environment_nothing_is_direct(keys: dict[str, str]) -> None:
    storage = DirectStorage(StorageOptions.from_env(), environ={})
    assert storage.cat_ranges(spans(2)) == [BODY[:777], BODY[1000:1777]]
    assert (storage.direct_reads, bool(keys)) == (0, True)


def test_a_closing_loader_does_not_wait_for_a_silent_server(keys: dict[str, str]) -> None:
    options = StorageOptions(endpoint="http://192.0.2.1:9", retry=RetryPolicy(), connect_timeout=60.0)
    stop = threading.Event()
    stop.set()
    assert DirectStorage(options, environ=keys)._direct(spans(1), stop) == {}
