"""Which scorers there are. Each is imported when it is asked for, since their libraries are heavy."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Sequence
from pathlib import Path

from webssl_api.curation import ScorersSpec

from webssl_trainer.curation.interface import Scorer
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

MODULES = {
    "text": "webssl_trainer.curation.scorers.text",
    "vlm": "webssl_trainer.curation.scorers.vlm",
    "duplicates": "webssl_trainer.curation.scorers.duplicates",
    "quality": "webssl_trainer.curation.scorers.quality",
}
"""Name in `spec.scorers` -> module with `make(settings, storage, scratch) -> Scorer`."""


def make_scorers(spec: ScorersSpec, storage: Storage, scratch: Path) -> list[Scorer]:
    """The scorers that a spec asks for, in its order.

    Args:
        spec: `spec.scorers`.
        storage: from which models are read.
        scratch: local folder for them.

    Raises:
        UserError: a scorer's library is not installed, or its model can not be used.
    """
    found = []
    for name in spec.named():
        try:
            module = importlib.import_module(MODULES[name])
            found.append(module.make(getattr(spec, name), storage, scratch))
        except ModuleNotFoundError as error:
            raise UserError(
                f"spec.scorers.{name} needs {error.name}: install webssl-trainer[curation], and transformers for vlm"
            ) from error
    return found


def settings_digest(scorers: Sequence[Scorer]) -> str:
    """SHA-256 of all that scores depend on besides the images; 16 hexadecimal digits."""
    text = json.dumps({scorer.name: dict(scorer.identity) for scorer in scorers}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
