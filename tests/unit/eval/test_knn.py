"""k-NN classification: exact neighbours, exact votes, stated ties."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_api.evaluation import KnnSuite
from webssl_eval.encoders import VitEncoder
from webssl_eval.suites import knn
from webssl_eval.suites.interface import Workplace
from webssl_eval.suites.knn import KnnClassification, knn_votes, ranking, top_scores
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.errors import UserError

from tests.unit.eval.conftest import COLOURS, png


def brute_force(train, labels, test, classes, k, temperature):
    """The definition, one test row at a time, in NumPy."""
    votes = np.zeros((len(test), classes))
    for row, feature in enumerate(test):
        similarity = train.astype(np.float64) @ feature.astype(np.float64)
        for number in np.argsort(-similarity, kind="stable")[:k]:
            votes[row, labels[number]] += np.exp(similarity[number] / temperature)
    return votes / votes.sum(axis=1, keepdims=True)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    train=st.integers(1, 40),
    test=st.integers(1, 12),
    k=st.integers(1, 50),
    temperature=st.sampled_from([0.02, 0.07, 1.0]),
)
def test_votes_equal_brute_force_for_any_sizes(seed, train, test, k, temperature):
    generator = torch.Generator().manual_seed(seed)
    bank = F.normalize(torch.randn(train, 6, generator=generator), dim=1)
    asked = F.normalize(torch.randn(test, 6, generator=generator), dim=1)
    labels = torch.randint(0, 4, (train,), generator=generator)
    found = knn_votes(bank, labels, asked, 4, k, temperature).numpy()
    expected = brute_force(bank.numpy(), labels.numpy(), asked.numpy(), 4, k, temperature)
    assert np.allclose(found / found.sum(axis=1, keepdims=True), expected, atol=1e-4)


def test_the_size_of_chunks_changes_nothing(monkeypatch):
    bank = F.normalize(torch.randn(50, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    labels = torch.arange(50) % 5
    whole = knn_votes(bank, labels, bank, 5, 7, 0.07)
    monkeypatch.setattr(knn, "_CHUNK_ELEMENTS", 50 * 3)
    assert torch.allclose(whole, knn_votes(bank, labels, bank, 5, 7, 0.07))


def test_a_small_temperature_stays_finite():
    bank = F.normalize(torch.randn(9, 4, generator=torch.Generator().manual_seed(2)), dim=1)
    votes = knn_votes(bank, torch.arange(9) % 3, bank, 3, 9, 1e-4)
    assert torch.isfinite(votes).all()
    assert ranking(votes)[:, 0].tolist() == (torch.arange(9) % 3).tolist()


@pytest.mark.parametrize(
    ("ranked", "labels", "train", "expected"),
    [
        ([[0, 1, 2]], [0], [0], {"top1": 100.0, "top5": 100.0, "prior": 100.0}),
        ([[1, 0, 2]], [0], [1, 1, 0], {"top1": 0.0, "top5": 100.0, "prior": 0.0}),
        ([[6, 5, 4, 3, 2, 1, 0]], [1], [1], {"top1": 0.0, "top5": 0.0, "prior": 100.0}),
        ([[0, 1], [0, 1]], [0, 1], [0, 1], {"top1": 50.0, "top5": 100.0, "prior": 50.0}),
    ],
)
def test_scores_are_shares_of_the_test_images(ranked, labels, train, expected):
    assert top_scores(np.array(ranked), np.array(labels), np.array(train)) == expected


def write_set(place: Workplace, folder: Path, per_class: int, broken: int = 0) -> str:
    items = [
        PackItem(f"{colour}-{number}", png(colour, 20 + number), "png", label=label)
        for number in range(per_class)
        for label, colour in enumerate(COLOURS)
    ]
    items += [PackItem(f"broken-{number}", b"not an image", "png", label=0) for number in range(broken)]
    pack(items, place.storage, folder.as_uri())
    return f"{folder.as_uri()}/*.tar"


def test_the_suite_tells_colours_apart_even_with_random_weights(place, encoder, tmp_path):
    spec = KnnSuite(
        train=write_set(place, tmp_path / "train", 5, broken=2),
        test=write_set(place, tmp_path / "test", 3),
        k=3,
    )
    outcome = KnnClassification(spec).run(encoder, place)
    assert outcome.scores == {"top1": 100.0, "top5": 100.0, "prior": 25.0}
    assert (outcome.questions, outcome.details["brokenImages"], len(outcome.predictions)) == (12, 2, 12)
    assert outcome.predictions[0]["predicted"][0] == outcome.predictions[0]["label"] == "0"


def test_class_names_of_the_two_sets_are_matched_by_name(place, encoder: VitEncoder, tmp_path):
    for name, colours in (("train", ["blue", "green", "red"]), ("test", ["red", "blue"])):
        for colour in colours:
            (tmp_path / name / colour).mkdir(parents=True)
            (tmp_path / name / colour / "one.png").write_bytes(png(colour))
    spec = KnnSuite(train=(tmp_path / "train").as_uri(), test=(tmp_path / "test").as_uri(), k=1)
    assert KnnClassification(spec).run(encoder, place).scores["top1"] == 100.0


def test_a_set_without_a_readable_image_is_an_error_that_says_the_mend(place, encoder, tmp_path):
    pack([PackItem("a", b"junk", "png", label=0)], place.storage, (tmp_path / "bad").as_uri())
    source = f"{(tmp_path / 'bad').as_uri()}/*.tar"
    with pytest.raises(UserError, match=r"none of the 1 training images .* can be decoded; repack"):
        KnnClassification(KnnSuite(train=source, test=source)).run(encoder, place)


def test_the_data_digest_changes_when_a_shard_does(place, tmp_path):
    source = write_set(place, tmp_path / "set", 2)
    suite = KnnClassification(KnnSuite(train=source, test=source))
    before = suite.data_digest(place)
    assert suite.data_digest(place) == before
    write_set(place, tmp_path / "set", 3)
    assert suite.data_digest(place) != before
