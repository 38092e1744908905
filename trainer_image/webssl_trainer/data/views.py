"""From the bytes of samples to their crops: inline, in threads, or in spawned processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.data.crops import SampleCrops, file_crops
from webssl_trainer.data.decode import MAX_PIXELS, BrokenSampleError

WorkerKind = Literal["thread", "process"]


@dataclass(frozen=True)
class ViewMaker:
    """Makes the crops of one sample: a function of (bytes, position) and of what is fixed for a run.

    Attributes:
        spec: the crops.
        seed: seed of all draws.
        max_pixels: larger images are broken samples.
    """

    spec: CropSpec
    seed: int
    max_pixels: int = MAX_PIXELS

    def __call__(self, data: bytes, position: int) -> SampleCrops | str:
        """The crops, or the reason why the sample is broken (as text, so that it crosses processes)."""
        try:
            return file_crops(data, self.spec, self.seed, position, self.max_pixels)
        except BrokenSampleError as broken:
            return broken.reason


class ViewPool:
    """Runs a `ViewMaker` on many samples; the results do not depend on how.

    Args:
        make: the function.
        workers: threads or processes; 0 works in the calling thread.
        kind: threads share memory and start at once (Pillow decodes and resizes without the interpreter
            lock); processes are spawned, never forked, and cost seconds to start.
    """

    def __init__(self, make: ViewMaker, workers: int, kind: WorkerKind = "thread") -> None:
        self._make = make
        self._pool: Executor | None = None
        if workers > 0 and kind == "process":
            self._pool = ProcessPoolExecutor(
                workers, multiprocessing.get_context("spawn"), _start_worker, (os.getpid(),)
            )
        elif workers > 0:
            self._pool = ThreadPoolExecutor(workers, thread_name_prefix="views")

    def views(self, samples: Sequence[tuple[bytes, int]]) -> list[SampleCrops | str]:
        """Crops or reason of each (bytes, position), in order."""
        if self._pool is None:
            return [self._make(data, position) for data, position in samples]
        jobs = [self._pool.submit(self._make, data, position) for data, position in samples]
        return [job.result() for job in jobs]

    def close(self) -> None:
        """Lets running work end and drops what waits."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(parent: int) -> None:
    """In a decode process: leave Ctrl-C to the trainer, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
