"""Small multiples as SVG: one panel per schedule. A page of lines and text needs no drawing library."""

from __future__ import annotations

import math
from html import escape

from webssl_cli.recipes.axis import steps_text, ticks, value_text
from webssl_cli.recipes.curves import Curve, RecipeSchedules

COLUMNS = 3
CELL_WIDTH, CELL_HEIGHT = 330, 220
LEFT, RIGHT, TOP, BOTTOM = 62, 22, 44, 34
"""Room around the axes of a cell, in pixels."""
HEAD = 64
POINTS = 240
INK, SOFT, GRID, LINE = "#1f2933", "#6b7785", "#e4e8ec", "#1f6feb"
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"


def drawing(recipe: RecipeSchedules) -> str:
    """The picture as SVG text."""
    columns = min(COLUMNS, len(recipe.curves))
    width, height = columns * CELL_WIDTH, HEAD + math.ceil(len(recipe.curves) / columns) * CELL_HEIGHT
    panels = [
        f"<g transform='translate({n % columns * CELL_WIDTH},{HEAD + n // columns * CELL_HEIGHT})'>{_panel(curve)}</g>"
        for n, curve in enumerate(recipe.curves)
    ]
    sides = ", then ".join(
        f"{side} px from step {first:,}" if first else f"{side} px" for side, first in recipe.stages
    )
    facts = f"{recipe.total_steps:,} steps of {recipe.global_batch:,} samples at {sides}"
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' {FONT}>",
            f"<rect width='{width}' height='{height}' fill='#ffffff'/>",
            _text(LEFT, 30, recipe.recipe, size=18, weight=600),
            _text(LEFT, 50, facts, size=12, fill=SOFT),
            *panels,
            "</svg>\n",
        ]
    )


def _panel(curve: Curve) -> str:
    steps = sorted({*_even(curve.first, curve.last), *curve.knees})
    values = [curve.value(step) for step in steps]
    low, high = _range(values)
    width, height = CELL_WIDTH - LEFT - RIGHT, CELL_HEIGHT - TOP - BOTTOM

    def x(step: float) -> float:
        return LEFT + width * (step - curve.first) / max(1, curve.last - curve.first)

    def y(value: float) -> float:
        return TOP + height * (high - value) / (high - low)

    parts = [_text(LEFT, TOP - 16, curve.title, size=13, weight=600)]
    for value in ticks(low, high):
        parts.append(_line(LEFT, y(value), LEFT + width, y(value), GRID))
        parts.append(_text(LEFT - 8, y(value) + 4, value_text(value), anchor="end"))
    for step in ticks(curve.first, curve.last):
        parts.append(_line(x(step), TOP + height, x(step), TOP + height + 4, SOFT))
        parts.append(_text(x(step), TOP + height + 18, steps_text(step), anchor="middle"))
    parts.append(_line(LEFT, TOP + height, LEFT + width, TOP + height, SOFT))
    path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in zip(steps, values, strict=True))
    parts.append(
        f"<polyline points='{path}' fill='none' stroke='{LINE}' stroke-width='2' stroke-linejoin='round'/>"
    )
    marks = {curve.first: "", curve.last: "", **curve.knees}
    for step, words in marks.items():
        at_x, at_y = x(step), y(curve.value(step))
        parts.append(f"<circle cx='{at_x:.1f}' cy='{at_y:.1f}' r='3' fill='{LINE}'/>")
        right = at_x < LEFT + width / 2
        # Below a curve that climbs on from here, above all others.
        ahead = min(curve.last, step + (curve.last - curve.first) // 4)
        below = step > curve.first and y(curve.value(ahead)) < at_y - 9
        anchor = "start" if right else "end"
        parts.append(_text(at_x + 6 * below, at_y + (18 if below else -9), words, anchor=anchor, fill=INK))
    return "".join(parts)


def _even(first: int, last: int) -> list[int]:
    count = min(POINTS, last - first)
    return [first + round(n * (last - first) / max(1, count)) for n in range(count + 1)]


def _range(values: list[float]) -> tuple[float, float]:
    """Bounds of the axis: those of the values, with room on top for words; a constant lies in the middle."""
    low, high = min(values), max(values)
    if high - low < 1e-12:
        return 0.0, 2 * high or 1.0
    return low, high + 0.14 * (high - low)


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{stroke}'/>"


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 11,
    weight: int = 400,
    anchor: str = "start",
    fill: str = "",
) -> str:
    if not words:
        return ""
    colour = fill or (INK if weight > 400 else SOFT)
    # The halo keeps words readable where they cross a line of the grid.
    halo = "stroke='#ffffff' stroke-width='3' paint-order='stroke'"
    style = f"font-size='{size}' font-weight='{weight}' text-anchor='{anchor}' fill='{colour}' {halo}"
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(words)}</text>"
