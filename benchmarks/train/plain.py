"""The DINO step as one would write it first: what the trainer's own step is compared with.

Same networks, same losses, same draws. One forward pass for each size of crop, every image through every branch with
the dropped ones multiplied by zero, an optimizer and an average that go from tensor to tensor.
"""

from __future__ import annotations

import torch
from torch import Tensor
from webssl_trainer.data.batch import Batch
from webssl_trainer.model.drop_path import kept_branches
from webssl_trainer.model.packing import pack, unpack
from webssl_trainer.model.vit import Block, VisionTransformer
from webssl_trainer.objectives import StepContext
from webssl_trainer.objectives.dino import DinoObjective
from webssl_trainer.objectives.dino.losses import dino_loss, ibot_loss, koleo_loss
from webssl_trainer.objectives.dino.masks import draw_masks
from webssl_trainer.objectives.dino.sinkhorn import sinkhorn_knopp


class PlainStep:
    """Steps of the networks of `objective`, which it trains in place."""

    def __init__(self, objective: DinoObjective, learning_rate: float) -> None:
        self._o = objective
        self._optimizer = torch.optim.AdamW(objective.student.parameters(), lr=learning_rate, foreach=False)

    def __call__(self, batch: Batch, ctx: StepContext) -> float:
        """One optimizer step; its loss."""
        o, config, n = self._o, self._o.config, len(batch)
        large = batch.global_crops.flatten(0, 1).to(ctx.device)
        small = batch.local_crops.flatten(0, 1).to(ctx.device)
        grid = o.vit.grid_of(*large.shape[-2:])
        drawn = draw_masks(batch.positions, crops=2, grid=grid, seed=ctx.seed, config=config.masks)
        mask = torch.from_numpy(drawn.reshape(2 * n, -1)).to(ctx.device)
        chosen = mask.flatten().nonzero().squeeze(1)
        share = (1 / mask.sum(1, keepdim=True).clamp(min=1)).expand_as(mask)[mask]
        temperature = config.temperature(ctx.step, ctx.total_steps)
        with o.parallel.precision():
            with torch.no_grad():
                cls, patches = self._features(o.teacher.backbone, large, None, None)
                seen = o.teacher.dino_head(cls)
                hidden = o.teacher.ibot_head(patches.flatten(0, 1)[chosen])
            (cls_targets,) = sinkhorn_knopp([seen], temperature, config.sinkhorn_iterations, None)
            (patch_targets,) = sinkhorn_knopp([hidden], temperature, config.sinkhorn_iterations, None)
            factors = self._factors(batch, ctx)
            cls, patches = self._features(o.student.backbone, large, mask, factors[:, :, : 2 * n])
            few, _ = self._features(o.student.backbone, small, None, factors[:, :, 2 * n :])
            global_logits, local_logits = o.student.dino_head(cls), o.student.dino_head(few)
            patch_logits = o.student.ibot_head(patches.flatten(0, 1)[chosen])
        by_crop = [x.float().unflatten(0, (-1, n)) for x in (global_logits, local_logits, cls_targets)]
        dino = dino_loss(*by_crop, config.student_temperature)
        ibot = ibot_loss(patch_logits.float(), patch_targets, share, config.student_temperature)
        koleo = koleo_loss(cls.float().unflatten(0, (2, n)), config.group_size)
        loss = (dino.sum() + config.ibot_weight * ibot.sum() / 2 + config.koleo_weight * koleo.sum()) / n
        loss.backward()
        torch.nn.utils.clip_grad_norm_(o.student.parameters(), 3.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._average(config.ema(ctx.step, ctx.total_steps))
        return float(loss.detach())

    @torch.no_grad()
    def _average(self, momentum: float) -> None:
        for mean, new in zip(self._o.teacher.parameters(), self._o.student.parameters(), strict=True):
            mean.mul_(momentum).add_(new, alpha=1 - momentum)

    def _factors(self, batch: Batch, ctx: StepContext) -> Tensor:
        """0 or 1 / keep for each block, branch and image: (depth, 2, S)."""
        o, crops = self._o, self._o.config.crops
        count = 2 + crops.n_local
        kept = kept_branches(
            torch.from_numpy(batch.positions).repeat(count),
            torch.arange(count).repeat_interleave(len(batch)),
            [count * len(batch)],
            seed=ctx.seed,
            depth=o.vit.depth,
            drop_rate=o.config.drop_path,
            device=ctx.device,
        )
        factors = torch.ones(o.vit.depth, 2, count * len(batch), device=ctx.device)
        if kept is not None:
            factors.zero_()
            for layer, row in enumerate(kept.images):
                for branch, (images,) in enumerate(row):
                    factors[layer, branch, images] = kept.scale
        return factors

    @staticmethod
    def _features(
        vit: VisionTransformer, images: Tensor, mask: Tensor | None, factors: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """CLS (B, D) and patches (B, L, D) of one batch of images."""
        x = vit.patch_embed(images)
        if mask is not None:
            x = torch.where(mask.unsqueeze(-1), vit.mask_token.to(x.dtype), x)
        x = torch.cat([vit.cls_token.to(x.dtype).expand(len(x), -1, -1), x], dim=1)
        x = x + vit.position_embedding(*vit.config.grid_of(*images.shape[-2:]))
        for layer, block in enumerate(vit.blocks):
            assert isinstance(block, Block)
            for branch, run in enumerate((block.attention, block.mlp_branch)):
                packed, layout = pack([x])
                (y,) = unpack(run(packed, layout), layout)
                x = x + (y if factors is None else y * factors[layer, branch, :, None, None].to(y.dtype))
        x = vit.norm(x)
        return x[:, 0], x[:, 1:]
