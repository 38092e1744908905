"""What the loader hands to the training loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from webssl_trainer.data.causes import Cause
from webssl_trainer.errors import UserError

if TYPE_CHECKING:  # torch is not imported by decode workers
    import torch


@dataclass(frozen=True)
class BrokenReport:
    """A sample that could not be used.

    Attributes:
        position: the position that asked for it (the position itself, also for a broken stand-in).
        shard: URL of its shard.
        key: its key in the shard.
        reason: why, in words.
        cause: why, as the label of a counter.
    """

    position: int
    shard: str
    key: str
    reason: str
    cause: Cause = Cause.NOT_DECODED


class BadDataError(UserError):
    """Too many samples can not be used; `reports` are those of the batch that ended it, which nobody gets."""

    def __init__(self, message: str, reports: Sequence[BrokenReport]) -> None:
        super().__init__(message)
        self.reports = tuple(reports)


@dataclass(frozen=True)
class Batch:
    """One micro-batch: N consecutive positions of one process.

    Crops are bytes, so no pixel is ever NaN or infinite: an image that decodes to such values is a broken sample. What
    they become for a network is made on the device, see `augment.prepare`.

    Attributes:
        positions: int64 (N,), consecutive, rising.
        sample_ids: "shard file name/key" of the image that fills each position (a stand-in where filled).
        global_crops: uint8 (n_global, N, 3, H, W), cut and mirrored; in pinned memory where there is a GPU.
        local_crops: uint8 (n_local, N, 3, h, w), likewise; n_local may be 0.
        stand_ins: the positions whose own sample was broken, rising.
        broken: one report for each broken sample that was met, broken stand-ins included.
        extras: for each position the other members of its sample that the loader was asked for, by extension.
        read_again: answers that were wrong and right the second time: an image that did not decode (bytes that were
            spoilt on their way), a shard that was not found.
    """

    positions: NDArray[np.int64]
    sample_ids: list[str]
    global_crops: torch.Tensor
    local_crops: torch.Tensor
    stand_ins: list[int] = field(default_factory=list)
    broken: list[BrokenReport] = field(default_factory=list)
    extras: list[dict[str, bytes]] = field(default_factory=list)
    read_again: int = 0

    def __len__(self) -> int:
        return len(self.sample_ids)


@dataclass(frozen=True)
class StepBatches:
    """All micro-batches of one process for one optimizer step.

    Attributes:
        first: first position of the step over all processes.
        step: `first // global_batch`, the step's number when it started at a whole step.
        batches: micro-batches of equal size, in the order of their positions.
    """

    first: int
    step: int
    batches: list[Batch]
