"""Where the crops of an image lie, and their pixels as uint8. Geometry only; for colour see `augment`.

Source: random resized crop of Inception (Szegedy et al. 2015), multi-crop of SwAV and DINO.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.data.decode import MAX_PIXELS, pixels_for
from webssl_trainer.data.draws import Purpose, uniforms_for, uniforms_of
from webssl_trainer.storage import Came

_TRIES = 10
_DRAWS = 1 + 4 * _TRIES
U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """A region of an image in whole pixels, and whether it is mirrored."""

    left: int
    top: int
    right: int
    bottom: int
    flip: bool


@dataclass(frozen=True)
class SampleCrops:
    """Crops of one sample: uint8 (n_global, 3, H, W) and (n_local, 3, h, w)."""

    global_crops: U8
    local_crops: U8


def crop_box(
    width: int,
    height: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    flip: float,
    draws: Sequence[float] | NDArray[np.float64],
) -> Box:
    """Region of a random resized crop.

    Tries ten times for a region of a drawn area and aspect ratio that fits; else takes the largest centred
    region whose aspect ratio is allowed.

    Args:
        width, height: of the image, in pixels.
        scale: share of the area, lowest and highest.
        ratio: width / height, lowest and highest; drawn uniformly in its logarithm.
        flip: probability of a mirrored crop.
        draws: float64 (41,) in [0, 1): the flip, then area, ratio, left, top for each try.
    """
    flipped = bool(draws[0] < flip)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for at in range(1, 1 + 4 * _TRIES, 4):
        area = width * height * (scale[0] + draws[at] * (scale[1] - scale[0]))
        aspect = math.exp(low + draws[at + 1] * (high - low))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(draws[at + 2] * (width - w + 1)), int(draws[at + 3] * (height - h + 1))
            return Box(left, top, left + w, top + h, flipped)
    w, h = width, height
    if width / height < ratio[0]:
        h = max(1, min(height, round(width / ratio[0])))
    elif width / height > ratio[1]:
        w = max(1, min(width, round(height * ratio[1])))
    left, top = (width - w) // 2, (height - h) // 2
    return Box(left, top, left + w, top + h, flipped)


def cut(image: Image.Image, box: Box, side: int) -> Image.Image:
    """The region, resized to `side` x `side` (bicubic, antialiased), mirrored where the box says so."""
    region = image.resize(
        (side, side),
        resample=Image.Resampling.BICUBIC,
        box=(box.left, box.top, box.right, box.bottom),
        reducing_gap=2.0,
    )
    return region.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if box.flip else region


def crop_draws(spec: CropSpec, seed: int, position: int) -> F64:
    """What the crops of one sample draw: functions of (seed, position, crop number), float64 (crops, 41)."""
    return uniforms_of(seed, position, Purpose.CROP_GEOMETRY, _DRAWS, spec.n_global + spec.n_local)


def crop_draws_for(spec: CropSpec, seed: int, positions: Sequence[int]) -> F64:
    """`crop_draws` of several samples, bit for bit, at a tenth of the time: float64 (samples, crops, 41)."""
    crops = spec.n_global + spec.n_local
    numbers = np.tile(np.arange(crops, dtype=np.int64), len(positions))
    each = np.repeat(np.asarray(positions, dtype=np.int64), crops)
    return uniforms_for(seed, each, Purpose.CROP_GEOMETRY, _DRAWS, numbers).reshape(
        len(positions), crops, _DRAWS
    )


def crop_boxes(width: int, height: int, spec: CropSpec, draws: F64) -> list[Box]:
    """Regions of all crops, global ones first, of an upright image of that size, from its `crop_draws`."""
    scales = [spec.global_scale] * spec.n_global + [spec.local_scale] * spec.n_local
    return [
        crop_box(width, height, scale, spec.ratio, spec.flip, mine)
        for scale, mine in zip(scales, draws.tolist(), strict=True)
    ]


def spare_factor(boxes: list[Box], spec: CropSpec) -> int:
    """How many times smaller (1, 2, 4 or 8) an image may be decoded, so that no crop has to be enlarged for it."""
    sides = [spec.global_size] * spec.n_global + [spec.local_size] * spec.n_local
    room = min(
        (
            min(box.right - box.left, box.bottom - box.top) / side
            for box, side in zip(boxes, sides, strict=True)
        ),
        default=1.0,
    )
    return next((factor for factor in (8, 4, 2) if room >= factor), 1)


def empty_crops(spec: CropSpec) -> SampleCrops:
    """Room for the crops of one sample."""
    return SampleCrops(
        np.empty((spec.n_global, 3, spec.global_size, spec.global_size), dtype=np.uint8),
        np.empty((spec.n_local, 3, spec.local_size, spec.local_size), dtype=np.uint8),
    )


def file_crops(
    data: Came, spec: CropSpec, seed: int, position: int, max_pixels: int = MAX_PIXELS
) -> SampleCrops:
    """All crops of an image file; see `file_crops_into`."""
    crops = empty_crops(spec)
    file_crops_into(crops, data, spec, crop_draws(spec, seed, position), max_pixels)
    return crops


def file_crops_into(
    crops: SampleCrops, data: Came, spec: CropSpec, draws: F64, max_pixels: int = MAX_PIXELS
) -> None:
    """Writes all crops of an image file, from one decoding at the size that they need.

    Args:
        crops: where to; views into a batch save a copy. After an error its contents mean nothing.
        data: the file.
        spec, draws: see `crop_boxes`.
        max_pixels: see `decode_image`.

    Raises:
        BrokenSampleError: see `decode_image`.
    """
    boxes: list[Box] = []

    def factor(width: int, height: int) -> int:
        boxes[:] = crop_boxes(width, height, spec, draws)
        return spare_factor(boxes, spec)

    pixels, size = pixels_for(data, factor, max_pixels)
    _write(crops, pixels, boxes or crop_boxes(*size, spec, draws), size)


def sample_crops(
    image: Image.Image, spec: CropSpec, seed: int, position: int, size: tuple[int, int] | None = None
) -> SampleCrops:
    """All crops of one sample as channel-first uint8 arrays; their colours are changed on the device.

    Args:
        image: RGB, upright.
        spec, seed, position: see `crop_draws`.
        size: width and height that the regions are drawn for, if the image was decoded smaller than that.
    """
    crops, size = empty_crops(spec), size or image.size
    _write(crops, np.array(image), crop_boxes(*size, spec, crop_draws(spec, seed, position)), size)
    return crops


def _write(crops: SampleCrops, pixels: U8, boxes: list[Box], size: tuple[int, int]) -> None:
    """Cuts boxes that were drawn in an image of `size` from its pixels, which may be fewer."""
    height, width, _ = pixels.shape
    if size != (width, height):
        boxes = [_scaled(box, size, (width, height)) for box in boxes]
    cut_into([*crops.global_crops, *crops.local_crops], pixels, boxes)


def _scaled(box: Box, size: tuple[int, int], smaller: tuple[int, int]) -> Box:
    """The region in an image that was decoded smaller, in its whole pixels; at least one pixel."""

    def span(first: int, last: int, full: int, now: int) -> tuple[int, int]:
        start = min(round(first * now / full), now - 1)
        return start, max(start + 1, min(now, round(last * now / full)))

    left, right = span(box.left, box.right, size[0], smaller[0])
    top, bottom = span(box.top, box.bottom, size[1], smaller[1])
    return Box(left, top, right, bottom, box.flip)


def cut_into(outs: list[U8], pixels: U8, boxes: list[Box]) -> None:
    """Writes each region, resized (bicubic, antialiased) and mirrored where its box says so.

    torch's resize, since its vector instructions make it four times as fast as Pillow's. Like torchvision's crops, and
    unlike `cut`, it does not look beyond the edges of the region.

    Args:
        outs: uint8 (3, side, side) each.
        pixels: uint8 (H, W, 3).
        boxes: as many as `outs`.
    """
    import torch

    from webssl_trainer.data.cut_together import cut_all

    sides = [[box.top, box.bottom, box.left, box.right, int(box.flip)] for box in boxes]
    cut_all(torch.from_numpy(pixels), sides, [torch.from_numpy(out) for out in outs])
