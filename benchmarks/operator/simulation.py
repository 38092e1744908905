"""Nodes and pods without kubelets: kwok says that nodes are ready and that every pod runs and then succeeds.

With `python -m webssl_operator`, etcd, the API server, the controller manager and the scheduler it is all that runs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from webssl_localcluster import control_plane, kwok
from webssl_localcluster.cluster import LocalCluster
from webssl_localcluster.processes import Program, wait_until

_ALIVE = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}


def _stage(name: str, kind: str, expressions: list[dict[str, Any]], step: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": expressions},
            "next": step,
        },
    }


def _phase(value: str) -> dict[str, Any]:
    return {"key": ".status.phase", "operator": "In", "values": [value]}


_NODE_READY = """
{{ $now := Now }}
conditions:
- {type: Ready, status: "True", reason: Simulated, message: "", lastHeartbeatTime: {{ $now | Quote }},
   lastTransitionTime: {{ $now | Quote }}}
"""
_POD_RUNS = """
{{ $now := Now }}
phase: Running
startTime: {{ $now | Quote }}
conditions:
- {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, imageID: "", ready: true, restartCount: 0,
   state: {running: {startedAt: {{ $now | Quote }}}}}
{{ end }}
"""
_POD_SUCCEEDS = """
{{ $now := Now }}
phase: Succeeded
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, imageID: "", ready: false, restartCount: 0,
   state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}}
{{ end }}
"""
_READY = '.status.conditions.[] | select( .type == "Ready" ) | .status'
STAGES = (
    _stage(
        "node-ready",
        "Node",
        [{"key": _READY, "operator": "NotIn", "values": ["True"]}],
        {"statusTemplate": _NODE_READY},
    ),
    _stage("pod-runs", "Pod", [_ALIVE, _phase("Pending")], {"statusTemplate": _POD_RUNS}),
    _stage("pod-succeeds", "Pod", [_ALIVE, _phase("Running")], {"statusTemplate": _POD_SUCCEEDS}),
    _stage("pod-gone", "Pod", [_ALIVE | {"operator": "Exists"}], {"delete": True}),
)


def start(cluster: LocalCluster, nodes: int, limits: bool) -> None:
    """Start kwok beside a cluster without nodes, and wait until its nodes are ready. Raises ClusterError.

    limits: controller manager and scheduler may ask as often as Kubernetes lets them by default (20 and 50 times a second); without,
    as often as the local cluster lets them.
    """
    cluster.tools.ensure(["kwok"])
    _without_streamed_lists(cluster)
    if limits:
        _with_default_limits(cluster)
    stages = cluster.state.path("bench-stages.yaml")
    stages.write_text(yaml.safe_dump_all(STAGES))
    cluster.processes.ensure(_program(cluster, stages))
    cluster.kubectl.apply(kwok.nodes(nodes))
    names = {kwok.node_name(number) for number in range(nodes)}
    wait_until(
        lambda: names <= cluster.kubectl.ready_nodes(),
        f"{nodes} simulated nodes Ready",
        60,
        f"look at {cluster.processes.log('kwok')}",
    )


def _without_streamed_lists(cluster: LocalCluster) -> None:
    """Start the API server again without the feature WatchList.

    kwok watches from version 0, which that feature turns into a streamed list; an etcd older than 3.5.13 cannot serve one, and kwok
    would lose its watches for half a minute at a time.
    """
    plain = control_plane.api_server(cluster.tools.path("kube-apiserver"), cluster.plan, cluster.authority)
    cluster.processes.ensure(replace(plain, argv=[*plain.argv, "--feature-gates=WatchList=false"]))
    ready = control_plane.Probe(cluster.plan, cluster.authority)
    cluster.processes.wait("kube-apiserver", ready, 90, f"look at {cluster.processes.log('kube-apiserver')}")


def _with_default_limits(cluster: LocalCluster) -> None:
    """Start controller manager and scheduler again without the local cluster's higher limits."""
    folder = cluster.state.path("kubeconfigs")
    programs = (
        control_plane.controller_manager(
            cluster.tools.path("kube-controller-manager"),
            cluster.plan,
            cluster.authority,
            folder / "controller-manager",
        ),
        control_plane.scheduler(cluster.tools.path("kube-scheduler"), cluster.plan, folder / "scheduler"),
    )
    for program in programs:
        kept = [word for word in program.argv if not str(word).startswith("--kube-api-")]
        cluster.processes.ensure(replace(program, argv=kept))


def _program(cluster: LocalCluster, stages: Path) -> Program:
    return Program(
        "kwok",
        [
            cluster.tools.path("kwok"),
            f"--config={stages}",
            f"--kubeconfig={cluster.kubeconfig}",
            f"--manage-nodes-with-annotation-selector={kwok.ANNOTATION}=fake",
            "--manage-all-nodes=false",
            "--node-lease-duration-seconds=40",
            f"--server-address={cluster.plan.loopback}:10247",
        ],
        configs=[stages],
    )
