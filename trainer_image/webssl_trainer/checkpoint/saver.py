"""Saving: a copy to CPU memory while training waits, the upload in the background, the manifest last."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
import torch
from torch.distributed._state_dict_utils import _copy_state_dict, _create_cpu_state_dict
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save
from webssl_api.manifest import CheckpointManifest

from webssl_trainer.checkpoint.claims import ClaimBoard, FencedError
from webssl_trainer.checkpoint.discovery import survey
from webssl_trainer.checkpoint.holds import Holds
from webssl_trainer.checkpoint.layout import IDENTITY_NAME, FolderKey
from webssl_trainer.checkpoint.objects import ObjectStore, ObjectWriter
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.retention import deletable
from webssl_trainer.checkpoint.steplog import LogObject
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, join

log = structlog.get_logger("webssl.checkpoint")


@dataclass(frozen=True)
class SaveOrder:
    """What to save. manifest: complete but for objects and time. log: step records to write with it (rank 0), if any."""

    key: FolderKey
    manifest: CheckpointManifest
    identity: bytes
    log: LogObject | None


@dataclass(frozen=True)
class SaveOutcome:
    """How a save ended: committed, or why not. seconds: from the start of the upload to the commit."""

    order: SaveOrder
    manifest: CheckpointManifest | None
    problem: str = ""
    fenced: bool = False
    seconds: float = 0.0


class Saver:
    """Saves of one attempt, one at a time. All processes call the same methods in the same order.

    keep: checkpoints to keep besides final ones. holds: asked on rank 0 for others that stay. on_failpoint is called with a stage's
    name and exists so that a process can be stopped at that stage by a test; it does nothing otherwise.
    """

    def __init__(
        self,
        storage: Storage,
        uri: str,
        peers: Peers,
        keep: int,
        on_failpoint: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._storage, self._uri, self._peers, self._keep = storage, uri, peers, keep
        self._failpoint = on_failpoint
        self.holds: Holds | None = None
        self._staged: dict[str, Any] | None = None
        self._thread: threading.Thread | None = None
        self._outcome: SaveOutcome | None = None

    def start(self, state: Mapping[str, Any], order: SaveOrder) -> float:
        """Copy the state and start the upload; returns the seconds the caller had to wait.

        The save before must have been collected with `collect`.
        """
        if self._thread is not None:
            raise RuntimeError("collect() the save before first")
        began = time.monotonic()
        staged = self._stage(dict(state))
        self._thread = threading.Thread(
            target=self._run, args=(staged, order), name="checkpoint", daemon=True
        )
        self._thread.start()
        return time.monotonic() - began

    @property
    def busy(self) -> bool:
        """Whether a save is under way or waits to be collected."""
        return self._thread is not None

    def collect(self, wait: bool) -> SaveOutcome | None:
        """The outcome of the save under way; None when there is none or, without `wait`, when it is not done here.

        Raises FencedError when a newer attempt has been claimed.
        """
        if self._thread is None or (not wait and self._thread.is_alive()):
            return None
        self._thread.join()
        self._thread, outcome, self._outcome = None, self._outcome, None
        if outcome is not None and outcome.fenced:
            raise FencedError(outcome.problem)
        return outcome

    def _stage(self, state: dict[str, Any]) -> dict[str, Any]:
        """A copy in CPU memory (pinned beside a GPU), in the same buffers each time."""
        cuda = torch.cuda.is_available()
        if self._staged is None:
            self._staged = _create_cpu_state_dict(state, pin_memory=cuda)
        staged = _copy_state_dict(state, self._staged, non_blocking=cuda, type_check=False)
        if cuda:
            torch.cuda.synchronize()
        return staged

    def _run(self, staged: dict[str, Any], order: SaveOrder) -> None:
        began = time.monotonic()
        manifest, problem, fenced = None, "", False
        try:
            manifest = self._upload(staged, order)
        except FencedError as error:
            problem, fenced = str(error), True
        except UserError as error:
            problem = str(error)
        except Exception as error:  # the run goes on without this checkpoint; the next one is tried
            problem = f"{type(error).__name__}: {error}"
        self._outcome = SaveOutcome(order, manifest, problem, fenced, time.monotonic() - began)

    def _upload(self, staged: dict[str, Any], order: SaveOrder) -> CheckpointManifest:
        peers = self._peers
        store = ObjectStore(self._storage, join(self._uri, order.key.path))
        writer = ObjectWriter(store)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of no_dist in single-process runs
            dcp_save(staged, storage_writer=writer, process_group=peers.group, no_dist=peers.group is None)
        self._failpoint("uploaded")
        entries = [entry for part in peers.gather(store.entries) for entry in part]
        manifest, error = None, None
        if peers.leads:
            try:
                store.entries = entries
                manifest = self._commit(store, order)
            except Exception as caught:  # the others must hear of it before it is raised
                error = caught
        manifest, failed = peers.from_leader((manifest, None if error is None else _portable(error)))
        if error is not None:
            raise error
        if failed is not None:
            raise failed
        assert manifest is not None
        if peers.leads:
            self._clean(order.key)
        return manifest

    def _commit(self, store: ObjectStore, order: SaveOrder) -> CheckpointManifest:
        """Rank 0: step log, identity, fence, manifest."""
        board = ClaimBoard(self._storage, self._uri)
        store.put(IDENTITY_NAME, order.identity)
        if order.log is not None:
            self._storage.put(join(self._uri, order.log.path), order.log.data)
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        objects = sorted(store.entries, key=lambda entry: entry.path)
        manifest = order.manifest.model_copy(update={"objects": objects, "time": now})
        board.check(order.key.attempt)
        self._failpoint("before-manifest")
        url = join(self._uri, order.key.manifest_path)
        self._storage.put(url, manifest.to_bytes())
        if self._storage.read(url) != manifest.to_bytes():
            raise OSError(f"{url} does not hold what was written to it: check the storage server")
        self._failpoint("committed")
        return manifest

    def _clean(self, newest: FolderKey) -> None:
        """Rank 0: delete what is no longer needed. Failing to is no failure of the save."""
        try:
            with self.holds.deciding() if self.holds is not None else nullcontext():
                found = survey(self._storage, self._uri)
                folders = found.listed.folders
                held = self.holds.held(found) if self.holds is not None else ()
                for key in deletable(found.ordered, folders, newest.attempt, newest, self._keep, held):
                    delete_folder(self._storage, self._uri, key, folders[key])
                    log.info("checkpoint.deleted", path=key.path)
        except Exception as error:  # storage away, or somebody else cleans too
            log.warning("checkpoint.clean_failed", error=str(error))


def delete_folder(storage: Storage, uri: str, key: FolderKey, paths: Mapping[str, int]) -> None:
    """Delete a checkpoint, the manifest first, so that what is half deleted is no checkpoint."""
    storage.delete(join(uri, key.manifest_path))
    for path in paths:
        storage.delete(join(uri, key.path, path))


def _portable(error: Exception) -> Exception:
    """An error of the same kind that survives pickling."""
    if isinstance(error, FencedError):
        return FencedError(str(error))
    return RuntimeError(f"rank 0 could not commit: {type(error).__name__}: {error}")
