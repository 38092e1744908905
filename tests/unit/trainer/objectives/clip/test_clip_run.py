"""A real CLIP run on this machine, from captioned shards to an encoder that the evaluation reads."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from webssl_api import exit_codes
from webssl_api.reports import TrainingState
from webssl_api.resolved import ResolvedRun
from webssl_eval.encoders.checkpoint import checkpoint_encoder, pinned_manifest
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.objectives.clip.tokenizer import clip_vocabulary
from webssl_trainer.storage import FsspecStorage

from tests.unit.trainer.loop.conftest import LocalRun

STEPS = 20
MakeRun = Callable[..., LocalRun]


def shade(number: int) -> bytes:
    """A picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (30, 30), (6 * number, 255 - 6 * number, 90)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator[MakeRun]:
    """A run over 40 pictures; those with a number in `lacking` have no caption."""
    runs = []

    def make(lacking: frozenset[int], **clip: Any) -> LocalRun:
        items = [
            PackItem(
                f"{n:03d}",
                shade(n),
                "png",
                caption=None if n in lacking else f"shade number {n}",
            )
            for n in range(40)
        ]
        pack(items, FsspecStorage(), (tmp_path / "data").as_uri())
        spec: dict[str, Any] = {
            "objective": {"clip": {"textTower": {"width": 32, "depth": 1, "heads": 2}, **clip}},
            "model": {"size": "tiny", "patchSize": 14, "dropPath": 0.1},
            "schedule": {
                "stages": [
                    {"resolution": 28, "samples": 8 * (STEPS - 5)},
                    {"resolution": 42, "samples": 8 * 5},
                ],
                "globalBatchSize": 8,
                "microBatchSize": 4,
            },
        }
        runs.append(LocalRun(tmp_path / "run", tmp_path / "data", STEPS, 1, spec))
        return runs[-1]

    yield make
    for run in runs:
        run.stop_all()


def test_a_run_trains_with_a_tokenizer_from_the_storage_and_its_vision_tower_can_be_evaluated(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(clip_vocabulary().to_str())
    run = make_run(frozenset({7}), tokenizer=tokenizer.as_uri(), loss="siglip")
    run.start(0)
    assert run.wait(0) == 0, run.logs()[-8000:]
    report, steps = run.report(), run.steps()
    assert (report.state, report.step) == (TrainingState.COMPLETED, STEPS)
    assert report.broken_samples > 0, "the picture without a caption was replaced"
    assert not any("007" in sample for step in steps for sample in step["ids"])
    assert set(steps[0]["losses"]) == {"loss", "sigmoid"}
    assert steps[-1]["losses"]["loss"] < steps[0]["losses"]["loss"]
    assert report.last_checkpoint is not None
    folder, digest = report.last_checkpoint.uri, report.last_checkpoint.digest
    manifest = pinned_manifest(FsspecStorage(), folder, digest)
    spec = ResolvedRun.from_yaml(run.run_file.read_text()).spec
    encoder = checkpoint_encoder(FsspecStorage(), folder, manifest, spec, None, torch.device("cpu"))
    features = encoder.encode(torch.randn(2, 3, 42, 42, generator=torch.Generator().manual_seed(0)))
    assert features.patches.shape == (2, 3, 3, 96)
    assert features.patches.isfinite().all()


def test_data_without_captions_end_the_run_before_its_first_step_with_the_field_to_mend(
    make_run: MakeRun,
) -> None:
    run = make_run(frozenset(range(40)), captionExtension="caption")
    (run.folder / "termination-0").touch()
    run.start(0)
    assert run.wait(0) == exit_codes.USER_ERROR
    said = (run.folder / "termination-0").read_text()
    assert "spec.objective.clip.captionExtension 'caption': none of 40 samples has a member" in said
    assert run.steps_logged() == 0
