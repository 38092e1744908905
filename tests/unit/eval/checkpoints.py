"""Checkpoints as the trainer commits them: student and teacher, the run's identity, the manifest last."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save
from webssl_api.manifest import CheckpointManifest
from webssl_api.run import WebSSLRunSpec
from webssl_trainer.checkpoint.identity import digest_of, identity_of, to_bytes
from webssl_trainer.checkpoint.layout import IDENTITY_NAME, AttemptKey, FolderKey
from webssl_trainer.checkpoint.objects import ObjectStore, ObjectWriter
from webssl_trainer.configs.encoders import ENCODERS
from webssl_trainer.model import VisionTransformer, VitConfig, initialise
from webssl_trainer.storage import Storage


def spec_of(folder: Path, **changes: Any) -> WebSSLRunSpec:
    """A run of the tiny transformer at 28 and then 56 pixels."""
    stages = [{"resolution": 28, "samples": 8}, {"resolution": 56, "samples": 8}]
    spec: dict[str, Any] = {
        "model": {"size": "tiny", "patchSize": 14},
        "objective": {"dino": {"koleo": {"groupSize": 2}}},
        "data": {"source": "file:///data/*.tar"},
        "schedule": {"stages": stages, "globalBatchSize": 4},
        "workers": {"min": 1, "max": 1},
        "checkpoint": {"uri": folder.as_uri(), "interval": {"samples": 8}},
        **changes,
    }
    return WebSSLRunSpec.model_validate(spec)


def drawn(config: VitConfig, seed: int) -> VisionTransformer:
    """A transformer in which no value is the one that it starts with, so that nothing can be left out unnoticed."""
    vit = VisionTransformer(config)
    initialise(vit, seed)
    generator = torch.Generator().manual_seed(seed)
    for parameter in vit.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return vit.eval()


def commit(
    storage: Storage, spec: WebSSLRunSpec, vit: VisionTransformer, step: int = 4, attempt: int = 1
) -> FolderKey:
    """Commit a checkpoint whose encoder is this one, beside another network of that shape."""
    other = VisionTransformer(vit.config)
    initialise(other, 99)
    name = ENCODERS[spec.objective.kind]
    beside = "student.backbone" if name == "teacher.backbone" else "other.network"
    state = {
        "modules": {
            f"{module}.{key}": value
            for module, network in ((beside, other), (name, vit))
            for key, value in network.state_dict().items()
        }
    }
    key = FolderKey(AttemptKey(attempt, "0a0b0c0d"), step)
    folder = f"{spec.checkpoint.uri}/{key.path}"
    store = ObjectStore(storage, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp_save(state, storage_writer=ObjectWriter(store), no_dist=True)
    identity = identity_of(spec)
    store.put(IDENTITY_NAME, to_bytes(identity))
    manifest = CheckpointManifest(
        run_uid="the-run",
        attempt=attempt,
        step=step,
        samples=4 * step,
        stage=1,
        world_size=1,
        config_digest=digest_of(identity),
        objects=store.entries,
    )
    storage.put(f"{spec.checkpoint.uri}/{key.manifest_path}", manifest.to_bytes())
    return key
