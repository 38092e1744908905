"""Kubernetes events: what happened to a run, for `kubectl describe`."""

from __future__ import annotations

from datetime import datetime

from webssl_api.run import API_VERSION, KIND

from webssl_operator.cluster.api import Raw
from webssl_operator.observe.run import RunView
from webssl_operator.observe.times import format_time
from webssl_operator.plan.actions import RunEvent

LONGEST = 1024
"""The API server refuses longer messages."""


def event_manifest(run: RunView, event: RunEvent, now: datetime, identity: str) -> Raw:
    """A core/v1 Event on the run."""
    message = event.message if len(event.message) <= LONGEST else event.message[: LONGEST - 1] + "…"
    time = format_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{run.name}.", "namespace": run.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": run.name,
            "namespace": run.namespace,
            "uid": run.uid,
            "resourceVersion": str(run.sequence),
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
