"""Worker counts, placements, and changes that make a run fit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_trainer.data import BatchPlan, CropSpec
from webssl_trainer.errors import UserError
from webssl_trainer.model import vit_config
from webssl_trainer.objectives.dino import DinoConfig
from webssl_trainer.planning import GPUS, Assumptions, Job, StageJob, gpu_named, outlook
from webssl_trainer.planning.memory import Placement
from webssl_trainer.planning.registry import plan_of
from webssl_trainer.planning.remedies import Remedy, fits, remedies
from webssl_trainer.planning.scaling import fill, job, row

ROOT = Path(__file__).parents[4]
GIB = 2**30
RECOMPUTE = "spec.compute.activationCheckpointing"
H100 = Assumptions(gpu_named("h100"), mfu=0.4, headroom=0.08)


def run(size: str = "1B", micro: int = 0, group: int = 16, workers: tuple[int, int] = (4, 8)) -> Job:
    stage = StageJob(CropSpec(), 1_000_000)
    batch = BatchPlan(3072, group, micro)
    return Job(vit_config(size), DinoConfig(group_size=group), (stage,), batch, workers, 8)


def applied(planned: Job, remedy: Remedy) -> Job:
    """The run with a remedy written into its manifest."""
    batch, value = planned.batch, remedy.value
    if remedy.field.startswith("spec.compute."):
        way, *rest = value.split(" and ")
        planned = replace(planned, recompute=way)  # type: ignore[arg-type]
        micro = int(rest[0]) if rest else batch.micro_batch
        return replace(planned, batch=replace(batch, micro_batch=micro))
    values = [int(part) for part in re.findall(r"\d+", value)]
    fields = dict(zip(re.split(r", | and (?!max)", remedy.field), values, strict=True))
    group = fields.get("spec.objective.dino.koleo.groupSize", batch.group_size)
    micro = fields.get("spec.schedule.microBatchSize", batch.micro_batch)
    both = fields.get("spec.workers.min and max")
    least = both or fields.get("spec.workers.min", planned.workers[0])
    return replace(
        planned,
        objective=replace(planned.objective, group_size=group),  # type: ignore[type-var]
        batch=BatchPlan(batch.global_batch, group, micro),
        workers=(least, both or planned.workers[1]),
    )


def test_only_counts_that_share_the_batch_in_whole_groups_are_planned() -> None:
    assert run().counts == [4, 6, 8]
    assert [(share.step, share.micro) for share in map(run(micro=32).share, [4, 6, 8])] == [
        (96, 32),
        (64, 32),
        (48, 16),
    ]


def test_small_networks_are_whole_on_each_gpu_and_large_ones_sharded_over_all() -> None:
    assert run("300M").placement(4) == Placement(shards=1, replicas=32)
    assert run("1B").placement(4) == Placement(shards=32, replicas=1)


def test_state_falls_with_the_number_of_shards_and_is_sixteen_bytes_a_parameter() -> None:
    numbers = outlook(run(), H100, ()).trained
    for workers in (4, 8):
        memory = run().memory(workers, 0)
        assert memory.state == pytest.approx(16 * numbers / (8 * workers), rel=1e-6)


def test_a_sharded_network_that_accumulates_holds_whole_gradients() -> None:
    numbers = outlook(run(), H100, ()).trained
    assert run(micro=16).memory(4, 0).earlier == 4 * numbers
    assert run().memory(4, 0).earlier == 0


def test_the_stage_with_the_highest_resolution_decides_the_memory() -> None:
    stages = (StageJob(CropSpec(), 10**6), StageJob(CropSpec(global_size=518, local_size=224), 10**6))
    planned = outlook(replace(run(micro=16), stages=stages), H100, ())
    assert [count.stage for count in planned.counts] == [1, 1, 1]


@settings(deadline=None, max_examples=60)
@given(
    size=st.sampled_from(["S", "300M", "1B", "3B", "7B"]),
    usable=st.integers(10, 300).map(lambda gib: gib * GIB),
    micro=st.sampled_from([0, 16, 48]),
    group=st.sampled_from([4, 16]),
    least=st.sampled_from([1, 4]),
)
def test_every_change_that_is_named_makes_every_count_fit(
    size: str, usable: int, micro: int, group: int, least: int
) -> None:
    planned = run(size, micro, group, (least, 8))
    larger = [(gpu.name, gpu.memory) for gpu in GPUS.values() if gpu.memory > usable]
    if fits(planned, usable, planned.counts):
        return
    for remedy in remedies(planned, usable, larger):
        room = dict(larger)[remedy.value] if remedy.field == "--gpu" else usable
        mended = planned if remedy.field == "--gpu" else applied(planned, remedy)
        assert fits(mended, room, mended.counts), remedy


def test_what_changes_no_result_comes_before_what_does() -> None:
    found = [remedy.field for remedy in remedies(run("1B"), H100.usable, [])]
    assert found[0] == "spec.schedule.microBatchSize"
    assert not any("groupSize" in field for field in found)
    (only,) = remedies(run("7B"), H100.usable * 2 // 3, [])
    assert only.field == "spec.compute.activationCheckpointing and spec.schedule.microBatchSize"
    crowded = replace(run("7B", workers=(1, 1)), recompute="full")
    for remedy in remedies(crowded, crowded.peak(1) - 1, []):
        assert "groupSize" not in remedy.field


def test_recomputation_is_proposed_in_the_order_of_its_price() -> None:
    alone = run("1B", workers=(4, 4))
    peaks = {way: replace(alone, recompute=way).peak(4) for way in ("none", "selective", "full")}
    assert peaks["none"] > peaks["selective"] > peaks["full"]
    for usable, way in ((peaks["selective"], "selective"), (peaks["full"], "full")):
        named = [r.value for r in remedies(alone, usable, []) if r.field == RECOMPUTE]
        assert named == [way]
    done = replace(alone, recompute="full")
    assert not any(r.field.startswith(RECOMPUTE) for r in remedies(done, peaks["full"] // 2, []))


def test_a_run_that_starts_on_too_few_gpus_gets_a_smaller_micro_batch_and_more_of_them() -> None:
    planned = replace(run("300M", workers=(1, 8)), processes_per_worker=1)
    first = next(remedies(planned, H100.usable, []))
    assert first.field == "spec.schedule.microBatchSize and spec.workers.min"
    assert planned.counts[0] < int(first.value.split(" and ")[1]) <= 8


def test_an_objective_that_the_planner_does_not_know_is_refused_with_the_known_ones() -> None:
    class NewConfig:
        pass

    with pytest.raises(UserError, match=r"spec\.objective new: planning knows dino, mae, clip only"):
        plan_of(NewConfig())


def test_the_tables_of_the_scaling_document_are_up_to_date() -> None:
    text = (ROOT / "docs/scaling.md").read_text()
    assert text.count("<!-- table: ") == 4
    assert text == fill(text), "run `make generate`"


def test_seven_billion_parameters_do_not_fit_a_group_of_sixteen_on_80_gb() -> None:
    paper = replace(job(), batch=BatchPlan(3072, 16, 16), objective=DinoConfig(group_size=16))
    assert paper.peak(8) > H100.usable
    assert row(job(), 64, Placement(64, 1)).memory is not None
