"""Runs the ranks of a small training as processes of their own, forked from one that has imported torch already."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

from tests.unit.trainer.objectives import world

# Importing torch takes longer than the trainings; here it is imported once.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([world.__name__])
Losses = list[dict[str, float]]


def together(out: Path, count: int, job: world.Job) -> Losses:
    """Losses that all ranks must have seen alike; a checkpoint lands in out/checkpoint."""
    shared = replace(
        job, world=count, out=str(out), rendezvous=str(out / "rendezvous"), save=str(out / "checkpoint")
    )
    processes = [
        _FORKS.Process(target=world.main, args=(replace(shared, rank=rank),)) for rank in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=300)
    assert [process.exitcode for process in processes] == [0] * count
    ranks: list[Losses] = [json.loads((out / f"rank{rank}.json").read_text()) for rank in range(count)]
    assert all(losses == ranks[0] for losses in ranks)
    return ranks[0]
