"""Evaluation: pinned to the final checkpoint, suite by suite, never in the way of another suite and never retraining."""

from __future__ import annotations

import pytest
from webssl_api import env, labels
from webssl_api.reports import EvaluationReport, TrainingState
from webssl_api.status import Phase

from tests.unit.operator.test_lifecycle import checkpoint, report, running
from tests.unit.operator.world import World


def trained(world: World | None = None) -> World:
    """A run whose training is complete, with its final checkpoint reported."""
    world = world or running(suites=True)
    world.report(report(10, state=TrainingState.COMPLETED, last_checkpoint=checkpoint(10)))
    world.complete_job()
    world.settle()
    return world


def scores(suite: str, digest: str = "digest-10") -> EvaluationReport:
    return EvaluationReport(
        suite=suite,
        kind=suite,
        checkpoint_digest=digest,
        scores={"accuracy": 61.5, "prior": 10.0},
        questions=40,
    )


def suites_of(world: World) -> list[str]:
    return sorted(job["metadata"]["labels"][labels.SUITE] for job in world.evaluations.values())


def succeed(world: World, suite: str) -> None:
    world.report_evaluation(suite, scores(suite))
    world.end_evaluation(suite, "Complete")
    world.settle()


def test_each_suite_gets_a_job_that_is_pinned_to_the_final_checkpoint() -> None:
    world = trained()
    assert suites_of(world) == ["knn", "vqa"]
    for job in world.evaluations.values():
        assert job["metadata"]["annotations"][labels.CHECKPOINT_DIGEST] == "digest-10"
        (container,) = job["spec"]["template"]["spec"]["containers"]
        values = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert values[env.CHECKPOINT_DIGEST] == "digest-10"
        assert values[env.CHECKPOINT_URI] == "s3://runs/small/a1-s10"
        assert container["command"] == ["python", "-m", "webssl_eval"]
        assert job["spec"]["backoffLimit"] == 3
    assert world.status.phase is Phase.EVALUATING


def test_nothing_is_evaluated_before_the_final_checkpoint_is_reported() -> None:
    world = running(suites=True)
    world.report(report(9, last_checkpoint=checkpoint(8)))
    world.complete_job()
    world.settle()
    assert world.evaluations == {}
    assert world.status.phase is Phase.EVALUATING
    trained_late = trained_report(world)
    assert suites_of(trained_late) == ["knn", "vqa"]


def trained_report(world: World) -> World:
    world.report(report(10, state=TrainingState.COMPLETED, last_checkpoint=checkpoint(10)))
    world.settle()
    return world


def test_without_a_report_of_the_final_checkpoint_the_run_fails_and_says_so() -> None:
    world = running(suites=True)
    world.complete_job()
    world.settle()
    world.pass_time(60)
    world.settle()
    assert world.status.phase is Phase.FAILED
    assert "without a report of its final checkpoint" in world.status.message


def test_scores_of_all_suites_make_a_success() -> None:
    world = trained()
    succeed(world, "knn")
    assert world.status.phase is Phase.EVALUATING
    assert world.status.message == "1 of 2 suites are done"
    succeed(world, "vqa")
    status = world.status
    assert status.phase is Phase.SUCCEEDED
    assert status.evaluation is not None
    assert [suite.scores["accuracy"] for suite in status.evaluation.suites] == [61.5, 61.5]
    assert {c.type: c.status for c in status.conditions}["Evaluated"] == "True"


@pytest.mark.parametrize("first", ["knn", "vqa"])
def test_a_suite_that_fails_does_not_hide_the_scores_of_the_other(first: str) -> None:
    world = trained()
    other = {"knn": "vqa", "vqa": "knn"}[first]
    world.end_evaluation(first, "Failed", failures=4)
    world.settle()
    assert world.status.phase is Phase.EVALUATING
    succeed(world, other)
    status = world.status
    assert status.phase is Phase.FAILED
    assert status.message.startswith("training is complete, evaluation failed: ")
    assert status.evaluation is not None
    phases = {suite.name: suite.phase for suite in status.evaluation.suites}
    assert phases == {first: "Failed", other: "Succeeded"}
    assert {c.type: c.status for c in status.conditions}["TrainingComplete"] == "True"
    (evaluated,) = (c for c in status.conditions if c.type == "Evaluated")
    assert (evaluated.status, evaluated.reason) == ("False", "SuitesFailed")
    assert evaluated.message.startswith(f"1 of 2 suites succeeded; failed: {first}: ")


def test_evaluation_never_touches_the_training_job() -> None:
    world = trained()
    world.job = None
    world.settle()
    assert world.jobs_made == 1


def test_the_report_on_another_checkpoint_is_not_taken() -> None:
    world = trained()
    world.report_evaluation("knn", scores("knn", digest="digest-8"))
    world.end_evaluation("knn", "Complete")
    world.settle()
    assert world.status.phase is Phase.EVALUATING
    world.pass_time(60)
    world.settle()
    assert world.status.evaluation is not None
    knn = next(s for s in world.status.evaluation.suites if s.name == "knn")
    assert knn.phase == "Failed"
    assert "left no report on checkpoint digest-10" in knn.message


def test_retries_of_a_suite_are_told() -> None:
    world = trained()
    job = world.evaluation("knn")
    job["status"] = {"failed": 2, "active": 1}
    world._store_evaluation(job)
    world.settle()
    assert world.status.evaluation is not None
    knn = next(s for s in world.status.evaluation.suites if s.name == "knn")
    assert (knn.phase, knn.retries) == ("Running", 2)


def test_a_suite_that_is_taken_out_of_the_manifest_is_removed() -> None:
    world = trained()
    suites = [suite for suite in world.run["spec"]["evaluation"]["suites"] if "vqa" in suite]
    world.change_spec(evaluation={"suites": suites})
    world.settle()
    assert suites_of(world) == ["vqa"]


def test_a_suite_of_several_pods_is_an_indexed_job_whose_pods_are_retried_one_by_one() -> None:
    world = running(suites=True)
    suites = world.run["spec"]["evaluation"]["suites"]
    suites[1]["vqa"]["benchmarks"] = {"data": "s3://eval/benchmarks", "pods": 4}
    world.change_spec(evaluation={"suites": suites, "maxRetries": 2})
    trained(world)
    spec = world.evaluation("vqa")["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 4)
    assert (spec["backoffLimitPerIndex"], spec["maxFailedIndexes"]) == (2, 0)
    assert "backoffLimit" not in spec
    (container,) = spec["template"]["spec"]["containers"]
    assert {"name": env.PARTS, "value": "4"} in container["env"]
    assert "completionMode" not in world.evaluation("knn")["spec"]


def test_names_of_jobs_leave_room_for_the_index_of_their_pods() -> None:
    tag = "0123456789abcdef"
    long = labels.evaluation_job_name("r" * 40, "s" * 20, tag)
    assert len(f"{long}-255") <= 63
    assert long.endswith("-01234567")
    assert labels.evaluation_job_name("r", "knn", tag) == "r-eval-knn-01234567"
