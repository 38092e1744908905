"""Columns that are decided over the whole table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from webssl_trainer.curation import assign, calibration
from webssl_trainer.data import DataIndex

DUPLICATE_FIELDS: dict[str, Any] = {
    "duplicate_of": pa.string(),
    "duplicate_kind": pa.dictionary(pa.int8(), pa.string()),
}
"""duplicate_of: shard file name/key of the original; null for samples that are none's duplicate."""


def with_class(table: pa.Table, thresholds: calibration.TextThresholds | None) -> pa.Table:
    """The table with text_class: by the text detector's thresholds, else by the answers of a vision-language model."""
    if calibration.LENGTH in table.column_names and thresholds is not None:
        column = calibration.text_classes(table, thresholds)
    elif "text_light" in table.column_names:
        column = calibration.answered_classes(table)
    else:
        return table
    kept = table.drop_columns([calibration.CLASS]) if calibration.CLASS in table.column_names else table
    return kept.append_column(pa.field(calibration.CLASS, calibration.CLASS_TYPE), column)


def duplicate_columns(first: int, rows: int, found: assign.Duplicates, index: DataIndex) -> dict[str, Any]:
    """Columns of DUPLICATE_FIELDS for samples `first` to `first + rows - 1`."""
    low, high = np.searchsorted(found.number, [first, first + rows])
    place = found.number[low:high] - first
    originals = index.locate_all(found.original[low:high].tolist())
    name = np.full(rows, None, dtype=object)
    kind = np.full(rows, None, dtype=object)
    name[place] = [ref.sample_id for ref in originals]
    kind[place] = [assign.KINDS[number] for number in found.kind[low:high]]
    kinds = pa.array(kind, pa.string()).dictionary_encode().cast(DUPLICATE_FIELDS["duplicate_kind"])
    return {"duplicate_of": pa.array(name, pa.string()), "duplicate_kind": kinds}
