"""How a stored index lies in its folder: groups of samples in parts, and a catalogue with a row for each shard.

    parts/<digest>.bin           groups of up to 1,024 samples, one after the other; the shards of a part are whole
    pieces/<digest>.arrow        catalogue rows of a part, while the index is being made
    catalogs/<digest>.arrow      the catalogue of a whole index
    current.json                 which catalogue is the newest, and its sums

Objects are named by their contents and never change, so a run that was started with a catalogue can read what it
names for as long as the folder is there.

A group is `uint32 length of its plain form`, then that form under Zstandard: an Arrow record batch of GROUP_SCHEMA.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa  # type: ignore[import-untyped]

from webssl_trainer.data.samples import ShardSample
from webssl_trainer.data.shards import Shard

VERSION = 1
GROUP = 1024
"""Samples in a group; the last of a shard has fewer."""
CATALOG = "catalog-"
FOLDER = "_webssl_index"
"""Name of the folder beside the shards."""
_META = b"webssl.catalog"

_PART = pa.struct([("ext", pa.string()), ("offset", pa.int64()), ("length", pa.int64())])
GROUP_SCHEMA = pa.schema(
    [
        ("key", pa.large_string()),
        ("ext", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("extras", pa.large_list(_PART)),
    ]
)
_COUNTS = pa.list_(pa.struct([("ext", pa.string()), ("count", pa.int64())]))
ROW_SCHEMA = pa.schema(
    [
        ("url", pa.large_string()),
        ("size", pa.int64()),
        ("version", pa.string()),
        ("samples", pa.int64()),
        ("image_bytes", pa.int64()),
        ("span", pa.int64()),
        ("without_image", pa.int64()),
        ("damage", pa.string()),
        ("formats", _COUNTS),
        ("members", _COUNTS),
        ("part", pa.string()),
        ("first_byte", pa.int64()),
        ("group_bytes", pa.list_(pa.uint32())),
        ("group_checks", pa.list_(pa.uint64())),
    ]
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Packed:
    """A shard's catalogue row, without its place in a part, and its groups."""

    row: Row
    groups: list[bytes]


def pack_shard(
    shard: Shard, samples: Sequence[ShardSample], damage: str | None, without_image: int
) -> Packed:
    """The stored form of what was found in a shard."""
    groups = [_pack_group(samples[at : at + GROUP]) for at in range(0, len(samples), GROUP)]
    row = {
        "url": shard.url,
        "size": shard.size,
        "version": shard.version,
        "samples": len(samples),
        "image_bytes": sum(sample.image.length for sample in samples),
        "span": max((sample.image.offset + sample.image.length for sample in samples), default=0),
        "without_image": without_image,
        "damage": damage,
        "formats": _counted(sample.image.ext for sample in samples),
        "members": _counted(part.ext for sample in samples for part in sample.extras),
        "group_bytes": [len(group) for group in groups],
        "group_checks": [check_of(group) for group in groups],
    }
    return Packed(row, groups)


def _counted(exts: Any) -> list[dict[str, Any]]:
    return [{"ext": ext, "count": count} for ext, count in sorted(Counter(exts).items())]


def _pack_group(samples: Sequence[ShardSample]) -> bytes:
    columns = [
        pa.array([sample.key for sample in samples], GROUP_SCHEMA.field("key").type),
        pa.array([sample.image.ext for sample in samples], pa.string()),
        pa.array([sample.image.offset for sample in samples], pa.int64()),
        pa.array([sample.image.length for sample in samples], pa.int64()),
        pa.array(
            [
                [{"ext": part.ext, "offset": part.offset, "length": part.length} for part in sample.extras]
                for sample in samples
            ],
            GROUP_SCHEMA.field("extras").type,
        ),
    ]
    plain = pa.record_batch(columns, schema=GROUP_SCHEMA).serialize()
    packed = pa.compress(plain, codec="zstd", asbytes=True)
    return int(plain.size).to_bytes(4, "little") + cast(bytes, packed)


def unpack_group(data: bytes) -> Any:
    """The record batch of a group."""
    size = int.from_bytes(data[:4], "little")
    return pa.ipc.read_record_batch(
        pa.decompress(data[4:], decompressed_size=size, codec="zstd"), GROUP_SCHEMA
    )


def check_of(data: bytes) -> int:
    """64-bit checksum of a group (BLAKE2b)."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def digest_of(data: bytes) -> str:
    """Name of an object by its contents: SHA-256, 16 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()[:16]


def rows_to_bytes(table: pa.Table) -> bytes:
    """Catalogue rows as an Arrow IPC file; equal rows give equal bytes."""
    table = table.cast(ROW_SCHEMA).combine_chunks()
    table = table.replace_schema_metadata({_META: json.dumps({"version": VERSION}).encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return cast(bytes, sink.getvalue().to_pybytes())


def rows_from_bytes(data: bytes) -> pa.Table:
    """Catalogue rows of such a file.

    Raises:
        ValueError: it is none, or of another version.
    """
    try:
        table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
        meta = json.loads(table.schema.metadata[_META])
    except (pa.ArrowInvalid, OSError, KeyError, TypeError) as error:
        raise ValueError(f"not a catalogue file: {error}") from error
    if meta["version"] != VERSION:
        raise ValueError(f"catalogue version {meta['version']} is not {VERSION}")
    return table.replace_schema_metadata(None)
