"""A report as one HTML page: no script, no address outside, pictures inside. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from webssl_eval.report.account import Account, Example, Number, Picture
from webssl_eval.report.bars import category_bars
from webssl_eval.report.paper import source
from webssl_eval.report.style import STYLE
from webssl_eval.report.tables import Row, Table, category_series, number_text, tables_of
from webssl_eval.report.thumbnails import data_uri

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_TEXT = ' class="text"'


def page(accounts: Sequence[Account], made: str) -> str:
    """The page.

    Args:
        accounts: one for each checkpoint, at least one.
        made: when the report was made, as it shall stand there.
    """
    names = ", ".join(account.subject.name for account in accounts)
    bars = category_series(accounts)
    comparison, rest = _split(tables_of(accounts))
    parts = [
        "<!DOCTYPE html>\n",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(names)}: webssl report</title><style>{STYLE}</style></head><body>",
        f'<h1>{escape(names)}</h1><p class="soft">made {escape(made)} by webssl report</p>',
        *map(_subject, accounts),
        *map(_table, comparison),
        *(["<h2>Means per category</h2>", category_bars(bars)] if bars else []),
        *map(_table, rest),
        *(_pictures("The encoder", account, account.encoder_pictures) for account in accounts),
        *(_pictures("Alignment with language", account, account.heat_maps) for account in accounts),
        *map(_examples, accounts),
        f'<p class="soft"><small>Rows of the paper: {escape(source())}.</small></p></body></html>\n',
    ]
    return "\n".join(part for part in parts if part)


def _split(tables: Sequence[Table]) -> tuple[list[Table], list[Table]]:
    """The comparison, which the bars follow, and the others."""
    first = [table for table in tables if table.title.startswith("Scores against")]
    return first, [table for table in tables if table not in first]


def _subject(account: Account) -> str:
    subject = account.subject
    facts = {
        "checkpoint": f"<code>{escape(subject.uri)}</code>",
        "digest": f"<code>{escape(subject.digest)}</code>",
        "model": escape(f"{subject.objective}, ViT {subject.size}, last stage at {subject.resolution} px"),
        "trained": escape(_trained(account)),
        "data": "<br>".join(f"<code>{escape(item)}</code>" for item in subject.sources) or "-",
    }
    lines = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    notes = "".join(f"<li>{escape(note)}</li>" for note in account.notes)
    warned = f'<ul class="warn">{notes}</ul>' if notes else ""
    return f'<section><h3>{escape(subject.name)}</h3><dl class="facts">{lines}</dl>{warned}</section>'


def _trained(account: Account) -> str:
    subject = account.subject
    if subject.imported:
        return f"published weights of {subject.imported}"
    filtered = ", images chosen by a filter" if subject.filtered else ""
    return f"{subject.samples:,} samples in {subject.step:,} steps{filtered}"


def _table(table: Table) -> str:
    texts = [isinstance(cell, str) for cell in table.rows[0].cells]
    heads = "".join(
        f'<th scope="col"{_TEXT if text else ""}>{escape(column)}</th>'
        for column, text in zip(table.columns, texts, strict=True)
    )
    rows = "".join(_row(row, table.own) for row in table.rows)
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    below = f'<ul class="soft"><small>{notes}</small></ul>' if notes else ""
    return (
        f'<section><h2>{escape(table.title)}</h2><div class="scroll"><table><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{below}</section>"
    )


def _row(row: Row, own: int) -> str:
    unit = f" <small>({escape(row.unit)})</small>" if row.unit else ""
    cells = "".join(_cell(cell, number < own) for number, cell in enumerate(row.cells))
    return f'<tr class="{row.kind}"><th scope="row">{escape(row.head)}{unit}</th>{cells}</tr>'


def _cell(cell: Number | str, own: bool) -> str:
    if isinstance(cell, str):
        return f"<td{_TEXT}>{escape(cell)}</td>"
    label = f'<small class="warn">{escape(cell.label)}</small>' if cell.label else ""
    mark = ' class="own"' if own else ""
    return f"<td{mark}>{escape(number_text(cell))}{label}</td>"


def _examples(account: Account) -> str:
    if not account.examples:
        return ""
    parts = [f"<h2>Answers of {escape(account.subject.name)}</h2>"]
    for name, members in groupby(account.examples, key=lambda example: example.source):
        cards = "".join(map(_example, members))
        parts.append(f'<h3>{escape(name)}</h3><div class="examples">{cards}</div>')
    return f"<section>{''.join(parts)}</section>"


def _example(example: Example) -> str:
    if example.picture is not None:
        picture = f'<img alt="the picture asked about" src="{data_uri("image/jpeg", example.picture)}">'
    else:
        picture = (
            f'<p class="soft"><small>no picture: {escape(example.missing)}</small></p>'
            if example.missing
            else ""
        )
    verdict = "right" if example.right else "wrong"
    earned = "" if example.credit in {0.0, 1.0} else f" ({example.credit:.2f} of 1)"
    told = "counts as right only with all answers of its group"
    grouped = f'<p class="soft"><small>{told}</small></p>' if example.grouped else ""
    return (
        f'<article class="example {verdict}">{picture}<p>{escape(example.question)}</p>'
        f'<p><span class="verdict">{verdict}{earned}</span>: {escape(example.answer) or "<em>no answer</em>"}</p>'
        f'<p class="soft">expected: {escape(example.reference)}</p>{grouped}</article>'
    )


def _pictures(title: str, account: Account, pictures: Sequence[Picture]) -> str:
    if not pictures:
        return ""
    shown = "".join(
        f'<figure><img alt="{escape(picture.title)}" src="{data_uri(picture.media, picture.data)}">'
        f"<figcaption>{escape(picture.title)}</figcaption></figure>"
        for picture in pictures
    )
    return f"<section><h2>{escape(title)}: {escape(account.subject.name)}</h2>{shown}</section>"
