"""What a place must be able to do to hold the rendezvous document."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Snapshot:
    """One reading. text: the state's JSON, None when there is none. beats: heartbeat per node id.

    wanted: the number of workers the operator wants now, None when nobody said. token: fences the next write.
    """

    text: str | None
    beats: Mapping[str, str]
    wanted: int | None
    token: str


class BackendUnavailableError(Exception):
    """The place cannot be read or written now; the caller tries again later."""


class Backend(Protocol):
    """A document under compare-and-swap, plus heartbeats that need no agreement."""

    def read(self) -> Snapshot:
        """Read everything. Creates the place when it is missing. Raises BackendUnavailableError."""
        ...

    def write(self, text: str, token: str, forget: Collection[str]) -> bool:
        """Replace the state if nothing was written since the reading with `token`; False when something was.

        forget: node ids whose heartbeats are dropped with it. Raises BackendUnavailableError.
        """
        ...

    def beat(self, node_id: str, value: str) -> None:
        """Set one node's heartbeat. Never conflicts with others. Raises BackendUnavailableError."""
        ...
