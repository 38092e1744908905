"""One agent's part in the rendezvous without its I/O: every method takes a state and a time and returns the next state."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from webssl_trainer.rendezvous import policy
from webssl_trainer.rendezvous.liveness import Liveness, Quiet
from webssl_trainer.rendezvous.policy import Limits, Patience, Verdict
from webssl_trainer.rendezvous.state import Node, Progress, State


@dataclass(frozen=True)
class Timing:
    """Seconds. beat: between heartbeats; misses: heartbeats a node may miss before it is dead; poll: between readings.

    store: how long to wait for rank 0's store before meeting again. patience: see policy.Patience.
    """

    beat: float = 5.0
    misses: int = 3
    poll: float = 1.0
    store: float = 30.0
    patience: Patience = field(default_factory=lambda: Patience(last_call=30.0, stragglers=120.0))

    @property
    def expiry(self) -> float:
        """Silence after which a node is dead."""
        return self.beat * self.misses


class Member:
    """What one agent remembers between readings: its round, whose heartbeat it saw when, since when nothing changed.

    now arguments are seconds on the agent's own monotonic clock.
    """

    def __init__(self, node: Node, limits: Limits, timing: Timing) -> None:
        self.node = node
        self.round = 0
        self._limits = limits
        self._timing = timing
        self._liveness = Liveness(timing.expiry, longest_gap=timing.expiry / 2)
        self._lock = threading.Lock()
        self._quiet = Quiet()
        self._floor = 0
        self._first = True
        self._predecessors: frozenset[str] = frozenset()

    def enter(self, state: State, progress: Progress) -> State:
        """Want to be in the next round."""
        self._floor = max(self.round, self._floor)
        if self._first:
            self._predecessors |= policy.of_same_slot(state, self.node)
        state = self._without_predecessors(state)
        return policy.join(state, self.node, progress, self._floor, self._first)

    def entered(self, state: State) -> None:
        """`enter` was written; the round to wait for is newer than that state's."""
        self._first = False
        self._floor = max(self._floor, state.round)
        self._quiet = Quiet()

    def settle(
        self, state: State, beats: Mapping[str, str], wanted: int | None, progress: Progress, now: float
    ) -> State:
        """One transition while waiting: come back if we were lost, drop the dead, form the round if it is time."""
        if self.formed(state) or state.completed:
            return state
        state = self._without_predecessors(state)
        if self.node not in state.waiting:
            state = policy.join(state, self.node, progress, self._floor, first=False)
        state = policy.leave(state, self.dead(state, beats, now))
        seconds = self._quiet.seconds((state.waiting, wanted), now)
        return policy.form(state, self._limits, wanted, seconds, self._timing.patience)

    def formed(self, state: State) -> bool:
        """Whether a round newer than the one we waited from has us in it."""
        return state.round > self._floor and any(member.id == self.node.id for member in state.members)

    def replaced(self, state: State) -> bool:
        """Whether another node has taken our slot."""
        return policy.is_replaced(self._without_predecessors(state), self.node)

    def start_round(self, state: State) -> None:
        """We train in this state's round from now on."""
        self.round = state.round

    def dead(self, state: State, beats: Mapping[str, str], now: float) -> frozenset[str]:
        """Ids of nodes that have fallen silent; never our own."""
        with self._lock:
            return self._liveness.observe(beats, (node.id for node in state.nodes()), now) - {self.node.id}

    def judge(self, state: State, wanted: int | None) -> Verdict:
        """What to do with the running workers."""
        state = self._without_predecessors(state)
        return policy.judge(state, self.node, self.round, self._limits, wanted)

    def _without_predecessors(self, state: State) -> State:
        """A lost document may be written back as it was before we took our slot: those who had it are still gone."""
        return policy.leave(state, self._predecessors)
