"""Which series belong to the chosen run, and the choices at the top of a dashboard.

The operator's series carry `namespace` and `run`. The trainer's carry the labels of their pod, as every usual scrape configuration
adds them: `namespace`, and `webssl_dev_run` for the pod label `webssl.dev/run`.
"""

from __future__ import annotations

from webssl_api.reports import UNITS

from webssl_chart.panels import Variable

EVERY_RUN = "webssl_run_samples_target"
"""A metric that every run has from its first status on."""

NAMESPACE = Variable("namespace", "Namespace", f"label_values({EVERY_RUN}, namespace)")
RUN_NAME = Variable("run", "Run", f'label_values({EVERY_RUN}{{namespace="$namespace"}}, run)')
NAMESPACES = Variable("namespace", "Namespace", f"label_values({EVERY_RUN}, namespace)", several=True)
RUNS = Variable("run", "Runs", f'label_values({EVERY_RUN}{{namespace=~"$namespace"}}, run)', several=True)

SHARES = f'metric!~"{"|".join(sorted(UNITS))}"'
"""Chooses scores in per cent."""

METRES = f'metric=~"{"|".join(sorted(UNITS))}"'
"""Chooses scores in metres."""


def of_run(metric: str, *labels: str, only: str = "") -> str:
    """The operator's series of the chosen run, one for each value of `labels`, whichever replica tells it; only: see SHARES."""
    chosen = ",".join(('namespace="$namespace"', 'run="$run"', *([only] if only else [])))
    return f"max by ({', '.join(('namespace', 'run', *labels))}) ({metric}{{{chosen}}})"


def over_range(metric: str, *labels: str) -> str:
    """The newest value that each series of the chosen run had within the chosen time, whether it goes on or not."""
    chosen = 'namespace="$namespace",run="$run"'
    return f"max by ({', '.join(labels)}) (last_over_time({metric}{{{chosen}}}[$__range]))"


def of_runs(metric: str, *labels: str, only: str = "") -> str:
    """The operator's series of the chosen runs, one for each run and value of `labels`; only: see SHARES."""
    chosen = ",".join(('namespace=~"$namespace"', 'run=~"$run"', *([only] if only else [])))
    return f"max by ({', '.join(('namespace', 'run', *labels))}) ({metric}{{{chosen}}})"


def of_trainer(metric: str) -> str:
    """The trainer's series of the chosen run."""
    return f'{metric}{{namespace="$namespace",webssl_dev_run="$run"}}'
