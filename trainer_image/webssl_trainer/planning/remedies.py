"""The smallest change to a run that does not fit. Each remedy is tried with the same formulas before it is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from webssl_trainer.model.compute import Recompute
from webssl_trainer.planning.job import MAX_WORKERS, Job

_RECOMPUTE = "spec.compute.activationCheckpointing"


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

    Order: those that leave the training as it is (micro-batch, fewest workers, both, recomputation alone and with a
    smaller micro-batch, more workers than allowed, another GPU); only without any of them smaller groups, which
    change the training.
    """
    found = [_micro_batch(job, usable), _fewest(job, usable)]
    if not any(found):
        found.append(_micro_batch_and_fewest(job, usable))
    found.append(_recompute(job, usable))
    if not any(found):
        found.append(_recompute_and_micro_batch(job, usable))
    found.append(_more(job, usable))
    if not any(found):
        found.append(_micro_batch_and_more(job, usable))
    found.append(_gpu(job, gpus))
    if not any(found):
        found.append(_groups(job, usable))
    yield from (remedy for remedy in found if remedy is not None)


def fits(job: Job, usable: int, counts: Sequence[int]) -> bool:
    """Whether all of some worker counts fit; False for none."""
    return bool(counts) and all(job.peak(workers) <= usable for workers in counts)


def _micro_batch(job: Job, usable: int) -> Remedy | None:
    """The largest micro-batch with which all counts fit."""
    counts = job.counts
    largest = max(job.share(workers).micro for workers in counts)
    for size in (size for size in job.micro_batches(counts) if size < largest):
        if fits(replace(job, batch=replace(job.batch, micro_batch=size)), usable, counts):
            return Remedy(
                "spec.schedule.microBatchSize",
                str(size),
                "the rest of each share is accumulated; results stay the same",
            )
    return None


def _fewest(job: Job, usable: int) -> Remedy | None:
    """The smallest number of workers from which on all allowed counts fit."""
    start = _start(job, usable)
    if start is None:
        return None
    return Remedy("spec.workers.min", str(start), "the run waits for so many workers")


def _start(job: Job, usable: int) -> int | None:
    """The smallest allowed count above the first from which on all fit."""
    counts = job.counts
    return next((counts[n] for n in range(1, len(counts)) if fits(job, usable, counts[n:])), None)


def _micro_batch_and_fewest(job: Job, usable: int) -> Remedy | None:
    """The smallest number of workers with micro-batches of one group, then the largest micro-batch for it."""
    start = _start(_by_groups(job), usable)
    if start is None:
        return None
    micro = _micro_batch(replace(job, workers=(start, job.workers[1])), usable)
    size = job.batch.group_size if micro is None else micro.value
    return Remedy(
        "spec.schedule.microBatchSize and spec.workers.min",
        f"{size} and {start}",
        "the run waits for so many workers, and the rest of each share is accumulated",
    )


def _by_groups(job: Job) -> Job:
    """The job with micro-batches of one group."""
    return replace(job, batch=replace(job.batch, micro_batch=job.batch.group_size))


def _recomputing(job: Job) -> Iterator[tuple[Recompute, str, Job]]:
    """What can be computed again that is not yet, less of it first: its name, its price, the job."""
    ways: tuple[tuple[Recompute, str], ...] = (
        ("selective", "cheap parts of the forward pass are computed twice; results stay the same"),
        ("full", "the blocks' forward pass is computed twice, a third more work; results stay the same"),
    )
    done = {"none": 0, "selective": 1, "full": 2}[job.recompute]
    for way, effect in ways[done:]:
        yield way, effect, replace(job, recompute=way)


def _recompute(job: Job, usable: int) -> Remedy | None:
    """The least recomputation with which all counts fit."""
    for way, effect, other in _recomputing(job):
        if fits(other, usable, job.counts):
            return Remedy(_RECOMPUTE, way, effect)
    return None


def _recompute_and_micro_batch(job: Job, usable: int) -> Remedy | None:
    """The least recomputation that fits with some smaller micro-batch, and the largest such one."""
    for way, effect, other in _recomputing(job):
        micro = _micro_batch(other, usable)
        if micro is not None:
            return Remedy(
                f"{_RECOMPUTE} and spec.schedule.microBatchSize", f"{way} and {micro.value}", effect
            )
    return None


def _more(job: Job, usable: int) -> Remedy | None:
    """The smallest allowed count beyond the run's that fits."""
    beyond = job.counts_between(job.workers[1] + 1, MAX_WORKERS)
    count = next((n for n in beyond if fits(job, usable, [n])), None)
    if count is None:
        return None
    return Remedy("spec.workers.min and max", str(count), f"{job.processes(count)} GPUs share the state")


def _micro_batch_and_more(job: Job, usable: int) -> Remedy | None:
    """More workers with micro-batches of one group."""
    more = _more(_by_groups(job), usable)
    if more is None:
        return None
    return Remedy(
        "spec.schedule.microBatchSize and spec.workers.min and max",
        f"{job.batch.group_size} and {more.value}",
        more.effect,
    )


def _groups(job: Job, usable: int) -> Remedy | None:
    """The largest smaller group that, as a micro-batch, lets all counts fit; else all from some count on."""
    effect = "samples are then compared within smaller groups, which is another training"
    smaller = list(_regrouped(job))
    for field, size, other in smaller:
        if fits(other, usable, other.counts):
            return Remedy(f"{field} and spec.schedule.microBatchSize", f"{size} and {size}", effect)
    for field, size, other in smaller:
        start = _start(other, usable)
        if start is not None:
            fields = f"{field}, spec.schedule.microBatchSize and spec.workers.min"
            return Remedy(fields, f"{size}, {size} and {start}", effect)
    return None


def _regrouped(job: Job) -> Iterator[tuple[str, int, Job]]:
    """Field, size and job of each smaller group at the same worker counts, with micro-batches of one group."""
    old = job.batch.group_size
    for size in (n for n in range(old - 1, 1, -1) if old % n == 0):
        regrouped = job.plan.regrouped(job.objective, size)
        if regrouped is not None:
            field, objective = regrouped
            batch = replace(job.batch, group_size=size, micro_batch=size)
            yield field, size, replace(job, batch=batch, objective=objective)


def _gpu(job: Job, gpus: Sequence[tuple[str, int]]) -> Remedy | None:
    """The smallest larger GPU on which the run fits as it is."""
    fitting = [(usable, name) for name, usable in gpus if fits(job, usable, job.counts)]
    if not fitting:
        return None
    return Remedy("--gpu", min(fitting)[1], "a GPU with more memory; nothing else changes")
