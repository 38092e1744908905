"""What can go wrong with the data and what is done then: one table, for the docs and for the tests that cause each of it.

`python -m webssl_trainer.data.faults ROOT` writes it into docs/data.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from webssl_trainer.data.causes import Cause

READ_AGAIN = "read-again"
"""Counter of answers that were wrong in themselves (spoilt bytes, a 404 or 403 that passed) and right the second time."""
DOCUMENT = "docs/data.md"
BEGIN, END = "<!-- faults: written by `make generate` -->", "<!-- end of faults -->"


class Outcome(StrEnum):
    """What a fault comes to."""

    RETRIED = "tried again"
    SKIPPED = "skipped"
    ENDS_ATTEMPT = "ends the attempt"
    ENDS_RUN = "ends the run"


@dataclass(frozen=True)
class Fault:
    """One row.

    Attributes:
        name: the fault, in words.
        outcome: what it comes to.
        cause: label of its counter; "" where the error itself is the report.
        how: what exactly is done.
    """

    name: str
    outcome: Outcome
    cause: str
    how: str


_AGAIN = "the ranges that failed are read again"
FAULTS = (
    Fault("truncated tar", Outcome.SKIPPED, Cause.CUT_SHARD, "samples behind the cut are skipped"),
    Fault(
        "flipped bytes at rest",
        Outcome.SKIPPED,
        Cause.NOT_DECODED,
        "read once more; the same bytes again: skipped. Found where decoding finds it: PNG has checksums, JPEG has not",
    ),
    Fault(
        "flipped bytes on the way",
        Outcome.RETRIED,
        READ_AGAIN,
        "an image that does not decode is read once more, and used if it decodes then",
    ),
    Fault("zero-length member", Outcome.SKIPPED, Cause.EMPTY, "skipped"),
    Fault(
        "missing caption", Outcome.SKIPPED, Cause.MISSING_MEMBER, "skipped where the objective needs captions"
    ),
    Fault(
        "missing shard", Outcome.SKIPPED, Cause.MISSING_SHARD, "asked for twice, then its samples are skipped"
    ),
    Fault("404 that passes", Outcome.RETRIED, READ_AGAIN, "asked for twice"),
    Fault(
        "403 for a shard",
        Outcome.SKIPPED,
        Cause.DENIED_SHARD,
        "asked for twice, then its samples are skipped",
    ),
    Fault(
        "403 for every shard",
        Outcome.ENDS_RUN,
        "",
        "a sample and 16 stand-ins that are all denied end the run, and the error names the Secret and the rights",
    ),
    Fault("keys that are wrong", Outcome.ENDS_RUN, "", "at once; the error names the Secret"),
    Fault(
        "keys that expire",
        Outcome.RETRIED,
        "expired-keys",
        "read again by a new client, which looks for newer keys where AWS clients do (files, web identity)",
    ),
    Fault(
        "keys that expire for good",
        Outcome.ENDS_ATTEMPT,
        "expired-keys",
        "after 10 minutes; the next attempt starts with the Secret as it is then",
    ),
    Fault("Content-Length too large", Outcome.RETRIED, "connection", _AGAIN),
    Fault(
        "Content-Length too small",
        Outcome.RETRIED,
        "wrong-length",
        f"a short answer is believed only if the object's size agrees; else {_AGAIN}",
    ),
    Fault("429", Outcome.RETRIED, "throttled", _AGAIN),
    Fault("503 SlowDown", Outcome.RETRIED, "throttled", _AGAIN),
    Fault("500", Outcome.RETRIED, "server-error", _AGAIN),
    Fault("connection reset mid-body", Outcome.RETRIED, "connection", _AGAIN),
    Fault("stall of 30 s", Outcome.RETRIED, "timeout", f"30 s without a byte count as lost; {_AGAIN}"),
    Fault("server killed and restarted", Outcome.RETRIED, "connection", _AGAIN),
    Fault(
        "server gone for good",
        Outcome.ENDS_ATTEMPT,
        "connection",
        "after 10 minutes; the next attempt goes on from the last checkpoint",
    ),
    Fault(
        "too many bad samples",
        Outcome.ENDS_RUN,
        "",
        "above `spec.data.maxBadFraction` of the samples, and more than ten; the error names share, sample and mend",
    ),
)


def table() -> str:
    """The faults as a Markdown table."""
    rows = ["| fault | comes to | counted as | how |", "|---|---|---|---|"]
    for fault in FAULTS:
        cause = f"`{fault.cause}`" if fault.cause else ""
        rows.append(f"| {fault.name} | {fault.outcome} | {cause} | {fault.how} |")
    return "\n".join(rows)


def fill(text: str) -> str:
    """The document with the present table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> None:
    """Write the table into the document below the folder given as the first argument."""
    document = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / DOCUMENT
    document.write_text(fill(document.read_text()))


if __name__ == "__main__":
    main()
