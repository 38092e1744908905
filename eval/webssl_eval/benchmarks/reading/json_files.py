"""Questions in JSON files, with images in folders beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from webssl_eval.benchmarks.question import Problem, Question
from webssl_eval.benchmarks.reading.layouts import Layout, Source
from webssl_eval.benchmarks.reading.rows import Place, QuestionOf, RowT, questions_of

Records = Callable[[Any], Any]


def json_layout(
    patterns: Sequence[str], model: type[RowT], make: QuestionOf[RowT], records: Records = lambda found: found
) -> Layout:
    """A layout of JSON files.

    Args:
        patterns: of the files.
        model: fields that are read.
        make: the question of a record.
        records: the list of records in what a file holds; KeyError and TypeError mean that the file is another.
    """

    def read(source: Source) -> Iterator[Question | Problem]:
        index = 0
        for url in source.files:
            name = url.rpartition("/")[2]
            try:
                found = records(json.loads(source.storage.read(url)))
            except (ValueError, KeyError, TypeError) as error:
                yield Problem(
                    name, f"not the published JSON ({type(error).__name__}: {error}); copy it again"
                )
                continue
            if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
                yield Problem(name, "holds no list of records; copy the published file again")
                continue
            places = [Place(url, number, index + number) for number in range(len(found))]
            yield from questions_of(zip(places, found, strict=True), model, make)
            index += len(found)

    return Layout(tuple(patterns), read)
