"""A report as Markdown and as CSV: the tables, and what must be said beside them. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from webssl_eval.report.account import Account, Number
from webssl_eval.report.paper import source
from webssl_eval.report.tables import Row, Table, number_text, tables_of


def markdown(accounts: Sequence[Account], made: str) -> str:
    """The tables as Markdown; a partial number has its label behind it."""
    names = ", ".join(account.subject.name for account in accounts)
    parts = [f"# {_plain(names)}\n\nMade {made} by `webssl report`.\n"]
    for account in accounts:
        subject = account.subject
        parts.append(
            f"* **{_plain(subject.name)}**: {_plain(subject.objective)}, ViT {_plain(subject.size)}, "
            f"{subject.samples:,} samples, {subject.resolution} px, checkpoint `{subject.uri}`, digest `{subject.digest[:12]}`"
        )
        parts += [f"  * {_plain(note)}" for note in account.notes]
    parts += [_table(table) for table in tables_of(accounts)]
    parts.append(f"\nRows of the paper: {source()}.\n")
    return "\n".join(parts)


def comma_separated(accounts: Sequence[Account]) -> str:
    """Every number on a line of its own: table, row, column, value, unit, label. Values are not rounded; UTF-8, CRLF line ends."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(("table", "row", "column", "value", "unit", "label"))
    for table in tables_of(accounts):
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if isinstance(cell, str):
                    writer.writerow((table.title, row.head, column, cell, "", ""))
                elif cell.value is not None:
                    writer.writerow((table.title, row.head, column, repr(cell.value), row.unit, cell.label))
    return buffer.getvalue()


def _table(table: Table) -> str:
    lines = [
        f"\n## {_plain(table.title)}\n",
        _line(("", *table.columns)),
        f"|{'---|' * (len(table.columns) + 1)}",
        *map(_row, table.rows),
    ]
    return "\n".join([*lines, "", *(f"* {_plain(note)}" for note in table.notes)])


def _row(row: Row) -> str:
    cells = [row.head + (f" ({row.unit})" if row.unit else ""), *map(_cell, row.cells)]
    line = [_plain(cell) for cell in cells]
    return f"| {' | '.join(line if row.kind == 'score' else [f'**{cell}**' for cell in line])} |"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _cell(cell: Number | str) -> str:
    if isinstance(cell, str):
        return cell
    return number_text(cell) + (f" ({cell.label})" if cell.label else "")


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    line = " ".join(text.split())
    return (
        line.replace("\\", "\\\\")
        .replace("|", "\\|")
        .replace("<", "&lt;")
        .replace("*", "\\*")
        .replace("`", "\\`")
    )
