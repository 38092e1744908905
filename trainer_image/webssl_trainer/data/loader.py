"""The loader: batches of one process in the exact order, from any position on, read and decoded ahead."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
import structlog
from numpy.typing import NDArray

from webssl_trainer.data.assemble import Assembler, Built
from webssl_trainer.data.batch import BadDataError, Batch, StepBatches
from webssl_trainer.data.block_cache import BlockCache, CacheSpec, Source
from webssl_trainer.data.chunk_store import ChunkStore
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.data.decode import MAX_PIXELS
from webssl_trainer.data.fill_plan import MOST_READ, read_over_used
from webssl_trainer.data.filling import Filling
from webssl_trainer.data.index import DataIndex
from webssl_trainer.data.order import SampleOrder
from webssl_trainer.data.plan import BatchPlan, micro_batch_size, micro_batches, rank_positions
from webssl_trainer.data.planned import planned
from webssl_trainer.data.small_set import KeptRanges
from webssl_trainer.data.views import ViewMaker, ViewPool, WorkerKind
from webssl_trainer.storage import Storage, read_apart

_log = structlog.get_logger(__name__)
_FREE_STAND_INS = 10


@dataclass
class LoaderCounters:
    """What a loader did since it was made, for metrics.

    Attributes:
        data_wait_seconds: time its caller waited for batches.
        bytes_read: bytes that came from the storage (a small data set that is kept comes once; with a cache what this
            process brought).
        bytes_used: bytes of samples.
        bytes_cached: bytes of those that came from the cache on the local disk.
        cache_troubles: what kept chunks out of that cache, by cause: "full", "damaged", "disk".
        samples: positions handed out.
        stand_ins: positions of those that a stand-in filled.
        broken: broken samples met, broken stand-ins included.
    """

    data_wait_seconds: float = 0.0
    bytes_read: int = 0
    bytes_used: int = 0
    bytes_cached: int = 0
    cache_troubles: Mapping[str, int] = field(default_factory=dict)
    samples: int = 0
    stand_ins: int = 0
    broken: int = 0


def too_many_broken(stand_ins: int, samples: int, max_bad_fraction: float) -> bool:
    """Whether the share of broken samples is above the limit; the first ten are free, so a start is no proof."""
    return stand_ins > _FREE_STAND_INS and stand_ins > max_bad_fraction * samples


def _worth_keeping(index: DataIndex, keep_bytes: int) -> bool:
    return index.span_bytes <= min(keep_bytes, 3 * index.image_bytes)


class Loader(Iterator[StepBatches]):
    """Hands out the steps of one process, in order, without end unless `steps` is given.

    What it hands out is a function of the index, the order, the plan, the crops, the seed, and (rank, world):
    not of workers, prefetch, or how often and where it was stopped and started. Not for use across a fork.

    Args:
        storage: where the shards are.
        index: the samples.
        order: their order; `order.size == len(index)`.
        plan: global batch, groups, micro-batches.
        crops: the crops of each sample.
        rank, world: this process, and how many there are.
        seed: seed of crops and stand-ins.
        start_position: first position of the first step (the checkpoint's position).
        steps: how many steps to hand out; None for no end.
        workers: decode workers; 0 reads and decodes in the caller, with nothing ahead.
        worker_kind: "thread" or "process".
        prefetch: micro-batches in the making at once; bounds the memory.
        max_bad_fraction: the share of stand-ins above which the data is called broken.
        max_pixels: larger images are broken samples.
        keep_bytes: a data set whose shards are no larger than this together is kept in memory once read, unless a
            filter leaves less than a third of their bytes.
        extras: other members to read with each image, by extension ("txt", "json"); a sample without one of
            them, or with an empty one, is broken.
        cache: where blocks of the order are kept on a local disk; used where reading them whole pays (`read_over_used`),
            and never the cause of an error.
        reads: what reads ranges of the shards, and stays the caller's; by default a process of its own for requests to a
            remote storage (`ReadsApart`), and `storage` for all else, without workers, and for what is kept in memory.
        clock: seconds, for `data_wait_seconds`.

    Raises:
        UserError: the world size is not allowed for this plan.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        index: DataIndex,
        order: SampleOrder,
        plan: BatchPlan,
        crops: CropSpec,
        rank: int,
        world: int,
        seed: int,
        start_position: int = 0,
        steps: int | None = None,
        workers: int = 0,
        worker_kind: WorkerKind = "thread",
        prefetch: int = 4,
        max_bad_fraction: float = 0.05,
        max_pixels: int = MAX_PIXELS,
        keep_bytes: int = 128 << 20,
        extras: tuple[str, ...] = (),
        cache: CacheSpec | None = None,
        reads: Source | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if order.size != len(index):
            raise ValueError(f"the order is over {order.size} samples, the index has {len(index)}")
        self.counters = LoaderCounters()
        self._plan, self._rank, self._world = plan, rank, world
        self._size = micro_batch_size(world, plan)
        self._first = start_position
        self._units = planned(self._all_units(start_position, steps), order)
        self._left = steps
        self._max_bad = max_bad_fraction
        self._ahead = prefetch if workers > 0 else 0
        self._waiting: deque[Future[Built]] = deque()
        self._stop = threading.Event()
        self._clock = clock
        self._pool = ViewPool(ViewMaker(crops, seed, max_pixels), workers, worker_kind)
        self._kept: KeptRanges | BlockCache | None = None
        self._filling: Filling | None = None
        keep = _worth_keeping(index, keep_bytes)
        # What is read once, or by the caller itself, is not worth a process.
        to_come = None if steps is None else steps * plan.global_batch // world // order.neighbours
        self._apart = read_apart(storage, to_come) if reads is None and workers > 0 and not keep else None
        self._reads: Source = reads or self._apart or storage
        if keep:
            self._kept = KeptRanges(self._reads)
        elif cache is not None:
            self._kept = self._cached(index, order, cache)
        reader = self._reads if self._kept is None else self._kept
        self._assembler = Assembler(reader, index, order, crops, self._pool, seed, extras, self._stop)

    def _cached(self, index: DataIndex, order: SampleOrder, cache: CacheSpec) -> BlockCache | None:
        """The cache, with somebody who fills it; None where it does not pay, or its folder can not be used."""
        factor = read_over_used(
            order, index.span_bytes, index.image_bytes, self._world, cache.local_world, cache.chunk
        )
        if factor > MOST_READ:
            _log.info("data.cache_unused", read_over_used=round(factor, 2), most=MOST_READ)
            return None
        try:
            store = ChunkStore(cache.folder, cache.max_bytes, index.digest)
        except OSError as error:
            _log.warning("data.cache_unused", folder=str(cache.folder), reason=str(error))
            return None
        kept = BlockCache(self._reads, store, cache.chunk)
        share = cache.local_rank / cache.local_world
        self._filling = Filling(kept, index, order, lambda: self._first, factor, share)
        return kept

    def _all_units(self, first: int, steps: int | None) -> Iterator[range]:
        done = 0
        while steps is None or done < steps:
            mine = rank_positions(first + done * self._plan.global_batch, self._rank, self._world, self._plan)
            yield from micro_batches(mine, self._size)
            done += 1

    @property
    def position(self) -> int:
        """First position of the step that comes next."""
        return self._first

    def __next__(self) -> StepBatches:
        """The next step.

        Raises:
            StopIteration: `steps` were handed out.
            BadDataError: too many broken samples.
            UserError: the storage refuses access.
            StorageUnavailableError: the storage was gone for longer than its retry budget.
        """
        if self._left == 0:
            self.close()
            raise StopIteration
        if self._stop.is_set():
            raise RuntimeError("the loader is closed")
        share = self._plan.global_batch // self._world
        try:
            batches = [self._next_batch() for _ in range(share // self._size)]
        except BaseException:
            self.close()
            raise
        first = self._first
        self._first += self._plan.global_batch
        if self._left is not None:
            self._left -= 1
        return StepBatches(first, first // self._plan.global_batch, batches)

    def _next_batch(self) -> Batch:
        started = self._clock()
        if self._ahead == 0:
            built = self._assembler.build(*next(self._units))
        else:
            self._fill()
            built = self._waiting.popleft().result()
            self._fill()
        self.counters.data_wait_seconds += self._clock() - started
        self._count(built)
        return built.batch

    def _fill(self) -> None:
        while len(self._waiting) < self._ahead:
            unit = next(self._units, None)
            if unit is None:
                return
            future: Future[Built] = Future()
            # A daemon thread, so that a read from a silent server can not hold up the end of the process.
            threading.Thread(
                target=self._work, args=(future, *unit), name=f"batch-{unit[0].start}", daemon=True
            ).start()
            self._waiting.append(future)

    def _work(self, future: Future[Built], positions: range, samples: NDArray[np.int64]) -> None:
        try:
            future.set_result(self._assembler.build(positions, samples))
        except BaseException as error:  # handed to the caller of next()
            future.set_exception(error)

    def _count(self, built: Built) -> None:
        counters, batch = self.counters, built.batch
        if self._kept is None:
            counters.bytes_read += built.bytes_read
        else:
            counters.bytes_read = self._kept.bytes_read
        if isinstance(self._kept, BlockCache):
            counters.bytes_cached, counters.cache_troubles = self._kept.bytes_found, self._kept.store.troubles
        counters.bytes_used += built.bytes_used
        counters.samples += len(batch)
        counters.stand_ins += len(batch.stand_ins)
        counters.broken += len(batch.broken)
        for report in batch.broken:
            _log.warning("data.broken_sample", position=report.position, shard=report.shard, key=report.key,
                         reason=report.reason)  # fmt: skip
        if too_many_broken(counters.stand_ins, counters.samples, self._max_bad):
            last = batch.broken[-1] if batch.broken else None
            named = f" (last: {last.shard} {last.key}: {last.reason})" if last else ""
            raise BadDataError(
                f"{counters.stand_ins} of {counters.samples} samples are broken{named}, more than the allowed "
                f"share of {self._max_bad}; mend spec.data.source, or raise spec.data.maxBadFraction",
                batch.broken,
            )

    def close(self) -> None:
        """Stops reading ahead and ends the workers; safe to call twice."""
        self._stop.set()
        if self._filling is not None:
            self._filling.close()
        self._waiting.clear()
        self._pool.close()
        if self._apart is not None:
            self._apart.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
