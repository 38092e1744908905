"""What follows from a request to try the failed suites of a WebSSLEvaluation anew. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from webssl_api.evaluation_object import EvaluationObjectStatus
from webssl_api.status import SuiteStatus

from webssl_operator.plan.actions import RunEvent
from webssl_operator.plan.suites import tried_anew


@dataclass(frozen=True)
class Retry:
    """known: the suites as they are planned on. answered: what the status says was answered last."""

    known: tuple[SuiteStatus, ...]
    answered: str
    events: tuple[RunEvent, ...] = ()


def answer_retry(status: EvaluationObjectStatus, asked: str) -> Retry:
    """Take a request up, or refuse it. One that the status names as answered does nothing, whoever sees it, and however often.

    An operator that ends between its Jobs and its status is followed by one that makes the same Jobs: their names follow from the text.
    """
    known = tuple(status.suites)
    if not asked or asked == status.retry_request:
        return Retry(known, status.retry_request)
    failed = [suite.name for suite in known if suite.phase == "Failed"]
    if failed:
        event = RunEvent("EvaluationRetried", f"{asked!r}: tried anew: {', '.join(failed)}")
        return Retry(tuple(tried_anew(known, asked)), asked, (event,))
    # An object that was made with the annotation asks for nothing.
    refused = RunEvent("RetryRefused", f"{asked!r}: no suite has failed", warning=True)
    return Retry(known, asked, (refused,) if known else ())
