"""Loads an exported folder with transformers, and compares."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoConfig, AutoModel, ViTModel
from transformers.utils import logging
from webssl_trainer.errors import UserError
from webssl_trainer.model import VisionTransformer

TOLERANCE = 1e-5
"""Largest difference of features after the final norm, in fp32, as a share of the largest feature where that exceeds 1."""


def largest_difference(folder: Path, vit: VisionTransformer, resolution: int) -> float:
    """Largest difference of CLS and patch features between a folder as transformers loads it, and `vit`; see TOLERANCE.

    Two images of noise are compared, one at `resolution` and one of another size that is not square.
    """
    model, patch = load(folder), vit.config.patch_size
    generator = torch.Generator().manual_seed(0)
    found = 0.0
    with torch.inference_mode():
        for height, width in ((resolution, resolution), (resolution + patch, 2 * patch)):
            images_BCHW = torch.randn(1, 3, height, width, generator=generator)
            (ours,) = vit.eval().features(images_BCHW)
            ours_BLD = torch.cat([ours.cls.unsqueeze(1), ours.patches], dim=1)
            apart = (ours_BLD - features_of(model, images_BCHW)).abs().max()
            found = max(found, float(apart / ours_BLD.abs().max().clamp(min=1)))
    return found


def load(folder: Path) -> torch.nn.Module:
    """The model of an exported folder, in eval mode, without a network and without a bar."""
    logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    # A pooler is not in the folder, as nothing trained one; ViTModel would make one up and warn of it.
    more = {"add_pooling_layer": False} if config.model_type == "vit" else {}
    model: torch.nn.Module = AutoModel.from_pretrained(str(folder), local_files_only=True, **more)
    return model.eval()


def features_of(model: torch.nn.Module, images_BCHW: torch.Tensor) -> torch.Tensor:
    """What transformers' model makes of normalised images: CLS and patches after the final norm, (B, 1 + L, D)."""
    # ViTModel refuses sizes other than the stored one unless it is told to interpolate; Dinov2Model always does.
    more = {"interpolate_pos_encoding": True} if isinstance(model, ViTModel) else {}
    features: torch.Tensor = model(images_BCHW, **more).last_hidden_state
    return features


def check_equal(folder: Path, vit: VisionTransformer, resolution: int) -> float:
    """The largest difference.

    Raises:
        UserError: it is above TOLERANCE, so this version of transformers computes something else.
    """
    found = largest_difference(folder, vit, resolution)
    if not found <= TOLERANCE:
        raise UserError(
            f"{folder}: transformers' features differ by {found:.3g} from the checkpoint's, more than {TOLERANCE:g}; "
            "install the version of transformers that the lock names, and export again"
        )
    return found
