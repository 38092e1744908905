"""The rendezvous document in a ConfigMap: compare-and-swap by resourceVersion, one key per heartbeat."""

from __future__ import annotations

from collections.abc import Collection

from webssl_api import labels

from webssl_trainer.configmaps import ApiRefusedError, ApiUnavailableError, ConfigMap, ConfigMapObject
from webssl_trainer.rendezvous.backend import BackendUnavailableError, Snapshot

STATE_KEY = "state"
BEAT_PREFIX = "beat."


class ConfigMapBackend:
    """Backend over one ConfigMap. The object is re-created, empty, when somebody deletes it; the agents then write their state back.

    A refusal (RBAC) is treated as unavailability: the run waits, with the reason in the log, and goes on once the Role is mended.
    """

    def __init__(self, config_map: ConfigMap) -> None:
        self._config_map = config_map

    def read(self) -> Snapshot:
        """See Backend.read."""
        try:
            found = self._config_map.get() or self._config_map.ensure()
        except (ApiUnavailableError, ApiRefusedError) as error:
            raise BackendUnavailableError(str(error)) from error
        return _snapshot(found)

    def write(self, text: str, token: str, forget: Collection[str]) -> bool:
        """See Backend.write."""
        data: dict[str, str | None] = {BEAT_PREFIX + node: None for node in forget}
        data[STATE_KEY] = text
        try:
            return self._config_map.merge(data, resource_version=token) is not None
        except (ApiUnavailableError, ApiRefusedError) as error:
            raise BackendUnavailableError(str(error)) from error

    def beat(self, node_id: str, value: str) -> None:
        """See Backend.beat. A missing object is left to the next read."""
        try:
            self._config_map.merge({BEAT_PREFIX + node_id: value})
        except (ApiUnavailableError, ApiRefusedError) as error:
            raise BackendUnavailableError(str(error)) from error


def _snapshot(found: ConfigMapObject) -> Snapshot:
    workers = found.data.get(labels.WORKERS, "")
    return Snapshot(
        text=found.data.get(STATE_KEY),
        beats={
            key.removeprefix(BEAT_PREFIX): value
            for key, value in found.data.items()
            if key.startswith(BEAT_PREFIX)
        },
        wanted=int(workers) if workers.isdecimal() else None,
        token=found.resource_version,
    )
