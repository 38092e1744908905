"""A pool of decoders that is closed lets nobody wait for what it dropped."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor

from webssl_trainer.data import CropSpec
from webssl_trainer.data.crops import empty_crops
from webssl_trainer.data.views import Drawn, ViewMaker, ViewPool

SPEC = CropSpec(global_size=8, n_global=1, n_local=0, photometric_global=())


class Held(ViewMaker):
    """Decodes nothing, and not before it may."""

    begun = threading.Event()
    may_end = threading.Event()

    def several_into(self, jobs: Sequence[Drawn]) -> list[str | None]:
        self.begun.set()
        assert self.may_end.wait(300)
        return [None] * len(jobs)


def test_nobody_waits_for_dropped_work() -> None:
    pool = ViewPool(Held(SPEC, seed=0), workers=1)
    jobs = [(empty_crops(SPEC), b"", position) for position in range(12)]
    with ThreadPoolExecutor(2) as threads:
        waiting = threads.submit(pool.views_into, jobs)
        assert Held.begun.wait(300)
        closing = threads.submit(pool.close)
        time.sleep(0.3)  # what is queued is dropped before the decoder ends; if not, this shows nothing
        Held.may_end.set()
        error = waiting.exception(300)
        closing.result(300)
    assert error is None or isinstance(error, CancelledError)
