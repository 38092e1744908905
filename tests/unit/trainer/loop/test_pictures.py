"""Pictures beside the checkpoints of a real run: there, of what is kept, and nothing of the training is another for them."""

from __future__ import annotations

import io
import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from PIL import Image
from structlog.testing import capture_logs
from webssl_api import exit_codes
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.resume import Seen
from webssl_trainer.config import read_run, trainer_config
from webssl_trainer.loop import pictures as module
from webssl_trainer.loop.narrator import Narrator
from webssl_trainer.loop.pictures import Pictures
from webssl_trainer.loop.processes import Processes
from webssl_trainer.loop.session import Session, open_session
from webssl_trainer.loop.stop import StopRequest
from webssl_trainer.loop.train import TrainingLoop
from webssl_trainer.storage import open_storage

from tests.unit.trainer.loop import sharded_rank
from tests.unit.trainer.loop.conftest import LocalRun

Runs = Callable[..., LocalRun]
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([sharded_rank.__name__])
MAE = {"mae": {"decoder": {"width": 16, "depth": 1, "heads": 2}}}


def trained(run: LocalRun, interval: float = 0.0, wanted: bool = True) -> Session:
    """One attempt to the end, with pictures."""
    alone = Processes(torch.device("cpu"), None, Peers(), Peers())
    session = open_session(trainer_config(read_run(run.run_file)), alone, open_storage(), Seen())
    pictures = Pictures(session, wanted=wanted, interval=interval)
    assert not wanted or pictures.ready.wait(300)
    loop = TrainingLoop(session, Narrator(session, 1, None, None, None), StopRequest(), pictures=pictures)
    assert loop.run() == exit_codes.COMPLETE
    pictures.close(300)
    return session


def drawn(run: LocalRun) -> list[str]:
    return sorted(path.name for path in (run.folder / "bucket" / "pictures").glob("*"))


@pytest.mark.parametrize("objective", [{}, {"objective": MAE}], ids=["dino", "mae"])
def test_every_kept_checkpoint_has_its_pictures_and_they_change_no_number(
    local_run: Runs, tmp_path: Path, objective: dict[str, Any]
) -> None:
    with_pictures, without = local_run(steps=22, **objective), local_run(steps=22, **objective)
    trained(with_pictures)
    trained(without, wanted=False)
    assert [step["losses"] for step in with_pictures.steps()] == [step["losses"] for step in without.steps()]
    kept = [path.name for path in with_pictures.checkpoints()]
    assert kept == [f"step-{step:012d}" for step in (10, 15, 20, 22)][-len(kept) :]
    names = set(drawn(with_pictures))
    assert names <= {f"{step}-{kind}.png" for step in kept for kind in ("loss", "pca")}
    assert {f"{kept[-1]}-loss.png", f"{kept[-1]}-pca.png"} <= names
    for path in (with_pictures.folder / "bucket" / "pictures").glob("*"):
        with Image.open(io.BytesIO(path.read_bytes())) as picture:
            picture.verify()
    assert not drawn(without)


def test_pictures_are_seldom_but_for_the_final_one(local_run: Runs) -> None:
    run = local_run(steps=14)
    trained(run, interval=1e9)
    assert {name[:17] for name in drawn(run)} == {"step-000000000005", "step-000000000014"}


def test_a_bucket_that_takes_no_pictures_costs_the_pictures_alone(
    local_run: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bytes:
        raise OSError("no room for pictures")

    monkeypatch.setattr(module, "loss_picture", refuse)
    monkeypatch.setattr(module, "patch_features", refuse)
    run = local_run(steps=7)
    with capture_logs() as logs:
        trained(run)
    failed = {line["event"]: line["error"] for line in logs if line["event"].startswith("pictures.")}
    assert failed == dict.fromkeys(
        ["pictures.no_features", "pictures.failed"], "OSError: no room for pictures"
    )
    assert [path.name[-2:] for path in run.checkpoints()] == ["05", "07"]


@pytest.mark.parametrize("kind", ["dino", "mae"])
def test_sharded_networks_train_on_as_if_no_features_had_been_taken(tmp_path: Path, kind: str) -> None:
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    ranks = [_FORKS.Process(target=sharded_rank.main, args=(n, kind, tmp_path, store.port)) for n in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(timeout=800)
    assert [process.exitcode for process in ranks] == [0, 0]
    for rank in range(2):
        found = json.loads((tmp_path / f"rank{rank}.json").read_text())
        assert found["collective"]
        assert found["with"] == found["without"], "losses, bit by bit"
        assert found["features"] == found["whole"], "the features are those of the network in one piece"
        assert found["random_state_kept"]
