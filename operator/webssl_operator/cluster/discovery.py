"""Which kinds the API server serves: those of others may be installed at any time, or never."""

from __future__ import annotations

from webssl_operator.cluster.api import ApiError, ApiServer

NOT_FOUND = 404


class Served:
    """Asks the API server, once for each API at a refresh, and remembers the answer."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._kinds: dict[str, frozenset[str]] = {}

    async def refresh(self, api: str) -> None:
        """Look which kinds of an API such as ray.io/v1 are served. Raises ApiError."""
        try:
            listed = await self._api.resources(api)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            listed = []
        self._kinds[api] = frozenset(str(resource["kind"]) for resource in listed)

    def has(self, api: str, kind: str) -> bool:
        """Whether the kind was served at the last refresh of its API."""
        return kind in self._kinds.get(api, frozenset())
