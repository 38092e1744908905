"""Random masks of MAE."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_trainer.errors import UserError
from webssl_trainer.objectives.mae import MaeConfig
from webssl_trainer.objectives.mae.masks import draw_masks


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**63),
    start=st.integers(0, 10**12),
    patches=st.integers(2, 300),
    ratio=st.floats(0.05, 0.95),
    cut=st.integers(1, 5),
)
def test_a_mask_hides_its_exact_share_and_depends_on_seed_and_position_only(
    seed: int, start: int, patches: int, ratio: float, cut: int
) -> None:
    visible = max(1, min(patches - 1, round(patches * (1 - ratio))))
    positions = torch.arange(start, start + 6)
    whole = draw_masks(positions, patches=patches, visible=visible, seed=seed)
    parts = [
        draw_masks(p, patches=patches, visible=visible, seed=seed) for p in (positions[:cut], positions[cut:])
    ]
    assert torch.equal(whole.visible, torch.cat([part.visible for part in parts]))
    assert torch.equal(whole.hidden, torch.cat([part.hidden for part in parts]))
    assert whole.visible.shape == (6, visible)
    together = torch.cat([whole.visible, whole.hidden], dim=1).sort(dim=1).values
    assert torch.equal(together, torch.arange(patches).expand(6, -1)), "each patch is visible or hidden"


@pytest.mark.parametrize(
    ("side", "visible"), [(14, 49), (16, 64), (27, 182), (37, 342)], ids=["224/16", "224/14", "378", "518"]
)
def test_three_quarters_are_hidden_as_in_the_reference_code(side: int, visible: int) -> None:
    assert MaeConfig().visible_patches(side**2) == visible == int(side**2 * 0.25)


def test_a_ratio_that_floating_point_cannot_hold_loses_no_patch() -> None:
    assert MaeConfig(mask_ratio=0.9).visible_patches(10) == 1


def test_all_patches_are_hidden_equally_often_and_neighbours_independently() -> None:
    masks = draw_masks(torch.arange(4000), patches=16, visible=4, seed=3)
    visible = torch.zeros(4000, 16).scatter(1, masks.visible, 1.0)
    assert (visible.mean(dim=0) - 0.25).abs().max() < 0.03
    # Drawn without replacement, two patches are both visible in 4/16 * 3/15 of the images.
    both = (visible[:, :-1] * visible[:, 1:]).mean(dim=0)
    assert (both - 0.05).abs().max() < 0.02


def test_other_seeds_and_positions_give_other_masks() -> None:
    masks = [
        draw_masks(torch.tensor([p]), patches=64, visible=16, seed=s) for s, p in [(0, 0), (0, 1), (1, 0)]
    ]
    assert len({tuple(m.visible[0].tolist()) for m in masks}) == 3


def test_a_low_ratio_still_hides_a_patch() -> None:
    assert MaeConfig(mask_ratio=0.1).visible_patches(4) == 3


@pytest.mark.parametrize(("ratio", "patches"), [(0.95, 4), (0.75, 1)])
def test_a_ratio_that_leaves_nothing_to_see_is_refused(ratio: float, patches: int) -> None:
    with pytest.raises(UserError, match=rf"maskRatio {ratio} of {patches} patches leaves 0 visible ones"):
        MaeConfig(mask_ratio=ratio).visible_patches(patches)
