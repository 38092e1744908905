"""The vqa suite with published benchmarks: stored answers, scores, partial means, shards, and what is refused at the start."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner
from webssl_api.evaluation_vqa import VqaBenchmarks, VqaSuite
from webssl_cli.main import make_app
from webssl_eval.benchmarks.averages import Averages, Mean
from webssl_eval.benchmarks.predictions import (
    Prediction,
    ReferenceLine,
    collected,
    kept_references,
    parsed,
    written,
)
from webssl_eval.benchmarks.registry import BENCHMARKS, by_name
from webssl_eval.benchmarks.scoring import means, score
from webssl_eval.benchmarks.summary import numbers
from webssl_eval.encoders import Features
from webssl_eval.suites.vqa import answerer, benchmark_sets
from webssl_eval.suites.vqa.benchmark_sets import Asked, read_benchmarks, scored, shard_of
from webssl_eval.suites.vqa.suite import VisualQuestions
from webssl_trainer.errors import UserError

from tests.unit.eval.benchmarks.published import WRITERS, write_mmvp

NAMES = ("mme-p", "gqa", "mmvp")


@pytest.fixture
def data(tmp_path):
    """A folder with a few tiny benchmarks in their published layouts."""
    root = tmp_path / "sets"
    for name in NAMES:
        WRITERS[name](root / name, 10)
    return root


@pytest.fixture
def spec(questions, chat_model, data):
    def make(benchmarks=None, **changes):
        return VqaSuite(
            train=questions("train", 8),
            test=questions("test", 4),
            **{"language_model": str(chat_model), "visual_tokens": 4, "steps": 2, "batch_size": 4, **changes},
            benchmarks=VqaBenchmarks(**{"data": data.as_uri(), "only": list(NAMES), **(benchmarks or {})}),
        )

    return make


@pytest.fixture
def short(monkeypatch):
    """Answers of a few words: the model with random weights writes until it is stopped."""
    cut = [replace(benchmark, new_tokens=4) for benchmark in BENCHMARKS]
    monkeypatch.setattr(
        benchmark_sets, "named", lambda names: tuple(b for b in cut if not names or b.name in names)
    )


def lines_of(outcome):
    return list(parsed(outcome.files["benchmarks/predictions.jsonl"], "predictions.jsonl", Prediction))


def test_all_questions_are_answered_and_stored_so_that_the_scores_can_be_computed_again(
    spec, place, encoder, short
):
    outcome = VisualQuestions(spec()).run(encoder, place)
    answers = collected(lines_of(outcome), by_name())
    references = kept_references(
        parsed(outcome.files["benchmarks/references.jsonl"], "references.jsonl", ReferenceLine), by_name()
    )
    assert tuple(answers) == NAMES
    again = [score(by_name()[name], references[name], answers[name]) for name in NAMES]
    table = numbers(again, means(again, BENCHMARKS))
    assert table.items() <= dict(outcome.scores).items()
    assert outcome.details["benchmarkQuestions"] == sum(map(len, references.values())) == 40
    stored = json.loads(outcome.files["benchmarks/scores.json"])
    assert list(stored["benchmarks"]) == list(NAMES)
    assert stored["means"]["Average"]["label"].startswith("partial: 3 of 16 benchmarks")
    # What the suite reported without benchmarks stands there too.
    assert {"accuracy", "prior", "blind"} <= set(outcome.scores)
    assert len(outcome.predictions) == outcome.questions == 4


def test_stored_shards_are_scored_together_by_the_command(spec, place, encoder, short, tmp_path):
    files = []
    for number in range(2):
        outcome = VisualQuestions(spec({"shards": 2, "shard": number})).run(encoder, place)
        for name, data in outcome.files.items():
            place.storage.put(f"{(tmp_path / 'eval' / str(number)).as_uri()}/{name}", data)
        files.append(str(tmp_path / "eval" / str(number) / "benchmarks" / "predictions.jsonl"))
    result = CliRunner().invoke(make_app(with_cluster=False), ["eval", "score", *files, "--json"])
    assert result.exit_code == 0, result.output
    whole = VisualQuestions(spec()).run(encoder, place)
    assert json.loads(result.output) == json.loads(whole.files["benchmarks/scores.json"])


def test_numbers_over_fewer_questions_or_benchmarks_say_that_they_are_partial(spec, place, encoder, short):
    scores = VisualQuestions(spec({"only": ["mmvp"]})).run(encoder, place).scores
    assert {"mmvp_partial", "category_vision_centric_partial", "average_partial"} <= set(scores)
    assert "average" not in scores
    assert not any(name.startswith("category_general") for name in scores)


def test_whole_means_have_plain_names():
    assert numbers([], Averages({}, Mean(50.0, 16, 16))) == {"average": 50.0}


class Counted:
    """An encoder that counts the views it encodes."""

    def __init__(self, encoder):
        self._encoder, self.views = encoder, 0

    def encode(self, images):
        self.views += len(images)
        return self._encoder.encode(images)

    def __getattr__(self, name):
        return getattr(self._encoder, name)


def test_each_distinct_picture_is_encoded_once(spec, place, encoder, short):
    counted = Counted(encoder)
    outcome = VisualQuestions(spec({"only": ["mme-p"]})).run(counted, place)
    blank, colours_of_training, colours_of_test = (
        2,
        4,
        4,
    )  # one blank view before tuning, one in the process that tunes
    assert outcome.details["benchmarkImages"] == 10  # two questions about each
    assert counted.views == blank + colours_of_training + colours_of_test + 10


def test_equal_runs_give_equal_predictions_and_scratch_is_left_as_it_was(spec, place, encoder, short):
    files = [VisualQuestions(spec()).run(encoder, place).files for _ in range(2)]
    assert files[0] == files[1]
    assert list(place.scratch.iterdir()) == []


@given(st.integers(0, 50), st.integers(1, 9))
def test_shards_are_neighbours_and_make_the_whole(count, shards):
    questions = list(range(count))
    parts = [shard_of(questions, number, shards) for number in range(shards)]
    assert [question for part in parts for question in part] == questions
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert all(b == a + 1 for part in parts for a, b in pairwise(part))


def test_answers_of_shards_merge_to_those_of_one_pod(spec, place, encoder, short):
    whole = VisualQuestions(spec()).run(encoder, place)
    parts = [VisualQuestions(spec({"shards": 3, "shard": number})).run(encoder, place) for number in range(3)]
    merged = collected([line for part in reversed(parts) for line in lines_of(part)], by_name())
    assert merged == collected(lines_of(whole), by_name())


def test_a_shard_keeps_the_references_of_all_questions_for_the_merge_but_is_scored_over_its_own(
    data, storage
):
    (item,) = read_benchmarks(storage, VqaBenchmarks(data=data.as_uri(), only=["mmvp"], shards=5, shard=1))
    assert (len(item.questions), len(item.all)) == (2, 10)
    answers = scored([item], [[question.reference.answers[0] for question in item.questions]], 0)
    kept = list(parsed(answers.files["benchmarks/references.jsonl"], "r", ReferenceLine))
    assert len(kept) == 10
    assert answers.scores["mmvp_partial"] == 100.0


def test_missing_files_are_named_before_anything_is_computed(spec, place):
    with pytest.raises(UserError, match=r"docvqa: 1 problem in its files:\n.*no file .* there; copy"):
        VisualQuestions(spec({"only": ["docvqa"]})).data_digest(place)


def test_an_unknown_benchmark_is_named_with_the_known_ones(spec, place):
    with pytest.raises(
        UserError, match=r"suites\.vqa\.benchmarks\.only: .*'vqav2' is unknown; use one of mme-p"
    ):
        VisualQuestions(spec({"only": ["vqav2"]})).data_digest(place)


def never(*_, **__):
    pytest.fail("the projector was tuned")


def test_a_language_model_without_a_chat_template_is_asked_in_plain_words(
    spec, place, encoder, language_model, short
):
    outcome = VisualQuestions(spec({"only": ["mmvp"]}, language_model=str(language_model))).run(
        encoder, place
    )
    assert outcome.details["benchmarkQuestions"] == 10


def test_unreadable_pictures_are_named_before_training(spec, place, encoder, data, monkeypatch):
    monkeypatch.setattr(answerer, "_tune_stage", never)
    write_mmvp(data / "mmvp", 10)
    (data / "mmvp" / "MMVP Images" / "3.jpg").write_bytes(b"junk")
    with pytest.raises(UserError, match=r"mmvp: 1 of its pictures can not be read:\n.*3\.jpg is unreadable"):
        VisualQuestions(spec()).run(encoder, place)


class Oblong(Counted):
    """An encoder with two rows of three patches."""

    name = "oblong"

    def encode(self, images):
        return Features(torch.zeros(len(images), 24), torch.zeros(len(images), 2, 3, 24))

    def prepare(self, pixels):
        return np.zeros((3, 28, 42), dtype=np.float32)


def test_a_patch_grid_that_is_not_square_is_named_before_training(spec, place, encoder, monkeypatch):
    monkeypatch.setattr(answerer, "_tune_stage", never)
    with pytest.raises(UserError, match="encoder oblong has a grid of 2 x 3 patches, which is not square"):
        VisualQuestions(spec()).run(Oblong(encoder), place)


def test_the_data_digest_covers_the_questions_of_the_benchmarks(spec, place, data):
    before = VisualQuestions(spec()).data_digest(place)
    assert VisualQuestions(spec()).data_digest(place) == before
    write_mmvp(data / "mmvp", 12)
    assert VisualQuestions(spec()).data_digest(place) != before
    assert VisualQuestions(spec({"only": ["gqa"]})).data_digest(place) != before


def test_lines_of_answers_are_those_of_the_questions(data, storage):
    asked = read_benchmarks(storage, VqaBenchmarks(data=data.as_uri(), only=["mmvp"]))
    answers = scored(asked, [["(a)"] * 10], 5)
    assert answers.files["benchmarks/predictions.jsonl"] == written(
        Prediction(benchmark="mmvp", version=1, id=question.id, text="(a)") for question in asked[0].questions
    )
    assert isinstance(asked[0], Asked)
