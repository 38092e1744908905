"""What a process and its children cost: processor time and memory."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path


def processor_seconds() -> float:
    """User and system time of this process and of its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def memory_in_use() -> tuple[float, float]:
    """MiB in use by this process and its children, and by the largest of them; shared pages by share."""
    found = [os.getpid()]
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # the thread ended
            found += [int(child) for child in (task / "children").read_text().split()]
    each = [pss(process) for process in found]
    return sum(each), max(each)


def pss(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # it ended
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
