"""What the demo does while the run goes: watch it, kill the rank-0 worker once, watch it resume and finish."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from webssl_api import Phase, RunStatus
from webssl_api.status import TERMINAL

from webssl_cli.errors import CliError

if TYPE_CHECKING:
    from webssl_cli.kube.runs import Kube, PodOfRun, RunOnCluster
    from webssl_cli.views.live import LiveRun

POLL_SECONDS = 1.0
KILL_FROM = 0.35
"""Share of the samples after which the worker is killed."""
KILL_UNTIL = 0.9
"""Share after which it would come too late to be seen."""


@dataclass(frozen=True)
class Told:
    """What came of it; seconds since the run was applied, None for what did not happen."""

    run: RunOnCluster
    first_step: float | None
    killed: float | None
    killed_step: int | None
    resumed: float | None
    trained: float | None
    ended: float


def is_time_to_kill(status: RunStatus, total_samples: int) -> bool:
    """Whether a worker's death shows most now: both train, a checkpoint is there, and steps since would be lost."""
    last, progress = status.last_checkpoint, status.progress
    share = progress.samples / max(total_samples, 1)
    return (
        status.phase is Phase.RUNNING
        and last is not None
        and progress.step > last.step
        and KILL_FROM <= share <= KILL_UNTIL
        and status.workers.ready >= 2
    )


def rank_zero(pods: Sequence[PodOfRun]) -> PodOfRun | None:
    """The running pod of worker 0, whose process has rank 0; None while there is none."""
    running = [pod for pod in pods if pod.index == 0 and not pod.suite and pod.phase == "Running"]
    return running[-1] if running else None


def follow(
    kube: Kube,
    name: str,
    live: LiveRun,
    *,
    limit: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Told:
    """Watch the run to its end and deal it the blow.

    Args:
        limit: seconds after which the demo gives up.

    Raises:
        CliError: the run has not ended by then.
    """
    began = clock()
    first = killed = resumed = trained = None
    step = attempt = None
    while True:
        found = kube.get(name)
        status, now = found.status, clock() - began
        live.update(status)
        total = found.run.spec.schedule.total_samples
        if first is None and status.progress.step > 0:
            first = now
        if (
            killed is None
            and is_time_to_kill(status, total)
            and (pod := rank_zero(kube.pods(name))) is not None
        ):
            live.say(
                f"now the worker of rank 0 is killed: pod {pod.name} on node {pod.node}, at step {status.progress.step}"
            )
            kube.kill_pod(pod.name)
            killed, step, attempt = now, status.progress.step, status.attempt
        if killed is not None and resumed is None and attempt is not None and status.attempt > attempt:
            resumed = now
            live.say(f"training goes on {resumed - killed:.0f} s after the kill")
        if trained is None and status.training_completion_time:
            trained = now
        if status.phase in TERMINAL:
            return Told(found, first, killed, step, resumed, trained, now)
        if now > limit:
            raise CliError(
                f"run {name} has not ended after {limit:.0f} s (phase {status.phase}, step {status.progress.step})",
                f"look at it with `webssl status {name} -n {found.namespace}`; `webssl demo` goes on with it",
            )
        pause(POLL_SECONDS)


def phases_of(told: Told) -> list[tuple[str, float]]:
    """Wall seconds of the parts of the run that this demo saw; those of an earlier demo are left out."""
    first, trained = told.first_step or 0.0, told.trained
    parts = [("start of the workers", first)]
    if trained is None:
        parts.append(("training", told.ended - first))
    else:
        parts += [
            ("training, the kill and the resume included", trained - first),
            ("evaluation", told.ended - trained),
        ]
    return [(name, seconds) for name, seconds in parts if seconds >= POLL_SECONDS]
