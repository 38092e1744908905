"""The same images in three formats in a folder: tar shards, litdata chunks, MDS shards. Its time is not counted.

Usage (loaders.py calls it): python benchmarks/data/prepare.py FOLDER SAMPLES
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from litdata import optimize
from streaming import MDSWriter
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.storage import open_storage

from benchmarks.data.photographs import photograph, sources

PER_SHARD = 128


def entry(item: tuple[int, bytes]) -> dict[str, Any]:
    """A sample as litdata and MDS hold it."""
    return {"jpg": item[1], "number": item[0]}


def main() -> int:
    """Write all three."""
    folder, samples = Path(sys.argv[1]), int(sys.argv[2])
    pictures = sources()
    images = [(number, photograph(pictures, number)) for number in range(samples)]
    items = [PackItem(f"{number:07d}", image, "jpg") for number, image in images]
    pack(items, open_storage(), str(folder / "tar"), PER_SHARD)
    with MDSWriter(out=str(folder / "mds"), columns={"jpg": "bytes", "number": "int"}) as writer:
        for item in images:
            writer.write(entry(item))
    optimize(entry, images, str(folder / "litdata"), chunk_bytes="64MB", num_workers=1)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
