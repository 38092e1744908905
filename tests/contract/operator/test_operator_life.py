"""A run's life on a real Job controller: start, loss, suspension, scaling, the end, and the scores."""

from __future__ import annotations

from typing import Any

from webssl_api import exit_codes, labels
from webssl_api.reports import EvaluationReport, TrainingReport, TrainingState
from webssl_api.status import CheckpointStatus, Phase

from tests.contract.operator.lab import Lab

FINAL = CheckpointStatus(uri="s3://runs/small/a1-s10", digest="d10", step=10, samples=320, attempt=1)


def _report(step: int, **fields: Any) -> TrainingReport:
    values: dict[str, Any] = {
        "attempt": 1,
        "state": TrainingState.TRAINING,
        "step": step,
        "samples": 32 * step,
    }
    return TrainingReport.model_validate(values | {"loss": 1.5, "images_per_second": 20.0} | fields)


def test_a_lost_worker_is_replaced_and_counted(lab: Lab) -> None:
    lab.apply("r")
    pods = lab.start("r")
    lab.until_status("r", "2/2", lambda s: s.workers.summary == "2/2" and s.phase is Phase.RUNNING)
    lab.end(pods[0], 1, "RuntimeError: NCCL timeout")
    status = lab.until_status("r", "restart", lambda s: s.restarts.total == 1)
    (record,) = status.restarts.recent
    assert (record.reason, record.counted, record.exit_code) == ("Error", True, 1)
    lab.start("r")
    lab.until_status("r", "2/2 again", lambda s: s.workers.summary == "2/2")
    assert "WorkerLost" in lab.until("event", lambda: lab.reasons("r"), lambda seen: "WorkerLost" in seen)


def test_a_worker_that_is_deleted_by_force_is_counted_but_not_held_against_the_run(lab: Lab) -> None:
    lab.apply("r")
    pods = lab.start("r")
    lab.until_status("r", "2/2", lambda s: s.workers.summary == "2/2")
    lab.remove(pods[1])
    lab.end(pods[1], 137)
    status = lab.until_status("r", "restart", lambda s: s.restarts.total == 1)
    assert status.restarts.counted == 0
    lab.until("replacement", lambda: lab.pods("r"), lambda seen: len(seen) == 2)


def test_a_worker_on_a_lost_node_is_buried_so_that_its_job_replaces_it(lab: Lab) -> None:
    lab.apply("r")
    pods = lab.until("pods", lambda: lab.pods("r"), lambda seen: len(seen) == 2)
    lab.core.create_node({"metadata": {"name": f"lost-{lab.namespace}"}})
    lab.bind(pods[0], f"lost-{lab.namespace}")
    lab.start("r")
    lab.until_status("r", "2/2", lambda s: s.workers.summary == "2/2")
    lab.core.delete_namespaced_pod(pods[0].metadata.name, lab.namespace)  # nobody on that node hears of it
    status = lab.until_status("r", "burial", lambda s: s.restarts.total == 1)
    assert (status.restarts.recent[0].reason, status.restarts.counted) == ("NodeLost", 0)
    lab.until("replacement", lambda: lab.pods("r"), lambda seen: len(seen) == 2)
    lab.core.delete_node(f"lost-{lab.namespace}")


def test_a_user_error_ends_the_run_with_the_last_lines_of_the_log(lab: Lab) -> None:
    lab.apply("r")
    pods = lab.start("r")
    lab.end(pods[0], exit_codes.USER_ERROR, "spec.data.source s3://x/0.tar: no such bucket: create it")
    status = lab.until_status("r", "failure", lambda s: s.phase is Phase.FAILED)
    assert "no such bucket: create it" in status.message
    assert status.restarts.total == 0


def test_suspending_stops_the_pods_and_resuming_starts_them_again(lab: Lab) -> None:
    lab.apply("r")
    lab.start("r")
    before = lab.job("r").metadata.uid
    lab.patch("r", {"suspend": True})
    lab.until_status("r", "suspension", lambda s: s.phase is Phase.SUSPENDED)
    lab.until("no pods", lambda: lab.pods("r"), lambda seen: not seen)
    lab.patch("r", {"suspend": False})
    lab.start("r")
    status = lab.until_status("r", "2/2", lambda s: s.workers.summary == "2/2")
    assert lab.job("r").metadata.uid == before
    assert status.restarts.total == 0


def test_scaling_changes_the_job_in_place(lab: Lab) -> None:
    lab.apply("r")
    lab.start("r")
    before = lab.job("r").metadata.uid
    body = {"spec": {"replicas": 1}}
    lab.objects.patch_namespaced_custom_object_scale(
        "webssl.dev", "v1alpha1", lab.namespace, "websslruns", "r", body
    )
    lab.until("one pod", lambda: lab.pods("r"), lambda seen: len(seen) == 1)
    job = lab.job("r")
    assert (job.metadata.uid, job.spec.parallelism, job.spec.completions) == (before, 1, 1)
    assert lab.status("r").restarts.total == 0


def test_a_changed_template_starts_new_pods(lab: Lab) -> None:
    lab.apply("r")
    lab.start("r")
    before = lab.job("r").metadata.uid
    lab.patch("r", {"workers": {"template": {"image": "example/trainer:2"}}})
    job = lab.until("new Job", lambda: lab.job("r"), lambda seen: seen.metadata.uid != before)
    assert job.spec.template.spec.containers[0].image == "example/trainer:2"
    assert lab.status("r").restarts.total == 0


def test_no_room_for_a_worker_shrinks_the_run(lab: Lab) -> None:
    workers = {"min": 1, "max": 2, "pendingGrace": "5s", "growInterval": "1h"}
    lab.apply("r", workers=workers)
    pods = lab.until("pods", lambda: lab.pods("r"), lambda seen: len(seen) == 2)
    name = f"room-{lab.namespace}"
    lab.core.create_node({"metadata": {"name": name}})
    lab.bind(pods[0], name)
    lab._set(pods[0], "Running", {"running": {}}, ready=True)
    status = lab.until_status("r", "shrinking", lambda s: s.shrunk is not None)
    assert status.shrunk is not None
    assert status.shrunk.workers == 1
    lab.until("one worker", lambda: lab.job("r").spec.parallelism, lambda seen: seen == 1)
    lab.until("its number", lambda: lab.config_map("r-rendezvous").data["workers"], lambda seen: seen == "1")
    lab.core.delete_node(name)


def test_the_end_of_training_is_evaluated_and_the_scores_stand_in_the_status(lab: Lab) -> None:
    lab.apply("r", suites=True)
    pods = lab.start("r")
    lab.report("r", _report(5))
    status = lab.until_status("r", "progress", lambda s: s.progress.step == 5)
    assert (status.progress.percent, status.progress.loss) == (50, 1.5)
    lab.report("r", _report(10, state=TrainingState.COMPLETED, last_checkpoint=FINAL))
    for pod in pods:
        lab.end(pod, 0)
    lab.until_status("r", "evaluation", lambda s: s.phase is Phase.EVALUATING and s.evaluation is not None)
    training = lab.job("r").metadata.uid
    for suite in ("knn", "vqa"):
        lab.evaluation_job("r", suite, "d10")

    def pod_of(suite: str) -> Any:
        found = lab.until(
            f"{suite} pod",
            lambda: [p for p in lab.pods("r", "evaluation") if p.metadata.labels[labels.SUITE] == suite],
            lambda seen: len(seen) == 1,
        )
        return found[0]

    # A suite whose pod is deleted is tried again, and nothing else.
    first = pod_of("knn")
    lab._set(first, "Running", {"running": {}}, ready=True)
    lab.remove(first)
    lab.end(first, 137)
    for suite in ("knn", "vqa"):
        scores = {"accuracy": 60.0, "prior": 10.0}
        report = EvaluationReport(
            suite=suite, kind=suite, checkpoint_digest="d10", scores=scores, questions=9
        )
        again = lab.until(
            suite, lambda suite=suite: pod_of(suite), lambda p: p.metadata.uid != first.metadata.uid
        )
        lab.report_evaluation("r", suite, report)
        lab.end(again, 0)
    status = lab.until_status("r", "success", lambda s: s.phase is Phase.SUCCEEDED)
    assert status.evaluation is not None
    assert {s.name: s.scores["accuracy"] for s in status.evaluation.suites} == {"knn": 60.0, "vqa": 60.0}
    assert lab.job("r").metadata.uid == training
    assert status.attempt == 1
