"""What learns in a stage, as the tuning loop sees it: the sum of losses over answer tokens of a few rows, with gradients.

Stage 1: the projector, through the frozen language model; what stands before the image is read once for each distinct text.
Stage 2: projector and language model, over whole sequences.

Shape letters: B rows, V visual tokens, D width of the encoder, L positions, H width of the language model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from webssl_eval.language_models import LanguageModel, Prefixes
from webssl_eval.suites.vqa.forms import Example
from webssl_eval.suites.vqa.projector import Projector
from webssl_eval.suites.vqa.sequences import Tuning, tuning_batch, with_visual


class Student(Protocol):
    """What learns."""

    @property
    def module(self) -> nn.Module:
        """All that is trained, and saved."""
        ...

    @property
    def whole(self) -> bool:
        """Whether it learns what stands before an image, and rows without one."""
        ...

    @property
    def sharded(self) -> bool:
        """Whether its forward passes are collective: all processes make as many, with a row in each."""
        ...

    def loss(self, examples: Sequence[Example], features_BVD: Tensor) -> Tensor:
        """Sum of the cross entropies of learned tokens, a scalar in nats. features: of the examples with an image, in order."""
        ...


class ProjectorAlone:
    """Stage 1. visual: V."""

    whole, sharded = False, False

    def __init__(self, projector: Projector, model: LanguageModel, visual: int) -> None:
        self._projector, self._model, self._visual = projector, model, visual
        self._prefixes = Prefixes(model)

    @property
    def module(self) -> nn.Module:
        """See `Student.module`."""
        return self._projector

    def loss(self, examples: Sequence[Example], features_BVD: Tensor) -> Tensor:
        """See `Student.loss`."""
        model = self._model
        batch = tuning_batch(examples, self._visual, model.end, whole=False).to(model.device)
        visual_BVH = self._projector(features_BVD.to(model.device))
        inputs_BLH = with_visual(model.embed(batch.tokens), batch.slots, visual_BVH)
        past = self._prefixes.past([example.tokens[: example.at] for example in examples])
        logits = model.logits(past, inputs_BLH, batch.mask, batch.wanted)
        return F.cross_entropy(logits, batch.targets, reduction="sum")


class ProjectorAndModel(nn.Module):
    """Both networks under one root, so that sharding gathers what one forward pass needs."""

    def __init__(self, projector: Projector, model: Any) -> None:
        super().__init__()
        self.projector, self.model = projector, model

    def forward(self, batch: Tuning, features_BVD: Tensor) -> Tensor:
        """See `Student.loss`."""
        embedded_BLH = self.model.get_input_embeddings()(batch.tokens)
        visual_BVH = self.projector(features_BVD)
        inputs_BLH = with_visual(embedded_BLH, batch.slots, visual_BVH)
        # Padding stands on the right: positions count from the left in every row.
        hidden_BLH = self.model.base_model(
            inputs_embeds=inputs_BLH, attention_mask=batch.mask, use_cache=False
        ).last_hidden_state
        logits = self.model.get_output_embeddings()(hidden_BLH[batch.wanted])
        return F.cross_entropy(logits.float(), batch.targets, reduction="sum")


class Together:
    """Stage 2: everything but the encoder learns. Parameters are float32; on GPUs products are in bfloat16.

    Args:
        projector: as stage 1 left it.
        model: a language model in float32; it becomes trainable.
        visual: V.
        group: processes to shard over; None to keep networks whole.
        bf16: whether products are in bfloat16; None for whether the device is a GPU.
    """

    whole = True

    def __init__(
        self,
        projector: Projector,
        model: LanguageModel,
        visual: int,
        group: dist.ProcessGroup | None = None,
        bf16: bool | None = None,
    ) -> None:
        self._model, self._visual, self._group = model, visual, group
        self._bf16 = model.device.type == "cuda" if bf16 is None else bf16
        network = model.model.requires_grad_(True)
        if model.device.type == "cuda":
            # Activations of long sequences are what fills a GPU; they are computed again instead.
            network.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self._both = ProjectorAndModel(projector, network.train())
        if group is not None:
            self._shard(group)

    @property
    def module(self) -> nn.Module:
        """See `Student.module`."""
        return self._both

    @property
    def sharded(self) -> bool:
        """See `Student.sharded`."""
        return self._group is not None

    def loss(self, examples: Sequence[Example], features_BVD: Tensor) -> Tensor:
        """See `Student.loss`."""
        device = self._model.device
        batch = tuning_batch(examples, self._visual, self._model.end, whole=True).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bf16 and not self.sharded):
            found: Tensor = self._both(batch, features_BVD.to(device))
        return found

    def _shard(self, group: dist.ProcessGroup) -> None:
        device = self._model.device
        half = torch.bfloat16 if self._bf16 else None
        policy = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=torch.float32)
        mesh = DeviceMesh.from_group(group, device.type)
        for unit in (*blocks_of(self._model.model), self._both):
            sharded = fully_shard(unit, mesh=mesh, mp_policy=policy)
            sharded.set_gradient_divide_factor(1.0)
            sharded.set_force_sum_reduction_for_comms(True)  # gloo has no other reduction


def blocks_of(model: Any) -> list[nn.Module]:
    """The blocks of a language model: its longest list of modules; a model without one is gathered whole."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max(([*found] for found in lists), key=len, default=[])
