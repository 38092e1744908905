"""The control groups of nodes, on cgroup v1 and v2."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def hierarchies(root: Path = ROOT) -> list[Path]:
    """The mounted hierarchies: one for v2, one for each controller for v1."""
    if (root / "cgroup.controllers").exists():
        return [root]
    return sorted(
        {
            folder.resolve()
            for folder in root.iterdir()
            if folder.is_dir() and (folder / "cgroup.procs").exists()
        }
    )


def create(group: str, root: Path = ROOT) -> None:
    """Makes ``group`` (absolute, within the hierarchy) in every hierarchy, with all controllers passed on."""
    for hierarchy in hierarchies(root):
        folder = hierarchy
        for part in Path(group).parts[1:]:
            _pass_on(folder)
            folder = folder / part
            folder.mkdir(exist_ok=True)
            _inherit_cpuset(folder)
        _pass_on(folder)


def remove(group: str, root: Path = ROOT) -> None:
    """Removes ``group`` and everything below it from every hierarchy; kills what still runs there."""
    for hierarchy in hierarchies(root):
        top = hierarchy / group.lstrip("/")
        for folder in sorted(_below(top), key=lambda path: len(path.parts), reverse=True):
            _remove_one(folder)


def _remove_one(folder: Path) -> None:
    for _ in range(100):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            for pid in _processes(folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        else:
            return


def _processes(folder: Path) -> list[int]:
    try:
        return [int(line) for line in (folder / "cgroup.procs").read_text().split() if line != "0"]
    except OSError:
        return []


def _below(top: Path) -> list[Path]:
    return [Path(folder) for folder, _, _ in os.walk(top)] if top.exists() else []


def _pass_on(folder: Path) -> None:
    controllers = folder / "cgroup.controllers"
    if controllers.exists():
        for name in controllers.read_text().split():
            with contextlib.suppress(OSError):
                (folder / "cgroup.subtree_control").write_text(f"+{name}")


def _inherit_cpuset(folder: Path) -> None:
    """On v1 a new cpuset group is empty, and nothing can be put into it, until it takes its parent's values."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = folder / name
        if file.exists() and "cpuset.cpus.effective" not in file.name and not file.read_text().strip():
            with contextlib.suppress(OSError):
                file.write_text((folder.parent / name).read_text())
