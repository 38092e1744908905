"""The smallest change to a run that does not fit. Each remedy is tried with the same formulas before it is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from webssl_trainer.planning.job import MAX_WORKERS, Job


@dataclass(frozen=True)
class Remedy:
    """field: of the manifest, or an option of the command. value: to write there. effect: what the change means."""

    field: str
    value: str
    effect: str

    def __str__(self) -> str:
        return f"set {self.field} to {self.value} ({self.effect})"


def remedies(job: Job, usable: int, gpus: Sequence[tuple[str, int]]) -> Iterator[Remedy]:
    """Changes that make every allowed worker count fit, the smallest first.

    Args:
        job: a job of which some worker count does not fit.
        usable: bytes of a GPU that tensors may fill.
        gpus: names and usable bytes of larger GPUs.

    Order: those that leave the training as it is (micro-batch, fewest workers, most workers, both, another GPU);
    only without any of them smaller groups, which change the training.
    """
    found = [_micro_batch(job, usable), _fewest(job, usable), _more(job, usable)]
    if not any(found):
        smallest = replace(job, batch=replace(job.batch, micro_batch=job.batch.group_size))
        found.append(_both(smallest, usable))
    found.append(_gpu(job, gpus))
    if not any(found):
        found.append(_groups(job, usable))
    yield from (remedy for remedy in found if remedy is not None)


def fits(job: Job, usable: int, counts: Sequence[int]) -> bool:
    """Whether all of some worker counts fit; False for none."""
    return bool(counts) and all(job.peak(workers) <= usable for workers in counts)


def _micro_batch(job: Job, usable: int) -> Remedy | None:
    """The largest micro-batch with which all counts fit."""
    group, counts = job.batch.group_size, job.counts
    largest = max(job.share(workers).micro for workers in counts)
    for limit in range(largest - group, 0, -group):
        smaller = replace(job, batch=replace(job.batch, micro_batch=limit))
        if fits(smaller, usable, counts):
            return Remedy(
                "spec.schedule.microBatchSize",
                str(max(smaller.share(workers).micro for workers in counts)),
                "the rest of each share is accumulated; results stay the same",
            )
    return None


def _fewest(job: Job, usable: int) -> Remedy | None:
    """The smallest number of workers from which on all allowed counts fit."""
    counts = job.counts
    start = next((n for n in range(1, len(counts)) if fits(job, usable, counts[n:])), None)
    if start is None:
        return None
    return Remedy("spec.workers.min", str(counts[start]), "the run waits for so many workers")


def _more(job: Job, usable: int) -> Remedy | None:
    """The smallest allowed count beyond the run's that fits."""
    beyond = job.counts_between(job.workers[1] + 1, MAX_WORKERS)
    count = next((n for n in beyond if fits(job, usable, [n])), None)
    if count is None:
        return None
    return Remedy("spec.workers.min and max", str(count), f"{job.processes(count)} GPUs share the state")


def _both(job: Job, usable: int) -> Remedy | None:
    """More workers with micro-batches of one group."""
    more = _more(job, usable)
    if more is None:
        return None
    return Remedy(
        "spec.schedule.microBatchSize and spec.workers.min and max",
        f"{job.batch.group_size} and {more.value}",
        more.effect,
    )


def _groups(job: Job, usable: int) -> Remedy | None:
    """The largest smaller group that, as a micro-batch, lets all counts fit."""
    counts, old = job.counts, job.batch.group_size
    for size in (n for n in range(old - 1, 1, -1) if old % n == 0):
        regrouped = job.plan.regrouped(job.objective, size)
        if regrouped is None:
            return None
        field, objective = regrouped
        batch = replace(job.batch, group_size=size, micro_batch=size)
        if fits(replace(job, batch=batch, objective=objective), usable, counts):
            return Remedy(
                f"{field} and spec.schedule.microBatchSize",
                str(size),
                "samples are then compared within smaller groups, which is another training",
            )
    return None


def _gpu(job: Job, gpus: Sequence[tuple[str, int]]) -> Remedy | None:
    """The smallest larger GPU on which the run fits as it is."""
    fitting = [(usable, name) for name, usable in gpus if fits(job, usable, job.counts)]
    if not fitting:
        return None
    return Remedy("--gpu", min(fitting)[1], "a GPU with more memory; nothing else changes")
