"""The torch rendezvous handler over a shared document. Threads, clocks and sockets live here; decisions are in `member`."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import structlog
from torch._C._distributed_c10d import TCPStore
from torch.distributed.elastic.rendezvous import (
    RendezvousClosedError,
    RendezvousGracefulExitError,
    RendezvousHandler,
    RendezvousInfo,
    RendezvousStoreInfo,
)

from webssl_trainer.rendezvous import policy
from webssl_trainer.rendezvous.backend import Backend, BackendUnavailableError, Snapshot
from webssl_trainer.rendezvous.document import Document
from webssl_trainer.rendezvous.member import Member, Timing
from webssl_trainer.rendezvous.policy import Limits, Verdict
from webssl_trainer.rendezvous.state import Endpoint, Node, Progress, State

log = structlog.get_logger("webssl.rendezvous")

BACKEND_NAME = "webssl-kubernetes"


class DocumentRendezvous(RendezvousHandler):
    """Rendezvous over a document under compare-and-swap.

    next_rendezvous waits without limit: whether a run with too few pods should go on is the operator's decision. `progress` gives
    the last step this agent's workers completed. `stop` ends a wait (RendezvousGracefulExitError).
    """

    def __init__(
        self,
        backend: Backend,
        node: Node,
        run_id: str,
        limits: Limits,
        timing: Timing,
        progress: Callable[[], Progress] = Progress,
        stop: threading.Event | None = None,
    ) -> None:
        self.node = node
        self._run_id = run_id
        self._timing = timing
        self._progress = progress
        self._stop = stop or threading.Event()
        self._ended = threading.Event()
        self._document = Document(backend, time.sleep, random.random)
        self._member = Member(node, limits, timing)
        self._state = State()
        self._verdict = Verdict.STAY
        self._store: TCPStore | None = None
        self._pulse = threading.Thread(target=self._keep_alive, name="rendezvous-pulse", daemon=True)

    def get_backend(self) -> str:
        """See RendezvousHandler."""
        return BACKEND_NAME

    def get_run_id(self) -> str:
        """See RendezvousHandler."""
        return self._run_id

    @property
    def use_agent_store(self) -> bool:
        """Workers connect to the store that rank 0's agent hosts."""
        return True

    @property
    def state(self) -> State:
        """The state as last read; for logs and for the workers' environment."""
        return self._state

    def verdict(self) -> Verdict:
        """What the agent should do with its running workers, by the newest reading."""
        return self._verdict

    def next_rendezvous(self) -> RendezvousInfo:
        """See RendezvousHandler. Raises RendezvousClosedError, RendezvousGracefulExitError; nothing else ends the wait."""
        if not self._pulse.is_alive():
            self._pulse.start()
        while True:
            state = self._meet()
            store = self._open_store(state)
            if store is not None:
                self._store, self._verdict = store, Verdict.STAY
                rank = [member.id for member in state.members].index(self.node.id)
                log.info("rendezvous.formed", round=state.round, rank=rank, size=state.size, store=store.host)
                info = RendezvousStoreInfo(master_addr=store.host, master_port=store.port)
                return RendezvousInfo(store, rank, state.size, info)
            log.warning("rendezvous.store_missing", round=state.round)

    def num_nodes_waiting(self) -> int:
        """1 when this node should meet again (see `verdict`), else 0."""
        return int(self._verdict is not Verdict.STAY)

    def is_closed(self) -> bool:
        """See RendezvousHandler."""
        return self._state.completed

    def set_closed(self) -> None:
        """Mark the run as completed, for all agents."""
        self._change(lambda state, _: policy.complete(state))

    def reopen(self) -> None:
        """Undo set_closed: the caller found the run's final checkpoint missing, and storage is the truth."""
        self._change(lambda state, _: policy.reopen(state))

    def others_remain(self) -> bool:
        """Whether other members of this node's round have not left it yet, by the newest reading."""
        state = self._state
        return state.round == self._member.round and any(node.id != self.node.id for node in state.members)

    def shutdown(self) -> bool:
        """Leave the document and stop the heartbeat; True when the others were told."""
        self._ended.set()
        try:
            self._document.change(lambda state, _: policy.leave(state, {self.node.id}))
            return True
        except BackendUnavailableError as error:
            log.warning("rendezvous.leave_failed", error=str(error))
            return False
        finally:
            self._store = None

    # -- waiting for a round ---------------------------------------------------------------------------------------

    def _meet(self) -> State:
        """Join and wait until a round newer than the last one contains this node."""
        self._member.entered(self._change(lambda state, _: self._member.enter(state, self._progress())))
        while True:
            state = self._change(
                lambda state, seen: self._member.settle(
                    state, seen.beats, seen.wanted, self._progress(), time.monotonic()
                )
            )
            if state.completed:
                raise RendezvousClosedError("the run is complete")
            if self._member.replaced(state):
                raise RendezvousGracefulExitError(f"another pod took slot {self.node.slot}")
            if self._member.formed(state):
                self._member.start_round(state)
                return state
            if self._stop.wait(self._timing.poll):
                raise RendezvousGracefulExitError("asked to stop while waiting for the others")

    def _change(self, decide: Callable[[State, Snapshot], State]) -> State:
        try:
            self._state = self._document.change_patiently(decide, self._stop.is_set)
        except BackendUnavailableError as error:
            raise RendezvousGracefulExitError(
                "asked to stop while the rendezvous was not reachable"
            ) from error
        return self._state

    # -- the round's store -----------------------------------------------------------------------------------------

    def _open_store(self, state: State) -> TCPStore | None:
        """Host the round's store (rank 0) or connect to it; None when the round broke before that worked."""
        timeout = timedelta(seconds=self._timing.store)
        if state.members[0].id == self.node.id:
            address = self.node.address
            store = TCPStore(address, 0, is_master=True, wait_for_workers=False, timeout=timeout)
            endpoint = Endpoint(address, store.port)
            after = self._change(lambda now, _: policy.publish(now, self.node, state.round, endpoint))
            return store if after.round == state.round and after.endpoint == endpoint else None
        found = self._await_endpoint()
        if found is None:
            return None
        try:
            return TCPStore(found.host, found.port, is_master=False, timeout=timeout)
        except RuntimeError as error:
            log.warning("rendezvous.store_unreachable", host=found.host, port=found.port, error=str(error))
            return None

    def _await_endpoint(self) -> Endpoint | None:
        until = time.monotonic() + self._timing.store
        while time.monotonic() < until:
            state = self._change(
                lambda now, seen: policy.leave(now, self._member.dead(now, seen.beats, time.monotonic()))
            )
            if self._member.judge(state, None) in (Verdict.BROKEN, Verdict.REPLACED):
                return None
            if state.endpoint is not None:
                return state.endpoint
            if self._stop.wait(self._timing.poll / 2):
                raise RendezvousGracefulExitError("asked to stop while waiting for rank 0's store")
        return None

    # -- heartbeat -------------------------------------------------------------------------------------------------

    def _keep_alive(self) -> None:
        count, due = 0, 0.0
        while not self._ended.is_set():
            try:
                if time.monotonic() >= due:
                    due, count = time.monotonic() + self._timing.beat, count + 1
                    self._document.beat(self.node.id, str(count))
                self._look()
            except BackendUnavailableError as error:
                log.warning("rendezvous.pulse_failed", error=str(error))
            self._ended.wait(self._timing.poll)

    def _look(self) -> None:
        """Read, take the dead out, write a lost document back, and judge the round this node trains in."""
        state, seen = self._document.read()
        dead = self._member.dead(state, seen.beats, time.monotonic())
        if dead:
            log.warning("rendezvous.dead", nodes=sorted(dead))
        if dead or seen.text is None:
            state = self._document.change(lambda now, _: policy.leave(now, dead))
        self._state = state
        self._verdict = self._member.judge(state, seen.wanted)
