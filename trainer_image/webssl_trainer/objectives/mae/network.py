"""Encoder and decoder of the masked autoencoder as one module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from webssl_trainer.model import Parallel, VisionTransformer, VitConfig, VitOutput
from webssl_trainer.model.block import Block
from webssl_trainer.model.drop_path import KeptBranches
from webssl_trainer.model.positions import embedding_for, sincos_embedding
from webssl_trainer.objectives.mae.config import MaeConfig, decoder_vit
from webssl_trainer.objectives.mae.masks import Masks


class Decoder(nn.Module):
    """From features of visible patches to the pixels of hidden ones. E: width of the decoder."""

    def __init__(self, vit: VitConfig, config: MaeConfig) -> None:
        super().__init__()
        shape = decoder_vit(vit, config.decoder)
        self.embed = nn.Linear(vit.width, shape.width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, shape.width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + shape.grid_size**2, shape.width), False)
        self.initial = {
            "mask_token": (0.0, 0.02),
            "pos_embed": sincos_embedding(shape.grid_size, shape.width),
        }
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.width, eps=shape.norm_eps)
        self.predict = nn.Linear(shape.width, 3 * vit.patch_size**2)

    def forward(self, features: VitOutput, masks: Masks, grid: tuple[int, int]) -> Tensor:
        """Predicted values of the hidden patches, (N, M, P).

        Args:
            features: CLS (N, D) and visible patches (N, V, D) in the order of masks.visible.
            masks: which patches are visible and hidden.
            grid: rows and columns of patches.
        """
        x_NLE = self.embed(torch.cat([features.cls.unsqueeze(1), features.patches], dim=1))
        patches = grid[0] * grid[1]
        hidden_NLE = self.mask_token.to(x_NLE.dtype).expand(len(x_NLE), patches, -1)
        patches_NLE = hidden_NLE.scatter(1, _per_channel(masks.visible, x_NLE), x_NLE[:, 1:])
        sequence_NLE = torch.cat([x_NLE[:, :1], patches_NLE], dim=1) + embedding_for(self.pos_embed, *grid)
        parts_NLE = [sequence_NLE]
        for block in self.blocks:
            parts_NLE = block(parts_NLE)
        (y_NLE,) = parts_NLE
        y_NME = y_NLE[:, 1:].gather(1, _per_channel(masks.hidden, y_NLE))
        predicted: Tensor = self.predict(self.norm(y_NME))
        return predicted


class MaeNetwork(nn.Module):
    """The encoder, which is kept, and the decoder, which is not."""

    def __init__(self, vit: VitConfig, config: MaeConfig) -> None:
        super().__init__()
        self.encoder = VisionTransformer(vit)
        self.decoder = Decoder(vit, config)
        self.linear_initial = vit.linear_initial

    def forward(self, images_NCHW: Tensor, masks: Masks, kept: KeptBranches | None) -> Tensor:
        """Predicted values of the hidden patches, (N, M, P).

        Args:
            images_NCHW: (N, 3, H, W).
            masks: which patches are visible and hidden.
            kept: stochastic depth of the encoder, see `VisionTransformer.forward`.
        """
        grid = self.encoder.config.grid_of(*images_NCHW.shape[-2:])
        features = self.encoder.visible(images_NCHW, masks.visible, kept)
        predicted: Tensor = self.decoder(features, masks, grid)
        return predicted


def build_network(vit: VitConfig, config: MaeConfig, parallel: Parallel, seed: int) -> MaeNetwork:
    """A network with memory and initial values, placed on the processes of `parallel`."""
    with torch.device("meta"):
        network = MaeNetwork(vit, config)
    parallel.place(network, [*network.encoder.blocks, network.decoder], seed)
    return network


def _per_channel(index_NV: Tensor, like_NLE: Tensor) -> Tensor:
    return index_NV.unsqueeze(-1).expand(-1, -1, like_NLE.shape[-1])
