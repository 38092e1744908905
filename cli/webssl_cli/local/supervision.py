"""What to do when a worker process ends: a pure function of what is known.

On Kubernetes the Job's podFailurePolicy and the operator's restart policy decide this; here are the same rules for
processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from webssl_api import exit_codes

LONGEST_PAUSE = 30.0
FAREWELL = 60.0
"""Seconds that the other workers have to end after the first one said that the run is complete."""


@dataclass(frozen=True)
class Policy:
    """`spec.restartPolicy`, the window in seconds."""

    max_restarts: int
    window: float


@dataclass(frozen=True)
class Worker:
    """What is known of one worker slot.

    Attributes:
        exit_code: of its newest process; None while that runs.
        ended: when that process ended, in seconds of the caller's clock.
    """

    exit_code: int | None = None
    ended: float = 0.0


class Verdict(Enum):
    """What becomes of the group."""

    GO_ON = "go on"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True)
class Decision:
    """What to do now.

    Attributes:
        restart: slots whose process is started again now.
        reason: why the group failed; the slot whose log says more.
    """

    verdict: Verdict = Verdict.GO_ON
    restart: tuple[int, ...] = ()
    reason: str = ""
    slot: int | None = None


def decide(workers: Mapping[int, Worker], failures: Sequence[float], policy: Policy, now: float) -> Decision:
    """Decide on the group.

    Args:
        failures: times of all failures so far, those of the workers given included.
    """
    wrong = [slot for slot, worker in workers.items() if worker.exit_code == exit_codes.USER_ERROR]
    if wrong:
        return Decision(Verdict.FAILED, reason="the manifest or the data is wrong", slot=wrong[0])
    complete = [worker.ended for worker in workers.values() if worker.exit_code == exit_codes.COMPLETE]
    if complete:
        # No restarts any more: a worker that comes back now would wait for a group that has gone home.
        over = all(worker.exit_code is not None for worker in workers.values())
        return Decision(Verdict.COMPLETE if over or now - min(complete) > FAREWELL else Verdict.GO_ON)
    dead = [slot for slot, worker in workers.items() if worker.exit_code is not None]
    recent = [time for time in failures if now - time <= policy.window]
    if dead and len(recent) > policy.max_restarts:
        return Decision(
            Verdict.FAILED,
            reason=f"{len(recent)} worker failures, and spec.restartPolicy.maxRestarts is {policy.max_restarts}",
            slot=dead[-1],
        )
    wait = pause(len(recent))
    return Decision(restart=tuple(slot for slot in dead if now - workers[slot].ended >= wait))


def pause(failures: int) -> float:
    """Seconds before a worker is started again: 1, 2, 4 ... 30 with the number of recent failures."""
    return min(LONGEST_PAUSE, 2.0 ** max(failures - 1, 0))
