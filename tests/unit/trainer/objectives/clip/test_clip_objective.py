"""The CLIP objective as the training loop sees it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from webssl_trainer.augment import prepare
from webssl_trainer.data.batch import Batch
from webssl_trainer.errors import UserError
from webssl_trainer.model import Parallel, VisionTransformer, vit_config
from webssl_trainer.model.drop_path import kept_branches
from webssl_trainer.objectives import Objective, StepContext
from webssl_trainer.objectives.clip import ClipConfig, ClipObjective, TextConfig
from webssl_trainer.objectives.clip.config import clip_crops

CPU = torch.device("cpu")
SAMPLES = 6
CONFIG = ClipConfig(
    text=TextConfig(width=32, depth=2, heads=2, context=16),
    crops=clip_crops(16),
    tokenizer="bytes",
    drop_path=0.3,
)
SIGLIP = replace(CONFIG, loss="siglip")


def objective(config: ClipConfig = CONFIG) -> ClipObjective:
    return ClipObjective(vit_config("tiny", patch_size=8, image_size=16), config, Parallel(CPU), seed=0)


def batches(count: int) -> list[Batch]:
    """The same six pairs in `count` micro-batches."""
    images = torch.randint(
        256, (1, SAMPLES, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    size = SAMPLES // count
    return [
        Batch(
            positions=np.arange(first, first + size),
            sample_ids=[str(n) for n in range(first, first + size)],
            global_crops=images[:, first : first + size],
            local_crops=images.new_empty(0, size, 3, 8, 8),
            extras=[{"txt": f"a picture of {n} things".encode()} for n in range(first, first + size)],
        )
        for first in range(0, SAMPLES, size)
    ]


def context(step: int = 0) -> StepContext:
    return StepContext(step, 10, seed=3, global_batch_size=SAMPLES, device=CPU)


def plain_loss(o: ClipObjective) -> Tensor:
    """One pass over the whole batch, and the loss as torch spells it."""
    (batch,) = batches(1)
    (crops,) = prepare(batch, o.config.crops, seed=3, device=CPU)
    positions = torch.from_numpy(batch.positions)
    kept = kept_branches(
        positions,
        torch.zeros_like(positions),
        [len(positions)],
        seed=3,
        depth=o.vit.depth,
        drop_rate=o.config.drop_path,
        device=torch.device("cpu"),
    )
    tokens, last = o.tokenizer([members["txt"].decode() for members in batch.extras])
    images, texts, temper = o.network(crops.pixels(), tokens, last, kept)
    logits = temper[0].exp() * images @ texts.T + temper[1]
    if o.config.loss == "infonce":
        matches = torch.arange(SAMPLES)
        return (F.cross_entropy(logits, matches) + F.cross_entropy(logits.T, matches)) / 2
    return F.binary_cross_entropy_with_logits(logits, torch.eye(SAMPLES).double(), reduction="sum") / SAMPLES


@pytest.mark.parametrize("config", [CONFIG, SIGLIP], ids=["infonce", "siglip"])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_loss_and_gradient_are_those_of_the_whole_batch_in_one_pass(config: ClipConfig, count: int) -> None:
    cached, plain = objective(config), objective(config)
    for network in (cached.network, plain.network):
        network.double().register_forward_pre_hook(lambda _, given: (given[0].double(), *given[1:]))
    terms = cached.forward_backward(batches(count), context())
    expected = plain_loss(plain)
    expected.backward()  # type: ignore[no-untyped-call]
    assert terms["loss"].item() == pytest.approx(expected.item(), rel=1e-6)
    for (name, mine), theirs in zip(
        cached.network.named_parameters(), plain.network.parameters(), strict=True
    ):
        if mine.requires_grad:
            assert mine.grad is not None, name
            torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.parametrize(
    ("config", "names"),
    [(CONFIG, {"loss", "image_to_text", "text_to_image"}), (SIGLIP, {"loss", "sigmoid"})],
    ids=["infonce", "siglip"],
)
def test_the_loss_is_the_weighted_sum_of_its_terms(config: ClipConfig, names: set[str]) -> None:
    o: Objective = objective(config)
    terms = o.forward_backward(batches(2), context())
    assert set(terms) == names
    parts = [value for name, value in terms.items() if name != "loss"]
    torch.testing.assert_close(terms["loss"], torch.stack(parts).mean())
    assert not any(term.requires_grad for term in terms.values())


def test_an_untrained_network_is_no_better_than_chance() -> None:
    terms = objective().forward_backward(batches(1), context())
    assert terms["loss"].item() == pytest.approx(math.log(SAMPLES), rel=0.35)


def test_the_encoder_is_the_plain_vision_transformer() -> None:
    o = objective()
    module, _, path = o.encoder.partition(".")
    assert type(o.modules[module].get_submodule(path)) is VisionTransformer
    assert o.modules["clip"] is o.trained


def test_parameter_groups_follow_the_recipe() -> None:
    o = objective(replace(SIGLIP, patch_embed_lr_multiplier=0.5))
    treatments = {name: group.treatment for group in o.param_groups() for name in group.names}
    assert {name for name, p in o.network.named_parameters()} - set(treatments) <= {"vision.mask_token"}
    for name, treatment in treatments.items():
        undecayed = name.endswith((".bias", ".gamma", "cls_token", "log_scale")) or ".norm" in name
        assert treatment.weight_decay_multiplier == (0.0 if undecayed else 1.0), name
        assert treatment.lr_multiplier == (0.5 if "patch_embed" in name else 1.0), name


@pytest.mark.parametrize(("value", "bound"), [(9.0, math.log(100)), (-1.0, 0.0), (3.0, 3.0)])
def test_the_factor_on_cosines_stays_between_1_and_100(value: float, bound: float) -> None:
    o = objective()
    with torch.no_grad():
        o.network.temperature.log_scale.fill_(value)
    o.after_optimizer_step(context())
    assert o.network.temperature.log_scale.item() == pytest.approx(bound)


def test_what_follows_the_end_of_a_caption_changes_nothing() -> None:
    o = objective()
    tokens, last = o.tokenizer(["cat", "a longer caption"])
    longer = o.network.text(tokens, last)
    alone = o.network.text(*o.tokenizer(["cat"]))
    torch.testing.assert_close(longer[:1], alone, rtol=1e-5, atol=1e-6)
    assert (tokens[0, last[0] + 1 :] == tokens[0, last[0]]).all()


def test_the_text_tower_does_not_look_ahead() -> None:
    o = objective()
    tokens, _ = o.tokenizer(["caption"])
    other = tokens.clone()
    other[0, 5:] = 7
    at = torch.tensor([4])
    torch.testing.assert_close(o.network.text(tokens, at), o.network.text(other, at))
    assert not torch.allclose(o.network.text(tokens, at + 1), o.network.text(other, at + 1))


def test_a_crop_size_that_the_patch_does_not_divide_is_refused_before_the_first_step() -> None:
    with pytest.raises(UserError, match="resolution 20 is not a multiple of patchSize 8; use 16 or 24"):
        objective(replace(CONFIG, crops=clip_crops(20)))


def test_a_width_that_the_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(UserError, match=r"spec.objective.clip.textTower.width 32 .* 3 heads"):
        TextConfig(width=32, depth=1, heads=3)


def test_bfloat16_gives_nearly_the_loss_of_fp32() -> None:
    vit = vit_config("tiny", patch_size=8, image_size=16)
    half = ClipObjective(vit, CONFIG, Parallel(CPU, bf16=True), seed=0)
    mine, theirs = (o.forward_backward(batches(2), context()) for o in (half, objective()))
    assert mine["loss"].dtype == torch.float32
    assert mine["loss"].item() == pytest.approx(theirs["loss"].item(), rel=2e-2)
