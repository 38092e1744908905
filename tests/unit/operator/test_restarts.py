"""Every lost worker is counted once, with its reason; what the cluster did does not count against the run."""

from __future__ import annotations

import pytest
from webssl_api.status import Phase

from tests.unit.operator.world import World


def _running(**workers: object) -> World:
    world = World(**({"min": 1, "max": 2} | workers))
    world.settle()
    world.start_all()
    world.settle()
    return world


@pytest.mark.parametrize(
    ("code", "exit_reason", "disruption", "expected", "counted"),
    [
        (1, "Error", "", "Error", True),
        (75, "Error", "", "Error", True),
        (137, "OOMKilled", "", "OOMKilled", True),
        (143, "Error", "EvictionByEvictionAPI", "Evicted", False),
        (137, "Error", "TerminationByKubelet", "Evicted", False),
        (143, "Error", "PreemptionByScheduler", "Disrupted", False),
        (None, "", "DeletionByTaintManager", "NodeLost", False),
        (None, "", "DeletionByPodGC", "NodeLost", False),
        (None, "", "", "Disrupted", False),
    ],
)
def test_a_failed_worker_is_judged(
    code: int | None, exit_reason: str, disruption: str, expected: str, counted: bool
) -> None:
    world = _running()
    pod = world.alive()[0]
    world.fail(pod, code=code, reason=exit_reason, disruption=disruption)
    world.settle()
    restarts = world.status.restarts
    assert (restarts.total, restarts.counted) == (1, int(counted))
    (record,) = restarts.recent
    assert (record.pod, record.reason, record.counted, record.exit_code) == (
        pod["metadata"]["name"],
        expected,
        counted,
        code,
    )
    assert len(world.alive()) == 2


def test_a_worker_that_was_deleted_by_force_is_counted_as_deleted() -> None:
    world = _running()
    world.vanish(world.alive()[0])
    world.settle()
    (record,) = world.status.restarts.recent
    assert (record.reason, record.counted) == ("Deleted", False)


def test_a_worker_that_vanishes_while_no_operator_looks_is_counted_by_the_next_one() -> None:
    world = _running()
    lost = world.alive()[1]
    world.delete_pod(lost, grace=0)
    world.settle()
    assert world.status.restarts.total == 0
    world.restart_operator(lost=(lost,))
    world.settle()
    (record,) = world.status.restarts.recent
    assert (record.pod, record.reason, record.counted) == (lost["metadata"]["name"], "Deleted", False)
    world.start_all()
    world.restart_operator()
    world.settle()
    assert world.status.restarts.total == 1


def test_workers_that_a_user_suspended_while_no_operator_looked_are_no_losses() -> None:
    world = _running()
    world.change_spec(suspend=True)
    world.restart_operator(lost=tuple(world.alive()))
    world.settle()
    assert world.status.restarts.total == 0


def test_a_failed_worker_is_not_counted_again_when_its_object_goes() -> None:
    world = _running()
    pod = world.alive()[0]
    world.fail(pod, code=1)
    world.settle()
    world.vanish(pod)
    world.settle()
    assert world.status.restarts.total == 1


def test_more_failures_than_allowed_within_the_window_end_the_run_with_the_last_words() -> None:
    world = _running()
    world.change_spec(restartPolicy={"maxRestarts": 2, "window": "1h"})
    for number in range(3):
        world.start_all()
        world.fail(world.alive()[0], code=1, log=f"line {number}\nCUDA error: an illegal memory access")
        world.settle()
    assert world.status.phase is Phase.FAILED
    assert "3 worker failures within 1h, more than spec.restartPolicy.maxRestarts 2" in world.status.message
    assert world.status.message.endswith("line 2\nCUDA error: an illegal memory access")
    world.control_jobs()
    assert world.job is None
    failed = next(c for c in world.status.conditions if c.type == "Failed")
    assert (failed.status, failed.reason) == ("True", "TooManyRestarts")


def test_failures_outside_the_window_no_longer_count() -> None:
    world = _running()
    world.change_spec(restartPolicy={"maxRestarts": 1, "window": "1h"})
    for _ in range(4):
        world.fail(world.alive()[0], code=1)
        world.settle()
        world.start_all()
        world.pass_time(3601)
        world.settle()
    assert world.status.phase is Phase.RUNNING
    assert world.status.restarts.total == 4
    assert world.status.restarts.counted == 0


def test_a_user_error_restarts_nothing_and_its_words_stand_in_the_status() -> None:
    world = _running()
    world.fail(world.alive()[0], code=78, log="spec.data.source s3://x/{0..3}.tar: no such bucket: create it")
    world.fail_job()
    world.settle()
    status = world.status
    assert status.phase is Phase.FAILED
    assert "no such bucket: create it" in status.message
    assert status.restarts.total == 0


def test_only_the_newest_failed_pods_are_kept() -> None:
    world = _running(max=1)
    for _ in range(14):
        world.start_all()
        world.fail(world.alive()[0], code=1)
        world.pass_time(20)
        world.settle()
    assert len([pod for pod in world.pods.values() if world.over(pod)]) == 10
    assert world.status.restarts.total == 14


def test_a_burst_of_more_failures_than_records_is_counted_once_each() -> None:
    world = World(min=1, max=64)
    world.run["spec"]["schedule"] = {"stages": [{"resolution": 56, "samples": 512}], "globalBatchSize": 512}
    world.run["spec"]["checkpoint"]["interval"] = {"samples": 512}
    world.change_spec(restartPolicy={"maxRestarts": 500, "window": "1h"})
    world.settle()
    for pod in world.alive():
        world.start(pod)
    world.settle()
    for pod in world.alive():
        world.fail(pod, code=1)
    world.settle()
    assert world.status.restarts.total == 64
    assert world.status.restarts.counted == 64
