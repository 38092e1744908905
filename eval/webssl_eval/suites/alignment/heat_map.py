"""A table of shares as a picture: a cell for each pair of layers, its axes named, a scale beside it."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_STOPS = np.array(
    [(28, 20, 60), (52, 66, 132), (38, 122, 142), (46, 170, 118), (150, 212, 66), (252, 232, 60)], dtype=float
)
_CELL, _GAP, _SCALE_WIDTH = (14, 34), 12, 18
_INK, _PAPER, _MARK = (40, 40, 40), (255, 255, 255), (220, 30, 30)
_MARGIN_LEFT, _MARGIN_TOP, _MARGIN_BOTTOM, _MARGIN_RIGHT = 64, 34, 46, 60
_GRID_SIDE = 640


def heat_map(table: NDArray[np.float64], title: str, down: str, across: str) -> bytes:
    """PNG of a table.

    Args:
        table: float64 (rows, columns), at least one cell, values from 0 to 1; the largest is framed.
        title: above the table.
        down, across: names of the rows' and the columns' axis; rows and columns are numbered from 0.
    """
    rows, columns = table.shape
    side = int(np.clip(_GRID_SIDE // max(rows, columns), *_CELL))
    height, width = rows * side, columns * side
    font = ImageFont.load_default(size=12)
    right = _MARGIN_LEFT + width + _GAP
    text_width = int(max(font.getlength(title), _MARGIN_LEFT / 2 + font.getlength(across)))
    canvas = Image.new(
        "RGB",
        (max(right + _SCALE_WIDTH + _MARGIN_RIGHT, text_width + 24), _MARGIN_TOP + height + _MARGIN_BOTTOM),
        _PAPER,
    )
    draw = ImageDraw.Draw(canvas)
    low, high = float(table.min()), float(table.max())
    cells = Image.fromarray(colours((table - low) / (high - low) if high > low else np.zeros_like(table)))
    canvas.paste(cells.resize((width, height), Image.Resampling.NEAREST), (_MARGIN_LEFT, _MARGIN_TOP))
    row, column = np.unravel_index(int(table.argmax()), table.shape)
    corner = _MARGIN_LEFT + int(column) * side, _MARGIN_TOP + int(row) * side
    draw.rectangle((*corner, corner[0] + side - 1, corner[1] + side - 1), outline=_MARK, width=2)
    draw.text((12, 10), title, _INK, font=font)
    _number(draw, font, rows, columns, side)
    draw.text((_MARGIN_LEFT + width / 2, _MARGIN_TOP + height + 34), across, _INK, font=font, anchor="mm")
    canvas.paste(_turned(down, font), (8, _MARGIN_TOP + max(0, (height - int(font.getlength(down))) // 2)))
    _scale(canvas, draw, font, right, height, (low, high))
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def colours(shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colours of values from 0 to 1, dark to bright: any shape (...) -> uint8 (..., 3)."""
    places = np.clip(shares, 0, 1) * (len(_STOPS) - 1)
    channels = [np.interp(places, np.arange(len(_STOPS)), _STOPS[:, channel]) for channel in range(3)]
    found: NDArray[np.uint8] = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return found


def _number(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    rows: int,
    columns: int,
    side: int,
) -> None:
    """Numbers at the rows and columns, as many as have room."""
    every = max(1, -(-24 // side))
    for row in range(0, rows, every):
        place = _MARGIN_LEFT - 6, _MARGIN_TOP + (row + 0.5) * side
        draw.text(place, str(row), _INK, font=font, anchor="rm")
    for column in range(0, columns, every):
        below = _MARGIN_LEFT + (column + 0.5) * side, _MARGIN_TOP + rows * side + 10
        draw.text(below, str(column), _INK, font=font, anchor="mm")


def _turned(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    """The text read from below."""
    flat = Image.new("RGB", (int(font.getlength(text)) + 2, 18), _PAPER)
    ImageDraw.Draw(flat).text((1, 9), text, _INK, font=font, anchor="lm")
    return flat.transpose(Image.Transpose.ROTATE_90)


def _scale(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    left: int,
    height: int,
    ends: tuple[float, float],
) -> None:
    """The colours from the smallest to the largest value, and both values."""
    ramp = colours(np.linspace(1, 0, max(2, height))[:, None])
    canvas.paste(Image.fromarray(ramp).resize((_SCALE_WIDTH, height)), (left, _MARGIN_TOP))
    for value, place in zip(ends, (_MARGIN_TOP + height - 6, _MARGIN_TOP + 6), strict=True):
        draw.text((left + _SCALE_WIDTH + 5, place), f"{value:.3f}", _INK, font=font, anchor="lm")
