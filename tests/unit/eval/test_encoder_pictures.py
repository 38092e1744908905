"""Where an encoder looks: the shares are those that its last block computes with, and drawing costs no score."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from webssl_eval.encoder_pictures import PICTURE, Watched, picture_files
from webssl_eval.encoder_pictures.drawing import SIDE, encoder_picture, tiles_of
from webssl_eval.encoders import Features
from webssl_eval.encoders.attention import last_attention, patch_attention
from webssl_trainer.model import VisionTransformer, VitConfig, initialise


def drawn(config: VitConfig) -> VisionTransformer:
    vit = VisionTransformer(config)
    initialise(vit, 0)
    generator = torch.Generator().manual_seed(0)
    for parameter in vit.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return vit.eval()


def slow(qkv, heads, before):
    """One head, one query and one key at a time."""
    batch, tokens, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    size = width // heads
    found = torch.zeros(batch, heads, tokens - before)
    for b in range(batch):
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            queries, keys = qkv[b, :, :width][:, part], qkv[b, :, width : 2 * width][:, part]
            query = queries[0] if before else queries.mean(0)
            scores = torch.tensor([float(query @ key) / size**0.5 for key in keys]).softmax(0)
            found[b, h] = scores[before:]
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 6), st.integers(0, 2), st.integers(0, 99))
def test_shares_are_those_of_the_obvious_formula_with_and_without_a_class_token(
    batch, heads, patches, before, seed
):
    qkv = torch.randn(batch, before + patches, 3 * heads * 4, generator=torch.Generator().manual_seed(seed))
    found = patch_attention(qkv, heads, before)
    assert torch.allclose(found, slow(qkv, heads, before), atol=1e-5)
    assert (found.sum(-1) <= 1 + 1e-5).all()


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(
    "family", [{}, {"mlp": "gelu", "layer_scale": None, "position": "sincos", "mask_token": False}]
)
def test_the_last_blocks_own_output_follows_from_the_shares(depth, family):
    vit = drawn(VitConfig(width=24, depth=depth, heads=3, patch_size=7, image_size=28, **family))
    images = torch.randn(2, 3, 28, 28)
    maps = last_attention(vit, images)
    assert maps.shape == (2, 3, 4, 4)
    seen = {}
    block = vit.blocks[-1]
    hooks = [
        block.attn.qkv.register_forward_hook(lambda _m, _given, out: seen.update(qkv=out.reshape(2, 17, -1))),
        block.attn.proj.register_forward_pre_hook(
            lambda _m, given: seen.update(mixed=given[0].reshape(2, 17, -1))
        ),
    ]
    with torch.no_grad():
        vit.features(images)
    for hook in hooks:
        hook.remove()
    values = seen["qkv"][..., 48:].unflatten(-1, (3, 8)).transpose(1, 2)
    own = 1 - maps.flatten(2).sum(-1, keepdim=True)  # what the class token keeps for itself
    shares = torch.cat([own, maps.flatten(2)], dim=-1)
    assert torch.allclose((shares[:, :, None] @ values)[:, :, 0].flatten(1), seen["mixed"][:, 0], atol=1e-5)


def test_no_hook_stays_behind():
    vit = drawn(VitConfig(width=24, depth=2, heads=2, patch_size=7, image_size=28))
    last_attention(vit, torch.randn(1, 3, 28, 28))
    assert not vit.blocks[-1]._forward_pre_hooks


def test_a_watched_encoder_is_the_encoder_and_keeps_the_first_pictures_that_differ(encoder):
    watched = Watched(encoder, count=2)
    pictures = [np.random.default_rng(n).integers(0, 255, (30, 40, 3), dtype=np.uint8) for n in range(3)]
    blank = np.zeros((28, 28, 3), np.uint8)
    for pixels in (blank, pictures[0], pictures[0], pictures[1], pictures[2]):
        assert np.array_equal(watched.prepare(pixels), encoder.prepare(pixels))
    assert [np.array_equal(old, new) for old, new in zip(watched.seen, pictures[:2], strict=True)] == [
        True,
        True,
    ]
    views = torch.from_numpy(np.stack([encoder.prepare(pixels) for pixels in pictures]))
    assert torch.equal(watched.encode(views).patches, encoder.encode(views).patches)
    assert torch.equal(
        watched.encode_layers(views, [0], False)[0].cls, encoder.encode_layers(views, [0], False)[0].cls
    )
    assert (watched.name, watched.width, watched.depth, watched.resolution) == (
        encoder.name,
        encoder.width,
        encoder.depth,
        encoder.resolution,
    )


def test_the_picture_has_a_row_for_each_picture_that_was_seen(encoder):
    watched = Watched(encoder)
    for seed in range(3):
        watched.prepare(np.random.default_rng(seed).integers(0, 255, (28, 28, 3), dtype=np.uint8))
    with Image.open(io.BytesIO(picture_files(watched)[PICTURE])) as found:
        assert found.height > 3 * SIDE
        assert found.width > 5 * SIDE  # itself, components, mean, two heads


def test_an_encoder_that_saw_nothing_or_cannot_tell_where_it_looks_has_no_picture(encoder):
    assert picture_files(Watched(encoder)) == {}

    class Mute:
        name, width, depth, resolution = "mute", 4, 1, 28

        def prepare(self, pixels):
            return encoder.prepare(pixels)

        def encode(self, images):
            return Features(torch.zeros(len(images), 4), torch.zeros(len(images), 2, 2, 4))

        def encode_layers(self, images, layers, normed):
            return [self.encode(images) for _ in layers]

    watched = Watched(Mute())
    watched.prepare(np.random.default_rng(0).integers(0, 255, (28, 28, 3), dtype=np.uint8))
    assert picture_files(watched) == {}


def test_a_drawing_that_fails_costs_the_picture_alone(encoder, monkeypatch):
    watched = Watched(encoder)
    watched.prepare(np.random.default_rng(0).integers(0, 255, (28, 28, 3), dtype=np.uint8))

    def fail(_images):
        raise RuntimeError("no memory")

    monkeypatch.setattr(encoder, "attention", fail)
    assert picture_files(watched) == {}


@pytest.mark.parametrize(("heads", "rows"), [(1, 1), (3, 1), (6, 2), (12, 2), (16, 3), (24, 3), (32, 3)])
def test_maps_of_all_heads_stand_within_the_height_of_a_picture(heads, rows):
    tile, across = tiles_of(heads)
    assert across * rows >= heads > across * (rows - 1)
    assert rows * (tile + 2) - 2 <= SIDE
    maps = np.random.default_rng(0).random((1, heads, 2, 2), dtype=np.float32)
    features = np.random.default_rng(0).random((1, 2, 2, 5), dtype=np.float32)
    with Image.open(
        io.BytesIO(encoder_picture(np.zeros((1, 3, 14, 14), np.uint8), features, maps, "title"))
    ) as found:
        assert found.width >= 3 * SIDE + across * tile
