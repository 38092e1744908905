"""The planning of suites on a checkpoint, for any owner: one table of what is seen and what follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from webssl_api import labels
from webssl_api.data import StorageSpec
from webssl_api.evaluation import SuiteSpec
from webssl_api.reports import EvaluationReport
from webssl_api.status import SuiteStatus
from webssl_api.workers import PodTemplateSpec
from webssl_operator.construct.evaluation_job import Bench, job_name
from webssl_operator.construct.owner import Owner
from webssl_operator.observe.job import JobView
from webssl_operator.observe.pod import PodView
from webssl_operator.plan.actions import Apply, Delete
from webssl_operator.plan.suites import Evidence, SuitesPlan, plan_suites, verdict

from tests.unit.operator.test_lifecycle import checkpoint
from tests.unit.operator.world import START

KNN = SuiteSpec.model_validate(
    {"knn": {"train": "s3://labelled/train.tar", "test": "s3://labelled/test.tar"}}
)
OTHER = SuiteSpec.model_validate(
    {"name": "knn", "knn": {"train": "s3://labelled/train.tar", "test": "s3://labelled/test.tar", "k": 3}}
)
BENCH = Bench(
    owner=Owner("WebSSLRun", "default", "small", "run-uid"),
    image="webssl/eval:1",
    storage=StorageSpec(),
    template=PodTemplateSpec(),
    max_retries=3,
    config="small-run",
    service_account="small-pods",
)
NAME = job_name(BENCH, KNN, checkpoint(2))


def job(name: str = NAME, **fields: Any) -> JobView:
    values = {"owner": "run-uid", "checkpoint_digest": "digest-2"} | fields
    return JobView("default", name, f"uid-{name}", "small", labels.ROLE_EVALUATION, "knn", 1, **values)


def pod(**fields: Any) -> PodView:
    return PodView(
        "default",
        "p",
        "pod-uid",
        "small",
        labels.ROLE_EVALUATION,
        "knn",
        1,
        **({"job_uid": f"uid-{NAME}"} | fields),
    )


def report(**fields: Any) -> EvaluationReport:
    values = {
        "suite": "knn",
        "kind": "knn",
        "checkpoint_digest": "digest-2",
        "scores": {"top1": 9.0},
        "questions": 4,
    }
    return EvaluationReport.model_validate(values | fields)


def planned(
    seen: Evidence, known: SuiteStatus | None = None, suite: SuiteSpec = KNN, later: float = 0
) -> SuitesPlan:
    now = START + timedelta(seconds=later)
    return plan_suites(BENCH, [suite], checkpoint(2), [known] if known else [], seen, 60.0, now)


def seen(one: JobView | None = None, *pods: PodView, reported: EvaluationReport | None = None) -> Evidence:
    return Evidence([one] if one else [], pods, {"knn": reported} if reported else {})


@pytest.mark.parametrize(
    ("evidence", "phase", "actions"),
    [
        (seen(), "Pending", [Apply]),
        (seen(job()), "Pending", []),
        (seen(job(active=1)), "Running", []),
        (seen(job(failures=1)), "Running", []),
        (seen(job(deleting=True)), "Pending", []),
        (seen(job("small-eval-knn-0other0")), "Pending", [Delete]),
        (seen(job("small-eval-knn-0other0", deleting=True)), "Pending", []),
        (seen(job(owner="namesake")), "Pending", [Delete]),
        (seen(job(complete=True, completed=START), reported=report()), "Succeeded", []),
        (seen(job(complete=True, completed=START)), "Pending", []),
        (seen(job(complete=True, completed=START), reported=report(checkpoint_digest="d")), "Pending", []),
        (seen(job(complete=True, completed=START), reported=report(settings_digest="s")), "Pending", []),
        (
            seen(job(complete=True, completed=START), reported=report(settings_digest=KNN.digest)),
            "Succeeded",
            [],
        ),
        (seen(job(failed=True)), "Failed", []),
    ],
    ids=[
        "nothing",
        "a Job",
        "a pod",
        "a failed pod",
        "a Job that goes",
        "a Job of another checkpoint",
        "a Job of another checkpoint that goes",
        "a Job of a namesake",
        "the end and a report",
        "the end, the report late",
        "the end, a report on another checkpoint",
        "the end, a report of other settings",
        "the end and a report of these settings",
        "a failed Job",
    ],
)
def test_what_follows_from_what_is_seen(evidence: Evidence, phase: str, actions: list[type]) -> None:
    found = planned(evidence)
    assert (found.suites[0].phase, [type(action) for action in found.actions]) == (phase, actions)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_what_is_over_stays_as_it_is_until_its_settings_change(phase: str) -> None:
    known = SuiteStatus(name="knn", phase=phase, scores={"top1": 1.0}, settings_digest=KNN.digest)
    assert planned(seen(), known) == SuitesPlan((known,), phase)
    changed = planned(seen(), known, OTHER)
    assert (changed.suites[0].phase, len(changed.actions)) == ("Pending", 1)


def test_a_report_may_come_a_minute_late_and_no_later() -> None:
    ended = seen(job(complete=True, completed=START))
    assert planned(ended).wake == START + timedelta(seconds=60)
    late = planned(ended, later=60)
    assert (late.suites[0].phase, late.wake) == ("Failed", None)
    assert late.events[0].reason == "EvaluationFailed"


def test_the_reason_of_a_failure_is_the_last_word_of_a_pod_of_that_very_job() -> None:
    bad = job(failed=True, failed_message="Job has reached the specified backoff limit")
    pods = [
        pod(phase="Failed", log="no such bucket"),
        pod(phase="Failed", log="of yesterday", job_uid="other"),
    ]
    message = planned(seen(bad, *pods)).suites[0].message
    assert message == "Job has reached the specified backoff limit\nno such bucket"


def test_a_suite_that_waits_for_room_says_so_until_a_pod_runs() -> None:
    stuck = pod(unschedulable=START, unschedulable_message="0/3 nodes are available")
    assert planned(seen(job(active=1), stuck)).suites[0].message == "waits for room: 0/3 nodes are available"
    runs = replace(pod(phase="Running"), uid="second")
    assert planned(seen(job(active=2), stuck, runs)).suites[0].message == ""


def test_names_of_jobs_differ_by_checkpoint_settings_and_request() -> None:
    names = {
        NAME,
        job_name(BENCH, KNN, checkpoint(3)),
        job_name(BENCH, OTHER, checkpoint(2)),
        job_name(replace(BENCH, request="latest@2"), KNN, checkpoint(2)),
        job_name(replace(BENCH, owner=replace(BENCH.owner, name="large")), KNN, checkpoint(2)),
    }
    assert len(names) == 5


def suite(name: str, phase: str, message: str = "") -> SuiteStatus:
    return SuiteStatus(name=name, phase=phase, message=message)


@pytest.mark.parametrize(
    ("suites", "reason", "message"),
    [
        ([suite("a", "Pending"), suite("b", "Pending")], "Pending", "0 of 2 suites are done"),
        ([suite("a", "Succeeded"), suite("b", "Running")], "Running", "1 of 2 suites are done"),
        ([suite("a", "Succeeded"), suite("b", "Succeeded")], "Succeeded", ""),
        (
            [suite("a", "Failed", "no bucket"), suite("b", "Running")],
            "SuiteFailed",
            "0 of 2 suites succeeded; failed: a: no bucket",
        ),
        (
            [suite("a", "Failed", "no bucket"), suite("b", "Succeeded"), suite("c", "Failed", "no model")],
            "SuitesFailed",
            "1 of 3 suites succeeded; failed: a: no bucket; c: no model",
        ),
    ],
)
def test_the_condition_names_what_failed_while_others_still_work(
    suites: list[SuiteStatus], reason: str, message: str
) -> None:
    assert verdict(suites) == (reason, message)
