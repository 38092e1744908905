"""The MAE step as one would write it first: what the trainer's own step is compared with.

Same network, same draws. The decoder predicts every patch, the loss is taken of every patch, and a mask of floats leaves
only the hidden ones in it; an optimizer that goes from tensor to tensor. Without stochastic depth, as in the recipe.
"""

from __future__ import annotations

import torch
from torch import Tensor
from webssl_trainer.augment import prepare
from webssl_trainer.data.batch import Batch
from webssl_trainer.model.positions import embedding_for
from webssl_trainer.objectives import StepContext
from webssl_trainer.objectives.mae import MaeObjective
from webssl_trainer.objectives.mae.losses import normalised, patch_pixels
from webssl_trainer.objectives.mae.masks import draw_masks

from benchmarks.train.plain_step import PlainStep
from benchmarks.train.plain_vit import embedded, run_blocks, with_cls


def plain_mae(objective: MaeObjective, learning_rate: float) -> PlainStep:
    """Steps of the network of `objective`, which they train in place."""
    o, config, encoder, decoder = (
        objective,
        objective.config,
        objective.network.encoder,
        objective.network.decoder,
    )

    def loss(batch: Batch, ctx: StepContext) -> Tensor:
        (crops,) = prepare(batch, config.crops, ctx.seed, ctx.device)
        images = crops.pixels()
        grid = o.vit.grid_of(*images.shape[-2:])
        count = grid[0] * grid[1]
        positions = torch.from_numpy(batch.positions).to(ctx.device)
        masks = draw_masks(positions, patches=count, visible=config.visible_patches(count), seed=ctx.seed)
        order = torch.cat([masks.visible, masks.hidden], dim=1)
        back = order.argsort(dim=1)
        is_hidden = torch.ones(len(batch), count, device=ctx.device).scatter(1, masks.visible, 0.0)
        with o.parallel.precision():
            patches = embedded(encoder, images)
            visible = patches.gather(1, masks.visible.unsqueeze(-1).expand(-1, -1, patches.shape[-1]))
            features = encoder.norm(run_blocks(encoder.blocks, with_cls(encoder, visible, images)))
            x = decoder.embed(features)
            tokens = decoder.mask_token.to(x.dtype).expand(len(x), masks.hidden.shape[1], -1)
            shuffled = torch.cat([x[:, 1:], tokens], dim=1)
            whole = shuffled.gather(1, back.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
            y = torch.cat([x[:, :1], whole], dim=1) + embedding_for(decoder.pos_embed, *grid)
            predicted = decoder.predict(decoder.norm(run_blocks(decoder.blocks, y)))[:, 1:].float()
        target = patch_pixels(images, o.vit.patch_size)
        if config.normalise_pixels:
            target = normalised(target)
        by_patch = ((predicted - target) ** 2).mean(-1)
        mean: Tensor = (by_patch * is_hidden).sum() / is_hidden.sum()
        return mean

    return PlainStep(o.network, loss, learning_rate)
