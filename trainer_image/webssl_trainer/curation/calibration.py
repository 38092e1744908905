"""From shares to thresholds, and from thresholds to text_class: none, light or heavy.

Light are images whose lines are long enough together (text_length, in letters or so), heavy are light ones with enough lines
for their size (text_density): a poster has much text in few lines, a page, a table or a chart with labels has many. Why these
two, and not the area: docs/design/0016-curation.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from webssl_trainer.curation.quantile import F32, threshold_for

LENGTH, DENSITY = "text_length", "text_density"
CLASS = "text_class"
NONE, LIGHT, HEAVY = "none", "light", "heavy"
CLASS_TYPE = pa.dictionary(pa.int8(), pa.string())
ReadRows = Callable[[list[str]], Iterator[pa.Table]]


@dataclass(frozen=True)
class TextThresholds:
    """Where light and heavy begin.

    Attributes:
        light, heavy: text_length from which an image is light, text_density from which a light one is heavy.
        light_share, heavy_share: shares of the rows that were asked for; None where the threshold was given.
        light_kept, heavy_kept: shares that the thresholds keep.
    """

    light: float
    heavy: float
    light_share: float | None
    heavy_share: float | None
    light_kept: float
    heavy_kept: float

    def as_dict(self) -> dict[str, float | None]:
        """For JSON."""
        return asdict(self)


def calibrate(
    read: ReadRows,
    rows: int,
    light_share: float,
    heavy_share: float,
    light: float | None = None,
    heavy: float | None = None,
) -> TextThresholds:
    """Thresholds that keep shares of all rows (the paper's filters keep 50.3 % and 1.3 % of its data set).

    Args:
        read: gives the named columns of all rows in pieces; called up to seven times.
        rows: of the table; rows without scores count among them.
        light_share, heavy_share: shares to keep.
        light, heavy: thresholds that are given instead.
    """
    if light is None:
        light = threshold_for(lambda: _values(read, 0.0, LENGTH), light_share, rows).value
        asked_light: float | None = light_share
    else:
        asked_light = None
    floor = light
    if heavy is None:
        heavy = threshold_for(lambda: _values(read, floor, DENSITY), heavy_share, rows).value
        asked_heavy: float | None = heavy_share
    else:
        asked_heavy = None
    kept = [0, 0]
    for lengths, densities in _both(read):
        is_light = lengths >= light
        kept[0] += int(is_light.sum())
        kept[1] += int((is_light & (densities >= heavy)).sum())
    share = [count / max(1, rows) for count in kept]
    return TextThresholds(light, heavy, asked_light, asked_heavy, share[0], share[1])


def text_classes(table: pa.Table, thresholds: TextThresholds) -> Any:
    """text_class of rows with text_length and text_density; null where they are."""
    light = pc.greater_equal(table[LENGTH], thresholds.light)
    heavy = pc.and_(light, pc.greater_equal(table[DENSITY], thresholds.heavy))
    return (
        pc.if_else(heavy, HEAVY, pc.if_else(light, LIGHT, NONE))
        .combine_chunks()
        .dictionary_encode()
        .cast(CLASS_TYPE)
    )


def answered_classes(table: pa.Table) -> Any:
    """text_class of rows with text_light and text_heavy."""
    named = pc.if_else(table["text_heavy"], HEAVY, pc.if_else(table["text_light"], LIGHT, NONE))
    return named.combine_chunks().dictionary_encode().cast(CLASS_TYPE)


def _values(read: ReadRows, least_length: float, column: str) -> Iterator[F32]:
    for table in read([LENGTH, column] if column != LENGTH else [LENGTH]):
        lengths = _floats(table[LENGTH])
        yield _floats(table[column])[lengths >= least_length]


def _both(read: ReadRows) -> Iterator[tuple[F32, F32]]:
    for table in read([LENGTH, DENSITY]):
        yield _floats(table[LENGTH]), _floats(table[DENSITY])


def _floats(column: Any) -> F32:
    """Values; -1 for null."""
    found: F32 = pc.fill_null(column, -1.0).to_numpy().astype(np.float32)
    return found
