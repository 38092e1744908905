"""The checkpoint of another run that a run's first weights are from: found, verified, and held against this run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webssl_api.manifest import CheckpointManifest, StartedFrom

from webssl_trainer.checkpoint.discovery import Survey, choose, shared_verification, survey
from webssl_trainer.checkpoint.layout import CHECKPOINTS, IDENTITY_NAME, split_address
from webssl_trainer.checkpoint.lineage import Candidate
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, join

FIELD = "spec.model.startFrom.checkpoint"
_ENCODER_ONLY = ".encoderOnly"
"""End of a field that only imported checkpoints have."""
_SHAPES = ("model.size", "model.patchSize")
_SHAPES_BELOW = (
    "objective.dino.dinoHead.",
    "objective.dino.ibotHead.",
    "objective.mae.decoder.",
    "objective.clip.textTower.",
    "objective.clip.contextLength",
    "objective.clip.tokenizer",
)
"""Beginnings of the fields that say which parameters a network has, or what they stand for."""


@dataclass(frozen=True)
class StartFrom:
    """`spec.model.startFrom`: the folder of a checkpoint or of a run; digest: its first digits, "" takes whichever is found;
    encoder_only: leave the rest of its networks, which may be of another objective."""

    checkpoint: str
    digest: str = ""
    encoder_only: bool = False


@dataclass(frozen=True)
class Origin:
    """A checkpoint whose objects have all been verified. folder: its URL. identity: its identity.json."""

    folder: str
    manifest: CheckpointManifest
    identity: Mapping[str, Any]

    @property
    def objective(self) -> str:
        """Kind of its objective, "unknown" where identity.json names none."""
        return _objective(self.identity)

    @property
    def started_from(self) -> StartedFrom:
        """How the manifests of this run's checkpoints name it."""
        manifest = self.manifest
        return StartedFrom(
            uri=self.folder, digest=manifest.digest, step=manifest.step, samples=manifest.samples
        )


def find_origin(storage: Storage, wanted: StartFrom, peers: Peers) -> Origin:
    """The checkpoint that is named, or a run's final one, or else its newest that verifies; the same on all processes.

    Every process verifies its share of the objects.

    Raises:
        UserError: there is none, or none is whole.
        StorageUnavailableError: the storage does not answer.
    """
    run, named = split_address(wanted.checkpoint)
    found = peers.led(lambda: survey(storage, run))
    ordered = [item for item in found.ordered if named in (None, item.key) and _has(item, wanted.digest)]
    if not ordered:
        raise UserError(_none(wanted, run))
    finals_first = sorted(ordered, key=lambda item: item.manifest is None or not item.manifest.final)
    chosen = choose(Survey(finals_first, found.listed), run, shared_verification(storage, run, peers))
    if chosen.candidate is None:
        first = chosen.rejected[0]
        raise UserError(f"{FIELD}: checkpoint {first.uri} is damaged: {first.reason}; name another one")
    manifest, folder = chosen.candidate.manifest, join(run, chosen.candidate.key.path)
    assert manifest is not None
    stored = peers.led(lambda: storage.read(join(folder, IDENTITY_NAME)))
    return Origin(folder, manifest, json.loads(stored))


def check_fits(origin: Origin, identity: Mapping[str, Any], encoder_only: bool = False) -> None:
    """Hold a checkpoint's run against this run's identity. Pure.

    Raises:
        UserError: it has another architecture, or another objective where more than the encoder is taken; names the first
            field and both values.
    """
    if not encoder_only:
        _check_networks(origin, _objective(identity))
    for field in sorted(origin.identity.keys() & identity.keys()):
        if not (field in _SHAPES or (field.startswith(_SHAPES_BELOW) and not encoder_only)):
            continue
        old, new = origin.identity[field], identity[field]
        if old != new:
            raise UserError(
                f"spec.{field} is {new!r}, but {FIELD} {origin.folder} was trained with {old!r}: "
                "use its value, or start from another checkpoint"
            )


def _check_networks(origin: Origin, ours: str) -> None:
    theirs = origin.objective
    if theirs != ours:
        raise UserError(
            f"spec.objective is {ours}, but {FIELD} {origin.folder} was trained with {theirs}: name a checkpoint of "
            f"{ours}, or take only its encoder (weights: encoder)"
        )
    if any(field.endswith(_ENCODER_ONLY) for field in origin.identity):
        raise UserError(
            f"{FIELD} {origin.folder} is an imported encoder without the rest of its {ours} networks: "
            "take only its encoder (weights: encoder), or name a checkpoint that a run has saved"
        )


def _has(candidate: Candidate, digest: str) -> bool:
    return not digest or (candidate.manifest is not None and candidate.manifest.digest.startswith(digest))


def _none(wanted: StartFrom, run: str) -> str:
    which = f"checkpoint of digest {wanted.digest}" if wanted.digest else "committed checkpoint"
    return (
        f"{FIELD} {wanted.checkpoint} holds no {which}: name the spec.checkpoint.uri of a run that has saved one, or a "
        f"checkpoint's folder below it ({run}/{CHECKPOINTS}/attempt-.../step-...); `webssl checkpoints {run}` lists them"
    )


def _objective(identity: Mapping[str, Any]) -> str:
    return next((field.split(".")[1] for field in identity if field.startswith("objective.")), "unknown")
