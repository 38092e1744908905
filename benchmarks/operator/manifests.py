"""What is measured: a plain Indexed Job of two pods, and a WebSSLRun of two workers, on the same simulated nodes."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]
TOLERATIONS = [{"key": "kwok.x-k8s.io/node", "operator": "Exists", "effect": "NoSchedule"}]
NODES = {"type": "kwok"}
REQUESTS = {"cpu": "10m", "memory": "16Mi"}


def namespace(name: str) -> Manifest:
    """A namespace of its own for each arm."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def plain_job(namespace_: str, name: str) -> Manifest:
    """The least that Kubernetes itself needs for two pods that belong together."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace_},
        "spec": {
            "completionMode": "Indexed",
            "parallelism": 2,
            "completions": 2,
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "nodeSelector": NODES,
                    "tolerations": TOLERATIONS,
                    "containers": [
                        {"name": "worker", "image": "bench/none:1", "resources": {"requests": REQUESTS}}
                    ],
                }
            },
        },
    }


def run(namespace_: str, name: str) -> Manifest:
    """A run whose trainer ends at once; nothing is left out of what the operator makes for it.

    Only the disruption budget, which comes with the first worker that is seen running, is seldom made: these are over by then.
    """
    return {
        "apiVersion": "webssl.dev/v1alpha1",
        "kind": "WebSSLRun",
        "metadata": {"name": name, "namespace": namespace_},
        "spec": {
            "model": {"size": "tiny", "patchSize": 14},
            "objective": {"dino": {"koleo": {"groupSize": 8}}},
            "data": {"source": "s3://bench/{000..003}.tar"},
            "schedule": {"stages": [{"resolution": 56, "samples": 320}], "globalBatchSize": 32},
            "workers": {
                "min": 2,
                "max": 2,
                "template": {
                    "image": "bench/none:1",
                    "resources": {"requests": REQUESTS},
                    "nodeSelector": NODES,
                    "tolerations": TOLERATIONS,
                },
            },
            "checkpoint": {"uri": f"s3://bench/{name}", "interval": {"samples": 64}},
        },
    }
