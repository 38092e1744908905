"""`spec.compute`: how the arithmetic is done. None of it changes what is learned, so it may change between attempts."""

from __future__ import annotations

from enum import StrEnum

from webssl_api.base import ApiModel


class Checkpointing(StrEnum):
    """What a block recomputes in the backward pass instead of keeping it."""

    NONE = "none"
    SELECTIVE = "selective"
    FULL = "full"


class ComputeSpec(ApiModel):
    """Speed and memory of a step. Checkpoints do not depend on it: a run may change it and go on."""

    compile: bool | None = None
    """Compile the transformer's blocks with torch.compile; absent means on GPUs only."""

    activation_checkpointing: Checkpointing = Checkpointing.NONE
    """What the backward pass recomputes to save memory: none; selective (norms, activations, cheap steps); full (whole blocks)."""

    float8: bool = False
    """Matrix products of the blocks in float8, scaled per tensor, on GPUs from Hopper on; elsewhere the run is refused at its start."""
