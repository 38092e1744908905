"""A training gives the same losses however many processes and micro-batches share its global batch."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("world.py")
STEPS = 12
SAVE_AT = 6
TOLERANCE = 1e-4
Losses = list[dict[str, float]]


@pytest.fixture(scope="module")
def world() -> Any:
    """The script as a module, for trainings in this process."""
    spec = importlib.util.spec_from_file_location("world_of_dino", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def in_this_process(world: Any, accumulate: int, first: int = 0, load: str | None = None) -> Losses:
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
    )
    losses: Losses = world.train(job, None)
    return losses


def in_two_processes(out: Path, strategy: str, accumulate: int) -> Losses:
    """Losses of each step, which both ranks must have seen alike; a checkpoint lands in out/checkpoint."""
    out.mkdir()
    job = {
        "world": 2,
        "strategy": strategy,
        "accumulate": accumulate,
        "first": 0,
        "last": STEPS,
        "out": str(out),
        "rendezvous": str(out / "rendezvous"),
        "save": str(out / "checkpoint"),
        "save_at": SAVE_AT,
    }
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen([sys.executable, SCRIPT, json.dumps(job | {"rank": rank})], env=environment)
        for rank in range(2)
    ]
    assert [process.wait(timeout=800) for process in processes] == [0, 0]
    first, second = (json.loads((out / f"rank{rank}.json").read_text()) for rank in range(2))
    assert first == second
    losses: Losses = first
    return losses


@pytest.fixture(scope="module")
def reference(world: Any) -> Losses:
    """One process that holds each global batch whole."""
    return in_this_process(world, accumulate=1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


def assert_equal(losses: Losses, reference: Losses) -> None:
    for step, (mine, theirs) in enumerate(zip(losses, reference, strict=True)):
        for name in ("loss", "dino", "ibot", "koleo"):
            assert mine[name] == pytest.approx(theirs[name], rel=TOLERANCE), f"step {step}, {name}"


def test_the_loss_falls(reference: Losses) -> None:
    assert reference[-1]["loss"] < 0.95 * reference[0]["loss"]


def test_accumulation_does_not_change_the_losses(world: Any, reference: Losses) -> None:
    assert_equal(in_this_process(world, accumulate=4), reference)


def test_two_replicas_give_the_losses_of_one_process(shared: Path, reference: Losses) -> None:
    assert_equal(in_two_processes(shared / "replicate", "replicate", accumulate=2), reference)


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")  # resuming in one process is the point
def test_two_shards_give_the_losses_of_one_process_also_when_one_process_resumes_their_run(
    world: Any, shared: Path, reference: Losses
) -> None:
    assert_equal(in_two_processes(shared / "shard", "shard", accumulate=2), reference)
    resumed = in_this_process(world, accumulate=2, first=SAVE_AT, load=str(shared / "shard" / "checkpoint"))
    assert_equal(resumed, reference[SAVE_AT:])
