"""Addresses and names: clusters side by side share none."""

from __future__ import annotations

import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_localcluster.errors import ClusterError
from webssl_localcluster.plan import INDEXES, MOST_NODES, Plan, free_index
from webssl_localcluster.s3 import grpc_ports


def test_no_two_networks_of_any_two_clusters_overlap() -> None:
    plans = [Plan("a", index, 2) for index in INDEXES]
    networks = [
        ipaddress.ip_network(network)
        for plan in plans
        for network in (plan.network, plan.pods, plan.services)
    ]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(networks, 2))


def test_no_two_clusters_share_a_loopback_address_or_a_port_that_names_a_socket() -> None:
    plans = [Plan("a", index, 0) for index in INDEXES]
    assert len({plan.loopback for plan in plans}) == len(plans)
    ports = [port for plan in plans for port in grpc_ports(plan).values()]
    assert len(set(ports)) == len(ports)


@given(index=st.sampled_from(INDEXES), number=st.integers(0, MOST_NODES - 1))
def test_every_node_lies_in_its_clusters_networks(index: int, number: int) -> None:
    plan = Plan("a", index, MOST_NODES)
    node = plan.node(number)
    assert ipaddress.ip_address(node.address) in ipaddress.ip_network(plan.network)
    assert node.address != plan.gateway
    assert ipaddress.ip_network(node.pods).subnet_of(ipaddress.ip_network(plan.pods))  # type: ignore[arg-type]
    assert ipaddress.ip_address(plan.kubernetes_service) in ipaddress.ip_network(plan.services)


@given(index=st.sampled_from(INDEXES), number=st.integers(0, MOST_NODES - 1))
def test_interface_names_fit_the_kernels_fifteen_characters(index: int, number: int) -> None:
    plan = Plan("a" * 20, index, MOST_NODES)
    assert len(plan.node(number).veth) <= 15
    assert len(plan.bridge) <= 15


def test_a_cluster_without_nodes_listens_on_loopback_and_one_with_nodes_on_its_bridge() -> None:
    assert Plan("a", 3, 0).api_url == "https://127.89.3.1:6443"
    assert Plan("a", 3, 2).api_url == "https://10.89.3.1:6443"


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a_b", "a" * 21, "../a"])
def test_a_name_that_cannot_be_part_of_a_path_or_a_namespace_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="not usable"):
        Plan(name, 0, 0)


def test_an_unknown_node_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ClusterError, match="n0, n1"):
        Plan("a", 0, 2).node_named("n7")


@given(taken=st.sets(st.sampled_from(INDEXES)))
def test_the_lowest_free_index_is_taken(taken: set[int]) -> None:
    if len(taken) == len(INDEXES):
        with pytest.raises(ClusterError, match="indexes are taken"):
            free_index(taken)
    else:
        index = free_index(taken)
        assert index not in taken
        assert all(lower in taken for lower in range(index))
