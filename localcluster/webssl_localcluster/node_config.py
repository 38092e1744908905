"""The configuration files of one node's programs, as pure functions of the plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from .pki import Authority
from .plan import DOMAIN, NodePlan, Plan

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "localhost/webssl/pause:1"


def containerd_config(node_folder: Path, cni_binaries: Path) -> str:
    """containerd's TOML (version 2).

    ``restrict_oom_score_adj``: a machine that may not lower oom_score_adj fails every sandbox without it.
    """
    return f"""version = 2
root = "{node_folder}/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{cni_binaries}"
conf_dir = "{node_folder}/cni"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
"""


def cni_config(node: NodePlan) -> str:
    """The pods' network: a bridge inside the node; the way to other nodes' pods is routed, never translated."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": node.pods}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, portmap]}, indent=2) + "\n"


def kubelet_config(plan: Plan, node: NodePlan, authority: Authority) -> str:
    """The KubeletConfiguration.

    Limits of the whole node are not enforced and swap and a nearly full disk are put up with: the node shares its
    machine with everything else that runs there.
    """
    document: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "healthzBindAddress": "127.0.0.1",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.cgroup,
        "failSwapOn": False,
        "failCgroupV1": False,
        "enforceNodeAllocatable": [],
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority.certificate("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(authority.certificate(f"kubelet-{node.name}")),
        "tlsPrivateKeyFile": str(authority.key(f"kubelet-{node.name}")),
        "clusterDNS": [plan.gateway],
        "clusterDomain": DOMAIN,
        "resolvConf": "/etc/resolv.conf",
        "evictionHard": {
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
            "memory.available": "100Mi",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "4s",
        "nodeLeaseDurationSeconds": 16,
        "volumeStatsAggPeriod": "5m",
    }
    return yaml.safe_dump(document, sort_keys=False)


def kube_proxy_config(plan: Plan, node: NodePlan, kubeconfig: Path) -> str:
    """The KubeProxyConfiguration: iptables, and hands off the machine's connection-tracking limits."""
    document = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": plan.pods,
        "hostnameOverride": node.name,
        "bindAddress": node.address,
        "healthzBindAddress": f"{node.address}:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
    return yaml.safe_dump(document, sort_keys=False)
