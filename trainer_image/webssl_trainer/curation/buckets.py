"""Grouping more records than memory holds: they go to files by the leading bits of their key, and come back file by file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

IN_MEMORY = 1 << 24
"""Records of a bucket, about: 16 million, which with their sort are under 1 GB."""
_MOST_BUCKETS = 512


class Buckets:
    """Records with equal keys lie in the same bucket. Keys must be spread evenly over 64 bits, as hashes are.

    Args:
        folder: an empty local folder for the files: the size of all records is needed there.
        dtype: of the records; a structured type.
        expected: number of records to come, about.
    """

    def __init__(self, folder: Path, dtype: Any, expected: int) -> None:
        self._dtype = np.dtype(dtype)
        self._bits = min(_MOST_BUCKETS, max(1, expected // IN_MEMORY)).bit_length() - 1
        folder.mkdir(parents=True, exist_ok=True)
        self._files = [(folder / f"{number:03d}").open("w+b") for number in range(1 << self._bits)]

    def add(self, keys: NDArray[np.uint64], records: NDArray[Any]) -> None:
        """Add records (N,) with their keys (N,)."""
        if self._bits == 0:
            self._files[0].write(records.tobytes())
            return
        number = (keys >> np.uint64(64 - self._bits)).astype(np.int64)
        order = np.argsort(number, kind="stable")
        bounds = np.searchsorted(number[order], np.arange(len(self._files) + 1))
        for file, first, last in zip(self._files, bounds[:-1], bounds[1:], strict=True):
            if last > first:
                file.write(records[order[first:last]].tobytes())

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Each bucket's records, in the order in which they were added."""
        for file in self._files:
            file.seek(0)
            found = np.fromfile(file, dtype=self._dtype)
            if found.size:
                yield found

    def close(self) -> None:
        """Closes the files; the folder is the caller's to remove."""
        for file in self._files:
            file.close()
