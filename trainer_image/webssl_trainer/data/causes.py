"""Why a sample can not be used: the labels of its counter and of the quarantine report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """One value for each way in which a sample is lost."""

    MISSING_SHARD = "missing-shard"
    CUT_SHARD = "cut-shard"
    DENIED_SHARD = "denied-shard"
    EMPTY = "empty"
    NOT_DECODED = "not-decoded"
    MISSING_MEMBER = "missing-member"


@dataclass(frozen=True)
class Lack:
    """What a sample lacks: its cause, and the reason in words."""

    cause: Cause
    reason: str
