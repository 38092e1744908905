"""Series of evaluations of any checkpoint, read off the caches at every scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from webssl_api.evaluation_object import EvaluationPhase

from webssl_operator.construct.evaluation_object import EvaluationView
from webssl_operator.metrics import table
from webssl_operator.metrics.collector import family


class EvaluationCollector(Collector):
    """evaluations: yields those that exist. clock: no series of an evaluation is an age."""

    def __init__(
        self,
        evaluations: Callable[[], Iterable[EvaluationView]],
        clock: Callable[[], datetime],  # noqa: ARG002
    ) -> None:
        self._evaluations = evaluations

    def describe(self) -> Iterator[Metric]:
        """Without it the registry would collect once in order to learn the names."""
        return iter(family(series) for series in table.OF_EVALUATIONS)

    def collect(self) -> Iterator[Metric]:
        """All series of all evaluations now."""
        families = {series: family(series) for series in table.OF_EVALUATIONS}
        phases: Counter[EvaluationPhase] = Counter()
        for one in self._evaluations():
            key, phase = [one.namespace, one.name], one.status.phase or EvaluationPhase.PENDING
            phases[phase] += 1
            families[table.EVALUATION_PHASE].add_metric([*key, phase.value], 1.0)
            for suite in one.status.suites:
                families[table.EVALUATION_QUESTIONS].add_metric([*key, suite.name], float(suite.questions))
                families[table.EVALUATION_RETRIES].add_metric([*key, suite.name], float(suite.retries))
                for metric, score in suite.scores.items():
                    families[table.EVALUATION_SCORE].add_metric([*key, suite.name, metric], score)
        for phase in EvaluationPhase:
            families[table.EVALUATIONS].add_metric([phase.value], float(phases[phase]))
        yield from families.values()
