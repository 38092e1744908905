"""What a valid manifest asks for, in half a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webssl_api import WebSSLRunSpec
    from webssl_api.base import ApiModel
    from webssl_api.curation import WebSSLCurationSpec
    from webssl_api.evaluation_object import WebSSLEvaluationSpec


def verdict(found: ApiModel) -> str:
    """The size of a run, what a pass measures, or the suites of an evaluation; "" for any other object."""
    from webssl_api import WebSSLRun
    from webssl_api.curation import WebSSLCuration
    from webssl_api.evaluation_object import WebSSLEvaluation

    match found:
        case WebSSLRun():
            return _run(found.spec)
        case WebSSLCuration():
            return _curation(found.spec)
        case WebSSLEvaluation():
            return _evaluation(found.spec)
        case _:
            return ""


def _run(spec: WebSSLRunSpec) -> str:
    counts = ", ".join(str(count) for count in spec.allowed_worker_counts())
    schedule = spec.schedule
    return f"{schedule.total_steps:,} steps of {schedule.global_batch_size:,} samples on {counts} workers"


def _curation(spec: WebSSLCurationSpec) -> str:
    scorers = ", ".join(spec.scorers.named())
    return f"{scorers} of {spec.data.source} into {spec.output.uri}, {_ranges(spec.ranges)}, {_pods(spec.parallelism)}"


def _evaluation(spec: WebSSLEvaluationSpec) -> str:
    of = (
        f"run {spec.run.name}"
        if spec.run is not None
        else f"encoder {spec.encoder.size}"
        if spec.encoder
        else ""
    )
    return f"{', '.join(suite.key for suite in spec.suites)} on {spec.checkpoint.uri} of {of}"


def _ranges(count: int) -> str:
    return "1 range" if count == 1 else f"{count} ranges"


def _pods(count: int) -> str:
    return "1 pod at a time" if count == 1 else f"{count} pods at a time"
