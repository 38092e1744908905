"""From Pending to the end: suspension, completion, what the trainer reports, and what it costs."""

from __future__ import annotations

from webssl_api import labels
from webssl_api.reports import TrainingReport, TrainingState
from webssl_api.status import CheckpointStatus, Phase, RejectedCheckpoint
from webssl_operator.plan.actions import Apply

from tests.unit.operator.world import World


def checkpoint(step: int) -> CheckpointStatus:
    return CheckpointStatus(
        uri=f"s3://runs/small/a1-s{step}", digest=f"digest-{step}", step=step, samples=32 * step, attempt=1
    )


def report(step: int, **fields: object) -> TrainingReport:
    values: dict[str, object] = {
        "attempt": 1,
        "state": TrainingState.TRAINING,
        "step": step,
        "samples": 32 * step,
        "loss": 2.5,
        "images_per_second": 64.0,
        "time": "2026-01-01T12:00:30Z",
    }
    return TrainingReport.model_validate(values | fields)


def running(suites: bool = False) -> World:
    world = World(suites=suites, min=1, max=2)
    world.settle()
    world.start_all()
    world.settle()
    return world


def test_a_new_run_is_pending_until_a_worker_runs() -> None:
    world = World(min=1, max=2)
    world.settle()
    assert world.status.phase is Phase.PENDING
    world.start(world.alive()[0])
    world.settle()
    assert (world.status.phase, world.status.message) == (Phase.RUNNING, "1 of 2 workers are ready")
    world.start_all()
    world.settle()
    assert (world.status.message, world.status.workers.summary) == ("", "2/2")
    assert world.status.start_time == "2026-01-01T12:00:00Z"


def test_suspending_keeps_the_job_and_resuming_goes_on_with_it() -> None:
    world = running()
    world.change_spec(suspend=True)
    world.settle()
    assert world.status.phase is Phase.SUSPENDED
    assert world.alive() == []
    assert world.status.restarts.total == 0
    world.change_spec(suspend=False)
    world.settle()
    assert len(world.alive()) == 2
    assert world.jobs_made == 1


def test_a_run_that_is_created_suspended_has_no_job() -> None:
    world = World(min=1, max=2)
    world.change_spec(suspend=True)
    world.settle()
    assert world.job is None
    assert world.status.phase is Phase.SUSPENDED


def test_under_kueue_the_job_is_made_without_a_word_on_suspend_and_the_run_waits() -> None:
    world = World(queue="research", min=1, max=2)
    decided = world.operate()
    made = decided.actions[-1].manifest  # type: ignore[union-attr]
    assert made["kind"] == "Job"
    assert "suspend" not in made["spec"]
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
    world.settle()
    assert world.job is not None
    assert world.job["spec"]["suspend"] is True
    assert world.status.phase is Phase.PENDING
    assert "queue research" in world.status.message


def test_suspending_under_kueue_gives_the_quota_back_by_deleting_the_job() -> None:
    world = World(queue="research", min=1, max=2)
    world.settle()
    world.change_spec(suspend=True)
    world.settle()
    assert world.job is None
    assert world.status.phase is Phase.SUSPENDED


def test_a_changed_template_makes_a_new_job_once_the_last_pod_of_the_old_one_is_gone() -> None:
    world = running()
    world.change_spec(workers=world.run["spec"]["workers"] | {"template": {"image": "webssl/trainer:2"}})
    world.operate()
    assert world.job is not None
    assert "deletionTimestamp" in world.job["metadata"]
    world.settle()
    assert world.jobs_made == 2
    assert world.job["spec"]["template"]["spec"]["containers"][0]["image"] == "webssl/trainer:2"
    assert world.status.restarts.total == 0


def test_a_change_that_a_running_pod_need_not_know_does_not_restart_it() -> None:
    world = running()
    world.change_spec(restartPolicy={"maxRestarts": 7})
    world.settle()
    assert world.jobs_made == 1


def test_a_request_for_a_trace_reaches_the_pods_and_restarts_nothing() -> None:
    world = running()
    for text in ("5", "5@again"):
        world.annotate(profile=text)
        decided = world.operate()
        (applied,) = decided.actions
        assert isinstance(applied, Apply)
        assert applied.manifest["metadata"]["name"] == labels.run_config_name(world.name)
        assert applied.manifest["data"][labels.PROFILE_KEY] == text
        assert "run.yaml" in applied.manifest["data"]
        world.settle()
        assert not world.operate().actions
    assert world.jobs_made == 1
    assert world.status.restarts.total == 0


def test_a_complete_job_without_evaluation_is_success_even_without_a_report() -> None:
    world = running()
    world.pass_time(100)
    world.complete_job()
    world.settle()
    assert world.status.phase is Phase.SUCCEEDED
    assert world.status.training_completion_time == "2026-01-01T12:01:40Z"
    assert world.status.completion_time == "2026-01-01T12:01:40Z"


def test_progress_is_taken_over_from_the_report() -> None:
    world = running()
    world.report(report(5, last_checkpoint=checkpoint(4)))
    world.pass_time(5)
    world.settle()
    status = world.status
    assert (status.progress.step, status.progress.percent, status.progress.loss) == (5, 50, 2.5)
    assert status.progress.images_per_second == 64.0
    assert status.last_checkpoint == checkpoint(4)
    assert status.attempt == 1


def test_progress_alone_is_written_at_most_at_its_pace() -> None:
    world = running()
    world.report(report(1))
    world.pass_time(5)
    world.settle()
    world.pass_time(2)
    world.report(report(2))
    decided = world.operate()
    assert decided.status is None
    assert decided.wake is not None
    assert (decided.wake - world.now).total_seconds() == 3


def test_the_report_of_an_older_attempt_is_ignored() -> None:
    world = running()
    world.report(report(5, attempt=2))
    world.pass_time(5)
    world.settle()
    world.report(report(9, attempt=1, last_checkpoint=checkpoint(9)))
    world.pass_time(5)
    world.settle()
    assert world.status.progress.step == 5
    assert world.status.last_checkpoint is None


def test_falling_back_to_an_older_checkpoint_stands_in_the_conditions() -> None:
    world = running()
    rejected = RejectedCheckpoint(uri="s3://runs/small/a1-s8", reason="weights.distcp: sha256 differs")
    world.report(
        report(4, attempt=2, resumed_from=checkpoint(4), rejected_checkpoints=[rejected], lost_steps=4)
    )
    world.pass_time(5)
    world.settle()
    condition = next(c for c in world.status.conditions if c.type == "CheckpointVerified")
    assert (condition.status, condition.reason) == ("False", "FellBack")
    assert (
        condition.message
        == "s3://runs/small/a1-s8: weights.distcp: sha256 differs; resumed from step 4 instead"
    )
    assert world.status.lost_steps == 4
    assert {"CheckpointRejected", "Resumed"} <= set(world.events)


def test_gpu_hours_and_goodput_add_up_over_restarts_and_leave_suspended_time_out() -> None:
    world = running()
    world.pass_time(1800)
    world.report(report(5, productive_seconds=1500.0))
    world.settle()
    assert world.status.gpu_hours == 1.0
    assert world.status.goodput == round(1500 / 1800, 4)
    world.change_spec(suspend=True)
    world.settle()
    world.pass_time(7200)
    world.settle()
    world.change_spec(suspend=False)
    world.settle()
    world.start_all()
    world.pass_time(1800)
    world.settle()
    assert world.status.gpu_hours == 2.0
    assert world.status.active_seconds == 3600


def test_a_worker_on_a_lost_node_is_buried_after_its_grace_time_and_replaced() -> None:
    world = running()
    lost = world.alive()[1]
    world.delete_pod(lost, grace=30)
    world.settle()
    world.pass_time(44)
    world.settle()
    assert lost["metadata"]["uid"] in world.pods
    world.pass_time(1)
    world.settle()
    assert lost["metadata"]["uid"] not in world.pods
    assert len(world.alive()) == 2
    (record,) = world.status.restarts.recent
    assert (record.reason, record.counted) == ("NodeLost", False)


def test_a_specification_that_this_operator_cannot_read_is_left_alone_and_said_so() -> None:
    world = World(min=1, max=2)
    world.change_spec(objective={"dino": {}, "mae": {}})
    world.settle()
    assert world.job is None
    assert "cannot read the specification" in world.status.message


def test_leftovers_of_a_namesake_are_removed_before_the_job_is_made() -> None:
    world = World(min=1, max=2)
    world.config_maps["small-progress"] = {
        "metadata": {
            "name": "small-progress",
            "namespace": "default",
            "uid": "old",
            "labels": {"webssl.dev/run": "small", "webssl.dev/role": "report"},
            "ownerReferences": [{"kind": "WebSSLRun", "uid": "another"}],
        },
        "data": {"report.json": report(9, attempt=7).model_dump_json(by_alias=True)},
    }
    world._store_config_map("small-progress")
    world.settle()
    assert world.status.attempt == 0
    assert world.status.progress.step == 0
    assert world.config_maps["small-progress"]["metadata"]["ownerReferences"][0]["uid"] == "run-uid"
