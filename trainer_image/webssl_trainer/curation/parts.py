"""The parts of a pass: one Parquet file for each shard, named by what it was made from.

A part is written whole or not at all, so a pass that is stopped goes on with the shards that have none. Its name holds
a digest of the shard's entry in the index and one of the scorers' settings and code: neither a changed shard nor
changed settings find an old part. Its footer holds the counts, so nothing else keeps the score.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from webssl_trainer.curation.interface import Scorer
from webssl_trainer.curation.registry import settings_digest
from webssl_trainer.data import StoredIndex, TableIndex
from webssl_trainer.data.causes import Cause
from webssl_trainer.storage import Storage, StorageNotFoundError, join

PARTS = "parts"
_META = b"webssl.part"
_FOOTER = 16 << 10
Index = StoredIndex | TableIndex

ROW_FIELDS: tuple[tuple[str, Any], ...] = (
    ("shard", pa.dictionary(pa.int32(), pa.string())),
    ("key", pa.string()),
    ("error", pa.dictionary(pa.int8(), pa.string())),
    ("error_reason", pa.string()),
)
"""Columns of every table: which sample a row is about, and why it has no scores (null where it has)."""
_PASSING = frozenset({Cause.MISSING_SHARD, Cause.DENIED_SHARD, Cause.CUT_SHARD})
"""Causes that somebody may have mended before the pass is started again."""


@dataclass(frozen=True)
class PartFacts:
    """What a part says of itself.

    Attributes:
        shard: URL of the shard.
        rows: rows of the part; one for each sample of the shard.
        failures: samples without scores, by cause.
    """

    shard: str
    rows: int
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether scoring the shard again could not change it."""
        return not _PASSING & set(self.failures)


@dataclass(frozen=True)
class Parts:
    """Where the parts of a pass are.

    Attributes:
        storage: what reads and writes.
        output: folder of the pass.
        index: the samples.
        scorers: what scores them.
    """

    storage: Storage
    output: str
    index: Index
    scorers: Sequence[Scorer]

    @property
    def folder(self) -> str:
        """Folder of the parts of these scorers."""
        return join(self.output, PARTS, settings_digest(self.scorers))

    @property
    def schema(self) -> pa.Schema:
        """Columns of a part."""
        return pa.schema([*ROW_FIELDS, *(column for scorer in self.scorers for column in scorer.columns)])

    def url(self, shard: int) -> str:
        """Where the part of a shard is or will be."""
        return join(self.folder, f"{self.index.shard_digest(shard)}.parquet")

    def facts(self, shard: int) -> PartFacts | None:
        """What the part of a shard says; None when there is none, or none of these rows."""
        found = read_facts(self.storage, self.url(shard))
        whole = found is not None and found.rows == int(self.index.shard_counts[shard])
        return found if whole else None

    def write(self, shard: int, table: pa.Table, facts: PartFacts) -> None:
        """Write the part of a shard, or write the same once more."""
        meta = {_META: json.dumps(asdict(facts)).encode()}
        self.storage.put(self.url(shard), to_parquet(table.cast(self.schema).replace_schema_metadata(meta)))

    def read(self, shard: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of a part. Raises StorageNotFoundError."""
        return pq.read_table(io.BytesIO(self.storage.read(self.url(shard))), columns=columns)


def to_parquet(table: pa.Table) -> bytes:
    """A table as a Parquet file; equal tables give equal bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=1 << 17)
    return sink.getvalue()


def read_facts(storage: Storage, url: str) -> PartFacts | None:
    """The facts in the footer of a part; None when it is not there or not such a file."""
    try:
        size = storage.size(url)
        tail = storage.read(url, max(0, size - _FOOTER), size)
        footer = int.from_bytes(tail[-8:-4], "little") + 8
        if len(tail) < footer:
            tail = storage.read(url, max(0, size - footer), size)
        # a Parquet reader wants the file's first bytes, too, and asks for no others while it reads the footer
        schema = pq.read_schema(io.BytesIO(b"PAR1" + tail[-footer:]))
        return PartFacts(**json.loads(schema.metadata[_META]))
    except (StorageNotFoundError, pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError):
        return None
