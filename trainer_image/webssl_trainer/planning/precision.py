"""In how many bytes the numbers of a step are kept, and which are not kept. Follows `model.parallelize.Parallel`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from webssl_trainer.model.compute import Recompute

STORED = 4
"""Bytes of a parameter, a gradient and each optimizer moment: all are kept in fp32."""


@dataclass(frozen=True)
class Precision:
    """Bytes per number of a forward and backward pass.

    compute: outputs of matrix products and what they read. residual: the residual stream, which norms read.
    copies: every matrix is copied to `compute` bytes for the length of a micro-batch (autocast keeps the
        copies for the backward pass).
    recompute: what blocks of the vision transformer compute again instead of keeping it, see `model.block.Block`.
    """

    compute: int
    residual: int
    copies: bool
    recompute: Recompute = "none"

    @property
    def halves(self) -> bool:
        """Whether matrix products are in bf16."""
        return self.compute < STORED


FP32 = Precision(compute=4, residual=4, copies=False)
"""CPUs."""
AUTOCAST = Precision(compute=2, residual=4, copies=True)
"""A replicated network on GPUs: autocast, parameters and residual stream in fp32."""
SHARDED = Precision(compute=2, residual=2, copies=False)
"""A sharded network on GPUs: gathered in bf16 by FSDP2, whole forward pass in bf16."""


def precision_of(shard: bool, recompute: Recompute) -> Precision:
    """What a GPU computes in."""
    return replace(SHARDED if shard else AUTOCAST, recompute=recompute)
