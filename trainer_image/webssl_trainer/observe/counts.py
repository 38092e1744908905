"""What all processes count in an attempt and add up at each step: requests to the storage, bytes of data, the cache of blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

from webssl_trainer.data.chunk_store import TROUBLES
from webssl_trainer.data.faults import READ_AGAIN
from webssl_trainer.data.loader import LoaderCounters
from webssl_trainer.storage import HEDGES, RETRY_CAUSES, Storage

READS = (READ_AGAIN, *RETRY_CAUSES)
DATA_BYTES = ("read", "used", "cached")


@dataclass(frozen=True)
class Counts:
    """Counts since the start of the attempt.

    Attributes:
        retries: reads and writes tried again, by cause (`READS`).
        hedges: second requests for slow reads (`HEDGES`).
        data_bytes: `DATA_BYTES`: read from the storage, used by samples, and of these found in the cache of blocks.
        cache_troubles: what kept blocks out of that cache, by cause (`TROUBLES` of the store of chunks).
    """

    retries: Mapping[str, int]
    hedges: Mapping[str, int]
    data_bytes: Mapping[str, int]
    cache_troubles: Mapping[str, int]

    @classmethod
    def of(cls, storage: Storage, loader: LoaderCounters, read_again: int) -> Self:
        """Those of this process."""
        known = {READ_AGAIN: read_again, **storage.retry_causes}
        sizes = (loader.bytes_read, loader.bytes_used, loader.bytes_cached)
        return cls(
            {cause: known.get(cause, 0) for cause in READS},
            {result: storage.hedges[result] for result in HEDGES},
            dict(zip(DATA_BYTES, sizes, strict=True)),
            {cause: loader.cache_troubles.get(cause, 0) for cause in TROUBLES},
        )

    def flat(self) -> list[int]:
        """All counts in an order that is the same in all processes."""
        return [count for group in self._groups() for count in group.values()]

    def with_values(self, flat: Sequence[int]) -> Self:
        """The same counts with other values, in the order of `flat`."""
        values = iter(flat)
        groups = [dict(zip(group, islice(values, len(group)), strict=True)) for group in self._groups()]
        return type(self)(*groups)

    def _groups(self) -> tuple[Mapping[str, int], ...]:
        return self.retries, self.hedges, self.data_bytes, self.cache_troubles
