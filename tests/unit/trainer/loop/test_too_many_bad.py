"""A run whose data goes bad: counted by cause while it goes on, ended with the list of what was bad above the share."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.resume import Seen
from webssl_trainer.config import read_run, trainer_config
from webssl_trainer.data import BadDataError
from webssl_trainer.loop.narrator import Narrator
from webssl_trainer.loop.processes import Processes
from webssl_trainer.loop.session import open_session
from webssl_trainer.loop.stop import StopRequest
from webssl_trainer.loop.train import TrainingLoop, quarantine_of
from webssl_trainer.observe.metrics import TrainerMetrics
from webssl_trainer.storage import open_storage

from tests.unit.trainer.loop.conftest import LocalRun

ALONE = Processes(torch.device("cpu"), None, Peers(), Peers())
BAD = range(14)


def write_shard(path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        for number in range(20):
            buffer = io.BytesIO()
            pixels = np.random.default_rng(number).integers(0, 255, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(buffer, "PNG")
            data = (b"" if number % 2 else b"no image") if number in BAD else buffer.getvalue()
            info = tarfile.TarInfo(f"{number:03d}.png")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_above_the_share_the_run_ends_and_its_quarantine_report_holds_what_was_met_up_to_the_last_batch(
    local_run_factory: Callable[..., LocalRun], tmp_path: Path
) -> None:
    write_shard(tmp_path / "000.tar")
    data = {"source": f"file://{tmp_path}/*.tar", "seed": 3, "loaderThreads": 0, "maxBadFraction": 0.1}
    run = local_run_factory("bad", steps=5, data=data)
    session = open_session(trainer_config(read_run(run.run_file)), ALONE, open_storage(), Seen())
    metrics, quarantine = TrainerMetrics(), quarantine_of(session)
    narrator = Narrator(session, 1, None, metrics, None)
    with pytest.raises(
        BadDataError, match=r"of \d+ samples are broken \(last: .*\).*maxBadFraction"
    ) as raised:
        TrainingLoop(session, narrator, StopRequest(), quarantine=quarantine).run()
    assert quarantine.close(30)

    (path,) = run.folder.glob("bucket/quarantine/attempt-*.jsonl")
    head, *rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert {report.key for report in raised.value.reports} <= {row["key"] for row in rows}
    assert {int(row["key"]) for row in rows} <= set(BAD)
    assert all(row["cause"] == ("empty" if int(row["key"]) % 2 else "not-decoded") for row in rows)

    counted = {
        sample.labels["cause"]: sample.value
        for sample in next(iter(metrics.broken_by_cause.collect())).samples
        if sample.value
    }
    assert sum(counted.values()) == sum(head["met"].values()) - len(raised.value.reports)
    assert set(counted) == {"empty", "not-decoded"}
