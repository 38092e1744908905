"""The alert rules: one list, written as a plain rule file that Prometheus reads and the chart's PrometheusRule holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

HEADER = "# Generated from helm/webssl_chart/alerts.py by `make generate`. Do not edit.\n"
_RUNNING = 'on (namespace, run) webssl_run_phase{phase="Running"} == 1'


@dataclass(frozen=True)
class Alert:
    """One alert.

    Args:
        lasting: how long the expression must hold, as a Prometheus duration.
        severity: `critical` wakes somebody, `warning` waits for the morning.
        summary: one line, with the labels of the series.
        mend: what to look at first.
    """

    name: str
    expr: str
    lasting: str
    severity: str
    summary: str
    mend: str

    def to_dict(self) -> dict[str, Any]:
        """The rule as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasting,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": self.mend},
        }


_RUN = "{{ $labels.namespace }}/{{ $labels.run }}"
_TRAINER = "{{ $labels.namespace }}/{{ $labels.webssl_dev_run }}"

RUN_ALERTS = (
    Alert(
        "WebSSLRunStalled",
        f"changes(webssl_run_samples[5m]) == 0 and {_RUNNING}",
        "15m",
        "critical",
        f"Run {_RUN} has trained on no new sample for 15 minutes.",
        "`kubectl describe webssl` says what it waits for; then the newest worker's log: a hanging bucket, a full disk or a lost GPU.",
    ),
    Alert(
        "WebSSLNoCheckpoint",
        f"webssl_run_last_checkpoint_age_seconds > 7200 and {_RUNNING}",
        "10m",
        "warning",
        f"The newest checkpoint of run {_RUN} is {{{{ $value | humanizeDuration }}}} old.",
        "Is spec.checkpoint.interval longer than that? Otherwise saves fail: the worker's log, credentials and room of the bucket.",
    ),
    Alert(
        "WebSSLCheckpointSavesFail",
        'increase(webssl_trainer_checkpoints_total{outcome="failed"}[30m]) > 0',
        "0m",
        "warning",
        f"Run {_TRAINER} could not save a checkpoint.",
        "The worker's log names object and cause; training goes on, but a restart would lose more.",
    ),
    Alert(
        "WebSSLRestartsBurning",
        f"increase(webssl_run_restarts_total[1h]) > 5 and {_RUNNING}",
        "0m",
        "warning",
        f"Workers of run {_RUN} failed {{{{ $value | humanize }}}} times within an hour.",
        "status.restarts.recent has pod, reason and exit code of each; at spec.restartPolicy.maxRestarts the run is given up.",
    ),
    Alert(
        "WebSSLBrokenSamples",
        "webssl_trainer_broken_samples / webssl_trainer_images_total > 0.01 and webssl_trainer_images_total > 10000",
        "10m",
        "warning",
        f"{{{{ $value | humanizePercentage }}}} of the images of run {_TRAINER} could not be read.",
        "quarantine/ beside the checkpoints lists shard, key and cause of each; a truncated shard is best packed again.",
    ),
    Alert(
        "WebSSLCheckpointRejected",
        "webssl_run_checkpoints_rejected > 0",
        "0m",
        "warning",
        f"{{{{ $value }}}} checkpoints of run {_RUN} did not verify when it resumed.",
        "status.rejectedCheckpoints names the object and what differed: the bucket lost or changed bytes.",
    ),
    Alert(
        "WebSSLRunFailed",
        'webssl_run_phase{phase="Failed"} == 1',
        "0m",
        "warning",
        f"Run {_RUN} has failed.",
        "status.message says why, with the last lines of the log.",
    ),
)

OPERATOR_ALERTS = (
    Alert(
        "WebSSLOperatorDown",
        "absent(webssl_operator_leading)",
        "5m",
        "critical",
        "No operator pod is scraped: runs go on, but nobody restarts or evaluates them.",
        "`kubectl --namespace webssl-system get pods`; if they are well, Prometheus does not find them.",
    ),
    Alert(
        "WebSSLNoLeader",
        "sum(webssl_operator_leading) == 0",
        "2m",
        "critical",
        "Operator pods run, but none of them leads.",
        "The operator's log: it may have lost its right to the Lease, or the API server.",
    ),
    Alert(
        "WebSSLWatchStale",
        "max(webssl_operator_watch_stale) == 1",
        "5m",
        "critical",
        "The operator's watch brings no changes, and its liveness probe has not mended that.",
        "Is the API server reached? `networkPolicy.apiServerPorts` must hold the port behind the Service `kubernetes`.",
    ),
    Alert(
        "WebSSLPassesFail",
        "sum(rate(webssl_operator_pass_errors_total[10m])) / sum(rate(webssl_operator_pass_seconds_count[10m])) > 0.1",
        "10m",
        "warning",
        "{{ $value | humanizePercentage }} of the operator's passes fail.",
        "The operator's log names run and cause; `Forbidden` means that the roles are older than the operator: upgrade the chart.",
    ),
)


def to_yaml() -> str:
    """The rule file."""
    groups = [
        {"name": "webssl-runs", "rules": [alert.to_dict() for alert in RUN_ALERTS]},
        {"name": "webssl-operator", "rules": [alert.to_dict() for alert in OPERATOR_ALERTS]},
    ]
    return HEADER + yaml.safe_dump({"groups": groups}, sort_keys=False, width=140)


def to_markdown() -> str:
    """A table for the docs."""
    lines = ["| alert | severity | when | look at |", "|---|---|---|---|"]
    for alert in (*RUN_ALERTS, *OPERATOR_ALERTS):
        when = alert.expr.replace("|", "\\|")
        lines.append(f"| {alert.name} | {alert.severity} | `{when}` for {alert.lasting} | {alert.mend} |")
    return "\n".join(lines)
