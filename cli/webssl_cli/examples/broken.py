"""Samples that are broken on purpose, to see a run survive them: as they come from the web, but few enough to name."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image
from webssl_trainer.data.pack import PackItem

BOMB_SIDE = 30_000
"""Pixels per side of the decompression bomb: 900 megapixels in about 110 KB."""


def samples() -> Iterator[PackItem]:
    """An empty file, a truncated one, one with damaged bytes, one that is no image, and a decompression bomb."""
    whole = _gradient()
    yield PackItem("broken-empty", b"", "png")
    yield PackItem("broken-truncated", whole[: len(whole) // 2], "png")
    yield PackItem("broken-bytes", whole[:60] + bytes(40) + whole[100:], "png")
    yield PackItem("broken-page", b"<!doctype html><title>404 Not Found</title>", "jpg")
    yield PackItem("broken-bomb", bomb(BOMB_SIDE), "png")


def _gradient() -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def bomb(side: int) -> bytes:
    """A valid black PNG of side x side pixels at one bit each, made without holding it in memory."""
    squeeze = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    data = b"".join(squeeze.compress(row) for _ in range(side)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
