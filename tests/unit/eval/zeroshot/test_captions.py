"""Captions wherever they lie: lines beside an image, Karpathy's splits, COCO's annotations."""

from __future__ import annotations

import json

import pytest
from webssl_eval.suites.zeroshot.caption_files import Entry, entries_of, located
from webssl_eval.suites.zeroshot.captioned import lines, open_captioned
from webssl_trainer.errors import UserError
from webssl_trainer.storage import ObjectInfo

from tests.unit.eval.zeroshot.conftest import PAIRS, shade

KARPATHY = {
    "images": [
        {
            "filename": f"{n}.jpg",
            "imgid": n,
            "split": split,
            "sentences": [{"raw": f"{n} a"}, {"raw": f"{n} b"}],
        }
        for n, split in enumerate(["train", "restval", "val", "test", "test"])
    ]
}
COCO = {
    "images": [{"id": 7, "file_name": "x.jpg"}, {"id": 9, "file_name": "y.jpg"}],
    "annotations": [
        {"image_id": 9, "caption": "first of y"},
        {"image_id": 7, "caption": "of x"},
        {"image_id": 9, "caption": "second of y"},
    ],
}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a cat\n", ("a cat",)),
        (b"a cat\r\n\r\n  two   cats \n", ("a cat", "two cats")),
        ("çam ağacı\n犬".encode(), ("çam ağacı", "犬")),
        (b" \n\t\n", ()),
        (b"", ()),
        (None, ()),
        (b"\xff broken", ("\ufffd broken",)),
    ],
)
def test_each_line_with_words_is_a_caption(data, expected):
    assert lines(data) == expected


def test_karpathy_files_have_splits():
    data = json.dumps(KARPATHY).encode()
    assert [entry.key for entry in entries_of(data, True, "F")] == ["0", "1"]
    assert entries_of(data, False, "F")[0] == Entry("3", "3.jpg", ("3 a", "3 b"))


def test_coco_files_are_grouped_by_image():
    assert entries_of(json.dumps(COCO).encode(), True, "F") == [
        Entry("7", "x.jpg", ("of x",)),
        Entry("9", "y.jpg", ("first of y", "second of y")),
    ]


@pytest.mark.parametrize("data", [b"[]", b"{}", b"junk", b'{"images": [{"a": 1}]}', b'{"images": 3}'])
def test_other_files_are_refused(data):
    with pytest.raises(UserError, match=r"F has neither Karpathy's layout .* nor COCO's"):
        entries_of(data, True, "F")


def test_a_file_without_the_split_is_refused():
    data = json.dumps({"images": KARPATHY["images"][:2]}).encode()
    with pytest.raises(UserError, match="F has no image of the split test"):
        entries_of(data, False, "F")


def test_images_are_found_at_their_path_or_by_their_name():
    listed = [ObjectInfo(f"s3://b/{path}", 1) for path in ("val/1.jpg", "x/1.jpg", "deep/er/2.jpg")]
    found = located([Entry("1", "val/1.jpg", ()), Entry("2", "2.jpg", ())], listed, "s3://b", "F")
    assert [info.url for info in found] == ["s3://b/val/1.jpg", "s3://b/deep/er/2.jpg"]
    with pytest.raises(UserError, match=r"image 1.jpg may be s3://b/val/1.jpg or s3://b/x/1.jpg; keep one"):
        located([Entry("1", "1.jpg", ())], listed, "s3://b", "F")
    with pytest.raises(UserError, match=r"2 of its 3 images are not below s3://b, first 8.jpg; copy"):
        located([Entry(str(n), f"{n}.jpg", ()) for n in (2, 8, 9)], listed, "s3://b", "F")


def test_shards_are_read_a_chunk_at_a_time_and_only_as_many_as_wanted(place, pairs):
    found = open_captioned(place.storage, pairs, None, True, "pairs")
    read = [image for chunk in found.chunks() for image in chunk]
    assert len(read) == len(found) == PAIRS
    assert read[5].captions == ("green", "the colour green")
    assert read[5].pixels.shape == (28, 28, 3)
    few = open_captioned(place.storage, pairs, 7, True, "pairs")
    assert len(few) == 7
    assert few.digest != found.digest


def test_a_folder_and_a_file_of_captions_hold_the_same_images(place, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(shade(number))
        (folder / f"{number}.txt").write_text(f"one {number}\ntwo {number}\n")
    images = [{"id": n, "file_name": f"{n}.png"} for n in range(3)]
    notes = [{"image_id": n, "caption": f"{word} {n}"} for n in range(3) for word in ("one", "two")]
    (folder / "set.json").write_text(json.dumps({"images": images, "annotations": notes}))
    by_folder = open_captioned(place.storage, folder.as_uri(), None, True, "pairs")
    by_file = open_captioned(place.storage, (folder / "set.json").as_uri(), None, True, "pairs")
    for (one,), (other,) in zip(_single(by_folder), _single(by_file), strict=True):
        assert (one.key, one.captions) == (other.key, other.captions)
        assert (one.pixels == other.pixels).all()


def _single(found):
    return [[image] for chunk in found.chunks() for image in chunk]
