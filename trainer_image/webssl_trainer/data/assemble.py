"""One micro-batch: read, decode, fill broken places with stand-ins, stack."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webssl_trainer.data.batch import Batch, BrokenReport
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.data.crops import SampleCrops
from webssl_trainer.data.draws import Purpose, uniforms
from webssl_trainer.data.fetch import fetch
from webssl_trainer.data.index import DataIndex, SampleRef
from webssl_trainer.data.order import SampleOrder
from webssl_trainer.data.samples import Part
from webssl_trainer.data.small_set import RangeReader
from webssl_trainer.data.views import ViewPool
from webssl_trainer.errors import UserError
from webssl_trainer.storage import ByteRange

STAND_IN_TRIES = 16


def stand_in(seed: int, position: int, attempt: int, size: int) -> int:
    """Sample index in `[0, size)` that fills a broken position at try `attempt` (0-based)."""
    return int(uniforms(seed, position, Purpose.STAND_IN, 1, attempt)[0] * size)


@dataclass(frozen=True)
class Built:
    """A batch, and what it cost."""

    batch: Batch
    bytes_read: int
    bytes_used: int


@dataclass(frozen=True)
class _Filled:
    """What fills one position: the sample, its crops, its other members."""

    ref: SampleRef
    crops: SampleCrops
    extras: dict[str, bytes]


@dataclass
class Assembler:
    """Builds micro-batches; a batch is a function of its positions, whoever builds it and when.

    Attributes:
        storage: where the shards are.
        index: where the samples lie.
        order: which sample each position uses.
        spec: the crops.
        pool: makes the crops.
        seed: seed of the stand-ins.
        extras: extensions of other members to hand over with the images; a sample without one is broken.
        stop: ends waiting for storage when the loader closes.
    """

    storage: RangeReader
    index: DataIndex
    order: SampleOrder
    spec: CropSpec
    pool: ViewPool
    seed: int
    extras: tuple[str, ...]
    stop: threading.Event

    def build(self, positions: range) -> Built:
        """The batch of consecutive positions.

        Raises:
            UserError: a broken position found no usable stand-in in 16 tries.
        """
        places = np.arange(positions.start, positions.stop, dtype=np.int64)
        costs = _Costs()
        broken: list[BrokenReport] = []
        wanted = [int(number) for number in self.order.samples_at(places)]
        filled = self._load(positions, wanted, broken, costs)
        gone = [at for at, item in enumerate(filled) if item is None]
        stand_ins = [positions[at] for at in gone]
        for attempt in range(STAND_IN_TRIES):
            if not gone:
                break
            retry = [positions[at] for at in gone]
            others = [self._stand_in(position, attempt) for position in retry]
            for at, item in zip(gone, self._load(retry, others, broken, costs), strict=True):
                filled[at] = item
            gone = [at for at in gone if filled[at] is None]
        if gone:
            last = broken[-1]
            raise UserError(
                f"position {positions[gone[0]]} and {STAND_IN_TRIES} stand-ins are all unusable (last: "
                f"{last.shard} {last.key}: {last.reason}); most images at spec.data.source are broken: check them"
            )
        batch = self._stacked(places, [item for item in filled if item is not None], stand_ins, broken)
        return Built(batch, costs.read, costs.used)

    def _load(
        self, positions: Sequence[int], indexes: Sequence[int], broken: list[BrokenReport], costs: _Costs
    ) -> list[_Filled | None]:
        """Reads and decodes a sample for each position; None and a report for a broken one."""
        refs = self.index.locate_all(indexes)
        ranges: list[ByteRange] = []
        for ref in refs:
            ranges.append(ByteRange(ref.shard, ref.offset, ref.offset + ref.length))
            for part in self._parts(ref):
                ranges.append(ByteRange(ref.shard, part.offset, part.offset + part.length))
        got = fetch(self.storage, ranges, self.stop)
        costs.read += got.bytes_read
        costs.used += sum(len(piece) for piece in got.pieces if piece is not None)
        pieces = iter(got.pieces)
        data = [(next(pieces), {part.ext: next(pieces) for part in self._parts(ref)}) for ref in refs]
        reasons = [self._lacking(image, extras) for image, extras in data]
        whole = [at for at, reason in enumerate(reasons) if reason is None]
        views = self.pool.views([(data[at][0] or b"", positions[at]) for at in whole])
        outcome: dict[int, SampleCrops | str] = dict(zip(whole, views, strict=True))
        filled: list[_Filled | None] = []
        for at, ref in enumerate(refs):
            crops = outcome.get(at, reasons[at] or "")
            if isinstance(crops, str):
                broken.append(BrokenReport(positions[at], ref.shard, ref.key, crops))
                filled.append(None)
            else:
                extras = {ext: piece for ext, piece in data[at][1].items() if piece is not None}
                filled.append(_Filled(ref, crops, extras))
        return filled

    def _stand_in(self, position: int, attempt: int) -> int:
        first, count = self.order.pool_of(position)
        return first + stand_in(self.seed, position, attempt, count)

    def _parts(self, ref: SampleRef) -> list[Part]:
        """The other members that were asked for and exist."""
        return [ref.extras[ext] for ext in self.extras if ext in ref.extras]

    def _lacking(self, image: bytes | None, extras: dict[str, bytes | None]) -> str | None:
        """Why a sample is broken before its image is decoded; None when all its bytes are there."""
        if None in (image, *extras.values()):
            return "its bytes are gone: the shard was removed or cut after it was indexed"
        for ext in self.extras:
            if not (extras.get(ext) or b"").strip():
                return f"its .{ext} is {'empty' if ext in extras else 'missing'}"
        return None

    def _stacked(
        self,
        places: NDArray[np.int64],
        filled: list[_Filled],
        stand_ins: list[int],
        broken: list[BrokenReport],
    ) -> Batch:
        import torch

        def empty(crops: int, side: int) -> torch.Tensor:
            shape = (crops, len(filled), 3, side, side)
            # A copy from pinned memory to a GPU does not wait for it.
            return torch.empty(shape, dtype=torch.uint8, pin_memory=torch.cuda.is_available())

        spec = self.spec
        large, small = empty(spec.n_global, spec.global_size), empty(spec.n_local, spec.local_size)
        for at, item in enumerate(filled):
            large.numpy()[:, at] = item.crops.global_crops
            small.numpy()[:, at] = item.crops.local_crops
        return Batch(
            positions=places,
            sample_ids=[item.ref.sample_id for item in filled],
            global_crops=large,
            local_crops=small,
            stand_ins=stand_ins,
            broken=broken,
            extras=[item.extras for item in filled],
        )


@dataclass
class _Costs:
    """Bytes of one batch: read from the storage, and used of those."""

    read: int = 0
    used: int = 0
