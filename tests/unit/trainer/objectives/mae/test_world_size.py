"""An MAE training gives the same losses however many processes and micro-batches share its global batch."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from tests.unit.trainer.objectives import world

STEPS = 50
SAVE_AT = 30
# Importing torch takes longer than the trainings; here it is imported once.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([world.__name__])
Losses = list[dict[str, float]]


def alone(accumulate: int, first: int = 0, load: str | None = None) -> Losses:
    job = world.Job(
        rank=0,
        world=1,
        strategy="replicate",
        accumulate=accumulate,
        first=first,
        last=STEPS,
        out="",
        rendezvous="",
        load=load,
        objective="mae",
    )
    return world.train(job, None)


def together(out: Path, count: int, strategy: str, accumulate: int) -> Losses:
    """Losses that all ranks must have seen alike; a checkpoint lands in out/checkpoint."""
    out.mkdir()
    jobs = [
        world.Job(
            rank=rank,
            world=count,
            strategy=strategy,
            accumulate=accumulate,
            first=0,
            last=STEPS,
            out=str(out),
            rendezvous=str(out / "rendezvous"),
            save=str(out / "checkpoint"),
            save_at=SAVE_AT,
            objective="mae",
        )
        for rank in range(count)
    ]
    processes = [_FORKS.Process(target=world.main, args=(job,)) for job in jobs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=300)
    assert [process.exitcode for process in processes] == [0] * count
    ranks: list[Losses] = [json.loads((out / f"rank{rank}.json").read_text()) for rank in range(count)]
    assert all(losses == ranks[0] for losses in ranks)
    return ranks[0]


@pytest.fixture(scope="module")
def reference() -> Losses:
    """One process that holds each global batch whole."""
    return alone(accumulate=1)


def assert_equal(losses: Losses, reference: Losses) -> None:
    for step, (mine, theirs) in enumerate(zip(losses, reference, strict=True)):
        assert mine == pytest.approx(theirs, rel=1e-4), f"step {step}"


def test_the_loss_falls(reference: Losses) -> None:
    assert set(reference[0]) == {"loss", "pixels", "norm encoder", "norm decoder"}
    assert reference[-1]["loss"] < 0.95 * reference[0]["loss"]


def test_accumulation_does_not_change_losses_and_gradients(reference: Losses) -> None:
    assert_equal(alone(accumulate=8), reference)


def test_four_replicas_give_the_losses_of_one_process(tmp_path: Path, reference: Losses) -> None:
    assert_equal(together(tmp_path / "replicate", 4, "replicate", accumulate=2), reference)


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")  # resuming in one process is the point
def test_two_shards_give_the_losses_of_one_process_also_when_one_process_resumes_their_run(
    tmp_path: Path, reference: Losses
) -> None:
    assert_equal(together(tmp_path / "shard", 2, "shard", accumulate=2), reference)
    resumed = alone(accumulate=2, first=SAVE_AT, load=str(tmp_path / "shard" / "checkpoint"))
    assert_equal(resumed, reference[SAVE_AT:])
