"""`spec.checkpoint`: where, how often and how many."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from webssl_api.base import ApiModel, Rule
from webssl_api.schedule import Samples
from webssl_api.uris import StorageUri, one_folder_rule, uri_rule


class IntervalSpec(ApiModel):
    """How often a checkpoint is saved."""

    samples: Samples
    """Samples between two checkpoints; it is rounded up to whole steps."""


class CheckpointSpec(ApiModel):
    """Checkpoints on object storage. Each is verified before it is used, and deleted only after a newer one verified."""

    uri: StorageUri
    """Folder for checkpoints, step logs and evaluation results, such as s3://runs/dino-1b; one run per folder."""

    interval: IntervalSpec
    """How often a checkpoint is saved."""

    keep: Annotated[int, Field(ge=1, le=100)] = 3
    """Number of newest checkpoints that are kept; two or more allow falling back when the newest is damaged."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule("spec.checkpoint", "uri"),
        one_folder_rule("spec.checkpoint", "uri"),
    )
