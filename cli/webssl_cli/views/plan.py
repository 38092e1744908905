"""What `webssl plan` shows: tables for people, and the same numbers as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from webssl_cli.views.numbers import NOTHING, count, duration

if TYPE_CHECKING:
    from webssl_trainer.planning import CountOutlook, Outlook

GIB = 2**30


def plan_view(name: str, plan: Outlook) -> RenderableType:
    """The run, memory of one GPU at each worker count, time and cost, and what to change if something does not fit."""
    return Group(_run(name, plan), _memory(plan), _time(plan), *_notes(plan))


def plan_dict(name: str, plan: Outlook) -> dict[str, Any]:
    """All numbers: bytes, FLOP, seconds. Stable keys for programs."""
    job, assumed = plan.job, plan.assumptions
    return {
        "run": name,
        "gpu": {
            "name": assumed.gpu.name,
            "memoryBytes": assumed.gpu.memory,
            "usableBytes": assumed.usable,
            "peakFlops": assumed.gpu.peak,
        },
        "mfu": assumed.mfu,
        "pricePerGpuHour": assumed.price,
        "parameters": {"trained": plan.trained, "frozen": plan.frozen},
        "samples": job.samples,
        "globalBatchSize": job.batch.global_batch,
        "stages": [
            {
                "resolution": stage.crops.global_size,
                "samples": stage.samples,
                "flopsPerSample": asdict(job.flops(number)) | {"total": job.flops(number).total},
                "flopsPerStep": job.flops(number).total * job.batch.global_batch,
            }
            for number, stage in enumerate(job.stages)
        ],
        "workers": [_count_dict(plan, item) for item in plan.counts],
        "fits": plan.fits,
        "remedies": [asdict(remedy) for remedy in plan.remedies],
    }


def refusal(plan: Outlook) -> str:
    """One line: which worker counts do not fit, by how much, and the smallest change that would."""
    bad = [item for item in plan.counts if not item.fits]
    worst = max(bad, key=lambda item: item.memory.peak)
    counts = ", ".join(str(item.workers) for item in bad)
    mend = (
        str(plan.remedies[0])
        if plan.remedies
        else "no change that is known here suffices: use a smaller model"
    )
    return (
        f"spec.workers: the run does not fit on {counts} workers: {worst.memory.peak / GIB:.1f} GiB of a GPU at"
        f" {worst.workers}, {plan.assumptions.usable / GIB:.1f} GiB are usable on {plan.assumptions.gpu.name}: {mend}"
    )


def _count_dict(plan: Outlook, item: CountOutlook) -> dict[str, Any]:
    return {
        "workers": item.workers,
        "gpus": item.gpus,
        "samplesPerGpu": item.share.step,
        "microBatch": item.share.micro,
        "accumulation": item.share.micro_batches,
        "shards": item.placement.shards,
        "stageOfPeak": item.stage,
        "memoryBytes": asdict(item.memory) | {"phases": item.memory.phases, "peak": item.memory.peak},
        "fits": item.fits,
        "imagesPerSecond": item.images_per_second,
        "seconds": item.seconds,
        "gpuHours": item.gpu_hours,
        "cost": plan.cost(item),
    }


def _run(name: str, plan: Outlook) -> Table:
    job, assumed = plan.job, plan.assumptions
    table = Table(title=f"Plan of {name}", title_justify="left", show_header=False, min_width=60)
    table.add_column(style="bold")
    table.add_column()
    frozen = f", {plan.frozen / 1e6:,.1f} M follow it (EMA)" if plan.frozen else ""
    table.add_row("parameters", f"{plan.trained / 1e6:,.1f} M trained with heads{frozen}")
    for number, stage in enumerate(job.stages):
        flops = job.flops(number)
        table.add_row(
            f"step at {stage.crops.global_size} px",
            f"{_flop(flops.total * job.batch.global_batch)}, {_flop(flops.total)} a sample"
            f" ({_flop(flops.forward)} forward, {_flop(flops.backward)} backward, {_flop(flops.frozen)} frozen)",
        )
    table.add_row("samples", f"{count(job.samples)} in steps of {count(job.batch.global_batch)}")
    table.add_row(
        "assumed",
        f"{assumed.gpu.name}, {assumed.gpu.peak / 1e12:,.0f} TFLOP/s bf16 at MFU {assumed.mfu:g},"
        f" {assumed.usable / GIB:.1f} of {assumed.gpu.memory / GIB:.1f} GiB usable",
    )
    return table


def _memory(plan: Outlook) -> Table:
    table = Table(title="Memory of one GPU, GiB", title_justify="left")
    table.add_column("workers", justify="right")
    for heading in (
        "GPUs",
        "micro-batch",
        "weights",
        "optimizer",
        "gradients",
        "activations",
        "targets, inputs",
        "buffers",
        "peak",
    ):
        table.add_column(heading, justify="right")
    table.add_column("fits")
    for item in plan.counts:
        m = item.memory
        table.add_row(
            str(item.workers),
            str(item.gpus),
            f"{item.share.micro_batches} x {item.share.micro}",
            *(
                _gib(value)
                for value in (
                    m.trained + m.frozen,
                    m.moments,
                    max(m.gradients, m.earlier),
                    m.saved + m.passing,
                    m.held + m.inputs,
                    m.copies + m.gathered,
                )
            ),
            f"[bold]{_gib(m.peak)}[/]",
            "yes" if item.fits else "[red]no[/]",
        )
    return table


def _time(plan: Outlook) -> Table:
    table = Table(title=f"Time and cost at MFU {plan.assumptions.mfu:g}", title_justify="left")
    for heading in ("workers", "GPUs", "networks", "img/s", "time", "GPU-hours", "cost"):
        table.add_column(heading, justify="left" if heading == "networks" else "right")
    for item in plan.counts:
        cost = plan.cost(item)
        table.add_row(
            str(item.workers),
            str(item.gpus),
            f"sharded over {item.placement.shards}" if item.placement.shards > 1 else "whole on each GPU",
            f"{item.images_per_second:,.0f}",
            duration(item.seconds),
            f"{item.gpu_hours:,.1f}",
            NOTHING if cost is None else f"{cost:,.0f}",
        )
    return table


def _notes(plan: Outlook) -> list[Text]:
    notes = ["Peak: the largest of the phases of a step; not all columns are there at the same time."]
    if plan.remedies:
        notes.append("Changes that would make it fit, the smallest first:")
        notes += [f"  {number}. {remedy}" for number, remedy in enumerate(plan.remedies, 1)]
    return [Text(note) for note in notes]


def _gib(size: int) -> str:
    return f"{size / GIB:,.2f}"


def _flop(value: float) -> str:
    """Three digits and a prefix: `7.55 TFLOP`."""
    power = next((n for n in range(6, 0, -1) if value >= 1000**n), 0)
    return f"{value / 1000**power:.3g} {' kMGTPE'[power].strip()}FLOP"
