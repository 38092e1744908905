"""Tuned weights, trained once however many pods ask for them at the same time."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from webssl_trainer.checkpoint.claims import FencedError
from webssl_trainer.storage import Storage

from webssl_eval.features import Progress
from webssl_eval.suites.vqa.lease import PATIENCE, Lease, LeaseLostError
from webssl_eval.suites.vqa.saved import finished

log = structlog.get_logger("webssl.eval")
BEAT = 10.0
POLL = 5.0
Train = Callable[[], None]
Step = Callable[[], tuple[int, int]]
"""Steps done, and steps there are."""


@dataclass(frozen=True)
class Waiting:
    """How pods wait for one another. holder: a name that no other pod has. Times are in seconds; pause and clock are injected by tests."""

    holder: str = field(default_factory=lambda: uuid.uuid4().hex)
    patience: float = PATIENCE
    beat: float = BEAT
    poll: float = POLL
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


def tuned(
    storage: Storage, uri: str, train: Train, step: Step, progress: Progress, waiting: Waiting | None = None
) -> bool:
    """Return when the finished weights of one tuning are on storage: found there, trained by this pod, or by another one.

    Any number of pods may call this at the same time with the same `uri`, be it shards of one suite or different suites whose tuning
    is the same. Exactly one trains; the others wait and tell how far it is. When the one that trains dies, falls silent for
    `waiting.patience` seconds or is stopped, one of the others goes on from its last saved state. Calling again after the end
    is one listing.

    Args:
        storage: where the tuning is kept.
        uri: its folder, named by the digest of all that the weights depend on: `{checkpoint}/eval/tuning/{digest}`.
        train: trains from the last saved state there to the final one. It runs in this thread, and may start processes.
        step: how far `train` is; called from another thread while it runs.
        progress: told how far the other pod is, by ("steps of another pod", done, total).
        waiting: how pods wait for one another.

    Returns:
        Whether this call trained.

    Raises:
        UserError, StorageUnavailableError: from `train` and the storage. The turn is given up, so that another pod need not wait.
    """
    waiting = waiting or Waiting()
    lease = Lease(storage, uri, waiting.holder, waiting.clock, waiting.patience)
    while finished(storage, uri) is None:
        if not lease.take():
            progress("steps of another pod", *lease.progress())
            waiting.pause(waiting.poll)
            continue
        # The holder before may have finished between the look and the turn.
        if finished(storage, uri) is not None:
            lease.leave()
            break
        try:
            with _beating(lease, step, waiting.beat):
                train()
        except FencedError as error:
            log.warning("tuning.overtaken", error=str(error))
            continue
        return True
    return False


@contextmanager
def _beating(lease: Lease, step: Step, seconds: float) -> Iterator[None]:
    """Keep a turn alive from a thread; give it up at the end, however it comes."""
    over = threading.Event()

    def beat() -> None:
        while True:
            try:
                lease.beat(*step())
            except LeaseLostError as error:
                # Training goes on to its next commit, where the newer attempt fences it: see saved.py.
                log.warning("tuning.turn_lost", error=str(error))
                return
            except Exception as error:  # a storage that is away for a moment must not end a turn
                log.warning("tuning.beat_failed", error=str(error))
            if over.wait(seconds):
                return

    thread = threading.Thread(target=beat, name="tuning-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        lease.leave()
