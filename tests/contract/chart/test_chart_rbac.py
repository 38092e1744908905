"""The operator under the chart's roles: nothing is refused, and nothing is granted that it does not need."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from webssl_api import labels
from webssl_api.kinds import KINDS
from webssl_localcluster import control_plane
from webssl_localcluster.processes import wait_until
from webssl_operator.metrics import table

from tests.contract.chart import rights
from tests.contract.chart.operator_process import OperatorProcess, operator
from tests.contract.chart.programs import NAMESPACE, SERVICE_ACCOUNT
from tests.contract.chart.rights import Right
from tests.contract.chart.runs import (
    create,
    found,
    one_job_of_each,
    pods_of,
    run_in,
    start,
    start_one_of_each,
    until,
)
from tests.contract.chart.server import Server, may
from tests.manifests.valid import valid_curation, valid_evaluation

ROLE = "webssl-webssl-operator"
NODE = "unplugged"


@pytest.fixture(scope="module")
def running(
    beginning: int, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """The operator with the chart's identity, and one leftover of a namesake that it has to clear away."""
    with operator(server, tmp_path_factory.mktemp("operator")) as process:
        yield process


@pytest.fixture(scope="module")
def beginning(ray_kind: None, release: str, server: Server) -> int:
    """Place in the audit log at which this module's operator begins. Kinds of others come first: the API server's check of owners
    learns of kinds twice a minute, and `release` waits for it.
    """
    return server.mark()


@pytest.fixture(scope="module")
def lived(running: OperatorProcess, server: Server) -> OperatorProcess:
    """After everything that makes the operator ask for something: a namesake's leftover, a lost node, a pause, a new template,
    an evaluation, and a pass on Ray that is stopped.
    """
    _clear_a_leftover(running, server)
    _lose_a_node(running, server)
    _pause(running, server)
    patch = {"spec": {"workers": {"template": {"labels": {"team": "vision"}}}}}
    before = found(server, "job", "small", "lived")
    assert before is not None
    server.kubectl(
        "patch", "websslrun", "small", "--namespace=lived", "--type=merge", "-p", json.dumps(patch)
    )

    def replaced() -> bool:
        job = found(server, "job", "small", "lived")
        return (
            job is None
            or bool(job["metadata"].get("deletionTimestamp"))
            or job["metadata"]["uid"] != before["metadata"]["uid"]
        )

    until(replaced, "the old Job deleted", running)
    create(server, "lived", valid_evaluation())
    until(lambda: one_job_of(server, "WebSSLEvaluation"), "a Job of the evaluation", running)
    _stop_a_pass_on_ray(running, server)
    return running


def one_job_of(server: Server, kind: str) -> bool:
    jobs = server.kubectl.json("get", "jobs", "--namespace", "lived")["items"]
    return any(job["metadata"]["ownerReferences"][0]["kind"] == kind for job in jobs)


def _stop_a_pass_on_ray(running: OperatorProcess, server: Server) -> None:
    create(server, "lived", valid_curation(), engine="ray")
    name = labels.curation_name("text")
    until(lambda: found(server, "rayjob", name, "lived"), "a RayJob", running)
    patch = json.dumps({"spec": {"suspend": True}})
    server.kubectl("patch", "websslcuration", "text", "--namespace=lived", "--type=merge", "-p", patch)

    def stopped() -> bool:
        job = found(server, "rayjob", name, "lived")
        return job is None or bool(job["metadata"].get("deletionTimestamp"))

    until(stopped, "the RayJob deleted", running)


def _clear_a_leftover(running: OperatorProcess, server: Server) -> None:
    # With the garbage collector at rest, what an earlier run of the same name left behind is still there.
    cluster = server.cluster
    cluster.processes.stop("kube-controller-manager")
    server.kubectl.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lived"}}])
    owner = {"apiVersion": "webssl.dev/v1alpha1", "kind": "WebSSLRun", "name": "small", "controller": True}
    leftover = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": labels.progress_name("small"),
            "namespace": "lived",
            "labels": {
                labels.RUN: "small",
                labels.ROLE: labels.ROLE_REPORT,
                labels.MANAGED_BY: labels.MANAGER,
            },
            "ownerReferences": [owner | {"uid": "00000000-0000-0000-0000-000000000001"}],
        },
    }
    server.kubectl("create", "-f", "-", stdin=json.dumps(leftover))
    server.kubectl("create", "-f", "-", stdin=json.dumps(run_in("lived")))
    until(lambda: found(server, "job", "small", "lived"), "a Job", running)
    config = cluster.state.path("kubeconfigs", "controller-manager")
    binary = cluster.tools.path("kube-controller-manager")
    cluster.processes.ensure(
        control_plane.controller_manager(binary, cluster.plan, cluster.authority, config)
    )


def _lose_a_node(running: OperatorProcess, server: Server) -> None:
    server.kubectl.apply([{"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}])
    until(lambda: pods_of(server, "lived"), "worker pods", running)
    name = pods_of(server, "lived")[0]["metadata"]["name"]
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
    }
    path = f"/api/v1/namespaces/lived/pods/{name}/binding"
    server.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(binding))
    status = json.dumps({"status": {"phase": "Running"}})
    server.kubectl(
        "patch", "pod", name, "--namespace=lived", "--subresource=status", "--type=merge", "-p", status
    )
    budget = labels.job_name("small")
    until(lambda: found(server, "poddisruptionbudget", budget, "lived"), "a disruption budget", running)
    server.kubectl("delete", "pod", name, "--namespace=lived", "--grace-period=1", "--wait=false")
    until(lambda: found(server, "pod", name, "lived") is None, "the pod on the lost node buried", running)


def _pause(running: OperatorProcess, server: Server) -> None:
    for suspended in (True, False):
        patch = json.dumps({"spec": {"suspend": suspended}})
        server.kubectl("patch", "websslrun", "small", "--namespace=lived", "--type=merge", "-p", patch)

        def followed(suspended: bool = suspended) -> bool:
            job = found(server, "job", "small", "lived")
            return job is not None and bool(job["spec"].get("suspend")) is suspended

        until(followed, f"a Job with suspend: {suspended}", running)


def test_nothing_is_refused(lived: OperatorProcess, server: Server, beginning: int) -> None:
    assert rights.refused(server.events(SERVICE_ACCOUNT, beginning)) == []


def test_a_run_has_all_its_children(lived: OperatorProcess, server: Server) -> None:
    start(server, "children")
    until(lambda: found(server, "job", "small", "children"), "a Job", lived)
    for kind, name in (
        ("configmap", labels.run_config_name("small")),
        ("configmap", labels.rendezvous_name("small")),
        ("configmap", labels.progress_name("small")),
        ("serviceaccount", labels.service_account_name("small")),
        ("role", labels.service_account_name("small")),
        ("rolebinding", labels.service_account_name("small")),
        ("service", labels.job_name("small")),
    ):
        until(lambda kind=kind, name=name: found(server, kind, name, "children"), f"{kind} {name}", lived)


def test_the_pods_of_a_run_get_the_images_that_the_chart_names(
    lived: OperatorProcess, server: Server
) -> None:
    until(lambda: pods_of(server, "children"), "worker pods", lived)
    (container,) = pods_of(server, "children")[0]["spec"]["containers"]
    assert container["image"] == "localhost/webssl/trainer:0.1.0"


def test_the_probes_answer_and_every_series_of_a_run_is_told(lived: OperatorProcess) -> None:
    for path in ("/healthz", "/readyz"):
        answer = lived.get(lived.health, path)
        assert answer is not None
        assert answer.status_code == 200, answer.text
    answer = lived.get(lived.metrics, "/metrics")
    assert answer is not None
    told = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")}
    assert {series.name.removesuffix("_total") for series in table.TABLE} <= {
        name.removesuffix("_total") for name in told
    }
    assert 'webssl_run_workers_desired{namespace="lived",run="small"}' in answer.text


def test_every_right_was_used_or_its_loss_is_noticed(
    lived: OperatorProcess, server: Server, beginning: int
) -> None:
    rules = server.kubectl.json("get", "clusterrole", ROLE)["rules"]
    own = server.kubectl.json("get", "role", f"{ROLE}-leader", "--namespace", NAMESPACE)["rules"]
    seen = rights.used(server.events(SERVICE_ACCOUNT, beginning))
    assert rights.granted(own) - seen == set()
    # What a request does not show (rights that pods' Roles hand on, owner references) is taken away, one at a time.
    idle = [
        right for right in sorted(rights.granted(rules) - seen) if not _missed(right, rules, lived, server)
    ]
    assert idle == [], (
        "the chart grants what the operator never needs: take it out of webssl_operator/rbac.py"
    )


def _missed(right: Right, rules: list[dict[str, Any]], process: OperatorProcess, server: Server) -> bool:
    """Whether new objects meet a refusal when the operator lacks `right`."""
    namespace = f"less-{right.verb}-{right.resource}".replace("/", "-")
    resource = f"{right.resource.partition('/')[0]}{'.' + right.group if right.group else ''}"
    part = right.resource.partition("/")[2]
    _set_rules(server, rights.without(rules, right))
    try:
        words = [f"--subresource={part}"] if part else []
        wait_until(
            lambda: not may(server, SERVICE_ACCOUNT, right.verb, resource, "default", flags=words),
            "the role",
            180,
            "?",
        )
        before = server.mark()
        start_one_of_each(server, namespace)

        def refused() -> list[str]:
            return rights.refused(server.events(SERVICE_ACCOUNT, before))

        until(
            lambda: refused() or one_job_of_each(server, namespace),
            f"objects without the right to {right.verb} {right.resource}",
            process,
        )
        return bool(refused())
    finally:
        _set_rules(server, rules)
        plurals = ",".join(kind.plural for kind in KINDS)
        server.kubectl("delete", plurals, "--all", "--namespace", namespace, "--ignore-not-found")


def _set_rules(server: Server, rules: list[dict[str, Any]]) -> None:
    server.kubectl("patch", "clusterrole", ROLE, "--type=merge", "-p", json.dumps({"rules": rules}))
