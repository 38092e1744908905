"""The life of a local cluster: up, up again, a lost node, and down without a trace."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from webssl_localcluster.cluster import LocalCluster
from webssl_localcluster.errors import ClusterError
from webssl_localcluster.processes import start_time, wait_until
from webssl_localcluster.state import Spec
from webssl_localcluster.tools.install import Toolbox

NAME = f"life-{os.getpid()}"
WEB = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8000}]}
---
apiVersion: v1
kind: Service
metadata: {name: every}
spec: {clusterIP: None, selector: {app: web}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
      annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8000", prometheus.io/path: /metrics}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: IMAGE
        command: [sh, -c, "mkdir /tmp/w && cd /tmp/w && echo up_seconds 1 > metrics && exec python3 -m http.server 8000"]
        readinessProbe: {httpGet: {port: 8000}, periodSeconds: 1}
"""
ASK = """
import socket, ssl, urllib.request
get = lambda url: urllib.request.urlopen(url, timeout=10, context=ssl._create_unverified_context()).status
addresses = socket.gethostbyname_ex("every.default.svc.cluster.local")[2]
print("pods", len(addresses), {get(f"http://{address}:8000/") for address in addresses})
print("service", {get("http://web/") for _ in range(8)})
try:
    get("https://kubernetes.default/api/v1/pods")
except urllib.error.HTTPError as error:
    print("api", error.code)
"""


@pytest.fixture(scope="module")
def own() -> Iterator[LocalCluster]:
    """A cluster that is this module's own, so that it can be broken and taken down."""
    cluster = LocalCluster(NAME)
    try:
        cluster.up(Spec(nodes=2))
        image = cluster.load_base_image()
        cluster.kubectl("apply", "-f", "-", stdin=WEB.replace("IMAGE", image))
        cluster.kubectl("rollout", "status", "daemonset/web", "--timeout=120s")
        yield cluster
    finally:
        cluster.down(purge=True)


def _commands() -> list[str]:
    """The command lines of all processes."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def _pod_on(cluster: LocalCluster, node: str) -> str:
    pods = cluster.kubectl.json("get", "pods", f"--field-selector=spec.nodeName={node},status.phase=Running")
    name: str = pods["items"][0]["metadata"]["name"]
    return name


def test_up_again_leaves_everything_as_it_is(own: LocalCluster) -> None:
    before = own.status().processes
    own.up()
    assert own.status().processes == before
    assert own.status().ready_nodes == {"n0", "n1"}
    assert own.status().healthy


def test_pods_reach_each_other_by_name_across_nodes_and_through_services(own: LocalCluster) -> None:
    def reached(node: str) -> bool:
        try:
            answer = own.kubectl("exec", "-i", _pod_on(own, node), "--", "python3", "-", stdin=ASK)
        except ClusterError:  # names and routes follow the pods after a moment
            return False
        return answer.splitlines() == ["pods 2 {200}", "service {200}", "api 403"]

    for node in ("n0", "n1"):
        wait_until(lambda node=node: reached(node), f"everything reached from {node}", 60, "ask by hand: ASK")


def test_logs_of_pods_are_read_through_the_api_server(own: LocalCluster) -> None:
    assert "GET /" in own.kubectl("logs", _pod_on(own, "n0"))


def test_prometheus_scrapes_the_pods_that_ask_for_it(own: LocalCluster) -> None:
    def scraped() -> set[str]:
        query = {"query": 'up_seconds{namespace="default",app="web"}'}
        url = f"{own.prometheus_url}/api/v1/query"
        found = httpx.get(url, params=query, trust_env=False).json()["data"]["result"]
        return {entry["metric"]["node"] for entry in found}

    wait_until(lambda: scraped() == {"n0", "n1"}, "both pods scraped", 60, "look at Prometheus' targets page")


def test_objects_outlive_the_death_of_the_s3_server(own: LocalCluster) -> None:
    import s3fs

    own.make_bucket("things")
    access = own.s3
    files = s3fs.S3FileSystem(
        key=access.access_key,
        secret=access.secret_key,
        client_kwargs={"endpoint_url": access.endpoint, "region_name": access.region},
        skip_instance_cache=True,
    )
    files.pipe("things/one", b"1" * 100_000)
    own.kill_s3()
    own.start_s3()
    assert files.cat("things/one") == b"1" * 100_000


def test_the_s3_server_refuses_those_without_keys(own: LocalCluster) -> None:
    own.make_bucket("things")
    assert httpx.get(f"{own.s3.endpoint}/things", trust_env=False).status_code == 403


def test_nodes_share_the_files_of_an_image_on_disk(own: LocalCluster) -> None:
    snapshots = "containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs/usr/bin/python3.*"
    found = [file.stat() for file in own.state.folder.glob(f"nodes/*/{snapshots}") if not file.is_symlink()]
    assert len(found) == 2
    assert found[0].st_ino == found[1].st_ino


def test_up_heals_what_has_died(own: LocalCluster) -> None:
    own.processes.kill("kube-scheduler")
    own.processes.kill("coredns")
    assert not own.status().healthy
    own.up()
    assert own.status().healthy


def test_a_lost_node_is_noticed_and_comes_back_with_its_pods(own: LocalCluster) -> None:
    own.stop_node("n1")
    mend = "look at the controller manager's log"
    wait_until(lambda: own.kubectl.ready_nodes() == {"n0"}, "node n1 not Ready", 90, mend)
    own.start_node("n1")
    own.kubectl("rollout", "status", "daemonset/web", "--timeout=120s")

    def both_answer() -> bool:
        return "pods 2 {200}" in own.kubectl(
            "exec", "-i", _pod_on(own, "n1"), "--", "python3", "-", stdin=ASK
        )

    # A pod is ready a moment before the name service has its address.
    wait_until(both_answer, "both pods answer", 90, "look at the name service's log")


def test_gpus_that_are_not_there_can_be_scheduled(own: LocalCluster) -> None:
    own.advertise_gpus("n0", 4)

    def allocatable() -> str:
        status = own.kubectl.json("get", "node", "n0")["status"]
        return str(status["allocatable"].get("nvidia.com/gpu"))

    wait_until(lambda: allocatable() == "4", "4 GPUs on n0", 60, "look at the kubelet's log")


def test_down_leaves_nothing_behind(own: LocalCluster) -> None:
    _, plan = own.state.load()
    pids = [(pid, start_time(pid)) for pid in own.status().processes.values() if pid]
    inside = _processes_in(plan.cgroup)
    assert len(inside) >= 4  # Two pods of two processes each.
    own.down()
    assert [pid for pid, started in pids if start_time(pid) == started] == []
    assert [pid for pid in inside if start_time(pid)] == []
    assert str(own.state.folder) not in Path("/proc/mounts").read_text()
    assert not Path(f"/sys/class/net/{plan.bridge}").exists()
    for node in plan.all_nodes:
        assert not Path(f"/run/netns/{node.netns}").exists()
        assert not Path(f"/sys/class/net/{node.veth}").exists()
    assert list(Path("/sys/fs/cgroup").glob(f"**{plan.cgroup}")) == []
    if iptables := shutil.which("iptables-save", path="/usr/sbin:/sbin"):
        assert plan.bridge not in subprocess.check_output([iptables], text=True).split()
    own.up()
    assert own.status().ready_nodes == {"n0", "n1"}
    own.down(purge=True)
    assert not own.state.folder.exists()
    assert [command for command in _commands() if NAME in command] == []


def test_simulated_nodes_let_the_pods_of_jobs_succeed(tools: Toolbox) -> None:
    cluster = LocalCluster(f"sim-{os.getpid()}", tools=tools)
    try:
        cluster.up(Spec(nodes=0, kwok_nodes=3, s3=False, prometheus=False))
        words = ("create", "job", "quick", "--image=none", "--dry-run=client")
        job = cluster.kubectl.json(*words)
        job["spec"] |= {"completions": 6, "parallelism": 6, "completionMode": "Indexed"}
        job["spec"]["template"]["spec"]["tolerations"] = [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}]
        cluster.kubectl.apply([job])
        cluster.kubectl("wait", "--for=condition=complete", "job/quick", "--timeout=60s")
        assert cluster.kubectl.json("get", "job", "quick")["status"]["succeeded"] == 6
    finally:
        cluster.down(purge=True)


def _processes_in(group: str) -> list[int]:
    files = Path("/sys/fs/cgroup").glob(f"*{group}/**/cgroup.procs")
    return sorted({int(line) for file in files for line in file.read_text().split()})
