"""The real runs' bookkeeping: parts that become one set, stages that are done once, answers rated by each benchmark's rule."""

from __future__ import annotations

import json

import pytest
from webssl_eval.suites.vqa.questions import load_questions
from webssl_trainer.data.pack import PackItem, shard_bytes
from webssl_trainer.storage import open_storage

from benchmarks.eval import real_runs, real_sets

STORAGE = open_storage()


def write_part(folder, part, benchmark, counts):
    """A part with questions 0, 1, ... about one picture a split."""
    place = folder / part
    (place / "images" / "train").mkdir(parents=True)
    (place / "images" / "train" / "000000.tar").write_bytes(shard_bytes([PackItem("p", b"picture", "png")]))
    (place / "benchmarks" / benchmark).mkdir(parents=True)
    (place / "benchmarks" / benchmark / "p.png").write_bytes(b"picture")
    images = {"train": "images/train/000000.tar#p.png", "test": f"benchmarks/{benchmark}/p.png"}
    for split, count in zip(("train", "test"), counts, strict=True):
        lines = [
            {"id": f"{number}", "image": images[split], "question": "what?", "answer": part, "type": "any"}
            for number in range(count)
        ]
        (place / f"{split}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_questions_of_the_parts_take_turns_and_their_pictures_are_found(tmp_path):
    for part, benchmark, counts in (
        ("charts", "chartqa", (3, 1)),
        ("documents", "docvqa", (1, 2)),
        ("words", "ocrbench", (2, 1)),
    ):
        write_part(tmp_path, part, benchmark, counts)
    real_sets._join(tmp_path)
    pages = tmp_path / "pages"
    train = load_questions(STORAGE, f"{pages.as_uri()}/train.jsonl").questions
    assert [question.kind for question in train] == [
        "charts",
        "documents",
        "words",
        "charts",
        "words",
        "charts",
    ]
    test = load_questions(STORAGE, f"{pages.as_uri()}/test.jsonl").questions
    for question in (*train, *test):
        assert STORAGE.exists(question.image.url)
    assert len({question.id for question in test}) == 4


def test_a_stage_is_done_once_for_its_settings_and_again_for_others(tmp_path):
    calls = []

    def work():
        calls.append(1)
        return {"value": len(calls)}

    for settings, value in (({"steps": 1}, 1), ({"steps": 1}, 1), ({"steps": 2}, 2), ({"steps": 2}, 2)):
        found = real_runs.Stages(tmp_path).done("stage", settings, work)
        assert found["value"] == value
        assert found["seconds"].keys() == {"wall", "cpu"}


def test_a_stage_that_broke_off_leaves_nothing(tmp_path):
    def work():
        raise KeyboardInterrupt

    stages = real_runs.Stages(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        stages.done("stage", {}, work)
    assert stages.done("stage", {}, lambda: {"value": 1})["value"] == 1


def test_answers_are_rated_by_the_rule_of_their_benchmark(tmp_path):
    lines = [
        {"id": "c1", "type": "charts", "reference": "100", "answer": "96", "blind": "90"},
        {"id": "c2", "type": "charts", "reference": "Yes", "answer": "yes", "blind": "No"},
        {"id": "c3", "type": "charts", "reference": "Yes", "answer": "No", "blind": "No"},
        {"id": "d1", "type": "documents", "reference": "licence", "answer": "license", "blind": "x"},
        {"id": "w1", "type": "words", "reference": "alpha", "answer": "It says ALPHA.", "blind": "beta"},
    ]
    (tmp_path / "predictions.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    found = real_runs.by_rule(STORAGE, tmp_path.as_uri())
    assert found["chartqa"] == {"questions": 3, "seen": 66.67, "blind": 0.0, "prior": 66.67}
    assert found["docvqa"] == {"questions": 1, "seen": 85.71, "blind": 0.0, "prior": 100.0}
    assert found["ocrbench"] == {"questions": 1, "seen": 100.0, "blind": 0.0, "prior": 100.0}


def test_pages_are_asked_with_the_benchmarks_and_shapes_without(tmp_path):
    from webssl_api.evaluation import SuiteSpec

    pages, shapes = (real_runs.suite_settings(name, 3, tmp_path) for name in ("pages", "shapes"))
    assert pages["benchmarks"]["only"] == ["chartqa", "docvqa", "ocrbench"]
    assert "benchmarks" not in shapes
    for settings in (pages, shapes):
        suite = SuiteSpec.model_validate({"name": "vqa", "vqa": settings}).vqa
        assert suite is not None
        assert suite.seed == 3
        assert suite.stage2 is not None
