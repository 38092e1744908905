"""`status` of a WebSSLCuration, and what its pods report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from webssl_api.status import Condition, StatusModel

Count = Annotated[int, Field(ge=0)]


class CurationPhase(StrEnum):
    """Where a pass stands."""

    PENDING = "Pending"
    SUSPENDED = "Suspended"
    SCORING = "Scoring"
    FINISHING = "Finishing"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class CurationReport(StatusModel):
    """Latest word of one pod of a pass, under the key `report_key(range)` of the pass's ConfigMap; or the sum of all."""

    shards_done: Count = 0
    """Shards whose part of the table is written."""

    shards_total: Count = 0
    """Shards of this range."""

    samples: Count = 0
    """Samples of the written parts."""

    samples_total: Count = 0
    """Samples of this range, by the index."""

    rows: Count = 0
    """Rows of the written parts; equal to samples unless something is wrong."""

    failures: dict[str, int] = Field(default_factory=dict)
    """Images without scores, by cause."""

    images_per_second: float | None = None
    """Images scored per second in this life of the pod, over all its processes."""

    finished: bool = False
    """The table is complete and committed; only the finishing step says so."""

    table_uri: str = ""
    """Address for spec.data.filter.table, once finished."""

    table_digest: str = ""
    """SHA-256 of the table's manifest, 64 hexadecimal digits, once finished."""

    message: str = ""
    """Why this pod gave up, if it did."""

    time: str = ""
    """When it was written (RFC 3339)."""


FINISH_KEY = "report-finish.json"


def report_key(shard_range: int) -> str:
    """Key of the ConfigMap under which the pod of a range (0-based) leaves its report."""
    return f"report-{shard_range}.json"


def total(reports: Iterable[CurationReport]) -> CurationReport:
    """The sum of the ranges' reports; the finishing step's word is taken where it is among them."""
    found = list(reports)
    last = next((report for report in found if report.finished), None)
    if last is not None:
        return last
    failures: Counter[str] = Counter()
    for report in found:
        failures.update(report.failures)
    speeds = [report.images_per_second for report in found if report.images_per_second is not None]
    return CurationReport(
        shards_done=sum(report.shards_done for report in found),
        shards_total=sum(report.shards_total for report in found),
        samples=sum(report.samples for report in found),
        samples_total=sum(report.samples_total for report in found),
        rows=sum(report.rows for report in found),
        failures=dict(sorted(failures.items())),
        images_per_second=sum(speeds) if speeds else None,
        message=next((report.message for report in found if report.message), ""),
        time=max((report.time for report in found), default=""),
    )


class CurationStatus(StatusModel):
    """Observed state of the pass."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the manifest that this status speaks of."""

    phase: CurationPhase | None = None
    """Pending, Suspended, Scoring, Finishing, Succeeded or Failed."""

    message: str = ""
    """A sentence on the phase: what the pass waits for, or why it failed."""

    engine: str = ""
    """What runs it: ray or job."""

    conditions: list[Condition] = Field(default_factory=list)
    """Conditions for programs: Admitted, Scored, TableReady, Failed."""

    shards_done: Count = 0
    """Shards whose part of the table is written."""

    shards_total: Count = 0
    """Shards of the data set."""

    percent: Count = 0
    """Share of the samples that are scored, in per cent, rounded down."""

    samples: Count = 0
    """Samples that were scored or have a row with the cause why not."""

    rows: Count = 0
    """Rows written."""

    failures: dict[str, int] = Field(default_factory=dict)
    """Images without scores, by cause."""

    images_per_second: float | None = None
    """Images per second over all pods."""

    table_uri: str = ""
    """Address for spec.data.filter.table, once the pass has succeeded."""

    table_digest: str = ""
    """SHA-256 of the table's manifest, once the pass has succeeded."""

    retries: Count = 0
    """Times that pods of the pass were tried again."""

    updated_time: str | None = None
    """When the counts were written last (RFC 3339); they alone are written every few seconds only."""

    start_time: str | None = None
    """When the first pod ran (RFC 3339)."""

    completion_time: str | None = None
    """When the table was ready, or the pass failed (RFC 3339)."""
