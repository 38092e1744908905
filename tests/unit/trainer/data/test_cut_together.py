"""One call for all crops of an image, and what it would have compiled: the same pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate
from webssl_trainer.data.crops import Box, cut_into
from webssl_trainer.data.cut_together import Cut, cut_all, cut_each

PIXELS = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
BOXES = [
    Box(0, 0, 120, 90, False),
    Box(7, 9, 47, 80, True),
    Box(30, 2, 31, 3, True),
    Box(1, 1, 111, 12, False),
]
SIDES = [224, 98, 16, 32]


def expected(box: Box, side: int) -> np.ndarray:
    """By torch's own function, crop by crop."""
    region = torch.from_numpy(np.array(PIXELS[box.top : box.bottom, box.left : box.right])).permute(2, 0, 1)
    made = interpolate(region[None], (side, side), mode="bicubic", antialias=True)[0]
    return np.asarray(made.flip(2) if box.flip else made)


@pytest.mark.parametrize("cut", [cut_all, cut_each], ids=["one-call", "each"])
def test_crops_are_those_of_interpolate_mirrored_ones_too(cut: Cut) -> None:
    outs = [torch.zeros((3, side, side), dtype=torch.uint8) for side in SIDES]
    for _ in range(3):  # a program of TorchScript is made anew after its first calls
        cut(torch.from_numpy(PIXELS), [[b.top, b.bottom, b.left, b.right, int(b.flip)] for b in BOXES], outs)
        for out, box, side in zip(outs, BOXES, SIDES, strict=True):
            assert np.array_equal(out.numpy(), expected(box, side))


def test_this_torch_makes_one_call_of_it() -> None:
    assert isinstance(cut_all, torch.jit.ScriptFunction)


def test_crops_are_written_where_they_belong_in_a_batch() -> None:
    batch = np.zeros((4, 2, 3, 40, 40), dtype=np.uint8)
    cut_into([batch[at, 1] for at in range(4)], PIXELS, BOXES)
    assert not batch[:, 0].any()
    for at, box in enumerate(BOXES):
        assert np.array_equal(batch[at, 1], expected(box, 40))
