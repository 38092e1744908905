"""The tables of docs/scaling.md: DINO with 7B parameters on 64 to 1,024 GPUs, by the planner's formulas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from webssl_trainer.data import BatchPlan, CropSpec
from webssl_trainer.model import vit_config
from webssl_trainer.objectives.dino.config import DinoConfig
from webssl_trainer.planning.communication import Traffic, links, seconds, traffic
from webssl_trainer.planning.gpus import GIB, GPUS, Gpu
from webssl_trainer.planning.job import Job, StageJob
from webssl_trainer.planning.memory import MemoryPlan, Placement
from webssl_trainer.planning.precision import SHARDED
from webssl_trainer.planning.quantities import Share, parameters

GPU = GPUS["H100"]
MACHINE = 8
"""GPUs of a machine."""
HEADROOM = 0.08
WORLDS = (64, 128, 256, 512, 1024)
MFU = 0.4
"""An assumption until a GPU is measured."""
GROUP = 3
"""1,024 processes leave three samples of 3,072 to each, and a group is never split."""
_MARK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One placement on one number of GPUs, with the largest micro-batch that fits; memory None if none does."""

    gpus: int
    place: Placement
    share: Share
    memory: MemoryPlan | None
    traffic: Traffic
    seconds: float
    flops: float

    @property
    def computing(self) -> float:
        """Seconds of a step's arithmetic at the assumed MFU."""
        return self.flops * self.share.step / (GPU.peak * MFU)

    @property
    def most_mfu(self) -> float:
        """MFU at which computation takes as long as communication: what hidden communication allows at best."""
        return self.flops * self.share.step / (GPU.peak * self.seconds)


def job() -> Job:
    """The paper's Web-DINO 7B with groups of three."""
    config = DinoConfig(group_size=GROUP)
    stage = StageJob(CropSpec(), 2_000_000_000)
    return Job(vit_config("7B"), config, (stage,), BatchPlan(3072, GROUP), (1, 1024 // MACHINE), MACHINE)


def row(planned: Job, gpus: int, place: Placement, gpu: Gpu = GPU) -> Row:
    """A placement with the largest micro-batch that fits, or with one group if none does."""
    usable = int(gpu.memory * (1 - HEADROOM))
    workers, memory = gpus // MACHINE, None
    for size in planned.micro_batches([workers]):
        planned = replace(planned, batch=replace(planned.batch, micro_batch=size))
        candidate = planned.memory(workers, 0, place)
        if candidate.peak <= usable:
            memory = candidate
            break
    share = planned.share(workers)
    amount = traffic(
        planned.networks, place, share, SHARDED, planned.plan.collectives(planned.objective, share)
    )
    return Row(
        gpus=gpus,
        place=place,
        share=share,
        memory=memory,
        traffic=amount,
        seconds=seconds(amount, links(gpu, place, MACHINE)),
        flops=planned.objective.sample_flops(planned.vit, planned.stages[0].crops),
    )


def flat_rows() -> list[Row]:
    """Sharded over all GPUs, as the trainer does it."""
    return [row(job(), gpus, Placement(gpus, 1)) for gpus in WORLDS]


def hybrid_rows() -> list[Row]:
    """Sharded within groups of GPUs and replicated over them (HSDP), which the trainer does not do yet."""
    return [
        row(job(), gpus, Placement(shards, gpus // shards))
        for gpus in (256, 1024)
        for shards in (8, 32, 128, gpus)
    ]


def tables() -> dict[str, str]:
    """Markdown of each table by its name."""
    return {
        "model": _model(),
        "memory": _table(
            (
                "GPUs",
                "samples",
                "passes",
                "state",
                "gradients",
                "activations",
                "targets",
                "buffers",
                "peak",
            ),
            [_memory(item) for item in flat_rows()],
        ),
        "communication": _table(
            ("GPUs", "passes", "gathers", "scatters", "Sinkhorn", "exchange", "arithmetic", "most MFU"),
            [_communication(item) for item in flat_rows()],
        ),
        "hybrid": _table(
            (
                "GPUs",
                "shards",
                "state",
                "passes",
                "peak",
                "gathers, scatters",
                "replicas",
                "exchange",
                "most MFU",
            ),
            [_hybrid(item) for item in hybrid_rows()],
        ),
    }


def fill(text: str) -> str:
    """A document with each `<!-- table: NAME -->` ... `<!-- end -->` filled. Raises KeyError for an unknown name."""
    made = tables()
    return _MARK.sub(lambda mark: f"{mark[1]}{made[mark[2]]}\n{mark[3]}", text)


def _model() -> str:
    planned = job()
    networks, flops = planned.networks, planned.flops(0)
    numbers = parameters(networks.trained)
    largest = max(unit.parameters for unit in networks.trained)
    nominal = planned.objective.sample_flops(planned.vit, planned.stages[0].crops)
    return _table(
        ("quantity", "value"),
        [
            ("parameters of the student, heads included", f"{numbers / 1e9:.3f} billion"),
            ("of them in the largest FSDP unit (a block)", f"{largest / 1e6:.1f} million"),
            ("state in all (student, teacher, moments), 16 bytes a parameter", _gib(16 * numbers)),
            ("arithmetic of a sample, all", f"{flops.total / 1e12:.2f} TFLOP"),
            ("as MFU counts it (without heads)", f"{nominal / 1e12:.2f} TFLOP"),
            ("kept for the backward pass, a sample", _gib(_per_sample(planned))),
        ],
    )


def _per_sample(planned: Job) -> float:
    """Bytes of activations per sample: the slope between two micro-batches of many samples."""
    few, many = (
        planned.plan.activations(
            planned.vit, planned.objective, planned.stages[0].crops, Share(n, n), SHARDED
        ).saved
        for n in (3000, 6000)
    )
    return (many - few) / 3000


def _memory(item: Row) -> tuple[str, ...]:
    m = item.memory
    head = (f"{item.gpus:,}", str(item.share.step))
    if m is None:
        return (*head, "none fits", "", "", "", "", "", "")
    sizes = (
        m.state,
        max(m.gradients, m.earlier),
        m.saved + m.passing,
        m.held + m.inputs,
        m.gathered,
        m.peak,
    )
    return (*head, f"{item.share.micro_batches} x {item.share.micro}", *map(_gib, sizes))


def _communication(item: Row) -> tuple[str, ...]:
    t = item.traffic
    sizes = (t.gathers, t.scatters)
    small = f"{t.objective / 2**20:.1f} MiB"
    times = (f"{item.seconds:.2f} s", f"{item.computing:.2f} s", _most(item))
    return (f"{item.gpus:,}", str(item.share.micro_batches), *map(_gib, sizes), small, *times)


def _hybrid(item: Row) -> tuple[str, ...]:
    m, t = item.memory, item.traffic
    head = (f"{item.gpus:,}", f"{item.place.shards:,}")
    if m is None:
        return (*head, "", "none fits", "", "", "", "", "")
    return (
        *head,
        _gib(m.state),
        f"{item.share.micro_batches} x {item.share.micro}",
        _gib(m.peak),
        _gib(t.gathers + t.scatters),
        _gib(t.replicas),
        f"{item.seconds:.2f} s",
        _most(item),
    )


def _most(item: Row) -> str:
    return f"{100 * item.most_mfu:.0f} %" if item.most_mfu < 1 else "all"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(_lines(heads, rows))


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for cells in rows:
        yield f"| {' | '.join(cells)} |"


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
