"""Whatever happens to a run, in whatever order: the promises of the plan hold at every moment."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from webssl_api.reports import TrainingReport, TrainingState
from webssl_api.status import TERMINAL, CheckpointStatus

from tests.unit.operator.world import World

ALLOWED = {1, 2, 4}


class AnyOrder(RuleBasedStateMachine):
    """The user, the Job controller, the scheduler, the nodes and the trainer act at random; the operator passes whenever it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(min=1, max=4, pendingGrace="1m", growInterval="2m")
        self.attempt = 0
        self.seen_total = 0
        self.seen_hours = 0.0
        self.ended: Any = None

    @rule()
    def the_operator_makes_a_pass(self) -> None:
        self.world.operate()

    @rule()
    def the_operator_makes_a_pass_and_another_one_at_once(self) -> None:
        self.world.settle()
        again = self.world.plan()
        assert again.actions == ()
        assert again.status is None
        assert again.events == ()

    @rule()
    def the_job_controller_works(self) -> None:
        self.world.control_jobs()

    @rule(seconds=st.sampled_from([1, 30, 90, 300]))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule(data=st.data())
    @precondition(lambda self: self.world.alive())
    def something_happens_to_a_pod(self, data: st.DataObject) -> None:
        pod = data.draw(st.sampled_from(self.world.alive()), label="pod")
        what = data.draw(st.sampled_from(["start", "refuse", "fail", "oom", "evict", "vanish", "delete"]))
        if what in ("start", "refuse") and pod["status"]["phase"] != "Pending":
            return
        match what:
            case "start":
                self.world.start(pod)
            case "refuse":
                self.world.refuse(pod)
            case "fail":
                self.world.fail(pod, code=75)
            case "oom":
                self.world.fail(pod, code=137, reason="OOMKilled")
            case "evict":
                self.world.fail(pod, code=143, disruption="EvictionByEvictionAPI")
            case "vanish":
                self.world.vanish(pod)
            case "delete":
                self.world.delete_pod(pod, grace=30)

    @rule(suspend=st.booleans())
    def the_user_suspends_or_resumes(self, suspend: bool) -> None:
        if self.world.run["spec"].get("suspend", False) != suspend:
            self.world.change_spec(suspend=suspend)

    @rule(most=st.sampled_from([1, 2, 4]))
    def the_user_scales(self, most: int) -> None:
        self.world.change_spec(workers=self.world.run["spec"]["workers"] | {"max": most})

    @rule()
    @precondition(lambda self: self.world.job is not None)
    def the_user_deletes_the_job(self) -> None:
        self.world.delete_job()

    @rule(step=st.integers(0, 10), renewed=st.booleans())
    @precondition(lambda self: self.world.config_maps)
    def the_trainer_reports(self, step: int, renewed: bool) -> None:
        self.attempt += renewed
        checkpoint = CheckpointStatus(uri="s3://runs/small/c", digest="d", step=step, samples=32 * step)
        self.world.report(
            TrainingReport(
                attempt=self.attempt,
                state=TrainingState.TRAINING,
                step=step,
                samples=32 * step,
                loss=1.0,
                last_checkpoint=checkpoint,
                productive_seconds=float(step),
            )
        )

    @rule()
    @precondition(lambda self: self.world.job is not None and self.world.alive())
    def the_last_step_is_done(self) -> None:
        if self.world.status.phase not in TERMINAL and "deletionTimestamp" not in self.world.job["metadata"]:
            self.world.complete_job()

    @invariant()
    def the_job_never_has_more_workers_than_allowed_and_never_a_count_that_does_not_divide(self) -> None:
        if self.world.job is not None:
            spec = self.world.job["spec"]
            assert spec["parallelism"] == spec["completions"]
            assert spec["parallelism"] in ALLOWED

    @invariant()
    def totals_only_grow_and_each_pod_is_counted_once(self) -> None:
        status = self.world.status
        uids = [record.uid for record in status.restarts.recent]
        assert len(uids) == len(set(uids))
        assert status.restarts.total >= max(self.seen_total, len(uids))
        assert status.gpu_hours >= self.seen_hours
        assert status.goodput is None or 0 <= status.goodput <= 1
        self.seen_total, self.seen_hours = status.restarts.total, status.gpu_hours

    @invariant()
    def what_has_ended_stays_ended(self) -> None:
        phase = self.world.status.phase
        if self.ended is not None:
            assert phase is self.ended
        if phase in TERMINAL:
            self.ended = phase

    @invariant()
    def a_shrunk_run_says_so(self) -> None:
        status = self.world.status
        if status.shrunk is not None:
            assert status.shrunk.workers in ALLOWED


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase
