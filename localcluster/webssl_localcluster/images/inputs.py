"""What each image is made of, and the digest that says whether it has to be made again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from ..errors import ClusterError

TARGETS = ("operator", "trainer", "eval")
SOURCES: dict[str, tuple[str, ...]] = {
    "operator": ("Dockerfile", ".dockerignore", "locks/operator.txt", "crds", "operator"),
    "trainer": ("Dockerfile", ".dockerignore", "locks/trainer.txt", "crds", "trainer_image"),
    "eval": (
        "Dockerfile",
        ".dockerignore",
        "locks/trainer.txt",
        "locks/eval.txt",
        "crds",
        "trainer_image",
        "eval",
    ),
}
PASSED_OVER = ("__pycache__", ".egg-info", ".pyc", ".mypy_cache", ".ruff_cache")


def files(root: Path, target: str) -> list[Path]:
    """The files that the image ``target`` is made of, in a fixed order."""
    found: set[Path] = set()
    for source in SOURCES[target]:
        path = root / source
        found.update([path] if path.is_file() else (entry for entry in path.rglob("*") if entry.is_file()))
    return sorted(path for path in found if not _passed_over(path.relative_to(root)))


def digest(root: Path, target: str, also: Iterable[str]) -> str:
    """12 hexadecimal digits over names and contents of the files, and over ``also`` (base image, arguments).

    Raises:
        ClusterError: ``root`` is not this project's source tree.
    """
    if not (root / "Dockerfile").exists():
        raise ClusterError(f"{root}: no Dockerfile", "run this from a checkout, or name it with --source")
    total = hashlib.sha256()
    for text in also:
        total.update(text.encode() + b"\0")
    for path in files(root, target):
        total.update(str(path.relative_to(root)).encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:12]


def find_root(start: Path) -> Path:
    """The checkout that ``start`` lies in.

    Raises:
        ClusterError: it lies in none.
    """
    for folder in (start, *start.parents):
        if (folder / "Dockerfile").exists() and (folder / "localcluster").is_dir():
            return folder
    raise ClusterError(
        f"{start} is not inside a checkout", "run this from a checkout, or name it with --source"
    )


def _passed_over(path: Path) -> bool:
    return any(part.endswith(PASSED_OVER) for part in path.parts)
