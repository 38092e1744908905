"""Transactions on the rendezvous document: read, decide, write if nothing changed meanwhile, else again."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from webssl_trainer.rendezvous.backend import Backend, BackendUnavailableError, Snapshot
from webssl_trainer.rendezvous.state import CorruptStateError, State, decode, encode

log = structlog.get_logger("webssl.rendezvous")


class Document:
    """The document as one agent sees it. Remembers the newest state, so that a deleted document is written back as it was.

    sleep: waits some seconds; random: a number in [0, 1) to spread retries.
    """

    def __init__(self, backend: Backend, sleep: Callable[[float], None], random: Callable[[], float]) -> None:
        self._backend = backend
        self._sleep = sleep
        self._random = random
        self._lock = threading.Lock()
        self._newest: State | None = None

    def read(self) -> tuple[State, Snapshot]:
        """The present state. Where there is none, what this agent saw last. Raises BackendUnavailableError."""
        snapshot = self._backend.read()
        with self._lock:
            if snapshot.text is not None:
                try:
                    self._newest = decode(snapshot.text)
                except CorruptStateError as error:
                    log.error("rendezvous.corrupt", error=str(error))
                    return self._newest or State(), snapshot
            return self._newest or State(), snapshot

    def change(self, decide: Callable[[State, Snapshot], State]) -> State:
        """Apply a pure decision; returns the state that holds afterwards. Raises BackendUnavailableError.

        `decide` may run several times, each time on a newer state.
        """
        while True:
            state, snapshot = self.read()
            new = decide(state, snapshot)
            text = encode(new)
            if text == snapshot.text:
                return new
            forget = {node_id for node_id in snapshot.beats if not new.holds(node_id)}
            if self._backend.write(text, snapshot.token, forget):
                with self._lock:
                    self._newest = new
                return new
            self._sleep(0.02 + 0.2 * self._random())

    def change_patiently(
        self, decide: Callable[[State, Snapshot], State], given_up: Callable[[], bool]
    ) -> State:
        """As `change`, but waits as long as the backend is away, unless `given_up()` says to stop (then BackendUnavailableError)."""
        delay = 0.5
        while True:
            try:
                return self.change(decide)
            except BackendUnavailableError as error:
                log.warning("rendezvous.unavailable", error=str(error), retry_in=delay)
                if given_up():
                    raise
                self._sleep(delay)
                delay = min(delay * 2, 5.0)

    def beat(self, node_id: str, value: str) -> None:
        """Set this agent's heartbeat. Raises BackendUnavailableError."""
        self._backend.beat(node_id, value)
