"""From `spec.data.source` to shards."""

from __future__ import annotations

import uuid

import pytest
from webssl_trainer.data.shards import Shard, expand_braces, expand_source
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage


@pytest.fixture
def base(storage: Storage) -> str:
    """A folder with shards 08..11, each as many bytes as its number, and a file that is none."""
    url = f"memory:///{uuid.uuid4().hex}"
    for number in range(8, 12):
        storage.put(f"{url}/{number:02d}.tar", b"x" * number)
    storage.put(f"{url}/readme.md", b"")
    return url


def names(shards: list[Shard]) -> list[str]:
    return [shard.url.rpartition("/")[2] for shard in shards]


@pytest.mark.parametrize(
    ("pattern", "expanded"),
    [
        ("a.tar", ["a.tar"]),
        ("{08..11}.tar", ["08.tar", "09.tar", "10.tar", "11.tar"]),
        ("{8..11}.tar", ["8.tar", "9.tar", "10.tar", "11.tar"]),
        ("{a,b}/{1..2}.tar", ["a/1.tar", "a/2.tar", "b/1.tar", "b/2.tar"]),
        ("{000098..000100}", ["000098", "000099", "000100"]),
    ],
)
def test_braces_expand_left_to_right_with_their_zeros(pattern: str, expanded: list[str]) -> None:
    assert expand_braces(pattern) == expanded


@pytest.mark.parametrize("pattern", ["{1..2", "1..2}", "{x}.tar", "{5..1}.tar", "{}.tar"])
def test_a_malformed_brace_names_the_pattern(pattern: str) -> None:
    with pytest.raises(UserError, match=r"spec\.data\.source"):
        expand_braces(pattern)


def test_globs_ranges_and_lists_find_the_same_shards_with_their_sizes(storage: Storage, base: str) -> None:
    storage.put(f"{base}/list.txt", b"# mine\n09.tar\n\n{10..11}.tar  # the rest\n08.tar\n")
    by_glob = expand_source(storage, f"{base}/*.tar")
    assert [(shard.url, shard.size) for shard in by_glob] == [
        (f"{base}/{n:02d}.tar", n) for n in range(8, 12)
    ]
    assert expand_source(storage, f"{base}/{{08..11}}.tar") == by_glob
    assert expand_source(storage, f"{base}/list.txt") == by_glob
    assert expand_source(storage, [f"{base}/1*.tar", f"{base}/*.tar"]) == by_glob


def test_a_named_shard_that_is_missing_is_kept_with_size_minus_one(storage: Storage, base: str) -> None:
    few = expand_source(storage, f"{base}/{{10..13}}.tar")
    assert [shard.size for shard in few] == [10, 11, -1, -1]
    many = expand_source(storage, f"{base}/{{08..40}}.tar")
    assert [shard.size for shard in many] == [8, 9, 10, 11] + [-1] * 29


@pytest.mark.parametrize("pattern", ["nothing*.tar", "{50..60}.tar", "none.tar"])
def test_a_source_without_any_shard_names_the_pattern(storage: Storage, base: str, pattern: str) -> None:
    with pytest.raises(UserError, match=r"no shard found for spec\.data\.source.*check the bucket"):
        expand_source(storage, f"{base}/{pattern}")


def test_a_missing_list_file_is_a_user_error(storage: Storage, base: str) -> None:
    with pytest.raises(UserError, match=r"gone\.txt: not found"):
        expand_source(storage, f"{base}/gone.txt")


def test_plain_paths_are_files(storage: Storage, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.tar").write_bytes(b"xyz")
    found = [Shard(f"file://{tmp_path}/a.tar", 3)]
    assert expand_source(storage, f"{tmp_path}/*.tar") == expand_source(storage, f"{tmp_path}/a.tar") == found
