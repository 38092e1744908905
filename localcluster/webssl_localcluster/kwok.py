"""Simulated nodes: kwok keeps them Ready, starts every pod at once and lets those of Jobs succeed at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .plan import Plan
from .processes import Program

ANNOTATION = "kwok.x-k8s.io/node"
NODE_READY = """
{{ $now := Now | Quote }}
conditions:
{{ range NodeConditions }}
- {type: {{ .type | Quote }}, status: {{ .status | Quote }}, reason: {{ .reason | Quote }},
   message: {{ .message | Quote }}, lastHeartbeatTime: {{ $now }}, lastTransitionTime: {{ $now }}}
{{ end }}
"""
POD_RUNS = """
{{ $now := Now | Quote }}
phase: Running
startTime: {{ $now }}
conditions:
- {type: Initialized, status: "True", lastTransitionTime: {{ $now }}}
- {type: ContainersReady, status: "True", lastTransitionTime: {{ $now }}}
- {type: Ready, status: "True", lastTransitionTime: {{ $now }}}
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: true, started: true, restartCount: 0,
   state: {running: {startedAt: {{ $now }}}}}
{{ end }}
"""
POD_SUCCEEDS = """
{{ $now := Now | Quote }}
phase: Succeeded
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: false, started: false, restartCount: 0,
   state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now }}, finishedAt: {{ $now }}}}}
{{ end }}
"""


def node_name(number: int) -> str:
    return f"kwok-{number}"


def nodes(count: int) -> list[dict[str, Any]]:
    """Node objects; the taint keeps pods that are meant to run for real away from them."""
    capacity = {"cpu": "256", "memory": "2Ti", "pods": "4000", "nvidia.com/gpu": "64"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": node_name(number),
                "annotations": {ANNOTATION: "fake"},
                "labels": {"type": "kwok", "kubernetes.io/hostname": node_name(number)},
            },
            "spec": {"taints": [{"key": ANNOTATION, "value": "fake", "effect": "NoSchedule"}]},
            "status": {"capacity": capacity, "allocatable": capacity},
        }
        for number in range(count)
    ]


def stages() -> str:
    """What kwok does to nodes and pods (its Stage objects): each is a condition and the status that follows."""
    alive = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
    not_ready = _is('.status.conditions.[] | select(.type == "Ready") | .status', "NotIn", "True")
    documents = [
        _stage("node-ready", "Node", [alive, not_ready], {"statusTemplate": NODE_READY}),
        _stage(
            "pod-runs", "Pod", [alive, _is(".status.phase", "In", "Pending")], {"statusTemplate": POD_RUNS}
        ),
        _stage(
            "job-pod-succeeds",
            "Pod",
            [
                alive,
                _is(".status.phase", "In", "Running"),
                _is(".metadata.ownerReferences.[].kind", "In", "Job"),
            ],
            {"statusTemplate": POD_SUCCEEDS},
        ),
        _stage("pod-goes", "Pod", [{**alive, "operator": "Exists"}], {"delete": True}),
    ]
    return yaml.safe_dump_all(documents, sort_keys=False)


def program(binary: Path, plan: Plan, config: Path, kubeconfig: Path) -> Program:
    return Program(
        "kwok",
        [
            binary,
            f"--kubeconfig={kubeconfig}",
            f"--config={config}",
            f"--manage-nodes-with-annotation-selector={ANNOTATION}=fake",
            "--manage-all-nodes=false",
            "--node-lease-duration-seconds=40",
            f"--server-address={plan.loopback}:10247",
        ],
        configs=[config, kubeconfig],
    )


def _is(path: str, operator: str, value: str) -> dict[str, Any]:
    return {"key": path, "operator": operator, "values": [value]}


def _stage(name: str, kind: str, when: list[dict[str, Any]], then: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": when},
            "next": then,
        },
    }
