"""docs/cli.md is what the command line says of itself."""

from __future__ import annotations

from pathlib import Path

from webssl_cli.docs import OUTPUT, reference

ROOT = Path(__file__).parents[3]


def test_the_reference_is_up_to_date() -> None:
    assert (ROOT / OUTPUT).read_text() == reference(), "run `make generate`"
