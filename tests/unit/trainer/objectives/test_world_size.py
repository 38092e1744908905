"""A DINO training gives the same losses however many processes and micro-batches share its global batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.trainer.objectives import world
from tests.unit.trainer.objectives.ranks import Losses, together

STEPS = 50
SAVE_AT = 30
TERMS = ("loss", "dino", "ibot", "koleo")


def alone(accumulate: int) -> world.Job:
    """One process over the whole run."""
    return world.Job(
        rank=0,
        world=1,
        strategy="replicate",
        accumulate=accumulate,
        first=0,
        last=STEPS,
        save_at=SAVE_AT,
        out="",
        rendezvous="",
    )


@pytest.fixture(scope="module")
def reference() -> Losses:
    """One process that holds each global batch whole."""
    return world.train(alone(accumulate=1), None)


def assert_equal(losses: Losses, reference: Losses) -> None:
    for step, (mine, theirs) in enumerate(zip(losses, reference, strict=True)):
        for name in TERMS:
            assert mine[name] == pytest.approx(theirs[name], rel=1e-4), f"step {step}, {name}"


def test_the_loss_falls(reference: Losses) -> None:
    assert reference[-1]["loss"] < 0.95 * reference[0]["loss"]


def test_accumulation_does_not_change_the_losses(reference: Losses) -> None:
    assert_equal(world.train(alone(accumulate=4), None), reference)


def test_four_replicas_give_the_losses_of_one_process(tmp_path: Path, reference: Losses) -> None:
    assert_equal(together(tmp_path, 4, alone(accumulate=1)), reference)


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")  # resuming in one process is the point
def test_two_shards_give_the_losses_of_one_process_also_when_one_process_resumes_their_run(
    tmp_path: Path, reference: Losses
) -> None:
    job = alone(accumulate=2)
    assert_equal(together(tmp_path, 2, replace(job, strategy="shard")), reference)
    resumed = world.train(replace(job, first=SAVE_AT, load=str(tmp_path / "checkpoint")), None)
    assert_equal(resumed, reference[SAVE_AT:])
