"""The operator's access rights: the chart's file and the table in the docs, from the operator's own table."""

from __future__ import annotations

import yaml
from webssl_operator import rbac

HEADER = "# Generated from operator/webssl_operator/rbac.py by `make generate`. Do not edit.\n"
SCOPE = {"runs": "where runs are", "own": "its own namespace"}


def to_yaml() -> str:
    """`runs` and `own`, each a list of rules as in a Role."""
    return HEADER + yaml.safe_dump(
        {part: rbac.rules(part) for part in rbac.TABLE}, sort_keys=False, width=120
    )


def to_markdown() -> str:
    """A table with the reason for every rule."""
    lines = ["| scope | API group | resources | verbs | why |", "|---|---|---|---|---|"]
    for part, rules in rbac.TABLE.items():
        for rule in rules:
            group = f"`{rule.group}`" if rule.group else "core"
            resources = ", ".join(f"`{name}`" for name in rule.resources)
            lines.append(f"| {SCOPE[part]} | {group} | {resources} | {', '.join(rule.verbs)} | {rule.why} |")
    return "\n".join(lines)
