"""What happened between two looks at a run, as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webssl_cli.views.numbers import count, decimal, score_text

if TYPE_CHECKING:
    from webssl_api import RunStatus
    from webssl_api.status import SuiteStatus


def events_between(before: RunStatus | None, now: RunStatus, total_samples: int) -> list[str]:
    """Lines for every change worth a line, in the order in which people want to read them."""
    from webssl_api import RunStatus

    old = before or RunStatus()
    lines = []
    if now.phase is not None and now.phase != old.phase:
        lines.append(f"phase {now.phase.value}" + (f": {now.message}" if now.message else ""))
    known = {record.uid for record in old.restarts.recent}
    lines += [
        f"worker {record.pod} was lost ({record.reason})"
        for record in now.restarts.recent
        if record.uid not in known
    ]
    if now.attempt > old.attempt:
        lines.append(_attempt(old, now))
    lines += [
        f"checkpoint {item.uri} did not verify: {item.reason}"
        for item in now.rejected_checkpoints
        if item not in old.rejected_checkpoints
    ]
    if now.workers.ready != old.workers.ready:
        lines.append(f"workers ready: {now.workers.ready} of {now.workers.desired}")
    lines += _tenths(old, now, total_samples)
    last = now.last_checkpoint
    if last is not None and (old.last_checkpoint is None or last.digest != old.last_checkpoint.digest):
        lines.append(f"checkpoint at step {last.step} committed ({last.digest[:12]})")
    return lines + _suites(old, now)


def _attempt(old: RunStatus, now: RunStatus) -> str:
    start = now.resumed_from
    if start is None or now.attempt == 1:
        return f"attempt {now.attempt} begins at step 0"
    lost = now.lost_steps - old.lost_steps
    return (
        f"attempt {now.attempt} resumes from the checkpoint of step {start.step} (attempt {start.attempt});"
        f" {max(lost, 0)} steps are trained again"
    )


def _tenths(old: RunStatus, now: RunStatus, total: int) -> list[str]:
    def tenth(samples: int) -> int:
        return 10 * samples // max(total, 1)

    if tenth(now.progress.samples) <= tenth(old.progress.samples):
        return []
    progress = now.progress
    return [
        f"{10 * tenth(progress.samples)} % trained: step {count(progress.step)}, loss {decimal(progress.loss, 3)},"
        f" {decimal(progress.images_per_second)} images/s"
    ]


def _suites(old: RunStatus, now: RunStatus) -> list[str]:
    def by_name(status: RunStatus) -> dict[str, SuiteStatus]:
        return (
            {suite.name: suite for suite in status.evaluation.suites} if status.evaluation is not None else {}
        )

    before = by_name(old)
    lines = []
    for name, suite in by_name(now).items():
        earlier = before.get(name)
        if earlier is not None and (earlier.phase, earlier.retries) == (suite.phase, suite.retries):
            continue
        if suite.phase == "Pending":
            continue
        note = f" (retry {suite.retries})" if suite.retries else ""
        if suite.scores:
            note += ": " + ", ".join(
                f"{metric} {score_text(metric, value)}" for metric, value in suite.scores.items()
            )
        why = f": {suite.message}" if suite.message else ""
        lines.append(f"evaluation {name}: {suite.phase}{note}{why}")
    return lines
