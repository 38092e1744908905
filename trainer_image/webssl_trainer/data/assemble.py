"""One micro-batch: read, decode, fill broken places with stand-ins, stack."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from webssl_trainer.data.batch import BadDataError, Batch, BrokenReport
from webssl_trainer.data.causes import Cause, Lack
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.data.crops import SampleCrops
from webssl_trainer.data.draws import Purpose, uniforms
from webssl_trainer.data.fetch import fetch_views
from webssl_trainer.data.index import DataIndex, SampleRef
from webssl_trainer.data.order import SampleOrder
from webssl_trainer.data.rooms import Rooms
from webssl_trainer.data.samples import Part
from webssl_trainer.data.small_set import Fresh, Keeping, RangeReader
from webssl_trainer.data.views import Job, ViewPool
from webssl_trainer.storage import ByteRange, Came, StorageDeniedError

if TYPE_CHECKING:
    import torch

STAND_IN_TRIES = 16
MAX_KNOWN = 100_000


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
    """What fills one position: the sample, and its other members. Its crops are in the batch already."""

    ref: SampleRef
    extras: dict[str, bytes]


@dataclass(frozen=True)
class _Room:
    """The pixels of a batch in the making: uint8 (crops, N, 3, side, side)."""

    large: torch.Tensor
    small: torch.Tensor

    @classmethod
    def of(cls, rooms: Rooms, spec: CropSpec, count: int) -> _Room:
        def empty(crops: int, side: int) -> torch.Tensor:
            shape = (crops, count, 3, side, side)
            return rooms.flat(math.prod(shape)).view(shape)

        return cls(empty(spec.n_global, spec.global_size), empty(spec.n_local, spec.local_size))

    def places(self) -> list[SampleCrops]:
        """Where the crops of each sample go, as views."""
        large, small = self.large.numpy(), self.small.numpy()
        return [SampleCrops(large[:, at], small[:, at]) for at in range(large.shape[1])]


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
        known: shard and offset of images that came twice with the same bytes that do not decode.
        rooms: memory for the pixels.
    """

    storage: RangeReader
    index: DataIndex
    order: SampleOrder
    spec: CropSpec
    pool: ViewPool
    seed: int
    extras: tuple[str, ...]
    stop: threading.Event
    known: set[tuple[str, int]] = field(default_factory=set)
    rooms: Rooms = field(default_factory=Rooms)

    def build(self, positions: range, samples: NDArray[np.int64]) -> Built:
        """The batch of consecutive positions.

        Args:
            positions: N of them.
            samples: what the order has there, int64 (N,).

        Raises:
            BadDataError: a broken position found no usable stand-in in 16 tries.
        """
        places = np.arange(positions.start, positions.stop, dtype=np.int64)
        costs = _Costs()
        broken: list[BrokenReport] = []
        wanted: list[int] = samples.tolist()
        room = _Room.of(self.rooms, self.spec, len(positions))
        slots = room.places()
        filled = self._load(positions, wanted, slots, broken, costs)
        gone = [at for at, item in enumerate(filled) if item is None]
        stand_ins = [positions[at] for at in gone]
        for attempt in range(STAND_IN_TRIES):
            if not gone:
                break
            retry = [positions[at] for at in gone]
            others = [self._stand_in(position, attempt) for position in retry]
            found = self._load(retry, others, [slots[at] for at in gone], broken, costs)
            for at, item in zip(gone, found, strict=True):
                filled[at] = item
            gone = [at for at in gone if filled[at] is None]
        if gone:
            last = broken[-1]
            if all(report.cause is Cause.DENIED_SHARD for report in broken):
                raise StorageDeniedError(last.reason)
            raise BadDataError(
                f"position {positions[gone[0]]} and {STAND_IN_TRIES} stand-ins are all unusable (last: "
                f"{last.shard} {last.key}: {last.reason}); most images at spec.data.source are broken: check them",
                broken,
            )
        whole = [item for item in filled if item is not None]
        batch = Batch(
            positions=places,
            sample_ids=[item.ref.sample_id for item in whole],
            global_crops=room.large,
            local_crops=room.small,
            stand_ins=stand_ins,
            broken=broken,
            extras=[item.extras for item in whole],
            read_again=costs.read_again,
        )
        return Built(batch, costs.read, costs.used)

    def _load(
        self,
        positions: Sequence[int],
        indexes: Sequence[int],
        slots: Sequence[SampleCrops],
        broken: list[BrokenReport],
        costs: _Costs,
    ) -> list[_Filled | None]:
        """Reads and decodes a sample for each position; None and a report for a broken one."""
        refs = self.index.locate_all(indexes)
        ranges: list[ByteRange] = []
        for ref in refs:
            ranges.append(_image_range(ref))
            for part in self._parts(ref):
                ranges.append(ByteRange(ref.shard, part.offset, part.offset + part.length))
        got = fetch_views(self.storage, ranges, self.stop, skip_denied=True)
        costs.read += got.bytes_read
        costs.read_again += got.read_again
        costs.used += sum(len(piece) for piece in got.pieces if piece is not None)
        pieces, lacks = iter(got.pieces), iter(got.lacks)
        data: list[tuple[Came, dict[str, bytes]]] = []
        outcome: dict[int, Lack | None] = {}
        for at, ref in enumerate(refs):
            parts = ["", *(part.ext for part in self._parts(ref))]
            image, *others = [next(pieces) or b"" for _ in parts]
            lost = [lack for lack in (next(lacks) for _ in parts) if lack is not None]
            data.append((image, dict(zip(parts[1:], map(bytes, others), strict=True))))
            lack = lost[0] if lost else self._lacking(*data[-1])
            if lack is not None:
                outcome[at] = lack
        whole = [at for at in range(len(refs)) if at not in outcome]
        jobs = {at: (slots[at], data[at][0], positions[at]) for at in whole}
        outcome.update(self._views(jobs, refs, costs))
        filled: list[_Filled | None] = []
        for at, ref in enumerate(refs):
            missing = outcome[at]
            if missing is not None:
                broken.append(BrokenReport(positions[at], ref.shard, ref.key, missing.reason, missing.cause))
                filled.append(None)
            else:
                filled.append(_Filled(ref, data[at][1]))
        return filled

    def _views(
        self, jobs: dict[int, Job], refs: Sequence[SampleRef], costs: _Costs
    ) -> dict[int, Lack | None]:
        """Crops of some images. One that does not decode is read once more, in case its bytes were spoilt on the way."""
        flaws = dict(zip(jobs, self.pool.views_into(list(jobs.values())), strict=True))
        places = {at: (refs[at].shard, refs[at].offset) for at, flaw in flaws.items() if flaw is not None}
        failed = [at for at, place in places.items() if place not in self.known]
        if failed:
            other = self._read_again({at: (_image_range(refs[at]), jobs[at][1]) for at in failed}, costs)
            if len(self.known) < MAX_KNOWN:
                self.known.update(places[at] for at in failed if at not in other)
            again = [(jobs[at][0], image, jobs[at][2]) for at, image in other.items()]
            second = self.pool.views_into(again)
            flaws.update(zip(other, second, strict=True))
            costs.read_again += sum(flaw is None for flaw in second)
        return {at: None if flaw is None else Lack(Cause.NOT_DECODED, flaw) for at, flaw in flaws.items()}

    def _read_again(self, images: dict[int, tuple[ByteRange, Came]], costs: _Costs) -> dict[int, Came]:
        """The images that are read with other bytes now, which are then no longer kept."""
        kept = self.storage if isinstance(self.storage, Keeping) else None
        ranges = [image[0] for image in images.values()]
        reader = self.storage if kept is None else Fresh(kept)
        got = fetch_views(reader, ranges, self.stop, skip_denied=True)
        costs.read += got.bytes_read
        other = {
            at: piece
            for at, piece in zip(images, got.pieces, strict=True)
            if piece is not None and piece != images[at][1]
        }
        if kept is not None:
            kept.forget([images[at][0] for at in other])
        return other

    def _stand_in(self, position: int, attempt: int) -> int:
        first, count = self.order.pool_of(position)
        return first + stand_in(self.seed, position, attempt, count)

    def _parts(self, ref: SampleRef) -> list[Part]:
        """The other members that were asked for and exist."""
        return [ref.extras[ext] for ext in self.extras if ext in ref.extras]

    def _lacking(self, image: Came, extras: dict[str, bytes]) -> Lack | None:
        """What a sample lacks whose bytes are all there, before its image is decoded."""
        if not image:
            return Lack(Cause.EMPTY, "empty file")
        for ext in self.extras:
            if not extras.get(ext, b"").strip():
                return Lack(Cause.MISSING_MEMBER, f"its .{ext} is {'empty' if ext in extras else 'missing'}")
        return None


def _image_range(ref: SampleRef) -> ByteRange:
    return ByteRange(ref.shard, ref.offset, ref.offset + ref.length)


@dataclass
class _Costs:
    """Bytes of one batch: read from the storage, and used of those; images that were good when read again."""

    read: int = 0
    used: int = 0
    read_again: int = 0
