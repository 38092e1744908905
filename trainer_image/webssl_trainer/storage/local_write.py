"""Whole-or-nothing writes of local files, which fsspec's local file system does not promise."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def _written_beside(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return part


def replace(path: str, data: bytes) -> None:
    """Writes or replaces the file at `path` in one step."""
    target = Path(path)
    part = _written_beside(target, data)
    part.replace(target)


def create(path: str, data: bytes) -> bool:
    """Writes the file at `path` unless there is one; True when this call wrote it."""
    target = Path(path)
    part = _written_beside(target, data)
    try:
        # A hard link fails when the name is taken, and shows the whole file at once; also over NFS.
        os.link(part, target)
    except FileExistsError:
        return False
    finally:
        part.unlink()
    return True
