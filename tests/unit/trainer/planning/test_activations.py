"""The planner's bytes against a real step of the real objective. Tolerances: 2 % of what autograd keeps and of the
targets, 15 % of the peak."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch.distributed as dist
from webssl_trainer.model import Compute, Parallel
from webssl_trainer.planning.dino import DinoPlan, activations_of, most_masked
from webssl_trainer.planning.memory import memory_plan, placement
from webssl_trainer.planning.precision import AUTOCAST, FP32, SHARDED, STORED, Precision
from webssl_trainer.planning.quantities import Activations, Share, matrices

from tests.unit.trainer.planning.reality import (
    CPU,
    LiveBytes,
    Measured,
    SavedBytes,
    Shape,
    measured,
    storages,
)

SHAPES = [
    Shape("tiny", samples=2, micro_batches=1, prototypes=4096, hidden=1024),
    Shape("tiny", samples=2, micro_batches=2, prototypes=1024, sides=(112, 56), n_local=4, hidden=256),
    Shape("S", samples=2, micro_batches=1, prototypes=4096, sides=(112, 56), hidden=512),
    Shape("S", samples=2, micro_batches=2, prototypes=256, sides=(112, 42), n_local=0, hidden=256),
]
PLAIN = {"fp32": FP32, "bf16 autocast": AUTOCAST}
RECOMPUTING: dict[str, Precision] = {
    f"{way}, {name}": replace(precision, recompute=way)
    for way in ("selective", "full")
    for name, precision in PLAIN.items()
}


def planned(shape: Shape, precision: Precision) -> Activations:
    micro, step = shape.rows()
    return activations_of(shape.vit, shape.config, shape.crops, micro, step, precision)


def also_kept(shape: Shape, precision: Precision) -> int:
    """What autograd keeps that the planner counts elsewhere: targets of patches, copies of matrices. A matrix that is
    copied again in the backward pass is not kept: with selective recomputation the attention's projection is."""
    micro, _ = shape.rows()
    networks = DinoPlan().networks(shape.vit, shape.config)
    numbers = matrices(networks.trained)
    if precision.recompute != "none":
        again = shape.vit.block_weights - (shape.vit.width**2 if precision.recompute == "selective" else 0)
        numbers -= shape.vit.depth * again
    copies = precision.compute * numbers if precision.copies else 0
    return STORED * shape.prototypes * micro.patches + copies


@cache
def real_step(shape: Shape, precision: Precision) -> Measured:
    """One step for both tests below."""
    compute = Compute(recompute=precision.recompute)
    objective = shape.objective(Parallel(CPU, bf16=precision.halves, compute=compute))
    return measured(objective, shape.batches, shape.context())


@pytest.mark.parametrize("precision", PLAIN.values(), ids=PLAIN)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_autograd_keeps_is_what_was_planned(shape: Shape, precision: Precision) -> None:
    expected = planned(shape, precision).saved + also_kept(shape, precision)
    assert expected == pytest.approx(real_step(shape, precision).saved, rel=0.02)


@pytest.mark.parametrize("precision", RECOMPUTING.values(), ids=RECOMPUTING)
@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_blocks_that_recompute_keep_what_was_planned(shape: Shape, precision: Precision) -> None:
    expected = planned(shape, precision).saved + also_kept(shape, precision)
    assert expected == pytest.approx(real_step(shape, precision).saved, rel=0.02)


@pytest.mark.parametrize("precision", RECOMPUTING.values(), ids=RECOMPUTING)
def test_the_peak_of_a_step_with_recomputation_is_what_was_planned(precision: Precision) -> None:
    shape = SHAPES[2]
    share = Share(shape.samples, shape.samples)
    networks = DinoPlan().networks(shape.vit, shape.config)
    plan = memory_plan(networks, planned(shape, precision), placement(1, shard=False), share, precision)
    expected = plan.peak - plan.state - plan.inputs
    assert expected == pytest.approx(real_step(shape, precision).peak, rel=0.15)


def test_images_that_skip_a_branch_keep_nothing_of_it() -> None:
    shape = Shape("S", samples=4, micro_batches=1, prototypes=256, sides=(112, 56), hidden=256, drop_path=0.4)
    expected = planned(shape, FP32).saved + also_kept(shape, FP32)
    assert expected == pytest.approx(real_step(shape, FP32).saved, rel=0.05)


@pytest.mark.parametrize("precision", PLAIN.values(), ids=PLAIN)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_peak_of_a_step_is_what_was_planned(shape: Shape, precision: Precision) -> None:
    share = Share(shape.samples * shape.micro_batches, shape.samples)
    networks = DinoPlan().networks(shape.vit, shape.config)
    plan = memory_plan(networks, planned(shape, precision), placement(1, shard=False), share, precision)
    expected = plan.peak - plan.state - plan.inputs
    assert expected == pytest.approx(real_step(shape, precision).peak, rel=0.15)


def test_the_targets_of_a_step_are_held_and_their_computation_takes_what_was_planned() -> None:
    shape = Shape("tiny", samples=4, micro_batches=2, prototypes=16384, hidden=256)
    objective = shape.objective(Parallel(CPU, bf16=True))
    inputs = [objective._inputs(batch, shape.context()) for batch in shape.batches]
    bytes_ = [crops.values for x in inputs for crops in x.crops]
    with LiveBytes(storages([*objective.teacher.parameters(), *bytes_])) as live:
        targets = objective._targets(inputs, [], shape.context())
    plan = planned(shape, AUTOCAST)
    assert plan.before == pytest.approx(live.peak, rel=0.05)
    assert plan.held == sum(storages(x for target in targets for x in target).values())
    assert plan.held == pytest.approx(live.now, rel=0.02)


def test_a_sharded_network_keeps_its_stream_in_bf16(one_process: dist.ProcessGroup) -> None:
    shape = SHAPES[0]
    objective = shape.objective(Parallel(CPU, one_process, shard=True, bf16=True))
    kept = SavedBytes({})
    with kept.watching():
        objective.forward_backward(shape.batches, shape.context(one_process))
    expected = planned(shape, SHARDED).saved + also_kept(shape, SHARDED)
    assert expected == pytest.approx(kept.peak, rel=0.02)


def test_masks_stay_below_the_number_that_memory_is_planned_for() -> None:
    shape = Shape("tiny", samples=32, micro_batches=6, prototypes=64, sides=(224, 14), n_local=0)
    most = most_masked(shape.config.masks, 2 * shape.samples, 256)
    counts = [shape.masked(batch) for batch in shape.batches]
    assert max(counts) < most < 2 * sum(counts) / len(counts)


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[dist.ProcessGroup]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield dist.group.WORLD  # type: ignore[misc]
    dist.destroy_process_group()
