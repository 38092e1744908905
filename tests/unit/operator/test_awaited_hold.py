"""When the pods of a WebSSLEvaluation may read a checkpoint that a trainer could delete."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from webssl_api import labels
from webssl_api.evaluation_object import EvaluationPhase
from webssl_api.evaluation_status import CheckpointHold, HoldPhase
from webssl_api.status import Phase, RunStatus, WorkerPod, WorkersStatus
from webssl_operator.observe.family import Facts
from webssl_operator.observe.run import RunView
from webssl_operator.plan.awaited_hold import CONDITION
from webssl_operator.plan.claims import Word, answer_claims, claim_of

from tests.manifests.valid import valid_run
from tests.unit.operator.test_claims import RUN, URI
from tests.unit.operator.test_evaluation_object import KNN, START, Evaluation

WORKERS = WorkersStatus(running=[WorkerPod(name="small-0", uid="p")])


def run(*holds: CheckpointHold, uri: str = RUN, deleting: bool = False, **status: Any) -> RunView:
    raw = valid_run()
    raw["metadata"] |= {"uid": "r"} | ({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {})
    raw["spec"]["checkpoint"]["uri"] = uri
    fields = {"phase": Phase.RUNNING, "workers": WORKERS, "holds": list(holds)} | status
    raw["status"] = RunStatus(**fields).model_dump(mode="json", by_alias=True)
    return RunView.of(raw)


def made(**spec: Any) -> Evaluation:
    return Evaluation(checkpoint={"uri": URI}, **spec)


def hold(found: Evaluation, phase: HoldPhase, message: str = "") -> CheckpointHold:
    claim = claim_of(found.head, run())
    assert claim is not None
    (asked,) = answer_claims([claim], [], Word())
    return asked.model_copy(update={"phase": phase, "message": message})


def condition(found: Evaluation) -> tuple[str, str] | None:
    return next(((c.status, c.reason) for c in found.status.conditions if c.type == CONDITION), None)


@pytest.mark.parametrize(
    ("neighbours", "jobs", "said"),
    [
        ([], 1, None),
        ([run(uri="s3://runs/another")], 1, None),
        ([run(workers=WorkersStatus())], 1, None),
        ([run(phase=Phase.EVALUATING)], 1, None),
        ([run(phase=Phase.FAILED)], 1, None),
        ([run(deleting=True)], 1, None),
        ([run()], 0, ("Unknown", "Asked")),
        ([run(hold(made(), HoldPhase.WAITING))], 0, ("Unknown", "Asked")),
        ([run(hold(made(), HoldPhase.ASKED))], 0, ("Unknown", "Asked")),
        ([run(uri="s3://a"), run(hold(made(), HoldPhase.HELD))], 1, ("True", "Held")),
        ([run(hold(made(), HoldPhase.REFUSED, "no such step"))], 1, ("False", "Refused")),
        (
            [run(hold(made(), HoldPhase.HELD).model_copy(update={"request": "of an earlier claim"}))],
            0,
            ("Unknown", "Asked"),
        ),
    ],
    ids=[
        "no run",
        "another run",
        "a run without workers",
        "a run that is trained",
        "a run that failed",
        "a run that is being deleted",
        "not yet asked",
        "waits for another request",
        "asked",
        "held",
        "refused",
        "held for an earlier claim",
    ],
)
def test_pods_start_when_nobody_can_delete_what_they_read(
    neighbours: list[RunView], jobs: int, said: tuple[str, str] | None
) -> None:
    found = made()
    found.facts = Facts(neighbours=tuple(neighbours))
    decided = found.operate()
    assert len(found.jobs) == jobs
    assert condition(found) == said
    if not jobs:
        assert decided.wake == START + timedelta(seconds=5)
        assert found.status.phase is EvaluationPhase.PENDING
        assert found.status.message == "waits for the trainer of run small to keep the checkpoint"


def test_a_refusal_says_why_and_leaves_the_word_to_the_pods() -> None:
    found = made()
    found.facts = Facts(neighbours=(run(hold(found, HoldPhase.REFUSED, "there is no step 12")),))
    found.operate()
    (said,) = (c.message for c in found.status.conditions if c.type == CONDITION)
    assert said == "run small does not keep the checkpoint: there is no step 12"


def test_a_trainer_that_does_not_answer_is_waited_for_three_minutes_and_heard_when_it_does() -> None:
    found = made()
    found.facts = Facts(neighbours=(run(),))
    found.operate()
    found.now += timedelta(seconds=179)
    assert found.operate().wake == START + timedelta(seconds=180)
    assert found.jobs == {}
    found.now += timedelta(seconds=1)
    found.operate()
    assert (len(found.jobs), condition(found)) == (1, ("False", "NoAnswer"))
    found.facts = Facts(neighbours=(run(hold(found, HoldPhase.HELD)),))
    found.operate()
    assert condition(found) == ("True", "Held")


def test_the_hold_is_not_needed_when_all_is_over_and_is_awaited_again_by_a_retry() -> None:
    found = made(suites=[{"name": name, "knn": KNN} for name in ("good", "bad")])
    found.facts = Facts(neighbours=(run(hold(found, HoldPhase.HELD)),))
    found.operate()
    found.report("good")
    found.end("good")
    found.end("bad", "Failed", "no such bucket")
    found.operate()
    assert (found.status.phase, condition(found)) == (EvaluationPhase.FAILED, ("False", "NotNeeded"))
    assert claim_of(found.head, run()) is None

    found.raw["metadata"]["annotations"] = {labels.RETRY: "1"}
    for _ in range(2):
        for action in found.plan().actions:
            found._act(action)
    found.now += timedelta(hours=1)
    found.operate()
    assert (condition(found), found.status.summary) == (("Unknown", "Asked"), "1/2")
    assert [job["metadata"]["labels"][labels.SUITE] for job in found.jobs.values()] == ["good"]
    found.facts = Facts(neighbours=(run(hold(found, HoldPhase.HELD)),))
    found.operate()
    assert condition(found) == ("True", "Held")
    assert found.job("bad")


def test_what_works_already_goes_on_when_workers_come_that_could_delete_it() -> None:
    found = made()
    found.operate()
    assert found.jobs
    found.facts = Facts(neighbours=(run(),))
    found.operate()
    assert (len(found.jobs), condition(found)) == (1, ("Unknown", "Asked"))
