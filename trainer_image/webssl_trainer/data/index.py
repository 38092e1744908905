"""What an index of a data set answers: for each sample the shard, the key, and where its bytes lie."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from webssl_trainer.data.samples import Part
from webssl_trainer.data.shards import Shard

INDEX_VERSION = 1


@dataclass(frozen=True)
class ShardDamage:
    """A shard that could not be indexed to its end, and why."""

    shard: str
    reason: str


@dataclass(frozen=True)
class SampleRef:
    """Where one sample lies.

    Attributes:
        index: number of the sample in the data set.
        shard: URL of its tar.
        key: its key in the tar.
        ext: extension of the image, lower case.
        offset, length: the image's bytes in the tar.
        extras: the other members by extension.
    """

    index: int
    shard: str
    key: str
    ext: str
    offset: int
    length: int
    extras: dict[str, Part]

    @property
    def sample_id(self) -> str:
        """`shard file name/key`."""
        return f"{self.shard.rpartition('/')[2]}/{self.key}"


class DataIndex(Protocol):
    """All samples that a run may see, numbered from 0: a whole data set, a selection of one, or several joined.

    Samples of one shard have consecutive numbers, in the order of their bytes, and shards follow each other in
    the order of `shards`. Safe for several threads.
    """

    @property
    def digest(self) -> str:
        """Identity of what was indexed; a checkpoint records it, and a resumed run loads that very index."""
        ...

    @property
    def shards(self) -> Sequence[str]:
        """URLs of the shards."""
        ...

    @property
    def damage(self) -> Sequence[ShardDamage]:
        """Shards that are missing or could not be read to their end."""
        ...

    @property
    def without_image(self) -> int:
        """Samples that were left out because they have no image."""
        ...

    @property
    def image_bytes(self) -> int:
        """Sum of the lengths of all images."""
        ...

    @property
    def span_bytes(self) -> int:
        """Bytes of all shards up to the end of their last image (what reading them whole would cost)."""
        ...

    @property
    def shard_counts(self) -> NDArray[np.int64]:
        """Samples of each shard, int64 (len(shards),)."""
        ...

    def __len__(self) -> int: ...

    def count_with(self, ext: str) -> int:
        """How many samples have a further member with this extension (lower case)."""
        ...

    def keys_of(self, shard: int) -> Any:
        """Keys of the samples of a shard (0-based) in order, as an Arrow array of strings."""
        ...

    def locate(self, index: int) -> SampleRef:
        """Where sample `index` (0-based) lies.

        Raises:
            IndexError: no such sample.
        """
        ...

    def locate_all(self, numbers: Sequence[int]) -> list[SampleRef]:
        """`locate` of many samples at once, in order."""
        ...


def shards_digest(shards: Sequence[Shard]) -> str:
    """Name of the index of these shards: SHA-256 over their URLs and sizes, 16 hexadecimal digits."""
    text = "\n".join(f"{shard.url} {shard.size}" for shard in shards)
    return hashlib.sha256(f"v{INDEX_VERSION}\n{text}".encode()).hexdigest()[:16]
