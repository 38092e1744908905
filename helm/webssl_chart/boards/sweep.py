"""Several runs side by side: what more samples, or a larger model, brought."""

from __future__ import annotations

from webssl_chart.boards.selectors import METRES, NAMESPACES, RUNS, SHARES, of_runs
from webssl_chart.panels import Board, Panel, Query, Row, Show

_SCORES = of_runs("webssl_run_evaluation_score", "suite", "metric", only=SHARES)
_ERRORS = of_runs("webssl_run_evaluation_score", "suite", "metric", only=METRES)
_INFO = of_runs("webssl_run_info", "model", "objective")
_BY_SIZE = f"{_SCORES} * on (namespace, run) group_left (model, objective) {_INFO}"

SWEEP = Board(
    uid="webssl-sweep",
    title="Web-SSL scaling sweep",
    description="Choose the runs of a sweep; each is one row, bar or line.",
    rows=(
        Row(
            "Runs",
            (
                Panel(
                    "The sweep",
                    "One row for each run. A run that is not evaluated yet has no score.",
                    "short",
                    (
                        Query(of_runs("webssl_run_samples"), "samples seen"),
                        Query(of_runs("webssl_run_samples_target"), "samples in all"),
                        Query(of_runs("webssl_run_loss"), "loss"),
                        Query(of_runs("webssl_run_gpu_hours_total"), "GPU hours"),
                        Query(of_runs("webssl_run_goodput"), "goodput"),
                    ),
                    Show.TABLE,
                    width=24,
                    key=("namespace", "run"),
                ),
            ),
        ),
        Row(
            "Scores",
            (
                Panel(
                    "Scores by model size",
                    "What a larger model brings: the scores of the final checkpoints with size and objective of each run.",
                    "percent",
                    (Query(_BY_SIZE, "score"),),
                    Show.TABLE,
                    width=24,
                    decimals=1,
                    key=("objective", "model", "suite", "metric", "run"),
                ),
                Panel(
                    "Scores by suite and metric",
                    "In per cent, of the final checkpoint. The prior (always the most frequent answer or class) is a metric of its own.",
                    "percent",
                    (Query(_SCORES, "score"),),
                    Show.TABLE,
                    width=12,
                    decimals=1,
                    key=("namespace", "run", "suite", "metric"),
                ),
                Panel(
                    "Scores of the runs",
                    "The same as bars.",
                    "percent",
                    (Query(_SCORES, "{{run}} {{suite}} {{metric}}"),),
                    Show.BARS,
                    width=12,
                    decimals=1,
                    maximum=100,
                ),
                Panel(
                    "Errors of depth",
                    "In metres; the prior is that of the mean depth everywhere.",
                    "lengthm",
                    (Query(_ERRORS, "{{run}} {{suite}} {{metric}}"),),
                    Show.BARS,
                    width=24,
                    decimals=3,
                ),
            ),
        ),
        Row(
            "Loss",
            (
                Panel(
                    "Loss by time",
                    "Losses of different objectives or stages cannot be compared.",
                    "short",
                    (Query(of_runs("webssl_run_loss"), "{{namespace}}/{{run}}"),),
                    width=12,
                ),
                Panel(
                    "Samples seen by time",
                    "How far each run is.",
                    "short",
                    (Query(of_runs("webssl_run_samples"), "{{namespace}}/{{run}}"),),
                    width=12,
                ),
            ),
        ),
    ),
    variables=(NAMESPACES, RUNS),
)
