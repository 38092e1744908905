"""64-bit hashes of the texts of an Arrow array, computed column by column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from webssl_trainer.data.order import mix

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MOST_BYTES = 32 << 20


def hash_texts(texts: Any) -> NDArray[np.uint64]:
    """Hashes of texts: Arrow array of strings or binaries (N,) without nulls -> uint64 (N,).

    Equal texts have equal hashes on every machine; two given different ones collide with probability 2**-64. Each
    text's bytes are taken in words of 8, each mixed in with SplitMix64's finaliser.
    """
    array = pa.chunked_array(texts) if isinstance(texts, list) else texts
    if isinstance(array, pa.ChunkedArray):
        parts = [hash_texts(chunk) for chunk in array.chunks]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
    array = array.cast(pa.large_binary())
    if len(array) == 0:
        return np.empty(0, dtype=np.uint64)
    _, offsets_at, data_at = array.buffers()
    ends = np.frombuffer(offsets_at, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_at, dtype=np.uint8) if data_at is not None else np.empty(0, dtype=np.uint8)
    widest = int(np.diff(ends).max())
    step = max(1, _MOST_BYTES // max(8, widest))
    return np.concatenate([_hashed(ends[at : at + step + 1], data) for at in range(0, len(array), step)])


def _hashed(ends: NDArray[np.int64], data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    starts, lengths = ends[:-1], np.diff(ends)
    out = mix(lengths.astype(np.uint64) + _GOLDEN)
    for first in range(0, int(lengths.max(initial=0)), 8):
        rows = np.flatnonzero(lengths > first)
        places = (starts[rows] + first)[:, None] + np.arange(8)
        inside = places < ends[1:][rows][:, None]
        word = np.where(inside, data[np.minimum(places, max(0, data.size - 1))], np.uint8(0))
        out[rows] = mix((out[rows] + _GOLDEN) ^ word.view("<u8")[:, 0].astype(np.uint64))
    return out
