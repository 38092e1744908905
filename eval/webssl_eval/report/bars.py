"""Means per category as horizontal bars: an SVG that needs nothing from outside. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from webssl_eval.benchmarks.benchmark import Category
from webssl_eval.report.account import Number
from webssl_eval.report.series import Series

OWN = ("#1f6fb2", "#c8553d", "#2f8f5b", "#8456a8", "#b0812a")
PAPER = ("#8d97a3", "#a6afb9", "#bec5cd", "#d0d5da")
_BAR, _GAP, _HEAD, _FOOT = 16, 5, 30, 26
_NAMES, _SCALE, _VALUES = 310, 480, 190
_LETTERS = 46


def category_bars(series: Sequence[Series]) -> str:
    """An `<svg>` with a group of bars for each category and the average; 0 to 100 %, each bar with its value.

    Bars of partial means are hatched and say so; a mean that is not there has no bar.
    """
    groups = [*(category.value for category in Category), "Average"]
    height = len(groups) * (_HEAD + len(series) * (_BAR + _GAP)) + _FOOT
    width = _NAMES + _SCALE + _VALUES
    colours = _colours(series)
    parts = [
        f'<svg class="bars" role="img" aria-label="Means per category" viewBox="0 0 {width} {height}" '
        f'xmlns="http://www.w3.org/2000/svg">',
        _hatching(),
        _scale(height),
    ]
    top = 0
    for group in groups:
        parts.append(f'<text class="group" x="0" y="{top + 20}">{escape(group)}</text>')
        top += _HEAD
        for item, colour in zip(series, colours, strict=True):
            parts.append(_bar(item, group, item.means[group], colour, top))
            top += _BAR + _GAP
    return "".join([*parts, "</svg>"])


def _colours(series: Sequence[Series]) -> list[str]:
    seen = {True: 0, False: 0}
    found = []
    for item in series:
        palette = OWN if item.own else PAPER
        found.append(palette[seen[item.own] % len(palette)])
        seen[item.own] += 1
    return found


def _hatching() -> str:
    return (
        '<defs><pattern id="partial" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="3" height="6" fill="#fff" fill-opacity="0.55"/></pattern></defs>'
    )


def _scale(height: int) -> str:
    lines = []
    for value in range(0, 101, 20):
        x = _NAMES + _SCALE * value / 100
        lines.append(f'<line class="grid" x1="{x:g}" x2="{x:g}" y1="8" y2="{height - _FOOT}"/>')
        unit = " %" if value == 100 else ""
        lines.append(f'<text class="tick" x="{x:g}" y="{height - 8}">{value}{unit}</text>')
    return "".join(lines)


def _bar(item: Series, group: str, number: Number, colour: str, top: int) -> str:
    middle = top + _BAR / 2 + 4
    name = item.title if len(item.title) <= _LETTERS else f"{item.title[: _LETTERS - 1]}…"
    weight = ' font-weight="600"' if item.own else ""
    text = f'<text class="name" x="{_NAMES - 8}" y="{middle:g}"{weight}>{escape(name)}</text>'
    if number.value is None:
        return f'{text}<text class="value" x="{_NAMES + 6}" y="{middle:g}">no score</text>'
    length = _SCALE * min(max(number.value, 0.0), 100.0) / 100
    box = f'x="{_NAMES}" y="{top}" width="{length:.1f}" height="{_BAR}" rx="2"'
    hatched = f'<rect {box} fill="url(#partial)"/>' if number.label else ""
    partial = " (partial)" if number.label else ""
    title = escape(f"{item.title}, {group}: {number.value:.2f}{f' ({number.label})' if number.label else ''}")
    return (
        f'{text}<g><title>{title}</title><rect {box} fill="{colour}"/>{hatched}</g>'
        f'<text class="value" x="{_NAMES + length + 6:.1f}" y="{middle:g}">{number.value:.2f}{partial}</text>'
    )
