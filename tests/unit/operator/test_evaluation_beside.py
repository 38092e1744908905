"""Evaluation beside training: from time to time and on demand; one checkpoint at a time, never in the way of the run."""

from __future__ import annotations

import json
from typing import Any

from webssl_api import labels
from webssl_api.evaluation_orders import ORDERS_KEY, EvaluationOrders, Held, HeldCheckpoint, RefusedRequest
from webssl_api.reports import EvaluationReport, TrainingState
from webssl_api.status import Phase
from webssl_operator.plan.beside import KEPT

from tests.unit.operator.test_lifecycle import checkpoint, report, running
from tests.unit.operator.world import World


def held(step: int, request: str = "") -> HeldCheckpoint:
    return HeldCheckpoint(checkpoint=checkpoint(step), request=request)


def training(periodic: dict[str, Any] | None = None) -> World:
    """A run that trains and is scored from time to time."""
    world = running(suites=True)
    suites = world.run["spec"]["evaluation"]["suites"]
    world.change_spec(evaluation={"suites": suites, **({"periodic": periodic} if periodic else {})})
    world.settle()
    return world


def tell(world: World, step: int, *holds: HeldCheckpoint, refused: RefusedRequest | None = None) -> None:
    world.report(
        report(step, last_checkpoint=checkpoint(step), held_checkpoints=list(holds), refused_request=refused)
    )
    world.settle()


def orders(world: World) -> EvaluationOrders:
    text = world.config_maps[labels.run_config_name(world.name)]["data"].get(ORDERS_KEY, "{}")
    return EvaluationOrders.model_validate_json(text)


def jobs(world: World) -> list[tuple[str, str]]:
    """Suite and digest of each evaluation Job."""
    return sorted(
        (job["metadata"]["labels"][labels.SUITE], job["metadata"]["annotations"][labels.CHECKPOINT_DIGEST])
        for job in world.evaluations.values()
    )


def score(world: World, suite: str, step: int, value: float = 61.5) -> None:
    world.report_evaluation(
        suite,
        EvaluationReport(
            suite=suite,
            kind=suite,
            checkpoint_digest=f"digest-{step}",
            scores={"accuracy": value},
            questions=40,
            suite_version=3,
            data_digest="data",
        ),
    )
    world.end_evaluation(suite, "Complete")
    world.settle()


def history(world: World) -> list[tuple[int, str]]:
    return [(entry.step, entry.phase) for entry in world.status.evaluations]


def test_without_a_policy_nothing_is_ordered_and_nothing_runs_beside_training() -> None:
    world = training()
    tell(world, 4)
    assert ORDERS_KEY not in world.config_maps[labels.run_config_name(world.name)]["data"]
    assert world.evaluations == {}


def test_the_trainer_is_told_how_often_before_its_first_pod_starts() -> None:
    world = World(suites=True, min=1, max=2)
    world.change_spec(evaluation={**world.run["spec"]["evaluation"], "periodic": {"everySamples": 64}})
    world.operate()
    assert orders(world).every_samples == 64


def test_a_due_checkpoint_is_scored_while_the_run_trains() -> None:
    world = training({"everySamples": 64})
    tell(world, 2, held(2))
    assert jobs(world) == [("knn", "digest-2"), ("vqa", "digest-2")]
    assert world.status.phase is Phase.RUNNING
    assert orders(world).scoring == [Held(digest="digest-2")]
    score(world, "knn", 2)
    score(world, "vqa", 2)
    (entry,) = world.status.evaluations
    assert (entry.phase, entry.step, entry.samples) == ("Succeeded", 2, 64)
    knn = entry.suites[0]
    assert (knn.scores, knn.questions, knn.version, knn.data_digest) == ({"accuracy": 61.5}, 40, 3, "data")
    assert orders(world).over == [Held(digest="digest-2")]
    assert world.status.phase is Phase.RUNNING
    assert world.jobs_made == 1


def test_every_change_is_followed_by_another_pass_until_nothing_changes() -> None:
    """The status that an operator writes wakes nobody."""
    world = training({"everySamples": 64})
    world.report(report(2, last_checkpoint=checkpoint(2), held_checkpoints=[held(2)]))
    passes = [world.operate()]
    while passes[-1].wake is not None and passes[-1].wake <= world.now:
        passes.append(world.operate())
    assert jobs(world) == [("knn", "digest-2"), ("vqa", "digest-2")]
    assert orders(world).scoring == [Held(digest="digest-2")]
    assert world.operate().actions == ()


def test_only_the_named_suites_run_from_time_to_time() -> None:
    world = training({"everySamples": 64, "suites": ["knn"]})
    tell(world, 2, held(2))
    assert jobs(world) == [("knn", "digest-2")]


def test_while_one_is_scored_the_newest_waits_and_older_ones_are_skipped_with_a_word() -> None:
    world = training({"everySamples": 64, "suites": ["knn"]})
    tell(world, 2, held(2))
    tell(world, 4, held(2), held(4))
    assert history(world) == [(2, "Running" if world.status.evaluations[0].phase == "Running" else "Pending")]
    tell(world, 6, held(2), held(4), held(6))
    assert (4, "Skipped") in history(world)
    assert orders(world).over == [Held(digest="digest-4")]
    assert world.events.count("EvaluationSkipped") == 1
    score(world, "knn", 2)
    assert jobs(world) == [("knn", "digest-6")]
    score(world, "knn", 6)
    assert history(world) == [(2, "Succeeded"), (4, "Skipped"), (6, "Succeeded")]
    assert orders(world).over == [Held(digest=f"digest-{step}") for step in (2, 4, 6)]


def test_a_request_scores_the_checkpoint_that_the_trainer_holds_for_it_with_all_suites() -> None:
    world = training({"everySamples": 64, "suites": ["knn"]})
    world.annotate(evaluate="latest@1")
    world.settle()
    assert orders(world).request == "latest@1"
    tell(world, 3, held(3, "latest@1"))
    assert jobs(world) == [("knn", "digest-3"), ("vqa", "digest-3")]
    assert orders(world).request == ""
    assert orders(world).scoring == [Held(digest="digest-3", request="latest@1")]
    assert world.status.evaluation_request == "latest@1"


def test_a_repeated_request_does_not_score_again_what_has_scores() -> None:
    world = training()
    world.annotate(evaluate="latest@1")
    tell(world, 3, held(3, "latest@1"))
    score(world, "knn", 3)
    world.end_evaluation("vqa", "Failed", failures=4)
    world.settle()
    first = {job["metadata"]["uid"] for job in world.evaluations.values()}
    world.annotate(evaluate="latest@2")
    tell(world, 3, held(3, "latest@2"))
    again = [job for job in world.evaluations.values() if job["metadata"]["uid"] not in first]
    assert [job["metadata"]["labels"][labels.SUITE] for job in again] == ["vqa"]
    score(world, "vqa", 3)
    assert history(world) == [(3, "Failed"), (3, "Succeeded")]


def test_a_request_that_no_checkpoint_answers_is_refused_once() -> None:
    world = training()
    world.annotate(evaluate="7")
    refused = RefusedRequest(
        request="7", reason="there is no checkpoint of step 7; there are those of steps 2, 4"
    )
    tell(world, 4, refused=refused)
    tell(world, 5, refused=refused)
    assert world.events.count("EvaluationRefused") == 1
    assert orders(world) == EvaluationOrders()


def test_a_request_on_a_run_without_suites_is_refused() -> None:
    world = running()
    world.annotate(evaluate="latest")
    world.settle()
    assert "EvaluationRefused" in world.events
    assert world.status.evaluation_request == "latest"


def test_a_suite_that_fails_beside_training_fails_neither_the_run_nor_the_others() -> None:
    world = training({"everySamples": 64})
    tell(world, 2, held(2))
    world.end_evaluation("vqa", "Failed", failures=4)
    world.settle()
    score(world, "knn", 2)
    (entry,) = world.status.evaluations
    assert (entry.phase, [suite.phase for suite in entry.suites]) == ("Failed", ["Succeeded", "Failed"])
    assert world.status.phase is Phase.RUNNING
    tell(world, 4, held(2), held(4))
    assert jobs(world) == [("knn", "digest-4"), ("vqa", "digest-4")]


def test_what_a_failed_suite_says_is_remembered_short() -> None:
    world = training({"everySamples": 64, "suites": ["knn"]})
    tell(world, 2, held(2))
    job = world.evaluation("knn")
    message = "Job has reached the specified backoff limit. " + "x" * 2000 + " no such bucket"
    job["status"] = {"conditions": [{"type": "Failed", "status": "True", "reason": "R", "message": message}]}
    world._store_evaluation(job)
    world.settle()
    said = world.status.evaluations[0].suites[0].message
    assert len(said) <= 300
    assert said.startswith("Job has reached the specified backoff limit.")
    assert said.endswith(" no such bucket")


def test_when_training_ends_its_last_checkpoint_has_the_pods() -> None:
    world = training({"everySamples": 64})
    tell(world, 8, held(8))
    world.report(
        report(
            10,
            state=TrainingState.COMPLETED,
            last_checkpoint=checkpoint(10),
            held_checkpoints=[held(8)],
        )
    )
    world.complete_job()
    world.settle()
    assert history(world) == [(8, "Skipped")]
    assert jobs(world) == [("knn", "digest-10"), ("vqa", "digest-10")]
    score(world, "knn", 10)
    score(world, "vqa", 10)
    assert world.status.phase is Phase.SUCCEEDED
    assert world.status.evaluation is not None
    assert (world.status.evaluation.step, world.status.evaluation.samples) == (10, 320)


def test_a_failed_run_leaves_no_evaluation_at_work() -> None:
    world = training({"everySamples": 64})
    tell(world, 2, held(2))
    world.fail_job()
    world.settle()
    assert world.status.phase is Phase.FAILED
    assert world.evaluations == {}
    assert history(world) == [(2, "Skipped")]


def test_suspending_the_run_starts_nothing_new() -> None:
    world = training({"everySamples": 64})
    world.change_spec(suspend=True)
    world.settle()
    tell(world, 2, held(2))
    assert world.evaluations == {}
    world.change_spec(suspend=False)
    world.settle()
    assert jobs(world) == [("knn", "digest-2"), ("vqa", "digest-2")]


def test_a_new_operator_goes_on_with_the_evaluation_of_the_one_before() -> None:
    world = training({"everySamples": 64})
    tell(world, 2, held(2))
    before = {job["metadata"]["uid"] for job in world.evaluations.values()}
    world.restart_operator()
    world.settle()
    assert {job["metadata"]["uid"] for job in world.evaluations.values()} == before
    score(world, "knn", 2)
    score(world, "vqa", 2)
    assert history(world) == [(2, "Succeeded")]


def test_the_word_of_an_older_attempt_starts_nothing() -> None:
    world = training({"everySamples": 64})
    world.report(report(4, attempt=2))
    world.settle()
    world.report(report(2, attempt=1, held_checkpoints=[held(2)]))
    world.settle()
    assert world.evaluations == {}


def test_the_status_remembers_the_newest_and_what_is_forgotten_stays_over() -> None:
    world = training({"everySamples": 64, "suites": ["knn"]})
    for step in range(1, KEPT + 4):
        tell(world, step, held(1), held(step))
        score(world, "knn", step)
    assert [step for step, _ in history(world)] == list(range(4, KEPT + 4))
    assert Held(digest="digest-1") in orders(world).over
    assert all(phase == "Succeeded" for _, phase in history(world))


def test_evaluation_pods_have_the_priority_class_of_the_installation_unless_the_template_names_its_own() -> (
    None
):
    from dataclasses import replace

    from webssl_operator.construct.evaluation_job import evaluation_job
    from webssl_operator.plan.draft import Scene
    from webssl_operator.plan.evaluation import bench_of
    from webssl_operator.settings import Settings

    world = running(suites=True)
    snapshot = world.snapshot()
    assert snapshot.run.spec is not None
    bench = bench_of(Scene(snapshot, snapshot.run.spec, world.now, Settings(evaluation_priority="low")))
    suite = snapshot.run.spec.evaluation.suites[0]
    pod = evaluation_job(bench, suite, checkpoint(2))["spec"]["template"]["spec"]
    assert pod["priorityClassName"] == "low"
    own = replace(bench, template=bench.template.model_copy(update={"priority_class_name": "mine"}))
    assert (
        evaluation_job(own, suite, checkpoint(2))["spec"]["template"]["spec"]["priorityClassName"] == "mine"
    )


def test_orders_are_small_and_say_only_what_is_ordered() -> None:
    world = training({"everySamples": 64})
    text = world.config_maps[labels.run_config_name(world.name)]["data"][ORDERS_KEY]
    assert json.loads(text) == {"everySamples": 64}
