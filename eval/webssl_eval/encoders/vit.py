"""The project's own vision transformer as an encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from webssl_trainer.data import EvalTransform
from webssl_trainer.model import VisionTransformer, VitConfig, initialise

from webssl_eval.encoders.attention import last_attention
from webssl_eval.encoders.interface import Features


class VitEncoder:
    """A vision transformer, frozen, on one device.

    Args:
        vit: the transformer with its weights; it is moved to `device`.
        views: how pictures become its input; their side must be a multiple of the patch size.
        name: what it is, for people.
        device: where it runs; on a GPU matrix products are in bfloat16.

    Raises:
        UserError: the patch size does not divide the resolution.
    """

    def __init__(self, vit: VisionTransformer, views: EvalTransform, name: str, device: torch.device) -> None:
        self._grid = vit.config.grid_of(views.size, views.size)
        self._vit = vit.to(device).eval().requires_grad_(False)
        self._name, self._views, self._device = name, views, device

    @property
    def name(self) -> str:
        """See `Encoder.name`."""
        return self._name

    @property
    def width(self) -> int:
        """See `Encoder.width`."""
        return self._vit.config.width

    @property
    def depth(self) -> int:
        """See `Encoder.depth`."""
        return self._vit.config.depth

    @property
    def resolution(self) -> int:
        """See `Encoder.resolution`."""
        return self._views.size

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Encoder.prepare`."""
        return self._views(pixels)

    @torch.inference_mode()
    def encode(self, images: Tensor) -> Features:
        """See `Encoder.encode`."""
        with self._precision():
            (output,) = self._vit.features(images.to(self._device, non_blocking=True))
        return self._features(output.cls, output.patches)

    @torch.inference_mode()
    def encode_layers(self, images: Tensor, layers: Sequence[int], normed: bool) -> list[Features]:
        """See `Encoder.encode_layers`."""
        norm = self._vit.norm if normed else torch.nn.Identity()
        with self._precision():
            outputs = self._vit.features(images.to(self._device, non_blocking=True), layers)
            return [self._features(norm(output.cls), norm(output.patches)) for output in outputs]

    @torch.inference_mode()
    def attention(self, images: Tensor) -> Tensor:
        """Attention of the last block's CLS token to the patches of prepared views, float32 (B, heads, R, C) on the CPU."""
        with self._precision():
            return last_attention(self._vit, images.to(self._device))

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda")

    def _features(self, cls_BD: Tensor, patches_BLD: Tensor) -> Features:
        patches = patches_BLD.float().cpu()
        return Features(cls_BD.float().cpu(), patches.reshape(len(patches), *self._grid, -1))


def random_encoder(config: VitConfig, resolution: int, seed: int, device: torch.device) -> VitEncoder:
    """An untrained encoder: what a score is worth is seen beside that of one with random weights."""
    vit = VisionTransformer(config)
    initialise(vit, seed)
    return VitEncoder(vit, EvalTransform(size=resolution), f"random weights (seed {seed})", device)
