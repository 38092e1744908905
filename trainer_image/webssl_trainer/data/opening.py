"""From `spec.data` to what the loader reads: the index and the order, pinned under one digest.

A run over one unfiltered source without a stored index is pinned by the digest of its table (`index/<digest>.arrow`
in the run's folder). All else is pinned by a description, `index/view-<digest>.json`: for each source the digest of
its index and of its selection, its weight, and the numbers of its order. Everything a description names lies beside
it (of a stored index the catalogue, whose parts never change), so neither a changed table nor added shards change a
run that was started before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from webssl_trainer.data.index import DataIndex
from webssl_trainer.data.index_build import index_url, load_index, load_or_build_index
from webssl_trainer.data.mixture import MixtureOrder, source_seed
from webssl_trainer.data.order import Order, SampleOrder
from webssl_trainer.data.read_ranges import suited, suited_neighbours
from webssl_trainer.data.selected import JoinedIndex, SelectedIndex
from webssl_trainer.data.selection import Selection
from webssl_trainer.data.shards import expand_source
from webssl_trainer.data.store_find import find_store
from webssl_trainer.data.store_format import CATALOG
from webssl_trainer.data.stored_index import StoredIndex
from webssl_trainer.data.table_filter import Filter, select
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, StorageNotFoundError, join

_VERSION = 1
_VIEW = "view-"
T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """One source of a run.

    Attributes:
        shards: see `expand_source`.
        weight: its share relative to the others.
        filter: which of its samples are seen; None for all.
        index: folder of a stored index; None looks beside the shards.
    """

    shards: str | Sequence[str]
    weight: float = 1.0
    filter: Filter | None = None
    index: str | None = None


@dataclass(frozen=True)
class OpenData:
    """What a loader needs to know about the data of a run.

    Attributes:
        index: the samples the run sees.
        order: their order.
        digest: what a checkpoint records, so that a resumed run opens the very same.
    """

    index: DataIndex
    order: SampleOrder
    digest: str


@dataclass(frozen=True)
class _Pinned:
    """A source in a description.

    store: the folder that a stored index is read from, "" for a table beside this.
    neighbours: not written where it is 1, as in older descriptions.
    """

    index: str
    store: str
    selection: str | None
    weight: float
    block: int
    window: int
    neighbours: int = 1

    def described(self) -> dict[str, Any]:
        """Fields by name."""
        fields = asdict(self)
        if self.neighbours == 1:
            del fields["neighbours"]
        return fields


def prepare_data(
    storage: Storage,
    sources: Sequence[Source],
    cache: str,
    threads: int = 8,
    neighbours: int | None = None,
    global_batch: int | None = None,
) -> str:
    """Index and filter the sources, keep what came out in the run's folder, and give the digest of it.

    Args:
        storage: for shards, tables and the cache.
        sources: at least one.
        cache: the run's checkpoint folder.
        threads: shards looked at at the same time.
        neighbours: samples side by side in a shard that follow each other in the order, so that a request brings them; a power of
            two. None takes what suits sources with a stored index (`suited_neighbours`), and 1 for others.
        global_batch: samples of a step, if they are known, of which no more than a part may be neighbours.

    Raises:
        UserError: see `load_or_build_index` and `select`; or the neighbours are no power of two.
    """
    if neighbours is not None and (neighbours < 1 or neighbours & (neighbours - 1)):
        raise UserError(f"neighbours={neighbours} is no power of two; use 1, 2, 4, 8, 16, 32 or 64")
    pinned = [_prepared(storage, source, cache, threads, neighbours, global_batch) for source in sources]
    only = pinned[0]
    if len(pinned) == 1 and not only.store and only.selection is None and only.neighbours == 1:
        return only.index
    body = json.dumps({"version": _VERSION, "sources": [item.described() for item in pinned]}, sort_keys=True)
    digest = _VIEW + _short(body.encode())
    storage.put(_url(cache, digest, "json"), body.encode())
    return digest


def _prepared(
    storage: Storage, source: Source, cache: str, threads: int, given: int | None, global_batch: int | None
) -> _Pinned:
    index: DataIndex
    stored = find_store(storage, source.shards, source.index)
    if stored is None:
        index = load_or_build_index(storage, source.shards, cache, threads)
    else:
        index = stored
        storage.put(index_url(cache, stored.digest), stored.to_bytes())
    seen, selection = len(index), None
    if source.filter is not None:
        chosen = select(storage, index, source.filter, threads)
        seen, selection = len(chosen), chosen.digest
        storage.put(_url(cache, selection, "selection"), chosen.to_bytes())
    if stored is None:
        neighbours = given or 1
        block = max(Order.block, neighbours)
        return _Pinned(index.digest, "", selection, source.weight, block, Order.window, neighbours)
    span = stored.span_bytes
    neighbours = given or suited_neighbours(span, len(stored), seen, global_batch)
    order = suited(0, seen, span / seen, neighbours)
    return _Pinned(
        index.digest, stored.folder, selection, source.weight, order.block, order.window, neighbours
    )


def load_data(storage: Storage, cache: str, digest: str, seed: int) -> OpenData:
    """What `prepare_data` kept under a digest.

    Raises:
        UserError: a part of it is gone or damaged.
    """
    if not digest.startswith(_VIEW):
        index = load_index(storage, cache, digest)
        return OpenData(index, Order(seed=seed, size=len(index)), digest)
    pinned = [_Pinned(**item) for item in _read(storage, cache, digest, "json", _description(digest))]
    parts = [_part(storage, cache, item) for item in pinned]
    if len(parts) == 1:
        return OpenData(parts[0], _order(seed, parts[0], pinned[0]), digest)
    orders = tuple(
        _order(source_seed(seed, number), part, item)
        for number, (part, item) in enumerate(zip(parts, pinned, strict=True))
    )
    weights = tuple(item.weight for item in pinned)
    return OpenData(JoinedIndex(parts), MixtureOrder(seed, orders, weights), digest)


def _order(seed: int, index: DataIndex, pinned: _Pinned) -> Order:
    return Order(seed, len(index), pinned.block, pinned.window, pinned.neighbours)


def _part(storage: Storage, cache: str, pinned: _Pinned) -> DataIndex:
    whole = _whole(storage, cache, pinned)
    if pinned.selection is None:
        return whole

    def selection(data: bytes) -> Selection:
        found = Selection.from_bytes(data)
        if found.digest != pinned.selection:
            raise ValueError(f"its contents have the digest {found.digest}")
        return found

    return SelectedIndex(whole, _read(storage, cache, pinned.selection, "selection", selection))


def _whole(storage: Storage, cache: str, pinned: _Pinned) -> DataIndex:
    if not pinned.index.startswith(CATALOG):
        return load_index(storage, cache, pinned.index)

    def stored(data: bytes) -> StoredIndex:
        index = StoredIndex.from_bytes(storage, pinned.store, data)
        if index.digest != pinned.index:
            raise ValueError(f"its contents have the digest {index.digest}")
        return index

    return _read(storage, cache, pinned.index, "arrow", stored)


def check_source(storage: Storage, source: Source) -> None:
    """Whether a source is there: its stored index, or else its shards.

    Raises:
        UserError: neither is.
    """
    if find_store(storage, source.shards, source.index) is None:
        expand_source(storage, source.shards)


def _description(digest: str) -> Callable[[bytes], list[dict[str, Any]]]:
    def sources(data: bytes) -> list[dict[str, Any]]:
        if _VIEW + _short(data) != digest:
            raise ValueError("its contents have another digest")
        view: dict[str, Any] = json.loads(data)
        if view["version"] != _VERSION:
            raise ValueError(f"version {view['version']} is not {_VERSION}")
        found: list[dict[str, Any]] = view["sources"]
        return found

    return sources


def _read(storage: Storage, cache: str, digest: str, ending: str, parse: Callable[[bytes], T]) -> T:
    url = _url(cache, digest, ending)
    try:
        return parse(storage.read(url))
    except StorageNotFoundError as error:
        raise UserError(
            f"{url}, which the checkpoint names, is gone; restore it, or start a new run"
        ) from error
    except ValueError as error:
        raise UserError(f"{url} is damaged ({error}); restore it, or start a new run") from error


def _url(cache: str, digest: str, ending: str) -> str:
    return join(cache, "index", f"{digest}.{ending}")


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
