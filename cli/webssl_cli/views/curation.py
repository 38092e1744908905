"""A curated table in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webssl_cli.console import out
from webssl_cli.views.listing import columns

if TYPE_CHECKING:
    from webssl_trainer.curation.table import TableManifest

Rows = list[tuple[str, ...]]
_NEVER = 1e38


def manifest_rows(manifest: TableManifest) -> Rows:
    """What a manifest says, as names and texts."""
    bad = sum(manifest.failures.values())
    causes = ", ".join(f"{count:,} {cause}" for cause, count in manifest.failures.items())
    rows: Rows = [
        ("source", manifest.source),
        ("rows", f"{manifest.rows:,} in {len(manifest.files):,} files"),
        ("without scores", f"{bad:,}" + (f": {causes}" if causes else "")),
        ("scorers", ", ".join(manifest.scorers)),
    ]
    if manifest.thresholds is not None:
        rows += threshold_rows(manifest.thresholds)
    if manifest.classes:
        shares = (
            f"{name} {count:,} ({100 * count / manifest.rows:.2f} %)"
            for name, count in manifest.classes.items()
        )
        rows.append(("text_class", ", ".join(shares)))
    if manifest.duplicates is not None:
        found = ", ".join(
            f"{name.replace('_', ' ')} {count:,}" for name, count in manifest.duplicates.items()
        )
        rows.append(("duplicates", found))
    rows.append(("digest", manifest.digest))
    return rows


def threshold_rows(thresholds: dict[str, float | None]) -> Rows:
    """Where light and heavy begin, and what they keep."""
    rows: Rows = []
    for name, column in (("light", "text_length"), ("heavy", "and text_density")):
        value, kept = thresholds[name] or 0.0, 100 * (thresholds[f"{name}_kept"] or 0.0)
        says = (
            f"{column} >= {value:.6g} keeps {kept:.2f} %"
            if value < _NEVER
            else "none: equal values are too many"
        )
        rows.append((name, says))
    return rows


def print_rows(rows: Rows) -> None:
    """To standard output, in columns."""
    out.print(columns(rows), markup=False, soft_wrap=True)
