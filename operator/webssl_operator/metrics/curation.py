"""Series of curation passes, read off the caches at every scrape: a pass that is gone has no series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from webssl_api.curation_status import CurationPhase, CurationStatus

from webssl_operator.construct.curation import CurationView
from webssl_operator.metrics import table
from webssl_operator.metrics.collector import Value, family


class CurationCollector(Collector):
    """passes: yields the passes that exist. clock: no series of a pass is an age."""

    def __init__(self, passes: Callable[[], Iterable[CurationView]], clock: Callable[[], datetime]) -> None:  # noqa: ARG002
        self._passes = passes

    def describe(self) -> Iterator[Metric]:
        """Without it the registry would collect once in order to learn the names."""
        return iter(family(series) for series in table.OF_CURATIONS)

    def collect(self) -> Iterator[Metric]:
        """All series of all passes now."""
        families = {series: family(series) for series in table.OF_CURATIONS}
        phases: Counter[CurationPhase] = Counter()
        for one in self._passes():
            key, phase = [one.namespace, one.name], one.status.phase or CurationPhase.PENDING
            phases[phase] += 1
            families[table.CURATION_PHASE].add_metric([*key, phase.value], 1.0)
            for series, value in values_of(one.status).items():
                if value is not None:
                    families[series].add_metric(key, float(value))
            for cause, count in one.status.failures.items():
                families[table.CURATION_FAILURES].add_metric([*key, cause], float(count))
        for phase in CurationPhase:
            families[table.CURATIONS].add_metric([phase.value], float(phases[phase]))
        yield from families.values()


def values_of(status: CurationStatus) -> dict[table.Series, Value]:
    """The series that have one value per pass; None where there is nothing to say."""
    return {
        table.CURATION_SAMPLES: status.samples,
        table.CURATION_ROWS: status.rows,
        table.CURATION_SHARDS: status.shards_done,
        table.CURATION_SHARDS_TARGET: status.shards_total,
        table.CURATION_SPEED: status.images_per_second,
        table.CURATION_RETRIES: status.retries,
    }
