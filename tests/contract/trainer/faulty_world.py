"""A real S3 server, a proxy that spoils its answers, forty images behind them, and loaders that read those."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from webssl_trainer.data import (
    BatchPlan,
    BrokenReport,
    CropSpec,
    Loader,
    OpenData,
    Source,
    load_data,
    prepare_data,
)
from webssl_trainer.storage import (
    HedgePolicy,
    ReadsApart,
    RetryPolicy,
    Storage,
    StorageOptions,
    open_storage,
    read_apart,
)

from tests.contract.trainer.fault_proxy import FaultProxy
from tests.contract.trainer.s3_server import S3Server

SHARDS, PER_SHARD, STEPS = 5, 8, 3
PLAN = BatchPlan(global_batch=24, group_size=1, micro_batch=8)
CROPS = CropSpec(global_size=8, n_global=1, n_local=0, photometric_global=())
NEWER_KEYS = ("webssltests2", "another-non-secret")
VICTIM = 11
"""Number of the sample that a fault of one sample hits; it lies in shard 1."""
Sample = tuple[bytes, bytes | None]


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def shard_of(samples: dict[int, Sample]) -> bytes:
    """A tar of images and captions by number."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for number, (image, caption) in samples.items():
            for ext, data in (("png", image), ("txt", caption)):
                if data is not None:
                    info = tarfile.TarInfo(f"{number:05d}.{ext}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return sink.getvalue()


@dataclass
class World:
    """The server, the proxy before it, and a client that goes past the proxy."""

    server: S3Server
    proxy: FaultProxy
    past: Storage
    keys_file: Path

    def client(self, kind: str, patience: float = 120.0, quiet: float = 2.0) -> Storage:
        """A new client of a kind that goes through the proxy; the first use of one takes a second.

        It asks for nothing twice, so that what is counted is what the proxy did. quiet: seconds of silence that it bears.
        """
        patient = RetryPolicy(patience, 0.02, 0.2)
        return open_storage(
            StorageOptions(endpoint=self.proxy.url, region="us-east-1", connect_timeout=60.0, read_timeout=quiet,
                           retry=patient, client="fsspec" if kind == "fsspec" else "direct", hedging=HedgePolicy(share=0.0))
        )  # fmt: skip

    def open_set(self, name: str, changed: dict[int, Sample]) -> OpenData:
        """Forty images in five shards, some of them changed, indexed."""
        for shard in range(SHARDS):
            numbers = range(shard * PER_SHARD, (shard + 1) * PER_SHARD)
            samples = {n: changed.get(n, (picture(n), b"a caption")) for n in numbers}
            self.past.put(self.shard(name, shard), shard_of(samples))
        source = Source(f"s3://data/{name}/{{000000..{SHARDS - 1:06d}}}.tar")
        folder = f"s3://data/run-{name}"
        return load_data(self.past, folder, prepare_data(self.past, [source], folder), seed=7)

    @staticmethod
    def shard(name: str, number: int) -> str:
        return f"s3://data/{name}/{number:06d}.tar"

    def write_keys(self, access: str, secret: str) -> None:
        """In one step, as a mounted Secret changes."""
        part = self.keys_file.with_suffix(".part")
        part.write_text(f"[default]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n")
        part.replace(self.keys_file)


@dataclass
class Seen:
    """What a loader handed out."""

    ids: dict[int, str] = field(default_factory=dict)
    stand_ins: set[int] = field(default_factory=set)
    reports: list[BrokenReport] = field(default_factory=list)
    read_again: int = 0


def see(
    storage: Storage,
    data: OpenData,
    processes: int = 1,
    extras: tuple[str, ...] = (),
    most: float = 1.0,
    keep: int = 0,
    apart: bool = False,
) -> Seen:
    """What the loaders of all processes hand out together.

    apart: all requests are made by a reading process; else none are.
    """
    seen = Seen()
    with _reads(storage, apart) as reads:
        for rank in range(processes):
            with Loader(storage=storage, index=data.index, order=data.order, plan=PLAN, crops=CROPS, rank=rank,
                        world=processes, seed=1, workers=2, steps=STEPS, max_bad_fraction=most, extras=extras,
                        keep_bytes=keep, reads=reads) as loader:  # fmt: skip
                for batch in (batch for step in loader for batch in step.batches):
                    seen.ids.update(zip(batch.positions.tolist(), batch.sample_ids, strict=True))
                    seen.stand_ins.update(batch.stand_ins)
                    seen.reports.extend(batch.broken)
                    seen.read_again += batch.read_again
    return seen


@contextmanager
def _reads(storage: Storage, apart: bool) -> Iterator[Storage | ReadsApart]:
    if not apart:
        yield storage
        return
    reads = read_apart(storage)
    assert reads is not None
    with closing(reads):
        assert reads.is_up(300.0)
        yield reads
