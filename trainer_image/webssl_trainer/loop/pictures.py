"""Pictures beside checkpoints: curves of the run so far, and what the encoder makes of a few images.

Rank 0 draws and writes in a thread of its own, seldom; of a training step nothing is asked but the feature pass at a save.
Whatever goes wrong is logged and costs the picture.
"""

from __future__ import annotations

import json
import queue
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from webssl_api.manifest import MANIFEST_NAME

from webssl_trainer.checkpoint.discovery import list_folders
from webssl_trainer.checkpoint.saver import SaveOrder
from webssl_trainer.checkpoint.steplog import read_chain
from webssl_trainer.loop.feature_pass import is_collective, normalised, patch_features
from webssl_trainer.loop.fixed_images import COUNT, fixed_images
from webssl_trainer.loop.session import Session
from webssl_trainer.observe.pictures.curves import loss_picture
from webssl_trainer.observe.pictures.features import feature_picture
from webssl_trainer.observe.pictures.history import History
from webssl_trainer.storage import join

log = structlog.get_logger("webssl.pictures")

PICTURES = "pictures"
"""Folder below the run's folder."""
INTERVAL = 60.0
"""Least seconds between two drawings, the final one aside."""
_NAME = re.compile(r"/step-(\d{12})-(?:loss|pca)\.png$")


@dataclass(frozen=True)
class _Job:
    """A checkpoint that was committed; draw: whether it gets pictures."""

    order: SaveOrder
    features: NDArray[np.float32] | None
    draw: bool


class Pictures:
    """Of one attempt. All processes make one and call `saving` in step; wanted must be the same on all.

    ready: set on rank 0 once the images have been read, or could not be.
    """

    def __init__(
        self,
        session: Session,
        wanted: bool = True,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session, self._wanted, self._interval, self._clock = session, wanted, interval, clock
        self._leads = session.processes.peers.leads
        self._collective = is_collective(session.objective)
        self._side = session.config.vit.image_size
        self._pixels: NDArray[np.uint8] | None = None
        self._taken: tuple[int, NDArray[np.float32]] | None = None
        self._drawn: float | None = None
        self._history = History()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self.ready, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="pictures", daemon=True)
        if wanted and self._leads:
            self._thread.start()

    def saving(self, final: bool) -> None:
        """The present step is about to be saved: take the features. All processes call it."""
        session = self._session
        # In the first step sharded networks learn which of them is the root.
        if not self._wanted or session.step == session.start.step:
            return
        self._taken = None
        if self._collective:
            self._take()  # an error on all processes alike; one of a single process would leave the others waiting
        elif self._leads and self._pixels is not None and self._is_due(final):
            try:
                self._take()
            except Exception as error:
                log.warning("pictures.no_features", error=f"{type(error).__name__}: {error}")

    def committed(self, order: SaveOrder) -> None:
        """A checkpoint was committed: draw, if the last drawing is long enough ago."""
        if not self._thread.is_alive():
            return
        draw = self._is_due(order.manifest.final)
        if draw:
            self._drawn = self._clock()
        step, features = self._taken or (-1, None)
        self._jobs.put(_Job(order, features if step == order.key.step else None, draw))

    def close(self, seconds: float) -> None:
        """Wait for what is being drawn."""
        self._jobs.put(None)
        if self._thread.is_alive():
            self._thread.join(seconds)
        self._stop.set()

    def _is_due(self, final: bool) -> bool:
        return final or self._drawn is None or self._clock() - self._drawn >= self._interval

    def _take(self) -> None:
        session, pixels = self._session, self._pixels
        images = torch.zeros(
            COUNT, 3, self._side, self._side
        )  # where there are none: in the collective all need some
        if pixels is not None:
            images = normalised(pixels, session.objective.crop_spec())
        grid = patch_features(session.objective, images, session.processes.device)
        if self._leads and pixels is not None:
            self._taken = session.step, grid.float().cpu().numpy()

    # -- in the thread ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        session = self._session
        self._guarded(self._load_images)
        self.ready.set()
        if session.start.last_log:
            self._guarded(self._load_history)
        while (job := self._jobs.get()) is not None:
            self._guarded(lambda job=job: self._one(job))  # type: ignore[misc]

    def _load_images(self) -> None:
        storage, data = self._session.storage, self._session.data
        self._pixels = fixed_images(storage, data.index, data.order, self._side, self._stop)

    def _load_history(self) -> None:
        session = self._session
        for record in read_chain(session.storage, session.config.checkpoint_uri, session.start.last_log):
            self._history.add(record)

    def _one(self, job: _Job) -> None:
        key, written = job.order.key, job.order.log
        for line in written.data.decode().splitlines()[1:] if written is not None else ():
            self._history.add(json.loads(line))
        if not job.draw:
            return
        pictures: dict[str, bytes] = {}
        if len(self._history.steps):
            pictures["loss"] = loss_picture(self._history, f"training up to step {key.step:,}")
        if job.features is not None and self._pixels is not None and np.isfinite(job.features).all():
            title = f"{self._session.objective.encoder} after step {key.step:,}"
            pictures["pca"] = feature_picture(self._pixels, job.features, title)
        for name, data in pictures.items():
            self._session.storage.put(self._url(f"step-{key.step:012d}-{name}.png"), data)
        log.info("pictures.written", step=key.step, pictures=sorted(pictures))
        self._tidy()

    def _tidy(self) -> None:
        """Only pictures of checkpoints that are kept stay."""
        storage, uri = self._session.storage, self._session.config.checkpoint_uri
        folders = list_folders(storage, uri).folders
        kept = {key.step for key, sizes in folders.items() if MANIFEST_NAME in sizes}
        for info in storage.list_objects(self._url("")):
            found = _NAME.search(info.url)
            if found is not None and int(found[1]) not in kept:
                storage.delete(info.url)

    def _url(self, name: str) -> str:
        return join(self._session.config.checkpoint_uri, PICTURES, name)

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            log.warning("pictures.failed", error=f"{type(error).__name__}: {error}")
