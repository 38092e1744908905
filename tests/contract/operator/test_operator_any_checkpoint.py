"""Evaluations of any checkpoint, on a real Job controller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from webssl_api import labels
from webssl_api.evaluation_object import EVALUATION, EvaluationPhase
from webssl_api.evaluation_orders import ORDERS_KEY, EvaluationOrders, HeldCheckpoint
from webssl_api.evaluation_status import HoldPhase
from webssl_api.reports import REPORT_KEY, EvaluationReport, TrainingReport
from webssl_api.run import GROUP, VERSION
from webssl_api.status import CheckpointStatus

from tests.contract.operator.lab import Lab
from tests.contract.operator.test_operator_kinds import create, evaluation_until, reasons, run_pods
from tests.manifests.valid import valid_evaluation

DIGEST = "0123456789ab" + "c" * 52


def jobs_of_suite(lab: Lab, suite: str) -> list[str]:
    selector = f"{EVALUATION.label}=imported,{labels.SUITE}={suite}"
    return [
        job.metadata.name
        for job in lab.batch.list_namespaced_job(lab.namespace, label_selector=selector).items
    ]


def pod_of_suite(lab: Lab, suite: str) -> tuple[str, Any]:
    """The one Job of a suite, and its pod, which runs."""
    (job,) = lab.until(f"Job of {suite}", lambda: jobs_of_suite(lab, suite), lambda seen: len(seen) == 1)
    (pod,) = run_pods(lab, EVALUATION, "imported", job, 1)
    return job, pod


def score(lab: Lab, suite: str, score: float) -> None:
    """What the pod of a suite does."""
    _, pod = pod_of_suite(lab, suite)
    said = EvaluationReport(
        suite=suite, kind="knn", checkpoint_digest=DIGEST, scores={"top1": score}, questions=9
    )
    name = labels.evaluation_name(labels.evaluation_object_name("imported"), suite)
    body = {"data": {REPORT_KEY: said.model_dump_json(by_alias=True)}}
    lab.core.patch_namespaced_config_map(name, lab.namespace, body)
    lab.end(pod, 0)


def test_a_checkpoint_is_scored_and_a_suite_that_is_added_later_too(lab: Lab) -> None:
    create(lab, EVALUATION, valid_evaluation())
    score(lab, "knn", 61.5)
    status = evaluation_until(lab, "success", lambda s: s.phase is EvaluationPhase.SUCCEEDED)
    assert (status.summary, status.checkpoint_digest) == ("1/1", DIGEST)
    assert status.suites[0].scores == {"top1": 61.5}
    suites = [
        *valid_evaluation()["spec"]["suites"],
        {"name": "other"} | valid_evaluation()["spec"]["suites"][0],
    ]
    lab.objects.patch_namespaced_custom_object(
        GROUP, VERSION, lab.namespace, EVALUATION.plural, "imported", {"spec": {"suites": suites}}
    )
    score(lab, "other", 62.5)
    status = evaluation_until(lab, "success", lambda s: s.summary == "2/2")
    assert [suite.scores["top1"] for suite in status.suites] == [61.5, 62.5]


def test_a_failed_suite_is_tried_anew_once_for_each_request(lab: Lab) -> None:
    (knn,) = valid_evaluation()["spec"]["suites"]
    create(lab, EVALUATION, valid_evaluation(), suites=[knn, {"name": "bad"} | knn])
    score(lab, "knn", 61.5)
    first, pod = pod_of_suite(lab, "bad")
    lab.end(pod, 78, "spec.suites.bad.train: no such bucket")
    evaluation_until(lab, "failure", lambda s: s.phase is EvaluationPhase.FAILED)
    body = {"metadata": {"annotations": {labels.RETRY: "1"}}}
    lab.objects.patch_namespaced_custom_object(
        GROUP, VERSION, lab.namespace, EVALUATION.plural, "imported", body
    )
    evaluation_until(lab, "the request to be taken up", lambda s: s.retry_request == "1")
    second = lab.until(
        "another Job", lambda: jobs_of_suite(lab, "bad"), lambda seen: seen and seen[0] != first
    )
    score(lab, "bad", 62.5)
    status = evaluation_until(lab, "success", lambda s: s.phase is EvaluationPhase.SUCCEEDED)
    assert [suite.scores["top1"] for suite in status.suites] == [61.5, 62.5]
    assert jobs_of_suite(lab, "bad") == second
    assert "EvaluationRetried" in lab.until(
        "event", lambda: reasons(lab, EVALUATION), lambda seen: "Succeeded" in seen
    )


def test_an_evaluation_waits_for_the_run_that_it_names(lab: Lab) -> None:
    create(lab, EVALUATION, valid_evaluation(), run={"name": "r"}, encoder=None, storage=None)
    status = evaluation_until(lab, "condition", lambda s: bool(s.conditions))
    assert (status.conditions[0].reason, status.phase) == ("NoSuchRun", EvaluationPhase.PENDING)
    lab.apply("r")
    status = evaluation_until(lab, "encoder", lambda s: s.encoder is not None)
    assert status.encoder is not None
    assert status.encoder.size.value == "tiny"
    score(lab, "knn", 61.5)
    evaluation_until(lab, "success", lambda s: s.phase is EvaluationPhase.SUCCEEDED)


FOLDER = "s3://runs/small/checkpoints/attempt-00000001-0a0b0c0d/step-000000000012"


class Training:
    """The run `r`, with the test in the place of its trainer."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.step = lab, 12
        lab.apply("r")
        lab.start("r")
        lab.until_status("r", "workers", lambda s: bool(s.workers.running))

    def orders(self) -> EvaluationOrders:
        return EvaluationOrders.model_validate_json(self.lab.config_map("r-run").data.get(ORDERS_KEY, "{}"))

    def tell(self, *holds: HeldCheckpoint) -> None:
        self.step += 1
        self.lab.report("r", TrainingReport(attempt=1, step=self.step, held_checkpoints=list(holds)))

    def held(self, request: str) -> HeldCheckpoint:
        checkpoint = CheckpointStatus(uri=FOLDER, digest=DIGEST, step=12, samples=384, attempt=1)
        return HeldCheckpoint(checkpoint=checkpoint, request=request)

    def until_orders(self, what: str, fits: Callable[[EvaluationOrders], bool]) -> EvaluationOrders:
        """The trainer reports all the time, and so the operator looks at the run."""

        def look() -> EvaluationOrders:
            self.tell()
            return self.orders()

        return self.lab.until(what, look, fits)


def test_a_training_run_keeps_a_checkpoint_while_an_evaluation_reads_it(lab: Lab) -> None:
    run = Training(lab)
    create(lab, EVALUATION, valid_evaluation(), checkpoint={"uri": FOLDER}, run={"name": "r"}, encoder=None)
    status = evaluation_until(lab, "the wait", lambda s: "waits for the trainer of run r" in s.message)
    assert status.phase is EvaluationPhase.PENDING
    assert jobs_of_suite(lab, "knn") == []
    asked = run.until_orders("the request", lambda seen: seen.request.startswith("12@evaluation/imported/"))
    run.tell(run.held(asked.request))
    evaluation_until(
        lab, "the hold", lambda s: ("CheckpointHeld", "True") in [(c.type, c.status) for c in s.conditions]
    )
    ordered = lab.until("the digest", run.orders, lambda seen: not seen.request)
    assert [one.digest for one in ordered.scoring] == [DIGEST]
    score(lab, "knn", 61.5)
    evaluation_until(lab, "success", lambda s: s.phase is EvaluationPhase.SUCCEEDED)
    run.until_orders("the end of the hold", lambda seen: seen.scoring == [])


def test_a_deleted_evaluation_leaves_no_hold(lab: Lab) -> None:
    run = Training(lab)
    checkpoint = {"uri": FOLDER, "digest": DIGEST}
    create(lab, EVALUATION, valid_evaluation(), checkpoint=checkpoint)
    ordered = run.until_orders("the hold", lambda seen: bool(seen.scoring))
    run.tell(run.held(ordered.scoring[0].request))
    lab.until_status("r", "held", lambda s: [hold.phase for hold in s.holds] == [HoldPhase.HELD])
    lab.objects.delete_namespaced_custom_object(GROUP, VERSION, lab.namespace, EVALUATION.plural, "imported")
    run.until_orders("the end of the hold", lambda seen: seen.scoring == [])
    lab.until_status("r", "no hold", lambda s: s.holds == [])
