"""Pods on nodes that do not answer, of any kind's Jobs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from webssl_operator.observe.pod import PodView
from webssl_operator.plan.actions import BuryPod


def lost_pods(
    pods: Iterable[PodView], now: datetime, lost_after: float
) -> tuple[tuple[BuryPod, ...], datetime | None]:
    """Which to bury, and when to look again. A pod that outlives its grace time by `lost_after` seconds is on a node that is gone."""
    patience = timedelta(seconds=lost_after)
    buried: list[BuryPod] = []
    wakes: list[datetime] = []
    for pod in pods:
        if pod.gone or pod.deleted is None or not pod.node:
            continue
        due = pod.deleted + patience
        if now < due:
            wakes.append(due)
        elif pod.grace > 0 or not pod.over:
            buried.append(BuryPod(pod))
            wakes.append(now + 2 * patience)
    return tuple(buried), min(wakes, default=None)
