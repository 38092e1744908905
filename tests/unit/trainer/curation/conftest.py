"""A small real data set on disk whose text is known, and a pass over it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from webssl_api.curation import WebSSLCurationSpec
from webssl_trainer.curation.counting import Count
from webssl_trainer.curation.engine_threads import score_shards
from webssl_trainer.curation.opening import open_pass
from webssl_trainer.curation.parts import Parts
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.storage import Storage, open_storage

Shards = Callable[[dict[str, bytes]], str]
SCORERS: dict[str, Any] = {"text": {"lightShare": 0.5, "heavyShare": 0.25}, "duplicates": {}, "quality": {}}


def photo(number: int, side: int = 160) -> Image.Image:
    """Soft coloured shapes without text, other ones for each number."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((side, side * 3 // 4), Image.Resampling.BICUBIC)


def page(lines: int, word: str = "Hello world") -> Image.Image:
    """A white page with lines of text."""
    image = Image.new("RGB", (224, 224), "white")
    pen = ImageDraw.Draw(image)
    for line in range(lines):
        pen.text((12, 8 + 26 * line), f"{word} {line}", fill="black", font_size=18)
    return image


def file_of(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """The image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def mixed() -> dict[str, bytes]:
    """Eight images: two pages, two with a line, four without text, in this order."""
    return {
        "page-a": file_of(page(8)),
        "page-b": file_of(page(6, "Another page")),
        "line-a": file_of(page(1)),
        "line-b": file_of(page(1, "Other words")),
        **{f"photo-{number}": file_of(photo(number)) for number in range(4)},
    }


@pytest.fixture(scope="session")
def storage() -> Storage:
    return open_storage()


@pytest.fixture
def shards(storage: Storage, tmp_path: Path) -> Shards:
    """Packs files by key into shards of three, and gives their glob."""

    def make(files: dict[str, bytes]) -> str:
        base = f"file://{tmp_path}/shards"
        pack([PackItem(key, data, "png") for key, data in files.items()], storage, base, 3)
        return f"{base}/*.tar"

    return make


def spec_of(
    source: str, output: str, scorers: dict[str, Any] | None = None, **more: Any
) -> WebSSLCurationSpec:
    return WebSSLCurationSpec.model_validate(
        {"data": {"source": source}, "scorers": scorers or SCORERS, "output": {"uri": output}, **more}
    )


def opened(storage: Storage, spec: WebSSLCurationSpec, scratch: Path) -> Parts:
    return open_pass(storage, spec, scratch)


def score_all(parts: Parts, **more: Any) -> Count:
    """Score every shard that has no part; what was counted."""
    shards = range(len(parts.index.shards))
    count = Count(len(shards), len(parts.index))
    assert score_shards(parts, shards, 1, 10**8, 1.0, count, **more)
    return count
