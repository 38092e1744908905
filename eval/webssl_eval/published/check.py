"""Loads an exported folder with transformers, and compares."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModel, ViTModel
from webssl_trainer.errors import UserError
from webssl_trainer.model import VisionTransformer

TOLERANCE = 1e-5
"""Largest difference of features after the final norm, whose entries are of order 1, in fp32."""


def largest_difference(folder: Path, vit: VisionTransformer, resolution: int) -> float:
    """Largest absolute difference of CLS and patch features between a folder as transformers loads it, and `vit`.

    Two images of noise are compared, at `resolution` and at a flat one of another size.
    """
    model = AutoModel.from_pretrained(str(folder), local_files_only=True).eval()
    patch = vit.config.patch_size
    generator = torch.Generator().manual_seed(0)
    found = 0.0
    with torch.inference_mode():
        for height, width in ((resolution, resolution), (resolution + patch, 2 * patch)):
            images_BCHW = torch.randn(1, 3, height, width, generator=generator)
            (ours,) = vit.eval().features(images_BCHW)
            theirs_BLD = features_of(model, images_BCHW)
            ours_BLD = torch.cat([ours.cls.unsqueeze(1), ours.patches], dim=1)
            found = max(found, float((ours_BLD - theirs_BLD).abs().max()))
    return found


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
