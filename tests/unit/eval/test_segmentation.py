"""Segmentation: IoU by counting, and a head that learns what random features hold."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_api.evaluation_probes import SegmentationSuite
from webssl_eval.suites.dense.maps import MappedImage
from webssl_eval.suites.segmentation.head import SegmentationHead, pixel_loss
from webssl_eval.suites.segmentation.scoring import IGNORED, confusion, prior, scores
from webssl_eval.suites.segmentation.suite import CLASSES_FILE, ClassValues, LinearSegmentation
from webssl_trainer.errors import UserError

from tests.unit.eval.scenes import scene, write


def counted_miou(predicted, reference, classes):
    """The definition, class by class and pixel by pixel."""
    found = []
    for label in range(classes):
        both = either = 0
        for ours, its in zip(predicted, reference, strict=True):
            if its == IGNORED:
                continue
            both += ours == label and its == label
            either += label in (ours, its)
        if either:
            found.append(both / either)
    return 100 * sum(found) / len(found) if found else 0.0


labels = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 3)), min_size=1, max_size=60)


@settings(deadline=None)
@given(pairs=labels)
def test_miou_is_what_counting_gives(pairs):
    predicted, reference = (np.array(part) for part in zip(*pairs, strict=True))
    found = scores(confusion(predicted, reference, 4))
    assert found["miou"] == pytest.approx(counted_miou(predicted, reference, 4))
    counts = reference != IGNORED
    right = (predicted == reference)[counts]
    assert found["pixelAccuracy"] == pytest.approx(100 * right.mean() if counts.any() else 0)
    assert all(0 <= score <= 100 for score in found.values())


@settings(deadline=None)
@given(pairs=labels, seed=st.integers(0, 9))
def test_the_order_of_pixels_and_what_is_said_of_ignored_ones_do_not_matter(pairs, seed):
    predicted, reference = (np.array(part) for part in zip(*pairs, strict=True))
    order = np.random.default_rng(seed).permutation(len(pairs))
    other = np.where(reference == IGNORED, 3 - predicted, predicted)
    table = confusion(predicted, reference, 4)
    assert np.array_equal(table, confusion(predicted[order], reference[order], 4))
    assert np.array_equal(table, confusion(other, reference, 4))


def test_a_copy_of_the_reference_scores_full():
    reference = scene(0)[1]
    found = scores(confusion(reference, reference, 3))
    assert found == {"miou": 100.0, "pixelAccuracy": 100.0, "meanAccuracy": 100.0}


def test_the_prior_calls_everything_the_most_frequent_training_class():
    # Class 0 everywhere: IoU of class 0 is 60 / 100, of the two others 0.
    assert prior(np.array([60, 30, 10]), np.array([5, 4, 3])) == pytest.approx(20.0)
    assert prior(np.array([60, 30, 10]), np.array([0, 9, 1])) == pytest.approx(10.0)


def test_zero_is_ignored_and_classes_start_at_one_as_in_ade20k():
    values = np.array([[0, 1, 3]], dtype=np.int32)
    image = MappedImage("x", np.zeros((1, 3, 3), np.uint8), values)
    assert ClassValues(3, 0).numbers(image).tolist() == [[IGNORED, 0, 2]]
    voc = MappedImage("x", image.pixels, np.array([[0, 255, 2]], dtype=np.int32))
    assert ClassValues(3, 255).numbers(voc).tolist() == [[0, IGNORED, 2]]
    with pytest.raises(UserError, match=r"map of x has the value 3, beyond the 2 classes .*; raise it"):
        ClassValues(2, 0).numbers(image)


def test_the_loss_is_the_mean_over_pixels_that_count():
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    classes = torch.randint(-1, 3, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    log = logits.log_softmax(1).permute(0, 2, 3, 1)
    counts = classes >= 0
    expected = -log[counts].gather(1, classes[counts][:, None]).mean()
    assert float(pixel_loss(logits, classes, 0)) == pytest.approx(float(expected), rel=1e-5)
    assert float(pixel_loss(logits, torch.full((2, 4, 4), IGNORED), 0)) == 0.0


def test_the_head_is_batch_norm_and_one_linear_map_whose_weights_are_a_function_of_the_seed():
    one, same, other = (SegmentationHead(6, 3, seed) for seed in (1, 1, 2))
    features = torch.randn(2, 4, 5, 6)
    assert torch.equal(one(features), same(features))
    assert not torch.equal(one.linear.weight, other.linear.weight)
    normed = (features - features.mean((0, 1, 2))) / (features.var((0, 1, 2), unbiased=False) + 1e-5).sqrt()
    expected = normed @ one.linear.weight[:, :, 0, 0].T
    assert torch.allclose(one(features).permute(0, 2, 3, 1), expected, atol=1e-5)


@pytest.fixture
def scenes(tmp_path):
    """Gives URLs of a training and a test set whose values are those of ADE20K's layout, with a frame that does not count."""
    for split, seeds in (("training", range(24)), ("validation", range(100, 108))):
        for seed in seeds:
            pixels, classes = scene(seed)
            values = (classes + 1).astype(np.uint8)
            values[:2] = 0
            write(tmp_path / "ade", f"{split}/{seed}", pixels, values)
    return [(tmp_path / "ade" / "images" / split).as_uri() for split in ("training", "validation")]


@pytest.mark.parametrize(
    ("variant", "augment", "steps"), [("linear", False, 150), ("linear", True, 60), ("ms", False, 100)]
)
def test_the_suite_finds_what_the_picture_shows(place, encoder, scenes, variant, augment, steps):
    spec = SegmentationSuite(
        train=scenes[0],
        test=scenes[1],
        variant=variant,
        classes=3,
        steps=steps,
        batch_size=8,
        learning_rate=2e-2,
        augment=augment,
        resolution=28,
    )
    outcome = LinearSegmentation(spec).run(encoder, place)
    assert outcome.scores["miou"] > outcome.scores["prior"] + 25
    assert outcome.questions == len(outcome.predictions) == 8
    assert outcome.details["layers"] == ([0, 1] if variant == "ms" else [1])
    per_class = json.loads(outcome.files[CLASSES_FILE])
    assert np.mean([row["iou"] for row in per_class]) == pytest.approx(outcome.scores["miou"])
    assert sum(row["pixels"] for row in per_class) == 8 * 26 * 42
    if steps == 150:
        assert LinearSegmentation(spec).run(encoder, place).scores == outcome.scores


def test_a_value_beyond_the_classes_ends_the_run_before_it_is_scored(place, encoder, scenes):
    spec = SegmentationSuite(train=scenes[0], test=scenes[1], classes=2, steps=2, resolution=28)
    with pytest.raises(UserError, match="has the value 3, beyond the 2 classes"):
        LinearSegmentation(spec).run(encoder, place)


@pytest.mark.parametrize(("variant", "side"), [("linear", 518), ("ms", 644)])
def test_windows_have_the_published_size_by_default(variant, side):
    spec = SegmentationSuite(train="s3://ade/images/training", test="s3://ade/images/val", variant=variant)
    assert LinearSegmentation(spec).resolution == side
