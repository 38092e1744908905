"""The encoders of the real runs as checkpoints: a small transformer trained by DINO, and the same one at random weights."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save
from webssl_api.manifest import CheckpointManifest
from webssl_api.run import WebSSLRunSpec
from webssl_trainer.checkpoint.identity import digest_of, identity_of, to_bytes
from webssl_trainer.checkpoint.layout import IDENTITY_NAME, AttemptKey, FolderKey
from webssl_trainer.checkpoint.objects import ObjectStore, ObjectWriter
from webssl_trainer.configs.architecture import architecture
from webssl_trainer.configs.encoders import ENCODERS
from webssl_trainer.data import CropSpec
from webssl_trainer.model import Parallel, VisionTransformer, initialise
from webssl_trainer.objectives.dino import DinoConfig, DinoObjective, HeadConfig
from webssl_trainer.optim import OptimConfig
from webssl_trainer.storage import Storage, join

from benchmarks.learning.training import CPU, SEED, train

SIDE, LOCAL, PATCH, BATCH, RATE = 64, 32, 8, 32, 1.5e-3
LAYER_SCALE = 1.0
HEAD = HeadConfig(hidden_dim=256, bottleneck_dim=64, prototypes=512)
STEPS = {"shapes": 1500, "pages": 700}
"""A few minutes of one core each."""
CROPS = {
    "shapes": CropSpec(
        global_size=SIDE,
        local_size=LOCAL,
        n_local=4,
        global_scale=(0.5, 1.0),
        local_scale=(0.25, 0.5),
        photometric_global=(),
        photometric_local=None,
    ),
    "pages": CropSpec(
        global_size=SIDE,
        local_size=LOCAL,
        n_local=4,
        global_scale=(0.4, 1.0),
        local_scale=(0.15, 0.4),
        photometric_global=(),
        photometric_local=None,
    ),
}
"""Colours stay: the questions ask for them. Crops are large, since most shapes are small and would often be missed."""


def dino(name: str) -> DinoConfig:
    """Settings for a run of minutes; see benchmarks/learning/dino.py for the reasons of the head, LayerScale and temperature."""
    return DinoConfig(
        crops=CROPS[name],
        dino_head=HEAD,
        ibot_head=HEAD,
        drop_path=0.0,
        teacher_temperature=0.05,
        ema_start=0.99,
        patch_embed_lr_multiplier=1.0,
    )


def spec_of(name: str, source: str, uri: str) -> WebSSLRunSpec:
    """The run that a checkpoint is of, as far as evaluation and report ask."""
    samples = STEPS[name] * BATCH
    spec: dict[str, Any] = {
        "model": {"size": "tiny", "patchSize": PATCH, "dropPath": 0.0},
        "objective": {"dino": {"koleo": {"groupSize": 16}, "localCrops": 4}},
        "data": {"source": source},
        "schedule": {
            "stages": [{"resolution": SIDE, "localResolution": LOCAL, "samples": samples}],
            "globalBatchSize": BATCH,
        },
        "optimizer": {"learningRate": RATE},
        "workers": {"min": 1, "max": 1},
        "checkpoint": {"uri": uri, "interval": {"samples": samples}},
    }
    return WebSSLRunSpec.model_validate(spec)


def trained(name: str, storage: Storage, source: str) -> tuple[VisionTransformer, list[float]]:
    """The teacher's transformer after DINO on the pictures at `source`, and the losses."""
    vit = replace(architecture(spec_of(name, source, "file:///unused")), layer_scale=LAYER_SCALE)
    objective = DinoObjective(vit, dino(name), Parallel(CPU), SEED)
    optim = OptimConfig(RATE, 1e-6, STEPS[name] // 10)
    losses = train(objective, storage, source, optim, STEPS[name], BATCH)
    backbone: VisionTransformer = objective.teacher.backbone
    return backbone, losses


def random_weights(spec: WebSSLRunSpec, seed: int) -> VisionTransformer:
    """The transformer as training begins with it."""
    vit = VisionTransformer(replace(architecture(spec), layer_scale=LAYER_SCALE))
    initialise(vit, seed)
    return vit


def commit(storage: Storage, spec: WebSSLRunSpec, vit: VisionTransformer, steps: int) -> tuple[str, str]:
    """Commit the one checkpoint of a run, unless it is there; its folder and its digest. steps: that the weights were trained for."""
    name = ENCODERS[spec.objective.kind]
    weights = hashlib.sha256()
    for leaf, value in sorted(vit.state_dict().items()):
        weights.update(leaf.encode() + value.numpy().tobytes())
    key = FolderKey(AttemptKey(1, weights.hexdigest()[:8]), steps)
    folder, place = join(spec.checkpoint.uri, key.path), join(spec.checkpoint.uri, key.manifest_path)
    if storage.exists(place):
        return folder, CheckpointManifest.from_bytes(storage.read(place)).digest
    store = ObjectStore(storage, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of saving without a process group
        state = {"modules": {f"{name}.{leaf}": value for leaf, value in vit.state_dict().items()}}
        dcp_save(state, storage_writer=ObjectWriter(store), no_dist=True)
    identity = identity_of(spec)
    store.put(IDENTITY_NAME, to_bytes(identity))
    manifest = CheckpointManifest(
        run_uid="real-runs",
        attempt=1,
        step=steps,
        samples=steps * BATCH,
        stage=0,
        final=True,
        world_size=1,
        config_digest=digest_of(identity),
        torch_version=torch.__version__,
        objects=store.entries,
    )
    storage.put(place, manifest.to_bytes())
    return folder, manifest.digest


def tenths(losses: list[float]) -> list[float]:
    """Means of ten stretches of a curve."""
    return [round(float(part.mean()), 3) for part in np.array_split(np.array(losses), 10)]


def kept_weights(file: Path, vit: VisionTransformer) -> None:
    """Keep weights between two calls of the benchmark."""
    torch.save(vit.state_dict(), file)
