"""Traces of training steps in a run: who looks for requests, and where traces go."""

from __future__ import annotations

import json
from dataclasses import dataclass

from webssl_api import labels

from webssl_trainer.loop.environment import Environment
from webssl_trainer.loop.profile_watch import SIGNALLED_NAME, ProfileWatch
from webssl_trainer.loop.session import Session
from webssl_trainer.observe.profile_request import ProfileRequest
from webssl_trainer.observe.profiler import StepProfiler
from webssl_trainer.storage import Storage, join

PROFILES = "profiles"
"""Folder of traces, below the run's folder."""


@dataclass(frozen=True)
class TraceFolder:
    """Traces, and in `requests/` a note of each request that has one, so that a later attempt does not answer it again."""

    storage: Storage
    uri: str

    def leave(self, name: str, trace: bytes, request: ProfileRequest) -> None:
        """Write a trace, then the note."""
        self.storage.put(join(self.uri, PROFILES, name), trace)
        note = json.dumps({"request": request.text, "trace": name})
        self.storage.put(self._note(request), note.encode())

    def has(self, request: ProfileRequest) -> bool:
        """Whether a request has been answered."""
        return self.storage.exists(self._note(request))

    def _note(self, request: ProfileRequest) -> str:
        return join(self.uri, PROFILES, "requests", f"{request.key}.json")


def watch_for_requests(environment: Environment, session: Session) -> ProfileWatch:
    """Every process heeds signals, its own and its agent's; rank 0 alone the run's annotation."""
    asked = environment.run_file.parent / labels.PROFILE_KEY if environment.rank == 0 else None
    folder = TraceFolder(session.storage, session.config.checkpoint_uri)
    return ProfileWatch(environment.scratch / SIGNALLED_NAME, asked, folder.has)


def step_profiler(environment: Environment, session: Session, watch: ProfileWatch) -> StepProfiler:
    """The profiler of this process."""
    folder = TraceFolder(session.storage, session.config.checkpoint_uri)
    return StepProfiler(watch.take, folder.leave, environment.rank, environment.scratch)
