"""Workers and suites as processes of TorchX's local scheduler.

Each slot is a TorchX app of its own, made from one replica of the run's AppDef: the scheduler ends all replicas of an
app when one of them fails, and this one slot must be able to die and come back alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from webssl_cli.local.supervision import Worker

if TYPE_CHECKING:
    from torchx.specs import AppDef, Role

SESSION = "webssl"
LOST = -9
"""Exit code of a process whose own is not known."""


class Processes:
    """The processes of one run.

    Args:
        logs: folder for their output.

    While it is open SIGTERM and SIGINT raise torchx's SignalException in the main thread.
    """

    def __init__(self, logs: Path) -> None:
        from torchx.schedulers import local_scheduler

        self._logs = logs
        # `python` and console scripts are those of this environment.
        self._scheduler: Any = local_scheduler.create_scheduler(
            SESSION, extra_paths=[str(Path(sys.executable).parent)]
        )
        self._apps: dict[str, str] = {}

    def start(self, name: str, role: Role, env: Mapping[str, str]) -> None:
        """Start one process of `role` under a name; an earlier one of that name must have ended."""
        from torchx.specs import AppDef

        one = on_leash(role, env)
        app: AppDef = AppDef(name=name, roles=[one])
        self._apps[name] = self._scheduler.submit(app, {"log_dir": str(self._logs)})

    def state(self, name: str, now: float) -> Worker:
        """Whether the process of that name runs; `now` is taken for the time of its end."""
        from torchx.specs import AppState

        found = self._scheduler.describe(self._apps[name])
        if found is None:
            return Worker(exit_code=LOST, ended=now)
        if found.state in {AppState.RUNNING, AppState.PENDING, AppState.SUBMITTED}:
            return Worker()
        return Worker(exit_code=_exit_code(found.ui_url, found.state == AppState.SUCCEEDED), ended=now)

    def stop(self) -> None:
        """SIGTERM to everything that runs; SIGKILL after 10 s."""
        for app in self._apps.values():
            self._scheduler.cancel(app)

    def last_lines(self, name: str, count: int = 15) -> list[str]:
        """The end of what the newest process of that name wrote to standard error, or else to standard output."""
        folder = self._logs / SESSION / self._apps[name]
        for stream in ("stderr.log", "stdout.log"):
            for file in folder.glob(f"*/0/{stream}"):
                lines = file.read_text(errors="replace").splitlines()
                if lines:
                    return lines[-count:]
        return []

    def log_folder(self, name: str) -> Path:
        """Where the newest process of that name writes."""
        return self._logs / SESSION / self._apps[name]


def on_leash(role: Role, env: Mapping[str, str]) -> Role:
    """One replica of `role` with more environment, whose process ends when this one does."""
    one = deepcopy(role)
    one.num_replicas, one.min_replicas = 1, None
    one.env = {**one.env, **env}
    one.args = ["-m", "webssl_cli.local.leash", one.entrypoint, *one.args]
    one.entrypoint = sys.executable
    one.image = os.getcwd()
    return one


def _exit_code(url: str, succeeded: bool) -> int:
    """The exit code in the record that the scheduler leaves beside the logs of an app that has ended."""
    if succeeded:
        return 0
    record = Path(urlsplit(url).path) / "SUCCESS"
    try:
        roles = json.loads(record.read_text())["roles"]
        codes = [replica["exitcode"] for replicas in roles.values() for replica in replicas]
    except (OSError, ValueError, KeyError):
        return LOST
    return next((int(code) for code in codes if code), LOST)
