"""The CLIP objective: an image tower and a text tower, contrasted over the global batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from webssl_trainer.augment import Crops, prepare
from webssl_trainer.data.batch import Batch
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.model import Parallel, VitConfig
from webssl_trainer.model.drop_path import KeptBranches, kept_branches
from webssl_trainer.model.parallelize import set_last_micro_batch
from webssl_trainer.objectives.clip.config import ClipConfig
from webssl_trainer.objectives.clip.contrast import contrast
from webssl_trainer.objectives.clip.losses import TERMS
from webssl_trainer.objectives.clip.network import ClipNetwork, ClipOutput, build_network
from webssl_trainer.objectives.clip.tokenizer import tokenizer_for
from webssl_trainer.objectives.interface import StepContext
from webssl_trainer.optim import ParamGroup, Treatment, decays, group_parameters, sum_gradients


class _Inputs(NamedTuple):
    """A micro-batch on the device: what becomes the arguments of `ClipNetwork.forward`."""

    crops: Crops
    tokens: Tensor
    last: Tensor
    kept: KeptBranches | None


class ClipObjective:
    """CLIP behind the interface of `objectives.interface.Objective`.

    Args:
        vit: shape of the vision tower.
        config: settings of the objective.
        parallel: placement of the network on processes.
        seed: seed of the initial values.
        files: the tokenizer's file by URL, where `config.needs` names one.

    Raises:
        UserError: the crop size is not a multiple of the patch size, or the tokenizer's file is none.
    """

    def __init__(
        self,
        vit: VitConfig,
        config: ClipConfig,
        parallel: Parallel,
        seed: int,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        self.vit, self.config, self.parallel = vit, config, parallel
        vit.grid_of(config.crops.global_size, config.crops.global_size)
        self.tokenizer = tokenizer_for(config.tokenizer, config.text.context, files or {})
        self.network: ClipNetwork = build_network(vit, config, self.tokenizer.vocabulary, parallel, seed)
        self._loss, self._weights = TERMS[config.loss]

    @property
    def trained(self) -> nn.Module:
        """Towers, projections and temperature."""
        return self.network

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The one network."""
        return {"clip": self.network}

    @property
    def encoder(self) -> str:
        """The vision tower is what is evaluated and exported."""
        return "clip.vision"

    def crop_spec(self) -> CropSpec:
        """One crop of nearly the whole image."""
        return self.config.crops

    def param_groups(self) -> list[ParamGroup]:
        """No decay for biases, norms, LayerScale, the CLS token and the temperature."""
        return group_parameters(self.network, self._treatment)

    def forward_backward(self, micro_batches: Sequence[Batch], ctx: StepContext) -> dict[str, Tensor]:
        """See `Objective.forward_backward`. Terms: image_to_text and text_to_image, or sigmoid.

        The loss compares every image with every caption of the global batch. So the features of all micro-batches
        are made first, without a graph; their gradients are those of the loss; then each micro-batch is run
        again, with a graph, and its features' gradients are sent back through it. A single micro-batch keeps
        its graph and is run once.
        """
        inputs = [self._inputs(batch, ctx) for batch in micro_batches]
        alone = len(inputs) == 1
        temper_2 = self.network.temperature.values()
        weights = torch.tensor(list(self._weights.values()), dtype=temper_2.dtype)
        weights = weights.to(temper_2.device, non_blocking=True)  # `new_tensor` would wait for the device
        with nullcontext() if alone else torch.no_grad():
            features = [self._forward(x) for x in inputs]
        pairs = contrast(features, temper_2, self._loss, weights / ctx.global_batch_size, ctx.group)
        for index, (x, gradients) in enumerate(zip(inputs, pairs.gradients, strict=True)):
            set_last_micro_batch(self.network, index == len(inputs) - 1)
            output = features[0] if alone else self._forward(x)
            torch.autograd.backward(output, [g.to(o.dtype) for g, o in zip(gradients, output, strict=True)])
        sum_gradients(self.network, ctx.group)
        totals = pairs.sums / ctx.global_batch_size
        if ctx.group is not None:
            dist.all_reduce(totals, group=ctx.group)
        terms = dict(zip(self._weights, totals.unbind(), strict=True))
        return {"loss": (totals * weights).sum(), **terms}

    def after_optimizer_step(self, ctx: StepContext) -> None:
        """Keep the factor on the cosines within CLIP's bounds."""
        del ctx  # the bounds are the same in every step
        self.network.temperature.clamp()

    def _treatment(self, name: str) -> Treatment:
        decayed = decays(name) and name != "vision.cls_token" and not name.startswith("temperature.")
        return Treatment(
            lr_multiplier=self.config.patch_embed_lr_multiplier if "patch_embed." in name else 1.0,
            weight_decay_multiplier=1.0 if decayed else 0.0,
        )

    def _inputs(self, batch: Batch, ctx: StepContext) -> _Inputs:
        texts = [members[self.config.caption].decode("utf-8", "replace") for members in batch.extras]
        tokens, last = self.tokenizer(texts)
        positions = torch.from_numpy(batch.positions)
        (crops,) = prepare(batch, self.config.crops, ctx.seed, ctx.device)
        return _Inputs(
            crops=crops,
            tokens=tokens.to(ctx.device, non_blocking=True),
            last=last.to(ctx.device, non_blocking=True),
            kept=kept_branches(
                positions,
                torch.zeros_like(positions),
                [len(positions)],
                seed=ctx.seed,
                depth=self.vit.depth,
                drop_rate=self.config.drop_path,
                device=ctx.device,
            ),
        )

    def _forward(self, x: _Inputs) -> ClipOutput:
        with self.parallel.precision():
            output: ClipOutput = self.network(x.crops.pixels(), x.tokens, x.last, x.kept)
        return output
