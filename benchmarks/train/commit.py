"""Which state of the source is measured."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit_of(root: Path) -> str | None:
    """The commit that is checked out, marked `-dirty` if tracked files differ; where there is no git, what COMMIT says."""
    carried = root / "COMMIT"
    if carried.exists():
        return carried.read_text().strip()
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
