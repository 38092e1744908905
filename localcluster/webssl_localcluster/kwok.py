"""Simulated nodes: kwok keeps them Ready and lets every pod on them succeed at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .plan import Plan
from .processes import Program

ANNOTATION = "kwok.x-k8s.io/node"


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


def program(binary: Path, plan: Plan, kubeconfig: Path) -> Program:
    """kwok with its own default stages: a Job's pod is Running and then Succeeded at once, any other stays Running."""
    return Program(
        "kwok",
        [
            binary,
            f"--kubeconfig={kubeconfig}",
            f"--manage-nodes-with-annotation-selector={ANNOTATION}=fake",
            "--manage-all-nodes=false",
            "--node-lease-duration-seconds=40",
            f"--server-address={plan.loopback}:10247",
        ],
        configs=[kubeconfig],
    )
