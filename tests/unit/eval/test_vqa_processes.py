"""Tuning in several processes of one machine, under the trainer's launcher: the weights of one process."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from webssl_api.evaluation_vqa import VqaSuite
from webssl_eval.suites.vqa import answerer, processes
from webssl_eval.suites.vqa.suite import VisualQuestions
from webssl_trainer.errors import UserError

from tests.unit.eval.tunings import encoder_at, kept_place, weights_of


@pytest.fixture
def spec(questions, language_model):
    def make(**changes) -> VqaSuite:
        return VqaSuite(
            train=questions("train", 12),
            test=questions("test", 4),
            language_model=str(language_model),
            **{"visual_tokens": 4, "steps": 3, "batch_size": 6, "learning_rate": 0.02, **changes},
            stage2={"steps": 3, "batch_size": 6, "learning_rate": 0.01},
        )

    return make


def equal(one, two) -> bool:
    """Equal but for the order of sums; AdamW makes more of it where gradients are tiny."""
    return all(
        a.keys() == b.keys()
        and all(torch.allclose(a[name], b[name], atol=1e-4 if name == "losses" else 2e-3) for name in a)
        for a, b in zip(one, two, strict=True)
    )


def sharded(order, count):
    """The order with a language model that is cut over the processes, small as it is."""
    return processes.run_together(replace(order, course=replace(order.course, shard_above=0)), count)


def test_two_processes_give_the_losses_and_weights_of_one_copied_or_sharded(
    spec, encoder, tmp_path, monkeypatch
):
    one = kept_place(tmp_path, name="one")
    VisualQuestions(spec()).run(encoder, one)
    wanted = weights_of(one)
    for name, run in (("copied", processes.run_together), ("sharded", sharded)):
        monkeypatch.setattr(answerer, "run_together", run)
        two = kept_place(tmp_path, processes=2, name=name)
        VisualQuestions(spec()).run(encoder, two)
        assert equal(wanted, weights_of(two)), name


def dying_once(folder: Path, _resolution: int | None, device: torch.device):
    """Makes the encoder, but for the first process that asks: that one is killed."""
    with suppress(FileExistsError):
        (folder / "died").mkdir()
        os.kill(os.getpid(), signal.SIGKILL)
    return encoder_at(None, device)


def test_a_process_that_is_killed_costs_its_round_alone(spec, encoder, tmp_path):
    one, two = kept_place(tmp_path, name="one"), kept_place(tmp_path, processes=2, name="two")
    VisualQuestions(spec(steps=2)).run(encoder, one)
    kept = replace(two.kept, encoder_at=partial(dying_once, tmp_path))
    VisualQuestions(spec(steps=2)).run(encoder, replace(two, kept=kept))
    assert (tmp_path / "died").is_dir()
    assert equal(weights_of(one), weights_of(two))


def test_a_mistake_of_the_user_is_told_as_one(spec, encoder, tmp_path):
    with pytest.raises(UserError, match="batchSize 1 is smaller than the 2 processes"):
        VisualQuestions(spec(batch_size=1)).run(encoder, kept_place(tmp_path, processes=2))
