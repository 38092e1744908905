"""Names of objects below a run's folder. All paths here are relative to `spec.checkpoint.uri`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from webssl_api.manifest import MANIFEST_NAME

ATTEMPTS = "attempts"
CHECKPOINTS = "checkpoints"
STEPS = "steps"
REQUESTS = "requests"
IDENTITY_NAME = "identity.json"
"""Object of each checkpoint: the parts of the manifest that its contents depend on."""

_ATTEMPT = re.compile(r"^(\d{8})-([0-9a-f]{8,32})$")
_FOLDER = re.compile(r"^checkpoints/attempt-(\d{8})-([0-9a-f]{8,32})/step-(\d{12})$")


@dataclass(frozen=True, order=True)
class AttemptKey:
    """Identity and age of an attempt: a later number is newer; of two with one number, the larger nonce counts as newer."""

    number: int
    nonce: str

    def text(self) -> str:
        """The form used in object names; sorts as the keys do."""
        return f"{self.number:08d}-{self.nonce}"

    @classmethod
    def parse(cls, text: str) -> AttemptKey | None:
        """Key of such a name, None for any other text."""
        match = _ATTEMPT.match(text)
        return None if match is None else cls(int(match[1]), match[2])


@dataclass(frozen=True, order=True)
class FolderKey:
    """A checkpoint's place: who wrote it, after which step. Orders by attempt, then step."""

    attempt: AttemptKey
    step: int

    @property
    def path(self) -> str:
        """Folder of the checkpoint."""
        return f"{CHECKPOINTS}/attempt-{self.attempt.text()}/step-{self.step:012d}"

    @property
    def manifest_path(self) -> str:
        """Path of its manifest."""
        return f"{self.path}/{MANIFEST_NAME}"

    @classmethod
    def parse(cls, folder: str) -> FolderKey | None:
        """Key of a folder path, None for any other path."""
        match = _FOLDER.match(folder)
        return None if match is None else cls(AttemptKey(int(match[1]), match[2]), int(match[3]))


def split_address(uri: str) -> tuple[str, FolderKey | None]:
    """A run's folder and the checkpoint named in it; None when the address is the run's folder itself."""
    parts = uri.rstrip("/").rsplit("/", 3)
    key = FolderKey.parse("/".join(parts[1:])) if len(parts) == 4 and parts[1] == CHECKPOINTS else None
    return (uri.rstrip("/"), None) if key is None else (parts[0], key)


def claim_path(attempt: AttemptKey) -> str:
    """Where an attempt's claim is."""
    return f"{ATTEMPTS}/{attempt.text()}.json"


def claim_key(path: str) -> AttemptKey | None:
    """Key of a claim's path, None for any other path."""
    folder, _, name = path.rpartition("/")
    return (
        AttemptKey.parse(name.removesuffix(".json"))
        if folder == ATTEMPTS and name.endswith(".json")
        else None
    )


def request_path(text: str) -> str:
    """Where it is noted which checkpoint answers a request for an evaluation."""
    return f"{REQUESTS}/{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def step_log_start(path: str) -> int:
    """First step of the step log at a path of the form that `step_log_path` makes."""
    return int(path.rpartition("/")[2].split("-")[0])


def step_log_path(attempt: AttemptKey, first: int, end: int) -> str:
    """Where the records of steps [first, end) of an attempt are."""
    return f"{STEPS}/attempt-{attempt.text()}/{first:012d}-{end:012d}.jsonl"
