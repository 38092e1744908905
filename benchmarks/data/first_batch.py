"""Real batches out of 100,000 shards: what `index.py` times from a run's start, and from a resume, to the first crops.

All shards are one file of 2 GB, of which there is one copy for each 50,000 (a file has no more than 65,000 names); their samples are
photographs, so reading, decoding and cropping are those of any data set. On the local disk: what a store adds is one round trip.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import torch
from webssl_trainer.data import BatchPlan, CropSpec, Loader, load_data
from webssl_trainer.storage import Storage

from benchmarks.data.photographs import photograph, sources

BATCH, WORKERS, NAMES = 64, 2, 50_000
IMAGE, STEP = 90_000, 100_000
_SCAN, _COMMENT = b"\xff\xda", 65_537


def write_shards(folder: Path, shards: int, per_shard: int) -> dict[str, float]:
    """Files `000000.tar` and so on, with images where `large_catalog` says that they are: image `at` at 512 + 100,000 at."""
    folder.mkdir(exist_ok=True)
    pictures = sources()
    images = [photograph(pictures, number) for number in range(140)]
    images = [image for image in images if len(image) <= IMAGE - 8]
    first = folder / f"{0:06d}.tar"
    with first.open("wb") as file:
        for at in range(per_shard):
            image = images[at % len(images)]
            file.seek(512 + at * STEP)
            file.write(padded(image, IMAGE + at % 7))
    for number in range(1, shards):
        path = folder / f"{number:06d}.tar"
        if number % NAMES == 0:
            first = Path(shutil.copyfile(first, path))
        else:
            path.hardlink_to(first)
    return {"shards": shards, "bytes": first.stat().st_size}


def padded(image: bytes, size: int) -> bytes:
    """The JPEG with comments before its scan, so that it is `size` long; it must be at least 4 bytes shorter."""
    at, room = image.index(_SCAN), size - len(image)
    comments = b""
    while room:
        part = room if room <= _COMMENT else min(_COMMENT, room - 4)
        comments += b"\xff\xfe" + (part - 2).to_bytes(2, "big") + bytes(part - 4)
        room -= part
    return image[:at] + comments + image[at:]


def first_batch(storage: Storage, cache: str, digest: str, epochs: float) -> float:
    """Seconds from loading the pinned index to the first batch of DINO's crops, `epochs` epochs into the run."""
    torch.set_num_threads(1)  # imported before the clock runs, as in a trainer
    began = time.perf_counter()
    data = load_data(storage, cache, digest, 0)
    start = int(epochs * len(data.index)) // BATCH * BATCH
    plan = BatchPlan(global_batch=BATCH, group_size=1, micro_batch=BATCH)
    with Loader(
        storage=storage, index=data.index, order=data.order, plan=plan, crops=CropSpec(), rank=0, world=1, seed=0,
        start_position=start, workers=WORKERS,
    ) as loader:  # fmt: skip
        batch = next(loader).batches[0]
        seconds = time.perf_counter() - began
        broken = len(batch.broken)
    assert not broken, batch.broken[0]
    assert np.array_equal(batch.positions, np.arange(start, start + BATCH))
    return seconds
