"""Long-lived programs: started detached, known by pid and start time, stopped for certain."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .commands import tail
from .errors import ClusterError

_TO_DIE = 60.0
"""Seconds that a killed program may take to be gone: one that writes to a busy disk takes some."""


@dataclass(frozen=True)
class Program:
    """A program that is to run.

    Args:
        configs: files whose content, when changed, calls for a restart.
    """

    name: str
    argv: Sequence[str | Path]
    env: Mapping[str, str] = field(default_factory=dict)
    configs: Sequence[Path] = ()

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(json.dumps([[str(word) for word in self.argv], dict(self.env)]).encode())
        for path in self.configs:
            digest.update(path.read_bytes())
        return digest.hexdigest()


def start_time(pid: int) -> str | None:
    """The kernel's start time of a live process, or None; with the pid it names a process for good."""
    fields = _stat(pid)
    return None if not fields or fields[0] in "ZX" else fields[19]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


class Processes:
    """The programs of one folder: ``NAME.json`` says which process runs it, ``NAME.log`` has its output."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pid(self, name: str) -> int | None:
        """The pid of the live process, or None."""
        record = self._record(name)
        if not record:
            return None
        pid = int(record["pid"])
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return pid if record["started"] and start_time(pid) == record["started"] else None

    def names(self) -> list[str]:
        return sorted(file.stem for file in self.folder.glob("*.json"))

    def ensure(self, program: Program) -> bool:
        """Starts ``program`` unless it already runs as described. Returns whether it was started."""
        record = self._record(program.name)
        if self.pid(program.name) is not None:
            if record and record["fingerprint"] == program.fingerprint:
                return False
            self.stop(program.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.log(program.name)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        with log.open("wb") as out:
            process = subprocess.Popen(
                [str(word) for word in program.argv],
                env={**os.environ, **program.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
            )
        process.returncode = 0  # Not ours to wait for: it outlives this process.
        # Not start_time(): one that has ended by now is not reaped yet, and its start must be known all the same.
        started = _stat(process.pid)[19]
        content = {"pid": process.pid, "started": started, "fingerprint": program.fingerprint}
        self._file(program.name).write_text(json.dumps(content))
        return True

    def stop(self, name: str, grace: float = 10.0, *, sig: signal.Signals = signal.SIGTERM) -> None:
        """Ends the process and its group: ``sig``, and SIGKILL after ``grace`` seconds. Returns when it is gone."""
        pid = self.pid(name)
        if pid is not None:
            _signal_group(pid, sig)
            if not _gone(lambda: self.pid(name) is None, grace):
                _signal_group(pid, signal.SIGKILL)
                if not _gone(lambda: self.pid(name) is None, _TO_DIE):
                    raise ClusterError(
                        f"{name} (pid {pid}) does not end", f"look at it: ps -o stat,wchan -p {pid}"
                    )
        self._file(name).unlink(missing_ok=True)

    def kill(self, name: str) -> None:
        """SIGKILL at once, as a crash."""
        self.stop(name, sig=signal.SIGKILL)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def wait(self, name: str, ready: Callable[[], bool], timeout: float, hint: str) -> None:
        """Waits until ``ready()``.

        Raises:
            ClusterError: the process ended, or ``timeout`` seconds passed; with the end of its log.
        """
        end = time.monotonic() + timeout
        while not ready():
            if self.pid(name) is None:
                self._fail(f"{name} ended before it was ready", name, hint)
            if time.monotonic() > end:
                self._fail(f"{name} is not ready after {timeout:.0f} s", name, hint)
            time.sleep(0.1)

    def _fail(self, what: str, name: str, hint: str) -> None:
        log = self.log(name)
        text = tail(log.read_text(errors="replace")) if log.exists() else ""
        raise ClusterError(f"{what}; its log {log} ends:\n{text}", hint)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _record(self, name: str) -> dict[str, str] | None:
        try:
            content = json.loads(self._file(name).read_text())
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None


def _signal_group(pid: int, sig: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, sig)


def _gone(check: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def wait_until(ready: Callable[[], bool], what: str, timeout: float, mend: str) -> None:
    """Waits until ``ready()``; ``what`` says what is waited for.

    Raises:
        ClusterError: it was not after ``timeout`` seconds.
    """
    end = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > end:
            raise ClusterError(f"{what}: not after {timeout:.0f} s", mend)
        time.sleep(0.2)
