"""What each scorer says of images whose text, sharpness and likeness are known."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFilter
from webssl_api.curation import DuplicatesScorer, QualityScorer, TextScorer
from webssl_trainer.curation.interface import Picture, Scorer
from webssl_trainer.curation.scorers import duplicates, quality, text
from webssl_trainer.storage import Storage

from .conftest import file_of, page, photo

NAMES = ("text_area", "text_boxes", "text_density", "text_length")


@pytest.fixture(scope="module")
def detector(storage: Storage) -> Scorer:
    return text.make(TextScorer(), storage, Path())


def one(scorer: Scorer, image: Image.Image, data: bytes = b"x") -> dict[str, Any]:
    found = dict(scorer.score([Picture(data, image, image.size)])[0])
    assert list(found) == [name for name, _ in scorer.columns]
    return found


@pytest.mark.parametrize("lines", [1, 3, 7])
def test_the_detector_counts_lines_of_text(detector: Scorer, lines: int) -> None:
    found = one(detector, page(lines))
    assert found["text_boxes"] == lines
    drawn = lines * 110 * 18 / 224**2
    assert 0.5 * drawn < found["text_area"] < 2 * drawn
    assert 5 * lines < found["text_length"] < 13 * lines  # thirteen narrow letters each


def test_the_detector_sees_no_text_where_there_is_none(detector: Scorer) -> None:
    for number in range(4):
        assert one(detector, photo(number)) == dict.fromkeys(NAMES, 0)


def test_density_does_not_depend_on_the_resolution_of_the_file(detector: Scorer) -> None:
    sizes = [(448, 448), (896, 896), (1792, 1792)]
    found = [one(detector, page(6).resize(size, Image.Resampling.BICUBIC))["text_density"] for size in sizes]
    assert max(found) - min(found) < 0.2 * min(found)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 3)])
def test_images_of_odd_shapes_have_scores(detector: Scorer, storage: Storage, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "white")
    assert one(detector, image)["text_boxes"] == 0
    assert one(quality.make(QualityScorer(), storage, Path()), image)["blank"] == 1.0
    assert one(duplicates.make(DuplicatesScorer(), storage, Path()), image)["picture_hash"] == 0


def test_a_blurred_image_is_less_sharp_and_a_grey_one_is_grey(storage: Storage) -> None:
    scorer = quality.make(QualityScorer(), storage, Path())
    sharp, blurred = page(6), page(6).filter(ImageFilter.GaussianBlur(4))
    assert one(scorer, blurred)["sharpness"] < 0.05 * one(scorer, sharp)["sharpness"]
    assert one(scorer, sharp)["grey"] == 1.0
    assert one(scorer, sharp)["blank"] > 0.7
    assert one(scorer, photo(1))["grey"] < 0.2
    assert one(scorer, photo(1))["blank"] < 0.3


def test_size_and_bytes_are_those_of_the_file(storage: Storage) -> None:
    found = one(quality.make(QualityScorer(), storage, Path()), photo(1), b"12345")
    assert (found["width"], found["height"], found["bytes"]) == (160, 120, 5)
    assert found["aspect"] == pytest.approx(4 / 3)


def test_a_copy_that_was_scaled_and_recoded_has_nearly_the_same_hashes(storage: Storage) -> None:
    scorer = duplicates.make(DuplicatesScorer(), storage, Path())
    first, other = one(scorer, photo(1, 300)), one(scorer, photo(2, 300))
    small = photo(1, 300).resize((120, 90), Image.Resampling.LANCZOS)
    with Image.open(io.BytesIO(file_of(small, "JPEG", quality=70))) as recoded:
        copy = one(scorer, recoded.convert("RGB"))
    assert (first["picture_hash"] ^ copy["picture_hash"]).bit_count() <= 4
    details = [int.from_bytes(found["detail_hash"], "little") for found in (first, copy)]
    assert (details[0] ^ details[1]).bit_count() <= 16
    assert first["pixel_hash"] != copy["pixel_hash"]
    assert (first["picture_hash"] ^ other["picture_hash"]).bit_count() > 12


def test_the_same_pixels_in_another_format_have_the_same_pixel_hash(storage: Storage) -> None:
    scorer = duplicates.make(DuplicatesScorer(), storage, Path())
    a, b = (one(scorer, photo(3), data) for data in (b"png", b"webp"))
    assert a["pixel_hash"] == b["pixel_hash"]
    assert a["file_hash"] != b["file_hash"]
