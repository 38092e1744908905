"""`spec.objective.mae`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from webssl_api.base import ApiModel, Rule


class DecoderSpec(ApiModel):
    """The decoder's transformer, which is thrown away after training."""

    width: Annotated[int, Field(ge=4, le=8192)] = 512
    """Width of the tokens; a multiple of 4 and of heads."""

    depth: Annotated[int, Field(ge=1, le=64)] = 8
    """Number of blocks."""

    heads: Annotated[int, Field(ge=1, le=64)] = 16
    """Attention heads."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.width % self.heads == 0 && self.width % 4 == 0",
            message="spec.objective.mae.decoder.width {width} is not a multiple of 4 and of heads {heads}: "
            "change the width or the heads",
            check=lambda self: self.width % self.heads == 0 and self.width % 4 == 0,
        ),
    )


class MaeSpec(ApiModel):
    """Masked autoencoding: pixels of hidden patches are predicted from the visible ones."""

    mask_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.75
    """Share of patches that are hidden."""

    normalise_pixels: bool = True
    """Predict pixels that have mean 0 and variance 1 within each patch."""

    decoder: DecoderSpec = Field(default_factory=DecoderSpec)
    """The decoder."""
