"""Resizing of the patch grid, and the table of tokens of distinct images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_eval.images import ImageRef, locate
from webssl_eval.suites.vqa.visual_tokens import TokenTable, compute_tokens, resized, squared
from webssl_trainer.errors import UserError


@pytest.mark.parametrize(("grid", "tokens"), [(16, 576), (4, 16), (4, 4), (8, 4), (5, 9), (1, 1), (37, 576)])
def test_any_grid_becomes_the_asked_number_of_tokens(grid, tokens):
    assert resized(torch.randn(2, grid, grid, 3), tokens).shape == (2, tokens, 3)


def test_the_same_grid_is_left_alone_row_by_row():
    patches = torch.arange(16.0).reshape(1, 4, 4, 1)
    assert resized(patches, 16).flatten().tolist() == list(range(16))


def test_shrinking_takes_every_patch_into_account():
    patches = torch.zeros(1, 8, 8, 1)
    patches[0, 0, 0] = 64.0
    assert resized(patches, 4)[0, 0] > 0
    assert resized(torch.ones(1, 8, 8, 1), 4).allclose(torch.ones(1, 4, 1))


def test_growing_is_plain_bilinear_interpolation():
    patches = torch.randn(1, 16, 16, 5, generator=torch.Generator().manual_seed(0))
    plain = torch.nn.functional.interpolate(patches.permute(0, 3, 1, 2), size=(24, 24), mode="bilinear")
    assert resized(patches, 576).allclose(plain.flatten(2).transpose(1, 2), atol=1e-5)


def test_a_number_that_is_no_square_is_refused():
    with pytest.raises(ValueError, match="5 visual tokens are no square"):
        resized(torch.zeros(1, 2, 2, 1), 5)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(0, 1000))
def test_the_moments_of_a_table_are_those_of_all_tokens(tmp_path_factory, count, seed):
    refs = [ImageRef(f"s3://b/{number}.png") for number in range(count)]
    values = torch.randn(count, 4, 3, generator=torch.Generator().manual_seed(seed)).half().float()
    table = TokenTable(tmp_path_factory.mktemp("table") / "t.npy", refs, 4, 3)
    table.put(refs, values)
    mean, spread = table.moments()
    assert torch.allclose(mean, values.mean((0, 1)), atol=1e-5)
    assert torch.allclose(spread, values.std((0, 1), unbiased=False), atol=1e-5)
    assert torch.equal(table.get(refs[::-1]), values.flip(0))


def test_each_distinct_image_is_encoded_once(place, encoder, questions, tmp_path):
    from webssl_eval.suites.vqa.questions import first_places, load_questions

    asked = load_questions(place.storage, questions("train", 20)).questions
    places = first_places(asked)
    seen = []
    table = compute_tokens(
        encoder,
        place.storage,
        locate(place.storage, places),
        places,
        4,
        tmp_path / "t.npy",
        lambda done, total: seen.append((done, total)),
    )
    assert (len(table), seen[-1]) == (4, (4, 4))
    assert table.get([question.image for question in asked]).shape == (20, 4, encoder.width)


def test_a_broken_image_is_named_with_the_line_that_asks_about_it(place, encoder, tmp_path):
    (tmp_path / "a.png").write_bytes(b"junk")
    places = {ImageRef((tmp_path / "a.png").as_uri()): "q.jsonl:3"}
    with pytest.raises(
        UserError, match=r"q.jsonl:3: image .*a.png is broken .*; replace it, or remove its lines"
    ):
        compute_tokens(
            encoder, place.storage, locate(place.storage, places), places, 4, tmp_path / "t", lambda *_: None
        )


@pytest.mark.parametrize("shape", [(2, 7), (7, 2), (5, 4), (1, 6)])
def test_a_picture_that_is_not_square_is_seen_whole_between_margins(shape):
    pixels = np.random.default_rng(0).integers(0, 50, (*shape, 3), dtype=np.uint8)
    square = squared(pixels)
    side = max(shape)
    assert square.shape == (side, side, 3)
    inside = (square < 50).all(-1)
    assert np.array_equal(square[inside].reshape(pixels.shape), pixels)
    assert {tuple(colour) for colour in square[~inside]} == {(124, 116, 104)}


def test_a_square_picture_is_left_alone():
    pixels = np.zeros((3, 3, 3), np.uint8)
    assert squared(pixels) is pixels
