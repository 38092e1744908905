"""The encoder of a checkpoint, whatever number of processes wrote it; see docs/design/0003-checkpoints.md for the layout."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import torch
from pydantic import ValidationError
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load as dcp_load
from webssl_api.manifest import MANIFEST_NAME, CheckpointManifest
from webssl_api.run import WebSSLRunSpec
from webssl_trainer.checkpoint.discovery import verify_objects
from webssl_trainer.checkpoint.objects import ObjectReader
from webssl_trainer.configs.architecture import architecture
from webssl_trainer.configs.encoders import ENCODERS
from webssl_trainer.configs.views import evaluation_views
from webssl_trainer.errors import UserError
from webssl_trainer.model import VisionTransformer, VitConfig
from webssl_trainer.storage import Storage, StorageNotFoundError, join

from webssl_eval.encoders.vit import VitEncoder


def pinned_manifest(storage: Storage, folder: str, digest: str) -> CheckpointManifest:
    """The manifest of a checkpoint folder, if it is the one that was pinned, by its digest or the first digits of it.

    Raises:
        UserError: no manifest there, not readable, or its digest is another one.
    """
    url = join(folder, MANIFEST_NAME)
    try:
        manifest = CheckpointManifest.from_bytes(storage.read(url))
    except StorageNotFoundError as error:
        raise UserError(
            f"{folder} is no checkpoint: it has no {MANIFEST_NAME}; name the folder of a committed one"
        ) from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise UserError(
            f"{url} is not readable ({str(error).splitlines()[0]}); evaluate another checkpoint"
        ) from error
    if not manifest.digest.startswith(digest):
        raise UserError(
            f"{folder} has digest {manifest.digest}, but the evaluation is pinned to {digest}: the folder was "
            "overwritten, or the pin is of another checkpoint; start the evaluation again for this one"
        )
    return manifest


def checkpoint_encoder(
    storage: Storage,
    folder: str,
    manifest: CheckpointManifest,
    spec: WebSSLRunSpec,
    resolution: int | None,
    device: torch.device,
) -> VitEncoder:
    """The encoder of a checkpoint. Only the encoder's parameters are read, after all objects verified.

    Args:
        storage: where the checkpoint is.
        folder: its URL.
        manifest: its manifest.
        spec: what was trained.
        resolution: side of the input views in pixels; None for that of the run's last stage.
        device: where the encoder runs.

    Raises:
        UserError: an object differs from the manifest, or the checkpoint does not hold this encoder.
    """
    # Pickled metadata is only unpickled when its bytes are those that the pinned manifest names.
    problem = verify_objects(storage, folder, manifest.objects)
    if problem is not None:
        raise UserError(f"checkpoint {folder} is damaged: {problem}; evaluate another checkpoint")
    # The position embedding has the size of the first stage; later resolutions interpolate it.
    stages = spec.schedule.stages
    vit = load_vit(storage, folder, architecture(spec), spec.objective.kind)
    name = f"{spec.model.size.value}/{spec.model.patch_size} at step {manifest.step}"
    views = evaluation_views(spec.objective.kind, resolution or stages[-1].resolution)
    return VitEncoder(vit, views, name, device)


def load_vit(storage: Storage, folder: str, config: VitConfig, objective: str) -> VisionTransformer:
    """The encoder's transformer of a checkpoint whose objects have been verified, on the CPU.

    Raises:
        UserError: the objective has no encoder, or the checkpoint does not hold this one.
    """
    vit = VisionTransformer(config)
    load_module(vit, encoder_module(objective), ObjectReader(storage, folder), folder)
    return vit


def encoder_module(objective: str) -> str:
    """Dotted name of the module that is an objective's encoder.

    Raises:
        UserError: it has none.
    """
    if objective not in ENCODERS:
        raise UserError(
            f"spec.objective {objective} has no encoder to evaluate yet; use {', '.join(ENCODERS)}"
        )
    return ENCODERS[objective]


def load_module(module: torch.nn.Module, name: str, reader: ObjectReader, folder: str) -> None:
    """Fill a module with the parameters that a checkpoint has under `name`, in place.

    Raises:
        UserError: a parameter is missing, or of another shape.
    """
    metadata = reader.read_metadata()
    target = module.state_dict()
    keys = {leaf: key for key in metadata.state_dict_metadata if (leaf := _leaf(key, name)) is not None}
    for leaf, tensor in target.items():
        _check(leaf, tuple(tensor.shape), keys, metadata, f"checkpoint {folder}, module {name}")
    wanted = {keys[leaf]: tensor for leaf, tensor in target.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of loading without a process group
        dcp_load(wanted, storage_reader=reader, no_dist=True)


def _leaf(key: str, name: str) -> str | None:
    """Name of a parameter within the module `name`; None when the checkpoint's key is of another module."""
    before, found, after = key.rpartition(f"{name}.")
    return after if found and (not before or before.endswith(".")) else None


def _check(leaf: str, shape: tuple[int, ...], keys: dict[str, str], metadata: Metadata, where: str) -> None:
    if leaf not in keys:
        raise UserError(
            f"{where}: {leaf} is missing (it has {_some(keys)}); the run's objective or model is another one"
        )
    entry = metadata.state_dict_metadata[keys[leaf]]
    stored = tuple(entry.size) if isinstance(entry, TensorStorageMetadata) else None
    if stored != shape:
        raise UserError(
            f"{where}: {leaf} has shape {stored}, the run's model needs {shape}; spec.model or the first stage's "
            "resolution is not that of the checkpoint"
        )


def _some(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:3]) + (", ..." if len(found) > 3 else "") or "no parameter under that name"
