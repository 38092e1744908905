"""All runs together, and the operator that looks after them."""

from __future__ import annotations

from webssl_chart.boards.selectors import NAMESPACES, RUNS, of_runs
from webssl_chart.panels import Board, Panel, Query, Row, Show

_LATENCY = "sum by (le) (rate(webssl_operator_pass_seconds_bucket[$__rate_interval]))"
_PASSES = "sum(rate(webssl_operator_pass_seconds_count[$__rate_interval]))"

_RUNS_ROW = Row(
    "Runs",
    (
        Panel(
            "Runs by phase",
            "All runs that the operator looks after, whatever is chosen above.",
            "short",
            (Query("max by (phase) (webssl_runs)", "{{phase}}"),),
            Show.STACKED,
        ),
        Panel(
            "Workers",
            "Over the chosen runs. Desired above ready for long: the cluster has no room, or pods cannot start.",
            "short",
            (
                Query(f"sum({of_runs('webssl_run_workers_ready')})", "ready"),
                Query(f"sum({of_runs('webssl_run_workers_desired')})", "desired"),
            ),
        ),
        Panel(
            "Images per second",
            "By run, over all its workers.",
            "short",
            (Query(of_runs("webssl_run_images_per_second"), "{{namespace}}/{{run}}"),),
            Show.STACKED,
        ),
        Panel(
            "GPU hours",
            "By run, over all attempts: processes times the hours in which their pods ran.",
            "h",
            (Query(of_runs("webssl_run_gpu_hours_total"), "{{namespace}}/{{run}}"),),
            Show.BARS,
            decimals=2,
        ),
        Panel(
            "Goodput",
            "By run: share of the workers' time that went into steps which count.",
            "percentunit",
            (Query(of_runs("webssl_run_goodput"), "{{namespace}}/{{run}}"),),
            Show.BARS,
            decimals=1,
            maximum=1,
        ),
        Panel(
            "Restarts",
            "By run: workers that failed or were lost so far.",
            "short",
            (Query(of_runs("webssl_run_restarts_total"), "{{namespace}}/{{run}}"),),
            Show.BARS,
        ),
    ),
)

_CURATION = "max by (namespace, curation)"
_OTHER_KINDS_ROW = Row(
    "Curation passes and evaluations of single checkpoints",
    (
        Panel(
            "Passes by phase",
            "WebSSLCurations: `kubectl get wsc` has each.",
            "short",
            (Query("max by (phase) (webssl_curations)", "{{phase}}"),),
            Show.STACKED,
            width=6,
        ),
        Panel(
            "Images scored per second",
            "Over all passes and pods.",
            "short",
            # Without a pass that scores there is no series, and nothing is scored.
            (
                Query(
                    f"sum({_CURATION} (webssl_curation_images_per_second)) or vector(0)", "images per second"
                ),
            ),
            width=6,
        ),
        Panel(
            "Images without scores",
            "Over all passes. Each has a row that names its cause; above spec.maxBadShare the pass fails.",
            "short",
            (
                Query(
                    "sum by (cause) (max by (namespace, curation, cause) (webssl_curation_failures)) or vector(0)",
                    "{{cause}}",
                ),
            ),
            width=6,
        ),
        Panel(
            "Evaluations by phase",
            "WebSSLEvaluations: `kubectl get wse` has each. Failed: a suite failed, and the others' scores are there.",
            "short",
            (Query("max by (phase) (webssl_evaluations)", "{{phase}}"),),
            Show.STACKED,
            width=6,
        ),
    ),
)

_OPERATOR_ROW = Row(
    "Operator",
    (
        Panel(
            "Time of a pass",
            "From reading one object's state to having acted on it.",
            "s",
            (
                Query(f"histogram_quantile(0.5, {_LATENCY})", "half of them"),
                Query(f"histogram_quantile(0.95, {_LATENCY})", "95%"),
            ),
        ),
        Panel(
            "Passes that fail",
            "Share of all passes. A failed pass is tried again; the operator's log names run and cause.",
            "percentunit",
            # A kind of error has no series before it first happens, so none at all means no error.
            (
                Query(
                    "(sum(rate(webssl_operator_pass_errors_total[$__rate_interval])) or vector(0)) / "
                    + _PASSES,
                    "failed",
                ),
            ),
        ),
        Panel(
            "Queue",
            "Objects that wait for a pass. It grows when passes are slower than changes come.",
            "short",
            (Query("max(webssl_operator_queue_depth)", "waiting"),),
        ),
        Panel(
            "Actions",
            "What the passes did, by kind.",
            "ops",
            (Query("sum by (action) (rate(webssl_operator_actions_total[$__rate_interval]))", "{{action}}"),),
        ),
        Panel(
            "Lost workers by reason",
            "Since the leading operator process started. Disrupted: drained or preempted; NodeLost: its node does not answer.",
            "short",
            (Query("sum by (reason) (webssl_operator_worker_losses_total)", "{{reason}}"),),
        ),
        Panel(
            "Leader and watch",
            "Exactly one replica leads. A stale watch brings no changes; liveness then restarts the pod.",
            "short",
            (
                Query("sum(webssl_operator_leading)", "leaders"),
                Query("max(webssl_operator_watch_stale)", "stale watches"),
            ),
        ),
    ),
)

FLEET = Board(
    uid="webssl-fleet",
    title="Web-SSL operator and fleet",
    description="All runs, what they cost, and how well the operator keeps up.",
    rows=(_RUNS_ROW, _OTHER_KINDS_ROW, _OPERATOR_ROW),
    variables=(NAMESPACES, RUNS),
)
