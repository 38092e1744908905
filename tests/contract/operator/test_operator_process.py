"""The process: probes, two replicas with one leader, and an operator that is killed in the middle."""

from __future__ import annotations

from collections.abc import Callable

from webssl_api.status import Phase

from tests.contract.operator.lab import Lab
from tests.contract.operator.process import OperatorProcess


def test_the_probes_answer_and_metrics_are_served(lab: Lab, operator: OperatorProcess) -> None:
    lab.until("leader", operator.leads, bool)
    for path in ("/healthz", "/readyz"):
        lab.until(path, lambda path=path: operator.probe(path), lambda code: code == 200)
    lab.until("watches", lambda: operator.series("webssl_operator_watch_stale"), lambda stale: stale == 0)


def test_the_standby_takes_over_when_the_leader_is_killed(
    lab: Lab, operator: OperatorProcess, start_operator: Callable[..., OperatorProcess]
) -> None:
    lab.until("leader", operator.leads, bool)
    lab.apply("before")
    lab.start("before")
    lab.until_status("before", "2/2", lambda s: s.workers.summary == "2/2")
    standby = start_operator("standby", "webssl-operator")
    lab.until("standby", lambda: standby.probe("/readyz"), lambda code: code == 200)
    assert not standby.leads()
    operator.kill()
    lab.until("new leader", standby.leads, bool, seconds=300)
    lab.apply("after")
    lab.until_status("after", "status", lambda s: s.phase is Phase.PENDING)
    # What happened while nobody looked is found by the new leader, and nothing is done twice.
    assert lab.status("before").restarts.total == 0
    assert lab.job("before").spec.parallelism == 2
    assert standby.stop() == 0


def test_a_leader_that_is_told_to_stop_gives_its_lease_back(
    empty_lab: Lab, start_operator: Callable[..., OperatorProcess]
) -> None:
    one = start_operator("one", "handover", seconds=120)
    empty_lab.until("leader", one.leads, bool)
    other = start_operator("other", "handover", seconds=120)
    empty_lab.until("standby", lambda: other.probe("/readyz"), lambda code: code == 200)
    assert one.stop() == 0
    # Sooner than the Lease would have run out. It is looked at every 24 s.
    empty_lab.until("leader", other.leads, bool, seconds=110)
    assert other.stop() == 0
