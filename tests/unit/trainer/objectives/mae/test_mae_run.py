"""A real MAE run on this machine: interrupted, resumed, and read by the evaluation."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from webssl_api import exit_codes
from webssl_api.reports import TrainingState
from webssl_api.resolved import ResolvedRun
from webssl_eval.encoders.checkpoint import checkpoint_encoder, pinned_manifest
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.storage import FsspecStorage

from tests.unit.trainer.loop.conftest import LocalRun

STEPS = 210


def _png(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[LocalRun]:
    data = tmp_path / "data"
    items = [PackItem(f"{n:03d}", _png(n), "png") for n in range(40)]
    pack(items, FsspecStorage(), data.as_uri())
    spec: dict[str, Any] = {
        "objective": {"mae": {"decoder": {"width": 32, "depth": 1, "heads": 2}}},
        "model": {"size": "tiny", "patchSize": 7, "dropPath": 0},
        "schedule": {
            "stages": [{"resolution": 28, "samples": 8 * 200}, {"resolution": 42, "samples": 8 * 10}],
            "globalBatchSize": 8,
        },
    }
    local = LocalRun(tmp_path / "run", data, STEPS, 1, spec)
    yield local
    local.stop_all()


def test_a_run_that_is_stopped_goes_on_from_its_checkpoint_and_its_encoder_can_be_evaluated(
    run: LocalRun,
) -> None:
    run.hold(3)
    run.start(0)
    run.wait_until(lambda: run.steps_logged() >= 3, "three steps")
    assert run.terminate(0) == exit_codes.RETRY, run.logs()[-8000:]
    run.release()
    run.start(0)
    assert run.wait(0) == 0, run.logs()[-8000:]
    report = run.report()
    assert (report.state, report.step, report.lost_steps) == (TrainingState.COMPLETED, STEPS, 0)
    assert report.attempt == 2
    steps = run.steps()
    assert [step["step"] for step in steps] == list(range(STEPS))
    assert {"loss", "pixels"} <= set(steps[0]["losses"])
    assert report.last_checkpoint is not None
    folder, digest = report.last_checkpoint.uri, report.last_checkpoint.digest
    manifest = pinned_manifest(FsspecStorage(), folder, digest)
    spec = ResolvedRun.from_yaml(run.run_file.read_text()).spec
    encoder = checkpoint_encoder(FsspecStorage(), folder, manifest, spec, None, torch.device("cpu"))
    features = encoder.encode(torch.randn(2, 3, 42, 42, generator=torch.Generator().manual_seed(0)))
    assert features.cls.shape == (2, 96)
    assert features.patches.shape == (2, 6, 6, 96)
    assert features.patches.isfinite().all()
