"""One suite over several pods: parts in any order, pods that die between their part and the merge, and a result like one pod's."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_api import env
from webssl_api.evaluation import SuiteSpec
from webssl_eval import job
from webssl_eval.encoders.vit import random_encoder
from webssl_eval.job import scores_of
from webssl_eval.merging.part import WHOLE, Part
from webssl_eval.merging.stored import part_folder
from webssl_eval.results import folder_of, known_scores
from webssl_eval.settings import Settings, part_of
from webssl_eval.suites.interface import Outcome, Workplace
from webssl_eval.suites.vqa.suite import VisualQuestions
from webssl_trainer.errors import UserError
from webssl_trainer.model import vit_config
from webssl_trainer.storage import FsspecStorage

from tests.unit.eval.small_job import run_of
from tests.unit.eval.test_vqa_benchmarks import data, short, spec

__all__ = ["data", "short", "spec"]
STORAGE = FsspecStorage()
NOW = "2026-01-01T00:00:00Z"
ENCODER = random_encoder(vit_config("tiny", patch_size=14, image_size=28), 28, 7, torch.device("cpu"))


@dataclass
class Numbers:
    """A suite whose questions are the numbers below `count`, and whose score is their mean. It counts its answers."""

    count: int
    answered: list[int]
    kind: str = "numbers"
    version: int = 1
    resolution: int | None = None
    data: str = "data"

    def data_digest(self, place: Workplace) -> str:
        return self.data

    def run(self, encoder: object, place: Workplace) -> Outcome:
        mine = place.part.of(range(self.count))
        self.answered += mine
        return self._outcome(mine)

    def merge(self, parts, place: Workplace) -> Outcome:
        return self._outcome([line["number"] for part in parts for line in part.predictions])

    def _outcome(self, numbers) -> Outcome:
        mean = sum(numbers) / len(numbers) if numbers else 0.0
        return Outcome(
            {"mean": mean},
            len(numbers),
            [{"number": number} for number in numbers],
            files={"table/sum.txt": str(sum(numbers)).encode()},
        )


def pod(root: Path, part: Part) -> tuple[Settings, Workplace]:
    folder = f"{root.as_uri()}/checkpoints/attempt-00000001-0a0b0c0d/step-000000000002"
    run = run_of(root)
    asked = Settings(run, run.spec.evaluation.suites[0], folder, "d" * 64, "", root / "scratch", part)
    return asked, Workplace(STORAGE, root / "scratch", torch.device("cpu"), lambda *_: None, part=part)


def evaluated(root: Path, part: Part):
    asked, place = pod(root, part)
    return scores_of(asked, lambda _: ENCODER, place, NOW)


@given(count=st.integers(0, 60), pods=st.integers(1, 9))
def test_parts_cover_every_question_once_in_order_and_differ_by_one(count: int, pods: int) -> None:
    parts = [Part(number, pods).of(range(count)) for number in range(pods)]
    assert [item for part in parts for item in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@settings(max_examples=25, deadline=None)
@given(pods=st.integers(2, 4), moves=st.data())
def test_the_pod_that_finds_all_parts_merges_whatever_the_order_and_whoever_dies(
    tmp_path_factory, pods: int, moves
) -> None:
    """A pod that dies between its part and the merge is one whose look at the parts never happens."""
    root = tmp_path_factory.mktemp("parts")
    suite = Numbers(11, [])
    order = moves.draw(st.permutations(range(pods)))
    dying = moves.draw(st.sets(st.integers(0, pods - 1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "suite_for", lambda _: suite)
        look = job.all_parts
        for number in order:
            if number in dying:
                patch.setattr(job, "all_parts", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
                with pytest.raises(RuntimeError, match="killed"):
                    evaluated(root, Part(number, pods))
                patch.setattr(job, "all_parts", look)
            else:
                evaluated(root, Part(number, pods))
        found = [evaluated(root, Part(number, pods)) for number in sorted(dying)]
        assert sorted(suite.answered) == list(range(11)), "nothing is answered twice"
        folder = folder_of(pod(root, WHOLE)[0].checkpoint_uri, "knn")
        merged = known_scores(STORAGE, folder)
        assert merged is not None
        assert all(one is None or one.report == merged.report for one in found)
        assert (merged.report.scores, merged.report.questions) == ({"mean": 5.0}, 11)
        assert STORAGE.read(f"{folder}/table/sum.txt") == b"55"
        assert evaluated(root, WHOLE) == merged, "one pod need not answer again what several have"


def test_parts_of_other_settings_or_data_are_not_merged(tmp_path, monkeypatch) -> None:
    suite = Numbers(4, [])
    monkeypatch.setattr(job, "suite_for", lambda _: suite)
    assert evaluated(tmp_path, Part(0, 2)) is None
    suite.data = "other data"
    assert evaluated(tmp_path, Part(1, 2)) is None
    assert evaluated(tmp_path, Part(0, 2)) is not None
    assert suite.answered == [0, 1, 2, 3, 0, 1]


def test_a_suite_that_cannot_be_divided_says_so(tmp_path) -> None:
    (tmp_path / "labelled").mkdir()
    asked, place = pod(tmp_path, Part(0, 2))

    class Whole:
        kind, version, resolution = "whole", 1, None

        def data_digest(self, place):
            return "d"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "suite_for", lambda _: Whole())
        with pytest.raises(UserError, match="a whole suite cannot be shared by 2 pods"):
            scores_of(asked, lambda _: ENCODER, place, NOW)


def test_three_pods_leave_the_scores_and_files_that_one_pod_leaves(
    spec, place, encoder, short, tmp_path
) -> None:
    def through(name: str, count: int):
        suite = SuiteSpec(vqa=spec(benchmarks={"pods": count}))
        asked, _ = pod(tmp_path / name, WHOLE)
        asked = replace(asked, suite=suite)
        for number in range(count):
            part = Part(number, count) if count > 1 else WHOLE
            found = scores_of(asked, lambda _: encoder, replace(place, part=part), NOW)
        assert found is not None
        return found, folder_of(asked.checkpoint_uri, "vqa")

    one, alone = through("one", 1)
    three, together = through("three", 3)
    assert three.report.scores == one.report.scores
    assert three.identity == one.identity, "the number of pods is no part of what scores belong to"
    for name in (
        "predictions.jsonl",
        *(f"benchmarks/{file}" for file in ("predictions.jsonl", "references.jsonl")),
    ):
        assert STORAGE.read(f"{together}/{name}") == STORAGE.read(f"{alone}/{name}")
    assert json.loads(STORAGE.read(f"{together}/benchmarks/scores.json")) == json.loads(
        STORAGE.read(f"{alone}/benchmarks/scores.json")
    )


def test_a_part_that_answers_too_little_is_no_silent_loss(spec, place, encoder, short, tmp_path) -> None:
    suite = VisualQuestions(spec())
    parts = [suite.run(encoder, replace(place, part=Part(number, 2))) for number in range(2)]
    lost = {name: data.split(b"\n", 1)[1] for name, data in parts[1].files.items()}
    with pytest.raises(UserError, match=r"the parts answer \d+ of \d+ questions; delete the suite's folder"):
        suite.merge([parts[0], replace(parts[1], files=lost)], place)


@pytest.mark.parametrize(
    ("environment", "part"),
    [
        ({}, WHOLE),
        ({env.COMPLETION_INDEX: "0"}, WHOLE),
        ({env.PARTS: "4", env.COMPLETION_INDEX: "3"}, Part(3, 4)),
        ({env.PARTS: "1", env.COMPLETION_INDEX: "0"}, WHOLE),
    ],
)
def test_the_operator_and_kubernetes_say_which_part_a_pod_answers(environment, part) -> None:
    assert part_of(environment) == part


@pytest.mark.parametrize("number", ["4", "-1", "x"])
def test_an_index_beyond_the_parts_is_refused(number) -> None:
    with pytest.raises(UserError, match=rf"JOB_COMPLETION_INDEX={number} of WEBSSL_PARTS=4 is no part"):
        part_of({env.PARTS: "4", env.COMPLETION_INDEX: number})


def test_parts_lie_apart_from_results_of_another_number_of_pods() -> None:
    assert part_folder("s3://x/eval/vqa", Part(1, 4)) == "s3://x/eval/vqa/parts/001-of-004"
