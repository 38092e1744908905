"""Other shares or thresholds for a table that is there: only text_class is decided again, nothing is scored."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from webssl_trainer.curation import calibration
from webssl_trainer.curation.columns import with_class
from webssl_trainer.curation.finish import Finished
from webssl_trainer.curation.table import (
    TABLES,
    TableManifest,
    TableWriter,
    open_manifest,
    read_rows,
    table_folder,
)
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage


def thresholds_of(
    storage: Storage,
    table: str,
    light_share: float,
    heavy_share: float,
    light: float | None = None,
    heavy: float | None = None,
) -> calibration.TextThresholds:
    """The thresholds that keep these shares of a table's rows; see `calibration.calibrate`.

    Raises:
        UserError: it is no table, or was made without the text scorer.
    """
    folder, manifest = open_manifest(storage, table)
    if "text" not in manifest.scorers:
        raise UserError(
            f"{table} was made without the scorer text, so it has no text_length to calibrate: run webssl curate run "
            "--scorers text"
        )
    return calibration.calibrate(
        lambda columns: read_rows(storage, folder, manifest, columns),
        manifest.rows,
        light_share,
        heavy_share,
        light,
        heavy,
    )


def recalibrated(storage: Storage, table: str, thresholds: calibration.TextThresholds) -> Finished:
    """A new table beside the old one, with text_class by these thresholds; the old one stays as it is.

    Raises:
        UserError: it is no table, or a file of it is damaged.
    """
    folder, manifest = open_manifest(storage, table)
    shown = thresholds.as_dict()
    made_from = hashlib.sha256(f"{manifest.digest} {json.dumps(shown, sort_keys=True)}".encode()).hexdigest()[
        :16
    ]
    output = folder.rpartition(f"/{TABLES}/")[0]
    writer = TableWriter(
        storage, table_folder(output, made_from), {"scorers": manifest.scorers, "thresholds": shown}
    )
    classes: Counter[str] = Counter()
    for rows in read_rows(storage, folder, manifest):
        fresh = with_class(rows, thresholds)
        counted = pc.value_counts(fresh[calibration.CLASS].drop_null().cast(pa.string())).to_pylist()
        classes.update({item["values"]: item["counts"] for item in counted})
        writer.add([fresh])
    fresh_manifest: TableManifest = replace(
        manifest, thresholds=shown, classes=dict(sorted(classes.items())), files=writer.files
    )
    writer.commit(fresh_manifest, output)
    return Finished(table_folder(output, made_from), fresh_manifest)
