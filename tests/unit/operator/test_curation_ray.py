"""Which engine a pass takes, its RayJob, and what KubeRay says of it."""

from __future__ import annotations

import pytest
from webssl_api import labels
from webssl_api.curation_status import FINISH_KEY, CurationPhase
from webssl_operator.observe.family import Facts
from webssl_operator.plan.actions import Delete

from tests.unit.operator.curation_world import (
    NO_RAY,
    RAY,
    SCORING,
    Pass,
    Raw,
    begun,
)


@pytest.mark.parametrize(
    ("wanted", "facts", "kind"),
    [
        ("auto", NO_RAY, "job"),
        ("auto", RAY, "ray"),
        ("job", RAY, "job"),
        ("job", NO_RAY, "job"),
        ("ray", RAY, "ray"),
    ],
)
def test_the_engine_is_what_the_user_names_or_ray_where_kuberay_is(
    wanted: str, facts: Facts, kind: str
) -> None:
    found = begun(facts=facts, engine=wanted)
    assert (list(found.jobs), list(found.ray_jobs)) == (([SCORING], []) if kind == "job" else ([], [SCORING]))
    assert (found.status.engine, found.status.phase) == (kind, CurationPhase.PENDING)
    assert found.events == ["Created"]


def test_ray_that_is_named_and_not_there_is_a_condition_with_the_mend_and_starts_when_it_comes() -> None:
    found = Pass(engine="ray")
    decided = found.operate()
    (condition,) = found.status.conditions
    assert (condition.type, condition.status, condition.reason) == ("Admitted", "False", "NoRay")
    assert "install KubeRay, or set spec.engine to job" in found.status.message
    assert decided.wake is not None
    assert found.jobs == found.ray_jobs == {}
    found.facts = RAY
    found.operate()
    assert list(found.ray_jobs) == [SCORING]


def test_what_an_engine_has_begun_it_ends_though_kuberay_comes_meanwhile() -> None:
    found = begun()
    found.facts = RAY
    assert found.plan().actions == ()


def test_turning_to_the_other_engine_stops_the_first() -> None:
    found = begun(facts=RAY)
    found.change(engine="job")
    found.operate()
    assert (list(found.jobs), list(found.ray_jobs)) == ([SCORING], [])


def test_the_rayjob_leaves_commands_to_kuberay_and_its_pods_are_not_watched_as_ours() -> None:
    job = begun(facts=RAY, parallelism=3).ray_jobs[SCORING]
    cluster = job["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    assert (workers["replicas"], workers["minReplicas"], workers["maxReplicas"]) == (3, 3, 3)
    assert job["spec"]["entrypoint"] == "python -m webssl_trainer.curation ray"
    assert job["spec"]["shutdownAfterJobFinishes"] is True
    for group in (cluster["headGroupSpec"], workers):
        (main,) = group["template"]["spec"]["containers"]
        assert "command" not in main
        assert "restartPolicy" not in group["template"]["spec"]
        assert labels.MANAGED_BY not in group["template"]["metadata"]["labels"]
    (head,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    # KubeRay asks the head's Service for these by name, and adds none to a container that declares any.
    assert {port["name"]: port["containerPort"] for port in head["ports"]} == {
        "gcs-server": 6379, "dashboard": 8265, "client": 10001,
    }  # fmt: skip
    assert "ports" not in workers["template"]["spec"]["containers"][0]
    assert len(job["metadata"]["name"]) <= len("text") + 7  # KubeRay takes 47 characters, and a pass has 40


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ({}, CurationPhase.PENDING),
        ({"jobStatus": "RUNNING", "jobDeploymentStatus": "Running"}, CurationPhase.SCORING),
        ({"jobStatus": "FAILED", "jobDeploymentStatus": "Failed"}, CurationPhase.FAILED),
        ({"jobDeploymentStatus": "ValidationFailed", "message": "name too long"}, CurationPhase.FAILED),
        ({"jobStatus": "FAILED", "jobDeploymentStatus": "Retrying"}, CurationPhase.PENDING),
        ({"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}, CurationPhase.FINISHING),
    ],
)
def test_a_rayjobs_words_and_what_they_mean(status: Raw, phase: CurationPhase) -> None:
    found = begun(facts=RAY)
    found.ray_jobs[SCORING]["status"] = status
    found.operate()
    assert found.status.phase is phase


@pytest.mark.parametrize("change", [{"parallelism": 4}, {"template": {"image": "example/eval:2"}}])
def test_a_ray_cluster_of_another_size_or_template_is_another_one(change: Raw) -> None:
    found = begun(facts=RAY)
    before = found.ray_jobs[SCORING]
    found.change(**change)
    decided = found.plan()
    assert [type(action) for action in decided.actions if action.kind == "RayJob"] == [Delete]
    for action in decided.actions:
        found._act(action)
    found.operate()
    assert found.ray_jobs[SCORING] is not before
    assert found.events == ["Created", "Created"]


def test_a_rayjob_that_succeeded_and_reported_the_table_is_a_success() -> None:
    found = begun(facts=RAY)
    found.ray_jobs[SCORING]["status"] = {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}
    found.say(FINISH_KEY, finished=True, table_uri="s3://mc2b/scores/t.parquet", table_digest="a" * 64)
    found.operate()
    assert found.status.phase is CurationPhase.SUCCEEDED
