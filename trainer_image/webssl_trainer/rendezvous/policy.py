"""Decisions of the rendezvous: pure functions from state to state. Time enters as durations, identity as arguments."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import Enum

from webssl_trainer.rendezvous.state import Endpoint, Node, Progress, State


@dataclass(frozen=True)
class Limits:
    """How many nodes a round may have: minimum <= n <= maximum and allowed(n)."""

    minimum: int
    maximum: int
    allowed: Callable[[int], bool]

    def largest(self, available: int, wanted: int | None) -> int:
        """The largest permitted round of at most `available` nodes, 0 when there is none.

        wanted: the operator's present wish; taken as the maximum, but never below the minimum. None: no wish.
        """
        ceiling = self.maximum if wanted is None else min(self.maximum, max(wanted, self.minimum))
        for count in range(min(available, ceiling), self.minimum - 1, -1):
            if self.allowed(count):
                return count
        return 0


@dataclass(frozen=True)
class Patience:
    """Seconds of quiet (no change among the waiting nodes) before a smaller round than wanted is formed.

    last_call: when everyone known is already waiting. stragglers: when members of the broken round are alive but have not come
    yet, since they may be saving a checkpoint.
    """

    last_call: float
    stragglers: float


def allowed_counts(global_batch: int, group: int, processes_per_node: int) -> Callable[[int], bool]:
    """Predicate on node counts: every process gets whole groups, G % (n * processes * group) == 0 (note 0001)."""

    def allowed(nodes: int) -> bool:
        return nodes > 0 and global_batch % (nodes * processes_per_node * group) == 0

    return allowed


def join(state: State, node: Node, progress: Progress, floor: int, first: bool) -> State:
    """The node wants to be in the next round.

    A member that joins leaves its round, which breaks that round for the others. `floor` is the newest round the node has been in:
    round numbers do not fall even when the document was lost. `first` is True once in a node's life: a new pod takes its slot over
    from a dead predecessor at once, without waiting for its heartbeat to run out; a predecessor that comes back does not.
    """
    if not first and is_replaced(state, node):
        return state
    gone = {node.id} | (of_same_slot(state, node) if first else set())
    left = leave(state, gone)
    return replace(
        left,
        round=max(left.round, floor),
        waiting=tuple(sorted((*left.waiting, node))),
        progress=max(left.progress, progress),
    )


def leave(state: State, gone: Collection[str]) -> State:
    """Take nodes out, wherever they are. The size of the round stays, so that the others see it is broken."""
    if not any(state.holds(node_id) for node_id in gone):
        return state
    members = tuple(node for node in state.members if node.id not in gone)
    return replace(
        state,
        members=members,
        size=state.size if members else 0,
        waiting=tuple(node for node in state.waiting if node.id not in gone),
    )


def form(state: State, limits: Limits, wanted: int | None, quiet: float, patience: Patience) -> State:
    """Form the next round if it is time, else return the state unchanged.

    At once when the waiting nodes fill the largest round that is wanted; after a quiet time with as many as are permitted. Nodes
    beyond the permitted count (highest slots) keep waiting. Any waiting node may do this: compare-and-swap lets one of them win.
    While a whole round trains nothing is formed: its members see the waiting nodes and come when that makes a larger round.
    quiet: seconds since the set of waiting nodes changed last, on the caller's clock.
    """
    count = limits.largest(len(state.waiting), wanted)
    whole = len(state.members) == state.size > 0
    if count == 0 or whole:
        return state
    full = count == limits.largest(limits.maximum, wanted)
    enough = patience.stragglers if state.members else patience.last_call
    if not full and quiet < enough:
        return state
    chosen = tuple(sorted(state.waiting))
    return replace(
        state,
        round=state.round + 1,
        size=count,
        members=chosen[:count],
        waiting=chosen[count:],
        endpoint=None,
    )


def publish(state: State, node: Node, number: int, endpoint: Endpoint) -> State:
    """Rank 0 of round `number` says where its store is; anyone else, or a late call, changes nothing."""
    if state.round != number or not state.members or state.members[0].id != node.id:
        return state
    return replace(state, endpoint=endpoint)


def complete(state: State) -> State:
    """The run is over: nobody waits for another round."""
    return replace(state, completed=True)


def reopen(state: State) -> State:
    """The run is not over after all."""
    return replace(state, completed=False)


class Verdict(Enum):
    """What a node that trains in some round should do now."""

    STAY = "stay"
    RESIZE = "resize"
    """The round is whole, but another size is wanted and possible: stop at a step boundary, save, meet again."""
    BROKEN = "broken"
    """The round lost someone, or went on without this node: stop at once, meet again."""
    REPLACED = "replaced"
    """Another pod has this node's slot: end."""


def judge(state: State, node: Node, number: int, limits: Limits, wanted: int | None) -> Verdict:
    """The verdict for a node that is training in round `number`."""
    if is_replaced(state, node):
        return Verdict.REPLACED
    if state.round != number or all(member.id != node.id for member in state.members):
        return Verdict.BROKEN
    if len(state.members) < state.size:
        return Verdict.BROKEN
    target = limits.largest(len(state.nodes()), wanted)
    return Verdict.RESIZE if target not in (0, state.size) else Verdict.STAY


def is_replaced(state: State, node: Node) -> bool:
    """Whether the node is out and another node has its slot."""
    return not state.holds(node.id) and bool(of_same_slot(state, node))


def of_same_slot(state: State, node: Node) -> frozenset[str]:
    """Ids of other nodes that have the node's slot; none where it has no slot."""
    same = (other for other in state.nodes() if other.slot == node.slot >= 0)
    return frozenset(other.id for other in same if other.id != node.id)
