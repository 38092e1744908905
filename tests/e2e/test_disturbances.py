"""No single failure ends a run, and none changes which samples an optimizer step sees.

One undisturbed run is the reference. Each other run is disturbed once in the middle and must complete with the same
sequence of sample ids per effective step. What status says of lost steps and restarts is held against what the pods
themselves wrote, read by a witness that followed their logs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from webssl_api import RunStatus, labels

from tests.e2e.lab import Lab, Witness
from tests.e2e.lab.lab import OPERATOR_NAMESPACE
from tests.e2e.lab.manifests import STEPS, training_run

DISTURB_AT = 40
Ids = list[list[str]]


def _ids(lab: Lab, name: str) -> Ids:
    records = lab.effective_steps(name)
    assert [record["step"] for record in records] == list(range(STEPS))
    return [record["ids"] for record in records]


@pytest.fixture(scope="module")
def undisturbed(lab: Lab) -> Ids:
    """Sample ids per step of a run that nobody touched."""
    lab.apply(training_run("calm", lab.namespace, lab.place))
    status = lab.until_done("calm")
    assert (status.lost_steps, status.restarts.total) == (0, 0)
    ids = _ids(lab, "calm")
    lab.delete("calm")
    return ids


class Disturbed:
    """A run that was disturbed once and has ended well."""

    def __init__(self, lab: Lab, name: str, disturb: Callable[[], Any]) -> None:
        lab.apply(training_run(name, lab.namespace, lab.place))
        witness = lab.witness(name)
        lab.until_training(name, DISTURB_AT, workers=2)
        disturb()
        self.status: RunStatus = lab.until_done(name)
        witness.stop()
        self.ids = _ids(lab, name)
        self.witness: Witness = witness
        self.trained = sorted(record["step"] for record in witness.events("step"))
        lab.delete(name)

    def check(self, undisturbed: Ids) -> None:
        """Same samples per effective step, and status agrees with the pods' own logs."""
        assert self.ids == undisturbed
        assert self.trained, self.witness.text()
        assert self.status.lost_steps == len(self.trained) - STEPS, self.witness.text()


def test_the_loss_of_a_worker(lab: Lab, undisturbed: Ids) -> None:
    run = Disturbed(lab, "lost-worker", lambda: lab.force_delete(lab.worker("lost-worker", 1)))
    run.check(undisturbed)
    assert run.status.restarts.total == len(run.witness.pods()) - 2 == 1
    assert run.status.attempt >= 2
    assert run.status.resumed_from is not None


def test_the_loss_of_the_rank_0_worker(lab: Lab, undisturbed: Ids) -> None:
    run = Disturbed(lab, "lost-rank-0", lambda: lab.force_delete(lab.worker("lost-rank-0", 0)))
    run.check(undisturbed)
    assert run.status.restarts.total == len(run.witness.pods()) - 2 == 1
    assert run.status.resumed_from is not None


def test_the_loss_of_what_holds_the_rendezvous(lab: Lab, undisturbed: Ids) -> None:
    """No pod holds it: it is a ConfigMap, and that is deleted here, together with the pod that hosts the round's store."""

    def disturb() -> None:
        lab.core.delete_namespaced_config_map(labels.rendezvous_name("lost-rendezvous"), lab.namespace)
        lab.force_delete(lab.worker("lost-rendezvous", 0))

    Disturbed(lab, "lost-rendezvous", disturb).check(undisturbed)


def test_the_loss_of_the_operator(lab: Lab, undisturbed: Ids) -> None:
    """Both replicas are killed, and a worker while there is no operator."""

    def disturb() -> None:
        for pod in lab.operator_pods():
            lab.force_delete(pod, OPERATOR_NAMESPACE)
        lab.force_delete(lab.worker("lost-operator", 1))

    run = Disturbed(lab, "lost-operator", disturb)
    run.check(undisturbed)
    assert run.status.restarts.total == len(run.witness.pods()) - 2 == 1


def test_twenty_seconds_without_the_s3_server(
    lab: Lab, undisturbed: Ids, s3_outage: Callable[[float], None]
) -> None:
    run = Disturbed(lab, "lost-s3", lambda: s3_outage(20))
    run.check(undisturbed)
    assert run.status.lost_steps == 0
    assert run.status.restarts.total == 0
