"""The quarantine report: rank 0 collects what all processes could not use, and keeps it beside the checkpoints.

Written in a thread of its own, seldom. A storage that is gone costs the report some age, never the training a step.
"""

from __future__ import annotations

import threading
import time

import structlog

from webssl_trainer.checkpoint.layout import AttemptKey
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.data import BadDataError, StepBatches
from webssl_trainer.loop.quarantine_list import Found, QuarantineList, quarantine_path
from webssl_trainer.storage import Storage, join

log = structlog.get_logger("webssl.quarantine")

INTERVAL = 30.0
"""Least seconds between two writes, the last one aside."""


class Quarantine:
    """Of one attempt. All processes make one and call `stepped` in step.

    Args:
        peers: the processes; their group is used in the training thread only.
        storage: where rank 0 writes.
        uri: the run's folder.
        attempt: the attempt's key.
        interval: least seconds between two writes.
    """

    def __init__(
        self, peers: Peers, storage: Storage, uri: str, attempt: AttemptKey, interval: float = INTERVAL
    ) -> None:
        self._peers, self._storage, self._interval = peers, storage, interval
        self._url = join(uri, quarantine_path(attempt, peers.rank))
        self._list = QuarantineList(attempt)
        self._changed = threading.Condition()
        self._handed_in = self._tried = 0
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def by_cause(self) -> dict[str, int]:
        """Samples that all processes could not use so far, by cause; on rank 0 only."""
        return dict(self._list.by_cause)

    def stepped(self, step: int, batches: StepBatches, some: bool) -> None:
        """Collect a step's reports.

        Args:
            step: its number.
            batches: what this process got.
            some: whether any process has a report; the same on all, so that a good step costs no message.
        """
        if not some:
            return
        mine = [Found(step, report) for batch in batches.batches for report in batch.broken]
        found = [item for part in self._peers.gather(mine) for item in part]
        if self._peers.leads:
            self._hand_in(found)

    def ended(self, step: int, error: BadDataError) -> None:
        """Keep the reports that end this process; the others do not know of them, so each keeps its own."""
        self._hand_in([Found(step, report) for report in error.reports])

    def _hand_in(self, found: list[Found]) -> None:
        with self._changed:
            self._list.add(found)
            self._handed_in += 1
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="quarantine", daemon=True)
                self._thread.start()

    def close(self, timeout: float) -> bool:
        """Write what is not yet written; False when the storage did not take it within `timeout` seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def _run(self) -> None:
        last = -self._interval
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._handed_in > self._tried or self._closing)
                wait = max(0.0, last + self._interval - time.monotonic())
                self._changed.wait_for(lambda: self._closing, wait)
                if self._handed_in == self._tried:
                    return
                data, number, closing = self._list.to_bytes(), self._handed_in, self._closing
            written = self._write(data)
            last = time.monotonic()
            with self._changed:
                # What could not be written is tried again after the interval, or with what comes next.
                if written or closing:
                    self._tried = number

    def _write(self, data: bytes) -> bool:
        try:
            self._storage.put(self._url, data)
        except Exception as error:  # whatever it is, it must not end a training
            log.warning("quarantine.not_written", url=self._url, error=f"{type(error).__name__}: {error}")
            return False
        log.info("quarantine.written", url=self._url, samples=len(self._list))
        return True
