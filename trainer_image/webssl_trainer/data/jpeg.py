"""The fast way for JPEG files: TurboJPEG straight into an array.

Pillow asks the same library for rows, keeps four bytes a pixel, and copies them twice to become an array, which is a third
of the time of a decoding. Both leave the library's exact inverse transform and smooth upsampling on, so pixels are the
same, bit for bit, where both bring libjpeg-turbo, as their wheels do; another libjpeg may differ by a few grey levels.

The header of a plain file is read here too: Pillow's way costs a tenth of what cropping does.
"""

from __future__ import annotations

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from webssl_trainer.storage import Came

_START, _SCAN, _QUANTIZATION = b"\xff\xd8", 0xDA, 0xDB
_FRAMES = {0xC0, 0xC1, 0xC2}
_TABLES = {0xC4, 0xDD, 0xFE}
"""Huffman tables, restart interval, comment: nothing that Pillow looks into."""
_KNOWN = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
"""Application segments that neither turn an image nor hold a second one, by what they begin with."""


def jpeg_size(data: Came) -> tuple[int, int] | None:
    """Width and height of a plain JPEG: 8 bits, grey or three components, nothing that may turn it.

    Source: ITU-T T.81, annex B.

    Returns:
        None for all else, whole or not: EXIF, XMP, several pictures, CMYK, 12 bits, arithmetic coding, a header that is cut.
    """
    at, size = len(_START), None
    if data[: len(_START)] != _START:
        return None
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SCAN:
            return size
        body = bytes(data[at + 4 : end])
        if marker in _FRAMES and size is None:
            size = _frame_size(body)
            plain = size is not None
        elif marker == _QUANTIZATION:
            plain = _eight_bits(body)
        else:
            plain = marker in _TABLES or body.startswith(_KNOWN.get(marker, _START))
        if not plain or end < at + 4 or end + 4 > len(data):
            return None
        at = end
    return None


def _frame_size(body: bytes) -> tuple[int, int] | None:
    """Of a frame's header: precision, height, width, components, three bytes for each of them."""
    if len(body) < 6 or body[0] != 8 or body[5] not in {1, 3} or len(body) != 6 + 3 * body[5]:
        return None
    size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
    return size if min(size) > 0 else None


def _eight_bits(body: bytes) -> bool:
    """Whether these are whole quantization tables of 8 bits: a byte of kind and number, and 64 values each."""
    return len(body) > 0 and len(body) % 65 == 0 and all(kind < 16 for kind in body[::65])


def jpeg_pixels(data: Came, width: int, height: int, by: int) -> NDArray[np.uint8] | None:
    """The pixels of a grey or colour JPEG as RGB, uint8 (ceil(height / by), ceil(width / by), 3).

    Lets other threads run.

    Args:
        data: the file.
        width, height: of the file, as it lies.
        by: how many times smaller: 1, 2, 4 or 8.

    Returns:
        None for whatever is not a file without any flaw: only Pillow's word counts on what is broken.
    """
    w, h = -(-width // by), -(-height // by)
    try:
        if by == 1:
            pixels = simplejpeg.decode_jpeg(data, strict=True)
        else:
            pixels = simplejpeg.decode_jpeg(data, min_width=w, min_height=h, strict=True)
    except Exception:  # it names flaws by various errors
        return None
    return pixels if pixels.shape == (h, w, 3) else None
