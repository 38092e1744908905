"""The operator that looks after some namespaces only."""

from __future__ import annotations

from pathlib import Path

from tests.contract.chart import rights
from tests.contract.chart.operator_process import operator
from tests.contract.chart.programs import CHART, NAMESPACE, SERVICE_ACCOUNT, Helm
from tests.contract.chart.runs import found, start, until
from tests.contract.chart.server import Server


def test_with_watched_namespaces_the_operator_asks_for_nothing_outside_them(
    release: str, server: Server, installed_helm: Helm, tmp_path: Path
) -> None:
    for name in ("inside", "outside"):
        start(server, name)
    flags = ("--namespace", NAMESPACE, "--set=watchNamespaces={inside}")
    installed_helm.must("upgrade", release, CHART, *flags)
    before = server.mark()
    with operator(server, tmp_path) as process:
        until(lambda: found(server, "job", "small", "inside"), "a Job", process)
        assert rights.refused(server.events(SERVICE_ACCOUNT, before)) == []
        assert found(server, "job", "small", "outside") is None
    asked = {
        event["objectRef"].get("namespace")
        for event in server.events(SERVICE_ACCOUNT, before)
        if "objectRef" in event
    }
    assert asked <= {"inside", NAMESPACE}
