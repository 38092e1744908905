"""Attempts: who may write checkpoints now.

Every life of the worker group claims the next attempt number by writing one small object under a name that nobody else uses, so no
conditional write is needed. A writer looks for newer claims before each commit and stops when it finds one (fencing).
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from pydantic import Field, ValidationError
from webssl_api.status import RejectedCheckpoint, StatusModel

from webssl_trainer.checkpoint.layout import ATTEMPTS, AttemptKey, claim_key, claim_path
from webssl_trainer.storage import Storage, join


class FencedError(Exception):
    """A newer attempt has been claimed: this one must not write any more, and end."""


class ResumePoint(StatusModel):
    """The checkpoint an attempt went on from."""

    path: str
    """Folder below the run's folder."""
    digest: str
    attempt: int
    step: int
    samples: int


class RolledBack(StatusModel):
    """Steps of an earlier attempt that this attempt trains again."""

    attempt: int
    from_step: int
    to_step: int

    @property
    def steps(self) -> int:
        """How many steps were lost."""
        return max(0, self.from_step - self.to_step)


class Divergence(StatusModel):
    """An attempt ended because too many steps in a row were not finite."""

    step: int
    """The step that would have come next."""
    saved_step: int
    """Step of the newest checkpoint then."""


class Claim(StatusModel):
    """`attempts/<number>-<nonce>.json`. Written by its owner: before discovery, with its outcome, and when the run diverged."""

    attempt: int
    nonce: str
    world_size: int
    discovered: bool = False
    """False while the attempt still looks for a checkpoint to go on from."""
    resumed_from: ResumePoint | None = None
    """None: from scratch."""
    rejected: list[RejectedCheckpoint] = Field(default_factory=list)
    rolled_back: RolledBack | None = None
    diverged: Divergence | None = None
    time: str = ""

    @property
    def key(self) -> AttemptKey:
        """Identity and age."""
        return AttemptKey(self.attempt, self.nonce)

    def to_bytes(self) -> bytes:
        """JSON."""
        return self.model_dump_json(by_alias=True).encode()


def next_key(known: Iterable[AttemptKey], nonce: str) -> AttemptKey:
    """The key after all known ones."""
    return AttemptKey(max((key.number for key in known), default=0) + 1, nonce)


def is_fenced(mine: AttemptKey, known: Iterable[AttemptKey]) -> bool:
    """Whether a newer attempt than mine is known."""
    return any(key > mine for key in known)


class ClaimBoard:
    """The claims of one run on storage. uri: the run's folder."""

    def __init__(self, storage: Storage, uri: str) -> None:
        self._storage, self._uri = storage, uri

    def keys(self) -> list[AttemptKey]:
        """All claimed attempts, oldest first."""
        prefix = join(self._uri, ATTEMPTS)
        names = (info.url.rpartition("/")[2] for info in self._storage.list_objects(prefix))
        return sorted(key for key in (claim_key(f"{ATTEMPTS}/{name}") for name in names) if key is not None)

    def take(self, nonce: str, world_size: int, time: str) -> Claim:
        """Claim the next attempt.

        nonce: hex digits no other claimant has. Raises FencedError when another claimant was faster by number or nonce.
        """
        key = next_key(self.keys(), nonce)
        claim = Claim(attempt=key.number, nonce=nonce, world_size=world_size, time=time)
        self.update(claim)
        self.check(key)
        return claim

    def update(self, claim: Claim) -> None:
        """Write a claim; only its owner does."""
        self._storage.put(join(self._uri, claim_path(claim.key)), claim.to_bytes())

    def check(self, mine: AttemptKey) -> None:
        """Raises FencedError when a newer attempt than `mine` has been claimed."""
        known = self.keys()
        if is_fenced(mine, known):
            raise FencedError(f"attempt {mine.text()} is over: {max(known).text()} has been claimed")

    def read_all(self) -> list[Claim]:
        """All readable claims, oldest first. One that is damaged counts as not there."""
        with ThreadPoolExecutor(8) as pool:
            return [claim for claim in pool.map(self._read, self.keys()) if claim is not None]

    def _read(self, key: AttemptKey) -> Claim | None:
        try:
            return Claim.model_validate_json(self._storage.read(join(self._uri, claim_path(key))))
        except (ValidationError, FileNotFoundError):
            return None


def total_lost(claims: Iterable[Claim]) -> int:
    """Steps lost over all attempts."""
    return sum(claim.rolled_back.steps for claim in claims if claim.rolled_back is not None)


def rolled_back(
    earlier: Iterable[Claim], seen_attempt: int, seen_step: int, resumed_step: int
) -> RolledBack | None:
    """What an attempt that resumes at `resumed_step` loses, given the furthest step anyone saw.

    None when nothing was lost, when an earlier claim has already accounted for that attempt's loss, or when no earlier attempt has that
    number (a report that another run left in the same place).
    """
    claims = list(earlier)
    accounted = {claim.rolled_back.attempt for claim in claims if claim.rolled_back is not None}
    known = {claim.attempt for claim in claims}
    if seen_step <= resumed_step or seen_attempt in accounted or seen_attempt not in known:
        return None
    return RolledBack(attempt=seen_attempt, from_step=seen_step, to_step=resumed_step)


def diverged_before(earlier: Iterable[Claim], saved_step: int) -> Divergence | None:
    """The divergence of an earlier attempt after which no newer checkpoint than that of `saved_step` was made; None: there is none."""
    found = (claim.diverged for claim in earlier if claim.diverged is not None)
    return next((item for item in found if item.saved_step >= saved_step), None)
