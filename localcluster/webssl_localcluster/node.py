"""One node: containerd, kubelet and kube-proxy in namespaces of their own, as a machine of their own would be."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from . import cgroups, kubeconfig, node_config
from .commands import run
from .errors import ClusterError
from .kubectl import Kubectl
from .pki import Authority
from .plan import NodePlan, Plan
from .processes import Processes, Program, wait_until
from .tools.apt import SYSTEM_PATH
from .tools.install import Toolbox

SWITCHES = {
    "net/ipv4/ip_forward": "1",
    "net/bridge/bridge-nf-call-iptables": "1",
    "net/ipv4/conf/all/rp_filter": "0",
}


class Node:
    """The node ``plan`` of ``cluster``.

    Args:
        folder: the node's own part of the state folder.
    """

    def __init__(
        self,
        cluster: Plan,
        plan: NodePlan,
        folder: Path,
        processes: Processes,
        authority: Authority,
        tools: Toolbox,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self._cluster = cluster
        self._processes = processes
        self._authority = authority
        self._tools = tools

    @property
    def running(self) -> bool:
        return self._processes.pid(self._name("init")) is not None

    def start(self) -> None:
        """Starts whatever of the node does not run as described; waits for the container runtime only.

        Raises:
            ClusterError: a part ends at once; with the end of its log.
        """
        self._make_folders()
        self._start_init()
        inside = self._inside()
        env = {"PATH": f"{SYSTEM_PATH}:/usr/local/bin"}
        containerd = self.folder / "containerd.toml"
        name = self._name("containerd")
        argv = [*inside, self._tools.path("containerd"), "--config", containerd, "--log-level", "warn"]
        self._processes.ensure(
            Program(name, argv, env, [containerd, self.folder / "cni" / "10-pods.conflist"])
        )
        hint = "is a container runtime possible here? it needs root, overlayfs and cgroups"
        self._processes.wait(name, self._runtime_answers, 30, hint)

    @property
    def kubelet_log(self) -> Path:
        """The log of its kubelet."""
        return self._processes.log(self._name("kubelet"))

    def join(self) -> bool:
        """Starts kubelet and kube-proxy, which make the node a part of the cluster.

        Returns:
            Whether the kubelet was started.
        """
        inside = self._inside()
        env = {"PATH": f"{SYSTEM_PATH}:/usr/local/bin"}
        context = f"webssl-{self._cluster.name}"
        kubelet_access = self._access("kubelet", f"kubelet-{self.plan.name}", context)
        proxy_access = self._access("kube-proxy", "kube-proxy", context)
        kubelet = self._write(
            "kubelet.yaml", node_config.kubelet_config(self._cluster, self.plan, self._authority)
        )
        proxy = self._write(
            "kube-proxy.yaml", node_config.kube_proxy_config(self._cluster, self.plan, proxy_access)
        )
        kubelet_argv = [
            *inside,
            self._tools.path("kubelet"),
            f"--config={kubelet}",
            f"--kubeconfig={kubelet_access}",
            f"--hostname-override={self.plan.name}",
            f"--node-ip={self.plan.address}",
            "--node-labels=webssl.dev/local-cluster=true",
        ]
        proxy_argv = [*inside, self._tools.path("kube-proxy"), f"--config={proxy}"]
        self._processes.ensure(Program(self._name("kube-proxy"), proxy_argv, env, [proxy, proxy_access]))
        configs = [kubelet, kubelet_access]
        return self._processes.ensure(Program(self._name("kubelet"), kubelet_argv, env, configs))

    def stop(self) -> None:
        """Switches the node off: everything in it is killed at once, pods included. Idempotent."""
        for part in ("init", "kubelet", "kube-proxy", "containerd"):
            self._processes.kill(self._name(part))

    def containers(self, *words: str | Path, stdin: bytes | None = None) -> str:
        """Output of containerd's ``ctr`` in the namespace that Kubernetes uses."""
        ctr: list[str | Path] = [
            self._tools.path("ctr"),
            "--address",
            node_config.CONTAINERD_SOCKET,
            "--namespace",
            "k8s.io",
        ]
        mend = f"look at {self._processes.log(self._name('containerd'))}"
        return run([*self._inside(), *ctr, *words], stdin=stdin, mend=mend, timeout=600)

    def _runtime_answers(self) -> bool:
        try:
            self.containers("version")
        except ClusterError:
            return False
        return True

    def _start_init(self) -> None:
        if self.running:
            return  # Whatever has changed: a node that runs is not switched off behind its pods' backs.
        ready = self.folder / "init.ready"
        catatonit = self._tools.path("catatonit")
        settings = {
            "mounts": self._mounts(),
            "switches": SWITCHES,
            "ready": str(ready),
            "reaper": [str(catatonit), "-P"],
        }
        file = self._write("init.json", json.dumps(settings, indent=2))
        ready.unlink(missing_ok=True)
        cgroups.create(self.plan.cgroup)
        unshare = [
            str(self._tools.path("unshare")),
            "--mount",
            "--pid",
            "--fork",
            "--kill-child=SIGKILL",
            # Unmounts on the machine (of another cluster's namespaces, say) must not be held up by this node.
            "--propagation=slave",
            "--mount-proc",
        ]
        argv: list[str | Path] = [
            self._tools.path("nsenter"),
            f"--net=/run/netns/{self.plan.netns}",
            *unshare,
            sys.executable,
            "-m",
            "webssl_localcluster.node_init",
            file,
        ]
        env = {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
        name = self._name("init")
        self._processes.ensure(Program(name, argv, env, [file]))
        self._processes.wait(name, ready.exists, 20, "this needs root and mount, pid and network namespaces")

    def _mounts(self) -> list[list[str]]:
        """What the node has of its own where Kubernetes expects fixed places."""
        mounts = [["--make-rshared", "/"]]
        for place in ("/run/containerd", "/run/netns"):
            mounts.append(["-t", "tmpfs", "tmpfs", place])
        for place, name in (
            ("/var/log", "log"),
            ("/var/lib/cni", "cni-state"),
            ("/var/lib/kubelet", "kubelet"),
        ):
            mounts.append(["--bind", str(self.folder / name), place])
        return mounts

    def _make_folders(self) -> None:
        for name in ("cni", "cni-state", "containerd", "kubelet", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for place in ("/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/kubelet"):
            Path(place).mkdir(parents=True, exist_ok=True)
        binaries = self._tools.path("bridge").parent
        self._write("containerd.toml", node_config.containerd_config(self.folder, binaries))
        self._write("cni/10-pods.conflist", node_config.cni_config(self.plan))

    def _inside(self) -> list[str | Path]:
        init = self._processes.pid(self._name("init"))
        child = _child_of(init) if init else None
        if child is None:
            raise ClusterError(
                f"node {self.plan.name} is not running", f"webssl cluster node start {self.plan.name}"
            )
        return [self._tools.path("nsenter"), "--target", str(child), "--mount", "--pid", "--net", "--"]

    def _access(self, name: str, identity: str, context: str) -> Path:
        path = self.folder / "kubeconfigs" / name
        return kubeconfig.write(path, self._cluster.api_url, context, self._authority, identity)

    def _write(self, name: str, content: str) -> Path:
        path = self.folder / name
        if not path.exists() or path.read_text() != content:
            path.write_text(content)
        return path

    def _name(self, part: str) -> str:
        return f"{self.plan.name}-{part}"


def _child_of(pid: int) -> int | None:
    """The only child of a process (the node's first process, seen from outside)."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                return int(entry.name)
    return None


def join(nodes: Sequence[Node], kubectl: Kubectl, timeout: float) -> None:
    """Has nodes join and waits until they are Ready; those that join anew must have said so since.

    Raises:
        ClusterError: they are not after ``timeout`` seconds.
    """
    began = datetime.datetime.now(datetime.UTC)
    started = {node.plan.name for node in nodes if node.join()}
    others = {node.plan.name for node in nodes} - started
    wait_until(
        lambda: started <= kubectl.ready_nodes(began) and others <= kubectl.ready_nodes(),
        f"nodes {', '.join(node.plan.name for node in nodes)} Ready",
        timeout,
        f"look at the kubelets' logs: {', '.join(str(node.kubelet_log) for node in nodes)}",
    )
