"""Rank 0's hold on checkpoints that are to be scored: reads the operator's orders, and is asked before anything is deleted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from pydantic import ValidationError
from webssl_api.evaluation_orders import EvaluationOrders, Held

from webssl_trainer.checkpoint.discovery import Survey, survey
from webssl_trainer.checkpoint.holding import Holding, hold
from webssl_trainer.checkpoint.layout import FolderKey, request_path
from webssl_trainer.storage import Storage, StorageNotFoundError, join

log = structlog.get_logger("webssl.checkpoint")


class Holds:
    """Looks at the orders in a thread of its own, so that no step waits for a file or for the storage.

    Args:
        storage: where checkpoints are.
        uri: the run's folder.
        orders: the file that follows the operator's orders; where there is none, nothing is held. While it can not be
            read, as in the middle of a write, what was known last stands.
        poll: seconds between two looks.
    """

    def __init__(self, storage: Storage, uri: str, orders: Path, poll: float = 2.0) -> None:
        self._storage, self._uri, self._file = storage, uri, orders
        self._now = Holding()
        self._heeded: str | None = None
        self._unreadable: str | None = None
        self._deciding = threading.Lock()
        self._closed = threading.Event()
        self._poll = poll
        threading.Thread(target=self._run, name="checkpoint-holds", daemon=True).start()

    @property
    def now(self) -> Holding:
        """What is held, as known last. Never waits."""
        return self._now

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """While it lasts, no request is answered with a checkpoint that is about to go."""
        with self._deciding:
            yield

    def held(self, found: Survey) -> frozenset[FolderKey]:
        """Folders that must stay, by the orders as they are now. Call it within `deciding`."""
        self._heed(_text(self._file), found)
        return self._now.held

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except Exception as error:  # the storage is away: the next look may do better
                log.warning("holds.not_looked", error=f"{type(error).__name__}: {error}")
            if self._closed.wait(self._poll):
                return

    def look(self) -> None:
        """Heed the orders if they have changed."""
        if _text(self._file) in (self._heeded, self._unreadable):
            return
        with self._deciding:
            text = _text(self._file)
            self._heed(text, survey(self._storage, self._uri) if text != _NO_FILE else None)

    def _heed(self, text: str, found: Survey | None) -> None:
        try:
            orders = EvaluationOrders() if text == _NO_FILE else EvaluationOrders.model_validate_json(text)
        except ValidationError as error:
            if text != self._unreadable:
                log.warning("holds.orders_unreadable", error=str(error).splitlines()[0])
            self._unreadable = text
            return
        before, known = self._now, self._now.resolved
        if orders.request and (known is None or known.request != orders.request):
            known = self._noted(orders.request)
        ordered = found.ordered if found is not None else ()
        now = hold(ordered, orders, known, self._uri)
        if now.resolved is not None and now.resolved != known:
            # Before it is told: the attempt after this one must not answer what the operator has heard with another checkpoint.
            url = join(self._uri, request_path(now.resolved.request))
            self._storage.put(url, now.resolved.model_dump_json(by_alias=True).encode())
        self._now = now
        self._heeded, self._unreadable = text, None
        if self._now.held != before.held:
            log.info("holds.changed", held=sorted(key.path for key in self._now.held))

    def _noted(self, request: str) -> Held | None:
        """What an earlier attempt answered a request with."""
        try:
            held = Held.model_validate_json(self._storage.read(join(self._uri, request_path(request))))
        except (StorageNotFoundError, ValidationError):
            return None
        return held if held.request == request else None


_NO_FILE = "no file"
"""Not what a file could hold: no JSON."""


def _text(path: Path) -> str:
    """What the file holds, or _NO_FILE. A file that is there and empty is one that is being written."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return _NO_FILE
    except (OSError, ValueError) as error:
        return f"unreadable: {error}"
