"""The table of faults: in the docs as it is in the code, and whole."""

from __future__ import annotations

from pathlib import Path

from webssl_trainer.data.causes import Cause
from webssl_trainer.data.faults import DOCUMENT, FAULTS, READ_AGAIN, Outcome, fill
from webssl_trainer.storage import RETRY_CAUSES

ROOT = Path(__file__).parents[4]


def test_the_docs_hold_the_present_table() -> None:
    text = (ROOT / DOCUMENT).read_text()
    assert fill(text) == text, "run `make generate`"
    assert all(f"| {fault.name} |" in text for fault in FAULTS)


def test_every_cause_of_a_counter_has_a_fault_that_leads_to_it() -> None:
    skipped = {fault.cause for fault in FAULTS if fault.outcome is Outcome.SKIPPED}
    retried = {fault.cause for fault in FAULTS if fault.outcome is Outcome.RETRIED}
    assert skipped == set(Cause)
    assert retried == {READ_AGAIN, *RETRY_CAUSES}


def test_fault_names_are_unique() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
