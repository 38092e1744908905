"""The cluster's network on this machine: one bridge, one network namespace and cable for each node, routes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .commands import run
from .errors import ClusterError
from .plan import NodePlan, Plan

MEND = "this needs root and the kernel's bridge, veth and netfilter support"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


class Network:
    """Lays and removes the network of ``plan``; laying is idempotent.

    Args:
        record: a file that keeps what the machine's forwarding switch was before.
    """

    def __init__(self, plan: Plan, ip: Path, iptables: Path | None, record: Path) -> None:
        self._plan = plan
        self._ip = ip
        self._iptables = iptables
        self._record = record

    def up(self, egress: bool) -> None:
        plan = self._plan
        if not _link_exists(plan.bridge):
            self._run("link", "add", plan.bridge, "type", "bridge")
        self._run("addr", "replace", f"{plan.gateway}/24", "dev", plan.bridge)
        self._run("link", "set", plan.bridge, "up")
        for node in plan.all_nodes:
            self._cable(node)
        for node in plan.all_nodes:
            self._routes(node)
        if plan.nodes:
            # The first node translates service addresses for this machine: webhooks and curious people.
            self._run("route", "replace", plan.services, "via", plan.node(0).address, "dev", plan.bridge)
        wanted = self._rules(egress)
        for rule in self._rules(egress=True):
            if rule not in wanted:
                self._remove_rule(rule)
            elif not self._rule("-C", rule):
                self._rule("-I", rule)
        if egress and FORWARDING.read_text().strip() == "0":
            self._record.write_text("0")
            FORWARDING.write_text("1")

    def down(self) -> None:
        """Removes everything ``up`` made; what is not there is passed over."""
        plan = self._plan
        for rule in self._rules(egress=True):
            self._remove_rule(rule)
        for node in plan.all_nodes:
            if _link_exists(node.veth):
                self._run("link", "del", node.veth)
            if Path(f"/run/netns/{node.netns}").exists():
                self._run("netns", "del", node.netns)
        if _link_exists(plan.bridge):
            self._run("link", "del", plan.bridge)
        if self._record.exists():
            FORWARDING.write_text(self._record.read_text())
            self._record.unlink()

    def _cable(self, node: NodePlan) -> None:
        if not Path(f"/run/netns/{node.netns}").exists():
            self._run("netns", "add", node.netns)
        if not _link_exists(node.veth):
            self._run("link", "add", node.veth, "type", "veth", "peer", "name", "eth0", "netns", node.netns)
        self._run("link", "set", node.veth, "master", self._plan.bridge, "up")
        inside = ("-n", node.netns)
        self._run(*inside, "link", "set", "lo", "up")
        self._run(*inside, "addr", "replace", f"{node.address}/24", "dev", "eth0")
        self._run(*inside, "link", "set", "eth0", "up")
        self._run(*inside, "route", "replace", "default", "via", self._plan.gateway)

    def _routes(self, node: NodePlan) -> None:
        self._run("route", "replace", node.pods, "via", node.address, "dev", self._plan.bridge)
        for other in self._plan.all_nodes:
            if other != node:
                self._run("-n", other.netns, "route", "replace", node.pods, "via", node.address)

    def _rules(self, egress: bool) -> list[Sequence[str]]:
        """Rules of this machine: where forwarding is closed (as Docker does), the bridge is let through."""
        plan = self._plan
        mark = ("-m", "comment", "--comment", plan.bridge)
        rules: list[Sequence[str]] = [
            ("filter", "FORWARD", "-i", plan.bridge, *mark, "-j", "ACCEPT"),
            ("filter", "FORWARD", "-o", plan.bridge, *mark, "-j", "ACCEPT"),
        ]
        if egress:
            for source in (plan.network, plan.pods):
                words = ("-s", source, "!", "-o", plan.bridge, *mark, "-j", "MASQUERADE")
                rules.append(("nat", "POSTROUTING", *words))
        return rules

    def _remove_rule(self, rule: Sequence[str]) -> None:
        while self._rule("-D", rule):
            pass

    def _rule(self, action: str, rule: Sequence[str]) -> bool:
        if self._iptables is None:
            return False
        table, chain, *words = rule
        try:
            run([self._iptables, "-w", "-t", table, action, chain, *words], mend=MEND)
        except ClusterError:
            return False
        return True

    def _run(self, *words: str) -> str:
        return run([self._ip, *words], mend=MEND)


def _link_exists(name: str) -> bool:
    return Path(f"/sys/class/net/{name}").exists()
