"""How workers find each other, and how many of them a node drain may take."""

from __future__ import annotations

from webssl_api import env, labels

from webssl_operator.construct.meta import Manifest, child_meta
from webssl_operator.observe.run import RunView


def headless_service(run: RunView) -> Manifest:
    """Names for the workers' pods, published before they are ready: they meet in order to become ready."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": child_meta(run, labels.job_name(run.name), labels.ROLE_WORKER),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {labels.RUN: run.name, labels.ROLE: labels.ROLE_WORKER},
            "ports": [
                {
                    "name": "metrics",
                    "port": env.DEFAULT_METRICS_PORT,
                    "targetPort": "metrics",
                    "protocol": "TCP",
                }
            ],
        },
    }


def disruption_budget(run: RunView, workers: int) -> Manifest:
    """All but one of `workers`: the run survives that loss, and a budget of none would block every node drain.

    As minAvailable, since a Job has no scale subresource from which the cluster could learn what maxUnavailable is a part of.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": child_meta(run, labels.job_name(run.name), labels.ROLE_WORKER),
        "spec": {
            "minAvailable": max(0, workers - 1),
            "selector": {"matchLabels": {labels.RUN: run.name, labels.ROLE: labels.ROLE_WORKER}},
        },
    }
