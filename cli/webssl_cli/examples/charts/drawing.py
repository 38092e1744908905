"""Charts as pictures: bars, lines, pies and points in the styles that a spreadsheet or a plotting library would give them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from webssl_cli.examples import fonts
from webssl_cli.examples.charts.table import Kind, Table

WIDTH, HEIGHT = 480, 360
_FINE = 2
"""Drawn this many times larger and shrunk, which smooths all edges."""

PALETTES: tuple[tuple[tuple[str, str], ...], ...] = (
    (("blue", "#1f77b4"), ("orange", "#ff7f0e"), ("green", "#2ca02c"), ("red", "#d62728"), ("purple", "#9467bd"), ("brown", "#8c564b")),
    (("red", "#c0392b"), ("blue", "#2e6da4"), ("yellow", "#e1b12c"), ("green", "#27ae60"), ("grey", "#7f8c8d"), ("purple", "#7d3c98")),
    (("green", "#4c9f70"), ("orange", "#e67e22"), ("blue", "#34699a"), ("pink", "#e377c2"), ("grey", "#95a5a6"), ("brown", "#6d4c41")),
    (("black", "#222222"), ("red", "#e74c3c"), ("grey", "#9e9e9e"), ("blue", "#3498db"), ("orange", "#f39c12"), ("green", "#16a085")),
)  # fmt: skip
"""Colours with their names."""


@dataclass(frozen=True)
class Style:
    """How a chart looks.

    Attributes:
        kind: of chart. colours: names and values in the order of series, or of labels where a pie or `rainbow` bars have several.
        lying: bars go to the right. values: numbers stand at bars, points and slices. rainbow: each bar has a colour of its own.
    """

    kind: Kind
    colours: tuple[tuple[str, str], ...]
    font: Path
    size: int
    paper: str
    grid: bool
    lying: bool
    values: bool
    rainbow: bool
    boxed: bool


def style_of(table: Table, faces: Mapping[str, Path], dice: random.Random) -> Style:
    """A style that suits a table."""
    kind = dice.choice(table.kinds)
    single = len(table.series) == 1
    palette = list(dice.choice(PALETTES))
    dice.shuffle(palette)
    return Style(
        kind=kind,
        colours=tuple(palette),
        font=fonts.drawn(faces, fonts.PLAIN, dice),
        size=dice.choice((11, 12, 13)),
        paper=dice.choice(("#ffffff", "#ffffff", "#f5f5f0", "#eaf0f6")),
        grid=dice.random() < 0.6,
        lying=kind == "bar" and single and dice.random() < 0.35,
        values=dice.random() < 0.6,
        rainbow=kind == "bar" and single and len(table.labels) <= len(palette) and dice.random() < 0.4,
        boxed=dice.random() < 0.5,
    )


def number_text(value: float) -> str:
    """A number as charts and answers write it."""
    return f"{value:.0f}" if value == round(value) else f"{value:g}"


def draw(table: Table, style: Style) -> Image.Image:
    """The chart, RGB, 480 x 360 pixels."""
    sheet = _Sheet(style)
    sheet.text((WIDTH / 2, 16), table.title, "mm", style.size + 3)
    if style.kind == "pie":
        _pie(sheet, table)
    elif style.kind == "scatter":
        _scatter(sheet, table)
    elif style.lying:
        _lying_bars(sheet, table)
    else:
        _columns(sheet, table)
    return sheet.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


class _Sheet:
    """A canvas in the chart's own pixels."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.image = Image.new("RGB", (WIDTH * _FINE, HEIGHT * _FINE), style.paper)
        self._pen = ImageDraw.Draw(self.image)

    def text(self, at: tuple[float, float], text: str, anchor: str, size: int | None = None) -> None:
        font = fonts.face(self.style.font, (size or self.style.size) * _FINE)
        self._pen.text((at[0] * _FINE, at[1] * _FINE), text, fill="#222222", font=font, anchor=anchor)

    def width(self, text: str) -> float:
        return fonts.face(self.style.font, self.style.size * _FINE).getlength(text) / _FINE

    def upright(self, at: tuple[float, float], text: str) -> None:
        """Text that is read from below, its middle at a place."""
        font = fonts.face(self.style.font, self.style.size * _FINE)
        left, top, right, bottom = (int(side) for side in font.getbbox(text))
        strip = Image.new("L", (right - left + 4, bottom - top + 4))
        ImageDraw.Draw(strip).text((2 - left, 2 - top), text, fill=255, font=font)
        turned = strip.rotate(90, expand=True)
        place = (int(at[0] * _FINE - turned.width / 2), int(at[1] * _FINE - turned.height / 2))
        self.image.paste("#222222", place, turned)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1) -> None:
        self._pen.line(
            [(x * _FINE, y * _FINE) for x, y in points], colour, round(width * _FINE), joint="curve"
        )

    def box(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        colour: str | None,
        edge: str | None = None,
    ) -> None:
        self._pen.rectangle([side * _FINE for side in (left, top, right, bottom)], colour, edge, _FINE)

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        self._pen.ellipse([side * _FINE for side in (x - radius, y - radius, x + radius, y + radius)], colour)

    def slice(self, sides: tuple[float, float, float, float], start: float, end: float, colour: str) -> None:
        self._pen.pieslice([side * _FINE for side in sides], start, end, colour, self.style.paper, _FINE)

    def legend(self, names: Sequence[str], left: float, top: float) -> None:
        for number, name in enumerate(names):
            y = top + number * (self.style.size + 6)
            self.box(left, y, left + 10, y + 10, self.style.colours[number][1])
            self.text((left + 15, y + 5), name, "lm")


def ticks(low: float, high: float) -> list[float]:
    """About five round numbers that enclose a range."""
    # The smallest numbers of all have no fifth.
    span = next(size for size in (high - low, abs(high), 1.0) if size > 1e-300)
    unit = 10.0 ** math.floor(math.log10(span / 5))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= span / 5)
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + 1)
    return [round(step * number, 10) for number in range(first, last + 1)]


def _columns(sheet: _Sheet, table: Table) -> None:
    """Upright bars or lines."""
    style, bars = sheet.style, sheet.style.kind == "bar"
    values = [value for _, row in table.series for value in row]
    marks = ticks(0 if bars else min(values), max(values))
    legend = len(table.series) > 1
    left, top, right, bottom = 62.0, 36.0, WIDTH - (116.0 if legend else 16.0), HEIGHT - 52.0

    def height(value: float) -> float:
        return bottom - (bottom - top) * (value - marks[0]) / (marks[-1] - marks[0])

    for mark in marks:
        if style.grid:
            sheet.line([(left, height(mark)), (right, height(mark))], "#c8c8c8", 0.5)
        sheet.text((left - 5, height(mark)), number_text(mark), "rm")
    slot = (right - left) / len(table.labels)
    crowded = max(map(sheet.width, table.labels)) > slot - 2
    for number, label in enumerate(table.labels):
        low = 12 if crowded and number % 2 else 0
        sheet.text((left + slot * (number + 0.5), bottom + 5 + low), label, "ma")
    for place, (_, row) in enumerate(table.series):
        if bars:
            _bars_of(sheet, table, place, (left, slot, bottom), height)
        else:
            colour = style.colours[place][1]
            points = [(left + slot * (number + 0.5), height(value)) for number, value in enumerate(row)]
            sheet.line(points, colour, 2)
            for (x, y), value in zip(points, row, strict=True):
                sheet.dot(x, y, 3, colour)
                if style.values:
                    sheet.text((x, y - 6), number_text(value), "ms", style.size - 2)
    if style.boxed:
        sheet.box(left, top, right, bottom, None, "#555555")
    sheet.line([(left, bottom), (right, bottom)], "#333333")
    sheet.upright((14, (top + bottom) / 2), table.unit)
    sheet.text(((left + right) / 2, HEIGHT - 12), table.over, "mm")
    if legend:
        sheet.legend([name for name, _ in table.series], right + 8, top)


def _bars_of(
    sheet: _Sheet,
    table: Table,
    place: int,
    ground: tuple[float, float, float],
    height: Callable[[float], float],
) -> None:
    """The bars of one series. ground: where the first column begins, how wide columns are, and the base line."""
    left, slot, bottom = ground
    wide = slot * 0.8 / len(table.series)
    for number, value in enumerate(table.series[place][1]):
        x = left + slot * (number + 0.1) + wide * place
        colour = sheet.style.colours[number if sheet.style.rainbow else place][1]
        sheet.box(x, height(value), x + wide - 1, bottom, colour)
        if sheet.style.values and wide > 16:
            sheet.text((x + wide / 2, height(value) - 2), number_text(value), "ms", sheet.style.size - 2)


def _lying_bars(sheet: _Sheet, table: Table) -> None:
    style, (_, row) = sheet.style, table.series[0]
    marks = ticks(0, max(row))
    left, top, right, bottom = 22 + max(map(sheet.width, table.labels)), 36.0, WIDTH - 36.0, HEIGHT - 44.0

    def across(value: float) -> float:
        return left + (right - left) * value / marks[-1]

    for mark in marks:
        if style.grid:
            sheet.line([(across(mark), top), (across(mark), bottom)], "#c8c8c8", 0.5)
        sheet.text((across(mark), bottom + 5), number_text(mark), "ma")
    slot = (bottom - top) / len(row)
    for number, (label, value) in enumerate(zip(table.labels, row, strict=True)):
        y = top + slot * number
        colour = style.colours[number if style.rainbow else 0][1]
        sheet.box(left, y + slot * 0.15, across(value), y + slot * 0.85, colour)
        sheet.text((left - 5, y + slot / 2), label, "rm")
        if style.values:
            sheet.text((across(value) + 4, y + slot / 2), number_text(value), "lm", style.size - 2)
    sheet.line([(left, top), (left, bottom)], "#333333")
    sheet.text(((left + right) / 2, HEIGHT - 12), table.unit, "mm")


def _pie(sheet: _Sheet, table: Table) -> None:
    (_, row), start = table.series[0], -90.0
    sides = (40.0, 44.0, 330.0, 334.0)
    total = sum(row)
    for number, value in enumerate(row):
        end = start + 360 * value / total
        sheet.slice(sides, start, end, sheet.style.colours[number][1])
        start = end
    names = [
        f"{label}: {number_text(value)}" if sheet.style.values else label
        for label, value in zip(table.labels, row, strict=True)
    ]
    sheet.legend(names, 344, 60)


def _scatter(sheet: _Sheet, table: Table) -> None:
    style = sheet.style
    across, up = (
        ticks(min(axis), max(axis))
        for axis in ([x for x, *_ in table.points], [y for _, y, _ in table.points])
    )
    left, top, right, bottom = 62.0, 36.0, WIDTH - 100.0, HEIGHT - 48.0
    names = groups(table)

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (right - left) * (x - across[0]) / (across[-1] - across[0]),
            bottom - (bottom - top) * (y - up[0]) / (up[-1] - up[0]),
        )

    for mark in across:
        x, _ = place(mark, up[0])
        sheet.text((x, bottom + 5), number_text(mark), "ma")
        if style.grid:
            sheet.line([(x, top), (x, bottom)], "#d0d0d0", 0.5)
    for mark in up:
        _, y = place(across[0], mark)
        sheet.text((left - 5, y), number_text(mark), "rm")
    sheet.box(left, top, right, bottom, None, "#555555")
    for x, y, name in table.points:
        sheet.dot(*place(x, y), 4, style.colours[names.index(name)][1])
    sheet.upright((14, (top + bottom) / 2), table.unit)
    sheet.text(((left + right) / 2, HEIGHT - 12), table.over, "mm")
    sheet.legend(names, right + 10, top)


def groups(table: Table) -> list[str]:
    """Names of the series of points."""
    return sorted({name for *_, name in table.points})
