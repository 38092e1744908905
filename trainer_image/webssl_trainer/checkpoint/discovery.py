"""Looking for the checkpoint to go on from: list, read manifests, order, verify."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydantic import ValidationError
from webssl_api.manifest import MANIFEST_NAME, CheckpointManifest, ObjectEntry
from webssl_api.status import CheckpointStatus, RejectedCheckpoint

from webssl_trainer.checkpoint.claims import ClaimBoard
from webssl_trainer.checkpoint.layout import CHECKPOINTS, FolderKey
from webssl_trainer.checkpoint.lineage import Candidate, Listed, in_order, size_problem
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.steplog import Record, read_chain
from webssl_trainer.storage import Storage, StorageNotFoundError, StorageUnavailableError, join

_READERS = 8


@dataclass(frozen=True)
class Survey:
    """What is on storage: candidates in the order to try them, and all listed objects."""

    ordered: list[Candidate]
    listed: Listed


@dataclass(frozen=True)
class Chosen:
    """Outcome of a discovery. candidate is None when nothing verified: start from scratch. rejected: newest first."""

    candidate: Candidate | None
    rejected: list[RejectedCheckpoint]


def survey(storage: Storage, uri: str) -> Survey:
    """List a run's checkpoints and read their manifests."""
    listed = list_folders(storage, uri)
    keys = [key for key, sizes in listed.folders.items() if MANIFEST_NAME in sizes]
    with ThreadPoolExecutor(_READERS) as pool:
        candidates = [
            item for item in pool.map(lambda key: _read(storage, uri, key), keys) if item is not None
        ]
    return Survey(in_order(candidates, ClaimBoard(storage, uri).read_all()), listed)


def list_folders(storage: Storage, uri: str) -> Listed:
    """All checkpoint folders below a run's folder, whole or not."""
    folders: dict[FolderKey, dict[str, int]] = {}
    # A run's folder may lie within a checkpoint (a tuning of its evaluation), and its checkpoints may hold such folders.
    mark = f"{CHECKPOINTS}/attempt-"
    above = uri.count(mark)
    for info in storage.list_objects(join(uri, CHECKPOINTS)):
        pieces = info.url.split(mark, above + 1)
        if len(pieces) < above + 2:
            continue
        path = mark + pieces[-1]
        parts = path.split("/", 3)
        key = FolderKey.parse("/".join(parts[:3]))
        if key is not None and len(parts) == 4:
            folders.setdefault(key, {})[parts[3]] = info.size
    return Listed(folders)


def choose(found: Survey, uri: str, verify: Callable[[Candidate], str | None]) -> Chosen:
    """The first candidate in order that verifies.

    verify: reads the objects; returns what is wrong, or None. It is called only for candidates whose sizes are right.
    """
    rejected: list[RejectedCheckpoint] = []
    for candidate in found.ordered:
        sizes = found.listed.folders.get(candidate.key, {})
        problem = size_problem(candidate, sizes) or verify(candidate)
        if problem is None:
            return Chosen(candidate, rejected)
        rejected.append(RejectedCheckpoint(uri=join(uri, candidate.key.path), reason=problem))
    return Chosen(None, rejected)


def verify_objects(storage: Storage, folder: str, entries: Sequence[ObjectEntry]) -> str | None:
    """Read objects whole, in parallel, and compare size and SHA-256. The first thing that is wrong, or None.

    folder: URL of the checkpoint. An object that cannot be read for the whole retry budget raises StorageUnavailableError: an outage
    is no reason to fall back.
    """
    with ThreadPoolExecutor(_READERS) as pool:
        problems = pool.map(lambda entry: _verify_object(storage, folder, entry), entries)
        return next((problem for problem in problems if problem is not None), None)


def shared_verification(storage: Storage, uri: str, peers: Peers) -> Callable[[Candidate], str | None]:
    """A `verify` for `choose` that all processes call together; each reads its share of the objects."""

    def verify(candidate: Candidate) -> str | None:
        assert candidate.manifest is not None
        mine = share(candidate.manifest.objects, peers.rank, peers.world)
        problems = peers.gather(verify_objects(storage, join(uri, candidate.key.path), mine))
        return next((problem for problem in problems if problem is not None), None)

    return verify


def share(entries: Sequence[ObjectEntry], rank: int, world: int) -> list[ObjectEntry]:
    """The objects that one of `world` processes verifies."""
    return list(entries[rank::world])


def status_of(candidate: Candidate, uri: str) -> CheckpointStatus:
    """The form in which reports name a checkpoint. The candidate must have a manifest."""
    assert candidate.manifest is not None
    return checkpoint_status(candidate.key, candidate.manifest, uri)


def checkpoint_status(key: FolderKey, manifest: CheckpointManifest, uri: str) -> CheckpointStatus:
    """The form in which reports name a checkpoint."""
    return CheckpointStatus(
        uri=join(uri, key.path),
        digest=manifest.digest,
        step=manifest.step,
        samples=manifest.samples,
        attempt=manifest.attempt,
        time=manifest.time,
    )


def final_checkpoint(storage: Storage, uri: str) -> Candidate | None:
    """The committed final checkpoint whose objects are all there with their sizes; None when the run is not complete."""
    found = survey(storage, uri)
    for candidate in found.ordered:
        final = candidate.manifest is not None and candidate.manifest.final
        if final and size_problem(candidate, found.listed.folders.get(candidate.key, {})) is None:
            return candidate
    return None


def effective_steps(storage: Storage, uri: str) -> list[Record]:
    """Records of the steps that count, from step 0 to the newest checkpoint, rolled-back ones left out.

    Raises BrokenChainError when the step logs do not join. Empty when there is no checkpoint.
    """
    newest = next((item for item in survey(storage, uri).ordered if item.manifest is not None), None)
    if newest is None or newest.manifest is None or not newest.manifest.step_logs:
        return []
    return read_chain(storage, uri, newest.manifest.step_logs[-1])


def _read(storage: Storage, uri: str, key: FolderKey) -> Candidate | None:
    try:
        manifest = CheckpointManifest.from_bytes(storage.read(join(uri, key.manifest_path)))
    except StorageNotFoundError:
        return None  # deleted by retention between listing and reading
    except (ValidationError, UnicodeDecodeError) as error:
        return Candidate(key, None, f"manifest.json is not readable: {str(error).splitlines()[0]}")
    if (manifest.attempt, manifest.step) != (key.attempt.number, key.step):
        return Candidate(key, None, f"manifest.json is of attempt {manifest.attempt}, step {manifest.step}")
    return Candidate(key, manifest)


def _verify_object(storage: Storage, folder: str, entry: ObjectEntry) -> str | None:
    try:
        data = storage.read(join(folder, entry.path))
    except StorageUnavailableError:
        raise
    except OSError as error:
        return f"{entry.path} cannot be read: {error}"
    if len(data) != entry.size:
        return f"{entry.path} has {len(data)} bytes, the manifest says {entry.size}"
    found = hashlib.sha256(data).hexdigest()
    if found != entry.sha256:
        return f"{entry.path} has SHA-256 {found[:12]}..., the manifest says {entry.sha256[:12]}..."
    return None
