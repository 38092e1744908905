"""Series of runs, read off the caches at every scrape: a run that is gone has no series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from webssl_api.status import Phase, RunStatus, SuiteStatus

from webssl_operator.metrics import table
from webssl_operator.observe.run import RunView
from webssl_operator.observe.times import parse_time

Value = float | None


class RunCollector(Collector):
    """runs: yields the runs that exist. clock: now."""

    def __init__(self, runs: Callable[[], Iterable[RunView]], clock: Callable[[], datetime]) -> None:
        self._runs, self._clock = runs, clock

    def describe(self) -> Iterator[Metric]:
        """Without it the registry would collect once in order to learn the names."""
        return iter(family(series) for series in table.OF_RUNS)

    def collect(self) -> Iterator[Metric]:
        """All series of all runs now."""
        families = {series: family(series) for series in table.OF_RUNS}
        phases: Counter[Phase] = Counter()
        now = self._clock()
        for run in self._runs():
            status = run.status
            phase = status.phase or Phase.PENDING
            phases[phase] += 1
            key = [run.namespace, run.name]
            families[table.RUN_PHASE].add_metric([*key, phase.value], 1.0)
            if run.spec is not None:
                kind = run.spec.objective.kind
                families[table.RUN_INFO].add_metric([*key, run.spec.model.size.value, kind], 1.0)
            for series, value in values_of(status, now).items():
                if value is not None:
                    families[series].add_metric(key, float(value))
            for suite, samples in newest_scores(status):
                for metric, score in suite.scores.items():
                    families[table.SCORE].add_metric([*key, suite.name, metric, str(samples)], score)
        for phase in Phase:
            families[table.RUNS].add_metric([phase.value], float(phases[phase]))
        yield from families.values()


def newest_scores(status: RunStatus) -> list[tuple[SuiteStatus, int]]:
    """Of each suite what it scored last, with the samples that the checkpoint had seen: the final checkpoint's, else one on the way."""
    final = [status.evaluation] if status.evaluation is not None else []
    found = {
        suite.name: (suite, entry.samples)
        for entry in [*status.evaluations, *final]
        for suite in entry.suites
        if suite.scores
    }
    return list(found.values())


def values_of(status: RunStatus, now: datetime) -> dict[table.Series, Value]:
    """The series that have one value per run; None where there is nothing to say."""
    last = status.last_checkpoint
    taken = parse_time(last.time) if last is not None else None
    training = status.phase is Phase.RUNNING
    return {
        table.WORKERS_READY: status.workers.ready,
        table.WORKERS_DESIRED: status.workers.desired,
        table.SAMPLES: status.progress.samples,
        table.SAMPLES_TARGET: status.progress.total_samples,
        table.STEP: status.progress.step,
        table.ATTEMPT: status.attempt,
        table.LOSS: status.progress.loss,
        table.SPEED: status.progress.images_per_second,
        table.BROKEN: status.progress.broken_samples,
        table.GOODPUT: status.goodput,
        table.GPU_HOURS: status.gpu_hours,
        table.LOST_STEPS: status.lost_steps,
        table.RESTARTS: status.restarts.total,
        table.CHECKPOINT_AGE: max(0.0, (now - taken).total_seconds()) if taken and training else None,
        table.CHECKPOINT_STEP: last.step if last is not None else None,
        table.CHECKPOINTS_REJECTED: len(status.rejected_checkpoints),
    }


def family(series: table.Series) -> CounterMetricFamily | GaugeMetricFamily:
    if series.type is table.Type.COUNTER:
        return CounterMetricFamily(series.name.removesuffix("_total"), series.help, labels=series.labels)
    return GaugeMetricFamily(series.name, series.help, labels=series.labels)
