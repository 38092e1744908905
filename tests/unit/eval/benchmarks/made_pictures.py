"""Small real pictures whose colour tells their number, so that a wrong picture is noticed."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image


def colour_of(number: int) -> tuple[int, int, int]:
    return (number * 37 % 256, number * 91 % 256, 200)


def png(number: int, side: int = 6) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour_of(number)).save(buffer, "PNG")
    return buffer.getvalue()


def picture(number: int) -> dict[str, Any]:
    """As the hub's image columns: a struct of bytes and path."""
    return {"bytes": png(number), "path": f"{number}.png"}
