"""Outline fonts of several kinds, from Debian's packages."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from webssl_cli.examples.packages import from_debian

PLAIN = (
    "LiberationSans-Regular.ttf",
    "LiberationSans-Bold.ttf",
    "LiberationSerif-Regular.ttf",
    "LiberationSerif-Bold.ttf",
    "LiberationSansNarrow-Regular.ttf",
    "LiberationMono-Regular.ttf",
    "Lato-Regular.ttf",
    "Lato-Bold.ttf",
    "Lato-Italic.ttf",
)
"""Faces for reading."""

DISPLAY = ("Lobster.otf", "Comfortaa-Bold.ttf", "Lato-Black.ttf", "LiberationSerif-BoldItalic.ttf")
"""Faces for few words."""

_PACKAGES = ("fonts-liberation", "fonts-lato", "fonts-comfortaa", "fonts-lobster")

Face = ImageFont.FreeTypeFont


def fetch(cache: Path) -> dict[str, Path]:
    """Font files by name, about 4 MB to download. Raises CliError."""
    folders = [from_debian(name, cache) for name in _PACKAGES]
    found = (
        file for folder in folders for file in sorted(folder.rglob("*")) if file.suffix in {".ttf", ".otf"}
    )
    return {_name(file): file for file in found}


def face(file: Path, size: int) -> Face:
    """A font at a size in pixels."""
    return _opened(str(file), size)


def drawn(fonts: Mapping[str, Path], names: tuple[str, ...], dice: random.Random) -> Path:
    """One of the fonts."""
    return fonts[dice.choice(names)]


@lru_cache(maxsize=256)
def _opened(file: str, size: int) -> Face:
    return ImageFont.truetype(file, size)


def _name(file: Path) -> str:
    return file.name[:1].upper() + file.name[1:]
