"""Alignment with language: mutual neighbours by the definition, and pictures whose captions say what they show."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from webssl_api.evaluation_probes import AlignmentSuite
from webssl_eval.language_models import load_language_model
from webssl_eval.suites.alignment import mutual_knn
from webssl_eval.suites.alignment.heat_map import colours, heat_map
from webssl_eval.suites.alignment.layers import language_layers, vision_layers
from webssl_eval.suites.alignment.mutual_knn import (
    alignment_table,
    clipped,
    mutual_share,
    neighbours,
    neighbours_of_layers,
)
from webssl_eval.suites.alignment.pairs import open_pairs
from webssl_eval.suites.alignment.suite import PICTURE_FILE, TABLE_FILE, LanguageAlignment
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.errors import UserError

from tests.unit.eval.conftest import COLOURS, png


def drawn(seed: int, count: int, width: int) -> torch.Tensor:
    """Double precision, in which two distances that are equal but for rounding do not come up."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator, dtype=torch.float64)


def obvious(one: np.ndarray, other: np.ndarray, k: int) -> float:
    """The definition, thing by thing, with sets."""
    shares = []
    for me in range(len(one)):
        found = []
        for features in (one, other):
            unit = features / np.linalg.norm(features, axis=1, keepdims=True)
            likeness = unit @ unit[me]
            others = [at for at in np.argsort(-likeness, kind="stable") if at != me]
            found.append(set(others[:k]))
        shares.append(len(found[0] & found[1]) / k)
    return float(np.mean(shares))


sizes = st.tuples(st.integers(3, 30), st.integers(1, 29)).filter(lambda pair: pair[1] < pair[0])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), size=sizes, widths=st.tuples(st.integers(2, 8), st.integers(2, 8)))
def test_the_share_is_what_the_definition_gives_in_bounds_and_the_same_either_way(seed, size, widths):
    count, k = size
    one, other = drawn(seed, count, widths[0]), drawn(seed + 1, count, widths[1])
    ours, theirs = neighbours(one, k), neighbours(other, k)
    share = mutual_share(ours, theirs)
    assert share == pytest.approx(obvious(one.numpy(), other.numpy(), k), abs=1e-6)
    assert share == pytest.approx(mutual_share(theirs, ours))
    assert 0 <= share <= 1
    assert mutual_share(ours, ours) == 1.0
    if k == count - 1:
        assert share == 1.0


@settings(deadline=None)
@given(seed=st.integers(0, 99), factor=st.floats(0.01, 100))
def test_identical_features_align_fully_whatever_their_scale_and_rotation(seed, factor):
    features = drawn(seed, 20, 6)
    rotation = torch.linalg.qr(drawn(seed + 1, 6, 6)).Q
    assert mutual_share(neighbours(features, 5), neighbours(factor * features, 5)) == 1.0
    assert mutual_share(neighbours(features, 5), neighbours(features @ rotation, 5)) == 1.0


def test_unrelated_features_align_by_chance():
    share = mutual_share(neighbours(drawn(0, 600, 16), 10), neighbours(drawn(1, 600, 16), 10))
    assert share == pytest.approx(10 / 599, abs=0.01)


def test_the_size_of_chunks_changes_nothing(monkeypatch):
    features = drawn(3, 41, 5)
    whole = neighbours(features, 7)
    monkeypatch.setattr(mutual_knn, "_CHUNK_ELEMENTS", 41 * 3)
    assert torch.equal(whole, neighbours(features, 7))


@pytest.mark.parametrize("k", [0, 5, 6])
def test_k_must_be_below_the_number_of_things(k):
    with pytest.raises(ValueError, match=f"{k} neighbours of 5 things: k must be"):
        neighbours(drawn(0, 5, 2), k)


def test_outliers_are_clamped_to_the_quantile_of_all_magnitudes():
    values = torch.arange(1.0, 101.0).reshape(10, 2, 5) * torch.tensor([1.0, -1.0])[None, :, None]
    bounded = clipped(values)
    assert float(bounded.abs().max()) == 96.0
    assert torch.equal(bounded[values.abs() < 96], values[values.abs() < 96])
    assert torch.equal(bounded.sign(), values.sign())


def test_one_huge_value_does_not_rule_the_neighbours():
    layers = drawn(5, 40, 32)[:, None]
    harmed = layers.clone()
    harmed[:, 0, 0] = 1e6
    calm, plain = neighbours_of_layers(harmed, 5)[0], neighbours(layers[:, 0], 5)
    assert mutual_share(calm, plain) > 0.7


def test_the_table_has_a_row_for_each_layer_of_one_and_a_column_for_each_of_the_other():
    one, other = ([neighbours(drawn(seed, 12, 4), 3) for seed in seeds] for seeds in ((0, 1), (1, 2, 3)))
    table = alignment_table(one, other)
    assert table.shape == (2, 3)
    assert table[1, 0] == 1.0
    assert table[0, 2] == pytest.approx(mutual_share(one[0], other[2]))


@pytest.fixture
def pairs(tmp_path):
    """A folder of 24 pictures of one colour each, of different brightness; captions name the colour."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    for number in range(24):
        colour = list(COLOURS)[number % 4]
        shade = tuple(int(part * (1 - 0.01 * number)) for part in COLOURS[colour])
        Image.new("RGB", (28, 28), shade).save(folder / f"{number:02}.png")
        (folder / f"{number:02}.txt").write_text(f" {colour} is it {'colour ' * (number // 4)}\n")
    return folder.as_uri()


def test_language_layers_are_means_over_the_tokens_of_each_text_alone(language_model):
    model = load_language_model(language_model, torch.device("cpu"))
    texts = ["red", "what colour is it ?", "blue is it", "red is it red is it"]
    together = language_layers(model, texts, 4, lambda *_: None)
    assert together.shape == (4, 3, 32)
    for number, text in enumerate(texts):
        ids = torch.tensor([model.tokens(text)[:4]])
        states = model.model.base_model(input_ids=ids, output_hidden_states=True).hidden_states
        alone = torch.stack([state[0].mean(0) for state in states])
        assert torch.allclose(together[number], alone, atol=1e-5)


def test_vision_layers_are_the_cls_tokens_of_every_block(place, encoder, pairs):
    found = vision_layers(encoder, open_pairs(place.storage, pairs, 20), lambda *_: None)
    assert found.shape == (20, encoder.depth, encoder.width)
    picture = next(open_pairs(place.storage, pairs, 1).pixels())
    outputs = encoder.encode_layers(torch.from_numpy(encoder.prepare(picture)[None]), [0, 1], normed=False)
    assert torch.allclose(found[0], torch.stack([output.cls[0] for output in outputs]), atol=1e-5)


def test_pictures_and_captions_of_colours_align_far_above_chance(place, encoder, pairs, language_model):
    spec = AlignmentSuite(pairs=pairs, language_model=str(language_model), k=5, max_pairs=24)
    outcome = LanguageAlignment(spec).run(encoder, place)
    scores = outcome.scores
    assert scores["prior"] == pytest.approx(100 * 5 / 23)
    assert scores["alignment"] > 2 * scores["prior"]
    shares = np.array(json.loads(outcome.files[TABLE_FILE])["shares"])
    assert shares.shape == (encoder.depth, 3)
    assert 100 * shares.max() == pytest.approx(scores["alignment"])
    best = shares[outcome.details["bestVisionBlock"], outcome.details["bestLanguageLayer"]]
    assert best == shares.max() == pytest.approx(np.mean([row["share"] for row in outcome.predictions]))
    assert Image.open(io.BytesIO(outcome.files[PICTURE_FILE])).format == "PNG"
    assert LanguageAlignment(spec).run(encoder, place).files == outcome.files


def test_shards_and_folders_hold_the_same_pairs(place, pairs, tmp_path):
    folder = open_pairs(place.storage, pairs, 99)
    items = [
        PackItem(key, (tmp_path / "pairs" / f"{key}.png").read_bytes(), "png", caption=caption)
        for key, caption in zip(folder.ids, folder.captions, strict=True)
    ]
    items.append(PackItem("no-caption", png("red"), "png"))
    pack(items, place.storage, (tmp_path / "shards").as_uri())
    shards = open_pairs(place.storage, f"{(tmp_path / 'shards').as_uri()}/*.tar", 99)
    assert shards.captions == folder.captions
    assert all(np.array_equal(*both) for both in zip(shards.pixels(), folder.pixels(), strict=True))


def test_what_is_wrong_with_pairs_is_named_with_the_mend(place, pairs, tmp_path, encoder, language_model):
    folder = tmp_path / "pairs"
    spec = AlignmentSuite(pairs=pairs, language_model=str(language_model), k=24, max_pairs=30)
    with pytest.raises(UserError, match="has 24 pairs, too few for k 24; lower k"):
        LanguageAlignment(spec).data_digest(place)
    (folder / "03.png").write_bytes(b"junk")
    spec = AlignmentSuite(pairs=pairs, language_model=str(language_model), k=5)
    with pytest.raises(UserError, match=r"image 03 is broken .* replace it, or remove the pair"):
        LanguageAlignment(spec).run(encoder, place)
    (folder / "05.txt").write_text(" \n")
    with pytest.raises(UserError, match="the caption of 05 is empty; write one"):
        open_pairs(place.storage, pairs, 99)
    with pytest.raises(UserError, match=r"no pairs at .*; expected shards"):
        open_pairs(place.storage, (tmp_path / "nothing").as_uri(), 99)


def test_the_data_digest_changes_with_a_caption(place, pairs, tmp_path, language_model):
    suite = LanguageAlignment(AlignmentSuite(pairs=pairs, language_model=str(language_model), k=5))
    before = suite.data_digest(place)
    assert suite.data_digest(place) == before
    (tmp_path / "pairs" / "07.txt").write_text("blue")
    assert suite.data_digest(place) != before


def test_the_heat_map_has_a_cell_for_each_pair_of_layers_and_frames_the_largest():
    table = np.array([[0.1, 0.2, 0.3], [0.4, 0.9, 0.5]])
    picture = np.asarray(Image.open(io.BytesIO(heat_map(table, "title", "rows", "columns"))))
    side, left, top = 34, 64, 34
    for row in range(2):
        for column in range(3):
            middle = picture[top + row * side + side // 2, left + column * side + side // 2]
            expected = colours(np.array((table[row, column] - 0.1) / 0.8))
            assert np.array_equal(middle, expected)
    assert tuple(picture[top + side, left + side]) == (220, 30, 30)
    assert tuple(picture[top, left + side // 2]) != (220, 30, 30)


def test_brighter_means_more():
    light = colours(np.linspace(0, 1, 60)).astype(int) @ [3, 6, 1]
    assert (np.diff(light) > 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (2, 31), (40, 33)])
def test_a_table_of_any_size_fits_its_picture(shape):
    table = np.random.default_rng(0).random(shape)
    picture = Image.open(io.BytesIO(heat_map(table, "mutual 10-NN", "vision block", "language layer")))
    assert picture.width < 1000
    assert picture.height < 1000
