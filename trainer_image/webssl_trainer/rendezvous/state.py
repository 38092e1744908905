"""The rendezvous document: plain values and their JSON form. No decisions, no I/O."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

FORMAT = 1
"""Version of the JSON form. A reader refuses other versions instead of guessing."""


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """One elastic agent.

    slot: the pod's completion index; ranks follow it, and one slot belongs to one node at a time. -1 means "no slot" (several may
    have it). id: unique over all incarnations. address: where the others reach a store that this node hosts.
    """

    slot: int
    id: str
    address: str


@dataclass(frozen=True, slots=True, order=True)
class Progress:
    """The last optimizer step that some agent saw completed: (attempt, step), ordered by attempt first."""

    attempt: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address of the key-value store that rank 0's agent hosts for one round."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class State:
    """What all agents agree on.

    round: number of the newest formed round, 0 before the first; never falls.
    members: the nodes of that round that are still in it, in rank order; size: how many it had when it was formed. Fewer members
    than size means that the round is broken and everyone has to meet again.
    endpoint: the round's store once rank 0 published it. waiting: nodes that want to be in the next round.
    progress: the furthest step any agent reported. completed: the run is over; nobody has to meet again.
    """

    round: int = 0
    size: int = 0
    members: tuple[Node, ...] = ()
    endpoint: Endpoint | None = None
    waiting: tuple[Node, ...] = ()
    progress: Progress = Progress()
    completed: bool = False

    def nodes(self) -> tuple[Node, ...]:
        """All nodes the document knows, members first."""
        return self.members + self.waiting

    def holds(self, node_id: str) -> bool:
        """Whether the node is a member or waiting."""
        return any(node.id == node_id for node in self.nodes())


class CorruptStateError(ValueError):
    """The document holds something that is not a rendezvous state of this format."""


def encode(state: State) -> str:
    """JSON text of the state; equal states give equal text."""
    return json.dumps({"format": FORMAT, **asdict(state)}, sort_keys=True, separators=(",", ":"))


def decode(text: str) -> State:
    """State of a JSON text.

    Raises CorruptStateError when the text is not JSON, has another format number, or lacks fields.
    """
    try:
        raw: dict[str, Any] = json.loads(text)
        if raw["format"] != FORMAT:
            raise CorruptStateError(
                f"rendezvous document has format {raw['format']!r}, this trainer reads {FORMAT}: "
                "delete the ConfigMap and let all pods start with one image"
            )
        endpoint = raw["endpoint"]
        return State(
            round=int(raw["round"]),
            size=int(raw["size"]),
            members=tuple(Node(**node) for node in raw["members"]),
            endpoint=None if endpoint is None else Endpoint(**endpoint),
            waiting=tuple(Node(**node) for node in raw["waiting"]),
            progress=Progress(**raw["progress"]),
            completed=bool(raw["completed"]),
        )
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise CorruptStateError(f"rendezvous document is not readable ({error!r}): {text[:200]!r}") from error
