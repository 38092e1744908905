"""A white sheet to draw on, in pixels of the finished picture; drawn twice as large and reduced, so that lines are smooth."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

Point = tuple[float, float]

INK, SOFT, GRID = "#1f2933", "#6b7785", "#e4e8ec"
LINE, BAND, ALARM = "#1f6feb", "#c9dcfb", "#d1242f"
_FINE = 2


class Canvas:
    """width, height: of the finished picture."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._image = Image.new("RGB", (width * _FINE, height * _FINE), "#ffffff")
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Sequence[Point], colour: str, width: float = 1.0) -> None:
        """A line through points; a single point is a dot."""
        if len(points) == 1:
            (x, y), r = points[0], max(1.0, width)
            self._draw.ellipse([_FINE * v for v in (x - r, y - r, x + r, y + r)], fill=colour)
            return
        fine = [(x * _FINE, y * _FINE) for x, y in points]
        self._draw.line(fine, fill=colour, width=max(1, round(width * _FINE)), joint="curve")

    def area(self, points: Sequence[Point], colour: str) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * _FINE, y * _FINE) for x, y in points], fill=colour)

    def text(
        self,
        at: Point,
        text: str,
        size: float = 11,
        colour: str = SOFT,
        anchor: Literal["ls", "ms", "rs", "rm"] = "ls",
    ) -> None:
        """Text whose left, middle or right end (`l`, `m`, `r`) and base line or middle (`s`, `m`) is at a point."""
        font = ImageFont.load_default(size * _FINE)
        self._draw.text((at[0] * _FINE, at[1] * _FINE), text, fill=colour, font=font, anchor=anchor)

    def paste(self, image: Image.Image, at: Point, side: int, smooth: bool) -> None:
        """An image as a square of `side` pixels; not smooth: its pixels stay squares."""
        how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
        square = image.resize((side * _FINE, side * _FINE), how)
        self._image.paste(square, (round(at[0] * _FINE), round(at[1] * _FINE)))

    def png(self) -> bytes:
        """The finished picture."""
        out = io.BytesIO()
        self._image.resize(self._size, Image.Resampling.BOX).save(out, "PNG", optimize=True)
        return out.getvalue()
