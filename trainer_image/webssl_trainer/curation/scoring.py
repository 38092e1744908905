"""One shard: from its bytes to the rows of its part, one row for every sample that the index has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from webssl_trainer.curation.interface import Picture, Scorer, Values
from webssl_trainer.curation.parts import PartFacts, Parts
from webssl_trainer.data import MAX_PIXELS, BrokenSampleError, SampleRef
from webssl_trainer.data.causes import Cause, Lack
from webssl_trainer.data.decode import decode_for
from webssl_trainer.data.fetch import Fetched, fetch
from webssl_trainer.storage import ByteRange

_AT_ONCE = 64
_REASON = 200
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""Of an object in memory: the same damage must have the same reason each time."""


@dataclass
class ShardScorer:
    """Scores shards one by one; images of a shard side by side in threads.

    Attributes:
        parts: where the parts go.
        pool: threads that decode and score.
        max_pixels: larger images are not decoded.
        stop: called between batches; true ends the work on a shard without a part.
    """

    parts: Parts
    pool: ThreadPoolExecutor
    max_pixels: int = MAX_PIXELS
    stop: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self._reader = ThreadPoolExecutor(1, "read")

    def run(self, shard: int) -> PartFacts | None:
        """Score a shard and write its part; None when it was stopped."""
        rows: list[dict[str, Any]] = []
        for refs, got in self._batches(shard):
            if self.stop():
                return None
            rows.extend(self._rows(refs, got))
        failures = Counter(row["error"] for row in rows if row["error"] is not None)
        facts = PartFacts(self.parts.index.shards[shard], len(rows), dict(sorted(failures.items())))
        self.parts.write(shard, _table(rows, self.parts.schema), facts)
        return facts

    def _batches(self, shard: int) -> Iterator[tuple[list[SampleRef], Fetched[bytes]]]:
        """The samples of a shard with their bytes; the next ones are read while these are scored."""
        counts = self.parts.index.shard_counts
        first = int(counts[:shard].sum())
        end = first + int(counts[shard])
        pieces = [range(at, min(at + _AT_ONCE, end)) for at in range(first, end, _AT_ONCE)]
        if not pieces:
            return
        ahead = self._reader.submit(self._read, pieces[0])
        for piece in pieces[1:]:
            here = ahead.result()
            ahead = self._reader.submit(self._read, piece)
            yield here
        yield ahead.result()

    def _read(self, numbers: range) -> tuple[list[SampleRef], Fetched[bytes]]:
        refs = self.parts.index.locate_all(numbers)
        wanted = [ByteRange(ref.shard, ref.offset, ref.offset + ref.length) for ref in refs]
        return refs, fetch(self.parts.storage, wanted, skip_denied=True)

    def _rows(self, refs: Sequence[SampleRef], got: Fetched[bytes]) -> Iterator[dict[str, Any]]:
        opened = list(self.pool.map(self._opened, got.pieces, got.lacks))
        pictures = [item for item in opened if isinstance(item, Picture)]
        scores = iter(self._scores(pictures))
        for ref, item in zip(refs, opened, strict=True):
            row: dict[str, Any] = {"shard": ref.shard, "key": ref.key, "error": None, "error_reason": None}
            if isinstance(item, Lack):
                row.update(error=item.cause.value, error_reason=item.reason[:_REASON])
            else:
                row.update(next(scores))
            yield row

    def _opened(self, data: bytes | None, lack: Lack | None) -> Picture | Lack:
        if data is None:
            return lack or Lack(Cause.MISSING_SHARD, "its bytes are gone")
        if not data:
            return Lack(Cause.EMPTY, "empty file")
        try:
            image, size = decode_for(data, self._factor, self.max_pixels)
        except BrokenSampleError as error:
            return Lack(Cause.NOT_DECODED, _ADDRESS.sub("", error.reason))
        return Picture(data, image, size)

    def _factor(self, width: int, height: int) -> int:
        """How many times smaller a JPEG may be decoded."""
        sides = [scorer.side for scorer in self.parts.scorers]
        if None in sides:
            return 1
        needed = max(side for side in sides if side is not None)
        return next((by for by in (8, 4, 2) if max(width, height) // by >= needed), 1)

    def _scores(self, pictures: Sequence[Picture]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [{} for _ in pictures]
        single = [scorer for scorer in self.parts.scorers if not scorer.batched]
        for into, values in zip(found, self.pool.map(lambda one: _all(single, one), pictures), strict=True):
            into.update(values)
        for scorer in self.parts.scorers:
            if scorer.batched and pictures:
                for into, more in zip(found, scorer.score(pictures), strict=True):
                    into.update(more)
        return found


def _all(scorers: Sequence[Scorer], picture: Picture) -> Values:
    found: dict[str, Any] = {}
    for scorer in scorers:
        found.update(scorer.score([picture])[0])
    return found


def _table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as a table; a column that a row lacks is null in it."""
    columns = []
    for item in schema:
        values = [row.get(item.name) for row in rows]
        kind = item.type
        if pa.types.is_dictionary(kind):
            columns.append(pa.array(values, kind.value_type).dictionary_encode().cast(kind))
        else:
            columns.append(pa.array(values, kind))
    return pa.table(columns, schema=schema)
