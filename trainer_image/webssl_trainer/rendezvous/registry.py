"""How torch's elastic launcher finds this rendezvous: `--rdzv-backend webssl-kubernetes`.

The endpoint says where the document is: `configmap://<namespace>/<name>` or `file:///<path>`.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from torch.distributed.elastic.rendezvous import (
    RendezvousHandler,
    RendezvousParameters,
    rendezvous_handler_registry,
)

from webssl_trainer.configmaps import ConfigMap, in_cluster_client
from webssl_trainer.errors import UserError
from webssl_trainer.rendezvous.backend import Backend
from webssl_trainer.rendezvous.file import FileBackend
from webssl_trainer.rendezvous.handler import BACKEND_NAME, DocumentRendezvous
from webssl_trainer.rendezvous.kubernetes import ConfigMapBackend
from webssl_trainer.rendezvous.member import Timing
from webssl_trainer.rendezvous.policy import Limits, Patience
from webssl_trainer.rendezvous.state import Node, Progress


def backend_at(endpoint: str) -> Backend:
    """The backend an address names. Raises UserError for another scheme."""
    parts = urlsplit(endpoint)
    if parts.scheme == "configmap" and parts.netloc and parts.path.strip("/"):
        return ConfigMapBackend(ConfigMap(in_cluster_client(), parts.netloc, parts.path.strip("/")))
    if parts.scheme == "file" and parts.path:
        return FileBackend(Path(parts.path))
    raise UserError(
        f"rendezvous address {endpoint!r} is not usable: give configmap://<namespace>/<name> or file:///<path>"
    )


def this_node(slot: int, address: str, name: str | None = None) -> Node:
    """A node identity that no other incarnation has. The name (pod name) is for people; a random part makes it unique."""
    name = name or socket.gethostname()
    return Node(slot=slot, id=f"{name[:200]}.{uuid.uuid4().hex[:8]}", address=address)


def create(
    params: RendezvousParameters,
    allowed: Callable[[int], bool] = lambda nodes: nodes > 0,
    progress: Callable[[], Progress] = Progress,
    stop: threading.Event | None = None,
) -> DocumentRendezvous:
    """Handler of torch's parameters.

    Read from params.config, all optional: slot (completion index), node_name, beat, misses, poll, last_call, stragglers (seconds).
    """
    timing = Timing(
        beat=float(params.get("beat", 5.0)),
        misses=int(params.get("misses", 3)),
        poll=float(params.get("poll", 1.0)),
        patience=Patience(
            last_call=float(params.get("last_call", 30.0)), stragglers=float(params.get("stragglers", 120.0))
        ),
    )
    slot = int(params.get("slot", os.environ.get("JOB_COMPLETION_INDEX", "-1")))
    node = this_node(slot, params.local_addr or socket.gethostname(), params.get("node_name"))
    limits = Limits(params.min_nodes, params.max_nodes, allowed)
    return DocumentRendezvous(
        backend_at(params.endpoint), node, params.run_id, limits, timing, progress, stop
    )


def _create_plain(params: RendezvousParameters) -> RendezvousHandler:
    return create(params)


def torchrun_handler() -> Callable[[RendezvousParameters], RendezvousHandler]:
    """Entry point of the group `torchrun.handlers`."""
    return _create_plain


def register() -> None:
    """Register with torch in this process, for launchers that do not read entry points."""
    if BACKEND_NAME not in rendezvous_handler_registry._registry:
        rendezvous_handler_registry.register(BACKEND_NAME, _create_plain)
