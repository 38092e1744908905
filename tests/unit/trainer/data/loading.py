"""What tests of the loader load: a data set with broken samples, and what a loader makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webssl_trainer.data import BatchPlan, CropSpec, DataIndex, Loader, Order, StepBatches
from webssl_trainer.storage import Storage

SPEC = CropSpec(global_size=16, local_size=8, n_local=2)
PLAN = BatchPlan(global_batch=16, group_size=2, micro_batch=4)
COUNT = 50
BROKEN = frozenset({3, 17, 18, 41})


@dataclass(frozen=True)
class Case:
    """A data set and how to load it."""

    storage: Storage
    index: DataIndex

    def loader(self, **given: Any) -> Loader:
        arguments: dict[str, Any] = {
            "storage": self.storage, "index": self.index, "order": Order(11, len(self.index)), "plan": PLAN,
            "crops": SPEC, "rank": 0, "world": 1, "seed": 5, "steps": 4, "max_bad_fraction": 0.5,
        }  # fmt: skip
        return Loader(**{**arguments, **given})

    def steps(self, world: int = 1, **given: Any) -> list[list[tuple[Any, ...]]]:
        """For each step, all positions over all ranks: position, sample id, and a digest of the crops."""
        parts = [list(self.loader(rank=rank, world=world, **given)) for rank in range(world)]
        return [[row for part in step for row in rows(part)] for step in zip(*parts, strict=True)]


def rows(step: StepBatches) -> list[tuple[Any, ...]]:
    found = []
    for batch in step.batches:
        for at, name in enumerate(batch.sample_ids):
            crops = (batch.global_crops[:, at].numpy().tobytes(), batch.local_crops[:, at].numpy().tobytes())
            found.append((int(batch.positions[at]), name, hash(crops)))
    return found
