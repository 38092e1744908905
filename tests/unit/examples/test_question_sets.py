"""The three sets with pictures: what is written is read by the suite's and the benchmarks' own loaders, and splits share nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from webssl_cli.examples.charts import build as charts
from webssl_cli.examples.documents import build as documents
from webssl_cli.examples.words import build as words
from webssl_eval.benchmarks import checking
from webssl_eval.benchmarks.benchmark import Benchmark
from webssl_eval.benchmarks.registry import by_name
from webssl_eval.images import locate
from webssl_eval.suites.vqa.questions import first_places, load_questions
from webssl_trainer.storage import join, open_storage

STORAGE = open_storage()


@dataclass(frozen=True)
class Made:
    """A set that was written. source: what of a picture's key no two splits may share."""

    uri: str
    benchmark: Benchmark
    source: Callable[[str], str]


@pytest.fixture(scope="session", params=["chartqa", "docvqa", "ocrbench"])
def made(request, cache, tmp_path_factory) -> Made:
    uri = tmp_path_factory.mktemp(request.param).as_uri()
    write(request.param, cache, uri)
    sources = {
        "chartqa": lambda key: key.rpartition("-")[0],
        "docvqa": str,
        "ocrbench": lambda key: key.rpartition("-")[2],
    }
    return Made(uri, by_name()[request.param], sources[request.param])


def write(name: str, cache: Path, uri: str, seed: int = 0) -> None:
    """The set, with few words and drawings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "EACH", 6)
        patch.setattr(charts, "DRAWINGS", 1)
        builds = {"chartqa": charts.build, "docvqa": documents.build, "ocrbench": words.build}
        builds[name](cache, STORAGE, uri, lambda *_: None, seed=seed)


def test_the_benchmarks_own_loader_finds_nothing_wrong_and_every_picture(made):
    found = checking.check(STORAGE, join(made.uri, "benchmarks"), made.benchmark, images=True)
    assert found.problems == ()
    assert found.questions == len(load_questions(STORAGE, join(made.uri, "test.jsonl")).questions) > 10


def test_references_and_held_out_questions_are_the_same(made):
    held_out = load_questions(STORAGE, join(made.uri, "test.jsonl")).questions
    published = checking.questions(STORAGE, join(made.uri, "benchmarks"), made.benchmark)
    asked = {(q.text, q.reference.answers[0], str(q.pictures[0])) for q in published}
    assert asked == {(q.question.partition("\n")[0], q.answer, str(q.image)) for q in held_out}


def test_training_questions_are_asked_as_the_benchmark_asks(made):
    train = load_questions(STORAGE, join(made.uri, "train.jsonl")).questions
    published = checking.questions(STORAGE, join(made.uri, "benchmarks"), made.benchmark)
    (instruction,) = {made.benchmark.prompt(question)[-1] for question in published}
    assert {question.question.partition("\n")[2] for question in train} == {instruction}


def test_every_picture_that_a_training_question_names_is_in_the_shards(made):
    train = load_questions(STORAGE, join(made.uri, "train.jsonl")).questions
    assert len(locate(STORAGE, first_places(train))) == len({question.image for question in train})


def test_no_table_licence_or_word_is_in_both_splits(made):
    keys = []
    for split in ("train", "test"):
        lines = STORAGE.read(join(made.uri, f"{split}.jsonl")).decode().splitlines()
        keys.append({made.source(json.loads(line)["id"].rpartition("-")[0]) for line in lines})
    assert keys[0]
    assert keys[1]
    assert not keys[0] & keys[1]


def test_an_equal_seed_writes_equal_bytes_and_another_one_does_not(made, cache, tmp_path):
    for folder, seed in (("again", 0), ("other", 1)):
        write(made.benchmark.name, cache, (tmp_path / folder).as_uri(), seed)
    first = contents(made.uri)
    assert contents((tmp_path / "again").as_uri()) == first
    assert contents((tmp_path / "other").as_uri()) != first


def contents(uri: str) -> dict[str, bytes]:
    return {info.url.removeprefix(uri): STORAGE.read(info.url) for info in STORAGE.list_objects(uri)}
