"""From the bytes of an image to its crops, in two ways: as one would write it first, and as this project does."""

from __future__ import annotations

import io
from collections.abc import Callable

import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import v2 as transforms
from webssl_trainer.data import CropSpec
from webssl_trainer.data.views import ViewMaker

SPECS = {"dino": CropSpec(), "mae": CropSpec(n_global=1, n_local=0, global_scale=(0.2, 1.0))}
Recipe = Callable[[bytes, int], list[torch.Tensor]]


def plain(spec: CropSpec) -> Recipe:
    """Pillow decodes; torchvision's random resized crop (bicubic, of the Pillow image) and mirror; uint8 tensors."""

    def crop(side: int, scale: tuple[float, float]) -> transforms.Compose:
        resized = transforms.RandomResizedCrop(
            side, scale, spec.ratio, interpolation=InterpolationMode.BICUBIC
        )
        return transforms.Compose(
            [resized, transforms.RandomHorizontalFlip(spec.flip), transforms.PILToTensor()]
        )

    large, small = crop(spec.global_size, spec.global_scale), crop(spec.local_size, spec.local_scale)

    def recipe(data: bytes, _number: int) -> list[torch.Tensor]:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        return [large(image) for _ in range(spec.n_global)] + [small(image) for _ in range(spec.n_local)]

    return recipe


def same(spec: CropSpec) -> Recipe:
    """This project's decoding and crops, for a look at the loaders alone."""
    make = ViewMaker(spec, seed=0)

    def recipe(data: bytes, number: int) -> list[torch.Tensor]:
        crops = make(data, number)
        if isinstance(crops, str):
            raise ValueError(crops)
        return [torch.from_numpy(crops.global_crops), torch.from_numpy(crops.local_crops)]

    return recipe


RECIPES: dict[str, Callable[[CropSpec], Recipe]] = {"plain": plain, "same": same}
