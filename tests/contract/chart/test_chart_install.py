"""The chart in a real API server: installed by the real helm, upgraded, uninstalled."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from webssl_localcluster.processes import wait_until

from tests.contract.chart.programs import CHART, CRD, CRDS, NAMESPACE, ROOT, SERVICE_ACCOUNT, Helm
from tests.contract.chart.server import Server, may
from tests.manifests.valid import valid_run


@pytest.mark.parametrize("crd", CRDS)
def test_the_stored_kind_is_the_generated_one(release: str, server: Server, crd: str) -> None:
    stored = server.kubectl.json("get", "crd", crd)
    plural, _, group = crd.partition(".")
    file = str(ROOT / "crds" / "generated" / f"{group}_{plural}.yaml")
    again = server.kubectl.json("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", file)
    assert stored["spec"] == again["spec"]


def test_the_pods_are_admitted_at_the_restricted_security_level(release: str, server: Server) -> None:
    deployment = server.kubectl.json("get", "deployment", "webssl-webssl-operator", "--namespace", NAMESPACE)
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "restricted", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    server.kubectl.apply([namespace])
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "operator", "namespace": "restricted"},
        "spec": deployment["spec"]["template"]["spec"] | {"serviceAccountName": "", "serviceAccount": ""},
    }
    server.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))


def test_the_operator_may_do_exactly_what_its_table_says(release: str, server: Server) -> None:
    role = server.kubectl.json("get", "clusterrole", "webssl-webssl-operator")
    own = server.kubectl.json("get", "role", "webssl-webssl-operator-leader", "--namespace", NAMESPACE)
    table = yaml.safe_load((CHART / "files/rbac/operator.yaml").read_text())
    assert role["rules"] == table["runs"]
    assert own["rules"] == table["own"]
    assert may(server, SERVICE_ACCOUNT, "patch", "jobs.batch", "default")
    assert may(server, SERVICE_ACCOUNT, "update", "leases.coordination.k8s.io", NAMESPACE)
    assert not may(server, SERVICE_ACCOUNT, "update", "leases.coordination.k8s.io", "default")
    assert not may(server, SERVICE_ACCOUNT, "get", "secrets", NAMESPACE)
    assert not may(server, SERVICE_ACCOUNT, "delete", "websslruns.webssl.dev", "default")


def test_whoever_may_edit_a_namespace_may_edit_its_runs_and_viewers_may_read_them(
    release: str, server: Server
) -> None:
    for role, group in (("view", "readers"), ("edit", "writers")):
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": group, "namespace": "default"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
        }
        server.kubectl.apply([binding])
    # Aggregation is done by a controller, role by role, a moment after the roles appear.
    for asked in (("ann", "create", CRD, "default", "writers"), ("eve", "list", CRD, "default", "readers")):
        wait_until(lambda asked=asked: may(server, *asked), f"aggregation for {asked[0]}", 180, "its log")
    assert not may(server, "eve", "create", CRD, "default", "readers")
    assert may(server, "ann", "create", CRD, "default", "writers")
    assert may(server, "ann", "delete", CRD, "default", "writers")
    assert not may(server, "ann", "create", CRD, "kube-system", "writers")


def test_the_monitors_and_rules_are_taken_by_the_prometheus_operators_own_kinds(
    monitoring_kinds: Server, helm: Helm
) -> None:
    objects = helm.template(
        "--set=podMonitor.enabled=true,prometheusRule.enabled=true,watchNamespaces={vision}"
    )
    mine = [item for item in objects if item["apiVersion"].startswith("monitoring.coreos.com")]
    assert sorted(item["kind"] for item in mine) == ["PodMonitor", "PodMonitor", "PrometheusRule"]
    for item in mine:
        item["metadata"]["namespace"] = "default"
    words = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    monitoring_kinds.kubectl(*words, stdin=yaml.safe_dump_all(mine))


def test_an_upgrade_takes_new_values_and_leaves_the_runs(
    release: str, server: Server, installed_helm: Helm
) -> None:
    server.kubectl("apply", "-f", "-", stdin=json.dumps(valid_run()))
    installed_helm.must(
        "upgrade", release, CHART, "--namespace", NAMESPACE, "--set=replicas=3,logLevel=debug"
    )
    deployment = server.kubectl.json("get", "deployment", "webssl-webssl-operator", "--namespace", NAMESPACE)
    assert deployment["spec"]["replicas"] == 3
    assert len(server.kubectl.json("get", "websslruns", "--namespace", "default")["items"]) == 1


def test_uninstalling_leaves_the_kind_and_every_run_and_installing_again_takes_them_over(
    release: str, server: Server, installed_helm: Helm
) -> None:
    server.kubectl("apply", "-f", "-", stdin=json.dumps(valid_run()))
    installed_helm.must("uninstall", release, "--namespace", NAMESPACE)
    left = server.kubectl.json("get", "websslruns", "--namespace", "default")["items"]
    assert [run["metadata"]["name"] for run in left] == [valid_run()["metadata"]["name"]]
    installed_helm.must("install", release, CHART, "--namespace", NAMESPACE)
    server.kubectl("delete", "websslruns", "--all", "--namespace", "default")
