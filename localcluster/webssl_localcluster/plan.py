"""Names, addresses and ports of a cluster: a pure function of its name, index and size.

Several clusters live side by side by taking different indexes: each has its own bridge, networks and loopback
address, so that every program can keep its usual port.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import ClusterError

INDEXES = range(16)
MOST_NODES = 32
API_PORT = 6443
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
S3_PORT = 8333
PROMETHEUS_PORT = 9090
KUBELET_PORT = 10250
DNS_PORT = 53
DOMAIN = "cluster.local"


@dataclass(frozen=True)
class NodePlan:
    """Where one node lives.

    Args:
        veth: the host's end of the node's cable; an interface name has 15 characters at most.
    """

    name: str
    address: str
    pods: str
    netns: str
    veth: str
    cgroup: str


@dataclass(frozen=True)
class Plan:
    """Where one cluster lives.

    Args:
        name: lower-case letters, digits and dashes, at most 20.
        index: 0 to 15, unlike that of any other cluster on the machine.
        nodes: number of real nodes; with none the cluster needs no bridge and no root.
    """

    name: str
    index: int
    nodes: int

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?", self.name):
            raise ClusterError(
                f"cluster name {self.name!r} is not usable",
                "use 1 to 20 lower-case letters, digits and dashes",
            )
        if self.index not in INDEXES:
            raise ClusterError(
                f"cluster index {self.index}: only {len(INDEXES)} clusters fit on one machine",
                "take one down first: webssl cluster down --name NAME",
            )
        if not 0 <= self.nodes <= MOST_NODES:
            raise ClusterError(
                f"nodes={self.nodes}: not between 0 and {MOST_NODES}", f"ask for at most {MOST_NODES}"
            )

    @property
    def loopback(self) -> str:
        """Address for what only this machine may reach (etcd, health endpoints)."""
        return f"127.89.{self.index}.1"

    @property
    def gateway(self) -> str:
        return f"10.89.{self.index}.1"

    @property
    def host(self) -> str:
        """Where the API server, S3 and Prometheus listen: the bridge, or loopback when there are no nodes."""
        return self.gateway if self.nodes else self.loopback

    @property
    def network(self) -> str:
        return f"10.89.{self.index}.0/24"

    @property
    def pods(self) -> str:
        return f"10.{200 + self.index}.0.0/16"

    @property
    def services(self) -> str:
        return f"10.{216 + self.index}.0.0/16"

    @property
    def kubernetes_service(self) -> str:
        """The first address of the service network: the Service ``kubernetes`` in namespace default."""
        return f"10.{216 + self.index}.0.1"

    @property
    def bridge(self) -> str:
        return f"webssl{self.index}"

    @property
    def cgroup(self) -> str:
        return f"/webssl-{self.name}"

    @property
    def api_url(self) -> str:
        return f"https://{self.host}:{API_PORT}"

    @property
    def s3_url(self) -> str:
        return f"http://{self.host}:{S3_PORT}"

    @property
    def prometheus_url(self) -> str:
        return f"http://{self.host}:{PROMETHEUS_PORT}"

    def node(self, number: int) -> NodePlan:
        return NodePlan(
            name=f"n{number}",
            address=f"10.89.{self.index}.{10 + number}",
            pods=f"10.{200 + self.index}.{number}.0/24",
            netns=f"webssl-{self.name}-n{number}",
            veth=f"webssl{self.index}n{number}",
            cgroup=f"{self.cgroup}/n{number}",
        )

    @property
    def all_nodes(self) -> list[NodePlan]:
        return [self.node(number) for number in range(self.nodes)]

    def node_named(self, name: str) -> NodePlan:
        """The plan of the node called ``name``.

        Raises:
            ClusterError: there is no such node.
        """
        for node in self.all_nodes:
            if node.name == name:
                return node
        names = ", ".join(node.name for node in self.all_nodes) or "none"
        raise ClusterError(f"cluster {self.name}: no node {name!r}", f"name one of: {names}")


def free_index(taken: set[int]) -> int:
    """The lowest index that is not taken.

    Raises:
        ClusterError: all are.
    """
    for index in INDEXES:
        if index not in taken:
            return index
    raise ClusterError(
        f"all {len(INDEXES)} cluster indexes are taken",
        "take a cluster down: webssl cluster down --purge --name NAME",
    )
