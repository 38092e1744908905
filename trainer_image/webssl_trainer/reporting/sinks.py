"""Where a report can be left, by address."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from webssl_api.reports import REPORT_KEY

from webssl_trainer.configmaps import ApiRefusedError, ApiUnavailableError, ConfigMap, in_cluster_client
from webssl_trainer.errors import UserError


class SinkUnavailableError(Exception):
    """The report could not be left or read now."""


class Sink(Protocol):
    """One place for one report; a new one replaces the old."""

    def write(self, text: str) -> None:
        """Leave the report. Raises SinkUnavailableError."""
        ...

    def read(self) -> str | None:
        """The report that is there, None for none. Raises SinkUnavailableError."""
        ...


class FileSink:
    """A file, replaced atomically."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, text: str) -> None:
        """See Sink."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
            fresh.write_text(text)
            fresh.replace(self._path)
        except OSError as error:
            raise SinkUnavailableError(f"report file {self._path}: {error}") from error

    def read(self) -> str | None:
        """See Sink."""
        try:
            return self._path.read_text()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SinkUnavailableError(f"report file {self._path}: {error}") from error


class ConfigMapSink:
    """One key of a ConfigMap; the object is made when it is missing."""

    def __init__(self, config_map: ConfigMap, key: str = REPORT_KEY) -> None:
        self._config_map, self._key = config_map, key

    def write(self, text: str) -> None:
        """See Sink."""
        try:
            if self._config_map.merge({self._key: text}) is None:
                self._config_map.ensure()
                self._config_map.merge({self._key: text})
        except (ApiUnavailableError, ApiRefusedError) as error:
            raise SinkUnavailableError(str(error)) from error

    def read(self) -> str | None:
        """See Sink."""
        try:
            found = self._config_map.get()
        except (ApiUnavailableError, ApiRefusedError) as error:
            raise SinkUnavailableError(str(error)) from error
        return None if found is None else found.data.get(self._key)


def sink_at(address: str) -> Sink:
    """The sink of `configmap://<namespace>/<name>`, with `#<key>` for another key than report.json, or `file:///<path>`.

    Raises UserError for anything else.
    """
    parts = urlsplit(address)
    if parts.scheme == "configmap" and parts.netloc and parts.path.strip("/"):
        config_map = ConfigMap(in_cluster_client(), parts.netloc, parts.path.strip("/"))
        return ConfigMapSink(config_map, parts.fragment or REPORT_KEY)
    if parts.scheme == "file" and parts.path:
        return FileSink(Path(parts.path))
    raise UserError(
        f"report address {address!r} is not usable: give configmap://<namespace>/<name> or file:///<path>"
    )
