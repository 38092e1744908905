"""The index of a data set as one table in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal, cast

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from webssl_trainer.data.index import INDEX_VERSION, SampleRef, ShardDamage, shards_digest
from webssl_trainer.data.samples import Part, ShardSample
from webssl_trainer.data.shards import Shard

_META = b"webssl.index"


class TableIndex:
    """All samples of a data set in shard order, as columns (about 40 bytes a sample and its key).

    See `webssl_trainer.data.index.DataIndex`.

    Attributes:
        digest: identity of the list of shards that was indexed; a checkpoint records it, and a resumed run
            loads that very index, whatever has been added to the bucket since.
        shards: URLs of the shards.
        damage: shards that are missing or could not be read to their end.
        without_image: samples that were left out because they have no image.
    """

    def __init__(self, table: pa.Table) -> None:
        meta = json.loads(table.schema.metadata[_META])
        if meta["version"] != INDEX_VERSION:
            raise ValueError(f"index version {meta['version']} is not {INDEX_VERSION}")
        self.digest: str = meta["digest"]
        self.shards: list[str] = meta["shards"]
        self.damage = [ShardDamage(**item) for item in meta["damage"]]
        self.without_image: int = meta["without_image"]
        self._exts: list[str] = meta["exts"]
        self._table = table.combine_chunks()
        self._shard = _column(self._table, "shard")
        self._offset = _column(self._table, "offset")
        self._length = _column(self._table, "length")
        self._ext = _column(self._table, "ext")
        self.shard_counts: NDArray[np.int64] = np.bincount(self._shard, minlength=len(self.shards))
        self._bounds = np.concatenate(([0], np.cumsum(self.shard_counts))).tolist()

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @property
    def image_bytes(self) -> int:
        """Sum of the lengths of all images."""
        return int(self._length.sum(dtype=np.int64))

    @property
    def span_bytes(self) -> int:
        """Bytes of all shards up to the end of their last image (what reading them whole would cost)."""
        last = np.flatnonzero(np.diff(self._shard.astype(np.int64), append=-1))
        return int((self._offset[last] + self._length[last]).sum(dtype=np.int64))

    def count_with(self, ext: str) -> int:
        """How many samples have a further member with this extension (lower case)."""
        return self.counts("members").get(ext, 0)

    def counts(self, column: Literal["formats", "members"]) -> dict[str, int]:
        """Samples by extension: of the images ("formats") or of the other members ("members")."""
        codes = self._ext
        if column == "members" and len(self):
            parts = self._table["extras"].combine_chunks().flatten()
            codes = parts.field("ext").to_numpy(zero_copy_only=False)
        found = np.bincount(codes, minlength=len(self._exts)).tolist() if codes.size and len(self) else []
        return {ext: number for ext, number in sorted(zip(self._exts, found, strict=False)) if number}

    def locate(self, index: int) -> SampleRef:
        """Where sample `index` (0-based) lies.

        Raises:
            IndexError: no such sample.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} is outside [0, {len(self)})")
        extras = self._table["extras"][index].as_py()
        parts = [Part(self._exts[item["ext"]], item["offset"], item["length"]) for item in extras]
        return SampleRef(
            index=index,
            shard=self.shards[int(self._shard[index])],
            key=str(self._table["key"][index].as_py()),
            ext=self._exts[int(self._ext[index])],
            offset=int(self._offset[index]),
            length=int(self._length[index]),
            extras={part.ext: part for part in parts},
        )

    def locate_all(self, numbers: Sequence[int]) -> list[SampleRef]:
        """`locate` of many samples."""
        return [self.locate(number) for number in numbers]

    def shard_digest(self, shard: int) -> str:
        """SHA-256 of a shard's URL and of keys and places of its samples; 32 hexadecimal digits."""
        first, last = self._bounds[shard], self._bounds[shard + 1]
        found = hashlib.sha256(f"{self.shards[shard]}\n".encode())
        found.update("\n".join(self.keys_of(shard).to_pylist()).encode())
        for column in (self._offset, self._length):
            found.update(column[first:last].tobytes())
        return found.hexdigest()[:32]

    def keys_of(self, shard: int) -> pa.Array:
        """Keys of the samples of a shard in order, as an Arrow array of strings."""
        first, last = self._bounds[shard], self._bounds[shard + 1]
        return self._table["key"].slice(first, last - first).combine_chunks()

    def to_bytes(self) -> bytes:
        """The index as an Arrow IPC file."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, self._table.schema) as writer:
            writer.write_table(self._table)
        return cast(bytes, sink.getvalue().to_pybytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> TableIndex:
        """The index of an Arrow IPC file, without copying the columns.

        Raises:
            ValueError: not such a file, or another version.
        """
        try:
            table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
            return cls(table)
        except (pa.ArrowInvalid, KeyError, TypeError) as error:
            raise ValueError(f"not an index file: {error}") from error

    @classmethod
    def of(
        cls,
        shards: Sequence[Shard],
        samples: Sequence[Sequence[ShardSample]],
        damage: Sequence[ShardDamage] = (),
        without_image: int = 0,
    ) -> TableIndex:
        """The index of shards whose samples are known, in the order given."""
        exts: dict[str, int] = {}
        parts = [_shard_table(number, found, exts) for number, found in enumerate(samples)]
        meta = {
            "version": INDEX_VERSION,
            "digest": shards_digest(shards),
            "shards": [shard.url for shard in shards],
            "damage": [asdict(item) for item in damage],
            "without_image": without_image,
            "exts": list(exts),
        }
        table = pa.concat_tables(parts) if parts else _SCHEMA.empty_table()
        return cls(table.replace_schema_metadata({_META: json.dumps(meta).encode()}))


_PART = pa.struct([("ext", pa.uint16()), ("offset", pa.int64()), ("length", pa.int64())])
_SCHEMA = pa.schema(
    [
        ("shard", pa.uint32()),
        ("key", pa.large_string()),
        ("ext", pa.uint16()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("extras", pa.large_list(_PART)),
    ]
)


def _shard_table(number: int, samples: Sequence[ShardSample], exts: dict[str, int]) -> pa.Table:
    def code(part: Part) -> int:
        return exts.setdefault(part.ext, len(exts))

    columns = {
        "shard": [number] * len(samples),
        "key": [sample.key for sample in samples],
        "ext": [code(sample.image) for sample in samples],
        "offset": [sample.image.offset for sample in samples],
        "length": [sample.image.length for sample in samples],
        "extras": [
            [{"ext": code(part), "offset": part.offset, "length": part.length} for part in sample.extras]
            for sample in samples
        ],
    }
    return pa.table(columns, schema=_SCHEMA)


def _column(table: pa.Table, name: str) -> NDArray[np.int64]:
    column = table[name]
    if column.num_chunks == 0:
        return np.empty(0, dtype=np.int64)
    return cast(NDArray[np.int64], column.chunk(0).to_numpy(zero_copy_only=True))
