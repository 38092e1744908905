"""The RayJob of a pass, for KubeRay (ray.io/v1): a cluster of its own that goes when the pass is over."""

from __future__ import annotations

from typing import Any

from webssl_api import labels
from webssl_api.curation import WebSSLCurationSpec

from webssl_operator.construct.curation import COMMAND, RAY, CurationView, owner, scorer, template_digest
from webssl_operator.construct.meta import Manifest, digest
from webssl_operator.construct.pod import pod_spec
from webssl_operator.observe import rayjob

HEAD_CPUS = 0
"""Logical CPUs that the head offers: it drives the pass, and scores nothing."""
IDLE_SECONDS = 60
HEAD = "ray-head"
_HEAD = {"dashboard-host": "0.0.0.0", "num-cpus": str(HEAD_CPUS), "num-gpus": "0"}
_PORTS = {"gcs-server": 6379, "dashboard": 8265, "client": 10001}
"""Of the head, with the names by which KubeRay finds them: where any port is declared, it adds none by itself."""
_AGENT = {"path": "/api/local_raylet_healthz", "port": 52365}
"""Ray's own health check on every node. KubeRay's default probes are commands of wget, which our images lack."""


def cluster_digest(spec: WebSSLCurationSpec) -> str:
    """Digest of what a user can change and a running cluster cannot take in."""
    return digest([template_digest(spec), spec.parallelism])


def ray_job(view: CurationView, spec: WebSSLCurationSpec, image: str) -> Manifest:
    """Head and `parallelism` workers from the pass's template; the driver scores every range and makes the table."""
    meta = owner(view).meta_of(labels.curation_name(view.name), labels.ROLE_CURATION)
    meta["annotations"] = {labels.TEMPLATE_DIGEST: cluster_digest(spec)}
    if view.queue:
        meta["labels"][labels.QUEUE_NAME] = view.queue
    workers = {
        "groupName": "scorers",
        "replicas": spec.parallelism,
        "minReplicas": spec.parallelism,
        "maxReplicas": spec.parallelism,
        "rayStartParams": {},
        "template": _pod(view, spec, image, "ray-worker"),
    }
    return {
        "apiVersion": rayjob.API,
        "kind": rayjob.KIND,
        "metadata": meta,
        "spec": {
            "entrypoint": " ".join([*COMMAND, RAY]),
            "submissionMode": "HTTPMode",
            "backoffLimit": spec.max_retries,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": IDLE_SECONDS,
            "rayClusterSpec": {
                "headGroupSpec": {
                    "rayStartParams": _HEAD,
                    "template": _pod(view, spec, image, HEAD),
                },
                "workerGroupSpecs": [workers],
            },
        },
    }


def _pod(view: CurationView, spec: WebSSLCurationSpec, image: str, name: str) -> dict[str, Any]:
    """A pod whose command KubeRay fills in. It bears the pass's label, but not our manager's: KubeRay looks after it."""
    probe = {"httpGet": _AGENT, "initialDelaySeconds": 30, "periodSeconds": 10, "timeoutSeconds": 5}
    main = scorer(view, spec, image, RAY) | {
        "name": name,
        "livenessProbe": probe | {"failureThreshold": 30},
        "readinessProbe": probe | {"failureThreshold": 10},
    }
    del main["command"], main["ports"]
    if name == HEAD:
        main["ports"] = [
            {"name": port, "containerPort": number, "protocol": "TCP"} for port, number in _PORTS.items()
        ]
    whose = labels.curation_name(view.name)
    pods = pod_spec(main, spec.template, whose, whose)
    del pods["restartPolicy"]
    tags = owner(view).labels_of(labels.ROLE_CURATION)
    del tags[labels.MANAGED_BY]
    return {
        "metadata": {
            "labels": {**spec.template.labels, **tags},
            "annotations": dict(spec.template.annotations),
        },
        "spec": pods,
    }
