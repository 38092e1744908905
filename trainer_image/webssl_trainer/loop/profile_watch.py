"""Where requests for a trace come from: a signal to this process, one to its agent, or an annotation of the run.

A thread looks, so that no step waits for a file or for the storage.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import structlog

from webssl_trainer.observe.profile_request import SIGNALLED_STEPS, ProfileRequest, parse_request

log = structlog.get_logger("webssl.profile")

SIGNALLED_NAME = "profile"
"""File in the scratch folder, which the agent writes when it is sent SIGUSR2."""


def signalled_text() -> str:
    """What that file holds: another text each time."""
    return f"{SIGNALLED_STEPS}@{time.time_ns()}"


class ProfileWatch:
    """Looks at the places of requests until `close`.

    Args:
        signalled: the agent's file; what it holds now was asked of a process before this one.
        asked: the file that follows the run's annotation; None on processes that do not look at it.
        is_done: whether a request of `asked` has a trace already, from an earlier attempt perhaps; may fail.
        poll: seconds between two looks.
    """

    def __init__(
        self,
        signalled: Path,
        asked: Path | None,
        is_done: Callable[[ProfileRequest], bool],
        poll: float = 2.0,
    ) -> None:
        self._signalled, self._asked, self._is_done, self._poll = signalled, asked, is_done, poll
        self._seen = _text(signalled)
        self._settled = ""
        self._pending: deque[ProfileRequest] = deque(maxlen=1)
        self._closed = threading.Event()
        threading.Thread(target=self._look, name="profile-watch", daemon=True).start()

    def install(self) -> None:
        """Let SIGUSR2 ask for a trace of this process."""
        signal.signal(signal.SIGUSR2, lambda *_: self._ask(parse_request(signalled_text())))

    def take(self) -> ProfileRequest | None:
        """The request that came last, once."""
        return self._pending.pop() if self._pending else None

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def _ask(self, request: ProfileRequest) -> None:
        self._pending.append(request)

    def _look(self) -> None:
        while not self._closed.wait(self._poll):
            try:
                self._look_once()
            except Exception as error:  # the storage is away: the next look may do better
                log.warning("profile.not_looked", error=f"{type(error).__name__}: {error}")

    def _look_once(self) -> None:
        text = _text(self._signalled)
        if text and text != self._seen:
            self._seen = text
            self._ask(parse_request(text))
        asked = _text(self._asked) if self._asked is not None else ""
        if not asked or asked == self._settled:
            return
        try:
            request = parse_request(asked)
        except ValueError as error:
            log.warning("profile.refused", error=str(error))
        else:
            if not self._is_done(request):
                self._ask(request)
        self._settled = asked


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
