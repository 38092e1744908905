"""The linear probe: each head of the stacks is plain SGD on its own; the grid is the published one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from webssl_api.evaluation_probes import PUBLISHED_RATES, LinearSuite
from webssl_eval.suites.linear.grid import Head, grid
from webssl_eval.suites.linear.heads import HeadStacks, cosine
from webssl_eval.suites.linear.readings import random_crops, read_layers, readings_of
from webssl_eval.suites.linear.suite import HEADS_FILE, HeadScore, LinearClassification, best_head, split
from webssl_eval.suites.order import order_of
from webssl_trainer.data import open_labelled
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.errors import UserError

from tests.unit.eval.conftest import COLOURS, png
from tests.unit.eval.test_knn import write_set

CPU = torch.device("cpu")


def test_the_published_grid_has_52_heads():
    heads = grid(LinearSuite(train="s3://data/train.tar", test="s3://data/test.tar").learning_rates)
    assert len(heads) == 52 == len({head.name for head in heads})
    assert {(head.layers, head.mean_patch) for head in heads} == {
        (1, False),
        (1, True),
        (4, False),
        (4, True),
    }
    assert max(head.peak_rate(1024) for head in heads) == pytest.approx(0.4)


def test_what_a_head_reads_is_a_slice_of_the_readings(encoder):
    views = torch.randn(3, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    read, width = readings_of(encoder, views), encoder.width
    first, last = encoder.encode_layers(views, [0, 1], normed=True)
    mean = last.patches.mean(dim=(1, 2))
    assert read_layers(encoder) == 2
    expected = {
        Head(1, False, 0.1): [last.cls],
        Head(1, True, 0.1): [last.cls, mean],
        Head(4, False, 0.1): [first.cls, last.cls],
        Head(4, True, 0.1): [first.cls, last.cls, mean],
    }
    for head, parts in expected.items():
        assert torch.equal(read[:, head.reads(2, width)], torch.cat(parts, dim=1)), head.name
    assert torch.allclose(last.cls, encoder.encode(views).cls, atol=1e-6)


def batches(count: int, steps: int, width: int, classes: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randn(count, 5 * width, generator=generator),
            torch.randint(0, classes, (count,), generator=generator),
        )
        for _ in range(steps)
    ]


def trained(heads, steps, width=6, classes=5, seed=3):
    stacks = HeadStacks(heads, 4, width, classes, 32, seed, CPU)
    for step, (readings, labels) in enumerate(steps):
        stacks.step(readings, labels, cosine(step, len(steps)))
    return stacks


@pytest.mark.parametrize("number", range(0, 52, 3))
def test_a_head_trained_alone_is_that_head_in_the_stack(number):
    heads, steps = grid(PUBLISHED_RATES), batches(32, 20, 6, 5)
    together, alone = trained(heads, steps), trained([heads[number]], steps)
    for ours, its in zip(together.state(heads[number]), alone.state(heads[number]), strict=True):
        assert torch.allclose(ours, its, rtol=0, atol=1e-6)
    asked = steps[0][0]
    assert torch.allclose(together.logits(asked)[number], alone.logits(asked)[0], rtol=0, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    rate=st.sampled_from([1e-3, 0.05, 1.0]),
    layers=st.sampled_from([1, 4]),
    mean=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_head_is_torch_sgd_with_momentum_and_cosine_decay(rate, layers, mean, seed):
    head, steps = Head(layers, mean, rate), batches(32, 12, 6, 5, seed)
    stacks = trained([head], steps)
    weight, bias = (part.clone() for part in HeadStacks([head], 4, 6, 5, 32, 3, CPU).state(head))
    plain = torch.nn.Linear(len(weight), 5)
    plain.weight.data, plain.bias.data = weight.T.clone(), bias
    optimizer = torch.optim.SGD(plain.parameters(), lr=rate * 32 / 256, momentum=0.9, weight_decay=0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(steps), eta_min=0)
    for readings, labels in steps:
        loss = torch.nn.functional.cross_entropy(plain(readings[:, head.reads(4, 6)]), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    found = stacks.state(head)
    assert torch.allclose(found[0], plain.weight.T, atol=1e-5)
    assert torch.allclose(found[1], plain.bias, atol=1e-5)


def test_every_pass_of_the_order_shows_every_image_once():
    order = order_of(10, 4, seed=1)
    seen = np.concatenate([next(order) for _ in range(5)])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10].tolist() != seen[10:].tolist()


@settings(deadline=None)
@given(count=st.integers(2, 500), share=st.floats(0, 0.4), seed=st.integers(0, 9))
def test_held_out_images_are_never_trained_on(count, share, seed):
    fitted, away = split(count, share, seed)
    assert sorted([*fitted, *away]) == list(range(count))
    assert (len(away) > 0) == (share > 0)


def test_holding_out_everything_is_an_error_that_names_the_field():
    with pytest.raises(UserError, match=r"linear\.heldOut 0\.9 leaves none of 1 images; lower it"):
        split(1, 0.9, 0)


def test_the_best_head_is_the_first_of_the_highest_and_never_one_that_diverged():
    head = Head(1, False, 0.1)
    rows = [(50, 1.0), (80, float("nan")), (80, 0.5), (80, 0.5)]
    assert best_head([HeadScore(head, top1, 100, loss) for top1, loss in rows]) == 2


def test_crops_are_a_function_of_seed_and_position(place, encoder, tmp_path):
    images = open_labelled(place.storage, textured_set(place, tmp_path / "set", 3, 0))
    numbers = np.array([3, 0, 5])
    again = [random_crops(encoder, images, numbers, 7, 40) for _ in range(2)]
    assert np.array_equal(again[0].views, again[1].views)
    assert again[0].numbers.tolist() == [3, 0, 5]
    assert not np.array_equal(again[0].views, random_crops(encoder, images, numbers, 8, 40).views)
    assert np.array_equal(again[0].views[1:], random_crops(encoder, images, numbers[1:], 7, 41).views)


def test_a_step_whose_images_are_all_broken_has_no_crops(place, encoder, tmp_path):
    pack([PackItem("a", b"junk", "png", label=0)], place.storage, (tmp_path / "bad").as_uri())
    images = open_labelled(place.storage, f"{(tmp_path / 'bad').as_uri()}/*.tar")
    crops = random_crops(encoder, images, np.array([0]), 0, 0)
    assert crops.views.shape == (0, 3, 28, 28)
    assert readings_of(encoder, torch.from_numpy(crops.views)).shape[0] == len(crops.numbers) == 0


def textured_set(place, folder: Path, per_class: int, seed: int) -> str:
    """Two classes of noise pictures: stripes that stand, and stripes that lie."""
    generator = np.random.default_rng(seed)
    items = []
    for number in range(per_class):
        for label in (0, 1):
            grey = np.full((28, 28), 90.0) + generator.normal(0, 25, (28, 28))
            at = np.arange(28)[(generator.integers(0, 4) + np.arange(28)) % 4 < 2]
            if label:
                grey[at] += 90
            else:
                grey[:, at] += 90
            items.append(PackItem(f"{label}-{number}", _grey_png(grey), "png", label=label))
    pack(items, place.storage, folder.as_uri())
    return f"{folder.as_uri()}/*.tar"


def _grey_png(grey) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("augment", [False, True])
def test_the_suite_learns_stripes_from_frozen_features(place, encoder, tmp_path, augment):
    spec = LinearSuite(
        train=textured_set(place, tmp_path / "train", 24, 0),
        test=textured_set(place, tmp_path / "test", 16, 1),
        steps=40 if augment else 150,
        batch_size=32,
        learning_rates=[0.01, 0.1, 1.0],
        augment=augment,
    )
    outcome = LinearClassification(spec).run(encoder, place)
    assert outcome.scores["prior"] == 50.0
    assert outcome.scores["top1"] >= 80.0
    table = json.loads(outcome.files[HEADS_FILE])
    assert len(table) == 12
    best = next(row for row in table if row["head"] == outcome.details["bestHead"])
    assert best["top1"] == outcome.scores["top1"] == max(row["top1"] for row in table)
    assert outcome.details["chosenOn"] == "test images, as published"
    if not augment:
        again = LinearClassification(spec).run(encoder, place)
        assert (again.scores, again.files) == (outcome.scores, outcome.files)


def test_the_best_head_can_be_chosen_on_held_out_training_images(place, encoder, tmp_path):
    spec = LinearSuite(
        train=write_set(place, tmp_path / "train", 6, broken=2),
        test=write_set(place, tmp_path / "test", 2, broken=1),
        steps=60,
        batch_size=16,
        learning_rates=[1e-6, 1.0],
        augment=False,
        held_out=0.3,
    )
    outcome = LinearClassification(spec).run(encoder, place)
    assert outcome.details["chosenOn"] == "held-out training images"
    assert outcome.details["trainImages"] == 18
    assert outcome.details["brokenTestImages"] == 1
    assert outcome.questions == len(outcome.predictions) == 8
    assert outcome.scores["top1"] > outcome.scores["prior"]
    assert outcome.predictions[0]["label"] in {str(n) for n in range(len(COLOURS))}


def test_a_set_without_a_readable_image_is_an_error_that_says_the_mend(place, encoder, tmp_path):
    pack([PackItem("a", b"junk", "png", label=0)], place.storage, (tmp_path / "bad").as_uri())
    pack([PackItem("a", png("red"), "png", label=0)], place.storage, (tmp_path / "good").as_uri())
    bad, good = (f"{(tmp_path / name).as_uri()}/*.tar" for name in ("bad", "good"))
    for train, test, augment in ((bad, good, True), (bad, good, False), (good, bad, True)):
        spec = LinearSuite(
            train=train, test=test, steps=2, batch_size=2, learning_rates=[0.1], augment=augment
        )
        with pytest.raises(UserError, match=r"can be decoded; repack"):
            LinearClassification(spec).run(encoder, place)
