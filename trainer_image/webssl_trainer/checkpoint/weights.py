"""Takes weights over from a checkpoint of another run, which may have been trained at another resolution."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load as dcp_load
from torch.distributed.tensor import DTensor, distribute_tensor

from webssl_trainer.checkpoint.objects import ObjectReader
from webssl_trainer.checkpoint.origin import FIELD
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.errors import UserError
from webssl_trainer.model.positions import embedding_for
from webssl_trainer.storage import Storage

_POSITIONS = ".pos_embed"
Shape = tuple[int, ...]


def all_weights(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """All parameters and buffers of `Objective.modules` under the names that checkpoints have for them."""
    return {
        f"modules.{module}.{name}": tensor
        for module, network in modules.items()
        for name, tensor in network.state_dict().items()
    }


def encoder_weights(modules: Mapping[str, nn.Module], encoder: str, stored: str) -> dict[str, Tensor]:
    """The weights of the encoder under the names that a checkpoint has for those of its own.

    Args:
        modules: `Objective.modules`.
        encoder: its encoder, `Objective.encoder`.
        stored: name of the encoder in the checkpoint, whose objective may be another one.
    """
    return _below(modules, encoder, f"modules.{stored}")


@torch.no_grad()
def spread_encoder(modules: Mapping[str, nn.Module], encoder: str) -> None:
    """Copy the encoder to the same place of all other modules that have one there: from a teacher to its student."""
    own, _, inner = encoder.partition(".")
    source = _below(modules, encoder, "")
    for module in modules.keys() - {own}:
        for name, tensor in _below(modules, f"{module}.{inner}", "").items():
            tensor.copy_(source[name])


def _below(modules: Mapping[str, nn.Module], path: str, prefix: str) -> dict[str, Tensor]:
    """Tensors of the submodule at a path, each as `prefix`.name."""
    module, _, inner = path.partition(".")
    state = modules[module].state_dict().items()
    return {
        f"{prefix}.{name.removeprefix(inner + '.')}": x for name, x in state if name.startswith(inner + ".")
    }


@torch.no_grad()
def load_weights(storage: Storage, folder: str, own: Mapping[str, Tensor], peers: Peers) -> None:
    """Fill tensors in place with the weights that a verified checkpoint has under the same names.

    A position embedding that is stored for another grid of patches is interpolated to this run's, so that images of
    this run's size have the features that the stored model gives them.

    Args:
        storage: where the checkpoint is.
        folder: its URL; any number of processes may have written it.
        own: `all_weights` or `encoder_weights` of whole or sharded networks.
        peers: the processes that load together.

    Raises:
        UserError: a parameter is missing there, or has another shape.
    """
    reader = ObjectReader(storage, folder)
    stored = {
        name: tuple(entry.size)
        for name, entry in reader.read_metadata().state_dict_metadata.items()
        if isinstance(entry, TensorStorageMetadata)
    }
    others = {name: torch.empty(stored[name]) for name in differing(own, stored, folder)}
    wanted = {**own, **others}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of no_dist in single-process runs
        dcp_load(wanted, storage_reader=reader, process_group=peers.group, no_dist=peers.group is None)
    for name, positions_1LD in others.items():
        side = _side(tuple(own[name].shape))
        _fill(own[name], embedding_for(positions_1LD, side, side))


def differing(own: Mapping[str, Tensor], stored: Mapping[str, Shape], folder: str) -> list[str]:
    """Names of position embeddings that are stored for another grid.

    Raises:
        UserError: anything else differs: a parameter is missing, or has another shape.
    """
    names = []
    for name, tensor in own.items():
        shape, there = tuple(tensor.shape), stored.get(name)
        if there is None:
            raise UserError(f"{FIELD} {folder} has no {name}, which this run's networks have: {_MEND}")
        if there == shape:
            continue
        if not (name.endswith(_POSITIONS) and _side(there) and _side(shape) and there[2] == shape[2]):
            raise UserError(f"{FIELD} {folder}: {name} has shape {there}, this run's has {shape}: {_MEND}")
        names.append(name)
    return names


_MEND = "give spec.model and spec.objective the values of that run, or start from another checkpoint"


def _side(shape: Shape) -> int:
    """Patches per side of a position embedding (1, 1 + side**2, D); 0 for any other shape."""
    if len(shape) != 3 or shape[0] != 1:
        return 0
    side = math.isqrt(shape[1] - 1)
    return side if side**2 == shape[1] - 1 else 0


def _fill(target: Tensor, value: Tensor) -> None:
    """Copy a tensor that every process has whole into a whole or a sharded one."""
    if isinstance(target, DTensor):
        here = value.to(target.device)
        value = distribute_tensor(here, target.device_mesh, target.placements, src_data_rank=None)
    target.copy_(value)
