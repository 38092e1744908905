"""That somebody beside a run needs one of its checkpoints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """A WebSSLEvaluation's need of a checkpoint, from its first pod to the end of the last.

    digest: the checkpoint's, or the first digits of it, or empty. tag: tells the claims of one evaluation apart that comes and goes.
    """

    evaluation: str
    uid: str
    uri: str
    step: int
    digest: str = ""
    tag: str = ""

    @property
    def request(self) -> str:
        """Text by which the trainer is asked for it. No other claim, and no user by chance, has the same."""
        return f"{self.step}@evaluation/{self.evaluation}/{self.uid}/{self.tag}"
