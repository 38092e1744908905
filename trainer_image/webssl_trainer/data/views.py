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
from webssl_trainer.data.crops import (
    F64,
    SampleCrops,
    crop_draws,
    crop_draws_for,
    empty_crops,
    file_crops_into,
)
from webssl_trainer.data.decode import MAX_PIXELS, BrokenSampleError
from webssl_trainer.storage import Came

WorkerKind = Literal["thread", "process"]
Job = tuple[SampleCrops, Came, int]
"""Room for the crops of a sample, its bytes, its position."""
Drawn = tuple[SampleCrops, Came, F64]
"""The same with what its crops draw in place of the position."""
_TOGETHER = 4
"""Samples that one worker is handed at once: few enough that workers end together, enough that handing over is cheap."""


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

    def __call__(self, data: Came, position: int) -> SampleCrops | str:
        """The crops, or the reason why the sample is broken (as text, so that it crosses processes)."""
        return self.made(data, crop_draws(self.spec, self.seed, position))

    def drawn(self, jobs: Sequence[Job]) -> list[Drawn]:
        """What the crops of all jobs draw, at once."""
        draws = crop_draws_for(self.spec, self.seed, [position for _, _, position in jobs])
        return [(room, data, mine) for (room, data, _), mine in zip(jobs, draws, strict=True)]

    def into(self, crops: SampleCrops, data: Came, draws: F64) -> str | None:
        """Writes the crops; gives the reason why the sample is broken, if it is."""
        try:
            file_crops_into(crops, data, self.spec, draws, self.max_pixels)
        except BrokenSampleError as broken:
            return broken.reason
        return None

    def made(self, data: Came, draws: F64) -> SampleCrops | str:
        """`into` room of its own."""
        crops = empty_crops(self.spec)
        reason = self.into(crops, data, draws)
        return crops if reason is None else reason

    def several(self, samples: Sequence[tuple[bytes, F64]]) -> list[SampleCrops | str]:
        """`made` of each."""
        return [self.made(data, draws) for data, draws in samples]

    def several_into(self, jobs: Sequence[Drawn]) -> list[str | None]:
        """`into` of each."""
        return [self.into(crops, data, draws) for crops, data, draws in jobs]


class ViewPool:
    """Runs a `ViewMaker` on many samples; the results do not depend on how.

    Args:
        make: the function.
        workers: threads or processes; 0 works in the calling thread.
        kind: threads write into the batch and start at once (decoding and resizing run without the interpreter lock);
            processes are spawned, never forked, cost seconds to start, and send their crops back.
    """

    def __init__(self, make: ViewMaker, workers: int, kind: WorkerKind = "thread") -> None:
        self._make, self._apart = make, kind == "process"
        self._pool: Executor | None = None
        if workers > 0 and kind == "process":
            self._pool = ProcessPoolExecutor(
                workers, multiprocessing.get_context("spawn"), _start_worker, (os.getpid(),)
            )
        elif workers > 0:
            self._pool = ThreadPoolExecutor(workers, thread_name_prefix="views")

    def views_into(self, jobs: Sequence[Job]) -> list[str | None]:
        """Writes the crops of each job; None, or the reason why the sample is broken, in order."""
        drawn = self._make.drawn(jobs)
        if self._pool is None:
            return self._make.several_into(drawn)
        parts = [drawn[at : at + _TOGETHER] for at in range(0, len(drawn), _TOGETHER)]
        if not self._apart:
            running = [self._pool.submit(self._make.several_into, part) for part in parts]
            # The last one first: to be woken for each costs decoders as many pauses. (`wait` would not see those that are cancelled.)
            made_last_first = [job.result() for job in reversed(running)]
            return [reason for made in reversed(made_last_first) for reason in made]
        sent = [
            self._pool.submit(self._make.several, [(bytes(data), draws) for _, data, draws in part])
            for part in parts
        ]
        reasons: list[str | None] = []
        for part, made in zip(parts, sent, strict=True):
            for (room, _, _), crops in zip(part, made.result(), strict=True):
                reasons.append(crops if isinstance(crops, str) else None)
                if not isinstance(crops, str):
                    room.global_crops[...] = crops.global_crops
                    room.local_crops[...] = crops.local_crops
        return reasons

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
