"""The last completed step, left in a local file for the agent, so that a survivor knows how far a lost round came."""

from __future__ import annotations

import os
from pathlib import Path


def write_progress(path: Path, attempt: int, step: int) -> None:
    """Replace the file; readers see the old or the new content."""
    fresh = path.with_suffix(".new")
    fresh.write_text(f"{attempt} {step}")
    os.replace(fresh, path)


def read_progress(path: Path) -> tuple[int, int]:
    """(attempt, step); (0, 0) when there is none."""
    try:
        attempt, step = path.read_text().split()
        return int(attempt), int(step)
    except (OSError, ValueError):
        return 0, 0
