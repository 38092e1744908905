"""Recall and accuracy: what the definition gives, one at a time, whatever the order, the chunks and the ties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_eval.suites.zeroshot import ranks as module
from webssl_eval.suites.zeroshot.classification import class_predictions, class_scores, classify
from webssl_eval.suites.zeroshot.ranks import Ranked, chance, ranked, recall
from webssl_eval.suites.zeroshot.retrieval import CUTS, captions_of, retrieve


def unit(seed: int, count: int, width: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, width, generator=generator), dim=1)


@st.composite
def groups(draw) -> list[list[str]]:
    """Captions of images; the same words come up in several images."""
    words = [f"w{number}" for number in range(12)]
    own = st.lists(st.sampled_from(words), min_size=1, max_size=4)
    return draw(st.lists(own, min_size=2, max_size=12))


def found_for(seed: int, written: list[list[str]]):
    captions = captions_of(written)
    return retrieve(unit(seed, len(written)), unit(seed + 1, len(captions.texts)), captions)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), written=groups())
def test_ranks_are_those_of_sorting_one_by_one(seed, written):
    captions = captions_of(written)
    images, texts = unit(seed, len(written)), unit(seed + 1, len(captions.texts))
    found = retrieve(images, texts, captions)
    for row, image in enumerate(images.double().numpy()):
        likeness = texts.double().numpy() @ image
        order = np.argsort(-likeness, kind="stable").tolist()
        own = captions.of_image[row]
        first = min(order.index(number) for number in own)
        # Other right ones do not stand before it: the first right one is the best.
        assert found.by_image.ranks[row] == 1 + first
        assert found.by_image.nearest[row].tolist() == order[:5]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), written=groups(), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_images_and_of_captions_changes_no_score(seed, written, shuffle):
    before = found_for(seed, written)
    captions = before.captions
    images, texts = unit(seed, len(written)), unit(seed + 1, len(captions.texts))
    order = list(range(len(written)))
    shuffle.shuffle(order)
    moved = [shuffle.sample(written[row], len(written[row])) for row in order]
    again = captions_of(moved)
    places = [captions.texts.index(text) for text in again.texts]
    after = retrieve(images[order], texts[places], again)
    assert after.scores == pytest.approx(before.scores)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), written=groups())
def test_scores_are_per_cent_and_grow_with_k(seed, written):
    scores = found_for(seed, written).scores
    assert all(0 <= value <= 100 for value in scores.values())
    for name in ("imageToTextR", "textToImageR", "prior_imageToTextR", "prior_textToImageR"):
        row = [scores[f"{name}{k}"] for k in CUTS]
        assert row == sorted(row)


@settings(max_examples=30, deadline=None)
@given(count=st.integers(2, 40), each=st.integers(1, 5))
def test_perfect_features_score_100(count, each):
    captions = captions_of([[f"caption {each * row + n}" for n in range(each)] for row in range(count)])
    images = torch.eye(count)
    texts = images.repeat_interleave(each, dim=0)
    scores = retrieve(images, texts, captions).scores
    assert {scores[f"{way}R{k}"] for way in ("imageToText", "textToImage") for k in CUTS} == {100.0}


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_features_that_are_all_the_same_find_nothing(value):
    same = torch.full((20, 4), value)
    found = ranked(same, same, [[number] for number in range(20)], 5)
    assert found.ranks.tolist() == [20] * 20
    assert recall(found.ranks, 10) == 0.0


def test_features_by_lot_score_what_chance_says():
    count, each = 300, 3
    captions = captions_of([[f"{row} {n}" for n in range(each)] for row in range(count)])
    scores = retrieve(unit(0, count, 32), unit(1, each * count, 32), captions).scores
    for way in ("imageToText", "textToImage"):
        assert scores[f"{way}R10"] == pytest.approx(scores[f"prior_{way}R10"], abs=2.5)


@pytest.mark.parametrize(
    ("right", "candidates", "k", "expected"),
    [
        ([[0]], 10, 1, 10.0),
        ([[0]], 10, 5, 50.0),
        ([[0]], 3, 10, 100.0),
        ([[0, 1]], 4, 1, 50.0),
        ([[0, 1]], 4, 2, 100 * (1 - 1 / 6)),
        ([[0, 1, 2]], 4, 2, 100.0),
        ([[0], [0, 1]], 4, 1, 37.5),
        ([[0, 1, 2, 3, 4]], 25, 5, 100 * (1 - math.comb(20, 5) / math.comb(25, 5))),
    ],
)
def test_chance_is_the_share_of_all_choices_that_hold_a_right_one(right, candidates, k, expected):
    assert chance(right, candidates, k) == pytest.approx(expected)


def test_equal_captions_are_one_caption_of_all_their_images():
    captions = captions_of([["a cat", "a cat", "a pet"], ["a dog", "a pet"], ["a cat"]])
    assert captions.texts == ["a cat", "a pet", "a dog"]
    assert captions.of_image == [[0, 1], [2, 1], [0]]
    assert captions.of_text == [[0, 2], [0, 1], [1]]


def test_the_best_of_several_captions_counts():
    images = torch.eye(3)
    texts = F.normalize(torch.tensor([[0.1, 1, 0], [1, 0, 0], [0, 0.5, 1], [0, 0.9, 1]]), dim=1)
    captions = captions_of([["far", "near"], ["second"], ["third"]])
    found = retrieve(images, texts, captions)
    assert found.by_image.ranks.tolist() == [1, 3, 2]
    lines = found.predictions(["x", "y", "z"])
    assert lines[0] == {
        "task": "imageToText",
        "id": "x",
        "captions": ["far", "near"],
        "rank": 1,
        "nearest": lines[0]["nearest"],
    }
    assert lines[0]["nearest"][:2] == ["near", "far"]
    assert lines[3]["images"] == ["x"]
    assert len(lines) == 7


def test_the_size_of_chunks_changes_nothing(monkeypatch):
    asked, candidates = unit(3, 41), unit(4, 17)
    right = [[row % 17, (row * 5) % 17] for row in range(41)]
    whole = ranked(asked, candidates, right, 5)
    monkeypatch.setattr(module, "_CHUNK_ELEMENTS", 17 * 3)
    parts = ranked(asked, candidates, right, 5)
    assert np.array_equal(whole.ranks, parts.ranks)
    assert np.array_equal(whole.nearest, parts.nearest)


@pytest.mark.parametrize(
    ("asked", "right", "message"),
    [
        (torch.full((1, 2), float("nan")), [[0]], "finite"),
        (torch.ones(1, 2), [[]], "needs a right candidate"),
        (torch.ones(2, 2), [[0]], "needs a right candidate"),
    ],
)
def test_what_cannot_be_ranked_is_refused(asked, right, message):
    with pytest.raises(ValueError, match=message):
        ranked(asked, torch.ones(3, 2), right, 5)


@pytest.mark.parametrize(
    ("ranks", "answers", "classes", "expected"),
    [
        ([1, 1], [0, 1], 2, {"top1": 100.0, "top5": 100.0, "prior": 50.0, "chance": 50.0}),
        ([2, 6], [0, 0], 10, {"top1": 0.0, "top5": 50.0, "prior": 100.0, "chance": 10.0}),
        ([1, 5, 6, 7], [3, 3, 3, 1], 8, {"top1": 25.0, "top5": 50.0, "prior": 75.0, "chance": 12.5}),
    ],
)
def test_scores_of_classes_are_shares_of_the_images(ranks, answers, classes, expected):
    found = Ranked(np.array(ranks), np.zeros((len(ranks), 5), dtype=np.int64))
    assert class_scores(found, np.array(answers), classes) == pytest.approx(expected)


def test_images_that_are_their_class_are_all_found():
    answers = np.array([2, 0, 1, 1])
    found = classify(torch.eye(3)[answers], torch.eye(3), answers)
    assert class_scores(found, answers, 3)["top1"] == 100.0
    lines = class_predictions(list("abcd"), found, answers, ["x", "y", "z"])
    assert lines[0]["id"] == "a"
    assert lines[0]["label"] == lines[0]["predicted"][0] == "z"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 9999), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_classes_changes_no_score(seed, shuffle):
    images, texts = unit(seed, 30), unit(seed + 1, 7)
    answers = np.arange(30) % 7
    order = list(range(7))
    shuffle.shuffle(order)
    moved = np.array([order.index(answer) for answer in answers])
    before = class_scores(classify(images, texts, answers), answers, 7)
    after = class_scores(classify(images, texts[order], moved), moved, 7)
    assert after == pytest.approx(before)
