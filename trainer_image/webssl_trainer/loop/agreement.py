"""What all processes agree on in each step: one small sum over the CPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist

from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.steplog import digest_text, tally
from webssl_trainer.data import StepBatches


@dataclass(frozen=True)
class Agreement:
    """What all know after a step.

    stop: whether some process was asked to stop. digest: of the step's samples. broken: broken samples so far, of all.
    counts: the sums of what each counts.
    """

    stop: bool
    digest: str
    broken: int
    counts: tuple[int, ...] = ()


def agree(
    peers: Peers, stop: bool, batches: StepBatches, broken: int, counts: Sequence[int] = ()
) -> Agreement:
    """Sum over all processes; each calls with its own request to stop, samples, number of broken ones so far, and counts."""
    first = second = 0
    for batch in batches.batches:
        one, two = tally(batch.positions.tolist(), batch.sample_ids)
        first, second = first + one, second + two
    wrapped = [(value + 2**63) % 2**64 - 2**63 for value in (first, second)]
    sums = torch.tensor([int(stop), *wrapped, broken, *counts], dtype=torch.int64)
    if peers.group is not None:
        dist.all_reduce(sums, group=peers.group)
    stops, first, second, total, *summed = sums.tolist()
    return Agreement(stops > 0, digest_text(first, second), total, tuple(summed))
