"""What a cluster consists of, and what of it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .state import Spec


@dataclass(frozen=True)
class Status:
    """What runs now.

    Args:
        processes: name of each program -> pid, or None when it is dead.
    """

    name: str
    spec: Spec
    processes: dict[str, int | None]
    ready_nodes: frozenset[str]
    kubeconfig: Path
    api_url: str
    s3_url: str | None
    prometheus_url: str | None

    @property
    def healthy(self) -> bool:
        wanted = {f"n{number}" for number in range(self.spec.nodes)}
        alive = bool(self.processes) and all(pid is not None for pid in self.processes.values())
        return alive and wanted <= self.ready_nodes


def parts(spec: Spec) -> list[str]:
    """The programs that a cluster as specified consists of, in the order of their start."""
    node_parts = ("init", "containerd", "kubelet", "kube-proxy")
    return [
        *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        *(("s3",) if spec.s3 else ()),
        *(("coredns",) if spec.nodes else ()),
        *(("pod-targets", "prometheus") if spec.prometheus else ()),
        *(f"n{number}-{part}" for number in range(spec.nodes) for part in node_parts),
        *(("kwok",) if spec.kwok_nodes else ()),
    ]
