"""Peak resident memory and CPU time of a process, as the kernel keeps them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """Peak resident memory in MiB and CPU seconds (user and system) so far."""

    peak_mib: float
    cpu_seconds: float


class Sampler:
    """Reads /proc of one process. Raises FileNotFoundError when it is gone."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)

    def read(self) -> Usage:
        """Usage so far; the peak is the kernel's high-water mark, so nothing between two readings is missed."""
        status = (self._folder / "status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return Usage(int(peak.split()[1]) / 1024, ticks / os.sysconf("SC_CLK_TCK"))
