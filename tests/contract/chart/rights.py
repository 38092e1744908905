"""Which rights an identity has, and which it used according to the API server's audit log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

CREATED = 201


class Right(NamedTuple):
    """One verb on one resource (`pods`, `pods/status`) of an API group ("" for core)."""

    group: str
    resource: str
    verb: str


def granted(rules: Iterable[Mapping[str, Any]]) -> set[Right]:
    """The rights in the rules of a Role."""
    return {
        Right(group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def without(rules: Iterable[Mapping[str, Any]], right: Right) -> list[dict[str, Any]]:
    """The rules less one right; the others stay, each by itself."""
    kept = granted(rules) - {right}
    return [
        {
            "apiGroups": [group],
            "resources": [resource],
            "verbs": sorted(v for g, r, v in kept if (g, r) == (group, resource)),
        }
        for group, resource in sorted({(g, r) for g, r, _ in kept})
    ]


def used(events: Iterable[Mapping[str, Any]]) -> set[Right]:
    """The rights that audited requests needed. Server-side apply of what was not there also needs `create`."""
    found: set[Right] = set()
    for event in events:
        target = event.get("objectRef")
        if target is None:
            continue
        resource = "/".join(part for part in (target["resource"], target.get("subresource", "")) if part)
        group = target.get("apiGroup", "")
        found.add(Right(group, resource, event["verb"]))
        if event["verb"] == "patch" and event.get("responseStatus", {}).get("code") == CREATED:
            found.add(Right(group, resource, "create"))
    return found


def refused(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """What was forbidden for want of rights, in the API server's words.

    Its check of owners learns anew of all kinds twice a minute, and forbids what it knows no kind of until then, whoever asks.
    """
    return [
        f"{event['verb']} {event['requestURI']}: {event['responseStatus'].get('message', '')}"
        for event in events
        if event.get("responseStatus", {}).get("code") == 403
        and "no matches for kind" not in event["responseStatus"].get("message", "")
    ]
