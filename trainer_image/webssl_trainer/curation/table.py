"""The table that comes out: a folder of Parquet files and a manifest, which is written last and names them all.

A table's folder is named by what it is made from and is never changed, so a run that filters by it, or a pass that is
finished twice, meets the same rows. `current.json` beside the tables names the newest.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from webssl_trainer.curation.parts import to_parquet
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, StorageNotFoundError, join

TABLES, MANIFEST, CURRENT = (
    "tables",
    "_manifest.json",
    "current.json",
)  # readers of a folder of Parquet files pass over names with _
META = b"webssl.curation"
VERSION = 1


@dataclass(frozen=True)
class TableFile:
    """name: within the table's folder. sha256: of its bytes."""

    name: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True)
class TableManifest:
    """What a table is.

    Attributes:
        source: the shards, as the pass named them; index: folder of a stored index or "".
        rows: one for each sample.
        failures: samples without scores, by cause.
        scorers: what each scorer's values depend on.
        thresholds: of text_class; see `calibration.TextThresholds`. None without a text scorer.
        classes: rows by text_class, where there is one.
        duplicates: rows by kind of duplicate, and pairs not compared; None where nobody looked.
        files: in the order of the samples.
    """

    source: str
    index: str
    rows: int
    failures: dict[str, int]
    scorers: dict[str, Any]
    thresholds: dict[str, float | None] | None
    classes: dict[str, int]
    duplicates: dict[str, int] | None
    files: list[TableFile] = field(default_factory=list)
    version: int = VERSION

    def to_bytes(self) -> bytes:
        """As JSON; equal manifests give equal bytes."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, 64 hexadecimal digits; it covers the checksums of all files."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, data: bytes) -> TableManifest:
        """Read it back. Raises ValueError, TypeError or KeyError for anything else."""
        found = json.loads(data)
        if found["version"] != VERSION:
            raise ValueError(f"version {found['version']} is not {VERSION}")
        return cls(**{**found, "files": [TableFile(**item) for item in found["files"]]})


def table_folder(output: str, made_from: str) -> str:
    """Folder of the table that is made from things with this digest."""
    return join(output, TABLES, made_from)


def read_manifest(storage: Storage, table: str) -> TableManifest:
    """The manifest of a table's folder, or of the newest table of a pass's folder.

    Raises:
        UserError: there is none, or it is damaged.
    """
    return open_manifest(storage, table)[1]


def open_manifest(storage: Storage, table: str) -> tuple[str, TableManifest]:
    """As `read_manifest`, and the table's folder."""
    for folder in _candidates(storage, table.rstrip("/")):
        try:
            return folder, TableManifest.from_bytes(storage.read(join(folder, MANIFEST)))
        except StorageNotFoundError:
            continue
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{join(folder, MANIFEST)} is damaged ({error}): finish the pass again"
            ) from error
    raise UserError(
        f"{table} is no table of webssl curate: it has neither {MANIFEST} nor {CURRENT}; name the folder that "
        "webssl curate run printed, or the one it was given"
    )


def _candidates(storage: Storage, table: str) -> Iterator[str]:
    yield table
    try:
        current = json.loads(storage.read(join(table, CURRENT)))
    except (StorageNotFoundError, ValueError):
        return
    yield table_folder(table, str(current["table"]))


class TableWriter:
    """Writes the files of a table, then its manifest. The same rows written again are the same objects.

    Args:
        storage: where it goes.
        folder: of the table.
        meta: what every file says in its schema's metadata.
    """

    def __init__(self, storage: Storage, folder: str, meta: dict[str, Any]) -> None:
        self._storage, self._folder = storage, folder
        self._meta = {META: json.dumps(meta, sort_keys=True).encode()}
        self.files: list[TableFile] = []

    def add(self, rows: Sequence[pa.Table]) -> None:
        """One file."""
        table = pa.concat_tables(rows).unify_dictionaries().combine_chunks()
        data = to_parquet(table.replace_schema_metadata(self._meta))
        name = f"part-{len(self.files):05d}.parquet"
        self._storage.put(join(self._folder, name), data)
        self.files.append(TableFile(name, table.num_rows, len(data), hashlib.sha256(data).hexdigest()))

    def commit(self, manifest: TableManifest, output: str) -> None:
        """Write the manifest, and name the table as the newest of its pass."""
        self._storage.put(join(self._folder, MANIFEST), manifest.to_bytes())
        current = {"table": self._folder.rpartition("/")[2], "digest": manifest.digest, "rows": manifest.rows}
        self._storage.put(join(output, CURRENT), (json.dumps(current, indent=1) + "\n").encode())


def read_rows(
    storage: Storage, folder: str, manifest: TableManifest, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """The files of a table in order, each as a table of the named columns.

    Raises:
        UserError: a file has other bytes than the manifest says.
    """
    for item in manifest.files:
        data = storage.read(join(folder, item.name))
        if hashlib.sha256(data).hexdigest() != item.sha256:
            raise UserError(
                f"{join(folder, item.name)} has other bytes than its manifest says: finish the pass again"
            )
        yield pq.read_table(io.BytesIO(data), columns=list(columns) if columns is not None else None)
