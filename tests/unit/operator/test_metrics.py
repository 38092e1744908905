"""Metrics: what the table promises is what a scrape returns, and series of deleted runs go away."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from webssl_api.status import EvaluationStatus, RunStatus, SuiteStatus
from webssl_operator.kinds.registry import HANDLINGS
from webssl_operator.metrics import table
from webssl_operator.metrics.collector import RunCollector, newest_scores
from webssl_operator.metrics.own import OwnMetrics
from webssl_operator.plan.decision import Plan

from tests.unit.operator.test_evaluation import succeed, trained
from tests.unit.operator.test_lifecycle import checkpoint, report, running
from tests.unit.operator.world import World


def scrape(world: World) -> str:
    registry = CollectorRegistry()
    registry.register(RunCollector(lambda: world.caches.heads("WebSSLRun"), lambda: world.now))
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
        'webssl_run_evaluation_score{metric="accuracy",namespace="default",run="small",samples="320",suite="knn"} 61.5'
        in scrape(world)
    )


def test_of_each_suite_only_the_newest_score_has_a_series() -> None:
    def entry(samples: int, **scores: float) -> EvaluationStatus:
        suites = [SuiteStatus(name=name, scores={"top1": value}) for name, value in scores.items()]
        return EvaluationStatus(samples=samples, suites=suites)

    on_the_way = [entry(64, knn=10.0, vqa=20.0), entry(128, knn=30.0), entry(192)]
    assert seen(RunStatus(evaluations=on_the_way)) == {"knn": (128, 30.0), "vqa": (64, 20.0)}
    final = RunStatus(evaluations=on_the_way, evaluation=entry(320, vqa=40.0))
    assert seen(final) == {"knn": (128, 30.0), "vqa": (320, 40.0)}


def seen(status: RunStatus) -> dict[str, tuple[int, float]]:
    return {suite.name: (samples, suite.scores["top1"]) for suite, samples in newest_scores(status)}


def test_series_of_a_deleted_run_go_away() -> None:
    world = running()
    assert 'run="small"' in scrape(world)
    view = world.caches.head_of(world.key)
    assert view is not None
    world.caches.drop_head(view)
    assert 'run="small"' not in scrape(world)
    assert 'webssl_runs{phase="Running"} 0.0' in scrape(world)


def test_the_table_holds_every_series_that_a_scrape_returns_and_no_other() -> None:
    registry = CollectorRegistry()
    for handling in HANDLINGS:
        registry.register(handling.collector(list, lambda: datetime(2026, 1, 1, tzinfo=UTC)))
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
        "samples",
        "phase",
        "reason",
        "kind",
        "action",
        "curation",
        "cause",
        "evaluation",
    }
    assert {label for series in table.TABLE for label in series.labels} <= allowed
