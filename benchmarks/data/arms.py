"""One loader over one epoch, in a process of its own: what it cost, as one line of JSON.

Usage (loaders.py calls it): python benchmarks/data/arms.py ARM CROPS RECIPE BUCKET SAMPLES [--resume]

Arms: ours (and direct, kept), webdataset, litdata, mosaicml, and memory, which decodes and crops the same bytes without
any loader. Costs are processor seconds of the process and its workers from the making of the loader to its end; imports
are not counted.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from webssl_trainer.storage import Storage, StorageOptions, open_storage

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.data.recipes import RECIPES, SPECS, Recipe

BATCH, WORKERS = 64, 2
Batches = Iterable[Any]


@dataclass(frozen=True)
class Task:
    """What an arm reads. first: the sample to go on from."""

    bucket: str
    samples: int
    crops: str
    recipe: Recipe
    first: int


def ours(task: Task, keep_bytes: int = 0, storage: Storage | None = None) -> Batches:
    """This project's loader: a stored index, threads; nothing is kept, as for a data set that is larger than memory."""
    from webssl_trainer.data import BatchPlan, Loader, Source, load_data, prepare_data

    storage = storage or open_storage()
    source, folder = Source(f"s3://{task.bucket}/tar/*.tar"), f"s3://{task.bucket}/run"
    data = load_data(storage, folder, prepare_data(storage, [source], folder), seed=0)
    plan = BatchPlan(global_batch=BATCH, group_size=1, micro_batch=BATCH)
    steps = (task.samples - task.first) // BATCH
    with Loader(
        storage=storage, index=data.index, order=data.order, plan=plan, crops=SPECS[task.crops], rank=0, world=1, seed=0,
        start_position=task.first, steps=steps, workers=WORKERS, keep_bytes=keep_bytes,
    ) as loader:  # fmt: skip
        for step in loader:
            for batch in step.batches:
                yield batch.positions


def kept(task: Task) -> Batches:
    """As `ours`, with a data set that is small enough to be kept in memory, which is the default up to 128 MiB."""
    return ours(task, keep_bytes=1 << 30)


def direct(task: Task) -> Batches:
    """As `ours`, with ranges read by obstore."""
    from webssl_trainer.storage.direct_storage import DirectStorage

    return ours(task, storage=DirectStorage(StorageOptions.from_env()))


def webdataset(task: Task) -> Batches:
    """Shards through curl, shuffled shards, a shuffle buffer of 1,000; addresses are signed beforehand."""
    import boto3
    import webdataset as wds

    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=task.bucket, Prefix="tar/")["Contents"]]
    shards = [
        client.generate_presigned_url("get_object", Params={"Bucket": task.bucket, "Key": key})
        for key in keys
        if key.endswith(".tar")
    ]
    urls = [f"pipe:curl -s -L '{shard}'" for shard in shards]
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


def memory(task: Task) -> Batches:
    """Decoding and crops of the bytes alone, one sample after the other."""
    from benchmarks.data.photographs import photograph, sources

    pictures = sources()
    files = [photograph(pictures, number) for number in range(task.samples)]

    def batches() -> Iterator[list[int]]:
        for start in range(0, task.samples, BATCH):
            for number in range(start, min(task.samples, start + BATCH)):
                task.recipe(files[number], number)
            yield list(range(start, min(task.samples, start + BATCH)))

    return batches()


ARMS: dict[str, Callable[[Task], Batches]] = {
    "ours": ours, "direct": direct, "kept": kept, "webdataset": webdataset, "litdata": litdata, "mosaicml": mosaicml, "memory": memory,
}  # fmt: skip


def main() -> int:
    """Run the arm, print its figures."""
    arm, crops, recipe, bucket, samples = sys.argv[1:6]
    torch.set_num_threads(1)
    count, resume = int(samples), "--resume" in sys.argv
    first = (count // 2) // BATCH * BATCH if resume else 0
    figures = measured(ARMS[arm], Task(bucket, count, crops, RECIPES[recipe](SPECS[crops]), first))
    sys.stdout.write(f"{json.dumps(figures)}\n")
    return 0


def measured(arm: Callable[[Task], Batches], task: Task) -> dict[str, float]:
    """Costs of one epoch; of a resumed one only the time to its first batch."""
    imported(arm)
    if task.first and arm in (litdata, mosaicml):
        loader = arm(task)
        started = time.perf_counter()
        next(iter(loader))
        return {"seconds_to_first_batch": time.perf_counter() - started}
    ready = arm(task) if arm is memory else None
    started, cpu = time.perf_counter(), processor_seconds()
    images, peak, largest, to_first = 0, 0.0, 0.0, 0.0
    batches = iter(ready or arm(task))
    for batch in batches:
        images += len(batch[0]) if torch.is_tensor(batch[0]) else len(batch)
        to_first = to_first or time.perf_counter() - started
        if task.first:
            return {"seconds_to_first_batch": to_first}
        peak, largest = (max(pair) for pair in zip((peak, largest), memory_in_use(), strict=True))
    wall = time.perf_counter() - started
    del batches
    gc.collect()
    for child in multiprocessing.active_children():  # the time of workers counts when they have ended
        child.join(30)
    spent = processor_seconds() - cpu
    return {
        "images": images, "images_per_core_second": images / spent, "processor_seconds": spent, "seconds": wall,
        "seconds_to_first_batch": to_first, "memory_mib": peak, "largest_process_mib": largest,
    }  # fmt: skip


def imported(arm: Callable[..., Batches]) -> None:
    """Imports what the arm needs, so that it is not counted."""
    import importlib

    names = {
        "ours": "webssl_trainer.data",
        "direct": "obstore",
        "kept": "webssl_trainer.data",
        "webdataset": "webdataset",
        "litdata": "litdata",
        "mosaicml": "streaming",
    }
    for name in ("boto3", "s3fs", names.get(arm.__name__, "json")):
        importlib.import_module(name)


def processor_seconds() -> float:
    """User and system time of this process and of its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def memory_in_use() -> tuple[float, float]:
    """MiB in use by this process and its children, and by the largest of them; shared pages by share."""
    found = [os.getpid()]
    for task in Path("/proc/self/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    each = [pss(process) for process in found]
    return sum(each), max(each)


def pss(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # it ended
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


if __name__ == "__main__":
    raise SystemExit(main())
