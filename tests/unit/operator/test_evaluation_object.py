"""An evaluation of any checkpoint: what it is of, its Jobs, the scores, and what is said when something is missing."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from webssl_api import labels
from webssl_api.evaluation_object import EVALUATION, EvaluationPhase
from webssl_api.reports import REPORT_KEY, EvaluationReport
from webssl_api.resolved import RUN_KEY, ResolvedRun
from webssl_operator.construct.evaluation_object import EvaluationView
from webssl_operator.kinds.evaluation import run_of, view
from webssl_operator.metrics.evaluation import EvaluationCollector
from webssl_operator.observe.belonging import Key
from webssl_operator.observe.configmap import ConfigMapView
from webssl_operator.observe.family import Facts, Family
from webssl_operator.observe.job import JobView
from webssl_operator.observe.run import RunView
from webssl_operator.observe.times import format_time
from webssl_operator.plan.actions import Apply, Delete
from webssl_operator.plan.decision import Plan
from webssl_operator.plan.evaluation_object import plan_evaluation
from webssl_operator.settings import Settings

from tests.manifests.valid import valid_evaluation, valid_run

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
DIGEST = "0123456789ab" + "c" * 52
Raw = dict[str, Any]
KNN = {"train": "s3://labelled/a.tar", "test": "s3://labelled/b.tar"}


class Evaluation:
    """One evaluation and its children as raw objects. Time stands still unless a test moves it."""

    def __init__(self, **spec: Any) -> None:
        self.now = START
        self.facts = Facts()
        self.raw = valid_evaluation()
        self.raw["metadata"] |= {"uid": "u", "generation": 1}
        self.raw["spec"] |= spec
        self.raw["spec"] = {name: value for name, value in self.raw["spec"].items() if value is not None}
        self.jobs: dict[str, Raw] = {}
        self.config_maps: dict[str, Raw] = {}
        self.others: list[Raw] = []
        self.applied: dict[tuple[str, str], str] = {}
        self.events: list[str] = []

    @property
    def head(self) -> EvaluationView:
        return view(self.raw)

    @property
    def status(self) -> Any:
        return self.head.status

    def family(self) -> Family:
        return Family(
            head=self.head,
            jobs={name: JobView.of(job) for name, job in self.jobs.items()},
            config_maps={name: ConfigMapView.of(held) for name, held in self.config_maps.items()},
            applied=self.applied,
        )

    def plan(self) -> Plan:
        return plan_evaluation(self.family(), self.now, Settings(), self.facts)

    def operate(self) -> Plan:
        """Plan, and carry it out."""
        decided = self.plan()
        for action in decided.actions:
            self._act(action)
        if decided.status is not None:
            self.raw["status"] = decided.status.model_dump(mode="json", by_alias=True)
        self.events += [event.reason for event in decided.events]
        again = self.plan()
        assert (again.actions, again.status, again.events) == ((), None, ()), "a plan of a plan asks for more"
        return decided

    def _act(self, action: Any) -> None:
        match action:
            case Delete(kind="Job", name=name):
                del self.jobs[name]
            case Apply():
                made = copy.deepcopy(action.manifest)
                made["metadata"]["uid"] = f"uid-of-{action.name}"
                if action.kind == "Job":
                    self.jobs[action.name] = made
                    return
                self.applied[(action.kind, action.name)] = action.mark
                if action.kind == "ConfigMap":
                    self.config_maps.setdefault(action.name, made)
                else:
                    self.others.append(made)

    def job(self, suite: str) -> Raw:
        (found,) = (j for j in self.jobs.values() if j["metadata"]["labels"][labels.SUITE] == suite)
        return found

    def report(self, suite: str, digest: str = DIGEST, **fields: Any) -> None:
        said = EvaluationReport(
            suite=suite, kind="knn", checkpoint_digest=digest, scores={"top1": 61.5}, questions=100, **fields
        )
        name = labels.evaluation_name("imported-score", suite)
        self.config_maps[name]["data"] = {REPORT_KEY: said.model_dump_json(by_alias=True)}

    def end(self, suite: str, condition: str = "Complete", message: str = "") -> None:
        row = {"type": condition, "status": "True", "reason": "BackoffLimitExceeded", "message": message}
        self.job(suite)["status"] = {"conditions": [row | {"lastTransitionTime": format_time(self.now)}]}

    def change(self, **spec: Any) -> None:
        self.raw["spec"] |= spec
        self.raw["metadata"]["generation"] += 1


def begun(**spec: Any) -> Evaluation:
    found = Evaluation(**spec)
    found.operate()
    return found


def of_run(there: bool = True) -> Evaluation:
    found = Evaluation(run={"name": "small"}, encoder=None, storage=None)
    raw = valid_run()
    raw["metadata"] |= {"uid": "r"}
    found.facts = Facts(other=RunView.of(raw) if there else None)
    return found


def test_children_and_one_job_a_suite_belong_to_the_evaluation_and_cannot_be_taken_for_a_runs() -> None:
    found = begun(suites=[{"knn": KNN}, {"name": "other", "knn": KNN}])
    assert set(found.config_maps) == {
        "imported-score",
        "imported-score-eval-knn",
        "imported-score-eval-other",
    }
    assert [other["kind"] for other in found.others] == ["ServiceAccount", "Role", "RoleBinding"]
    for child in (*found.config_maps.values(), *found.others, *found.jobs.values()):
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == (EVALUATION.name, "u")
        assert child["metadata"]["labels"]["webssl.dev/evaluation"] == "imported"
        assert labels.RUN not in child["metadata"]["labels"]
    assert len(found.jobs) == 2
    (main,) = found.job("knn")["spec"]["template"]["spec"]["containers"]
    told = {entry["name"]: entry.get("value") for entry in main["env"]}
    assert told["WEBSSL_CHECKPOINT_URI"] == "s3://models/dinov2-small"
    assert told["WEBSSL_CHECKPOINT_DIGEST"] == "0123456789ab"
    assert told["WEBSSL_REPORT"] == "configmap://default/imported-score-eval-knn"
    assert found.status.summary == "0/2"


@pytest.mark.parametrize("objective", ["dino", "mae", "clip"])
@pytest.mark.parametrize("view_resolution", [None, 224, 518])
def test_the_pods_read_a_run_with_the_encoder_and_the_suites(
    objective: str, view_resolution: int | None
) -> None:
    encoder = {"size": "1B", "patchSize": 14, "objective": objective, "resolution": 518}
    found = begun(encoder=encoder | ({"viewResolution": view_resolution} if view_resolution else {}))
    run = ResolvedRun.from_yaml(found.config_maps["imported-score"]["data"][RUN_KEY]).spec
    assert (run.model.size.value, run.model.patch_size, run.objective.kind) == ("1B", 14, objective)
    stages = [stage.resolution for stage in run.schedule.stages]
    assert (stages[0], stages[-1]) == (518, view_resolution or 518)
    assert run.evaluation.suites == found.head.spec.suites  # type: ignore[union-attr]
    assert run.data.storage.secret_ref is not None


def test_scores_reach_the_status_with_the_whole_digest_of_the_checkpoint() -> None:
    found = begun()
    found.report("knn")
    found.end("knn")
    found.operate()
    status = found.status
    assert (status.phase, status.summary) == (EvaluationPhase.SUCCEEDED, "1/1")
    assert (status.checkpoint_digest, status.suites[0].scores) == (DIGEST, {"top1": 61.5})
    assert {c.type: c.status for c in status.conditions} == {"Admitted": "True", "Evaluated": "True"}
    assert status.completion_time == format_time(START)
    assert found.events == ["EvaluationSucceeded", "Succeeded"]


def test_a_report_on_another_checkpoint_than_the_pinned_one_is_no_score() -> None:
    found = begun()
    found.report("knn", digest="f" * 64)
    found.end("knn")
    assert found.operate().wake == START + timedelta(seconds=60)
    found.now += timedelta(seconds=60)
    found.operate()
    assert found.status.phase is EvaluationPhase.FAILED
    assert "left no report on checkpoint 0123456789ab" in found.status.message


def test_without_a_digest_whichever_checkpoint_is_there_is_scored_but_not_two_of_them() -> None:
    suites = [{"knn": KNN}, {"name": "other", "knn": KNN}]
    found = begun(checkpoint={"uri": "s3://models/dinov2-small"}, suites=suites)
    found.report("knn")
    found.end("knn")
    found.operate()
    assert (found.status.phase, found.status.checkpoint_digest) == (EvaluationPhase.RUNNING, DIGEST)
    found.report("other", digest="f" * 64)
    found.end("other")
    found.operate()
    assert found.status.phase is EvaluationPhase.FAILED
    assert "different checkpoints in the same folder (0123456789ab, ffffffffffff)" in found.status.message


def test_a_failed_suite_is_named_at_once_and_does_not_hide_the_others_scores() -> None:
    found = begun(suites=[{"knn": KNN}, {"name": "other", "knn": KNN}])
    found.end("other", "Failed", "spec.suites.knn.train: no such bucket")
    found.operate()
    (evaluated,) = (c for c in found.status.conditions if c.type == "Evaluated")
    assert (evaluated.status, evaluated.reason) == ("False", "SuitesFailed")
    assert "other: spec.suites.knn.train: no such bucket" in evaluated.message
    assert found.status.phase is EvaluationPhase.RUNNING
    found.report("knn")
    found.end("knn")
    found.operate()
    assert (found.status.phase, found.status.summary) == (EvaluationPhase.FAILED, "1/2")
    assert found.status.suites[0].scores == {"top1": 61.5}
    assert found.events[-1] == "Failed"


def test_suites_that_are_added_later_are_run_and_the_others_stay_as_they_are() -> None:
    found = begun()
    found.report("knn")
    found.end("knn")
    found.operate()
    first = found.job("knn")
    found.change(suites=[*found.raw["spec"]["suites"], {"name": "other", "knn": KNN}])
    found.operate()
    assert found.job("knn") is first
    assert found.job("other")
    assert (found.status.phase, found.status.summary, found.status.completion_time) == (
        EvaluationPhase.RUNNING,
        "1/2",
        None,
    )


def test_the_job_of_a_suite_that_is_taken_out_is_deleted() -> None:
    found = begun(suites=[{"knn": KNN}, {"name": "other", "knn": KNN}])
    found.change(suites=[{"knn": KNN}])
    found.operate()
    assert [job["metadata"]["labels"][labels.SUITE] for job in found.jobs.values()] == ["knn"]


def test_encoder_and_storage_are_taken_from_the_run_once_and_the_run_may_go_then() -> None:
    found = of_run()
    assert run_of(found.head) == Key("default", "small", "WebSSLRun")
    found.operate()
    run = ResolvedRun.from_yaml(found.config_maps["imported-score"]["data"][RUN_KEY]).spec
    assert (run.model.size.value, run.schedule.stages[0].resolution) == ("tiny", 56)
    (main,) = found.job("knn")["spec"]["template"]["spec"]["containers"]
    assert any(entry.get("valueFrom", {}).get("secretKeyRef") for entry in main["env"])
    found.facts = Facts()
    assert found.plan() == Plan()


def test_a_run_that_is_not_there_is_a_condition_with_the_mend_and_is_looked_for_again() -> None:
    found = of_run(there=False)
    decided = found.operate()
    (condition,) = found.status.conditions
    assert (condition.type, condition.status, condition.reason) == ("Admitted", "False", "NoSuchRun")
    assert "spec.run.name small: there is no readable WebSSLRun" in found.status.message
    assert decided.wake == START + timedelta(seconds=15)
    assert found.jobs == {}
    found.facts = of_run().facts
    found.operate()
    assert {c.type: c.status for c in found.status.conditions}["Admitted"] == "True"
    assert found.jobs


def test_a_specification_that_cannot_be_read_is_a_condition_and_touches_nothing() -> None:
    found = begun(suites=[{"telepathy": {}}])
    assert "spec.suites.0.telepathy" in found.status.message
    assert [(c.type, c.status, c.reason) for c in found.status.conditions] == [
        ("Admitted", "False", "InvalidSpec")
    ]
    assert found.jobs == {}


def test_the_longest_names_fit_what_kubernetes_takes() -> None:
    found = Evaluation(suites=[{"name": "s" * 20, "knn": KNN}])
    found.raw["metadata"]["name"] = "n" * 40
    (job,) = (a for a in found.plan().actions if isinstance(a, Apply) and a.kind == "Job")
    assert len(job.name) <= 63 - len("-000")


def test_scores_are_series() -> None:
    found = begun()
    found.report("knn")
    found.end("knn")
    found.operate()
    registry = CollectorRegistry()
    registry.register(EvaluationCollector(lambda: [found.head], lambda: START))
    text = generate_latest(registry).decode()
    who = 'evaluation="imported",metric="top1",namespace="default",suite="knn"'
    assert f"webssl_evaluation_score{{{who}}} 61.5" in text
    assert 'webssl_evaluations{phase="Succeeded"} 1.0' in text
