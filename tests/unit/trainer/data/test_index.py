"""The index of a data set: samples, their places, and the cache."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Callable

import pytest
from webssl_trainer.data import build_index, expand_source, load_index, load_or_build_index
from webssl_trainer.data.samples import group_members, split_name
from webssl_trainer.data.tar_index import TarMember
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

MakeSet = Callable[..., str]


def tar_of(names: list[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
    return buffer.getvalue()


def grouped(names: list[str]) -> tuple[list[tuple[str, str, list[str]]], int]:
    samples, lacking = group_members([TarMember(name, 512 * at, 10) for at, name in enumerate(names)])
    return [(s.key, s.image.ext, [part.ext for part in s.extras]) for s in samples], lacking


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("0001.jpg", ("0001", "jpg")),
        ("./a/b/0001.JPG", ("a/b/0001", "jpg")),
        ("a.b/0001.seg.png", ("a.b/0001", "seg.png")),
        ("noext", None),
        (".hidden.jpg", None),
        ("__meta__.json", None),
        ("a/x.", None),
    ],
)
def test_the_key_ends_at_the_first_dot_of_the_file_name(name: str, split: tuple[str, str] | None) -> None:
    assert split_name(name) == split


def test_neighbours_with_one_key_are_one_sample_and_the_first_image_counts() -> None:
    found, lacking = grouped(["a.txt", "a.jpg", "a.cls", "b.seg.png", "b.webp", "b.png", "c.txt", "d.gif"])
    assert found == [("a", "jpg", ["txt", "cls"]), ("b", "webp", ["seg.png", "png"]), ("d", "gif", [])]
    assert lacking == 1


def test_an_extension_that_comes_again_starts_a_new_sample() -> None:
    assert grouped(["a.jpg", "a.txt", "a.jpg"]) == ([("a", "jpg", ["txt"]), ("a", "jpg", [])], 0)


def test_every_member_is_found_at_its_bytes(storage: Storage, make_set: MakeSet) -> None:
    base = make_set(40)
    index = load_or_build_index(storage, f"{base}/*.tar")
    assert len(index) == 40
    for number in (0, 15, 16, 39):
        ref = index.locate(number)
        assert (ref.index, ref.key, ref.ext) == (number, f"{number:05d}", "png")
        assert ref.sample_id == f"{number // 16:06d}.tar/{number:05d}"
        assert storage.read(ref.shard, ref.offset, ref.offset + ref.length).startswith(b"\x89PNG")
        text = ref.extras["txt"]
        assert storage.read(ref.shard, text.offset, text.offset + text.length) == f"picture {number}".encode()
        assert set(ref.extras) == {"cls", "txt"}
    with pytest.raises(IndexError):
        index.locate(40)


def test_the_index_does_not_depend_on_the_number_of_threads(storage: Storage, make_set: MakeSet) -> None:
    shards = expand_source(storage, f"{make_set(60, per_shard=4)}/*.tar")
    assert (
        build_index(storage, shards, threads=1).to_bytes()
        == build_index(storage, shards, threads=8).to_bytes()
    )


def test_the_first_start_pays_and_the_second_reads_the_cache(storage: Storage, make_set: MakeSet) -> None:
    base, cache = make_set(40), f"memory:///{uuid.uuid4().hex}"
    calls: list[tuple[int, int]] = []
    first = load_or_build_index(storage, f"{base}/*.tar", cache, progress=lambda *at: calls.append(at))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    again = load_or_build_index(storage, f"{base}/*.tar", cache, progress=lambda *at: calls.append(at))
    assert len(calls) == 3
    assert again.to_bytes() == first.to_bytes()
    assert [info.url.rpartition("/")[2] for info in storage.list_objects(cache)] == [f"{first.digest}.arrow"]


def test_a_resumed_run_keeps_its_index_when_shards_are_added(storage: Storage, make_set: MakeSet) -> None:
    base, cache = make_set(20), f"memory:///{uuid.uuid4().hex}"
    first = load_or_build_index(storage, f"{base}/*.tar", cache)
    storage.put(f"{base}/zzz.tar", tar_of(["new.jpg"]))
    assert load_or_build_index(storage, f"{base}/*.tar", cache).digest != first.digest
    assert load_index(storage, cache, first.digest).to_bytes() == first.to_bytes()


def test_a_damaged_cache_is_built_anew_and_a_named_one_is_an_error(
    storage: Storage, make_set: MakeSet
) -> None:
    base, cache = make_set(20), f"memory:///{uuid.uuid4().hex}"
    first = load_or_build_index(storage, f"{base}/*.tar", cache)
    url = storage.list_objects(cache)[0].url
    storage.put(url, first.to_bytes()[:100])
    with pytest.raises(UserError, match="is damaged"):
        load_index(storage, cache, first.digest)
    assert load_or_build_index(storage, f"{base}/*.tar", cache).to_bytes() == first.to_bytes()
    with pytest.raises(UserError, match="is gone"):
        load_index(storage, cache, "0" * 16)


def test_truncated_and_missing_shards_are_named_and_the_rest_is_used(
    storage: Storage, make_set: MakeSet
) -> None:
    base = make_set(48)
    whole = load_or_build_index(storage, f"{base}/{{000000..000002}}.tar")
    cut = whole.locate(20).offset + 5
    storage.put(f"{base}/000001.tar", storage.read(f"{base}/000001.tar")[:cut])
    index = load_or_build_index(storage, f"{base}/{{000000..000003}}.tar")
    assert [index.locate(n).key for n in range(len(index))] == [
        f"{n:05d}" for n in [*range(16), *range(16, 20), *range(32, 48)]
    ]
    assert [damage.shard.rpartition("/")[2] for damage in index.damage] == ["000001.tar", "000003.tar"]
    assert "truncated" in index.damage[0].reason
    assert index.damage[1].reason == "missing"


def test_shards_without_any_image_are_a_user_error(storage: Storage) -> None:
    base = f"memory:///{uuid.uuid4().hex}"
    storage.put(f"{base}/a.tar", tar_of(["a.txt", "b.json"]))
    with pytest.raises(UserError, match=r"no image in 1 shards.*2 samples without an image"):
        load_or_build_index(storage, f"{base}/*.tar")


def test_samples_without_an_image_are_counted(storage: Storage) -> None:
    base = f"memory:///{uuid.uuid4().hex}"
    storage.put(f"{base}/a.tar", tar_of(["a.txt", "b.jpg", "c.json"]))
    index = load_or_build_index(storage, f"{base}/*.tar")
    assert (len(index), index.without_image, index.image_bytes) == (1, 2, 5)
