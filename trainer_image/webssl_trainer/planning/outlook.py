"""From a job and a GPU to what each worker count needs, takes and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webssl_trainer.planning.gpus import Gpu
from webssl_trainer.planning.job import Job
from webssl_trainer.planning.memory import MemoryPlan, Placement
from webssl_trainer.planning.quantities import Share, parameters
from webssl_trainer.planning.remedies import Remedy, remedies


@dataclass(frozen=True)
class Assumptions:
    """What the planner can not know.

    gpu: the card. mfu: share of its peak that training reaches, as the trainer's metric counts it. headroom: share
    of its memory left to CUDA, NCCL and gaps between allocations. price: of one GPU for an hour, in any currency.
    """

    gpu: Gpu
    mfu: float
    headroom: float
    price: float | None = None

    @property
    def usable(self) -> int:
        """Bytes of a GPU that tensors may fill."""
        return int(self.gpu.memory * (1 - self.headroom))


@dataclass(frozen=True)
class CountOutlook:
    """One worker count. stage: the one whose memory is largest. seconds: of the whole run at the assumed MFU."""

    workers: int
    gpus: int
    share: Share
    placement: Placement
    stage: int
    memory: MemoryPlan
    fits: bool
    images_per_second: float
    seconds: float

    @property
    def gpu_hours(self) -> float:
        """Hours of one GPU."""
        return self.gpus * self.seconds / 3600


@dataclass(frozen=True)
class Outlook:
    """All worker counts of a job, and what to change when some do not fit (smallest change first)."""

    job: Job
    assumptions: Assumptions
    counts: tuple[CountOutlook, ...]
    remedies: tuple[Remedy, ...]

    @property
    def fits(self) -> bool:
        """Whether every allowed worker count fits: an elastic run may come to each of them."""
        return all(count.fits for count in self.counts)

    @property
    def trained(self) -> int:
        """Parameters that the optimizer sees."""
        return parameters(self.job.networks.trained)

    @property
    def frozen(self) -> int:
        """Parameters of networks that follow the trained one."""
        return parameters(self.job.networks.frozen)

    def cost(self, count: CountOutlook) -> float | None:
        """Price of the whole run, None without a price."""
        price = self.assumptions.price
        return None if price is None else price * count.gpu_hours


def outlook(job: Job, assumptions: Assumptions, gpus: Sequence[Gpu]) -> Outlook:
    """Plan every allowed worker count of a job; `gpus` may be proposed instead of the assumed one."""
    counts = tuple(_count(job, assumptions, workers) for workers in job.counts)
    mend: tuple[Remedy, ...] = ()
    if not all(count.fits for count in counts):
        larger = [gpu for gpu in gpus if gpu.memory > assumptions.gpu.memory]
        room = [(gpu.name, int(gpu.memory * (1 - assumptions.headroom))) for gpu in larger]
        mend = tuple(remedies(job, assumptions.usable, room))
    return Outlook(job, assumptions, counts, mend)


def _count(job: Job, assumptions: Assumptions, workers: int) -> CountOutlook:
    plans = [job.memory(workers, stage) for stage in range(len(job.stages))]
    stage = max(range(len(plans)), key=lambda number: plans[number].peak)
    processes = job.processes(workers)
    seconds = job.nominal_flops() / (processes * assumptions.gpu.peak * assumptions.mfu)
    return CountOutlook(
        workers=workers,
        gpus=processes,
        share=job.share(workers),
        placement=job.placement(workers),
        stage=stage,
        memory=plans[stage],
        fits=plans[stage].peak <= assumptions.usable,
        images_per_second=job.samples / seconds,
        seconds=seconds,
    )
