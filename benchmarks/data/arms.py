"""One loader over one epoch, again and again as it is told, each time in a process of its own: what it cost.

Usage (loaders.py calls it): python benchmarks/data/arms.py ARM BUCKET

Each line of its input, `CROPS RECIPE SAMPLES FIRST IMAGES`, is answered by a line of JSON. What the arm imports is imported once
and not counted; each measurement is made in a fork that has nothing but that.

Arms: ours (and apart, scattered, cached, bringing, kept, fsspec), webdataset, litdata, mosaicml, and memory, which decodes and crops
the same bytes without any loader, each worker a process (and beside: while somebody reads from the server). Costs are processor
seconds of the process and its workers from the making of the loader to its end.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.data.beside import reader, signed
from benchmarks.data.costs import memory_in_use, processor_seconds
from benchmarks.data.own_arms import apart, bringing, cached, fsspec, kept, ours, scattered
from benchmarks.data.recipes import RECIPES, SPECS
from benchmarks.data.task import BATCH, NEIGHBOURS, WORKERS, Batches, Task


def webdataset(task: Task) -> Batches:
    """Shards through curl, shuffled shards, a shuffle buffer of 1,000; addresses are signed beforehand."""
    import webdataset as wds

    urls = [f"pipe:curl -s -L '{shard}'" for shard in signed(task.bucket)]
    data = wds.WebDataset(urls, shardshuffle=100).shuffle(1000)
    data = data.map(lambda sample: task.recipe(sample["jpg"], int(sample["__key__"]))).batched(
        BATCH, collation_fn=torch.utils.data.default_collate
    )
    return wds.WebLoader(data, batch_size=None, num_workers=WORKERS)


def litdata(task: Task) -> Batches:
    """Chunks of 64 MB, its own loader, shuffled."""
    from litdata import StreamingDataLoader, StreamingDataset
    from litdata.streaming import downloader

    downloader._OBSTORE_CLIENT_OPTIONS["allow_http"] = True  # the server here has no certificate

    class Images(StreamingDataset):
        def __getitem__(self, index: Any) -> list[torch.Tensor]:
            item = super().__getitem__(index)
            return task.recipe(item["jpg"], int(item["number"]))

    access = {
        "endpoint_url": os.environ["AWS_ENDPOINT_URL"],
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
    }
    data = Images(
        f"s3://{task.bucket}/litdata", cache_dir=tempfile.mkdtemp(), shuffle=True, storage_options=access
    )
    loader = StreamingDataLoader(data, batch_size=BATCH, num_workers=WORKERS)
    if task.first:
        loader.load_state_dict(state_of(loader, task.first))
    return loader


def mosaicml(task: Task) -> Batches:
    """MDS shards of 64 MB, shuffled by its default algorithm, with the batch size told."""
    from streaming import StreamingDataLoader, StreamingDataset
    from streaming.base.util import clean_stale_shared_memory

    clean_stale_shared_memory()  # of the process that measured before, whose state this one would take for its own

    class Images(StreamingDataset):
        def __getitem__(self, at: int) -> list[torch.Tensor]:
            item = super().__getitem__(at)
            return task.recipe(item["jpg"], int(item["number"]))

    data = Images(remote=f"s3://{task.bucket}/mds", local=tempfile.mkdtemp(), shuffle=True, batch_size=BATCH)
    loader = StreamingDataLoader(data, batch_size=BATCH, num_workers=WORKERS)
    if task.first:
        loader.load_state_dict(state_of(loader, task.first))
    return loader


def state_of(loader: Any, first: int) -> Any:
    """What a loader says of itself after `first` samples; its reading up to there is not timed."""
    batches = iter(loader)
    for _ in range(first // BATCH):
        next(batches)
    state = loader.state_dict()
    del batches
    return state


_FILES: list[bytes] = []


def make_files(samples: int) -> None:
    """The files of all images, in memory."""
    from benchmarks.data.photographs import photograph, sources

    pictures = sources()
    _FILES.extend(photograph(pictures, number) for number in range(len(_FILES), samples))


def memory(task: Task, tell: Callable[[], object] = lambda: None) -> Batches:
    """Decoding and crops of the bytes alone, in as many processes at once as loaders have workers: cores share their caches."""
    workers = []
    for worker in range(WORKERS):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for at, number in enumerate(range(worker, task.images, WORKERS)):
                    task.recipe(_FILES[number % len(_FILES)], number)
                    if at % NEIGHBOURS == 0:
                        tell()
                code = 0
            finally:
                os._exit(code)
        workers.append(child)
    for worker in workers:
        if os.waitpid(worker, 0)[1]:
            raise RuntimeError("decoding in memory failed")
    for start in range(0, task.images, BATCH):
        yield list(range(start, min(task.images, start + BATCH)))


def beside(task: Task) -> Batches:
    """As `memory`, while somebody else reads as many bytes, at this pace, from the server on the same cores; not counted."""
    mean = sum(len(file) for file in _FILES) // len(_FILES)
    with reader(task.bucket, NEIGHBOURS * mean) as tell:
        yield from memory(task, tell)


ARMS: dict[str, Callable[[Task], Batches]] = {
    "ours": ours, "apart": apart, "scattered": scattered, "cached": cached, "bringing": bringing,
    "fsspec": fsspec, "kept": kept, "beside": beside,
    "webdataset": webdataset, "litdata": litdata, "mosaicml": mosaicml, "memory": memory,
}  # fmt: skip


def main() -> int:
    """Answer line by line."""
    arm, bucket = sys.argv[1:3]
    torch.set_num_threads(1)
    imported(ARMS[arm])
    for line in sys.stdin:
        crops, recipe, *numbers = line.split()
        samples, first, images = (int(number) for number in numbers)
        if arm in {"memory", "beside"}:
            make_files(samples)
        task = Task(bucket, samples, crops, RECIPES[recipe](SPECS[crops]), first, images)
        sys.stdout.write(f"{in_a_fork(ARMS[arm], task)}\n")
        sys.stdout.flush()
    return 0


def in_a_fork(arm: Callable[[Task], Batches], task: Task) -> str:
    """JSON of `measured`, or of the error that ended it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer: dict[str, Any] = dict(measured(arm, task))
        except BaseException as error:
            answer = {"error": f"{type(error).__name__}: {error}\n{traceback.format_exc()}"}
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    return text or json.dumps({"error": "it was killed"})


def measured(arm: Callable[[Task], Batches], task: Task) -> dict[str, float]:
    """Costs of one epoch; of a resumed one only the time to its first batch."""
    if task.first and arm in (litdata, mosaicml):
        loader = arm(task)
        started = time.perf_counter()
        next(iter(loader))
        return {"seconds_to_first_batch": time.perf_counter() - started}
    started, cpu = time.perf_counter(), processor_seconds()
    images, peak, largest, to_first, looking = 0, 0.0, 0.0, 0.0, 0.0
    batches = iter(arm(task))
    for batch in batches:
        images += len(batch[0]) if torch.is_tensor(batch[0]) else len(batch)
        to_first = to_first or time.perf_counter() - started
        if task.first:
            return {"seconds_to_first_batch": to_first}
        began = time.thread_time()  # a look takes milliseconds, and is no loader's work
        peak, largest = (max(pair) for pair in zip((peak, largest), memory_in_use(), strict=True))
        looking += time.thread_time() - began
    wall = time.perf_counter() - started
    del batches
    gc.collect()
    for child in multiprocessing.active_children():  # the time of workers counts when they have ended
        child.join(30)
    spent = processor_seconds() - cpu - looking
    return {
        "images": images, "images_per_core_second": images / spent, "processor_ms_per_image": spent / images * 1e3,
        "processor_seconds": spent, "seconds": wall, "seconds_to_first_batch": to_first,
        "memory_mib": peak, "largest_process_mib": largest,
    }  # fmt: skip


def imported(arm: Callable[..., Batches]) -> None:
    """Imports what the arm needs, so that it is not counted."""
    import importlib

    names = {
        "ours": "webssl_trainer.data",
        "apart": "webssl_trainer.data",
        "scattered": "webssl_trainer.data",
        "fsspec": "webssl_trainer.data",
        "kept": "webssl_trainer.data",
        "cached": "webssl_trainer.data",
        "bringing": "webssl_trainer.data",
        "webdataset": "webdataset",
        "litdata": "litdata",
        "mosaicml": "streaming",
    }
    for name in ("boto3", "s3fs", names.get(arm.__name__, "json")):
        importlib.import_module(name)


if __name__ == "__main__":
    raise SystemExit(main())
