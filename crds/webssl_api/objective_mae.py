"""`spec.objective.mae`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from webssl_api.base import ApiModel


class MaeSpec(ApiModel):
    """Masked autoencoding: pixels of masked patches are predicted from the visible ones."""

    mask_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.75
    """Share of patches that are hidden."""
