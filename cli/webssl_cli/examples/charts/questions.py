"""Questions whose answers follow from a chart's table: some ask for one value, as ChartQA's augmented ones, some for more. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator

from webssl_cli.examples.charts.drawing import Style, groups, number_text
from webssl_cli.examples.charts.table import Table
from webssl_cli.examples.question_sets import Asked

HUMAN, AUGMENTED = "human", "augmented"
_TIMES = {"month", "year", "state"}
_ITEMS = {"bar": "bars", "line": "points", "pie": "slices"}


def questions(table: Table, style: Style, dice: random.Random, each: int = 2) -> tuple[Asked, ...]:
    """`each` questions of either kind, fewer where the chart gives no more."""
    chosen: list[Asked] = []
    for kind, found in (
        (HUMAN, list(_human(table, style, dice))),
        (AUGMENTED, list(_augmented(table, style, dice))),
    ):
        picked = dice.sample(found, min(each, len(found)))
        chosen += [Asked(question, (answer,), kind) for question, answer in picked]
    return tuple(chosen)


def _augmented(table: Table, style: Style, dice: random.Random) -> Iterator[tuple[str, str]]:
    if table.points:
        yield "What does the horizontal axis show?", table.over
        yield "What does the vertical axis show?", table.unit
        return
    for name, row in table.series:
        # Nobody reads a number off a slice that has none.
        for number in dice.sample(range(len(row)), 2) if style.values or style.kind != "pie" else ():
            where = _where(table, table.labels[number])
            yield f"What was the {_measure(table, name)} {where}?", number_text(row[number])
        if len(set(row)) == len(row):
            highest, lowest = (table.labels[row.index(end)] for end in (max(row), min(row)))
            yield f"Which {table.over} had the highest {_measure(table, name)}?", highest
            yield f"Which {table.over} had the lowest {_measure(table, name)}?", lowest
    yield "What is the title of the chart?", table.title


def _human(table: Table, style: Style, dice: random.Random) -> Iterator[tuple[str, str]]:
    if table.points:
        yield from _of_points(table, style)
        return
    if len(table.series) > 1:
        yield from _of_series(table, style, dice)
    else:
        yield from _of_items(table, style)
    for name, row in table.series:
        if style.values or style.kind != "pie":
            yield (
                f"What is the difference between the highest and the lowest {_measure(table, name)}?",
                _number(max(row) - min(row)),
            )
        first, second = dice.sample(range(len(row)), 2)
        if row[first] != row[second]:
            here, there = (_where(table, table.labels[number]) for number in (first, second))
            question = f"Was the {_measure(table, name)} {here} greater than {there}?"
            yield question, "Yes" if row[first] > row[second] else "No"


def _of_items(table: Table, style: Style) -> Iterator[tuple[str, str]]:
    (_, row) = table.series[0]
    yield f"How many {_ITEMS[style.kind]} are there?", str(len(row))
    several = style.kind == "pie" or style.rainbow
    if not several:
        yield (
            f"What colour are the {'bars' if style.kind == 'bar' else 'line and its points'}?",
            style.colours[0][0],
        )
        middle = sorted(row)[len(row) // 2]
        above = sum(value > middle for value in row)
        yield (
            f"How many {_plural(table.over)} have a {table.measure} above {number_text(middle)}?",
            str(above),
        )
        return
    for number in (row.index(max(row)), row.index(min(row))):
        if list(row).count(row[number]) == 1:
            end = "largest" if row[number] == max(row) else "smallest"
            item = "slice" if style.kind == "pie" else "bar"
            yield f"What colour is the {end} {item}?", style.colours[number][0]
    yield (
        f"What does the {style.colours[1][0]} {'slice' if style.kind == 'pie' else 'bar'} stand for?",
        table.labels[1],
    )


def _of_series(table: Table, style: Style, dice: random.Random) -> Iterator[tuple[str, str]]:
    number = dice.randrange(len(table.series))
    name = table.series[number][0]
    yield f"Which colour stands for {name}?", style.colours[number][0]
    yield (
        f"How many different colours are used for the {'bars' if style.kind == 'bar' else 'lines'}?",
        str(len(table.series)),
    )
    column = dice.randrange(len(table.labels))
    values = [row[column] for _, row in table.series]
    if values.count(max(values)) == 1:
        yield (
            f"Which of them is the highest in {table.labels[column]}?",
            table.series[values.index(max(values))][0],
        )


def _of_points(table: Table, style: Style) -> Iterator[tuple[str, str]]:
    names = groups(table)
    yield "How many groups of points are there?", str(len(names))
    for number, name in enumerate(names):
        yield f"What colour are the points of {name}?", style.colours[number][0]
    for axis, words in ((0, table.over), (1, table.unit)):
        ends = [max(point[axis] for point in table.points if point[2] == name) for name in names]
        if ends.count(max(ends)) == 1 and len(names) > 1:
            yield (
                f"Which group has the point with the largest {words.partition(' (')[0]}?",
                names[ends.index(max(ends))],
            )


def _measure(table: Table, name: str) -> str:
    return f"{table.measure} ({name})" if len(table.series) > 1 else table.measure


def _where(table: Table, label: str) -> str:
    return f"{'in' if table.over in _TIMES else 'at' if table.over == 'hour' else 'for'} {label}"


def _number(value: float) -> str:
    return number_text(round(value, 2))


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
