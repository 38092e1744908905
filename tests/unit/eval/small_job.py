"""What a pod of the evaluation is given, at a small size: a run with a k-NN suite, its data, and a checkpoint of it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save
from webssl_api import env
from webssl_api.manifest import MANIFEST_NAME, CheckpointManifest
from webssl_api.resolved import ResolvedRun
from webssl_trainer.checkpoint.objects import ObjectStore, ObjectWriter
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.model import VisionTransformer, initialise, vit_config
from webssl_trainer.storage import Storage

from tests.unit.eval.conftest import png

CPU = torch.device("cpu")


def run_of(folder: Path, **changes: Any) -> ResolvedRun:
    labelled = f"{(folder / 'labelled').as_uri()}/*.tar"
    spec: dict[str, Any] = {
        "model": {"size": "tiny", "patchSize": 14},
        "objective": {"dino": {"koleo": {"groupSize": 2}}},
        "data": {"source": labelled},
        "schedule": {"stages": [{"resolution": 28, "samples": 8}], "globalBatchSize": 4},
        "workers": {"min": 1, "max": 1},
        "checkpoint": {"uri": folder.as_uri(), "interval": {"samples": 8}},
        "evaluation": {"suites": [{"knn": {"train": labelled, "test": labelled, "k": 1}}]},
        **changes,
    }
    return ResolvedRun.model_validate({"name": "run", "namespace": "ns", "uid": "u", "spec": spec})


def save_checkpoint(storage: Storage, folder: str, backbone: VisionTransformer) -> CheckpointManifest:
    """A committed checkpoint as the trainer writes it: student and teacher, the manifest last."""
    other = VisionTransformer(backbone.config)
    initialise(other, 99)
    state = {
        "modules": {
            name: {f"backbone.{key}": value for key, value in vit.state_dict().items()}
            for name, vit in (("student", other), ("teacher", backbone))
        }
    }
    store = ObjectStore(storage, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp_save(state, storage_writer=ObjectWriter(store), no_dist=True)
    manifest = CheckpointManifest(
        run_uid="u",
        attempt=1,
        step=2,
        samples=8,
        stage=0,
        final=True,
        world_size=1,
        config_digest="c",
        objects=store.entries,
    )
    storage.put(f"{folder}/{MANIFEST_NAME}", manifest.to_bytes())
    return manifest


def trained_backbone() -> VisionTransformer:
    """The network that the checkpoint's teacher is."""
    vit = VisionTransformer(vit_config("tiny", patch_size=14, image_size=28))
    initialise(vit, 7)
    return vit


def folder_below(tmp_path: Path) -> str:
    """Where the checkpoint lies."""
    return f"{tmp_path.as_uri()}/checkpoints/attempt-00000001-0a0b0c0d/step-000000000002"


def environment_of(storage: Storage, tmp_path: Path) -> dict[str, str]:
    """The pod's environment; what it names is there, with three labelled pictures."""
    folder = folder_below(tmp_path)
    items = [PackItem(f"{c}{n}", png(c), "png", label=n % 2) for n, c in enumerate(["red", "green", "blue"])]
    pack(items, storage, (tmp_path / "labelled").as_uri())
    (tmp_path / "run.yaml").write_text(run_of(tmp_path).to_yaml())
    manifest = save_checkpoint(storage, folder, trained_backbone())
    return {
        env.RUN_FILE: str(tmp_path / "run.yaml"),
        env.SUITE: "knn",
        env.CHECKPOINT_URI: folder,
        env.CHECKPOINT_DIGEST: manifest.digest,
        env.REPORT: (tmp_path / "reports" / "knn.json").as_uri(),
        "TMPDIR": str(tmp_path / "scratch"),
    }
