"""Emoji of Google's font (npm `emoji-datasource-google`): 3,786 drawings of 64 x 64 pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from webssl_trainer.data.pack import PackItem

from webssl_cli.examples.packages import from_npm

VERSION = "16.0.0"


def fetch(cache: Path) -> Path:
    """The folder of the drawings, 74 MB to download. Needs npm. Raises CliError."""
    return from_npm("emoji-datasource-google", VERSION, cache) / "img" / "google" / "64"


def images(data: Path, limit: int | None = None) -> Iterator[PackItem]:
    """The drawings in the order of their code points."""
    for file in sorted(data.glob("*.png"))[:limit]:
        yield PackItem(f"emoji-{file.stem}", file.read_bytes(), "png")
