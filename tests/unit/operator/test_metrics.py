"""Metrics: what the table promises is what a scrape returns, and series of deleted runs go away."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from webssl_operator.metrics import table
from webssl_operator.metrics.collector import RunCollector
from webssl_operator.metrics.own import OwnMetrics
from webssl_operator.plan.planner import Plan

from tests.unit.operator.test_evaluation import succeed, trained
from tests.unit.operator.test_lifecycle import checkpoint, report, running
from tests.unit.operator.world import World


def scrape(world: World) -> str:
    registry = CollectorRegistry()
    registry.register(RunCollector(world.caches.runs, lambda: world.now))
    return generate_latest(registry).decode()


def test_a_running_run_has_its_progress_as_series() -> None:
    world = running()
    taken = checkpoint(4).model_copy(update={"time": "2026-01-01T12:00:00Z"})
    world.report(report(5, last_checkpoint=taken))
    world.pass_time(30)
    world.settle()
    text = scrape(world)
    who = 'namespace="default",run="small"'
    assert f"webssl_run_step{{{who}}} 5.0" in text
    assert f"webssl_run_loss{{{who}}} 2.5" in text
    assert f"webssl_run_last_checkpoint_age_seconds{{{who}}} 30.0" in text
    assert f"webssl_run_workers_ready{{{who}}} 2.0" in text
    assert 'webssl_runs{phase="Running"} 1.0' in text


def test_scores_have_suite_and_metric_as_labels() -> None:
    world = trained()
    succeed(world, "knn")
    assert (
        'webssl_run_evaluation_score{metric="accuracy",namespace="default",run="small",suite="knn"} 61.5'
        in scrape(world)
    )


def test_series_of_a_deleted_run_go_away() -> None:
    world = running()
    assert 'run="small"' in scrape(world)
    view = world.caches.run_of(("default", "small"))
    assert view is not None
    world.caches.drop_run(view)
    assert 'run="small"' not in scrape(world)
    assert 'webssl_runs{phase="Running"} 0.0' in scrape(world)


def test_the_table_holds_every_series_that_a_scrape_returns_and_no_other() -> None:
    registry = CollectorRegistry()
    registry.register(RunCollector(list, lambda: datetime(2026, 1, 1, tzinfo=UTC)))
    own = OwnMetrics(registry, depth=lambda: 0, stale=lambda: False)
    own.passed(0.01, Plan(losses=("Evicted",)))
    own.failed(0.01, "http_500")
    types = {family.name: (family.type, family.documentation) for family in registry.collect()}
    promised = {s.name.removesuffix("_total"): (s.type.value, s.help) for s in table.TABLE}
    assert types == promised


def test_labels_are_bounded() -> None:
    allowed = {
        "namespace",
        "run",
        "model",
        "objective",
        "suite",
        "metric",
        "phase",
        "reason",
        "kind",
        "action",
    }
    assert {label for series in table.TABLE for label in series.labels} <= allowed
