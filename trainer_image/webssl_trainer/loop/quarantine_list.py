"""The samples that an attempt could not use, each once, as one bounded object. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from webssl_trainer.checkpoint.layout import AttemptKey
from webssl_trainer.data import BrokenReport

FOLDER = "quarantine"
"""Folder below the run's folder."""
MOST = 10_000
"""Samples that are listed; those that come later are counted only."""
MOST_LETTERS = 200
"""Of a reason."""


def quarantine_path(attempt: AttemptKey, rank: int = 0) -> str:
    """Where the list of an attempt is, below the run's folder; and what another process than rank 0 was ended by."""
    return f"{FOLDER}/attempt-{attempt.text()}{f'-rank-{rank}' if rank else ''}.jsonl"


@dataclass(frozen=True)
class Found:
    """A report, and the step that met it."""

    step: int
    report: BrokenReport


class QuarantineList:
    """Grows by reports; one sample is one line however often and by whomever it is met.

    Args:
        attempt: whose list it is.
        most: lines at most.
    """

    def __init__(self, attempt: AttemptKey, most: int = MOST) -> None:
        self._attempt, self._most = attempt, most
        self._lines: dict[tuple[str, str], str] = {}
        self._left_out = 0
        self.by_cause: Counter[str] = Counter()

    def add(self, found: Iterable[Found]) -> None:
        """Count all of them; list those that are new, by rising position within a step."""
        for item in sorted(found, key=lambda item: (item.step, item.report.position)):
            report = item.report
            self.by_cause[report.cause.value] += 1
            name = (report.shard, report.key)
            if name in self._lines:
                continue
            if len(self._lines) >= self._most:
                self._left_out += 1
                continue
            line = {
                "shard": report.shard,
                "key": report.key,
                "cause": report.cause.value,
                "reason": report.reason[:MOST_LETTERS],
                "step": item.step,
                "position": report.position,
            }
            self._lines[name] = json.dumps(line, separators=(",", ":"))

    def __len__(self) -> int:
        return len(self._lines)

    def to_bytes(self) -> bytes:
        """JSON lines: first the sums, then the samples in the order in which they were met.

        Sums: attempt; met, by cause, with samples that were met again; listed; leftOut, how often a sample was met for
        which there was no more room.
        """
        head = {
            "attempt": self._attempt.number,
            "met": dict(sorted(self.by_cause.items())),
            "listed": len(self._lines),
            "leftOut": self._left_out,
        }
        return ("\n".join([json.dumps(head, separators=(",", ":")), *self._lines.values()]) + "\n").encode()
