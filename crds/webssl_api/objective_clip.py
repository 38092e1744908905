"""`spec.objective.clip`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from webssl_api.base import ApiModel


class ClipSpec(ApiModel):
    """Image-text contrast, the language-supervised control of the paper."""

    caption_extension: Annotated[str, Field(min_length=1, max_length=16)] = "txt"
    """Extension of the caption's member beside each image in the shard."""
