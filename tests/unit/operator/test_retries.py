"""A WebSSLEvaluation whose failed suites are tried anew: once for each request, and never what is not failed."""

from __future__ import annotations

from typing import Any

import pytest
from webssl_api import labels
from webssl_api.evaluation_object import EvaluationObjectStatus, EvaluationPhase
from webssl_api.status import SuiteStatus
from webssl_operator.plan.retries import answer_retry

from tests.unit.operator.test_evaluation_object import KNN, Evaluation, begun

SUITES = [{"name": name, "knn": KNN} for name in ("bad", "good", "busy")]


def suite(phase: str, request: str = "") -> SuiteStatus:
    return SuiteStatus(name=phase.lower(), phase=phase, request=request, message="why", retries=3)


@pytest.mark.parametrize(
    ("phases", "asked", "answered", "after", "said"),
    [
        (["Failed", "Succeeded"], "", "", ["Failed", "Succeeded"], []),
        (["Failed", "Succeeded"], "1", "", ["Pending", "Succeeded"], ["EvaluationRetried"]),
        (["Failed", "Running"], "1", "", ["Pending", "Running"], ["EvaluationRetried"]),
        (["Failed", "Failed"], "2", "1", ["Pending", "Pending"], ["EvaluationRetried"]),
        (["Failed", "Succeeded"], "1", "1", ["Failed", "Succeeded"], []),
        (["Failed", "Succeeded"], "", "1", ["Failed", "Succeeded"], []),
        (["Running", "Succeeded"], "1", "", ["Running", "Succeeded"], ["RetryRefused"]),
        ([], "1", "", [], []),
    ],
    ids=[
        "not asked",
        "asked",
        "asked while others work",
        "asked again",
        "answered already",
        "answered, and taken off",
        "nothing failed",
        "made with the annotation",
    ],
)
def test_what_a_request_does(
    phases: list[str], asked: str, answered: str, after: list[str], said: list[str]
) -> None:
    status = EvaluationObjectStatus(suites=[suite(phase) for phase in phases], retry_request=answered)
    found = answer_retry(status, asked)
    assert [one.phase for one in found.known] == after
    assert [event.reason for event in found.events] == said
    assert found.answered == (asked or answered)
    for before, one in zip(status.suites, found.known, strict=True):
        assert one == before if one.phase == before.phase else (one.request, one.retries) == (asked, 0)


def ask(found: Evaluation, text: str) -> None:
    found.raw["metadata"].setdefault("annotations", {})[labels.RETRY] = text


def names(found: Evaluation) -> dict[str, str]:
    return {job["metadata"]["labels"][labels.SUITE]: name for name, job in found.jobs.items()}


def failed() -> Evaluation:
    """One suite failed, one is done, one works."""
    found = begun(suites=SUITES)
    found.end("bad", "Failed", "no such bucket")
    found.report("good")
    found.end("good")
    found.job("busy")["status"] = {"active": 1}
    found.operate()
    return found


def passes(found: Evaluation) -> None:
    """The old Job goes, then the new one comes; nothing else changes after that."""
    for _ in range(2):
        decided = found.plan()
        for action in decided.actions:
            found._act(action)
        if decided.status is not None:
            found.raw["status"] = decided.status.model_dump(mode="json", by_alias=True)
        found.events += [event.reason for event in decided.events]
    assert found.plan().actions == ()


def test_only_the_failed_suite_gets_another_job_and_its_new_end_counts() -> None:
    found = failed()
    before = names(found)
    ask(found, "1")
    passes(found)
    after = names(found)
    assert after["bad"] != before["bad"]
    assert {name: after[name] for name in ("good", "busy")} == {
        name: before[name] for name in ("good", "busy")
    }
    assert found.status.retry_request == "1"
    assert [one.phase for one in found.status.suites] == ["Pending", "Succeeded", "Running"]
    for name in ("bad", "busy"):
        found.report(name)
        found.end(name)
    found.operate()
    assert (found.status.phase, found.status.summary) == (EvaluationPhase.SUCCEEDED, "3/3")
    assert {one.type: one.status for one in found.status.conditions}["Evaluated"] == "True"
    assert found.events.count("EvaluationRetried") == 1


def test_a_suite_that_fails_again_stays_failed_until_it_is_asked_for_again() -> None:
    found = failed()
    ask(found, "1")
    passes(found)
    found.end("bad", "Failed", "still no such bucket")
    found.operate()
    bad = found.status.suites[0]
    assert (bad.phase, bad.message, bad.request) == ("Failed", "still no such bucket", "1")
    first = names(found)["bad"]
    ask(found, "2")
    passes(found)
    assert names(found)["bad"] != first
    assert found.status.suites[0].phase == "Pending"


@pytest.mark.parametrize("done", [0, 1, 2], ids=["nothing", "the old Job is gone", "the new Job is there"])
def test_an_operator_that_ends_before_its_status_is_followed_by_one_that_makes_the_same(done: int) -> None:
    """Of the passes only the actions happened; a new operator starts from the status of before."""
    whole, broken = failed(), failed()
    for found in (whole, broken):
        ask(found, "1")
    passes(whole)
    for _ in range(done):
        for action in broken.plan().actions:
            broken._act(action)
    broken.applied.clear()
    passes(broken)
    assert names(broken) == names(whole)
    assert broken.status == whole.status


def test_a_request_is_the_text_without_blanks_and_not_longer_than_the_status_keeps() -> None:
    found = failed()
    ask(found, f"  {'x' * 500} ")
    assert found.head.retry == "x" * 128


def test_scores_and_names_of_an_evaluation_that_was_never_retried_are_as_before() -> None:
    status: Any = failed().status
    assert (status.retry_request, {one.request for one in status.suites}) == ("", {""})
