"""Building the index of a data set once, and finding it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import structlog

from webssl_trainer.data.index import ShardDamage, shards_digest
from webssl_trainer.data.index_table import TableIndex
from webssl_trainer.data.samples import ShardSample, group_members
from webssl_trainer.data.shards import Shard, expand_source
from webssl_trainer.data.tar_index import index_tar
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, StorageNotFoundError, join, scheme_of

Progress = Callable[[int, int], None]
_log = structlog.get_logger(__name__)
_REQUEST_BYTES = {"s3": 1 << 20}
_LOCAL_REQUEST_BYTES = 1 << 16


def index_url(cache: str, digest: str) -> str:
    """Where the index of a list of shards is kept under a run's folder: `{cache}/index/{digest}.arrow`."""
    return join(cache, "index", f"{digest}.arrow")


def load_index(storage: Storage, cache: str, digest: str) -> TableIndex:
    """The index that an earlier start of the run built, by the digest in its checkpoint.

    Raises:
        UserError: it is gone, or is not an index.
    """
    url = index_url(cache, digest)
    try:
        return TableIndex.from_bytes(storage.read(url))
    except StorageNotFoundError as error:
        raise UserError(
            f"the data index {url} that the checkpoint names is gone; restore it, or start a new run"
        ) from error
    except ValueError as error:
        raise UserError(
            f"the data index {url} is damaged ({error}); restore it, or start a new run"
        ) from error


def load_or_build_index(
    storage: Storage,
    source: str | Sequence[str],
    cache: str | None = None,
    threads: int = 8,
    progress: Progress | None = None,
) -> TableIndex:
    """The index of a source: read from `cache` when it is there for exactly these shards, else built and kept.

    Args:
        storage: for both the shards and the cache.
        source: see `expand_source`.
        cache: the run's checkpoint folder; None keeps nothing.
        threads: shards indexed at the same time.
        progress: called with (shards done, shards in all) while it is built.

    Raises:
        UserError: no shard, or no image in any shard.
    """
    shards = expand_source(storage, source)
    url = index_url(cache, shards_digest(shards)) if cache is not None else None
    if url is not None:
        kept = _kept(storage, url)
        if kept is not None:
            return kept
    index = build_index(storage, shards, threads, progress)
    if url is not None:
        storage.put(url, index.to_bytes())
    return index


def _kept(storage: Storage, url: str) -> TableIndex | None:
    try:
        return TableIndex.from_bytes(storage.read(url))
    except StorageNotFoundError:
        return None
    except ValueError as error:
        _log.warning("data.index_unreadable", url=url, error=str(error))
        return None


def build_index(
    storage: Storage, shards: Sequence[Shard], threads: int = 8, progress: Progress | None = None
) -> TableIndex:
    """Indexes shards in parallel; the result does not depend on the number of threads.

    A missing, truncated or damaged shard is logged by name, and counted in `TableIndex.damage`; its samples
    before the damage are used.

    Raises:
        UserError: there is no image in any shard.
    """
    found: list[list[ShardSample]] = [[] for _ in shards]
    damage: list[ShardDamage | None] = [None] * len(shards)
    without_image = 0
    with ThreadPoolExecutor(max_workers=max(1, threads), thread_name_prefix="index") as pool:
        jobs = {pool.submit(scan_shard, storage, shard): at for at, shard in enumerate(shards)}
        try:
            for done, job in enumerate(as_completed(jobs), start=1):
                at = jobs[job]
                found[at], reason, lacking = job.result()
                without_image += lacking
                if reason is not None:
                    damage[at] = ShardDamage(shards[at].url, reason)
                if progress is not None:
                    progress(done, len(shards))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    known = [item for item in damage if item is not None]
    for item in known:
        _log.warning("data.shard_damaged", shard=item.shard, reason=item.reason)
    if not any(found):
        first = f"; first damage: {known[0].shard}: {known[0].reason}" if known else ""
        raise UserError(
            f"no image in {len(shards)} shards from {shards[0].url} on ({without_image} samples without an "
            f"image{first}); a shard is an uncompressed tar with members such as 0001.jpg, 0001.txt"
        )
    return TableIndex.of(shards, found, known, without_image)


def scan_shard(storage: Storage, shard: Shard) -> tuple[list[ShardSample], str | None, int]:
    """Samples of a shard by range reads, why it could not be read to its end, and how many samples have no image."""
    if shard.size < 0:
        return [], "missing", 0
    request = _REQUEST_BYTES.get(scheme_of(shard.url), _LOCAL_REQUEST_BYTES)
    try:
        tar = index_tar(lambda start, end: storage.read(shard.url, start, end), shard.size, request)
    except StorageNotFoundError:
        return [], "missing", 0
    samples, lacking = group_members(tar.members)
    return samples, tar.damage, lacking
