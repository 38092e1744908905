"""Features of a few images through the network that will be evaluated, in the midst of training, which does not notice.

No weight, gradient or random state changes, and whether a process takes part does not depend on what it meets: with replicated
networks rank 0 alone computes, and nothing is exchanged; with sharded ones all processes compute on tensors of one shape, since
each gathers weights from all.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributed.fsdp import FSDPModule

from webssl_trainer.data import CropSpec
from webssl_trainer.model import VisionTransformer
from webssl_trainer.objectives import Objective


def is_collective(objective: Objective) -> bool:
    """Whether all processes have to take part."""
    return isinstance(_root_and_encoder(objective)[0], FSDPModule)


def normalised(pixels_N3SS: NDArray[np.uint8], crops: CropSpec) -> Tensor:
    """fp32 (N, 3, S, S), as the loader normalises crops."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (crops.mean, crops.std))
    return (torch.from_numpy(pixels_N3SS).float() / 255 - mean) / std


@torch.no_grad()
def patch_features(objective: Objective, images_N3SS: Tensor, device: torch.device) -> Tensor:
    """Features of the patches as a grid, (N, rows, columns, D), on the device.

    A sharded network must have run a step before, and all processes must call with tensors of one shape. What such a
    network gathers ahead for units that are not asked here is what the next step would gather: no weight moves between.
    """
    root, encoder = _root_and_encoder(objective)
    sharded = isinstance(root, FSDPModule)
    if sharded:
        root.unshard()  # type: ignore[operator]
    try:
        # compiled blocks must not be compiled again for these shapes
        with torch.compiler.set_stance("force_eager"), _precision(device, sharded):
            images = images_N3SS.to(device=device, dtype=encoder.patch_embed.proj.weight.dtype)
            (output,) = encoder([images])
    finally:
        if sharded:
            root.reshard()  # type: ignore[operator]
    return torch.unflatten(output.patches, 1, encoder.config.grid_of(*images_N3SS.shape[-2:]))


def _precision(device: torch.device, sharded: bool) -> torch.autocast:
    """As in training on a GPU, see `Parallel.precision`."""
    half = device.type == "cuda" and not sharded
    return torch.autocast(device.type, torch.bfloat16, enabled=half)


def _root_and_encoder(objective: Objective) -> tuple[torch.nn.Module, VisionTransformer]:
    name, _, below = objective.encoder.partition(".")
    root = objective.modules[name]
    encoder = root.get_submodule(below)
    assert isinstance(encoder, VisionTransformer)
    return root, encoder
