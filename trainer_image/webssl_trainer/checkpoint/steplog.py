"""The step log: what every optimizer step did, one JSON line per step, kept for good.

Records are buffered on rank 0 and written with each checkpoint. The first line of each object names the object before it, so that
the steps which count, rolled-back ones aside, are the chain that starts at the newest checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from webssl_trainer.checkpoint.layout import AttemptKey, step_log_path
from webssl_trainer.storage import Storage, join

Record = dict[str, Any]
"""Keys: step, first, end (positions [first, end)), digest, ids (when asked for), attempt, world_size, losses, lr, grad_norm."""


class BrokenChainError(Exception):
    """Step logs do not join: an object is missing or does not follow its predecessor."""


def tally(positions: Iterable[int], sample_ids: Iterable[str]) -> tuple[int, int]:
    """Two 64-bit sums over (position, sample id) pairs; processes add theirs up to get the step's.

    The sum does not depend on how positions were dealt to processes. Values are signed and wrap around.
    """
    first = second = 0
    for position, sample_id in zip(positions, sample_ids, strict=True):
        pair = hashlib.blake2b(f"{position} {sample_id}".encode(), digest_size=16).digest()
        first += int.from_bytes(pair[:8], "big")
        second += int.from_bytes(pair[8:], "big")
    return _wrapped(first), _wrapped(second)


def digest_text(first: int, second: int) -> str:
    """The sums as 32 hex digits."""
    return f"{first % 2**64:016x}{second % 2**64:016x}"


def _wrapped(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


@dataclass(frozen=True)
class LogObject:
    """One object of the log, ready to be written. path is below the run's folder; records cover steps [first, end)."""

    path: str
    data: bytes
    end: int


class StepLog:
    """Rank 0's buffer. previous: path of the last object of the lineage this attempt resumed from, "" for none."""

    def __init__(self, attempt: AttemptKey, previous: str) -> None:
        self._attempt = attempt
        self._previous = previous
        self._records: list[Record] = []
        self.paths: list[str] = []

    def append(self, record: Record) -> None:
        """Add the record of the next step."""
        self._records.append(record)

    def cut(self) -> LogObject | None:
        """The records not yet committed as one object; None when there are none. Does not change the buffer."""
        if not self._records:
            return None
        first, end = int(self._records[0]["step"]), int(self._records[-1]["step"]) + 1
        header = {"previous": self._previous, "attempt": self._attempt.number, "nonce": self._attempt.nonce}
        lines = [json.dumps(line, separators=(",", ":")) for line in (header, *self._records)]
        return LogObject(step_log_path(self._attempt, first, end), ("\n".join(lines) + "\n").encode(), end)

    def committed(self, written: LogObject) -> None:
        """A checkpoint that refers to the object was committed: its records leave the buffer."""
        self._records = [record for record in self._records if record["step"] >= written.end]
        self._previous = written.path
        self.paths.append(written.path)


def read_chain(storage: Storage, uri: str, last: str) -> list[Record]:
    """Records of the chain that ends with the object `last`, by rising step.

    Raises BrokenChainError when an object is missing or a step is missing or doubled.
    """
    chunks: list[list[Record]] = []
    path = last
    while path:
        try:
            lines = storage.read(join(uri, path)).decode().splitlines()
        except FileNotFoundError as error:
            raise BrokenChainError(f"step log {path} is missing below {uri}") from error
        chunks.append([json.loads(line) for line in lines[1:]])
        path = json.loads(lines[0])["previous"]
    records = [record for chunk in reversed(chunks) for record in chunk]
    check_contiguous(records)
    return records


def check_contiguous(records: Iterable[Record]) -> None:
    """Raises BrokenChainError unless the records are steps 0, 1, 2, ... without gap."""
    for expected, record in enumerate(records):
        if record["step"] != expected:
            raise BrokenChainError(f"step log has step {record['step']} where step {expected} belongs")
