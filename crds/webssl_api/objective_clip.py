"""`spec.objective.clip`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from webssl_api.base import ApiModel, Rule
from webssl_api.uris import is_storage_uri, uri_cel


class ContrastiveLoss(StrEnum):
    """How images and captions are compared."""

    INFONCE = "infonce"
    SIGLIP = "siglip"


class TextTowerSpec(ApiModel):
    """The text transformer; the embedding that both towers share has its width."""

    width: Annotated[int, Field(ge=8, le=8192)]
    """Width of the tokens; a multiple of heads."""

    depth: Annotated[int, Field(ge=1, le=128)]
    """Number of blocks."""

    heads: Annotated[int, Field(ge=1, le=128)]
    """Attention heads."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.width % self.heads == 0",
            message="spec.objective.clip.textTower.width {width} is not a multiple of heads {heads}: change one of them",
            check=lambda self: self.width % self.heads == 0,
        ),
    )


class ClipSpec(ApiModel):
    """Image-text contrast over the global batch, the language-supervised control of the paper."""

    caption_extension: Annotated[
        str, Field(min_length=1, max_length=16, pattern=r"^[a-z0-9_][a-z0-9_.-]*$")
    ] = "txt"
    """Extension of the caption's member beside each image in the shard, in lower case; a sample without one counts as broken."""

    loss: ContrastiveLoss = ContrastiveLoss.INFONCE
    """Loss of CLIP (infonce, symmetric cross-entropy over the global batch) or of SigLIP (siglip, each pair by itself)."""

    tokenizer: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Tokenizer: clip, bytes, or the address of a JSON file of the tokenizers library; unset: clip from size B on, bytes below."""

    context_length: Annotated[int, Field(ge=4, le=4096)] = 77
    """Most tokens of a caption, its start and end included; longer ones are cut."""

    text_tower: TextTowerSpec | None = None
    """The text transformer; unset: the one that belongs to spec.model.size (1280 wide, 32 blocks, 20 heads from 1B on)."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.tokenizer) || self.tokenizer in ['clip', 'bytes'] || "
            f"(self.tokenizer.endsWith('.json') && {uri_cel('tokenizer')})",
            message="spec.objective.clip.tokenizer {tokenizer} is unknown: write clip, bytes, "
            "or the address of a JSON file such as s3://bucket/tokenizer.json",
            check=lambda self: (
                self.tokenizer in (None, "clip", "bytes")
                or (self.tokenizer.endswith(".json") and is_storage_uri(self.tokenizer))
            ),
        ),
    )
