"""The vision transformer's forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from webssl_trainer.errors import UserError
from webssl_trainer.model import Parallel, VisionTransformer, VitConfig, initialise, vit_config
from webssl_trainer.model.block import Block
from webssl_trainer.model.drop_path import KeptBranches, kept_branches
from webssl_trainer.model.packing import pack, unpack

CONFIG = VitConfig(width=24, depth=3, heads=2, patch_size=4, image_size=16, layer_scale=0.5)


@pytest.fixture(scope="module")
def vit() -> VisionTransformer:
    model = VisionTransformer(CONFIG).double()
    initialise(model, seed=1)
    with torch.no_grad():  # biases and the mask token are zero at first, which would hide a lost one
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
    return model


def images(count: int, size: int, seed: int = 0) -> Tensor:
    return torch.randn(
        count, 3, size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def by_the_formulas(vit: VisionTransformer, image_CHW: Tensor) -> Tensor:
    """One image of the stored resolution, head by head: (1 + L, D) after the final norm."""
    p, tokens = CONFIG.patch_size, [vit.cls_token[0, 0]]
    weight = vit.patch_embed.proj.weight.flatten(1)
    for row in range(0, image_CHW.shape[1], p):
        for column in range(0, image_CHW.shape[2], p):
            pixels = image_CHW[:, row : row + p, column : column + p].flatten()
            tokens.append(weight @ pixels + vit.patch_embed.proj.bias)
    x = torch.stack(tokens) + vit.pos_embed[0]
    size = CONFIG.width // CONFIG.heads
    for block in vit.blocks:
        y = F.layer_norm(x, (CONFIG.width,), block.norm1.weight, block.norm1.bias, 1e-6)
        q, k, v = (y @ block.attn.qkv.weight.T + block.attn.qkv.bias).split(CONFIG.width, dim=1)
        heads = []
        for head in range(CONFIG.heads):
            part = slice(head * size, (head + 1) * size)
            weights = (q[:, part] @ k[:, part].T / size**0.5).softmax(-1)
            heads.append(weights @ v[:, part])
        attended = torch.cat(heads, dim=1) @ block.attn.proj.weight.T + block.attn.proj.bias
        x = x + block.ls1.gamma * attended
        y = F.layer_norm(x, (CONFIG.width,), block.norm2.weight, block.norm2.bias, 1e-6)
        a, b = (y @ block.mlp.w12.weight.T + block.mlp.w12.bias).split(CONFIG.mlp_hidden, dim=1)
        gated = (a * torch.sigmoid(a) * b) @ block.mlp.w3.weight.T + block.mlp.w3.bias
        x = x + block.ls2.gamma * gated
    return F.layer_norm(x, (CONFIG.width,), vit.norm.weight, vit.norm.bias, 1e-6)


def test_features_are_those_of_the_formulas(vit: VisionTransformer) -> None:
    batch = images(2, 16)
    (output,) = vit([batch])
    for index, image in enumerate(batch):
        expected = by_the_formulas(vit, image)
        torch.testing.assert_close(output.cls[index], expected[0])
        torch.testing.assert_close(output.patches[index], expected[1:])


def test_batches_of_different_resolutions_in_one_pass_equal_separate_passes(vit: VisionTransformer) -> None:
    large, small = images(2, 16), images(5, 8, seed=1)
    together = vit([large, small])
    for output, batch in zip(together, (large, small), strict=True):
        (alone,) = vit([batch])
        torch.testing.assert_close(output.cls, alone.cls)
        torch.testing.assert_close(output.patches, alone.patches)


def test_masked_patches_do_not_see_their_pixels(vit: VisionTransformer) -> None:
    batch, mask = images(1, 16), torch.zeros(1, 16, dtype=torch.bool)
    mask[0, 5] = True  # row 1, column 1 of the 4 x 4 grid
    changed = batch.clone()
    changed[:, :, 4:8, 4:8] += 1
    (masked,), (masked_changed,) = vit([batch], [mask]), vit([changed], [mask])
    torch.testing.assert_close(masked.patches, masked_changed.patches, rtol=0, atol=0)
    (seen,) = vit([batch])
    assert not torch.allclose(seen.patches, masked.patches)


def test_a_dropped_image_skips_its_branches_and_leaves_the_others_alone(vit: VisionTransformer) -> None:
    batch = images(3, 16)
    others = (torch.tensor([0, 2]),)
    plan = KeptBranches(1.0, ((others, others),) * CONFIG.depth)
    (dropped,), (whole,) = vit([batch], None, plan), vit([batch])
    torch.testing.assert_close(dropped.cls[[0, 2]], whole.cls[[0, 2]])
    embedded = vit.norm(vit.cls_token[0, 0] + vit.pos_embed[0, 0])
    torch.testing.assert_close(dropped.cls[1], embedded)


def test_features_of_layers_are_the_residual_stream_before_the_final_norm(vit: VisionTransformer) -> None:
    batch = images(2, 16)
    first, last = vit.features(batch, layers=[0, -1])
    (final,) = vit.features(batch)
    torch.testing.assert_close(vit.norm(last.patches), final.patches)
    torch.testing.assert_close(vit.norm(last.cls), final.cls)
    assert first.patches.shape == last.patches.shape == (2, 16, 24)
    with pytest.raises(IndexError):
        vit.features(batch, layers=[3])


def test_other_resolutions_interpolate_the_position_embedding_bicubically(vit: VisionTransformer) -> None:
    embedding = vit.position_embedding(6, 3)
    grid = vit.pos_embed[:, 1:].reshape(1, 4, 4, 24).permute(0, 3, 1, 2)
    expected = F.interpolate(grid.float(), size=(6, 3), mode="bicubic", align_corners=False)
    assert embedding.shape == (1, 19, 24)
    torch.testing.assert_close(embedding[0, 1:].T.float(), expected.flatten(2)[0])
    torch.testing.assert_close(embedding[:, 0], vit.pos_embed[:, 0])


def test_a_side_that_the_patch_does_not_divide_is_refused(vit: VisionTransformer) -> None:
    with pytest.raises(UserError, match="resolution 18 is not a multiple of patchSize 4; use 16 or 20"):
        vit([images(1, 18)])


def test_initial_values_depend_on_seed_and_name_only() -> None:
    def fresh(seed: int) -> dict[str, Tensor]:
        with torch.device("meta"):
            model = VisionTransformer(vit_config("tiny", patch_size=8, image_size=32))
        Parallel(torch.device("cpu")).place(model, list(model.blocks), seed)
        return model.state_dict()

    first, again, other = fresh(0), fresh(0), fresh(1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    weights = [name for name in first if name.endswith("qkv.weight")]
    assert not any(torch.equal(first[name], other[name]) for name in weights)
    assert not torch.equal(first[weights[0]], first[weights[1]])
    assert first[weights[0]].std().item() == pytest.approx(0.02, rel=0.05)
    assert torch.equal(first["blocks.0.ls1.gamma"], torch.full((96,), 0.1))
    assert not first["mask_token"].any()


def kept(first: int, counts: Sequence[int], rate: float = 0.4, depth: int = 4) -> KeptBranches | None:
    positions = torch.arange(first, first + sum(counts))
    cpu = torch.device("cpu")
    return kept_branches(
        positions, torch.zeros_like(positions), counts, seed=0, depth=depth, drop_rate=rate, device=cpu
    )


def test_branches_are_dropped_at_their_rate_whatever_the_batch() -> None:
    whole, part = kept(0, [4000]), kept(100, [4, 6])
    assert whole is not None
    assert part is not None
    assert whole.scale == pytest.approx(1 / 0.6)
    for layer, row in enumerate(whole.images):
        for branch, (images_of,) in enumerate(row):
            assert len(images_of) / 4000 == pytest.approx(0.6, abs=0.04)
            wanted = [i - 100 for i in images_of.tolist() if 100 <= i < 110]
            first, second = part.images[layer][branch]
            assert [*first.tolist(), *(i + 4 for i in second.tolist())] == wanted
    assert kept(0, [4000], rate=0.0) is None


@pytest.mark.parametrize("rate", [0.5, 0.97])
def test_a_block_that_skips_images_equals_one_that_multiplies_by_zero(
    vit: VisionTransformer, rate: float
) -> None:
    parts = [
        torch.randn(count, length, 24, dtype=torch.float64, requires_grad=True)
        for count, length in ((5, 17), (3, 5))
    ]
    plan = kept(0, [5, 3], rate)
    assert plan is not None
    block = vit.blocks[0]
    assert isinstance(block, Block)
    expected = [_multiplied(block, x, plan, number) for number, x in enumerate(parts)]
    found = block(parts, plan, 0)
    weights = [torch.randn_like(x) for x in parts]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    totals = [
        torch.stack([(x * w).sum() for x, w in zip(results, weights, strict=True)]).sum()
        for results in (found, expected)
    ]
    gradients = [torch.autograd.grad(total, [*parts, *block.parameters()]) for total in totals]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def _multiplied(block: Block, x_BLD: Tensor, plan: KeptBranches, number: int) -> Tensor:
    """Stochastic depth as its paper writes it: every image is run, and a dropped branch counts zero times."""
    for branch, run in enumerate((block.attention, block.mlp_branch)):
        factor_B = x_BLD.new_zeros(len(x_BLD))
        factor_B[plan.images[0][branch][number]] = plan.scale
        x_TD, layout = pack([x_BLD])
        (y_BLD,) = unpack(run(x_TD, layout), layout)
        x_BLD = x_BLD + factor_B[:, None, None] * y_BLD
    return x_BLD


def test_all_patches_made_visible_in_any_order_give_the_features_of_the_whole_image(
    vit: VisionTransformer,
) -> None:
    batch = images(2, 16)
    order = torch.stack([torch.randperm(16, generator=torch.Generator().manual_seed(n)) for n in range(2)])
    (whole,), shown = vit([batch]), vit.visible(batch, order)
    torch.testing.assert_close(shown.cls, whole.cls)
    torch.testing.assert_close(shown.patches, whole.patches.take_along_dim(order.unsqueeze(-1), dim=1))


def test_hidden_patches_have_no_influence_and_visible_ones_keep_their_place(vit: VisionTransformer) -> None:
    batch, visible = images(1, 16), torch.tensor([[0, 5, 10]])
    changed = batch.clone()
    changed[:, :, :4, 4:] += 1  # row 0, columns 1 to 3
    assert torch.equal(vit.visible(batch, visible).patches, vit.visible(changed, visible).patches)
    moved = vit.visible(batch, torch.tensor([[1, 5, 10]]))
    assert not torch.allclose(vit.visible(batch, visible).cls, moved.cls)


def test_the_mae_family_has_fixed_positions_and_neither_layer_scale_nor_mask_token() -> None:
    model = VisionTransformer(vit_config("tiny", patch_size=8, image_size=32, family="mae"))
    initialise(model, seed=0)
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    assert frozen == ["pos_embed"]
    assert not any("mask_token" in name or "gamma" in name for name in model.state_dict())
    assert not model.pos_embed[0, 0].any()
    # Row 2, column 3 of the grid: sine of the column first, sine of the row in the second half.
    assert model.pos_embed[0, 1 + 2 * 4 + 3, 0].item() == pytest.approx(torch.tensor(3.0).sin().item())
    assert model.pos_embed[0, 1 + 2 * 4 + 3, 48].item() == pytest.approx(torch.tensor(2.0).sin().item())


def test_a_width_that_two_axes_of_sines_and_cosines_do_not_divide_is_refused() -> None:
    with pytest.raises(UserError, match="model width 30 is not a multiple of 4"):
        VitConfig(width=30, depth=1, heads=2, position="sincos")
