"""Which samples of an index are seen: a set of numbers that is small in memory and answers by rank.

The numbers are cut into chunks of 65,536. A chunk with few of them holds their low 16 bits as an array, one with
many holds a bitmap, whichever is smaller (the two containers of Roaring bitmaps, Chambi et al., "Better bitmap
performance with Roaring bitmaps", Software: Practice and Experience 46, 2016). So the memory is at most 2 bytes
a chosen sample, and at most 1.04 bits a sample of the index, and 25 bytes a chunk: 40 MiB for 1 % of
2 billion, 250 MiB for any share of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

CHUNK = 1 << 16
_BYTES = CHUNK // 8
_BLOCK = 64
"""Bytes of a bitmap that share one count."""
_BLOCKS = _BYTES // _BLOCK
_MOST_IN_ARRAY = (_BYTES + 2 * _BLOCKS) // 2
_AT_ONCE = 1 << 14
_ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)
"""Ones of each byte; numpy counts them itself only from 2.0 on."""
_VERSION = 1
_META = b"webssl.selection"
I64 = NDArray[np.int64]


class Selection:
    """A set of numbers in `[0, size)`, in rising order.

    Attributes:
        size: numbers to choose from.
        facts: what the one who made it counted, for people; not part of the digest.
    """

    def __init__(
        self,
        size: int,
        counts: I64,
        low: NDArray[np.uint16],
        bitmaps: NDArray[np.uint8],
        facts: dict[str, Any] | None = None,
    ) -> None:
        self.size = size
        self.facts = dict(facts or {})
        self._low, self._bitmaps = low, bitmaps
        self._counts = counts
        self._ends: I64 = np.cumsum(counts)
        dense = counts > _MOST_IN_ARRAY
        # For each chunk: the first place of its array, or the number of its bitmap.
        self._dense = dense
        sparse_counts = np.where(dense, 0, counts)
        self._place: I64 = np.where(dense, np.cumsum(dense) - 1, np.cumsum(sparse_counts) - sparse_counts)
        ones = _ONES[bitmaps].reshape(-1, _BLOCKS, _BLOCK).sum(axis=2, dtype=np.uint16)
        self._before = np.zeros(ones.shape, dtype=np.uint16)
        np.cumsum(ones[:, :-1], axis=1, dtype=np.uint16, out=self._before[:, 1:])

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._ends.size else 0

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        arrays = (
            self._low,
            self._bitmaps,
            self._counts,
            self._ends,
            self._dense,
            self._place,
            self._before,
        )
        return sum(array.nbytes for array in arrays)

    def numbers_at(self, ranks: I64) -> I64:
        """The numbers at ranks: int64 (N,) in `[0, len)` -> int64 (N,) in `[0, size)`.

        Raises:
            IndexError: a rank is outside.
        """
        ranks = np.asarray(ranks, dtype=np.int64)
        if ranks.size and not 0 <= int(ranks.min()) <= int(ranks.max()) < len(self):
            raise IndexError(f"a rank is outside [0, {len(self)})")
        chunk = np.searchsorted(self._ends, ranks, side="right")
        within = ranks - (self._ends[chunk] - self._counts[chunk])
        out = np.empty(ranks.shape, dtype=np.int64)
        dense = self._dense[chunk]
        sparse = np.flatnonzero(~dense)
        out[sparse] = self._low[self._place[chunk[sparse]] + within[sparse]]
        many = np.flatnonzero(dense)
        for at in range(0, many.size, _AT_ONCE):
            some = many[at : at + _AT_ONCE]
            out[some] = self._in_bitmap(self._place[chunk[some]], within[some])
        return cast(I64, out + chunk * CHUNK)

    def _in_bitmap(self, bitmap: I64, within: I64) -> I64:
        """Place of the `within`-th one (0-based) of each bitmap."""
        starts = self._before[bitmap]
        block = (starts <= within[:, None]).sum(axis=1) - 1
        before = starts[np.arange(block.size), block].astype(np.int64)
        packed = self._bitmaps.reshape(-1, _BLOCKS, _BLOCK)[bitmap, block]
        ones = np.unpackbits(packed, axis=1, bitorder="little")
        reached = np.cumsum(ones, axis=1, dtype=np.uint16) == (within - before + 1)[:, None]
        return cast(I64, block * (_BLOCK * 8) + reached.argmax(axis=1))

    def count_below(self, numbers: I64) -> I64:
        """How many chosen numbers are below each of `numbers`: int64 (N,) in `[0, size]` -> int64 (N,)."""
        starts = np.concatenate(([0], self._ends))
        return np.array(
            [int(starts[n // CHUNK]) + self._within(n // CHUNK, n % CHUNK) for n in numbers.tolist()]
        )

    def _within(self, chunk: int, low: int) -> int:
        """Chosen numbers of a chunk whose low bits are below `low`."""
        if low == 0:
            return 0
        place = int(self._place[chunk])
        if self._dense[chunk]:
            bits = np.unpackbits(self._bitmaps[place, : -(-low // 8)], bitorder="little")
            return int(bits[:low].sum())
        return int(np.searchsorted(self._low[place : place + int(self._counts[chunk])], low))

    @property
    def digest(self) -> str:
        """SHA-256 over the chosen numbers and the size, 16 hexadecimal digits."""
        parts = (self._counts.astype("<i8"), self._low.astype("<u2"), self._bitmaps)
        found = hashlib.sha256(f"selection v{_VERSION} {self.size}\n".encode())
        for part in parts:
            found.update(np.ascontiguousarray(part).data)
        return found.hexdigest()[:16]

    def to_bytes(self) -> bytes:
        """The selection as an Arrow IPC file."""
        meta = {"version": _VERSION, "size": self.size, "facts": self.facts}
        columns = [
            pa.array([self._counts.tolist()], pa.large_list(pa.int64())),
            pa.LargeListArray.from_arrays(pa.array([0, self._low.size], pa.int64()), pa.array(self._low)),
            pa.LargeListArray.from_arrays(
                pa.array([0, self._bitmaps.size], pa.int64()), pa.array(self._bitmaps.reshape(-1))
            ),
        ]
        batch = pa.record_batch(columns, names=["counts", "low", "bitmaps"])
        schema = batch.schema.with_metadata({_META: json.dumps(meta).encode()})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, schema) as writer:  # bits of a draw do not compress
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
        return cast(bytes, sink.getvalue().to_pybytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Selection:
        """The selection of such a file.

        Raises:
            ValueError: it is none, or of another version.
        """
        try:
            table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
            meta = json.loads(table.schema.metadata[_META])
            parts = [
                table[name].chunk(0).flatten().to_numpy(zero_copy_only=False) for name in table.column_names
            ]
        except (pa.ArrowInvalid, OSError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"not a selection file: {error}") from error
        if meta["version"] != _VERSION:
            raise ValueError(f"selection version {meta['version']} is not {_VERSION}")
        return cls(meta["size"], parts[0], parts[1], parts[2].reshape(-1, _BYTES), meta["facts"])

    @classmethod
    def of(cls, size: int, numbers: Iterable[I64], facts: dict[str, Any] | None = None) -> Selection:
        """The selection of numbers that come in pieces, each sorted and without repeats, and each after the one before.

        Memory while it is made: the result and one piece.
        """
        counts = np.zeros(-(-size // CHUNK), dtype=np.int64)
        low: list[NDArray[np.uint16]] = []
        bitmaps: list[NDArray[np.uint8]] = []
        waiting, number = np.empty(0, dtype=np.int64), 0

        def close(values: I64, chunk: int) -> None:
            counts[chunk] = values.size
            inner = values - chunk * CHUNK
            if values.size > _MOST_IN_ARRAY:
                bits = np.zeros(CHUNK, dtype=np.uint8)
                bits[inner] = 1
                bitmaps.append(np.packbits(bits, bitorder="little"))
            elif values.size:
                low.append(inner.astype(np.uint16))

        for piece in numbers:
            waiting = np.concatenate((waiting, piece))
            while waiting.size and waiting[-1] >= (number + 1) * CHUNK:
                cut = int(np.searchsorted(waiting, (number + 1) * CHUNK))
                close(waiting[:cut], number)
                waiting, number = waiting[cut:], number + 1
        if waiting.size:
            close(waiting, number)
        return cls(
            size,
            counts,
            np.concatenate(low) if low else np.empty(0, dtype=np.uint16),
            np.stack(bitmaps) if bitmaps else np.empty((0, _BYTES), dtype=np.uint8),
            facts,
        )
