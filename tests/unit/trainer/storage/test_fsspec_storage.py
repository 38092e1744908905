"""The storage protocol over local files and memory."""

from __future__ import annotations

import pickle
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from webssl_trainer.errors import UserError
from webssl_trainer.storage import (
    ByteRange,
    FsspecStorage,
    StorageNotFoundError,
    StorageOptions,
    canonical,
    join,
    open_storage,
)


@pytest.fixture(params=["file", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"file://{tmp_path}" if request.param == "file" else f"memory://{uuid.uuid4().hex}"


def test_what_is_put_is_read_whole_and_by_range(base: str) -> None:
    storage, url = open_storage(), join(base, "deep", "object.bin")
    storage.put(url, b"0123456789")
    assert storage.read(url) == b"0123456789"
    assert storage.read(url, 2, 5) == b"234"
    assert storage.read(url, 8, 50) == b"89"
    assert storage.size(url) == 10
    with storage.open(url) as file:
        file.seek(7)
        assert file.read() == b"789"


def test_ranges_come_back_in_the_order_asked_even_when_empty_or_past_the_end(base: str) -> None:
    storage = open_storage()
    storage.put(join(base, "a"), b"abcdef")
    storage.put(join(base, "b"), b"uvwxyz")
    wanted = [
        (join(base, "b"), 3, 6),
        (join(base, "a"), 2, 2),
        (join(base, "a"), 0, 2),
        (join(base, "a"), 4, 9),
    ]
    assert storage.cat_ranges([ByteRange(*item) for item in wanted]) == [b"xyz", b"", b"ab", b"ef"]


def test_ranges_of_several_schemes_can_be_mixed(tmp_path: Path) -> None:
    storage = open_storage()
    here, there = f"file://{tmp_path}/x", f"memory://{uuid.uuid4().hex}/x"
    storage.put(here, b"file")
    storage.put(there, b"memory")
    got = storage.cat_ranges([ByteRange(there, 0, 3), ByteRange(here, 0, 4), ByteRange(there, 3, 6)])
    assert got == [b"mem", b"file", b"ory"]


def test_put_if_absent_writes_once(base: str) -> None:
    storage, url = open_storage(), join(base, "claim")
    assert storage.put_if_absent(url, b"first")
    assert not storage.put_if_absent(url, b"second")
    assert storage.read(url) == b"first"


def test_of_many_claims_at_once_exactly_one_wins(base: str) -> None:
    storage, url = open_storage(), join(base, "claim")
    with ThreadPoolExecutor(8) as pool:
        wins = list(pool.map(lambda number: storage.put_if_absent(url, str(number).encode()), range(32)))
    assert sum(wins) == 1
    assert storage.read(url) == str(wins.index(True)).encode()


def test_listing_is_recursive_and_sorted_and_gives_sizes(base: str) -> None:
    storage = open_storage()
    for name, size in (("b/2", 2), ("b/1", 1), ("a", 3)):
        storage.put(join(base, name), b"x" * size)
    found = storage.list_objects(base)
    assert [(info.url, info.size) for info in found] == [
        (canonical(join(base, "a")), 3), (canonical(join(base, "b/1")), 1), (canonical(join(base, "b/2")), 2),
    ]  # fmt: skip
    assert [info.url for info in storage.glob(join(base, "b", "*"))] == [info.url for info in found[1:]]


def test_listing_what_is_not_there_is_empty(base: str) -> None:
    storage = open_storage()
    assert storage.list_objects(join(base, "nothing")) == []
    assert storage.glob(join(base, "nothing", "*.tar")) == []


def test_a_missing_object_is_an_error_that_names_the_url(base: str) -> None:
    storage, url = open_storage(), join(base, "gone")
    for call in (storage.read, storage.size, storage.open):
        with pytest.raises(StorageNotFoundError, match="gone: not found; check the path"):
            call(url)
    with pytest.raises(StorageNotFoundError):
        storage.cat_ranges([ByteRange(url, 0, 4)])
    assert not storage.exists(url)


def test_delete_is_idempotent(base: str) -> None:
    storage, url = open_storage(), join(base, "object")
    storage.put(url, b"x")
    storage.delete(url)
    storage.delete(url)
    assert not storage.exists(url)


def test_no_part_of_a_local_write_stays_behind(tmp_path: Path) -> None:
    storage = open_storage()
    storage.put(f"file://{tmp_path}/x", b"1")
    storage.put(f"file://{tmp_path}/x", b"2")
    storage.put_if_absent(f"file://{tmp_path}/x", b"3")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(
        UserError, match=r"ftp://x/y: unknown storage scheme 'ftp'; use one of s3, gs, az, file, memory"
    ):
        open_storage().read("ftp://x/y")


def test_a_pickled_storage_carries_options_but_no_connection_and_no_key() -> None:
    storage = FsspecStorage(StorageOptions(endpoint="http://127.0.0.1:1"))
    storage.filesystem("memory://x")
    copy = pickle.loads(pickle.dumps(storage))
    assert copy.options == storage.options
    assert b"SECRET" not in pickle.dumps(storage).upper()


def test_options_come_from_the_environment_where_not_given() -> None:
    env = {"AWS_ENDPOINT_URL": "http://s3:8333", "AWS_REGION": "here", "AWS_SECRET_ACCESS_KEY": "hidden"}
    options = StorageOptions.from_env(env)
    assert (options.endpoint, options.region) == ("http://s3:8333", "here")
    assert StorageOptions.from_env(env, endpoint="http://other").endpoint == "http://other"
    assert "hidden" not in repr(options)
