"""A CLIP training gives the same losses however many processes and micro-batches share its global batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.trainer.objectives import world
from tests.unit.trainer.objectives.ranks import Losses, together

STEPS = {"clip": 50, "siglip": 10}
SAVED_BEFORE_THE_LAST = 5
LOSSES = sorted(STEPS)


def alone(objective: str, accumulate: int) -> world.Job:
    """One process; `first`, `last` and the rest as in the whole run."""
    return world.Job(
        rank=0,
        world=1,
        strategy="replicate",
        accumulate=accumulate,
        first=0,
        last=STEPS[objective],
        save_at=STEPS[objective] - SAVED_BEFORE_THE_LAST,
        out="",
        rendezvous="",
        objective=objective,
    )


@pytest.fixture(scope="module")
def reference() -> dict[str, Losses]:
    """One process that holds each global batch whole, by loss."""
    return {name: world.train(alone(name, accumulate=1), None) for name in LOSSES}


def assert_equal(losses: Losses, reference: Losses) -> None:
    for step, (mine, theirs) in enumerate(zip(losses, reference, strict=True)):
        # The absolute part is for the temperature's gradient: numbers near 1 that cancel to a thousandth and less.
        assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-6), f"step {step}"


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_falls(name: str, reference: dict[str, Losses]) -> None:
    assert reference[name][-1]["loss"] < reference[name][0]["loss"]


@pytest.mark.parametrize(("name", "accumulate"), [("clip", 4), ("siglip", 2), ("siglip", 16)])
def test_accumulation_does_not_change_losses_and_gradients(
    name: str, accumulate: int, reference: dict[str, Losses]
) -> None:
    assert_equal(world.train(alone(name, accumulate), None), reference[name])


def test_four_replicas_give_the_losses_of_one_process(tmp_path: Path, reference: dict[str, Losses]) -> None:
    assert_equal(together(tmp_path, 4, alone("clip", accumulate=2)), reference["clip"])


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")  # resuming in one process is the point
@pytest.mark.parametrize(("name", "accumulate"), [("clip", 2), ("siglip", 1)])
def test_two_shards_give_the_losses_of_one_process_also_when_one_process_resumes_their_run(
    tmp_path: Path, name: str, accumulate: int, reference: dict[str, Losses]
) -> None:
    job = alone(name, accumulate)
    assert_equal(together(tmp_path, 2, replace(job, strategy="shard")), reference[name])
    resumed = world.train(replace(job, first=job.save_at, load=str(tmp_path / "checkpoint")), None)
    assert_equal(resumed, reference[name][-SAVED_BEFORE_THE_LAST:])
