"""The table of sizes."""

from __future__ import annotations

import pytest
import torch
from webssl_trainer.errors import UserError
from webssl_trainer.model import SIZES, VisionTransformer, should_shard, vit_config

PAPER = {  # width, depth, heads, SwiGLU hidden, billions of parameters
    "300M": (1024, 24, 16, 2736, 0.304),
    "1B": (1536, 40, 24, 4096, 1.135),
    "2B": (2688, 24, 21, 7168, 2.084),
    "3B": (3072, 26, 24, 8192, 2.948),
    "5B": (3584, 32, 28, 9560, 4.938),
    "7B": (4096, 32, 32, 10928, 6.450),
}


@pytest.mark.parametrize("size", PAPER)
def test_shapes_and_parameter_counts_are_those_of_the_paper(size: str) -> None:
    config = vit_config(size)
    with torch.device("meta"):
        count = sum(p.numel() for p in VisionTransformer(config).parameters())
    shape = (config.width, config.depth, config.heads, config.mlp_hidden)
    assert (*shape, round(count / 1e9, 3)) == PAPER[size]


def test_sizes_above_half_a_billion_parameters_are_sharded_when_there_is_more_than_one_process() -> None:
    assert [size for size in SIZES if should_shard(vit_config(size), 8)] == ["1B", "2B", "3B", "5B", "7B"]
    assert not should_shard(vit_config("7B"), 1)


def test_an_unknown_size_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"model\.size 'XL' is unknown; use one of tiny, S, B, 300M"):
        vit_config("XL")


def test_a_resolution_that_the_patch_does_not_divide_is_refused_with_the_nearest_that_it_does() -> None:
    with pytest.raises(UserError, match="resolution 230 is not a multiple of patchSize 14; use 224 or 238"):
        vit_config("S", image_size=230)
