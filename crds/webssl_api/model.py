"""`spec.model`: which vision transformer is trained."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from webssl_api.base import ApiModel, Rule
from webssl_api.uris import StorageUri, one_folder_rule, uri_rule


class ModelSize(StrEnum):
    """The paper's sizes, and three small ones for tests and first tries."""

    TINY = "tiny"
    S = "S"
    B = "B"
    M300 = "300M"
    M700 = "700M"
    B1 = "1B"
    B2 = "2B"
    B3 = "3B"
    B5 = "5B"
    B7 = "7B"


class Weights(StrEnum):
    """Which of a checkpoint's weights a run begins with."""

    ALL = "all"
    ENCODER = "encoder"


class StartFromSpec(ApiModel):
    """The weights of another run, on the storage that spec.data.storage describes."""

    checkpoint: StorageUri
    """Folder of one checkpoint, or a run's spec.checkpoint.uri: then its final checkpoint, else its newest."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{12,64}$")] | None = None
    """Digest of the one checkpoint to take, or its first digits as `webssl checkpoints` prints them; unset: whichever is found."""

    weights: Weights = Weights.ALL
    """All networks of a run of the same objective, or only the encoder, which may be another objective's or an imported one."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule("spec.model.startFrom", "checkpoint"),
        one_folder_rule("spec.model.startFrom", "checkpoint"),
    )


class ModelSpec(ApiModel):
    """The vision transformer: a row of the paper's architecture table, or a small one for tests."""

    size: ModelSize
    """Size of the vision transformer: 300M, 1B, 2B, 3B, 5B or 7B as in the paper, 700M (ViT-H); tiny, S or B for tests."""

    patch_size: Annotated[int, Field(ge=4, le=32)] = 14
    """Side of a square patch in pixels; every resolution must be a multiple of it."""

    drop_path: Annotated[float, Field(ge=0, le=0.9)] = 0.4
    """Share of residual branches skipped per sample (stochastic depth, uniform over layers)."""

    start_from: StartFromSpec | None = None
    """Weights to begin with, of a run of the same architecture at any resolution; unset: random ones."""
