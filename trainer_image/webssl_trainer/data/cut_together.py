"""All crops of an image in one call, during which other threads run.

Each call of torch or numpy gives the interpreter lock away and waits for it afterwards, while other decoders have it: forty
times for the ten crops of DINO, which costs two threads a tenth of their time, and more of them more (note 0013). A program of
TorchScript waits once. Its compiler is deprecated, so where there is none, what it would have compiled runs as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

Cut = Callable[[Tensor, list[list[int]], list[Tensor]], None]


def cut_each(pixels: Tensor, boxes: list[list[int]], outs: list[Tensor]) -> None:
    """Writes each region of an image, resized (bicubic, antialiased) and mirrored where its box says so.

    Args:
        pixels: uint8 (H, W, 3).
        boxes: for each crop top, bottom, left, right, and 1 for a mirrored one.
        outs: uint8 (3, side, side) each.
    """
    for at, out in enumerate(outs):
        top, bottom, left, right, flip = boxes[at]
        # A copy of the region alone is what torch knows as channels-last; of a view into the image it makes a slower one.
        region = pixels[top:bottom, left:right].contiguous().permute(2, 0, 1).unsqueeze(0)
        size = [out.size(1), out.size(2)]
        if flip != 0:
            made = torch.ops.aten._upsample_bicubic2d_aa(region, size, False, None, None)
            out.copy_(made[0].flip(2))
        else:
            torch.ops.aten._upsample_bicubic2d_aa(region, size, False, None, None, out=out.unsqueeze(0))


def _in_one_call() -> Cut:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            made: Cut = torch.jit.script(cut_each)
        except (AttributeError, RuntimeError):
            return cut_each
    return made


# Here, where only one thread ever is.
cut_all = _in_one_call()
"""`cut_each`, as one call if this torch can make one of it."""
