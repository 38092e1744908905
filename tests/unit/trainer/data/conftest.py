"""Small real data sets in memory."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.storage import Storage, open_storage

MakeSet = Callable[..., str]


def picture(number: int, fmt: str = "PNG") -> bytes:
    """An image file that differs from every other number's."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 255, (24 + number % 5, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, fmt)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def storage() -> Storage:
    return open_storage()


@pytest.fixture(scope="session")
def make_set(storage: Storage) -> MakeSet:
    """Packs `count` images, some of them broken, with captions, and gives the folder's URL."""

    def make(
        count: int,
        per_shard: int = 16,
        broken: frozenset[int] = frozenset(),
        captions: Sequence[str | None] | None = None,
    ) -> str:
        texts = [f"picture {number}" for number in range(count)] if captions is None else captions
        items = [
            PackItem(
                key=f"{number:05d}",
                data=b"not an image" if number in broken else picture(number),
                ext="png",
                label=number % 3,
                caption=texts[number],
            )
            for number in range(count)
        ]
        base = f"memory:///{uuid.uuid4().hex}"
        pack(items, storage, base, per_shard)
        return base

    return make
