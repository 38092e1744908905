"""Block masks of iBOT (Zhou et al., "iBOT", 2022; the block sampler is BEiT's, Bao et al., 2022)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from webssl_trainer.objectives.dino.config import MaskConfig
from webssl_trainer.random import Purpose, Stream

_SMALLEST_BLOCK = 4
_LARGEST_SHARE = 0.5
_ASPECT = (0.3, 1 / 0.3)
_TRIES = 10


def draw_masks(
    positions: npt.NDArray[np.int64], *, crops: int, grid: tuple[int, int], seed: int, config: MaskConfig
) -> npt.NDArray[np.bool_]:
    """Masks for the global crops of some samples.

    Each mask is a function of (seed, position, crop) alone: whether a crop is masked is a Bernoulli draw, the
    ratio is uniform. DINOv2 instead masks exactly half of a batch with ratios spread evenly over it, which has
    the same distribution per image but ties every mask to the batch's composition and so to the world size.

    Args:
        positions: global positions, (N,).
        crops: global crops per sample, C.
        grid: rows and columns of patches.
        seed: seed of the run.
        config: probabilities.

    Returns:
        bool (C, N, rows * columns), True where a patch is masked.
    """
    rows, columns = grid
    masks = np.zeros((crops, len(positions), rows, columns), dtype=np.bool_)
    for n, position in enumerate(positions):
        for crop in range(crops):
            stream = Stream(seed, int(position), Purpose.BLOCK_MASK, crop)
            if stream.uniform() < config.probability:
                _fill(masks[crop, n], round(stream.uniform(*config.ratio) * rows * columns), stream)
    return masks.reshape(crops, len(positions), rows * columns)


def _fill(mask: npt.NDArray[np.bool_], target: int, stream: Stream) -> None:
    """Add rectangular blocks to a mask (rows, columns) until target patches are set or no block fits."""
    limit = int(_LARGEST_SHARE * mask.size)
    left = target
    while left > 0:
        added = _add_block(mask, min(left, limit), stream)
        if added == 0:
            break
        left -= added


def _add_block(mask: npt.NDArray[np.bool_], most: int, stream: Stream) -> int:
    """Try to add one block that sets between 1 and `most` new patches; returns how many it set."""
    rows, columns = mask.shape
    for _ in range(_TRIES):
        area = stream.uniform(min(_SMALLEST_BLOCK, most), most)
        aspect = math.exp(stream.uniform(math.log(_ASPECT[0]), math.log(_ASPECT[1])))
        height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if not (0 < height < rows and 0 < width < columns):
            continue
        top, left = stream.integer(0, rows - height), stream.integer(0, columns - width)
        block = mask[top : top + height, left : left + width]
        new = height * width - int(block.sum())
        if 0 < new <= most:
            block[:] = True
            return new
    return 0
