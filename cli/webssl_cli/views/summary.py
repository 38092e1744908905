"""The final table of a run: the same for the demo, `webssl run` and `webssl status`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

from webssl_cli.views.numbers import (
    NOTHING,
    count,
    decimal,
    duration,
    percent,
    score_text,
    seconds_between,
)

if TYPE_CHECKING:
    from webssl_api import RunStatus, WebSSLRunSpec
    from webssl_api.status import EvaluationStatus, SuiteStatus

Phases = Sequence[tuple[str, float]]
PRIOR, BLIND = "prior", "blind"
"""Scores to compare with: always the most frequent answer; the language model without the image."""
COMPARED = frozenset({"accuracy", "top1", "miou", "alignment"})


def summary(name: str, spec: WebSSLRunSpec, status: RunStatus, phases: Phases = ()) -> RenderableType:
    """Training, scores beside their priors, and (where known) wall seconds per phase."""
    parts: list[RenderableType] = [training_table(name, spec, status)]
    if status.evaluation is not None and status.evaluation.suites:
        parts.append(scores_table(status.evaluation))
    if phases:
        parts.append(phases_table(phases))
    return Group(*parts)


def training_table(name: str, spec: WebSSLRunSpec, status: RunStatus) -> Table:
    """One row per fact of the training."""
    table = Table(title=f"Run {name}", title_justify="left", show_header=False, min_width=60)
    table.add_column(style="bold")
    table.add_column()
    for label, value in training_rows(spec, status):
        table.add_row(label, value)
    return table


def training_rows(spec: WebSSLRunSpec, status: RunStatus) -> list[tuple[str, str]]:
    """Label and value of each row of the training table."""
    progress, last, restarts = status.progress, status.last_checkpoint, status.restarts
    trained = seconds_between(status.start_time, status.training_completion_time)
    rows = [
        ("phase", str(status.phase or NOTHING)),
        ("model", f"{spec.model.size.value}, patch {spec.model.patch_size}"),
        (
            "samples",
            f"{count(progress.samples)} of {count(progress.total_samples or spec.schedule.total_samples)}",
        ),
        ("steps", f"{count(progress.step)} of {count(spec.schedule.total_steps)}"),
        ("loss", decimal(progress.loss, 4)),
        speed_row(status, trained),
        ("workers", workers_text(spec, status)),
        ("training time", duration(trained)),
        ("goodput", percent(status.goodput)),
        ("attempts", count(status.attempt)),
        ("restarts", f"{restarts.total} ({restarts.counted} counted)"),
        ("lost steps", count(status.lost_steps)),
        ("broken images", count(progress.broken_samples)),
    ]
    if last is not None:
        rows.append(("last checkpoint", f"step {last.step}, {last.digest[:12]}"))
    if status.resumed_from is not None:
        rows.append(
            ("resumed from", f"step {status.resumed_from.step} (attempt {status.resumed_from.attempt})")
        )
    rows += [("rejected checkpoint", f"{item.uri}: {item.reason}") for item in status.rejected_checkpoints]
    if status.message:
        rows.append(("message", status.message))
    return rows


def speed_row(status: RunStatus, trained: float | None) -> tuple[str, str]:
    """The speed now; when training is over, the mean over its wall time, restarts included."""
    if trained:
        return "images per second, mean", decimal(status.progress.samples / trained)
    return "images per second", decimal(status.progress.images_per_second)


def workers_text(spec: WebSSLRunSpec, status: RunStatus) -> str:
    """How many are ready; when none is wanted any more, how many there were."""
    workers = status.workers
    if workers.desired == 0 or status.training_completion_time:
        return f"{spec.workers.min} to {spec.workers.max}"
    return f"{workers.ready} of {workers.desired} ready"


def scores_table(evaluation: EvaluationStatus) -> Table:
    """One row per score; beside it the prior, and for questions what the language model scores without the image."""
    title = f"Evaluation of checkpoint {evaluation.checkpoint_digest[:12] or NOTHING}"
    table = Table(title=title, title_justify="left", min_width=60)
    table.add_column("suite", style="bold")
    table.add_column("metric")
    for column in ("score", "prior", "blind", "items"):
        table.add_column(column, justify="right")
    for suite in evaluation.suites:
        for row in score_rows(suite):
            table.add_row(*row)
    return table


def score_rows(suite: SuiteStatus) -> list[tuple[str, ...]]:
    """Suite, metric, score, prior, blind and number of items; one row with the phase while there is no score."""
    scores = suite.scores
    if not scores:
        note = f"{suite.phase}: {suite.message}" if suite.message else suite.phase
        return [(suite.name, note, NOTHING, NOTHING, NOTHING, NOTHING)]
    return [
        (
            suite.name,
            metric,
            score_text(metric, scores[metric]),
            _beside_text(metric, PRIOR, scores),
            _beside_text(metric, BLIND, scores),
            count(suite.questions) if "_" not in metric else "",
        )
        for metric in sorted(scores)
        if metric.partition("_")[0] not in {PRIOR, BLIND}
    ]


def beside(metric: str, what: str, scores: dict[str, float]) -> float | None:
    """The score to compare `metric` with: `rmse` with `prior_rmse`, `accuracy_colour` with `prior_colour`; a top-5 score with none."""
    if f"{what}_{metric}" in scores:
        return scores[f"{what}_{metric}"]
    head, _, kind = metric.partition("_")
    return scores.get(f"{what}_{kind}" if kind else what) if head in COMPARED else None


def _beside_text(metric: str, what: str, scores: dict[str, float]) -> str:
    value = beside(metric, what, scores)
    return NOTHING if value is None else score_text(metric, value)


def phases_table(phases: Phases) -> Table:
    """Wall time per phase and their sum."""
    table = Table(title="Wall time", title_justify="left", show_footer=True, min_width=60)
    table.add_column("phase", footer="total", style="bold")
    table.add_column("time", footer=duration(sum(seconds for _, seconds in phases)), justify="right")
    for name, seconds in phases:
        table.add_row(name, duration(seconds))
    return table
