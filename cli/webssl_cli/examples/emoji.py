"""Emoji of Google's font (npm `emoji-datasource-google`): 3,786 drawings of 64 x 64 pixels, captioned by their names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from webssl_trainer.data.pack import PackItem

from webssl_cli.examples.packages import from_npm

VERSION = "16.0.0"

_SKIN_TONES = {
    "1F3FB": "light",
    "1F3FC": "medium-light",
    "1F3FD": "medium",
    "1F3FE": "medium-dark",
    "1F3FF": "dark",
}


def fetch(cache: Path) -> Path:
    """The folder of the drawings, 74 MB to download. Needs npm. Raises CliError."""
    return from_npm("emoji-datasource-google", VERSION, cache) / "img" / "google" / "64"


def images(data: Path, limit: int | None = None) -> Iterator[PackItem]:
    """The drawings in the order of their code points, each with its name as caption."""
    names = captions(data.parents[2] / "emoji.json")
    for file in sorted(data.glob("*.png"))[:limit]:
        yield PackItem(f"emoji-{file.stem}", file.read_bytes(), "png", caption=names.get(file.name))


def captions(table: Path) -> dict[str, str]:
    """Names by file name, in lower case: `red heart`, `waving hand sign, dark skin tone`."""
    named: dict[str, str] = {}
    for entry in json.loads(table.read_text(encoding="utf-8")):
        name = entry["name"].lower()
        named[entry["image"]] = name
        for tones, variation in entry.get("skin_variations", {}).items():
            words = [f"{_SKIN_TONES[tone]} skin tone" for tone in tones.split("-")]
            named[variation["image"]] = ", ".join([name, *words])
    return named
