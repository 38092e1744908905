"""Block masks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_trainer.objectives.dino.config import MaskConfig
from webssl_trainer.objectives.dino.masks import draw_masks

GRIDS = st.tuples(st.integers(2, 16), st.integers(2, 16))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**63), start=st.integers(0, 10**12), grid=GRIDS, cut=st.integers(1, 5))
def test_a_mask_does_not_depend_on_the_batch_that_its_sample_is_in(
    seed: int, start: int, grid: tuple[int, int], cut: int
) -> None:
    positions = np.arange(start, start + 6)
    draw = {"crops": 2, "grid": grid, "seed": seed, "config": MaskConfig()}
    whole = draw_masks(positions, **draw)  # type: ignore[arg-type]
    parts = [draw_masks(p, **draw) for p in (positions[:cut], positions[cut:])]  # type: ignore[arg-type]
    assert np.array_equal(whole, np.concatenate(parts, axis=1))


def test_half_of_the_crops_are_masked_by_a_tenth_to_a_half() -> None:
    masks = draw_masks(np.arange(2000), crops=2, grid=(16, 16), seed=1, config=MaskConfig())
    counts = masks.sum(axis=-1).ravel()
    assert masks.shape == (2, 2000, 256)
    assert 0.46 < (counts > 0).mean() < 0.54
    assert counts.max() <= 128
    # Blocks that do not fit may leave a mask a little short of its target, never above it.
    assert 0.22 < counts[counts > 0].mean() / 256 < 0.31


def test_masked_crops_have_at_least_one_masked_patch_on_the_small_grids_of_demonstrations() -> None:
    always = MaskConfig(probability=1.0)
    for side in (4, 7, 8):
        masks = draw_masks(np.arange(300), crops=2, grid=(side, side), seed=2, config=always)
        assert masks.any(axis=-1).all()


def test_masks_are_blocks_rather_than_scattered_patches() -> None:
    masks = draw_masks(np.arange(500), crops=1, grid=(16, 16), seed=3, config=MaskConfig(probability=1.0))
    grid = masks.reshape(-1, 16, 16)
    neighbours = (grid[:, :, 1:] & grid[:, :, :-1]).sum() / grid[:, :, 1:].sum()
    assert neighbours > 0.6  # scattered patches would have about 0.3
