"""The folder of a run on this machine: everything that would be an object in a cluster is a file in it."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from webssl_cli.errors import CliError

if TYPE_CHECKING:
    from webssl_api import ResolvedRun, RunStatus, WebSSLRun, WebSSLRunSpec

RUNS = Path("webssl-runs")


class RunFolder:
    """Names of the files of one run, below `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def run_file(self) -> Path:
        """The resolved run (in a cluster: a ConfigMap)."""
        return self.path / "run.yaml"

    @property
    def rendezvous_file(self) -> Path:
        """The rendezvous document (in a cluster: a ConfigMap)."""
        return self.path / "rendezvous.json"

    @property
    def report_file(self) -> Path:
        """Rank 0's latest report (in a cluster: a ConfigMap)."""
        return self.path / "progress" / "report.json"

    def suite_report_file(self, suite: str) -> Path:
        """The report of an evaluation suite (in a cluster: a ConfigMap)."""
        return self.path / "evaluation" / suite / "report.json"

    @property
    def status_file(self) -> Path:
        """The status (in a cluster: that of the WebSSLRun)."""
        return self.path / "status.json"

    @property
    def logs(self) -> Path:
        """Standard output and error of every process."""
        return self.path / "logs"

    @property
    def scratch(self) -> Path:
        """HOME-like space for caches."""
        return self.path / "scratch"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keeps a second `webssl run` out. Raises CliError when there is one."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CliError(
                    f"{self.path}: another `webssl run` is at work in it",
                    "wait for it, stop it, or choose another --workdir",
                ) from error
            yield

    def resolve(self, run: WebSSLRun) -> ResolvedRun:
        """The resolved run with a UID that stays the same when the run goes on; written to `run_file`.

        Raises:
            CliError: the folder holds a run that this one cannot go on from.
        """
        from webssl_api import ResolvedRun

        resolved = ResolvedRun.of(run)
        uid = str(uuid.uuid4())
        if self.run_file.exists():
            stored = ResolvedRun.from_yaml(self.run_file.read_text())
            uid = stored.uid
            changed = changed_field(stored.spec, resolved.spec)
            if changed is not None:
                raise CliError(
                    f"{changed} differs from the run in {self.path}, whose checkpoints depend on it",
                    "change it back, give the run another metadata.name, or choose another --workdir",
                )
        resolved = resolved.model_copy(update={"uid": uid})
        replace_text(self.run_file, resolved.to_yaml())
        return resolved

    def write_status(self, status: RunStatus) -> None:
        """Replace `status_file`."""
        replace_text(self.status_file, status.model_dump_json(by_alias=True, exclude_none=True, indent=1))


def changed_field(old: WebSSLRunSpec, new: WebSSLRunSpec) -> str | None:
    """The first field that differs and must not: those that the API server refuses to change."""
    pairs = {
        "spec.model": (old.model, new.model),
        "spec.objective": (old.objective, new.objective),
        "spec.schedule": (old.schedule, new.schedule),
        "spec.optimizer": (old.optimizer, new.optimizer),
        "spec.data.source": (old.data.source, new.data.source),
        "spec.data.seed": (old.data.seed, new.data.seed),
        "spec.data.filter": (old.data.filter, new.data.filter),
        "spec.data.weight": (old.data.weight, new.data.weight),
        "spec.data.mix": (old.data.mix, new.data.mix),
        "spec.checkpoint.uri": (old.checkpoint.uri, new.checkpoint.uri),
    }
    return next((name for name, (before, after) in pairs.items() if before != after), None)


def replace_text(path: Path, text: str) -> None:
    """Write a file such that readers see the old or the new text, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_text(text)
    fresh.replace(path)
