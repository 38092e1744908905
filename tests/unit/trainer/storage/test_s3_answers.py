"""The S3 clients and answers that no trying again mends: wrong lengths, ends of objects, denied and missing objects."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from webssl_trainer.storage import (
    ByteRange,
    FsspecStorage,
    StorageDeniedError,
    StorageKeysError,
    StorageNotFoundError,
)

from tests.unit.trainer.storage.faulty_server import (
    BODY,
    FaultyServer,
    Handler,
    all_of_it,
    half_of_it,
    status,
)


@pytest.mark.parametrize("fault", [half_of_it, all_of_it], ids=["too-short", "without-regard-to-the-range"])
def test_an_answer_of_the_wrong_length_is_not_taken_for_the_range(
    server: FaultyServer, storage: FsspecStorage, fault: Callable[[Handler], None]
) -> None:
    before = storage.retry_causes.get("wrong-length", 0)
    server.faults = [fault]
    assert storage.cat_ranges([ByteRange("s3://bucket/object", 10, 200)]) == [BODY[10:200]]
    server.faults = [fault]
    assert storage.read("s3://bucket/object", 10, 200) == BODY[10:200]
    assert storage.retry_causes["wrong-length"] == before + 2


def test_a_range_that_goes_beyond_the_object_or_lies_behind_it_is_short_and_not_tried_again(
    server: FaultyServer,
    storage: FsspecStorage,
) -> None:
    end = len(BODY)
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
    ("code", "name", "kind"),
    [
        (403, "AccessDenied", StorageDeniedError),
        (403, "InvalidAccessKeyId", StorageKeysError),
        (403, "SignatureDoesNotMatch", StorageKeysError),
    ],
)
def test_keys_that_are_wrong_are_told_from_an_object_that_may_not_be_read(
    server: FaultyServer, storage: FsspecStorage, code: int, name: str, kind: type[StorageDeniedError]
) -> None:
    server.faults = [status(code, name)]
    with pytest.raises(StorageDeniedError) as raised:
        storage.cat_ranges([ByteRange("s3://bucket/object", 0, 9)])
    assert type(raised.value) is kind


@pytest.mark.parametrize(("code", "name"), [(403, "AccessDenied"), (403, "InvalidAccessKeyId")])
def test_denied_access_is_not_tried_again(
    server: FaultyServer, storage: FsspecStorage, code: int, name: str
) -> None:
    server.faults = [status(code, name)]
    with pytest.raises(StorageDeniedError, match=r"s3://bucket/object: access denied.*secretRef"):
        storage.read("s3://bucket/object")
    assert server.requests == 1


def test_a_missing_object_is_not_tried_again(server: FaultyServer, storage: FsspecStorage) -> None:
    before = storage.retries
    with pytest.raises(StorageNotFoundError, match="s3://bucket/other: not found"):
        storage.read("s3://bucket/other")
    assert storage.retries == before
