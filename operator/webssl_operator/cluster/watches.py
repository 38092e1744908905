"""The watch of runs, by kopf. Its handler fills the caches and wakes the queue; it decides nothing and writes nothing.

kopf keeps no state on objects here: no finalizers, no annotations, no last-seen manifests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Any

import kopf
from webssl_api.run import GROUP, PLURAL, VERSION

from webssl_operator.cluster.caches import Caches
from webssl_operator.cluster.kinds import RUN_KIND, Kind
from webssl_operator.observe.belonging import Key

IDLE_SECONDS = 0.5
PAGE = 250


class NoDiffBase(kopf.DiffBaseStorage):  # type: ignore[misc]
    """Nothing is compared with an earlier manifest, so none is copied for every event."""

    def build(self, *, body: Any, extra_fields: Iterable[Any] | None = None) -> Any:  # noqa: ARG002
        return {}

    def fetch(self, *, body: Any) -> Any:  # noqa: ARG002
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        """Nothing to store."""


class NoProgress(kopf.ProgressStorage):  # type: ignore[misc]
    """No handler has progress that would have to be kept on the object."""

    def fetch(self, *, key: Any, body: Any) -> Any:  # noqa: ARG002
        return None

    def store(self, *, key: Any, record: Any, body: Any, patch: Any) -> None:
        """Nothing to store."""

    def purge(self, *, key: Any, body: Any, patch: Any) -> None:
        """Nothing to purge."""

    def touch(self, *, body: Any, patch: Any, value: Any) -> None:
        """Nothing to touch."""

    def clear(self, *, essence: Any) -> Any:
        return essence


def registry_of(caches: Caches, wake: Callable[[Key], None]) -> kopf.OperatorRegistry:
    """The event handler of runs, and the login."""
    registry = kopf.OperatorRegistry()
    on_run = kopf.on.event(GROUP, VERSION, PLURAL, registry=registry, id=RUN_KIND.kind)
    on_run(_handler(RUN_KIND, caches, wake))
    kopf.on.login(registry=registry)(login)
    return registry


def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """The pod's service account, or else the kubeconfig."""
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def operator_settings() -> kopf.OperatorSettings:
    """kopf without all that this operator does itself."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.queueing.idle_timeout = IDLE_SECONDS
    settings.watching.chunk_size = PAGE
    settings.networking.error_backoffs = (0.2, 0.5, 1, 2, 3, 5)
    return settings


async def watch_runs(
    caches: Caches,
    wake: Callable[[Key], None],
    namespaces: Collection[str],
    stop: asyncio.Event,
) -> None:
    """Watch until `stop` is set; namespaces: empty for all. Ends with an error when a watch cannot go on."""
    await kopf.operator(
        registry=registry_of(caches, wake),
        settings=operator_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=tuple(namespaces),
        stop_flag=stop,
    )


def _handler(kind: Kind, caches: Caches, wake: Callable[[Key], None]) -> Callable[..., Any]:
    async def handle(event: Any, **_: Any) -> None:
        view = kind.view(event["object"], caches)
        key = caches.drop(view) if event["type"] == "DELETED" else kind.put(caches, view)
        if key is not None:
            wake(key)

    return handle
