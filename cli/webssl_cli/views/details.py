"""What `webssl status` shows below the summary: conditions, pods, newest failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

from webssl_cli.views.numbers import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from webssl_api import RunStatus

    from webssl_cli.kube.runs import PodOfRun


def details(status: RunStatus, pods: Sequence[PodOfRun]) -> RenderableType:
    """Tables for what is there; nothing for what is not."""
    parts: list[RenderableType] = []
    if status.conditions:
        table = _table("Conditions", "condition", "status", "reason", "message", "since")
        for item in status.conditions:
            table.add_row(item.type, item.status, item.reason, item.message, item.last_transition_time)
        parts.append(table)
    if pods:
        table = _table("Pods", "pod", "role", "worker", "phase", "node", "created")
        for pod in pods:
            index = NOTHING if pod.index is None or pod.suite else str(pod.index)
            table.add_row(pod.name, pod.suite or pod.role, index, pod.phase, pod.node or NOTHING, pod.first)
        parts.append(table)
    if status.restarts.recent:
        table = _table("Worker failures", "pod", "reason", "exit code", "counted", "time")
        for record in status.restarts.recent:
            code = NOTHING if record.exit_code is None else str(record.exit_code)
            table.add_row(record.pod, record.reason, code, "yes" if record.counted else "no", record.time)
        parts.append(table)
    return Group(*parts)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, style="bold" if number == 0 else None)
    return table
