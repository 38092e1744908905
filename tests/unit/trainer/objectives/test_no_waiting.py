"""A step asks the device nothing: on the meta device, where no number exists, it runs to its end."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from webssl_trainer.model import Parallel
from webssl_trainer.objectives import StepContext
from webssl_trainer.optim import clip_gradients

from tests.unit.trainer.objectives.world import OBJECTIVES, SEED, TOTAL_STEPS, micro_batch

META = torch.device("meta")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_nothing_in_a_step_waits_for_a_number_from_the_device(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The meta device knows no autocast, which crops turn off while they become pixels.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    objective = OBJECTIVES[name](Parallel(META))
    batches = [micro_batch(first, 4, objective.crop_spec()) for first in (0, 4)]
    context = StepContext(0, TOTAL_STEPS, SEED, 8, META, None)
    terms = objective.forward_backward(batches, context)
    norms = clip_gradients(objective.trained, 3.0)
    objective.after_optimizer_step(context)
    assert {value.device for value in (*terms.values(), *norms.values())} == {META}
