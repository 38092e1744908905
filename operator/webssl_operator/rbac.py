"""Everything the operator asks of the API server, as one table. The chart's roles are made from it, and nothing else is granted.

`RUNS` is needed in every namespace whose runs are looked after, `OWN` only in the operator's own namespace.
"""

from __future__ import annotations

from dataclasses import dataclass

from webssl_api.kind import GROUP
from webssl_api.kinds import KINDS


@dataclass(frozen=True)
class Rule:
    """One RBAC rule and the reason for it."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str

    def to_dict(self) -> dict[str, list[str]]:
        """The rule as it stands in a Role."""
        return {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)}


RUNS: tuple[Rule, ...] = (
    Rule(GROUP, tuple(kind.plural for kind in KINDS), ("list", "watch"), "the objects to look after"),
    Rule(
        GROUP,
        tuple(f"{kind.plural}/status" for kind in KINDS),
        ("patch",),
        "the one status write of a pass",
    ),
    Rule(
        GROUP,
        tuple(f"{kind.plural}/finalizers" for kind in KINDS),
        ("update",),
        "owner references that block deletion, where that admission plugin is on",
    ),
    Rule(
        "batch",
        ("jobs",),
        ("list", "watch", "create", "patch", "delete"),
        "worker, evaluation and curation Jobs",
    ),
    Rule(
        "ray.io",
        ("rayjobs",),
        ("list", "watch", "create", "patch", "delete"),
        "curation passes on Ray, where KubeRay is installed",
    ),
    Rule("", ("pods",), ("get", "list", "watch", "delete"), "workers; lost and old failed pods are deleted"),
    Rule(
        "",
        ("pods/status",),
        ("patch",),
        "a pod on a lost node is marked failed, or its Job never replaces it",
    ),
    Rule(
        "",
        ("configmaps",),
        ("get", "list", "watch", "create", "update", "patch", "delete"),
        "the resolved run, rendezvous and reports; `get` and `update` are here because the pods' Role grants them",
    ),
    Rule("", ("services",), ("create", "patch"), "the headless Service of the workers"),
    Rule("", ("serviceaccounts",), ("create", "patch"), "the identity of a run's pods"),
    Rule(
        "rbac.authorization.k8s.io",
        ("roles", "rolebindings"),
        ("create", "patch"),
        "a run's pods may read and write their own run's ConfigMaps, by name",
    ),
    Rule("policy", ("poddisruptionbudgets",), ("create", "patch"), "node drains take one worker at a time"),
    Rule("", ("events",), ("create",), "what happened to a run"),
)

OWN: tuple[Rule, ...] = (
    Rule("coordination.k8s.io", ("leases",), ("get", "create", "update"), "leader election"),
)

TABLE: dict[str, tuple[Rule, ...]] = {"runs": RUNS, "own": OWN}


def rules(part: str) -> list[dict[str, list[str]]]:
    """The rules of `runs` or `own` as they stand in a Role. Raises KeyError for another name."""
    return [rule.to_dict() for rule in TABLE[part]]
