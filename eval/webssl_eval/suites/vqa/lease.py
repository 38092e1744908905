"""Who trains, when several pods want the same weights: one at a time, and another one when it is gone.

Turns are numbered. `turns/{number}.json` is written only if it is absent and names its holder; `turns/{number}.beat` is written
again and again by the holder. Whoever sees a beat that has not changed for a while **of its own clock** may take the next turn;
clocks of different machines are never compared. Two pods may still hold turns for a moment, when one was only slow: the older one
notices at its next beat, and can not commit any checkpoint, see docs/design/0003-checkpoints.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from webssl_trainer.storage import Storage, StorageNotFoundError, join

PATIENCE = 90.0
"""Seconds without a new beat after which a holder counts as gone."""
_TURNS = "turns"


class LeaseLostError(Exception):
    """Another pod took the next turn."""


@dataclass(frozen=True)
class Seen:
    """The newest turn as another pod sees it.

    Attributes:
        number: of the turn.
        count: beats of its holder so far.
        left: whether its holder gave it up.
        done, total: how far its holder is.
    """

    number: int
    count: int = 0
    left: bool = False
    done: int = 0
    total: int = 0


class Lease:
    """The right to train in one folder.

    Args:
        storage: where the folder is.
        folder: its URL.
        holder: a name that no other process has.
        clock: seconds, monotonic.
        patience: see `PATIENCE`.
    """

    def __init__(
        self,
        storage: Storage,
        folder: str,
        holder: str,
        clock: Callable[[], float],
        patience: float = PATIENCE,
    ) -> None:
        self._storage, self._folder, self._holder = storage, join(folder, _TURNS), holder
        self._clock, self._patience = clock, patience
        self._mine = 0
        self._count = 0
        self._watched: tuple[Seen | None, float] = (None, 0.0)

    def take(self) -> bool:
        """Take the next turn if nobody holds the newest one; whether this call did."""
        seen = self.look()
        number = seen.number + 1 if seen else 1
        if seen is not None and not (seen.left or self._is_stale(seen)):
            return False
        claim = json.dumps({"holder": self._holder, "turn": number}).encode()
        if not self._storage.put_if_absent(join(self._folder, f"{number:08d}.json"), claim):
            return False
        self._mine = number
        return True

    def beat(self, done: int, total: int) -> None:
        """Say that the holder lives, and how far it is.

        Raises:
            LeaseLostError: another pod took the next turn.
        """
        newest = self._newest()
        if newest != self._mine:
            raise LeaseLostError(
                f"turn {newest} of {self._folder} was taken while this pod had turn {self._mine}"
            )
        self._count += 1
        self._write(Seen(self._mine, self._count, False, done, total))

    def leave(self) -> None:
        """Give the turn up, so that the next pod need not wait."""
        self._write(Seen(self._mine, self._count, left=True))

    def progress(self) -> tuple[int, int]:
        """How far the holder is, as last seen: done, total."""
        seen, _ = self._watched
        return (seen.done, seen.total) if seen else (0, 0)

    def look(self) -> Seen | None:
        """The newest turn; None when there never was one."""
        number = self._newest()
        if not number:
            return None
        try:
            beat = json.loads(self._storage.read(join(self._folder, f"{number:08d}.beat")))
            return Seen(number, int(beat["count"]), bool(beat["left"]), int(beat["done"]), int(beat["total"]))
        except (StorageNotFoundError, ValueError, KeyError):
            return Seen(number)  # taken, and no beat yet

    def _is_stale(self, seen: Seen) -> bool:
        before, since = self._watched
        if before != seen:
            self._watched = (seen, self._clock())
            return False
        return self._clock() - since > self._patience

    def _newest(self) -> int:
        names = (info.url.rpartition("/")[2] for info in self._storage.list_objects(self._folder))
        return max(
            (int(name[:8]) for name in names if name.endswith(".json") and name[:8].isdigit()), default=0
        )

    def _write(self, seen: Seen) -> None:
        url = join(self._folder, f"{seen.number:08d}.beat")
        self._storage.put(url, json.dumps(asdict(seen)).encode())
