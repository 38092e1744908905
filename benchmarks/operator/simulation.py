"""Nodes and pods without kubelets: kwok says that nodes are ready and that every pod runs and then succeeds.

With `python -m webssl_operator`, etcd, the API server, the controller manager and the scheduler it is all that runs.
"""

from __future__ import annotations

from dataclasses import replace

from webssl_localcluster import control_plane, kwok
from webssl_localcluster.cluster import LocalCluster
from webssl_localcluster.processes import wait_until


def start(cluster: LocalCluster, nodes: int, limits: bool) -> None:
    """Start kwok beside a cluster without nodes, and wait until its nodes are ready. Raises ClusterError.

    limits: controller manager and scheduler may ask as often as Kubernetes lets them by default (20 and 50 times a second); without,
    as often as the local cluster lets them.
    """
    cluster.tools.ensure(["kwok"])
    _without_streamed_lists(cluster)
    if limits:
        _with_default_limits(cluster)
    stages = cluster.state.path("bench-stages.yaml")
    stages.write_text(kwok.stages())
    cluster.processes.ensure(
        kwok.program(cluster.tools.path("kwok"), cluster.plan, stages, cluster.kubeconfig)
    )
    cluster.kubectl.apply(kwok.nodes(nodes))
    names = {kwok.node_name(number) for number in range(nodes)}
    wait_until(
        lambda: names <= cluster.kubectl.ready_nodes(),
        f"{nodes} simulated nodes Ready",
        60,
        f"look at {cluster.processes.log('kwok')}",
    )


def _without_streamed_lists(cluster: LocalCluster) -> None:
    """Start the API server again without the feature WatchList.

    kwok watches from version 0, which that feature turns into a streamed list; an etcd older than 3.5.13 cannot serve one, and kwok
    would lose its watches for half a minute at a time.
    """
    plain = control_plane.api_server(cluster.tools.path("kube-apiserver"), cluster.plan, cluster.authority)
    cluster.processes.ensure(replace(plain, argv=[*plain.argv, "--feature-gates=WatchList=false"]))
    ready = control_plane.Probe(cluster.plan, cluster.authority)
    cluster.processes.wait("kube-apiserver", ready, 90, f"look at {cluster.processes.log('kube-apiserver')}")


def _with_default_limits(cluster: LocalCluster) -> None:
    """Start controller manager and scheduler again without the local cluster's higher limits."""
    folder = cluster.state.path("kubeconfigs")
    programs = (
        control_plane.controller_manager(
            cluster.tools.path("kube-controller-manager"),
            cluster.plan,
            cluster.authority,
            folder / "controller-manager",
        ),
        control_plane.scheduler(cluster.tools.path("kube-scheduler"), cluster.plan, folder / "scheduler"),
    )
    for program in programs:
        kept = [word for word in program.argv if not str(word).startswith("--kube-api-")]
        cluster.processes.ensure(replace(program, argv=kept))
