"""What runs beside the control plane: S3, DNS, Prometheus and simulated nodes."""

from __future__ import annotations

from pathlib import Path

from . import dns, kubeconfig, kwok, prometheus, s3
from .kubectl import Kubectl
from .pki import Authority
from .plan import DNS_PORT, Plan
from .processes import Processes
from .state import State
from .tools.install import Toolbox

MEND = "webssl cluster status"


class Services:
    """Starts the services of one cluster; each ``start`` does nothing to one that runs as described."""

    def __init__(
        self,
        plan: Plan,
        state: State,
        processes: Processes,
        authority: Authority,
        tools: Toolbox,
        kubectl: Kubectl,
    ) -> None:
        self._plan = plan
        self._state = state
        self._processes = processes
        self._authority = authority
        self._tools = tools
        self._kubectl = kubectl

    def start_s3(self) -> None:
        """Starts the S3 server and waits until it answers."""
        data, keys = self._state.made("s3"), self._state.path("s3.json")
        s3.access(self._plan, keys)
        self._processes.ensure(s3.program(self._tools.path("weed"), self._plan, data, keys))
        self._processes.wait("s3", lambda: s3.answers(self._plan.s3_url), 60, MEND)

    def start_dns(self, egress: bool) -> None:
        """Starts CoreDNS and waits until it knows the cluster's names."""
        self._kubectl.apply(dns.access_rules())
        access = kubeconfig.write(
            self._state.path("kubeconfigs", "coredns"),
            self._plan.api_url,
            f"webssl-{self._plan.name}",
            self._authority,
            "coredns",
        )
        config = self._write("Corefile", dns.corefile(self._plan, access, egress))
        self._processes.ensure(dns.program(self._tools.path("coredns"), config, access))
        self._processes.wait(
            "coredns", lambda: dns.answers(self._plan), 30, f"port {DNS_PORT} taken? ss -lunp"
        )

    def start_prometheus(self, rules: Path) -> None:
        """Starts Prometheus and the discovery of its targets."""
        self._kubectl.apply(prometheus.access_rules())
        targets = self._state.path("pod-targets.json")
        config = self._write("prometheus.yaml", prometheus.config(self._plan, targets, rules))
        data = self._state.made("prometheus")
        self._processes.ensure(prometheus.discovery(self._plan, self._authority, targets))
        self._processes.ensure(prometheus.program(self._tools.path("prometheus"), self._plan, config, data))
        self._processes.wait("prometheus", lambda: prometheus.answers(self._plan.prometheus_url), 60, MEND)

    def start_kwok(self, count: int) -> None:
        """Starts kwok with ``count`` simulated nodes and waits until they are Ready."""
        access = self._state.path("kubeconfig")
        config = self._write("kwok.yaml", kwok.stages())
        self._processes.ensure(kwok.program(self._tools.path("kwok"), self._plan, config, access))
        self._kubectl.apply(kwok.nodes(count))
        names = {kwok.node_name(number) for number in range(count)}
        self._processes.wait("kwok", lambda: names <= self._kubectl.ready_nodes(), 120, MEND)

    def _write(self, name: str, content: str) -> Path:
        path = self._state.path(name)
        if not path.exists() or path.read_text() != content:
            path.write_text(content)
        return path
