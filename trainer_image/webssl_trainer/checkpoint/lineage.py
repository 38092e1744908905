"""In which order checkpoints are tried when a run resumes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from webssl_api.manifest import CheckpointManifest

from webssl_trainer.checkpoint.claims import Claim
from webssl_trainer.checkpoint.layout import AttemptKey, FolderKey


@dataclass(frozen=True)
class Candidate:
    """A folder with a manifest object. manifest is None when it cannot be read; then `problem` says why."""

    key: FolderKey
    manifest: CheckpointManifest | None
    problem: str = ""


@dataclass(frozen=True)
class Listed:
    """What a listing of the checkpoints folder shows: sizes in bytes of all objects, by folder and by path within it."""

    folders: Mapping[FolderKey, Mapping[str, int]]


def in_order(candidates: Iterable[Candidate], claims: Iterable[Claim]) -> list[Candidate]:
    """Candidates from the one to try first to the last.

    Newest attempt first, and within an attempt the highest step. Checkpoints of an abandoned branch come after all others: those of
    an older attempt beyond the step from which a newer attempt resumed, once that newer attempt has a checkpoint of its own. They are
    whole and lead to the same sequence, so they still beat starting from scratch.
    """
    found = list(candidates)
    cuts = branch_points(found, claims)
    return sorted(found, key=lambda item: (is_superseded(item.key, cuts), _newest_first(item.key)))


def branch_points(candidates: Sequence[Candidate], claims: Iterable[Claim]) -> dict[AttemptKey, int]:
    """For every attempt that has a checkpoint: the step it resumed from (0: from scratch)."""
    cuts: dict[AttemptKey, int] = {}
    resumed = {
        claim.key: (claim.resumed_from.step if claim.resumed_from else 0)
        for claim in claims
        if claim.discovered
    }
    for item in candidates:
        if item.manifest is not None:
            cuts[item.key.attempt] = item.manifest.resumed_step
        elif item.key.attempt in resumed:
            cuts.setdefault(item.key.attempt, resumed[item.key.attempt])
    return cuts


def is_superseded(key: FolderKey, cuts: Mapping[AttemptKey, int]) -> bool:
    """Whether the checkpoint is on a branch that a newer attempt abandoned."""
    return any(newer > key.attempt and key.step > step for newer, step in cuts.items())


def size_problem(candidate: Candidate, sizes: Mapping[str, int]) -> str | None:
    """What a listing alone shows to be wrong with a candidate; None when nothing is."""
    if candidate.manifest is None:
        return candidate.problem
    for entry in candidate.manifest.objects:
        size = sizes.get(entry.path)
        if size is None:
            return f"{entry.path} is missing"
        if size != entry.size:
            return f"{entry.path} has {size} bytes, the manifest says {entry.size}"
    return None


def _newest_first(key: FolderKey) -> tuple[int, int, int]:
    return (-key.attempt.number, -int(key.attempt.nonce, 16), -key.step)
