"""The local cluster as one object: up, down, and the blows that tests deal it."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Sequence
from pathlib import Path

from . import cgroups, control_plane, s3
from .errors import ClusterError
from .images import load, store
from .images.build import Builder
from .images.inputs import TARGETS
from .kubectl import Kubectl
from .network import Network
from .node import Node, join
from .pki import Authority, identities
from .plan import Plan
from .processes import Processes
from .progress import Reporter
from .s3 import S3Access
from .services import Services
from .state import Spec, State
from .status import Status, parts
from .tools.install import Toolbox
from .tools.table import CONTROL_PLANE, NODE, SIMULATION, STORAGE


class LocalCluster:
    """The cluster called ``name``.

    Args:
        base: folder of all clusters' state; default ``${XDG_STATE_HOME:-~/.local/state}/webssl/cluster``.
    """

    def __init__(
        self,
        name: str = "default",
        *,
        base: Path | None = None,
        reporter: Reporter | None = None,
        tools: Toolbox | None = None,
    ) -> None:
        self.name = name
        self.state = State(name, base)
        self.reporter = reporter or Reporter()
        self._images_folder = self.state.base.parent / "images"
        self.tools = tools or Toolbox(self.reporter)
        self.processes = Processes(self.state.path("processes"))
        self.authority = Authority(self.state.path("pki"))

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        return self.state.exists

    @property
    def spec(self) -> Spec:
        return self.state.load()[0]

    @property
    def plan(self) -> Plan:
        return self.state.load()[1]

    @property
    def kubeconfig(self) -> Path:
        """The admin's kubeconfig; its context is ``webssl-NAME``."""
        return self.state.path("kubeconfig")

    @property
    def context(self) -> str:
        return f"webssl-{self.name}"

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.tools.path("kubectl"), self.kubeconfig)

    @property
    def s3(self) -> S3Access:
        """Where the S3 server is and the keys to it."""
        return s3.access(self.plan, self.state.path("s3.json"))

    @property
    def prometheus_url(self) -> str:
        return self.plan.prometheus_url

    @property
    def rules_folder(self) -> Path:
        """Rule files put here (``*.yaml``) are read by Prometheus at ``reload_prometheus``."""
        return self.state.made("rules")

    def node(self, name: str) -> Node:
        plan = self.plan
        return self._node(plan, plan.node_named(name).name)

    def status(self) -> Status:
        """What runs; reads only.

        Raises:
            ClusterError: there is no such cluster.
        """
        spec, plan = self.state.load()
        alive = self.processes.pid("kube-apiserver") is not None
        return Status(
            name=self.name,
            spec=spec,
            processes={name: self.processes.pid(name) for name in parts(spec)},
            ready_nodes=frozenset(self.kubectl.ready_nodes() if alive else ()),
            kubeconfig=self.kubeconfig,
            api_url=plan.api_url,
            s3_url=plan.s3_url if spec.s3 else None,
            prometheus_url=plan.prometheus_url if spec.prometheus else None,
        )

    # -- up and down -----------------------------------------------------------------------------------------------

    def up(self, spec: Spec | None = None) -> None:
        """Brings the cluster to ``spec`` (the last one, or the default). Starts only what does not run already.

        Raises:
            ClusterError: a part cannot be had or does not become ready.
        """
        with self.reporter, self.state.busy():
            wanted = spec or (self.spec if self.exists else Spec())
            if self.exists and self.spec.nodes != wanted.nodes:
                raise ClusterError(
                    f"cluster {self.name} has {self.spec.nodes} nodes, not {wanted.nodes}",
                    f"take it down first: webssl cluster down --purge --name {self.name}",
                )
            self._fetch(wanted)
            plan = self.state.save(wanted)
            with self.reporter.step("certificates"):
                self.authority.ensure(identities(plan), datetime.datetime.now(datetime.UTC))
            if plan.nodes:
                with self.reporter.step("network"):
                    self._network(plan).up(wanted.egress)
            with self.reporter.step("control plane"):
                control_plane.start(plan, self.authority, self.processes, self.tools, self.state.folder)
            self._start_services(plan, wanted)
            if plan.nodes:
                self._start_nodes(plan, wanted)
            if wanted.kwok_nodes:
                with self.reporter.step(f"{wanted.kwok_nodes} simulated nodes"):
                    self._services(plan).start_kwok(wanted.kwok_nodes)

    def down(self, *, purge: bool = False) -> None:
        """Stops everything and leaves no process, mount, namespace, control group or bridge behind.

        Args:
            purge: remove the state folder as well.
        """
        if not self.exists:
            return
        with self.reporter, self.state.busy():
            _, plan = self.state.load()
            with self.reporter.step(f"cluster {self.name} down"):
                for node in plan.all_nodes:
                    self._node(plan, node.name).stop()
                self.processes.stop("s3", grace=3)
                # The API server goes after its clients, etcd last.
                last = ["kube-apiserver", "etcd"]
                for name in [*(name for name in self.processes.names() if name not in last), *last]:
                    self.processes.stop(name)
                for socket in s3.sockets(plan):
                    socket.unlink(missing_ok=True)
                if plan.nodes:
                    self._network(plan).down()
                    cgroups.remove(plan.cgroup)
            if purge:
                with self.reporter.step("remove the state folder"), self.state.locked():
                    shutil.rmtree(self.state.folder)

    # -- images ----------------------------------------------------------------------------------------------------

    def load_images(
        self, root: Path, targets: Sequence[str] = TARGETS, *, base_image: str | None = None
    ) -> dict[str, str]:
        """Builds the project's images from the checkout ``root`` where they are out of date and puts them on every node.

        Args:
            base_image: a Python image to build on; None: one is made from Debian packages.

        Returns:
            Target (``operator``, ``trainer``, ``eval``) -> image name; the tag changes with the content.
        """
        builder = self._builder(base_image)
        with self.reporter:
            names = builder.images(root, targets)
            self._put(builder, list(names.values()), forget=True)
        return names

    def forget_images(self) -> None:
        """Removes everything that was built, so that the next ``load_images`` starts from nothing."""
        self._builder(None).remove()

    def load_base_image(self) -> str:
        """Puts a plain image with a shell and Python on every node; returns its name."""
        builder = self._builder(None)
        with self.reporter:
            names = builder.basics()
            self._put(builder, names)
        return names[-1]

    # -- blows -----------------------------------------------------------------------------------------------------

    def stop_node(self, name: str) -> None:
        """Switches a node off, as a power cut."""
        self.node(name).stop()

    def start_node(self, name: str, *, timeout: float = 90) -> None:
        """Switches a node on again and waits until it is Ready."""
        node = self.node(name)
        node.start()
        join([node], self.kubectl, timeout)

    def kill_s3(self) -> None:
        """``kill -9`` to the S3 server."""
        self.processes.kill("s3")

    def start_s3(self) -> None:
        """Starts the S3 server, if it is not running, and waits until it answers."""
        self._services(self.plan).start_s3()

    def make_bucket(self, name: str) -> None:
        s3.make_bucket(self.s3, name)

    def reload_prometheus(self) -> None:
        """Has Prometheus read its rule files again."""
        import httpx

        httpx.post(f"{self.prometheus_url}/-/reload", timeout=10, trust_env=False).raise_for_status()

    def advertise_gpus(self, node: str, count: int) -> None:
        """Advertises ``nvidia.com/gpu`` on a node, so that GPU requests are scheduled; no device is behind it."""
        place = "/status/capacity/nvidia.com~1gpu"
        patch = f'[{{"op":"add","path":"{place}","value":"{count}"}}]'
        self.kubectl("patch", "node", node, "--subresource=status", "--type=json", f"--patch={patch}")

    # -- parts -----------------------------------------------------------------------------------------------------

    def _fetch(self, spec: Spec) -> None:
        wanted: list[str] = [*CONTROL_PLANE]
        if spec.nodes or spec.prometheus:
            self.tools.system()
        if spec.nodes:
            wanted += NODE
        if spec.s3:
            wanted += STORAGE
        if spec.kwok_nodes:
            wanted += SIMULATION
        self.tools.ensure(wanted)

    def _network(self, plan: Plan) -> Network:
        found = shutil.which("iptables", path="/usr/sbin:/sbin:/usr/bin:/bin")
        record = self.state.path("ip-forward-before")
        return Network(plan, self.tools.path("ip"), Path(found) if found else None, record)

    def _node(self, plan: Plan, name: str) -> Node:
        folder = self.state.path("nodes", name)
        return Node(plan, plan.node_named(name), folder, self.processes, self.authority, self.tools)

    def _services(self, plan: Plan) -> Services:
        return Services(plan, self.state, self.processes, self.authority, self.tools, self.kubectl)

    def _start_services(self, plan: Plan, spec: Spec) -> None:
        services = self._services(plan)
        if spec.s3:
            with self.reporter.step("S3 server"):
                services.start_s3()
        if plan.nodes:
            with self.reporter.step("DNS"):
                services.start_dns(spec.egress)
        if spec.prometheus:
            with self.reporter.step("Prometheus"):
                services.start_prometheus(self.rules_folder)

    def _start_nodes(self, plan: Plan, spec: Spec) -> None:
        nodes = [self._node(plan, node.name) for node in plan.all_nodes]
        with self.reporter.step(f"{plan.nodes} nodes"):
            builder = self._builder(None)
            pause = store.read(builder.storage, builder.pause())
            for node in nodes:
                node.start()
                load.load(node, pause)
            join(nodes, self.kubectl, 120)
            if spec.gpus:
                for node in nodes:
                    self.advertise_gpus(node.plan.name, spec.gpus)

    def _builder(self, base_image: str | None) -> Builder:
        return Builder(self._images_folder, self.tools, self.reporter, base_image)

    def _put(self, builder: Builder, names: Sequence[str], *, forget: bool = False) -> None:
        plan = self.plan
        nodes = [node for name in plan.all_nodes if (node := self._node(plan, name.name)).running]
        load.put(nodes, [store.read(builder.storage, name) for name in names], self.reporter, forget=forget)
