"""The vision transformer, with the details of DINOv2 or of MAE as its configuration says.

Shape letters: B images, C channels, H and W pixels, L patches, V visible patches, D width, T tokens of a packed
batch (CLS and patches of several batches of images, see `packing`), S images of a packed batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from webssl_trainer.model.block import Block
from webssl_trainer.model.config import VitConfig
from webssl_trainer.model.drop_path import KeptBranches
from webssl_trainer.model.packing import pack, unpack
from webssl_trainer.model.positions import embedding_for, sincos_embedding


class VitOutput(NamedTuple):
    """Features of one batch of images: CLS token (B, D) and patches (B, L, D)."""

    cls: Tensor
    patches: Tensor


class PatchEmbed(nn.Module):
    """One linear map per patch of pixels."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, config.width, config.patch_size, stride=config.patch_size)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, L, D), patches row by row."""
        projected: Tensor = self.proj(images_BCHW)
        return projected.flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """Images to a CLS token and patch tokens. Parameters get their values from `init.initialise`."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed(config)
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.width))
        learned = config.position == "learned"
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + config.grid_size**2, config.width), learned)
        self.initial: dict[str, tuple[float, float] | Tensor] = {
            "cls_token": (0.0, config.cls_std),
            "pos_embed": (0.0, 0.02) if learned else sincos_embedding(config.grid_size, config.width),
        }
        if config.mask_token:
            self.mask_token = nn.Parameter(torch.empty(1, config.width))
            self.initial["mask_token"] = (0.0, 0.0)
        self.linear_initial = config.linear_initial
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps)

    def forward(
        self,
        images: Sequence[Tensor],
        masks: Sequence[Tensor | None] | None = None,
        kept: KeptBranches | None = None,
    ) -> list[VitOutput]:
        """Features of several batches of images in one pass.

        Args:
            images: batches of shape (B_i, 3, H_i, W_i), each of its own resolution.
            masks: for each batch None or bool (B_i, L_i), True where the mask token replaces a patch.
            kept: stochastic depth, see `drop_path.kept_branches`. None keeps all.

        Raises:
            UserError: a resolution is not a multiple of the patch size.
        """
        return self._blocks(self._sequences(images, masks), kept)

    def visible(self, images_BCHW: Tensor, visible_BV: Tensor, kept: KeptBranches | None = None) -> VitOutput:
        """Features from some patches of each image; the blocks see no other ones.

        Args:
            images_BCHW: (B, 3, H, W).
            visible_BV: int64 (B, V), which patches, counted row by row.
            kept: as in `forward`.

        Returns:
            CLS (B, D) and the features of the visible patches (B, V, D) in the order asked for.
        """
        (sequence_BLD,) = self._sequences([images_BCHW], None)
        cls_B1D, patches_BLD = sequence_BLD[:, :1], sequence_BLD[:, 1:]
        index_BVD = visible_BV.unsqueeze(-1).expand(-1, -1, patches_BLD.shape[-1])
        chosen_BLD = torch.cat([cls_B1D, patches_BLD.gather(1, index_BVD)], dim=1)
        (output,) = self._blocks([chosen_BLD], kept)
        return output

    def features(self, images_BCHW: Tensor, layers: Sequence[int] | None = None) -> list[VitOutput]:
        """Features for evaluation: one output for each of `layers`.

        Args:
            images_BCHW: (B, 3, H, W), normalised as in training.
            layers: 0-based block numbers, negative ones count from the end; the outputs are the residual
                stream after the block, before the final norm. None gives the final normed features only.

        Raises:
            UserError: a resolution is not a multiple of the patch size.
            IndexError: no such block.
        """
        if layers is None:
            return self.forward([images_BCHW])
        wanted = [range(len(self.blocks))[layer] for layer in layers]
        parts_BLD = self._sequences([images_BCHW], None)
        seen: dict[int, VitOutput] = {}
        for index, block in enumerate(self.blocks):
            parts_BLD = block(parts_BLD)
            if index in wanted:
                (x_BLD,) = parts_BLD
                seen[index] = VitOutput(x_BLD[:, 0], x_BLD[:, 1:])
        return [seen[index] for index in wanted]

    def _blocks(self, parts_BLD: list[Tensor], kept: KeptBranches | None) -> list[VitOutput]:
        for index, block in enumerate(self.blocks):
            parts_BLD = block(parts_BLD, kept, index)
        x_TD, layout = pack(parts_BLD)
        return [VitOutput(x[:, 0], x[:, 1:]) for x in unpack(self.norm(x_TD), layout)]

    def _sequences(self, images: Sequence[Tensor], masks: Sequence[Tensor | None] | None) -> list[Tensor]:
        """CLS and patch embeddings with their positions, (B_i, 1 + L_i, D) each."""
        sequences = []
        for images_BCHW, mask_BL in zip(images, masks or [None] * len(images), strict=True):
            rows, columns = self.config.grid_of(*images_BCHW.shape[-2:])
            x_BLD = self.patch_embed(images_BCHW)
            if mask_BL is not None:
                x_BLD = torch.where(mask_BL.unsqueeze(-1), self.mask_token.to(x_BLD.dtype), x_BLD)
            cls_BLD = self.cls_token.to(x_BLD.dtype).expand(len(x_BLD), -1, -1)
            sequences.append(torch.cat([cls_BLD, x_BLD], dim=1) + self.position_embedding(rows, columns))
        return sequences

    def position_embedding(self, rows: int, columns: int) -> Tensor:
        """Position embedding of the CLS token and a grid of patches, see `positions.embedding_for`."""
        return embedding_for(self.pos_embed, rows, columns)
