"""Traces of training steps with torch's profiler, left beside the checkpoints; Perfetto and chrome://tracing show them.

Whatever goes wrong with a trace is logged and costs the trace, never a step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import torch
from torch.profiler import ProfilerActivity, profile, record_function

from webssl_trainer.observe.profile_request import ProfileRequest

log = structlog.get_logger("webssl.profile")

MOST_BYTES = 256 << 20
"""Of a packed trace; a larger one is not kept."""


class StepProfiler:
    """Traces the steps of this process when it is asked to; by default never.

    Args:
        take: the request to begin with at the next step, None for none; must not wait.
        leave: writes a trace, given its name, its bytes and the request; called in a thread of its own, may fail.
        rank: of this process, for names.
        scratch: a local folder for the trace on its way.
    """

    def __init__(
        self,
        take: Callable[[], ProfileRequest | None] = lambda: None,
        leave: Callable[[str, bytes, ProfileRequest], None] = lambda *_: None,
        rank: int = 0,
        scratch: Path = Path(),
    ) -> None:
        self._take, self._leave = take, leave
        self._rank, self._scratch = rank, scratch
        self._trace: profile | None = None
        self._request: ProfileRequest | None = None
        self._first = 0
        self._thread: threading.Thread | None = None

    @contextmanager
    def step(self, number: int) -> Iterator[None]:
        """Around each step."""
        if self._trace is None:
            self._begin(number)
        if self._trace is None or self._request is None:
            yield
            return
        with record_function(f"step {number}"):
            yield
        if number + 1 >= self._first + self._request.steps:
            self._end(self._trace, self._request)

    def close(self, seconds: float) -> None:
        """Wait for a trace that is on its way; one that is not complete is dropped."""
        if self._trace is not None:
            self._guarded(self._trace.stop)
            self._trace = None
        if self._thread is not None:
            self._thread.join(seconds)

    def _begin(self, number: int) -> None:
        if self._thread is not None and self._thread.is_alive():
            return  # one at a time; the request waits
        request = self._take()
        if request is None:
            return
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        trace = profile(activities=activities)
        if self._guarded(trace.start):
            log.info("profile.started", step=number, steps=request.steps)
            self._trace, self._request, self._first = trace, request, number

    def _end(self, trace: profile, request: ProfileRequest) -> None:
        self._trace = None
        if not self._guarded(trace.stop):
            return
        name = f"step-{self._first:012d}-rank-{self._rank:05d}.json.gz"
        self._thread = threading.Thread(
            target=lambda: self._guarded(lambda: self._export(trace, request, name)),
            name="profile",
            daemon=True,
        )
        self._thread.start()

    def _export(self, trace: profile, request: ProfileRequest, name: str) -> None:
        path = self._scratch / name
        try:
            trace.export_chrome_trace(str(path))
            size = path.stat().st_size
            if size > MOST_BYTES:
                log.warning("profile.too_large", name=name, bytes=size, most=MOST_BYTES)
                return
            self._leave(name, path.read_bytes(), request)
        finally:
            path.unlink(missing_ok=True)
        log.info("profile.written", name=name, bytes=size)

    def _guarded(self, action: Callable[[], object]) -> bool:
        try:
            action()
        except Exception as error:
            log.warning("profile.failed", error=f"{type(error).__name__}: {error}")
            return False
        return True
