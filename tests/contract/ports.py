"""Ports for programs that are told theirs, and listen a while later."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

_CHOICE = range(20_000, 30_000)
"""Below the ports that the kernel gives to connections on their way out, and to whoever asks for any: one of those may be
given away before the program listens. Those of Kubernetes' services begin above."""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on now."""
    found: list[int] = []
    with ExitStack() as held:
        for port in random.SystemRandom().sample(_CHOICE, len(_CHOICE)):
            if len(found) == count:
                break
            try:
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            found.append(port)
    assert len(found) == count, f"{len(found)} of {count} ports are free in {_CHOICE}"
    return found
