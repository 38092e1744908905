"""Pods of a run: what the user set in a PodTemplateSpec, inside walls that the user cannot lower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from webssl_api import env
from webssl_api.data import StorageSpec
from webssl_api.data_cache import DataCacheSpec
from webssl_api.workers import PodTemplateSpec

USER = 65532
LOST_NODE_SECONDS = 30
"""How long a pod stays on a node that does not answer; Kubernetes' own default is 300 s."""

_SCRATCH = {
    "HOME": env.SCRATCH_MOUNT,
    "TMPDIR": env.SCRATCH_MOUNT,
    "TORCHINDUCTOR_CACHE_DIR": f"{env.SCRATCH_MOUNT}/.cache/inductor",
}
"""Caches of libraries follow HOME, but Inductor's, which asks for the name of a user that need not have one.

Few on purpose: every pod is written to and watched several times by several controllers, so each variable is paid for often.
"""
_LOST_NODE_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_CREDENTIALS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "gs": ("GOOGLE_SERVICE_ACCOUNT_KEY",),
    "az": ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"),
}


def container(
    name: str,
    image: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    template: PodTemplateSpec,
    storage: StorageSpec,
) -> dict[str, Any]:
    """The one container of a pod. `environment` wins over the scratch folders' defaults."""
    values = {**_SCRATCH, **environment}
    listed: list[dict[str, Any]] = [{"name": key, "value": value} for key, value in values.items()]
    listed += [_field(env.WORKER_ID, "metadata.name"), _field(env.WORKER_ADDRESS, "status.podIP")]
    listed += _credentials(storage)
    resources = template.resources.to_dict()
    return {
        "name": name,
        "image": image,
        **({"imagePullPolicy": template.image_pull_policy} if template.image_pull_policy else {}),
        "command": list(command),
        "env": listed,
        **({"resources": resources} if any(resources.values()) else {}),
        "ports": [{"name": "metrics", "containerPort": env.DEFAULT_METRICS_PORT, "protocol": "TCP"}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "run", "mountPath": env.RUN_MOUNT, "readOnly": True},
            {"name": "scratch", "mountPath": env.SCRATCH_MOUNT},
            {"name": "scratch", "mountPath": "/tmp", "subPath": "tmp"},
            {"name": "shm", "mountPath": "/dev/shm"},
            *template.volume_mounts,
        ],
    }


def pod_spec(
    main: Mapping[str, Any], template: PodTemplateSpec, service_account: str, run_config: str
) -> dict[str, Any]:
    """PodSpec around the container `main`. run_config: name of the ConfigMap that holds run.yaml."""
    spec: dict[str, Any] = {
        "serviceAccountName": service_account,
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": template.termination_grace_period_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [dict(main)],
        "volumes": [
            {"name": "run", "configMap": {"name": run_config}},
            {"name": "scratch", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": template.shared_memory}},
            *template.volumes,
        ],
        "tolerations": [*template.tolerations, *_lost_node_tolerations(template.tolerations)],
    }
    optional = {
        "imagePullSecrets": [{"name": name} for name in template.image_pull_secrets],
        "nodeSelector": dict(template.node_selector),
        "affinity": template.affinity,
        "priorityClassName": template.priority_class_name,
        "schedulerName": template.scheduler_name,
        "runtimeClassName": template.runtime_class_name,
    }
    return spec | {key: value for key, value in optional.items() if value}


def with_cache(template: PodTemplateSpec, cache: DataCacheSpec | None) -> PodTemplateSpec:
    """The template with a volume for `spec.data.cache`, unless that names a folder of its own."""
    if cache is None or cache.path is not None:
        return template
    volume: dict[str, Any] = {"name": "block-cache", "emptyDir": {"sizeLimit": cache.size}}
    if cache.storage_class_name is not None:
        claim = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": cache.storage_class_name,
            "resources": {"requests": {"storage": cache.size}},
        }
        volume = {"name": "block-cache", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
    mount = {"name": "block-cache", "mountPath": env.CACHE_MOUNT}
    return template.model_copy(
        update={
            "volumes": [*template.volumes, volume],
            "volume_mounts": [*template.volume_mounts, mount],
        }
    )


def scrape_annotations() -> dict[str, str]:
    """By these a Prometheus without operator finds the exporter."""
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(env.DEFAULT_METRICS_PORT),
        "prometheus.io/path": "/metrics",
    }


def _field(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _credentials(storage: StorageSpec) -> list[dict[str, Any]]:
    if storage.secret_ref is None:
        return []
    secret, names = storage.secret_ref.name, _CREDENTIALS[storage.secret_ref.cloud]
    return [{"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}} for key in names]


def _lost_node_tolerations(present: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Leave a lost node soon, unless the user has decided on that taint."""
    decided = {toleration.get("key") for toleration in present}
    return [
        {
            "key": taint,
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": LOST_NODE_SECONDS,
        }
        for taint in _LOST_NODE_TAINTS
        if taint not in decided and None not in decided
    ]
