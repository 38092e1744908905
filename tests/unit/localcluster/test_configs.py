"""Rendered configurations."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import yaml
from webssl_localcluster import dns, kubeconfig, kwok, node_config, prometheus, s3
from webssl_localcluster.pki import Authority
from webssl_localcluster.plan import Plan
from webssl_localcluster.state import Spec, State, base_folder, parse

PLAN = Plan("a", 2, 2)
NODE = PLAN.node(1)
PKI = Authority(Path("/state/pki"))


def test_containerd_keeps_off_oom_scores_that_the_machine_may_refuse() -> None:
    document = tomllib.loads(node_config.containerd_config(Path("/state/n1"), Path("/usr/lib/cni")))
    cri = document["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["restrict_oom_score_adj"] is True
    assert cri["cni"] == {"bin_dir": "/usr/lib/cni", "conf_dir": "/state/n1/cni"}
    assert cri["sandbox_image"] == node_config.PAUSE_IMAGE


def test_pods_of_a_node_get_addresses_of_its_network_untranslated() -> None:
    bridge = json.loads(node_config.cni_config(NODE))["plugins"][0]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.202.1.0/24"}]]
    assert bridge["ipMasq"] is False


def test_the_kubelet_runs_where_control_groups_are_of_version_1_and_swap_is_on() -> None:
    document = yaml.safe_load(node_config.kubelet_config(PLAN, NODE, PKI))
    assert document["failCgroupV1"] is False
    assert document["failSwapOn"] is False
    assert document["cgroupRoot"] == "/webssl-a/n1"
    assert document["clusterDNS"] == [PLAN.gateway]
    assert document["authentication"]["anonymous"]["enabled"] is False


def test_kube_proxy_does_not_touch_the_machines_connection_limits() -> None:
    document = yaml.safe_load(node_config.kube_proxy_config(PLAN, NODE, Path("/k")))
    assert document["clusterCIDR"] == PLAN.pods
    assert document["conntrack"]["maxPerCore"] == 0


@pytest.mark.parametrize(("egress", "forwards"), [(True, True), (False, False)])
def test_names_outside_the_cluster_are_asked_for_only_with_egress(egress: bool, forwards: bool) -> None:
    assert ("forward ." in dns.corefile(PLAN, Path("/k"), egress)) == forwards


def test_prometheus_reads_targets_and_rules_from_files() -> None:
    document = yaml.safe_load(prometheus.config(PLAN, Path("/state/t.json"), Path("/state/rules")))
    assert document["rule_files"] == ["/state/rules/*.yaml"]
    assert document["scrape_configs"][1]["file_sd_configs"][0]["files"] == ["/state/t.json"]


def test_s3_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    file = tmp_path / "s3.json"
    first = s3.access(PLAN, file)
    assert s3.access(PLAN, file) == first
    assert file.stat().st_mode & 0o077 == 0
    assert first.environment["AWS_ENDPOINT_URL"] == "http://10.89.2.1:8333"


def test_a_kubeconfig_is_complete_in_itself() -> None:
    document = yaml.safe_load(kubeconfig.render("https://x", "c", b"ca", b"crt", b"key"))
    assert document["current-context"] == "c"
    assert document["clusters"][0]["cluster"]["certificate-authority-data"] == "Y2E="
    assert document["users"][0]["user"] == {"client-certificate-data": "Y3J0", "client-key-data": "a2V5"}


def test_simulated_nodes_keep_ordinary_pods_away() -> None:
    nodes = kwok.nodes(2)
    assert [node["metadata"]["name"] for node in nodes] == ["kwok-0", "kwok-1"]
    assert nodes[0]["spec"]["taints"][0]["effect"] == "NoSchedule"


def test_only_pods_of_jobs_succeed_by_themselves() -> None:
    stages = {stage["metadata"]["name"]: stage["spec"] for stage in yaml.safe_load_all(kwok.stages())}
    conditions = stages["job-pod-succeeds"]["selector"]["matchExpressions"]
    assert {"key": ".metadata.ownerReferences.[].kind", "operator": "In", "values": ["Job"]} in conditions


def test_the_state_folder_follows_the_xdg_variable() -> None:
    assert base_folder({"XDG_STATE_HOME": "/x"}) == Path("/x/webssl/cluster")


def test_each_new_cluster_takes_an_index_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    one, two = State("one", tmp_path), State("two", tmp_path)
    first, second = one.save(Spec(nodes=0)), two.save(Spec(nodes=0))
    assert first.index != second.index
    assert one.save(Spec(nodes=0, gpus=2)).index == first.index
    assert one.load() == (Spec(nodes=0, gpus=2), first)


def test_a_state_file_with_fields_of_another_version_is_read() -> None:
    spec, plan = parse("a", {"index": 4, "nodes": 1, "of_tomorrow": True})
    assert (spec, plan) == (Spec(nodes=1), Plan("a", 4, 1))
