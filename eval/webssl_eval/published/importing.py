"""Turns published weights into a checkpoint that evaluation and export read like one of a run.

It holds an encoder and nothing else: no student, no heads, no optimizer. Its identity is no run's, so a run that finds
it at its own `spec.checkpoint.uri` ends with an error instead of going on from half a state.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save
from webssl_api.manifest import CheckpointManifest
from webssl_trainer.checkpoint.discovery import survey
from webssl_trainer.checkpoint.identity import digest_of, to_bytes
from webssl_trainer.checkpoint.layout import IDENTITY_NAME, AttemptKey, FolderKey
from webssl_trainer.checkpoint.objects import ObjectStore, ObjectWriter
from webssl_trainer.errors import UserError
from webssl_trainer.model import VitConfig
from webssl_trainer.storage import Storage, join

from webssl_eval.encoders.checkpoint import encoder_module
from webssl_eval.published.families import size_of
from webssl_eval.published.reading import read_published
from webssl_eval.published.trained import imported_fields


@dataclass(frozen=True)
class Imported:
    """What an import wrote.

    Attributes:
        folder: URL of the checkpoint.
        manifest: its manifest.
        size: `spec.model.size` of a run with this encoder.
        objective: the objective of such a run.
        config: the architecture.
        layout: what it was read from, for people.
    """

    folder: str
    manifest: CheckpointManifest
    size: str
    objective: str
    config: VitConfig
    layout: str


def import_published(source: Path, storage: Storage, uri: str, now: str) -> Imported:
    """Read published weights and commit them as the one checkpoint below `uri`.

    The folder's name follows from the weights, so that importing the same file twice leaves one checkpoint.

    Args:
        source: a Hugging Face folder, or a file of DINOv2's layout.
        storage: where the checkpoint goes.
        uri: what a run would have as `spec.checkpoint.uri`.
        now: the time to write into the manifest (RFC 3339).

    Raises:
        UserError: another architecture, damaged weights, or `uri` holds another checkpoint.
    """
    published = read_published(source)
    size = size_of(published.config, published.family.architecture, str(source))
    objective = published.family.objectives[0]
    key = FolderKey(AttemptKey(1, published.sha256[:16]), 0)
    other = next((item.key for item in survey(storage, uri).ordered if item.key != key), None)
    if other is not None:
        raise UserError(f"{uri} holds {other.path} already; name a folder without checkpoints")
    identity = imported_fields(
        size, published.config, objective, published.layout, source.name, published.sha256
    )
    store = ObjectStore(storage, join(uri, key.path))
    name = encoder_module(objective)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of saving without a process group
        state = {"modules": {f"{name}.{leaf}": tensor for leaf, tensor in published.state.items()}}
        dcp_save(state, storage_writer=ObjectWriter(store), no_dist=True)
    store.put(IDENTITY_NAME, to_bytes(identity))
    manifest = CheckpointManifest(
        run_uid=f"imported-{published.sha256[:16]}",
        attempt=key.attempt.number,
        step=0,
        samples=0,
        stage=0,
        final=True,
        world_size=1,
        config_digest=digest_of(identity),
        torch_version=torch.__version__,
        time=now,
        objects=sorted(store.entries, key=lambda entry: entry.path),
    )
    storage.put(join(uri, key.manifest_path), manifest.to_bytes())
    return Imported(join(uri, key.path), manifest, size, objective, published.config, published.layout)
