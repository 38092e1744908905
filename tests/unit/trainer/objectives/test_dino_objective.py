"""The DINO objective as the training loop sees it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from webssl_trainer.data.batch import Batch
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.errors import UserError
from webssl_trainer.model import Parallel, VisionTransformer, vit_config
from webssl_trainer.objectives import Objective, StepContext
from webssl_trainer.objectives.dino import DinoConfig, DinoObjective, HeadConfig, MaskConfig

CPU = torch.device("cpu")
HEAD = HeadConfig(hidden_dim=32, bottleneck_dim=16, prototypes=32)
CONFIG = DinoConfig(
    crops=CropSpec(global_size=16, local_size=8, n_local=2),
    dino_head=HEAD,
    ibot_head=HEAD,
    group_size=2,
    freeze_last_layer_steps=7,
)


def objective(config: DinoConfig = CONFIG) -> DinoObjective:
    return DinoObjective(vit_config("tiny", patch_size=4, image_size=16), config, Parallel(CPU), seed=0)


def batch(config: DinoConfig = CONFIG, samples: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(0)
    crops = config.crops

    def pixels(number: int, side: int) -> torch.Tensor:
        return torch.randint(256, (number, samples, 3, side, side), generator=generator, dtype=torch.uint8)

    return Batch(
        positions=np.arange(samples),
        sample_ids=[str(n) for n in range(samples)],
        global_crops=pixels(2, crops.global_size),
        local_crops=pixels(crops.n_local, crops.local_size),
    )


def context(step: int = 0, total_steps: int = 10) -> StepContext:
    return StepContext(step, total_steps, seed=0, global_batch_size=4, device=CPU)


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    o: Objective = objective()
    terms = o.forward_backward([batch()], context())
    assert set(terms) == {"loss", "dino", "ibot", "koleo"}
    expected = terms["dino"] + terms["ibot"] + 0.1 * terms["koleo"]
    torch.testing.assert_close(terms["loss"], expected)
    assert not any(term.requires_grad for term in terms.values())


def test_every_trained_parameter_gets_a_gradient_and_the_teacher_none() -> None:
    o = objective()
    o.forward_backward([batch()], context())
    lacking = [name for name, p in o.trained.named_parameters() if p.grad is None]
    assert lacking == []
    assert not any(p.requires_grad or p.grad is not None for p in o.teacher.parameters())


def test_student_and_teacher_start_equal_and_the_teacher_follows_by_the_momentum() -> None:
    o = objective()
    names = list(o.teacher.state_dict())
    before = {name: x.clone() for name, x in o.teacher.state_dict().items()}
    assert all(torch.equal(before[name], o.student.state_dict()[name]) for name in names)
    with torch.no_grad():
        for parameter in o.student.parameters():
            parameter += 1
    o.after_optimizer_step(context(step=5))  # momentum 0.997, the middle of the cosine
    for name, x in o.teacher.state_dict().items():
        torch.testing.assert_close(x, before[name] + 0.003, rtol=0, atol=1e-6)


def test_the_encoder_is_the_backbone_of_the_teacher() -> None:
    o = objective()
    module, _, path = o.encoder.partition(".")
    encoder = o.modules[module].get_submodule(path)
    assert isinstance(encoder, VisionTransformer)
    assert o.modules["student"] is o.trained


def test_parameter_groups_follow_the_recipe() -> None:
    treatments = {name: group.treatment for group in objective().param_groups() for name in group.names}
    assert len(treatments) == len(list(objective().student.parameters()))
    for name, treatment in treatments.items():
        undecayed = name.endswith((".bias", ".gamma")) or ".norm" in name
        assert treatment.weight_decay_multiplier == (0.0 if undecayed else 1.0), name
        assert treatment.lr_multiplier == (0.2 if "patch_embed" in name else 1.0), name
        assert treatment.frozen_steps == (7 if "last_layer" in name else 0), name


@pytest.mark.parametrize(
    "change",
    [
        {"crops": replace(CONFIG.crops, n_local=0)},
        {"masks": MaskConfig(probability=0.0)},
        {"koleo_weight": 0.0, "group_size": 1},
        {"drop_path": 0.0},
    ],
    ids=["no local crops", "no masks", "no KoLeo", "no drop path"],
)
def test_parts_of_the_objective_can_be_switched_off(change: dict[str, object]) -> None:
    config = replace(CONFIG, **change)  # type: ignore[arg-type]
    o = objective(config)
    terms = o.forward_backward([batch(config)], context())
    assert terms["loss"].isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in o.trained.parameters())


def test_groups_of_one_sample_are_refused_while_koleo_counts() -> None:
    with pytest.raises(UserError, match=r"koleo.groupSize 1: .* use 2 or more, or koleo.weight 0"):
        replace(CONFIG, group_size=1)


def test_a_crop_size_that_the_patch_does_not_divide_is_refused_before_the_first_step() -> None:
    with pytest.raises(UserError, match="resolution 10 is not a multiple of patchSize 4; use 8 or 12"):
        objective(replace(CONFIG, crops=replace(CONFIG.crops, local_size=10)))


def test_bfloat16_gives_nearly_the_losses_of_fp32() -> None:
    vit = vit_config("tiny", patch_size=4, image_size=16)
    half = DinoObjective(vit, CONFIG, Parallel(CPU, bf16=True), seed=0)
    mine = half.forward_backward([batch()], context())
    theirs = objective().forward_backward([batch()], context())
    assert mine["loss"].dtype == torch.float32
    assert mine["dino"].item() == pytest.approx(theirs["dino"].item(), rel=2e-2)
    assert mine["ibot"].item() == pytest.approx(theirs["ibot"].item(), rel=2e-2)
