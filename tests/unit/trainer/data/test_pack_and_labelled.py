"""Packing images to shards, and reading labelled sets for evaluation."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from webssl_trainer.data import load_or_build_index, open_labelled
from webssl_trainer.data.pack import PackItem, folder_items, main, pack, shard_bytes, unique
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

MakeSet = Callable[..., str]


def fresh() -> str:
    return f"memory:///{uuid.uuid4().hex}"


def save(path: Path, colour: int, size: tuple[int, int] = (8, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (colour, colour, colour)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes: two cats, one dog; and a file that is no image."""
    save(tmp_path / "cat" / "b.png", 10)
    save(tmp_path / "cat" / "a.v2.png", 20)
    save(tmp_path / "dog" / "a.jpg", 200, (100, 50))
    (tmp_path / "dog" / "notes.md").write_text("none")
    return tmp_path


def test_packing_gives_numbered_shards_with_the_files_as_they_are(storage: Storage) -> None:
    items = [PackItem(f"{n}", bytes([n]) * 9, "jpg", label=n, caption="é", meta={"n": n}) for n in range(5)]
    seen: list[tuple[int, int]] = []
    base = fresh()
    urls = pack(items, storage, base, samples_per_shard=2, total=5, progress=lambda *at: seen.append(at))
    assert urls == [f"{base}/{n:06d}.tar" for n in range(3)]
    assert seen == [(2, 5), (4, 5), (5, 5)]
    index = load_or_build_index(storage, f"{base}/*.tar")
    ref = index.locate(3)
    assert storage.read(ref.shard, ref.offset, ref.offset + ref.length) == bytes([3]) * 9
    extras = {
        ext: storage.read(ref.shard, part.offset, part.offset + part.length)
        for ext, part in ref.extras.items()
    }
    assert extras == {"cls": b"3", "txt": "é".encode(), "json": b'{"n": 3}'}


def test_the_same_items_are_the_same_bytes() -> None:
    items = [PackItem("a", b"1", "png", label=1)]
    assert shard_bytes(items) == shard_bytes(items)


def test_a_key_with_a_dot_is_refused() -> None:
    with pytest.raises(UserError, match="without a dot"):
        shard_bytes([PackItem("a.b", b"", "png")])


def test_a_folder_becomes_sorted_unique_keys_with_class_numbers(folder: Path) -> None:
    items = list(folder_items(folder, labelled=True))
    assert [(item.key, item.ext, item.label) for item in items] == [
        ("cat/a_v2", "png", 0), ("cat/b", "png", 0), ("dog/a", "jpg", 1),
    ]  # fmt: skip
    assert items[2].meta == {"class": "dog"}
    taken: set[str] = set()
    assert [unique("x", taken) for _ in range(3)] == ["x", "x_2", "x_3"]


def test_large_images_are_shrunk_only_when_asked(folder: Path) -> None:
    def sizes(max_side: int) -> list[tuple[int, int]]:
        return [Image.open(io.BytesIO(item.data)).size for item in folder_items(folder, max_side=max_side)]

    assert sizes(0) == [(8, 6), (8, 6), (100, 50)]
    assert sizes(20) == [(8, 6), (8, 6), (20, 10)]


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no image under"):
        list(folder_items(tmp_path))


def test_the_command_packs_and_prints_the_shards(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    target = f"file://{tmp_path_factory.mktemp('out')}"
    assert main([str(folder), target, "2", "labelled"]) == 0
    assert capsys.readouterr().out.split() == [f"{target}/000000.tar", f"{target}/000001.tar"]
    assert main([]) == 2


def test_packed_labels_are_read_back_in_order(storage: Storage, make_set: MakeSet) -> None:
    labelled = open_labelled(storage, f"{make_set(20, broken=frozenset({4}))}/*.tar")
    assert len(labelled) == 20
    images = list(labelled)
    assert [image.label for image in images] == [n % 3 for n in range(20) if n != 4]
    assert labelled.class_names == ["0", "1", "2"]
    assert images[0].pixels.dtype == np.uint8
    assert images[0].pixels.shape == (24, 32, 3)


def test_names_and_json_fields_are_labels_too(storage: Storage) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    base = fresh()
    pack([PackItem(str(n), buffer.getvalue(), "png", meta={"label": name}) for n, name in
          enumerate(["dog", "ant", "dog"])], storage, base)  # fmt: skip
    labelled = open_labelled(storage, f"{base}/*.tar")
    assert labelled.labels.tolist() == [1, 0, 1]
    assert labelled.class_names == ["ant", "dog"]


def test_a_folder_of_class_folders_is_a_labelled_set(storage: Storage, folder: Path) -> None:
    labelled = open_labelled(storage, f"file://{folder}")
    assert [(image.sample_id, image.label) for image in labelled] == [
        ("cat/a.v2.png", 0), ("cat/b.png", 0), ("dog/a.jpg", 1),
    ]  # fmt: skip
    assert labelled.class_names == ["cat", "dog"]


@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 6, 7, 3)])
def test_an_npz_file_is_a_labelled_set(storage: Storage, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, images=images, labels=np.arange(5))
    base = fresh()
    storage.put(f"{base}/set.npz", buffer.getvalue())
    found = list(open_labelled(storage, f"{base}/set.npz"))
    assert [image.label for image in found] == list(range(5))
    assert all(image.pixels.shape == (6, 7, 3) for image in found)
    assert np.array_equal(found[3].pixels[..., 0], images[3] if len(shape) == 3 else images[3, ..., 0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(3)}, "'images' and 'labels'"),
        ({"images": np.zeros((2, 4, 4)), "labels": np.zeros(2)}, "uint8"),
    ],
)
def test_a_wrong_npz_file_says_what_is_wrong(
    storage: Storage, arrays: dict[str, np.ndarray], message: str
) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    url = f"{fresh()}/set.npz"
    storage.put(url, buffer.getvalue())
    with pytest.raises(UserError, match=message):
        open_labelled(storage, url)


def test_a_set_without_labels_says_what_is_needed(storage: Storage) -> None:
    base = fresh()
    pack([PackItem("a", b"x", "png")], storage, base)
    with pytest.raises(UserError, match="needs labels"):
        open_labelled(storage, f"{base}/*.tar")
    storage.put(f"{base}/b.tar", shard_bytes([PackItem("b", b"x", "png", meta=json.loads('{"n": 1}'))]))
    with pytest.raises(UserError, match="none of the fields label, cls, class"):
        open_labelled(storage, f"{base}/b.tar")
    with pytest.raises(UserError, match="no labelled images"):
        open_labelled(storage, fresh())
