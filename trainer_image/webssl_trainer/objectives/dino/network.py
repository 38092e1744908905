"""Backbone and heads as one module: the student and the teacher of DINO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from webssl_trainer.model import Parallel, VisionTransformer, VitConfig
from webssl_trainer.model.drop_path import KeptBranches
from webssl_trainer.objectives.dino.config import DinoConfig
from webssl_trainer.objectives.dino.head import Head


class NetworkOutput(NamedTuple):
    """cls: CLS tokens of the first batch of images before the head, (B_0, D). cls_logits: DINO logits of all
    images, batch after batch, (S, K). patch_logits: iBOT logits of the chosen patches, (M, K)."""

    cls: Tensor
    cls_logits: Tensor
    patch_logits: Tensor


class DinoNetwork(nn.Module):
    """Student and teacher have this one structure, so that the EMA pairs their parameters in order."""

    def __init__(self, vit: VitConfig, config: DinoConfig) -> None:
        super().__init__()
        self.backbone = VisionTransformer(vit)
        self.dino_head = Head(vit.width, config.dino_head)
        self.ibot_head = Head(vit.width, config.ibot_head)

    def forward(
        self,
        images: Sequence[Tensor],
        mask_BL: Tensor | None,
        patch_indices_M: Tensor,
        kept: KeptBranches | None,
    ) -> NetworkOutput:
        """One pass over all crops.

        Args:
            images: batches of images, (B_i, 3, H_i, W_i); the first one holds the global crops.
            mask_BL: bool (B_0, L), patches of the first batch to replace by the mask token; None for none.
            patch_indices_M: int64 (M,), patches of the first batch for the iBOT head, counted over (B_0, L).
                M may be 0: the head still runs, as sharded parameters need every process to take part.
            kept: stochastic depth, see `VisionTransformer.forward`.
        """
        masks = [mask_BL] + [None] * (len(images) - 1)
        outputs = self.backbone(images, masks, kept)
        chosen_MD = outputs[0].patches.flatten(0, 1).index_select(0, patch_indices_M)
        return NetworkOutput(
            cls=outputs[0].cls.clone(),  # FSDP's hooks are lost on views
            cls_logits=self.dino_head(torch.cat([output.cls for output in outputs])),
            patch_logits=self.ibot_head(chosen_MD),
        )


def build_network(vit: VitConfig, config: DinoConfig, parallel: Parallel, seed: int) -> DinoNetwork:
    """A network with memory and initial values, placed on the processes of `parallel`."""
    with torch.device("meta"):
        network = DinoNetwork(vit, config)
    parallel.place(network, [*network.backbone.blocks, network.dino_head, network.ibot_head], seed)
    return network
