"""Kubernetes events: what happened to an object, for `kubectl describe`."""

from __future__ import annotations

from datetime import datetime

from webssl_api.kind import API_VERSION

from webssl_operator.cluster.api import Raw
from webssl_operator.observe.family import Head
from webssl_operator.observe.times import format_time
from webssl_operator.plan.actions import RunEvent

LONGEST = 1024
"""The API server refuses longer messages."""


def event_manifest(head: Head, event: RunEvent, now: datetime, identity: str) -> Raw:
    """A core/v1 Event on the object."""
    message = event.message if len(event.message) <= LONGEST else event.message[: LONGEST - 1] + "…"
    time = format_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{head.name}.", "namespace": head.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": head.owner_kind,
            "name": head.name,
            "namespace": head.namespace,
            "uid": head.uid,
            "resourceVersion": str(head.sequence),
        },
        "type": "Warning" if event.warning else "Normal",
        "reason": event.reason,
        "message": message,
        "source": {"component": "webssl-operator"},
        "reportingComponent": "webssl.dev/operator",
        "reportingInstance": identity,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
