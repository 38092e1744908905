"""One evaluation: suites on one checkpoint, each a Job with its own retries, none in the way of another. For any owner."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from webssl_api.evaluation import SuiteSpec
from webssl_api.reports import EvaluationReport
from webssl_api.status import CheckpointStatus, SuiteStatus

from webssl_operator.construct.evaluation_job import Bench, evaluation_job, job_name
from webssl_operator.observe.job import JobView
from webssl_operator.observe.pod import PodView
from webssl_operator.plan.actions import Action, Apply, Delete, RunEvent
from webssl_operator.plan.failures import last_words

OVER = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True)
class Evidence:
    """What is seen of an owner's evaluations: its Jobs and pods of all checkpoints, and the newest report of each suite by name.

    A Job of a namesake's leftovers may be among them; its owner tells.
    """

    jobs: Collection[JobView] = ()
    pods: Collection[PodView] = ()
    reports: Mapping[str, EvaluationReport] = field(default_factory=dict)


@dataclass(frozen=True)
class SuitesPlan:
    """suites: what the status says of each, in the order of the manifest. phase: of all together. wake: when to plan anew."""

    suites: tuple[SuiteStatus, ...]
    phase: str
    actions: tuple[Action, ...] = ()
    events: tuple[RunEvent, ...] = ()
    wake: datetime | None = None


@dataclass(frozen=True)
class _Step:
    """One suite's part of the plan."""

    status: SuiteStatus
    actions: tuple[Action, ...] = ()
    wake: datetime | None = None


def plan_suites(
    bench: Bench,
    suites: Sequence[SuiteSpec],
    checkpoint: CheckpointStatus,
    known: Sequence[SuiteStatus],
    seen: Evidence,
    report_wait: float,
    now: datetime,
) -> SuitesPlan:
    """Start, follow and judge. Pure: made again on what it leads to, it asks for nothing.

    Args:
        bench: what the Jobs share.
        suites: what is wanted, each with another key.
        checkpoint: what is scored.
        known: what is known of suites on this very checkpoint; what is over with the same settings stays as it is.
        seen: the owner's Jobs, pods and reports. Jobs of suites that are not wanted are left alone.
        report_wait: seconds after the end of a Job in which its report may come late.
        now: the time.
    """
    before = {status.name: status for status in known}
    steps = [
        _suite(bench, suite, checkpoint, before.get(suite.key), seen, timedelta(seconds=report_wait), now)
        for suite in suites
    ]
    found = tuple(step.status for step in steps)
    return SuitesPlan(
        suites=found,
        phase=overall(found),
        actions=tuple(action for step in steps for action in step.actions),
        events=tuple(_announced(before, found)),
        wake=min((step.wake for step in steps if step.wake is not None), default=None),
    )


def overall(suites: Sequence[SuiteStatus]) -> str:
    """The phase of suites together: over when all are, failed when one is."""
    phases = {suite.phase for suite in suites}
    if phases <= OVER:
        return "Failed" if "Failed" in phases else "Succeeded"
    return "Running" if phases & {"Running", *OVER} else "Pending"


def verdict(suites: Sequence[SuiteStatus]) -> tuple[str, str]:
    """Reason and message of the condition Evaluated. A suite that failed is named while others still work."""
    phase = overall(suites)
    bad = [suite for suite in suites if suite.phase == "Failed"]
    done = sum(1 for suite in suites if suite.phase == "Succeeded")
    if not bad:
        return phase, "" if phase == "Succeeded" else f"{done} of {len(suites)} suites are done"
    reason = "SuitesFailed" if phase == "Failed" else "SuiteFailed"
    return reason, f"{done} of {len(suites)} suites succeeded; failed: {failures(suites)}"


def failures(suites: Sequence[SuiteStatus]) -> str:
    """Which suites failed, and why."""
    return "; ".join(f"{suite.name}: {suite.message}" for suite in suites if suite.phase == "Failed")


def tried_anew(suites: Sequence[SuiteStatus], request: str) -> list[SuiteStatus]:
    """The suites after a request to try anew what has failed: those that have are as if they had not begun, the others as they were.

    The request is noted with them and makes another Job of theirs, so that two operators make the same one.
    """
    return [
        SuiteStatus(name=suite.name, settings_digest=suite.settings_digest, request=request)
        if suite.phase == "Failed"
        else suite
        for suite in suites
    ]


def settled(status: SuiteStatus | None, suite: SuiteSpec) -> bool:
    """Whether a suite is over, with the settings that are wanted now."""
    return status is not None and status.phase in OVER and status.settings_digest in ("", suite.digest)


def _suite(
    bench: Bench,
    suite: SuiteSpec,
    checkpoint: CheckpointStatus,
    known: SuiteStatus | None,
    seen: Evidence,
    report_wait: timedelta,
    now: datetime,
) -> _Step:
    """One suite's next step. No two Jobs of a suite are there at once: both would write to the same report."""
    if known is not None and settled(known, suite):
        return _Step(known)
    request = known.request if known is not None else ""
    bench = replace(bench, request=request) if request else bench
    waiting = SuiteStatus(name=suite.key, settings_digest=suite.digest, request=request)
    name = job_name(bench, suite, checkpoint)
    jobs = [job for job in seen.jobs if job.suite == suite.key]
    others = [job for job in jobs if job.name != name or job.owner != bench.owner.uid]
    if others or any(job.deleting for job in jobs):
        gone = (Delete("Job", job.name, job.uid, foreground=True) for job in others if not job.deleting)
        return _Step(waiting, tuple(gone))
    if not jobs:
        return _Step(waiting, (Apply(evaluation_job(bench, suite, checkpoint)),))
    return _judged(waiting, suite, checkpoint, jobs[0], seen, report_wait, now)


def _judged(
    waiting: SuiteStatus,
    suite: SuiteSpec,
    checkpoint: CheckpointStatus,
    job: JobView,
    seen: Evidence,
    report_wait: timedelta,
    now: datetime,
) -> _Step:
    phase = "Running" if job.active or job.failures else "Pending"
    running = waiting.model_copy(update={"phase": phase, "retries": job.failures})
    if job.failed:
        return _Step(_failed(running, _why(job, seen.pods)))
    if not job.complete:
        return _Step(running.model_copy(update={"message": _waits(job, seen.pods)}))
    report = seen.reports.get(suite.key)
    if report is not None and _answers(report, suite, checkpoint):
        return _Step(
            running.model_copy(
                update={
                    "phase": "Succeeded",
                    "scores": report.scores,
                    "questions": report.questions,
                    "version": report.suite_version,
                    "data_digest": report.data_digest,
                }
            )
        )
    due = (job.completed or now) + report_wait
    if now < due:
        return _Step(running, wake=due)
    return _Step(
        _failed(running, f"the pod ended well, but left no report on checkpoint {checkpoint.digest[:12]}")
    )


def _answers(report: EvaluationReport, suite: SuiteSpec, checkpoint: CheckpointStatus) -> bool:
    """Whether a report is of this checkpoint, of whose digest only the first digits may be known, or none, and of these settings."""
    same = report.checkpoint_digest.startswith(checkpoint.digest)
    return same and report.settings_digest in ("", suite.digest)


def _failed(running: SuiteStatus, message: str) -> SuiteStatus:
    return running.model_copy(update={"phase": "Failed", "message": message})


def _waits(job: JobView, pods: Collection[PodView]) -> str:
    """What the scheduler says while none of the Job's pods runs: pods of low priority may wait for long."""
    mine = [pod for pod in pods if pod.job_uid == job.uid and not pod.over]
    said = [pod.unschedulable_message for pod in mine if pod.unschedulable is not None]
    return f"waits for room: {said[0]}" if said and not any(pod.running for pod in mine) else ""


def _why(job: JobView, pods: Collection[PodView]) -> str:
    """The Job's message, and the last words of one of its pods."""
    ended = [pod for pod in pods if pod.job_uid == job.uid and pod.phase == "Failed" and pod.log]
    return "\n".join([job.failed_message, *(last_words(pod) for pod in ended[-1:])]).strip()


def _announced(before: Mapping[str, SuiteStatus], found: Sequence[SuiteStatus]) -> list[RunEvent]:
    """An event for each suite that is over now and was not before."""
    events = []
    for suite in found:
        earlier = before.get(suite.name)
        if suite.phase in OVER and (earlier is None or earlier.phase != suite.phase):
            scores = ", ".join(f"{name} {value:.2f}" for name, value in sorted(suite.scores.items()))
            events.append(
                RunEvent(
                    f"Evaluation{suite.phase}",
                    f"{suite.name}: {scores or suite.message}",
                    warning=suite.phase == "Failed",
                )
            )
    return events
