"""This project's loader, as it comes and with its kinds of caches."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from webssl_trainer.storage import ByteRange, Storage, StorageOptions, open_storage

from benchmarks.data.recipes import SPECS
from benchmarks.data.task import BATCH, NEIGHBOURS, WORKERS, Batches, Task

if TYPE_CHECKING:
    from webssl_trainer.data import CacheSpec
    from webssl_trainer.data.opening import OpenData
    from webssl_trainer.storage import ReadsApart


def _opened(task: Task, storage: Storage, neighbours: int = NEIGHBOURS) -> OpenData:
    """Index and order of the set."""
    from webssl_trainer.data import Source, load_data, prepare_data

    source, folder = Source(f"s3://{task.bucket}/tar/*.tar"), f"s3://{task.bucket}/run"
    return load_data(storage, folder, prepare_data(storage, [source], folder, neighbours=neighbours), seed=0)


def ours(
    task: Task,
    keep_bytes: int = 0,
    storage: Storage | None = None,
    cache: CacheSpec | None = None,
    reads: ReadsApart | None = None,
    neighbours: int = NEIGHBOURS,
) -> Batches:
    """This project's loader: a stored index, threads; nothing is kept, as for a data set that is larger than memory."""
    from webssl_trainer.data import BatchPlan, Loader

    storage = storage or open_storage()
    data = _opened(task, storage, neighbours)
    plan = BatchPlan(global_batch=BATCH, group_size=1, micro_batch=BATCH)
    steps = task.images // BATCH
    with Loader(
        storage=storage, index=data.index, order=data.order, plan=plan, crops=SPECS[task.crops], rank=0, world=1, seed=0,
        start_position=task.first, steps=steps, workers=WORKERS, keep_bytes=keep_bytes, cache=cache, reads=reads,
    ) as loader:  # fmt: skip
        for step in loader:
            for batch in step.batches:
                yield batch.positions


def apart(task: Task) -> Batches:
    """As `ours`, with a process that makes the requests from the first one on, as in a run that is longer than this."""
    from webssl_trainer.storage import read_apart

    storage = open_storage()
    reads = read_apart(storage)
    assert reads is not None
    with closing(reads):
        assert reads.is_up(60.0)
        yield from ours(task, storage=storage, reads=reads)


def scattered(task: Task) -> Batches:
    """As `ours`, with an order that keeps no neighbours together, so each sample is a request of its own."""
    return ours(task, neighbours=1)


def kept(task: Task) -> Batches:
    """As `ours`, with a data set that is small enough to be kept in memory, which is the default up to 128 MiB."""
    return ours(task, keep_bytes=1 << 30)


def fsspec(task: Task) -> Batches:
    """As `ours`, with ranges read by s3fs."""
    from webssl_trainer.storage import FsspecStorage

    return ours(task, storage=FsspecStorage(StorageOptions.from_env()))


def cached(task: Task) -> Batches:
    """As `ours`, with blocks read whole into a folder of the local disk."""
    from webssl_trainer.data import CacheSpec

    return ours(task, cache=CacheSpec(Path(tempfile.mkdtemp()), 1 << 30))


def bringing(task: Task) -> Batches:
    """All blocks into the cache of `cached`, and no image read: what the cache costs beside the reading from it.

    With one image, only the start of that.
    """
    from webssl_trainer.data.block_cache import BlockCache
    from webssl_trainer.data.chunk_store import ChunkStore
    from webssl_trainer.data.filling import Filling

    storage = open_storage()
    data = _opened(task, storage)
    cache = BlockCache(storage, ChunkStore(Path(tempfile.mkdtemp()), 1 << 30, data.index.digest))
    cache.cat_ranges([ByteRange(data.index.locate(0).shard, 0, 1024)])
    if task.images == 1:
        yield list(range(task.images))
        return
    filling = Filling(cache, data.index, data.order, lambda: 0, 1.0)
    before = -1
    while cache.bytes_read > before or not before:  # nothing more came for a second
        before = cache.bytes_read
        time.sleep(1.0)
    filling.close()
    yield list(range(task.images))
