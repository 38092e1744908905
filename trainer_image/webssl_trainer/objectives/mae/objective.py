"""The masked autoencoder: pixels of hidden patches from the visible ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from webssl_trainer.augment import prepare
from webssl_trainer.data.batch import Batch
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.model import Parallel, VitConfig
from webssl_trainer.model.drop_path import kept_branches
from webssl_trainer.model.parallelize import set_last_micro_batch
from webssl_trainer.objectives.interface import StepContext
from webssl_trainer.objectives.mae.config import MaeConfig
from webssl_trainer.objectives.mae.losses import normalised, patch_pixels, reconstruction_loss
from webssl_trainer.objectives.mae.masks import draw_masks
from webssl_trainer.objectives.mae.network import MaeNetwork, build_network
from webssl_trainer.optim import ParamGroup, Treatment, decays, group_parameters, sum_gradients


class MaeObjective:
    """MAE behind the interface of `objectives.interface.Objective`.

    Args:
        vit: shape of the encoder.
        config: settings of the objective.
        parallel: placement of the network on processes.
        seed: seed of the initial values.

    Raises:
        UserError: the crop size is not a multiple of the patch size, no patch would be visible or hidden, or
            the decoder's heads do not divide its width.
    """

    def __init__(self, vit: VitConfig, config: MaeConfig, parallel: Parallel, seed: int) -> None:
        self.vit, self.config, self.parallel = vit, config, parallel
        rows, columns = vit.grid_of(config.crops.global_size, config.crops.global_size)
        config.visible_patches(rows * columns)
        self.network: MaeNetwork = build_network(vit, config, parallel, seed)

    @property
    def trained(self) -> nn.Module:
        """Encoder and decoder."""
        return self.network

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The one network."""
        return {"autoencoder": self.network}

    @property
    def encoder(self) -> str:
        """The encoder is what is evaluated and exported; it then sees all patches."""
        return "autoencoder.encoder"

    def crop_spec(self) -> CropSpec:
        """One crop."""
        return self.config.crops

    def param_groups(self) -> list[ParamGroup]:
        """No decay for biases and norms; position embeddings are fixed and in no group."""
        return group_parameters(self.network, self._treatment)

    def forward_backward(self, micro_batches: Sequence[Batch], ctx: StepContext) -> dict[str, Tensor]:
        """See `Objective.forward_backward`. One term, pixels: the mean over all hidden patches of the global
        batch, of which every image has the same number."""
        total = torch.zeros((), device=ctx.device)
        for index, batch in enumerate(micro_batches):
            set_last_micro_batch(self.network, index == len(micro_batches) - 1)
            loss = self._loss(batch, ctx)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        sum_gradients(self.network, ctx.group)
        if ctx.group is not None:
            dist.all_reduce(total, group=ctx.group)
        return {"loss": total, "pixels": total.clone()}

    def after_optimizer_step(self, ctx: StepContext) -> None:
        """Nothing follows the trained parameters."""

    def _treatment(self, name: str) -> Treatment:
        return Treatment(
            lr_multiplier=self.config.patch_embed_lr_multiplier if "patch_embed." in name else 1.0,
            weight_decay_multiplier=1.0 if decays(name) else 0.0,
        )

    def _loss(self, batch: Batch, ctx: StepContext) -> Tensor:
        """This micro-batch's share of the mean over the global batch."""
        (crops,) = prepare(batch, self.config.crops, ctx.seed, ctx.device)
        images_NCHW = crops.pixels()
        positions_N = torch.from_numpy(batch.positions)
        rows, columns = self.vit.grid_of(*images_NCHW.shape[-2:])
        patches = rows * columns
        masks = draw_masks(
            positions_N.to(ctx.device, non_blocking=True),
            patches=patches,
            visible=self.config.visible_patches(patches),
            seed=ctx.seed,
        )
        kept = kept_branches(
            positions_N,
            torch.zeros_like(positions_N),
            [len(positions_N)],
            seed=ctx.seed,
            depth=self.vit.depth,
            drop_rate=self.config.drop_path,
            device=ctx.device,
        )
        with self.parallel.precision():
            predicted_NMP = self.network(images_NCHW, masks, kept)
        pixels_NLP = patch_pixels(images_NCHW, self.vit.patch_size)
        target_NMP = pixels_NLP.take_along_dim(masks.hidden.unsqueeze(-1), dim=1)
        if self.config.normalise_pixels:
            target_NMP = normalised(target_NMP)
        return reconstruction_loss(predicted_NMP.float(), target_NMP).sum() / ctx.global_batch_size
