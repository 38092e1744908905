"""Whatever happens to a pass, and in whatever order: no second scorer, no plan without end, no way back from the end."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from webssl_api.curation_status import FINISH_KEY, CurationPhase, report_key

from tests.unit.operator.curation_world import FINISHING, NO_RAY, RAY, SCORING, Pass

OVER = {CurationPhase.SUCCEEDED, CurationPhase.FAILED}
RANGES = 3


class LifeOfAPass(RuleBasedStateMachine):
    """The user, the Job controller, KubeRay and the pods do what they like; the operator makes a pass after each of it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Pass(ranges=RANGES, parallelism=2)
        self.world.operate()
        self.end: CurationPhase | None = None
        self.scored = 0

    @rule(number=st.integers(0, RANGES - 1), shards=st.integers(0, 4))
    def a_pod_reports(self, number: int, shards: int) -> None:
        counts = {"shards_total": 4, "samples_total": 40, "samples": 10 * shards, "rows": 10 * shards}
        self.world.say(report_key(number), shards_done=shards, **counts)
        self.after()

    @rule()
    def a_pod_runs(self) -> None:
        self.world.runs()
        self.after()

    @precondition(lambda self: SCORING in self.world.jobs)
    @rule(condition=st.sampled_from(["Complete", "Failed"]))
    def the_scoring_job_ends(self, condition: str) -> None:
        if not self.world.jobs[SCORING].get("status"):
            self.world.pods = []
            self.world.ends(SCORING, condition, "FailedIndexes", "Job has failed indexes")
        self.after()

    @precondition(lambda self: FINISHING in self.world.jobs)
    @rule(condition=st.sampled_from(["Complete", "Failed"]))
    def the_finishing_job_ends(self, condition: str) -> None:
        if not self.world.jobs[FINISHING].get("status"):
            self.world.ends(FINISHING, condition, "BackoffLimitExceeded", "no more tries")
        self.after()

    @rule()
    def the_table_is_reported(self) -> None:
        self.world.say(FINISH_KEY, finished=True, table_uri="s3://scores/t.parquet", table_digest="a" * 64)
        self.after()

    @precondition(lambda self: SCORING in self.world.ray_jobs)
    @rule(word=st.sampled_from(["RUNNING", "SUCCEEDED", "FAILED"]))
    def kuberay_says(self, word: str) -> None:
        deployment = {"RUNNING": "Running", "SUCCEEDED": "Complete", "FAILED": "Failed"}[word]
        self.world.ray_jobs[SCORING]["status"] = {"jobStatus": word, "jobDeploymentStatus": deployment}
        self.after()

    @rule(there=st.booleans())
    def kuberay_comes_or_goes(self, there: bool) -> None:
        self.world.facts = RAY if there else NO_RAY
        if not there:
            self.world.ray_jobs.clear()  # with the kind go its objects
        self.after()

    @rule(engine=st.sampled_from(["auto", "ray", "job"]))
    def the_user_turns_to_another_engine(self, engine: str) -> None:
        self.world.change(engine=engine)
        self.after()

    @rule(suspend=st.booleans())
    def the_user_suspends(self, suspend: bool) -> None:
        self.world.change(suspend=suspend)
        self.after()

    @rule(image=st.sampled_from(["a:1", "b:2"]))
    def the_user_changes_the_template(self, image: str) -> None:
        self.world.change(template={"image": image})
        self.after()

    @rule(name=st.sampled_from([SCORING, FINISHING]))
    def somebody_deletes_a_job(self, name: str) -> None:
        self.world.jobs.pop(name, None)
        self.after()

    @rule(seconds=st.integers(1, 90))
    def time_passes(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)
        self.after()

    def after(self) -> None:
        """Passes until there is nothing left to do: never more than a few."""
        for _ in range(6):
            decided = self.world.plan()
            if not decided.actions and decided.status is None:
                return
            for action in decided.actions:
                self.world._act(action)
            if decided.status is not None:
                self.world.raw["status"] = decided.status.model_dump(mode="json", by_alias=True)
        raise AssertionError(f"no end of passes: {decided}")

    @invariant()
    def two_engines_never_score_at_the_same_time(self) -> None:
        assert not (self.world.jobs and self.world.ray_jobs)

    @invariant()
    def what_is_over_stays_over(self) -> None:
        phase = self.world.status.phase
        assert self.end is None or phase is self.end
        self.end = phase if phase in OVER else None

    @invariant()
    def a_success_has_its_table(self) -> None:
        if self.world.status.phase is CurationPhase.SUCCEEDED:
            assert self.world.status.table_uri
            assert self.world.status.completion_time

    @invariant()
    def a_suspended_pass_has_no_pods(self) -> None:
        status, jobs = self.world.status, self.world.jobs
        if status.phase is CurationPhase.SUSPENDED:
            assert not self.world.ray_jobs
            assert all(job["spec"].get("suspend") or job.get("status") for job in jobs.values())


TestLifeOfAPass = LifeOfAPass.TestCase
TestLifeOfAPass.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
