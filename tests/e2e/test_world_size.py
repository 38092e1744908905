"""What a run learns does not depend on how many workers there are: 1, 2, and 2 -> 1 -> 2."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.lab import Lab
from tests.e2e.lab.manifests import training_run

STEPS = 360
"""So many that a second worker has started before one alone is done."""
TOLERANCE = 1e-4


def _records(lab: Lab, name: str) -> list[dict[str, Any]]:
    records = lab.effective_steps(name)
    assert [record["step"] for record in records] == list(range(STEPS))
    lab.delete(name)
    return records


@pytest.fixture(scope="module")
def one_worker(lab: Lab) -> list[dict[str, Any]]:
    """Step records of a run on one worker."""
    lab.apply(training_run("one", lab.namespace, lab.place, workers=(1, 1), steps=STEPS))
    lab.until_done("one")
    records = _records(lab, "one")
    assert {record["world_size"] for record in records} == {1}
    return records


def _check(records: list[dict[str, Any]], reference: list[dict[str, Any]]) -> None:
    assert [r["ids"] for r in records] == [r["ids"] for r in reference]
    assert [r["digest"] for r in records] == [r["digest"] for r in reference]
    for mine, theirs in zip(records, reference, strict=True):
        assert mine["losses"]["loss"] == pytest.approx(theirs["losses"]["loss"], rel=TOLERANCE), mine["step"]
        # KoLeo passes through zero, where a relative difference says nothing.
        assert mine["losses"] == pytest.approx(theirs["losses"], rel=TOLERANCE, abs=1e-6), mine["step"]


def test_two_workers_learn_what_one_learns(lab: Lab, one_worker: list[dict[str, Any]]) -> None:
    lab.apply(training_run("two", lab.namespace, lab.place, workers=(2, 2), steps=STEPS))
    lab.until_done("two")
    records = _records(lab, "two")
    assert {record["world_size"] for record in records} == {2}
    _check(records, one_worker)


def test_a_run_that_shrinks_and_grows_learns_the_same(lab: Lab, one_worker: list[dict[str, Any]]) -> None:
    name = "two-one-two"
    lab.apply(training_run(name, lab.namespace, lab.place, workers=(1, 2), steps=STEPS))
    lab.until_training(name, 20, workers=2)
    lab.patch(name, {"workers": {"max": 1}})
    shrunk_at = lab.until(
        name, "training on one worker", lambda s: s.workers.ready == s.workers.desired == 1 and s.attempt >= 2
    ).progress.step
    lab.until(name, "progress on one worker", lambda s: s.progress.step > shrunk_at)
    lab.patch(name, {"workers": {"max": 2}})
    status = lab.until_done(name)
    records = _records(lab, name)
    sizes = [record["world_size"] for record in records]
    assert [size for i, size in enumerate(sizes) if i == 0 or sizes[i - 1] != size] == [2, 1, 2]
    assert status.lost_steps == 0, "shrinking and growing on request take a checkpoint first"
    _check(records, one_worker)
