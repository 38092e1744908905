"""An index that stays where it is stored: counts by shard in memory, the samples' places read when they are asked for.

Memory: about 300 bytes a shard and 30 bytes a group of 1,024 samples (under 90 MiB for 2 billion samples in 100,000
shards), and the groups in use, at most `keep_bytes`.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray

from webssl_trainer.data.fetch import fetch
from webssl_trainer.data.index import SampleRef, ShardDamage
from webssl_trainer.data.samples import Part
from webssl_trainer.data.store_format import (
    CATALOG,
    GROUP,
    check_of,
    digest_of,
    rows_from_bytes,
    rows_to_bytes,
    unpack_group,
)
from webssl_trainer.errors import UserError
from webssl_trainer.storage import ByteRange, Storage, join

I64 = NDArray[np.int64]
KEEP_BYTES = 256 << 20
"""Room for the groups of a window: 2,048 places, each of 1,024 samples of 50 to 120 bytes."""


class Texts(Sequence[str]):
    """An Arrow array of strings as a sequence."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self[number] for number in range(len(self))[at]]
        return str(self._column[at].as_py())


class StoredIndex:
    """The samples of the shards of a catalogue; see `DataIndex`. Safe for several threads.

    Args:
        storage: where the folder is.
        folder: URL of the stored index.
        rows: catalogue rows in the order of the shards.
        keep_bytes: most bytes of groups kept in memory.

    Raises:
        UserError: the catalogue has no sample.
    """

    def __init__(self, storage: Storage, folder: str, rows: pa.Table, keep_bytes: int = KEEP_BYTES) -> None:
        self.folder = folder
        self._storage, self._rows = storage, rows.combine_chunks()
        self.shards: Sequence[str] = Texts(_chunk(self._rows, "url"))
        self.shard_counts: I64 = _numbers(self._rows, "samples")
        self._ends: I64 = np.cumsum(self.shard_counts)
        if len(self) == 0:
            raise UserError(f"the index {folder} has no sample of these shards; run webssl index again")
        sizes = _chunk(self._rows, "group_bytes")
        self._bytes: NDArray[np.uint32] = sizes.flatten().to_numpy(zero_copy_only=False)
        self._checks: NDArray[np.uint64] = (
            _chunk(self._rows, "group_checks").flatten().to_numpy(zero_copy_only=False)
        )
        lengths = pc.list_value_length(sizes).to_numpy(zero_copy_only=False).astype(np.int64)
        self._groups: I64 = np.cumsum(lengths) - lengths
        self._at = self._places(lengths)
        self._keep, self._held = keep_bytes, 0
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, Any] = OrderedDict()
        self._digest = ""
        self.bytes_read = 0

    def _places(self, lengths: I64) -> I64:
        """First byte of each group in its part."""
        before = np.cumsum(self._bytes, dtype=np.int64) - self._bytes
        some = lengths > 0
        shift = np.zeros(lengths.size, dtype=np.int64)
        shift[some] = _numbers(self._rows, "first_byte")[some] - before[self._groups[some]]
        return before + np.repeat(shift, lengths)

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._ends.size else 0

    @property
    def digest(self) -> str:
        """`catalog-` and the digest of the catalogue rows, which hold a checksum of every group."""
        if not self._digest:
            self._digest = CATALOG + digest_of(rows_to_bytes(self._rows))
        return self._digest

    @property
    def nbytes(self) -> int:
        """Bytes in memory without the groups in use."""
        arrays = (self.shard_counts, self._ends, self._bytes, self._checks, self._groups, self._at)
        return sum(array.nbytes for array in arrays) + int(self._rows.nbytes)

    @property
    def held_bytes(self) -> int:
        """Bytes of the groups in memory."""
        return self._held

    @property
    def damage(self) -> list[ShardDamage]:
        """Shards that are missing or could not be read to their end."""
        rows = self._rows.select(["url", "damage"]).filter(pc.field("damage").is_valid())
        return [ShardDamage(row["url"], row["damage"]) for row in rows.to_pylist()]

    @property
    def without_image(self) -> int:
        """Samples that were left out because they have no image."""
        return int(_numbers(self._rows, "without_image").sum())

    @property
    def image_bytes(self) -> int:
        """Sum of the lengths of all images."""
        return int(_numbers(self._rows, "image_bytes").sum())

    @property
    def span_bytes(self) -> int:
        """Bytes of all shards up to the end of their last image."""
        return int(_numbers(self._rows, "span").sum())

    def count_with(self, ext: str) -> int:
        """How many samples have a further member with this extension (lower case)."""
        return self.counts("members").get(ext, 0)

    def counts(self, column: Literal["formats", "members"]) -> dict[str, int]:
        """Samples by extension: of the images ("formats") or of the other members ("members")."""
        flat = _chunk(self._rows, column).flatten()
        table = pa.table({"ext": flat.field("ext"), "count": flat.field("count")})
        summed = table.group_by("ext").aggregate([("count", "sum")]).sort_by("ext")
        return {row["ext"]: row["count_sum"] for row in summed.to_pylist()}

    def shard_digest(self, shard: int) -> str:
        """SHA-256 of what is known of a shard: URL, size, version and the checksums of its groups; 32 hexadecimal digits."""
        first = int(self._groups[shard])
        last = first + -(-int(self.shard_counts[shard]) // GROUP)
        names = ("url", "size", "version")
        known = " ".join(str(_chunk(self._rows, name)[shard].as_py()) for name in names)
        return hashlib.sha256(f"{known}\n".encode() + self._checks[first:last].tobytes()).hexdigest()[:32]

    def keys_of(self, shard: int) -> Any:
        """Keys of the samples of a shard in order."""
        first = int(self._groups[shard])
        numbers = range(first, first + -(-int(self.shard_counts[shard]) // GROUP))
        groups = self._load(list(numbers), keep=False)
        if not groups:
            return pa.array([], pa.large_string())
        return pa.concat_arrays([groups[number].column("key") for number in numbers])

    def problem_of(self, shard: int) -> str | None:
        """What the groups of a shard have that its catalogue row has not; None when they agree."""
        first = int(self._groups[shard])
        count, expected = 0, int(self.shard_counts[shard])
        total, end = 0, -1
        for number in range(first, first + -(-expected // GROUP)):
            try:
                batch = self._load([number], keep=False)[number]
            except UserError as error:
                return f"can not be read ({error})"
            offsets, lengths = batch.column("offset").to_numpy(), batch.column("length").to_numpy()
            starts = np.concatenate(([end], offsets))
            if np.any(np.diff(starts) <= 0):
                return "has samples that do not follow each other"
            count, total, end = count + batch.num_rows, total + int(lengths.sum()), int(offsets[-1])
        recorded = int(_numbers(self._rows, "image_bytes")[shard])
        if (count, total) != (expected, recorded):
            return f"has {count} samples of {total} bytes, and its catalogue says {expected} of {recorded}"
        return None

    def locate(self, index: int) -> SampleRef:
        """Where a sample lies; raises IndexError when there is none."""
        return self.locate_all([index])[0]

    def locate_all(self, numbers: Sequence[int]) -> list[SampleRef]:
        """`locate` of many samples; the groups that are not in memory are read at the same time.

        Raises:
            IndexError: no such sample.
            UserError: the stored index is gone or damaged.
        """
        wanted = np.asarray(numbers, dtype=np.int64)
        if wanted.size and not 0 <= int(wanted.min()) <= int(wanted.max()) < len(self):
            raise IndexError(f"a sample is outside [0, {len(self)})")
        shard = np.searchsorted(self._ends, wanted, side="right")
        within = wanted - (self._ends - self.shard_counts)[shard]
        group = self._groups[shard] + within // GROUP
        loaded = self._load(np.unique(group).tolist())
        return [
            _ref(loaded[g], row, number, self.shards[s])
            for g, row, number, s in zip(
                group.tolist(), (within % GROUP).tolist(), wanted.tolist(), shard.tolist(), strict=True
            )
        ]

    def _load(self, numbers: list[int], keep: bool = True) -> dict[int, Any]:
        """Groups by number, from memory or from the storage."""
        with self._lock:
            found = {number: self._cache[number] for number in numbers if number in self._cache}
            for number in found:
                self._cache.move_to_end(number)
        missing = [number for number in numbers if number not in found]
        if missing:
            fresh = self._read(missing)
            found.update(fresh)
            if keep:
                self._remember(fresh)
        return found

    def _read(self, numbers: list[int]) -> dict[int, Any]:
        shards = np.searchsorted(self._groups, np.array(numbers), side="right") - 1
        parts = _chunk(self._rows, "part")
        ranges = []
        for number, shard in zip(numbers, shards.tolist(), strict=True):
            url = join(self.folder, "parts", f"{parts[shard].as_py()}.bin")
            first = int(self._at[number])
            ranges.append(ByteRange(url, first, first + int(self._bytes[number])))
        got = fetch(self._storage, ranges)
        groups = {}
        for number, item, data in zip(numbers, ranges, got.pieces, strict=True):
            if data is None or check_of(data) != int(self._checks[number]):
                what = "is gone or cut" if data is None else "has other contents than the catalogue says"
                raise UserError(
                    f"{item.url}, a part of the stored index, {what}; run webssl index again, or restore it"
                )
            groups[number] = unpack_group(data)
        with self._lock:
            self.bytes_read += got.bytes_read
        return groups

    def _remember(self, groups: dict[int, Any]) -> None:
        with self._lock:
            for number, batch in groups.items():
                if number not in self._cache:
                    self._cache[number] = batch
                    self._held += batch.nbytes
            while self._held > self._keep and len(self._cache) > 1:
                _, old = self._cache.popitem(last=False)
                self._held -= old.nbytes

    def to_bytes(self) -> bytes:
        """The catalogue as a file; see `rows_from_bytes`."""
        return rows_to_bytes(self._rows)

    @classmethod
    def from_bytes(cls, storage: Storage, folder: str, data: bytes) -> StoredIndex:
        """The index of such a file; raises ValueError when it is none."""
        return cls(storage, folder, rows_from_bytes(data))


def _ref(batch: Any, row: int, number: int, shard: str) -> SampleRef:
    extras = batch.column("extras")[row].as_py()
    parts = [Part(item["ext"], item["offset"], item["length"]) for item in extras]
    return SampleRef(
        index=number,
        shard=shard,
        key=batch.column("key")[row].as_py(),
        ext=batch.column("ext")[row].as_py(),
        offset=batch.column("offset")[row].as_py(),
        length=batch.column("length")[row].as_py(),
        extras={part.ext: part for part in parts},
    )


def _chunk(table: pa.Table, name: str) -> Any:
    column = table[name]
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _numbers(table: pa.Table, name: str) -> I64:
    found: I64 = _chunk(table, name).to_numpy(zero_copy_only=False)
    return found
