"""The MAE objective as the training loop sees it, and beside an independent implementation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import ViTMAEConfig, ViTMAEForPreTraining
from transformers.models.vit_mae.modeling_vit_mae import build_2d_sinusoidal_position_embedding
from webssl_trainer.augment import prepare
from webssl_trainer.data.batch import Batch
from webssl_trainer.errors import UserError
from webssl_trainer.model import Parallel, VisionTransformer, VitConfig, vit_config
from webssl_trainer.objectives import Objective, StepContext
from webssl_trainer.objectives.mae import DecoderConfig, MaeConfig, MaeObjective
from webssl_trainer.objectives.mae.config import mae_crops
from webssl_trainer.objectives.mae.masks import draw_masks
from webssl_trainer.objectives.mae.network import MaeNetwork

CPU = torch.device("cpu")
CONFIG = MaeConfig(crops=mae_crops(16), decoder=DecoderConfig(32, 2, 4))
VIT = replace(vit_config("tiny", patch_size=4, image_size=16, family="mae"), depth=2)
SAMPLES = 4


def objective(config: MaeConfig = CONFIG, vit: VitConfig = VIT) -> MaeObjective:
    return MaeObjective(vit, config, Parallel(CPU), seed=0)


def batch(size: int = 16, samples: int = SAMPLES) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(
        positions=np.arange(10, 10 + samples),
        sample_ids=[str(n) for n in range(samples)],
        global_crops=torch.randint(256, (1, samples, 3, size, size), generator=generator, dtype=torch.uint8),
        local_crops=torch.empty(0, samples, 3, 8, 8, dtype=torch.uint8),
    )


def pixels(of: Batch) -> Tensor:
    """What the networks read of a batch."""
    (crops,) = prepare(of, CONFIG.crops, seed=7, device=CPU)
    return crops.pixels()


def context() -> StepContext:
    return StepContext(0, 10, seed=7, global_batch_size=SAMPLES, device=CPU)


def transformers_weights(network: MaeNetwork) -> dict[str, Tensor]:
    """The network's weights under the names of `transformers`' ViTMAEForPreTraining."""
    e, d = network.encoder, network.decoder
    named = {
        "vit.embeddings.cls_token": e.cls_token,
        "vit.embeddings.position_embeddings": e.pos_embed,
        "vit.embeddings.patch_embeddings.projection.weight": e.patch_embed.proj.weight,
        "vit.embeddings.patch_embeddings.projection.bias": e.patch_embed.proj.bias,
        "vit.layernorm.weight": e.norm.weight,
        "vit.layernorm.bias": e.norm.bias,
        "decoder.decoder_embed.weight": d.embed.weight,
        "decoder.decoder_embed.bias": d.embed.bias,
        "decoder.mask_token": d.mask_token,
        "decoder.decoder_pos_embed": d.pos_embed,
        "decoder.decoder_norm.weight": d.norm.weight,
        "decoder.decoder_norm.bias": d.norm.bias,
        "decoder.decoder_pred.weight": d.predict.weight,
        "decoder.decoder_pred.bias": d.predict.bias,
    }
    for prefix, blocks in (("vit.layers", e.blocks), ("decoder.decoder_layers", d.blocks)):
        for number, block in enumerate(blocks):
            at = f"{prefix}.{number}"
            for leaf in ("weight", "bias"):
                q, k, v = getattr(block.attn.qkv, leaf).chunk(3)
                named |= {
                    f"{at}.attention.q_proj.{leaf}": q,
                    f"{at}.attention.k_proj.{leaf}": k,
                    f"{at}.attention.v_proj.{leaf}": v,
                    f"{at}.attention.o_proj.{leaf}": getattr(block.attn.proj, leaf),
                    f"{at}.layernorm_before.{leaf}": getattr(block.norm1, leaf),
                    f"{at}.layernorm_after.{leaf}": getattr(block.norm2, leaf),
                    f"{at}.mlp.fc1.{leaf}": getattr(block.mlp.fc1, leaf),
                    f"{at}.mlp.fc2.{leaf}": getattr(block.mlp.fc2, leaf),
                }
    return {name: x.detach().clone() for name, x in named.items()}


def transformers_model(config: MaeConfig = CONFIG) -> ViTMAEForPreTraining:
    return ViTMAEForPreTraining(
        ViTMAEConfig(
            hidden_size=VIT.width,
            num_hidden_layers=VIT.depth,
            num_attention_heads=VIT.heads,
            intermediate_size=VIT.mlp_hidden,
            image_size=VIT.image_size,
            patch_size=VIT.patch_size,
            layer_norm_eps=1e-6,
            decoder_hidden_size=config.decoder.width,
            decoder_num_hidden_layers=config.decoder.depth,
            decoder_num_attention_heads=config.decoder.heads,
            decoder_intermediate_size=4 * config.decoder.width,
            mask_ratio=config.mask_ratio,
            norm_pix_loss=config.normalise_pixels,
        )
    )


@pytest.mark.parametrize("normalise", [True, False])
def test_loss_and_gradients_are_those_of_an_independent_implementation(normalise: bool) -> None:
    config = replace(CONFIG, normalise_pixels=normalise)
    mine, theirs = objective(config), transformers_model(config)
    theirs.load_state_dict(transformers_weights(mine.network))
    masks = draw_masks(torch.from_numpy(batch().positions), patches=16, visible=4, seed=7)
    noise = torch.ones(SAMPLES, 16).scatter(1, masks.visible, 0.0)  # the lowest noise stays visible
    expected = theirs(pixels(batch()), noise=noise).loss
    expected.backward()
    terms = mine.forward_backward([batch()], context())
    assert terms["loss"].item() == pytest.approx(expected.item(), rel=1e-6)
    for leaf, other in [
        (
            mine.network.encoder.patch_embed.proj.weight,
            theirs.vit.embeddings.patch_embeddings.projection.weight,
        ),
        (mine.network.encoder.cls_token, theirs.vit.embeddings.cls_token),
        (mine.network.decoder.mask_token, theirs.decoder.mask_token),
    ]:
        torch.testing.assert_close(leaf.grad, other.grad, rtol=1e-4, atol=1e-7)


def test_fixed_positions_are_those_of_an_independent_implementation() -> None:
    mine = objective().network
    for module in (mine.encoder, mine.decoder):
        theirs_LD = build_2d_sinusoidal_position_embedding(4, 4, module.pos_embed.shape[-1], cls_token=True)
        rows, columns = theirs_LD.chunk(2, dim=1)  # published weights have the columns first
        torch.testing.assert_close(module.pos_embed.data[0], torch.cat([columns, rows], dim=1))


def test_the_encoder_computes_nothing_for_hidden_patches() -> None:
    o, seen = objective(), []
    for block in o.network.encoder.blocks:
        block.register_forward_hook(lambda _block, inputs, _output: seen.append(inputs[0][0].shape[:2]))
    o.forward_backward([batch()], context())
    assert seen == [(SAMPLES, 1 + 4)] * VIT.depth


def test_hidden_pixels_reach_the_loss_as_targets_only() -> None:
    o = objective()
    masks = draw_masks(torch.tensor([10]), patches=16, visible=4, seed=7)
    images = pixels(batch(samples=1))
    before = o.network(images, masks, None)
    changed = images.clone()
    row, column = divmod(int(masks.hidden[0, 0]), 4)
    changed[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 1
    assert torch.equal(o.network(changed, masks, None), before)


def test_every_trained_parameter_gets_a_gradient_and_the_fixed_positions_none() -> None:
    o: Objective = objective()
    o.forward_backward([batch()], context())
    without = [name for name, p in o.trained.named_parameters() if p.grad is None]
    assert without == ["encoder.pos_embed", "decoder.pos_embed"]


def test_a_stage_of_another_resolution_trains_the_same_network() -> None:
    terms = objective().forward_backward([batch(size=24)], context())
    assert terms["loss"].isfinite()


def test_the_encoder_to_evaluate_is_a_plain_vision_transformer() -> None:
    o = objective()
    module, _, path = o.encoder.partition(".")
    encoder = o.modules[module].get_submodule(path)
    assert isinstance(encoder, VisionTransformer)
    assert encoder.features(pixels(batch()))[0].patches.shape == (SAMPLES, 16, VIT.width)
    assert set(VisionTransformer(VIT).state_dict()) == set(encoder.state_dict())


def test_parameter_groups_follow_the_recipe() -> None:
    config = replace(CONFIG, patch_embed_lr_multiplier=0.5)
    treatments = {name: group.treatment for group in objective(config).param_groups() for name in group.names}
    assert "encoder.cls_token" in treatments
    assert not any("pos_embed" in name for name in treatments)
    for name, treatment in treatments.items():
        undecayed = name.endswith(".bias") or ".norm" in name
        assert treatment.weight_decay_multiplier == (0.0 if undecayed else 1.0), name
        assert treatment.lr_multiplier == (0.5 if "patch_embed" in name else 1.0), name


def test_vit_h_has_the_700_million_parameters_of_its_name_only_with_the_decoder() -> None:
    vit = vit_config("700M", family="mae")
    with torch.device("meta"):
        network = MaeNetwork(vit, MaeConfig())
    encoder, decoder = (sum(p.numel() for p in m.parameters()) for m in (network.encoder, network.decoder))
    assert (encoder, round(encoder / 1e9, 3)) == (630_764_800, 0.631)
    assert round((encoder + decoder) / 1e9, 3) == 0.657


def test_flops_count_a_quarter_of_the_tokens_in_the_encoder() -> None:
    vit, config = vit_config("300M", patch_size=16, family="mae"), MaeConfig()
    flops = config.sample_flops(vit, config.crops)
    encoder, decoder = 3 * vit.forward_flops(50), 3 * 2 * 8 * 197 * (12 * 512**2 + 2 * 197 * 512)
    assert flops == pytest.approx(encoder + decoder)
    assert flops < 0.5 * 3 * vit.forward_flops(197)


def test_initial_weights_are_xavier_uniform() -> None:
    weight = objective().network.encoder.blocks[0].attn.qkv.weight
    bound = (6 / (4 * VIT.width)) ** 0.5
    assert weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: objective(replace(CONFIG, crops=mae_crops(18))),
            "resolution 18 is not a multiple of patchSize 4",
        ),
        (
            lambda: objective(replace(CONFIG, mask_ratio=0.99)),
            r"maskRatio 0\.99 of 16 patches leaves 0 visible",
        ),
        (lambda: replace(CONFIG, mask_ratio=1.0), r"maskRatio 1\.0: use a share between 0 and 1"),
        (lambda: replace(CONFIG, crops=replace(mae_crops(16), n_global=2)), "n_global 2, .* one crop"),
        (
            lambda: objective(replace(CONFIG, decoder=DecoderConfig(30, 1, 4))),
            "width 30 is not a multiple of 4 heads",
        ),
    ],
    ids=["resolution", "nothing visible", "ratio", "two crops", "heads"],
)
def test_settings_that_cannot_train_are_refused_before_the_first_step(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]


def test_bfloat16_gives_nearly_the_loss_of_fp32() -> None:
    half = MaeObjective(VIT, CONFIG, Parallel(CPU, bf16=True), seed=0)
    mine = half.forward_backward([batch()], context())
    theirs = objective().forward_backward([batch()], context())
    assert mine["loss"].dtype == torch.float32
    assert mine["loss"].item() == pytest.approx(theirs["loss"].item(), rel=2e-2)
