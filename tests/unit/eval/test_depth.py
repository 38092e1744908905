"""Depth: the head against its definition, scores by hand, and a head that learns shading."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_api.evaluation_probes import DepthSuite
from webssl_eval.suites.depth.head import BINS, DepthHead, depth_loss, gradient_loss, silog_loss
from webssl_eval.suites.depth.scoring import METRICS, image_scores, mean_scores, scored_pixels
from webssl_eval.suites.depth.suite import LinearDepth
from webssl_trainer.errors import UserError

from tests.unit.eval.scenes import HEIGHT, WIDTH, shaded, write


def test_the_head_is_the_expectation_of_uniform_bins_with_linear_normalisation():
    head = DepthHead(6, 0.5, 8.0, seed=1)
    head.linear.weight.data *= 100
    features = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    fine = F.interpolate(features.permute(0, 3, 1, 2), scale_factor=4, mode="bilinear").permute(0, 2, 3, 1)
    logits = fine @ head.linear.weight[:, :, 0, 0].T + head.linear.bias
    shares = logits.clamp(min=0) + 0.1
    expected = (shares * torch.linspace(0.5, 8.0, BINS)).sum(-1) / shares.sum(-1)
    found = head(features)
    assert found.shape == (2, 1, 12, 16)
    assert torch.allclose(found[:, 0], expected, atol=1e-4)


@settings(deadline=None)
@given(seed=st.integers(0, 99), nearest=st.floats(0.001, 1), span=st.floats(0.1, 80))
def test_depths_stay_between_the_first_and_the_last_bin(seed, nearest, span):
    head = DepthHead(4, nearest, nearest + span, seed)
    head.linear.weight.data *= 1000
    depth = head(torch.randn(1, 2, 2, 4, generator=torch.Generator().manual_seed(seed)))
    assert float(depth.detach().min()) >= nearest * (1 - 1e-4)
    assert float(depth.detach().max()) <= (nearest + span) * (1 + 1e-4)


def test_the_loss_is_the_published_formula_on_measured_pixels():
    depth = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 5 + 0.5
    truth = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(1)) * 5
    truth[0, :2] = 0
    known = truth > 0
    apart = (depth[:, 0][known] + 1e-3).log() - (truth[known] + 1e-3).log()
    early, late = (float(silog_loss(depth[:, 0], truth, step)) for step in (99, 100))
    assert early == pytest.approx(float((0.15 * apart.mean() ** 2).sqrt()), abs=1e-5)
    assert late == pytest.approx(float((apart.var() + 0.15 * apart.mean() ** 2).sqrt()), abs=1e-5)


def test_the_gradient_term_is_the_published_formula_pixel_by_pixel():
    depth = torch.rand(2, 9, 7, generator=torch.Generator().manual_seed(0)) * 5 + 0.5
    truth = torch.rand(2, 9, 7, generator=torch.Generator().manual_seed(1)) * 5 + 0.1
    truth[0, 2:5, 1:3] = 0
    expected = 0.0
    for every in (1, 2, 4, 8):
        near, far = depth[:, ::every, ::every], truth[:, ::every, ::every]
        apart = (near + 1e-3).log() - (far + 1e-3).log()
        total, count = 0.0, 0
        for image, row, column in np.ndindex(*far.shape):
            count += bool(far[image, row, column] > 0)
            for below, beside in ((row + 1, column), (row, column + 1)):
                if below < far.shape[1] and beside < far.shape[2]:
                    both = far[image, row, column] > 0 and far[image, below, beside] > 0
                    difference = apart[image, row, column] - apart[image, below, beside]
                    total += float(difference.abs()) if both else 0.0
        expected += total / count
    assert float(gradient_loss(depth, truth)) == pytest.approx(expected, rel=1e-4)
    assert float(gradient_loss(truth.clamp(min=0.1) * 1, truth.clamp(min=0.1))) == 0.0
    together = depth_loss(depth[:, None], truth, 500)
    assert float(together) == pytest.approx(float(silog_loss(depth, truth, 500)) + 0.5 * expected, rel=1e-4)


def test_a_view_without_measurements_has_no_loss_and_no_gradient():
    depth = torch.ones(1, 1, 4, 4, requires_grad=True)
    loss = depth_loss(depth, torch.zeros(1, 8, 8), 0)
    loss.backward()
    assert float(loss.detach()) == 0
    assert float(depth.grad.abs().max()) == 0


def test_scores_of_one_image_by_hand():
    found = image_scores(np.array([1.0, 2.0, 3.0, 8.0]), np.array([1.0, 1.0, 4.0, 8.0]))
    assert found["rmse"] == pytest.approx(np.sqrt(2 / 4))
    assert found["absRel"] == pytest.approx(100 * (1 + 0.25) / 4)
    assert (found["delta1"], found["delta2"], found["delta3"]) == (50.0, 75.0, 75.0)


positive = st.lists(st.tuples(st.floats(0.01, 80), st.floats(0.01, 80)), min_size=1, max_size=30)


@settings(deadline=None)
@given(pairs=positive, factor=st.floats(0.1, 10))
def test_ratios_do_not_depend_on_the_unit_and_a_copy_is_perfect(pairs, factor):
    predicted, truth = (np.array(part) for part in zip(*pairs, strict=True))
    found, scaled = image_scores(predicted, truth), image_scores(predicted * factor, truth * factor)
    assert scaled["absRel"] == pytest.approx(found["absRel"])
    assert scaled["rmse"] == pytest.approx(factor * found["rmse"])
    assert found["delta1"] <= found["delta2"] <= found["delta3"] <= 100
    assert image_scores(truth, truth) == {
        "rmse": 0.0,
        "absRel": 0.0,
        "delta1": 100.0,
        "delta2": 100.0,
        "delta3": 100.0,
    }


def test_each_image_counts_the_same():
    images = [dict.fromkeys(METRICS, value) for value in (1.0, 2.0, 6.0)]
    assert mean_scores(images) == dict.fromkeys(METRICS, 3.0)


def test_only_measured_pixels_between_the_bounds_and_in_the_frame_count():
    truth = np.full((480, 640), 2.0)
    assert scored_pixels(truth, 0.001, 10, framed=True).sum() == (471 - 45) * (601 - 41)
    truth[100, 100], truth[101, 100], truth[102, 100] = 0, 0.0005, 10.5
    assert scored_pixels(truth, 0.001, 10, framed=False).sum() == 480 * 640 - 3


@pytest.fixture
def rooms(tmp_path):
    for split, seeds in (("train", range(30)), ("test", range(100, 108))):
        for seed in seeds:
            pixels, depth = shaded(seed)
            millimetres = np.rint(1000 * depth).astype(np.uint16)
            millimetres[3, 5] = 0
            write(tmp_path / split, str(seed), pixels, millimetres)
    return [(tmp_path / split).as_uri() for split in ("train", "test")]


@pytest.mark.parametrize(
    ("variant", "augment", "steps"), [("linear", False, 120), ("lin4", False, 120), ("linear", True, 120)]
)
def test_the_suite_learns_depth_from_shading(place, encoder, rooms, variant, augment, steps):
    spec = DepthSuite(
        train=rooms[0],
        test=rooms[1],
        variant=variant,
        steps=steps,
        batch_size=4,
        learning_rate=0.02,
        augment=augment,
        resolution=28,
        eigen_crop=False,
    )
    outcome = LinearDepth(spec).run(encoder, place)
    scores = outcome.scores
    assert scores["rmse"] < 0.6 * scores["prior_rmse"]
    assert scores["absRel"] < 0.6 * scores["prior_absRel"]
    assert scores["delta1"] > scores["prior_delta1"] + 20
    assert outcome.predictions[0]["pixels"] == HEIGHT * WIDTH - 1
    assert outcome.details["layers"] == ([0, 1] if variant == "lin4" else [1])


def test_a_run_is_a_function_of_its_seed(place, encoder, rooms):
    base = {"train": rooms[0], "test": rooms[1], "steps": 6, "batch_size": 3, "resolution": 28}
    one, same, other = (
        LinearDepth(DepthSuite(**base, seed=seed)).run(encoder, place).scores for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_a_wrong_unit_is_an_error_that_says_the_mend(place, encoder, rooms):
    spec = DepthSuite(
        train=rooms[0], test=rooms[1], steps=2, batch_size=4, unit=1.0, resolution=28, augment=False
    )
    with pytest.raises(
        UserError, match=r"no pixel between minDepth 0\.001 and maxDepth 10\.0 metres; set unit"
    ):
        LinearDepth(spec).run(encoder, place)


def test_an_image_without_a_measurement_is_left_out_and_counted(place, encoder, rooms, tmp_path):
    write(tmp_path / "test", "dark", shaded(0)[0], np.zeros((HEIGHT, WIDTH), np.uint16))
    spec = DepthSuite(train=rooms[0], test=rooms[1], steps=2, batch_size=4, resolution=28, augment=False)
    outcome = LinearDepth(spec).run(encoder, place)
    assert (outcome.questions, outcome.details["imagesWithoutMeasurement"]) == (8, 1)
