"""Prometheus on the cluster's address; it scrapes the pods that ask for it by annotation (see ``pod_targets``)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx
import yaml

from .pki import Authority
from .plan import PROMETHEUS_PORT, Plan
from .processes import Program

SCRAPE_SECONDS = 5
USER = "webssl:prometheus"


def config(plan: Plan, targets: Path, rules: Path) -> str:
    """The configuration.

    Args:
        targets: the file that ``pod_targets`` keeps.
        rules: folder of rule files (``*.yaml``).
    """
    document = {
        "global": {
            "scrape_interval": f"{SCRAPE_SECONDS}s",
            "scrape_timeout": "4s",
            "evaluation_interval": f"{SCRAPE_SECONDS}s",
        },
        "rule_files": [f"{rules}/*.yaml"],
        "scrape_configs": [
            {"job_name": "prometheus", "static_configs": [{"targets": [f"{plan.host}:{PROMETHEUS_PORT}"]}]},
            # The operator's series carry the run's own namespace, which must win over that of the operator's pod.
            {
                "job_name": "pods",
                "honor_labels": True,
                "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "30s"}],
            },
        ],
    }
    return yaml.safe_dump(document, sort_keys=False)


def program(binary: Path, plan: Plan, config_file: Path, data: Path) -> Program:
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
        configs=[config_file],
    )


def discovery(plan: Plan, authority: Authority, targets: Path) -> Program:
    return Program(
        "pod-targets",
        [
            sys.executable,
            "-m",
            "webssl_localcluster.pod_targets",
            plan.api_url,
            authority.certificate("ca"),
            authority.certificate("prometheus"),
            authority.key("prometheus"),
            targets,
        ],
        env={"PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
    )


def answers(url: str) -> bool:
    """Whether Prometheus has read its configuration and serves."""
    try:
        return httpx.get(f"{url}/-/ready", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def access_rules() -> list[dict[str, Any]]:
    """What the discovery may read: pods."""
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
