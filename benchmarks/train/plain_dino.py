"""The DINO step as one would write it first: what the trainer's own step is compared with.

Same networks, same losses, same draws. One forward pass for each size of crop, every image through every branch with
the dropped ones multiplied by zero, an optimizer and an average that go from tensor to tensor.
"""

from __future__ import annotations

import torch
from torch import Tensor
from webssl_trainer.augment import prepare
from webssl_trainer.data.batch import Batch
from webssl_trainer.model import VisionTransformer
from webssl_trainer.model.drop_path import kept_branches
from webssl_trainer.objectives import StepContext
from webssl_trainer.objectives.dino import DinoObjective
from webssl_trainer.objectives.dino.losses import dino_loss, ibot_loss, koleo_loss
from webssl_trainer.objectives.dino.masks import draw_masks
from webssl_trainer.objectives.dino.sinkhorn import sinkhorn_knopp

from benchmarks.train.plain_step import PlainStep
from benchmarks.train.plain_vit import embedded, run_blocks, with_cls


def plain_dino(objective: DinoObjective, learning_rate: float) -> PlainStep:
    """Steps of the networks of `objective`, which they train in place."""
    o, config = objective, objective.config

    def loss(batch: Batch, ctx: StepContext) -> Tensor:
        n = len(batch)
        large, small = (crops.pixels() for crops in prepare(batch, config.crops, ctx.seed, ctx.device))
        grid = o.vit.grid_of(*large.shape[-2:])
        drawn = draw_masks(batch.positions, crops=2, grid=grid, seed=ctx.seed, config=config.masks)
        mask = torch.from_numpy(drawn.reshape(2 * n, -1)).to(ctx.device)
        chosen = mask.flatten().nonzero().squeeze(1)
        share = (1 / mask.sum(1, keepdim=True).clamp(min=1)).expand_as(mask)[mask]
        temperature = config.temperature(ctx.step, ctx.total_steps)
        with o.parallel.precision():
            with torch.no_grad():
                cls, patches = _features(o.teacher.backbone, large, None, None)
                seen = o.teacher.dino_head(cls)
                hidden = o.teacher.ibot_head(patches.flatten(0, 1)[chosen])
            (cls_targets,) = sinkhorn_knopp([seen], temperature, config.sinkhorn_iterations, None)
            (patch_targets,) = sinkhorn_knopp([hidden], temperature, config.sinkhorn_iterations, None)
            factors = branch_factors(o, batch, ctx)
            cls, patches = _features(o.student.backbone, large, mask, factors[:, :, : 2 * n])
            few, _ = _features(o.student.backbone, small, None, factors[:, :, 2 * n :])
            global_logits, local_logits = o.student.dino_head(cls), o.student.dino_head(few)
            patch_logits = o.student.ibot_head(patches.flatten(0, 1)[chosen])
        of_globals, of_locals, of_targets = (
            torch.unflatten(x.float(), 0, (-1, n)) for x in (global_logits, local_logits, cls_targets)
        )
        dino = dino_loss(of_globals, of_locals, of_targets, config.student_temperature)
        ibot = ibot_loss(patch_logits.float(), patch_targets, share, config.student_temperature)
        koleo = koleo_loss(torch.unflatten(cls.float(), 0, (2, n)), config.group_size)
        return (dino.sum() + config.ibot_weight * ibot.sum() / 2 + config.koleo_weight * koleo.sum()) / n

    @torch.no_grad()
    def average(ctx: StepContext) -> None:
        momentum = config.ema(ctx.step, ctx.total_steps)
        for mean, new in zip(o.teacher.parameters(), o.student.parameters(), strict=True):
            mean.mul_(momentum).add_(new, alpha=1 - momentum)

    return PlainStep(o.student, loss, learning_rate, average)


def branch_factors(o: DinoObjective, batch: Batch, ctx: StepContext) -> Tensor:
    """0 or 1 / keep for each block, branch and image: (depth, 2, S)."""
    count = 2 + o.config.crops.n_local
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


def _features(
    vit: VisionTransformer, images: Tensor, mask: Tensor | None, factors: Tensor | None
) -> tuple[Tensor, Tensor]:
    """CLS (B, D) and patches (B, L, D) of one batch of images."""
    x = vit.norm(run_blocks(vit.blocks, with_cls(vit, embedded(vit, images, mask), images), factors))
    return x[:, 0], x[:, 1:]
