"""The rendezvous document in a local file: several agents on one machine, without a cluster."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from webssl_trainer.rendezvous.backend import BackendUnavailableError, Snapshot


class FileBackend:
    """One JSON file, replaced atomically under a lock file beside it. The file system must be local (flock)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_name(path.name + ".lock")

    def read(self) -> Snapshot:
        """See Backend.read."""
        with self._locked():
            content = self._load()
        workers = content.get("workers")
        return Snapshot(
            text=content.get("state"),
            beats=content.get("beats", {}),
            wanted=None if workers is None else int(workers),
            token=str(content.get("version", 0)),
        )

    def write(self, text: str, token: str, forget: Collection[str]) -> bool:
        """See Backend.write."""
        with self._locked():
            content = self._load()
            if str(content.get("version", 0)) != token:
                return False
            beats = {node: beat for node, beat in content.get("beats", {}).items() if node not in forget}
            self._store({**content, "state": text, "beats": beats, "version": int(token) + 1})
            return True

    def beat(self, node_id: str, value: str) -> None:
        """See Backend.beat."""
        with self._locked():
            content = self._load()
            self._store({**content, "beats": {**content.get("beats", {}), node_id: value}})

    def want(self, workers: int) -> None:
        """Set the number of workers that is wanted now (in a cluster the operator does this)."""
        with self._locked():
            self._store({**self._load(), "workers": workers})

    def _load(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        return content

    def _store(self, content: dict[str, Any]) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.write_text(json.dumps(content))
        os.replace(fresh, self._path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock.open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise BackendUnavailableError(f"rendezvous file {self._path}: {error}") from error
