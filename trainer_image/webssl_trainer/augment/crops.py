"""Crops as bytes on the device, and how they become what a network reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from webssl_trainer.augment.blur import blurred
from webssl_trainer.augment.colour import blended_, brightened_, luma, solarised, turned
from webssl_trainer.augment.effects import SLOTS, UNCHANGED, Effects, draw_effects
from webssl_trainer.data.batch import Batch
from webssl_trainer.data.crop_spec import CropSpec, Photometric

_AT_ONCE = {"cpu": 1 << 19}
_ELSEWHERE = 1 << 26
"""Numbers that are worked on at a time: what a core's cache holds; on a GPU, a bound on temporary memory (256 MiB)."""


@dataclass(frozen=True)
class Crops:
    """All crops of one size in a micro-batch, crop by crop: those of sample i are i, N + i, ...

    Attributes:
        values: uint8 (S, 3, H, W) on the device.
        effects: what is to be done to them; None for nothing.
        mean, std: normalisation of values in [0, 1].
    """

    values: Tensor
    effects: Effects | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @torch.no_grad()
    def pixels(self) -> Tensor:
        """fp32 (S, 3, H, W), changed and normalised, also under autocast; made anew in each call, with equal results.

        An image's result does not depend on the others. Nothing waits for the device.
        """
        device = self.values.device
        spread = 255.0 * torch.tensor(self.std)
        factors = torch.stack([1.0 / spread, 255.0 * torch.tensor(self.mean) / spread]).view(2, 3, 1, 1)
        scale, shift = factors.to(device, non_blocking=True)
        out = torch.empty_like(self.values, dtype=torch.float32)
        at_once = max(1, _AT_ONCE.get(device.type, _ELSEWHERE) // max(1, self.values[:1].numel()))
        with torch.autocast(device.type, enabled=False):
            for first in range(0, len(out), at_once):
                part = out[first : first + at_once].copy_(self.values[first : first + at_once])
                if self.effects is not None:
                    _change_(part, self.effects.part(first, first + at_once))
                part.mul_(scale).sub_(shift)
        return out


def prepare(batch: Batch, spec: CropSpec, seed: int, device: torch.device) -> list[Crops]:
    """A micro-batch on its way to the device: the global crops, then the local ones if there are any.

    Args:
        batch: uint8 crops, on any device; copied without waiting where they are pinned.
        spec: the photometric part and the normalisation are used. The sizes may be other ones (a later stage).
        seed: the run's seed; what is drawn is a function of (seed, position, crop number).
        device: where the networks are.

    Raises:
        TypeError: the crops are not uint8.
    """
    globals_ = list(islice(cycle(spec.photometric_global), spec.n_global))
    locals_ = [spec.photometric_local] * spec.n_local if spec.photometric_local else []
    parts: list[tuple[Tensor, Sequence[Photometric], int]] = [(batch.global_crops, globals_, 0)]
    if spec.n_local:
        parts.append((batch.local_crops, locals_, spec.n_global))
    crops = []
    for values, recipes, first in parts:
        if values.dtype != torch.uint8:
            raise TypeError(f"crops of {values.dtype}: hand over uint8, as the loader does")
        effects = draw_effects(recipes, seed, batch.positions, first) if recipes else None
        on_device = values.flatten(0, 1).to(device, non_blocking=True)
        crops.append(Crops(on_device, effects, spec.mean, spec.std))
    return crops


def _change_(x_S3HW: Tensor, effects: Effects) -> None:
    """All effects on images with values 0 to 255, in place."""
    turning = [np.flatnonzero(effects.hue[:, slot]) for slot in range(SLOTS)]
    grey, inverted = np.flatnonzero(effects.grey), np.flatnonzero(effects.solarise)
    soft = np.flatnonzero(effects.kernel[:, 0] < 1.0)
    *turning_rows, grey_rows, soft_rows, inverted_rows = _moved(
        [*turning, grey, soft, inverted], x_S3HW.device
    )
    turns = [effects.hue[rows, slot] for slot, rows in enumerate(turning)]
    weights, kernels, *turn_values = _moved([effects.blend, effects.kernel[soft], *turns], x_S3HW.device)
    for slot in range(SLOTS):
        wanted = effects.blend[:, slot]
        if wanted[:, 1:].any():
            blended_(x_S3HW, weights[:, slot])
        elif (wanted != UNCHANGED).any():
            brightened_(x_S3HW, weights[:, slot])
        _replace_(x_S3HW, turning_rows[slot], partial(turned, turns_K=turn_values[slot]))
    _replace_(x_S3HW, grey_rows, lambda x: luma(x).expand_as(x))
    _replace_(x_S3HW, soft_rows, partial(blurred, kernel_KR=kernels))
    _replace_(x_S3HW, inverted_rows, solarised)


def _replace_(x_S3HW: Tensor, rows_K: Tensor, change: Callable[[Tensor], Tensor]) -> None:
    """Put changed images in the place of some."""
    if len(rows_K) == len(x_S3HW):
        x_S3HW.copy_(change(x_S3HW))
    elif len(rows_K):
        x_S3HW.index_copy_(0, rows_K, change(x_S3HW.index_select(0, rows_K)))


def _moved(arrays: Sequence[NDArray[np.generic]], device: torch.device) -> list[Tensor]:
    """Arrays of one dtype on the device, by one copy."""
    flat = torch.from_numpy(np.concatenate([array.ravel() for array in arrays])).to(device, non_blocking=True)
    ends = np.cumsum([0, *(array.size for array in arrays)]).tolist()
    return [flat[a:b].view(array.shape) for (a, b), array in zip(pairwise(ends), arrays, strict=True)]
