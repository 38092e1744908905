"""The last step of a pass: every sample has its row, duplicates and text classes are decided, the table is committed."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from webssl_api.curation import WebSSLCurationSpec

from webssl_trainer.curation import assign, calibration
from webssl_trainer.curation.columns import DUPLICATE_FIELDS, duplicate_columns, with_class
from webssl_trainer.curation.counting import check_bad
from webssl_trainer.curation.parts import PartFacts, Parts
from webssl_trainer.curation.table import TableManifest, TableWriter, open_manifest, table_folder
from webssl_trainer.errors import UserError

_VERSION = 1
FILE_ROWS = 1 << 20
_AHEAD = 8
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Finished:
    """uri: for `spec.data.filter.table`. manifest: what the table is. known: it had been finished before."""

    uri: str
    manifest: TableManifest
    known: bool = False


def finish(
    parts: Parts,
    spec: WebSSLCurationSpec,
    scratch: Path | None = None,
    progress: Progress | None = None,
    file_rows: int = FILE_ROWS,
) -> Finished:
    """Check that no sample lacks its row, and write the table.

    Args:
        parts: the pass, all of whose shards are scored.
        spec: the pass.
        scratch: local folder for the grouping of duplicates: about 160 bytes a sample; None takes the system's.
        progress: called with (rows written, rows in all).
        file_rows: rows from which on a file of the table is closed.

    Raises:
        UserError: shards have no part, or too many samples are bad.
    """
    found = _facts(parts)
    missing = [shard for shard, facts in enumerate(found) if facts is None]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(parts.index.shards)} shards are not scored, the first is "
            f"{parts.index.shards[missing[0]]}: run the pass again, it goes on where it was"
        )
    failures = _failures(found)
    check_bad(failures, len(parts.index), spec.max_bad_share)
    folder = table_folder(parts.output, _made_from(parts, spec, found))
    try:
        return Finished(folder, open_manifest(parts.storage, folder)[1], known=True)
    except UserError:
        pass  # not finished yet
    thresholds = _thresholds(parts, spec)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="curation-") as local:
        duplicates = _duplicates(parts, spec, Path(local))
    manifest = _write(parts, spec, folder, failures, thresholds, duplicates, progress, file_rows)
    return Finished(folder, manifest)


def _facts(parts: Parts) -> list[PartFacts | None]:
    """What each shard's part says; None where there is none.

    Parts with causes that may pass count here: what could not be read after all attempts has a row that says so.
    """
    with ThreadPoolExecutor(max_workers=_AHEAD, thread_name_prefix="parts") as pool:
        return list(pool.map(parts.facts, range(len(parts.index.shards))))


def _failures(found: Sequence[PartFacts | None]) -> dict[str, int]:
    """Samples without scores, by cause."""
    failures: Counter[str] = Counter()
    for facts in found:
        failures.update(facts.failures if facts is not None else {})
    return dict(sorted(failures.items()))


def _made_from(parts: Parts, spec: WebSSLCurationSpec, found: Sequence[PartFacts | None]) -> str:
    """Digest of all that the table depends on, 16 hexadecimal digits."""
    asked = {
        name: settings.to_dict()
        for name in ("text", "duplicates")
        if (settings := getattr(spec.scorers, name)) is not None
    }
    digest = hashlib.sha256(f"v{_VERSION} {parts.folder} {json.dumps(asked, sort_keys=True)}\n".encode())
    for shard, facts in enumerate(found):
        digest.update(f"{parts.url(shard)} {json.dumps(facts.failures if facts else None)}\n".encode())
    return digest.hexdigest()[:16]


def _thresholds(parts: Parts, spec: WebSSLCurationSpec) -> calibration.TextThresholds | None:
    text = spec.scorers.text
    if text is None:
        return None
    return calibration.calibrate(
        lambda columns: (table for _, table in _read(parts, columns)),
        len(parts.index),
        text.light_share,
        text.heavy_share,
        text.light_threshold,
        text.heavy_threshold,
    )


def _duplicates(parts: Parts, spec: WebSSLCurationSpec, local: Path) -> assign.Duplicates | None:
    asked = spec.scorers.duplicates
    if asked is None:
        return None
    distance = asked.max_distance if asked.near else None
    return assign.find_duplicates(lambda: _read(parts, assign.COLUMNS), len(parts.index), distance, local)


def _read(parts: Parts, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pa.Table]]:
    """(Number of the first sample, rows) of each part in order; a few parts are read ahead."""
    shards = [shard for shard, count in enumerate(parts.index.shard_counts.tolist()) if count]
    first = 0
    with ThreadPoolExecutor(max_workers=_AHEAD, thread_name_prefix="parts") as pool:
        for at in range(0, len(shards), _AHEAD):
            for table in pool.map(lambda shard: parts.read(shard, columns), shards[at : at + _AHEAD]):
                yield first, table
                first += table.num_rows


def _write(
    parts: Parts,
    spec: WebSSLCurationSpec,
    folder: str,
    failures: dict[str, int],
    thresholds: calibration.TextThresholds | None,
    duplicates: assign.Duplicates | None,
    progress: Progress | None,
    file_rows: int,
) -> TableManifest:
    identities = {scorer.name: dict(scorer.identity) for scorer in parts.scorers}
    shown = thresholds.as_dict() if thresholds is not None else None
    writer = TableWriter(parts.storage, folder, {"scorers": identities, "thresholds": shown})
    classes: Counter[str] = Counter()
    waiting: list[pa.Table] = []
    rows = 0
    for first, part in _read(parts):
        table = with_class(part, thresholds)
        if duplicates is not None:
            for name, column in duplicate_columns(first, table.num_rows, duplicates, parts.index).items():
                table = table.append_column(pa.field(name, DUPLICATE_FIELDS[name]), column)
        if calibration.CLASS in table.column_names:
            counted = pc.value_counts(table[calibration.CLASS].drop_null().cast(pa.string())).to_pylist()
            classes.update({item["values"]: item["counts"] for item in counted})
        waiting.append(table)
        rows += table.num_rows
        if sum(item.num_rows for item in waiting) >= file_rows:
            writer.add(waiting)
            waiting = []
        if progress is not None:
            progress(rows, len(parts.index))
    if waiting:
        writer.add(waiting)
    if rows != len(parts.index):
        raise UserError(
            f"the parts in {parts.folder} have {rows} rows and the index {len(parts.index)} samples: remove that "
            "folder, and run the pass again"
        )
    manifest = TableManifest(
        source=spec.data.source,
        index=spec.data.index or "",
        rows=rows,
        failures=failures,
        scorers=identities,
        thresholds=shown,
        classes=dict(sorted(classes.items())),
        duplicates=_counts(duplicates),
        files=writer.files,
    )
    writer.commit(manifest, parts.output)
    return manifest


def _counts(duplicates: assign.Duplicates | None) -> dict[str, int] | None:
    if duplicates is None:
        return None
    found = {name: int((duplicates.kind == kind).sum()) for kind, name in enumerate(assign.KINDS)}
    return {**found, "pairs_not_compared": duplicates.skipped}
