"""Prometheus on the cluster's address; it finds the pods that ask to be scraped by annotation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .plan import PROMETHEUS_PORT, Plan
from .processes import Program

SCRAPE_SECONDS = 5
USER = "webssl:prometheus"


def config(plan: Plan, kubeconfig: Path, rules: Path) -> str:
    """The configuration: pods annotated ``prometheus.io/scrape: "true"``, with port, path and scheme by annotation.

    Args:
        rules: folder of rule files (``*.yaml``).
    """
    annotation = "__meta_kubernetes_pod_annotation_prometheus_io"
    relabel: list[dict[str, Any]] = [
        {"source_labels": [f"{annotation}_scrape"], "regex": "true", "action": "keep"},
        {"source_labels": ["__meta_kubernetes_pod_phase"], "regex": "Pending|Succeeded|Failed", "action": "drop"},
        {"source_labels": [f"{annotation}_scheme"], "regex": "(https?)", "target_label": "__scheme__"},
        {"source_labels": [f"{annotation}_path"], "regex": "(.+)", "target_label": "__metrics_path__"},
        # Without a port annotation every declared port would be a target; with one, all of them become the same.
        {
            "source_labels": ["__meta_kubernetes_pod_ip", f"{annotation}_port"],
            "regex": r"(.+);(\d+)",
            "replacement": "$1:$2",
            "target_label": "__address__",
        },
        {"regex": "__meta_kubernetes_pod_label_(.+)", "action": "labelmap"},
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        {"source_labels": ["__meta_kubernetes_pod_node_name"], "target_label": "node"},
    ]
    document = {
        "global": {
            "scrape_interval": f"{SCRAPE_SECONDS}s",
            "scrape_timeout": "4s",
            "evaluation_interval": f"{SCRAPE_SECONDS}s",
        },
        "rule_files": [f"{rules}/*.yaml"],
        "scrape_configs": [
            {"job_name": "prometheus", "static_configs": [{"targets": [f"{plan.host}:{PROMETHEUS_PORT}"]}]},
            {
                "job_name": "pods",
                "kubernetes_sd_configs": [{"role": "pod", "kubeconfig_file": str(kubeconfig)}],
                "relabel_configs": relabel,
            },
        ],
    }
    return yaml.safe_dump(document, sort_keys=False)


def program(binary: Path, plan: Plan, config_file: Path, kubeconfig: Path, data: Path) -> Program:
    return Program(
        "prometheus",
        [
            binary,
            f"--config.file={config_file}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=7d",
            f"--web.listen-address={plan.host}:{PROMETHEUS_PORT}",
            "--web.enable-lifecycle",
            "--log.level=warn",
        ],
        configs=[config_file, kubeconfig],
    )


def access_rules() -> list[dict[str, Any]]:
    """What Prometheus may read: pods, to find its targets."""
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": USER},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": USER},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": USER},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
        },
    ]
