"""Training the text tower on readings that are there already, with the trainer's own losses, order and schedules.

A step is a function of its number, the seed and the pairs, so that a state that was kept is gone on from as if nothing
had happened.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from webssl_trainer.data import Order, Purpose
from webssl_trainer.data.draws import uniforms_for
from webssl_trainer.errors import UserError
from webssl_trainer.model import Parallel
from webssl_trainer.objectives.clip.contrast import contrast
from webssl_trainer.objectives.clip.losses import TERMS
from webssl_trainer.objectives.clip.network import ClipOutput
from webssl_trainer.objectives.clip.tokenizer import Tokenizer
from webssl_trainer.optim import (
    OptimConfig,
    Schedules,
    Treatment,
    build_optimizer,
    clip_gradients,
    decays,
    group_parameters,
)

from webssl_eval.suites.ahead import one_ahead
from webssl_eval.suites.zeroshot.readings import PairReadings
from webssl_eval.suites.zeroshot.tower import LockedTower

WARM_UP, CLIP = 0.03, 1.0
_MICRO_BATCH = 1024
State = dict[str, Any]


class Inputs(NamedTuple):
    """A micro-batch: readings float32 (B, D), and tokens and the places of their ends as `TextTower.forward` takes them."""

    readings: Tensor
    tokens: Tensor
    last: Tensor


@dataclass(frozen=True)
class Recipe:
    """How the tower is trained. learning_rate: the peak. loss: a key of `TERMS`."""

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    loss: str
    seed: int


class Training:
    """The tower with its optimizer, at the step to be done next.

    Args:
        tower: trained in place.
        tokenizer: of the captions.
        readings: the pairs; at least as many as a batch has, or a pair would be its own opponent.
        recipe: how.
        parallel: where the tower runs.
    """

    def __init__(
        self,
        tower: LockedTower,
        tokenizer: Tokenizer,
        readings: PairReadings,
        recipe: Recipe,
        parallel: Parallel,
    ) -> None:
        self._tower, self._tokenizer, self._readings = tower, tokenizer, readings
        self._recipe, self._parallel = recipe, parallel
        self._order = Order(recipe.seed, len(readings))
        config = optim_config(recipe)
        self._schedules = Schedules(config, recipe.steps)
        self._optimizer = build_optimizer(group_parameters(tower, _treatment), config)
        self._loss, self._weights = TERMS[recipe.loss]
        self._losses: list[float] = []

    @property
    def losses(self) -> list[float]:
        """The loss of each step so far, in nats for each pair."""
        return self._losses

    def state(self) -> State:
        """All that the next step depends on."""
        return {
            "tower": self._tower.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "losses": list(self._losses),
        }

    def restore(self, state: State) -> None:
        """Go on from a state of the same recipe and pairs."""
        self._tower.load_state_dict(state["tower"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._losses = list(state["losses"])

    def run(self, progress: Callable[[int, int], None], keep: Callable[[State], None]) -> None:
        """All steps that are left; the state is handed to `keep` after every tenth of them, the last aside.

        Raises:
            UserError: the loss is not finite.
        """
        steps = self._recipe.steps
        every = max(1, math.ceil(steps / 10))
        left = range(len(self._losses), steps)
        for step, inputs in zip(left, one_ahead(map(self._inputs, left)), strict=True):
            loss = self._step(step, inputs)
            if not math.isfinite(loss):
                raise UserError(
                    f"the zeroshot suite's text tower diverged at step {step} (learningRate "
                    f"{self._recipe.learning_rate}); lower it"
                )
            self._losses.append(loss)
            progress(step + 1, steps)
            if (step + 1) % every == 0 and step + 1 < steps:
                keep(self.state())

    def _step(self, step: int, read: Sequence[Inputs]) -> float:
        """One step; its loss. Features of all micro-batches come first, without a graph where there are several, and the
        logits of one micro-batch's rows exist at a time (see `contrast`)."""
        tower, batch, device = self._tower, self._recipe.batch, self._parallel.device
        inputs = [Inputs(*(part.to(device, non_blocking=True) for part in parts)) for parts in read]
        alone = len(inputs) == 1
        self._schedules.apply(self._optimizer, step)
        with nullcontext() if alone else torch.no_grad():
            features = [self._forward(*x) for x in inputs]
        temper_2 = tower.temperature.values()
        weights = torch.tensor(list(self._weights.values()), device=temper_2.device)
        pairs = contrast(features, temper_2, self._loss, weights / batch, None)
        for x, gradients in zip(inputs, pairs.gradients, strict=True):
            output = features[0] if alone else self._forward(*x)
            wanted = [
                (o, g) for o, g in zip(output, gradients, strict=True) if o.requires_grad
            ]  # images have no gradient where nothing is learned on their side
            torch.autograd.backward([o for o, _ in wanted], [g for _, g in wanted])
        clip_gradients(tower, CLIP)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        tower.temperature.clamp()
        return float((pairs.sums * weights).sum()) / batch

    def _inputs(self, step: int) -> list[Inputs]:
        """The micro-batches of a step, on the CPU: they are read and put into tokens while the step before is computed."""
        batch, seed = self._recipe.batch, self._recipe.seed
        positions = np.arange(step * batch, (step + 1) * batch, dtype=np.int64)
        found = []
        for part in np.split(positions, range(_MICRO_BATCH, batch, _MICRO_BATCH)):
            numbers = self._order.samples_at(part)
            draws = uniforms_for(seed, part, Purpose.TEXT, 1)[:, 0]
            captions = [self._readings.captions[number] for number in numbers]
            texts = [own[int(draw * len(own))] for own, draw in zip(captions, draws, strict=True)]
            found.append(Inputs(self._readings.rows(numbers), *self._tokenizer(texts)))
        return found

    def _forward(self, readings: Tensor, tokens: Tensor, last: Tensor) -> ClipOutput:
        with self._parallel.precision():
            return ClipOutput(
                self._tower.images(readings), self._tower.texts(tokens, last), self._tower.temperature()
            )


def optim_config(recipe: Recipe) -> OptimConfig:
    """AdamW and its schedules: warm-up over 3 % of the steps, cosine to 0, steady decay."""
    warm = min(recipe.steps, max(1, round(WARM_UP * recipe.steps)))
    return OptimConfig(recipe.learning_rate, 0.0, warm, recipe.weight_decay, recipe.weight_decay, clip=CLIP)


def _treatment(name: str) -> Treatment:
    decayed = decays(name) and not name.startswith("temperature.")
    return Treatment(weight_decay_multiplier=1.0 if decayed else 0.0)
