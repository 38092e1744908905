"""Making a stored index: in parallel, in bounded memory, going on where an earlier try ended.

Every few hundred shards their groups are written as a part and their catalogue rows as a piece, so a stop costs at
most those. A shard whose size and version are those of a known row is not read again; the same holds for an index
to which shards were added.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import structlog

from webssl_trainer.data.index_build import scan_shard
from webssl_trainer.data.shards import Shard, expand_source
from webssl_trainer.data.store_find import Current, named_by, read_current
from webssl_trainer.data.store_format import (
    ROW_SCHEMA,
    VERSION,
    Packed,
    Row,
    digest_of,
    pack_shard,
    rows_from_bytes,
    rows_to_bytes,
)
from webssl_trainer.data.stored_index import StoredIndex
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, StorageNotFoundError, join

Progress = Callable[[int, int], None]
Name = tuple[str, int, str]
_log = structlog.get_logger(__name__)
_PART_SHARDS = 512
_PART_BYTES = 16 << 20
_PART_SECONDS = 60.0


@dataclass
class Made:
    """What `make_store` did.

    Attributes:
        current: sums of the whole index.
        read: shards that were read now.
        known: shards that were known from an earlier time.
        dropped: shards of earlier tries that are no longer there, or no longer the same.
    """

    current: Current
    read: int
    known: int
    dropped: int


def make_store(
    storage: Storage,
    source: str | Sequence[str],
    folder: str,
    threads: int = 16,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Made:
    """Index the shards of a source into a folder, and make the outcome its newest index.

    Shards of the folder's index that the source does not name stay in it, so several sources can share a folder.

    Args:
        storage: for the shards and the folder.
        source: see `expand_source`.
        folder: URL; see `store_format`.
        threads: shards read at the same time. Memory holds two shards' samples for each, and one part.
        progress: called with (shards done, shards in all).
        clock: seconds, for writing what was found at least every minute.

    Raises:
        UserError: no shard, no shard has an image, or what was written does not read back.
    """
    shards = expand_source(storage, source)
    known, others, pieces = _known(storage, folder, source)
    before = len(known)
    todo = [shard for shard in shards if _name(shard) not in known]
    count = len(shards) - len(todo)
    if progress is not None:
        progress(count, len(shards))
    writer = _Writer(storage, folder, clock, known)
    for done, packed in enumerate(_packed(storage, todo, threads), start=count + 1):
        writer.add(packed)
        if progress is not None:
            progress(done, len(shards))
    writer.flush()
    rows = known.of([_name(shard) for shard in shards])
    current = _publish(storage, folder, pa.concat_tables([others, rows]).sort_by("url"))
    for url in [*pieces, *writer.pieces]:
        storage.delete(url)
    return Made(current, len(todo), count, before - count)


def _name(shard: Shard) -> Name:
    return shard.url, shard.size, shard.version


class _Rows:
    """Catalogue rows of shards, found by what they were made from; the rows stay columns, not objects."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self._places: dict[Name, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: Name) -> bool:
        return name in self._places

    def add(self, rows: pa.Table) -> None:
        """Take rows; later ones replace earlier ones of the same shard."""
        names = zip(*(rows[column].to_pylist() for column in ("url", "size", "version")), strict=True)
        self._places.update((name, at) for at, name in enumerate(names, start=self._count))
        self._tables.append(rows)
        self._count += rows.num_rows

    def of(self, names: Sequence[Name]) -> pa.Table:
        """The rows of shards, in the order given."""
        return pa.concat_tables(self._tables).take(
            pa.array([self._places[name] for name in names], pa.int64())
        )


def _known(storage: Storage, folder: str, source: str | Sequence[str]) -> tuple[_Rows, pa.Table, list[str]]:
    """Rows from the newest catalogue and from pieces of tries that did not end: those of the source's shards, the
    catalogue's others, and the pieces' URLs."""
    known, others = _Rows(), ROW_SCHEMA.empty_table()
    current = read_current(storage, folder)
    if current is not None:
        rows = _read(storage, join(folder, "catalogs", f"{current.catalog}.arrow"))
        mine, _ = named_by(storage, source, rows["url"])
        known.add(rows.filter(mine))
        others = rows.filter(pc.invert(mine))
    pieces = [info.url for info in storage.list_objects(join(folder, "pieces"))]
    for url in pieces:
        known.add(_read(storage, url))
    return known, others, pieces


def _read(storage: Storage, url: str) -> pa.Table:
    try:
        return rows_from_bytes(storage.read(url))
    except (ValueError, StorageNotFoundError) as error:
        _log.warning("index.unreadable", url=url, error=str(error))
        return ROW_SCHEMA.empty_table()


def _packed(storage: Storage, shards: Sequence[Shard], threads: int) -> Iterator[Packed]:
    """Shards in order, a bounded number of them in the making."""

    def work(shard: Shard) -> Packed:
        samples, damage, lacking = scan_shard(storage, shard)
        if damage is not None:
            _log.warning("data.shard_damaged", shard=shard.url, reason=damage)
        return pack_shard(shard, samples, damage, lacking)

    waiting: deque[Future[Packed]] = deque()
    pool = ThreadPoolExecutor(max_workers=max(1, threads), thread_name_prefix="index")
    try:
        for shard in shards:
            waiting.append(pool.submit(work, shard))
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass
class _Writer:
    """Gathers shards to parts."""

    storage: Storage
    folder: str
    clock: Callable[[], float]
    known: _Rows
    pieces: list[str] = field(default_factory=list)
    _waiting: list[Row] = field(default_factory=list)
    _data: bytearray = field(default_factory=bytearray)
    _since: float = 0.0

    def add(self, packed: Packed) -> None:
        """Take a shard; write a part when there is enough."""
        if not self._waiting:
            self._since = self.clock()
        self._waiting.append({**packed.row, "first_byte": len(self._data)})
        for group in packed.groups:
            self._data += group
        full = len(self._waiting) >= _PART_SHARDS or len(self._data) >= _PART_BYTES
        if full or self.clock() - self._since > _PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what there is: first the part, then the piece that names it."""
        if not self._waiting:
            return
        data = bytes(self._data)
        part = digest_of(data)
        self.storage.put(join(self.folder, "parts", f"{part}.bin"), data)
        rows = [{**row, "part": part} for row in self._waiting]
        table = pa.Table.from_pylist(rows, schema=ROW_SCHEMA)
        piece = rows_to_bytes(table)
        url = join(self.folder, "pieces", f"{digest_of(piece)}.arrow")
        self.storage.put(url, piece)
        self.pieces.append(url)
        self.known.add(table)
        self._waiting.clear()
        self._data.clear()


def _publish(storage: Storage, folder: str, rows: pa.Table) -> Current:
    if pc.sum(rows["samples"]).as_py() in {0, None}:
        damage = next((item for item in rows["damage"].to_pylist() if item is not None), None)
        raise UserError(
            f"no image in {rows.num_rows} shards from {rows['url'][0].as_py()} on (first damage: {damage}); a shard is "
            "an uncompressed tar with members such as 0001.jpg, 0001.txt"
        )
    data = rows_to_bytes(rows)
    digest = digest_of(data)
    url = join(folder, "catalogs", f"{digest}.arrow")
    storage.put(url, data)
    back = rows_from_bytes(storage.read(url))
    current = Current(
        version=VERSION,
        catalog=digest,
        shards=rows.num_rows,
        samples=pc.sum(back["samples"]).as_py(),
        image_bytes=pc.sum(back["image_bytes"]).as_py(),
        damaged=back.num_rows - back["damage"].null_count,
    )
    if not back.equals(rows.combine_chunks().cast(ROW_SCHEMA)):
        raise UserError(
            f"{url} reads back with other contents than were written: check the storage, and try again"
        )
    storage.put(join(folder, "current.json"), json.dumps(asdict(current), indent=1).encode())
    return current


def verify_store(index: StoredIndex, threads: int = 16, progress: Progress | None = None) -> None:
    """Read every group of a stored index, and compare checksums, counts and sums with the catalogue.

    Raises:
        UserError: naming the first shard that differs.
    """
    with ThreadPoolExecutor(max_workers=max(1, threads), thread_name_prefix="verify") as pool:
        for first in range(0, len(index.shards), 256):
            numbers = range(first, min(first + 256, len(index.shards)))
            for number, problem in zip(numbers, pool.map(index.problem_of, numbers), strict=True):
                if problem is not None:
                    raise UserError(
                        f"the index {index.folder} of {index.shards[number]} {problem}: run webssl index again"
                    )
                if progress is not None:
                    progress(number + 1, len(index.shards))
