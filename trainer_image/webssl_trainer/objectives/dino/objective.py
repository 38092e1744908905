"""The DINOv2 objective: DINO + iBOT + KoLeo with an EMA teacher and Sinkhorn-Knopp centring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from webssl_trainer.augment import Crops, prepare
from webssl_trainer.data.batch import Batch
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.model import Parallel, VitConfig
from webssl_trainer.model.drop_path import KeptBranches, kept_branches
from webssl_trainer.model.parallelize import set_last_micro_batch
from webssl_trainer.objectives.dino.config import DinoConfig
from webssl_trainer.objectives.dino.losses import dino_loss, ibot_loss, koleo_loss
from webssl_trainer.objectives.dino.masks import draw_masks
from webssl_trainer.objectives.dino.network import DinoNetwork, NetworkOutput, build_network
from webssl_trainer.objectives.dino.sinkhorn import sinkhorn_knopp
from webssl_trainer.objectives.interface import StepContext
from webssl_trainer.optim import ParamGroup, Treatment, decays, group_parameters, sum_gradients


class _Inputs(NamedTuple):
    """A micro-batch on the device. crops: global (2 N, 3, H, W) and, if any, local ones (C N, ...), as bytes.
    mask: bool (2 N, L). patches: masked patches counted over (2 N, L), (M,); weights (M,): see `ibot_loss`.
    kept: stochastic depth of all images, or None."""

    samples: int
    crops: list[Crops]
    mask: Tensor
    patches: Tensor
    weights: Tensor
    kept: KeptBranches | None


class _Targets(NamedTuple):
    """The teacher's assignments: of the CLS tokens (2 N, K) and of the masked patches (M, K)."""

    cls: Tensor
    patches: Tensor


class DinoObjective:
    """DINOv2 behind the interface of `objectives.interface.Objective`.

    Args:
        vit: shape of student and teacher.
        config: settings of the objective.
        parallel: placement of the networks on processes.
        seed: seed of the initial values. Student and teacher start equal.

    Raises:
        UserError: a crop size is not a multiple of the patch size.
    """

    def __init__(self, vit: VitConfig, config: DinoConfig, parallel: Parallel, seed: int) -> None:
        self.vit, self.config, self.parallel = vit, config, parallel
        for size in (config.crops.global_size, config.crops.local_size):
            vit.grid_of(size, size)
        self.student: DinoNetwork = build_network(vit, config, parallel, seed)
        self.teacher: DinoNetwork = build_network(vit, config, parallel, seed).requires_grad_(False)

    @property
    def trained(self) -> nn.Module:
        """The student: backbone, dino_head, ibot_head."""
        return self.student

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """Student and teacher."""
        return {"student": self.student, "teacher": self.teacher}

    @property
    def encoder(self) -> str:
        """The teacher's backbone is what is evaluated and exported."""
        return "teacher.backbone"

    def crop_spec(self) -> CropSpec:
        """Two global crops and the configured local ones."""
        return self.config.crops

    def param_groups(self) -> list[ParamGroup]:
        """No decay for biases, norms and LayerScale; slower patch embedding; prototypes frozen at first."""
        return group_parameters(self.student, self._treatment)

    def forward_backward(self, micro_batches: Sequence[Batch], ctx: StepContext) -> dict[str, Tensor]:
        """See `Objective.forward_backward`. Terms: dino, ibot, koleo (each a mean over the global batch).

        The teacher sees all micro-batches before the student sees the first, because Sinkhorn-Knopp balances
        the whole global batch. Its logits of the step are held meanwhile: 4 bytes x prototypes for each
        global crop and masked patch of this process. Pixels are made of bytes again for the student rather than
        held, unless there is only one micro-batch.
        """
        inputs = [self._inputs(batch, ctx) for batch in micro_batches]
        held = [x.crops[0].pixels() for x in inputs] if len(inputs) == 1 else []
        targets = self._targets(inputs, held, ctx)
        totals = torch.zeros(3, device=ctx.device)
        for index, (x, target) in enumerate(zip(inputs, targets, strict=True)):
            set_last_micro_batch(self.student, index == len(inputs) - 1)
            with self.parallel.precision():
                output = self.student(_pixels(x, held), x.mask, x.patches, x.kept)
            terms = self._terms(output, target, x, ctx.global_batch_size)
            self._weighted(terms).backward()  # type: ignore[no-untyped-call]
            totals += terms.detach()
        sum_gradients(self.student, ctx.group)
        if ctx.group is not None:
            dist.all_reduce(totals, group=ctx.group)
        dino, ibot, koleo = totals.unbind()
        return {"loss": self._weighted(totals), "dino": dino, "ibot": ibot, "koleo": koleo}

    @torch.no_grad()
    def after_optimizer_step(self, ctx: StepContext) -> None:
        """Move the teacher towards the student: teacher = m teacher + (1 - m) student, on local shards."""
        momentum = self.config.ema(ctx.step, ctx.total_steps)
        teacher, student = _local(self.teacher), _local(self.student)
        torch._foreach_lerp_(teacher, student, 1 - momentum)

    def _treatment(self, name: str) -> Treatment:
        return Treatment(
            lr_multiplier=self.config.patch_embed_lr_multiplier if "patch_embed." in name else 1.0,
            weight_decay_multiplier=1.0 if decays(name) else 0.0,
            frozen_steps=self.config.freeze_last_layer_steps if "last_layer." in name else 0,
        )

    def _inputs(self, batch: Batch, ctx: StepContext) -> _Inputs:
        samples, crops = len(batch.positions), self.config.crops
        grid = self.vit.grid_of(*batch.global_crops.shape[-2:])
        masks = draw_masks(batch.positions, crops=2, grid=grid, seed=ctx.seed, config=self.config.masks)
        mask_BL = masks.reshape(2 * samples, -1)
        weights_BL = mask_BL / np.maximum(mask_BL.sum(axis=1, keepdims=True), 1)
        positions = torch.from_numpy(batch.positions)
        image_count = 2 + crops.n_local
        return _Inputs(
            samples=samples,
            crops=prepare(batch, crops, ctx.seed, ctx.device),
            mask=_to(mask_BL, ctx.device),
            patches=_to(np.flatnonzero(mask_BL), ctx.device),
            weights=_to(weights_BL[mask_BL].astype(np.float32), ctx.device),
            kept=kept_branches(
                positions.repeat(image_count),
                torch.arange(image_count).repeat_interleave(samples),
                [2 * samples, crops.n_local * samples] if crops.n_local else [2 * samples],
                seed=ctx.seed,
                depth=self.vit.depth,
                drop_rate=self.config.drop_path,
                device=ctx.device,
            ),
        )

    @torch.no_grad()
    def _targets(self, inputs: Sequence[_Inputs], held: list[Tensor], ctx: StepContext) -> list[_Targets]:
        outputs: list[NetworkOutput] = []
        for x in inputs:
            with self.parallel.precision():
                outputs.append(self.teacher(held or [x.crops[0].pixels()], None, x.patches, None))
        temperature = self.config.temperature(ctx.step, ctx.total_steps)
        iterations = self.config.sinkhorn_iterations
        cls = sinkhorn_knopp([o.cls_logits for o in outputs], temperature, iterations, ctx.group)
        patches = sinkhorn_knopp([o.patch_logits for o in outputs], temperature, iterations, ctx.group)
        return [_Targets(c, p) for c, p in zip(cls, patches, strict=True)]

    def _terms(self, output: NetworkOutput, target: _Targets, x: _Inputs, global_batch: int) -> Tensor:
        """This micro-batch's share of the means over the global batch: fp32 (3,), dino, ibot, koleo."""
        n, temperature = x.samples, self.config.student_temperature
        logits_CNK = torch.unflatten(output.cls_logits.float(), 0, (-1, n))
        dino = dino_loss(logits_CNK[:2], logits_CNK[2:], torch.unflatten(target.cls, 0, (2, n)), temperature)
        ibot = ibot_loss(output.patch_logits.float(), target.patches, x.weights, temperature)
        # The mean is over all crops, masked or not, so that it does not depend on how many were drawn.
        sums = [dino.sum(), ibot.sum() / 2]
        if self.config.koleo_weight > 0:
            cls_2ND = torch.unflatten(output.cls.float(), 0, (2, n))
            sums.append(koleo_loss(cls_2ND, self.config.group_size).sum())
        else:
            sums.append(torch.zeros_like(sums[0]))
        return torch.stack(sums) / global_batch

    def _weighted(self, terms_3: Tensor) -> Tensor:
        dino, ibot, koleo = terms_3.unbind()
        return dino + self.config.ibot_weight * ibot + self.config.koleo_weight * koleo


def _pixels(x: _Inputs, held: list[Tensor]) -> list[Tensor]:
    """What the student reads; takes what is held of it, so that nobody keeps it longer than the student."""
    taken, held[:] = held[:], []
    return [*taken, *(crops.pixels() for crops in x.crops[len(taken) :])]


def _local(module: nn.Module) -> list[Tensor]:
    """The storage of each parameter on this process."""
    return [p.to_local() if isinstance(p, DTensor) else p.data for p in module.parameters()]


def _to(array: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device, non_blocking=True)
