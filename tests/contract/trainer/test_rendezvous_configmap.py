"""Rendezvous and reports against a real API server, under the very Role that the operator gives to a run's pods."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml
from webssl_api import labels
from webssl_api.curation_status import CurationReport, report_key
from webssl_api.reports import TrainingReport
from webssl_operator.construct.access import VERBS
from webssl_trainer.configmaps import ApiRefusedError, ConfigMap
from webssl_trainer.rendezvous.handler import DocumentRendezvous
from webssl_trainer.rendezvous.kubernetes import ConfigMapBackend
from webssl_trainer.rendezvous.member import Timing
from webssl_trainer.rendezvous.policy import Limits, Patience, Verdict
from webssl_trainer.rendezvous.state import Node, Progress, decode
from webssl_trainer.reporting import BackgroundReporter, ConfigMapSink
from webssl_trainer.reporting.reporter import last_report

NAMESPACE = "trainer-contract"
ALLOWED = ["run-rendezvous", "run-progress"]
# No slow answer of the API server is taken for somebody's death.
TIMING = Timing(beat=0.5, misses=240, poll=0.1, store=120, patience=Patience(last_call=120, stragglers=120))
ConfigMaps = Callable[[str], ConfigMap]


@pytest.fixture(scope="module")
def config_maps(api_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConfigMaps]:
    """ConfigMaps by name, reached as a pod reaches them."""
    kubectl = api_server.kubectl
    meta = {"name": "run-pods", "namespace": NAMESPACE}
    kubectl.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    kubectl.apply(
        [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": meta,
                "rules": [
                    {
                        "apiGroups": [""],
                        "resources": ["configmaps"],
                        "resourceNames": ALLOWED,
                        "verbs": list(VERBS),
                    }
                ],
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": meta,
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "run-pods"},
                "subjects": [{"kind": "ServiceAccount", "name": "run-pods", "namespace": NAMESPACE}],
            },
        ]
    )
    token = tmp_path_factory.mktemp("account") / "token"
    token.write_text(kubectl("create", "token", "run-pods", "-n", NAMESPACE))
    cluster = _cluster_of(api_server)
    context = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
    )
    with httpx.Client(base_url=cluster["server"], verify=context, timeout=60) as client:
        yield lambda name: ConfigMap(client, NAMESPACE, name, token)
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _cluster_of(api_server) -> dict[str, str]:
    raw = yaml.safe_load(api_server.kubeconfig.read_text())
    wanted = api_server.context or raw["current-context"]
    name = next(entry["context"]["cluster"] for entry in raw["contexts"] if entry["name"] == wanted)
    found: dict[str, str] = next(entry["cluster"] for entry in raw["clusters"] if entry["name"] == name)
    if "certificate-authority-data" not in found:
        data = Path(found["certificate-authority"]).read_bytes()
        found["certificate-authority-data"] = base64.b64encode(data).decode()
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def agent(config_maps: ConfigMaps, slot: int) -> DocumentRendezvous:
    backend = ConfigMapBackend(config_maps("run-rendezvous"))
    node, limits = Node(slot, f"pod-{slot}", "127.0.0.1"), Limits(1, 2, lambda count: count > 0)
    return DocumentRendezvous(backend, node, "run", limits, TIMING, Progress)


def delete(api_server, name: str) -> None:
    api_server.kubectl("delete", "configmap", name, "-n", NAMESPACE, "--ignore-not-found")


def test_the_pods_role_lets_a_deleted_object_be_made_again_by_name_and_no_other(
    api_server, config_maps: ConfigMaps
) -> None:
    delete(api_server, "run-progress")
    assert config_maps("run-progress").get() is None
    assert config_maps("run-progress").ensure().data == {}
    with pytest.raises(ApiRefusedError, match="403"):
        config_maps("something-else").ensure()
    with pytest.raises(ApiRefusedError, match="something-else"):
        config_maps("something-else").get()


def test_a_write_at_an_old_version_is_refused_and_heartbeats_are_not(config_maps: ConfigMaps) -> None:
    target = config_maps("run-rendezvous")
    old = target.ensure()
    backend = ConfigMapBackend(target)
    backend.beat("a", "1")
    assert not backend.write("{}", old.resource_version, [])
    assert backend.write('{"x":1}', backend.read().token, [])
    backend.beat("a", "2")
    seen = backend.read()
    assert (seen.text, seen.beats) == ('{"x":1}', {"a": "2"})
    assert backend.write('{"x":2}', seen.token, ["a"])
    assert backend.read().beats == {}


def test_the_operators_apply_and_the_agents_patches_leave_each_other_alone(
    api_server, config_maps: ConfigMaps
) -> None:
    delete(api_server, "run-rendezvous")
    backend = ConfigMapBackend(config_maps("run-rendezvous"))
    assert backend.write("state", backend.read().token, [])
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "run-rendezvous", "namespace": NAMESPACE},
        "data": {labels.WORKERS: "3"},
    }
    api_server.kubectl.apply([manifest])
    seen = backend.read()
    assert (seen.text, seen.wanted) == ("state", 3)
    assert backend.write("newer", seen.token, [])
    api_server.kubectl.apply([{**manifest, "data": {labels.WORKERS: "2"}}])
    seen = backend.read()
    assert (seen.text, seen.wanted) == ("newer", 2)


def test_agents_meet_and_the_loss_of_the_object_does_not_part_them(
    api_server, config_maps: ConfigMaps
) -> None:
    delete(api_server, "run-rendezvous")
    agents = [agent(config_maps, slot) for slot in range(2)]
    try:
        with ThreadPoolExecutor(2) as pool:
            first = list(pool.map(lambda one: one.next_rendezvous(), agents))
            assert [(info.rank, info.world_size) for info in first] == [(0, 2), (1, 2)]
            delete(api_server, "run-rendezvous")
            backend = ConfigMapBackend(config_maps("run-rendezvous"))
            wait_until(lambda: len(backend.read().beats) == 2)
            restored = decode(backend.read().text or "")
            assert [node.slot for node in restored.members] == [0, 1]
            assert [one.verdict() for one in agents] == [Verdict.STAY, Verdict.STAY]
            second = list(pool.map(lambda one: one.next_rendezvous(), agents))
            assert [info.rank for info in second] == [0, 1]
            assert decode(backend.read().text or "").round > restored.round
    finally:
        for one in agents:
            one.shutdown()
    assert decode(ConfigMapBackend(config_maps("run-rendezvous")).read().text or "").nodes() == ()


def test_reports_arrive_also_when_the_object_is_gone(api_server, config_maps: ConfigMaps) -> None:
    delete(api_server, "run-progress")
    sink = ConfigMapSink(config_maps("run-progress"))
    assert last_report(sink) is None
    reporter = BackgroundReporter(sink, interval=0.1)
    reporter.report(TrainingReport(step=7, attempt=2))
    assert reporter.flush(120)
    assert last_report(sink) == TrainingReport(step=7, attempt=2)


def test_the_pods_of_a_pass_report_under_keys_of_their_own(api_server, config_maps: ConfigMaps) -> None:
    delete(api_server, "run-progress")
    sinks = [ConfigMapSink(config_maps("run-progress"), report_key(number)) for number in range(3)]
    for number, sink in enumerate(sinks):
        sink.write(CurationReport(shards_done=number).model_dump_json(by_alias=True))
    texts = [sink.read() for sink in sinks]
    assert [CurationReport.model_validate_json(text or "").shards_done for text in texts] == [0, 1, 2]
