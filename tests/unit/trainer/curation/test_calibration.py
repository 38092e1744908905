"""Shares become thresholds, thresholds become classes, and a table that is there can be given other ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from webssl_trainer.curation.calibration import calibrate, text_classes
from webssl_trainer.curation.finish import finish
from webssl_trainer.curation.recalibrate import recalibrated, thresholds_of
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

from .conftest import Shards, mixed, opened, score_all, spec_of

ROWS = 20_000


@pytest.fixture(scope="module")
def scores() -> pa.Table:
    """Lengths and densities of a web-like set: two of five images without text, one of fifty broken."""
    rng = np.random.default_rng(0)
    length = np.where(rng.random(ROWS) < 0.4, 0, rng.lognormal(2, 1, ROWS)).astype(np.float32)
    density = (length > 0) * rng.lognormal(3, 1, ROWS).astype(np.float32)
    broken = rng.random(ROWS) < 0.02
    columns = {"text_length": length, "text_density": density}
    return pa.table({name: pa.array(values, mask=broken) for name, values in columns.items()})


def calibrated(scores: pa.Table, *given: Any) -> Any:
    return calibrate(lambda columns: iter([scores.select(columns)]), scores.num_rows, *given)


def test_the_shares_of_the_paper_are_kept(scores: pa.Table) -> None:
    found = calibrated(scores, 0.503, 0.013)
    assert found.light_kept == pytest.approx(0.503, abs=1e-4)
    assert found.heavy_kept == pytest.approx(0.013, abs=1e-4)
    classes = text_classes(scores, found).to_pylist()
    assert classes.count("heavy") == int(0.013 * ROWS)
    assert classes.count("heavy") + classes.count("light") == int(0.503 * ROWS)
    assert classes.count(None) == scores["text_length"].null_count


def test_where_less_have_text_than_may_be_kept_all_that_have_it_are_light(scores: pa.Table) -> None:
    found = calibrated(scores, 0.99, 0.013)
    with_text = np.asarray(scores["text_length"].fill_null(0)) > 0
    assert found.light_kept == pytest.approx(with_text.mean())


def test_thresholds_that_are_given_are_taken(scores: pa.Table) -> None:
    found = calibrated(scores, 0.5, 0.1, 9.5, 30.0)
    assert (found.light, found.heavy, found.light_share, found.heavy_share) == (9.5, 30.0, None, None)
    assert found.heavy_kept < found.light_kept < 0.5


def test_a_table_can_be_classed_by_other_shares_without_scoring(
    storage: Storage, shards: Shards, tmp_path: Path
) -> None:
    spec = spec_of(shards(mixed()), f"file://{tmp_path}/scores")
    parts = opened(storage, spec, tmp_path)
    score_all(parts)
    first = finish(parts, spec, tmp_path)
    assert first.manifest.classes == {"heavy": 2, "light": 2, "none": 4}
    other = recalibrated(storage, first.uri, thresholds_of(storage, first.uri, 0.25, 0.125))
    assert other.manifest.classes == {"heavy": 1, "light": 1, "none": 6}
    old, new = (pq.read_table(made.uri.removeprefix("file://")) for made in (first, other))
    assert new.drop_columns(["text_class"]).equals(old.drop_columns(["text_class"]))
    assert recalibrated(
        storage, other.uri, thresholds_of(storage, other.uri, 0.5, 0.25)
    ).manifest.classes == (first.manifest.classes)


def test_what_is_no_table_or_has_no_text_is_refused(storage: Storage, shards: Shards, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no table of webssl curate"):
        thresholds_of(storage, f"file://{tmp_path}", 0.5, 0.1)
    spec = spec_of(shards(mixed()), f"file://{tmp_path}/scores", {"quality": {}})
    parts = opened(storage, spec, tmp_path)
    score_all(parts)
    with pytest.raises(UserError, match="made without the scorer text"):
        thresholds_of(storage, finish(parts, spec, tmp_path).uri, 0.5, 0.1)
