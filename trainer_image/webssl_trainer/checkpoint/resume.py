"""The start of an attempt: claim it, find the newest checkpoint that verifies, say what was lost, load."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import structlog
from torch.distributed.checkpoint.state_dict_loader import load as dcp_load
from webssl_api.manifest import CheckpointManifest, StartedFrom

from webssl_trainer.checkpoint.claims import Claim, ClaimBoard, ResumePoint, rolled_back, total_lost
from webssl_trainer.checkpoint.discovery import Chosen, choose, shared_verification, survey
from webssl_trainer.checkpoint.identity import check_same, index_digest
from webssl_trainer.checkpoint.layout import IDENTITY_NAME
from webssl_trainer.checkpoint.lineage import Candidate
from webssl_trainer.checkpoint.objects import ObjectReader
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.storage import Storage, join

log = structlog.get_logger("webssl.checkpoint")


@dataclass(frozen=True)
class Seen:
    """The furthest step of an earlier attempt that anyone saw completed: (attempt, step)."""

    attempt: int = 0
    step: int = 0


@dataclass(frozen=True)
class Start:
    """Where an attempt starts. candidate is None when it starts from scratch. lost_steps is the total over all attempts."""

    claim: Claim
    candidate: Candidate | None
    lost_steps: int
    index_digest: str = ""
    """Data index the checkpoint was trained with, "" from scratch."""
    began_with: str = ""
    """Digest of the checkpoint of another run that this run began with, where a later checkpoint says so."""

    @property
    def manifest(self) -> CheckpointManifest | None:
        """Manifest of the checkpoint to go on from."""
        return None if self.candidate is None else self.candidate.manifest

    @property
    def step(self) -> int:
        """Optimizer steps already done."""
        return 0 if self.manifest is None else self.manifest.step

    @property
    def started_from(self) -> StartedFrom | None:
        """Where the weights of the lineage began, None for random ones."""
        return None if self.manifest is None else self.manifest.started_from

    @property
    def last_log(self) -> str:
        """Path of the newest step log of the lineage, "" for none."""
        logs = [] if self.manifest is None else self.manifest.step_logs
        return logs[-1] if logs else ""


def begin_attempt(
    storage: Storage, uri: str, peers: Peers, nonce: str, time: str, seen: Seen, identity: dict[str, Any]
) -> Start:
    """Claim an attempt and choose its checkpoint; the same answer on all processes.

    Every process verifies its share of a candidate's objects. Raises FencedError (somebody claimed at the same time), UserError (the
    checkpoint is of another run), StorageUnavailableError.
    """
    board = ClaimBoard(storage, uri)
    claim = peers.led(lambda: board.take(nonce, peers.world, time))
    found = peers.led(lambda: survey(storage, uri))
    chosen = choose(found, uri, shared_verification(storage, uri, peers))
    for rejected in chosen.rejected:
        log.warning("checkpoint.rejected", uri=rejected.uri, reason=rejected.reason)

    def settle() -> Start:
        stored = b"{}"
        if chosen.candidate is not None:
            where = join(uri, chosen.candidate.key.path)
            stored = storage.read(join(where, IDENTITY_NAME))
            check_same(stored, identity, where)
        return _settle_claim(board, claim, chosen, seen, index_digest(stored))

    return peers.led(settle)


def _settle_claim(board: ClaimBoard, claim: Claim, chosen: Chosen, seen: Seen, index: str) -> Start:
    candidate = chosen.candidate
    manifest = None if candidate is None else candidate.manifest
    point = None
    if candidate is not None and manifest is not None:
        point = ResumePoint(
            path=candidate.key.path,
            digest=manifest.digest,
            attempt=manifest.attempt,
            step=manifest.step,
            samples=manifest.samples,
        )
    earlier = [other for other in board.read_all() if other.key < claim.key]
    lost = rolled_back(earlier, seen.attempt, seen.step, 0 if manifest is None else manifest.step)
    settled = claim.model_copy(
        update={"discovered": True, "resumed_from": point, "rejected": chosen.rejected, "rolled_back": lost}
    )
    board.update(settled)
    return Start(settled, candidate, total_lost([*earlier, settled]), index)


def load_state(storage: Storage, uri: str, candidate: Candidate, state: dict[str, Any], peers: Peers) -> None:
    """Fill the tensors of `state` in place from a checkpoint, whatever number of processes wrote it."""
    reader = ObjectReader(storage, join(uri, candidate.key.path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of no_dist in single-process runs
        dcp_load(state, storage_reader=reader, process_group=peers.group, no_dist=peers.group is None)
