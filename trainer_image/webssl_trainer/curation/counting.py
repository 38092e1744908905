"""How far a pass is: facts of parts added up, and told to whoever watches."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from webssl_api.curation_status import CurationReport

from webssl_trainer.curation.parts import PartFacts
from webssl_trainer.errors import UserError

Tell = Callable[[CurationReport], None]
_FEW = 10


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Count:
    """What is done of a range of shards.

    Attributes:
        shards, samples: of the range.
        tell: called after each part with the report so far.
        clock: monotonic seconds.
        now: wall time as RFC 3339.
    """

    shards: int
    samples: int
    tell: Tell = lambda _: None
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], str] = _now
    done: int = 0
    rows: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    _scored: int = 0
    _began: float | None = None

    def add(self, facts: PartFacts, fresh: bool) -> None:
        """A part is there. fresh: it was scored now, rather than found."""
        if self._began is None:
            self._began = self.clock()
        self.done += 1
        self.rows += facts.rows
        self._scored += facts.rows if fresh else 0
        self.failures.update(facts.failures)
        self.tell(self.report())

    def start(self) -> None:
        """Scoring begins: from here on images a second are counted."""
        self._began = self.clock()
        self.tell(self.report())

    def report(self) -> CurationReport:
        """The report now."""
        seconds = 0.0 if self._began is None else self.clock() - self._began
        return CurationReport(
            shards_done=self.done,
            shards_total=self.shards,
            samples=self.rows,
            samples_total=self.samples,
            rows=self.rows,
            failures=dict(sorted(self.failures.items())),
            images_per_second=self._scored / seconds if self._scored and seconds > 0 else None,
            time=self.now(),
        )


def check_bad(failures: dict[str, int], samples: int, most: float) -> None:
    """Whether too many samples have no scores.

    Args:
        failures: samples without scores, by cause.
        samples: samples of the whole data set.
        most: `spec.maxBadShare`.

    Raises:
        UserError: their share is above it, and they are more than ten.
    """
    bad = sum(failures.values())
    if bad > _FEW and bad > most * samples:
        causes = ", ".join(
            f"{count} {cause}" for cause, count in sorted(failures.items(), key=lambda item: -item[1])
        )
        raise UserError(
            f"{bad} of {samples} samples of spec.data.source could not be scored ({causes}), more than "
            f"spec.maxBadShare {most} allows: mend the shards, or raise it"
        )
