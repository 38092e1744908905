"""Training the tower: micro-batches change nothing, the locked side stays locked, equal seeds are equal runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from webssl_eval.suites.zeroshot import training as module
from webssl_eval.suites.zeroshot.readings import PairReadings, moments
from webssl_eval.suites.zeroshot.tower import build_tower, text_features
from webssl_eval.suites.zeroshot.training import Recipe, Training, optim_config
from webssl_trainer.model import Parallel
from webssl_trainer.objectives.clip import TextConfig
from webssl_trainer.objectives.clip.tokenizer import tokenizer_for
from webssl_trainer.optim import Schedules

WORDS = ("red", "green", "blue", "white", "çam", "犬")
TOKENIZER = tokenizer_for("bytes", 24, {})
CPU = Parallel(torch.device("cpu"))


def readings(count: int = 24, width: int = 6) -> PairReadings:
    """Each picture is its word's direction, with noise."""
    noise = np.random.default_rng(0).standard_normal((count, width)) / 10
    table = (3 + 10 * np.eye(width)[np.arange(count) % len(WORDS) % width] + noise).astype(np.float16)
    captions = [(WORDS[n % len(WORDS)], f"the {WORDS[n % len(WORDS)]} one") for n in range(count)]
    return PairReadings([str(n) for n in range(count)], captions, table, 0, 0, "")


def trained(loss: str = "infonce", projection: bool = False, seed: int = 0, steps: int = 4):
    pairs = readings()
    config = TextConfig(width=16, depth=2, heads=2, context=24)
    tower = build_tower(config, TOKENIZER.vocabulary, moments(pairs), projection, loss, CPU, seed)
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    training = Training(tower, TOKENIZER, pairs, Recipe(steps, 12, 1e-2, 0.1, loss, seed), CPU)
    training.run(lambda *_: None, lambda _: None)
    return training.losses, tower, before


@pytest.mark.parametrize("loss", ["infonce", "siglip"])
@pytest.mark.parametrize("projection", [False, True])
def test_the_size_of_micro_batches_changes_nothing_but_rounding(monkeypatch, loss, projection):
    whole, tower, _ = trained(loss, projection)
    monkeypatch.setattr(module, "_MICRO_BATCH", 5)
    parts, other, _ = trained(loss, projection)
    assert parts == pytest.approx(whole, rel=1e-4)
    # Not the weights: a bias of the keys changes nothing, and AdamW blows its rounding up to whole steps.
    one, same = (text_features(net.eval(), TOKENIZER, WORDS, CPU) for net in (tower, other))
    assert torch.allclose(one, same, atol=1e-3)


def test_only_the_text_side_learns_without_an_image_projection():
    _, tower, before = trained()
    assert not [name for name, _ in tower.named_parameters() if name.startswith("image_projection")]
    assert torch.equal(tower.get_buffer("mean"), before["mean"])
    moved = [name for name, value in tower.named_parameters() if not torch.equal(value, before[name])]
    assert len(moved) == len(list(tower.named_parameters()))


def test_the_loss_falls_and_equal_seeds_are_equal_runs():
    one, same, other = (trained(seed=seed, steps=25)[0] for seed in (1, 1, 2))
    assert one[-1] < 0.8 * one[0]
    assert one == same
    assert one != other


def test_every_caption_of_an_image_is_seen():
    pairs = readings()
    tower = build_tower(
        TextConfig(16, 1, 2, 24), TOKENIZER.vocabulary, moments(pairs), False, "infonce", CPU, 0
    )
    training = Training(tower, TOKENIZER, pairs, Recipe(8, 12, 1e-3, 0.0, "infonce", 0), CPU)
    seen = {
        tuple(row) for step in range(8) for part in training._inputs(step) for row in part.tokens.tolist()
    }
    lengths = {sum(token < 256 for token in row) for row in seen}
    assert {len(word.encode()) for word in WORDS} | {len(f"the {w} one".encode()) for w in WORDS} <= lengths


def test_readings_are_standardised_and_a_number_that_never_changes_stays():
    pairs = readings(width=8)
    pairs.table[:, 7] = 5
    mean, spread = moments(pairs)
    again = (pairs.rows(slice(None)) - mean) / spread
    assert torch.allclose(again.mean(0), torch.zeros(8), atol=1e-2)
    assert torch.allclose(again[:, :6].std(0, correction=0), torch.ones(6), atol=1e-2)
    assert spread[7] == 1.0


@pytest.mark.parametrize(("steps", "warm"), [(5000, 150), (100, 3), (1, 1)])
def test_the_rate_rises_over_three_per_cent_of_the_steps_and_falls_to_nothing(steps, warm):
    config = optim_config(Recipe(steps, 8, 1e-3, 0.01, "infonce", 0))
    assert config.warmup_steps == warm
    assert Schedules(config, steps).learning_rate(steps) == 0.0
