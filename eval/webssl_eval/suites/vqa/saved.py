"""The states of a tuning on storage, by the trainer's own protocol of checkpoints: attempts, fencing, verified, manifest last.

`{checkpoint}/eval/tuning/{digest}/`, where the digest stands for everything that the weights depend on. A state in the midst has
networks, optimizer, step and losses; the final one has networks and losses, and is what other pods and suites load.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
import torch
from webssl_api.manifest import CheckpointManifest
from webssl_trainer.checkpoint import identity as identities
from webssl_trainer.checkpoint.discovery import final_checkpoint, verify_objects
from webssl_trainer.checkpoint.layout import FolderKey
from webssl_trainer.checkpoint.lineage import Candidate
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.resume import Seen, Start, begin_attempt, load_state
from webssl_trainer.checkpoint.saver import SaveOrder, Saver
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, StorageUnavailableError, join

log = structlog.get_logger("webssl.eval")
TUNING = "tuning"


def digest_of(identity: Mapping[str, Any]) -> str:
    """SHA-256 over what a tuning's weights depend on."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class SavedTuning:
    """One attempt at one tuning. All processes call the same methods in the same order.

    Args:
        storage, uri: where the states are.
        peers: the processes that save together.
        identity: what the weights depend on, in flat fields.
        batch: rows per step, for the manifest.
    """

    def __init__(
        self, storage: Storage, uri: str, peers: Peers, identity: Mapping[str, Any], batch: int
    ) -> None:
        self._storage, self._uri, self._peers = storage, uri, peers
        self._identity, self._batch = dict(identity), batch
        self._saver = Saver(storage, uri, peers, keep=1)
        nonce, now = uuid.uuid4().hex[:16], datetime.now(UTC).isoformat(timespec="seconds")
        self._start: Start = begin_attempt(
            storage, uri, peers, nonce, now.replace("+00:00", "Z"), Seen(), self._identity
        )

    @property
    def step(self) -> int:
        """Steps done in the state to go on from."""
        return self._start.step

    @property
    def attempt(self) -> int:
        """Number of this attempt."""
        return self._start.claim.attempt

    @property
    def finished(self) -> bool:
        """Whether the final state is there already."""
        return self._start.manifest is not None and self._start.manifest.final

    def load(self, state: dict[str, Any]) -> None:
        """Fill tensors in place from the state to go on from."""
        assert self._start.candidate is not None
        load_state(self._storage, self._uri, self._start.candidate, state, self._peers)

    def save(self, state: Mapping[str, Any], step: int) -> None:
        """Start to save a state in the midst, beside the next steps; the save before is waited for.

        Raises:
            FencedError: a newer attempt has begun.
        """
        before = self._saver.collect(wait=True)
        if before is not None and before.problem:
            log.warning("tuning.state_not_saved", step=before.order.key.step, problem=before.problem)
        self._saver.start(state, self._order(step, final=False))

    def finish(self, state: Mapping[str, Any], step: int) -> None:
        """Save the final state, and wait for it.

        Raises:
            FencedError: a newer attempt has begun.
            StorageUnavailableError: it could not be saved.
        """
        self._saver.collect(wait=True)
        last = Saver(self._storage, self._uri, self._peers, keep=0)
        last.start(state, self._order(step, final=True))
        outcome = last.collect(wait=True)
        if outcome is None or outcome.manifest is None:
            problem = "no outcome" if outcome is None else outcome.problem
            raise StorageUnavailableError(f"the tuned weights could not be saved to {self._uri}: {problem}")

    def _order(self, step: int, final: bool) -> SaveOrder:
        manifest = CheckpointManifest(
            run_uid=TUNING,
            attempt=self.attempt,
            step=step,
            samples=step * self._batch,
            stage=0,
            final=final,
            world_size=self._peers.world,
            config_digest=identities.digest_of(self._identity),
            resumed_step=self._start.step,
            torch_version=torch.__version__,
            objects=[],
        )
        return SaveOrder(
            FolderKey(self._start.claim.key, step), manifest, identities.to_bytes(self._identity), None
        )


def finished(storage: Storage, uri: str) -> Candidate | None:
    """The final state of a tuning whose objects are all there; None while there is none."""
    return final_checkpoint(storage, uri)


def load_finished(storage: Storage, uri: str, candidate: Candidate, state: dict[str, Any]) -> None:
    """Fill tensors in place from a final state, every object of it verified first.

    Raises:
        UserError: an object differs from the manifest.
    """
    assert candidate.manifest is not None
    folder = join(uri, candidate.key.path)
    problem = verify_objects(storage, folder, candidate.manifest.objects)
    if problem is not None:
        raise UserError(f"tuned weights {folder} are damaged: {problem}; delete that folder, and start again")
    load_state(storage, uri, candidate, state, Peers())
