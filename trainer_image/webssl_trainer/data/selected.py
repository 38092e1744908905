"""A part of an index, and several indexes as one: the samples a run sees, numbered from 0 without gaps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webssl_trainer.data.index import DataIndex, SampleRef, ShardDamage
from webssl_trainer.data.selection import Selection


class SelectedIndex:
    """The samples of an index that a selection chose; see `DataIndex`. Sample r is the r-th chosen one.

    `SampleRef.index` stays the number in the whole index. Extensions are counted over the whole index too, and
    scaled to the selection: the part of it that has no such member is not known without reading all keys.
    """

    def __init__(self, whole: DataIndex, selection: Selection) -> None:
        if selection.size != len(whole):
            raise ValueError(
                f"a selection of {selection.size} samples is not one of an index of {len(whole)}"
            )
        self.whole, self.selection = whole, selection
        self.shards, self.damage = whole.shards, whole.damage
        self.without_image = whole.without_image

    def __len__(self) -> int:
        return len(self.selection)

    @property
    def digest(self) -> str:
        """Of the index and the selection."""
        return _digest("selected", self.whole.digest, self.selection.digest)

    @property
    def image_bytes(self) -> int:
        """Bytes of the chosen images, estimated from the mean of all."""
        return self.whole.image_bytes * len(self) // max(1, len(self.whole))

    @property
    def span_bytes(self) -> int:
        """Bytes of all shards up to their last image."""
        return self.whole.span_bytes

    @property
    def shard_counts(self) -> NDArray[np.int64]:
        """Chosen samples of each shard."""
        ends = np.cumsum(self.whole.shard_counts)
        below = self.selection.count_below(ends)
        return np.diff(below, prepend=0)

    def count_with(self, ext: str) -> int:
        """How many chosen samples have a further member with this extension, estimated from all."""
        return self.whole.count_with(ext) * len(self) // max(1, len(self.whole))

    def keys_of(self, shard: int) -> Any:
        """Keys of the chosen samples of a shard."""
        counts = self.shard_counts
        first = int(counts[:shard].sum())
        numbers = self.selection.numbers_at(np.arange(first, first + int(counts[shard])))
        return self.whole.keys_of(shard).take(numbers - int(self.whole.shard_counts[:shard].sum()))

    def locate(self, index: int) -> SampleRef:
        """Where the chosen sample of rank `index` lies. Raises IndexError when there is none."""
        return self.locate_all([index])[0]

    def locate_all(self, numbers: Sequence[int]) -> list[SampleRef]:
        """`locate` of many ranks."""
        chosen = self.selection.numbers_at(np.asarray(numbers, dtype=np.int64))
        return self.whole.locate_all(chosen.tolist())


class JoinedIndex:
    """Indexes one after the other; see `DataIndex`.

    Attributes:
        parts: the indexes.
        starts: int64 (len(parts) + 1,): first sample of each part, and their sum.
    """

    def __init__(self, parts: Sequence[DataIndex]) -> None:
        self.parts = tuple(parts)
        self.starts: NDArray[np.int64] = np.cumsum([0, *(len(part) for part in parts)])
        self.shards: list[str] = [shard for part in parts for shard in part.shards]
        self.damage: list[ShardDamage] = [item for part in parts for item in part.damage]
        self.without_image = sum(part.without_image for part in parts)
        self._shard_starts = np.cumsum([0, *(len(part.shards) for part in parts)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def digest(self) -> str:
        """Of all parts in order."""
        return _digest("joined", *(part.digest for part in self.parts))

    @property
    def image_bytes(self) -> int:
        """Of all parts."""
        return sum(part.image_bytes for part in self.parts)

    @property
    def span_bytes(self) -> int:
        """Of all parts; shards of two parts count twice."""
        return sum(part.span_bytes for part in self.parts)

    @property
    def shard_counts(self) -> NDArray[np.int64]:
        """Samples of each shard."""
        return np.concatenate([part.shard_counts for part in self.parts])

    def count_with(self, ext: str) -> int:
        """How many samples have a further member with this extension."""
        return sum(part.count_with(ext) for part in self.parts)

    def keys_of(self, shard: int) -> Any:
        """Keys of the samples of a shard."""
        part = int(np.searchsorted(self._shard_starts, shard, side="right")) - 1
        return self.parts[part].keys_of(shard - int(self._shard_starts[part]))

    def locate(self, index: int) -> SampleRef:
        """Where a sample lies; raises IndexError when there is none."""
        return self.locate_all([index])[0]

    def locate_all(self, numbers: Sequence[int]) -> list[SampleRef]:
        """`locate` of many samples; each part is asked once."""
        wanted = np.asarray(numbers, dtype=np.int64)
        if wanted.size and not 0 <= int(wanted.min()) <= int(wanted.max()) < len(self):
            raise IndexError(f"a sample is outside [0, {len(self)})")
        part = np.searchsorted(self.starts, wanted, side="right") - 1
        refs: dict[int, SampleRef] = {}
        for number in np.unique(part).tolist():
            at = np.flatnonzero(part == number)
            found = self.parts[number].locate_all((wanted[at] - self.starts[number]).tolist())
            refs.update(zip(at.tolist(), found, strict=True))
        return [replace(refs[at], index=int(wanted[at])) for at in range(wanted.size)]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
